"""ADTTE: progression-free survival and time to progression, by the censoring rules of the FDA.

Convention (FDA, Clinical Trial Endpoints for the Approval of Cancer Drugs and Biologics, 2018, and its appendix on the
analysis of progression-free survival). Time counts from the first treatment, which is day 1:

====  ==========================================================  ========================================  =====
case  situation                                                   date                                      CNSR
====  ==========================================================  ========================================  =====
1     another anticancer therapy started before progression       last evaluable assessment up to its start  2
2     progression                                                 scan that first shows it                  0
3     death without progression, PFS                              death                                     0
4     death without progression, TTP                              last evaluable assessment                 3
5     neither                                                     last evaluable assessment                 1
6     no evaluable assessment after baseline in 1, 4 and 5        first treatment                           4
====  ==========================================================  ========================================  =====

An assessment is evaluable where its overall response is not NE. Therapy that starts on the day of the progression or of
death does not censor. The rule on two or more missed assessments needs the trial's imaging schedule, which no table of
the trial holds; GAPDAYS gives the days between an event and the last evaluable assessment before it, so that the rule
can be applied.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from dotaliver.errors import CourseError
from dotaliver.export.adam.variables import IDENTIFIERS, TRACE, Subject, bds, sas_day
from dotaliver.export.sdtm.datasets import Dataset, Row, Variable
from dotaliver.longitudinal.best_response import DatedResponse
from dotaliver.longitudinal.records import Reading, TrialKeys

__all__ = ["Followed", "TimeToEvent", "adtte", "time_to_progression"]

_PARAMETERS = {"PFS": "Progression-Free Survival (days)", "TTP": "Time to Progression (days)"}
_VARIABLES = (
    *IDENTIFIERS,
    Variable("STARTDT", "Time-to-Event Origin Date for Subject", "Num", is_date=True),
    Variable("ADT", "Analysis Date", "Num", is_date=True),
    Variable("ADY", "Analysis Relative Day", "Num"),
    Variable("AVAL", "Analysis Value", "Num"),
    Variable("AVALU", "Analysis Value Unit"),
    Variable("CNSR", "Censor", "Num", core="Exp"),
    Variable("EVNTDESC", "Event or Censoring Description"),
    Variable("CNSDTDSC", "Censor Date Description"),
    Variable("GAPDAYS", "Days from Last Assessment to Event", "Num"),
    *TRACE,
)
_LAST, _START = "LAST EVALUABLE ASSESSMENT", "FIRST TREATMENT"


@dataclass(frozen=True)
class Followed:
    """What is known of a subject: responses after baseline, and the dates that end or censor the time."""

    responses: tuple[DatedResponse, ...]
    start: date
    new_therapy: date | None = None
    death: date | None = None


@dataclass(frozen=True)
class TimeToEvent:
    """When a subject had the event or was censored, and why."""

    on: date
    censored: int
    """0 for an event; 1 none seen, 2 other therapy, 3 death (TTP), 4 no assessment"""
    why: str
    date_is: str | None = None
    """For a censored time: what its date is"""
    gap_days: int | None = None
    """For an event: days since the last evaluable assessment before it"""


def time_to_progression(followed: Followed, *, death_is_event: bool) -> TimeToEvent:
    """Progression-free survival (`death_is_event`) or time to progression of one subject.

    Examples
    --------
    Stable on day 50, another therapy from day 80, progression on day 120: censored on day 50.

    >>> from datetime import date
    >>> seen = (DatedResponse(on=date(2024, 2, 19), response="SD"), DatedResponse(on=date(2024, 4, 29), response="PD"))
    >>> found = time_to_progression(Followed(seen, date(2024, 1, 1), date(2024, 3, 20)), death_is_event=True)
    >>> found.on.isoformat(), found.censored
    ('2024-02-19', 2)
    """
    _check(followed)
    progressed = next((point.on for point in followed.responses if point.response == "PD"), None)
    ends = [day for day in (progressed, followed.death) if day is not None]
    therapy = followed.new_therapy
    if therapy is not None and (not ends or therapy < min(ends)):
        return _censored(followed, therapy, 2, "OTHER ANTICANCER THERAPY BEFORE PROGRESSION")
    if progressed is not None:
        return TimeToEvent(progressed, 0, "DISEASE PROGRESSION", gap_days=_gap(followed, progressed))
    if followed.death is not None:
        if death_is_event:
            return TimeToEvent(followed.death, 0, "DEATH", gap_days=_gap(followed, followed.death))
        return _censored(followed, followed.death, 3, "DEATH WITHOUT PROGRESSION")
    return _censored(followed, date.max, 1, "NO PROGRESSION AT LAST ASSESSMENT")


def _check(followed: Followed) -> None:
    for name, day in (("first treatment", followed.start), ("other therapy", followed.new_therapy)):
        if day is not None and followed.death is not None and followed.death < day:
            msg = f"the death on {followed.death} precedes the {name} on {day}; correct the manifest or DM"
            raise CourseError(msg)
    if followed.new_therapy is not None and followed.new_therapy < followed.start:
        msg = (
            f"the other anticancer therapy starts on {followed.new_therapy}, before the first treatment on "
            f"{followed.start}; give the first one after it, or leave it out"
        )
        raise CourseError(msg)
    late = next((p.on for p in followed.responses if followed.death is not None and p.on > followed.death), None)
    if late is not None:
        msg = f"the death on {followed.death} precedes the scan of {late}; correct the manifest or DM"
        raise CourseError(msg)


def _evaluable(followed: Followed) -> list[date]:
    return [point.on for point in followed.responses if point.response != "NE" and point.on >= followed.start]


def _gap(followed: Followed, event: date) -> int:
    before = [day for day in _evaluable(followed) if day < event]
    return (event - max(before, default=followed.start)).days


def _censored(followed: Followed, until: date, code: int, why: str) -> TimeToEvent:
    """Censored at the last evaluable assessment up to a date, or at the start where there is none."""
    days = [day for day in _evaluable(followed) if day <= until]
    if not days:
        return TimeToEvent(followed.start, 4, f"{why}; NO EVALUABLE ASSESSMENT AFTER BASELINE", _START)
    return TimeToEvent(max(days), code, why, _LAST)


def adtte(trial: TrialKeys, readings: Sequence[Reading]) -> Dataset | None:
    """ADTTE of all evaluators; None where the date of the first treatment is not known.

    Raises
    ------
    CourseError
        Where a date contradicts another: a scan after death, another therapy before the first treatment.
    """
    if trial.first_treatment is None:
        return None
    rows = [row for reading in readings for row in _reading_rows(trial, trial.first_treatment, reading)]
    return bds("ADTTE", "Time to Event Analysis Dataset", _VARIABLES, rows)


def _reading_rows(trial: TrialKeys, start: date, reading: Reading) -> Iterator[Row]:
    subject = Subject(trial, reading.evaluator)
    responses = tuple(
        DatedResponse(on=reading.scans[point.scan].on, response=point.overall.response)
        for point in reading.time_points
        if point.overall is not None
    )
    followed = Followed(responses, start, trial.new_therapy, trial.death)
    for code, name in _PARAMETERS.items():
        found = time_to_progression(followed, death_is_event=code == "PFS")
        is_death = found.censored == 0 and found.why == "DEATH"
        yield subject.record(
            code, name, "Time to Event",
            STARTDT=sas_day(start), **subject.timing(found.on),
            AVAL=float((found.on - start).days + 1), AVALU="DAYS", CNSR=found.censored, EVNTDESC=found.why,
            CNSDTDSC=found.date_is, GAPDAYS=found.gap_days,
            SRCDOM="DM" if is_death else None if found.date_is == _START else "ADRS",
            SRCVAR="DTHDTC" if is_death else None if found.date_is == _START else "ADT",
        )  # fmt: skip
