"""From the headers of one PET to the inputs of the SUV arithmetic, by the path that its units ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from dotaliver.config.scoring import AssumedValues
from dotaliver.dicom.files.elements import element_name, joined
from dotaliver.dicom.files.moments import stated_in_zone
from dotaliver.dicom.files.series_headers import SeriesHeaders
from dotaliver.dicom.files.stack import stack_of
from dotaliver.dicom.pet.elements import Read, SuvHeaderReader
from dotaliver.dicom.pet.timing import (
    Injection,
    corrected_to,
    frames_of,
    injection_of,
    private_reference_of,
    series_time,
    zone_of,
)
from dotaliver.dicom.pet.tracer import nuclide_of, one_radiopharmaceutical
from dotaliver.errors import DotaliverError
from dotaliver.records.flags import Flag, raise_flag
from dotaliver.suv.arithmetic import DecayCorrection, FrameTiming, PetUnits, SuvInputs, decay_factor
from dotaliver.suv.body_size import Normalisation

__all__ = ["suv_inputs"]

# What a missing field of `SuvInputs` is called, and the option that gives it.
_NAMES = {
    "units": element_name("Units"),
    "decay_correction": element_name("DecayCorrection"),
    "weight_kg": f"{element_name('PatientWeight')} (or give --weight)",
    "height_m": f"{element_name('PatientSize')} (or give --height)",
    "sex": element_name("PatientSex"),
    "dose_bq": f"{element_name('RadionuclideTotalDose')} (or give --dose)",
    "half_life_s": element_name("RadionuclideHalfLife"),
    "injection": (
        f"{element_name('RadiopharmaceuticalStartTime')} or {element_name('RadiopharmaceuticalStartDateTime')} "
        "(or give --injection)"
    ),
}
_BY_SEX = {
    Normalisation.LEAN_JANMAHASATIAN,
    Normalisation.LEAN_JAMES,
    Normalisation.LEAN_MORGAN,
    Normalisation.IDEAL_WEIGHT,
}
_STORED_SUV = {PetUnits.GML, PetUnits.CM2ML}
SuvValue = float | str | datetime | tuple[FrameTiming, ...]
Reads = Mapping[str, Read[SuvValue]]
"""Fields of `SuvInputs` as they were read"""


def suv_inputs(
    pet: SeriesHeaders, assume: AssumedValues, normalisation: Normalisation = Normalisation.BODY_WEIGHT
) -> tuple[SuvInputs, tuple[Flag, ...]]:
    """Read what SUV needs.

    Raises
    ------
    SuvError
        Where an element is missing, of no use, or contradicts another; the text names each with its tag, and what
        would mend it.
    AcquisitionError
        Where slices contradict each other, or a value cannot be read.
    """
    series = stack_of(pet).series
    reader = SuvHeaderReader(series, assume, nuclide_of(series.first)[0])
    units = reader.units()
    stated = assume.dose_mbq is not None and assume.injection is not None
    one_radiopharmaceutical(series, dose_matters=not stated and units.value not in _STORED_SUV)
    if units.value in _STORED_SUV and units.value is not None:
        reads = _stored_suv(reader, units.value, normalisation)
    elif units.value is PetUnits.CNTS:
        reads = _counts(reader, normalisation)
    else:
        reads = _activity(reader, normalisation, units)
    reads = {"units": units, **reads}
    values = {field: read.value for field, read in reads.items() if read.value is not None}
    sources = {field: read.source for field, read in reads.items() if read.source is not None and field != "units"}
    flags = tuple(flag for read in reads.values() for flag in read.flags)
    return SuvInputs.model_validate({"normalisation": normalisation, "sources": sources, **values}), flags


def _require(reader: SuvHeaderReader, reads: Reads, fields: Sequence[str], also: Sequence[str] = ()) -> None:
    """Refuse the series where a value is missing; the text names all that are."""
    absent = [*also, *(_NAMES[field] for field in fields if reads[field].value is None)]
    if absent:
        raise reader.refuse(f"SUV cannot be computed; missing: {', '.join(absent)}")


def _body(reader: SuvHeaderReader, normalisations: set[Normalisation]) -> tuple[Reads, list[str]]:
    """Weight, height and sex as far as the normalisations need them, and which of them must be there."""
    reads: dict[str, Read[SuvValue]] = {"weight_kg": reader.weight_kg()}
    needed = ["weight_kg"] if normalisations - {Normalisation.IDEAL_WEIGHT} else []
    if normalisations - {Normalisation.BODY_WEIGHT}:
        reads["height_m"] = reader.height_m()
        needed.append("height_m")
    if normalisations & _BY_SEX:
        reads["sex"] = reader.sex()
        needed.append("sex")
    return reads, needed


def _stored_suv(reader: SuvHeaderReader, units: PetUnits, normalisation: Normalisation) -> Reads:
    stored = reader.stored_normalisation(units)
    converts = stored.value is not normalisation
    _refuse_unused(reader, by_body=converts, decay_enters=False)
    reads: dict[str, Read[SuvValue]] = {"stored_normalisation": stored, "decay_correction": reader.decay_correction()}
    if converts and stored.value is not None:
        body, needed = _body(reader, {stored.value, normalisation})
        _require(reader, body, needed)
        reads |= body
    return reads


def _refuse_unused(reader: SuvHeaderReader, *, by_body: bool, decay_enters: bool) -> None:
    """Values that the user gives must enter: one that cannot is refused, not dropped."""
    assume = reader.assume
    given = {
        "--weight": assume.weight_kg is not None and not by_body,
        "--height": assume.height_m is not None and not by_body,
        "--dose": assume.dose_mbq is not None,
        "--injection": assume.injection is not None,
        "--reference-time": assume.reference_time is not None,
        "--decay-correction": assume.decay_correction is not None and not decay_enters,
    }
    unused = [option for option, is_given in given.items() if is_given]
    if unused:
        msg = (
            f"the voxels are SUV already or have the scanner's own factor to it, into which {', '.join(unused)} cannot "
            "enter; leave it out, or give a series in BQML"
        )
        raise reader.refuse(msg)


def _counts(reader: SuvHeaderReader, normalisation: Normalisation) -> Reads:
    """Philips' counts: by the factor to SUV, or by the one to Bq/ml where that must be or can serve as a check."""
    to_suv, to_activity = reader.philips_factors()
    correction = reader.decay_correction()
    if to_suv.value is None and to_activity.value is None:
        msg = (
            "Units (0054,1001) is CNTS, and Philips' factors to SUV (7053,1000) and to activity (7053,1009) are absent "
            "or 0; give a series in BQML"
        )
        raise reader.refuse(msg)
    assume = reader.assume
    given = (assume.weight_kg, assume.dose_mbq, assume.injection, assume.reference_time)
    if to_activity.value is not None and any(value is not None for value in given):
        # What the user states must count, and the factor to SUV has the scanner's own values in it
        to_suv = Read()
    if to_suv.value is None or (correction.value is DecayCorrection.NONE and to_activity.value is not None):
        return {**_activity(reader, normalisation), "bqml_per_count": to_activity}
    if correction.value is DecayCorrection.NONE:
        msg = (
            "Units (0054,1001) is CNTS and Decay Correction (0054,1102) is NONE, for which Philips' factor to activity "
            "(7053,1009) is needed; give a series in BQML"
        )
        raise reader.refuse(msg)
    by_body = normalisation is not Normalisation.BODY_WEIGHT
    _refuse_unused(reader, by_body=by_body, decay_enters=True)
    reads: dict[str, Read[SuvValue]] = {"suv_per_count": to_suv, "decay_correction": correction}
    if by_body:
        body, needed = _body(reader, {Normalisation.BODY_WEIGHT, normalisation})
        _require(reader, body, needed)
        reads |= body
    if to_activity.value is not None:
        reads = {**_check_of(reader, normalisation, to_activity), **reads}
    return reads


def _check_of(reader: SuvHeaderReader, normalisation: Normalisation, to_activity: Read[float]) -> Reads:
    """Inputs of the cross-check by activity, where the header holds them; it must not refuse nor flag anything."""
    try:
        reads = _activity(reader, normalisation)
    except DotaliverError:
        return {}
    unflagged: dict[str, Read[SuvValue]] = {field: Read(read.value, read.source) for field, read in reads.items()}
    return {**unflagged, "bqml_per_count": to_activity}


def _activity(reader: SuvHeaderReader, normalisation: Normalisation, units: Read[PetUnits] | None = None) -> Reads:
    """Bq/ml: body, dose, half-life and times."""
    correction = reader.decay_correction()
    body, needed = _body(reader, {normalisation})
    dose_bq, half_life_s = reader.dose_bq(), reader.half_life_s()
    decays = correction.value is not DecayCorrection.ADMIN
    frames, missing = _frames(reader, correction.value)
    injection = injection_of(reader.series, half_life_s.value, reader.assume.injection) if decays else _recorded(reader)
    reads: dict[str, Read[SuvValue]] = {
        **({} if units is None else {"units": units}),
        "decay_correction": correction,
        **body,
        "dose_bq": dose_bq,
        "half_life_s": half_life_s,
        "injection": Read() if injection is None else Read(injection.instant, injection.source),
        "series": Read(series_time(reader.series.first), "Series Date and Time (0008,0021), (0008,0031)"),
        "frames": Read(frames),
        "counts_to_start": Read("GE" in (joined(reader.series.first, "Manufacturer") or "").upper().split()),
    }
    first = [field for field in ("units", "decay_correction") if field in reads and reads[field].value is None]
    required = [*needed, "dose_bq", *(["half_life_s", "injection"] if decays else [])]
    _require(reader, reads, required, [*(_NAMES[field] for field in first), *missing])
    if injection is None or not decays:
        return reads
    flags = _injection_flags(reader, injection, half_life_s.value)
    reads["injection"] = Read(injection.instant, injection.source, tuple(flags))
    return {**reads, **_references(reader, injection)}


def _recorded(reader: SuvHeaderReader) -> Injection | None:
    """The injection where no decay rests on it: for the record only."""
    try:
        return injection_of(reader.series, None, reader.assume.injection)
    except DotaliverError:
        return None


def _references(reader: SuvHeaderReader, injection: Injection) -> Reads:
    """The stamps of the instant that voxels are corrected to."""
    reads: dict[str, Read[SuvValue]] = {}
    private = private_reference_of(reader.series, injection.instant)
    enhanced = corrected_to(reader.series)
    if enhanced is not None:
        reads["private_reference"] = Read(enhanced, element_name("DecayCorrectionDateTime"))
    elif private is not None and private.instant is None:
        reads["private_reference"] = Read(flags=(raise_flag("PRIVATE_TIME_IGNORED", vendor=private.vendor),))
    elif private is not None:
        reads["private_reference"] = Read(private.instant, private.source)
    stated = reader.assume.reference_time
    if stated is not None:
        local = stated_in_zone(stated, zone_of(reader.series), "--reference-time")
        flag = raise_flag("REFERENCE_TIME_GIVEN", time=stated.isoformat(sep=" "))
        reads["stated_reference"] = Read(local, "given by the user (--reference-time)", (flag,))
    return reads


# Start DateTime and Start Time may differ by this change of SUV, in percent, before it is worth a word.
_INJECTION_TOLERANCE_PERCENT = 1.0


def _injection_flags(reader: SuvHeaderReader, injection: Injection, half_life_s: float | None) -> list[Flag]:
    flags = []
    if injection.stated:
        flags.append(raise_flag("INJECTION_ASSUMED", time=injection.instant.isoformat(sep=" ")))
    if injection.doubt is not None:
        date, nuclide = injection.instant.date().isoformat(), reader.nuclide or "the nuclide"
        flags.append(raise_flag(injection.doubt, date=date, nuclide=nuclide))
    if injection.other_clock is not None and half_life_s is not None:
        apart_s = abs((injection.other_clock - injection.instant).total_seconds())
        percent = 100.0 * (1.0 / decay_factor(apart_s, half_life_s) - 1.0)
        if percent > _INJECTION_TOLERANCE_PERCENT:
            used, other = f"{injection.instant:%H:%M:%S}", f"{injection.other_clock:%H:%M:%S}"
            flags.append(raise_flag("INJECTION_TIMES_DIFFER", used=used, other=other, percent=percent))
    return flags


def _frames(
    reader: SuvHeaderReader, correction: DecayCorrection | None
) -> tuple[tuple[FrameTiming, ...], tuple[str, ...]]:
    """Timing of every slice, none where it does not matter, and the names of what is missing for it."""
    stated = correction is DecayCorrection.START and reader.assume.reference_time is not None
    try:
        found = frames_of(reader.series)
    except DotaliverError:
        if correction is DecayCorrection.ADMIN or stated:
            return (), ()
        raise
    frames = tuple(f for f in found if f is not None)
    if len(frames) < len(found):
        if correction is DecayCorrection.ADMIN or stated:
            return (), ()
        return frames, (element_name("AcquisitionTime"),)
    if correction is DecayCorrection.NONE and any(f.duration_s is None for f in frames):
        return frames, (element_name("ActualFrameDuration"),)
    return frames, ()
