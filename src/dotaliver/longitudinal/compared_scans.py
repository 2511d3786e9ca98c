"""Two scans of a course that are looked at side by side: their lesions, and what a reader stated about these."""

from __future__ import annotations

from dataclasses import dataclass

from dotaliver.errors import ConfigError
from dotaliver.longitudinal.edits import CourseEdits, LesionOnScan, scan_index
from dotaliver.longitudinal.records import Reading, Track, TrackedLesion

__all__ = [
    "EARLIER",
    "LATER",
    "Compared",
    "ComparedScans",
    "as_compared",
    "labels_on",
    "scan_of",
    "scan_uid",
    "stated_on",
    "track_of",
]

EARLIER, LATER = 0, 1
"""The scans of a reading of two."""


@dataclass(frozen=True)
class ComparedScans:
    """Two scans of a course, which are looked at side by side.

    Parameters
    ----------
    reading : Reading
        Of the whole course.
    earlier, later : int
        The two scans, counted from 0 in time order.
    """

    reading: Reading
    earlier: int = EARLIER
    later: int = LATER

    @property
    def edits(self) -> CourseEdits:
        """What the reader decided about the course."""
        return self.reading.edits

    @property
    def lesions(self) -> tuple[TrackedLesion, ...]:
        """The lesions that the later scan, or one before it, shows."""
        return tuple(lesion for lesion in self.reading.lesions if lesion.track.first <= self.later)


Compared = Reading | ComparedScans
"""A reading of two scans, or two scans of a longer course."""


def as_compared(given: Compared) -> ComparedScans:
    """Two scans of a course; of a reading, the first two."""
    return given if isinstance(given, ComparedScans) else ComparedScans(given)


def stated_on(given: Compared, lesion: str, scan: int) -> LesionOnScan | None:
    """The statement on a lesion on one scan; None where there is none."""
    pair = as_compared(given)
    return next((on for on in pair.edits.of(lesion).on if scan_of(pair, on) == scan), None)


def track_of(pair: ComparedScans, lesion: str) -> Track:
    """A lesion through the scans.

    Raises
    ------
    ConfigError
        Where the two scans have no such lesion.
    """
    found: TrackedLesion | None = next((n for n in pair.lesions if n.lesion == lesion), None)
    if found is None:
        msg = f"there is no lesion {lesion} on these scans"
        raise ConfigError(msg)
    return found.track


def labels_on(track: Track, scan: int) -> tuple[int, ...]:
    """The labels of a lesion on a scan."""
    appearance = track.on(scan)
    return () if appearance is None else appearance.labels


def scan_uid(pair: ComparedScans, scan: int) -> str:
    """The UID of the study of a scan."""
    return pair.reading.scans[scan].study_instance_uid


def scan_of(pair: ComparedScans, on: LesionOnScan) -> int:
    """The scan that a statement is on, counted from 0."""
    return scan_index(on.scan, [(key.study_instance_uid, key.on.isoformat()) for key in pair.reading.scans])
