"""Hot parts of the body on the coarse grid: basins of uptake above the local background, each with its measures."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dotaliver.config.body import BodyConfig
from dotaliver.image.distance import distance_inside_mm, distance_to_mm
from dotaliver.image.filters import FWHM_PER_SIGMA, gaussian
from dotaliver.image.volume import BoolArray
from dotaliver.segmentation.body.axes import BodyAxes
from dotaliver.segmentation.coarse import CoarseImages, Float32Array
from dotaliver.segmentation.lesions.basins import LabelArray, basin_boxes, basins_of, merged

__all__ = ["HotPart", "HotParts", "find_hot_parts", "local_background"]

# How far below the surface of the liver a peak belongs to the liver, whatever lies next to it.
_DEEP_MM = 8.0


@dataclass(frozen=True)
class HotPart:
    """One basin of uptake above half the step from its background to its peak.

    Distances are on the scale of `BodyAxes`, at the peak unless stated; ``extent_mm`` are the SDs along the principal
    axes, longest first; ``hu`` values are None without a CT.
    """

    label: int
    peak: float
    background: float
    volume_ml: float
    height_mm: float
    lateral_mm: float
    posterior_mm: float
    place: tuple[int, int, int]
    extent_mm: tuple[float, float, float]
    upright: float
    liver_mm: float
    skin_mm: float
    hu: float | None = None
    bone_share: float = 0.0
    bone_near: float = 0.0
    lung_share: float = 0.0
    fat_around: float = 0.0
    gas_near: float = 0.0
    mirror_ratio: float = 0.0
    organ_mm: float = float("inf")

    @property
    def contrast(self) -> float:
        """Peak over local background."""
        return self.peak / max(self.background, 1e-6)

    @property
    def elongation(self) -> float:
        """Longest over middle axis."""
        return self.extent_mm[0] / max(self.extent_mm[1], 1e-6)


@dataclass(frozen=True, eq=False)
class HotParts:
    """All parts; ``owners`` holds the basin of each voxel of the coarse grid, and ``smooth`` the uptake."""

    parts: tuple[HotPart, ...]
    owners: LabelArray
    smooth: Float32Array
    background: Float32Array


def local_background(
    smooth: Float32Array, body: BoolArray, spacing_mm: float, outside: float, config: BodyConfig
) -> Float32Array:
    """A low percentile of block means around each place; outside the body counts as ``outside``."""
    from scipy.ndimage import percentile_filter, zoom

    factor = max(round(config.background_block_mm / spacing_mm), 1)
    filled = np.where(body, smooth, np.float32(outside))
    pads = [(0, -n % factor) for n in filled.shape]
    filled = np.pad(filled, pads, mode="edge")
    k, j, i = (n // factor for n in filled.shape)
    blocks = filled.reshape(k, factor, j, factor, i, factor).mean(axis=(1, 3, 5), dtype=np.float32)
    size = 2 * max(round(config.background_reach_mm / (factor * spacing_mm)), 1) + 1
    low = percentile_filter(blocks, config.background_percentile, size=size, mode="nearest")
    whole = zoom(low, factor, order=1, mode="nearest", grid_mode=True)
    return np.asarray(whole[tuple(slice(0, n) for n in smooth.shape)], dtype=np.float32)


def find_hot_parts(
    images: CoarseImages,
    masks: tuple[BoolArray, BoolArray],
    axes: BodyAxes,
    liver_uptake: float,
    config: BodyConfig,
) -> HotParts:
    """Divide all uptake above the local background into basins.

    Parameters
    ----------
    images : CoarseImages
        Both images on the coarse grid.
    masks : tuple of ndarray of bool
        The body, and the liver in the PET's position.
    axes : BodyAxes
        Where the slices lie in the body.
    liver_uptake : float
        Uptake of normal liver.
    config : BodyConfig
        Thresholds.
    """
    body, liver = masks
    spacing = images.spacing_mm
    smooth = gaussian(images.uptake, config.smooth_fwhm_mm / FWHM_PER_SIGMA, images.geometry)
    outside = ~liver & body & axes.shown[:, None, None]
    typical = float(np.median(smooth[outside])) if outside.any() else 0.0
    background = local_background(smooth, outside, spacing, typical, config)
    level = config.rise_share * background + config.rise_liver_share * liver_uptake
    hot = outside & (smooth > np.maximum(level, np.float32(config.tissue_share * typical)))
    hot |= liver & axes.shown[:, None, None]
    voxel = images.geometry.spacing_mm
    to_liver = distance_to_mm(liver, voxel)
    deep = distance_inside_mm(liver, voxel) > _DEEP_MM
    basins = merged(basins_of(smooth, hot), smooth, typical, deep, liver, config.saddle_share)
    depth = distance_inside_mm(body, voxel)
    parts = []
    for label, box in basin_boxes(basins.labels):
        part = _measured(label, box, basins.labels, (smooth, background), axes, spacing)
        if part is None or liver[part.place]:
            continue
        part = replace(part, liver_mm=float(to_liver[part.place]), skin_mm=float(depth[part.place]))
        if part.volume_ml >= config.minimum_ml:
            parts.append(part)
    return HotParts(tuple(_mirrored(parts)), basins.labels, smooth, background)


def _measured(
    label: int,
    box: tuple[slice, slice, slice],
    owners: LabelArray,
    fields: tuple[Float32Array, Float32Array],
    axes: BodyAxes,
    spacing_mm: float,
) -> HotPart | None:
    own = owners[box] == label
    values = np.where(own, fields[0][box], -np.inf)
    top = np.unravel_index(int(values.argmax()), values.shape)
    k, j, i = (int(t) + part.start for t, part in zip(top, box, strict=True))
    peak = float(values[top])
    base = float(fields[1][k, j, i])
    half = own & (values > base + 0.5 * (peak - base))
    extent, upright = _extent(half, spacing_mm)
    return HotPart(
        label=label,
        peak=peak,
        background=base,
        volume_ml=float(half.sum()) * spacing_mm**3 / 1000.0,
        height_mm=float(axes.height_mm[k]),
        lateral_mm=float(axes.lateral_mm[i]),
        posterior_mm=float(axes.posterior_mm[j]),
        place=(k, j, i),
        extent_mm=extent,
        upright=upright,
        liver_mm=float("inf"),
        skin_mm=0.0,
    )


def _extent(mask: BoolArray, spacing_mm: float) -> tuple[tuple[float, float, float], float]:
    """SDs along the principal axes in mm, and how far the longest one points along the body, 0 to 1."""
    places = np.argwhere(mask) * spacing_mm
    # The extent of a single voxel, so that none is 0
    floor = spacing_mm**2 / 12.0 * np.eye(3)
    if len(places) < 2:
        side = float(np.sqrt(floor[0, 0]))
        return (side, side, side), 0.0
    values, vectors = np.linalg.eigh(np.cov(places.T) + floor)
    sds: npt.NDArray[np.float64] = np.sqrt(values[::-1])
    return (float(sds[0]), float(sds[1]), float(sds[2])), float(abs(vectors[0, -1]))


def _mirrored(parts: list[HotPart]) -> list[HotPart]:
    """Each part with the uptake of its counterpart on the other side over its own; 0 where there is none."""
    if not parts:
        return parts
    places = np.array([[p.lateral_mm, p.posterior_mm, p.height_mm] for p in parts])
    peaks = np.array([p.peak for p in parts])
    found = []
    for n, part in enumerate(parts):
        gap = places - places[n] * [-1.0, 1.0, 1.0]
        near = (np.abs(gap) < [22.0, 16.0, 24.0]).all(axis=1)
        near[n] = False
        ratio = float(peaks[near].max() / part.peak) if near.any() else 0.0
        found.append(replace(part, mirror_ratio=ratio))
    return found
