"""A reader's answers to the lesions of two scans of a course, as its edits: same, new, gone or unsure.

Every answer is written so that it stays with the outline it was given for: a lesion that the first scan does not show
is named together with its label on the scan that first shows it: its name depends on which other lesions are new.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dotaliver.errors import ConfigError
from dotaliver.longitudinal.edits import CourseEdits, LesionCourseEdit, LesionOnScan, LesionStateWord, scan_index
from dotaliver.longitudinal.records import Reading, Track, TrackedLesion

__all__ = [
    "EARLIER",
    "LATER",
    "Compared",
    "ComparedScans",
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
"""The scans of a reading of two."""
_LARGEST_MM = 1000.0
_ANSWER_OF_STATE: dict[LesionStateWord, IdentityAnswer] = {
    "absent": "gone",
    "not_evaluated": "unsure",
    "merged": "same",
    "present": "same",
    "too_small": "same",
    "unequivocal_progression": "same",
}


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


def _pair(given: Compared) -> ComparedScans:
    return given if isinstance(given, ComparedScans) else ComparedScans(given)


def answered(given: Compared, lesion: str, answer: IdentityAnswer, partner: str | None = None) -> CourseEdits:
    """The edits with one lesion answered.

    Parameters
    ----------
    given : Reading or ComparedScans
        As it is now.
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
    pair = _pair(given)
    track = _track(pair, lesion)
    if answer == "same":
        return _same(pair, track, partner)
    if answer == "new":
        return _new(pair, track)
    if answer == "gone":
        return _gone(pair, track)
    if track.first == pair.later:
        return _put(pair, lesion, labels=_labels(track, pair.later), new="equivocal")
    return _put(pair, lesion, labels=_labels(track, pair.later), state="not_evaluated")


def taken_back(given: Compared, lesion: str) -> CourseEdits:
    """The edits without the answer to a lesion; stated sizes stay.

    A lesion that only the later scan shows keeps its outline as a lesion of its own at first, without an answer; taken
    back again, it is matched anew.
    """
    pair = _pair(given)
    before, on = pair.edits.of(lesion), stated_on(pair, lesion, pair.later)
    others = tuple(each for each in before.on if _index(pair, each) != pair.later)
    size_mm = None if on is None else on.size_mm or None
    track = next((n.track for n in pair.lesions if n.lesion == lesion), None)
    is_own = track is not None and track.first == pair.later and before.new is not None
    labels = on.labels if on is not None and is_own else ()
    if track is not None and track.first == pair.later and not is_own:
        return _without(pair.edits, lesion)
    if labels or size_mm is not None:
        others = (*others, LesionOnScan(scan=_uid(pair, pair.later), labels=labels, size_mm=size_mm))
    new = None if track is None or track.first == pair.later else before.new
    return _with(pair.edits, before.model_copy(update={"on": others, "new": new}))


def answer_of(given: Compared, lesion: str) -> IdentityAnswer | None:
    """What a reader answered about a lesion; None where nothing was."""
    pair = _pair(given)
    edit = pair.edits.of(lesion)
    track = next((n.track for n in pair.lesions if n.lesion == lesion), None)
    if edit.new is not None and (track is None or track.first == pair.later):
        return {"confirmed": "new", "rejected": "same", "equivocal": "unsure"}[edit.new]  # type: ignore[return-value]
    on = stated_on(pair, lesion, pair.later)
    if on is None:
        return None
    if on.state is not None:
        return _ANSWER_OF_STATE[on.state]
    if on.size_mm == 0:
        return "gone"
    return "same" if on.labels and track is not None and track.first < pair.later else None


def stated_on(given: Compared, lesion: str, scan: int) -> LesionOnScan | None:
    """The statement on a lesion on one scan; None where there is none."""
    pair = _pair(given)
    return next((on for on in pair.edits.of(lesion).on if _index(pair, on) == scan), None)


# --- same, new, gone -------------------------------------------------------------------------------------------------


def _same(pair: ComparedScans, track: Track, partner: str | None) -> CourseEdits:
    other = None if partner is None else _track(pair, partner)
    if other is not None and [track.first, other.first].count(pair.later) != 1:
        where = "later" if track.first == pair.later else "earlier"
        msg = f"{track.lesion} and {other.lesion} are both of the {where} scan; choose one lesion of each scan"
        raise ConfigError(msg)
    if other is not None:
        return _joined(pair, *((track, other) if track.first < pair.later else (other, track)))
    appearance = track.on(pair.later)
    if track.first == pair.later:
        msg = (
            f"{track.lesion} is on the later scan only; choose with it the lesion of the earlier scan that it is, or "
            "state that it was there before"
        )
        raise ConfigError(msg)
    if appearance is not None and appearance.state == "merged":
        return _put(pair, track.lesion, state="merged", merged_into=appearance.merged_into)
    if not _labels(track, pair.later):
        msg = (
            f"{track.lesion} was not found on the later scan; choose with it the lesion of the later scan that it is, "
            "or state that it is gone, too small, or not to be decided"
        )
        raise ConfigError(msg)
    return _put(pair, track.lesion, labels=_labels(track, pair.later), keeps_size=True)


def _joined(pair: ComparedScans, before: Track, now: Track) -> CourseEdits:
    """A lesion of the later scan is one of the earlier scan, alone or as a further part."""
    labels = tuple(dict.fromkeys((*_labels(before, pair.later), *_labels(now, pair.later))))
    edits = _without(pair.edits, now.lesion)
    return _put(pair, before.lesion, edits=edits, labels=labels)


def _new(pair: ComparedScans, track: Track) -> CourseEdits:
    if track.first == pair.later:
        return _put(pair, track.lesion, labels=_labels(track, pair.later), new="confirmed", keeps_size=True)
    if not _labels(track, pair.later):
        msg = f"{track.lesion} is on the earlier scan and was not found on the later one, so it cannot be new"
        raise ConfigError(msg)
    # The outline of the later scan is a lesion of its own; what became of the earlier one is asked again.
    edits = _silent_on_later(pair, track.lesion)
    return _put(pair, _own_name(pair, track), edits=edits, labels=_labels(track, pair.later), new="confirmed")


def _gone(pair: ComparedScans, track: Track) -> CourseEdits:
    if track.first == pair.later:
        msg = (
            f"{track.lesion} is on the later scan, so it is not gone; an outline that is no lesion is marked so in its "
            "study"
        )
        raise ConfigError(msg)
    edits = _put(pair, track.lesion, state="absent")
    if not _labels(track, pair.later):
        return edits
    # What the later scan shows there is something else, and is asked about under a name of its own.
    return _put(pair, _own_name(pair, track), edits=edits, labels=_labels(track, pair.later))


# --- sizes, states and roles -----------------------------------------------------------------------------------------


def with_size(given: Compared, lesion: str, scan: int, size_mm: float | None) -> CourseEdits:
    """The edits with a decisive diameter on a scan as the reader measured it; None: the measured one counts again.

    Raises
    ------
    ConfigError
        Where the size is not plausible, or the lesion is not on the scan.
    """
    pair = _pair(given)
    track = _track(pair, lesion)
    if size_mm is not None and not 0.0 <= size_mm <= _LARGEST_MM:
        msg = f"a diameter of {size_mm:g} mm is not plausible for a lesion; enter it in mm"
        raise ConfigError(msg)
    before = stated_on(pair, lesion, scan)
    state = None if before is None or size_mm is not None else before.state
    labels = () if size_mm == 0 else _kept_labels(track, before, scan)
    return _put(pair, lesion, scan=scan, labels=labels, state=state, size_mm=size_mm, keeps_new=True)


def with_state(given: Compared, lesion: str, state: Literal["too_small", "unequivocal_progression"]) -> CourseEdits:
    """The edits with a lesion of the later scan too small to measure, or in unequivocal progression."""
    pair = _pair(given)
    track = _track(pair, lesion)
    return _put(pair, lesion, labels=_labels(track, pair.later), state=state, keeps_new=True)


def with_target(given: Compared, lesion: str, on: bool) -> CourseEdits:
    """The edits with a lesion as a target, or not; the others stay as they were chosen or proposed."""
    pair = _pair(given)
    now = [found.lesion for found in pair.reading.role("target") if found.lesion != lesion]
    return pair.edits.model_copy(update={"targets": (*now, lesion) if on else tuple(now)})


def with_rejected(given: Compared, lesion: str) -> CourseEdits:
    """The edits with a lesion that only the later scan outlines, and that was already there on the earlier one.

    Raises
    ------
    ConfigError
        Where the earlier scan outlines it.
    """
    pair = _pair(given)
    track = _track(pair, lesion)
    if track.first != pair.later:
        msg = f"{lesion} is outlined on the earlier scan already"
        raise ConfigError(msg)
    return _put(pair, lesion, labels=_labels(track, pair.later), new="rejected", keeps_size=True)


def with_node(given: Compared, lesion: str, on: bool) -> CourseEdits:
    """The edits with a lesion as a lymph node, whose short axis counts, or not."""
    pair = _pair(given)
    before = _anchored(pair, lesion)
    return _with(pair.edits, before.model_copy(update={"node": on, "organ": None}))


def with_organ(given: Compared, lesion: str, organ: str | None) -> CourseEdits:
    """The edits with the organ of a lesion, in CDISC's terms (codelist LOC).

    Raises
    ------
    ConfigError
        Where it is not a term.
    """
    pair = _pair(given)
    before = _anchored(pair, lesion)
    try:
        changed = LesionCourseEdit.model_validate({**before.model_dump(), "organ": organ, "node": None})
    except ValueError as error:
        msg = "an organ is a term of CDISC's codelist LOC, such as LUNG"
        raise ConfigError(msg) from error
    return _with(pair.edits, changed)


def with_comparable(given: Compared, on: bool) -> CourseEdits:
    """The edits in which the later scan's diameters count although they were measured on another modality, or not."""
    pair = _pair(given)
    uid, known = _uid(pair, pair.later), [(key.study_instance_uid, key.on.isoformat()) for key in pair.reading.scans]
    others = tuple(scan for scan in pair.edits.comparable if scan_index(scan, known) != pair.later)
    return pair.edits.model_copy(update={"comparable": (*others, uid) if on else others})


# --- writing edits ---------------------------------------------------------------------------------------------------


def _put(  # noqa: PLR0913 -- one for each field of a statement
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
    others = tuple(on for on in before.on if _index(pair, on) != scan)
    if labels or state is not None or size_mm is not None:
        stated = LesionOnScan(
            scan=_uid(pair, scan), labels=labels, state=state, size_mm=size_mm, merged_into=merged_into
        )
        others = (*others, stated)
    if track is not None and scan != track.first and not any(_index(pair, on) == track.first for on in others):
        others = (*others, *_anchor(pair, lesion))
    # Whether a lesion was new when it was first seen is not asked again on later scans.
    keeps_new = keeps_new or (track is not None and track.first < pair.later)
    return _with(known, before.model_copy(update={"on": others, "new": before.new if keeps_new else new}))


def _with(edits: CourseEdits, changed: LesionCourseEdit) -> CourseEdits:
    others = tuple(edit for edit in edits.lesions if edit.lesion != changed.lesion)
    lesions = others if changed == LesionCourseEdit(lesion=changed.lesion) else (*others, changed)
    return edits.model_copy(update={"lesions": tuple(sorted(lesions, key=lambda edit: edit.lesion))})


def _without(edits: CourseEdits, lesion: str) -> CourseEdits:
    return edits.model_copy(update={"lesions": tuple(edit for edit in edits.lesions if edit.lesion != lesion)})


def _silent_on_later(pair: ComparedScans, lesion: str) -> CourseEdits:
    """The edits without any statement on a lesion on the later scan: it was made of an outline that is another's."""
    before = pair.edits.of(lesion)
    on = tuple(each for each in before.on if _index(pair, each) != pair.later)
    return _with(pair.edits, before.model_copy(update={"on": on}))


def _anchored(pair: ComparedScans, lesion: str) -> LesionCourseEdit:
    """The edit of a lesion; one that the first scan does not show is tied to its label where it is first seen."""
    before = pair.edits.of(lesion)
    if stated_on(pair, lesion, _track(pair, lesion).first) is not None:
        return before
    return before.model_copy(update={"on": (*before.on, *_anchor(pair, lesion))})


def _anchor(pair: ComparedScans, lesion: str) -> tuple[LesionOnScan, ...]:
    track = _track(pair, lesion)
    if track.first == 0:
        return ()
    return (LesionOnScan(scan=_uid(pair, track.first), labels=_labels(track, track.first)),)


def _kept_labels(track: Track, before: LesionOnScan | None, scan: int) -> tuple[int, ...]:
    """The labels that a statement on a scan names, or has to name to stay with its outline."""
    if scan == track.first > 0:
        return _labels(track, scan)
    return () if before is None else before.labels


def _labels(track: Track, scan: int) -> tuple[int, ...]:
    """The labels of a lesion on a scan."""
    appearance = track.on(scan)
    return () if appearance is None else appearance.labels


def _track(pair: ComparedScans, lesion: str) -> Track:
    found: TrackedLesion | None = next((n for n in pair.lesions if n.lesion == lesion), None)
    if found is None:
        msg = f"there is no lesion {lesion} on these scans"
        raise ConfigError(msg)
    return found.track


def _own_name(pair: ComparedScans, track: Track) -> str:
    """The name of an outline of the later scan that is taken from a lesion; matching gives such names to none."""
    used = {edit.lesion for edit in pair.edits.lesions}
    name = f"N{_labels(track, pair.later)[0]:02d}"
    return name if name not in used else next(f"{name}-{n}" for n in range(2, 100) if f"{name}-{n}" not in used)


def _uid(pair: ComparedScans, scan: int) -> str:
    return pair.reading.scans[scan].study_instance_uid


def _index(pair: ComparedScans, on: LesionOnScan) -> int:
    return scan_index(on.scan, [(key.study_instance_uid, key.on.isoformat()) for key in pair.reading.scans])
