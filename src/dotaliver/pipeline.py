"""The whole story: a folder of DICOM in, a record and its files out.

Two pure halves stand between reading and writing: `segment_study` finds the masks, `score_labels` (in ``scoring``)
measures and answers. The command line, batch scoring and the viewer call the same two; a reader's correction runs
only the second.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import Field, ValidationError

from dotaliver.config import AssumedValues, ExecutionConfig, ScoringConfig, read_edits
from dotaliver.dicom.choice import choose_series
from dotaliver.dicom.headers import WHOLE_FOLDER, StudyPart, index_folder
from dotaliver.dicom.masks_in import on_image, read_lesion_masks, read_mask
from dotaliver.dicom.recist_ct import choose_recist_ct, with_recist_ct
from dotaliver.dicom.sources import slice_headers
from dotaliver.dicom.study import load_chosen
from dotaliver.errors import ConfigError, StudyError
from dotaliver.export.dicom_files import load_dicom
from dotaliver.export.outputs import OutputOptions, ScoreFiles, write_score
from dotaliver.export.seg_sources import SegSources
from dotaliver.frozen import FrozenModel
from dotaliver.records import (
    MaskLayer,
    ReaderEdits,
    ReferenceRegion,
    Segmentations,
    StudyVolumes,
    is_unseen_key,
)
from dotaliver.score import StudyScore, folder_name
from dotaliver.scoring import score_labels
from dotaliver.second_process import SecondProcess
from dotaliver.segmentation.backends import segmenter
from dotaliver.segmentation.complete import complete
from dotaliver.segmentation.on_ct import view_of_lesions, with_lesions_on_ct
from dotaliver.segmentation.other_organs import with_other_organs

__all__ = [
    "LocalPaths",
    "OpenStudy",
    "Outcome",
    "OutputOptions",
    "StudyInput",
    "StudyPart",
    "default_folder",
    "images_of_score",
    "load_edits",
    "open_study",
    "read_record",
    "rescore",
    "save",
    "score_study",
    "second_process",
    "segment_study",
]

_log = logging.getLogger(__name__)

Progress = Callable[[str], None]


def _silent(_stage: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class StudyInput:
    """Where a study lies, and which of its series and which masks the user names."""

    folder: Path
    pet: str | None = None
    ct: str | None = None
    recist_ct: str | None = None
    liver: Path | None = None
    lesions: Path | tuple[Path, ...] | None = None
    part: StudyPart = WHOLE_FOLDER
    """Which of the folder's studies is meant, where it holds several"""


@dataclass(frozen=True, eq=False)
class OpenStudy:
    """A study that was read: its images, and the headers that derived DICOM objects need."""

    volumes: StudyVolumes
    sources: SegSources


@dataclass(frozen=True, eq=False)
class Outcome:
    """A scored study, with all that its files are made of."""

    score: StudyScore
    opened: OpenStudy
    segmentations: Segmentations
    folder: Path
    part: StudyPart = WHOLE_FOLDER


class LocalPaths(FrozenModel):
    """What ``local.json`` holds: the only place where paths stand, never exported."""

    study: str = Field(description="Folder that the images were read from")
    pet: str
    ct: str | None = None
    recist_ct: str | None = None
    study_uid: str | None = Field(default=None, description="Named where the folder holds several studies")
    files: tuple[str, ...] | None = Field(default=None, description="The study's files, by name from the folder on")


def second_process() -> SecondProcess:
    """A process that does part of a study's work beside this one; to be used in a ``with`` statement.

    Only for programs that guard their start (``if __name__ == "__main__"``): it is spawned.
    """
    return SecondProcess(_load)


def _load() -> None:
    """What the second process needs, loaded before there is work."""
    import cc3d  # noqa: F401
    import edt  # noqa: F401
    import skimage.morphology  # noqa: F401

    load_dicom()


# --- reading ---------------------------------------------------------------------------------------------------------


def open_study(study: StudyInput, config: ScoringConfig, progress: Progress = _silent) -> OpenStudy:
    """Read a study's images; the errors are those of `dotaliver.dicom`."""
    progress("reading headers")
    index = index_folder(study.folder, study.part)
    choice = choose_series(index, pet=study.pet, ct=study.ct)
    recist = None if study.recist_ct is None else choose_recist_ct(index, choice, study.recist_ct)
    volumes = load_chosen(choice, config, progress=progress)
    if recist is not None:
        volumes = with_recist_ct(volumes, recist, config, progress)
    identity = volumes.identity
    ct_headers = None
    if choice.ct is not None and identity.ct is not None:
        ct_headers = slice_headers(choice.ct)
    recist_headers = None if recist is None else slice_headers(recist)
    return OpenStudy(volumes, SegSources(slice_headers(choice.pet), ct_headers, recist_headers))


def load_edits(path: Path) -> ReaderEdits:
    """Read a reader's edits from JSON; `ConfigError` names the file and the field that is wrong."""
    return read_edits(path, ReaderEdits)


# --- the first half --------------------------------------------------------------------------------------------------


def segment_study(
    volumes: StudyVolumes,
    config: ScoringConfig,
    given: Segmentations | None = None,
    progress: Progress = _silent,
    beside: SecondProcess | None = None,
) -> Segmentations:
    """Outline liver, lesions and reference regions.

    Parameters
    ----------
    volumes : StudyVolumes
        The images.
    config : ScoringConfig
        ``segmenter`` names who outlines the liver.
    given : Segmentations, optional
        Masks that stand already (imported or corrected); only what they lack is found.
    progress : callable, optional
        Is told each stage.
    beside : SecondProcess, optional
        Does part of it, with the same result.
    """
    beside = beside or SecondProcess()
    found = given or Segmentations(segmenter="imported", liver=None, lesions=None)
    if found.liver is None:
        progress("finding the liver")
        own = segmenter(config.segmenter)(volumes, config)
        found = replace(own, lesions=found.lesions or own.lesions, references=found.references or own.references)
    progress("finding lesions and normal liver")
    found = complete(volumes, found, config)
    view = view_of_lesions(volumes, found, config)
    outlines = None if view is None else beside.begin(view.job)
    progress("looking for other organs")
    found = with_other_organs(volumes, found, config)
    progress("looking for the lesions' borders on CT")
    return with_lesions_on_ct(found, view, None if outlines is None else outlines.result(), config)


def _imported(study: StudyInput, volumes: StudyVolumes, config: ScoringConfig) -> Segmentations:
    """The masks that the user names, as a start for the first half."""
    liver = lesions = None
    if study.liver is not None:
        mask = on_image(read_mask(study.liver, volumes, "liver"), volumes)
        liver = MaskLayer(mask.labels, mask.drawn_on, mask.origin, config.liver.border_uncertainty_imported_mm)
    if study.lesions:
        files = (study.lesions,) if isinstance(study.lesions, Path) else study.lesions
        mask = read_lesion_masks(files, volumes)
        lesions = MaskLayer(mask.labels, mask.drawn_on, mask.origin, config.lesions.border_uncertainty_imported_mm)
    return Segmentations(segmenter="imported", liver=liver, lesions=lesions)


# --- the whole -------------------------------------------------------------------------------------------------------


def score_study(
    study: StudyInput,
    config: ScoringConfig | None = None,
    *,
    edits: ReaderEdits | None = None,
    execution: ExecutionConfig | None = None,
    beside: SecondProcess | None = None,
    progress: Progress = _silent,
) -> Outcome:
    """Score one study; `save` writes its files.

    Parameters
    ----------
    study : StudyInput
        Folder, and what is named beside it.
    config : ScoringConfig, optional
        Everything that changes the answer.
    edits : ReaderEdits, optional
        What a reader changed or stated.
    execution : ExecutionConfig, optional
        What must not change the answer.
    beside : SecondProcess, optional
        Does part of the work (`second_process`).
    progress : callable
        Is told each stage in words.

    Raises
    ------
    DotaliverError
        Where the study cannot be scored.
    """
    config = config or ScoringConfig()
    opened = open_study(study, config, progress)
    found = segment_study(opened.volumes, config, _imported(study, opened.volumes, config), progress, beside)
    progress("measuring and judging")
    score = score_labels(
        opened.volumes, found, edits or ReaderEdits(), config, execution=execution or ExecutionConfig()
    )
    return Outcome(score, opened, found, study.folder, study.part)


def save(
    outcome: Outcome,
    out: Path,
    options: OutputOptions | None = None,
    *,
    beside: SecondProcess | None = None,
    progress: Progress = _silent,
) -> None:
    """Write a score's files into a folder: record, table, report, masks and measurements as DICOM.

    With a process ``beside`` this one, the DICOM objects are made there while the report is drawn here.

    Raises
    ------
    OutputError
        Where the folder cannot be written; what stood there before stays.
    """
    progress("drawing the report")
    volumes = outcome.opened.volumes
    identity = volumes.identity
    local = LocalPaths(
        study=str(outcome.folder.resolve()),
        pet=identity.pet.series_instance_uid,
        ct=None if identity.ct is None else identity.ct.series_instance_uid,
        recist_ct=None if identity.recist_ct is None else identity.recist_ct.series_instance_uid,
        study_uid=outcome.part.study_uid,
        files=outcome.part.files,
    )
    files = ScoreFiles(outcome.score, volumes, outcome.segmentations, outcome.opened.sources)
    write_score(files, out, local.model_dump_json(indent=2) + "\n", options or OutputOptions(), beside)
    _log.info("wrote record %s", outcome.score.record_id[:12])


def default_folder(score: StudyScore) -> str:
    """A folder's name that tells nothing of the patient: a short hash of the StudyInstanceUID."""
    return folder_name(score.study.study_instance_uid)


# Foci that were listed without a liver are no lesions of a liver that is known later: they are looked for anew.
_CANDIDATES = "LESIONS_NOT_BOUND_BY_LIVER"
# What was said of a liver that another one takes the place of.
_OF_THE_LIVER = {"LIVER_NOT_FOUND", "LIVER_FROM_PET_ALONE", "LIVER_FROM_CT_ALONE"}

# --- again -----------------------------------------------------------------------------------------------------------


def rescore(
    folder: Path,
    *,
    study: StudyInput | None = None,
    edits: ReaderEdits | None = None,
    config: ScoringConfig | None = None,
    beside: SecondProcess | None = None,
    progress: Progress = _silent,
) -> Outcome:
    """Measure and judge a scored study again, with other masks, edits or settings; segment only what is missing.

    Parameters
    ----------
    folder : Path
        Folder of a score: its record, masks and ``local.json``.
    study : StudyInput, optional
        Where the images lie now, and masks that replace the stored ones; ``local.json`` where it names no folder.
    edits : ReaderEdits, optional
        Replaces the record's edits.
    config : ScoringConfig, optional
        Replaces the record's settings; what the user stated in place of the files (``assume``) stands unless the new
        settings state something themselves.
    beside : SecondProcess, optional
        Does part of the work (`second_process`).

    Raises
    ------
    StudyError
        Where the record cannot be read, or the images are not those that were scored.
    """
    parent = read_record(folder)
    if parent.provenance.deidentified:
        msg = f"{folder}: the record is de-identified and cannot be revised; rescore the one that it was made from"
        raise StudyError(msg)
    config = config or parent.config
    if config.assume == AssumedValues():
        config = config.model_copy(update={"assume": parent.config.assume})
    study = _relocated(folder, study, parent)
    opened = open_study(study, config, progress)
    _require_same_pixels(parent, opened.volumes)
    # The series were chosen then, not now.
    opened = replace(opened, volumes=replace(opened.volumes, identity=parent.study))
    given = _stored(folder, study, parent, opened.volumes, config)
    if given.ct_foci is None and edits is None:
        _require_no_marked_foci(parent)
    found = segment_study(opened.volumes, config, given, progress, beside)
    progress("measuring and judging")
    score = score_labels(
        opened.volumes, found, parent.edits if edits is None else edits, config, revises=parent.record_id
    )
    return Outcome(score, opened, found, study.folder, study.part)


def _require_no_marked_foci(parent: StudyScore) -> None:
    """With another liver or other lesions the CT is searched anew, and numbers may name other places."""
    marked = [edit.label for edit in parent.edits.lesions if edit.label in {x.label for x in parent.ct_foci}]
    if marked:
        msg = (
            f"the reader's mark on CT candidate {marked[0]} cannot be carried over: with other masks the CT is "
            "searched anew; give the edits again with --edits"
        )
        raise ConfigError(msg)


def read_record(folder: Path) -> StudyScore:
    """The record in a folder of a score; `StudyError` where there is none of this version."""
    path = folder / "score.json"
    try:
        return StudyScore.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{folder}: there is no readable score.json in it; give the folder that 'dotaliver score' wrote"
        raise StudyError(msg) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        msg = f"{path}: not a record of this version ({where}: {first['msg']}); score the study again"
        raise StudyError(msg) from error


def images_of_score(folder: Path, score: StudyScore) -> StudyVolumes:
    """The images that a score rests on, from where ``local.json`` says that they lie.

    Raises
    ------
    DotaliverError
        Where they are not there any more, or are others.
    """
    study = _relocated(folder, None, score)
    volumes = open_study(study, score.config).volumes
    _require_same_pixels(score, volumes)
    return volumes


def _relocated(folder: Path, study: StudyInput | None, parent: StudyScore) -> StudyInput:
    """The study where it lies now, with the series that were scored."""
    named = study.folder if study is not None else None
    part = WHOLE_FOLDER if study is None else study.part
    local = _local_paths(folder)
    if named is None or named == folder:
        if local is None:
            msg = f"{folder}: local.json does not tell where the images lie; name their folder with --study"
            raise StudyError(msg)
        named, part = Path(local.study), StudyPart(local.study_uid, local.files)
        if not named.exists():
            msg = f"{folder}: the images no longer lie where local.json says; name their folder with --study"
            raise StudyError(msg)
    elif local is not None and part == WHOLE_FOLDER:
        # The other studies may have been moved with it
        part = StudyPart(local.study_uid)
    ct, recist = parent.study.ct, parent.study.recist_ct
    return StudyInput(
        named,
        pet=parent.study.pet.series_instance_uid,
        ct=None if ct is None else ct.series_instance_uid,
        recist_ct=None if recist is None else recist.series_instance_uid,
        liver=None if study is None else study.liver,
        lesions=None if study is None else study.lesions,
        part=part,
    )


def _local_paths(folder: Path) -> LocalPaths | None:
    """What ``local.json`` of a score tells; None where it cannot be read."""
    try:
        return LocalPaths.model_validate_json((folder / "local.json").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError):
        return None


def _require_same_pixels(parent: StudyScore, volumes: StudyVolumes) -> None:
    if parent.study.ct is None and volumes.ct is not None:
        msg = (
            "the folder holds a CT, and the record was made without one; score the study again, or name the folder "
            "of the PET alone with --study"
        )
        raise StudyError(msg)
    then, here = parent.study, volumes.identity
    for before, now in ((then.pet, here.pet), (then.ct, here.ct), (then.recist_ct, here.recist_ct)):
        if before is not None and (now is None or now.pixel_sha256 != before.pixel_sha256):
            msg = (
                f"the {before.modality} series {before.series_number} is not the one that was scored: its voxels "
                "differ; name the folder of the scored images with --study"
            )
            raise StudyError(msg)


def _stored(
    folder: Path, study: StudyInput, parent: StudyScore, volumes: StudyVolumes, config: ScoringConfig
) -> Segmentations:
    """The masks of the record, each replaced where the user names another."""
    given = _imported(study, volumes, config)
    record = parent.segmentation
    codes = {flag.code for flag in record.flags}
    replaced = given.liver is not None or given.lesions is not None
    layers: dict[str, MaskLayer | None] = {"liver": given.liver, "lesions": given.lesions, "ct_foci": None}
    for mask in record.masks:
        if mask.name == "ct_lesions":
            continue
        candidates = mask.name == "lesions" and _CANDIDATES in codes
        if layers[mask.name] is not None or not mask.labels or candidates:
            continue
        if mask.name == "ct_foci" and replaced:
            continue
        path = folder / ("segmentation_ct.dcm" if mask.drawn_on == "ct" else "segmentation.dcm")
        read = read_mask(path, volumes, mask.name)
        layers[mask.name] = MaskLayer(read.labels, mask.drawn_on, mask.origin, mask.border_uncertainty_mm)
    looked_for = any(m.name == "lesions" and not m.labels for m in record.masks) and _CANDIDATES not in codes
    if layers["lesions"] is None and looked_for:
        layers["lesions"] = _no_lesions(volumes, parent)
    overtaken = {_CANDIDATES} | (_OF_THE_LIVER if given.liver is not None else set())
    if replaced:
        overtaken |= {"RECIST_CT_REGISTERED"}
    # Outlines on CT were looked for around those of the PET: with others they are looked for anew.
    return Segmentations(
        segmenter=record.segmenter,
        liver=layers["liver"],
        lesions=layers["lesions"],
        # A sphere was placed in its liver and away from its lesions: with others it is placed anew.
        references=() if replaced else _stored_references(parent),
        mismatch=record.mismatch,
        reasons={
            k: v
            for k, v in record.reasons.items()
            if (k != "liver" or given.liver is None) and (not replaced or not is_unseen_key(k))
        },
        flags=tuple(flag for flag in record.flags if flag.code not in overtaken),
        ct_foci=layers["ct_foci"],
        ct_search=None if layers["ct_foci"] is None else record.ct_search,
        lobes=None if given.liver is not None else record.lobes,
        ct_lesions=None if replaced else _stored_on_ct(folder, parent, volumes),
    )


def _stored_on_ct(folder: Path, parent: StudyScore, volumes: StudyVolumes) -> MaskLayer | None:
    """The lesions' outlines on CT as they were stored; None where there are none, so that they are looked for."""
    mask = next((m for m in parent.segmentation.masks if m.name == "ct_lesions" and m.labels), None)
    if mask is None:
        return None
    if volumes.recist_ct is not None:
        # To the reader of masks the diagnostic CT is the CT.
        identity = volumes.identity.model_copy(update={"ct": volumes.identity.recist_ct})
        volumes = replace(volumes, ct=volumes.recist_ct, identity=identity)
    read = read_mask(folder / "segmentation_ct_lesions.dcm", volumes, "lesions")
    return MaskLayer(read.labels, "ct", mask.origin, mask.border_uncertainty_mm)


def _no_lesions(volumes: StudyVolumes, parent: StudyScore) -> MaskLayer:
    import numpy as np

    from dotaliver.volume import LabelMap

    mask = next(m for m in parent.segmentation.masks if m.name == "lesions")
    grid = volumes.ct.geometry if mask.drawn_on == "ct" and volumes.ct is not None else volumes.pet.geometry
    empty = LabelMap(np.zeros(grid.shape, dtype=np.uint16), grid)
    return MaskLayer(empty, mask.drawn_on, mask.origin, mask.border_uncertainty_mm)


def _stored_references(parent: StudyScore) -> tuple[ReferenceRegion, ...]:
    """The spheres of the record; a low mode is found again, since it follows from the masks."""
    regions = []
    for reference in parent.references.values():
        found_by = parent.segmentation.references.get(reference.organ)
        if found_by is None or found_by.method not in {"sphere", "small_sphere"}:
            continue
        regions.append(ReferenceRegion(reference.organ, found_by.method, found_by.centre_lps_mm, found_by.diameter_mm))
    return tuple(regions)
