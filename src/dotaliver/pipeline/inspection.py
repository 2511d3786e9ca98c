"""What a folder holds, what would be scored and why, the SUV calculation, and SUV statistics: no liver needed.

A site can check its scanner with it on a phantom or a reference object. Where SUV is refused the series are listed
all the same, with the reason.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from dotaliver.config.scoring import ScoringConfig
from dotaliver.dicom.fdg import describe_fdg_pets
from dotaliver.dicom.files.elements import text, whole
from dotaliver.dicom.files.headers import StudyIndex
from dotaliver.dicom.files.stack import stack_of
from dotaliver.dicom.masks.reading import ImportedMask, read_mask
from dotaliver.dicom.mr.description import MrDescription, describe_mr
from dotaliver.dicom.pet.acquisition import attenuation_corrected, read_acquisition
from dotaliver.dicom.study import (
    SeriesChoice,
    SeriesReport,
    choose_series,
    index_folder,
    load_chosen,
    report_series,
)
from dotaliver.errors import DotaliverError, MaskError, StudyError
from dotaliver.frozen import FrozenModel
from dotaliver.image.arrays import Array
from dotaliver.image.geometry import Vector
from dotaliver.records.flags import Flag
from dotaliver.records.study import Acquisition, StudyVolumes
from dotaliver.suv.arithmetic import SuvArithmetic

__all__ = [
    "InspectedFdg",
    "InspectedSuv",
    "Inspection",
    "SeriesLine",
    "UptakeStatistics",
    "inspect_study",
]


class SeriesLine(FrozenModel):
    """One series of the folder."""

    modality: str
    series_instance_uid: str
    number: int | None
    description: str | None
    slices: int = Field(description="Files of the series")
    rows: int | None
    columns: int | None
    spacing_mm: Vector | None = Field(description="Between slices, rows and columns; None where it is no volume")
    units: str | None = Field(description="PET only: Units (0054,1001)")
    attenuation_corrected: bool | None
    mr: MrDescription | None = Field(default=None, description="MR only: sequence, contrast phase, echo, b-value, map")
    used_as: Literal["pet", "ct"] | None
    reason: str = Field(description="Why it would be scored, or why not")


class UptakeStatistics(FrozenModel):
    """Uptake over a set of voxels of the PET's own grid."""

    min: float
    median: float
    mean: float
    max: float
    voxels: int


class InspectedSuv(FrozenModel):
    """The SUV calculation of the PET that would be scored, and its statistics."""

    arithmetic: SuvArithmetic | None = Field(description="None in relative units: then the statistics are no SUV")
    unit: str = Field(description="UCUM unit of the statistics, with the normalisation")
    image: UptakeStatistics
    within_mask: UptakeStatistics | None = None
    mask: str | None = Field(default=None, description="Where the mask came from and what it outlines")


class InspectedFdg(FrozenModel):
    """One FDG PET, and whether it can be compared with the PET that would be scored."""

    series_instance_uid: str
    number: int | None
    description: str | None
    study_date: str | None
    days: int | None = Field(description="From the PET that would be scored to this one; negative: FDG came first")
    usable: bool
    reason: str = Field(description="How it would be compared, or why it cannot be")


class Inspection(FrozenModel):
    """What `dotaliver inspect` shows."""

    series: tuple[SeriesLine, ...]
    fdg: tuple[InspectedFdg, ...] = Field(
        default=(), description="FDG PETs of the folder, or of the one given by --fdg"
    )
    other_files: int = Field(description="Files that are no DICOM objects")
    acquisition: Acquisition | None
    suv: InspectedSuv | None
    refused: str | None = Field(description="Why the folder cannot be scored in SUV; None where it can")
    flags: tuple[Flag, ...]


def _line(report: SeriesReport) -> SeriesLine:
    series = report.series
    try:
        spacing: Vector | None = stack_of(series).geometry.spacing_mm if series.modality in {"CT", "MR", "PT"} else None
    except DotaliverError:
        spacing = None
    is_pet = series.modality == "PT"
    return SeriesLine(
        modality=series.modality,
        series_instance_uid=series.uid,
        number=series.number,
        description=series.description,
        slices=len(series.slices),
        rows=whole(series.first, "Rows"),
        columns=whole(series.first, "Columns"),
        spacing_mm=spacing,
        units=text(series.first, "Units") if is_pet else None,
        attenuation_corrected=attenuation_corrected(series) if is_pet else None,
        mr=describe_mr(series) if series.modality == "MR" else None,
        used_as=report.role,
        reason=report.reason,
    )


def _statistics(values: Array) -> UptakeStatistics:
    """Statistics in float64 over all voxels; the median of an even count is the mean of the middle two."""
    wide = values.astype(np.float64).ravel()
    return UptakeStatistics(
        min=float(wide.min()),
        median=float(np.median(wide)),
        mean=float(wide.mean()),
        max=float(wide.max()),
        voxels=int(wide.size),
    )


def _any_mask(path: Path, volumes: StudyVolumes) -> ImportedMask:
    """The lesions of a mask file, or its liver where it outlines nothing else."""
    try:
        return read_mask(path, volumes, "lesions")
    except MaskError as error:
        try:
            return read_mask(path, volumes, "liver")
        except MaskError:
            raise error from None


def _within(mask: ImportedMask, volumes: StudyVolumes) -> UptakeStatistics:
    from dotaliver.image.itk import resample_labels

    inside = resample_labels(mask.labels, volumes.pet.geometry).mask
    if not inside.any():
        msg = "the mask contains no PET voxel; give one that outlines more than one voxel"
        raise MaskError(msg)
    return _statistics(volumes.pet.array[inside])


def _fdg(
    folder: Path | None, index: StudyIndex, choice: SeriesChoice | None, config: ScoringConfig
) -> tuple[InspectedFdg, ...]:
    """The FDG PETs of the folder that is inspected, or of another one."""
    found = describe_fdg_pets(index if folder is None else index_folder(folder), choice, config)
    if folder is not None and not found:
        msg = "--fdg: the folder holds no FDG PET; give the folder of an FDG PET/CT"
        raise StudyError(msg)
    return tuple(
        InspectedFdg(
            series_instance_uid=pet.series.uid,
            number=pet.series.number,
            description=pet.series.description,
            study_date=None if pet.study_date is None else pet.study_date.isoformat(),
            days=pet.days,
            usable=pet.usable,
            reason=pet.reason,
        )
        for pet in found
    )


def _suv(
    choice: SeriesChoice, config: ScoringConfig, mask: Path | None
) -> tuple[InspectedSuv, Acquisition, tuple[Flag, ...]]:
    # The CT's voxels are of use only to lay a mask on them
    volumes = load_chosen(choice if mask is not None else replace(choice, ct=None), config)
    imported = None if mask is None else _any_mask(mask, volumes)
    described = None if imported is None else f"{imported.origin}: {', '.join(imported.names.values())}"
    inspected = InspectedSuv(
        arithmetic=volumes.suv,
        unit=str(volumes.pet.quantity),
        image=_statistics(volumes.pet.array),
        within_mask=None if imported is None else _within(imported, volumes),
        mask=described,
    )
    return inspected, volumes.acquisition, volumes.flags


def inspect_study(
    folder: Path,
    *,
    mask: Path | None = None,
    pet: str | None = None,
    ct: str | None = None,
    fdg: Path | None = None,
    config: ScoringConfig | None = None,
) -> Inspection:
    """Inspect a folder: its series, which would be scored and why, and the SUV calculation.

    Parameters
    ----------
    fdg : Path, optional
        Where FDG PETs are looked for; by default in the folder itself.
    mask : Path, optional
        A mask (DICOM SEG, RTSTRUCT, NIfTI, NRRD) inside which SUV statistics are taken.

    Returns
    -------
    Inspection
        ``refused`` says why the study cannot be scored, where it cannot; the series are listed in any case.

    Raises
    ------
    StudyError, FileFormatError
        Where the folder, or that of ``fdg``, cannot be listed at all, or the latter holds no FDG PET.
    MaskError
        Where the mask does not fit the study.
    """
    config = config or ScoringConfig()
    index = index_folder(folder)
    try:
        choice = choose_series(index, pet=pet, ct=ct)
    except DotaliverError as error:
        refused = _refused(index, report_series(index), None, (), str(error))
        return refused.model_copy(update={"fdg": _fdg(fdg, index, None, config)})
    fdg_pets = _fdg(fdg, index, choice, config)
    try:
        suv, acquisition, flags = _suv(choice, config, mask)
    except MaskError:
        raise
    except DotaliverError as error:
        refused = _refused(index, choice.reports, *_told(choice, config), str(error))
        return refused.model_copy(update={"fdg": fdg_pets})
    lines = tuple(_line(report) for report in choice.reports)
    return Inspection(
        series=lines,
        fdg=fdg_pets,
        other_files=len(index.other_files),
        acquisition=acquisition,
        suv=suv,
        refused=None,
        flags=flags,
    )


def _told(choice: SeriesChoice, config: ScoringConfig) -> tuple[Acquisition | None, tuple[Flag, ...]]:
    """Acquisition from the headers where SUV is refused."""
    try:
        acquisition, flags = read_acquisition(choice.pet, choice.ct, config.protocol, config.assume)
    except DotaliverError:
        return None, choice.flags
    return acquisition, (*choice.flags, *flags)


def _refused(
    index: StudyIndex,
    reports: tuple[SeriesReport, ...],
    acquisition: Acquisition | None,
    flags: tuple[Flag, ...],
    why: str,
) -> Inspection:
    return Inspection(
        series=tuple(_line(report) for report in reports),
        other_files=len(index.other_files),
        acquisition=acquisition,
        suv=None,
        refused=why,
        flags=flags,
    )
