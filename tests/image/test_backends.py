"""Every place where voxels are kept gives the same boxes of the same image, in memory or not."""

import pickle

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dotaliver.errors import GeometryError
from dotaliver.image.backends import InMemory, LazyBoxes, SlabCache, VoxelBackend
from dotaliver.image.volume import Quantity, Volume
from dotaliver.omezarr.reading import StoredArray
from fixtures.arrays import grid
from strategies import boxes_in, seeds, shapes


def image(shape, seed):
    return np.random.default_rng(seed).integers(-1000, 1000, shape).astype(np.int16)


def zarr_array(array, folder):
    zarr.create_array(
        folder,
        data=array,
        chunks=tuple(min(n, 5) for n in array.shape),
        overwrite=True,
        config={"write_empty_chunks": True},
    )
    return StoredArray(folder, folder)


BACKENDS = {
    "in memory": lambda array, _: InMemory(array),
    "boxes": lambda array, _: LazyBoxes(lambda box: array[box].copy(), array.shape, array.dtype),
    "slabs": lambda array, _: SlabCache(lambda some: array[some.start : some.stop].copy(), array.shape, array.dtype, 0),
    "a part of an image": lambda array, _: (
        Volume(
            LazyBoxes(lambda box: np.pad(array, 2)[box], tuple(n + 4 for n in array.shape), array.dtype),
            grid(tuple(n + 4 for n in array.shape)),
            Quantity.HU,
        )
        .part(tuple(slice(2, n + 2) for n in array.shape))
        .voxels
    ),
    "OME-Zarr": zarr_array,
}


@pytest.mark.parametrize("made", BACKENDS.values(), ids=BACKENDS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shape=shapes, seed=seeds, data=st.data())
def test_the_contract(tmp_path, made, shape, seed, data):
    array = image(shape, seed)
    backend = made(array, tmp_path)
    assert isinstance(backend, VoxelBackend)
    assert (backend.shape, backend.dtype) == (shape, array.dtype)
    box = data.draw(boxes_in(shape))
    for _ in range(2):
        part = backend.read(box)
        np.testing.assert_array_equal(part, array[box])
        assert part.dtype == backend.dtype
    np.testing.assert_array_equal(backend.read_all(), array)
    volume = Volume(backend, grid(shape), Quantity.HU)
    assert volume.in_memory == backend.in_memory
    np.testing.assert_array_equal(volume.crop(box).array, array[box])
    assert volume.sha256() == Volume(array, grid(shape), Quantity.HU).sha256()


@pytest.mark.parametrize("made", list(BACKENDS.values())[:4], ids=list(BACKENDS)[:4])
def test_it_is_sent_to_another_process_with_its_voxels(made, tmp_path):
    array = image((20, 3, 4), 1)
    arrived = pickle.loads(pickle.dumps(made(array, tmp_path)))
    assert arrived.in_memory
    np.testing.assert_array_equal(arrived.read_all(), array)


def test_an_image_in_memory_is_not_written_to_and_not_copied():
    array = image((4, 3, 2), 1)
    volume = Volume(array, grid(array.shape), Quantity.HU)
    assert np.shares_memory(volume.array, array)
    assert np.shares_memory(volume.crop((slice(1, 2), slice(0, 3), slice(0, 2))).array, array)
    with pytest.raises(ValueError, match="read-only"):
        volume.array[0, 0, 0] = 1
    array[0, 0, 0] = 1  # the caller's own array stays as it was


@pytest.mark.parametrize("made", BACKENDS.values(), ids=BACKENDS)
def test_voxels_that_do_not_fit_the_grid_are_refused(made, tmp_path):
    backend = made(image((4, 3, 2), 1), tmp_path)
    with pytest.raises(GeometryError, match="does not fit"):
        Volume(backend, grid((4, 3, 3)), Quantity.HU)


@given(shapes, seeds, st.integers(0, 2000), st.data())
def test_slabs_that_are_kept_or_made_again_are_the_same(shape, seed, keep_bytes, data):
    array = image(shape, seed)
    cache = SlabCache(lambda slices: array[slices.start : slices.stop].copy(), shape, array.dtype, keep_bytes)
    for _ in range(5):
        box = data.draw(boxes_in(shape))
        np.testing.assert_array_equal(cache.read(box), array[box])


def test_no_more_slabs_are_kept_than_allowed():
    made = []

    def make(slices):
        made.append(slices.start)
        return np.zeros((len(slices), 4, 4), dtype=np.float32)

    cache = SlabCache(make, (64, 4, 4), np.float32, 0)
    for first in (0, 16, 0, 32, 0, 16):
        cache.read((slice(first, first + 16), slice(0, 4), slice(0, 4)))
    assert made == [0, 16, 32, 16]  # two are kept, those used last
