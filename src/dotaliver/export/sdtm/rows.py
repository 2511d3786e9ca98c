"""The rows of TU, TR and RS from a course."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from dotaliver.config.criteria import RecistConfig
from dotaliver.errors import CourseError
from dotaliver.export.sdtm.datasets import DOMAINS, Dataset, Row, Value, dataset_of
from dotaliver.longitudinal.best_response import BestResponse
from dotaliver.longitudinal.followed import UNKNOWN_ORGAN
from dotaliver.longitudinal.recist import NonTargetState
from dotaliver.longitudinal.records import (
    Appearance,
    LesionRole,
    LesionUptake,
    PatientCourse,
    Reading,
    TimePoint,
    TrackedLesion,
    TrialKeys,
)
from dotaliver.longitudinal.target_sizes import TargetSize

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
# Codelist C85492
_PET_METHOD = "PET/CT SCAN"
_METHODS = {"CT": "CT SCAN", "MR": "MRI"}
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

    def result(self, scan: int, values: dict[str, Value], **result: Value) -> Row:
        """A row of TR with a result; the one at baseline is the last before treatment."""
        return self.row("TR", scan, **values, **result, LOBXFL=self.last_before_treatment(scan))

    def not_done(self, scan: int, values: dict[str, Value], reason: str) -> Row:
        """A row of TR without a result: no method and no flag of a last observation (SDTMIG 3.4, 4.1.5.1.2)."""
        reason = reason.upper()[:200]
        return self.row("TR", scan, **{**values, "METHOD": None}, STAT="NOT DONE", REASND=reason)

    def is_sure(self, appearance: Appearance) -> bool:
        """Whether the identity of a lesion on a scan is beyond question."""
        return appearance.by == "reader" or appearance.confidence >= self.config.sure


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
        # A response without any result of its visit has nothing to be linked to.
        groups = {row["TRLNKGRP"] for row in rows["TR"]}
        rows["RS"] += [row if row["RSLNKGRP"] in groups else row | {"RSLNKGRP": None} for row in _responses(writer)]
    return tuple(dataset_of(domain, found) for domain, found in rows.items())


# --- TU ---------------------------------------------------------------------------------------------------------------


def _tumours(writer: _Writer) -> Iterator[Row]:
    for role in _GROUPS:
        for lesion in writer.reading.role(role):
            if lesion.identified_on is not None:
                yield _identified(writer, lesion, lesion.identified_on)
                yield from _splits(writer, lesion)
                yield from _merges(writer, lesion)


def _identified(writer: _Writer, lesion: TrackedLesion, scan: int) -> Row:
    return writer.row(
        "TU",
        scan,
        LNKID=writer.names[lesion.lesion],
        REFID=lesion.lesion,
        **_test("TUMIDENT"),
        **_classified(lesion),
        METHOD=_method(writer, lesion, scan),
        LOBXFL=writer.last_before_treatment(scan),
    )


def _classified(lesion: TrackedLesion) -> dict[str, Value]:
    group = _GROUPS[lesion.role]
    # The codelist LOC has no term for an unknown place.
    return {"ORRES": group, "STRESC": group, "LOC": None if lesion.organ == UNKNOWN_ORGAN else lesion.organ}


def _found(lesion: TrackedLesion, scan: int) -> LesionUptake | None:
    return next((found for found in lesion.uptake if found.scan == scan), None)


def _method(writer: _Writer, lesion: TrackedLesion, scan: int) -> str:
    """The modality that a lesion was seen on: the measured CT or MR where it shows there, else PET/CT."""
    found = _found(lesion, scan)
    measured = found is not None and found.source in {"ct", "reader"}
    return _measuring_method(writer, scan) if measured else _PET_METHOD


def _measuring_method(writer: _Writer, scan: int) -> str:
    return _METHODS.get(writer.reading.scans[scan].measured_on or "CT", _PET_METHOD)


def _test(code: str) -> dict[str, Value]:
    return {"TESTCD": code, "TEST": TESTS[code]}


def _from_baseline(writer: _Writer, lesion: TrackedLesion) -> Iterator[Appearance]:
    """Its appearances on the scans of the response that are beyond question."""
    for appearance in lesion.track.appearances:
        if appearance.scan >= writer.reading.baseline and writer.is_sure(appearance):
            yield appearance


def _splits(writer: _Writer, lesion: TrackedLesion) -> Iterator[Row]:
    """Parts of a lesion (T01.1, T01.2), each on the scan that first shows it."""
    name, known = writer.names[lesion.lesion], 0
    for appearance in _from_baseline(writer, lesion):
        if appearance.state != "split":
            continue
        for part in range(known + 1, len(appearance.labels) + 1):
            yield writer.row(
                "TU", appearance.scan, GRPID=name, LNKID=f"{name}.{part}", REFID=lesion.lesion,
                **_test("TUSPLIT"), **_classified(lesion), METHOD=_method(writer, lesion, appearance.scan),
            )  # fmt: skip
        known = max(known, len(appearance.labels))


def _merges(writer: _Writer, lesion: TrackedLesion) -> Iterator[Row]:
    """The lesion that contains it now, on the scan that first shows it; the group is the containing lesion's."""
    before: str | None = None
    for appearance in _from_baseline(writer, lesion):
        into = appearance.merged_into if appearance.state == "merged" else None
        if into is not None and into != before:
            carrier = next((n for n in writer.reading.lesions if n.lesion == into), lesion)
            yield writer.row(
                "TU", appearance.scan, GRPID=writer.names.get(into, into), LNKID=writer.names[lesion.lesion],
                REFID=lesion.lesion, **_test("TUMERGE"), **_classified(lesion),
                METHOD=_method(writer, carrier, appearance.scan),
            )  # fmt: skip
        before = into


# --- TR ---------------------------------------------------------------------------------------------------------------


def _results(writer: _Writer) -> Iterator[Row]:
    lesions = {lesion.lesion: lesion for lesion in writer.reading.lesions}
    for point in writer.reading.time_points:
        for size in point.sizes:
            yield from _target_results(writer, point, size, lesions[size.lesion])
        if point.sizes:
            yield _sum(writer, point)
        for name, state in (point.non_target_states | point.new_lesion_states).items():
            if _is_counted(lesions[name], point.scan):
                yield _tumour_state(writer, point.scan, lesions[name], state)


def _is_counted(lesion: TrackedLesion, scan: int) -> bool:
    return lesion.identified_on is not None and lesion.identified_on <= scan


def _of_lesion(writer: _Writer, scan: int, lesion: TrackedLesion, code: str) -> dict[str, Value]:
    return {
        "GRPID": _GROUPS[lesion.role],
        "REFID": lesion.lesion,
        "LNKID": writer.names[lesion.lesion],
        "LNKGRP": writer.group(scan),
        **_test(code),
        "METHOD": _method(writer, lesion, scan),
    }


def _target_results(writer: _Writer, point: TimePoint, size: TargetSize, lesion: TrackedLesion) -> Iterator[Row]:
    """The decisive diameter (of a node the short axis), and the other one where both were measured."""
    decisive, other = ("LPERP", "LDIAM") if size.node else ("LDIAM", "LPERP")
    found = _found(lesion, point.scan)
    measured = size.status == "measured" and size.reason is None
    if measured and found is not None and found.parts_mm:
        yield from _part_results(writer, point.scan, lesion, found)
        return
    values = _of_lesion(writer, point.scan, lesion, decisive)
    if not measured:
        # What a reader states was seen on the image that diameters are measured on.
        values["METHOD"] = _measuring_method(writer, point.scan)
    yield _size_row(writer, point.scan, size, values)
    if not measured or found is None:
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
    if size.status == "merged":
        # It has no diameter of its own any more; that of the lesion that contains it is in the sum.
        into = writer.names.get(size.merged_into or "", size.merged_into)
        return writer.not_done(scan, values, f"merged with {into}")
    counted = size.counted_mm(writer.config)
    if counted is None:
        return writer.not_done(scan, values, size.reason or "not measured")
    default = size.status == "too_small" and size.size_mm is None
    return writer.result(
        scan,
        values,
        ORRES=_TOO_SMALL if default else _number(counted),
        ORRESU=None if default else "mm",
        STRESC=_number(counted),
        STRESN=float(_number(counted)),
        STRESU="mm",
    )


def _sum(writer: _Writer, point: TimePoint) -> Row:
    values: dict[str, Value] = {"GRPID": "TARGET", "LNKGRP": writer.group(point.scan), **_test("SUMDIAM")}
    total = point.targets.sum_mm
    if total is None:
        return writer.not_done(point.scan, values, "not all targets were measured")
    text = _number(total)
    return writer.result(point.scan, values, ORRES=text, ORRESU="mm", STRESC=text, STRESN=float(text), STRESU="mm")


def _tumour_state(writer: _Writer, scan: int, lesion: TrackedLesion, state: NonTargetState) -> Row:
    values = _of_lesion(writer, scan, lesion, "TUMSTATE")
    if state == "not_evaluated":
        return writer.not_done(scan, values, "not evaluated")
    return writer.result(scan, values, ORRES=_STATES[state], STRESC=_STATES[state])


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
