"""Which DICOM files a folder holds: headers alone, grouped into series."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

from pydicom.tag import Tag

from dotaliver.dicom.files.archive import Unpacked, unpack
from dotaliver.dicom.files.elements import PRIVATE_BLOCKS, joined, quiet, text, texts, whole
from dotaliver.dicom.files.multiframe import MULTIFRAME_CLASSES, frame_headers
from dotaliver.dicom.files.omezarr_beside import belongs_to_image, image_beside, refuse_lone_image
from dotaliver.dicom.files.part10 import PixelPlace, parsed_header, read_start
from dotaliver.errors import AcquisitionError, FileFormatError, StudyError

__all__ = [
    "CACHE_MARK",
    "CT_CLASS",
    "OWN_OUTPUT",
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
    "PatientID PatientSex PatientSize PatientWeight StudyInstanceUID SeriesInstanceUID SeriesNumber "
    "InstanceNumber FrameOfReferenceUID "
    # the grid
    "ImagePositionPatient ImageOrientationPatient PixelSpacing SliceThickness SpacingBetweenSlices PatientPosition "
    "NumberOfFrames NumberOfSlices NumberOfTimeSlices "
    # the pixels
    "SamplesPerPixel PhotometricInterpretation Rows Columns BitsAllocated BitsStored HighBit PixelRepresentation "
    "RescaleIntercept RescaleSlope RescaleType "
    # how they came about
    "CorrectedImage SeriesType Units SUVType DecayCorrection AttenuationCorrectionMethod ScatterCorrectionMethod "
    "ReconstructionMethod ActualFrameDuration FrameReferenceTime RadiopharmaceuticalInformationSequence "
    "ContrastBolusAgent KVP "
    # what SEG and RTSTRUCT say of themselves
    "SegmentationType StructureSetLabel"
)
# Private elements by group, in any block: GE (creator GEMS_PETD_01) scan, tracer, administration and nuclide;
# Siemens (SIEMENS MED PT) scan; Philips (Philips PET Private Group) factors to SUV and to activity.
_PRIVATE = {0x0009: (0x0D, 0x36, 0x3B, 0x3E), 0x0071: (0x22,), 0x7053: (0x00, 0x09)}
_PRIVATE_TAGS = tuple(
    (group << 16) | low
    for group, offsets in _PRIVATE.items()
    for block in PRIVATE_BLOCKS
    for low in (block, *((block << 8) | offset for offset in offsets))
)
# As plain numbers, for pydicom looks every keyword up anew for every file, and its own tags compare slowly.
HEADER_TAGS = frozenset(int(Tag(element)) for element in (*_KEYWORDS.split(), *_PRIVATE_TAGS))
_MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"
# Classic CT and PET: objects that hold pixels in any case.
_IMAGES = {"1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.128"}
# What a folder of our own output holds: it may lie inside the study's, and is no part of the study.
OWN_OUTPUT = {"score.json", "local.json"}
# Implicit and little endian -> transfer syntax
_NATIVE = {
    (True, True): "1.2.840.10008.1.2",
    (False, True): "1.2.840.10008.1.2.1",
    (False, False): "1.2.840.10008.1.2.2",
}
# Marks a folder of decoded series (`plane_cache`), which is no part of the study that it may lie in.
CACHE_MARK = ".dotaliver-cache"
# Marks a folder into which a study is still coming from a PACS.
UNFINISHED = ".dotaliver-unfinished.json"
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
class SliceHeader:
    """One DICOM file, or one frame of it: where it lies, and the elements of its header that are of use here."""

    path: Path
    name: str
    # Never shown: a header holds the patient's name
    dataset: Any = field(repr=False)
    frame: int | None = None
    # The unpacked archive that the file lies in, kept as long as its slices are
    keeper: Unpacked | None = field(default=None, repr=False)
    # Where the pixels of the file lie; None where that is not known
    pixels: PixelPlace | None = field(default=None, repr=False)
    # The OME-Zarr image that the pixels lie in; None where they lie in the file
    image: Path | None = field(default=None, repr=False)

    @property
    def transfer_syntax(self) -> str | None:
        """UID of the transfer syntax: where the file has none, that of the native encoding that its header was read in.

        None where neither is known.
        """
        meta = getattr(self.dataset, "file_meta", None)
        found = None if meta is None else text(meta, "TransferSyntaxUID")
        return found or _NATIVE.get(self.dataset.original_encoding)


@dataclass(frozen=True, eq=False)
class SeriesHeaders:
    """All files of one series, in the order of their names until `stack_of` has ordered them."""

    uid: str
    modality: str
    slices: tuple[SliceHeader, ...] = field(repr=False)

    @property
    def first(self) -> Any:
        """The header of the first file."""
        return self.slices[0].dataset

    @property
    def number(self) -> int | None:
        """Series Number (0020,0011); None where it is absent or no number."""
        try:
            return whole(self.first, "SeriesNumber")
        except AcquisitionError:
            return None

    @property
    def order(self) -> tuple[float, str]:
        """What series are sorted by: number, those without one last, then UID."""
        number = self.number
        return (float("inf") if number is None else float(number), self.uid)

    @property
    def description(self) -> str | None:
        """Series Description (0008,103E)."""
        return joined(self.first, "SeriesDescription")

    @property
    def study_uid(self) -> str | None:
        """Study Instance UID (0020,000D)."""
        return text(self.first, "StudyInstanceUID")

    @property
    def sop_class_uid(self) -> str | None:
        """SOP Class UID (0008,0016)."""
        meta = getattr(self.first, "file_meta", None)
        return text(self.first, "SOPClassUID") or (None if meta is None else text(meta, "MediaStorageSOPClassUID"))

    @property
    def frame_of_reference_uid(self) -> str | None:
        """Frame of Reference UID (0020,0052)."""
        return text(self.first, "FrameOfReferenceUID")

    @property
    def name(self) -> str:
        """What to call the series in a sentence: modality, number, and where there is no number its UID."""
        number = self.number
        return f"{self.modality} series {self.uid if number is None else number}"

    def distinct(self, keyword: str) -> set[tuple[str, ...]]:
        """The different values of an element among the slices."""
        return {texts(part.dataset, keyword) for part in self.slices}


@dataclass(frozen=True, eq=False)
class StudyIndex:
    """What a folder holds: its series, ordered by number and UID, and the files that are no DICOM objects."""

    folder: Path
    series: tuple[SeriesHeaders, ...]
    other_files: tuple[str, ...]

    def of_modality(self, modality: str) -> tuple[SeriesHeaders, ...]:
        """The series of one modality."""
        return tuple(s for s in self.series if s.modality == modality)


def files_below(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every file under a folder, in order, with its name from there; pipes and devices are not opened.

    Folders of our own output and of decoded series are passed over.

    Raises
    ------
    FileFormatError
        Where a folder cannot be read.
    StudyError
        Where a folder holds a study that has not come from a PACS completely.
    """

    def unreadable(error: OSError) -> NoReturn:
        name = Path(error.filename).relative_to(folder).as_posix()
        msg = f"{name}: the folder cannot be read ({error.strerror}); make it readable or take it out of the study"
        raise FileFormatError(msg) from error

    for parent, folders, names in os.walk(folder, onerror=unreadable):
        folders.sort()
        if UNFINISHED in names:
            msg = f"{Path(parent).name}: the study has not come from the PACS completely; run 'dotaliver pull' again"
            raise StudyError(msg)
        if OWN_OUTPUT.issubset(names) or CACHE_MARK in names:
            folders.clear()
            continue
        within = Path(parent).relative_to(folder).as_posix()
        prefix = "" if within == "." else f"{within}/"
        for name in sorted(names):
            # Paths as text, for there are thousands
            place = os.path.join(parent, name)  # noqa: PTH118
            if os.path.isfile(place):  # noqa: PTH113
                yield Path(place), prefix + name


def _read_header(path: Path, name: str) -> tuple[Any, PixelPlace | None, Path | None] | None:
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
    except Exception as error:
        # A damaged header fails in as many ways as there are elements in it
        if not has_preamble:
            return None
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
    msg = (
        f"{name}: the DICOM file has no Series Instance UID (0020,000E), so it is damaged or cut short; "
        "copy it again or take it out of the folder"
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
    folder: Path, keeper: Unpacked | None, part: StudyPart
) -> tuple[dict[tuple[str, str], list[SliceHeader]], list[str]]:
    """Slices by series UID and modality, and the names of the files that are no DICOM objects."""
    groups: dict[tuple[str, str], list[SliceHeader]] = {}
    others: list[str] = []
    files = files_below(folder) if part.files is None else ((folder / name, name) for name in part.files)
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
        # De-identifiers are known to blank the UID: such files are told apart by Series Number
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
    with quiet(), _collecting_later():
        groups, others = _grouped(folder, keeper, part)
    if part.study_uid is not None:
        # They may belong to any of the folder's studies
        others = []
    if not groups and part.study_uid is not None:
        msg = f"the folder holds no study {part.study_uid}; give its folder, or the UID of a study that is there"
        raise StudyError(msg)
    if not groups:
        refuse_lone_image(folder, (name for _, name in files_below(folder)))
        what = f"{len(others)} file(s) and none is DICOM" if others else "no files"
        msg = f"the folder holds {what}; give the folder that holds the study's DICOM files"
        raise StudyError(msg)
    series = [SeriesHeaders(uid, modality, tuple(parts)) for (uid, modality), parts in groups.items()]
    series.sort(key=lambda s: s.order)
    return StudyIndex(folder, tuple(series), tuple(others))


PET_CLASS = "1.2.840.10008.5.1.4.1.1.128"


CT_CLASS = "1.2.840.10008.5.1.4.1.1.2"
