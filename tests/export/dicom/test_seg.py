"""Masks stored as DICOM SEG come back voxel for voxel, on any grid, under the names that they had."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dotaliver.dicom.masks.reading import read_mask
from dotaliver.errors import MaskError
from dotaliver.export.dicom.encoding import encoded
from dotaliver.export.dicom.seg import segmentation_datasets, segmentation_files
from dotaliver.image.geometry import Geometry
from dotaliver.image.spheres import sphere_mask
from dotaliver.image.volume import LabelMap
from dotaliver.records.masks import MaskLayer, ReferenceRegion
from fixtures.derived_dicom import dciodvfy_errors, needs_dciodvfy, sources, written
from fixtures.scores import (
    DIAGNOSTIC_FRAME,
    DIAGNOSTIC_STUDY_UID,
    FRAME,
    STUDY_UID,
    Case,
    axial,
    on_grid,
    score_for,
    small_case,
    with_diagnostic_ct,
)

highdicom = pytest.importorskip("highdicom")


def files(case: Case) -> dict[str, bytes]:
    return segmentation_files(case.score, case.volumes, case.segmentations, sources(case))


def read_back(data: bytes, label: str, grid: Geometry) -> np.ndarray:
    """One segment's voxels on a grid, by the positions that the file states and nothing else."""
    seg = highdicom.seg.segread(BytesIO(data))
    number = next(d.SegmentNumber for d in seg.SegmentSequence if d.SegmentLabel == label)
    volume = seg.get_volume(segment_numbers=[number], combine_segments=True)
    index = np.argwhere(volume.array)
    places = index @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    found = grid.lps_to_index(places)
    assert np.abs(found - found.round()).max() < 1e-2
    mask = np.zeros(grid.shape, bool)
    mask[tuple(found.round().astype(int).T)] = True
    return mask


def turned(shape: tuple[int, int, int]) -> Geometry:
    a, b = np.deg2rad(20), np.deg2rad(-12)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    axes = (about_x @ about_z)[:, ::-1].T
    return Geometry(shape, (12.5, -80.25, 33.0), (3.3, 2.1, 2.1), tuple(map(tuple, axes)), FRAME)


SHAPE = (24, 32, 32)
GRIDS = {
    "axial": axial(SHAPE, (4.0, 4.0, 4.0)),
    "oblique": turned(SHAPE),
    "feet first": Geometry(SHAPE, (0, 0, 90), (3, 4, 4), ((0, 0, -1), (0, 1, 0), (1, 0, 0)), FRAME),
    "flipped in plane": Geometry(SHAPE, (60, 60, 0), (3, 4, 4), ((0, 0, 1), (0, -1, 0), (-1, 0, 0)), FRAME),
    "coronal": Geometry(SHAPE, (0, 0, 0), (3, 4, 4), ((0, 1, 0), (0, 0, -1), (1, 0, 0)), FRAME),
    "anisotropic": axial(SHAPE, (6.5, 1.2, 2.7)),
}


@pytest.mark.parametrize("name", GRIDS)
def test_lesions_and_spheres_come_back_voxel_for_voxel(name: str) -> None:
    grid = GRIDS[name]
    case = on_grid(small_case(), grid)
    data = files(case)["segmentation.dcm"]
    lesions = case.segmentations.lesions
    assert lesions is not None
    for label in (2, 5):
        assert np.array_equal(read_back(data, f"Lesion {label}", grid), lesions.labels.where(label))
    sphere = case.segmentations.references[0]
    assert sphere.centre_lps_mm is not None and sphere.diameter_mm is not None
    expected = sphere_mask(grid, sphere.centre_lps_mm, sphere.diameter_mm)
    assert np.array_equal(read_back(data, "Reference liver", grid), expected)


def test_the_liver_stands_in_the_file_of_the_ct() -> None:
    case = small_case()
    result = files(case)
    assert set(result) == {"segmentation.dcm", "segmentation_ct.dcm"}
    liver, ct = case.segmentations.liver, case.volumes.ct
    assert liver is not None and ct is not None
    assert np.array_equal(read_back(result["segmentation_ct.dcm"], "Liver", ct.geometry), liver.labels.mask)


def test_no_file_holds_overlapping_segments() -> None:
    """OHIF 3.13 loses segments of a file in which segments overlap, as those of liver and lesions do."""
    case = small_case(ct=False)
    result = files(case)
    assert set(result) == {"segmentation.dcm", "segmentation_liver.dcm"}
    grid = case.volumes.pet.geometry
    liver, lesions = case.segmentations.liver, case.segmentations.lesions
    assert liver is not None and lesions is not None
    assert (liver.labels.mask & lesions.labels.mask).any()
    assert np.array_equal(read_back(result["segmentation_liver.dcm"], "Liver", grid), liver.labels.mask)
    assert np.array_equal(read_back(result["segmentation.dcm"], "Lesion 2", grid), lesions.labels.where(2))


def test_candidates_and_lesions_drawn_on_ct_do_not_share_a_file_with_the_liver() -> None:
    case = small_case()
    assert case.segmentations.liver is not None
    grid = case.segmentations.liver.labels.geometry
    labels = np.zeros(grid.shape, np.uint16)
    labels[10:12, 20:23, 20:23], labels[10:12, 20:23, 12:15] = 2, 5
    drawn = MaskLayer(LabelMap(labels, grid), "ct", "somebody", 1.5)
    foci = MaskLayer(LabelMap(np.where(labels > 0, labels + 900, 0).astype(np.uint16), grid), "ct", "petct", 1.5)
    result = files(replace(case, segmentations=replace(case.segmentations, lesions=drawn, ct_foci=foci)))
    names = {name: [s.SegmentLabel for s in pydicom.dcmread(BytesIO(data)).SegmentSequence]
             for name, data in result.items()}  # fmt: skip
    assert names == {
        "segmentation.dcm": ["Reference liver"],
        "segmentation_ct.dcm": ["Lesion 2", "Lesion 5"],
        "segmentation_ct_candidates.dcm": ["CT candidate 902", "CT candidate 905"],
        "segmentation_liver.dcm": ["Liver"],
    }


def test_names_codes_and_patient() -> None:
    case = small_case()
    ds = pydicom.dcmread(BytesIO(files(case)["segmentation.dcm"]))
    lesion = ds.SegmentSequence[0]
    assert (lesion.SegmentLabel, lesion.TrackingID) == ("Lesion 2", "dotaliver:lesion:2")
    assert lesion.SegmentedPropertyTypeCodeSequence[0].CodeValue == "108369006"
    assert lesion.SegmentAlgorithmType == "AUTOMATIC"
    assert ds.SegmentSequence[2].TrackingID == "dotaliver:reference:liver"
    assert (ds.PatientID, str(ds.PatientName), ds.StudyInstanceUID) == ("P1", "Secret^Name", STUDY_UID)
    assert ds.FrameOfReferenceUID == FRAME
    assert {i.ReferencedSOPInstanceUID for s in ds.ReferencedSeriesSequence for i in s.ReferencedInstanceSequence} <= {
        h.SOPInstanceUID for h in sources(case).pet_headers
    }


def test_repeated_runs_give_equal_bytes_and_another_record_other_objects() -> None:
    case = small_case()
    assert files(case) == files(small_case())
    other = files(replace(case, score=case.score.model_copy(update={"record_id": "f" * 64})))
    first, second = (pydicom.dcmread(BytesIO(d["segmentation.dcm"])) for d in (files(case), other))
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert first.SegmentSequence[0].TrackingUID == second.SegmentSequence[0].TrackingUID


def test_a_lesion_without_voxels_is_refused() -> None:
    case = small_case()
    lesions = case.segmentations.lesions
    assert lesions is not None
    array = np.where(lesions.labels.array == 5, 0, lesions.labels.array)
    emptied = replace(case.segmentations, lesions=replace(lesions, labels=lesions.labels.with_array(array)))
    with pytest.raises(MaskError, match="lesion 5 has no voxels"):
        files(replace(case, segmentations=emptied))


def test_nothing_to_store_gives_no_file() -> None:
    case = small_case(ct=False, liver=False, lesions=False)
    bare = replace(case.segmentations, references=())
    assert files(replace(case, segmentations=bare)) == {}


def test_a_mask_on_a_foreign_grid_and_missing_headers_are_refused() -> None:
    case = small_case()
    grid = axial((10, 10, 10), (7.0, 7.0, 7.0))
    foreign = MaskLayer(LabelMap(np.ones(grid.shape, np.uint8), grid), "ct", "imported", 1.5)
    with pytest.raises(MaskError, match="neither on the grid of the PET nor"):
        files(replace(case, segmentations=replace(case.segmentations, liver=foreign)))
    short = replace(sources(case), ct_headers=None)
    with pytest.raises(MaskError, match="0 CT headers"):
        segmentation_files(case.score, case.volumes, case.segmentations, short)


def test_headers_with_gaps_and_nonsense_still_serve() -> None:
    case = small_case()
    given = sources(case)
    for ds in (*given.pet_headers, *(given.ct_headers or ())):
        del ds.PatientID, ds.StudyID, ds.StudyTime
        ds["PatientSex"].value = "X"
        ds.SliceThickness = None
    result = segmentation_files(case.score, case.volumes, case.segmentations, given)
    ds = pydicom.dcmread(BytesIO(result["segmentation.dcm"]))
    assert (ds.PatientSex, ds.PatientID) == ("", "")


@needs_dciodvfy
@pytest.mark.parametrize("whole", [True, False])
def test_a_clinical_trial_subject_is_handed_on_whole_or_not_at_all(whole: bool, tmp_path) -> None:
    case = small_case()
    given = sources(case)
    for ds in (*given.pet_headers, *(given.ct_headers or ())):
        ds.ClinicalTrialSponsorName, ds.ClinicalTrialProtocolID = "ACME" if whole else "", "P-1"
        ds.ClinicalTrialProtocolName = ds.ClinicalTrialSiteID = ds.ClinicalTrialSiteName = ""
        ds.ClinicalTrialSubjectID, ds.PatientIdentityRemoved = "S-7", "YES"
        ds.DeidentificationMethod = "by hand"
    for name, data in segmentation_files(case.score, case.volumes, case.segmentations, given).items():
        path = written(data, tmp_path / name)
        assert dciodvfy_errors(path) == []
        dataset = pydicom.dcmread(path)
        assert ("ClinicalTrialSubjectID" in dataset, "ClinicalTrialProtocolID" in dataset) == (whole, whole)
        assert dataset.PatientIdentityRemoved == "YES"


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        ("ISO_IR 100", "Müller^Jörg"),
        ("ISO_IR 192", "山田^太郎"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("ISO_IR 100", ""),
    ],
)
def test_names_in_any_script_survive(character_set, name: str) -> None:
    case = small_case()
    given = sources(case)
    for ds in (*given.pet_headers, *(given.ct_headers or ())):
        ds.SpecificCharacterSet = character_set
        ds.PatientName = name
    result = segmentation_files(case.score, case.volumes, case.segmentations, given)
    assert str(pydicom.dcmread(BytesIO(result["segmentation.dcm"])).PatientName) == name
    assert given.pet_headers[0].SpecificCharacterSet == character_set


def test_a_sphere_holds_the_voxels_whose_centre_is_inside() -> None:
    grid = axial((11, 11, 11), (2.0, 2.0, 2.0))
    # Around a voxel centre, radius 2 mm: the voxel and its six neighbours, exactly 2 mm away.
    assert sphere_mask(grid, (0, 0, 0), 4.0).sum() == 7
    assert sphere_mask(grid, (0, 0, 0), 3.9).sum() == 1
    with pytest.raises(MaskError, match="holds no voxel"):
        sphere_mask(grid, (1, 1, 1), 1.0)
    with pytest.raises(MaskError, match="holds no voxel"):
        sphere_mask(grid, (500, 0, 0), 10.0)


@needs_dciodvfy
@pytest.mark.parametrize("ct", [True, False])
def test_dciodvfy_finds_no_errors(ct: bool, tmp_path) -> None:
    case = small_case(ct=ct)
    case = replace(case, score=score_for(case.volumes, case.segmentations))
    for name, data in files(case).items():
        assert dciodvfy_errors(written(data, tmp_path / name)) == []


def test_lesions_in_the_liver_and_regions_name_their_organ() -> None:
    case = small_case()
    outside = case.score.lesions[0].model_copy(update={"in_liver": False})
    score = case.score.model_copy(update={"lesions": (outside, *case.score.lesions[1:])})
    ds = pydicom.dcmread(BytesIO(files(replace(case, score=score))["segmentation.dcm"]))
    organs = [[c.CodeMeaning for c in s.get("AnatomicRegionSequence", [])] for s in ds.SegmentSequence]
    assert organs == [[], ["Liver"], ["Liver"]]
    colours = [tuple(s.RecommendedDisplayCIELabValue) for s in ds.SegmentSequence]
    assert colours[0] == colours[1] != colours[2]
    assert all(s.SegmentationAlgorithmIdentificationSequence[0].AlgorithmVersion for s in ds.SegmentSequence)


@pytest.mark.parametrize("name", GRIDS)
def test_label_maps_hold_the_same_voxels(name: str) -> None:
    grid = GRIDS[name]
    case = on_grid(small_case(), grid)
    stored = segmentation_datasets(case.score, case.volumes, case.segmentations, sources(case), labelmap=True)
    dataset = stored["segmentation.dcm"]
    assert dataset.SegmentationType == "LABELMAP"
    assert dataset.SOPClassUID == "1.2.840.10008.5.1.4.1.1.66.7"
    lesions = case.segmentations.lesions
    assert lesions is not None
    data = encoded(dataset)
    for label in (2, 5):
        assert np.array_equal(read_back(data, f"Lesion {label}", grid), lesions.labels.where(label))
    binary = pydicom.dcmread(BytesIO(files(case)["segmentation.dcm"]))
    assert dataset.SOPInstanceUID != binary.SOPInstanceUID


def test_overlapping_masks_stay_binary_where_label_maps_are_asked_for() -> None:
    case = small_case()
    # A reader laid the reference region on a lesion
    sphere = ReferenceRegion("liver", "reader", centre_lps_mm=case.score.lesions[0].centroid_lps_mm, diameter_mm=15.0)
    case = replace(case, segmentations=replace(case.segmentations, references=(sphere,)))
    stored = segmentation_datasets(case.score, case.volumes, case.segmentations, sources(case), labelmap=True)
    assert stored["segmentation.dcm"].SegmentationType == "BINARY"


@pytest.mark.parametrize("labelmap", [False, True])
@pytest.mark.parametrize("name", GRIDS)
def test_what_we_write_we_read_back_voxel_for_voxel(name: str, labelmap: bool, tmp_path) -> None:
    case = on_grid(small_case(), GRIDS[name])
    stored = segmentation_datasets(case.score, case.volumes, case.segmentations, sources(case), labelmap=labelmap)
    path = written(stored["segmentation.dcm"], tmp_path / "segmentation.dcm")
    lesions = case.segmentations.lesions
    assert lesions is not None
    mask = read_mask(path, case.volumes, "lesions")
    assert mask.labels.geometry == case.volumes.pet.geometry
    np.testing.assert_array_equal(mask.labels.array, lesions.labels.array)


@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.001, 0.6), labelmap=st.booleans())
@settings(max_examples=15, deadline=None)
def test_any_mask_comes_back_voxel_for_voxel(tmp_path_factory, seed: int, share: float, labelmap: bool) -> None:
    case = on_grid(small_case(), GRIDS["oblique"])
    random = np.random.default_rng(seed)
    array = np.where(random.random(SHAPE) < share, random.integers(1, 4, SHAPE), 0).astype(np.uint16)
    array[3, 4, 5] = 7
    lesions = case.segmentations.lesions
    assert lesions is not None
    masks = replace(
        case.segmentations, lesions=replace(lesions, labels=lesions.labels.with_array(array)), references=()
    )
    score = score_for(case.volumes, masks)
    stored = segmentation_datasets(score, case.volumes, masks, sources(case), labelmap=labelmap)
    path = written(stored["segmentation.dcm"], tmp_path_factory.mktemp("seg") / "s.dcm")
    np.testing.assert_array_equal(read_mask(path, case.volumes, "lesions").labels.array, array)


def test_lesions_as_the_ct_shows_them_stand_in_a_file_of_their_own_under_the_same_names() -> None:
    case = small_case()
    ct, lesions = case.volumes.ct, case.segmentations.lesions
    assert ct is not None and lesions is not None
    labels = np.zeros(ct.geometry.shape, dtype=np.uint16)
    labels[2:4, 5:9, 5:9], labels[4:6, 12:15, 12:15] = 2, 5
    layer = MaskLayer(LabelMap(labels, ct.geometry), "ct", "petct", 1.5)
    with_ct = replace(case, segmentations=replace(case.segmentations, ct_lesions=layer))
    result = files(with_ct)
    for label in (2, 5):
        data = result["segmentation_ct_lesions.dcm"]
        assert np.array_equal(read_back(data, f"Lesion {label}", ct.geometry), labels == label)
    uids = {
        name: {
            str(s.TrackingID): str(s.TrackingUID) for s in highdicom.seg.segread(BytesIO(result[name])).SegmentSequence
        }
        for name in ("segmentation.dcm", "segmentation_ct_lesions.dcm")
    }
    for name, uid in uids["segmentation_ct_lesions.dcm"].items():
        assert uids["segmentation.dcm"][name] == uid
    # What stood there before is not touched by it.
    assert result["segmentation_ct.dcm"] == files(case)["segmentation_ct.dcm"]


@pytest.mark.parametrize("labelmap", [False, True])
def test_lesions_on_a_diagnostic_ct_belong_to_its_study_and_grid(labelmap: bool) -> None:
    case = with_diagnostic_ct(small_case())
    layer, diagnostic = case.segmentations.ct_lesions, case.volumes.recist_image
    assert layer is not None and diagnostic is not None
    stored = segmentation_datasets(case.score, case.volumes, case.segmentations, sources(case), labelmap=labelmap)
    dataset = stored["segmentation_ct_lesions.dcm"]
    assert dataset.SegmentationType == ("LABELMAP" if labelmap else "BINARY")
    assert (dataset.StudyInstanceUID, dataset.FrameOfReferenceUID) == (DIAGNOSTIC_STUDY_UID, DIAGNOSTIC_FRAME)
    found = read_back(encoded(dataset), "Lesion 2", diagnostic.geometry)
    assert np.array_equal(found, layer.labels.where(2))
    organ = next(s for s in dataset.SegmentSequence if s.SegmentLabel == "Lesion 2").AnatomicRegionSequence[0]
    assert organ.CodeMeaning == "Liver"
    assert len({d.SeriesNumber for d in stored.values()}) == len(stored)
