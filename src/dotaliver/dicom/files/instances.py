"""Which instances of a CT, MR or PET series make up its volume: copies are dropped, odd images are set aside by name.

Scanners and archives file localizers, projections, dose screens and secondary captures in the series of a volume, and
folders hold the same object several times. All instances of a series are looked at together, so neither the order nor
the names of the files decide anything.
"""

from __future__ import annotations

import filecmp
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import UID

from dotaliver.dicom.files.elements import exactly, texts
from dotaliver.dicom.files.multiframe import MULTIFRAME_CLASSES
from dotaliver.dicom.files.series_headers import CT_CLASS, MR_CLASS, PET_CLASS, SetAside, SliceHeader
from dotaliver.dicom.mr.kinds import own_kind as mr_kind
from dotaliver.errors import AcquisitionError

__all__ = ["NOT_VOLUMES", "SortedInstances", "sort_instances", "without_copies"]

# Values 3 and 4 of Image Type (0008,0008) that no slice of a volume has, with what people call such an image.
NOT_VOLUMES = {
    "MIP": "maximum-intensity projection",
    "MAX_IP": "maximum-intensity projection",
    "LOCALIZER": "localizer",
    "SCOUT": "localizer",
    "TOPOGRAM": "localizer",
    "PROJECTION IMAGE": "projection",
    "SCREEN SAVE": "screen capture",
    "DOSE_INFO": "dose screen",
    "CT_SOM5 PROT": "patient protocol",
    "CT_SOM7 PROT": "patient protocol",
}
_CLASSES = {
    "CT": {CT_CLASS} | {uid for uid, modality in MULTIFRAME_CLASSES.items() if modality == "CT"},
    "MR": {MR_CLASS} | {uid for uid, modality in MULTIFRAME_CLASSES.items() if modality == "MR"},
    "PT": {PET_CLASS} | {uid for uid, modality in MULTIFRAME_CLASSES.items() if modality == "PT"},
}
_SAME_PLANE = 0.01
"""Direction cosines of two slices of one volume differ by less than this (0.6 degrees)."""
_FEW_SHARE, _FEW = 0.1, 3
"""Unmarked images in another plane are set aside if they are this share of the volume's slices or this many at most."""


@dataclass(frozen=True)
class SortedInstances:
    """The slices of the volume in an order that follows from their content, and what was set aside."""

    slices: tuple[SliceHeader, ...]
    set_aside: tuple[SetAside, ...]


def _content_order(part: SliceHeader) -> tuple[str, int, tuple[str, ...], tuple[str, ...], str]:
    """What instances are sorted by: what they say of themselves; file names only where that is equal."""
    data = part.dataset
    return (
        _text_or_none(data, "SOPInstanceUID") or "",
        part.frame or 0,
        _texts_or_nothing(data, "ImagePositionPatient"),
        _texts_or_nothing(data, "AcquisitionTime"),
        part.name,
    )


def _texts_or_nothing(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    try:
        return texts(dataset, keyword)
    except AcquisitionError:
        return ()


def _text_or_none(dataset: Dataset, keyword: str) -> str | None:
    return next(iter(_texts_or_nothing(dataset, keyword)), None)


def _numbers_or_none(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    try:
        return exactly(dataset, keyword, count)
    except AcquisitionError:
        return None


# --- copies ----------------------------------------------------------------------------------------------------------


def without_copies(slices: Sequence[SliceHeader]) -> list[SliceHeader]:
    """The instances, each once: of objects with one SOP Instance UID and equal content, the first is kept.

    Objects that share a UID and differ are all kept; `stack_of` refuses them where they claim one place.
    """
    ordered = sorted(slices, key=_content_order)
    kept: list[SliceHeader] = []
    first_of: dict[tuple[str, int | None], list[SliceHeader]] = {}
    for part in ordered:
        uid = _text_or_none(part.dataset, "SOPInstanceUID")
        if uid is None:
            kept.append(part)
            continue
        before = first_of.setdefault((uid, part.frame), [])
        if any(_is_copy(part, other) for other in before):
            continue
        before.append(part)
        kept.append(part)
    return kept


def _is_copy(one: SliceHeader, other: SliceHeader) -> bool:
    """Whether two files hold the same image: the same bytes, or equal elements and pixels in another wrapping."""
    if one.image != other.image:
        return False
    try:
        if one.path.samefile(other.path) or filecmp.cmp(one.path, other.path, shallow=False):
            return True
        return _elements_of(one) == _elements_of(other) and _native_pixels(one) == _native_pixels(other) is not None
    except (OSError, AcquisitionError):
        return False


def _elements_of(part: SliceHeader) -> dict[int, tuple[str, ...]]:
    data = part.dataset
    return {int(tag): texts(data, int(tag)) for tag in data.keys()}  # noqa: SIM118  iterating converts every value


def _native_pixels(part: SliceHeader) -> bytes | None:
    """The bytes of uncompressed pixels, with the transfer syntax they are in; None where they are compressed."""
    if part.pixels is None or part.pixels.length is None:
        return None
    with part.path.open("rb") as file:
        file.seek(part.pixels.offset)
        return (part.transfer_syntax or "").encode() + b"\0" + file.read(part.pixels.length)


# --- odd instances ---------------------------------------------------------------------------------------------------


def sort_instances(modality: str, slices: Sequence[SliceHeader]) -> SortedInstances:
    """Tell the slices of a CT, MR or PET volume from other images that were filed in its series.

    Set aside are instances of another SOP class, colour images, those whose Image Type (0008,0008) says that they are
    not a slice of a volume, those without a position, and a few in another plane. Where all instances are alike nothing
    is set aside: `dotaliver.dicom.choice.fitness.unfit` says what such a series is.
    """
    parts = without_copies(slices)
    why: dict[int, str] = {}
    for judge in (_marked(modality), _without_place, _in_another_plane):
        left = [k for k in range(len(parts)) if k not in why]
        found = judge([parts[k] for k in left])
        if 0 < len(found) < len(left):
            why |= {left[k]: kind for k, kind in found.items()}
    aside: dict[str, list[SliceHeader]] = {}
    for k, kind in sorted(why.items()):
        aside.setdefault(kind, []).append(parts[k])
    return SortedInstances(
        tuple(part for k, part in enumerate(parts) if k not in why),
        tuple(SetAside(kind, tuple(aside[kind]), kind not in _BY_PLACE) for kind in sorted(aside)),
    )


_NO_PLACE, _OTHER_PLANE = "image without a position", "image in another plane"
_BY_PLACE = {_NO_PLACE, _OTHER_PLANE}


def _marked(modality: str) -> Callable[[list[SliceHeader]], dict[int, str]]:
    """Judges instances by what they call themselves."""

    def judge(parts: list[SliceHeader]) -> dict[int, str]:
        return {k: kind for k, part in enumerate(parts) if (kind := _own_kind(modality, part)) is not None}

    return judge


def _own_kind(modality: str, part: SliceHeader) -> str | None:
    sop_class = _text_or_none(part.dataset, "SOPClassUID")
    if sop_class is not None and sop_class not in _CLASSES[modality]:
        name = UID(sop_class).name
        return "object of another kind" if name == sop_class else name.removesuffix(" Storage")
    if (_text_or_none(part.dataset, "SamplesPerPixel") or "1") != "1":
        return "colour image"
    values = [value.upper() for value in _texts_or_nothing(part.dataset, "ImageType")[2:]]
    kind = next((NOT_VOLUMES[value] for value in values if value in NOT_VOLUMES), None)
    if modality == "MR":
        # A description holds for the series, so it cannot set single slices aside.
        return kind or mr_kind(values, None)
    if kind is None and "DOSE" in " ".join(_texts_or_nothing(part.dataset, "SeriesDescription")).upper().split():
        # A dose report as a CT image has the dose in its name and no place
        kind = None if _numbers_or_none(part.dataset, "ImagePositionPatient", 3) else "dose screen"
    series_type = [value.upper() for value in _texts_or_nothing(part.dataset, "SeriesType")]
    return "projection" if kind is None and "REPROJECTION" in series_type[1:] else kind


def _without_place(parts: list[SliceHeader]) -> dict[int, str]:
    """The few instances that do not say where they lie."""
    found = {k: _NO_PLACE for k, part in enumerate(parts) if _has_no_place(part)}
    return found if len(found) <= max(_FEW, _FEW_SHARE * len(parts)) else {}


def _has_no_place(part: SliceHeader) -> bool:
    data = part.dataset
    return (
        _numbers_or_none(data, "ImagePositionPatient", 3) is None
        or _numbers_or_none(data, "ImageOrientationPatient", 6) is None
    )


def _in_another_plane(parts: list[SliceHeader]) -> dict[int, str]:
    """The few instances whose plane is not that of most."""
    cosines = [_numbers_or_none(part.dataset, "ImageOrientationPatient", 6) for part in parts]
    known = [c for c in cosines if c is not None]
    if not known:
        return {}
    usual = np.array(Counter(known).most_common(1)[0][0])
    found = {
        k: _OTHER_PLANE for k, c in enumerate(cosines) if c is None or np.abs(np.array(c) - usual).max() > _SAME_PLANE
    }
    return found if len(found) <= min(max(_FEW, _FEW_SHARE * len(parts)), (len(parts) - 1) / 2) else {}
