"""Relative units: what a PET must be for its ratios and its burden to hold without dose, weight or clock."""

from __future__ import annotations

from dotaliver.dicom.files.elements import element_name, joined, number, text
from dotaliver.dicom.files.headers import SeriesHeaders
from dotaliver.dicom.pet.acquisition import attenuation_corrected
from dotaliver.dicom.pet.elements import corrects_decay, same_in_all
from dotaliver.dicom.pet.timing import frames_of
from dotaliver.dicom.pet.tracer import NUCLIDES, nuclide_of, one_radiopharmaceutical, radiopharmaceutical
from dotaliver.errors import AcquisitionError, SuvError
from dotaliver.suv.decay import TOLERANCE_PERCENT, DecayCorrection, back_computed, spread_percent

__all__ = ["check_relative"]

# Units (0054,1001) that are proportional to activity (PS3.3 C.8.9.1.1.3); 1CM is an attenuation map.
_PROPORTIONAL = {"BQML", "CNTS", "CPS", "PROPCNTS", "PROPCPS", "GML", "CM2ML"}
_SUV = {"GML", "CM2ML"}


def check_relative(pet: SeriesHeaders, stated_correction: str | None = None) -> None:
    """Refuse a PET whose voxels cannot be compared with each other.

    Parameters
    ----------
    stated_correction : str, optional
        Decay Correction (0054,1102) by the user, in place of what the files say.

    Raises
    ------
    SuvError
        Where the units are not proportional to activity, attenuation is not corrected, or the slices do not share
        one reference time.
    AcquisitionError
        Where slices contradict each other.
    """
    one_radiopharmaceutical(pet, dose_matters=False)
    same_in_all(pet, "Units")
    units = text(pet.first, "Units")
    if units not in _PROPORTIONAL:
        msg = f"{element_name('Units')} is {units or 'missing'}, so voxels are not known to be proportional to activity"
        raise _refusal(pet, msg)
    if attenuation_corrected(pet) is not True:
        msg = "the PET is not corrected for attenuation, or does not say so in Corrected Image (0028,0051)"
        raise _refusal(pet, msg)
    if units not in _SUV:
        _require_one_reference(pet, stated_correction)


def _refusal(pet: SeriesHeaders, why: str) -> SuvError:
    return SuvError(f"{pet.name}: relative units need voxels that can be compared, and {why}; give another series")


def _require_one_reference(pet: SeriesHeaders, stated: str | None) -> None:
    if stated is None:
        same_in_all(pet, "DecayCorrection")
    value = stated or text(pet.first, "DecayCorrection")
    name = element_name("DecayCorrection")
    if value not in DecayCorrection.__members__:
        msg = f"{name} is {value or 'missing'}, so its slices are not known to share one reference time"
        raise _refusal(pet, msg)
    corrected = corrects_decay(pet) if stated is None else None
    if corrected is not None and corrected is (value == "NONE"):
        msg = f"{name} ({value}) and Corrected Image (0028,0051) contradict each other"
        raise _refusal(pet, msg)
    if value == "ADMIN":
        return
    try:
        frames = [f for f in frames_of(pet) if f is not None]
    except AcquisitionError:
        # No clock is needed; one that cannot be read is one that is missing
        frames = []
    if value == "NONE":
        if len(frames) < len(pet.slices) or len({(f.acquisition, f.duration_s) for f in frames}) > 1:
            msg = f"{name} is NONE and its slices were not acquired at one time"
            raise _refusal(pet, msg)
        return
    half_life_s = _half_life_s(pet)
    if half_life_s is None or len(frames) < len(pet.slices):
        return
    vendor = (joined(pet.first, "Manufacturer") or "").upper().split()
    instants = back_computed(tuple(frames), half_life_s, counts_to_start="GE" in vendor)
    if instants is not None and spread_percent(instants, half_life_s) > TOLERANCE_PERCENT:
        msg = (
            "by Frame Reference Time (0054,1300) its slices are corrected to different instants, from "
            f"{min(instants):%H:%M:%S} to {max(instants):%H:%M:%S}"
        )
        raise _refusal(pet, msg)


def _half_life_s(pet: SeriesHeaders) -> float | None:
    item = radiopharmaceutical(pet.first)
    value = None if item is None else number(item, "RadionuclideHalfLife")
    if value is not None and value > 0:
        return value
    known = NUCLIDES.get(nuclide_of(pet.first)[0] or "")
    return None if known is None else known.half_life_s
