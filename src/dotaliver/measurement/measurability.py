"""Which diameter decides whether a lesion is measurable, and what it must reach (RECIST 1.1, Eisenhauer 2009).

A lesion is measurable with a longest in-plane diameter of at least 10 mm on CT or MR, a node with a short axis of at
least 15 mm; either must also reach twice the larger of slice thickness and slice spacing where that exceeds 5 mm. An
extent on PET is not a RECIST diameter.
"""

from __future__ import annotations

from dotaliver.config.scoring import ScoringConfig
from dotaliver.records.measurements import DiameterSource, Lesion
from dotaliver.records.study import SeriesIdentity

__all__ = ["ON_MEASURED_IMAGE", "decisive_mm", "near_threshold", "threshold_mm"]

ON_MEASURED_IMAGE: frozenset[DiameterSource | None] = frozenset({"ct", "click", "reader"})
"""Sources of diameters that RECIST 1.1 measures; an extent on PET is not among them."""

# A spacing of 5 mm is written as 5.0000001 by some scanners.
_ROUNDING_MM = 1e-3


def threshold_mm(lesion: Lesion, image: SeriesIdentity | None, config: ScoringConfig) -> float:
    """Minimum of the decisive diameter on this CT or MR, in mm."""
    protocol = config.protocol
    node = "node" in lesion.marks
    threshold = protocol.measurable_node_short_axis_mm if node else protocol.measurable_longest_diameter_mm
    slice_mm = 0.0 if image is None else max(image.slice_thickness_mm or 0.0, image.spacing_mm[0])
    if slice_mm > protocol.thick_slice_mm + _ROUNDING_MM:
        threshold = max(threshold, protocol.thick_slice_multiple * slice_mm)
    return threshold


def decisive_mm(lesion: Lesion) -> float | None:
    """The decisive diameter in mm: the short axis of a node, else the longest diameter.

    None where only the PET shows an extent, where a node's short axis is not known, or where a program found the
    lesion on CT around uptake that merges with another organ's: it may be that organ.
    """
    if lesion.diameter_source not in ON_MEASURED_IMAGE:
        return None
    found_by_uptake = lesion.diameter_source == "ct" and lesion.pet_extent_mm is not None
    if found_by_uptake and any(flag.code == "LESION_MERGES_WITH_NEIGHBOUR" for flag in lesion.flags):
        return None
    return lesion.short_axis_mm if "node" in lesion.marks else lesion.longest_diameter_mm


def near_threshold(lesion: Lesion, image: SeriesIdentity | None, config: ScoringConfig) -> bool:
    """Whether two readers' diameters might fall on both sides of the threshold."""
    size, threshold = decisive_mm(lesion), threshold_mm(lesion, image, config)
    return size is not None and abs(size - threshold) <= config.inc4.reader_variation * threshold
