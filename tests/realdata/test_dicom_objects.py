"""Objects that other programs wrote, with their known figures."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.dicom.choice.pet import choose_series
from dotaliver.dicom.files.headers import index_folder
from dotaliver.dicom.files.slice_headers import slice_headers
from dotaliver.dicom.files.stack import stack_of
from dotaliver.dicom.masks.seg import read_seg
from dotaliver.dicom.sr import read_report
from dotaliver.dicom.study import suv_of
from dotaliver.image.volume import Quantity, Volume
from dotaliver.records.study import Acquisition, SeriesIdentity, StudyIdentity, StudyVolumes


@pytest.fixture
def objects(data):
    return data / "dicom_objects"


def test_a_report_of_pet_measurements_has_its_known_figures(objects) -> None:
    report = read_report(objects / "sr.dcm")
    assert (report.complete, report.verified, len(report.groups)) == (False, False, 1)
    group = report.groups[0]
    assert (group.tracking_id, group.finding.meaning) == ("primary tumor", "Neoplasm, Primary")
    values = {(v.name.meaning, v.derivation and v.derivation.meaning): (v.value, v.unit) for v in group.values}
    assert values["SUVbw", "Mean"] == (6.01529, "{SUVbw}g/ml")
    assert values["SUVbw", "Maximum"] == (10.3814, "{SUVbw}g/ml")
    assert values["SUVbw", "Peak Value Within ROI"] == (9.45534, "{SUVbw}g/ml")
    assert values["Volume", None] == (33.5824, "ml")


def test_a_report_with_several_groups_is_read(objects) -> None:
    report = read_report(objects / "sr_document_with_multiple_groups.dcm")
    assert [g.tracking_id for g in report.groups][:3] == ["Image0001", "LungNodule0001", "Aorta0001"]
    assert [v.value for v in report.groups[1].values] == [10.0]


def test_a_segmentation_of_the_liver_lies_on_its_ct(objects) -> None:
    from dotaliver.dicom.files.headers import index_folder

    series = next(s for s in index_folder(objects / "ct_3slice").series if s.modality == "CT")
    stack = stack_of(series)
    image = Volume(np.zeros(stack.geometry.shape, np.int16), stack.geometry, Quantity.HU)
    dataset = pydicom.dcmread(objects / "liver_seg.dcm")
    identity = StudyIdentity.model_construct(
        study_instance_uid=dataset.StudyInstanceUID,
        pet=SeriesIdentity.model_construct(series_instance_uid=series.uid, sop_instance_uids=()),
        ct=None,
    )
    volumes = StudyVolumes(image, None, identity, Acquisition(), None)
    mask = read_seg("liver_seg.dcm", dataset, volumes, "liver")
    assert mask.labels.geometry == stack.geometry
    stored = dataset.pixel_array
    assert np.count_nonzero(mask.labels.array) == np.count_nonzero(stored)


def test_a_map_to_suv_of_another_program_agrees_with_ours(data, tmp_path) -> None:
    """The RWVM beside a real PET says 0.00042111 SUV per Bq/ml; ours, made from its headers, says the same."""
    folder = data / "petct_fdg_ge"
    theirs = pydicom.dcmread(next(p for p in (folder / "rwvm").rglob("*") if p.is_file()))
    stated = theirs.ReferencedImageRealWorldValueMappingSequence[0].RealWorldValueMappingSequence[0]
    choice = choose_series(index_folder(folder / "pet_ac"))
    arithmetic, _ = suv_of(stack_of(choice.pet), ScoringConfig())
    assert arithmetic.slope_per_bqml == pytest.approx(stated.RealWorldValueSlope, rel=1e-4)
    assert len(slice_headers(choice.pet)) == 135
    assert all("RescaleSlope" in header for header in slice_headers(choice.pet))
