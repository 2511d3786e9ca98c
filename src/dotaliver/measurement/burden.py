"""Tumour burden of the liver: point estimate and interval.

**Point estimate.** tumour_ml sums, over the liver's lesions, the lesion's volume × its share inside the liver,
and adds the cold cores that tumour encloses (on the PET, voxels that lie at least half in the liver). liver_ml is the
liver's voxel count on its own grid; it holds the tumours. fraction = tumour_ml / liver_ml.

**Interval.** Each outline may be wrong by its border uncertainty: u_t for lesions, u_l for the liver. The liver's
box is laid on an isotropic grid of spacing h in the position of the PET (outlines by shape-based interpolation);
every voxel there is tumour T, parenchyma P or outside O. A parenchyma voxel between tumour and outside, where the
two come within u_l + h of each other, is rim R (there the lesion forms the liver's border); other parenchyma is
free, F = P - R.

* low: T shrinks by u_t. What it loses goes to parenchyma where free parenchyma is nearer than rim or outside,
  and otherwise to nobody, since that border of liver and lesion is one and moves once. Outside within u_l of free
  parenchyma becomes parenchyma, where nothing else of the liver is nearer.
* high: T grows by u_t into parenchyma, and into the outside where it (or its rim) is nearest. Free parenchyma
  within u_l of the outside is lost.

So low has no more tumour and no less parenchyma than the point estimate, and high no less tumour and no more
parenchyma: as T / (T + P) grows with T and falls with P, low ≤ fraction ≤ high holds for every mask. The grid
gives the factors by which T and P change; these are put on the reported volumes.

Where the PET ends within the liver, nothing is known of the part beyond: it is parenchyma in the point estimate and
in low, and tumour in high. So is, in high alone, the part inside the liver of lesions that lie mostly outside it, and
``undetected_share`` of the liver without lesions, for those that are too small or too faint for a PET. In low,
lesions that do not rise above what the noise of normal liver may reach, are faint on average or smaller than the PET
resolves are parenchyma; so is ``hidden_share`` of the tumour times the burden, for normal liver in gaps between lesions
that are too narrow for a PET: the more of a liver is tumour, the more of its tumours' surfaces face each other. Where
not even a small sphere of normal liver was found, all of it lies in such gaps, and as much as is seen may be hidden
(``hidden_over_seen``).

Distances run from voxel centre to the nearest voxel centre of the other kind, less h/2, and a voxel counts by
clip(1/2 + (d - u) / h, 0, 1): without uncertainty exactly its own voxels, otherwise with sub-voxel steps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from dotaliver.config.measurement import BurdenConfig
from dotaliver.image.distance import distance_inside_mm, distance_to_mm, signed_distance_mm
from dotaliver.image.geometry import FloatArray, Geometry, as_vector
from dotaliver.image.itk import resample, resample_labels
from dotaliver.image.spheres import sphere_radius_mm
from dotaliver.image.volume import BoolArray, LabelMap, Quantity, Volume
from dotaliver.measurement.necrosis import cold_cores
from dotaliver.measurement.placement import Placement
from dotaliver.records.masks import Segmentations
from dotaliver.records.measurements import Burden, Lesion, Reference
from dotaliver.records.positions import own_labels, shift_between

__all__ = ["Borders", "BurdenFactors", "border_factors", "core_labels", "counts_for_burden", "measure_burden"]


# A broad lesion that takes up little more than liver is found by its mean. Single peaks of its noise then exceed the
# limit of 1 ml means and prove nothing, unless they exceed it by this ratio.
_FAINT_MEAN_RATIO, _FAINT_PEAK_RATIO = 1.35, 1.3
# A ball of 12 mm, twice the resolution of a PET: what is smaller shows as large as the blur, whatever its own size.
_RESOLVED_ML = 0.9


@dataclass(frozen=True)
class Borders:
    """One-sided uncertainties of the outlines, in mm."""

    lesion_mm: float
    liver_mm: float


@dataclass(frozen=True)
class BurdenFactors:
    """Factors by which tumour and parenchyma change at the ends of the interval."""

    tumour_low: float
    parenchyma_low: float
    tumour_high: float
    parenchyma_high: float


def counts_for_burden(lesion: Lesion) -> bool:
    """Whether a lesion is in the liver and no reader marked it as something other than tumour."""
    return lesion.in_liver is True and lesion.tumour


def _reached(where: BoolArray, distance_mm: FloatArray, reach_mm: float, grid_mm: float) -> FloatArray:
    """Fraction of some voxels outside a mask that the mask covers when it grows by a margin; 0 elsewhere."""
    fraction = np.zeros(where.shape)
    fraction[where] = np.clip(0.5 + (reach_mm - (distance_mm[where] - grid_mm / 2)) / grid_mm, 0.0, 1.0)
    return fraction


def border_factors(tumour: BoolArray, liver: BoolArray, grid_mm: float, borders: Borders) -> BurdenFactors:
    """How tumour and parenchyma change when the outlines move by their uncertainty (see the module docstring).

    Parameters
    ----------
    tumour, liver : ndarray of bool
        On one isotropic grid, with a margin around the liver of at least both uncertainties; tumour outside the
        liver is left out.
    grid_mm : float
        Spacing of that grid.
    """
    # Borders move by at most the larger uncertainty and one voxel; larger distances do not matter.
    reach_mm = max(borders.lesion_mm, borders.liver_mm) + 2 * grid_mm

    def distance_mm(mask: BoolArray) -> FloatArray:
        return distance_to_mm(mask, (grid_mm,) * 3, within_mm=reach_mm).astype(np.float64)

    tumour = tumour & liver
    parenchyma, outside = liver & ~tumour, ~liver
    to_tumour, to_outside = distance_mm(tumour), distance_mm(outside)
    rim = parenchyma & (to_tumour + to_outside - grid_mm <= borders.liver_mm + grid_mm)
    free = parenchyma & ~rim
    to_free, to_bound = distance_mm(free), distance_mm(tumour | rim)
    tumours, parenchymas = float(np.count_nonzero(tumour)), float(np.count_nonzero(parenchyma))

    to_rest = distance_inside_mm(tumour, (grid_mm,) * 3, within_mm=reach_mm).astype(np.float64)
    lost = _reached(tumour, to_rest, borders.lesion_mm, grid_mm)
    to_parenchyma = to_free <= distance_mm(outside | rim)
    gained = _reached(outside & (to_free <= to_bound), to_free, borders.liver_mm, grid_mm)
    tumour_low = tumours - float(lost.sum())
    parenchyma_low = parenchymas + float(lost[to_parenchyma].sum()) + float(gained.sum())

    beyond = _reached(outside & (to_bound <= to_free), to_tumour, borders.lesion_mm, grid_mm)
    into = _reached(parenchyma, to_tumour, borders.lesion_mm, grid_mm)
    retreat = _reached(free, to_outside, borders.liver_mm, grid_mm)
    left = np.where(parenchyma, np.clip(1.0 - into - retreat, 0.0, 1.0), 0.0)
    tumour_high = tumours + float(into.sum()) + float(beyond.sum())
    return BurdenFactors(
        tumour_low=max(tumour_low, 0.0) / tumours if tumours else 0.0,
        parenchyma_low=parenchyma_low / parenchymas if parenchymas else 1.0,
        tumour_high=tumour_high / tumours if tumours else math.inf,
        parenchyma_high=float(left.sum()) / parenchymas if parenchymas else 1.0,
    )


def _around(geometry: Geometry, spacing_mm: FloatArray, margin_mm: float) -> Geometry:
    """A grid of another spacing with the same centre and axes, and a margin on every side.

    It is laid from the middle, not from a corner, so that flipping the axes gives the same points.
    """
    size = np.asarray(geometry.size_mm) + 2 * margin_mm
    # Slightly less than the quotient, so that rounding does not add a layer.
    counts = np.maximum(np.ceil(size / spacing_mm - 1e-6), 1).astype(int)
    k, j, i = (float(s) for s in spacing_mm)
    grid = replace(geometry, shape=(int(counts[0]), int(counts[1]), int(counts[2])), spacing_mm=(k, j, i))
    return grid.moved(np.asarray(geometry.centre_lps_mm) - np.asarray(grid.centre_lps_mm))


def _on_grid(labels: LabelMap, onto: Geometry) -> BoolArray:
    """A binary map on an isotropic grid, by shape-based interpolation (Raya and Udupa 1990).

    Axes finer than the grid are sampled first, by nearest neighbour. Then the signed distance to the border is
    interpolated and its sign taken: voxels coarser than the grid leave no steps, which would give the outline a
    larger surface than it has, and so the interval a larger width.
    """
    own = labels.geometry
    sampled = resample_labels(labels, _around(own, np.maximum(own.spacing_mm, onto.spacing_mm), 0.0))
    mask = np.pad(sampled.mask, 2)
    grid = sampled.geometry
    first = grid.index_to_lps((-2, -2, -2))
    shape = (mask.shape[0], mask.shape[1], mask.shape[2])
    grid = replace(grid, shape=shape, origin_lps_mm=as_vector(first))
    signed = Volume(signed_distance_mm(mask, grid.spacing_mm), grid, Quantity.RELATIVE)
    return np.asarray(resample(signed, onto, outside=-1.0).array > 0)


def core_labels(pet: Volume, placement: Placement, labels: tuple[int, ...], liver_suv: float | None) -> LabelMap:
    """All cold cores of tumours in the liver, in the liver's box on the PET."""
    if placement.liver is None:
        msg = "cores are looked for in the liver's box"
        raise ValueError(msg)
    tumour = placement.lesion_voxels(labels)
    cores = cold_cores(pet.crop(placement.liver.box).array, tumour, liver_suv)
    # Voxels of another lesion belong to that lesion and are not a core of this tumour.
    cores &= ~placement.lesion_voxels(tuple(placement.lesions))
    return LabelMap(cores.astype(np.uint8), placement.liver.geometry)


def _factors(
    segmentations: Segmentations, labels: tuple[int, ...], cores: LabelMap, grid_mm: float
) -> BurdenFactors | None:
    if segmentations.liver is None or segmentations.lesions is None:
        return None
    whole = own_labels(segmentations.liver.labels)
    if whole is None:
        return None
    borders = Borders(segmentations.lesions.border_uncertainty_mm, segmentations.liver.border_uncertainty_mm)
    moved = whole.placed(
        whole.geometry.moved(shift_between(segmentations.liver.drawn_on, "pet", segmentations.mismatch))
    )
    margin_mm = borders.lesion_mm + borders.liver_mm + 3 * grid_mm
    grid = _around(moved.geometry, np.full(3, grid_mm), margin_mm)
    layer = segmentations.lesions
    every = own = None if layer.labels.used is None else layer.labels.crop(layer.labels.used)
    if own is not None:
        wanted = np.zeros(max(int(own.array.max()), *labels, 1) + 1, dtype=np.uint8)
        wanted[list(labels)] = 1
        every = LabelMap(wanted[own.array], own.geometry)
    chosen = None if every is None else own_labels(every)
    tumour = _on_grid(cores, grid) if cores.mask.any() else np.zeros(grid.shape, dtype=bool)
    if chosen is not None:
        shift = shift_between(layer.drawn_on, "pet", segmentations.mismatch)
        tumour = tumour | _on_grid(chosen.placed(chosen.geometry.moved(shift)), grid)
    return border_factors(tumour, whole.once(_moved_on_grid, moved.geometry, grid), grid_mm, borders)


def _moved_on_grid(labels: LabelMap, geometry: Geometry, onto: Geometry) -> BoolArray:
    """A binary map, laid elsewhere, on an isotropic grid."""
    return _on_grid(labels.placed(geometry), onto)


def _scaled(factors: BurdenFactors, tumour_ml: float, lesion_mm: float) -> BurdenFactors:
    """The factors; tumour too small for the grid is treated as a sphere whose border moves."""
    if math.isfinite(factors.tumour_high):
        return factors
    step = lesion_mm / sphere_radius_mm(tumour_ml)
    return replace(factors, tumour_low=max(1.0 - step, 0.0) ** 3, tumour_high=(1.0 + step) ** 3)


def measure_burden(
    pet: Volume,
    segmentations: Segmentations,
    placement: Placement,
    lesions: tuple[Lesion, ...],
    normal: Reference,
    config: BurdenConfig,
) -> Burden:
    """Tumour in the liver over the liver, with its interval; without a liver or lesions, why there is none.

    ``fraction`` is ``tumour_ml / liver_ml`` exactly. Lesions that lie outside the liver, that cannot be placed,
    or that a reader marked as no lesion, are left out; the part that the first have inside it enters ``high``.
    """
    liver, layer = segmentations.liver, segmentations.lesions
    if liver is None or placement.liver is None or not placement.liver.part.any():
        why = segmentations.reasons.get("liver")
        return _no_burden(f"The liver was not found: {why}." if why else "There is no liver on the PET.")
    liver_ml = liver.labels.volume_ml()
    if layer is None:
        why = segmentations.reasons.get("lesions")
        return _no_burden(f"Lesions were not looked for: {why}." if why else "Lesions were not looked for.", liver_ml)
    chosen = tuple(lesion for lesion in lesions if counts_for_burden(lesion))
    unknown_ml = _unknown_ml(lesions, placement, liver_ml)
    if not chosen:
        high = min(unknown_ml / liver_ml + config.undetected_share, 1.0)
        return Burden(fraction=0.0, low=0.0, high=high, tumour_ml=0.0, liver_ml=liver_ml)
    labels = tuple(lesion.label for lesion in chosen)
    cores = core_labels(pet, placement, labels, normal.suv_mean)
    core_ml = int(np.count_nonzero(cores.mask & placement.liver.inside)) * pet.geometry.voxel_volume_ml
    tumour_ml = sum(lesion.volume_ml * (lesion.liver_share or 0.0) for lesion in chosen) + core_ml
    tumour_ml = min(tumour_ml, liver_ml)
    factors = _factors(segmentations, labels, cores, config.grid_mm)
    if factors is None:
        return _no_burden("There is no liver on the PET.")
    parenchyma_ml = liver_ml - tumour_ml
    fraction = tumour_ml / liver_ml
    factors = _scaled(factors, tumour_ml, layer.border_uncertainty_mm)
    unclear_ml = sum(x.volume_ml * (x.liver_share or 0.0) for x in chosen if not _is_clear(x, normal))
    clear = max(1.0 - unclear_ml / tumour_ml, 0.0) if tumour_ml else 0.0
    if tumour_ml:
        clear *= 1.0 - min(_hidden_ml(tumour_ml, parenchyma_ml, normal, config) / tumour_ml, 1.0)
    low = _ratio(
        tumour_ml * clear * factors.tumour_low, parenchyma_ml * factors.parenchyma_low + tumour_ml * (1.0 - clear)
    )
    left_ml = max(parenchyma_ml * factors.parenchyma_high - unknown_ml, 0.0)
    undetected_ml = config.undetected_share * left_ml
    high = _ratio(tumour_ml * factors.tumour_high + unknown_ml + undetected_ml, left_ml - undetected_ml)
    # low <= fraction <= high by construction; rounding must not break it.
    return Burden(
        fraction=fraction,
        low=min(low, fraction),
        high=max(high, fraction),
        tumour_ml=tumour_ml,
        liver_ml=liver_ml,
    )


def _hidden_ml(tumour_ml: float, parenchyma_ml: float, normal: Reference, config: BurdenConfig) -> float:
    """Normal liver in gaps between tumours that may be too narrow for the PET to show."""
    hidden_ml = config.hidden_share * tumour_ml * tumour_ml / (tumour_ml + parenchyma_ml)
    if normal.method != "none":
        return hidden_ml
    return max(hidden_ml, config.hidden_over_seen * parenchyma_ml)


def _is_clear(lesion: Lesion, normal: Reference) -> bool:
    """Whether a lesion is resolved and exceeds what noise and texture can reach; true where noise is not known."""
    if lesion.volume_ml < _RESOLVED_ML:
        return False
    if normal.peak_limit is None or normal.suv_mean is None or lesion.suv_peak is None:
        return True
    faint = lesion.suv_mean is not None and lesion.suv_mean < _FAINT_MEAN_RATIO * normal.suv_mean
    return lesion.suv_peak > normal.peak_limit * (_FAINT_PEAK_RATIO if faint else 1.0)


def _unknown_ml(lesions: tuple[Lesion, ...], placement: Placement, liver_ml: float) -> float:
    """Liver that may be tumour but is not counted: beyond the PET, or in lesions mostly outside the liver."""
    unseen_ml = liver_ml * (1.0 - placement.liver_seen)
    others = (x for x in lesions if x.in_liver is False and x.tumour)
    return unseen_ml + sum(x.volume_ml * (x.liver_share or 0.0) for x in others)


def _ratio(tumour_ml: float, parenchyma_ml: float) -> float:
    whole = tumour_ml + parenchyma_ml
    return min(tumour_ml / whole, 1.0) if whole > 0 else 0.0


def _no_burden(reason: str, liver_ml: float | None = None) -> Burden:
    return Burden(fraction=None, low=None, high=None, tumour_ml=None, liver_ml=liver_ml, reason=reason)
