"""Whether an MR series is one anatomical volume that a reader can measure on, by the headers of all its slices."""

from __future__ import annotations

from pydicom.dataset import Dataset

from dotaliver.dicom.choice.fitness import unfit
from dotaliver.dicom.files.elements import numbers
from dotaliver.dicom.files.series_headers import MR_CLASS, SeriesHeaders
from dotaliver.dicom.files.stack import stack_of
from dotaliver.dicom.mr.description import MrDescription, describe_mr
from dotaliver.errors import AcquisitionError, DotaliverError

__all__ = ["mr_note", "unfit_mr"]

_SHOWN = 6


def unfit_mr(series: SeriesHeaders) -> str | None:
    """Why an MR series is not one volume that diameters can be measured on; None where it is.

    Refused are maps, subtractions, phase images and localizers; series that mix echoes, b-values, time points, or
    water and fat; and slices without position or orientation, too few, or unevenly spaced.
    """
    why = unfit(series, MR_CLASS)
    if why is not None:
        return why
    described = describe_mr(series)
    if described.kind is not None:
        return f"its images ({described.kind}) are not measured; name an anatomical series instead"
    mixed = _mixed(series, described)
    if mixed is not None:
        return mixed
    if not any(_has_orientation(part.dataset) for part in series.slices):
        return (
            "its slices have no Image Orientation (Patient) (0020,0037), so where they lie is unknown; export the "
            "series again"
        )
    try:
        stack_of(series)
    except DotaliverError as error:
        return str(error).removeprefix(f"{series.name}: ")
    return None


def mr_note(series: SeriesHeaders) -> str:
    """What an MR series shows, and whether it can be named for diameters, in one sentence."""
    described, why = describe_mr(series), unfit_mr(series)
    if why is None:
        return f"{described.words}; --recist-image {series.short_name} measures on it"
    return f"{described.words}; {why}"


def _mixed(series: SeriesHeaders, described: MrDescription) -> str | None:
    """Which images a series mixes that lie at the same places; None where it holds one image."""
    if len(described.echo_times_ms) > 1:
        return _several("echo times", described.echo_times_ms, "ms", "each echo")
    if len(described.b_values_s_per_mm2) > 1:
        return _several("b-values", described.b_values_s_per_mm2, "s/mm²", "each b-value")
    times = {value for value in series.distinct("TemporalPositionIdentifier") if value}
    if len(times) > 1:
        return f"a dynamic series of {len(times)} time points; export each time point as a series of its own"
    parts = {tuple(value.upper() for value in values[2:]) for values in series.distinct("ImageType")}
    shifts = {value for values in parts for value in values if value in _SHIFTS}
    if len(shifts) > 1:
        named = ", ".join(sorted(shifts))
        return f"its slices mix {named} images (Image Type (0008,0008)); export each as a series of its own"
    return None


_SHIFTS = {"IN_PHASE", "OUT_PHASE", "OPP_PHASE", "WATER", "FAT", "IP", "OP", "W", "F"}


def _several(what: str, values: tuple[float, ...], unit: str, each: str) -> str:
    shown = ", ".join(f"{value:.4g}" for value in values[:_SHOWN]) + (" …" if len(values) > _SHOWN else "")
    return f"its slices have {len(values)} {what} ({shown} {unit}); export {each} as a series of its own"


def _has_orientation(dataset: Dataset) -> bool:
    try:
        found = numbers(dataset, "ImageOrientationPatient")
    except AcquisitionError:
        return False
    return found is not None and len(found) == 6
