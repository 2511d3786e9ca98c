"""What hypothesis draws for the tests: grids, image shapes, boxes, blocks, voxels and labels."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from dotaliver.image.geometry import Geometry

seeds = st.integers(0, 2**32 - 1)
"""For numpy's random generators."""
shapes = st.tuples(st.integers(1, 23), st.integers(1, 9), st.integers(1, 9))
"""Of small images, some of more slices than a slab has."""
blocks = st.tuples(st.integers(1, 25), st.integers(1, 10), st.integers(1, 10))
"""Blocks of such an image, smaller or larger than it."""
windows = st.tuples(*[st.integers(0, 6).map(lambda half: 2 * half + 1)] * 3)
"""Odd sizes of windows around a voxel."""
spacings_mm = st.tuples(*[st.sampled_from([0.7, 1.0, 2.5, 4.0])] * 3)
axis_orders = st.permutations([0, 1, 2])
flips = st.tuples(*[st.booleans()] * 3)
shifts_mm = st.tuples(*[st.floats(-40, 40)] * 3)


def boxes_in(shape):
    """Boxes of at least one voxel within a shape."""
    return st.tuples(*(st.tuples(st.integers(0, n - 1), st.integers(1, n)) for n in shape)).map(
        lambda spans: tuple(slice(a, max(a + 1, b)) for a, b in spans)
    )


def label_arrays(shape, dtype=np.uint16, labels=(0, 0, 0, 1, 3, 700)):
    """Label maps' voxels, most of them background."""
    return arrays(dtype, shape, elements=st.sampled_from(labels))


@st.composite
def geometries(draw):
    """Any grid: oblique, flipped, anisotropic."""
    size = st.integers(1, 12)
    axes = Rotation.from_euler("xyz", draw(st.tuples(*[st.floats(-180, 180)] * 3)), degrees=True).as_matrix()
    axes = axes * np.array(draw(st.tuples(*[st.sampled_from([-1.0, 1.0])] * 3)))[:, None]
    coordinate = st.floats(-500, 500)
    return Geometry(
        draw(st.tuples(size, size, size)),
        draw(st.tuples(coordinate, coordinate, coordinate)),
        draw(st.tuples(*[st.floats(0.5, 8)] * 3)),
        tuple(tuple(map(float, axis)) for axis in axes),
    )
