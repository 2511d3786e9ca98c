"""Every way to the stored values gives pydicom's, and a file that lies about its pixels is named."""

import struct
import zlib

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from dotaliver.dicom.files import part10
from dotaliver.dicom.files.headers import index_folder
from dotaliver.dicom.files.stack import stack_of
from dotaliver.dicom.pixels import planes
from dotaliver.dicom.pixels.series import read_series, read_stored
from dotaliver.errors import FileFormatError
from fixtures.dicom_series import ramp, rewritten, write_series
from fixtures.fuzzing import REWRITERS, encoded


def stored_in(folder):
    (series,) = index_folder(folder).series
    return read_stored(stack_of(series))


@pytest.mark.parametrize("syntax", [None, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, RLELossless])
@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32])
def test_stored_values_are_pydicoms(tmp_path, syntax, dtype):
    limits = np.iinfo(dtype)
    rng = np.random.default_rng(0)
    stored = rng.integers(limits.min, limits.max, (5, 37, 30), dtype=dtype, endpoint=True)
    stored[1] = limits.min  # runs over all rows
    stored[2, :20] = limits.max
    if syntax == RLELossless and limits.bits == 32:
        pytest.skip("RLE holds up to 16 bits in grey-scale images (PS3.5 8.2.2)")
    bits = {"BitsAllocated": limits.bits, "BitsStored": limits.bits, "HighBit": limits.bits - 1}
    paths = write_series(tmp_path, modality="CT", stored=stored, elements=bits)
    for path in paths if syntax is not None else []:
        rewritten(path, syntax)
    ours = stored_in(tmp_path)
    np.testing.assert_array_equal(ours, stored)
    theirs = np.stack([pydicom.dcmread(p).pixel_array for p in paths])
    np.testing.assert_array_equal(ours, theirs)
    assert ours.dtype == theirs.dtype


def test_run_lengths_that_cross_rows_are_read(tmp_path):
    # one run of 128 equal bytes after the other, over rows of 20: PS3.5 G.3.1 forbids it and writers do it
    paths = write_series(tmp_path, modality="CT", stored=np.zeros((4, 16, 20), np.int16))
    for path in paths:
        ds = pydicom.dcmread(path)
        segment = bytes([129, 1]) * 2 + bytes([256 - 63, 1])
        header = np.array([2, 64, 64 + len(segment), *[0] * 13], "<u4").tobytes()
        ds.PixelData = pydicom.encaps.encapsulate([header + segment * 2])
        ds["PixelData"].is_undefined_length = True
        ds.file_meta.TransferSyntaxUID = RLELossless
        ds.save_as(path)
    np.testing.assert_array_equal(stored_in(tmp_path), np.full((4, 16, 20), 257))


def test_headers_longer_than_the_first_piece_are_read(tmp_path):
    stored = ramp((4, 16, 12))
    long_text = "x" * (part10._FIRST_BYTES - 600)
    for size, folder in enumerate((tmp_path / "a", tmp_path / "b", tmp_path / "c")):
        # the piece ends before, within and after the elements that follow the long one
        elements = {(0x00091010, "UT"): long_text + "y" * (300 * size)}
        write_series(folder, modality="CT", stored=stored, elements=elements)
        np.testing.assert_array_equal(stored_in(folder), stored)


def test_a_file_that_shrinks_after_its_header_was_read_is_named(tmp_path):
    paths = write_series(tmp_path, modality="CT", stored=ramp((4, 16, 12)))
    (series,) = index_folder(tmp_path).series
    paths[2].write_bytes(paths[2].read_bytes()[:-10])
    with pytest.raises(FileFormatError, match=r"002.dcm: the file is cut short: it holds 374 of 384 bytes"):
        read_series(series)


def test_a_deflated_bomb_is_refused(tmp_path):
    path = write_series(tmp_path, modality="CT", stored=ramp((4, 16, 12)))[1]
    rewritten(path, DeflatedExplicitVRLittleEndian)
    content = path.read_bytes()
    start = 144 + int(pydicom.dcmread(path, stop_before_pixels=True).file_meta.FileMetaInformationGroupLength)
    inflated = zlib.decompress(content[start:], -15)
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    path.write_bytes(content[:start] + deflater.compress(inflated + bytes(64 << 20)) + deflater.flush())
    with pytest.raises(FileFormatError, match=r"001.dcm: the DICOM file is damaged"):
        index_folder(tmp_path)


@pytest.mark.parametrize("intercept", [-1024.0, 0.0, 31000.0])
@pytest.mark.parametrize("slope", [1, 2, -1])
def test_whole_rescaling_is_exact_or_float(tmp_path, slope, intercept):
    stored = np.array([0, 1, 1000, 4095], np.uint16) * np.ones((4, 3, 1), np.uint16)
    write_series(tmp_path, modality="CT", stored=stored, slopes=[slope] * 4, intercept=intercept)
    (series,) = index_folder(tmp_path).series
    array = read_series(series).array
    np.testing.assert_array_equal(array, stored.astype(np.int64) * slope + int(intercept))
    fits = abs(int(stored.max()) * slope + intercept) < 2**15 and abs(intercept) < 2**15
    assert array.dtype == (np.int16 if fits else np.float32)


@pytest.mark.parametrize(("dtype", "bits"), [(np.int16, 16), (np.uint16, 16), (np.uint16, 12), (np.uint8, 8)])
def test_jpeg2000_of_any_depth_is_pydicoms(tmp_path, dtype, bits):
    allocated = np.dtype(dtype).itemsize * 8
    stored = np.random.default_rng(1).integers(0, 2 ** (bits - 1), (7, 40, 36)).astype(dtype)
    elements = {"BitsAllocated": allocated, "BitsStored": bits, "HighBit": bits - 1}
    for path in write_series(tmp_path, modality="CT", stored=stored, elements=elements):
        rewritten(path, JPEG2000Lossless)
    np.testing.assert_array_equal(stored_in(tmp_path), stored)


def boxed(array):
    """A JPEG 2000 codestream in the boxes of a JP2 file."""
    return imagecodecs.jpeg2k_encode(array, level=0, codecformat="jp2", reversible=True)


@pytest.mark.parametrize(
    ("syntax", "encode"),
    [
        ("1.2.840.10008.1.2.4.57", imagecodecs.ljpeg_encode),
        ("1.2.840.10008.1.2.4.70", imagecodecs.ljpeg_encode),
        ("1.2.840.10008.1.2.4.80", imagecodecs.jpegls_encode),
        ("1.2.840.10008.1.2.4.81", lambda a: imagecodecs.jpegls_encode(a, level=2)),
        ("1.2.840.10008.1.2.4.90", lambda a: imagecodecs.jpeg2k_encode(a, level=0, reversible=True)),
        ("1.2.840.10008.1.2.4.90", boxed),
        ("1.2.840.10008.1.2.4.91", lambda a: imagecodecs.jpeg2k_encode(a, level=80)),
        ("1.2.840.10008.1.2.4.201", imagecodecs.htj2k_encode),
        ("1.2.840.10008.1.2.4.202", imagecodecs.htj2k_encode),
        ("1.2.840.10008.1.2.4.203", imagecodecs.htj2k_encode),
        ("1.2.840.10008.1.2.4.50", imagecodecs.jpeg8_encode),
    ],
)
def test_every_common_compression_reads_as_pydicom_reads_it(tmp_path, syntax, encode):
    dtype = np.uint8 if syntax.endswith(".50") else np.uint16
    y, x = np.mgrid[:40, :36]
    noise = np.random.default_rng(2).integers(0, 20, (4, 40, 36))
    stored = ((np.hypot(y - 20, x - 18) < 12) * 150 + noise).astype(dtype)
    bits = {k: np.dtype(dtype).itemsize * 8 - (k == "HighBit") for k in ("BitsAllocated", "BitsStored", "HighBit")}
    paths = write_series(tmp_path, modality="CT", stored=stored, elements=bits)
    for path in paths:
        encoded(path, syntax, encode)
    ours = stored_in(tmp_path)
    np.testing.assert_array_equal(ours, np.stack([pydicom.dcmread(p).pixel_array for p in paths]))
    if syntax[-3:] in {".50", ".81", ".91"}:
        assert abs(ours.astype(int) - stored).max() < 60
    else:
        np.testing.assert_array_equal(ours, stored)


def test_jpeg2000_of_a_million_tiles_is_refused(tmp_path):
    paths = write_series(tmp_path, modality="CT", stored=ramp((4, 40, 36)))
    for path in paths:
        rewritten(path, JPEG2000Lossless)
    content = paths[1].read_bytes()
    at = content.index(b"\xff\x4f\xff\x51")
    paths[1].write_bytes(content[: at + 24] + struct.pack(">II", 1, 1) + content[at + 32 :])  # tiles of 1 x 1
    with pytest.raises(FileFormatError, match=r"001.dcm: its pixels cannot be decoded"):
        stored_in(tmp_path)


@pytest.mark.parametrize("in_tile", [False, True])
def test_jpeg2000_of_a_million_precincts_is_refused(tmp_path, in_tile):
    write_series(tmp_path, modality="CT", stored=np.zeros((4, 40, 36), np.uint16))

    def encode(array):
        good = imagecodecs.jpeg2k_encode(array, level=0, reversible=True)
        at = good.index(b"\xff\x52")
        length, levels = int.from_bytes(good[at + 2 : at + 4], "big"), good[at + 9]
        # as large as can be, and of one pixel: the same but for that
        large, tiny = (
            b"\xff\x52"
            + (length + levels + 1).to_bytes(2, "big")
            + bytes([good[at + 4] | 1])
            + good[at + 5 : at + 2 + length]
            + each * (levels + 1)
            for each in (b"\xff", b"\x00")
        )
        if not in_tile:
            return good[:at] + (tiny if array.any() else large) + good[at + 2 + length :]
        start = good.index(b"\xff\x90")
        size = int.from_bytes(good[start + 6 : start + 10], "big") + len(large)
        head = good[start : start + 6] + size.to_bytes(4, "big") + good[start + 10 : start + 12]
        return good[:start] + head + (tiny if array.any() else large) + good[start + 12 :]

    paths = sorted(tmp_path.glob("*.dcm"))
    for path in paths:
        encoded(path, "1.2.840.10008.1.2.4.90", encode)
    assert not stored_in(tmp_path).any()
    encoded(paths[1], "1.2.840.10008.1.2.4.90", lambda array: encode(array + 1))
    with pytest.raises(FileFormatError, match=r"001.dcm: its pixels cannot be decoded"):
        stored_in(tmp_path)


@pytest.mark.parametrize(("name", "marker", "place"), [("JPEG lossless", b"\xff\xc3", 5), ("JPEG-LS", b"\xff\xf7", 5)])
def test_a_jpeg_that_says_it_is_huge_is_refused_before_it_is_decoded(tmp_path, name, marker, place):
    paths = write_series(tmp_path, modality="CT", stored=ramp((4, 40, 36)).astype(np.uint16))
    for path in paths:
        REWRITERS[name](path)
    content = paths[1].read_bytes()
    at = content.index(marker, content.index(b"\xe0\x7f\x10\x00")) + place
    paths[1].write_bytes(content[:at] + b"\xff\xff\xff\xff" + content[at + 4 :])
    with pytest.raises(FileFormatError, match=r"001.dcm: its pixels cannot be decoded \(ValueError\)"):
        stored_in(tmp_path)


def test_a_compressed_image_of_another_size_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    paths = write_series(tmp_path, modality="CT", stored=ramp((4, 40, 36)))
    for path in (*paths[:2], paths[3]):
        rewritten(path, JPEG2000Lossless)
    ds = pydicom.dcmread(paths[2])
    ds.Rows, ds.Columns = 400, 360
    ds.compress(JPEG2000Lossless, np.zeros((400, 360), np.int16))
    ds.Rows, ds.Columns = 40, 36
    ds.save_as(paths[2])
    monkeypatch.setattr(planes, "_decoded", lambda part: pytest.fail("decoded") if part.path == paths[2] else None)
    with pytest.raises(FileFormatError, match=r"002.dcm: the size of its compressed image"):
        planes._jpeg2000(stack_of(index_folder(tmp_path).series[0]).slices[2], np.empty((40, 36), np.int16))


# --- transfer syntaxes ---------------------------------------------------------------------------------------------


def labelled(folder, syntax, **changes):
    """A series of uncompressed pixels whose files say another transfer syntax."""
    paths = write_series(folder, **changes)
    for path in paths:
        data = path.read_bytes()
        old, new = b"1.2.840.10008.1.2.1\0", syntax.encode() + b"\0" * (len(syntax) % 2)
        at = data.index(old)
        # The length of the element, and of the group (0002,0000), which stands first
        data = data[: at - 2] + struct.pack("<H", len(new)) + new + data[at + len(old) :]
        group = struct.unpack_from("<I", data, 140)[0] + len(new) - len(old)
        path.write_bytes(data[:140] + struct.pack("<I", group) + data[144:])
    return paths


@pytest.mark.parametrize(
    ("syntax", "named"),
    [
        ("1.2.840.10008.1.2.4.110", r"JPEG XL Lossless \(1.2.840.10008.1.2.4.110\)"),
        ("1.2.840.10008.1.2.4.112", r"JPEG XL \("),
        ("1.2.840.10008.1.2.4.100", r"MPEG2"),
        ("1.3.46.670589.33.1.4.1", r"1.3.46.670589.33.1.4.1 \(private\)"),
    ],
)
def test_a_syntax_that_is_not_read_is_named_with_what_to_do(tmp_path, syntax, named):
    labelled(tmp_path, syntax)
    with pytest.raises(FileFormatError, match=rf"in the transfer syntax .*{named}.* convert the series"):
        stored_in(tmp_path)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.5"])
@pytest.mark.parametrize("bits", [16, 12])
def test_plain_pixels_that_are_labelled_as_compressed_are_read(tmp_path, syntax, bits):
    stored = ramp((6, 5, 4))
    labelled(tmp_path, syntax, modality="CT", stored=stored, elements={"BitsStored": bits, "HighBit": bits - 1})
    np.testing.assert_array_equal(stored_in(tmp_path), stored)


def test_compressed_pixels_that_are_labelled_as_plain_are_named(tmp_path):
    for path in write_series(tmp_path, modality="CT"):
        rewritten(path, RLELossless)
        data = path.read_bytes()
        old = RLELossless.encode() + b"\0" * (len(RLELossless) % 2)
        new = b"1.2.840.10008.1.2.1\0"[: len(old)].ljust(len(old), b"\0")
        new = b"1.2.840.10008.1.2.1\0" if len(old) == 20 else new
        path.write_bytes(data.replace(old, new, 1))
    with pytest.raises(FileFormatError, match=r"compressed, although Transfer Syntax UID .* says Explicit VR Little"):
        stored_in(tmp_path)


def test_a_header_in_a_private_syntax_is_named(tmp_path):
    (path, *_) = labelled(tmp_path, "1.3.46.670589.33.1.4.1")
    data = path.read_bytes()
    end = data.index(b"1.3.46.670589.33.1.4.1") + 22
    path.write_bytes(data[:end] + bytes(range(200, 250)) * 40)
    with pytest.raises(FileFormatError, match=r"transfer syntax 1.3.46.670589.33.1.4.1 \(private\), which is not read"):
        index_folder(tmp_path)
