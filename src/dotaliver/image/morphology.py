"""Operations on masks: holes, connected parts and boxes around them."""

from __future__ import annotations

import numpy as np

from dotaliver.errors import GeometryError
from dotaliver.image.geometry import Box, Geometry, grow_box
from dotaliver.image.volume import BoolArray, used_box

__all__ = ["box_around", "closed", "dilated", "eroded", "filled", "filled_in_slices", "largest_component", "opened"]


def filled_in_slices(mask: BoolArray) -> BoolArray:
    """Fill the holes of a mask slice by slice.

    A hole is background that no path of face-adjacent background pixels joins to the slice's edge.
    """
    from scipy.ndimage import label

    box = used_box(mask)
    if box is None:
        return mask
    filled = mask.copy()
    for plane in filled[box]:
        # A rim of background around the slice connects all that is outside.
        parts, _ = label(np.pad(~plane, 1, constant_values=True))
        plane[:] = (parts != parts[0, 0])[1:-1, 1:-1]
    return filled


def filled(mask: BoolArray) -> BoolArray:
    """Fill the holes of a mask: background that no path of face-adjacent background voxels joins to the image's edge.

    The same as `scipy.ndimage.binary_fill_holes` with its default structure, in a fraction of the time.
    """
    import cc3d

    box = used_box(mask)
    if box is None:
        return mask
    # A rim of background around the part connects all that is outside.
    parts = cc3d.connected_components(np.pad(~mask[box], 1, constant_values=True), connectivity=6)
    whole = mask.copy()
    whole[box] = (parts != parts[0, 0, 0])[1:-1, 1:-1, 1:-1]
    return whole


def eroded(mask: BoolArray, *, times: int = 1, beyond: bool = False) -> BoolArray:
    """The voxels of a mask whose face neighbours belong to it too; ``beyond``: whether what lies off the image does.

    The same as `scipy.ndimage.binary_erosion` with its default structure, in a twentieth of the time.
    """
    for _ in range(times):
        inside = mask.copy()
        for axis in range(mask.ndim):
            lower, upper = _shifted(axis, mask.ndim)
            inside[lower] &= mask[upper]
            inside[upper] &= mask[lower]
            if not beyond:
                inside[tuple(0 if a == axis else slice(None) for a in range(mask.ndim))] = False
                inside[tuple(-1 if a == axis else slice(None) for a in range(mask.ndim))] = False
        mask = inside
    return mask


def dilated(mask: BoolArray, axes: tuple[int, ...] = (0, 1, 2), *, times: int = 1) -> BoolArray:
    """A mask with its face neighbours along some axes, and theirs, so many times."""
    for _ in range(times):
        outside = mask.copy()
        for axis in axes:
            lower, upper = _shifted(axis, mask.ndim)
            outside[lower] |= mask[upper]
            outside[upper] |= mask[lower]
        mask = outside
    return mask


def opened(mask: BoolArray) -> BoolArray:
    """A mask without what is thinner than three voxels: eroded, then dilated."""
    return dilated(eroded(mask))


def closed(mask: BoolArray, times: int = 1) -> BoolArray:
    """A mask with its narrow gaps closed: dilated so many times, then eroded; nothing lies beyond the image."""
    return eroded(dilated(mask, times=times), times=times)


def _shifted(axis: int, count: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Indices of all voxels but the last, and of all but the first, along an axis."""
    lower = tuple(slice(None, -1) if a == axis else slice(None) for a in range(count))
    upper = tuple(slice(1, None) if a == axis else slice(None) for a in range(count))
    return lower, upper


def largest_component(mask: BoolArray) -> BoolArray:
    """The largest face-connected part of a mask."""
    import cc3d

    if not mask.any():
        return mask
    parts = cc3d.connected_components(mask, connectivity=6)
    counts = np.bincount(parts.ravel())
    counts[0] = 0
    return np.asarray(parts == counts.argmax())


def box_around(mask: BoolArray, geometry: Geometry, margin_mm: float) -> Box:
    """The smallest box that holds a mask, which must not be empty, and a margin, within the grid."""
    used = used_box(mask)
    if used is None:
        msg = "an empty mask has no box around it"
        raise GeometryError(msg)
    return grow_box(used, np.ceil(margin_mm / np.asarray(geometry.spacing_mm)), geometry.shape)
