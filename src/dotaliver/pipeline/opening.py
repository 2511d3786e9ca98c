"""A study opened: its images read, and the masks that the user names."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from dotaliver.config.scoring import ExecutionConfig, ScoringConfig
from dotaliver.dicom.choice.pet import SeriesChoice, choose_series
from dotaliver.dicom.files.headers import WHOLE_FOLDER, StudyPart, index_folder
from dotaliver.dicom.files.slice_headers import slice_headers
from dotaliver.dicom.files.stack import stack_of
from dotaliver.dicom.pixels.cache import plane_cache
from dotaliver.dicom.recist_image import choose_recist_image, with_recist_image
from dotaliver.dicom.study import load_chosen
from dotaliver.errors import ConfigError
from dotaliver.export.dicom.source_headers import SegSources
from dotaliver.records.flags import Flag
from dotaliver.records.masks import Completeness, MaskLayer, Segmentations
from dotaliver.records.study import StudyVolumes
from dotaliver.segmentation.coarse import coarse_grid
from dotaliver.system.progress import Progress, silent
from dotaliver.system.temporary import remove_dead_scratch

__all__ = ["AS_IS_QUICKEST", "OpenStudy", "StudyInput", "imported_masks", "open_study", "require_room"]


AS_IS_QUICKEST = ExecutionConfig()

# What the program itself takes, with its libraries and what it writes, and per voxel of the coarse grid on which the
# whole image is looked at: measured by scripts/benchmark_memory.py.
_OWN_BYTES = 450 << 20
_BYTES_PER_COARSE_VOXEL = 48


@dataclass(frozen=True)
class StudyInput:
    """Where a study lies, and which of its series and which masks the user names."""

    folder: Path
    pet: str | None = None
    ct: str | None = None
    recist_image: str | None = None
    liver: Path | None = None
    lesions: Path | tuple[Path, ...] | None = None
    lesions_complete: bool = False
    """Whether the user states that the lesion mask holds every lesion of the liver that the PET shows"""
    part: StudyPart = WHOLE_FOLDER
    """Which of the folder's studies is meant, where it holds several"""
    fdg: Path | None = None
    """Where an FDG PET/CT of the same patient lies"""


@dataclass(frozen=True, eq=False)
class OpenStudy:
    """A study that was read: its images, and the headers that derived DICOM objects need."""

    volumes: StudyVolumes
    sources: SegSources


def open_study(
    study: StudyInput,
    config: ScoringConfig,
    progress: Progress = silent,
    execution: ExecutionConfig = AS_IS_QUICKEST,
) -> OpenStudy:
    """Read a study's images; the errors are those of `dotaliver.dicom`.

    Examples
    --------
    With a phantom of ``dotaliver sample phantom --small --seed 3``:

    >>> opened = open_study(StudyInput(Path("phantom/study")), ScoringConfig())
    >>> opened.volumes.pet.quantity.name, opened.volumes.ct.quantity.name
    ('SUVBW', 'HU')
    """
    remove_dead_scratch()
    progress("reading headers")
    index = index_folder(study.folder, study.part)
    choice = choose_series(index, pet=study.pet, ct=study.ct)
    recist = None if study.recist_image is None else choose_recist_image(index, choice, study.recist_image)
    fdg = None if study.fdg is None else _chosen_fdg(study.fdg, choice, config)
    require_room(choice, config, execution.memory_bytes, fdg)
    with plane_cache(execution.cache, progress):
        volumes = load_chosen(choice, config, progress=progress, memory_bytes=execution.memory_bytes)
        if recist is not None:
            volumes = with_recist_image(volumes, recist, config, progress, execution.memory_bytes)
        if fdg is not None:
            from dotaliver.dicom.fdg import with_fdg

            volumes = with_fdg(volumes, fdg, config, progress, execution.memory_bytes)
    identity = volumes.identity
    ct_headers = None
    if choice.ct is not None and identity.ct is not None:
        ct_headers = slice_headers(choice.ct)
    recist_headers = None if recist is None else slice_headers(recist)
    return OpenStudy(volumes, SegSources(slice_headers(choice.pet), ct_headers, recist_headers))


def _chosen_fdg(folder: Path, scored: SeriesChoice, config: ScoringConfig) -> SeriesChoice:
    from dotaliver.dicom.fdg import choose_fdg

    return choose_fdg(folder, scored, config)


def require_room(
    choice: SeriesChoice, config: ScoringConfig, memory_bytes: int | None, second: SeriesChoice | None = None
) -> None:
    """Refuse a bound that the study, with a second scan or without, cannot be scored within."""
    if memory_bytes is None:
        return
    voxels = 0
    for one in (choice, *(() if second is None else (second,))):
        pet = stack_of(one.pet).geometry
        ct = None if one.ct is None else stack_of(one.ct).geometry
        voxels += math.prod(coarse_grid(pet, ct, config.liver.coarse_mm).shape)
    needed = _OWN_BYTES + _BYTES_PER_COARSE_VOXEL * voxels
    if memory_bytes < needed:
        mib = -(-needed // (1 << 20))
        given = f"{memory_bytes >> 20} MiB" if memory_bytes >> 20 else f"{memory_bytes} bytes"
        msg = f"--memory: {given} is too little to score this study; give {mib}MiB or more"
        raise ConfigError(msg)


def imported_masks(study: StudyInput, volumes: StudyVolumes, config: ScoringConfig) -> Segmentations:
    """The masks that the user names, as a start for the first half."""
    if study.liver is None and not study.lesions:
        return Segmentations(segmenter="imported", liver=None, lesions=None)
    from dotaliver.dicom.masks.reading import on_image, read_lesion_masks, read_mask

    liver = lesions = None
    flags: tuple[Flag, ...] = ()
    if study.liver is not None:
        mask = on_image(read_mask(study.liver, volumes, "liver"), volumes)
        liver = MaskLayer(mask.labels, mask.drawn_on, mask.origin, config.liver.border_uncertainty_imported_mm)
        flags += mask.flags
    if study.lesions:
        files = (study.lesions,) if isinstance(study.lesions, Path) else study.lesions
        mask = read_lesion_masks(files, volumes)
        stated: Completeness = "stated" if study.lesions_complete else "not_stated"
        border_mm = config.lesions.border_uncertainty_imported_mm
        lesions = MaskLayer(mask.labels, mask.drawn_on, mask.origin, border_mm, stated)
        flags += mask.flags
    return Segmentations(segmenter="imported", liver=liver, lesions=lesions, flags=tuple(dict.fromkeys(flags)))
