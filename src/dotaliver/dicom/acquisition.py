"""How the PET was made, from its headers: what SUV needs, and what makes its use doubtful.

Elements are read and held to each other here; the arithmetic stands in `dotaliver.suv`.

===================================  =====================================  ====================================
Element                              accepted                               otherwise
===================================  =====================================  ====================================
Units (0054,1001)                    BQML                                   refused
Decay Correction (0054,1102)         START, ADMIN, NONE                     refused
Patient's Weight (0010,1030)         kg; over 1000 read as g, flagged       refused; ``--weight`` mends it
Radionuclide Total Dose (0018,1074)  Bq; MBq where only that can be meant,  refused; ``--dose`` mends it
                                     flagged
Radionuclide Half Life (0018,1075)   s; else that of the coded nuclide,     refused
                                     flagged
Start DateTime (0018,1078), Time     date and time, or a time on the scan's refused
(0018,1072)                          date; over midnight the day before,
                                     flagged
===================================  =====================================  ====================================
"""

from __future__ import annotations

import re
from typing import Literal

from dotaliver.config import AcquisitionConfig, AssumedValues
from dotaliver.dicom.elements import element_name, joined, number, text, texts
from dotaliver.dicom.headers import SeriesHeaders
from dotaliver.dicom.stack import stack_of
from dotaliver.dicom.timing import frames_of, injection_of, private_reference_of, scan_start, series_time
from dotaliver.dicom.tracer import NUCLIDES, nuclide_of, radiopharmaceutical, tracer_of
from dotaliver.errors import AcquisitionError, SuvError
from dotaliver.flags import Flag, raise_flag
from dotaliver.geometry import Geometry
from dotaliver.protocol import TrialProtocol
from dotaliver.records import Acquisition
from dotaliver.suv import DecayCorrection, FrameTiming, SuvInputs

__all__ = ["attenuation_corrected", "grid_flags", "read_acquisition", "suv_inputs"]

_GRAMS_ABOVE_KG = 1000.0
# No imaging dose lies below 0.1 MBq, so a smaller number is not in Bq.
_SMALLEST_DOSE_BQ = 1e5
_HALF_LIFE_SHARE = 0.01
_CALLED_UNCORRECTED = re.compile(r"\bNAC\b|\bNON?[ _-]?(AC|ATTN?)\b|\bUNCORR", re.IGNORECASE)
_NO_CORRECTION = ("none", "no ", "not ")


def _same_in_all(series: SeriesHeaders, keyword: str) -> None:
    """Refuse a series whose slices contradict each other in an element of the whole series."""
    found = series.distinct(keyword)
    if len(found) > 1:
        msg = f"{series.name}: {element_name(keyword)} differs between slices; export the series again"
        raise AcquisitionError(msg)


def attenuation_corrected(series: SeriesHeaders) -> bool | None:
    """Whether the PET is corrected for attenuation; None where the header does not tell.

    Corrected Image (0028,0051) lists ATTN; Attenuation Correction Method (0054,1101) may deny it, and so may a
    description as "NAC": GE scanners list ATTN for uncorrected images too.
    """
    if _CALLED_UNCORRECTED.search(series.description or ""):
        return False
    return _corrected(series, "ATTN", "AttenuationCorrectionMethod")


def _corrected(series: SeriesHeaders, code: str, method_keyword: str) -> bool | None:
    corrections = texts(series.first, "CorrectedImage")
    method = joined(series.first, method_keyword)
    if method is not None and method.lower().startswith(_NO_CORRECTION):
        return False
    if corrections:
        return code in {c.upper() for c in corrections}
    return True if method is not None else None


# --- SUV ---------------------------------------------------------------------------------------------------------


class _Reading:
    """What is gathered while the elements of one series are read: values' sources, flags, missing elements."""

    def __init__(self, series: SeriesHeaders) -> None:
        self.series = series
        self.sources: dict[str, str] = {}
        self.flags: list[Flag] = []
        self.missing: list[str] = []

    def refuse(self, why: str) -> SuvError:
        return SuvError(f"{self.series.name}: {why}")


def _require_units(reading: _Reading) -> None:
    _same_in_all(reading.series, "Units")
    units = text(reading.series.first, "Units")
    if units is None:
        reading.missing.append(element_name("Units"))
    elif units in {"CNTS", "GML", "CM2ML"}:
        msg = f"Units (0054,1001) is {units}, which is not converted to SUV yet; give a series in BQML"
        raise reading.refuse(msg)
    elif units != "BQML":
        msg = f"Units (0054,1001) is {units}, which holds no activity concentration; give a series in BQML"
        raise reading.refuse(msg)


def _decay_correction(reading: _Reading) -> DecayCorrection | None:
    _same_in_all(reading.series, "DecayCorrection")
    value = text(reading.series.first, "DecayCorrection")
    name = element_name("DecayCorrection")
    if value is None:
        reading.missing.append(name)
        return None
    if value not in DecayCorrection.__members__:
        msg = f"{name} is {value}, and not START, ADMIN or NONE; correct it in the files"
        raise reading.refuse(msg)
    corrected = "DECY" in texts(reading.series.first, "CorrectedImage")
    if value == "NONE" and corrected:
        msg = f"{name} is NONE and Corrected Image (0028,0051) lists DECY, which contradict each other"
        raise reading.refuse(msg)
    reading.sources["decay_correction"] = name
    return DecayCorrection(value)


def _weight_kg(reading: _Reading, assume: AssumedValues) -> float | None:
    if assume.weight_kg is not None:
        reading.sources["weight_kg"] = "given by the user (--weight)"
        reading.flags.append(raise_flag("WEIGHT_ASSUMED", kg=assume.weight_kg))
        return assume.weight_kg
    _same_in_all(reading.series, "PatientWeight")
    name = element_name("PatientWeight")
    value = number(reading.series.first, "PatientWeight")
    if value is None or value <= 0:
        reading.missing.append(f"{name} (or give --weight)")
        return None
    reading.sources["weight_kg"] = name
    if value > _GRAMS_ABOVE_KG:
        reading.flags.append(raise_flag("WEIGHT_READ_AS_GRAMS", value=value))
        return value / 1000.0
    return value


def _dose_bq(reading: _Reading, assume: AssumedValues, nuclide: str | None) -> float | None:
    if assume.dose_mbq is not None:
        reading.sources["dose_bq"] = "given by the user (--dose)"
        reading.flags.append(raise_flag("DOSE_ASSUMED", mbq=assume.dose_mbq))
        return assume.dose_mbq * 1e6
    item = radiopharmaceutical(reading.series.first)
    name = element_name("RadionuclideTotalDose")
    value = None if item is None else number(item, "RadionuclideTotalDose")
    if value is None or value <= 0:
        reading.missing.append(f"{name} (or give --dose)")
        return None
    reading.sources["dose_bq"] = name
    if value >= _SMALLEST_DOSE_BQ:
        return value
    known = NUCLIDES.get(nuclide or "")
    if known is not None and known.activity_mbq.holds(value):
        reading.flags.append(raise_flag("DOSE_READ_AS_MBQ", value=value))
        return value * 1e6
    msg = f"{name} is {value:g}, which is plausible neither in Bq nor in MBq; correct it or give --dose"
    raise reading.refuse(msg)


def _half_life_s(reading: _Reading, nuclide: str | None) -> float | None:
    item = radiopharmaceutical(reading.series.first)
    name = element_name("RadionuclideHalfLife")
    value = None if item is None else number(item, "RadionuclideHalfLife")
    known = NUCLIDES.get(nuclide or "")
    if value is None or value <= 0:
        if known is None:
            reading.missing.append(name)
            return None
        reading.sources["half_life_s"] = f"physical half-life of {known.name}"
        flag = raise_flag("HALF_LIFE_FROM_NUCLIDE", nuclide=known.name, seconds=known.half_life_s)
        reading.flags.append(flag)
        return known.half_life_s
    reading.sources["half_life_s"] = name
    if known is not None and abs(value / known.half_life_s - 1) > _HALF_LIFE_SHARE:
        percent = 100.0 * abs(value / known.half_life_s - 1)
        reading.flags.append(raise_flag("HALF_LIFE_UNUSUAL", seconds=value, percent=percent, nuclide=known.name))
    return value


def _frames(reading: _Reading, correction: DecayCorrection | None) -> tuple[FrameTiming, ...]:
    frames = tuple(f for f in frames_of(reading.series) if f is not None)
    if len(frames) < len(reading.series.slices):
        start = series_time(reading.series.first)
        if correction is DecayCorrection.ADMIN and start is not None:
            return (FrameTiming(acquisition=start),)
        reading.missing.append(element_name("AcquisitionTime"))
    elif correction is DecayCorrection.NONE and any(f.duration_s is None for f in frames):
        reading.missing.append(element_name("ActualFrameDuration"))
    return frames


def suv_inputs(pet: SeriesHeaders, assume: AssumedValues) -> tuple[SuvInputs, tuple[Flag, ...]]:
    """Read what body-weight SUV needs.

    Raises
    ------
    SuvError
        Where an element is missing, of no use, or contradicts another; the text names each with its tag, and what
        would mend it.
    AcquisitionError
        Where slices contradict each other, or a value cannot be read.
    """
    reading = _Reading(stack_of(pet).series)
    nuclide, _ = nuclide_of(pet.first)
    _require_units(reading)
    correction = _decay_correction(reading)
    weight_kg = _weight_kg(reading, assume)
    dose_bq = _dose_bq(reading, assume, nuclide)
    half_life_s = _half_life_s(reading, nuclide)
    frames = _frames(reading, correction)
    injection = injection_of(reading.series)
    if injection is None:
        clock = f"{element_name('RadiopharmaceuticalStartTime')} or {element_name('RadiopharmaceuticalStartDateTime')}"
        reading.missing.append(clock)
    if reading.missing:
        msg = f"SUV cannot be computed, for these are missing: {', '.join(reading.missing)}"
        raise reading.refuse(msg)
    if correction is None or weight_kg is None or dose_bq is None or half_life_s is None or injection is None:
        raise reading.refuse("SUV cannot be computed from its header")
    reading.sources["injection"] = injection.source
    if injection.date_assumed:
        reading.flags.append(raise_flag("INJECTION_DATE_ASSUMED", date=injection.instant.date().isoformat()))
    private = private_reference_of(reading.series, injection.instant)
    if private is not None and private.instant is None:
        reading.flags.append(raise_flag("PRIVATE_TIME_IGNORED", vendor=private.vendor))
    elif private is not None:
        reading.sources["private_reference"] = private.source
    reading.sources["series"] = "Series Date and Time (0008,0021), (0008,0031)"
    inputs = SuvInputs(
        decay_correction=correction,
        weight_kg=weight_kg,
        dose_bq=dose_bq,
        half_life_s=half_life_s,
        injection=injection.instant,
        series=series_time(pet.first),
        private_reference=None if private is None else private.instant,
        frames=frames,
        sources=reading.sources,
    )
    return inputs, tuple(reading.flags)


# --- the acquisition ---------------------------------------------------------------------------------------------


def _sex(series: SeriesHeaders) -> Literal["M", "F", "O"] | None:
    value = text(series.first, "PatientSex")
    return value if value in {"M", "F", "O"} else None  # type: ignore[return-value]


def _activity_mbq(pet: SeriesHeaders, assume: AssumedValues, nuclide: str | None) -> float | None:
    try:
        dose_bq = _dose_bq(_Reading(pet), assume, nuclide)
    except (SuvError, AcquisitionError):
        return None
    return None if dose_bq is None else dose_bq / 1e6


def read_acquisition(
    pet: SeriesHeaders, ct: SeriesHeaders | None, protocol: TrialProtocol, assume: AssumedValues | None = None
) -> tuple[Acquisition, tuple[Flag, ...]]:
    """Describe how the PET (and CT) was made, and flag what departs from the protocol."""
    assume = assume or AssumedValues()
    nuclide, _ = nuclide_of(pet.first)
    tracer = tracer_of(pet.first, protocol.tracer)
    injection = injection_of(pet)
    start = scan_start(pet)
    minutes = (start - injection.instant).total_seconds() / 60.0 if start and injection else None
    weight = assume.weight_kg if assume.weight_kg is not None else number(pet.first, "PatientWeight")
    if weight is not None and weight > _GRAMS_ABOVE_KG:
        weight /= 1000.0
    acquisition = Acquisition(
        manufacturer=joined(pet.first, "Manufacturer"),
        model=joined(pet.first, "ManufacturerModelName"),
        tracer=tracer.name,
        tracer_is_sstr=tracer.is_sstr,
        nuclide=nuclide,
        injected_activity_mbq=_activity_mbq(pet, assume, nuclide),
        injection=None if injection is None else injection.instant,
        scan_start=start,
        uptake_time_min=minutes,
        units=text(pet.first, "Units"),
        decay_correction=text(pet.first, "DecayCorrection"),
        attenuation_corrected=attenuation_corrected(pet),
        scatter_corrected=_corrected(pet, "SCAT", "ScatterCorrectionMethod"),
        corrections=texts(pet.first, "CorrectedImage"),
        reconstruction=joined(pet.first, "ReconstructionMethod"),
        patient_weight_kg=weight or None,
        patient_height_m=number(pet.first, "PatientSize") or None,
        patient_sex=_sex(pet),
        patient_position=text(pet.first, "PatientPosition"),
        ct_contrast_agent=None if ct is None else joined(ct.first, "ContrastBolusAgent"),
        ct_kvp=None if ct is None else number(ct.first, "KVP"),
    )
    flags = (*_tracer_flags(acquisition, protocol), *_scan_flags(acquisition, protocol))
    return acquisition, flags


def _tracer_flags(acquisition: Acquisition, protocol: TrialProtocol) -> list[Flag]:
    flags = []
    if acquisition.tracer_is_sstr is False:
        flags.append(raise_flag("TRACER_NOT_SSTR", tracer=str(acquisition.tracer)))
    elif acquisition.tracer_is_sstr is None:
        flags.append(raise_flag("TRACER_UNKNOWN", tracer=acquisition.tracer or "no name is given"))
    if acquisition.nuclide is None:
        flags.append(raise_flag("NUCLIDE_UNKNOWN"))
    elif acquisition.nuclide not in protocol.tracer.nuclides:
        flags.append(raise_flag("NUCLIDE_NOT_68GA", nuclide=acquisition.nuclide))
    return flags


def _scan_flags(acquisition: Acquisition, protocol: TrialProtocol) -> list[Flag]:
    flags = []
    minutes, window = acquisition.uptake_time_min, protocol.uptake_time_min
    if minutes is not None and not window.holds(minutes):
        flags.append(raise_flag("UPTAKE_TIME_OUT_OF_RANGE", minutes=minutes, low=window.low, high=window.high))
    activity, usual = acquisition.injected_activity_mbq, protocol.injected_activity_mbq
    if activity is not None and acquisition.nuclide == "68Ga" and not usual.holds(activity):
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
