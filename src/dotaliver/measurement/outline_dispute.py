"""What a disputed liver outline means for the burden and for single lesions.

Where two outlines of the liver differ by more than their borders, the burden is computed again for the second outline
as a whole, and for each disputed place alone; the interval includes all of them. In a place that the outline leaves
out, uptake above the upper limit of normal liver counts as tumour, and for the upper end so does what takes up far less
than normal liver, which is necrosis if it is liver at all. Where the outline includes a place that the second does not,
both the liver and its tumour lose it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dotaliver.image.itk import resample, resample_labels
from dotaliver.image.spheres import sphere_box
from dotaliver.image.volume import BoolArray, Volume
from dotaliver.measurement.burden import counts_for_burden
from dotaliver.measurement.cold_places import CLEARLY_COLD
from dotaliver.records.liver_audit import LiverComparison
from dotaliver.records.masks import Segmentations
from dotaliver.records.measurements import Burden, Lesion, Reference
from dotaliver.records.positions import in_position_of, shift_between

__all__ = ["lesions_in_dispute", "normal_in_dispute", "with_second_outline"]

# Without an upper limit of normal liver, what takes up this much of its mean is tumour.
_TUMOUR_RATIO = 1.4
# A lesion or a sphere belongs to a disputed place with this share of it.
_MOSTLY = 0.5
# Methods by which the program places a sphere in the outline.
_PLACED = ("sphere", "small_sphere")


def with_second_outline(
    burden: Burden,
    pet: Volume,
    segmentations: Segmentations,
    lesions: tuple[Lesion, ...],
    normal: Reference,
    comparison: LiverComparison | None,
) -> Burden:
    """The burden with an interval that holds both answers where the outline is disputed; else as it is.

    Parameters
    ----------
    burden : Burden
        Of the outline.
    pet : Volume
        Uptake on its own grid.
    segmentations, lesions, normal
        Outlines, measured lesions and normal liver.
    comparison : LiverComparison or None
        The outline beside the second one.
    """
    if comparison is None or not comparison.audit.disputed or burden.fraction is None:
        return burden
    if burden.low is None or burden.high is None or not burden.liver_ml:
        return burden
    counted = {lesion.label for lesion in lesions if counts_for_burden(lesion)}
    tumour = np.isin(_lesion_labels(segmentations, comparison), sorted(counted))
    hot, cold = _unlike_normal(pet, segmentations, normal, comparison)
    outlined, regions = comparison.outlined, comparison.regions
    alternatives = [comparison.second]
    alternatives += [outlined ^ (regions == n) for n in range(1, len(comparison.audit.places) + 1)]
    # The coarse grid gives the changes; they are put on the reported volumes.
    per_voxel = burden.liver_ml / max(int(np.count_nonzero(outlined)), 1)
    lows, highs = [burden.low], [burden.high]
    for liver in alternatives:
        lost, gained = outlined & ~liver, liver & ~outlined
        liver_ml = burden.liver_ml + per_voxel * (_count(gained) - _count(lost))
        held = max(_count(tumour & outlined), 1)
        kept = 1.0 - _count(tumour & lost) / held
        sure, possible = (per_voxel * _count(gained & where) for where in (hot | tumour, hot | cold | tumour))
        for share, more_ml, ends in ((burden.low, sure, lows), (burden.high, possible, highs)):
            # What lies outside the tumour stays normal: the whole loses what is lost, the tumour its part of it.
            tumour_ml = share * burden.liver_ml * kept + more_ml
            ends.append(float(np.clip(tumour_ml / max(liver_ml, per_voxel), 0.0, 1.0)))
    return burden.model_copy(
        update={"low": min(*lows, burden.fraction), "high": max(*highs, burden.fraction)},
    )


def lesions_in_dispute(segmentations: Segmentations, comparison: LiverComparison | None) -> frozenset[int]:
    """Labels of the lesions that lie mostly where only the outline, not the second one, sees liver."""
    if comparison is None or not comparison.audit.disputed or segmentations.lesions is None:
        return frozenset()
    labels = _lesion_labels(segmentations, comparison)
    disputed = _included(comparison)
    size = int(labels.max()) + 1
    whole = np.bincount(labels.ravel(), minlength=size)
    inside = np.bincount(labels[disputed], minlength=size)
    return frozenset(int(n) for n in np.flatnonzero(inside > _MOSTLY * whole) if n)


def normal_in_dispute(normal: Reference, segmentations: Segmentations, comparison: LiverComparison | None) -> bool:
    """Whether the sphere of normal liver lies mostly where only the outline, not the second one, sees liver.

    A sphere that a reader placed rests on no outline.
    """
    if comparison is None or normal.method not in _PLACED or normal.centre_lps_mm is None or normal.diameter_mm is None:
        return False
    # The sphere is in the position of the PET.
    on_pet = comparison.geometry.moved(shift_between("ct", "pet", segmentations.mismatch))
    sphere = sphere_box(on_pet, normal.centre_lps_mm, normal.diameter_mm)
    if sphere is None:
        return False
    box, inside = sphere
    return _count(_included(comparison)[box] & inside) > _MOSTLY * _count(inside)


def _included(comparison: LiverComparison) -> BoolArray:
    """The disputed places that the outline includes and the second one does not."""
    included = [n for n, place in enumerate(comparison.audit.places, start=1) if place.kind == "included"]
    return np.isin(comparison.regions, included)


def _count(mask: BoolArray) -> int:
    return int(np.count_nonzero(mask))


def _lesion_labels(segmentations: Segmentations, comparison: LiverComparison) -> npt.NDArray[np.integer]:
    """Lesions on the grid of the comparison, in the position of the CT."""
    if segmentations.lesions is None:
        return np.zeros(comparison.outlined.shape, dtype=np.uint16)
    labels = in_position_of("ct", segmentations.lesions, segmentations.mismatch)
    return np.asarray(resample_labels(labels, comparison.geometry).array)


def _unlike_normal(
    pet: Volume, segmentations: Segmentations, normal: Reference, comparison: LiverComparison
) -> tuple[BoolArray, BoolArray]:
    """Where uptake exceeds that of normal liver (everywhere, where that is not known), and where it is far less."""
    limit, mean = normal.peak_limit, normal.suv_mean
    if limit is None and mean is not None:
        limit = _TUMOUR_RATIO * mean
    if limit is None:
        return np.ones(comparison.outlined.shape, dtype=bool), np.zeros(comparison.outlined.shape, dtype=bool)
    moved = comparison.geometry.moved(shift_between("ct", "pet", segmentations.mismatch))
    uptake = resample(pet, moved).array
    return np.asarray(uptake > limit), np.asarray(uptake < CLEARLY_COLD * (mean or 0.0))
