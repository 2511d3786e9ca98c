"""One folder of DICOM files in; one study, ready to be segmented and measured, out."""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from dotaliver.config.scoring import ScoringConfig
from dotaliver.dicom.choice.pet import SeriesChoice, SeriesReport, choose_series, report_series
from dotaliver.dicom.files.elements import joined, naming, number, text
from dotaliver.dicom.files.headers import StudyIndex, index_folder
from dotaliver.dicom.files.moments import parse_date
from dotaliver.dicom.files.stack import Stack, stack_of
from dotaliver.dicom.mr.description import describe_mr
from dotaliver.dicom.pet.acquisition import grid_flags, read_acquisition
from dotaliver.dicom.pet.relative import check_relative
from dotaliver.dicom.pet.suv_inputs import suv_inputs
from dotaliver.dicom.pixels.lazy import ct_image_of, is_large, kept_bytes, lazy_scaled
from dotaliver.dicom.pixels.series import read_stored, rescale_of, scaled
from dotaliver.errors import SuvError
from dotaliver.image.volume import Quantity, Volume
from dotaliver.records.flags import Flag, raise_flag
from dotaliver.records.study import SeriesIdentity, StudyIdentity, StudyVolumes
from dotaliver.suv.arithmetic import PetUnits, SuvArithmetic, quantity_of, suvbw_arithmetic
from dotaliver.suv.records import clock_text
from dotaliver.system.progress import Progress, silent

__all__ = [
    "SeriesChoice",
    "SeriesReport",
    "StudyIndex",
    "choose_series",
    "index_folder",
    "load_chosen",
    "load_study",
    "report_series",
    "series_identity",
    "suv_of",
]

_MODALITIES: dict[str, Literal["CT", "MR", "PT"]] = {"MR": "MR", "PT": "PT"}
_log = logging.getLogger(__name__)


def suv_of(stack: Stack, config: ScoringConfig) -> tuple[SuvArithmetic, tuple[Flag, ...]]:
    """How activity becomes SUV in one PET, and caveats.

    Raises
    ------
    SuvError
        Where it cannot; the text names the series, the element and what would mend it.
    """
    with naming(stack.series.name):
        inputs, flags = suv_inputs(stack.series, config.assume, config.normalisation)
    try:
        arithmetic = suvbw_arithmetic(inputs)
    except SuvError as error:
        msg = f"{stack.series.name}: {error}"
        raise SuvError(msg) from error
    return arithmetic, (*flags, *_reference_flags(arithmetic, config))


def _reference_flags(arithmetic: SuvArithmetic, config: ScoringConfig) -> list[Flag]:
    if arithmetic.reference_assumed and arithmetic.reference is not None:
        return [raise_flag("REFERENCE_TIME_ASSUMED", time=arithmetic.reference.isoformat(sep=" "))]
    percent = arithmetic.alternative_percent
    if (
        percent is None
        or not arithmetic.cross_checks
        or abs(percent) <= config.acquisition.reference_time_tolerance_percent
    ):
        return []
    if arithmetic.units is PetUnits.CNTS and arithmetic.suv_per_voxel_unit is not None and arithmetic.reference is None:
        return [raise_flag("PHILIPS_FACTORS_DIFFER", percent=abs(percent))]
    worst = max(arithmetic.cross_checks, key=lambda check: abs(check.percent))
    return [
        raise_flag(
            "REFERENCE_TIMES_DIFFER",
            percent=abs(percent),
            first=f"{arithmetic.reference_source}: {_clock(arithmetic.reference)}",
            second=f"{worst.source}: {_clock(worst.instant)}",
        )
    ]


def _clock(instant: datetime | None) -> str:
    return "no one instant" if instant is None else clock_text(instant)


def _conversion(
    pet: Stack, config: ScoringConfig
) -> tuple[SuvArithmetic | None, tuple[float, ...], Quantity, tuple[Flag, ...]]:
    """Factor from rescaled voxels to uptake, per series or per slice, and what the product measures."""
    if config.assume.relative:
        with naming(pet.series.name):
            check_relative(pet.series, config.assume.decay_correction)
        return None, (1.0,), Quantity.RELATIVE, (raise_flag("RELATIVE_UNITS"), *_stated_correction(config))
    arithmetic, flags = suv_of(pet, config)
    return arithmetic, arithmetic.voxel_factors, quantity_of(config.normalisation), flags


def _stated_correction(config: ScoringConfig) -> list[Flag]:
    value = config.assume.decay_correction
    return [] if value is None else [raise_flag("DECAY_CORRECTION_GIVEN", value=value)]


def series_identity(stack: Stack, pixel_sha256: str, reason: str) -> SeriesIdentity:
    """Which series was read, and how its voxels can be recognised again."""
    series, grid = stack.series, stack.geometry
    return SeriesIdentity(
        modality=_MODALITIES.get(series.modality, "CT"),
        series_instance_uid=series.uid,
        series_number=series.number,
        description=series.description,
        sequence=describe_mr(series).words if series.modality == "MR" else None,
        sop_class_uid=series.sop_class_uid,
        frame_of_reference_uid=grid.frame_of_reference_uid,
        shape=grid.shape,
        spacing_mm=grid.spacing_mm,
        slice_thickness_mm=number(series.first, "SliceThickness"),
        sop_instance_uids=tuple(text(part.dataset, "SOPInstanceUID") or "" for part in stack.slices),
        pixel_sha256=pixel_sha256,
        chosen_because=reason,
    )


def _pet_image(
    stack: Stack,
    factors: npt.NDArray[np.float64],
    quantity: Quantity,
    memory_bytes: int | None,
    progress: Progress | None,
) -> tuple[str, Volume]:
    """Hash of the activity, and the image in uptake."""
    slopes, _ = rescale_of(stack)
    if is_large(stack, np.float32, memory_bytes):
        activity = lazy_scaled(stack, slopes, Quantity.RELATIVE, 0)
        return activity.sha256(), lazy_scaled(stack, slopes * factors, quantity, kept_bytes(memory_bytes))
    stored = read_stored(stack, progress)
    # The activity is only hashed, and gone before the SUVs are made: one array of floats at a time
    digest = Volume(scaled(stored, slopes), stack.geometry, Quantity.RELATIVE).sha256()
    return digest, Volume(scaled(stored, slopes * factors), stack.geometry, quantity)


def load_chosen(
    choice: SeriesChoice,
    config: ScoringConfig,
    *,
    progress: Progress | None = None,
    memory_bytes: int | None = None,
) -> StudyVolumes:
    """Read the chosen series: PET in SUV (or relative units) on its own grid, CT in HU on its own.

    The arithmetic is done before any pixel is read, so a study without SUV is refused at once. With a bound on the
    memory, an image that is large in comparison is read slice by slice where it is needed; its voxels are the same.
    """
    say = progress or silent
    pet = stack_of(choice.pet)
    ct = None if choice.ct is None else stack_of(choice.ct)
    arithmetic, factors, quantity, suv_flags = _conversion(pet, config)
    with naming(pet.series.name):
        acquisition, flags = read_acquisition(
            pet.series, None if ct is None else ct.series, config.protocol, config.assume
        )
    say(f"reading {pet.series.name}: {len(pet.slices)} slices")
    activity_sha256, suv = _pet_image(pet, np.asarray(factors, dtype=np.float64), quantity, memory_bytes, progress)
    pet_identity = series_identity(pet, activity_sha256, choice.reason(choice.pet))
    ct_image = ct_identity = None
    if ct is not None and choice.ct is not None:
        say(f"reading {ct.series.name}: {len(ct.slices)} slices")
        ct_image = ct_image_of(ct, memory_bytes, progress)
        ct_identity = series_identity(ct, ct_image.sha256(), choice.reason(choice.ct))
    date = parse_date(text(pet.series.first, "StudyDate"))
    identity = StudyIdentity(
        study_instance_uid=pet.series.study_uid or "",
        study_date=None if date is None else date.isoformat(),
        study_description=joined(pet.series.first, "StudyDescription"),
        pet=pet_identity,
        ct=ct_identity,
    )
    grids = grid_flags(pet.geometry, None if ct is None else ct.geometry, config.acquisition)
    doubts = (*choice.flags, *flags, *grids, *suv_flags)
    patient_id = joined(pet.series.first, "PatientID")
    return StudyVolumes(suv, ct_image, identity, acquisition, arithmetic, doubts, patient_id=patient_id)


def load_study(
    folder: Path,
    config: ScoringConfig,
    *,
    pet: str | None = None,
    ct: str | None = None,
    progress: Progress | None = None,
) -> StudyVolumes:
    """Read a study from a folder of DICOM files in any order and nesting.

    Parameters
    ----------
    pet, ct : str, optional
        Series Instance UID or Series Number to use instead of the one that would be chosen.
    progress : callable, optional
        Receives what is being read, in words.

    Raises
    ------
    StudyError, SeriesError, FileFormatError, AcquisitionError, SuvError
        Where the folder holds no study that can be scored; the text names the file or series, what is wrong, and
        what would mend it.
    """
    say = progress or silent
    say("reading headers")
    index = index_folder(folder)
    _log.info("found %d series in %d files", len(index.series), sum(len(s.slices) for s in index.series))
    choice = choose_series(index, pet=pet, ct=ct)
    return load_chosen(choice, config, progress=progress)
