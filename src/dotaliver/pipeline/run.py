"""The whole story: a folder of DICOM in, a record and its files out.

There are two pure halves between reading and writing: `segment_study` finds the masks, `score_labels`
measures and answers. The command line, batch scoring and the viewer call the same two; a reader's correction runs
only the second.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from dotaliver.config.scoring import ExecutionConfig, ScoringConfig
from dotaliver.criteria.eligibility import require_known_criteria
from dotaliver.dicom.files.headers import WHOLE_FOLDER, StudyPart
from dotaliver.export.outputs import OutputOptions, ScoreFiles, write_score
from dotaliver.image.blocks import memory_bound
from dotaliver.measurement.reference import ORGANS
from dotaliver.pipeline.ahead import work_ahead
from dotaliver.pipeline.opening import (
    AS_IS_QUICKEST,
    OpenStudy,
    StudyInput,
    imported_masks,
    open_study,
)
from dotaliver.pipeline.score_labels import score_labels
from dotaliver.records.edits import ReaderEdits
from dotaliver.records.masks import Segmentations
from dotaliver.records.score import StudyScore, folder_name
from dotaliver.records.score_folder import LocalPaths
from dotaliver.records.study import StudyVolumes
from dotaliver.segmentation.body.search import body_search_job
from dotaliver.segmentation.corrections import REGISTERED_FLAG
from dotaliver.segmentation.lesions_and_reference import add_lesions_and_reference
from dotaliver.segmentation.lesions_on_ct import view_of_lesions, with_lesions_on_ct
from dotaliver.segmentation.mask_checks import require_plausible_masks
from dotaliver.segmentation.organs_and_ct_foci import ct_foci_job, with_ct_foci, with_organs
from dotaliver.segmentation.recist_mr import with_mr_registered
from dotaliver.segmentation.segmenters import segmenter
from dotaliver.system.progress import Progress, silent
from dotaliver.system.second_process import SecondProcess, Several, Whole

__all__ = [
    "Outcome",
    "OutputOptions",
    "StudyPart",
    "clicked_in",
    "default_folder",
    "save",
    "score_study",
    "segment_study",
]

_log = logging.getLogger(__name__)

# To look for foci on CT takes as long as to look for the borders of so many lesions.
_FEW_LESIONS = 6


@dataclass(frozen=True, eq=False)
class Outcome:
    """A scored study, with all that its files are made of."""

    score: StudyScore
    opened: OpenStudy
    segmentations: Segmentations
    folder: Path
    part: StudyPart = WHOLE_FOLDER
    fdg: Path | None = None
    """Where the FDG scan lies, where one was compared"""
    remarks: tuple[str, ...] = ()
    """What whoever opened a stored score should know, each in one sentence."""


# --- the first half --------------------------------------------------------------------------------------------------


def segment_study(
    volumes: StudyVolumes,
    config: ScoringConfig,
    given: Segmentations | None = None,
    progress: Progress = silent,
    helper: SecondProcess | None = None,
    *,
    is_current: bool = False,
) -> Segmentations:
    """Outline liver, lesions and reference regions.

    Parameters
    ----------
    volumes : StudyVolumes
        The images.
    config : ScoringConfig
        ``segmenter`` names who outlines the liver.
    given : Segmentations, optional
        Existing masks (imported or corrected); only what is missing is segmented.
    progress : callable, optional
        Called with each stage.
    helper : SecondProcess, optional
        Does part of it, with the same result.
    is_current : bool
        Whether the other results in ``given`` were found with these settings, so that they need no second
        look.

    Examples
    --------
    With a phantom of ``dotaliver sample phantom --small --seed 3``:

    >>> from dotaliver.pipeline import open_study
    >>> opened = open_study(StudyInput(Path("phantom/study")), ScoringConfig())
    >>> found = segment_study(opened.volumes, ScoringConfig())
    >>> found.segmenter, found.liver.drawn_on, found.lesions.drawn_on
    ('petct', 'ct', 'pet')
    """
    helper = helper or SecondProcess()
    found = given or Segmentations(segmenter="imported", liver=None, lesions=None)
    if found.liver is None:
        progress("finding the liver")
        own = segmenter(config.segmenter)(volumes, config)
        found = replace(own, lesions=found.lesions or own.lesions, references=found.references or own.references)
    require_plausible_masks(volumes, found, config)
    if not (is_current and _has_lesions_and_normal_liver(found)):
        progress("finding lesions and normal liver")
        found = add_lesions_and_reference(volumes, found, config)
        # Flags of a registration come last, whether old or new.
        said = tuple(flag for flag in found.flags if flag.code == REGISTERED_FLAG)
        found = replace(found, flags=(*(flag for flag in found.flags if flag not in said), *said))
    dark = ct_foci_job(volumes, found, config)
    view = view_of_lesions(volumes, found, config, may_divide=given is None or given.lesions is None)
    outside = body_search_job(volumes, found, config)
    borders = None if view is None else view.job
    # With many borders to look for, the other process is the last to end, and this one looks for foci itself
    has_room = borders is None or borders.parts < _FEW_LESIONS
    whole = [None if job is None else Whole(job) for job in (dark if has_room else None, outside)]
    beside = helper.share(Several((whole[0], borders, whole[1])))
    if not (is_current and _has_other_organs(found, volumes)):
        progress("looking for other organs")
        found = with_organs(volumes, found, config)
    progress("looking for lesions and their borders on CT and searching outside the liver")
    here = None if dark is None or has_room else dark.run()
    work_ahead(beside, volumes, found, config)
    there, outlines, searched = beside.result()
    found = with_ct_foci(volumes, found, dark, there or here, config)
    found = with_lesions_on_ct(found, view, outlines, config)
    if searched is not None:
        found = replace(found, body=searched)
    if volumes.fdg is not None:
        from dotaliver.segmentation.fdg_search import with_fdg_searched

        found = with_fdg_searched(volumes, found, config, progress)
    return with_mr_registered(volumes, found, config, progress)


def clicked_in(
    volumes: StudyVolumes, found: Segmentations, edits: ReaderEdits, config: ScoringConfig, progress: Progress = silent
) -> Segmentations:
    """The masks with the lesions that a reader points at: on CT (`dotaliver.pipeline.clicks`), and outside the liver.

    Raises
    ------
    ConfigError
        For a place from which nothing can be measured, with the reason.

    Examples
    --------
    With the folder of a score, ``score``: no clicks change nothing.

    >>> from dotaliver.pipeline import rescore
    >>> outcome = rescore(Path("score"))
    >>> found = clicked_in(outcome.opened.volumes, outcome.segmentations, ReaderEdits(), outcome.score.config)
    >>> found is outcome.segmentations
    True
    """
    # Not loaded for a score without such edits
    from dotaliver.pipeline.clicks import with_clicks
    from dotaliver.segmentation.added_body_lesions import with_added_lesions
    from dotaliver.segmentation.body_lesions_on_ct import with_body_lesions_on_ct

    if edits.clicks:
        progress("measuring the lesions that the reader points at")

    def complete(changed: Segmentations) -> Segmentations:
        return segment_study(volumes, config, changed, progress, is_current=True)

    found = with_clicks(volumes, found, edits.clicks, config, complete)
    points = () if edits.body is None else edits.body.added
    found = with_added_lesions(volumes.pet, found, points, config.body_reading)
    return with_body_lesions_on_ct(volumes, found, edits.body, config)


def _has_lesions_and_normal_liver(found: Segmentations) -> bool:
    """Whether neither is missing, and no lesions rest on a mismatch that nobody looked at."""
    if found.liver is None or found.lesions is None or found.reference("liver") is None:
        return False
    return found.lesions.drawn_on == "pet" or found.liver.drawn_on == "ct"


def _has_other_organs(found: Segmentations, volumes: StudyVolumes) -> bool:
    """Whether nothing is missing beside the liver and its lesions, but outlines on CT."""
    if found.liver is None or found.lesions is None or {r.organ for r in found.references} != set(ORGANS):
        return False
    lobes = found.lobes is not None or "lobes" in found.reasons
    return lobes and (volumes.ct is None or found.ct_search is not None)


# --- the whole -------------------------------------------------------------------------------------------------------


def score_study(
    study: StudyInput,
    config: ScoringConfig | None = None,
    *,
    edits: ReaderEdits | None = None,
    execution: ExecutionConfig | None = None,
    helper: SecondProcess | None = None,
    progress: Progress = silent,
) -> Outcome:
    """Score one study; `save` writes its files.

    Parameters
    ----------
    study : StudyInput
        Folder and options.
    config : ScoringConfig, optional
        Everything that changes the answer.
    edits : ReaderEdits, optional
        What a reader changed or stated.
    execution : ExecutionConfig, optional
        What must not change the answer.
    helper : SecondProcess, optional
        Does part of the work (`dotaliver.cli.second_process.begin`).
    progress : callable
        Called with each stage in words.

    Raises
    ------
    DotaliverError
        Where the study cannot be scored.

    Examples
    --------
    With a phantom of ``dotaliver sample phantom --small --seed 3``:

    >>> outcome = score_study(StudyInput(Path("phantom/study")))
    >>> outcome.score.criteria["INC7"].verdict, outcome.score.criteria["EXC4"].verdict
    ('met', 'not_met')
    >>> burden = outcome.score.burden
    >>> burden.low <= burden.fraction <= burden.high
    True
    """
    config, execution = config or ScoringConfig(), execution or AS_IS_QUICKEST
    require_known_criteria(edits or ReaderEdits(), config)
    with memory_bound(execution.memory_bytes):
        opened = open_study(study, config, progress, execution)
        given = imported_masks(study, opened.volumes, config)
        found = segment_study(opened.volumes, config, given, progress, helper)
        if edits is not None and (edits.clicks or edits.body is not None):
            found = clicked_in(opened.volumes, found, edits, config, progress)
        progress("measuring and judging")
        score = score_labels(opened.volumes, found, edits or ReaderEdits(), config, execution=execution)
    return Outcome(score, opened, found, study.folder, study.part, study.fdg)


def save(
    outcome: Outcome,
    out: Path,
    options: OutputOptions | None = None,
    *,
    helper: SecondProcess | None = None,
    progress: Progress = silent,
) -> None:
    """Write a score's files into a folder: record, table, report, masks and measurements as DICOM.

    With a ``helper``, the DICOM objects are made in its process while the report is drawn here.

    Raises
    ------
    OutputError
        Where the folder cannot be written; earlier content is kept.

    Examples
    --------
    With the folder of a score, ``score``:

    >>> from dotaliver.pipeline import rescore
    >>> outcome = rescore(Path("score"))
    >>> save(outcome, Path("again"))
    >>> (Path("again") / "score.json").is_file(), (Path("again") / "report.html").is_file()
    (True, True)
    """
    options = options or OutputOptions()
    progress("drawing the report" if options.report else "making the DICOM objects")
    volumes = outcome.opened.volumes
    identity = volumes.identity
    local = LocalPaths(
        study=str(outcome.folder.resolve()),
        pet=identity.pet.series_instance_uid,
        ct=None if identity.ct is None else identity.ct.series_instance_uid,
        recist_image=None if identity.recist_image is None else identity.recist_image.series_instance_uid,
        fdg=None if outcome.fdg is None else str(outcome.fdg.resolve()),
        study_uid=outcome.part.study_uid,
        files=outcome.part.files,
    )
    files = ScoreFiles(outcome.score, volumes, outcome.segmentations, outcome.opened.sources)
    write_score(files, out, local.model_dump_json(indent=2) + "\n", options, helper)
    _log.info("wrote record %s", outcome.score.record_id[:12])


def default_folder(score: StudyScore) -> str:
    """A folder's name that does not reveal the patient: a short hash of the StudyInstanceUID.

    Examples
    --------
    >>> from dotaliver.pipeline import read_record
    >>> len(default_folder(read_record(Path("score"))))
    12
    """
    return folder_name(score.study.study_instance_uid)
