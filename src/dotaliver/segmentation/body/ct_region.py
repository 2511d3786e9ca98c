"""The structure on CT that a lesion's uptake belongs to: soft tissue in fat or lung, cut free of what it touches.

A node touches vessels, a nodule the pleura: at half the step from fat or lung to the lesion they are one structure.
Opening it with balls of several radii cuts it at its necks; the part counts that has the place and the size of the
uptake.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dotaliver.config.body_ct import BodyCtConfig
from dotaliver.image.distance import Float32Array, distance_inside_mm, distance_to_mm
from dotaliver.image.geometry import FloatArray, Geometry
from dotaliver.image.spheres import sphere_radius_mm
from dotaliver.image.volume import BoolArray
from dotaliver.segmentation.lesions.ct_site import NotSeenError, largest_part

__all__ = ["soft_tissue_in", "structure_of", "without_stubs"]

# Fewer voxels say nothing of a density.
_LEAST_VOXELS = 8
# Of two parts, another one is better only beyond rounding.
_TIE = 1e-9
# Rounding of distances between voxels.
_ROUNDING_MM = 0.01


def soft_tissue_in(hu: Float32Array, host_hu: float, uptake: BoolArray, config: BodyCtConfig, host: str) -> BoolArray:
    """What is nearer to the lesion's density than to that of the tissue around it.

    Raises
    ------
    NotSeenError
        Where nothing in the uptake stands out from that tissue.
    """
    within = hu[uptake]
    denser = within[within > host_hu + config.least_step_hu[host]]
    if len(denser) < max(_LEAST_VOXELS, config.least_dense_share * len(within)):
        msg = f"nothing denser than the tissue around it ({host_hu:.0f} HU) lies where its uptake does"
        raise NotSeenError(msg)
    return np.asarray(hu > 0.5 * (host_hu + float(np.median(denser))))


def structure_of(soft: BoolArray, uptake: BoolArray, grid: Geometry, config: BodyCtConfig) -> BoolArray:
    """The part of the soft tissue that agrees best with the uptake in place and size.

    Raises
    ------
    NotSeenError
        Where no part agrees with it.
    """
    centre, radius = _middle_mm(uptake, grid), _radius_mm(uptake, grid)
    best: BoolArray | None = None
    best_score = -np.inf
    nearest = "no structure of its size lies where its uptake does"
    for part in _opened(soft, uptake, grid, config):
        ratio = _radius_mm(part, grid) / radius
        away = float(np.linalg.norm(_middle_mm(part, grid) - centre))
        if away > config.place_mm + config.place_share * radius:
            continue
        low, high = config.structure_ratio_range
        if not low <= ratio <= high:
            nearest = f"the structure on CT where its uptake lies has {ratio:.2f} times the radius of its uptake"
            continue
        score = _agreement(part, uptake, grid) - config.place_weight * away / config.place_mm
        if score > best_score + _TIE:
            best, best_score = part, score
    if best is None:
        raise NotSeenError(nearest)
    # A stub that the uptake does not follow is a vessel or bowel.
    reach = config.stub_mm + config.stub_share * radius
    near = distance_to_mm(_moved_onto(best, uptake, grid), grid.spacing_mm, within_mm=reach + 1) <= reach
    return np.asarray(best & near)


def _opened(soft: BoolArray, uptake: BoolArray, grid: Geometry, config: BodyCtConfig) -> Iterator[BoolArray]:
    """The parts at the uptake that are left by balls of growing radius, each grown back to its border."""
    import cc3d

    depth = distance_inside_mm(soft, grid.spacing_mm)
    for radius in config.opening_radii_mm:
        inner = depth > radius
        if not (inner & uptake).any():
            return
        parts = cc3d.connected_components(np.ascontiguousarray(inner), connectivity=6)
        counts = np.bincount(parts[uptake & inner])
        for number in np.flatnonzero(counts):
            if number == 0:
                continue
            own = np.asarray(parts == number)
            reach = radius + _ROUNDING_MM
            yield np.asarray(soft & (distance_to_mm(own, grid.spacing_mm, within_mm=reach + 1) <= reach))


def _agreement(part: BoolArray, uptake: BoolArray, grid: Geometry) -> float:
    """Dice of both, the uptake moved so that their middles agree: a part with a stub of a vessel agrees less."""
    moved = _moved_onto(part, uptake, grid)
    return 2.0 * np.count_nonzero(part & moved) / (np.count_nonzero(part) + np.count_nonzero(uptake))


def _moved_onto(part: BoolArray, uptake: BoolArray, grid: Geometry) -> BoolArray:
    """The uptake moved so that its middle is that of a part."""
    offset = (_middle_mm(part, grid) - _middle_mm(uptake, grid)) / np.asarray(grid.spacing_mm)
    places = np.argwhere(uptake) + np.rint(offset).astype(int)
    inside = places[((places >= 0) & (places < np.asarray(part.shape))).all(axis=1)]
    moved = np.zeros_like(part)
    moved[tuple(inside.T)] = True
    return moved


def without_stubs(mask: BoolArray, grid: Geometry, share: float) -> BoolArray:
    """The largest part of an outline without what a ball of a share of its radius does not fit into."""
    own = largest_part(mask)
    radius = share * _radius_mm(own, grid)
    inner = distance_inside_mm(own, grid.spacing_mm) > radius
    if not inner.any():
        return own
    grown = distance_to_mm(largest_part(inner), grid.spacing_mm, within_mm=radius + 1) <= radius + _ROUNDING_MM
    return np.asarray(own & grown)


def _middle_mm(mask: BoolArray, grid: Geometry) -> FloatArray:
    return np.asarray(np.argwhere(mask).mean(axis=0) * np.asarray(grid.spacing_mm))


def _radius_mm(mask: BoolArray, grid: Geometry) -> float:
    """Radius of the ball of the same volume."""
    return sphere_radius_mm(np.count_nonzero(mask) * grid.voxel_volume_ml)
