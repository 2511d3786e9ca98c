"""Open questions of a course for the reader, and warnings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from dotaliver.longitudinal.context import CourseContext, modality_change
from dotaliver.longitudinal.followed import FollowedLesion
from dotaliver.longitudinal.new_lesions import is_unequivocal
from dotaliver.longitudinal.records import Question, TimePoint

__all__ = ["questions", "warnings_of"]

# RECIST 1.1: baseline as close as possible to the start of treatment, never more than four weeks before.
_BASELINE_DAYS = 28


def questions(context: CourseContext, about_best: str | None) -> tuple[Question, ...]:
    """Questions that the reader has not answered yet."""
    lesions = {lesion.lesion: lesion for lesion in context.lesions}
    asked: list[Question] = []
    vanished: dict[str, list[int]] = {}
    for question in context.given.matching.questions:
        lesion = lesions.get(question.lesions[0])
        if lesion is None or (question.scan in lesion.stated):
            continue
        if question.kind == "vanished" and question.scan is not None:
            vanished.setdefault(lesion.lesion, []).append(question.scan)
            continue
        if question.kind == "identity" and len(question.lesions) > 1 and lesion.edit.new is not None:
            continue
        asked.append(question)
    for name, scans in vanished.items():
        where = f"scan{'s' if len(scans) > 1 else ''} {', '.join(str(scan + 1) for scan in scans)}"
        sentence = f"{name} was not found on {where}: is it gone, too small to measure, or not evaluable?"
        asked.append(Question(kind="vanished", lesions=(name,), scan=scans[0], sentence=sentence))
    for lesion in context.lesions:
        first = context.identified_on(lesion)
        if context.role(lesion) == "new" and lesion.edit.new is None and first is not None:
            asked.append(_about_new(context, lesion, first))
    asked += _about_modalities(context)
    if about_best is not None:
        asked.append(Question(kind="best_response", lesions=(), scan=None, sentence=about_best))
    return tuple(asked)


def _about_modalities(context: CourseContext) -> list[Question]:
    """Ask whether diameters on another modality than at baseline may be compared, scan by scan."""
    asked = []
    for scan in range(context.baseline + 1, len(context.given.keys)):
        if context.comparable & {scan, context.baseline}:
            continue
        changes = {
            lesion.lesion: change
            for lesion in context.targets
            if (change := modality_change(lesion, context.baseline, scan)) is not None
        }
        if changes:
            then, now = sorted(set(changes.values()))[0]
            were = "was" if len(changes) == 1 else "were"
            sentence = (
                f"{', '.join(changes)} {were} measured on {now} on scan {scan + 1} and on {then} at baseline (scan "
                f"{context.baseline + 1}); RECIST 1.1 asks for one method. Do the diameters count? State the scan "
                "under 'comparable', or give sizes on the baseline's modality; until then they are not compared."
            )
            asked.append(Question(kind="modality", lesions=tuple(changes), scan=scan, sentence=sentence))
    return asked


def _about_new(context: CourseContext, lesion: FollowedLesion, scan: int) -> Question:
    """Ask whether a lesion that was not seen at baseline is new: to confirm it, or to decide it."""
    name, known_before = lesion.lesion, lesion.track.first < context.baseline
    if known_before:
        sentence = (
            f"{name} was seen before baseline, not on the baseline scan {context.baseline + 1}, and again on scan "
            f"{scan + 1}: "
        )
        if is_unequivocal(context, lesion, scan):
            sentence += "it counts as new, since CT shows it. Was it really absent at baseline?"
        else:
            sentence += "is it new since baseline, or was it present at baseline?"
    elif is_unequivocal(context, lesion, scan):
        sentence = (
            f"{name} of scan {scan + 1} counts as new, since CT shows it and no uptake was there before. Is it absent "
            "on the earlier CT too?"
        )
    else:
        sentence = (
            f"Is {name} of scan {scan + 1} a new lesion? It is equivocal until CT or MRI shows it unequivocally or the "
            "reader confirms it."
        )
    return Question(kind="new_lesion", lesions=(name,), scan=scan, sentence=sentence)


def warnings_of(context: CourseContext, points: Sequence[TimePoint]) -> tuple[str, ...]:
    """Limitations of the course that a reader should know."""
    found = []
    given = context.given
    treated: date | None = None if given.trial is None else given.trial.first_treatment
    start = given.keys[context.baseline].on
    if treated is not None and (treated - start).days > _BASELINE_DAYS:
        found.append(
            f"The baseline of {start} is {(treated - start).days} days older than the first treatment on {treated}; "
            "RECIST 1.1 allows four weeks."
        )
    if given.edits.targets is None:
        for lesion in context.lesions:
            if "target" in lesion.marks(context.baseline) and lesion.lesion not in context.selection.targets:
                reason = context.selection.reasons.get(lesion.lesion, "it is not on the baseline scan")
                found.append(f"{lesion.lesion} is marked as a target but is not one: {reason}.")
    if not context.selection.targets:
        found.append(
            "No lesion is measurable at baseline, so there is no target; responses follow from the non-targets."
        )
    later = points[1:]
    if context.selection.targets and later and all(point.targets.measured_mm == 0 for point in later):
        gone = all(size.status in {"absent", "merged"} for point in later for size in point.sizes)
        if not gone:
            found.append("The targets were never measured again after baseline, so no target response can be given.")
    measured = [score.study.measured_image for score in given.scores]
    modalities = {series.modality for series in measured if series is not None}
    if len(modalities) > 1:
        found.append(
            f"Scans were measured on {' and '.join(sorted(modalities))}: a change of modality alone changes diameters, "
            "and shows lesions that the other does not."
        )
    # A change of technique between scans changes diameters.
    spacings = {
        score.study.measured_image.spacing_mm[0] for score in given.scores if score.study.measured_image is not None
    }
    if len({round(mm, 1) for mm in spacings}) > 1:
        words = ", ".join(f"{mm:g}" for mm in sorted(spacings))
        found.append(
            f"The measured images have different slice spacings ({words} mm), which alone can change diameters."
        )
    return tuple(found)
