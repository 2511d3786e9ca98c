"""What a comparison of two scans is called: whose scans they are, their headings, and the lesions' names on each."""

from __future__ import annotations

from dotaliver.longitudinal.records import Reading
from dotaliver.pipeline.visits import Visit
from dotaliver.records.tracer_name import tracer_name
from napari_dotaliver.reading.visit_session import VisitSession

__all__ = [
    "colour_number",
    "days",
    "headings",
    "lesion_names",
    "link_words",
    "nadir_of",
    "role_of",
    "scan_role",
    "whose",
]

_A_COURSE = 3
"""Scans from which on two have to be chosen."""

_NAMED_BY_READER = 500
"""Colours of names such as N03 are counted from here, so that they differ from L03's."""


def headings(session: VisitSession) -> tuple[str, str]:
    """What stands above each scan; in a blinded reading no date."""
    visits = session.visits
    if session.case is not None:
        first, second = (_number_in_case(session, side) for side in (0, 1))
        return f"Earlier scan{first}", f"Later scan{second}"
    between = (visits.later.on - visits.earlier.on).days
    first, second = (f" · {words}" if (words := role_of(session, side)) else "" for side in (0, 1))
    return f"Earlier · {visits.earlier.on}{first}", f"Later · {visits.later.on}{second} ({between} days later)"


def role_of(session: VisitSession, side: int) -> str:
    """What the scan on one side is to the response of a course of more than two scans."""
    if session.pair is None or len(session.pair.given) < _A_COURSE:
        return ""
    return scan_role(session.pair.reading, session.pair.shown[side])


def _number_in_case(session: VisitSession, side: int) -> str:
    """Which scan of a blinded course is on one side, such as `` 2 · nadir``; nothing where there are only two."""
    if session.pair is None or len(session.pair.given) < _A_COURSE:
        return ""
    role = role_of(session, side)
    return f" {session.pair.shown[side] + 1}{f' · {role}' if role else ''}"


def scan_role(reading: Reading, scan: int) -> str:
    """Baseline, nadir or current; nothing for another scan."""
    if scan == reading.baseline:
        return "baseline"
    return "nadir" if scan == nadir_of(reading) else "current" if scan == len(reading.scans) - 1 else ""


def nadir_of(reading: Reading) -> int | None:
    """The scan with the smallest sum of diameters before the last one; None where no sum is known."""
    last = len(reading.scans) - 1
    sums = [
        (point.targets.sum_mm, point.scan)
        for point in reading.time_points
        if point.targets.sum_mm is not None and point.scan < last
    ]
    return min(sums)[1] if sums else None


def days(session: VisitSession) -> tuple[str, str]:
    """How the columns of the two scans are headed."""
    if session.case is not None:
        return "Earlier", "Later"
    earlier, later = session.visits.both
    return str(earlier.on), str(later.on)


def whose(session: VisitSession) -> str:
    """Patient and tracer; in a blinded reading the case code alone."""
    if session.case is not None:
        return f"Case {session.case}"
    known = [visit.volumes.patient_id for visit in session.visits.both]
    patient = next((each for each in known if each), None)
    return " · ".join((f"ID {patient}" if patient else "no patient ID", _tracers(session.visits.both)))


def link_words(session: VisitSession) -> str:
    """How well the livers fit, or why the scans are not linked."""
    pair = session.pair
    if pair is None:
        why = session.visits.why_not_compared or "the scans cannot be compared"
        return f"{why[:1].upper()}{why[1:]}. The scans are shown, but not linked and not compared."
    overlap = f"{100 * pair.liver_overlap:.0f} %"
    return pair.why_not_linked or f"Linked by the livers, which overlap by {overlap} after registration."


def _tracers(visits: tuple[Visit, Visit]) -> str:
    found = [visit.volumes.acquisition.tracer for visit in visits]
    words = [tracer_name(each) if each else "tracer unknown" for each in found]
    return words[0] if words[0] == words[1] else f"{words[0]}, then {words[1]}"


def lesion_names(session: VisitSession, scan: int) -> dict[int, str]:
    """The name of each label of a scan: as it is followed, else its number."""
    if session.pair is None:
        lesions = session.visits.both[scan].lesions
        return {} if lesions is None else {label: str(label) for label in lesions.labels}
    found = {}
    for track in session.pair.matching.tracks:
        appearance = track.on(session.scan_of(scan))
        for label in () if appearance is None else appearance.labels:
            found[label] = track.lesion
    return found


def colour_number(name: str) -> int:
    """The number whose colour a name has."""
    digits = int("".join(each for each in name if each.isdigit()) or 0)
    return digits if name.startswith("L") or name.isdigit() else _NAMED_BY_READER + digits
