"""How much of the tumour volume lies in the liver, with an interval."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dotaliver.measurement.placement import Placement
from dotaliver.measurement.volume_interval import volume_interval_ml
from dotaliver.records.body_record import BodyRecord
from dotaliver.records.masks import Segmentations
from dotaliver.records.measurements import Burden, Lesion

__all__ = ["Dominance", "measure_dominance"]


@dataclass(frozen=True)
class Dominance:
    """Tumour volume in the liver and elsewhere, in ml, each with the interval that borders leave."""

    liver_ml: float
    liver_interval_ml: tuple[float, float]
    outside_ml: float
    outside_interval_ml: tuple[float, float]
    outside_lesions: int

    @property
    def share(self) -> float | None:
        """The liver's share, 0 to 1; None without tumour."""
        whole = self.liver_ml + self.outside_ml
        return self.liver_ml / whole if whole > 0 else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """From the least in the liver with the most elsewhere to the reverse."""
        if self.share is None:
            return None
        (low, high), (least, most) = self.liver_interval_ml, self.outside_interval_ml
        lower = low / (low + most) if low + most > 0 else 0.0
        upper = high / (high + least) if high + least > 0 else 1.0
        return min(lower, self.share), max(upper, self.share)


def measure_dominance(
    placement: Placement,
    segmentations: Segmentations,
    lesions: tuple[Lesion, ...],
    burden: Burden,
    body: BodyRecord | None,
) -> Dominance | None:
    """Tumour in the liver against tumour elsewhere; None where the tumour of the liver was not measured.

    Every millilitre of a lesion counts where it lies: a lesion across the liver's border with one part inside and the
    other outside, whichever part is larger. The liver's own lesions are those of the burden. Each border is moved by
    the uncertainty of the mask that it is of.
    """
    if burden.tumour_ml is None:
        return None
    inside, outside = [burden.tumour_ml] * 3, [0.0] * 3
    count = 0
    for lesion, interval in _volumes(placement, segmentations, lesions, body):
        share = lesion.liver_share or 0.0
        volumes = (lesion.volume_ml, *interval)
        count += not lesion.in_liver
        for n, volume in enumerate(volumes):
            outside[n] += volume * (1.0 - share)
            # The burden holds the inner parts of the liver's own lesions; their borders move all the same.
            inside[n] += (volume - (lesion.volume_ml if lesion.in_liver else 0.0)) * share
    return Dominance(inside[0], (max(inside[1], 0.0), inside[2]), outside[0], (max(outside[1], 0.0), outside[2]), count)


def _volumes(
    placement: Placement, segmentations: Segmentations, lesions: tuple[Lesion, ...], body: BodyRecord | None
) -> Iterator[tuple[Lesion, tuple[float, float]]]:
    """Every lesion that counts, with the interval of its volume in ml."""
    uncertainty = 0.0 if segmentations.lesions is None else segmentations.lesions.border_uncertainty_mm
    for lesion in lesions:
        if lesion.tumour and lesion.in_liver is not None:
            voxels = placement.lesions.get(lesion.label)
            whole = (lesion.volume_ml, lesion.volume_ml)
            yield lesion, whole if voxels is None else volume_interval_ml(voxels, placement.geometry, uncertainty)
    for found in () if body is None else body.confirmed:
        yield found, found.volume_interval_ml or (found.volume_ml, found.volume_ml)
