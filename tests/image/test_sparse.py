"""Zeros in small pages behave as any zeros, and what is written to them stays where it was written."""

import sys
from pathlib import Path

import numpy as np
import pytest

from dotaliver.image.sparse import sparse_zeros


@pytest.mark.parametrize("from_bytes", [1, 1 << 40])
@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.uint16])
def test_they_are_zeros_that_can_be_written(from_bytes, dtype):
    array = sparse_zeros((5, 6, 7), dtype, from_bytes=from_bytes)
    assert array.shape == (5, 6, 7)
    assert array.dtype == dtype
    assert not array.any()
    expected = np.zeros((5, 6, 7), dtype=dtype)
    array[1:3, 2] = expected[1:3, 2] = 1
    np.testing.assert_array_equal(array, expected)


def test_an_empty_shape_is_no_error():
    assert sparse_zeros((0, 6, 7), np.uint8, from_bytes=1).size == 0


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read from /proc")
def test_one_voxel_in_each_slice_takes_one_page_a_slice():
    def resident():
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])

    array, before = sparse_zeros((512, 1024, 1024), np.uint8), resident()
    array[:, 500, 500] = 1
    assert resident() - before < 4 * 512
