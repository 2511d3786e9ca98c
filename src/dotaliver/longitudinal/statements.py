"""Every statement of a reader acts, is refused, or is listed as having no effect with the reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from dotaliver.errors import ConfigError
from dotaliver.longitudinal.context import CourseContext, CourseInput, modality_change
from dotaliver.longitudinal.edits import LYMPH_NODE, LesionCourseEdit, LesionOnScan, scan_index
from dotaliver.longitudinal.followed import FollowedLesion
from dotaliver.longitudinal.records import LesionRole

__all__ = ["checked_statements", "comparable_scans", "left_out_lesions", "statements_without_effect"]


def checked_statements(given: CourseInput) -> dict[str, dict[int, LesionOnScan]]:
    """The statements on each lesion by scan.

    Raises
    ------
    ConfigError
        Where they name a lesion or scan that is not in the course, or one scan twice.
    """
    days = [(key.study_instance_uid, key.on.isoformat()) for key in given.keys]
    known = {track.lesion for track in given.matching.tracks}
    found: dict[str, dict[int, LesionOnScan]] = {}
    for edit in given.edits.lesions:
        named = [edit.lesion, *(on.merged_into for on in edit.on if on.merged_into is not None)]
        for name in named:
            if name not in known:
                there = ", ".join(sorted(known)) or "none"
                msg = f"the reader's edits name {name}, which no scan has (lesions: {there}); correct the name"
                raise ConfigError(msg)
        stated: dict[int, LesionOnScan] = {}
        for on in edit.on:
            scan = scan_index(on.scan, days)
            if scan in stated:
                msg = (
                    f"the reader's edits: {edit.lesion} has two statements on the scan of {given.keys[scan].on}; "
                    "give one per scan"
                )
                raise ConfigError(msg)
            stated[scan] = on
        found[edit.lesion] = stated
    return found


def comparable_scans(given: CourseInput) -> frozenset[int]:
    """The scans whose diameters the reader lets count on another modality.

    Raises
    ------
    ConfigError
        Where the edits name a scan that is not in the course.
    """
    days = [(key.study_instance_uid, key.on.isoformat()) for key in given.keys]
    return frozenset(scan_index(named, days) for named in given.edits.comparable)


def left_out_lesions(lesions: Sequence[FollowedLesion], edits: Sequence[LesionCourseEdit]) -> tuple[str, ...]:
    """Sentences on the lesions that take no part in the response because of their marks.

    Raises
    ------
    ConfigError
        Where a simple cyst is also marked as tumour.
    """
    named = {edit.lesion for edit in edits}
    sentences = []
    for lesion in lesions:
        if (clash := lesion.contradiction) is not None:
            msg = (
                f"{lesion.lesion} is marked as a simple cyst and as {clash} in the scans' records; keep one mark and "
                "rescore"
            )
            raise ConfigError(msg)
        if lesion.left_out is not None:
            no_effect = "; the reader's statements on it have no effect" if lesion.lesion in named else ""
            sentences.append(f"{lesion.lesion} takes no part in the response: {lesion.left_out}{no_effect}.")
    return tuple(sentences)


def statements_without_effect(context: CourseContext) -> tuple[str, ...]:
    """Refuse statements that contradict the course; list those that change nothing, with the reason.

    Raises
    ------
    ConfigError
        Where a statement contradicts the part that the lesion plays, or another statement.
    """
    by_name = {lesion.lesion: lesion for lesion in context.lesions}
    sentences: list[str] = [*_needless_comparisons(context)]
    for edit in context.given.edits.lesions:
        lesion = by_name.get(edit.lesion)
        if lesion is None:
            continue
        _check_organ(lesion)
        sentences += _about_new(context, lesion)
        for scan, stated in sorted(lesion.stated.items()):
            _check_statement(context, lesion, scan, stated, by_name)
            if (why := _without_effect(context, lesion, scan, stated)) is not None:
                sentences.append(f"The statement on {_where(context, lesion, scan)} has no effect: {why}.")
    return tuple(sentences)


def _needless_comparisons(context: CourseContext) -> Iterator[str]:
    """Scans that the reader calls comparable and that were measured as the others were."""
    scans = range(len(context.given.keys))
    for scan in sorted(context.comparable):
        pairs = ((min(scan, n), max(scan, n)) for n in scans if n != scan)
        if not any(modality_change(lesion, *pair) for pair in pairs for lesion in context.lesions):
            day = context.given.keys[scan].on
            yield f"'comparable' on the scan of {day} has no effect: no lesion changes its modality there."


def _where(context: CourseContext, lesion: FollowedLesion, scan: int) -> str:
    return f"{lesion.lesion} on the scan of {context.given.keys[scan].on}"


def _check_organ(lesion: FollowedLesion) -> None:
    if lesion.node and lesion.organ != LYMPH_NODE:
        msg = (
            f"the reader's edits: {lesion.lesion} is marked as a node and its organ is given as {lesion.organ}; leave "
            "the organ out, or state 'node': false"
        )
        raise ConfigError(msg)


def _about_new(context: CourseContext, lesion: FollowedLesion) -> Iterator[str]:
    """Whether 'new' fits where the lesion is seen."""
    new = lesion.edit.new
    if new is None:
        return
    start = context.given.keys[context.baseline].on
    there = lesion.present_on(context.baseline)
    stated = lesion.stated.get(context.baseline)
    if new != "rejected" and there:
        msg = (
            f"the reader's edits: {lesion.lesion} is on the baseline scan of {start}, so it cannot be new; take 'new' "
            "back, or state it absent there"
        )
        raise ConfigError(msg)
    if new != "rejected" and context.identified_on(lesion) is None:
        msg = (
            f"the reader's edits: {lesion.lesion} is {new} as new, but no scan after the baseline of {start} shows "
            "it; state its size or state on the scan that does"
        )
        raise ConfigError(msg)
    if new == "rejected" and stated is not None and stated.state == "absent":
        msg = (
            f"the reader's edits: {lesion.lesion} is absent on the baseline scan of {start} and rejected as new; take "
            "one of the two back"
        )
        raise ConfigError(msg)
    if new == "rejected" and there:
        yield f"'new: rejected' on {lesion.lesion} has no effect: it is on the baseline scan."
    elif new == "rejected" and context.identified_on(lesion) is None:
        yield f"'new: rejected' on {lesion.lesion} has no effect: no scan after baseline shows it."


def _check_statement(
    context: CourseContext,
    lesion: FollowedLesion,
    scan: int,
    stated: LesionOnScan,
    by_name: Mapping[str, FollowedLesion],
) -> None:
    where = f"the reader's edits: {_where(context, lesion, scan)}"
    limit = context.config.too_small_mm
    if stated.state == "too_small" and stated.size_mm is not None and stated.size_mm > limit:
        msg = (
            f"{where} is too small to measure and has {stated.size_mm:g} mm; too small is {limit:g} mm or less: give "
            "either the size alone or the state alone"
        )
        raise ConfigError(msg)
    if stated.state == "unequivocal_progression":
        _check_progression(context, lesion, scan, where)
    if stated.merged_into is not None:
        carrier = by_name.get(stated.merged_into)
        if carrier is None or carrier is lesion or not carrier.seen_on(scan):
            msg = f"{where} is merged into {stated.merged_into}, which is no other lesion of that scan; name the one"
            raise ConfigError(msg)


def _check_progression(context: CourseContext, lesion: FollowedLesion, scan: int, where: str) -> None:
    """Unequivocal progression can only be stated of a non-target after baseline."""
    role = context.role(lesion)
    mend = None
    if scan <= context.baseline:
        mend = "progression is judged after the baseline; take the state back"
    elif role == "target":
        mend = "a target progresses by its size; give 'size_mm', or list the targets without it"
    elif role != "non_target":
        mend = "it is no lesion of the baseline scan; say 'new': 'confirmed' instead"
    if mend is not None:
        msg = f"{where} cannot be in unequivocal progression: {mend}"
        raise ConfigError(msg)


def _without_effect(context: CourseContext, lesion: FollowedLesion, scan: int, stated: LesionOnScan) -> str | None:
    """Why a statement changes nothing; None where it acts."""
    if stated.labels and not _labels_act(lesion, scan, stated):
        return "the scans were matched without its labels; assemble the course again with these edits"
    if not lesion.is_stated(scan):
        return None
    changed = _changes(context, lesion, scan)
    if scan < context.baseline:
        acts = "size" in changed and _serves_inclusion_6(context, scan)
        return None if acts else "the scan precedes the baseline"
    role = context.role(lesion)
    counts = {"size"} if role == "target" else {"state"} if role == "non_target" else {"size", "state", "seen"}
    if scan == context.baseline:
        counts |= {"size", "seen"}
    if changed & counts:
        return None
    return _advice(role, stated)


def _labels_act(lesion: FollowedLesion, scan: int, stated: LesionOnScan) -> bool:
    appearance = lesion.track.on(scan)
    return appearance is not None and appearance.by == "reader" and set(appearance.labels) == set(stated.labels)


def _advice(role: LesionRole, stated: LesionOnScan) -> str:
    if role == "target" and stated.size_mm is None:
        return "a target counts by its size; give 'size_mm'"
    if role == "non_target" and stated.state is None:
        return "a non-target counts by its state; give 'state'"
    return "the images show the same"


def _changes(context: CourseContext, lesion: FollowedLesion, scan: int) -> set[str]:
    """What a statement changes of a lesion on a scan: its size, its state, or whether it is seen."""
    config = context.config
    without = replace(lesion, stated={n: on for n, on in lesion.stated.items() if n != scan})
    changed = {
        "size": lesion.size(scan, config) != without.size(scan, config),
        "state": lesion.state(scan, config) != without.state(scan, config),
        "seen": (lesion.present_on(scan), lesion.seen_on(scan)) != (without.present_on(scan), without.seen_on(scan)),
    }
    return {name for name, has_changed in changed.items() if has_changed}


def _serves_inclusion_6(context: CourseContext, scan: int) -> bool:
    trial = context.given.trial
    return trial is not None and trial.entry is not None and context.given.keys[scan].on <= trial.entry
