"""What speaks for or against a series by its own header."""

from __future__ import annotations

from dotaliver.dicom.files.elements import text, texts
from dotaliver.dicom.files.headers import PET_CLASS, SeriesHeaders
from dotaliver.dicom.files.multiframe import MULTIFRAME_CLASSES
from dotaliver.dicom.pet.acquisition import attenuation_corrected
from dotaliver.errors import StudyError

__all__ = [
    "named_series",
    "pet_rank",
    "unfit",
]

# A liver of 15 cm in the thickest slices that are read; a scout has one to three.
_FEWEST_SLICES = 4
_NOT_VOLUMES = {"MIP", "LOCALIZER", "SCOUT", "TOPOGRAM", "PROJECTION IMAGE", "MAX_IP", "SCREEN SAVE"}
_TIME_SERIES = {"DYNAMIC", "GATED"}
_CONVERTIBLE = {"CNTS", "GML", "CM2ML"}


def unfit(series: SeriesHeaders, classic: str) -> str | None:
    """Why a series is no volume of its modality that could be read, by its header alone; None where it may be."""
    sop_class = series.sop_class_uid
    if sop_class not in {None, classic}:
        modality = "PT" if classic == PET_CLASS else "CT"
        if MULTIFRAME_CLASSES.get(str(sop_class)) != modality:
            return "not a CT or PET image object (a secondary capture or another kind)"
        if any(part.frame is None for part in series.slices):
            return "a multi-frame object whose functional groups are damaged or missing; export it again"
    return _no_volume(series)


def _no_volume(series: SeriesHeaders) -> str | None:
    # Number of Time Slices (0054,0101) is no sign of a dynamic series: GE counts bed positions in it.
    kinds = {v.upper() for v in texts(series.first, "ImageType")[2:]} & _NOT_VOLUMES
    if kinds:
        return f"a {kinds.pop()} image, not a volume"
    types = [v.upper() for v in texts(series.first, "SeriesType")]
    if types and types[0] in _TIME_SERIES:
        return f"a {types[0].lower()} series; give one static volume"
    if "REPROJECTION" in types[1:]:
        return "a projection of a volume"
    few = len(series.slices) < _FEWEST_SLICES and text(series.first, "NumberOfFrames") in {None, "1"}
    return f"only {len(series.slices)} slice(s)" if few else None


def pet_rank(series: SeriesHeaders) -> tuple[int, str]:
    """How well a PET's values suit SUV (0 is best), in words."""
    units = text(series.first, "Units")
    corrected = attenuation_corrected(series) is not False
    if units == "BQML" and corrected:
        return 0, "in Bq/ml"
    if units in _CONVERTIBLE and corrected:
        return 1, f"Units (0054,1001) is {units}"
    if units == "BQML":
        return 2, "not corrected for attenuation"
    word = "missing" if units is None else units
    more = "" if corrected else "; not corrected for attenuation"
    return 3, f"Units (0054,1001) is {word}, which holds no activity concentration{more}"


def named_series(candidates: tuple[SeriesHeaders, ...], wanted: str, modality: str) -> SeriesHeaders:
    """The series that the user names by UID or number."""
    found = [s for s in candidates if wanted == s.uid or (s.number is not None and wanted == str(s.number))]
    if len(found) == 1:
        return found[0]
    option = "--pet" if modality == "PT" else "--ct"
    there = ", ".join(str(s.number if s.number is not None else s.uid) for s in candidates) or "none"
    if found:
        uids = ", ".join(s.uid for s in found)
        msg = f"{option} {wanted}: {len(found)} {modality} series have this number; name one by its UID: {uids}"
    else:
        msg = f"{option} {wanted}: there is no such {modality} series in the folder (there are: {there})"
    raise StudyError(msg)
