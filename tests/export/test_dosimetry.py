"""Masks for dosimetry: every voxel of the liver is tumour or not, in one lobe or the other, under names others know."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import nibabel
import numpy as np
import pydicom
import pytest

from dotaliver.export.dosimetry import dosimetry_json, dosimetry_of, dosimetry_structure_set
from dotaliver.export.outputs import OutputOptions, ScoreFiles, write_score
from dotaliver.image.volume import LabelMap
from dotaliver.records.masks import LobePlane, MaskLayer
from dotaliver.records.measurements import CtFocus, Lobes
from fixtures.derived_dicom import dciodvfy_errors, needs_dciodvfy, sources, written
from fixtures.scores import small_case, with_diagnostic_ct

# The names that PyTheranostics knows as they are, and its pattern of lesions
KNOWN = {"Liver", "TotalTumorBurden"}
LESIONS = re.compile(r"^Lesion_(\d+)$")
PLANE = LobePlane(point_lps_mm=(-14.0, 0.0, 0.0), normal_lps=(1.0, 0.0, 0.0), landmark="gallbladder")


def with_lobes(case=None):
    case = case or small_case(lobes=Lobes(landmark="gallbladder"))
    return replace(case, segmentations=replace(case.segmentations, lobes=PLANE))


def marked(case, label: int, *marks: str):
    lesions = tuple(
        lesion.model_copy(update={"marks": marks}) if lesion.label == label else lesion for lesion in case.score.lesions
    )
    return replace(case, score=case.score.model_copy(update={"lesions": lesions}).with_record_id())


def found_in(case):
    return dosimetry_of(case.score, case.volumes, case.segmentations)


def masks_of(found) -> dict[str, np.ndarray]:
    """Each structure on the whole grid."""
    masks = {}
    for each in found.structures:
        masks[each.structure.name] = np.zeros(found.outlines.grid.shape, bool)
        masks[each.structure.name][each.structure.voxels.box] = each.structure.voxels.mask
    return masks


def test_parts_of_the_liver_add_up() -> None:
    case = with_lobes()
    found = found_in(case)
    masks = masks_of(found)
    assert list(masks) == [
        "Liver", "Liver_Right", "Liver_Left", "NonTumouralLiver", "NonTumouralLiver_Right", "NonTumouralLiver_Left",
        "Lesion_2", "Lesion_5", "TotalTumorBurden",
    ]  # fmt: skip
    assert set(masks) >= KNOWN
    assert [int(LESIONS.match(name)[1]) for name in masks if name.startswith("Lesion")] == [2, 5]
    assert case.segmentations.liver is not None
    np.testing.assert_array_equal(masks["Liver"], case.segmentations.liver.labels.mask)
    np.testing.assert_array_equal(masks["TotalTumorBurden"], masks["Lesion_2"] | masks["Lesion_5"])
    np.testing.assert_array_equal(masks["NonTumouralLiver"], masks["Liver"] & ~masks["TotalTumorBurden"])
    for name in ("Liver", "NonTumouralLiver"):
        right, left = masks[f"{name}_Right"], masks[f"{name}_Left"]
        assert not (right & left).any()
        np.testing.assert_array_equal(right | left, masks[name])
    # x rises to the patient's left
    x = found.outlines.grid.index_to_lps(np.argwhere(masks["Liver_Left"]))[:, 0]
    assert (
        x.min()
        > PLANE.point_lps_mm[0]
        >= found.outlines.grid.index_to_lps(np.argwhere(masks["Liver_Right"]))[:, 0].max()
    )
    voxel_ml = float(np.prod(found.outlines.grid.spacing_mm)) / 1000
    for each in found.structures:
        assert each.volume_ml == pytest.approx(masks[each.structure.name].sum() * voxel_ml)
    assert found.missing == {}


def test_what_a_reader_calls_no_tumour_is_none() -> None:
    plain = masks_of(found_in(small_case()))
    cyst = masks_of(found_in(marked(small_case(), 5, "simple_cyst")))
    assert "Lesion_5" not in cyst
    np.testing.assert_array_equal(cyst["TotalTumorBurden"], plain["Lesion_2"])
    # A cyst is no liver tissue either
    np.testing.assert_array_equal(cyst["NonTumouralLiver"], plain["NonTumouralLiver"])
    nothing = masks_of(found_in(marked(small_case(), 5, "not_a_lesion")))
    np.testing.assert_array_equal(nothing["NonTumouralLiver"], plain["Liver"] & ~plain["Lesion_2"])


def test_necrosis_is_no_liver_tissue() -> None:
    """A hole without uptake in a tumour counts to the tumours, as in the burden."""
    case = small_case(ct=False)
    layer = case.segmentations.lesions
    assert layer is not None
    where = np.argwhere(layer.labels.where(2))
    middle = tuple(where.mean(axis=0).round().astype(int))
    whole = masks_of(found_in(case))
    array = np.array(layer.labels.array)
    assert array[middle] == 2
    array[middle] = 0
    pet = np.array(case.volumes.pet.array)
    pet[middle] = 0.0
    volumes = replace(case.volumes, pet=case.volumes.pet.with_array(pet))
    masks = replace(case.segmentations, lesions=replace(layer, labels=layer.labels.with_array(array)))
    hollow = masks_of(found_in(replace(case, volumes=volumes, segmentations=masks)))
    assert not hollow["Lesion_2"][middle]
    assert hollow["TotalTumorBurden"][middle] and not hollow["NonTumouralLiver"][middle]
    np.testing.assert_array_equal(hollow["NonTumouralLiver"], whole["NonTumouralLiver"])


def with_candidate(*marks: str):
    case = small_case()
    assert case.segmentations.liver is not None
    grid = case.segmentations.liver.labels.geometry
    labels = np.zeros(grid.shape, np.uint16)
    labels[10:12, 20:23, 20:23] = 901
    focus = CtFocus(
        label=901, in_liver=True, volume_ml=1.0, longest_diameter_mm=9.0, short_axis_mm=8.0, hu=40.0,
        below_liver_hu=50.0, suv_mean=3.0, ratio_to_liver=0.6, above_liver=False, centroid_lps_mm=(0, 0, 0),
        marks=marks,
    )  # fmt: skip
    score = case.score.model_copy(update={"ct_foci": (focus,)}).with_record_id()
    layer = MaskLayer(LabelMap(labels, grid), "ct", "petct", 1.5)
    return replace(case, score=score, segmentations=replace(case.segmentations, ct_foci=layer)), labels > 0


def test_a_candidate_on_ct_is_tumour_once_a_reader_says_so_and_a_caveat_before() -> None:
    case, place = with_candidate()
    found = found_in(case)
    masks = masks_of(found)
    assert "Lesion_901" not in masks
    liver = masks["Liver"] & ~masks["TotalTumorBurden"]
    np.testing.assert_array_equal(masks["NonTumouralLiver"], liver)
    assert any("901" in caveat for caveat in found.caveats)
    case, place = with_candidate("receptor_negative")
    found = found_in(case)
    masks = masks_of(found)
    np.testing.assert_array_equal(masks["Lesion_901"], place)
    assert not (masks["NonTumouralLiver"] & place).any()
    assert not any("901" in caveat for caveat in found.caveats)


def test_what_is_not_known_is_missing_with_the_reason() -> None:
    case = small_case(lobes=Lobes(reason="no gallbladder was found"))
    found = found_in(case)
    assert not any(name.endswith(("_Right", "_Left")) for name in masks_of(found))
    assert found.missing == {"Liver_Right": "no gallbladder was found", "Liver_Left": "no gallbladder was found"}
    # Without a search for lesions, nothing says which part of the liver is normal
    case = small_case(lesions=False)
    found = found_in(replace(case, segmentations=replace(case.segmentations, lesions=None)))
    assert set(masks_of(found)) == {"Liver"}
    assert set(found.missing) >= {"NonTumouralLiver", "TotalTumorBurden"}
    # Where they were looked for and none was found, all of it is
    masks = masks_of(found_in(case))
    np.testing.assert_array_equal(masks["NonTumouralLiver"], masks["Liver"])
    found = found_in(small_case(liver=False))
    assert set(masks_of(found)) == {"Lesion_2", "Lesion_5", "TotalTumorBurden"}
    assert found.missing["Liver"] == "no liver was found"


def test_a_lesion_mask_that_nobody_calls_complete_is_a_caveat() -> None:
    case = small_case()
    layer = case.segmentations.lesions
    assert layer is not None
    for completeness, expected in (("not_stated", True), ("stated", False), ("searched", False)):
        masks = replace(case.segmentations, lesions=replace(layer, completeness=completeness))
        caveats = found_in(replace(case, segmentations=masks)).caveats
        assert any("not stated to hold every lesion" in caveat for caveat in caveats) is expected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    case = with_lobes()
    out = tmp_path_factory.mktemp("dosimetry")
    files = ScoreFiles(case.score, case.volumes, case.segmentations, sources(case))
    write_score(files, out, "{}", OutputOptions(dosimetry=True))
    return case, out


def test_the_files_agree_with_each_other(folder) -> None:
    """NIfTI read by nibabel, contours by pydicom, and the JSON say the same of every structure."""
    case, out = folder
    told = json.loads((out / "dosimetry.json").read_text())
    dataset = pydicom.dcmread(out / "dosimetry.dcm")
    names = {int(roi.ROINumber): roi.ROIName for roi in dataset.StructureSetROISequence}
    assert names == {each["roi_number"]: each["name"] for each in told["structures"]}
    kinds = {names[item.ReferencedROINumber]: item.RTROIInterpretedType for item in dataset.RTROIObservationsSequence}
    assert {name for name, kind in kinds.items() if kind == "GTV"} == {"Lesion_2", "Lesion_5", "TotalTumorBurden"}
    written_masks = {path.name for path in out.glob("dosimetry-*.nii.gz")}
    assert written_masks == {each["file"] for each in told["structures"]}
    for each in told["structures"]:
        image = nibabel.load(out / each["file"])
        voxels = int((np.asarray(image.dataobj) == each["value"]).sum())
        voxel_ml = abs(float(np.linalg.det(image.affine[:3, :3]))) / 1000
        assert voxels * voxel_ml == pytest.approx(each["volume_ml"], rel=1e-5)
        assert each["meaning"] and each["generation"] in {"AUTOMATIC", "SEMIAUTOMATIC"}
    assert told["grid"]["series_instance_uid"] == case.score.study.ct.series_instance_uid
    assert told["grid"]["image"] == "ct"
    assert told["series"]["pet"] == case.score.study.pet.series_instance_uid
    assert told["units"]["volume_ml"] == "ml"
    assert (told["perfused"], told["record_id"]) == (None, case.score.record_id)
    assert told["shift_lps_mm"] == list(case.segmentations.mismatch.shift_lps_mm)


def test_without_ct_the_masks_lie_on_the_pet() -> None:
    case = small_case(ct=False)
    told = json.loads(dosimetry_json(found_in(case), case.score, case.segmentations))
    assert told["grid"]["image"] == "pet"
    assert told["series"]["ct"] is None
    assert told["grid"]["shape"] == list(case.volumes.pet.geometry.shape)


def test_outlines_on_a_diagnostic_ct_are_not_mixed_in() -> None:
    case = with_diagnostic_ct(small_case())
    told = json.loads(dosimetry_json(found_in(case), case.score, case.segmentations))
    assert {each["outline"] for each in told["structures"] if each["value"] > 1} == {
        "Outline on PET, in the position of the CT"
    }


@needs_dciodvfy
@pytest.mark.parametrize("ct", [True, False])
def test_dciodvfy_finds_no_errors(ct: bool, tmp_path) -> None:
    case = small_case(ct=ct)
    dataset = dosimetry_structure_set(found_in(case), case.score, case.volumes, sources(case))
    assert dciodvfy_errors(written(dataset, tmp_path / "dosimetry.dcm")) == []


def test_nothing_outlined_gives_no_structure_set() -> None:
    case = small_case(liver=False, lesions=False)
    assert dosimetry_structure_set(found_in(case), case.score, case.volumes, sources(case)) is None
