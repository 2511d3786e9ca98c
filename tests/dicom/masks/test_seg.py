"""Fractional, label map, cut-out and flipped segmentations, and lesions in several files."""

from __future__ import annotations

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import RLELossless
from scipy.spatial.transform import Rotation

from dotaliver.config.scoring import ScoringConfig
from dotaliver.dicom.masks.grid import embedded, laid_on
from dotaliver.dicom.masks.reading import on_image, read_lesion_masks, read_mask
from dotaliver.dicom.study import load_study
from dotaliver.errors import MaskError
from dotaliver.image.geometry import Geometry
from dotaliver.image.itk import to_itk
from dotaliver.image.volume import LabelMap
from fixtures.dicom_series import write_study
from fixtures.seg_files import changed, segment, write_seg


@pytest.fixture
def study(tmp_path):
    return load_study(write_study(tmp_path / "study"), ScoringConfig())


@pytest.fixture
def pet(tmp_path, study):
    return tmp_path / "study" / "pet"


def labels_of(shape):
    labels = np.zeros(shape, np.uint16)
    labels[1:3, 1:3, 1:3] = 1
    labels[4, 2:4, 0:2] = 2
    return labels


def test_a_label_map_comes_back_equal(tmp_path, study, pet):
    labels = labels_of(study.pet.array.shape)
    path = write_seg(tmp_path / "lm.dcm", pet, labels, [segment(1, "met a"), segment(2, "met b")], kind="LABELMAP")
    mask = read_mask(path, study, "lesions")
    np.testing.assert_array_equal(mask.labels.array, labels)
    assert (mask.origin, mask.names) == ("DICOM SEG (label map)", {1: "met a", 2: "met b"})


def test_a_label_map_with_an_unknown_segment_is_refused(tmp_path, study, pet):
    labels = labels_of(study.pet.array.shape)
    path = write_seg(tmp_path / "lm.dcm", pet, labels, [segment(1, "a"), segment(2, "b")], kind="LABELMAP")
    ds = pydicom.dcmread(path)
    ds.SegmentSequence = [s for s in ds.SegmentSequence if s.SegmentNumber != 2]
    ds.save_as(path)
    with pytest.raises(MaskError, match=r"lm.dcm: it holds voxels of segment 2, which it does not describe"):
        read_mask(path, study, "lesions")


def test_fractions_count_from_one_half_on_and_the_larger_share_wins(tmp_path, study, pet):
    shape = study.pet.array.shape
    shares = np.zeros((*shape, 2))
    shares[2, 2, 0] = (0.49, 0.0)
    shares[2, 2, 1] = (0.51, 0.0)
    shares[2, 2, 2] = (0.6, 0.9)
    shares[3, 1, 1] = (1.0, 0.7)
    shares[3, 1, 2] = (0.2, 0.8)
    path = write_seg(tmp_path / "f.dcm", pet, shares, [segment(1, "a"), segment(2, "b")], kind="FRACTIONAL")
    mask = read_mask(path, study, "lesions")
    expected = np.zeros(shape, np.uint16)
    expected[2, 2, 1] = 1
    expected[2, 2, 2] = 2
    expected[3, 1, 1] = 1
    expected[3, 1, 2] = 2
    np.testing.assert_array_equal(mask.labels.array, expected)
    assert mask.origin == "DICOM SEG (fractional, cut at one half)"


@pytest.mark.parametrize("kind", ["FRACTIONAL", "LABELMAP"])
def test_compressed_frames_are_decoded(tmp_path, study, pet, kind):
    labels = labels_of(study.pet.array.shape)
    planes = labels if kind == "LABELMAP" else np.stack([labels == 1, labels == 2], axis=-1)
    segments = [segment(1, "a"), segment(2, "b")]
    path = write_seg(tmp_path / "c.dcm", pet, planes, segments, kind=kind, transfer_syntax_uid=RLELossless)
    np.testing.assert_array_equal(read_mask(path, study, "lesions").labels.array, labels)


def flipped_frames(path):
    """The same segmentation with rows and columns stored in the other sense, and its planes in the other order."""
    ds = pydicom.dcmread(path)
    frames = ds.pixel_array
    for item in ds.PerFrameFunctionalGroupsSequence:
        place = item.PlanePositionSequence[0]
        x, y, z = (float(v) for v in place.ImagePositionPatient)
        dy, dx = (float(v) for v in ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing)
        place.ImagePositionPatient = [x + (ds.Columns - 1) * dx, y + (ds.Rows - 1) * dy, z]
    orientation = ds.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
    orientation.ImageOrientationPatient = [-1, 0, 0, 0, -1, 0]
    bits = np.packbits(frames[:, ::-1, ::-1].ravel(), bitorder="little").tobytes()
    ds.PixelData = bits + b"\0" * (len(bits) % 2)
    ds.save_as(path)
    return path


def test_frames_in_another_sense_come_back_on_the_images_grid(tmp_path, study, pet):
    labels = labels_of(study.pet.array.shape)
    planes = np.stack([labels == 1, labels == 2], axis=-1)
    path = flipped_frames(write_seg(tmp_path / "s.dcm", pet, planes, [segment(1, "a"), segment(2, "b")]))
    mask = read_mask(path, study, "lesions")
    assert mask.labels.geometry == study.pet.geometry
    np.testing.assert_array_equal(mask.labels.array, labels)


def test_a_mask_that_was_cut_out_comes_back_on_the_images_grid(tmp_path, study):
    labels = labels_of(study.ct.array.shape)
    box = (slice(1, 6), slice(1, 5), slice(0, 4))
    part = LabelMap(labels[box].astype(np.uint8), study.ct.geometry.crop(box))
    sitk.WriteImage(to_itk(part), str(tmp_path / "part.nrrd"))
    mask = read_mask(tmp_path / "part.nrrd", study, "lesions")
    assert (mask.drawn_on, mask.labels.geometry) == ("ct", study.ct.geometry)
    np.testing.assert_array_equal(mask.labels.array, labels)


def test_lesions_of_several_files_keep_different_labels(tmp_path, study, pet):
    labels = labels_of(study.pet.array.shape)
    one = write_seg(tmp_path / "1.dcm", pet, (labels == 1)[..., None], [segment(1, "Lesion 3")])
    two = write_seg(tmp_path / "2.dcm", pet, (labels == 2)[..., None], [segment(1, "Lesion 7")])
    mask = read_lesion_masks([one, two], study)
    assert mask.labels.labels == (3, 7)
    np.testing.assert_array_equal(mask.labels.where(7), labels == 2)
    assert mask.names == {3: "Lesion 3", 7: "Lesion 7"}


def test_lesions_of_several_files_with_one_label_are_numbered_in_order(tmp_path, study, pet):
    labels = labels_of(study.pet.array.shape)
    folder = tmp_path / "masks"
    folder.mkdir()
    write_seg(folder / "1.dcm", pet, (labels == 1)[..., None], [segment(1, "dome")])
    write_seg(folder / "2.dcm", pet, (labels == 2)[..., None], [segment(1, "hilum")])
    mask = read_lesion_masks([folder], study)
    np.testing.assert_array_equal(mask.labels.array, labels)
    assert mask.names == {1: "dome", 2: "hilum"}


def test_lesions_drawn_on_different_images_are_refused(tmp_path, study, pet):
    on_pet = write_seg(tmp_path / "p.dcm", pet, (labels_of(study.pet.array.shape) == 1)[..., None], [segment(1, "a")])
    ct = labels_of(study.ct.array.shape)
    on_ct = write_seg(tmp_path / "c.dcm", tmp_path / "study" / "ct", (ct == 1)[..., None], [segment(1, "a")])
    with pytest.raises(MaskError, match=r"c.dcm: it was drawn on the CT, and p.dcm on the PET"):
        read_lesion_masks([on_pet, on_ct], study)
    (tmp_path / "empty").mkdir()
    with pytest.raises(MaskError, match="empty: there is no mask file in it"):
        read_lesion_masks([tmp_path / "empty"], study)


def test_a_finer_mask_is_laid_on_the_image_by_majority():
    grid = Geometry((6, 6, 6), (0, 0, 0), (4, 4, 4), ((0, 0, 1), (0, 1, 0), (1, 0, 0)))
    fine = grid.with_spacing((1.0, 1.0, 1.0))
    index = np.stack(np.meshgrid(*(np.arange(n) for n in fine.shape), indexing="ij"), axis=-1)
    points = fine.index_to_lps(index)
    # a box from 5.9 to 14.1 mm: it covers voxels 2 and 3 wholly (6 to 14 mm), of the others a tenth
    inside = (np.abs(points - 10) < 4.1).all(axis=-1)
    placed = laid_on(LabelMap(inside.astype(np.uint8), fine), grid)
    expected = np.zeros(grid.shape, np.uint8)
    expected[2:4, 2:4, 2:4] = 1
    np.testing.assert_array_equal(placed.array, expected)


def test_a_grid_that_is_turned_a_little_is_not_taken_for_the_images():
    grid = Geometry((60, 60, 60), (0, 0, 0), (2, 2, 2), ((0, 0, 1), (0, 1, 0), (1, 0, 0)))
    # Half a degree about the line from the first voxel to the last: these two stay where they are
    turn = Rotation.from_rotvec(np.deg2rad(0.5) * np.ones(3) / np.sqrt(3)).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = turn @ grid.affine[:3, :3]
    array = np.zeros(grid.shape, np.uint8)
    array[-1, 0, 0] = 1
    assert embedded(array, Geometry.from_affine(grid.shape, affine), grid) is None
    np.testing.assert_array_equal(embedded(array, grid, grid), array)


def test_an_outline_smaller_than_the_images_voxels_is_refused(study, tmp_path):
    fine = study.pet.geometry.with_spacing((0.5, 0.5, 0.5))
    array = np.zeros(fine.shape, np.uint8)
    array[8, 8, 4] = 1
    sitk.WriteImage(to_itk(LabelMap(array, fine)), str(tmp_path / "fine.nrrd"))
    with pytest.raises(MaskError, match="outline 1 is smaller than a voxel of the image"):
        on_image(read_mask(tmp_path / "fine.nrrd", study, "lesions"), study)


def test_a_mask_of_another_patient_is_refused_without_telling_who(tmp_path, study, pet):
    labels = labels_of(study.pet.array.shape)
    path = write_seg(tmp_path / "s.dcm", pet, (labels == 1)[..., None], [segment(1, "a")])
    changed(path, PatientID="SOMEBODY-ELSE")
    with pytest.raises(MaskError, match=r"s.dcm: the mask belongs to another patient") as caught:
        read_mask(path, study, "lesions")
    assert "SOMEBODY" not in str(caught.value)
    assert "PAT-1" not in str(caught.value)
    assert "PAT-1" not in repr(study)
    changed(path, PatientID="")
    assert read_mask(path, study, "lesions").labels.labels == (1,)


# --- where NIfTI and NRRD lie ----------------------------------------------------------------------------------------


def nifti(path, study, *, sform=1, qform=1, moved=0.0):
    affine = np.diag([-1, -1, 1, 1]) @ study.pet.geometry.affine[:, [2, 1, 0, 3]]
    labels = labels_of(study.pet.array.shape)
    image = nibabel.Nifti1Image(labels.transpose(2, 1, 0).astype(np.uint8), affine)
    elsewhere = affine.copy()
    elsewhere[0, 3] += moved
    image.set_qform(elsewhere, code=qform)
    image.set_sform(affine, code=sform)
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize(("sform", "qform"), [(1, 1), (1, 0), (0, 1), (2, 1)])
def test_a_nifti_with_one_place_is_read(tmp_path, study, sform, qform):
    mask = read_mask(nifti(tmp_path / "q.nii.gz", study, sform=sform, qform=qform), study, "lesions")
    np.testing.assert_array_equal(mask.labels.array, labels_of(study.pet.array.shape))


def test_a_nifti_without_a_place_or_with_two_is_refused(tmp_path, study):
    with pytest.raises(MaskError, match=r"none.nii: neither sform nor qform of the NIfTI is set"):
        read_mask(nifti(tmp_path / "none.nii", study, sform=0, qform=0), study, "lesions")
    with pytest.raises(MaskError, match=r"two.nii: sform and qform of the NIfTI say different places"):
        read_mask(nifti(tmp_path / "two.nii", study, moved=3.0), study, "lesions")


def test_an_nrrd_without_a_space_is_refused(tmp_path, study):
    shape = study.pet.array.shape
    header = f"NRRD0004\ntype: uint8\ndimension: 3\nsizes: {shape[2]} {shape[1]} {shape[0]}\nencoding: raw\n\n"
    (tmp_path / "bare.nrrd").write_bytes(header.encode() + labels_of(shape).astype(np.uint8).tobytes())
    with pytest.raises(MaskError, match=r"bare.nrrd: the NRRD names no space"):
        read_mask(tmp_path / "bare.nrrd", study, "lesions")
