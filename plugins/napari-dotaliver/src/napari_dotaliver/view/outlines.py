"""The outline of a mask in one slice as smooth closed lines, for drawing at the resolution of the screen.

A line follows the steps of the voxels no longer, and still tells the truth about the mask: the centre of every voxel
of the mask lies inside, that of every other voxel outside, so no island and no hole is lost, and no point of a line is
further than half a voxel from the border between voxels.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dotaliver.image.geometry import FloatArray
from dotaliver.image.volume import BoolArray

__all__ = ["label_outlines", "smooth_outlines"]

_SIGMA_VOXELS = 1.2
"""A step of one voxel in a straight border is spread over about its neighbours; a lesion's shape is kept."""
_LEAST = 0.03
"""By how much a voxel lies on its side of the border at least; 1 from a centre to the next is the scale."""
_ROUNDINGS = 2
_CUT = 0.25
"""Share of a side that is cut off at each corner; a quarter makes a quadratic B-spline (Chaikin 1974)."""
# Of the way from a line to the next voxel centre that all roundings together may take.
_CUT_OF_MARGIN = 0.9 / _ROUNDINGS


def label_outlines(labels: npt.NDArray[np.integer]) -> dict[int, list[FloatArray]]:
    """The outlines of each label of a slice.

    Parameters
    ----------
    labels : ndarray
        One slice, shape (rows, columns); 0 is background.

    Returns
    -------
    dict
        Closed lines of each label, as `smooth_outlines`.
    """
    from scipy.ndimage import find_objects

    if not labels.size:
        return {}
    used = _used(labels != 0)
    if used is None:
        return {}
    part, start = labels[used], np.array([each.start for each in used], dtype=np.float64)
    values = np.unique(part)
    # Numbered from 1 without gaps, the background too: labels may be as large as 65535.
    numbers = np.searchsorted(values, part) + 1
    found = {}
    for number, (value, box) in enumerate(zip(values, find_objects(numbers), strict=True), start=1):
        if value != 0:
            corner = start + [each.start for each in box]
            found[int(value)] = [line + corner for line in smooth_outlines(numbers[box] == number)]
    return found


def _used(mask: BoolArray) -> tuple[slice, slice] | None:
    """The box of what is set."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not rows.size:
        return None
    columns = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def smooth_outlines(mask: BoolArray) -> list[FloatArray]:
    """The borders of a mask as smooth closed lines.

    The mask is blurred, each voxel then put back on its own side of the half level, and the level traced by marching
    squares; corners are cut no further than half the way to a voxel's centre.

    Parameters
    ----------
    mask : ndarray of bool
        Shape (rows, columns).

    Returns
    -------
    list of ndarray
        For each closed line its corners, shape (n, 2), as row and column; the centre of a voxel has whole numbers. The
        last corner is joined to the first.
    """
    from scipy.ndimage import gaussian_filter
    from skimage.measure import find_contours

    if not mask.any():
        return []
    room = np.pad(mask, 2)
    off = gaussian_filter(room.astype(np.float32), _SIGMA_VOXELS, mode="constant") - np.float32(0.5)
    height = np.maximum(np.abs(off), np.float32(_LEAST))
    lines = find_contours(np.where(room, height, -height), 0.0)
    return [_rounded(line[:-1]) - 2.0 for line in lines]


def _rounded(corners: FloatArray) -> FloatArray:
    """A closed line with its corners cut, without passing over the centre of a voxel."""
    # A corner lies on the way from one voxel's centre to the next: one of its coordinates is a whole number.
    part = np.abs(corners - np.rint(corners)).max(axis=1)
    cut = np.minimum(_CUT, _CUT_OF_MARGIN * part)[:, None]
    for _ in range(_ROUNDINGS):
        towards = np.stack(
            (
                corners + cut * (np.roll(corners, 1, axis=0) - corners),
                corners + cut * (np.roll(corners, -1, 0) - corners),
            ),
            axis=1,
        )
        corners, cut = towards.reshape(-1, 2), np.repeat(cut, 2, axis=0)
    return corners
