"""How the PET was acquired, by its headers, and what makes its use doubtful; what SUV needs is in `elements`."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Literal

from dotaliver.config.measurement import AcquisitionConfig
from dotaliver.config.protocol import TrialProtocol
from dotaliver.config.scoring import AssumedValues
from dotaliver.dicom.files.elements import joined, number, spaced, text, texts
from dotaliver.dicom.files.series_headers import SeriesHeaders
from dotaliver.dicom.pet.elements import read_patient
from dotaliver.dicom.pet.timing import Injection, injection_of, invalid_dates, scan_start
from dotaliver.dicom.pet.tracer import nuclide_of, tracer_of
from dotaliver.errors import AcquisitionError
from dotaliver.image.geometry import Geometry
from dotaliver.records.flags import Flag, raise_flag
from dotaliver.records.study import Acquisition
from dotaliver.records.tracer_name import tracer_name

__all__ = ["attenuation_corrected", "grid_flags", "read_acquisition"]

_CALLED_UNCORRECTED = re.compile(
    r"\bNAC\b|\bNON?[ -]?(AC|ATTN?|ATTEN\w*)\b|\bUN-?CORR|\b(W/?O|WITHOUT|OHNE) (AC|ATTN?|ATTEN\w*)\b", re.IGNORECASE
)
_NO_CORRECTION = ("none", "no ", "not ")


def attenuation_corrected(series: SeriesHeaders) -> bool | None:
    """Whether every slice of the PET is corrected for attenuation; None where the headers do not say.

    Corrected Image (0028,0051) lists ATTN; Attenuation Correction Method (0054,1101) may deny it, and so may a
    description as "NAC" or "WB_NAC": GE scanners list ATTN for uncorrected images too.
    """
    descriptions = (" ".join(values) for values in series.distinct("SeriesDescription"))
    if any(_CALLED_UNCORRECTED.search(spaced(description)) for description in descriptions):
        return False
    return _corrected(series, "ATTN", "AttenuationCorrectionMethod")


def _corrected(series: SeriesHeaders, code: str, method_keyword: str) -> bool | None:
    """Whether a correction was applied; a single slice without it means that it was not."""
    said = {
        _slice_corrected(texts(part.dataset, "CorrectedImage"), joined(part.dataset, method_keyword), code)
        for part in series.slices
    }
    if False in said:
        return False
    return None if None in said else True


def _slice_corrected(corrections: tuple[str, ...], method: str | None, code: str) -> bool | None:
    if method is not None and method.lower().startswith(_NO_CORRECTION):
        return False
    if corrections:
        return code in {c.upper() for c in corrections}
    return True if method is not None else None


# --- the acquisition ---------------------------------------------------------------------------------------------


def _sex(series: SeriesHeaders) -> Literal["M", "F", "O"] | None:
    value = text(series.first, "PatientSex")
    return value if value in {"M", "F", "O"} else None  # type: ignore[return-value]


def read_acquisition(
    pet: SeriesHeaders, ct: SeriesHeaders | None, protocol: TrialProtocol, assume: AssumedValues | None = None
) -> tuple[Acquisition, tuple[Flag, ...]]:
    """Describe how the PET (and CT) was made, and flag what departs from the protocol."""
    assume = assume or AssumedValues()
    nuclide, _ = nuclide_of(pet.first)
    tracer = tracer_of(pet.first, protocol.tracer)
    injection, start, time_flags = _times(pet, assume)
    minutes = (start - injection.instant).total_seconds() / 60.0 if start and injection else None
    patient = read_patient(pet, assume, nuclide)
    acquisition = Acquisition(
        manufacturer=joined(pet.first, "Manufacturer"),
        model=joined(pet.first, "ManufacturerModelName"),
        tracer=tracer.name,
        tracer_is_sstr=tracer.is_sstr,
        nuclide=nuclide,
        injected_activity_mbq=patient.activity_mbq,
        injection=None if injection is None else injection.instant,
        scan_start=start,
        uptake_time_min=minutes,
        units=text(pet.first, "Units"),
        decay_correction=text(pet.first, "DecayCorrection"),
        attenuation_corrected=attenuation_corrected(pet),
        scatter_corrected=_corrected(pet, "SCAT", "ScatterCorrectionMethod"),
        corrections=texts(pet.first, "CorrectedImage"),
        reconstruction=joined(pet.first, "ReconstructionMethod"),
        patient_weight_kg=patient.weight_kg,
        patient_height_m=patient.height_m,
        patient_sex=_sex(pet),
        patient_position=text(pet.first, "PatientPosition"),
        ct_contrast_agent=None if ct is None else joined(ct.first, "ContrastBolusAgent"),
        ct_kvp=None if ct is None else number(ct.first, "KVP"),
    )
    flags = (*_tracer_flags(acquisition, protocol), *_scan_flags(acquisition, protocol), *time_flags)
    return acquisition, flags


def _times(pet: SeriesHeaders, assume: AssumedValues) -> tuple[Injection | None, datetime | None, list[Flag]]:
    """Injection and start of the scan, as far as they can be read: what SUV needs of them was checked before."""
    flags = [raise_flag("DATE_INVALID", element=name) for name in invalid_dates(pet)]
    try:
        return injection_of(pet, stated=assume.injection), scan_start(pet), flags
    except AcquisitionError as error:
        return None, None, [*flags, raise_flag("TIME_UNREADABLE", why=str(error).split("; ")[0])]


def _tracer_flags(acquisition: Acquisition, protocol: TrialProtocol) -> list[Flag]:
    flags = []
    if acquisition.tracer_is_sstr is False:
        flags.append(raise_flag("TRACER_NOT_SSTR", tracer=tracer_name(str(acquisition.tracer))))
    elif acquisition.tracer_is_sstr is None:
        flags.append(raise_flag("TRACER_UNKNOWN", tracer=tracer_name(acquisition.tracer or "no name is given")))
    if acquisition.nuclide is None:
        flags.append(raise_flag("NUCLIDE_UNKNOWN"))
    elif acquisition.nuclide not in protocol.tracer.nuclides:
        flags.append(
            raise_flag("NUCLIDE_NOT_68GA", nuclide=acquisition.nuclide, wanted=" or ".join(protocol.tracer.nuclides))
        )
    return flags


def _scan_flags(acquisition: Acquisition, protocol: TrialProtocol) -> list[Flag]:
    flags = []
    minutes, window = acquisition.uptake_time_min, protocol.uptake_time_min
    if minutes is not None and not window.holds(minutes):
        flags.append(raise_flag("UPTAKE_TIME_OUT_OF_RANGE", minutes=minutes, low=window.low, high=window.high))
    activity, usual = acquisition.injected_activity_mbq, protocol.injected_activity_mbq
    if activity is not None and acquisition.nuclide in protocol.tracer.nuclides and not usual.holds(activity):
        flags.append(raise_flag("ACTIVITY_OUT_OF_RANGE", mbq=activity, low=usual.low, high=usual.high))
    if acquisition.attenuation_corrected is None or acquisition.scatter_corrected is None:
        flags.append(raise_flag("CORRECTIONS_UNKNOWN"))
    if acquisition.attenuation_corrected is False:
        flags.append(raise_flag("NOT_ATTENUATION_CORRECTED"))
    if acquisition.scatter_corrected is False:
        flags.append(raise_flag("NOT_SCATTER_CORRECTED"))
    return flags


def grid_flags(pet: Geometry, ct: Geometry | None, limits: AcquisitionConfig) -> tuple[Flag, ...]:
    """Flag voxels and slices that are too coarse for small lesions and for RECIST 1.1."""
    flags = []
    # Spacings are stored as rounded decimals: 5.5 must not count as over 5.5.
    if max(pet.spacing_mm) > limits.voxel_limit_mm + 1e-3:
        flags.append(raise_flag("VOXELS_LARGE", mm=max(pet.spacing_mm), limit=limits.voxel_limit_mm))
    for modality, grid in (("PET", pet), ("CT", ct)):
        if grid is not None and grid.spacing_mm[0] > limits.slice_limit_mm + 1e-3:
            flag = raise_flag("SLICES_THICK", modality=modality, mm=grid.spacing_mm[0], limit=limits.slice_limit_mm)
            flags.append(flag)
    return tuple(flags)
