"""Voxels: bit-equal to pydicom's, and each slice with its own slope."""

import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRBigEndian, JPEG2000Lossless, RLELossless

from dotaliver.dicom.files.headers import index_folder
from dotaliver.dicom.files.stack import stack_of
from dotaliver.dicom.pixels.series import read_series, read_stored
from dotaliver.errors import FileFormatError, SeriesError
from dotaliver.image.volume import Quantity
from fixtures.dicom_series import REMOVED, ramp, write_series


def series_in(folder):
    (series,) = index_folder(folder).series
    return series


def test_integer_first_slope_does_not_truncate_the_others(tmp_path):
    # SimpleITK's series reader takes the type from the first slice and loses the fractions of the others
    slopes = (1, 0.5, 0.333333, 1.189561907, 2.75, 1e-3)
    write_series(tmp_path, slopes=slopes)
    volume = read_series(series_in(tmp_path))
    assert volume.quantity is Quantity.BQML
    expected = (ramp((6, 5, 4)).astype(np.float64) * np.array(slopes)[:, None, None]).astype(np.float32)
    np.testing.assert_array_equal(volume.array, expected)
    assert volume.array[1, 0, 1] == np.float32(10.5)


def test_product_is_rounded_once(tmp_path):
    # 32767 * 0.1234567 in float64, then float32; float32 slopes would give another last digit for some values
    stored = np.full((4, 3, 3), 32767, np.int16)
    write_series(tmp_path, stored=stored, slopes=(0.1234567,) * 4)
    assert read_series(series_in(tmp_path)).array[0, 0, 0] == np.float32(32767 * 0.1234567)


@pytest.mark.parametrize(("intercept", "expected"), [(0.0, 0), (-1024.0, -1024)])
def test_whole_rescaling_of_ct_stays_int16(tmp_path, intercept, expected):
    write_series(tmp_path, modality="CT", intercept=intercept)
    volume = read_series(series_in(tmp_path))
    assert volume.array.dtype == np.int16
    np.testing.assert_array_equal(volume.array, ramp((6, 5, 4), expected))


def test_fractional_rescaling_of_ct_is_float32(tmp_path):
    write_series(tmp_path, modality="CT", slopes=(0.5,) * 6, intercept=-10.0)
    volume = read_series(series_in(tmp_path))
    assert volume.array.dtype == np.float32
    np.testing.assert_array_equal(volume.array, ramp((6, 5, 4)) * 0.5 - 10)


def test_values_beyond_int16_become_float32(tmp_path):
    stored = np.full((4, 3, 3), 60000, np.uint16)
    write_series(tmp_path, modality="CT", stored=stored, intercept=-1024.0)
    volume = read_series(series_in(tmp_path))
    assert volume.array.dtype == np.float32
    assert volume.array.max() == 58976


def recoded(path, syntax):
    """Rewrite one file in another transfer syntax."""
    ds = pydicom.dcmread(path)
    if syntax == ExplicitVRBigEndian:
        pixels = ds.pixel_array
        ds.PixelData = pixels.astype(pixels.dtype.newbyteorder(">")).tobytes()
        ds.file_meta.TransferSyntaxUID = syntax
        pydicom.dcmwrite(path, ds, implicit_vr=False, little_endian=False, force_encoding=True)
        return
    ds.compress(syntax)
    ds.save_as(path)


@pytest.mark.parametrize("syntax", [None, RLELossless, JPEG2000Lossless, ExplicitVRBigEndian])
@pytest.mark.parametrize("dtype", [np.int16, np.uint16])
def test_stored_values_equal_those_written(tmp_path, syntax, dtype):
    stored = np.random.default_rng(0).integers(0, 30000, (4, 40, 36)).astype(dtype)
    paths = write_series(tmp_path, modality="CT", stored=stored)
    for path in paths if syntax is not None else []:
        recoded(path, syntax)
    ours = read_stored(stack_of(series_in(tmp_path)))
    np.testing.assert_array_equal(ours, np.stack([pydicom.dcmread(p).pixel_array for p in paths]))
    np.testing.assert_array_equal(ours, stored)


def test_unused_high_bits_are_dropped_as_pydicom_does(tmp_path):
    stored = (ramp((4, 5, 4)).astype(np.uint16) % 4096) | np.uint16(0x7000)
    paths = write_series(tmp_path, modality="CT", stored=stored, elements={"BitsStored": 12, "HighBit": 11})
    ours = read_stored(stack_of(series_in(tmp_path)))
    np.testing.assert_array_equal(ours, np.stack([pydicom.dcmread(p).pixel_array for p in paths]))
    np.testing.assert_array_equal(ours, stored & 0x0FFF)


@pytest.mark.parametrize(
    ("elements", "why"),
    [
        ({"RescaleSlope": REMOVED}, r"Rescale Slope \(0028,1053\) is missing or zero"),
        ({"RescaleSlope": "0"}, r"Rescale Slope \(0028,1053\) is missing or zero"),
        ({"RescaleIntercept": "5"}, r"Rescale Intercept \(0028,1052\) is not 0"),
        ({"SamplesPerPixel": 3}, "pixels of 3 sample"),
        ({"Units": "CNTS"}, "Units .* is CNTS, not BQML"),
    ],
)
def test_pet_that_cannot_be_activity_is_refused(tmp_path, elements, why):
    write_series(tmp_path, elements=elements)
    with pytest.raises(SeriesError, match=why):
        read_series(series_in(tmp_path))


def test_damaged_compressed_file_is_named(tmp_path):
    paths = write_series(tmp_path, modality="CT", stored=ramp((4, 16, 12)))
    for path in paths:
        ds = pydicom.dcmread(path)
        ds.compress(RLELossless)
        ds.save_as(path)
    paths[1].write_bytes(paths[1].read_bytes()[:-60])
    with pytest.raises(FileFormatError, match=r"001.dcm: its pixels cannot be decoded"):
        read_series(series_in(tmp_path))
