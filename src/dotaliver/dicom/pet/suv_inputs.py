"""From the headers of one PET to the inputs of the SUV arithmetic, by the path that its units ask for."""

from __future__ import annotations

from typing import Any

from dotaliver.config.scoring import AssumedValues
from dotaliver.dicom.files.elements import element_name, joined, parse_datetime, text
from dotaliver.dicom.files.headers import SeriesHeaders
from dotaliver.dicom.files.stack import stack_of
from dotaliver.dicom.pet.elements import SuvHeaderReader
from dotaliver.dicom.pet.timing import Injection, frames_of, injection_of, private_reference_of, series_time
from dotaliver.dicom.pet.tracer import nuclide_of
from dotaliver.errors import DotaliverError
from dotaliver.records.flags import Flag, raise_flag
from dotaliver.suv.arithmetic import DecayCorrection, FrameTiming, PetUnits, SuvInputs, decay_factor
from dotaliver.suv.body_size import Normalisation

__all__ = ["suv_inputs"]

_WEIGHT = f"{element_name('PatientWeight')} (or give --weight)"
_HEIGHT = f"{element_name('PatientSize')} (or give --height)"
_DOSE = f"{element_name('RadionuclideTotalDose')} (or give --dose)"
_INJECTION = (
    f"{element_name('RadiopharmaceuticalStartTime')} or {element_name('RadiopharmaceuticalStartDateTime')} "
    "(or give --injection)"
)
_BY_SEX = {
    Normalisation.LEAN_JANMAHASATIAN,
    Normalisation.LEAN_JAMES,
    Normalisation.LEAN_MORGAN,
    Normalisation.IDEAL_WEIGHT,
}


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
    reading = SuvHeaderReader(series, assume, nuclide_of(series.first)[0])
    units = reading.units()
    values: dict[str, Any] = {"normalisation": normalisation}
    if units in {PetUnits.GML, PetUnits.CM2ML}:
        values |= _stored_suv(reading, units, normalisation)
    elif units is PetUnits.CNTS:
        values |= _counts(reading, normalisation)
    else:
        values |= _activity(reading, normalisation)
    if units is not None:
        values["units"] = units
    values["sources"] = reading.sources
    return SuvInputs(**values), tuple(reading.flags)


def _body(
    reading: SuvHeaderReader, normalisations: set[Normalisation]
) -> tuple[dict[str, Any], list[tuple[object, str]]]:
    """Weight, height and sex as far as the normalisations need them, and the names of each."""
    values: dict[str, Any] = {"weight_kg": reading.weight_kg()}
    named: list[tuple[object, str]] = []
    if normalisations - {Normalisation.IDEAL_WEIGHT}:
        named.append((values["weight_kg"], _WEIGHT))
    if normalisations - {Normalisation.BODY_WEIGHT}:
        values["height_m"] = reading.height_m()
        named.append((values["height_m"], _HEIGHT))
    if normalisations & _BY_SEX:
        values["sex"] = reading.sex()
        named.append((values["sex"], element_name("PatientSex")))
        if values["sex"] == "O":
            reading.flags.append(raise_flag("SEX_OTHER"))
    return values, named


def _stored_suv(reading: SuvHeaderReader, units: PetUnits, normalisation: Normalisation) -> dict[str, Any]:
    stored = reading.stored_normalisation(units)
    stated = reading.assume.decay_correction is not None
    correction = None if stated else reading.decay_correction(needed=False)
    values: dict[str, Any] = {"stored_normalisation": stored, "decay_correction": correction}
    _refuse_unused(reading, by_body=stored is not normalisation)
    if stored is not normalisation:
        body, named = _body(reading, {stored, normalisation})
        reading.require(named)
        values |= body
    return values


def _refuse_unused(reading: SuvHeaderReader, *, by_body: bool) -> None:
    """Values that the user gives must enter: one that cannot is refused, not dropped."""
    assume = reading.assume
    given = {
        "--weight": assume.weight_kg is not None and not by_body,
        "--height": assume.height_m is not None and not by_body,
        "--dose": assume.dose_mbq is not None,
        "--injection": assume.injection is not None,
        "--reference-time": assume.reference_time is not None,
        "--decay-correction": assume.decay_correction is not None and reading.stores_suv,
    }
    unused = [option for option, is_given in given.items() if is_given]
    if unused:
        msg = (
            f"the voxels are SUV already or have the scanner's own factor to it, into which {', '.join(unused)} cannot "
            "enter; leave it out, or give a series in BQML"
        )
        raise reading.refuse(msg)


def _counts(reading: SuvHeaderReader, normalisation: Normalisation) -> dict[str, Any]:
    """Philips' counts: by the factor to SUV, or by the one to Bq/ml where that must be or can serve as a check."""
    to_suv, to_activity = reading.philips_factors()
    correction = reading.decay_correction(needed=to_suv is None)
    if to_suv is None and to_activity is None:
        msg = (
            "Units (0054,1001) is CNTS, and Philips' factors to SUV (7053,1000) and to activity (7053,1009) are absent "
            "or 0; give a series in BQML"
        )
        raise reading.refuse(msg)
    assume = reading.assume
    given = (assume.weight_kg, assume.dose_mbq, assume.injection, assume.reference_time)
    if to_activity is not None and any(value is not None for value in given):
        # What the user states must count, and the factor to SUV has the scanner's own values in it.
        to_suv = None
    if to_suv is None or (correction is DecayCorrection.NONE and to_activity is not None):
        return _activity(reading, normalisation) | {"bqml_per_count": to_activity}
    if correction is DecayCorrection.NONE:
        msg = (
            "Units (0054,1001) is CNTS and Decay Correction (0054,1102) is NONE, for which Philips' factor to activity "
            "(7053,1009) is needed; give a series in BQML"
        )
        raise reading.refuse(msg)
    by_body = normalisation is not Normalisation.BODY_WEIGHT
    _refuse_unused(reading, by_body=by_body)
    values: dict[str, Any] = {"suv_per_count": to_suv, "decay_correction": correction}
    if by_body:
        body, named = _body(reading, {Normalisation.BODY_WEIGHT, normalisation})
        reading.require(named)
        values |= body
    if to_activity is not None:
        values = _check_of(reading, normalisation, to_activity) | values
    return values


def _check_of(reading: SuvHeaderReader, normalisation: Normalisation, to_activity: float) -> dict[str, Any]:
    """Inputs of the cross-check by activity, where the header holds them; it must not refuse nor flag anything."""
    aside = SuvHeaderReader(reading.series, reading.assume, reading.nuclide)
    try:
        values = _activity(aside, normalisation)
    except DotaliverError:
        return {}
    reading.sources = aside.sources | reading.sources
    return values | {"bqml_per_count": to_activity}


def _activity(reading: SuvHeaderReader, normalisation: Normalisation) -> dict[str, Any]:
    """Bq/ml: body, dose, half-life and times."""
    correction = reading.decay_correction(needed=True)
    body, named = _body(reading, {normalisation})
    dose_bq, half_life_s = reading.dose_bq(), reading.half_life_s()
    decays = correction is not DecayCorrection.ADMIN
    frames = _frames(reading, correction)
    injection = injection_of(reading.series, half_life_s, reading.assume.injection) if decays else _any(reading)
    named.append((dose_bq, _DOSE))
    if decays:
        named.extend([(half_life_s, element_name("RadionuclideHalfLife")), (injection, _INJECTION)])
    reading.require(named)
    values = body | {
        "decay_correction": correction,
        "dose_bq": dose_bq,
        "half_life_s": half_life_s,
        "series": series_time(reading.series.first),
        "frames": frames,
        "counts_to_start": "GE" in (joined(reading.series.first, "Manufacturer") or "").upper().split(),
    }
    reading.sources["series"] = "Series Date and Time (0008,0021), (0008,0031)"
    if injection is None or not decays:
        return values | {"injection": None if injection is None else injection.instant}
    values["injection"] = injection.instant
    return values | _references(reading, injection, half_life_s)


def _any(reading: SuvHeaderReader) -> Injection | None:
    """The injection where no decay rests on it: for the record only."""
    try:
        found = injection_of(reading.series, None, reading.assume.injection)
    except DotaliverError:
        return None
    if found is not None:
        reading.sources["injection"] = found.source
    return found


def _references(reading: SuvHeaderReader, injection: Injection, half_life_s: float | None) -> dict[str, Any]:
    """The injection's doubts, and the stamps of the instant that voxels are corrected to."""
    values: dict[str, Any] = {}
    reading.sources["injection"] = injection.source
    reading.flags.extend(_injection_flags(reading, injection, half_life_s))
    private = private_reference_of(reading.series, injection.instant)
    corrected_to = parse_datetime(text(reading.series.first, "DecayCorrectionDateTime"))
    if corrected_to is not None:
        # Enhanced PET states the instant itself (PS3.3 C.8.22.5)
        reading.sources["private_reference"] = element_name("DecayCorrectionDateTime")
        values["private_reference"] = corrected_to
    elif private is not None and private.instant is None:
        reading.flags.append(raise_flag("PRIVATE_TIME_IGNORED", vendor=private.vendor))
    elif private is not None:
        reading.sources["private_reference"] = private.source
        values["private_reference"] = private.instant
    stated = reading.assume.reference_time
    if stated is not None:
        reading.sources["stated_reference"] = "given by the user (--reference-time)"
        reading.flags.append(raise_flag("REFERENCE_TIME_GIVEN", time=stated.isoformat(sep=" ")))
        values["stated_reference"] = stated
    return values


# Start DateTime and Start Time may differ by this change of SUV, in percent, before it is worth a word.
_INJECTION_TOLERANCE_PERCENT = 1.0


def _injection_flags(reading: SuvHeaderReader, injection: Injection, half_life_s: float | None) -> list[Flag]:
    flags = []
    if injection.stated:
        flags.append(raise_flag("INJECTION_ASSUMED", time=injection.instant.isoformat(sep=" ")))
    if injection.doubt is not None:
        date, nuclide = injection.instant.date().isoformat(), reading.nuclide or "the nuclide"
        flags.append(raise_flag(injection.doubt, date=date, nuclide=nuclide))
    if injection.other_clock is not None and half_life_s is not None:
        apart_s = abs((injection.other_clock - injection.instant).total_seconds())
        percent = 100.0 * (1.0 / decay_factor(apart_s, half_life_s) - 1.0)
        if percent > _INJECTION_TOLERANCE_PERCENT:
            used, other = f"{injection.instant:%H:%M:%S}", f"{injection.other_clock:%H:%M:%S}"
            flags.append(raise_flag("INJECTION_TIMES_DIFFER", used=used, other=other, percent=percent))
    return flags


def _frames(reading: SuvHeaderReader, correction: DecayCorrection | None) -> tuple[FrameTiming, ...]:
    frames = tuple(f for f in frames_of(reading.series) if f is not None)
    if len(frames) < len(reading.series.slices):
        if correction is DecayCorrection.ADMIN:
            return ()
        if correction is DecayCorrection.START and reading.assume.reference_time is not None:
            return ()
        reading.missing.append(element_name("AcquisitionTime"))
    elif correction is DecayCorrection.NONE and any(f.duration_s is None for f in frames):
        reading.missing.append(element_name("ActualFrameDuration"))
    return frames
