"""A reader's answers to the lesions of two scans, as edits of the course: same, new, gone or unsure, and what follows.

Every answer is written so that it stays with the outline it was given for: a lesion that only the later scan shows is
named together with its label there, because its name depends on which other lesions are new.
"""

from __future__ import annotations

from typing import Literal

from dotaliver.errors import ConfigError
from dotaliver.longitudinal.edits import CourseEdits, LesionCourseEdit, LesionOnScan, LesionStateWord, scan_index
from dotaliver.longitudinal.records import Reading, Track, TrackedLesion

__all__ = [
    "EARLIER",
    "LATER",
    "IdentityAnswer",
    "answer_of",
    "answered",
    "stated_on",
    "taken_back",
    "with_comparable",
    "with_node",
    "with_organ",
    "with_rejected",
    "with_size",
    "with_state",
    "with_target",
]

IdentityAnswer = Literal["same", "new", "gone", "unsure"]
EARLIER, LATER = 0, 1
_LARGEST_MM = 1000.0
_ANSWER_OF_STATE: dict[LesionStateWord, IdentityAnswer] = {
    "absent": "gone",
    "not_evaluated": "unsure",
    "merged": "same",
    "present": "same",
    "too_small": "same",
    "unequivocal_progression": "same",
}


def answered(reading: Reading, lesion: str, answer: IdentityAnswer, partner: str | None = None) -> CourseEdits:
    """The edits with one lesion answered.

    Parameters
    ----------
    reading : Reading
        Of two scans, as it is now.
    lesion : str
        The lesion that is answered.
    answer : {'same', 'new', 'gone', 'unsure'}
        Whether the lesion of the earlier scan is that of the later one; seen on the later scan only; gone there; or
        not to be decided on these scans.
    partner : str, optional
        With 'same', where the lesion is on one of the scans only: the lesion of the other scan that it is.

    Raises
    ------
    ConfigError
        Where the answer does not fit where the lesion is seen.
    """
    track = _track(reading, lesion)
    if answer == "same":
        return _same(reading, track, partner)
    if answer == "new":
        return _new(reading, track)
    if answer == "gone":
        return _gone(reading, track)
    if track.first == LATER:
        return _put(reading, lesion, labels=_labels(track), new="equivocal")
    return _put(reading, lesion, labels=_labels(track), state="not_evaluated")


def taken_back(reading: Reading, lesion: str) -> CourseEdits:
    """The edits without the answer to a lesion; stated sizes stay.

    A lesion that only the later scan shows keeps its outline as a lesion of its own at first, without an answer; taken
    back again, it is matched anew.
    """
    before, on = reading.edits.of(lesion), stated_on(reading, lesion, LATER)
    others = tuple(each for each in before.on if _index(reading, each) != LATER)
    size_mm = None if on is None else on.size_mm or None
    track = next((n.track for n in reading.lesions if n.lesion == lesion), None)
    is_own = track is not None and track.first == LATER and before.new is not None
    labels = on.labels if on is not None and is_own else ()
    if track is not None and track.first == LATER and not is_own:
        return _without(reading.edits, lesion)
    if labels or size_mm is not None:
        others = (*others, LesionOnScan(scan=_uid(reading), labels=labels, size_mm=size_mm))
    return _with(reading.edits, before.model_copy(update={"on": others, "new": None}))


def answer_of(reading: Reading, lesion: str) -> IdentityAnswer | None:
    """What a reader answered about a lesion; None where nothing was."""
    edit = reading.edits.of(lesion)
    if edit.new is not None:
        return {"confirmed": "new", "rejected": "same", "equivocal": "unsure"}[edit.new]  # type: ignore[return-value]
    on = stated_on(reading, lesion, LATER)
    if on is None:
        return None
    if on.state is not None:
        return _ANSWER_OF_STATE[on.state]
    if on.size_mm == 0:
        return "gone"
    track = next((n.track for n in reading.lesions if n.lesion == lesion), None)
    return "same" if on.labels and track is not None and track.first == EARLIER else None


def stated_on(reading: Reading, lesion: str, scan: int) -> LesionOnScan | None:
    """The statement on a lesion on one scan; None where there is none."""
    return next((on for on in reading.edits.of(lesion).on if _index(reading, on) == scan), None)


# --- same, new, gone -------------------------------------------------------------------------------------------------


def _same(reading: Reading, track: Track, partner: str | None) -> CourseEdits:
    other = None if partner is None else _track(reading, partner)
    if other is not None and {track.first, other.first} != {EARLIER, LATER}:
        where = "later" if track.first == LATER else "earlier"
        msg = f"{track.lesion} and {other.lesion} are both of the {where} scan; choose one lesion of each scan"
        raise ConfigError(msg)
    if other is not None:
        return _joined(reading, *((track, other) if track.first == EARLIER else (other, track)))
    appearance = track.on(LATER)
    if track.first == LATER:
        msg = (
            f"{track.lesion} is on the later scan only; choose with it the lesion of the earlier scan that it is, or "
            "state that it was there before"
        )
        raise ConfigError(msg)
    if appearance is not None and appearance.state == "merged":
        return _put(reading, track.lesion, state="merged", merged_into=appearance.merged_into)
    if not _labels(track):
        msg = (
            f"{track.lesion} was not found on the later scan; choose with it the lesion of the later scan that it is, "
            "or state that it is gone, too small, or not to be decided"
        )
        raise ConfigError(msg)
    return _put(reading, track.lesion, labels=_labels(track), keeps_size=True)


def _joined(reading: Reading, before: Track, now: Track) -> CourseEdits:
    """A lesion of the later scan is one of the earlier scan, alone or as a further part."""
    labels = tuple(dict.fromkeys((*_labels(before), *_labels(now))))
    edits = _without(reading.edits, now.lesion)
    return _put(reading, before.lesion, edits=edits, labels=labels)


def _new(reading: Reading, track: Track) -> CourseEdits:
    if track.first == LATER:
        return _put(reading, track.lesion, labels=_labels(track), new="confirmed", keeps_size=True)
    if not _labels(track):
        msg = f"{track.lesion} is on the earlier scan and was not found on the later one, so it cannot be new"
        raise ConfigError(msg)
    # The outline of the later scan is a lesion of its own; what became of the earlier one is asked again.
    edits = _silent_on_later(reading, track.lesion)
    return _put(reading, _own_name(reading, track), edits=edits, labels=_labels(track), new="confirmed")


def _gone(reading: Reading, track: Track) -> CourseEdits:
    if track.first == LATER:
        msg = (
            f"{track.lesion} is on the later scan, so it is not gone; an outline that is no lesion is marked so in its "
            "study"
        )
        raise ConfigError(msg)
    edits = _put(reading, track.lesion, state="absent")
    if not _labels(track):
        return edits
    # What the later scan shows there is something else, and is asked about under a name of its own.
    return _put(reading, _own_name(reading, track), edits=edits, labels=_labels(track))


# --- sizes, states and roles -----------------------------------------------------------------------------------------


def with_size(reading: Reading, lesion: str, scan: int, size_mm: float | None) -> CourseEdits:
    """The edits with a decisive diameter on a scan as the reader measured it; None: the measured one counts again.

    Raises
    ------
    ConfigError
        Where the size is not plausible, or the lesion is not on the scan.
    """
    track = _track(reading, lesion)
    if size_mm is not None and not 0.0 <= size_mm <= _LARGEST_MM:
        msg = f"a diameter of {size_mm:g} mm is not plausible for a lesion; enter it in mm"
        raise ConfigError(msg)
    before = stated_on(reading, lesion, scan)
    state = None if before is None or size_mm is not None else before.state
    labels = () if size_mm == 0 else _kept_labels(track, before, scan)
    return _put(reading, lesion, scan=scan, labels=labels, state=state, size_mm=size_mm, keeps_new=True)


def with_state(reading: Reading, lesion: str, state: Literal["too_small", "unequivocal_progression"]) -> CourseEdits:
    """The edits with a lesion of the later scan too small to measure, or in unequivocal progression."""
    track = _track(reading, lesion)
    return _put(reading, lesion, labels=_labels(track), state=state, keeps_new=True)


def with_target(reading: Reading, lesion: str, on: bool) -> CourseEdits:
    """The edits with a lesion as a target, or not; the others stay as they were chosen or proposed."""
    now = [found.lesion for found in reading.role("target") if found.lesion != lesion]
    return reading.edits.model_copy(update={"targets": (*now, lesion) if on else tuple(now)})


def with_rejected(reading: Reading, lesion: str) -> CourseEdits:
    """The edits with a lesion that only the later scan outlines, and that was already there on the earlier one.

    Raises
    ------
    ConfigError
        Where the earlier scan outlines it.
    """
    track = _track(reading, lesion)
    if track.first != LATER:
        msg = f"{lesion} is outlined on the earlier scan already"
        raise ConfigError(msg)
    return _put(reading, lesion, labels=_labels(track), new="rejected", keeps_size=True)


def with_node(reading: Reading, lesion: str, on: bool) -> CourseEdits:
    """The edits with a lesion as a lymph node, whose short axis counts, or not."""
    before = _anchored(reading, lesion)
    return _with(reading.edits, before.model_copy(update={"node": on, "organ": None}))


def with_organ(reading: Reading, lesion: str, organ: str | None) -> CourseEdits:
    """The edits with the organ of a lesion, in CDISC's terms (codelist LOC).

    Raises
    ------
    ConfigError
        Where it is not a term.
    """
    before = _anchored(reading, lesion)
    try:
        changed = LesionCourseEdit.model_validate({**before.model_dump(), "organ": organ, "node": None})
    except ValueError as error:
        msg = "an organ is a term of CDISC's codelist LOC, such as LUNG"
        raise ConfigError(msg) from error
    return _with(reading.edits, changed)


def with_comparable(reading: Reading, on: bool) -> CourseEdits:
    """The edits in which the later scan's diameters count although they were measured on another modality, or not."""
    return reading.edits.model_copy(update={"comparable": (_uid(reading),) if on else ()})


# --- writing edits ---------------------------------------------------------------------------------------------------


def _put(  # noqa: PLR0913 -- one for each field of a statement
    reading: Reading,
    lesion: str,
    *,
    edits: CourseEdits | None = None,
    scan: int = LATER,
    labels: tuple[int, ...] = (),
    state: LesionStateWord | None = None,
    merged_into: str | None = None,
    size_mm: float | None = None,
    new: Literal["confirmed", "rejected", "equivocal"] | None = None,
    keeps_size: bool = False,
    keeps_new: bool = False,
) -> CourseEdits:
    """The edits with this statement on a lesion on a scan in place of the one before."""
    known = reading.edits if edits is None else edits
    before = known.of(lesion)
    former = stated_on(reading, lesion, scan)
    if keeps_size and former is not None and former.size_mm:
        size_mm = former.size_mm
    others = tuple(on for on in before.on if _index(reading, on) != scan)
    if labels or state is not None or size_mm is not None:
        stated = LesionOnScan(
            scan=_uid(reading, scan), labels=labels, state=state, size_mm=size_mm, merged_into=merged_into
        )
        others = (*others, stated)
    if scan == EARLIER and not any(_index(reading, on) == LATER for on in others):
        others = (*others, *_anchor(reading, lesion))
    return _with(known, before.model_copy(update={"on": others, "new": before.new if keeps_new else new}))


def _with(edits: CourseEdits, changed: LesionCourseEdit) -> CourseEdits:
    others = tuple(edit for edit in edits.lesions if edit.lesion != changed.lesion)
    lesions = others if changed == LesionCourseEdit(lesion=changed.lesion) else (*others, changed)
    return edits.model_copy(update={"lesions": tuple(sorted(lesions, key=lambda edit: edit.lesion))})


def _without(edits: CourseEdits, lesion: str) -> CourseEdits:
    return edits.model_copy(update={"lesions": tuple(edit for edit in edits.lesions if edit.lesion != lesion)})


def _silent_on_later(reading: Reading, lesion: str) -> CourseEdits:
    """The edits without any statement on a lesion on the later scan: it was made of an outline that is another's."""
    before = reading.edits.of(lesion)
    on = tuple(each for each in before.on if _index(reading, each) != LATER)
    return _with(reading.edits, before.model_copy(update={"on": on}))


def _anchored(reading: Reading, lesion: str) -> LesionCourseEdit:
    """The edit of a lesion; one that only the later scan shows is tied to its label there."""
    before = reading.edits.of(lesion)
    if stated_on(reading, lesion, LATER) is not None:
        return before
    return before.model_copy(update={"on": (*before.on, *_anchor(reading, lesion))})


def _anchor(reading: Reading, lesion: str) -> tuple[LesionOnScan, ...]:
    track = _track(reading, lesion)
    return () if track.first == EARLIER else (LesionOnScan(scan=_uid(reading), labels=_labels(track)),)


def _kept_labels(track: Track, before: LesionOnScan | None, scan: int) -> tuple[int, ...]:
    """The labels that a statement on a scan names, or has to name to stay with its outline."""
    if scan == LATER and track.first == LATER:
        return _labels(track)
    return () if before is None else before.labels


def _labels(track: Track) -> tuple[int, ...]:
    """The labels of a lesion on the later scan."""
    appearance = track.on(LATER)
    return () if appearance is None else appearance.labels


def _track(reading: Reading, lesion: str) -> Track:
    found: TrackedLesion | None = next((n for n in reading.lesions if n.lesion == lesion), None)
    if found is None:
        msg = f"there is no lesion {lesion} on these scans"
        raise ConfigError(msg)
    return found.track


def _own_name(reading: Reading, track: Track) -> str:
    """The name of an outline of the later scan that is taken from a lesion; matching gives such names to none."""
    used = {edit.lesion for edit in reading.edits.lesions}
    name = f"N{_labels(track)[0]:02d}"
    return name if name not in used else next(f"{name}-{n}" for n in range(2, 100) if f"{name}-{n}" not in used)


def _uid(reading: Reading, scan: int = LATER) -> str:
    return reading.scans[scan].study_instance_uid


def _index(reading: Reading, on: LesionOnScan) -> int:
    return scan_index(on.scan, [(key.study_instance_uid, key.on.isoformat()) for key in reading.scans])
