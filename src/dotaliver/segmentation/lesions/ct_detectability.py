"""What a CT could show: lesions of known size and contrast are put into its liver and looked for.

A formula from the noise would know nothing of texture, vessels and slice thickness. So balls and ellipsoids are put at
places drawn evenly from the searched liver, with this CT's own noise on them, and the search runs there as it does
elsewhere, up to the same limit of suspicion. The places come from a fixed seed, one for each look, so the answer is the
same at every run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from dotaliver.config.ct import CtFociConfig
from dotaliver.image.distance import distance_inside_mm
from dotaliver.image.filters import wide_gaussian
from dotaliver.image.geometry import Box, Geometry, Vector
from dotaliver.image.spheres import sphere_kernel
from dotaliver.records.masks import CtSearch, Detectability
from dotaliver.segmentation.coarse import Float32Array
from dotaliver.segmentation.lesions.ct_focus_image import LiverImage, Scale, mean_within
from dotaliver.segmentation.lesions.ct_focus_shape import box_around_place, seeds_in, shape_of
from dotaliver.segmentation.lesions.ct_focus_suspicion import opinion_on
from dotaliver.segmentation.lesions.ct_focus_tube import may_be_piece_of_vessel
from dotaliver.segmentation.lesions.psychometric import contrast_for_share

__all__ = ["detectability_of"]

_SEED = 20_240_611
# Structure that a lesion replaces (vessels), as against noise that lies on it: what a Gaussian of this sigma keeps.
_STRUCTURE_SIGMA_MM = 3.0
# Where that differs by more from parenchyma lies a large vessel or what was taken for liver.
_PARENCHYMA_HU = 15.0
# Blur of a lesion's border by the reconstruction and by sampling onto the search grid.
_EDGE_SIGMA_MM = 1.0
_SUBSAMPLES = 4
# Lesions are seldom balls: of four looks one is at a ball, the others at ellipsoids of its volume, so many times as
# long as wide along one axis of the CT.
_LONG_RATIO = 1.3
# A box around a lesion holds all that the search looks at; where the lesion seems to continue, also the way along which
# a vessel is followed.
_REACH_RATIO, _MARGIN_MM, _VESSEL_MARGIN_MM = 2.4, 9.0, 30.0
# The search runs at the sizes within this factor of the lesion's own.
_SIZES_WITHIN = 1.35
# What is kept between the darkest lesions and water, in SDs of a voxel's noise.
_OF_NOISE = 0.5
# A find belongs to the lesion where its middle lies within this share of the lesion's radius of it.
_HIT_RATIO = 0.75


@dataclass(frozen=True, eq=False)
class _Bench:
    """The CT with what its vessels weigh, and the search's scales."""

    image: LiverImage
    structure: Float32Array
    scales: tuple[Scale, ...]
    config: CtFociConfig


@dataclass(frozen=True)
class _Look:
    """Where a lesion is put, and the axis along which it is longer; -1 for a ball."""

    place: tuple[int, ...]
    axis: int


def detectability_of(image: LiverImage, scales: list[Scale], config: CtFociConfig) -> CtSearch:
    """What a search of this CT could find, with nothing said of what it did find.

    Parameters
    ----------
    image : LiverImage
        The liver on the search grid.
    scales : list of Scale
        Every size and sign of the search.
    config : CtFociConfig
        Sizes, contrasts and the share that has to be found.
    """
    structure = mean_within(image.hu - image.typical_hu, image.inner, _STRUCTURE_SIGMA_MM, image.grid)
    bench = _Bench(image, structure, tuple(scale for scale in scales if scale.sign < 0), config)
    liver_hu = float(np.median(image.hu[image.inner]))
    # A lesion as dark as water would be taken for a cyst, so no such lesion is put in.
    darkest = liver_hu - config.water_hu - _OF_NOISE * image.noise_hu
    contrasts = tuple(c for c in config.inserted_contrasts_hu if c < darkest)
    found = tuple(
        Detectability(diameter_mm=diameter, below_liver_hu=_least_contrast(bench, diameter, contrasts))
        for diameter in config.inserted_diameters_mm
    )
    reference = next((x for x in found if x.diameter_mm == config.reference_diameter_mm), None)
    return CtSearch(
        diameter_mm=config.reference_diameter_mm,
        liver_hu=liver_hu,
        noise_hu=image.noise_hu,
        visible_contrast_hu=None if reference is None else reference.below_liver_hu,
        detectable=found,
    )


def _least_contrast(bench: _Bench, diameter_mm: float, contrasts_hu: tuple[float, ...]) -> float | None:
    """The contrast from which the wanted share of lesions of a size is found; None where even the highest is not."""
    places = _places(bench, diameter_mm)

    def is_found(look: int, contrast_hu: float) -> bool:
        return _is_found(bench, _Look(places[look], look % 4 - 1), diameter_mm, contrast_hu)

    return contrast_for_share(is_found, len(places), contrasts_hu, bench.config.found_share)


def _places(bench: _Bench, diameter_mm: float) -> list[tuple[int, ...]]:
    """Voxels that lesions are put around, drawn evenly from the parenchyma in which they fit."""
    image, config = bench.image, bench.config
    radius_mm = 0.5 * diameter_mm
    fits = distance_inside_mm(image.inner, image.grid.spacing_mm, within_mm=radius_mm) > radius_mm
    room = fits & (np.abs(bench.structure) < _PARENCHYMA_HU)
    choices = np.flatnonzero(room)
    if not choices.size:
        return []
    fractions = np.random.default_rng(_SEED).random(config.inserted_places)
    picked = choices[(fractions * choices.size).astype(np.int64)]
    return [tuple(int(i) for i in np.unravel_index(index, room.shape)) for index in picked]


def _is_found(bench: _Bench, look: _Look, diameter_mm: float, contrast_hu: float) -> bool:
    """Whether the search finds a lesion of this contrast that is put at a place."""
    radius_mm, config = 0.5 * diameter_mm, bench.config
    box, middle, part = _with_lesion(bench, look, radius_mm, contrast_hu, _MARGIN_MM)
    spacing = np.asarray(part.grid.spacing_mm)
    for scale in bench.scales:
        if not 1 / _SIZES_WITHIN <= scale.radius_mm / radius_mm <= _SIZES_WITHIN:
            continue
        own = scale.crop(box)
        for seed in seeds_in(part, own, own.response(part), config):
            if float(np.linalg.norm((np.asarray(seed.place) - middle) * spacing)) > _HIT_RATIO * radius_mm:
                continue
            shape = shape_of(part, seed, config)
            if shape is None or opinion_on(part, shape, config) != "candidate":
                continue
            if shape.ways_out == 0 and not may_be_piece_of_vessel(part, shape, config):
                return True
            _, there, whole = _with_lesion(bench, look, radius_mm, contrast_hu, _VESSEL_MARGIN_MM)
            moved = tuple(p - m + t for p, m, t in zip(seed.place, middle, there, strict=True))
            again = shape_of(whole, replace(seed, place=moved), config)
            if again is not None and opinion_on(whole, again, config) == "candidate":
                return True
    return False


def _with_lesion(
    bench: _Bench, look: _Look, radius_mm: float, contrast_hu: float, margin_mm: float
) -> tuple[Box, tuple[int, ...], LiverImage]:
    """The CT around a place with a lesion in it: the box, the place's index in it, and the image."""
    box, middle = box_around_place(bench.image.grid, look.place, _REACH_RATIO * radius_mm + margin_mm)
    share = _lesion_at(bench.image.grid.crop(box), middle, radius_mm, look.axis)
    hu = bench.image.hu[box] - share * (np.float32(contrast_hu) + bench.structure[box])
    return box, middle, bench.image.crop(box, hu.astype(np.float32))


def _lesion_at(grid: Geometry, middle: tuple[int, ...], radius_mm: float, axis: int) -> Float32Array:
    """Share of each voxel of a grid inside a lesion around one of them, blurred."""
    kernel = _lesion(grid.spacing_mm, radius_mm, axis)
    share = np.zeros(grid.shape, dtype=np.float32)
    half = [n // 2 for n in kernel.shape]
    low = [m - h for m, h in zip(middle, half, strict=True)]
    high = [m + h + 1 for m, h in zip(middle, half, strict=True)]
    inside = tuple(slice(max(a, 0), min(b, n)) for a, b, n in zip(low, high, grid.shape, strict=True))
    own = tuple(slice(i.start - a, i.stop - a) for i, a in zip(inside, low, strict=True))
    share[inside] = kernel[own]
    return share


@lru_cache(maxsize=16)
def _lesion(spacing_mm: Vector, radius_mm: float, axis: int) -> Float32Array:
    # On a grid that is compressed along an axis, a ball is an ellipsoid.
    z, y, x = (_stretch(axis, n) for n in range(3))
    sharp = sphere_kernel((spacing_mm[0] / z, spacing_mm[1] / y, spacing_mm[2] / x), radius_mm, _SUBSAMPLES)
    pad = [int(np.ceil(3 * _EDGE_SIGMA_MM / s)) for s in spacing_mm]
    wide = np.pad(sharp, [(p, p) for p in pad]).astype(np.float32)
    grid = Geometry(
        (wide.shape[0], wide.shape[1], wide.shape[2]),
        (0.0, 0.0, 0.0),
        spacing_mm,
        ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)),
    )
    lesion = wide_gaussian(wide, _EDGE_SIGMA_MM, grid)
    lesion.setflags(write=False)
    return lesion


def _stretch(axis: int, along: int) -> float:
    """Half axis of a lesion along one axis of the CT, over that of the ball of its volume."""
    if axis < 0:
        return 1.0
    return float(_LONG_RATIO ** (2 / 3 if along == axis else -1 / 3))
