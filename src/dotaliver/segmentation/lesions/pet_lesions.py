"""Lesions in the liver, on the PET's own grid: where uptake rises from normal parenchyma, and how far it reaches.

A focus is a basin of the lightly smoothed uptake above what noise does in this liver; basins whose saddle is high
belong to one lesion. A lesion reaches to half the step between its own plateau and the parenchyma around it, which is
where a blurred edge has its true place (the level is thus each lesion's own, not one percentage for all).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dotaliver.config.segmentation import LesionConfig
from dotaliver.image.distance import distance_inside_mm
from dotaliver.image.filters import FWHM_PER_SIGMA, box_around
from dotaliver.image.geometry import Geometry
from dotaliver.image.spheres import ball
from dotaliver.image.volume import BoolArray, Volume
from dotaliver.segmentation.coarse import Float32Array
from dotaliver.segmentation.liver.outline import gaussian
from dotaliver.segmentation.liver.parenchyma import Parenchyma, measure_parenchyma

__all__ = [
    "find_foci",
    "find_lesions",
]

# Without any liver, the SD of its uptake is a usual one: a tenth.
_USUAL_SD_RATIO = 0.1
# At the capsule, half the step to the cold side still exceeds parenchyma by more than its noise.
_CAPSULE_RATIO = 1.2

LabelArray = npt.NDArray[np.int32]
Placed = tuple[tuple[slice, slice, slice], BoolArray]


@dataclass(frozen=True)
class _Basins:
    """Numbered basins of uptake with each one's peak; index 0 is background."""

    labels: LabelArray
    peaks: npt.NDArray[np.float64]


def find_lesions(
    pet: Volume, occupancy: Float32Array, expected_uptake: float, config: LesionConfig
) -> tuple[npt.NDArray[np.uint16], Parenchyma]:
    """Outline the lesions of a liver.

    Parameters
    ----------
    pet : Volume
        Uptake.
    occupancy : ndarray
        Share of each PET voxel inside the liver, at the PET's position.
    expected_uptake : float
        Roughly that of normal liver, from the liver's core.
    config : LesionConfig
        Thresholds.

    Returns
    -------
    labels : ndarray of uint16
        On the PET's grid, 1 for the largest lesion, then by falling volume.
    parenchyma : Parenchyma
        What normal liver looks like here.
    """
    labels = np.zeros(pet.array.shape, dtype=np.uint16)
    if not (occupancy >= 0.5).any():
        return labels, Parenchyma(expected_uptake, _USUAL_SD_RATIO * expected_uptake)
    box = box_around(occupancy >= 0.5, pet.geometry, config.halo_mm)
    grid, share = pet.geometry.crop(box), occupancy[box]
    uptake = pet.array[box].astype(np.float32)
    smooth = gaussian(uptake, config.smooth_fwhm_mm / FWHM_PER_SIGMA, grid)
    inside = share >= 0.5
    deep = distance_inside_mm(inside, grid.spacing_mm) > config.parenchyma_depth_mm
    parenchyma = measure_parenchyma(smooth, deep, expected_uptake)
    hot = _rises(smooth, parenchyma, config.detect_sd, config.detect_share) | _rises_faintly(
        uptake, deep, parenchyma, config, grid
    )
    own = distance_inside_mm(inside, grid.spacing_mm) > config.capsule_mm
    basins = _merged(_basins(smooth, hot), smooth, parenchyma.uptake, own, inside, config.saddle_share)
    in_liver = _liver_basins(basins, smooth, share, config)
    if config.method == "edge":
        sharp = gaussian(uptake, config.edge_fwhm_mm / FWHM_PER_SIGMA, grid)
        owners, tumour = _edge_extent(basins, in_liver, sharp, share, parenchyma, config, grid)
    else:
        owners, tumour = _textbook_extent(basins, in_liver, parenchyma, config.method, smooth)
    tumour &= share > config.voxel_in_liver_share
    owned = _with_cores(np.where(tumour, owners, 0).astype(np.int32), smooth, inside, parenchyma, config, grid)
    labels[box] = _numbered(_kept(owned, config.minimum_ml, grid), uptake.shape)
    return labels, parenchyma


def _rises(smooth: Float32Array, parenchyma: Parenchyma, sds: float, share: float) -> BoolArray:
    """Where uptake exceeds parenchyma by more than its noise and by more than a share of it."""
    return np.asarray(smooth > parenchyma.uptake + max(sds * parenchyma.sd, share * parenchyma.uptake))


def _rises_faintly(
    uptake: Float32Array, deep: BoolArray, parenchyma: Parenchyma, config: LesionConfig, grid: Geometry
) -> BoolArray:
    """Faint but broad foci, on a broader mean whose noise is less: what a matched filter finds."""
    broad = gaussian(uptake, config.broad_fwhm_mm / FWHM_PER_SIGMA, grid)
    calm = measure_parenchyma(broad, deep, parenchyma.uptake)
    return _rises(broad, calm, config.detect_broad_sd, config.detect_broad_share)


def find_foci(pet: Volume, level: float, config: LesionConfig) -> npt.NDArray[np.uint16]:
    """Hot foci anywhere, where no liver bounds them: candidates for a reader, organs among them.

    A focus rises above `level`; it reaches to half its peak.
    """
    smooth = gaussian(pet.array, config.smooth_fwhm_mm / FWHM_PER_SIGMA, pet.geometry)
    basins = _basins(smooth, smooth > level)
    everywhere = np.ones(smooth.shape, dtype=bool)
    basins = _merged(basins, smooth, 0.0, everywhere, everywhere, config.saddle_share)
    voxel_ml = pet.geometry.voxel_volume_ml
    masks = []
    for label, part in _parts(basins.labels):
        mask = (basins.labels[part] == label) & (smooth[part] > max(0.5 * basins.peaks[label], level))
        if mask.sum() * voxel_ml >= config.minimum_ml:
            masks.append((part, mask))
    return _numbered(masks, smooth.shape)


def _basins(smooth: Float32Array, hot: BoolArray) -> _Basins:
    """One basin per local maximum, by watershed of the uptake."""
    from scipy.ndimage import label, maximum_filter
    from scipy.ndimage import maximum as maximum_of
    from skimage.segmentation import watershed

    tops, count = label((smooth == maximum_filter(smooth, 3)) & hot, np.ones((3, 3, 3)))
    labels = np.asarray(watershed(-smooth, tops, mask=hot), dtype=np.int32)
    peaks = np.zeros(count + 1)
    if count:
        peaks[1:] = maximum_of(smooth, labels, np.arange(1, count + 1))
    return _Basins(labels, peaks)


def _saddles(labels: LabelArray, smooth: Float32Array) -> list[tuple[float, int, int]]:
    """The highest pass between each two touching basins, from high to low."""
    pairs, heights = [], []
    for axis in range(3):
        here = tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))
        there = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
        one, two = labels[here], labels[there]
        touch = (one != two) & (one > 0) & (two > 0)
        pairs.append(np.sort(np.stack([one[touch], two[touch]], axis=1), axis=1))
        heights.append(np.minimum(smooth[here][touch], smooth[there][touch]))
    pair, height = np.concatenate(pairs), np.concatenate(heights)
    order = np.lexsort((pair[:, 1], pair[:, 0], -height))
    passes, seen = [], set()
    for n in order:
        key = (int(pair[n, 0]), int(pair[n, 1]))
        if key not in seen:
            seen.add(key)
            passes.append((float(height[n]), *key))
    return passes


def _merged(
    basins: _Basins, smooth: Float32Array, base: float, deep: BoolArray, inside: BoolArray, saddle_share: float
) -> _Basins:
    """Join basins whose saddle exceeds a share of the lower peak, both counted from the base.

    A basin that peaks deep in the liver never joins one that peaks outside: that is a kidney, not a lesion. One that
    peaks just inside the border joins a higher one outside: that is the kidney's blur, not a lesion.
    """
    from scipy.ndimage import maximum_position

    count = len(basins.peaks) - 1
    if count == 0:
        return basins
    places = maximum_position(smooth, basins.labels, np.arange(1, count + 1))
    peaks_inside = np.array([False, *(bool(inside[place]) for place in places)])
    peaks_deep = np.array([False, *(bool(deep[place]) for place in places)])
    root = list(range(count + 1))

    def find(label: int) -> int:
        while root[label] != label:
            root[label] = root[root[label]]
            label = root[label]
        return label

    for height, one, two in _saddles(basins.labels, smooth):
        first, second = find(one), find(two)
        if basins.peaks[first] < basins.peaks[second]:
            first, second = second, first
        blurred = peaks_inside[second] and not peaks_deep[second] and not peaks_inside[first]
        if first == second or (peaks_inside[first] != peaks_inside[second] and not blurred):
            continue
        if height - base > saddle_share * (basins.peaks[second] - base):
            root[second] = first
    joined = np.array([find(label) for label in range(count + 1)], dtype=np.int32)
    return _Basins(joined[basins.labels], basins.peaks)


def _parts(labels: LabelArray):  # type: ignore[no-untyped-def]  # scipy has no stubs
    from scipy.ndimage import find_objects

    for label, part in enumerate(find_objects(labels), start=1):
        if part is not None:
            yield label, part


def _liver_basins(
    basins: _Basins, smooth: Float32Array, share: Float32Array, config: LesionConfig
) -> npt.NDArray[np.bool_]:
    """Per basin, whether it peaks in the liver and a good part of it lies there."""
    chosen = np.zeros(len(basins.peaks), dtype=bool)
    for label, part in _parts(basins.labels):
        own = basins.labels[part] == label
        top = np.unravel_index(int(np.where(own, smooth[part], -np.inf).argmax()), own.shape)
        inside = share[part]
        chosen[label] = inside[top] >= 0.5 and float(inside[own].mean()) >= config.basin_in_liver_share
    return chosen


def _edge_extent(  # noqa: PLR0913, PLR0917  basins, both images, normal liver, settings and the grid
    basins: _Basins,
    in_liver: npt.NDArray[np.bool_],
    smooth: Float32Array,
    share: Float32Array,
    parenchyma: Parenchyma,
    config: LesionConfig,
    grid: Geometry,
) -> tuple[LabelArray, BoolArray]:
    """Each voxel against half the step from parenchyma to the highest uptake within the reach of the blur.

    A blurred edge has its true place at half its height; how high the step is differs along the border of a lesion
    that consists of parts, so it is taken locally. At the capsule the other side of the edge is cold.
    """
    from scipy.ndimage import binary_closing, grey_dilation
    from skimage.segmentation import watershed

    base = parenchyma.uptake
    reach = ball(config.blur_reach_mm, grid)
    top = grey_dilation(gaussian(smooth, config.plateau_fwhm_mm / FWHM_PER_SIGMA, grid), footprint=reach)
    level = base + 0.5 * (top - base)
    at_capsule = distance_inside_mm(share >= 0.5, grid.spacing_mm) < config.capsule_mm
    level = np.where(at_capsule, np.minimum(level, np.maximum(0.5 * top, _CAPSULE_RATIO * base)), level)
    floor = base + max(config.floor_sd * parenchyma.sd, 0.5 * config.detect_broad_share * base)
    hot = (smooth > level) & (smooth > floor)
    # Beside a hot part the local step hides a milder one. Blur alone falls off steeply against its own height (at an
    # edge by 0.8 / sigma, 0.3 per mm, and faster outside): what falls off less is tumour itself.
    milder = (basins.labels > 0) & (_slope(smooth, grid) < config.mild_log_slope_per_mm * (smooth - base))
    hot |= milder & (smooth > floor)
    hot |= binary_closing(hot, ball(config.gap_mm, grid)) & (smooth > floor)
    hot |= _unresolved_rim(hot, share >= 0.5) & (smooth > 0.5 * base)
    owners = np.asarray(watershed(-smooth, basins.labels, mask=hot | (basins.labels > 0)), dtype=np.int32)
    return owners, hot & in_liver[owners]


def _unresolved_rim(hot: BoolArray, inside: BoolArray) -> BoolArray:
    """Single voxels of liver between a lesion and the outside: no PET can tell so thin a rim from its lesion."""
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


def _textbook_extent(
    basins: _Basins, in_liver: npt.NDArray[np.bool_], parenchyma: Parenchyma, method: str, smooth: Float32Array
) -> tuple[LabelArray, BoolArray]:
    """Each basin against one level of its own."""
    levels = np.array([_TEXTBOOK[method](float(peak), parenchyma) for peak in basins.peaks])
    hot = (basins.labels > 0) & in_liver[basins.labels] & (smooth > levels[basins.labels])
    return basins.labels, hot


def _with_cores(
    owners: LabelArray,
    smooth: Float32Array,
    inside: BoolArray,
    parenchyma: Parenchyma,
    config: LesionConfig,
    grid: Geometry,
) -> LabelArray:
    """Add cores without uptake: what tumour encloses in the liver and takes up less than parenchyma is tumour.

    A rim is closed over `gap_mm` first, since blur opens thin ones. Enclosed tissue that nowhere takes up less than
    parenchyma does with its noise is parenchyma. A core belongs to the nearest lesion.
    """
    import cc3d
    from scipy.ndimage import binary_closing, binary_fill_holes, distance_transform_edt
    from scipy.ndimage import minimum as minimum_of

    tumour = owners > 0
    # Outside the liver nothing can be a core, but the liver's border closes no rim.
    rim = tumour | (binary_closing(tumour, ball(config.gap_mm, grid)) & (smooth < parenchyma.uptake))
    holes = np.asarray(binary_fill_holes(rim)) & ~tumour & inside
    parts = cc3d.connected_components(holes, connectivity=6)
    count = int(parts.max(initial=0))
    if count == 0:
        return owners
    lowest = np.asarray(minimum_of(smooth, parts, np.arange(1, count + 1)))
    core = np.concatenate([[False], lowest < config.core_share * parenchyma.uptake])[parts]
    nearest = distance_transform_edt(~tumour, sampling=grid.spacing_mm, return_distances=False, return_indices=True)
    return np.where(core, owners[tuple(nearest)], owners)


def _kept(owners: LabelArray, minimum_ml: float, grid: Geometry) -> list[Placed]:
    """Each lesion's mask, without those that are too small to be more than noise."""
    found: list[Placed] = []
    for label, part in _parts(owners):
        mask = owners[part] == label
        if mask.sum() * grid.voxel_volume_ml >= minimum_ml:
            found.append((part, mask))
    return found


def _numbered(masks: list[Placed], shape: tuple[int, ...]) -> npt.NDArray[np.uint16]:
    """Labels by falling volume; where two masks meet, the larger lesion keeps the voxel."""
    labels = np.zeros(shape, dtype=np.uint16)
    order = sorted(range(len(masks)), key=lambda n: (-int(masks[n][1].sum()), n))
    for number, n in enumerate(order, start=1):
        part, mask = masks[n]
        view = labels[part]
        view[mask & (view == 0)] = number
    return labels


# The textbook rules, for comparison (sources in the documentation): fixed SUV 10 for 68Ga-DOTATOC, percent of the
# maximum, liver mean + 2 SD, and PERCIST's 1.5 x mean + 2 SD.
_TEXTBOOK: dict[str, Callable[[float, Parenchyma], float]] = {
    "fixed_suv10": lambda _peak, _parenchyma: 10.0,
    "percent41": lambda peak, _parenchyma: 0.41 * peak,
    "percent50": lambda peak, _parenchyma: 0.50 * peak,
    "liver_2sd": lambda _peak, parenchyma: parenchyma.uptake + 2.0 * parenchyma.sd,
    "percist": lambda _peak, parenchyma: 1.5 * parenchyma.uptake + 2.0 * parenchyma.sd,
}
