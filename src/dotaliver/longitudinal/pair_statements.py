"""A reader's statements on the lesions of two scans of a course, as its edits: sizes, states and roles.

Every statement is written so that it stays with the outline it was given for: a lesion that the first scan does not
show is named together with its label on the scan that first shows it: its name depends on which other lesions are new.
"""

from __future__ import annotations

from typing import Literal

from dotaliver.errors import ConfigError
from dotaliver.longitudinal.compared_scans import (
    Compared,
    ComparedScans,
    as_compared,
    labels_on,
    scan_of,
    scan_uid,
    stated_on,
    track_of,
)
from dotaliver.longitudinal.edits import CourseEdits, LesionCourseEdit, LesionOnScan, LesionStateWord, scan_index
from dotaliver.longitudinal.records import Track

__all__ = [
    "put_statement",
    "silent_on_later",
    "with_comparable",
    "with_edit",
    "with_node",
    "with_organ",
    "with_rejected",
    "with_size",
    "with_state",
    "with_target",
    "without_edit",
]

_LARGEST_MM = 1000.0


def with_size(given: Compared, lesion: str, scan: int, size_mm: float | None) -> CourseEdits:
    """The edits with a decisive diameter on a scan as the reader measured it; None: the measured one counts again.

    Raises
    ------
    ConfigError
        Where the size is not plausible, or the lesion is not on the scan.
    """
    pair = as_compared(given)
    track = track_of(pair, lesion)
    if size_mm is not None and not 0.0 <= size_mm <= _LARGEST_MM:
        msg = f"a diameter of {size_mm:g} mm is not plausible for a lesion; enter it in mm"
        raise ConfigError(msg)
    before = stated_on(pair, lesion, scan)
    state = None if before is None or size_mm is not None else before.state
    labels = () if size_mm == 0 else _kept_labels(track, before, scan)
    return put_statement(pair, lesion, scan=scan, labels=labels, state=state, size_mm=size_mm, keeps_new=True)


def with_state(given: Compared, lesion: str, state: Literal["too_small", "unequivocal_progression"]) -> CourseEdits:
    """The edits with a lesion of the later scan too small to measure, or in unequivocal progression."""
    pair = as_compared(given)
    track = track_of(pair, lesion)
    return put_statement(pair, lesion, labels=labels_on(track, pair.later), state=state, keeps_new=True)


def with_target(given: Compared, lesion: str, on: bool) -> CourseEdits:
    """The edits with a lesion as a target, or not; the others stay as they were chosen or proposed."""
    pair = as_compared(given)
    now = [found.lesion for found in pair.reading.role("target") if found.lesion != lesion]
    return pair.edits.model_copy(update={"targets": (*now, lesion) if on else tuple(now)})


def with_rejected(given: Compared, lesion: str) -> CourseEdits:
    """The edits with a lesion that only the later scan outlines, and that was already there on the earlier one.

    Raises
    ------
    ConfigError
        Where the earlier scan outlines it.
    """
    pair = as_compared(given)
    track = track_of(pair, lesion)
    if track.first != pair.later:
        msg = f"{lesion} is outlined on the earlier scan already"
        raise ConfigError(msg)
    return put_statement(pair, lesion, labels=labels_on(track, pair.later), new="rejected", keeps_size=True)


def with_node(given: Compared, lesion: str, on: bool) -> CourseEdits:
    """The edits with a lesion as a lymph node, whose short axis counts, or not."""
    pair = as_compared(given)
    before = _anchored(pair, lesion)
    return with_edit(pair.edits, before.model_copy(update={"node": on, "organ": None}))


def with_organ(given: Compared, lesion: str, organ: str | None) -> CourseEdits:
    """The edits with the organ of a lesion, in CDISC's terms (codelist LOC).

    Raises
    ------
    ConfigError
        Where it is not a term.
    """
    pair = as_compared(given)
    before = _anchored(pair, lesion)
    try:
        changed = LesionCourseEdit.model_validate({**before.model_dump(), "organ": organ, "node": None})
    except ValueError as error:
        msg = "an organ is a term of CDISC's codelist LOC, such as LUNG"
        raise ConfigError(msg) from error
    return with_edit(pair.edits, changed)


def with_comparable(given: Compared, on: bool) -> CourseEdits:
    """The edits in which the later scan's diameters count although they were measured on another modality, or not."""
    pair = as_compared(given)
    uid, known = (
        scan_uid(pair, pair.later),
        [(key.study_instance_uid, key.on.isoformat()) for key in pair.reading.scans],
    )
    others = tuple(scan for scan in pair.edits.comparable if scan_index(scan, known) != pair.later)
    return pair.edits.model_copy(update={"comparable": (*others, uid) if on else others})


# --- writing edits ---------------------------------------------------------------------------------------------------


def put_statement(  # noqa: PLR0913 -- one for each field of a statement
    pair: ComparedScans,
    lesion: str,
    *,
    edits: CourseEdits | None = None,
    scan: int | None = None,
    labels: tuple[int, ...] = (),
    state: LesionStateWord | None = None,
    merged_into: str | None = None,
    size_mm: float | None = None,
    new: Literal["confirmed", "rejected", "equivocal"] | None = None,
    keeps_size: bool = False,
    keeps_new: bool = False,
) -> CourseEdits:
    """The edits with this statement on a lesion on a scan in place of the one before."""
    known = pair.edits if edits is None else edits
    scan = pair.later if scan is None else scan
    track = next((n.track for n in pair.lesions if n.lesion == lesion), None)
    before = known.of(lesion)
    former = stated_on(pair, lesion, scan)
    if keeps_size and former is not None and former.size_mm:
        size_mm = former.size_mm
    others = tuple(on for on in before.on if scan_of(pair, on) != scan)
    if labels or state is not None or size_mm is not None:
        stated = LesionOnScan(
            scan=scan_uid(pair, scan), labels=labels, state=state, size_mm=size_mm, merged_into=merged_into
        )
        others = (*others, stated)
    if track is not None and scan != track.first and not any(scan_of(pair, on) == track.first for on in others):
        others = (*others, *_anchor(pair, lesion))
    # Whether a lesion was new when it was first seen is not asked again on later scans.
    keeps_new = keeps_new or (track is not None and track.first < pair.later)
    return with_edit(known, before.model_copy(update={"on": others, "new": before.new if keeps_new else new}))


def with_edit(edits: CourseEdits, changed: LesionCourseEdit) -> CourseEdits:
    """The edits with that of one lesion replaced; one that states nothing is left out."""
    others = tuple(edit for edit in edits.lesions if edit.lesion != changed.lesion)
    lesions = others if changed == LesionCourseEdit(lesion=changed.lesion) else (*others, changed)
    return edits.model_copy(update={"lesions": tuple(sorted(lesions, key=lambda edit: edit.lesion))})


def without_edit(edits: CourseEdits, lesion: str) -> CourseEdits:
    """The edits without what was stated on a lesion."""
    return edits.model_copy(update={"lesions": tuple(edit for edit in edits.lesions if edit.lesion != lesion)})


def silent_on_later(pair: ComparedScans, lesion: str) -> CourseEdits:
    """The edits without any statement on a lesion on the later scan: it was made of an outline that is another's."""
    before = pair.edits.of(lesion)
    on = tuple(each for each in before.on if scan_of(pair, each) != pair.later)
    return with_edit(pair.edits, before.model_copy(update={"on": on}))


def _anchored(pair: ComparedScans, lesion: str) -> LesionCourseEdit:
    """The edit of a lesion; one that the first scan does not show is tied to its label where it is first seen."""
    before = pair.edits.of(lesion)
    if stated_on(pair, lesion, track_of(pair, lesion).first) is not None:
        return before
    return before.model_copy(update={"on": (*before.on, *_anchor(pair, lesion))})


def _anchor(pair: ComparedScans, lesion: str) -> tuple[LesionOnScan, ...]:
    track = track_of(pair, lesion)
    if track.first == 0:
        return ()
    return (LesionOnScan(scan=scan_uid(pair, track.first), labels=labels_on(track, track.first)),)


def _kept_labels(track: Track, before: LesionOnScan | None, scan: int) -> tuple[int, ...]:
    """The labels that a statement on a scan names, or has to name to stay with its outline."""
    if scan == track.first > 0:
        return labels_on(track, scan)
    return () if before is None else before.labels
