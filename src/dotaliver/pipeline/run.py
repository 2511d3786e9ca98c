"""The whole story: a folder of DICOM in, a record and its files out.

Two pure halves stand between reading and writing: `segment_study` finds the masks, `score_labels`
measures and answers. The command line, batch scoring and the viewer call the same two; a reader's correction runs
only the second.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import Field, ValidationError

from dotaliver.config.scoring import AssumedValues, ExecutionConfig, ScoringConfig, read_edits
from dotaliver.dicom.choice.pet import SeriesChoice, choose_series
from dotaliver.dicom.files.headers import WHOLE_FOLDER, StudyPart, index_folder
from dotaliver.dicom.files.slice_headers import slice_headers
from dotaliver.dicom.files.stack import stack_of
from dotaliver.dicom.masks.reading import on_image, read_lesion_masks, read_mask
from dotaliver.dicom.pixels.cache import plane_cache
from dotaliver.dicom.recist_ct import choose_recist_ct, with_recist_ct
from dotaliver.dicom.study import load_chosen
from dotaliver.errors import ConfigError, StudyError
from dotaliver.export.dicom.source_headers import SegSources
from dotaliver.export.outputs import OutputOptions, ScoreFiles, write_score
from dotaliver.frozen import FrozenModel
from dotaliver.image.blocks import memory_bound
from dotaliver.measurement.reference import ORGANS
from dotaliver.pipeline.score_labels import score_labels
from dotaliver.records.score import MaskRecord, StudyScore, folder_name
from dotaliver.records.study import (
    MaskLayer,
    ReaderEdits,
    ReferenceRegion,
    Segmentations,
    StudyVolumes,
)
from dotaliver.segmentation.coarse import coarse_grid
from dotaliver.segmentation.corrections import CANDIDATES_FLAG, REGISTERED_FLAG, Corrections, with_masks
from dotaliver.segmentation.lesions_and_reference import complete
from dotaliver.segmentation.lesions_on_ct import view_of_lesions, with_lesions_on_ct
from dotaliver.segmentation.organs_and_ct_foci import with_other_organs
from dotaliver.segmentation.segmenters import segmenter
from dotaliver.system.second_process import SecondProcess

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
    "segment_study",
]

_log = logging.getLogger(__name__)

Progress = Callable[[str], None]
_AS_IS_QUICKEST = ExecutionConfig()


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


# --- reading ---------------------------------------------------------------------------------------------------------


def open_study(
    study: StudyInput,
    config: ScoringConfig,
    progress: Progress = _silent,
    execution: ExecutionConfig = _AS_IS_QUICKEST,
) -> OpenStudy:
    """Read a study's images; the errors are those of `dotaliver.dicom`."""
    progress("reading headers")
    index = index_folder(study.folder, study.part)
    choice = choose_series(index, pet=study.pet, ct=study.ct)
    recist = None if study.recist_ct is None else choose_recist_ct(index, choice, study.recist_ct)
    _require_room(choice, config, execution.memory_bytes)
    with plane_cache(execution.cache, progress):
        volumes = load_chosen(choice, config, progress=progress, memory_bytes=execution.memory_bytes)
        if recist is not None:
            volumes = with_recist_ct(volumes, recist, config, progress, execution.memory_bytes)
    identity = volumes.identity
    ct_headers = None
    if choice.ct is not None and identity.ct is not None:
        ct_headers = slice_headers(choice.ct)
    recist_headers = None if recist is None else slice_headers(recist)
    return OpenStudy(volumes, SegSources(slice_headers(choice.pet), ct_headers, recist_headers))


# What the program itself takes, with its libraries and what it writes, and per voxel of the coarse grid on which the
# whole image is looked at: measured by scripts/benchmark_memory.py.
_OWN_BYTES = 450 << 20
_BYTES_PER_COARSE_VOXEL = 48


def _require_room(choice: SeriesChoice, config: ScoringConfig, memory_bytes: int | None) -> None:
    """Refuse a bound that the study cannot be scored within."""
    if memory_bytes is None:
        return
    pet = stack_of(choice.pet).geometry
    ct = None if choice.ct is None else stack_of(choice.ct).geometry
    voxels = math.prod(coarse_grid(pet, ct, config.liver.coarse_mm).shape)
    needed = _OWN_BYTES + _BYTES_PER_COARSE_VOXEL * voxels
    if memory_bytes < needed:
        mib = -(-needed // (1 << 20))
        msg = f"--memory: {memory_bytes >> 20} MiB are too little to score this study; give {mib}MiB or more"
        raise ConfigError(msg)


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
    *,
    settled: bool = False,
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
    settled : bool
        Whether what stands in ``given`` beside its masks was found under these settings, so that it needs no second
        look.
    """
    beside = beside or SecondProcess()
    found = given or Segmentations(segmenter="imported", liver=None, lesions=None)
    if found.liver is None:
        progress("finding the liver")
        own = segmenter(config.segmenter)(volumes, config)
        found = replace(own, lesions=found.lesions or own.lesions, references=found.references or own.references)
    whole = settled and _whole(found, volumes)
    if not whole:
        progress("finding lesions and normal liver")
        found = complete(volumes, found, config)
        # What is said of a registration stands last, whether it was said before or is said now.
        said = tuple(flag for flag in found.flags if flag.code == REGISTERED_FLAG)
        found = replace(found, flags=(*(flag for flag in found.flags if flag not in said), *said))
    view = view_of_lesions(volumes, found, config)
    outlines = None if view is None else beside.begin(view.job)
    if not whole:
        progress("looking for other organs")
        found = with_other_organs(volumes, found, config)
    progress("looking for the lesions' borders on CT")
    return with_lesions_on_ct(found, view, None if outlines is None else outlines.result(), config)


def _whole(found: Segmentations, volumes: StudyVolumes) -> bool:
    """Whether nothing is missing but outlines on CT, and no lesions rest on a mismatch that nobody looked at."""
    if found.liver is None or found.lesions is None or {r.organ for r in found.references} != set(ORGANS):
        return False
    placed = found.lesions.drawn_on == "pet" or found.liver.drawn_on == "ct"
    lobes = found.lobes is not None or "lobes" in found.reasons
    return placed and lobes and (volumes.ct is None or found.ct_search is not None)


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
        Does part of the work (`dotaliver.cli.second_process.begin`).
    progress : callable
        Is told each stage in words.

    Raises
    ------
    DotaliverError
        Where the study cannot be scored.
    """
    config, execution = config or ScoringConfig(), execution or _AS_IS_QUICKEST
    with memory_bound(execution.memory_bytes):
        opened = open_study(study, config, progress, execution)
        given = _imported(study, opened.volumes, config)
        found = segment_study(opened.volumes, config, given, progress, beside)
        progress("measuring and judging")
        score = score_labels(opened.volumes, found, edits or ReaderEdits(), config, execution=execution)
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


# --- again -----------------------------------------------------------------------------------------------------------


def rescore(  # noqa: PLR0913  what may be replaced, and how the work is done
    folder: Path,
    *,
    study: StudyInput | None = None,
    edits: ReaderEdits | None = None,
    config: ScoringConfig | None = None,
    execution: ExecutionConfig | None = None,
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
    execution : ExecutionConfig, optional
        What must not change the answer.
    beside : SecondProcess, optional
        Does part of the work (`dotaliver.cli.second_process.begin`).

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
    execution = execution or _AS_IS_QUICKEST
    with memory_bound(execution.memory_bytes):
        opened = open_study(study, config, progress, execution)
        _require_same_pixels(parent, opened.volumes)
        # The series were chosen then, not now.
        opened = replace(opened, volumes=replace(opened.volumes, identity=parent.study))
        given = _stored(folder, study, parent, opened.volumes, config)
        if edits is None:
            _require_marked_foci(parent, given)
        found = segment_study(opened.volumes, config, given, progress, beside, settled=config == parent.config)
        progress("measuring and judging")
        own_edits = parent.edits if edits is None else edits
        score = score_labels(opened.volumes, found, own_edits, config, revises=parent.record_id, execution=execution)
    return Outcome(score, opened, found, study.folder, study.part)


def _require_marked_foci(parent: StudyScore, given: Segmentations) -> None:
    """With another liver the CT is searched anew, and numbers may name other places; lesions may cover a candidate."""
    there = set() if given.ct_foci is None else set(given.ct_foci.labels.labels)
    lost = {focus.label for focus in parent.ct_foci} - there
    marked = [edit.label for edit in parent.edits.lesions if edit.label in lost]
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
    looked_for = all(flag.code != CANDIDATES_FLAG for flag in record.flags)
    layers: dict[str, MaskLayer | None] = {}
    for mask in record.masks:
        # What stood in another liver is not needed, and its files need not be there.
        overtaken = given.liver is not None and (mask.name in {"liver", "ct_foci"} or given.lesions is not None)
        if mask.name == "ct_lesions" or overtaken or (mask.name == "lesions" and not looked_for):
            continue
        if mask.labels:
            path = folder / ("segmentation_ct.dcm" if mask.drawn_on == "ct" else "segmentation.dcm")
            read = read_mask(path, volumes, mask.name)
            layers[mask.name] = MaskLayer(read.labels, mask.drawn_on, mask.origin, mask.border_uncertainty_mm)
        elif mask.name == "lesions" or config == parent.config:
            layers[mask.name] = _empty(mask, volumes)
    stored = Segmentations(
        segmenter=record.segmenter,
        liver=layers.get("liver"),
        lesions=layers.get("lesions"),
        references=_stored_references(parent),
        mismatch=record.mismatch,
        reasons=record.reasons,
        flags=tuple(flag for flag in record.flags if flag.code != CANDIDATES_FLAG),
        ct_foci=layers.get("ct_foci"),
        ct_search=None if layers.get("ct_foci") is None else record.ct_search,
        lobes=record.lobes,
        ct_lesions=_stored_on_ct(folder, parent, volumes, config == parent.config) if given.liver is None else None,
    )
    return with_masks(stored, Corrections(given.liver, given.lesions), config)


def _stored_on_ct(folder: Path, parent: StudyScore, volumes: StudyVolumes, settled: bool) -> MaskLayer | None:
    """The lesions' outlines on CT as they were stored; None where they have to be looked for.

    Where none was seen, the reasons of the record stand as long as the settings do (``settled``).
    """
    mask = next((m for m in parent.segmentation.masks if m.name == "ct_lesions"), None)
    if mask is None or not (mask.labels or settled):
        return None
    if volumes.recist_ct is not None:
        # To the reader of masks the diagnostic CT is the CT.
        identity = volumes.identity.model_copy(update={"ct": volumes.identity.recist_ct})
        volumes = replace(volumes, ct=volumes.recist_ct, identity=identity)
    if not mask.labels:
        return _empty(mask, volumes)
    read = read_mask(folder / "segmentation_ct_lesions.dcm", volumes, "lesions")
    return MaskLayer(read.labels, "ct", mask.origin, mask.border_uncertainty_mm)


def _empty(mask: MaskRecord, volumes: StudyVolumes) -> MaskLayer:
    """A mask in which nothing was found, on the grid of its image."""
    import numpy as np

    from dotaliver.image.volume import LabelMap

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
