"""Objects derived from an enhanced PET: it is one object with frames, and is named once, by its true class."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.dicom.sr import read_report
from dotaliver.export.outputs import OutputOptions, ScoreFiles, write_score
from dotaliver.image.volume import LabelMap
from dotaliver.pipeline import StudyInput, open_study
from dotaliver.records.masks import MaskLayer, ReferenceRegion, Segmentations
from fixtures.derived_dicom import dciodvfy_errors, needs_dciodvfy
from fixtures.dicom_series import write_study
from fixtures.enhanced_dicom import ENHANCED_PET, SLOPES, enhanced
from fixtures.scores import score_for


@pytest.fixture
def folder(tmp_path):
    study = write_study(tmp_path / "study", pet={"slopes": SLOPES, "elements": {"StudyID": "1"}})
    paths = sorted((study / "pet").glob("*.dcm"))
    enhanced(paths, study / "enhanced.dcm")
    for path in paths:
        path.unlink()
    opened = open_study(StudyInput(study), ScoringConfig())
    grid = opened.volumes.pet.geometry
    labels = np.zeros(grid.shape, np.uint16)
    labels[1:4, 1:3, 1:3] = 1
    masks = Segmentations(
        segmenter="petct",
        liver=None,
        lesions=MaskLayer(LabelMap(labels, grid), "pet", "petct", 1.5),
        references=(ReferenceRegion("liver", "none", reason="no liver"),),
    )
    score = score_for(opened.volumes, masks, suv=opened.volumes.suv)
    out = tmp_path / "out"
    write_score(ScoreFiles(score, opened.volumes, masks, opened.sources), out, "{}", OutputOptions(pdf=True))
    return out


def references(dataset):
    """Classes and frames by which an object refers to the PET."""
    uids = {e.value for e in dataset.iterall() if e.keyword == "ReferencedSOPInstanceUID"}
    classes = {e.value for e in dataset.iterall() if e.keyword == "ReferencedSOPClassUID"}
    return uids, classes


def test_measurements_refer_to_the_one_object(folder) -> None:
    dataset = pydicom.dcmread(folder / "measurements.dcm")
    assert ENHANCED_PET in references(dataset)[1]
    assert "1.2.840.10008.5.1.4.1.1.128" not in references(dataset)[1]
    series = dataset.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    pet = [s for s in series if s.ReferencedSOPSequence[0].ReferencedSOPClassUID == ENHANCED_PET]
    assert [len(s.ReferencedSOPSequence) for s in pet] == [1]
    assert any(g.tracking_id == "dotaliver:lesion:1" for g in read_report(folder / "measurements.dcm").groups)


def test_the_map_gives_each_frame_its_slope(folder) -> None:
    dataset = pydicom.dcmread(folder / "suv_map.dcm")
    score = pydicom.dcmread(folder / "segmentation.dcm")
    assert score.FrameOfReferenceUID
    slopes = {}
    for item in dataset.ReferencedImageRealWorldValueMappingSequence:
        for image in item.ReferencedImageSequence:
            assert image.ReferencedSOPClassUID == ENHANCED_PET
            slopes[image.ReferencedFrameNumber] = item.RealWorldValueMappingSequence[0].RealWorldValueSlope
    # Frames are stored in the reverse order of the slices that the slopes are listed for.
    stated = [float(s) for s in reversed(SLOPES)]
    shares = [slopes[n + 1] / stated[n] for n in range(6)]
    assert shares == pytest.approx([shares[0]] * 6)


@needs_dciodvfy
def test_dciodvfy_finds_no_errors(folder) -> None:
    for path in folder.glob("*.dcm"):
        assert dciodvfy_errors(path) == [], path.name
