"""One series by its headers: its slices, what was set aside from them, and its own name and number."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import Dataset

from dotaliver.dicom.files.archive import Unpacked
from dotaliver.dicom.files.elements import joined, text, texts, whole
from dotaliver.dicom.files.part10 import PixelPlace
from dotaliver.errors import AcquisitionError

__all__ = ["CT_CLASS", "MR_CLASS", "PET_CLASS", "SeriesHeaders", "SetAside", "SliceHeader"]

PET_CLASS = "1.2.840.10008.5.1.4.1.1.128"
CT_CLASS = "1.2.840.10008.5.1.4.1.1.2"
MR_CLASS = "1.2.840.10008.5.1.4.1.1.4"
# Implicit and little endian -> transfer syntax
_NATIVE = {
    (True, True): "1.2.840.10008.1.2",
    (False, True): "1.2.840.10008.1.2.1",
    (False, False): "1.2.840.10008.1.2.2",
}


@dataclass(frozen=True, eq=False)
class SliceHeader:
    """One DICOM file, or one frame of it: its path, and the elements of its header that are needed here."""

    path: Path
    name: str
    # Never shown: a header holds the patient's name
    dataset: Dataset = field(repr=False)
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
        implicit, little = self.dataset.original_encoding
        return found or (None if implicit is None or little is None else _NATIVE.get((implicit, little)))


@dataclass(frozen=True, eq=False)
class SetAside:
    """Instances of a series that are no slices of its volume."""

    kind: str
    """What they are, as in "localizer" """
    slices: tuple[SliceHeader, ...] = field(repr=False)
    marked: bool
    """Whether they say so themselves; the others lie in no place or plane of the volume"""


@dataclass(frozen=True, eq=False)
class SeriesHeaders:
    """The slices of one series, by SOP Instance UID until `stack_of` has ordered them, and what was set aside."""

    uid: str
    modality: str
    slices: tuple[SliceHeader, ...] = field(repr=False)
    set_aside: tuple[SetAside, ...] = ()

    @property
    def first(self) -> Dataset:
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
    def short_name(self) -> str:
        """The number of the series, and where there is none its UID."""
        number = self.number
        return self.uid if number is None else str(number)

    @property
    def name(self) -> str:
        """What to call the series in a sentence: modality, number, and where there is no number its UID."""
        return f"{self.modality} series {self.short_name}"

    @property
    def set_aside_text(self) -> str | None:
        """What was set aside, as in "2 × localizer, 1 × Secondary Capture Image"; None where nothing was."""
        return ", ".join(f"{len(part.slices)} × {part.kind}" for part in self.set_aside) or None

    def distinct(self, keyword: str) -> set[tuple[str, ...]]:
        """The different values of an element among the slices."""
        return {texts(part.dataset, keyword) for part in self.slices}
