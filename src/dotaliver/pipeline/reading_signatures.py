"""Opening a case of a central reading, and signing what a reader saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dotaliver.agreement.answers import answers_of
from dotaliver.agreement.central import ANSWERS, COURSE, CentralReading
from dotaliver.agreement.files import SignedFiles
from dotaliver.agreement.log import LoggedEvent
from dotaliver.agreement.plan import PlannedCase
from dotaliver.agreement.state import ReadingState
from dotaliver.config.criteria import RecistConfig
from dotaliver.config.files import read_edits
from dotaliver.errors import ConfigError
from dotaliver.longitudinal.assembly import assemble
from dotaliver.longitudinal.edits import COURSE_EDITS, CourseEdits
from dotaliver.longitudinal.scans import load_scan
from dotaliver.pipeline.reading_plan import pixels_of
from dotaliver.records.edits import Reader
from dotaliver.records.score import StudyScore
from dotaliver.records.score_folder import ScoreFolder
from dotaliver.system.progress import Progress, silent

__all__ = ["Signature", "accept", "adjudicate_anew", "open_case", "sign_case"]


@dataclass(frozen=True)
class Signature:
    """What a reader signs: the scores of a case's scans as saved, and decisions on them together.

    Parameters
    ----------
    folders : tuple of Path
        Scores in any order; empty: the reader's last revisions in the working folders.
    edits : Path or None
        Decisions about the course, as for ``dotaliver recist --edits``; None, without scores: those that are saved in
        the working folder, if any.
    """

    case: str
    reader: str
    person: Reader
    folders: tuple[Path, ...] = ()
    edits: Path | None = None


def open_case(reading: CentralReading, reader: str, code: str | None = None) -> tuple[PlannedCase, tuple[Path, ...]]:
    """The next case of a reader, or a named one, with the folders to work in; that it was opened is recorded.

    Raises
    ------
    ConfigError
        Where the reader is not in the plan, has read every case, or has signed the named one.
    """
    state = reading.state()
    plan = state.plan
    plan.require_reader(reader, or_adjudicator=True)
    if reader == plan.adjudicator:
        if code is None:
            msg = (
                "the adjudicator opens a case by name; 'dotaliver reading compare' lists those that differ; add --case"
            )
            raise ConfigError(msg)
    elif code is None:
        code = state.next_case(reader)
        if code is None:
            msg = f"reader {reader} has signed every case"
            raise ConfigError(msg)
    case = plan.case(code)
    folders = reading.working_copies(reader, case)
    if not state.of("begun", case=code, reader=reader):
        reading.note("begun", case=code, reader=reader, seen=_shown(case))
    return case, folders


def _shown(case: PlannedCase) -> dict[str, str]:
    pixels = {uid: sha for scan in case.scans for uid, sha in scan.pixel_sha256.items()}
    return pixels | {scan.study_instance_uid: scan.record_id for scan in case.scans}


def sign_case(
    reading: CentralReading, signature: Signature, config: RecistConfig, progress: Progress = silent
) -> LoggedEvent:
    """Sign and lock a reader's reading of a case.

    Raises
    ------
    ConfigError
        Where the reading is not the signer's own, is not of the case, or is locked.
    StudyError, CourseError
        Where a record cannot be trusted, or the scans make no course.
    """
    state = reading.state()
    state.plan.require_reader(signature.reader)
    case = state.plan.case(signature.case)
    signature = _with_working_files(reading, case, signature)
    _require_own(state, signature, scores := _scores(case, signature))
    files = _signed_files(case, scores, signature, config, progress)
    return reading.sign(
        "signed",
        case=case.code,
        reader=signature.reader,
        person=signature.person,
        files=files,
        seen=_shown(case),
    )


def adjudicate_anew(
    reading: CentralReading, signature: Signature, reason: str, config: RecistConfig, progress: Progress = silent
) -> LoggedEvent:
    """Sign the adjudicator's own reading of a case in which the readers differ: it is the final one.

    Raises
    ------
    ConfigError
        As `sign_case`; also where the case is not read by everybody or closed already.
    """
    state = reading.state()
    _require_adjudicator(state, signature.reader)
    case = state.plan.case(signature.case)
    signature = _with_working_files(reading, case, signature)
    _require_own(state, signature, scores := _scores(case, signature))
    files = _signed_files(case, scores, signature, config, progress)
    return reading.sign(
        "adjudicated",
        case=case.code,
        reader=signature.reader,
        person=signature.person,
        files=files,
        seen=_shown(case),
        reason=reason,
    )


def accept(reading: CentralReading, case: str, accepted: str, person: Reader, reason: str) -> LoggedEvent:
    """Let the adjudicator take one of the readings as the final one.

    Raises
    ------
    ConfigError
        Where the plan has no adjudicator, or the case cannot be decided.
    """
    state = reading.state()
    adjudicator = state.plan.adjudicator
    _require_adjudicator(state, adjudicator)
    return reading.close("adjudicated", case=case, accepted=accepted, reader=adjudicator, person=person, reason=reason)


def _require_adjudicator(state: ReadingState, name: str | None) -> None:
    if name is None or name != state.plan.adjudicator:
        known = state.plan.adjudicator
        who = "this reading has none" if known is None else f"that is {known}"
        msg = f"only the adjudicator decides ({who}); give --reader of the adjudicator, or plan with --adjudicator"
        raise ConfigError(msg)


def _with_working_files(reading: CentralReading, case: PlannedCase, signature: Signature) -> Signature:
    """A signature that names no scores, with those last saved in the working folders and the decisions saved there."""
    if signature.folders:
        return signature
    work = reading.working_copies(signature.reader, case)
    decisions = work[0].parent / COURSE_EDITS
    edits = decisions if signature.edits is None and decisions.is_file() else signature.edits
    return replace(signature, folders=tuple(ScoreFolder(folder).latest().path for folder in work), edits=edits)


def _scores(case: PlannedCase, signature: Signature) -> list[tuple[Path, StudyScore]]:
    """The reader's scores in the order of the case, each of the images of the case."""
    found: dict[str, tuple[Path, StudyScore]] = {}
    for folder in signature.folders:
        score = ScoreFolder(folder).record()
        uid = score.study.study_instance_uid
        if uid in found:
            msg = f"{folder}: the study is given twice; give one score for each scan"
            raise ConfigError(msg)
        found[uid] = (folder, score)
    for scan in case.scans:
        if scan.study_instance_uid not in found:
            day = scan.on or "unknown date"
            msg = f"case {case.code}: no score of the scan of {day} is given; give one for each scan"
            raise ConfigError(msg)
        folder, score = found[scan.study_instance_uid]
        if pixels_of(score) != scan.pixel_sha256:
            msg = f"{folder}: not a score of the images of case {case.code}; read the images that the plan names"
            raise ConfigError(msg)
    strange = next((f for uid, (f, _) in found.items() if uid not in {s.study_instance_uid for s in case.scans}), None)
    if strange is not None:
        msg = f"{strange}: not a scan of case {case.code}; leave it out"
        raise ConfigError(msg)
    return [found[scan.study_instance_uid] for scan in case.scans]


def _require_own(state: ReadingState, signature: Signature, scores: Sequence[tuple[Path, StudyScore]]) -> None:
    """Refuse records that nobody has read, that somebody else read, or that revise another reader's."""
    name = signature.person.name
    others = {
        record
        for logged in state.of("signed", case=signature.case)
        if logged.event.reader != signature.reader
        for record in logged.event.records
    }
    for folder, score in scores:
        reader = score.edits.reader
        if reader is None:
            msg = (
                f"{folder}: no reader is named in this score; save it in the viewer, or rescore with edits that name "
                "the reader"
            )
            raise ConfigError(msg)
        if " ".join(reader.name.split()).casefold() != " ".join(name.split()).casefold():
            msg = f"{folder}: read by {reader.name}, and {name} signs; each reader signs their own reading"
            raise ConfigError(msg)
        if score.provenance.revises in others and signature.reader != state.plan.adjudicator:
            msg = f"{folder}: revises another reader's reading; start from the automatic score"
            raise ConfigError(msg)


def _signed_files(
    case: PlannedCase,
    scores: Sequence[tuple[Path, StudyScore]],
    signature: Signature,
    config: RecistConfig,
    progress: Progress,
) -> SignedFiles:
    if len(case.scans) == 1 and signature.edits is not None:
        msg = f"case {case.code} has a single scan, so there is no course to edit; leave --edits out"
        raise ConfigError(msg)
    edits = CourseEdits() if signature.edits is None else read_edits(signature.edits, CourseEdits)
    if edits.reader is not None and edits.reader.name != signature.person.name:
        msg = f"{signature.edits}: made by {edits.reader.name}, and {signature.person.name} signs; give your own edits"
        raise ConfigError(msg)
    texts: dict[str, str] = {}
    course = None
    if len(case.scans) > 1:
        own = edits.model_copy(update={"evaluator_id": None, "reader": edits.reader or signature.person})
        made = assemble([load_scan(folder) for folder, _ in scores], None, [own], config, progress)
        course = made.course.readings[0]
        texts = {COURSE: made.course.to_json(), COURSE_EDITS: own.model_dump_json(indent=2) + "\n"}
    answers = answers_of([score for _, score in scores], course)
    texts[ANSWERS] = answers.model_dump_json(indent=2) + "\n"
    return SignedFiles([folder for folder, _ in scores], tuple(score.record_id for _, score in scores), texts)
