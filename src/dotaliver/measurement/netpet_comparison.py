"""Two scans that are compared: their uptake, alignment and references, and when a place takes up receptor ligand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dotaliver.config.scoring import ScoringConfig
from dotaliver.measurement.krenning import krenning_grade
from dotaliver.measurement.netpet_places import Carrier
from dotaliver.records.fdg import FdgSearch
from dotaliver.records.measurements import Reference
from dotaliver.records.netpet import Avidity
from dotaliver.records.positions import VoxelSet
from dotaliver.records.study import StudyVolumes

__all__ = ["Comparison", "ratio", "receptor_avidity"]


@dataclass(frozen=True, eq=False)
class Comparison:
    """The two scans, and what every place on them is measured against.

    Parameters
    ----------
    volumes, fdg : StudyVolumes
        The receptor scan and the FDG scan.
    search : FdgSearch
        What the FDG scan's own search found.
    carrier : Carrier
        Carries places from one scan to the other.
    references : mapping
        References of the receptor scan, by organ.
    liver : Reference
        Normal liver on the FDG scan.
    config : ScoringConfig
        Every setting.
    """

    volumes: StudyVolumes
    fdg: StudyVolumes
    search: FdgSearch
    carrier: Carrier
    references: Mapping[str, Reference]
    liver: Reference
    config: ScoringConfig

    def reach_mm(self, *, in_liver: bool) -> float:
        """How far a place may lie from where the alignment puts it."""
        return self.config.netpet.liver_reach_mm if in_liver else self.config.netpet.body_reach_mm

    def focus_voxels(self, label: int) -> VoxelSet:
        """Voxels of a focus on the FDG PET."""
        box = dict(self.search.mask.boxes())[label]
        return VoxelSet(box, np.asarray(self.search.mask.array[box] == label))


def receptor_avidity(suv_peak: float | None, context: Comparison, *, in_liver: bool) -> Avidity:
    """Receptor uptake above background: in the liver above U, elsewhere a Krenning grade of 2 to 4."""
    limit = context.references["liver"].peak_limit
    if suv_peak is None or limit is None:
        return "unknown"
    if in_liver:
        return "positive" if suv_peak > limit else "negative"
    grade = krenning_grade(suv_peak, context.references, context.config.krenning)
    if grade is None:
        return "unknown"
    return "negative" if grade in {"0", "1"} else "positive"


def ratio(value: float | None, mean: float | None) -> float | None:
    """A value over a mean; None where either is unknown or the mean is 0."""
    return None if value is None or not mean else value / mean
