"""Extent of lesions: by the local blurred edge, or by textbook thresholds for comparison."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from dotaliver.config.segmentation import LesionConfig
from dotaliver.image.distance import distance_inside_mm
from dotaliver.image.filters import FWHM_PER_SIGMA, gaussian
from dotaliver.image.geometry import Geometry
from dotaliver.image.morphology import filled
from dotaliver.image.spheres import ball
from dotaliver.image.volume import BoolArray
from dotaliver.segmentation.coarse import Float32Array
from dotaliver.segmentation.lesions.basins import Basins, LabelArray
from dotaliver.segmentation.lesions.whole_lesions import with_slivers_joined
from dotaliver.segmentation.liver.enclosed import enclosed_cores
from dotaliver.segmentation.liver.parenchyma import Parenchyma

__all__ = ["edge_extent", "textbook_extent", "with_cores"]

# At the capsule, half the step to the cold side still exceeds parenchyma by more than its noise.
_CAPSULE_RATIO = 1.2


def edge_extent(  # noqa: PLR0913, PLR0917  basins, both images, normal liver, settings and the grid
    basins: Basins,
    in_liver: npt.NDArray[np.bool_],
    smooth: Float32Array,
    share: Float32Array,
    parenchyma: Parenchyma,
    config: LesionConfig,
    grid: Geometry,
) -> tuple[LabelArray, BoolArray]:
    """Voxels above half the step from parenchyma to the highest uptake within the reach of blur.

    The true position of a blurred edge is at half its height. The step is taken locally, since it varies along the
    border of a lesion that consists of parts. At the capsule the other side of the edge is cold.
    """
    from scipy.ndimage import binary_closing, grey_dilation
    from skimage.segmentation import watershed

    base = parenchyma.uptake
    reach = ball(config.blur_reach_mm, grid.spacing_mm)
    top = grey_dilation(gaussian(smooth, config.plateau_fwhm_mm / FWHM_PER_SIGMA, grid), footprint=reach)
    level = base + 0.5 * (top - base)
    at_capsule = distance_inside_mm(share >= 0.5, grid.spacing_mm) < config.capsule_mm
    level = np.where(at_capsule, np.minimum(level, np.maximum(0.5 * top, _CAPSULE_RATIO * base)), level)
    floor = base + max(config.floor_sd * parenchyma.sd, 0.5 * config.detect_broad_share * base)
    hot = (smooth > level) & (smooth > floor)
    # Next to a hot part the local step hides a milder one. Blur alone falls off steeply against its own height (at an
    # edge by 0.8 / sigma, 0.3 per mm, and faster outside): what falls off less is tumour itself.
    milder = (basins.labels > 0) & (_slope(smooth, grid) < config.mild_log_slope_per_mm * (smooth - base))
    hot |= milder & (smooth > floor)
    hot |= binary_closing(hot, ball(config.gap_mm, grid.spacing_mm)) & (smooth > floor)
    hot |= _unresolved_rim(hot, share >= 0.5) & (smooth > 0.5 * base)
    owners = np.asarray(watershed(-smooth, basins.labels, mask=hot | (basins.labels > 0)), dtype=np.int32)
    return owners, hot & in_liver[owners]


def _unresolved_rim(hot: BoolArray, inside: BoolArray) -> BoolArray:
    """Single voxels of liver between a lesion and the outside: too thin a rim for a PET to resolve."""
    rim = np.zeros_like(hot)
    outside = ~inside
    for axis in range(3):
        before = tuple(slice(None, -2) if a == axis else slice(None) for a in range(3))
        here = tuple(slice(1, -1) if a == axis else slice(None) for a in range(3))
        after = tuple(slice(2, None) if a == axis else slice(None) for a in range(3))
        rim[here] |= (hot[before] & outside[after]) | (outside[before] & hot[after])
    return rim & inside


def _slope(smooth: Float32Array, grid: Geometry) -> Float32Array:
    """Gradient magnitude per mm."""
    squares = np.zeros(smooth.shape, dtype=np.float32)
    for axis, spacing in enumerate(grid.spacing_mm):
        if smooth.shape[axis] > 1:
            squares += np.gradient(smooth, spacing, axis=axis) ** 2
    return np.sqrt(squares)


def textbook_extent(
    basins: Basins, in_liver: npt.NDArray[np.bool_], parenchyma: Parenchyma, method: str, smooth: Float32Array
) -> tuple[LabelArray, BoolArray]:
    """Voxels above one threshold for each basin."""
    levels = np.array([_TEXTBOOK[method](float(peak), parenchyma) for peak in basins.peaks])
    hot = (basins.labels > 0) & in_liver[basins.labels] & (smooth > levels[basins.labels])
    return basins.labels, hot


def _open_cores(
    tumour: BoolArray,
    possible: BoolArray,
    smooth: Float32Array,
    parenchyma: Parenchyma,
    config: LesionConfig,
    grid: Geometry,
) -> BoolArray:
    """Mostly cold places with tumour in most directions."""
    import cc3d
    from scipy.ndimage import median as median_of

    parts = cc3d.connected_components(enclosed_cores(tumour, tumour, possible, grid.spacing_mm), connectivity=6)
    count = int(parts.max(initial=0))
    if count == 0:
        return np.zeros_like(tumour)
    cold = np.asarray(median_of(smooth, parts, np.arange(1, count + 1))) < config.core_share * parenchyma.uptake
    return np.asarray(np.concatenate([[False], cold])[parts])


def _blurred_step(tumour: BoolArray, core: BoolArray, config: LesionConfig, grid: Geometry) -> BoolArray:
    """Voxels between cores and their rims, within the reach of blur of both."""
    from scipy.ndimage import binary_closing, binary_dilation

    reach = ball(config.blur_reach_mm, grid.spacing_mm)
    between = binary_closing(tumour | core, reach) & binary_dilation(core, reach)
    return np.asarray(between & ~tumour & ~core)


def with_cores(
    owners: LabelArray,
    smooth: Float32Array,
    inside: BoolArray,
    parenchyma: Parenchyma,
    config: LesionConfig,
    grid: Geometry,
) -> LabelArray:
    """Add cold cores: tissue in the liver that tumour encloses and that takes up less than parenchyma is tumour.

    Gaps of `gap_mm` in a rim are closed first, since blur opens thin rims. Enclosed tissue that is nowhere below the
    noise of parenchyma is parenchyma. The rim of a core at the capsule is open: such a core is mostly cold, and tumour
    lies in most directions. Between a core and its rim, blur passes through the uptake of parenchyma: what lies between
    the two within the reach of blur is tumour. A core belongs to the nearest lesion, and thin parts of its rim to that
    lesion.
    """
    import cc3d
    from scipy.ndimage import binary_closing, distance_transform_edt
    from scipy.ndimage import minimum as minimum_of

    tumour = owners > 0
    # A core lies inside the liver, but the liver's border does not close a rim.
    rim = tumour | (binary_closing(tumour, ball(config.gap_mm, grid.spacing_mm)) & (smooth < parenchyma.uptake))
    open_cores = _open_cores(tumour, inside & (smooth < parenchyma.uptake), smooth, parenchyma, config, grid)
    holes = np.asarray(filled(rim) | open_cores) & ~tumour & inside
    parts = cc3d.connected_components(holes, connectivity=6)
    count = int(parts.max(initial=0))
    if count == 0:
        return owners
    lowest = np.asarray(minimum_of(smooth, parts, np.arange(1, count + 1)))
    core = np.concatenate([[False], lowest < config.core_share * parenchyma.uptake])[parts]
    core |= _blurred_step(tumour, core, config, grid) & inside
    nearest = distance_transform_edt(~tumour, sampling=grid.spacing_mm, return_distances=False, return_indices=True)
    owners = with_slivers_joined(owners, core, grid)
    return np.where(core, owners[tuple(nearest)], owners)


# The textbook rules, for comparison (sources in the documentation): fixed SUV 10 for 68Ga-DOTATOC, percent of the
# maximum, liver mean + 2 SD, and PERCIST's 1.5 x mean + 2 SD.
_TEXTBOOK: dict[str, Callable[[float, Parenchyma], float]] = {
    "fixed_suv10": lambda _peak, _parenchyma: 10.0,
    "percent41": lambda peak, _parenchyma: 0.41 * peak,
    "percent50": lambda peak, _parenchyma: 0.50 * peak,
    "liver_2sd": lambda _peak, parenchyma: parenchyma.uptake + 2.0 * parenchyma.sd,
    "percist": lambda _peak, parenchyma: 1.5 * parenchyma.uptake + 2.0 * parenchyma.sd,
}
