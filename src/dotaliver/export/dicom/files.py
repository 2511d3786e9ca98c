"""The DICOM objects of a record, as the bytes of files by name: masks, map to SUV, measurements."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from dotaliver.export.deidentify.objects import mark_deidentified
from dotaliver.export.dicom.derived import encoded
from dotaliver.export.dicom.source_headers import SegSources
from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import Quantity, Volume
from dotaliver.records.masks import Segmentations
from dotaliver.records.score import StudyScore
from dotaliver.records.score_folder import MEASUREMENTS, SUV_MAP
from dotaliver.records.study import StudyVolumes

__all__ = ["DicomJob", "encoded_files", "load_dicom"]


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
        """Masks, map to SUV and measurements, by file name.

        Raises
        ------
        MaskError
            Where a mask cannot be stored.
        """
        # Not loaded by the first process, where the second one does this
        from dotaliver.export.dicom.real_world_value_map import suv_map
        from dotaliver.export.dicom.seg import segmentation_datasets
        from dotaliver.export.dicom.sr import measurement_report

        score, volumes, sources = self.score, self.volumes, self.sources
        objects = segmentation_datasets(score, volumes, self.segmentations, sources, labelmap=self.labelmap)
        value_map = suv_map(score, volumes.pet.geometry, sources)
        report = measurement_report(score, volumes, self.segmentations, sources, list(objects.values()), value_map)
        objects |= {} if value_map is None else {SUV_MAP: value_map}
        return encoded_files(objects | {MEASUREMENTS: report}, deidentified=self.deidentified)

    def __getstate__(self) -> dict[str, Any]:
        """Without the images' voxels, of which the objects hold nothing."""
        parts = {each.name: getattr(self.volumes, each.name) for each in fields(self.volumes) if each.init}
        for name, part in parts.items():
            if isinstance(part, Volume):
                parts[name] = _Grid(part.geometry, part.quantity)
        # Who the patient is stands in the headers, where it is needed.
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


def encoded_files(objects: dict[str, Any], *, deidentified: bool) -> dict[str, bytes]:
    """Objects as the bytes of files; where they are de-identified they say so."""
    if deidentified:
        for dataset in objects.values():
            mark_deidentified(dataset)
    return {name: encoded(dataset) for name, dataset in objects.items()}


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
