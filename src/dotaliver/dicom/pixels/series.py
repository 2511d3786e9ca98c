"""Voxels of one series: stored values into one array, and their physical quantity."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dotaliver.dicom.files.elements import element_name, number, text
from dotaliver.dicom.files.headers import SeriesHeaders
from dotaliver.dicom.files.stack import Stack, stack_of
from dotaliver.dicom.pixels.planes import Progress, Stored, each_plane, refuse_impossible, stored_type
from dotaliver.errors import AcquisitionError, SeriesError
from dotaliver.image.volume import Quantity, Volume

__all__ = [
    "are_whole",
    "ct_volume",
    "mr_volume",
    "pet_volume",
    "read_series",
    "read_stored",
    "rescale_of",
    "rescale_to_hu",
    "scale_plane",
    "scaled",
    "to_whole_hu",
]

_INT16 = np.iinfo(np.int16)


def read_stored(stack: Stack, progress: Progress | None = None) -> Stored:
    """Stored values of a stack, before any rescaling, in one array of the grid's shape.

    Raises
    ------
    FileFormatError
        Where a file is cut short or its pixels cannot be decoded; the text names it.
    """
    array = _reserved(stack, stored_type(stack.series))
    each_plane(stack, array, lambda _k, _plane: None, progress)
    return array


def _reserved(stack: Stack, dtype: npt.DTypeLike) -> Stored:
    """Room for a stack; untouched pages of it take no memory yet, so a lying header does no harm before its check."""
    refuse_impossible(stack, stored_type(stack.series))
    return np.empty(stack.geometry.shape, dtype=dtype)


def rescale_of(stack: Stack) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Slope and intercept of every slice, in stack order.

    Raises
    ------
    SeriesError
        Where one is missing, or a PET has an intercept (the PET IOD demands 0, PS3.3 C.8.9.4). An MR may have neither
        (PS3.3 A.4): its values are then as stored. Where some of its slices have them and others not, it is refused.
    """
    name = stack.series.name
    if stack.series.modality == "MR" and not any(
        stack.series.distinct(keyword) - {()} for keyword in ("RescaleSlope", "RescaleIntercept")
    ):
        return np.ones(len(stack.slices)), np.zeros(len(stack.slices))
    rows = []
    for part in stack.slices:
        row = []
        for keyword in ("RescaleSlope", "RescaleIntercept"):
            try:
                value = number(part.dataset, keyword)
            except AcquisitionError as error:
                msg = f"{name}, {part.name}: {error}"
                raise SeriesError(msg) from error
            if value is None and keyword == "RescaleIntercept" and stack.series.modality == "PT":
                value = 0.0
            if value is None or (keyword == "RescaleSlope" and value == 0):
                msg = f"{name}, {part.name}: {element_name(keyword)} is missing or zero; export the series again"
                raise SeriesError(msg)
            row.append(value)
        rows.append(row)
    table = np.array(rows, dtype=np.float64)
    if stack.series.modality == "PT" and table[:, 1].any():
        msg = f"{name}: Rescale Intercept (0028,1052) is not 0, which a PET series must have; export it again"
        raise SeriesError(msg)
    return table[:, 0], table[:, 1]


def ct_volume(stack: Stack, progress: Progress | None = None) -> Volume:
    """A CT in Hounsfield units: int16 where every slope and intercept is a whole number and all values fit.

    Otherwise float32, each value the float64 result rounded once.
    """
    slopes, intercepts = rescale_to_hu(stack)
    if are_whole(slopes, intercepts):
        array = _whole_hu(stack, slopes, intercepts, progress)
        if array is not None:
            return Volume(array, stack.geometry, Quantity.HU)
    array = _reserved(stack, np.float32)

    def rescale(k: int, plane: Stored) -> None:
        array[k] = plane * slopes[k] + intercepts[k]

    each_plane(stack, None, rescale, progress)
    return Volume(array, stack.geometry, Quantity.HU)


def rescale_to_hu(stack: Stack) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Slope and intercept of every slice of a CT; `SeriesError` also where they do not give Hounsfield units."""
    kinds = {text(part.dataset, "RescaleType") for part in stack.slices} - {None, "HU", "US"}
    if kinds:
        kind = min(map(str, kinds))
        msg = f"{stack.series.name}: Rescale Type (0028,1054) is {kind}, not Hounsfield units; give a plain CT series"
        raise SeriesError(msg)
    return rescale_of(stack)


def are_whole(slopes: npt.NDArray[np.float64], intercepts: npt.NDArray[np.float64]) -> bool:
    """Whether every slope and intercept is a whole number."""
    return bool((slopes == np.round(slopes)).all() and (intercepts == np.round(intercepts)).all())


def to_whole_hu(plane: Stored, slope: float, intercept: float, out: Stored) -> bool:
    """Rescale a plane into int16; False where a value does not fit."""
    ends = [int(plane.min()) * int(slope) + int(intercept), int(plane.max()) * int(slope) + int(intercept)]
    if min(ends) < _INT16.min or max(ends) > _INT16.max:
        return False
    # Modulo 2^16 all the way: a result that fits is exact whatever overflowed before it.
    np.copyto(out, plane, casting="unsafe")
    for operation, operand, neutral in ((np.multiply, int(slope), 1), (np.add, int(intercept), 0)):
        if operand != neutral:
            operation(out, np.array(operand % 2**16, np.uint16).view(np.int16), out=out)
    return True


def _whole_hu(
    stack: Stack, slopes: npt.NDArray[np.float64], intercepts: npt.NDArray[np.float64], progress: Progress | None
) -> Stored | None:
    """Rescaled values as int16, or None where one does not fit."""
    array, fits = _reserved(stack, np.int16), np.ones(len(slopes), dtype=bool)

    def rescale(k: int, plane: Stored) -> None:
        fits[k] = to_whole_hu(plane, slopes[k], intercepts[k], array[k])

    if stored_type(stack.series) == np.int16 and set(slopes) == {1.0} and set(intercepts) == {0.0}:
        each_plane(stack, array, lambda _k, _plane: None, progress)
        return array
    each_plane(stack, None, rescale, progress)
    return array if fits.all() else None


def mr_volume(stack: Stack, progress: Progress | None = None) -> Volume:
    """An MR in arbitrary units of signal, float32: each value the rescaled float64 result, rounded once."""
    slopes, intercepts = rescale_of(stack)
    array = _reserved(stack, np.float32)

    def rescale(k: int, plane: Stored) -> None:
        array[k] = plane * slopes[k] + intercepts[k]

    each_plane(stack, None, rescale, progress)
    return Volume(array, stack.geometry, Quantity.MR_SIGNAL)


def scaled(stored: Stored, factors: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Stored values times one factor a slice: the float64 product, rounded once to float32."""
    array = np.empty(stored.shape, dtype=np.float32)
    for k, factor in enumerate(factors):
        scale_plane(stored[k], factor, array[k])
    return array


def scale_plane(plane: Stored, factor: float, out: Stored) -> None:
    """One plane of it."""
    np.multiply(plane, factor, out=out, dtype=np.float64, casting="unsafe")


def pet_volume(stack: Stack, progress: Progress | None = None) -> Volume:
    """A PET in Bq/ml, float32, each slice with its own slope."""
    units = text(stack.series.first, "Units")
    if units != "BQML":
        msg = f"{stack.series.name}: Units (0054,1001) is {units or 'missing'}, not BQML, so it holds no activity"
        raise SeriesError(msg)
    slopes, _ = rescale_of(stack)
    array = _reserved(stack, np.float32)
    each_plane(stack, None, lambda k, plane: scale_plane(plane, slopes[k], array[k]), progress)
    return Volume(array, stack.geometry, Quantity.BQML)


def read_series(series: SeriesHeaders, progress: Progress | None = None) -> Volume:
    """Read one series as a volume: CT in HU, MR in units of signal, PET in Bq/ml.

    Raises
    ------
    SeriesError
        Where the slices form no volume, or the series is neither CT, MR nor PET.
    FileFormatError
        Where a file is damaged.
    """
    stack = stack_of(series)
    if series.modality == "CT":
        return ct_volume(stack, progress)
    if series.modality == "MR":
        return mr_volume(stack, progress)
    if series.modality == "PT":
        return pet_volume(stack, progress)
    msg = f"{series.name}: only CT, MR and PET series are read"
    raise SeriesError(msg)
