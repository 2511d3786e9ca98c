"""A stored score again: other masks, corrections or settings, and only what is missing is segmented."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dotaliver.config.protocol import TrialProtocol
from dotaliver.config.scoring import AssumedValues, ExecutionConfig, ScoringConfig
from dotaliver.criteria.eligibility import require_known_criteria
from dotaliver.errors import StudyError
from dotaliver.image.blocks import memory_bound
from dotaliver.pipeline.opening import (
    AS_IS_QUICKEST,
    StudyInput,
    open_study,
)
from dotaliver.pipeline.run import Outcome, clicked_in, segment_study
from dotaliver.pipeline.score_labels import score_labels
from dotaliver.pipeline.stored_score import (
    measures_elsewhere,
    read_record,
    relocated,
    require_edits_of_image,
    require_marked_foci,
    require_same_pixels,
    stored_masks,
)
from dotaliver.records.edits import ReaderEdits
from dotaliver.system.progress import Progress, silent
from dotaliver.system.second_process import SecondProcess

__all__ = ["rescore"]


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
    parent = read_record(folder)
    if parent.provenance.deidentified:
        msg = f"{folder}: the record is de-identified and cannot be revised; rescore the original record"
        raise StudyError(msg)
    config = (config or parent.config).with_protocol(protocol)
    if config.assume == AssumedValues():
        config = config.model_copy(update={"assume": parent.config.assume})
    require_known_criteria(parent.edits if edits is None else edits, config)
    study = relocated(folder, study, parent)
    execution = execution or AS_IS_QUICKEST
    with memory_bound(execution.memory_bytes):
        opened = open_study(study, config, progress, execution)
        require_same_pixels(parent, opened.volumes)
        # The series were chosen then, not now.
        identity, here = parent.study, opened.volumes.identity
        if measures_elsewhere(parent, opened.volumes):
            identity = identity.model_copy(update={"recist_image": here.recist_image})
        opened = replace(opened, volumes=replace(opened.volumes, identity=identity))
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
