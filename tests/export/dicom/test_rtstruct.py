"""Liver and lesions as contours: conformant, on the slices of the CT, and of the same volume to any reader."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from skimage.measure import points_in_poly

from dotaliver.dicom.masks.rtstruct import read_rtstruct
from dotaliver.export.dicom.rtstruct import structure_set
from dotaliver.image.itk import resample_labels, to_itk
from dotaliver.records.masks import MaskLayer
from dotaliver.records.positions import in_position_of
from fixtures.derived_dicom import dciodvfy_errors, needs_dciodvfy, sources, written
from fixtures.scores import small_case, with_diagnostic_ct

needs_plastimatch = pytest.mark.skipif(
    shutil.which("plastimatch") is None, reason="plastimatch (Debian package of that name) is not installed"
)


def stored(case, tmp_path):
    dataset = structure_set(case.score, case.volumes, case.segmentations, sources(case))
    return written(dataset, tmp_path / "structures.dcm")


def structures(path):
    """Name, contours and the image of each, as any reader of RT Structure Sets finds them."""
    dataset = pydicom.dcmread(path)
    names = {roi.ROINumber: roi.ROIName for roi in dataset.StructureSetROISequence}
    return {
        names[item.ReferencedROINumber]: [
            (c.ContourImageSequence[0].ReferencedSOPInstanceUID, np.reshape(c.ContourData, (-1, 3)).astype(float))
            for c in item.ContourSequence
        ]
        for item in dataset.ROIContourSequence
    }


def volume_ml(contours, spacing_mm: float) -> float:
    """Areas of the polygons (in mm, by the shoelace formula on axial planes) times the spacing of slices."""
    total = 0.0
    for _, points in contours:
        x, y = points[:, 0], points[:, 1]
        total += abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2
    return total * spacing_mm / 1000


def filled(contours, grid) -> np.ndarray:
    """The voxels whose middle lies in an odd number of polygons of their slice."""
    mask = np.zeros(grid.shape, int)
    middles = np.argwhere(np.ones(grid.shape[1:], bool)).astype(float)
    for _, points in contours:
        index = grid.lps_to_index(points)
        k = round(float(index[:, 0].mean()))
        assert np.abs(index[:, 0] - k).max() < 1e-3
        mask[k] += points_in_poly(middles, index[:, 1:]).reshape(grid.shape[1:])
    return mask % 2 == 1


def test_volumes_and_voxels_come_back(tmp_path) -> None:
    case = small_case()
    grid = case.volumes.ct.geometry
    found = structures(stored(case, tmp_path))
    assert list(found) == ["Liver", "Lesion 2", "Lesion 5"]
    assert volume_ml(found["Liver"], grid.spacing_mm[0]) == pytest.approx(case.score.liver.volume_ml, rel=0.01)
    np.testing.assert_array_equal(filled(found["Liver"], grid), case.segmentations.liver.labels.mask)
    # The lesions were outlined on the PET, which lies 6 mm off: they are where the CT shows that place
    moved = in_position_of("ct", case.segmentations.lesions, case.segmentations.mismatch)
    labels = resample_labels(moved, grid)
    for label in (2, 5):
        contours = found[f"Lesion {label}"]
        np.testing.assert_array_equal(filled(contours, grid), labels.array == label)
        expected = labels.volume_ml(label)
        assert volume_ml(contours, grid.spacing_mm[0]) == pytest.approx(expected, rel=0.01)
        middle = np.concatenate([points for _, points in contours]).mean(axis=0)
        place = {2: (-30.0, -10.0, 5.0), 5: (-10.0, 10.0, -8.0)}[label]
        np.testing.assert_allclose(middle, place, atol=4.0)


def test_our_own_reader_finds_the_same_voxels(tmp_path) -> None:
    case = small_case()
    dataset = pydicom.dcmread(stored(case, tmp_path))
    liver = read_rtstruct("structures.dcm", dataset, case.volumes, "liver")
    lesions = read_rtstruct("structures.dcm", dataset, case.volumes, "lesions")
    np.testing.assert_array_equal(liver.labels.mask, case.segmentations.liver.labels.mask)
    assert (liver.drawn_on, lesions.drawn_on) == ("ct", "ct")
    moved = in_position_of("ct", case.segmentations.lesions, case.segmentations.mismatch)
    expected = resample_labels(moved, case.volumes.ct.geometry)
    np.testing.assert_array_equal(lesions.labels.array > 0, expected.array > 0)


@needs_plastimatch
@pytest.mark.parametrize("ct", [True, False])
def test_plastimatch_finds_the_same_volumes_and_voxels(ct: bool, tmp_path) -> None:
    """Another program's reader of contours: volumes within 1 %, as planning and dosimetry systems would see them."""
    case = small_case(ct=ct)
    image = case.volumes.ct or case.volumes.pet
    sitk.WriteImage(to_itk(image), str(tmp_path / "image.nii.gz"))
    subprocess.run(
        ["plastimatch", "convert", "--input", stored(case, tmp_path), "--fixed", tmp_path / "image.nii.gz",
         "--output-prefix", tmp_path / "masks", "--prefix-format", "nii.gz"],
        check=True, capture_output=True,
    )  # fmt: skip
    position = "ct" if ct else "pet"
    moved = resample_labels(
        in_position_of(position, case.segmentations.lesions, case.segmentations.mismatch), image.geometry
    )
    expected = {"Liver": case.segmentations.liver.labels.mask, "Lesion 2": moved.where(2), "Lesion 5": moved.where(5)}
    read = {path.name.removesuffix(".nii.gz"): nibabel.load(path) for path in (tmp_path / "masks").iterdir()}
    assert set(read) == set(expected)
    for name, mask in expected.items():
        # NIfTI counts from the right and the front, and columns first
        found = np.asarray(read[name].dataobj).transpose(2, 1, 0) != 0
        voxel_ml = abs(float(np.linalg.det(read[name].affine[:3, :3]))) / 1000
        assert found.sum() * voxel_ml == pytest.approx(mask.sum() * image.geometry.voxel_volume_ml, rel=0.01), name
        np.testing.assert_array_equal(found, mask, name)


def test_every_contour_names_its_slice(tmp_path) -> None:
    case = small_case()
    grid = case.volumes.ct.geometry
    for contours in structures(stored(case, tmp_path)).values():
        for uid, points in contours:
            # Slice k of the CT is the instance 1.2.3.30.k
            assert uid == f"1.2.3.30.{round(float(grid.lps_to_index(points[0])[0]))}"


def test_a_liver_with_a_hole_keeps_it(tmp_path) -> None:
    case = small_case(lesions=False)
    liver = case.segmentations.liver
    array = liver.labels.mask.copy()
    inside = np.argwhere(array).mean(axis=0).round().astype(int)
    array[inside[0], inside[1] - 1 : inside[1] + 1, inside[2]] = False
    masks = replace(case.segmentations, liver=replace(liver, labels=liver.labels.with_array(array)))
    found = structures(stored(replace(case, segmentations=masks), tmp_path))
    np.testing.assert_array_equal(filled(found["Liver"], case.volumes.ct.geometry), array)


def test_an_outline_on_the_ct_is_preferred_to_that_of_the_pet(tmp_path) -> None:
    case = small_case()
    grid = case.volumes.ct.geometry
    labels = np.zeros(grid.shape, np.uint16)
    labels[9:12, 18:22, 10:14] = 2
    layer = MaskLayer(case.segmentations.liver.labels.with_array(labels), "ct", "petct", 1.5)
    found = structures(stored(replace(case, segmentations=replace(case.segmentations, ct_lesions=layer)), tmp_path))
    np.testing.assert_array_equal(filled(found["Lesion 2"], grid), labels == 2)
    assert "Lesion 5" in found


def test_outlines_on_a_diagnostic_ct_in_another_frame_are_not_mixed_in(tmp_path) -> None:
    case = with_diagnostic_ct(small_case())
    dataset = pydicom.dcmread(stored(case, tmp_path))
    assert {roi.ROIDescription for roi in dataset.StructureSetROISequence} == {
        "Outline on CT",
        "Outline on PET, in the position of the CT",
    }


def test_without_a_ct_the_contours_lie_on_the_pet(tmp_path) -> None:
    case = small_case(ct=False)
    found = structures(stored(case, tmp_path))
    assert {uid.rsplit(".", 1)[0] for contours in found.values() for uid, _ in contours} == {"1.2.3.40"}
    np.testing.assert_array_equal(
        filled(found["Lesion 2"], case.volumes.pet.geometry), case.segmentations.lesions.labels.array == 2
    )


def test_nothing_outlined_gives_no_structure_set() -> None:
    case = small_case(liver=False, lesions=False)
    assert structure_set(case.score, case.volumes, case.segmentations, sources(case)) is None


def test_repeated_runs_give_equal_bytes(tmp_path) -> None:
    one, two = (stored(small_case(), tmp_path).read_bytes() for _ in range(2))
    assert one == two


@needs_dciodvfy
@pytest.mark.parametrize("ct", [True, False])
def test_dciodvfy_finds_no_errors(ct: bool, tmp_path) -> None:
    assert dciodvfy_errors(stored(small_case(ct=ct), tmp_path)) == []
