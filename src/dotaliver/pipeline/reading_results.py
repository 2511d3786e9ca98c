"""What signed readings give: where they differ, figures of agreement, and the final courses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dotaliver.agreement.answers import CaseAnswers
from dotaliver.agreement.central import CentralReading
from dotaliver.agreement.disagreements import Disagreement, disagreements
from dotaliver.agreement.log import LoggedEvent
from dotaliver.agreement.pairs import Figures, figures_of
from dotaliver.agreement.plan import ReadingPlan
from dotaliver.agreement.results import Comparison
from dotaliver.agreement.state import ReadingState
from dotaliver.config.criteria import RecistConfig
from dotaliver.config.files import read_edits
from dotaliver.config.reading import DisagreementRules
from dotaliver.errors import ConfigError, CourseError
from dotaliver.longitudinal.assembly import AssembledCourse, assemble
from dotaliver.longitudinal.edits import COURSE_EDITS, CourseEdits
from dotaliver.longitudinal.manifest import ManifestRow
from dotaliver.longitudinal.scans import load_scan
from dotaliver.system.progress import Progress, silent

__all__ = ["Comparison", "agreement_figures", "compare_cases", "evaluator_name", "final_course"]

_ASSESSOR = "INDEPENDENT ASSESSOR"


def compare_cases(reading: CentralReading) -> tuple[Comparison, ...]:
    """Compare every case that all readers have signed, and close those without a disagreement.

    Returns
    -------
    tuple of Comparison
        In the order of the codes; the final reading of a case without disagreement is that of the first reader.

    Raises
    ------
    StudyError
        Where a signed reading was changed.
    """
    state = reading.state()
    found = []
    for case in state.plan.originals:
        standing = state.case(case.code)
        if standing.word == "open":
            continue
        differences = _differences(reading, standing.signed, state.plan.rules)
        closed = standing.closed
        if closed is None and not differences:
            first = state.plan.readers[0]
            closed = reading.close(
                "agreed",
                case=case.code,
                accepted=first,
                reason=f"no disagreement by the plan's rules; the reading of {first} stands for all",
            )
        found.append(Comparison(case.code, standing.signed, differences, closed))
    return tuple(found)


def _differences(
    reading: CentralReading, signed: Mapping[str, LoggedEvent], rules: DisagreementRules
) -> tuple[tuple[str, str, Disagreement], ...]:
    answers = {reader: reading.answers_of(logged) for reader, logged in signed.items()}
    names = list(answers)
    return tuple(
        (one, other, point)
        for n, one in enumerate(names)
        for other in names[n + 1 :]
        for point in disagreements(answers[one], answers[other], rules)
    )


def agreement_figures(reading: CentralReading) -> tuple[Figures, ...]:
    """Agreement of every two readers, and of each reader with himself where cases were read twice.

    Raises
    ------
    StudyError
        Where a signed reading was changed.
    """
    state = reading.state()
    bands = state.plan.rules.burden_bands
    readers = state.plan.readers
    found = []
    for n, one in enumerate(readers):
        for other in readers[n + 1 :]:
            pairs = {
                case.code: _pair(reading, state, (case.code, one), (case.code, other)) for case in state.plan.originals
            }
            found.append(
                figures_of(one, other, {code: pair for code, pair in pairs.items() if pair is not None}, bands)
            )
    repeats = [case for case in state.plan.cases if case.repeat_of is not None]
    for one in readers if repeats else ():
        again = {case.code: _pair(reading, state, (case.repeat_of or "", one), (case.code, one)) for case in repeats}
        found.append(
            figures_of(one, f"{one} again", {code: pair for code, pair in again.items() if pair is not None}, bands)
        )
    return tuple(found)


def _pair(
    reading: CentralReading, state: ReadingState, first: tuple[str, str], second: tuple[str, str]
) -> tuple[CaseAnswers, CaseAnswers] | None:
    logged = [state.locked(*one) for one in (first, second)]
    if logged[0] is None or logged[1] is None:
        return None
    return reading.answers_of(logged[0]), reading.answers_of(logged[1])


def final_course(
    reading: CentralReading, code: str, rows: Sequence[ManifestRow], config: RecistConfig, progress: Progress = silent
) -> AssembledCourse:
    """The course of a case as every reader read it and as it was accepted, with the trial's identifiers.

    Each reader is an ``INDEPENDENT ASSESSOR`` (RSEVAL) under ``RADIOLOGIST 1``, ``RADIOLOGIST 2`` and so on or
    ``ADJUDICATOR`` (RSEVALID); the accepted reading alone is flagged so (RSACPTFL).

    Parameters
    ----------
    rows : sequence of ManifestRow
        The trial's manifest; evaluators in it are not used.

    Raises
    ------
    ConfigError
        Where the case is not closed.
    CourseError
        Where the manifest does not fit its scans.
    """
    state = reading.state()
    standing = state.case(code)
    if standing.closed is None or standing.closed.event.accepted is None:
        msg = f"case {code} is not closed; run 'dotaliver reading compare', then adjudicate where readers differ"
        raise ConfigError(msg)
    accepted = standing.closed.event.accepted
    signed = dict(standing.signed)
    if standing.closed.event.files:
        signed[accepted] = standing.closed
    scans, made_rows, edits = [], [], []
    for reader, logged in signed.items():
        name = evaluator_name(state.plan, reader)
        for folder in reading.scans_of(logged):
            scan = load_scan(folder)
            scans.append(scan)
            uid = scan.score.study.study_instance_uid
            row = next((r for r in rows if r.study_instance_uid == uid), None)
            if row is None:
                msg = f"the manifest has no row for the study {uid}; add one with its visit"
                raise CourseError(msg)
            made_rows.append(
                row.model_copy(
                    update={
                        "evaluator": _ASSESSOR,
                        "evaluator_id": name,
                        "accepted": reader == accepted,
                        "record": scan.score.record_id,
                    }
                )
            )
        own = read_edits(reading.folder_of(logged) / COURSE_EDITS, CourseEdits)
        edits.append(own.model_copy(update={"evaluator_id": name}))
    return assemble(scans, made_rows, edits, config, progress)


def evaluator_name(plan: ReadingPlan, reader: str) -> str:
    """What SDTM calls a reader (RSEVALID)."""
    if reader == plan.adjudicator:
        return "ADJUDICATOR"
    return f"RADIOLOGIST {plan.readers.index(reader) + 1}"
