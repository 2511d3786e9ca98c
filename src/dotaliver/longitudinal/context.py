"""What every step of reading a course looks at: the scans, the followed lesions, and the part that each plays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dotaliver.config.criteria import RecistConfig
from dotaliver.longitudinal.edits import CourseEdits
from dotaliver.longitudinal.followed import FollowedLesion
from dotaliver.longitudinal.matching import Matching
from dotaliver.longitudinal.records import Evaluator, LesionRole, ScanKey, TrialKeys
from dotaliver.longitudinal.selection import Selection
from dotaliver.longitudinal.target_sizes import TargetSize, resolve_merged
from dotaliver.records.score import StudyScore

__all__ = ["CourseContext", "CourseInput", "measurable_mm", "modality_change", "sizes_together"]


@dataclass(frozen=True)
class CourseInput:
    """One evaluator's scans of a patient, in time order, with every lesion's identity."""

    evaluator: Evaluator
    keys: tuple[ScanKey, ...]
    scores: tuple[StudyScore, ...]
    matching: Matching
    trial: TrialKeys | None
    edits: CourseEdits


@dataclass(frozen=True)
class CourseContext:
    """What every step of a reading looks at; lesions that are no tumour are not among them."""

    given: CourseInput
    lesions: tuple[FollowedLesion, ...]
    baseline: int
    selection: Selection
    config: RecistConfig
    comparable: frozenset[int] = frozenset()
    """Scans whose diameters the reader lets count although their modality differs from that at baseline."""

    @property
    def targets(self) -> list[FollowedLesion]:
        """The targets, in the order in which they were chosen."""
        by_name = {lesion.lesion: lesion for lesion in self.lesions}
        return [by_name[name] for name in self.selection.targets]

    def role(self, lesion: FollowedLesion) -> LesionRole:
        """The part that a lesion plays in the response.

        A lesion that was not there at baseline and is seen later is new, whether or not a scan before baseline
        showed it.
        """
        if lesion.lesion in self.selection.targets:
            return "target"
        if lesion.present_on(self.baseline):
            return "non_target"
        if lesion.track.first <= self.baseline and lesion.first_seen_after(self.baseline) is None:
            return "earlier"
        return "non_target" if lesion.edit.new == "rejected" else "new"

    def identified_on(self, lesion: FollowedLesion) -> int | None:
        """The scan from which the response counts a lesion; None where it never does."""
        if lesion.present_on(self.baseline):
            return self.baseline
        return lesion.first_seen_after(self.baseline)


def sizes_together(
    counted: Sequence[FollowedLesion],
    lesions: Sequence[FollowedLesion],
    scan: int,
    config: RecistConfig,
    *,
    against: int,
    comparable: frozenset[int] = frozenset(),
) -> tuple[TargetSize, ...]:
    """Sizes of the lesions that one sum counts, for comparison with an earlier scan.

    A merged lesion is 0 only where the sum includes the diameter that contains it. A diameter that contains a lesion
    outside the sum, which it did not contain on the earlier scan, is not a measurement of its own lesion. A diameter on
    another modality than on the earlier scan is none until the reader lets it count (RECIST 1.1: the same method at
    every visit).
    """
    names = {lesion.lesion for lesion in counted}
    sizes = []
    for lesion in counted:
        size = lesion.size(scan, config)
        name = lesion.lesion
        inside = [n for n in lesions if n.merged_into(scan) == name and n.merged_into(against) != name]
        strange = [n.lesion for n in inside if n.lesion not in names or n.node != lesion.node]
        if size.status == "measured" and strange and not lesion.is_stated(scan):
            reason = f"its diameter includes {' and '.join(strange)}, not part of the sum; a reader must state its size"
            size = lesion.missing(reason)
        change = modality_change(lesion, against, scan)
        if size.status == "measured" and change is not None and not comparable & {scan, against}:
            size = lesion.missing(f"it is measured on {change[1]} and was measured on {change[0]}")
        sizes.append(size)
    return resolve_merged(sizes, config)


def modality_change(lesion: FollowedLesion, before: int, now: int) -> tuple[str, str] | None:
    """The modalities of a lesion's diameters on two scans where they differ; None where they agree or are not known.

    A size that the reader states for the course has no modality: the reader chose to compare it.
    """
    if lesion.is_stated(before) or lesion.is_stated(now):
        return None
    there, here = lesion.modalities(before), lesion.modalities(now)
    if not there or not here or there == here:
        return None
    return " and ".join(sorted(there)), " and ".join(sorted(here))


def measurable_mm(context: CourseContext, scan: int, *, node: bool) -> float:
    """Decisive diameter from which a lesion is measurable, slice thickness aside, in mm."""
    protocol = context.given.scores[scan].config.protocol
    return protocol.measurable_node_short_axis_mm if node else protocol.measurable_longest_diameter_mm
