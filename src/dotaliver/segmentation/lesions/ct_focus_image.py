"""The liver on CT as the search for focal lesions looks at it: its density against the parenchyma around each place.

Slow variation of the liver's density (fat, perfusion) is removed by a mean over parenchyma in a window far larger than
the lesions. At each size of the search, what remains is averaged over a Gaussian as wide as a lesion of that size, and
compared with its surroundings, in which vessels and other outliers count for little. The spread of that difference over
the liver is the noise at that size: it holds the noise of the reconstruction, its texture and that of the liver.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dotaliver.config.ct import CtFociConfig
from dotaliver.image.arrays import Array
from dotaliver.image.distance import distance_inside_mm, distance_to_mm
from dotaliver.image.filters import gaussian, gaussian_reach, wide_gaussian
from dotaliver.image.geometry import Box, Geometry
from dotaliver.image.itk import resample, resample_labels
from dotaliver.image.lazy import lazily_filtered
from dotaliver.image.volume import BoolArray, LabelMap, Volume
from dotaliver.segmentation.coarse import Float32Array
from dotaliver.system.recent import Recent

__all__ = ["LiverImage", "Scale", "Sign", "liver_image", "mean_within", "scales_of", "spread_hu"]

Sign = int
"""-1 for lesions less dense than liver, 1 for denser ones."""

# 1.4826 x MAD is the SD of a normal distribution.
_SD_PER_MAD = 1.4826
# Densities that may be averaged: beyond lie lung, gas, bone and metal.
_JUDGED_HU = (-150, 350)
# A Gaussian of this part of the search grid's spacing, so that sampling does not add noise.
_SAMPLING_SIGMA_RATIO = 0.4
# Parenchyma's own density is averaged over what lies within so many SDs of it, where there is enough of it around.
_PARENCHYMA_SDS, _LEAST_WEIGHT = 2.5, 0.02
# No CT is so free of noise that a difference below this is more than rounding.
_LEAST_SD_HU = 0.1
# A difference beyond this is fat, gas or calcium and would outweigh its neighbours.
_LARGEST_DIFFERENCE_HU = 80.0
# In SDs of a voxel's noise: how far a place counts against the sign that is searched for (a bright vein hides no dark
# lesion beside it), and how far a voxel counts in the surroundings.
_AGAINST_SDS, _AROUND_SDS = 1.0, 2.0
# Of a lesion's radius: the Gaussian that averages the lesion, and the one that averages its surroundings.
_LESION_SIGMA_RATIO, _AROUND_SIGMA_RATIO = 0.5, 1.6
# Vessels fill several hundredths of a liver.
_BLOOD_PERCENTILE = 99.5
# Clefts up to twice this wide are closed; fluid and fat on a mean over this Gaussian lie below this density, or so far
# below liver: solid metastases lie 20 to 60 HU below enhanced liver.
_CLOSED_MM, _FAT_SIGMA_MM, _FLUID_HU, _SOLID_HU = 10.0, 1.0, 5.0, 75.0
# Keeps divisions finite where there is no weight.
_TINY, _TINY_WEIGHT = 1e-6, 1e-3


@dataclass(frozen=True, eq=False)
class LiverImage:
    """The liver on the search grid."""

    grid: Geometry
    hu: Float32Array
    typical_hu: Float32Array
    """Density of the parenchyma around each voxel."""
    inner: BoolArray
    """The liver without its border, whose density is blurred with that of its neighbours, and without avid lesions."""
    depth_mm: Float32Array
    noise_hu: float
    """SD between voxels of the parenchyma."""
    blood_hu: float
    """How far the brightest vessels lie above the parenchyma, in HU."""
    crevice: BoolArray
    """Fat and fluid in the fissures, the porta and the gallbladder's bed: what the liver encloses."""
    avid: npt.NDArray[np.integer] | None = None
    """Lesions that the PET shows, by their numbers; None where there are none."""

    def crop(self, box: Box, hu: Float32Array | None = None) -> LiverImage:
        """A part of it, with other numbers in place of its own where ``hu`` gives them."""
        shown = self.hu[box] if hu is None else hu
        parts = (self.typical_hu[box], self.inner[box], self.depth_mm[box])
        avid = None if self.avid is None else self.avid[box]
        return LiverImage(self.grid.crop(box), shown, *parts, self.noise_hu, self.blood_hu, self.crevice[box], avid)

    def difference(self, sign: Sign) -> Float32Array:
        """Density above (1) or below (-1) parenchyma, in HU, with its extremes cut off."""
        limit = np.float32(_LARGEST_DIFFERENCE_HU)
        return np.asarray(np.clip(sign * (self.hu - self.typical_hu), -limit, limit), dtype=np.float32)

    def clipped(self, sign: Sign) -> Float32Array:
        """The same where the other sign counts for little."""
        return np.maximum(self.difference(sign), np.float32(-_AGAINST_SDS * self.noise_hu))


@dataclass(frozen=True, eq=False)
class Scale:
    """One size and sign of the search."""

    radius_mm: float
    sign: Sign
    around: Float32Array
    """Mean of the surroundings of each voxel, in HU of `LiverImage.clipped`, and the liver's own middle."""
    sd_hu: float
    """SD of `response` by noise and texture, deep in the liver."""
    widening: Float32Array
    """The SD at each voxel over that: near the liver's border, fewer voxels are averaged."""

    def crop(self, box: Box) -> Scale:
        """A part of it."""
        return replace(self, around=self.around[box], widening=self.widening[box])

    def in_sds(self, response: Float32Array) -> Float32Array:
        """A response in SDs of the noise at each voxel."""
        return np.asarray(response / (np.float32(self.sd_hu) * self.widening), dtype=np.float32)

    def response(self, image: LiverImage) -> Float32Array:
        """How far each place of this size lies above its surroundings, in HU."""
        sigma_mm = _LESION_SIGMA_RATIO * self.radius_mm
        mean = mean_within(image.clipped(self.sign), image.inner, sigma_mm, image.grid)
        return np.where(image.inner, mean - self.around, np.float32(-np.inf)).astype(np.float32)


def liver_image(
    ct: Volume, box: Box, liver: LabelMap, avid: LabelMap | None, config: CtFociConfig, recent: Recent | None = None
) -> LiverImage | None:
    """Resample the liver's box onto the search grid; None where too little of it is free of avid lesions.

    Parameters
    ----------
    ct : Volume
        In HU.
    box : Box
        The part of the CT that holds the liver.
    liver : LabelMap
        The liver in that box.
    avid : LabelMap, optional
        Lesions that the PET shows, in the CT's position.
    config : CtFociConfig
        Spacing and limits.
    recent : Recent, optional
        Boxes of this CT that were resampled before.
    """
    own = ct.geometry.crop(box)
    step = (max(own.spacing_mm[0], config.grid_mm), *(max(s, config.grid_mm) for s in own.spacing_mm[1:]))
    counts = [max(int(n * s / t), 1) for n, s, t in zip(own.shape, own.spacing_mm, step, strict=True)]
    grid = replace(own, shape=(counts[0], counts[1], counts[2]), spacing_mm=(step[0], step[1], step[2]))
    recent = Recent(1) if recent is None else recent
    hu = recent.of(
        ("density on the search grid", own, grid, config.grid_mm), lambda: _density_on(ct, box, grid, config)
    )
    inside = resample_labels(liver, grid).mask
    depth = distance_inside_mm(inside, grid.spacing_mm)
    inner = (depth > config.edge_mm) & _whole_slices(inside)
    lesions = None if avid is None else resample_labels(avid, grid)
    if lesions is not None:
        inner &= ~lesions.mask
    if float(inner.sum()) * grid.voxel_volume_ml < config.parenchyma_min_ml:
        return None
    typical, spread = _typical(hu, inner, grid, config)
    seen = (hu, typical, inner, depth, max(spread, _LEAST_SD_HU), 0.0, _crevice(hu, inside, grid))
    image = LiverImage(grid, *seen, None if lesions is None else lesions.array)
    bright = mean_within(image.difference(1), inner, config.contour_mm, grid)[inner]
    return replace(image, blood_hu=float(np.percentile(bright, _BLOOD_PERCENTILE)))


def _density_on(ct: Volume, box: Box, grid: Geometry, config: CtFociConfig) -> Float32Array:
    """The density of a box on the search grid."""
    own, sigma_mm = ct.geometry.crop(box), _SAMPLING_SIGMA_RATIO * config.grid_mm

    def smoothed(hu: Array) -> Float32Array:
        return gaussian(np.clip(hu, *_JUDGED_HU).astype(np.float32), sigma_mm, own)

    fine = lazily_filtered(ct, box, smoothed, gaussian_reach(sigma_mm, own.spacing_mm[0]))
    return np.asarray(resample(fine, grid).array, dtype=np.float32)


def _crevice(hu: Float32Array, inside: BoolArray, grid: Geometry) -> BoolArray:
    """Fat and fluid within the liver's closed outline, edges of the box left as they are."""
    near = distance_to_mm(inside, grid.spacing_mm, within_mm=_CLOSED_MM) <= _CLOSED_MM
    closed = (distance_inside_mm(near, grid.spacing_mm, within_mm=_CLOSED_MM) > _CLOSED_MM) | inside
    limit = max(_FLUID_HU, float(np.median(hu[inside])) - _SOLID_HU) if inside.any() else _FLUID_HU
    return np.asarray(closed & (wide_gaussian(hu, _FAT_SIGMA_MM, grid) < limit))


def _whole_slices(inside: BoolArray) -> BoolArray:
    """Voxels with liver above and below: in a thick slice, the liver's ends are blurred with what lies beyond."""
    padded = np.pad(inside, ((1, 1), (0, 0), (0, 0)))
    return np.asarray(inside & padded[:-2] & padded[2:])


def _typical(hu: Float32Array, normal: BoolArray, grid: Geometry, config: CtFociConfig) -> tuple[Float32Array, float]:
    """Density of the parenchyma around each voxel, and the SD of single voxels about it."""
    middle = float(np.median(hu[normal]))
    typical: npt.NDArray[np.floating] = np.full(hu.shape, middle, dtype=np.float32)
    spread = spread_hu(hu[normal])
    for _ in range(2):
        alike = normal & (np.abs(hu - typical) < _PARENCHYMA_SDS * spread)
        weight = wide_gaussian(alike.astype(np.float32), config.window_mm, grid)
        around = wide_gaussian(np.where(alike, hu, 0.0), config.window_mm, grid) / np.maximum(weight, _TINY)
        typical = np.where(weight > _LEAST_WEIGHT, around, typical)
    return np.asarray(typical, dtype=np.float32), spread_hu((hu - typical)[normal])


def spread_hu(values: npt.NDArray[np.floating]) -> float:
    """SD of noise among values of which some belong to vessels or lesions: these widen one half of the distribution."""
    centre = float(np.median(values))
    below, above = values[values <= centre], values[values >= centre]
    return _SD_PER_MAD * min(float(np.median(np.abs(part - centre))) for part in (below, above))


def scales_of(image: LiverImage, config: CtFociConfig) -> tuple[tuple[Scale, Float32Array], ...]:
    """Every size of the search with the noise at that size and its response, for darker and for denser lesions."""
    found = []
    clipped = {sign: image.clipped(sign) for sign in (-1, 1)}
    for radius_mm in config.radii_mm:
        near = _Mean(image.inner, _LESION_SIGMA_RATIO * radius_mm, image.grid)
        level = radius_mm > config.ring_radius_mm
        wide = None if level else _Mean(image.inner, _AROUND_SIGMA_RATIO * radius_mm, image.grid)
        widening = near.widening()
        for sign, values in clipped.items():
            raw = near(values)
            limited = np.minimum(values, np.float32(_AROUND_SDS * image.noise_hu))
            around = np.zeros_like(raw) if wide is None else wide(limited)
            sample = (raw - around)[image.inner]
            around = around + np.float32(np.median(sample))
            sd_hu = max(spread_hu(sample / widening[image.inner]), _LEAST_SD_HU)
            scale = Scale(radius_mm, sign, around, sd_hu, widening)
            found.append((scale, np.where(image.inner, raw - around, np.float32(-np.inf)).astype(np.float32)))
    return tuple(found)


class _Mean:
    """A Gaussian mean over the voxels of a mask alone, whose weights are computed once."""

    def __init__(self, where: BoolArray, sigma_mm: float, grid: Geometry) -> None:
        self._where, self._sigma_mm, self._grid = where, sigma_mm, grid
        # Inside the liver, every weight is 1.
        whole = bool(where.all())
        weight = np.ones((), np.float32) if whole else wide_gaussian(where.astype(np.float32), sigma_mm, grid)
        self._weight = np.maximum(weight, np.float32(_TINY_WEIGHT))

    def widening(self) -> Float32Array:
        """SD of a mean of white noise, over that of a mean that the mask does not cut.

        The variance of a weighted mean is the sum of the squared weights over the square of their sum, and the square
        of a Gaussian is a Gaussian of sigma / √2.
        """
        if self._weight.ndim == 0:
            return np.ones(self._where.shape, np.float32)
        squared = wide_gaussian(self._where.astype(np.float32), self._sigma_mm / np.sqrt(2.0), self._grid)
        return np.asarray(np.maximum(np.sqrt(np.maximum(squared, 0.0)) / self._weight, 1.0), dtype=np.float32)

    def __call__(self, values: Float32Array) -> Float32Array:
        """The mean of an image."""
        return np.asarray(
            wide_gaussian(values * self._where, self._sigma_mm, self._grid) / self._weight, dtype=np.float32
        )


def mean_within(values: Float32Array, where: BoolArray, sigma_mm: float, grid: Geometry) -> Float32Array:
    """Gaussian mean over the voxels of a mask alone."""
    return _Mean(where, sigma_mm, grid)(values)
