"""Which DICOM files a folder holds: headers alone, grouped into series."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.tag import Tag

from dotaliver.dicom.files.archive import Unpacked, unpack
from dotaliver.dicom.files.elements import PRIVATE_BLOCKS, quiet, text
from dotaliver.dicom.files.instances import sort_instances
from dotaliver.dicom.files.multiframe import MULTIFRAME_CLASSES, frame_headers
from dotaliver.dicom.files.omezarr_beside import belongs_to_image, image_beside, refuse_lone_image
from dotaliver.dicom.files.part10 import FileStart, PixelPlace, parsed_header, read_start, syntax_name, unread_syntax
from dotaliver.dicom.files.series_headers import CT_CLASS, MR_CLASS, PET_CLASS, SeriesHeaders, SliceHeader
from dotaliver.dicom.files.walk import CACHE_MARK, UNFINISHED, files_below
from dotaliver.errors import AcquisitionError, FileFormatError, StudyError

__all__ = [
    "CACHE_MARK",
    "CT_CLASS",
    "MR_CLASS",
    "PET_CLASS",
    "UNFINISHED",
    "WHOLE_FOLDER",
    "FileStudy",
    "SeriesHeaders",
    "SliceHeader",
    "StudyIndex",
    "StudyPart",
    "files_below",
    "index_folder",
    "study_of_file",
]

_KEYWORDS = (
    # who and what
    "ImageType SOPClassUID SOPInstanceUID StudyDate SeriesDate AcquisitionDate AcquisitionDateTime StudyTime "
    "SeriesTime AcquisitionTime Modality Manufacturer StudyDescription SeriesDescription ManufacturerModelName "
    "PatientID PatientBirthDate PatientSex PatientSize PatientWeight StudyInstanceUID SeriesInstanceUID SeriesNumber "
    "InstanceNumber FrameOfReferenceUID TimezoneOffsetFromUTC "
    # the grid
    "ImagePositionPatient ImageOrientationPatient PixelSpacing SliceThickness SpacingBetweenSlices PatientPosition "
    "NumberOfFrames NumberOfSlices NumberOfTimeSlices "
    # the pixels
    "SamplesPerPixel PhotometricInterpretation Rows Columns BitsAllocated BitsStored HighBit PixelRepresentation "
    "RescaleIntercept RescaleSlope RescaleType "
    # acquisition and SUV
    "CorrectedImage SeriesType Units SUVType DecayCorrection AttenuationCorrectionMethod ScatterCorrectionMethod "
    "ReconstructionMethod ActualFrameDuration FrameReferenceTime RadiopharmaceuticalInformationSequence "
    "ContrastBolusAgent KVP "
    # what distinguishes MR sequences
    "ScanningSequence SequenceVariant ScanOptions SequenceName PulseSequenceName EchoPulseSequence ProtocolName "
    "RepetitionTime EchoTime InversionTime EchoNumbers FlipAngle MagneticFieldStrength DiffusionBValue "
    "AcquisitionContrast ComplexImageComponent TemporalPositionIdentifier ContrastBolusStartTime "
    # what SEG and RTSTRUCT say of themselves
    "SegmentationType StructureSetLabel"
)
# Private elements by group, in any block: GE (creator GEMS_PETD_01) scan, tracer, administration and nuclide;
# Siemens (SIEMENS MED PT) scan; Philips (Philips PET Private Group) factors to SUV and to activity; b-values of MR.
_PRIVATE: dict[int, tuple[int, ...]] = {
    0x0009: (0x0D, 0x36, 0x3B, 0x3E),
    0x0019: (0x0C,),
    0x0043: (0x39,),
    0x0071: (0x22,),
    0x2001: (0x03,),
    0x7053: (0x00, 0x09),
}
_PRIVATE_TAGS = tuple(
    (group << 16) | low
    for group, offsets in _PRIVATE.items()
    for block in PRIVATE_BLOCKS
    for low in (block, *((block << 8) | offset for offset in offsets))
)
# As plain numbers, for pydicom looks every keyword up anew for every file, and its own tags compare slowly.
HEADER_TAGS = frozenset({*(int(Tag(keyword)) for keyword in _KEYWORDS.split()), *_PRIVATE_TAGS})
_MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"
# Classic CT, MR and PET: objects that always hold pixels.
_IMAGES = {CT_CLASS, MR_CLASS, PET_CLASS}
# A data set without preamble starts with a group of 0002 or 0008, little endian.
_BARE_STARTS = (b"\x02\x00", b"\x08\x00")


@dataclass(frozen=True)
class StudyPart:
    """Which of a folder's files are meant, where it holds several studies."""

    study_uid: str | None = None
    """Study Instance UID; None: whatever there is"""
    files: tuple[str, ...] | None = field(default=None, repr=False)
    """Names from the folder on, or None for all files"""


WHOLE_FOLDER = StudyPart()


@dataclass(frozen=True)
class FileStudy:
    """What one DICOM file says of where it belongs."""

    study_uid: str | None
    modality: str


@dataclass(frozen=True, eq=False)
class StudyIndex:
    """What a folder holds: series, ordered by number and UID, files that are not DICOM objects, links not followed."""

    folder: Path
    series: tuple[SeriesHeaders, ...]
    other_files: tuple[str, ...]
    links_left_out: tuple[str, ...] = ()

    def of_modality(self, modality: str) -> tuple[SeriesHeaders, ...]:
        """The series of one modality."""
        return tuple(s for s in self.series if s.modality == modality)


def _read_header(path: Path, name: str) -> tuple[Dataset, PixelPlace | None, Path | None] | None:
    """Header of one file, and the place of its pixels or their image; None where the file is no DICOM object."""
    try:
        start = read_start(path)
    except OSError as error:
        msg = f"{name}: the file cannot be read ({error.strerror}); make it readable or take it out of the folder"
        raise FileFormatError(msg) from error
    has_preamble = start.has_preamble
    if not has_preamble and start.piece[:2] not in _BARE_STARTS:
        return None
    try:
        header, reaches_pixels, place = parsed_header(path, start, HEADER_TAGS)
        found = "SeriesInstanceUID" in header
    except MemoryError:
        raise
    except Exception as error:
        # A damaged header fails in as many ways as there are elements in it
        if not has_preamble:
            return None
        _refuse_private(name, start)
        msg = f"{name}: the DICOM file is damaged and cannot be read; copy it again or take it out of the folder"
        raise FileFormatError(msg) from error
    image = None if reaches_pixels else image_beside(path)
    if found and not reaches_pixels and image is None and text(header, "SOPClassUID") in _IMAGES:
        msg = f"{name}: the image is cut short before its pixels; copy it again or take it out of the folder"
        raise FileFormatError(msg)
    if found:
        return header, place, image
    if not has_preamble or text(header.file_meta, "MediaStorageSOPClassUID") == _MEDIA_DIRECTORY:
        return None
    _refuse_private(name, start)
    msg = (
        f"{name}: the DICOM file has no Series Instance UID (0020,000E), so it is damaged or cut short; "
        "copy it again or take it out of the folder"
    )
    raise FileFormatError(msg)


def _refuse_private(name: str, start: FileStart) -> None:
    """Say of a header that cannot be read that it is in a private transfer syntax, where it is."""
    syntax = unread_syntax(start)
    if syntax is not None:
        msg = (
            f"{name}: the file is in the transfer syntax {syntax_name(syntax)}, which is not read; convert the series "
            "to an uncompressed one on the system that wrote it"
        )
        raise FileFormatError(msg)


def _slices(whole_file: SliceHeader) -> list[SliceHeader]:
    """One file as slices: itself, or its frames."""
    if text(whole_file.dataset, "SOPClassUID") not in MULTIFRAME_CLASSES:
        return [whole_file]
    path, name = whole_file.path, whole_file.name
    try:
        frames = frame_headers(path, name, HEADER_TAGS)
    except (FileFormatError, AcquisitionError):
        # One damaged object must not keep the other series of a folder from being read; `unfit` names it.
        return [whole_file]
    return [replace(whole_file, name=f"{name} frame {k + 1}", dataset=frame, frame=k) for k, frame in enumerate(frames)]


@contextmanager
def _collecting_later() -> Iterator[None]:
    """Hold garbage collection off while headers pile up: it would look through all of them again and again."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def study_of_file(path: Path, name: str) -> FileStudy | None:
    """Which study a file belongs to; None where it is no DICOM object.

    Raises
    ------
    FileFormatError
        Where the file cannot be read, or says that it is DICOM and is damaged.
    """
    with quiet():
        read = _read_header(path, name)
        if read is None:
            return None
        return FileStudy(text(read[0], "StudyInstanceUID"), text(read[0], "Modality") or "unknown")


def _grouped(
    folder: Path, keeper: Unpacked | None, part: StudyPart, links: list[str]
) -> tuple[dict[tuple[str, str], list[SliceHeader]], list[str]]:
    """Slices by series UID and modality, and the names of the files that are no DICOM objects."""
    groups: dict[tuple[str, str], list[SliceHeader]] = {}
    others: list[str] = []
    files = files_below(folder, links) if part.files is None else ((folder / name, name) for name in part.files)
    for path, name in files:
        if belongs_to_image(path, name):
            continue
        read = _read_header(path, name)
        if read is None:
            others.append(name)
            continue
        header, place, image = read
        if part.study_uid is not None and text(header, "StudyInstanceUID") != part.study_uid:
            continue
        modality = text(header, "Modality") or "unknown"
        # De-identifiers are known to blank the UID: such files are distinguished by Series Number
        uid = text(header, "SeriesInstanceUID") or f"without UID, number {text(header, 'SeriesNumber') or 'none'}"
        groups.setdefault((uid, modality), []).extend(
            _slices(SliceHeader(path, name, header, None, keeper, place, image))
        )
    return groups, others


def index_folder(folder: Path, part: StudyPart = WHOLE_FOLDER) -> StudyIndex:
    """Read the headers of every DICOM file under a folder or in a zip file, in any order and nesting.

    Files that are no DICOM objects (text, spreadsheets, a DICOMDIR) are counted and left out; a folder that a score
    was written into is passed over. Where a study of the folder is named, files that are of none are not counted.

    Raises
    ------
    StudyError
        Where there is no such folder, or no DICOM file in it.
    FileFormatError
        Where a file that says it is DICOM cannot be read, or an archive cannot be unpacked.
    """
    keeper = None
    if folder.is_file():
        keeper = unpack(folder)
        folder = keeper.folder
    if not folder.is_dir():
        msg = f"{folder.name}: there is no such folder; give the folder that holds the study's DICOM files"
        raise StudyError(msg)
    links: list[str] = []
    with quiet(), _collecting_later():
        groups, others = _grouped(folder, keeper, part, links)
    if part.study_uid is not None:
        # They may belong to any of the folder's studies
        others = []
    if not groups and part.study_uid is not None:
        msg = f"the folder holds no study {part.study_uid}; give its folder, or the UID of a study that is there"
        raise StudyError(msg)
    if not groups:
        refuse_lone_image(folder, (name for _, name in files_below(folder)))
        what = f"{len(others)} file(s) and none is DICOM" if others else "no files"
        if links:
            what += f", and {len(links)} symbolic link(s) that lead out of it or nowhere"
        msg = f"the folder holds {what}; give the folder that holds the study's DICOM files"
        raise StudyError(msg)
    with quiet():
        series = [_series(uid, modality, parts) for (uid, modality), parts in groups.items()]
    series.sort(key=lambda s: s.order)
    return StudyIndex(folder, tuple(series), tuple(others), tuple(links))


def _series(uid: str, modality: str, parts: list[SliceHeader]) -> SeriesHeaders:
    if modality not in {"CT", "MR", "PT"}:
        return SeriesHeaders(uid, modality, tuple(parts))
    found = sort_instances(modality, parts)
    return SeriesHeaders(uid, modality, found.slices, found.set_aside)
