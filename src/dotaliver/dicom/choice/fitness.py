"""Whether a series is a volume that can be read, and how well a PET suits SUV, by its headers alone."""

from __future__ import annotations

from dotaliver.dicom.files.elements import text
from dotaliver.dicom.files.instances import NOT_VOLUMES
from dotaliver.dicom.files.multiframe import MULTIFRAME_CLASSES
from dotaliver.dicom.files.series_headers import MR_CLASS, PET_CLASS, SeriesHeaders
from dotaliver.dicom.pet.acquisition import attenuation_corrected
from dotaliver.errors import StudyError

__all__ = [
    "named_series",
    "pet_rank",
    "unfit",
]

# A liver of 15 cm in the thickest slices that are read; a scout has one to three.
_FEWEST_SLICES = 4
_OPTIONS = {"PT": "--pet", "CT": "--ct", "CT or MR": "--recist-image"}
# Values of Image Type (0008,0008) of a multi-energy CT that holds no plain densities (DICOM Supplement 188), and of
# subtractions and perfusion maps.
_CT_MAPS = {
    "MAT_SPECIFIC": "material-specific map",
    "MAT_FRACTIONAL": "material-fraction map",
    "MAT_VALUE_BASED": "material map",
    "MAT_REMOVED": "map without one material",
    "MAT_MODIFIED": "map with one material changed",
    "EFF_ATOMIC_NUM": "map of effective atomic numbers",
    "ELECTRON_DENSITY": "electron-density map",
    "SUBTRACT": "subtraction",
    "SUBTRACTION": "subtraction",
    "PERFUSION": "perfusion map",
    "CBF": "perfusion map",
    "CBV": "perfusion map",
    "MTT": "perfusion map",
    "TTP": "perfusion map",
}
_TIME_SERIES = {"DYNAMIC", "GATED"}
_CONVERTIBLE = {"CNTS", "GML", "CM2ML"}


def unfit(series: SeriesHeaders, classic: str) -> str | None:
    """Why a series is no volume of its modality that could be read, by its headers alone; None where it may be."""
    modality = {PET_CLASS: "PT", MR_CLASS: "MR"}.get(classic, "CT")
    classes = {text(part.dataset, "SOPClassUID") or series.sop_class_uid for part in series.slices}
    for sop_class in classes - {None, classic}:
        if MULTIFRAME_CLASSES.get(str(sop_class)) != modality:
            return "not a CT, MR or PET image object (a secondary capture or another kind)"
        if any(part.frame is None for part in series.slices):
            return "a multi-frame object whose functional groups are damaged or missing; export it again"
    maps = sorted(_CT_MAPS[value] for value in _values(series, "ImageType", 2) if value in _CT_MAPS)
    if modality == "CT" and maps:
        return f"a CT {maps[0]}, which does not show the densities of tissue; name a plain CT series instead"
    return _no_volume(series)


def _values(series: SeriesHeaders, keyword: str, first: int = 0) -> set[str]:
    """The values of an element in any slice, from the `first` on, in capitals."""
    return {value.upper() for values in series.distinct(keyword) for value in values[first:]}


def _no_volume(series: SeriesHeaders) -> str | None:
    # Number of Time Slices (0054,0101) does not indicate a dynamic series: GE counts bed positions in it.
    kinds = sorted(NOT_VOLUMES[value] for value in _values(series, "ImageType", 2) if value in NOT_VOLUMES)
    if kinds:
        return f"a {kinds[0]}, not a volume"
    types = {values[0].upper() for values in series.distinct("SeriesType") if values} & _TIME_SERIES
    if types:
        return f"a {min(types).lower()} series; give one static volume"
    if "REPROJECTION" in _values(series, "SeriesType", 1):
        return "a projection of a volume"
    single_frames = series.distinct("NumberOfFrames") <= {(), ("1",)}
    few = len(series.slices) < _FEWEST_SLICES and single_frames
    return f"only {len(series.slices)} slice(s)" if few else None


def pet_rank(series: SeriesHeaders) -> tuple[int, str]:
    """How well a PET's values suit SUV (0 is best), in words."""
    found = {text(part.dataset, "Units") for part in series.slices}
    if len(found) > 1:
        return 3, "Units (0054,1001) differs between its slices"
    units = found.pop()
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
    found = [s for s in candidates if wanted in {s.uid, s.short_name}]
    if len(found) == 1:
        return found[0]
    option = _OPTIONS[modality]
    there = ", ".join(s.short_name for s in candidates) or "none"
    if found:
        uids = ", ".join(s.uid for s in found)
        msg = f"{option} {wanted}: {len(found)} {modality} series have this number; name one by its UID: {uids}"
    else:
        msg = f"{option} {wanted}: there is no such {modality} series in the folder (there are: {there})"
    raise StudyError(msg)
