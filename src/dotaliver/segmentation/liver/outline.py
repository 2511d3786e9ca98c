"""The liver's outline on the CT's own grid, from its probability on the coarse grid.

Inside the liver's box, each voxel combines the probability of the coarse step with the likelihood of its density,
compared with the liver and with the tissue outside nearby. All kernels are finite, so that work in blocks gives the
same result.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dotaliver.config.segmentation import LiverConfig
from dotaliver.image.backends import SLAB_SLICES, SlabCache
from dotaliver.image.blocks import block_shape, map_overlap, slices_at_once
from dotaliver.image.connected_parts import ConnectedParts
from dotaliver.image.filters import gaussian, gaussian_reach
from dotaliver.image.geometry import Box, Geometry, box_within, grow_box
from dotaliver.image.itk import resample
from dotaliver.image.lazy import slices_around
from dotaliver.image.morphology import dilated, eroded, filled_in_slices
from dotaliver.image.sparse import sparse_zeros
from dotaliver.image.volume import BoolArray, Quantity, Volume, used_box
from dotaliver.segmentation.coarse import Float32Array
from dotaliver.segmentation.liver.likelihood import (
    LIKELY,
    LIVER,
    LOOK,
    PIECE,
    POSSIBLE,
    PROBABLE,
    SURE,
    WHOLE,
    LiverLikelihood,
    density_window,
)

__all__ = ["outline_on_ct", "outline_on_grid"]

_MARGIN_MM = 16.0
# Probability above which the coarse step is sure of liver, and below which nothing is looked at.
_SURE = 0.9
_LEAST_LIKELY = 0.1
# A piece apart from the liver, such as a lobe behind a fissure, is kept from this size on where the coarse step is
# sure of this share of it, or of this much: the middle of a flat lobe.
_PIECE_ML, _SURE_SHARE, _SURE_ML = 20.0, 0.3, 2.0
# An opening cuts off what is thinner than three voxels, bridges to other organs and a lobe's thin edge alike. The edge
# reaches this many voxels at most beyond what is left. A voxel larger than this may as well be muscle, or a fissure: it
# is taken where the coarse step, which sees uptake, holds it for liver.
_EDGE_VOXELS, _EDGE_MM = 1, 2.0
# Bytes per voxel: of the findings; while odds are smoothed; while connected parts are found.
_BYTES_PER_VOXEL, _BYTES_PER_LOOK, _BYTES_PER_PART = 2, 24, 16


def outline_on_grid(probability: Volume, onto: Geometry) -> BoolArray:
    """The voxels of a grid with an interpolated probability of at least one half."""
    found = sparse_zeros(onto.shape, np.uint8)
    for k in range(onto.shape[0]):
        place = resample(probability, onto, slices=slice(k, k + 1)).array[0]
        found[k] = (place >= 0.5) * LIVER | (place > _SURE) * SURE
    _mark_liver_pieces(found, onto)
    return np.asarray((found & PIECE) != 0)


def outline_on_ct(ct: Volume, probability: Volume, liver_hu: float, config: LiverConfig) -> BoolArray:
    """Refine the outline on the CT's grid.

    The log odds of a voxel are those of the coarse step plus those of its density, the latter between the liver and
    what lies outside, both measured within `outline_window_mm` of the voxel and clipped at 4; they are averaged over
    `outline_smooth_mm`. What lies outside is soft tissue of its own density, or fat, lung and gas, of which a voxel may
    hold a part. Fat is never liver.

    Parameters
    ----------
    ct : Volume
        In HU.
    probability : Volume
        Of liver, on the coarse grid in the CT's position.
    liver_hu : float
        Median density of the liver's core.
    config : LiverConfig
        Windows and scales.

    Returns
    -------
    ndarray of bool
        On the CT's grid, without holes in any slice.
    """
    ct.require(Quantity.HU)
    result = sparse_zeros(ct.geometry.shape, np.bool_)
    likely = used_box(probability.array > _LEAST_LIKELY)
    box = None if likely is None else _box_on(probability.geometry.crop(likely), ct.geometry)
    if box is None:
        return result
    grid = ct.geometry.crop(box)
    judged = _judged_in_blocks(ct, box, probability, liver_hu, config)
    _mark_liver_pieces(judged, grid)
    _mark_thin_parts(judged, grid)
    for plane, found in zip(result[box], judged, strict=True):
        mask = (found & WHOLE) != 0
        rows = np.flatnonzero(mask.any(axis=1))
        if rows.size:
            # Rows without liver are not written, so that they take no memory
            plane[rows[0] : rows[-1] + 1] = filled_in_slices(mask[None])[0, rows[0] : rows[-1] + 1]
    return result


def _box_on(part: Geometry, onto: Geometry) -> Box | None:
    """The box of a grid around another one, with the outline's margin."""
    box = onto.box_of(part.corners_lps_mm())
    return None if box is None else grow_box(box, np.ceil(_MARGIN_MM / np.asarray(onto.spacing_mm)), onto.shape)


def _judged_in_blocks(
    ct: Volume, box: Box, probability: Volume, liver_hu: float, config: LiverConfig
) -> npt.NDArray[np.uint8]:
    """The findings of each voxel of the box, computed in blocks with a halo of the kernels' reach."""
    grid = ct.geometry.crop(box)
    sigmas = (config.outline_presmooth_mm, config.outline_smooth_mm)
    halo = [
        2 + sum(gaussian_reach(sigma_mm, spacing_mm) for sigma_mm in sigmas) + width // 2
        for spacing_mm, width in zip(grid.spacing_mm, density_window(grid, config), strict=True)
    ]
    _, rows, columns = grid.shape

    def hu(part: Box) -> Volume:
        k, j, i = (slice(p.start + b.start, p.stop + b.start) for p, b in zip(part, box, strict=True))
        return ct.part((k, j, i))

    def place_of(slices: range) -> Float32Array:
        # Whole slices: ITK's coordinates depend in the last digit on where a grid begins.
        return resample(probability, grid, slices=slice(slices.start, slices.stop)).array.astype(np.float32, copy=False)

    kept = 4 * slices_around(density_window(grid, config)[0] // 2) * rows * columns
    place = Volume(SlabCache(place_of, grid.shape, np.float32, kept), grid, Quantity.PROBABILITY)

    def judged(density: Volume, likely: Volume) -> npt.NDArray[np.uint8]:
        return _judged(LiverLikelihood(density, likely, liver_hu, config), config)

    out = np.empty(grid.shape, dtype=np.uint8)
    return map_overlap(judged, (hu, place.part), halo, block_shape(grid.shape, halo, _BYTES_PER_VOXEL), out)


def _judged(look: LiverLikelihood, config: LiverConfig) -> npt.NDArray[np.uint8]:
    """The findings of each voxel of a block, from its first slice to its last."""
    grid = look.geometry
    _, rows, columns = grid.shape
    halo = 2 + gaussian_reach(config.outline_smooth_mm, grid.spacing_mm[0])
    at_once = slices_at_once(_BYTES_PER_LOOK * rows * columns, halo)
    kept = LOOK.itemsize * (at_once + 2 * halo + SLAB_SLICES) * rows * columns
    looks = SlabCache(look.at, grid.shape, LOOK, kept)

    # Odds are averaged, and an opening looks two voxels further.
    reach = [2 + gaussian_reach(config.outline_smooth_mm, spacing_mm) for spacing_mm in grid.spacing_mm]

    def smoothed(seen: npt.NDArray[np.void]) -> npt.NDArray[np.uint8]:
        found = seen["found"].copy()
        possible = used_box((found & POSSIBLE) != 0)
        if possible is not None:
            part = grow_box(possible, reach, seen.shape)
            own = found[part]
            mask = (gaussian(seen["odds"][part], config.outline_smooth_mm, grid) > 0) & ((own & POSSIBLE) != 0)
            # An opening that takes the liver to go on beyond the field of view
            own |= mask * LIKELY | dilated(eroded(mask, beyond=True)) * LIVER
        return found

    out = np.empty(grid.shape, dtype=np.uint8)
    return map_overlap(smoothed, (looks.read,), (halo, 0, 0), (at_once, rows, columns), out)


def _mark_liver_pieces(found: npt.NDArray[np.uint8], grid: Geometry) -> None:
    """Mark the largest part of the liver, and other large parts that the coarse step was sure of."""
    liver = _box_of(found, LIVER)
    if liver is None:
        return
    found = found[liver]
    thickness = slices_at_once(_BYTES_PER_PART * found.shape[1] * found.shape[2])
    parts = ConnectedParts(lambda part: (found[part] & LIVER) != 0, found.shape[0], thickness)
    counts, certain = parts.sizes(), parts.sizes(lambda part: (found[part] & SURE) != 0)
    large = (certain > _SURE_SHARE * counts) | (certain * grid.voxel_volume_ml >= _SURE_ML)
    large &= counts * grid.voxel_volume_ml >= _PIECE_ML
    large[counts.argmax()] = counts.any()
    large[0] = False
    for part, chosen in parts.chosen(large):
        found[part] |= chosen * PIECE


def _mark_thin_parts(found: npt.NDArray[np.uint8], grid: Geometry) -> None:
    """Mark the pieces with what an opening took off them, no further than `_EDGE_VOXELS`."""
    fine = tuple(axis for axis, spacing_mm in enumerate(grid.spacing_mm) if spacing_mm <= _EDGE_MM)
    pieces = _box_of(found, PIECE)
    if pieces is None:
        return
    found = found[grow_box(pieces, (_EDGE_VOXELS,) * 3, grid.shape)]

    def whole(part: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        more = (part & PIECE) != 0
        allowed = (part & (PIECE | LIKELY)) != 0
        probable = allowed & ((part & PROBABLE) != 0)
        for _ in range(_EDGE_VOXELS):
            more = (dilated(more, fine) & allowed) | (dilated(more) & probable)
        return np.asarray(part | more * WHOLE, dtype=np.uint8)

    at_once = slices_at_once(16 * found.shape[1] * found.shape[2], _EDGE_VOXELS)
    # A block writes one bit of its own voxels, which no other block reads
    map_overlap(whole, (found,), (_EDGE_VOXELS, 0, 0), (at_once, *found.shape[1:]), found)


def _box_of(found: npt.NDArray[np.uint8], finding: np.uint8) -> Box | None:
    """The smallest box around all voxels with a finding."""
    box = used_box(found)
    inner = None if box is None else used_box((found[box] & finding) != 0)
    if box is None or inner is None:
        return None
    return box_within(box, inner)
