"""Scans of one patient compared: the lesions matched, the reader's edits applied, the response read.

A course may have more than two scans; two of them are looked at side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dotaliver.config.criteria import RecistConfig
from dotaliver.errors import CourseError
from dotaliver.image.geometry import FloatArray
from dotaliver.longitudinal.assembly import ReadScans, matched_and_read, pair_of
from dotaliver.longitudinal.compared_scans import EARLIER, LATER, ComparedScans
from dotaliver.longitudinal.edits import CourseEdits
from dotaliver.longitudinal.matching import Matching, PlacedScan
from dotaliver.longitudinal.pair_rows import PairRow, pair_rows
from dotaliver.longitudinal.records import Reading
from dotaliver.longitudinal.registration import place_scans
from dotaliver.longitudinal.scans import LoadedScan

__all__ = ["VisitPair", "compare_visits"]


@dataclass(frozen=True, eq=False)
class VisitPair:
    """The scans of a course in time order with a reader's edits, the response that follows, and two that are shown.

    Every change of the edits matches the lesions and reads the response anew, by the functions that ``dotaliver
    recist`` uses; only the registration of the livers, which no edit changes, is kept.
    """

    given: tuple[LoadedScan, ...]
    """All of them as they were loaded, the earliest first."""
    read: ReadScans
    placed: tuple[PlacedScan, ...]
    config: RecistConfig
    edits: CourseEdits
    matching: Matching
    reading: Reading
    shown: tuple[int, int] = (EARLIER, LATER)
    """Which two are shown, counted from 0 in time order."""

    @property
    def compared(self) -> ComparedScans:
        """The two that are shown, with the reading of the whole course."""
        return ComparedScans(self.reading, *self.shown)

    @property
    def scans(self) -> tuple[LoadedScan, LoadedScan]:
        """Both that are shown, the earlier first, with the lesions outside the liver that are followed."""
        earlier, later = (self.read.scans[scan] for scan in self.shown)
        return earlier, later

    @property
    def rows(self) -> tuple[PairRow, ...]:
        """The lesions with their states."""
        return pair_rows(self.compared, self.placed, self.config)

    @property
    def liver_overlap(self) -> float:
        """Dice coefficient of the two livers after registration; of a course, each with the first, the smaller one."""
        return min(self.placed[scan].liver_dice for scan in self.shown)

    @property
    def why_not_linked(self) -> str | None:
        """Why places of one scan do not show the same place on the other; None where they do."""
        if self.liver_overlap >= self.config.least_liver_dice:
            return None
        return (
            f"The livers overlap by {100 * self.liver_overlap:.0f} % after registration, under "
            f"{100 * self.config.least_liver_dice:.0f} %: the views are not linked, and no lesion is matched with "
            "certainty. Check both liver outlines."
        )

    def to_later(self, places_lps_mm: npt.ArrayLike) -> FloatArray:
        """Places on the earlier scan as places on the later one, shape (n, 3), in mm."""
        return self._through_first(places_lps_mm, *self.shown)

    def to_earlier(self, places_lps_mm: npt.ArrayLike) -> FloatArray:
        """Places on the later scan as places on the earlier one, shape (n, 3), in mm."""
        return self._through_first(places_lps_mm, *reversed(self.shown))

    def _through_first(self, places_lps_mm: npt.ArrayLike, source: int, target: int) -> FloatArray:
        """Places on one scan as places on another, by way of the first scan, onto which all livers are registered."""
        points = np.atleast_2d(np.asarray(places_lps_mm, dtype=np.float64))
        back, forth = self.read.poses[source], self.read.poses[target]
        points = points if back is None else back.origins(points)
        return points if forth is None else forth.places(points)

    def showing(self, earlier: int, later: int) -> VisitPair:
        """The same course with two other scans to be shown, the earlier first.

        Raises
        ------
        CourseError
            Where they are not two scans of it in that order.
        """
        if not 0 <= earlier < later < len(self.given):
            msg = "choose two scans of the course, the earlier one first"
            raise CourseError(msg)
        return replace(self, shown=(earlier, later))

    def with_edits(self, edits: CourseEdits) -> VisitPair:
        """The same scans with other decisions.

        Raises
        ------
        ConfigError
            Where they contradict each other, the scans or the rules.
        """
        matching, reading = matched_and_read(self.read, self.placed, edits, self.config)
        return replace(self, edits=edits, matching=matching, reading=reading)


def compare_visits(
    scans: Sequence[LoadedScan], edits: CourseEdits, config: RecistConfig, progress: Callable[[str], None]
) -> VisitPair:
    """Register the scans of one patient, match their lesions and read the response; the first and the last are shown.

    Raises
    ------
    CourseError
        Where they are not two or more scans of one patient on different days.
    StudyError
        Where a liver cannot be registered.
    ConfigError
        Where the edits do not fit the scans.
    """
    for number, scan in enumerate(scans):
        if any(scan.score.study.study_instance_uid == other.score.study.study_instance_uid for other in scans[:number]):
            msg = f"{scan.folder.name}: the folder holds a score of the same study; choose one of another date"
            raise CourseError(msg)
    read = pair_of(scans, progress)
    progress("matching lesions")
    placed = place_scans(read.scans, read.poses)
    matching, reading = matched_and_read(read, placed, edits, config)
    given = tuple(sorted(scans, key=lambda scan: scan.on))
    return VisitPair(given, read, placed, config, edits, matching, reading, (0, len(given) - 1))
