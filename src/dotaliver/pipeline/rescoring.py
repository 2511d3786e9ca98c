"""A stored score again: opened as it was stored, or measured with other masks, corrections or settings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from dotaliver.config.protocol import TrialProtocol
from dotaliver.config.scoring import AssumedValues, ExecutionConfig, ScoringConfig
from dotaliver.criteria.eligibility import require_known_criteria
from dotaliver.errors import StudyError
from dotaliver.image.blocks import memory_bound
from dotaliver.pipeline.opening import (
    AS_IS_QUICKEST,
    OpenStudy,
    StudyInput,
    open_study,
)
from dotaliver.pipeline.run import Outcome, clicked_in, segment_study
from dotaliver.pipeline.score_labels import score_labels
from dotaliver.pipeline.stored_score import (
    compares_elsewhere,
    mask_files_that_differ,
    measures_elsewhere,
    read_record,
    relocated,
    require_edits_of_image,
    require_marked_foci,
    require_same_pixels,
    stored_masks,
)
from dotaliver.records.edits import ReaderEdits
from dotaliver.records.score import StudyScore
from dotaliver.system.progress import Progress, silent
from dotaliver.system.second_process import SecondProcess

__all__ = ["StoredScore", "open_score", "outcome_as_stored", "rescore"]


@dataclass(frozen=True, eq=False)
class StoredScore:
    """A record with the images that it was made from; its masks are not read yet."""

    folder: Path
    record: StudyScore
    study: StudyInput
    opened: OpenStudy


def open_score(folder: Path, progress: Progress = silent) -> StoredScore:
    """Read a record and its images, and verify that they are the images that were scored.

    Parameters
    ----------
    folder : Path
        Folder of a score: its record and ``local.json``.
    progress : callable
        Called with each stage.

    Raises
    ------
    StudyError
        Where the record cannot be read, or the images are not those that were scored.

    Examples
    --------
    With the folder of a score, ``score``:

    >>> stored = open_score(Path("score"))
    >>> stored.opened.volumes.identity.pet.pixel_sha256 == stored.record.study.pet.pixel_sha256
    True
    """
    record = _revisable(folder)
    study = relocated(folder, None, record)
    opened = open_study(study, record.config, progress)
    require_same_pixels(record, opened.volumes)
    if compares_elsewhere(record, opened.volumes):
        msg = f"{folder}: the FDG scan is not the one that was compared: its voxels differ; rescore with --fdg"
        raise StudyError(msg)
    return StoredScore(folder, record, study, _with_identity_of(record, opened))


def outcome_as_stored(stored: StoredScore, progress: Progress = silent) -> Outcome:
    """The masks, numbers and answers of a stored score as they were stored; nothing is measured.

    Reference regions and clicked lesions, whose voxels the record does not store, are found again. Where a mask is not
    the one that the record was made from, the numbers would not belong to it: then everything is measured, and the
    outcome's ``remarks`` say so.

    Raises
    ------
    DotaliverError
        Where a mask is missing or cannot be read.

    Examples
    --------
    With the folder of a score, ``score``:

    >>> outcome = outcome_as_stored(open_score(Path("score")))
    >>> outcome.score == read_record(Path("score")), outcome.remarks
    (True, ())
    """
    record, opened, config = stored.record, stored.opened, stored.record.config
    progress("reading the stored masks")
    given = stored_masks(stored.folder, stored.study, record, opened.volumes, config)
    found = segment_study(opened.volumes, config, given, progress, is_current=True)
    found = clicked_in(opened.volumes, found, record.edits, config, progress)
    score = record
    remarks: tuple[str, ...] = ()
    if files := mask_files_that_differ(stored.folder, record, found):
        remarks = (
            f"{files[0]}: this is not the mask that the record was made from, so everything was measured again.",
        )
        progress("measuring and judging")
        score = score_labels(opened.volumes, found, record.edits, config, revises=record.record_id)
    return Outcome(score, opened, found, stored.study.folder, stored.study.part, stored.study.fdg, remarks)


def _revisable(folder: Path) -> StudyScore:
    """The record in a folder; refused where it is de-identified."""
    record = read_record(folder)
    if record.provenance.deidentified:
        msg = f"{folder}: the record is de-identified and cannot be revised; rescore the original record"
        raise StudyError(msg)
    return record


def _with_identity_of(record: StudyScore, opened: OpenStudy) -> OpenStudy:
    """The images under the identity of the record: the series were chosen then, not now."""
    identity = record.study
    if measures_elsewhere(record, opened.volumes):
        identity = identity.model_copy(update={"recist_image": opened.volumes.identity.recist_image})
    return replace(opened, volumes=replace(opened.volumes, identity=identity))


def rescore(  # noqa: PLR0913  what may be replaced, and how the work is done
    folder: Path,
    *,
    study: StudyInput | None = None,
    edits: ReaderEdits | None = None,
    config: ScoringConfig | None = None,
    protocol: TrialProtocol | None = None,
    execution: ExecutionConfig | None = None,
    helper: SecondProcess | None = None,
    progress: Progress = silent,
) -> Outcome:
    """Measure and judge a scored study again, with other masks, edits or settings; segment only what is missing.

    Parameters
    ----------
    folder : Path
        Folder of a score: its record, masks and ``local.json``.
    study : StudyInput, optional
        Where the images lie now, masks that replace the stored ones, and another image to measure diameters on;
        ``local.json`` where it names no folder.
    edits : ReaderEdits, optional
        Replaces the record's edits.
    config : ScoringConfig, optional
        Replaces the record's settings; what the user stated in place of the files (``assume``) stands unless the new
        settings state something themselves.
    protocol : TrialProtocol, optional
        Replaces the protocol alone, in the new settings or in the record's.
    execution : ExecutionConfig, optional
        What must not change the answer.
    helper : SecondProcess, optional
        Does part of the work (`dotaliver.cli.second_process.begin`).

    Raises
    ------
    StudyError
        Where the record cannot be read, or the images are not those that were scored.

    Examples
    --------
    With the folder of a score, ``score``: a reader finds that lesion 1 is not a lesion.

    >>> edits = ReaderEdits.model_validate({"lesions": [{"label": 1, "marks": ["not_a_lesion"]}]})
    >>> before, after = read_record(Path("score")), rescore(Path("score"), edits=edits).score
    >>> after.burden.tumour_ml < before.burden.tumour_ml
    True
    >>> after.provenance.revises == before.record_id
    True
    """
    parent = _revisable(folder)
    config = (config or parent.config).with_protocol(protocol)
    if config.assume == AssumedValues():
        config = config.model_copy(update={"assume": parent.config.assume})
    require_known_criteria(parent.edits if edits is None else edits, config)
    study = relocated(folder, study, parent)
    execution = execution or AS_IS_QUICKEST
    with memory_bound(execution.memory_bytes):
        opened = open_study(study, config, progress, execution)
        require_same_pixels(parent, opened.volumes)
        opened = _with_identity_of(parent, opened)
        given = stored_masks(folder, study, parent, opened.volumes, config)
        if edits is None:
            require_edits_of_image(parent, opened.volumes)
            require_marked_foci(parent, given, opened.volumes)
        is_current = config == parent.config and not measures_elsewhere(parent, opened.volumes)
        found = segment_study(opened.volumes, config, given, progress, helper, is_current=is_current)
        own_edits = parent.edits if edits is None else edits
        found = clicked_in(opened.volumes, found, own_edits, config, progress)
        progress("measuring and judging")
        score = score_labels(opened.volumes, found, own_edits, config, revises=parent.record_id, execution=execution)
    return Outcome(score, opened, found, study.folder, study.part, study.fdg)
