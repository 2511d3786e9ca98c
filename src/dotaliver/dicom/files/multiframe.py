"""Enhanced and legacy converted PET, CT and MR: one header per frame, as if each frame were a file of its own.

What single-frame objects hold at the top, these hold in functional groups, shared or per frame (PS3.3 C.7.6.16).
Each frame gets a header with the classic elements, so that everything after it need not know the difference.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from dotaliver.dicom.files.elements import first_item, number, quiet, text, whole
from dotaliver.dicom.files.moments import in_zone, parse_moment, stated_zone
from dotaliver.dicom.files.part10 import BoundedFile
from dotaliver.errors import FileFormatError

__all__ = ["MULTIFRAME_CLASSES", "frame_headers"]

MULTIFRAME_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.130": "PT",
    "1.2.840.10008.5.1.4.1.1.128.1": "PT",
    "1.2.840.10008.5.1.4.1.1.2.1": "CT",
    "1.2.840.10008.5.1.4.1.1.2.2": "CT",
    "1.2.840.10008.5.1.4.1.1.4.1": "MR",
    "1.2.840.10008.5.1.4.1.1.4.4": "MR",
}
_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
_OWN_TAGS: list[BaseTag] = [
    Tag(keyword)
    for keyword in (
        *_GROUPS,
        "DecayCorrected",
        "DecayCorrectionDateTime",
        "AttenuationCorrected",
        "ScatterCorrected",
        "AcquisitionDateTime",
    )
]
# Functional group -> its elements that a classic header has by the same name.
_MACROS = {
    "PlanePositionSequence": ("ImagePositionPatient",),
    "PlaneOrientationSequence": ("ImageOrientationPatient",),
    "PixelMeasuresSequence": ("PixelSpacing", "SliceThickness"),
    "PixelValueTransformationSequence": ("RescaleSlope", "RescaleIntercept", "RescaleType"),
    "MRTimingAndRelatedParametersSequence": ("RepetitionTime", "FlipAngle"),
    "MRDiffusionSequence": ("DiffusionBValue",),
}
_FRAME_TYPES = ("PETFrameTypeSequence", "CTImageFrameTypeSequence", "MRImageFrameTypeSequence")
_UNASSIGNED = ("UnassignedPerFrameConvertedAttributesSequence", "UnassignedSharedConvertedAttributesSequence")
# UCUM units of a Real World Value Mapping -> Units (0054,1001) and SUV Type (0054,1006); PS3.16 CID 84 and 85.
_UNITS = {
    "Bq/ml": ("BQML", None),
    "g/ml{SUVbw}": ("GML", "BW"),
    "{SUVbw}g/ml": ("GML", "BW"),
    "g/ml{SUVlbm}": ("GML", "LBM"),
    "{SUVlbm}g/ml": ("GML", "LBM"),
    "g/ml{SUVibw}": ("GML", "IBW"),
    "{SUVibw}g/ml": ("GML", "IBW"),
    "cm2/ml{SUVbsa}": ("CM2ML", "BSA"),
    "{SUVbsa}cm2/ml": ("CM2ML", "BSA"),
    "{counts}": ("CNTS", None),
}


def frame_headers(path: Path, name: str, tags: Collection[int]) -> list[Dataset]:
    """One classic header per frame of a multi-frame file.

    Parameters
    ----------
    tags : collection of int
        Elements to read in addition to those of the functional groups.

    Raises
    ------
    FileFormatError
        Where Number of Frames (0028,0008) and the functional groups contradict each other, or the file is damaged.
    """
    try:
        with quiet(), BoundedFile(path) as file:
            top = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=[*tags, *_OWN_TAGS], force=True)
            shared = first_item(top, _GROUPS[0]) or Dataset()
            frames = list(top.get(_GROUPS[1]) or [])
    except Exception as error:
        raise _damaged(name) from error
    stated = whole(top, "NumberOfFrames")
    if not frames or stated != len(frames):
        msg = (
            f"{name}: Number of Frames (0028,0008) is {stated} and there are {len(frames)} functional groups; "
            "export the series again"
        )
        raise FileFormatError(msg)
    try:
        return _frame_headers(top, shared, frames)
    except Exception as error:
        raise _damaged(name) from error


def _damaged(name: str) -> FileFormatError:
    """What to say of a damaged header, which fails in as many ways as there are elements in it."""
    return FileFormatError(
        f"{name}: the DICOM file is damaged and cannot be read; copy it again or take it out of the folder"
    )


def _frame_headers(top: Dataset, shared: Dataset, frames: list[Dataset]) -> list[Dataset]:
    common = Dataset()
    common.file_meta = top.file_meta
    with quiet():
        for element in top:
            if element.keyword not in {*_GROUPS, "NumberOfFrames"}:
                common.add(element)
        _whole_file(common)
    return [_frame_header(common, shared, frame) for frame in frames]


def _whole_file(common: Dataset) -> None:
    """What the file says of all its frames, in classic elements."""
    decay = text(common, "DecayCorrected")
    if decay in {"YES", "NO"} and text(common, "DecayCorrection") is None:
        common.DecayCorrection = "START" if decay == "YES" else "NONE"
    said = {code: text(common, k) for code, k in (("ATTN", "AttenuationCorrected"), ("SCAT", "ScatterCorrected"))}
    if any(value is not None for value in said.values()) and text(common, "CorrectedImage") is None:
        done = [code for code, value in said.items() if value == "YES"]
        # NORM keeps the list from being blank: a blank one says nothing, and this one says what was not done.
        common.CorrectedImage = ["NORM", *done, *(["DECY"] if decay == "YES" else [])]
    if text(common, "SeriesType") is None and common.get("Modality") == "PT":
        common.SeriesType = ["STATIC", "IMAGE"]


def _group_items(shared: Dataset, frame: Dataset, keyword: str) -> Iterator[Dataset]:
    """The items of one functional group, that of the frame first."""
    for holder in (frame, shared):
        item = first_item(holder, keyword)
        if item is not None:
            yield item


def _frame_header(common: Dataset, shared: Dataset, frame: Dataset) -> Dataset:
    header = Dataset()
    header.file_meta = common.file_meta
    header.update(common)
    with quiet():
        for macro, keywords in _MACROS.items():
            group = next(_group_items(shared, frame, macro), None)
            if group is not None:
                _adopt(header, group, keywords)
        for macro in _FRAME_TYPES:
            group = next(_group_items(shared, frame, macro), None)
            if group is not None and "FrameType" in group:
                header.ImageType = group.FrameType
                _adopt(header, group, ("AcquisitionContrast", "ComplexImageComponent"))
        for sequence in _UNASSIGNED:
            for item in _group_items(shared, frame, sequence):
                _adopt(header, item, [e.keyword for e in item if e.keyword and e.keyword not in header])
        echo = next(_group_items(shared, frame, "MREchoSequence"), None)
        if echo is not None and (milliseconds := number(echo, "EffectiveEchoTime")) is not None:
            header.EchoTime = f"{milliseconds:.10g}"
        content = next(_group_items(shared, frame, "FrameContentSequence"), None)
        if content is not None:
            _timing(header, content)
        _real_world(header, next(_group_items(shared, frame, "RealWorldValueMappingSequence"), None))
    return header


def _adopt(header: Dataset, item: Dataset, keywords: Iterable[str]) -> None:
    for keyword in keywords:
        if keyword in item:
            header[keyword] = item[keyword]


def _timing(header: Dataset, content: Dataset) -> None:
    """Frame Acquisition DateTime and Duration (ms) as the classic elements, where those are not there."""
    position = whole(content, "TemporalPositionIndex")
    if position is not None:
        header.TemporalPositionIdentifier = position
    moment = parse_moment(text(content, "FrameAcquisitionDateTime"))
    if moment is not None and (text(header, "AcquisitionTime") is None or "AcquisitionDateTime" in header):
        zone = stated_zone(header)
        if zone is None and moment.offset is not None:
            # The frame's own zone: the date and time that are made of it here are local to it
            zone = moment.offset
            minutes = round(zone.total_seconds() / 60)
            header.TimezoneOffsetFromUTC = (
                f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}{abs(minutes) % 60:02d}"
            )
        instant = in_zone(moment, zone, "FrameAcquisitionDateTime")
        if instant is not None:
            header.AcquisitionDate, header.AcquisitionTime = f"{instant:%Y%m%d}", f"{instant:%H%M%S.%f}"
    duration_ms = number(content, "FrameAcquisitionDuration")
    if duration_ms is not None and text(header, "ActualFrameDuration") is None:
        header.ActualFrameDuration = round(duration_ms)


def _real_world(header: Dataset, mapping: Dataset | None) -> None:
    """Units and slope by the Real World Value Mapping, where the file has none of its own."""
    if mapping is None or text(header, "Modality") != "PT" or text(header, "Units") is not None:
        return
    code = first_item(mapping, "MeasurementUnitsCodeSequence")
    units = None if code is None else _UNITS.get(text(code, "CodeValue") or "")
    slope, intercept = number(mapping, "RealWorldValueSlope"), number(mapping, "RealWorldValueIntercept")
    if units is None or slope is None:
        return
    header.Units = units[0]
    if units[1] is not None:
        header.SUVType = units[1]
    header.RescaleSlope, header.RescaleIntercept = f"{slope:.10g}", f"{intercept or 0.0:.10g}"
