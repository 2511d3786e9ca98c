"""Images that we write are what zarr-python and an independent reader of OME-Zarr take them for."""

import hashlib

import ngff_zarr
import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from dotaliver.errors import ConfigError, FileFormatError
from dotaliver.image.geometry import Geometry
from dotaliver.omezarr.ngff import image_metadata, placed_grid
from dotaliver.omezarr.planes import PlaneImage
from dotaliver.omezarr.writing import ImageWriter, require_zarr

AXIAL = ((0, 0, 1), (0, 1, 0), (1, 0, 0))
CORONAL_TURNED = ((0, -1, 0), (0, 0, -1), (-1, 0, 0))
WORDS = {
    (1, 0, 0): "right-to-left",
    (-1, 0, 0): "left-to-right",
    (0, 1, 0): "anterior-to-posterior",
    (0, -1, 0): "posterior-to-anterior",
    (0, 0, 1): "inferior-to-superior",
    (0, 0, -1): "superior-to-inferior",
}


def grid_of(shape, directions=AXIAL):
    return Geometry(shape, (-12.5, 30.0, 700.25), (3.0, 0.9, 0.8), tuple(tuple(map(float, d)) for d in directions))


def written(folder, array, grid=None, purpose="exchange", order=None):
    folder.mkdir(parents=True, exist_ok=True)
    writer = ImageWriter(folder, "an image", grid or grid_of(array.shape), array.dtype, purpose)
    for k in range(len(array)) if order is None else order:
        writer.put(k, array[k])
    writer.finish(note="a text")
    return folder


def read(folder):
    image = PlaneImage(folder)
    found = np.empty(image.shape, image.dtype)
    for k, plane in enumerate(found):
        image.fill(k, plane)
    return found


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_any_stack_comes_back_bit_for_bit_in_any_order_of_planes(tmp_path_factory, data):
    dtype = np.dtype(data.draw(st.sampled_from(["u1", "i1", "u2", "i2", "u4", "i4"])))
    shape = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 12), st.integers(1, 12)))
    limits = np.iinfo(dtype)
    seed = data.draw(st.integers(0, 2**32))
    array = np.random.default_rng(seed).integers(limits.min, limits.max, shape, dtype, endpoint=True)
    order = data.draw(st.permutations(range(shape[0])))
    folder = tmp_path_factory.mktemp("z")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dotaliver.omezarr.writing._FILE_BYTES", data.draw(st.integers(1, 1000)))
        written(folder, array, purpose=data.draw(st.sampled_from(["speed", "exchange"])), order=order)
    found = read(folder)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, array)
    np.testing.assert_array_equal(zarr.open_group(folder, mode="r")["0"][...], array)


def test_planes_of_zeros_are_written_and_hashed_like_others(tmp_path):
    array = np.zeros((3, 4, 5), np.int16)
    folder = written(tmp_path, array)
    np.testing.assert_array_equal(read(folder), array)
    expected = hashlib.sha256(bytes(4 * 5 * 2)).hexdigest()
    assert zarr.open_group(folder, mode="r").attrs["dotaliver"]["plane_sha256"] == [expected] * 3


def test_an_image_without_all_its_planes_is_not_finished(tmp_path):
    writer = ImageWriter(tmp_path, "x", grid_of((3, 4, 5)), np.dtype(np.int16), "speed")
    writer.put(1, np.ones((4, 5), np.int16))
    assert not writer.is_whole
    with pytest.raises(ValueError, match="2 planes were not written"):
        writer.finish()
    with pytest.raises(FileFormatError, match="does not state the order"):
        PlaneImage(tmp_path)


def test_few_files_hold_many_planes(tmp_path):
    folder = written(tmp_path, np.zeros((200, 32, 32), np.int16))
    assert sum(path.is_file() for path in folder.rglob("*")) <= 4


# --- where it lies ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("directions", [AXIAL, CORONAL_TURNED], ids=["axial", "coronal, all axes turned"])
def test_an_independent_reader_finds_axes_units_places_and_orientations(tmp_path, directions):
    array = np.random.default_rng(0).integers(0, 999, (4, 6, 5)).astype(np.int16)
    grid = grid_of(array.shape, directions)
    found = ngff_zarr.from_ngff_zarr(str(written(tmp_path, array, grid)), validate=True).images[0]
    assert tuple(found.dims) == ("z", "y", "x")
    assert set(found.axes_units.values()) == {"millimeter"}
    assert tuple(found.scale[d] for d in found.dims) == (3.0, 0.9, 0.8)
    np.testing.assert_array_equal(np.asarray(found.data), array)
    for name, direction in zip(found.dims, directions, strict=True):
        assert found.axes_orientations[name].value.value == WORDS[direction]
        # the coordinate grows in this direction: it is the place along it
        assert found.translation[name] == pytest.approx(np.dot(direction, grid.origin_lps_mm))


def test_an_oblique_grid_tells_spacings_and_no_orientation(tmp_path):
    turned = Rotation.from_euler("xyz", (12, -7, 30), degrees=True).as_matrix().T
    array = np.zeros((3, 4, 5), np.int16)
    folder = written(tmp_path, array, grid_of(array.shape, turned))
    found = ngff_zarr.from_ngff_zarr(str(folder), validate=True).images[0]
    assert tuple(found.scale[d] for d in found.dims) == (3.0, 0.9, 0.8)
    assert not found.axes_orientations
    with pytest.raises(FileFormatError, match="orientation"):
        placed_grid(image_metadata(folder), array.shape)


@pytest.mark.parametrize("directions", [AXIAL, CORONAL_TURNED])
def test_our_own_metadata_give_the_grid_back(tmp_path, directions):
    grid = grid_of((3, 4, 5), directions)
    folder = written(tmp_path, np.zeros(grid.shape, np.int16), grid)
    found, space = placed_grid(image_metadata(folder), grid.shape)
    assert found == grid
    assert space == (0, 1, 2)


# --- coarser levels -----------------------------------------------------------------------------------------------


def test_a_coarser_level_has_means_in_the_plane_of_every_second_slice(tmp_path):
    array = np.zeros((5, 160, 140), np.int16)
    array[2, :2, :2] = [[1, 2], [3, 6]]  # mean 3
    array[4, -2:, -2:] = -8
    array[1] = 1000  # of a slice in between nothing is left
    group = zarr.open_group(written(tmp_path, array), mode="r")
    coarse = group["1"][...]
    assert coarse.shape == (3, 80, 70)
    assert coarse.dtype == np.int16
    assert (coarse[1, 0, 0], coarse[2, -1, -1], coarse.max()) == (3, -8, 3)
    assert "2" not in group


def test_levels_lie_where_their_voxels_do(tmp_path):
    array = np.zeros((4, 520, 300), np.uint8)
    grid = grid_of(array.shape)
    levels = ngff_zarr.from_ngff_zarr(str(written(tmp_path, array, grid)), validate=True).images
    assert [tuple(level.data.shape) for level in levels] == [(4, 520, 300), (2, 260, 150), (1, 130, 75), (1, 65, 37)]
    for n, level in enumerate(levels):
        # the first voxel of a level is the mean of the first 2^n by 2^n voxels of slice 0
        centre = grid.index_to_lps((0, (2**n - 1) / 2, (2**n - 1) / 2))
        assert [level.translation[d] for d in "zyx"] == pytest.approx(centre[::-1])
        assert [level.scale[d] for d in "zyx"] == pytest.approx([s * 2**n for s in grid.spacing_mm])


def test_without_the_extra_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "zarr", None)
    with pytest.raises(
        ConfigError, match=r"the extra 'zarr' \(zarr is missing\); install it with: .*pip install .*\[zarr\]"
    ):
        require_zarr()
