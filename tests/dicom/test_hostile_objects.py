"""Masks that were built to do harm: absurd sizes, endless contours, foreign references, markup in names."""

from __future__ import annotations

import zlib
from copy import deepcopy

import numpy as np
import psutil
import pydicom
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

from dotaliver.config.scoring import ScoringConfig
from dotaliver.dicom.masks.reading import read_mask
from dotaliver.dicom.study import load_study
from dotaliver.errors import MaskError
from fixtures.dicom_series import write_study
from fixtures.masks import write_rtstruct
from fixtures.seg_files import changed, segment, write_seg

MARKUP = "<script>alert(1)</script>[red]\x1b[31m\n=cmd|x"


@pytest.fixture
def study(tmp_path):
    return load_study(write_study(tmp_path / "study"), ScoringConfig())


@pytest.fixture
def seg(tmp_path, study):
    labels = np.zeros(study.pet.array.shape, bool)
    labels[1:3, 1:3, 1:3] = True
    return write_seg(tmp_path / "seg.dcm", tmp_path / "study" / "pet", labels[..., None], [segment(1, "a")])


@pytest.fixture
def memory():
    """Memory that a test may not take, in bytes beyond what is used at its start."""
    process = psutil.Process()
    before = process.memory_info().rss
    yield
    assert process.memory_info().rss - before < 300e6


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ({"Rows": 65535, "Columns": 65535}, "planes of 65535 by 65535 pixels are not an image"),
        ({"Rows": 0}, "planes of 0 by 4 pixels are not an image"),
        ({"Rows": 4000, "Columns": 4000}, "the file is cut short"),
        ({"NumberOfFrames": "100000000"}, "it says 100000000 frames and describes 2"),
        ({"BitsAllocated": 64}, "64 bits per pixel"),
    ],
)
def test_absurd_sizes_are_refused(study, seg, memory, elements, message):
    with pytest.raises(MaskError, match=f"seg.dcm: {message}"):
        read_mask(changed(seg, **elements), study, "lesions")


def test_frames_worlds_apart_are_refused(study, seg, memory):
    ds = pydicom.dcmread(seg)
    frames = ds.PerFrameFunctionalGroupsSequence
    ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing = [1.9, 1.4]
    far = deepcopy(frames[1])
    frames.append(far)
    for frame, height in zip(frames, (0, 1, 1e9), strict=True):
        frame.PlanePositionSequence[0].ImagePositionPatient = [-10, -20, height]
    ds.NumberOfFrames = 3
    ds.PixelData = bytes(8)
    ds.save_as(seg)
    with pytest.raises(MaskError, match=r"seg.dcm: its frames lie too far apart"):
        read_mask(seg, study, "lesions")


@pytest.mark.parametrize("place", [["nan", "0", "0"], ["1e400", "0", "0"], ["0", "0"]])
def test_places_that_are_none_are_refused(study, seg, place):
    ds = pydicom.dcmread(seg)
    element = ds.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0]["ImagePositionPatient"]
    element._value = pydicom.multival.MultiValue(str, place)
    ds.save_as(seg)
    with pytest.raises(MaskError, match=r"seg.dcm: "):
        read_mask(seg, study, "lesions")


def test_a_compressed_frame_that_unpacks_to_something_else_is_refused(tmp_path, study, memory):
    labels = np.zeros((*study.pet.array.shape, 1))
    labels[2, 1:3, 1:3] = 1
    path = write_seg(
        tmp_path / "c.dcm", tmp_path / "study" / "pet", labels, [segment(1, "a")],
        kind="FRACTIONAL", transfer_syntax_uid=RLELossless,
    )  # fmt: skip
    with pytest.raises(MaskError, match=r"c.dcm: frame 1 cannot be decoded"):
        read_mask(changed(path, Rows=3000, Columns=3000), study, "lesions")


def test_a_deflated_bomb_is_refused(study, seg, memory):
    ds = pydicom.dcmread(seg)
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    ds.save_as(seg)
    data = seg.read_bytes()
    meta_end = 132 + 12 + int.from_bytes(data[140:144], "little")
    inflated = zlib.decompress(data[meta_end:], -zlib.MAX_WBITS)
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    # A private element of 400 MB of zeros behind everything
    bomb = b"\xe1\x7f\x01\x00OB\0\0" + (400_000_000).to_bytes(4, "little")
    packed = [packer.compress(inflated + bomb)]
    packed += [packer.compress(bytes(1_000_000)) for _ in range(400)]
    seg.write_bytes(data[:meta_end] + b"".join(packed) + packer.flush())
    assert seg.stat().st_size < 2_000_000
    with pytest.raises(MaskError, match=r"seg.dcm: the mask is damaged"):
        read_mask(seg, study, "lesions")


def test_a_length_that_the_file_cannot_fill_takes_no_memory(study, seg, memory):
    data = bytearray(seg.read_bytes())
    place = data.index(b"\xe0\x7f\x10\x00")
    data[place + 8 : place + 12] = (0xFFFFFFF0).to_bytes(4, "little")
    seg.write_bytes(data)
    with pytest.raises(MaskError, match=r"seg.dcm: "):
        read_mask(seg, study, "lesions")


def test_segments_numbered_twice_are_refused(study, seg):
    ds = pydicom.dcmread(seg)
    ds.SegmentSequence.append(ds.SegmentSequence[0])
    ds.save_as(seg)
    with pytest.raises(MaskError, match=r"seg.dcm: segment number 1 is used twice"):
        read_mask(seg, study, "lesions")


def test_markup_in_names_is_kept_as_plain_text_of_one_line(tmp_path, study, seg):
    ds = pydicom.dcmread(seg)
    ds.SegmentSequence[0].SegmentLabel = MARKUP[:60]
    ds.save_as(seg)
    name = read_mask(seg, study, "lesions").names[1]
    assert name.isprintable()
    path = write_rtstruct(tmp_path / "rs.dcm", {MARKUP: [CONTOUR]})
    name = read_mask(path, study, "lesions").names[1]
    assert name.isprintable()
    assert len(name) <= 64


STAR_POINTS = 2000
CONTOUR = np.array([(-9, -19, 33.0), (-6, -19, 33.0), (-6, -13, 33.0), (-9, -13, 33.0)])


def with_stars(path, number, count):
    """Give one ROI so many contours, each a star of 2000 corners whose edges cross the picture."""
    angle = np.linspace(0, 2 * np.pi, STAR_POINTS, endpoint=False)
    radius = np.where(np.arange(STAR_POINTS) % 2, 3.0, 0.1)
    corners = np.stack([-7 + radius * np.cos(angle), -16 + radius * np.sin(angle), np.full(STAR_POINTS, 33)], axis=1)
    value = "\\".join(f"{v:.4f}" for v in corners.ravel()).encode()
    value += b" " * (len(value) % 2)
    ds = pydicom.dcmread(path)
    contour = pydicom.Dataset()
    contour.ContourGeometricType, contour.NumberOfContourPoints = "CLOSED_PLANAR", STAR_POINTS
    tag = Tag("ContourData")
    contour[tag] = RawDataElement(tag, "DS", len(value), value, 0, False, True)
    ds.ROIContourSequence[number - 1].ContourSequence = [contour] * count
    ds.save_as(path)
    return path


def test_a_million_contour_points_are_refused(tmp_path, study, memory):
    path = with_stars(write_rtstruct(tmp_path / "rs.dcm", {"met": [CONTOUR]}), 1, 501)
    with pytest.raises(MaskError, match=r"rs.dcm: its outlines have 1002000 points \(at most 500000 are read\)"):
        read_mask(path, study, "lesions")


def test_many_contour_points_that_are_not_asked_for_do_no_harm(tmp_path, study, memory):
    path = with_stars(write_rtstruct(tmp_path / "rs.dcm", {"Liver": [CONTOUR], "met": [CONTOUR]}), 2, 501)
    assert read_mask(path, study, "liver").labels.labels == (1,)


def test_stars_of_very_many_points_are_filled_in_bounded_memory(tmp_path, study, memory):
    path = with_stars(write_rtstruct(tmp_path / "rs.dcm", {"met": [CONTOUR]}), 1, 201)
    assert read_mask(path, study, "lesions").labels.labels == (1,)


@pytest.mark.parametrize("data", [b"1\\2\\x ", b"1\\2\\nan ", b"1\\2\\3\\4 ", b"\\\\\\\\\\ "])
def test_contours_that_are_no_numbers_are_refused(tmp_path, study, data):
    contour = np.array([(-9, -19, 33.0), (-6, -19, 33.0), (-6, -13, 33.0)])
    path = write_rtstruct(tmp_path / "rs.dcm", {"met": [contour]})
    stored = path.read_bytes()
    value = "\\".join(f"{v:.5f}" for v in contour.ravel()).encode()
    value += b" " * (len(value) % 2)
    assert stored.count(value) == 1
    path.write_bytes(stored.replace(value, (data * 30)[: len(value) - 1] + b" "))
    with pytest.raises(MaskError, match=r"rs.dcm: "):
        read_mask(path, study, "lesions")


def test_rois_numbered_twice_are_refused(tmp_path, study):
    contour = np.array([(-9, -19, 33.0), (-6, -19, 33.0), (-6, -13, 33.0)])
    path = write_rtstruct(tmp_path / "rs.dcm", {"a": [contour], "b": [contour]})
    ds = pydicom.dcmread(path)
    ds.StructureSetROISequence[1].ROINumber = "1"
    ds.save_as(path)
    with pytest.raises(MaskError, match=r"rs.dcm: ROI number 1 is used twice"):
        read_mask(path, study, "lesions")


def test_deep_nesting_is_refused(tmp_path, study, seg):
    ds = pydicom.dcmread(seg)
    inner = pydicom.Dataset()
    inner.SegmentLabel = "x"
    for _ in range(150):
        outer = pydicom.Dataset()
        outer.SegmentSequence = [inner]
        inner = outer
    ds.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0].SegmentSequence = [inner]
    ds.save_as(seg)
    # What is never asked for is never followed
    assert read_mask(seg, study, "lesions").labels.labels == (1,)
