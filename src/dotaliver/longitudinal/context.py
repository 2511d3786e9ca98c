"""What every step of reading a course looks at: the scans, the followed lesions, and the part that each plays."""

from __future__ import annotations

from dataclasses import dataclass

from dotaliver.config.criteria import RecistConfig
from dotaliver.longitudinal.edits import CourseEdits
from dotaliver.longitudinal.followed import FollowedLesion
from dotaliver.longitudinal.matching import Matching
from dotaliver.longitudinal.records import Evaluator, LesionRole, ScanKey, TrialKeys
from dotaliver.longitudinal.selection import Selection
from dotaliver.records.score import StudyScore

__all__ = ["CourseContext", "CourseInput", "is_surely_new", "measurable_mm"]


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
    """What every step of a reading looks at."""

    given: CourseInput
    lesions: tuple[FollowedLesion, ...]
    baseline: int
    selection: Selection
    config: RecistConfig

    @property
    def targets(self) -> list[FollowedLesion]:
        """The targets, in the order in which they were chosen."""
        by_name = {lesion.lesion: lesion for lesion in self.lesions}
        return [by_name[name] for name in self.selection.targets]

    def role(self, lesion: FollowedLesion) -> LesionRole:
        """The part that a lesion plays in the response."""
        if lesion.lesion in self.selection.targets:
            return "target"
        if lesion.track.first > self.baseline:
            return "non_target" if lesion.edit.new == "rejected" else "new"
        # A stated size or state stands for a lesion that the baseline scan's record does not list.
        there = lesion.parts[self.baseline] or self.baseline in lesion.stated
        appearance = lesion.track.on(self.baseline)
        merged = appearance is not None and appearance.state == "merged"
        return "non_target" if there or merged else "earlier"


def is_surely_new(scene: CourseContext, lesion: FollowedLesion) -> bool:
    """Whether a new lesion is unequivocal: the reader says so, or the CT shows it in measurable size, surely new."""
    if lesion.edit.new is not None:
        return lesion.edit.new == "confirmed"
    first = lesion.track.appearances[0]
    if first.by == "matching" and first.confidence < scene.config.sure:
        return False
    for scan in range(lesion.track.first, len(scene.given.keys)):
        found = lesion.uptake(scan)
        if found is None or found.source not in {"ct", "reader"}:
            continue
        size = found.short_mm if lesion.node else found.longest_mm
        protocol = scene.given.scores[scan].config.protocol
        limit = scene.config.normal_node_mm if lesion.node else protocol.measurable_longest_diameter_mm
        if size is not None and size >= limit:
            return True
    return False


def measurable_mm(scene: CourseContext, scan: int, *, node: bool) -> float:
    """What a lesion's decisive diameter must reach to be measurable, slices aside, in mm."""
    protocol = scene.given.scores[scan].config.protocol
    return protocol.measurable_node_short_axis_mm if node else protocol.measurable_longest_diameter_mm
