"""Masks as other programs write them: typed ROIs, Slicer's segments, sheared affines, damaged and truncated files."""

import gzip

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.sr.codedict import codes

from dotaliver.config.scoring import ScoringConfig
from dotaliver.dicom.masks.reading import read_lesion_masks, read_mask
from dotaliver.dicom.study import load_study
from dotaliver.errors import MaskError
from dotaliver.image.itk import to_itk
from dotaliver.image.volume import LabelMap
from fixtures.dicom_series import _code, ramp, write_series
from fixtures.masks import square, two_lesions, write_rtstruct
from fixtures.seg_files import segment, write_seg


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A PET of 21 slices of 2 mm with pixels of 2 mm, centred at 0."""
    path = tmp_path_factory.mktemp("pet")
    write_series(path, stored=ramp((21, 40, 40)), origin=(-39, -39, -20), spacing=(2.0, 2.0, 2.0))
    return path


@pytest.fixture(scope="module")
def study(folder):
    return load_study(folder, ScoringConfig())


def flags(mask):
    return {flag.code for flag in mask.flags}


# --- RTSTRUCT --------------------------------------------------------------------------------------------------------


def typed(path, types, coded=None):
    """Give the ROIs of a structure set, in their order, a type or a code."""
    ds = pydicom.dcmread(path)
    ds.RTROIObservationsSequence = Sequence()
    for number, kind in enumerate(types, start=1):
        item = Dataset()
        item.ObservationNumber, item.ReferencedROINumber, item.RTROIInterpretedType = number, number, kind
        if coded and number in coded:
            item.RTROIIdentificationCodeSequence = Sequence([_code(*coded[number])])
        ds.RTROIObservationsSequence.append(item)
    ds.save_as(path)
    return path


def rois(*names):
    return {name: [square(6 * k - 30, 6 * k - 26, z) for z in (0, 2)] for k, name in enumerate(names)}


PLAN = ("Heart", "Cord", "GTV 1", "CTV 1", "PTV_50")
PLAN_TYPES = ("ORGAN", "AVOIDANCE", "GTV", "CTV", "PTV")


def test_of_a_planning_structure_set_the_gross_tumour_is_the_lesion(tmp_path, study):
    path = typed(write_rtstruct(tmp_path / "rs.dcm", rois(*PLAN)), PLAN_TYPES)
    mask = read_mask(path, study, "lesions")
    assert mask.names == {1: "GTV 1"}
    assert [f.sentence for f in mask.flags] == [
        "4 of 5 outlines of the lesion mask are not lesions by their type, code or name and were left out."
    ]


@pytest.mark.parametrize(
    ("names", "types"),
    [
        (("CTV 1", "PTV 1"), ("CTV", "PTV")),
        (("Met", "PTV 1"), ("", "PTV")),
        (("Spleen", "Met"), ("", "")),
        (("ptv_all", "Met"), ("", "")),
        (("Met 1", "Met 2"), ("ORGAN", "ORGAN")),
    ],
)
def test_the_user_is_asked_which_outlines_are_lesions(tmp_path, study, names, types):
    path = typed(write_rtstruct(tmp_path / "rs.dcm", rois(*names)), types)
    with pytest.raises(MaskError, match=r"rs.dcm#NAME#NAME"):
        read_mask(path, study, "lesions")
    mask = read_mask(tmp_path / f"rs.dcm#{names[0]}", study, "lesions")
    assert list(mask.names.values()) == [names[0]]
    both = read_mask(tmp_path / f"rs.dcm#{names[0]}#{names[1]}", study, "lesions")
    assert set(both.names.values()) == set(names)


def test_outlines_are_named_by_number_too_and_for_the_liver(tmp_path, study):
    path = typed(write_rtstruct(tmp_path / "rs.dcm", rois(*PLAN)), PLAN_TYPES)
    assert read_mask(tmp_path / "rs.dcm#4", study, "lesions").names == {1: "CTV 1"}
    assert read_mask(tmp_path / "rs.dcm#heart", study, "liver").names == {1: "Heart"}
    together = read_lesion_masks([tmp_path / "rs.dcm#GTV 1", tmp_path / "rs.dcm#CTV 1"], study)
    assert set(together.names.values()) == {"GTV 1", "CTV 1"}
    with pytest.raises(MaskError, match=r"no outline is called 'Met' \(there are: 1 Heart, 2 Cord"):
        read_mask(tmp_path / "rs.dcm#Met", study, "lesions")
    path.rename(tmp_path / "a#b.dcm")
    assert read_mask(tmp_path / "a#b.dcm", study, "lesions").names == {1: "GTV 1"}


def test_a_coded_liver_and_a_coded_spleen_are_no_lesions(tmp_path, study):
    path = write_rtstruct(tmp_path / "rs.dcm", rois("ROI 1", "ROI 2", "Met"))
    coded = {1: ("10200004", "SCT", "Liver"), 2: ("78961009", "SCT", "Spleen")}
    typed(path, ("", "", ""), coded)
    assert read_mask(path, study, "lesions").names == {1: "Met"}
    assert read_mask(path, study, "liver").names == {1: "ROI 1"}


def test_lesions_that_overlap_are_flagged(tmp_path, study):
    path = write_rtstruct(tmp_path / "rs.dcm", {"a": [square(-20, 0, 0)], "b": [square(-10, 10, 0)]})
    (flag,) = read_mask(path, study, "lesions").flags
    # 10 mm × 20 mm of the second square's 20 mm × 20 mm lies in the first, less what lies above: 5 × 5 pixels
    assert "overlap in 25 voxels (0.2 ml)" in flag.sentence


def changed_contours(path, change):
    ds = pydicom.dcmread(path)
    change(ds.ROIContourSequence[0].ContourSequence)
    ds.save_as(path)
    return path


def of_planes(path, planes):
    return write_rtstruct(path, {"met": [square(-20, 20, float(z)) for z in planes]})


@pytest.mark.parametrize(("kind", "shown"), [("", "no type"), ("CLOSED", "the unknown type CLOSED")])
def test_contours_without_a_known_type_are_refused(tmp_path, study, kind, shown):
    def change(sequence):
        for contour in sequence[2:]:
            contour.ContourGeometricType = kind

    path = changed_contours(of_planes(tmp_path / "rs.dcm", range(0, 16, 2)), change)
    with pytest.raises(MaskError, match=rf"a contour of 'met' has {shown} \(Contour Geometric Type"):
        read_mask(path, study, "lesions")


def test_points_and_open_lines_beside_contours_are_said(tmp_path, study):
    def change(sequence):
        sequence[0].ContourGeometricType = "POINT"

    path = changed_contours(of_planes(tmp_path / "rs.dcm", (0, 2, 4)), change)
    assert flags(read_mask(path, study, "lesions")) == {"CONTOURS_NOT_CLOSED"}


@pytest.mark.parametrize("left", [(0, 7), (1, 7)])
def test_two_contours_left_of_eight_are_refused(tmp_path, study, left):
    path = of_planes(tmp_path / "rs.dcm", [2 * k for k in left])
    with pytest.raises(MaskError, match=r"lie 1[24].0 mm apart|most of its contours are missing"):
        read_mask(path, study, "lesions")


def test_a_contour_that_holds_fewer_points_than_it_says_is_refused(tmp_path, study):
    def change(sequence):
        sequence[1].NumberOfContourPoints = 9

    with pytest.raises(MaskError, match="a contour says 9 points and holds 4"):
        read_mask(changed_contours(of_planes(tmp_path / "rs.dcm", (0, 2, 4)), change), study, "lesions")


def test_sparse_contours_and_gaps_in_one_object_are_flagged(tmp_path, study):
    assert flags(read_mask(of_planes(tmp_path / "a.dcm", range(-8, 9, 4)), study, "lesions")) == {"OUTLINE_SPARSE"}
    gap = of_planes(tmp_path / "b.dcm", (-4, -2, 0, 4, 6, 8))
    assert flags(read_mask(gap, study, "lesions")) == {"OUTLINE_WITH_GAPS"}
    apart = {"mets": [square(-20, 0, float(z)) for z in (-6, -4)] + [square(10, 20, float(z)) for z in (4, 6)]}
    assert flags(read_mask(write_rtstruct(tmp_path / "c.dcm", apart), study, "lesions")) == set()


# --- SEG -------------------------------------------------------------------------------------------------------------


def planes_of(labels, *masks):
    return np.stack([m(labels) for m in masks], axis=-1)


def test_segments_coded_as_organs_are_no_lesions_and_can_be_named(tmp_path, folder, study):
    labels = two_lesions(study.pet.array.shape)
    named = [segment(1, "ROI 1", kind=codes.SCT.Spleen), segment(2, "Met")]
    path = write_seg(tmp_path / "s.dcm", folder, planes_of(labels, lambda a: a == 2, lambda a: a == 5), named)
    mask = read_mask(path, study, "lesions")
    assert list(mask.names.values()) == ["Met"] and flags(mask) == {"OUTLINES_LEFT_OUT"}
    chosen = read_mask(tmp_path / "s.dcm#ROI 1", study, "liver")
    np.testing.assert_array_equal(chosen.labels.mask, labels == 2)


def test_segments_that_share_voxels_are_flagged(tmp_path, folder, study):
    labels = two_lesions(study.pet.array.shape)
    named = [segment(1, "Met A"), segment(2, "Met B")]
    path = write_seg(tmp_path / "s.dcm", folder, planes_of(labels, lambda a: a == 2, lambda a: a > 0), named)
    (flag,) = read_mask(path, study, "lesions").flags
    assert f"overlap in {np.count_nonzero(labels == 2)} voxels" in flag.sentence


# --- 3D Slicer -------------------------------------------------------------------------------------------------------


def slicer_nrrd(path, study, layers, segments, encoding="gzip"):
    """A ``.seg.nrrd``; `segments` are (name, value, layer, terminology)."""
    grid = study.pet.geometry
    array = np.asarray(layers, dtype=np.uint8)
    sizes = " ".join(str(n) for n in (*array.shape[:-3], *grid.shape[::-1]))
    steps = ["({},{},{})".format(*(s * np.asarray(d))) for s, d in zip(grid.spacing_mm, grid.directions, strict=True)]
    layered = array.ndim == 4
    header = [
        "NRRD0004",
        "# as 3D Slicer writes it",
        "type: unsigned char",
        f"dimension: {array.ndim}",
        "space: left-posterior-superior",
        f"sizes: {sizes}",
        f"space directions: {'none ' if layered else ''}{' '.join(steps[::-1])}",
        f"kinds: {'list ' if layered else ''}domain domain domain",
        f"encoding: {encoding}",
        "space origin: ({},{},{})".format(*grid.origin_lps_mm),
    ]
    for n, (name, value, layer, terminology) in enumerate(segments):
        header += [f"Segment{n}_ID:=Segment_{n}", f"Segment{n}_Name:={name}", f"Segment{n}_LabelValue:={value}"]
        header += [f"Segment{n}_Layer:={layer}", f"Segment{n}_Tags:=Segmentation.Status:inprogress|{terminology}|"]
    data = (np.moveaxis(array, 0, -1) if layered else array).tobytes()
    packed = gzip.compress(data) if encoding == "gzip" else data
    path.write_bytes("\n".join(header).encode() + b"\n\n" + packed)
    return path


TERM = "TerminologyEntry:Segmentation category and type~SCT^{}^{}~SCT^{}^{}~^^~Anatomic codes~^^~^^"
TISSUE = TERM.format("85756007", "Tissue", "85756007", "Tissue")
LIVER = TERM.format("123037004", "Anatomical Structure", "10200004", "Liver")


@pytest.fixture(scope="module")
def drawn(study):
    shape = study.pet.array.shape
    liver, one, two = (np.zeros(shape, bool) for _ in range(3))
    liver[3:18, 5:30, 5:30] = True
    one[5:8, 8:12, 8:12] = True
    two[10:13, 15:20, 15:20] = True
    return liver, one, two


@pytest.mark.parametrize("encoding", ["gzip", "raw"])
@pytest.mark.parametrize("terms", [(TISSUE, TISSUE, TISSUE), (LIVER, TISSUE, TISSUE)])
def test_segments_of_slicer_in_one_layer_have_their_names(tmp_path, study, drawn, encoding, terms):
    liver, one, two = drawn
    labels = np.where(one, 2, np.where(two, 3, liver.astype(int)))
    named = [("Liver", 1, 0, terms[0]), ("Met A", 2, 0, terms[1]), ("Met B", 3, 0, terms[2])]
    path = slicer_nrrd(tmp_path / "q.seg.nrrd", study, labels, named, encoding)
    mask = read_mask(path, study, "lesions")
    assert mask.names == {2: "Met A", 3: "Met B"} and not mask.flags
    np.testing.assert_array_equal(mask.labels.array, np.where(labels > 1, labels, 0))
    np.testing.assert_array_equal(read_mask(path, study, "liver").labels.mask, labels == 1)


def test_segments_of_slicer_in_two_layers_are_told_apart(tmp_path, study, drawn):
    liver, one, two = drawn
    layers = [liver, one + 2 * two]
    named = [("Leber", 1, 0, LIVER), ("Met A", 1, 1, TISSUE), ("Met B", 2, 1, TISSUE)]
    path = slicer_nrrd(tmp_path / "q.seg.nrrd", study, layers, named)
    mask = read_mask(path, study, "lesions")
    assert mask.names == {1: "Met A", 2: "Met B"}
    np.testing.assert_array_equal(mask.labels.array, one + 2 * two)
    np.testing.assert_array_equal(read_mask(path, study, "liver").labels.mask, liver)
    np.testing.assert_array_equal(read_mask(tmp_path / "q.seg.nrrd#Met B", study, "lesions").labels.mask, two)


def test_segments_of_slicer_that_overlap_are_flagged(tmp_path, study, drawn):
    _, one, two = drawn
    path = slicer_nrrd(tmp_path / "q.seg.nrrd", study, [one, one | two], [("A", 1, 0, TISSUE), ("B", 1, 1, TISSUE)])
    (flag,) = read_mask(path, study, "lesions").flags
    assert f"overlap in {np.count_nonzero(one)} voxels" in flag.sentence


def test_a_label_of_a_plain_mask_is_named_by_its_number(tmp_path, study):
    labels = two_lesions(study.pet.array.shape)
    sitk.WriteImage(to_itk(LabelMap(labels.astype(np.uint8), study.pet.geometry)), str(tmp_path / "q.nrrd"))
    np.testing.assert_array_equal(read_mask(tmp_path / "q.nrrd#5", study, "lesions").labels.mask, labels == 5)
    np.testing.assert_array_equal(read_mask(tmp_path / "q.nrrd#2", study, "liver").labels.mask, labels == 2)


# --- NIfTI -----------------------------------------------------------------------------------------------------------


def nifti(path, study, labels, *, shear=0.0, dtype=np.uint8, kind=nibabel.Nifti1Image, both=False):
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ study.pet.geometry.affine[:, [2, 1, 0, 3]]
    affine[0, 1] += shear * abs(affine[1, 1])
    image = kind(labels.transpose(2, 1, 0).astype(dtype), affine)
    if both:
        image.set_qform(affine, code=1, strip_shears=True)
        image.set_sform(affine, code=1)
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("ending", ["nii", "nii.gz"])
def test_a_small_shear_is_rounding(tmp_path, study, both, ending):
    labels = two_lesions(study.pet.array.shape)
    mask = read_mask(nifti(tmp_path / f"q.{ending}", study, labels, shear=1e-3, both=both), study, "lesions")
    np.testing.assert_array_equal(mask.labels.array, labels)


def test_a_large_shear_is_named(tmp_path, study):
    path = nifti(tmp_path / "q.nii.gz", study, two_lesions(study.pet.array.shape), shear=0.2)
    with pytest.raises(MaskError, match=r"q.nii.gz: its axes are sheared by 11\.\d+ degrees"):
        read_mask(path, study, "lesions")


@pytest.mark.parametrize("error", [1e-7, -1e-7, 1e-4])
def test_labels_that_are_off_by_rounding_are_labels(tmp_path, study, error):
    labels = two_lesions(study.pet.array.shape)
    path = nifti(tmp_path / "q.nii.gz", study, labels + error * (labels > 0), dtype=np.float64)
    np.testing.assert_array_equal(read_mask(path, study, "lesions").labels.array, labels)


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.int32])
def test_both_versions_and_all_types_of_nifti_are_read(tmp_path, study, kind, dtype):
    labels = two_lesions(study.pet.array.shape)
    path = nifti(tmp_path / "q.nii", study, labels, dtype=dtype, kind=kind)
    np.testing.assert_array_equal(read_mask(path, study, "lesions").labels.array, labels)


def test_big_endian_and_scaled_nifti(tmp_path, study):
    labels = two_lesions(study.pet.array.shape)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ study.pet.geometry.affine[:, [2, 1, 0, 3]]
    image = nibabel.Nifti1Image(labels.transpose(2, 1, 0).astype(">i2"), affine, nibabel.Nifti1Header(endianness=">"))
    nibabel.save(image, tmp_path / "big.nii")
    np.testing.assert_array_equal(read_mask(tmp_path / "big.nii", study, "lesions").labels.array, labels)
    scaled = nibabel.Nifti1Image((2 * labels.transpose(2, 1, 0)).astype(np.int16), affine)
    scaled.header.set_slope_inter(0.5, 0)
    nibabel.save(scaled, tmp_path / "scaled.nii")
    found = read_mask(tmp_path / "scaled.nii", study, "lesions").labels.array
    np.testing.assert_array_equal(
        found, np.asanyarray(nibabel.load(tmp_path / "scaled.nii").dataobj).transpose(2, 1, 0)
    )


# --- damage ----------------------------------------------------------------------------------------------------------


def written(path, study):
    image = to_itk(LabelMap(two_lesions(study.pet.array.shape).astype(np.uint8), study.pet.geometry))
    sitk.WriteImage(image, str(path), useCompression=path.suffix in {".gz", ".nrrd"} or path.name.startswith("packed"))
    return path


@pytest.mark.parametrize("name", ["q.nii.gz", "q.nii", "q.nrrd", "q.mha", "packed.mha"])
@pytest.mark.parametrize("share", [0.6, 0.97])
def test_truncated_masks_are_refused(tmp_path, study, name, share):
    path = written(tmp_path / name, study)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(MaskError, match=rf"^{name}: "):
        read_mask(path, study, "lesions")


@pytest.mark.parametrize("name", ["q.nii.gz", "q.nrrd", "packed.mha"])
def test_masks_that_do_not_match_their_checksum_are_refused(tmp_path, study, name):
    path = written(tmp_path / name, study)
    data = bytearray(path.read_bytes())
    data[-6 if name != "packed.mha" else -2] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(MaskError, match=r"cut short or damaged"):
        read_mask(path, study, "lesions")


@pytest.mark.parametrize("name", ["q.nii.gz", "q.nii", "q.mha"])
def test_masks_that_hold_more_than_their_header_says_are_refused(tmp_path, study, name):
    path = written(tmp_path / name, study)
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + b"more"))
    else:
        path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(MaskError, match=r"cut short or damaged"):
        read_mask(path, study, "lesions")


def test_a_bomb_of_a_mask_takes_no_memory(tmp_path, study):
    path = written(tmp_path / "q.nii.gz", study)
    start = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(start + bytes(200 << 20), compresslevel=1))
    with pytest.raises(MaskError, match="it holds more"):
        read_mask(path, study, "lesions")
