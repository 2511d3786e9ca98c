"""The DICOM objects of a record, as the bytes of files by name: masks, map to SUV, measurements."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from dotaliver.errors import OutputError
from dotaliver.export.deidentify.objects import mark_deidentified
from dotaliver.export.dicom.encoding import encoded
from dotaliver.export.dicom.source_headers import SegSources
from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import Quantity, Volume
from dotaliver.records.masks import Segmentations
from dotaliver.records.score import StudyScore
from dotaliver.records.score_folder import MEASUREMENTS, SUV_MAP
from dotaliver.records.study import StudyVolumes

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["DicomJob", "encoded_files", "load_dicom", "made_or_left_out"]

_log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class DicomJob:
    """What the DICOM objects of a record are made of.

    Of the images only their grids are looked at, so pickling leaves their voxels out.
    """

    score: StudyScore
    volumes: StudyVolumes
    segmentations: Segmentations
    sources: SegSources
    labelmap: bool
    deidentified: bool

    def run(self) -> dict[str, bytes]:
        """Masks, map to SUV and measurements, by file name; what cannot be made is left out and logged."""
        # Not loaded by the first process, where the second one does this
        from dotaliver.export.dicom.real_world_value_map import suv_map
        from dotaliver.export.dicom.seg import segmentation_datasets
        from dotaliver.export.dicom.sr import measurement_report

        score, volumes, sources = self.score, self.volumes, self.sources
        masks: dict[str, Dataset] = made_or_left_out(
            "the DICOM segmentations",
            lambda: segmentation_datasets(score, volumes, self.segmentations, sources, labelmap=self.labelmap),
            {},
        )
        value_map = made_or_left_out(SUV_MAP, lambda: suv_map(score, volumes.pet.geometry, sources), None)
        report = made_or_left_out(
            MEASUREMENTS,
            lambda: measurement_report(score, volumes, self.segmentations, sources, list(masks.values()), value_map),
            None,
        )
        objects = {**masks, SUV_MAP: value_map, MEASUREMENTS: report}
        there = {name: dataset for name, dataset in objects.items() if dataset is not None}
        return encoded_files(there, deidentified=self.deidentified)

    def __getstate__(self) -> dict[str, object]:
        """Without the images' voxels, of which the objects hold nothing."""
        parts = {each.name: getattr(self.volumes, each.name) for each in fields(self.volumes) if each.init}
        for name, part in parts.items():
            if isinstance(part, Volume):
                parts[name] = _Grid(part.geometry, part.quantity)
        # The headers identify the patient where that is needed.
        return {**self.__dict__, "volumes": {**parts, "patient_id": None}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """With empty images on their grids."""
        parts: dict[str, Any] = {
            name: part.as_volume() if isinstance(part, _Grid) else part for name, part in state["volumes"].items()
        }
        self.__dict__.update({**state, "volumes": StudyVolumes(**parts)})


@dataclass(frozen=True, eq=False)
class _Grid:
    """An image without its voxels."""

    geometry: Geometry
    quantity: Quantity

    def as_volume(self) -> Volume:
        """A volume on this grid that holds nothing."""
        return Volume(np.broadcast_to(np.zeros((), dtype=np.uint8), self.geometry.shape), self.geometry, self.quantity)


def encoded_files(objects: Mapping[str, Dataset], *, deidentified: bool) -> dict[str, bytes]:
    """Objects as the bytes of files; where they are de-identified they say so. What cannot be written is left out."""

    def content(dataset: Dataset) -> bytes:
        if deidentified:
            mark_deidentified(dataset)
        return encoded(dataset)

    made = {name: made_or_left_out(name, partial(content, dataset), None) for name, dataset in objects.items()}
    return {name: data for name, data in made.items() if data is not None}


def made_or_left_out(what: str, make: Callable[[], T], instead: T) -> T:
    """What a function makes; where it fails, something else, with a line in the log.

    A score is finished before its files are made: no file that fails may lose it. The values that it failed on are
    not shown, for they may be the patient's.
    """
    try:
        return make()
    except OutputError:
        raise
    except Exception as error:
        # Libraries fail in as many ways as headers can be wrong
        _log.warning("%s could not be made and is left out (%s); the score is complete", what, type(error).__name__)
        return instead


def load_dicom() -> None:
    """Load, before it is needed, what takes time to load: modules, and highdicom's tables of the standard."""
    from highdicom.base import SOPClass
    from pydicom.uid import SegmentationStorage

    import dotaliver.export.dicom.real_world_value_map
    import dotaliver.export.dicom.seg
    import dotaliver.export.dicom.sr  # noqa: F401

    # The tables are read by the first object of any kind.
    SOPClass(
        study_instance_uid="2.25.1",
        series_instance_uid="2.25.2",
        series_number=1,
        sop_instance_uid="2.25.3",
        sop_class_uid=SegmentationStorage,
        instance_number=1,
        modality="SEG",
        manufacturer="dotaliver",
    )
