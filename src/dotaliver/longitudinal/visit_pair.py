"""Two scans of one patient compared: the lesions matched, the reader's edits applied, the response read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dotaliver.config.criteria import RecistConfig
from dotaliver.errors import CourseError
from dotaliver.image.geometry import FloatArray
from dotaliver.longitudinal.assembly import ReadScans, matched_and_read, pair_of
from dotaliver.longitudinal.edits import CourseEdits
from dotaliver.longitudinal.matching import Matching, PlacedScan
from dotaliver.longitudinal.pair_rows import PairRow, pair_rows
from dotaliver.longitudinal.records import Reading
from dotaliver.longitudinal.registration import place_scans
from dotaliver.longitudinal.scans import LoadedScan

__all__ = ["VisitPair", "compare_visits"]


@dataclass(frozen=True, eq=False)
class VisitPair:
    """Two scans in time order with a reader's edits, and the response that follows.

    Every change of the edits matches the lesions and reads the response anew, by the functions that ``dotaliver
    recist`` uses; only the registration of the livers, which no edit changes, is kept.
    """

    given: tuple[LoadedScan, LoadedScan]
    """As they were loaded, the earlier first."""
    read: ReadScans
    placed: tuple[PlacedScan, ...]
    config: RecistConfig
    edits: CourseEdits
    matching: Matching
    reading: Reading

    @property
    def scans(self) -> tuple[LoadedScan, LoadedScan]:
        """Both, the earlier first, with the lesions outside the liver that are followed."""
        earlier, later = self.read.scans
        return earlier, later

    @property
    def rows(self) -> tuple[PairRow, ...]:
        """The lesions with their states."""
        return pair_rows(self.reading, self.placed, self.config)

    @property
    def liver_overlap(self) -> float:
        """Dice coefficient of the two livers after registration."""
        return self.placed[1].liver_dice

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
        pose = self.read.poses[1]
        points = np.atleast_2d(np.asarray(places_lps_mm, dtype=np.float64))
        return points if pose is None else pose.places(points)

    def to_earlier(self, places_lps_mm: npt.ArrayLike) -> FloatArray:
        """Places on the later scan as places on the earlier one, shape (n, 3), in mm."""
        pose = self.read.poses[1]
        points = np.atleast_2d(np.asarray(places_lps_mm, dtype=np.float64))
        return points if pose is None else pose.origins(points)

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
    """Register two scans, match their lesions and read the response.

    Raises
    ------
    CourseError
        Where they are not two scans of one patient on different days.
    StudyError
        Where a liver cannot be registered.
    ConfigError
        Where the edits do not fit the scans.
    """
    first, second = scans
    if first.score.study.study_instance_uid == second.score.study.study_instance_uid:
        msg = f"{second.folder.name}: the folder holds a score of the same study; choose one of another date"
        raise CourseError(msg)
    read = pair_of(scans, progress)
    progress("matching lesions")
    placed = place_scans(read.scans, read.poses)
    matching, reading = matched_and_read(read, placed, edits, config)
    given = (first, second) if first.on <= second.on else (second, first)
    return VisitPair(given, read, placed, config, edits, matching, reading)
