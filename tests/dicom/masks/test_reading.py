"""Masks in: round trips, analytic contours, and what does not belong to the study."""

import gzip

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from pydicom.sr.codedict import codes
from scipy.spatial.transform import Rotation

from dotaliver.config.scoring import ScoringConfig
from dotaliver.dicom.masks.contours import fill_polygon
from dotaliver.dicom.masks.reading import read_mask
from dotaliver.dicom.study import load_study
from dotaliver.errors import MaskError
from dotaliver.image.itk import to_itk
from dotaliver.image.volume import LabelMap
from fixtures.dicom_series import ramp, write_series, write_study
from fixtures.masks import square, two_lesions, write_rtstruct
from fixtures.seg_files import changed, segment, write_seg

TILTED = tuple(Rotation.from_euler("xyz", (12, -7, 30), degrees=True).as_matrix()[:, :2].T.ravel())


@pytest.fixture
def study(tmp_path):
    return load_study(write_study(tmp_path / "study"), ScoringConfig())


# --- NIfTI and NRRD ----------------------------------------------------------------------------------------------


def write_itk(path, array, grid):
    sitk.WriteImage(to_itk(LabelMap(array.astype(np.uint8), grid)), str(path))
    return path


@pytest.mark.parametrize(("ending", "origin"), [("nii.gz", "NIfTI"), ("nii", "NIfTI"), ("nrrd", "NRRD")])
@pytest.mark.parametrize("image", ["pet", "ct"])
def test_image_masks_come_back_equal_on_the_image_they_fit(tmp_path, study, ending, origin, image):
    volume = getattr(study, image)
    labels = two_lesions(volume.array.shape)
    mask = read_mask(write_itk(tmp_path / f"q.{ending}", labels, volume.geometry), study, "lesions")
    np.testing.assert_array_equal(mask.labels.array, labels)
    assert (mask.drawn_on, mask.origin) == (image, origin)
    assert mask.labels.geometry == volume.geometry


def test_masks_with_turned_axes_are_turned_back(tmp_path, study):
    labels = two_lesions(study.pet.array.shape)
    # nibabel's order is column, row, slice in RAS: x and y change sign; then reorient to a canonical file
    affine = np.diag([-1, -1, 1, 1]) @ study.pet.geometry.affine[:, [2, 1, 0, 3]]
    image = nibabel.Nifti1Image(labels.transpose(2, 1, 0).astype(np.uint8), affine)
    nibabel.save(nibabel.as_closest_canonical(image), tmp_path / "canonical.nii.gz")
    mask = read_mask(tmp_path / "canonical.nii.gz", study, "lesions")
    np.testing.assert_array_equal(mask.labels.array, labels)
    assert mask.labels.geometry == study.pet.geometry


def test_the_file_that_was_asked_for_is_read(tmp_path, study):
    one, two = two_lesions(study.pet.array.shape), np.zeros(study.pet.array.shape, np.uint16)
    two[3, 3, 3] = 9
    write_itk(tmp_path / "q.nii", one, study.pet.geometry)
    other = write_itk(tmp_path / "other.nii", two, study.pet.geometry)
    (tmp_path / "q.nii.gz").write_bytes(gzip.compress(other.read_bytes()))
    assert read_mask(tmp_path / "q.nii.gz", study, "lesions").labels.labels == (9,)
    assert read_mask(tmp_path / "q.nii", study, "lesions").labels.labels == (2, 5)


def test_whole_numbers_as_floats_are_labels_and_fractions_are_not(tmp_path, study):
    labels = two_lesions(study.pet.array.shape).astype(np.float32)
    for factor, name in ((1, "whole.nrrd"), (0.5, "half.nrrd")):
        image = to_itk(LabelMap(labels.astype(np.uint8), study.pet.geometry))
        sitk.WriteImage(sitk.Cast(image, sitk.sitkFloat32) * factor, str(tmp_path / name))
    assert read_mask(tmp_path / "whole.nrrd", study, "lesions").labels.labels == (2, 5)
    with pytest.raises(MaskError, match=r"half.nrrd: the mask holds fractions"):
        read_mask(tmp_path / "half.nrrd", study, "lesions")


def test_a_grid_of_its_own_is_kept(tmp_path, study):
    own = study.pet.geometry.with_spacing((1.0, 1.0, 1.0))
    labels = np.zeros(own.shape, np.uint8)
    labels[8:10, 4:6, 2:4] = 1
    mask = read_mask(write_itk(tmp_path / "own.nrrd", labels, own), study, "lesions")
    assert mask.labels.geometry.is_close(own)
    assert mask.drawn_on == "pet"


def test_liver_of_several_labels_is_refused_by_naming_them(tmp_path, study):
    path = write_itk(tmp_path / "q.nrrd", two_lesions(study.ct.array.shape), study.ct.geometry)
    with pytest.raises(MaskError, match=r"q.nrrd: it is unclear which label is the liver \(there are: 2, 5\)"):
        read_mask(path, study, "liver")


def test_liver_becomes_label_one(tmp_path, study):
    labels = np.zeros(study.ct.array.shape, np.uint8)
    labels[2:5] = 7
    mask = read_mask(write_itk(tmp_path / "q.nrrd", labels, study.ct.geometry), study, "liver")
    assert mask.labels.labels == (1,)
    assert mask.names == {1: "Liver"}


def test_empty_and_distant_and_absent_masks_are_refused(tmp_path, study):
    grid = study.pet.geometry
    empty = write_itk(tmp_path / "empty.nrrd", np.zeros(grid.shape), grid)
    with pytest.raises(MaskError, match=r"empty.nrrd: the mask is empty"):
        read_mask(empty, study, "lesions")
    far = write_itk(tmp_path / "far.nrrd", two_lesions(grid.shape), grid.moved((0, 0, 500)))
    with pytest.raises(MaskError, match=r"far.nrrd: 100 % of the mask lies outside the PET"):
        read_mask(far, study, "lesions")
    with pytest.raises(MaskError, match=r"nothing.nrrd: there is no such mask file"):
        read_mask(tmp_path / "nothing.nrrd", study, "lesions")


def test_files_that_are_no_masks_are_refused(tmp_path, study):
    (tmp_path / "text.nii.gz").write_bytes(b"no image")
    with pytest.raises(MaskError, match=r"text.nii.gz: the mask cannot be read as NIfTI"):
        read_mask(tmp_path / "text.nii.gz", study, "lesions")
    (tmp_path / "text.txt").write_text("no mask")
    with pytest.raises(MaskError, match=r"text.txt: the file is not a mask"):
        read_mask(tmp_path / "text.txt", study, "lesions")
    with pytest.raises(MaskError, match=r"000.dcm: the file is not a mask"):
        read_mask(tmp_path / "study" / "pet" / "000.dcm", study, "lesions")


def test_folder_with_one_mask_stands_for_it(tmp_path, study):
    folder = tmp_path / "masks"
    folder.mkdir()
    (folder / "README.txt").write_text("about")
    write_itk(folder / "q.nrrd", two_lesions(study.pet.array.shape), study.pet.geometry)
    assert read_mask(folder, study, "lesions").labels.labels == (2, 5)
    write_itk(folder / "r.nrrd", two_lesions(study.pet.array.shape), study.pet.geometry)
    with pytest.raises(MaskError, match="masks: the folder holds 2 mask files"):
        read_mask(folder, study, "liver")


# --- DICOM SEG ---------------------------------------------------------------------------------------------------


def stacked(labels, numbers):
    return np.stack([labels == n for n in numbers], axis=-1)


@pytest.mark.parametrize("cosines", [(1, 0, 0, 0, 1, 0), (-1, 0, 0, 0, 1, 0), (1, 0, 0, 0, 0, -1), TILTED])
def test_seg_comes_back_equal_on_any_grid(tmp_path, cosines):
    write_series(tmp_path / "pet", cosines=cosines)
    study = load_study(tmp_path / "pet", ScoringConfig())
    labels = two_lesions(study.pet.array.shape)
    named = [
        segment(1, "Lesion 2", tracking="dotaliver:lesion:2"),
        segment(2, "Lesion 5", tracking="dotaliver:lesion:5"),
    ]
    path = write_seg(tmp_path / "seg.dcm", tmp_path / "pet", stacked(labels, (2, 5)), named)
    mask = read_mask(path, study, "lesions")
    np.testing.assert_array_equal(mask.labels.array, labels)
    assert mask.labels.geometry == study.pet.geometry
    assert (mask.drawn_on, mask.origin) == ("pet", "DICOM SEG")
    assert mask.names == {2: "Lesion 2", 5: "Lesion 5"}


def test_foreign_lesions_are_numbered_by_segment(tmp_path, study):
    labels = two_lesions(study.pet.array.shape)
    path = write_seg(
        tmp_path / "seg.dcm",
        tmp_path / "study" / "pet",
        stacked(labels, (2, 5)),
        [segment(1, "met a"), segment(2, "met b")],
    )
    mask = read_mask(path, study, "lesions")
    np.testing.assert_array_equal(mask.labels.where(1), labels == 2)
    assert mask.names == {1: "met a", 2: "met b"}


def test_liver_and_lesions_are_told_apart(tmp_path, study):
    labels = two_lesions(study.ct.array.shape)
    planes = np.concatenate([(labels >= 0)[..., None], stacked(labels, (2, 5)), (labels == 2)[..., None]], axis=-1)
    segments = [
        segment(1, "Liver", tracking="dotaliver:liver", kind=codes.SCT.Liver),
        segment(2, "Lesion 2", tracking="dotaliver:lesion:2"),
        segment(3, "Lesion 5", tracking="dotaliver:lesion:5"),
        segment(4, "Reference liver", tracking="dotaliver:reference:liver", kind=codes.SCT.Liver),
    ]
    path = write_seg(tmp_path / "seg.dcm", tmp_path / "study" / "ct", planes, segments)
    liver = read_mask(path, study, "liver")
    assert liver.drawn_on == "ct"
    assert liver.labels.array.all()
    np.testing.assert_array_equal(read_mask(path, study, "lesions").labels.array, labels)


def test_liver_by_code_and_as_the_only_segment(tmp_path, study):
    labels = two_lesions(study.ct.array.shape)
    ct = tmp_path / "study" / "ct"
    coded = [segment(1, "Organ 1", kind=codes.SCT.Liver), segment(2, "Organ 2", kind=codes.SCT.Spleen)]
    path = write_seg(tmp_path / "coded.dcm", ct, stacked(labels, (2, 5)), coded)
    np.testing.assert_array_equal(read_mask(path, study, "liver").labels.mask, labels == 2)
    only = write_seg(tmp_path / "only.dcm", ct, stacked(labels, (5,)), [segment(1, "anything")])
    np.testing.assert_array_equal(read_mask(only, study, "liver").labels.mask, labels == 5)
    two = write_seg(tmp_path / "two.dcm", ct, stacked(labels, (2, 5)), [segment(1, "a"), segment(2, "b")])
    with pytest.raises(MaskError, match=r"two.dcm: it is unclear which outline is the liver \(there are: a, b\)"):
        read_mask(two, study, "liver")


def test_organs_are_no_lesions(tmp_path, study):
    labels = two_lesions(study.pet.array.shape)
    organ = segment(2, "Spleen", kind=codes.SCT.Spleen)
    organ.SegmentedPropertyCategoryCodeSequence[0].CodeValue = "123037004"
    planes = stacked(labels, (2, 5))
    path = write_seg(tmp_path / "seg.dcm", tmp_path / "study" / "pet", planes, [segment(1, "met"), organ])
    np.testing.assert_array_equal(read_mask(path, study, "lesions").labels.array, labels == 2)


def test_seg_of_another_study_or_frame_is_refused(tmp_path, study):
    labels = two_lesions(study.pet.array.shape)

    def seg():
        return write_seg(tmp_path / "seg.dcm", tmp_path / "study" / "pet", stacked(labels, (2,)), [segment(1, "a")])

    with pytest.raises(MaskError, match=r"seg.dcm: the mask lies in another frame of reference"):
        read_mask(changed(seg(), FrameOfReferenceUID="1.2.3"), study, "lesions")
    with pytest.raises(MaskError, match=r"seg.dcm: the mask belongs to another study"):
        read_mask(changed(seg(), StudyInstanceUID="1.2.3", ReferencedSeriesSequence=[]), study, "lesions")
    with pytest.raises(MaskError, match=r"seg.dcm: the segmentation is SOMETHING"):
        read_mask(changed(seg(), SegmentationType="SOMETHING"), study, "lesions")
    with pytest.raises(MaskError, match=r"seg.dcm: the file is cut short"):
        read_mask(changed(seg(), PixelData=b"\0\0"), study, "lesions")


# --- RTSTRUCT ----------------------------------------------------------------------------------------------------


def circle(centre, radius_mm, points=180):
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    x, y, z = centre
    return np.stack([x + radius_mm * np.cos(angle), y + radius_mm * np.sin(angle), np.full(points, z)], axis=1)


@pytest.fixture(scope="module")
def fine(tmp_path_factory):
    """A PET of 41 slices of 2 mm with pixels of 2 mm, centred at 0."""
    folder = tmp_path_factory.mktemp("fine")
    write_series(folder, stored=ramp((41, 60, 60)), origin=(-59, -59, -40), spacing=(2.0, 2.0, 2.0))
    return load_study(folder, ScoringConfig())


def test_ellipsoid_has_its_volume(tmp_path, fine):
    # half axes 40, 40, 30 mm: 4/3 pi a b c = 201.06 ml
    planes = np.arange(-28, 29, 2.0)
    contours = [circle((3.3, -2.1, z), 40 * np.sqrt(1 - (z / 30) ** 2)) for z in planes]
    mask = read_mask(write_rtstruct(tmp_path / "rs.dcm", {"met": contours}), fine, "lesions")
    assert mask.labels.volume_ml() == pytest.approx(4 / 3 * np.pi * 40 * 40 * 30 / 1000, rel=0.01)
    centre = fine.pet.geometry.index_to_lps(np.argwhere(mask.labels.mask)).mean(axis=0)
    np.testing.assert_allclose(centre, (3.3, -2.1, 0), atol=0.05)


# Contours coarser than the slices leave steps: at twice their spacing the volume is a little less sure.
@pytest.mark.parametrize(("step_mm", "tolerance"), [(1.0, 0.01), (2.0, 0.01), (2.5, 0.01), (4.0, 0.015)])
@pytest.mark.parametrize("offset", [(0.0, 0.0, 0.0), (0.4, -0.7, 0.9), (1.0, 1.0, 1.0)])
def test_ellipsoids_have_their_volume_wherever_their_contours_lie(tmp_path, fine, step_mm, tolerance, offset):
    # half axes 25, 18, 22 mm on voxels of 2 mm; contours on, between and coarser than the slices
    a, b, c = 25.0, 18.0, 22.0
    x, y, z = offset
    contours = []
    for height in np.arange(-c + step_mm / 2, c, step_mm):
        angle = np.linspace(0, 2 * np.pi, 120, endpoint=False)
        size = np.sqrt(1 - (height / c) ** 2)
        points = np.stack([x + a * size * np.cos(angle), y + b * size * np.sin(angle)], axis=1)
        contours.append(np.column_stack([points, np.full(120, z + height)]))
    mask = read_mask(write_rtstruct(tmp_path / "rs.dcm", {"met": contours}), fine, "lesions")
    assert mask.labels.volume_ml() == pytest.approx(4 / 3 * np.pi * a * b * c / 1000, rel=tolerance)


def test_inner_contours_are_holes_and_keyholes_too(tmp_path, fine):
    ring = [circle((0, 0, 0), 40), circle((0, 0, 0), 20)]
    keyhole = [np.concatenate([ring[0], ring[0][:1], ring[1][:1], ring[1][::-1], ring[0][:1]])]
    one = read_mask(write_rtstruct(tmp_path / "a.dcm", {"met": ring}), fine, "lesions")
    two = read_mask(write_rtstruct(tmp_path / "b.dcm", {"met": keyhole}), fine, "lesions")
    np.testing.assert_array_equal(one.labels.array, two.labels.array)
    # one slice of 2 mm: pi (40^2 - 20^2) * 2 mm^3 = 7.54 ml
    assert one.labels.volume_ml() == pytest.approx(np.pi * 1200 * 2 / 1000, rel=0.01)


def test_two_islands_in_one_slice(tmp_path, fine):
    contours = [square(-30, -10, 0), square(10, 30, 0)]
    mask = read_mask(write_rtstruct(tmp_path / "rs.dcm", {"met": contours}), fine, "lesions")
    # centres at odd millimetres: ten in each direction
    assert np.count_nonzero(mask.labels.array) == 2 * 10 * 10


@pytest.mark.parametrize("step", [1.0, 2.0, 4.0])
def test_contours_finer_or_coarser_than_the_slices_fill_the_same_cylinder(tmp_path, fine, step):
    contours = [square(-20, 20, z) for z in np.arange(-12, 12.1, step)]
    mask = read_mask(write_rtstruct(tmp_path / "rs.dcm", {"met": contours}), fine, "lesions")
    slices = np.flatnonzero(mask.labels.array.any(axis=(1, 2)))
    assert set(range(14, 27)) <= set(slices)  # z from -12 to 12 mm
    assert len(slices) <= 14
    assert (mask.labels.array[slices].sum(axis=(1, 2)) == 400).all()


def test_contour_between_two_slices_goes_to_the_nearer(tmp_path, fine):
    contours = [square(-20, 20, z + 0.7) for z in (0, 2, 4)]
    mask = read_mask(write_rtstruct(tmp_path / "rs.dcm", {"met": contours}), fine, "lesions")
    assert np.flatnonzero(mask.labels.array.any(axis=(1, 2))).tolist() == [20, 21, 22]


def test_rois_are_numbered_in_order_and_keep_their_names(tmp_path, fine):
    rois = {"Liver": [square(-40, 40, 0)], "segment 7 met": [square(-20, 0, 0)], "dome": [square(0, 20, 2)]}
    path = write_rtstruct(tmp_path / "rs.dcm", rois)
    lesions = read_mask(path, fine, "lesions")
    assert lesions.names == {1: "segment 7 met", 2: "dome"}
    assert read_mask(path, fine, "liver").labels.volume_ml() == pytest.approx(80 * 80 * 2 / 1000)


def test_grid_is_that_of_the_referenced_series(tmp_path, study):
    path = tmp_path / "rs.dcm"
    contour = np.array([(-9, -19, 33.5), (-5, -19, 33.5), (-5, -14, 33.5), (-9, -14, 33.5)])
    for image in ("pet", "ct"):
        series = getattr(study.identity, image).series_instance_uid
        mask = read_mask(write_rtstruct(path, {"met": [contour]}, series=series, study="1.2.3"), study, "lesions")
        assert mask.drawn_on == image
    # Without a reference: z = 33.5 lies on a CT slice (29.5 + 2 * 2 mm), between two of the PET's
    assert read_mask(write_rtstruct(path, {"met": [contour]}), study, "lesions").drawn_on == "ct"


def test_contours_outside_or_elsewhere_are_refused(tmp_path, fine):
    path = tmp_path / "rs.dcm"
    with pytest.raises(MaskError, match=r"rs.dcm: the outline 'met' encloses no voxel of the PET"):
        read_mask(write_rtstruct(path, {"met": [square(-20, 20, 500)]}), fine, "lesions")
    with pytest.raises(MaskError, match=r"rs.dcm: the outline 'met' encloses no voxel"):
        read_mask(write_rtstruct(path, {"met": [square(900, 920, 0)]}), fine, "lesions")
    with pytest.raises(MaskError, match="another frame of reference"):
        read_mask(write_rtstruct(path, {"met": [square(0, 9, 0)]}, frame="1.2.3"), fine, "lesions")
    with pytest.raises(MaskError, match="belongs to another study"):
        read_mask(write_rtstruct(path, {"met": [square(0, 9, 0)]}, study="1.2.3"), fine, "lesions")
    with pytest.raises(MaskError, match="do not lie in the slices"):
        sagittal = square(-20, 20, 0)[:, [2, 0, 1]]
        read_mask(write_rtstruct(path, {"met": [sagittal]}), fine, "lesions")
    with pytest.raises(MaskError, match="holds no closed planar contours"):
        read_mask(write_rtstruct(path, {"met": []}), fine, "lesions")
    with pytest.raises(MaskError, match=r"holds no lesion \(it holds: Liver\)"):
        read_mask(write_rtstruct(path, {"Liver": [square(0, 9, 0)]}), fine, "lesions")


def test_neighbouring_polygons_share_no_pixel_and_leave_none():
    # Corners on pixel centres: each centre belongs to exactly one of four squares that meet there
    corners = [(0, 0), (0, 4), (4, 0), (4, 4)]
    total = np.zeros((8, 8), int)
    for r, c in corners:
        polygon = np.array([(r, c), (r, c + 4), (r + 4, c + 4), (r + 4, c)], dtype=float)
        total += fill_polygon(polygon, (8, 8))
    np.testing.assert_array_equal(total, 1)


def test_polygons_that_leave_the_image_are_cut_at_its_edge():
    polygon = np.array([(-5.0, -5.0), (-5.0, 20.0), (3.5, 20.0), (3.5, -5.0)])
    expected = np.zeros((8, 8), bool)
    expected[:4] = True
    np.testing.assert_array_equal(fill_polygon(polygon, (8, 8)), expected)
