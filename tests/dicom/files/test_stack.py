"""Slices to grid: held to SimpleITK and highdicom, and what is no regular grid is refused."""

import tracemalloc

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from dotaliver.dicom.files.headers import index_folder
from dotaliver.dicom.files.stack import stack_of
from dotaliver.dicom.pixels.series import read_series
from dotaliver.errors import FileFormatError, SeriesError
from dotaliver.image.itk import geometry_from_itk
from fixtures.dicom_series import AXIAL, ramp, write_series


def series_in(folder):
    (series,) = index_folder(folder).series
    return series


def turned(degrees):
    """Row and column cosines of axial planes after a rotation about x, y and z."""
    matrix = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    return (*matrix[:, 0], *matrix[:, 1])


FEET_FIRST = (-1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
PRONE = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
FEET_FIRST_PRONE = (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)


@pytest.mark.parametrize(
    "cosines", [AXIAL, FEET_FIRST, PRONE, FEET_FIRST_PRONE, CORONAL, turned((10, 20, 30)), turned((175, -5, 3))]
)
def test_grid_agrees_with_simpleitk_and_highdicom(tmp_path, cosines):
    paths = write_series(tmp_path, cosines=cosines, modality="CT")
    grid = stack_of(series_in(tmp_path)).geometry
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(p) for p in paths])
    assert geometry_from_itk(reader.Execute()).is_close(grid, 1e-4)
    theirs = highdicom.get_volume_from_series([pydicom.dcmread(p) for p in paths])
    for index in ((0, 0, 0), (5, 0, 0), (0, 4, 0), (2, 3, 1)):
        point = grid.index_to_lps(index)
        # highdicom may count slices from the other end: what counts is that a voxel centre of ours is one of its
        theirs_at = theirs.map_reference_to_indices(point[None])[0]
        np.testing.assert_allclose(theirs_at, np.round(theirs_at), atol=1e-4)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    angles=st.tuples(*[st.floats(-180, 180)] * 3),
    origin=st.tuples(*[st.floats(-400, 400)] * 3),
    seed=st.integers(0, 99),
)
def test_each_slice_lies_where_its_header_says(tmp_path_factory, angles, origin, seed):
    folder = tmp_path_factory.mktemp("series")
    names = np.random.default_rng(seed).permutation(6)
    paths = write_series(folder, cosines=turned(angles), origin=origin)
    for path, name in zip(paths, names, strict=True):
        path.rename(folder / f"x{name}")
    stack = stack_of(series_in(folder))
    for k, part in enumerate(stack.slices):
        place = [float(v) for v in part.dataset.ImagePositionPatient]
        np.testing.assert_allclose(stack.geometry.index_to_lps((k, 0, 0)), place, atol=1e-3)


def test_rows_and_columns_have_their_own_spacing(tmp_path):
    write_series(tmp_path, spacing=(3.0, 2.0, 1.5))
    grid = stack_of(series_in(tmp_path)).geometry
    # one row down is 2 mm towards the back (+y), one column on is 1.5 mm to the left (+x)
    np.testing.assert_allclose(grid.index_to_lps((0, 1, 0)) - grid.index_to_lps((0, 0, 0)), (0, 2.0, 0))
    np.testing.assert_allclose(grid.index_to_lps((0, 0, 1)) - grid.index_to_lps((0, 0, 0)), (1.5, 0, 0))


def places(steps, normal=(0.0, 0.0, 1.0), drift=(0.0, 0.0, 0.0)):
    return np.array([np.multiply(s, normal) + np.multiply(k, drift) for k, s in enumerate(steps)])


def test_positions_rounded_to_a_hundredth_are_even(tmp_path):
    steps = np.round(np.arange(6) * 1.95313, 2)
    write_series(tmp_path, positions=places(steps))
    assert stack_of(series_in(tmp_path)).geometry.spacing_mm[0] == pytest.approx(1.953, abs=2e-3)


@pytest.mark.parametrize(
    ("steps", "drift", "why"),
    [
        (
            [0, 3, 6, 12, 15, 18],
            (0, 0, 0),
            r"1 slice\(s\) are missing, between 6.00 mm and 12.00 mm .*\(002.dcm and 003.dcm\)",
        ),
        ([0, 3, 12, 15, 18, 27], (0, 0, 0), r"4 slice\(s\) are missing, the first gap between 3.00 mm and 12.00 mm"),
        ([0, 3, 6, 10, 13, 16], (0, 0, 0), r"unevenly spaced \(3.000 to 4.000 mm\), first between 6.00 mm and 10.00"),
        ([0, 3, 3, 6, 9, 12], (0, 0, 0), r"duplicated and differ, such as 001.dcm and 002.dcm, both at 3.00 mm"),
        ([0, 3, 6, 0, 3, 6], (0, 0, 0), r"each of its 3 positions occurs 2 times"),
        (
            [0, 3, 6, 9, 12, 15],
            (0, 0.8, 0),
            r"drift sideways by 4.0 mm over 15.0 mm of the stack, from 000.dcm to 005.dcm \(a gantry tilt of 14.9",
        ),
    ],
)
def test_irregular_stacks_are_refused_with_positions(tmp_path, steps, drift, why):
    write_series(tmp_path, positions=places(steps, drift=drift))
    with pytest.raises(SeriesError, match=rf"^PT series 3: .*{why}"):
        stack_of(series_in(tmp_path))


@pytest.mark.parametrize(
    ("keyword", "odd", "why"),
    [
        (
            "ImageOrientationPatient",
            ["1", "0", "0", "0", "0", "-1"],
            r"1 slice\(s\) are missing, between .* \(set aside were 1 × image in another plane\)",
        ),
        ("PixelSpacing", ["2.5", "1.5"], "differ in Pixel Spacing"),
        ("Rows", 4, "differ in Rows or Columns"),
        ("FrameOfReferenceUID", "1.2.3", "2 frames of reference"),
        ("ImagePositionPatient", None, r"1 slice\(s\) are missing, .* \(set aside were 1 × image without a position\)"),
        ("NumberOfFrames", "7", "holds 7 frames"),
    ],
)
def test_mixed_series_are_refused(tmp_path, keyword, odd, why):
    paths = write_series(tmp_path)
    ds = pydicom.dcmread(paths[2])
    setattr(ds, keyword, odd)
    ds.save_as(paths[2])
    with pytest.raises(SeriesError, match=why):
        stack_of(series_in(tmp_path))


def test_single_slice_is_no_volume(tmp_path):
    write_series(tmp_path, stored=ramp((1, 5, 4)))
    with pytest.raises(SeriesError, match="a single slice is not a volume"):
        stack_of(series_in(tmp_path))


# --- time and beds ---------------------------------------------------------------------------------------------------


def test_beds_that_overlap_are_refused_with_what_to_do(tmp_path):
    # two beds of three slices; the second begins where the first's last slice lies, 1 mm off the grid
    places = np.array([[0, 0, z] for z in (0.0, 3.0, 6.0, 5.0, 8.0, 11.0)])
    times = ["100000"] * 3 + ["100300"] * 3
    write_series(tmp_path, positions=places, per_slice={"AcquisitionTime": times})
    (series,) = index_folder(tmp_path).series
    with pytest.raises(SeriesError, match=r"its 2 bed positions overlap by up to 1.0 mm .* give the whole-body series"):
        stack_of(series)


def test_times_at_one_place_are_a_dynamic_series(tmp_path):
    places = np.array([[0, 0, z] for z in (0.0, 3.0, 6.0, 0.0, 3.0, 6.0)])
    write_series(tmp_path, positions=places, per_slice={"AcquisitionTime": ["100000"] * 3 + ["100300"] * 3})
    (series,) = index_folder(tmp_path).series
    with pytest.raises(SeriesError, match="dynamic or gated"):
        stack_of(series)


# --- memory ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5"])
def test_no_memory_is_taken_for_pixels_that_the_file_cannot_hold(tmp_path, syntax):
    for path in write_series(tmp_path, elements={"Rows": 65535, "Columns": 65535}):
        content = path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", syntax.encode() + b"\0", 1)
        path.write_bytes(content)
    (series,) = index_folder(tmp_path).series
    tracemalloc.start()
    try:
        with pytest.raises(FileFormatError, match="cut short"):
            read_series(series)
        assert tracemalloc.get_traced_memory()[1] < 10 * 2**20
    finally:
        tracemalloc.stop()
