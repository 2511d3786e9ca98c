"""The response report: one self-contained HTML page with the answer, its reasons, sums and lesions over time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dotaliver.config.protocol import TrialProtocol
from dotaliver.export.plots.page import SEQUENTIAL_DESIGN, reading_plots
from dotaliver.export.report.evidence import evidence_words
from dotaliver.export.report.figures import Picture
from dotaliver.export.report.tables import number
from dotaliver.export.report.template import page_template
from dotaliver.export.report.words import answer_words
from dotaliver.export.response.content import (
    AnswerCard,
    LesionCell,
    LesionRow,
    LesionStrip,
    ReadingContent,
    RouteRow,
    ScanHeading,
    TimePointRow,
    UptakeRow,
)
from dotaliver.export.response.pictures import lesion_chart, sum_chart
from dotaliver.export.response.tables import ROLE_WORDS
from dotaliver.longitudinal.records import PatientCourse, Reading, RouteEffect, TimePoint, TrackedLesion
from dotaliver.longitudinal.uptake import relative_change
from dotaliver.measurement.measurability import ON_MEASURED_IMAGE

__all__ = ["RESPONSE_WORDS", "ReadingPictures", "response_html"]

RESPONSE_WORDS = {
    "CR": "complete response",
    "PR": "partial response",
    "SD": "stable disease",
    "PD": "progressive disease",
    "NE": "not evaluable",
    "NON-CR/NON-PD": "neither complete response nor progression",
    "NED": "no evidence of disease",
}
_SEEN_AS = {"split": "split", "merged": "merged", "vanished": "not found"}
_ANALOGUE_CHANGED = (
    "The somatostatin analogue differs between these scans, or was not stated for both: uptake and its ratio to liver "
    "change without change of disease, so a rise is no sign of progression (Cherk 2018)."
)
_ROUTES = {"ia": "Intra-arterial", "iv": "Intravenous"}
_TOPIC = "Progression before entry"
# Of a protocol that does not ask about progression
_VERDICTS = {"met": "present", "indeterminate": "undecided", "not_evaluable": "not evaluable", "not_met": "not present"}


@dataclass(frozen=True, eq=False)
class ReadingPictures:
    """Thumbnails of a reading: one per lesion and scan; None where the images were not found."""

    thumbnails: Mapping[str, tuple[Picture | None, ...]]


def response_html(course: PatientCourse, pictures: tuple[ReadingPictures, ...], protocol: TrialProtocol) -> str:
    """The course as one self-contained HTML page; every text of a file or a reader is escaped.

    Parameters
    ----------
    course : PatientCourse
        What is reported.
    pictures : tuple of ReadingPictures
        One for each reading of the course.
    protocol : TrialProtocol
        The protocol that the scans were scored by: it names the criterion of progression before entry.
    """
    page = page_template("response.html.j2")
    readings = [
        _reading(course, reading, found, protocol) for reading, found in zip(course.readings, pictures, strict=True)
    ]
    subject = None if course.trial is None else course.trial.unique_subject_id
    return page.render(
        course=course,
        subject=subject,
        readings=readings,
        progression=_progression_title(protocol, short=True),
        sequential=SEQUENTIAL_DESIGN,
    )


def _progression_title(protocol: TrialProtocol, *, short: bool = False) -> str:
    """What the protocol calls progression before entry; the topic alone where it does not ask about it."""
    criterion = protocol.answered_by("INC6")
    if criterion is None or criterion.name.casefold() == criterion.topic.casefold():
        return _TOPIC if criterion is None else criterion.name
    return criterion.name if short else f"{criterion.name}: {criterion.topic[:1].lower()}{criterion.topic[1:]}"


def _reading(
    course: PatientCourse, reading: Reading, pictures: ReadingPictures, protocol: TrialProtocol
) -> ReadingContent:
    evaluator = " ".join(part for part in (reading.evaluator.role, reading.evaluator.identifier) if part)
    last = next((p for p in reversed(reading.time_points) if p.overall is not None), None)
    return ReadingContent(
        evaluator=evaluator.capitalize(),
        accepted=tuple(key.on.isoformat() for key in reading.scans if key.accepted),
        cards=tuple(_cards(reading, last, protocol)),
        questions=tuple(question.sentence for question in reading.questions),
        warnings=tuple(reading.warnings),
        sums=sum_chart(reading, course.config),
        lines=lesion_chart(reading),
        points=tuple(_point(reading, point) for point in reading.time_points),
        scans=tuple(_scan_heading(reading, n) for n in range(len(reading.scans))),
        lesions=tuple(_lesion(course, reading, lesion) for lesion in _in_order(reading)),
        strips=tuple(_strips(reading, pictures)),
        uptake=tuple(_uptake(reading, n) for n in range(len(reading.scans))),
        routes=tuple(_route(reading, effect) for effect in reading.routes),
        plots=reading_plots(course, reading),
        progression=tuple(evidence_words(*item) for item in reading.progression_before_entry.evidence.items()),
    )


def _cards(reading: Reading, last: TimePoint | None, protocol: TrialProtocol) -> list[AnswerCard]:
    cards = []
    if last is not None and last.overall is not None:
        word = last.overall.response
        cards.append(_card(f"Last scan, {reading.scans[last.scan].on}", word, last.overall.reason, word))
    for title, best in (
        ("Best overall response", reading.best),
        ("Best overall response, confirmed", reading.best_confirmed),
    ):
        cards.append(_card(title, best.response or "–", best.reason, best.response or "NE"))
    answer = reading.progression_before_entry
    style = {"met": "PD"}.get(answer.verdict, "NE")
    criterion = protocol.answered_by("INC6")
    answered = _VERDICTS[answer.verdict] if criterion is None else answer_words(criterion, answer.verdict)
    return [*cards, _card(_progression_title(protocol), answered, answer.reason, style)]


def _card(title: str, word: str, reason: str, style: str) -> AnswerCard:
    return AnswerCard(title, word, RESPONSE_WORDS.get(word, ""), reason, _style(style))


def _style(word: str) -> str:
    """The style class of an answer."""
    return word.lower().partition("/")[0]


def _scan_heading(reading: Reading, scan: int) -> ScanHeading:
    key = reading.scans[scan]
    cycle = "" if key.cycle is None else f"after {_ROUTES[key.cycle].lower()} therapy"
    role = "baseline" if scan == reading.baseline else cycle
    return ScanHeading(key.visit or f"Scan {scan + 1}", key.on.isoformat(), role)


def _percent(change: float | None) -> str:
    return "–" if change is None else f"{100 * change:+.0f} %"


def _point(reading: Reading, point: TimePoint) -> TimePointRow:
    targets = point.targets
    caveats = []
    if targets.within_noise:
        caveats.append("within inter-reader variability")
    if targets.could_be:
        caveats.append(f"a repeated measurement could give {' or '.join(targets.could_be)}")
    word = "baseline" if point.overall is None else point.overall.response
    return TimePointRow(
        scan=_scan_heading(reading, point.scan),
        sum="–" if targets.sum_mm is None else f"{targets.sum_mm:.1f}",
        baseline=_percent(targets.change_from_baseline),
        nadir=_percent(targets.change_from_nadir),
        target=targets.response or "–",
        caveats=tuple(caveats),
        non_target=point.non_targets.response or "–",
        new="–" if point.overall is None else point.new_lesion,
        overall=word,
        style=_style(word),
        reasons=tuple(_reasons(point)),
    )


def _reasons(point: TimePoint) -> list[tuple[str, str]]:
    if point.overall is None:
        return [("Targets", point.targets.reason)]
    return [
        ("Targets", point.targets.reason),
        ("Non-targets", point.non_targets.reason),
        ("New lesions", point.new_lesion_reason),
        ("Overall", point.overall.reason),
    ]


def _in_order(reading: Reading) -> list[TrackedLesion]:
    order = {"target": 0, "new": 1, "non_target": 2, "earlier": 3}
    return sorted(reading.lesions, key=lambda lesion: (order[lesion.role], lesion.lesion))


def _lesion(course: PatientCourse, reading: Reading, lesion: TrackedLesion) -> LesionRow:
    return LesionRow(
        name=lesion.lesion,
        role=ROLE_WORDS[lesion.role],
        organ=lesion.organ.lower(),
        node=lesion.node,
        why=lesion.role_reason,
        cells=tuple(_cell(course, reading, lesion, n) for n in range(len(reading.scans))),
    )


def _cell(course: PatientCourse, reading: Reading, lesion: TrackedLesion, scan: int) -> LesionCell:
    """A lesion on a scan: its size, the source of the size, and the confidence of its identity."""
    appearance = lesion.track.on(scan)
    point = next((p for p in reading.time_points if p.scan == scan), None)
    size = None if point is None else next((s for s in point.sizes if s.lesion == lesion.lesion), None)
    found = next((u for u in lesion.uptake if u.scan == scan), None)
    if appearance is None:
        return LesionCell()
    into = "" if appearance.merged_into is None else f" with {appearance.merged_into}"
    detail: list[str] = [] if appearance.state == "seen" else [f"{_SEEN_AS[appearance.state]}{into}"]
    if appearance.by == "matching" and appearance.state != "vanished" and scan > lesion.track.first:
        detail.append(f"identity {100 * appearance.confidence:.0f} % certain")
    counted = None if size is None else size.counted_mm(course.config)
    if counted is not None and size is not None:
        main = f"{counted:.1f} mm"
        detail += [size.status.replace("_", " ")] if size.status in {"absent", "too_small"} else []
    elif found is not None and found.source in ON_MEASURED_IMAGE and found.longest_mm is not None:
        main = f"{(found.short_mm if lesion.node else found.longest_mm) or 0.0:.1f} mm"
    elif found is not None and found.pet_extent_mm is not None:
        main = f"PET {found.pet_extent_mm:.0f} mm"
    else:
        main = "–"
    if size is not None and counted is None and size.reason:
        # The reason says that it was not found, too.
        detail = [size.reason] if appearance.state == "vanished" else [*detail, size.reason]
    return LesionCell(main, "; ".join(detail))


def _strips(reading: Reading, pictures: ReadingPictures) -> list[LesionStrip]:
    strips = []
    for lesion in _in_order(reading):
        found = pictures.thumbnails.get(lesion.lesion)
        if found is not None and any(found):
            strips.append(LesionStrip(lesion.lesion, ROLE_WORDS[lesion.role], found))
    return strips


def _uptake(reading: Reading, scan: int) -> UptakeRow:
    now, base = reading.uptake[scan], reading.uptake[reading.baseline]
    values = [
        (number(now.suv_peak_highest), base.suv_peak_highest, now.suv_peak_highest),
        (number(now.tumour_ml, 0), base.tumour_ml, now.tumour_ml),
        (number(now.total_uptake, 0), base.total_uptake, now.total_uptake),
        (number(None if now.burden is None else 100 * now.burden), base.burden, now.burden),
    ]
    later = scan != reading.baseline
    cells = tuple((text, _percent(relative_change(before, value)) if later else "") for text, before, value in values)
    return UptakeRow(_scan_heading(reading, scan), now.lesions, cells)


def _route(reading: Reading, effect: RouteEffect) -> RouteRow:
    return RouteRow(
        route=_ROUTES[effect.route],
        cycles=effect.cycles,
        first=_scan_heading(reading, effect.from_scan).name,
        last=_scan_heading(reading, effect.to_scan).name,
        changes=(
            _percent(effect.suv_peak_change),
            _percent(effect.tumour_ml_change),
            _percent(effect.total_uptake_change),
            _percent(effect.burden_change),
            _percent(effect.target_sum_change),
        ),
        lesions=", ".join(f"{name} {_percent(change)}" for name, change in sorted(effect.lesions.items())),
        note=_ANALOGUE_CHANGED if effect.analogue_changed else "",
    )
