"""The rows of TU, TR and RS from a course."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from dotaliver.config.criteria import RecistConfig
from dotaliver.errors import CourseError
from dotaliver.export.sdtm.datasets import DOMAINS, Dataset, Row, Value, dataset_of
from dotaliver.longitudinal.best_response import BestResponse
from dotaliver.longitudinal.recist import NonTargetState, TargetSize
from dotaliver.longitudinal.records import (
    LesionRole,
    LesionUptake,
    PatientCourse,
    Reading,
    TimePoint,
    TrackedLesion,
    TrialKeys,
)

__all__ = ["TESTS", "sdtm_datasets", "study_day"]

TESTS = {
    "TUMIDENT": "Tumor Identification",
    "TUSPLIT": "Tumor Split",
    "TUMERGE": "Tumor Merged",
    "LDIAM": "Longest Diameter",
    "LPERP": "Longest Perpendicular",
    "SUMDIAM": "Sum of Diameter",
    "TUMSTATE": "Tumor State",
    "TRGRESP": "Target Response",
    "NTRGRESP": "Non-target Response",
    "NEWLPROG": "New Lesion Progression",
    "OVRLRESP": "Overall Response",
    "BESTRESP": "Best Response",
}
_GROUPS: dict[LesionRole, str] = {"target": "TARGET", "non_target": "NON-TARGET", "new": "NEW"}
_STEMS: dict[LesionRole, str] = {"target": "T", "non_target": "NT", "new": "NEW"}
_CATEGORY = "RECIST 1.1"
_METHODS = {"ct": "CT SCAN", "reader": "CT SCAN", "pet": "PET/CT SCAN", None: "PET/CT SCAN"}
_STATES: dict[NonTargetState, str] = {
    "present": "PRESENT",
    "absent": "ABSENT",
    "unequivocal_progression": "UNEQUIVOCAL PROGRESSION",
}
_TOO_SMALL = "TOO SMALL TO MEASURE"


def study_day(on: date, reference: date | None) -> int | None:
    """SDTM study day: the reference date is day 1, the day before it day -1; there is no day 0."""
    if reference is None:
        return None
    days = (on - reference).days
    return days + 1 if days >= 0 else days


@dataclass(frozen=True)
class _Writer:
    """What all rows of one reading share."""

    trial: TrialKeys
    reading: Reading
    prefix: str
    config: RecistConfig

    @property
    def names(self) -> dict[str, str]:
        """Link identifiers by lesion: T01 …, NT01 …, NEW01 … in the order of the lesions."""
        found = {}
        for role, stem in _STEMS.items():
            for number, lesion in enumerate(self.reading.role(role), start=1):
                found[lesion.lesion] = f"{self.prefix}{stem}{number:02d}"
        return found

    def group(self, scan: int) -> str:
        """What links the results of a scan to its response."""
        return f"{self.prefix}A{scan + 1}"

    def row(self, domain: str, scan: int, **values: Value) -> Row:
        """A row with identifiers, evaluator and timing; values are named without the domain's prefix."""
        key = self.reading.scans[scan]
        evaluator = self.reading.evaluator
        row: Row = {variable.name: None for variable in DOMAINS[domain][1]}
        row |= {"STUDYID": self.trial.study_id, "DOMAIN": domain, "USUBJID": self.trial.unique_subject_id}
        row |= {f"{domain}{name}": value for name, value in values.items()}
        row |= {
            f"{domain}EVAL": evaluator.role,
            f"{domain}EVALID": evaluator.identifier,
            f"{domain}ACPTFL": "Y" if key.accepted else None,
            "VISITNUM": key.visit_number,
            "VISIT": key.visit,
            f"{domain}DTC": key.on.isoformat(),
            f"{domain}DY": study_day(key.on, self.trial.first_treatment),
        }
        return row

    def last_before_treatment(self, scan: int) -> str | None:
        """Y on the baseline scan of a patient whose first treatment is known."""
        return "Y" if scan == self.reading.baseline and self.trial.first_treatment is not None else None


def sdtm_datasets(course: PatientCourse) -> tuple[Dataset, ...]:
    """TU, TR and RS of a course, all its evaluators together.

    Raises
    ------
    CourseError
        Where the course has no manifest: the keys of SDTM are not invented.
    """
    if course.trial is None:
        msg = "SDTM needs the study, site, subject and visits of the trial; give a manifest with --manifest"
        raise CourseError(msg)
    rows: dict[str, list[Row]] = {"TU": [], "TR": [], "RS": []}
    for number, reading in enumerate(course.readings, start=1):
        prefix = f"R{number}-" if len(course.readings) > 1 else ""
        writer = _Writer(course.trial, reading, prefix, course.config)
        rows["TU"] += _tumours(writer)
        rows["TR"] += _results(writer)
        rows["RS"] += _responses(writer)
    return tuple(dataset_of(domain, found) for domain, found in rows.items())


# --- TU ---------------------------------------------------------------------------------------------------------------


def _tumours(writer: _Writer) -> Iterator[Row]:
    for role in _GROUPS:
        for lesion in writer.reading.role(role):
            yield _identified(writer, lesion)
            yield from _changed(writer, lesion)


def _identified(writer: _Writer, lesion: TrackedLesion) -> Row:
    scan = max(lesion.track.first, writer.reading.baseline)
    return writer.row(
        "TU",
        scan,
        LNKID=writer.names[lesion.lesion],
        REFID=lesion.lesion,
        **_test("TUMIDENT"),
        ORRES=_GROUPS[lesion.role],
        STRESC=_GROUPS[lesion.role],
        LOC=lesion.organ,
        METHOD=_method(lesion, scan),
        LOBXFL=writer.last_before_treatment(scan),
    )


def _found(lesion: TrackedLesion, scan: int) -> LesionUptake | None:
    return next((found for found in lesion.uptake if found.scan == scan), None)


def _method(lesion: TrackedLesion, scan: int) -> str:
    found = _found(lesion, scan)
    return _METHODS[None if found is None else found.source]


def _test(code: str) -> dict[str, Value]:
    return {"TESTCD": code, "TEST": TESTS[code]}


def _changed(writer: _Writer, lesion: TrackedLesion) -> Iterator[Row]:
    """Splits (the parts as T01.1, T01.2) and merges, on the scan that first shows them."""
    name, group = writer.names[lesion.lesion], _GROUPS[lesion.role]
    common: dict[str, Value] = {"ORRES": group, "STRESC": group, "LOC": lesion.organ}
    before = "seen"
    for appearance in lesion.track.appearances:
        if appearance.scan < writer.reading.baseline:
            before = appearance.state
            continue
        method = _method(lesion, appearance.scan)
        if appearance.state == "split" and before != "split":
            for part in range(1, len(appearance.labels) + 1):
                yield writer.row(
                    "TU", appearance.scan, GRPID=name, LNKID=f"{name}.{part}", REFID=lesion.lesion,
                    **_test("TUSPLIT"), **common, METHOD=method,
                )  # fmt: skip
        if appearance.state == "merged" and before != "merged":
            into = appearance.merged_into or ""
            yield writer.row(
                "TU", appearance.scan, GRPID=writer.names.get(into, into), LNKID=name, REFID=lesion.lesion,
                **_test("TUMERGE"), **common, METHOD=method,
            )  # fmt: skip
        before = appearance.state


# --- TR ---------------------------------------------------------------------------------------------------------------


def _results(writer: _Writer) -> Iterator[Row]:
    lesions = {lesion.lesion: lesion for lesion in writer.reading.lesions}
    for point in writer.reading.time_points:
        for size in point.sizes:
            yield from _target_results(writer, point, size, lesions[size.lesion])
        if point.sizes:
            yield _sum(writer, point)
        for name, state in point.non_target_states.items():
            yield _tumour_state(writer, point.scan, lesions[name], state)
        for name in point.new_lesions:
            yield _tumour_state(writer, point.scan, lesions[name], _new_state(lesions[name], point.scan))


def _of_lesion(writer: _Writer, scan: int, lesion: TrackedLesion, code: str) -> dict[str, Value]:
    return {
        "GRPID": _GROUPS[lesion.role],
        "REFID": lesion.lesion,
        "LNKID": writer.names[lesion.lesion],
        "LNKGRP": writer.group(scan),
        **_test(code),
        "METHOD": _method(lesion, scan),
        "LOBXFL": writer.last_before_treatment(scan),
    }


def _target_results(writer: _Writer, point: TimePoint, size: TargetSize, lesion: TrackedLesion) -> Iterator[Row]:
    """The decisive diameter (of a node the one across), and the other one where both were measured."""
    decisive, other = ("LPERP", "LDIAM") if size.node else ("LDIAM", "LPERP")
    found = _found(lesion, point.scan)
    if size.status == "measured" and size.reason is None and found is not None and found.parts_mm:
        yield from _part_results(writer, point.scan, lesion, found)
        return
    yield _size_row(writer, point.scan, size, _of_lesion(writer, point.scan, lesion, decisive))
    if size.status != "measured" or size.reason is not None or found is None:
        return
    mm = found.longest_mm if size.node else found.short_mm
    if mm is not None:
        beside = TargetSize(lesion=size.lesion, size_mm=mm)
        yield _size_row(writer, point.scan, beside, _of_lesion(writer, point.scan, lesion, other))


def _part_results(writer: _Writer, scan: int, lesion: TrackedLesion, found: LesionUptake) -> Iterator[Row]:
    """The parts of a lesion that has split, each under its own link identifier."""
    for number, sizes in enumerate(found.parts_mm, start=1):
        for code, mm in zip(("LDIAM", "LPERP"), sizes, strict=True):
            if mm is not None:
                values = _of_lesion(writer, scan, lesion, code)
                values["LNKID"] = f"{values['LNKID']}.{number}"
                yield _size_row(writer, scan, TargetSize(lesion=lesion.lesion, size_mm=mm), values)


def _number(mm: float) -> str:
    """A size to a thousandth of a millimetre, without trailing zeros."""
    return f"{mm:.3f}".rstrip("0").rstrip(".")


def _size_row(writer: _Writer, scan: int, size: TargetSize, values: dict[str, Value]) -> Row:
    counted = size.counted_mm(writer.config)
    if counted is None:
        return writer.row("TR", scan, **values, STAT="NOT DONE", REASND=(size.reason or "not measured").upper()[:200])
    default = size.status == "too_small" and size.size_mm is None
    result: dict[str, Value] = {
        "ORRES": _TOO_SMALL if default else _number(counted),
        "ORRESU": None if default else "mm",
        "STRESC": _number(counted),
        "STRESN": float(_number(counted)),
        "STRESU": "mm",
    }
    return writer.row("TR", scan, **values, **result)


def _sum(writer: _Writer, point: TimePoint) -> Row:
    values: dict[str, Value] = {"GRPID": "TARGET", "LNKGRP": writer.group(point.scan), **_test("SUMDIAM")}
    total = point.targets.sum_mm
    if total is None:
        return writer.row("TR", point.scan, **values, STAT="NOT DONE", REASND="NOT ALL TARGETS WERE MEASURED")
    text = _number(total)
    return writer.row("TR", point.scan, **values, ORRES=text, ORRESU="mm", STRESC=text, STRESN=float(text), STRESU="mm")


def _new_state(lesion: TrackedLesion, scan: int) -> NonTargetState:
    appearance = lesion.track.on(scan)
    return "present" if appearance is not None and appearance.state != "vanished" else "not_evaluated"


def _tumour_state(writer: _Writer, scan: int, lesion: TrackedLesion, state: NonTargetState) -> Row:
    values = _of_lesion(writer, scan, lesion, "TUMSTATE")
    if state == "not_evaluated":
        return writer.row("TR", scan, **values, STAT="NOT DONE", REASND="NOT EVALUATED")
    return writer.row("TR", scan, **values, ORRES=_STATES[state], STRESC=_STATES[state])


# --- RS ---------------------------------------------------------------------------------------------------------------


def _responses(writer: _Writer) -> Iterator[Row]:
    """Target, non-target, new-lesion and overall response of each time point, and the best of the course."""
    for point in writer.reading.time_points:
        if point.overall is None:
            continue
        answers: list[tuple[str, str | None, str]] = [
            ("TRGRESP", point.targets.response, "SUBJECT DOES NOT HAVE TARGET TUMORS"),
            ("NTRGRESP", point.non_targets.response, "SUBJECT DOES NOT HAVE NON-TARGET TUMORS"),
        ]
        if point.new_lesion != "none":
            answers.append(("NEWLPROG", point.new_lesion.upper(), ""))
        answers.append(("OVRLRESP", point.overall.response, ""))
        for code, word, why in answers:
            yield _response(writer, point.scan, code, word, why)
    yield from _best(writer, writer.reading.best_confirmed if writer.config.confirm_responses else writer.reading.best)


def _response(writer: _Writer, scan: int, code: str, word: str | None, why: str) -> Row:
    values: dict[str, Value] = {"LNKGRP": writer.group(scan), **_test(code), "CAT": _CATEGORY}
    if word is None:
        return writer.row("RS", scan, **values, STAT="NOT DONE", REASND=why)
    return writer.row("RS", scan, **values, ORRES=word, STRESC=word)


def _best(writer: _Writer, best: BestResponse) -> Iterator[Row]:
    if best.response is None:
        return
    scan = next((n for n, key in enumerate(writer.reading.scans) if key.on == best.on), len(writer.reading.scans) - 1)
    row = _response(writer, scan, "BESTRESP", best.response, "")
    # It speaks of the course, not of a visit's measurements.
    yield row | {"RSLNKGRP": None, "VISITNUM": None, "VISIT": None}
