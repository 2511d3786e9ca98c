"""What a place that differs from the liver around it looks like: a lesion, a vessel, a fissure or fluid.

From the middle of the place, rays run in directions spread evenly over the sphere until the contrast has halved. Those
of a lesion end at about the same distance. In a vessel some run on, in two directions along a branch and in three at a
fork; in a fissure they run on over a disc; at the liver's border they leave the liver.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from dotaliver.config.ct import CtFociConfig
from dotaliver.image.distance import distance_to_mm
from dotaliver.image.filters import highest_within
from dotaliver.image.geometry import Box, FloatArray, Geometry
from dotaliver.image.spheres import voxels_within
from dotaliver.image.volume import BoolArray
from dotaliver.segmentation.coarse import Float32Array
from dotaliver.segmentation.lesions.ct_focus_image import LiverImage, Scale, Sign, mean_within

__all__ = [
    "Seed",
    "Shape",
    "axis_variances_mm2",
    "box_around_place",
    "continues_far",
    "fissure_share",
    "ray_directions",
    "ray_neighbours",
    "seeds_in",
    "shape_of",
]

# Share of a ball's contrast that a Gaussian of half its radius as sigma sees: the chi distribution of 3 degrees at 2 is
# 0.739; its surroundings hold a part of it, and a lesion is no ball.
_SEEN_SHARE = 0.6
_RAYS = 80
_STEP_MM = 1.0
# Rays of one way out lie within this angle of each other: 80 rays are 22 degrees apart.
_NEIGHBOUR_COSINE = float(np.cos(np.deg2rad(32.0)))
# Of a place's radius: the core in which its contrast is read, how far rays run, the Gaussian on which they do, and how
# far its surroundings reach in which the local level is read.
_CORE_RATIO, _CORE_SHARE = 0.4, 0.6
_REACH_RATIO, _REACH_MARGIN_MM = 2.4, 5.0
_LEVEL_RATIOS = (1.5, 2.2)
# Rays that run further than this times the middle one run on; so many of them make a way out.
_RUNS_ON, _RAYS_OF_A_WAY = 1.8, 2
# A vessel is followed at this share of the contrast, and this far beyond the place.
_FOLLOWED_SHARE, _FOLLOWED_MM = 0.65, 15.0
# Fat of a fissure lies this near to a place that it darkens.
_BESIDE_MM = 5.0
# The inner part of a focus: its rim of partial volume lies nearer to liver.
# That share of a normal distribution lies further than so many SDs from its mean.
_INNER_SHARE, _INNER_SDS, _PEAK_SHARE = 0.35, 0.385, 0.9
# A ball of diameter d has variance d²/20 along each axis, an ellipsoid a²/5 along a half axis a; a voxel of size s
# adds s²/12.
_HALF_AXIS2_PER_VARIANCE = 5.0
_VOXEL2_PER_VARIANCE = 12.0


@dataclass(frozen=True)
class Seed:
    """A place that stands out from its surroundings."""

    place: tuple[int, ...]
    radius_mm: float
    sign: Sign
    sds: float
    """In SDs of the noise at its size."""


@dataclass(frozen=True, eq=False)
class Shape:
    """What was found at a place."""

    seed: Seed
    box: Box
    mask: BoolArray
    centre: tuple[float, float, float]
    """On the search grid."""
    radius_mm: float
    """Middle length of its rays."""
    contrast_hu: float
    """Against the liver around it, always positive."""
    inner_hu: float
    peak_hu: float
    """How far its most extreme tenth lies from parenchyma, always positive."""
    diameter_mm: float
    """Of a ball of the same volume."""
    ways_out: int
    """Directions in which it runs on beyond its own size."""
    runs_on_share: float
    border_share: float
    """Of its surface at the liver's border."""
    unevenness: float
    """SD of the rays' lengths over their mean."""
    axis_ratio: float
    fill: float
    """Volume over that of the ellipsoid with equal spread."""
    smooth: Float32Array
    """The box on the Gaussian on which the rays ran, in HU above parenchyma, of the place's sign."""
    level_hu: float
    """The same of the liver around it."""
    ray_mm: FloatArray
    """Length of each ray of `ray_directions`."""
    ray_leaves: BoolArray
    """Whether it left the liver."""


def seeds_in(image: LiverImage, scale: Scale, response: Float32Array, config: CtFociConfig) -> list[Seed]:
    """Places that stand out from their surroundings more than everything near them, at one size."""
    slices, rows, columns = (max(1, round(scale.radius_mm / s)) | 1 for s in image.grid.spacing_mm)
    sds = scale.in_sds(response)
    peak = (sds > config.detect_sd) & (response > _SEEN_SHARE * config.least_contrast_hu)
    if not peak.any():
        return []
    peak &= sds == highest_within(sds, (slices, rows, columns))
    places = (tuple(int(i) for i in place) for place in np.argwhere(peak))
    return [Seed(place, scale.radius_mm, scale.sign, float(sds[place])) for place in places]


def box_around_place(grid: Geometry, place: tuple[int, ...], reach_mm: float) -> tuple[Box, tuple[int, ...]]:
    """The box of a grid within a distance of a voxel, and the voxel's index in it."""
    low = [max(int(p - np.ceil(reach_mm / s)), 0) for p, s in zip(place, grid.spacing_mm, strict=True)]
    high = [
        min(int(p + np.ceil(reach_mm / s)) + 1, n) for p, s, n in zip(place, grid.spacing_mm, grid.shape, strict=True)
    ]
    box = (slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2]))
    return box, tuple(p - a for p, a in zip(place, low, strict=True))


def continues_far(image: LiverImage, shape: Shape, config: CtFociConfig) -> bool:
    """Whether a place goes on, as bright or dark as it is itself, far beyond its own size or to the liver's border."""
    if shape.ways_out == 0:
        return False
    reach_mm = _RUNS_ON * shape.radius_mm + _FOLLOWED_MM
    nearest = tuple(round(c) for c in shape.centre)
    box, middle = box_around_place(image.grid, nearest, reach_mm + max(image.grid.spacing_mm))
    part = image.crop(box)
    smooth = mean_within(part.difference(shape.seed.sign), part.inner, config.contour_mm, part.grid)
    core = voxels_within(part.grid, middle, max(_CORE_RATIO * shape.radius_mm, min(part.grid.spacing_mm))) & part.inner
    if not core.any():
        return False
    limit = _FOLLOWED_SHARE * _quantile(smooth[core], _CORE_SHARE)
    own = _connected((smooth > limit) & part.inner, np.asarray(middle, dtype=np.float64))
    if own is None:
        return False
    at_border = own & (part.depth_mm <= config.edge_mm + min(part.grid.spacing_mm))
    beyond = ~voxels_within(part.grid, middle, _RUNS_ON * shape.radius_mm)
    return bool((own & ~voxels_within(part.grid, middle, reach_mm)).any() or (at_border & beyond).any())


def fissure_share(image: LiverImage, shape: Shape) -> float:
    """Volume of fat and fluid enclosed by the liver beside a place, over the place's own."""
    middle = tuple(round(c) for c in shape.centre)
    box, _ = box_around_place(image.grid, middle, shape.diameter_mm + 2 * _BESIDE_MM)
    there = image.crevice[box]
    if not there.any():
        return 0.0
    own = np.zeros(there.shape, dtype=bool)
    parts = [
        (
            slice(max(s.start, b.start) - b.start, min(s.stop, b.stop) - b.start),
            slice(max(b.start - s.start, 0), min(s.stop, b.stop) - s.start),
        )
        for s, b in zip(shape.box, box, strict=True)
    ]
    own[tuple(p[0] for p in parts)] = shape.mask[tuple(p[1] for p in parts)]
    if not own.any():
        return 0.0
    beside = distance_to_mm(own, image.grid.spacing_mm, within_mm=_BESIDE_MM) <= _BESIDE_MM
    return float(np.count_nonzero(there & beside)) / float(np.count_nonzero(own))


def ray_directions() -> FloatArray:
    """Unit vectors of the rays that a place is looked at along, shape (80, 3), spread evenly."""
    return _directions()[0]


def ray_neighbours() -> BoolArray:
    """Which rays run next to each other, itself among them, shape (80, 80)."""
    return _directions()[1]


@lru_cache(maxsize=1)
def _directions() -> tuple[FloatArray, BoolArray]:
    """Unit vectors spread evenly over the sphere (a Fibonacci lattice), and which of them are neighbours."""
    turn = np.pi * (3.0 - np.sqrt(5.0)) * np.arange(_RAYS)
    height = 1.0 - (2.0 * np.arange(_RAYS) + 1.0) / _RAYS
    flat = np.sqrt(1.0 - height**2)
    unit = np.column_stack([height, flat * np.cos(turn), flat * np.sin(turn)])
    return unit, unit @ unit.T > _NEIGHBOUR_COSINE


def shape_of(image: LiverImage, seed: Seed, config: CtFociConfig) -> Shape | None:
    """Look at one place; None where it has no core that stands out."""
    reach_mm = _REACH_RATIO * seed.radius_mm + _REACH_MARGIN_MM
    box, middle = box_around_place(image.grid, seed.place, reach_mm)
    part = image.crop(box)
    sigma_mm = max(config.contour_mm, config.contour_ratio * seed.radius_mm)
    smooth = mean_within(part.difference(seed.sign), part.inner, sigma_mm, part.grid)
    away2 = _squared_distances(part.grid, middle)
    level, contrast = _contrast(smooth, part, away2, seed.radius_mm)
    if contrast < config.least_contrast_hu:
        return None
    half = level + config.contour_share * contrast
    above = (smooth > half) & part.inner
    near = np.argwhere(above & (away2 <= seed.radius_mm**2))
    centre = near.mean(axis=0) if len(near) else np.asarray(middle, dtype=np.float64)
    rays = _rays(smooth, part.inner, centre, half, reach_mm, part.grid)
    if rays is None:
        return None
    lengths, leaves = rays
    typical = float(np.median(lengths[~leaves])) if (~leaves).any() else float(np.median(lengths))
    runs_on = (lengths > _RUNS_ON * typical) & ~leaves
    mask = _connected(above & voxels_within(part.grid, centre, _RUNS_ON * typical), centre)
    if mask is None:
        return None
    volume_mm3 = float(mask.sum()) * part.grid.voxel_volume_ml * 1000.0
    axis_ratio, fill = _ellipsoid(mask, volume_mm3, part.grid)
    kept = lengths[~leaves & ~runs_on]
    return Shape(
        seed=seed,
        box=box,
        mask=mask,
        centre=(box[0].start + centre[0], box[1].start + centre[1], box[2].start + centre[2]),
        radius_mm=typical,
        contrast_hu=contrast,
        inner_hu=_inner_hu(part.hu[mask], seed.sign, image.noise_hu),
        peak_hu=_quantile(part.difference(seed.sign)[mask], _PEAK_SHARE),
        diameter_mm=float((6.0 * volume_mm3 / np.pi) ** (1.0 / 3.0)),
        ways_out=_clusters(runs_on),
        runs_on_share=float(runs_on.mean()),
        border_share=float(leaves.mean()),
        unevenness=float(kept.std() / kept.mean()) if kept.size else 1.0,
        axis_ratio=axis_ratio,
        fill=fill,
        smooth=smooth,
        level_hu=level,
        ray_mm=lengths,
        ray_leaves=leaves,
    )


def _squared_distances(grid: Geometry, middle: tuple[int, ...]) -> FloatArray:
    """Of each voxel from one of them, in mm²."""
    k, j, i = (((np.arange(n) - m) * s) ** 2 for n, m, s in zip(grid.shape, middle, grid.spacing_mm, strict=True))
    return np.asarray(k[:, None, None] + j[:, None] + i)


def _contrast(smooth: Float32Array, part: LiverImage, away2: FloatArray, radius_mm: float) -> tuple[float, float]:
    """The level around a place, and how far its core lies above that."""
    near, far = (r * radius_mm for r in _LEVEL_RATIOS)
    ring = smooth[(away2 > near**2) & (away2 <= far**2) & part.inner]
    level = float(np.median(ring)) if ring.size else 0.0
    core = smooth[(away2 <= max(_CORE_RATIO * radius_mm, min(part.grid.spacing_mm)) ** 2) & part.inner]
    return level, _quantile(core, _CORE_SHARE) - level if core.size else 0.0


def _inner_hu(hu: Float32Array, sign: Sign, noise_hu: float) -> float:
    """Density of a place's inner part; noise alone puts that share of voxels so far from it."""
    return _quantile(hu, _INNER_SHARE if sign < 0 else 1 - _INNER_SHARE) - sign * _INNER_SDS * noise_hu


def _quantile(values: npt.NDArray[np.floating], share: float) -> float:
    """The value below which a share of some values lies; one of them, so that nothing is interpolated."""
    rank = int(share * (values.size - 1) + 0.5)
    return float(np.partition(values, rank)[rank])


def _rays(
    smooth: Float32Array, inner: BoolArray, centre: FloatArray, half: float, reach_mm: float, grid: Geometry
) -> tuple[FloatArray, BoolArray] | None:
    """Length of each ray in mm, and whether it left the liver; None where the centre itself does not stand out."""
    from scipy.ndimage import map_coordinates

    unit, _ = _directions()
    steps = np.arange(1, int(reach_mm / _STEP_MM) + 1) * _STEP_MM
    offsets = unit[:, :, None] * steps / np.asarray(grid.spacing_mm)[None, :, None]
    places = np.moveaxis(centre[None, :, None] + offsets, 1, 0)
    values = map_coordinates(smooth, places, order=1, mode="constant", cval=-np.inf)
    k, j, i = np.rint(places).astype(np.intp)
    slices, rows, columns = inner.shape
    there = (k >= 0) & (k < slices) & (j >= 0) & (j < rows) & (i >= 0) & (i < columns)
    inside = there & inner[k.clip(0, slices - 1), j.clip(0, rows - 1), i.clip(0, columns - 1)]
    going = (values > half) & inside
    ended = ~going
    count = np.where(ended.any(axis=1), ended.argmax(axis=1), steps.size)
    if int(np.median(count)) == 0:
        return None
    last = np.minimum(count, steps.size - 1)
    leaves = (count < steps.size) & ~inside[np.arange(_RAYS), last]
    return (count + 0.5) * _STEP_MM, leaves


def _clusters(chosen: BoolArray) -> int:
    """How many separate directions some rays make up; a single ray is noise."""
    _, neighbours = _directions()
    left, count = chosen.copy(), 0
    while left.any():
        group = np.zeros_like(left)
        group[left.argmax()] = True
        size = 0
        while size < (size := int(np.count_nonzero(group))):
            group = neighbours[group].any(axis=0) & left
        left &= ~group
        count += size >= _RAYS_OF_A_WAY
    return count


def _connected(mask: BoolArray, centre: FloatArray) -> BoolArray | None:
    """The piece of a mask that holds a place; None where the place lies outside."""
    import cc3d

    pieces = cc3d.connected_components(mask, connectivity=6)
    own = int(pieces[tuple(np.clip(np.rint(centre).astype(int), 0, np.array(mask.shape) - 1))])
    return None if own == 0 else np.asarray(pieces == own)


def axis_variances_mm2(mask: BoolArray, grid: Geometry) -> FloatArray:
    """Variance of position along the three axes of a mask, the shortest first."""
    places = np.argwhere(mask) * np.asarray(grid.spacing_mm)
    of_a_voxel = np.diag(np.asarray(grid.spacing_mm) ** 2) / _VOXEL2_PER_VARIANCE
    spread: npt.NDArray[np.floating] = np.cov(places.T) if len(places) > 1 else np.zeros((3, 3))
    return np.asarray(np.linalg.eigvalsh(spread + of_a_voxel))


def _ellipsoid(mask: BoolArray, volume_mm3: float, grid: Geometry) -> tuple[float, float]:
    """Longest over shortest axis, and volume over that of the ellipsoid with equal spread."""
    variances = axis_variances_mm2(mask, grid)
    ellipsoid = 4.0 / 3.0 * np.pi * float(np.sqrt(np.prod(_HALF_AXIS2_PER_VARIANCE * variances)))
    return float(np.sqrt(variances[-1] / variances[0])), volume_mm3 / ellipsoid
