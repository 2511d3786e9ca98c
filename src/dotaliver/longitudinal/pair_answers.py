"""A reader's answers to the lesions of two scans of a course, as its edits: same, new, gone or unsure."""

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
from dotaliver.longitudinal.edits import CourseEdits, LesionOnScan, LesionStateWord
from dotaliver.longitudinal.pair_statements import put_statement, silent_on_later, with_edit, without_edit
from dotaliver.longitudinal.records import Track

__all__ = ["IdentityAnswer", "answer_of", "answered", "taken_back"]

IdentityAnswer = Literal["same", "new", "gone", "unsure"]
_ANSWER_OF_STATE: dict[LesionStateWord, IdentityAnswer] = {
    "absent": "gone",
    "not_evaluated": "unsure",
    "merged": "same",
    "present": "same",
    "too_small": "same",
    "unequivocal_progression": "same",
}


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
    pair = as_compared(given)
    track = track_of(pair, lesion)
    if answer == "same":
        return _same(pair, track, partner)
    if answer == "new":
        return _new(pair, track)
    if answer == "gone":
        return _gone(pair, track)
    if track.first == pair.later:
        return put_statement(pair, lesion, labels=labels_on(track, pair.later), new="equivocal")
    return put_statement(pair, lesion, labels=labels_on(track, pair.later), state="not_evaluated")


def taken_back(given: Compared, lesion: str) -> CourseEdits:
    """The edits without the answer to a lesion; stated sizes stay.

    A lesion that only the later scan shows keeps its outline as a lesion of its own at first, without an answer; taken
    back again, it is matched anew.
    """
    pair = as_compared(given)
    before, on = pair.edits.of(lesion), stated_on(pair, lesion, pair.later)
    others = tuple(each for each in before.on if scan_of(pair, each) != pair.later)
    size_mm = None if on is None else on.size_mm or None
    track = next((n.track for n in pair.lesions if n.lesion == lesion), None)
    is_own = track is not None and track.first == pair.later and before.new is not None
    labels = on.labels if on is not None and is_own else ()
    if track is not None and track.first == pair.later and not is_own:
        return without_edit(pair.edits, lesion)
    if labels or size_mm is not None:
        others = (*others, LesionOnScan(scan=scan_uid(pair, pair.later), labels=labels, size_mm=size_mm))
    new = None if track is None or track.first == pair.later else before.new
    return with_edit(pair.edits, before.model_copy(update={"on": others, "new": new}))


def answer_of(given: Compared, lesion: str) -> IdentityAnswer | None:
    """What a reader answered about a lesion; None where nothing was."""
    pair = as_compared(given)
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


# --- same, new, gone -------------------------------------------------------------------------------------------------


def _same(pair: ComparedScans, track: Track, partner: str | None) -> CourseEdits:
    other = None if partner is None else track_of(pair, partner)
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
        return put_statement(pair, track.lesion, state="merged", merged_into=appearance.merged_into)
    if not labels_on(track, pair.later):
        msg = (
            f"{track.lesion} was not found on the later scan; choose with it the lesion of the later scan that it is, "
            "or state that it is gone, too small, or not to be decided"
        )
        raise ConfigError(msg)
    return put_statement(pair, track.lesion, labels=labels_on(track, pair.later), keeps_size=True)


def _joined(pair: ComparedScans, before: Track, now: Track) -> CourseEdits:
    """A lesion of the later scan is one of the earlier scan, alone or as a further part."""
    labels = tuple(dict.fromkeys((*labels_on(before, pair.later), *labels_on(now, pair.later))))
    edits = without_edit(pair.edits, now.lesion)
    return put_statement(pair, before.lesion, edits=edits, labels=labels)


def _new(pair: ComparedScans, track: Track) -> CourseEdits:
    if track.first == pair.later:
        return put_statement(pair, track.lesion, labels=labels_on(track, pair.later), new="confirmed", keeps_size=True)
    if not labels_on(track, pair.later):
        msg = f"{track.lesion} is on the earlier scan and was not found on the later one, so it cannot be new"
        raise ConfigError(msg)
    # The outline of the later scan is a lesion of its own; what became of the earlier one is asked again.
    edits = silent_on_later(pair, track.lesion)
    return put_statement(
        pair, _own_name(pair, track), edits=edits, labels=labels_on(track, pair.later), new="confirmed"
    )


def _gone(pair: ComparedScans, track: Track) -> CourseEdits:
    if track.first == pair.later:
        msg = (
            f"{track.lesion} is on the later scan, so it is not gone; an outline that is no lesion is marked so in its "
            "study"
        )
        raise ConfigError(msg)
    edits = put_statement(pair, track.lesion, state="absent")
    if not labels_on(track, pair.later):
        return edits
    # What the later scan shows there is something else, and is asked about under a name of its own.
    return put_statement(pair, _own_name(pair, track), edits=edits, labels=labels_on(track, pair.later))


def _own_name(pair: ComparedScans, track: Track) -> str:
    """The name of an outline of the later scan that is taken from a lesion; matching gives such names to none."""
    used = {edit.lesion for edit in pair.edits.lesions}
    name = f"N{labels_on(track, pair.later)[0]:02d}"
    return name if name not in used else next(f"{name}-{n}" for n in range(2, 100) if f"{name}-{n}" not in used)
