"""The DICOM objects of a record, as the bytes of files by name: masks, map to SUV, measurements."""

from __future__ import annotations

from typing import Any

from dotaliver.export.deidentify import mark_deidentified
from dotaliver.export.derived import encoded
from dotaliver.export.rwvm import suv_map
from dotaliver.export.seg import segmentation_datasets
from dotaliver.export.seg_sources import SegSources
from dotaliver.export.sr import measurement_report
from dotaliver.records import Segmentations, StudyVolumes
from dotaliver.score import StudyScore

__all__ = ["dicom_files", "encoded_files"]


def dicom_files(
    score: StudyScore,
    volumes: StudyVolumes,
    segmentations: Segmentations,
    sources: SegSources,
    *,
    labelmap: bool,
    deidentified: bool,
) -> dict[str, bytes]:
    """Masks, map to SUV and measurements; of the images only their grids are looked at."""
    objects = segmentation_datasets(score, volumes, segmentations, sources, labelmap=labelmap)
    value_map = suv_map(score, volumes.pet.geometry, sources)
    report = measurement_report(score, volumes, sources, list(objects.values()), value_map)
    objects |= {} if value_map is None else {"suv_map.dcm": value_map}
    return encoded_files(objects | {"measurements.dcm": report}, deidentified=deidentified)


def encoded_files(objects: dict[str, Any], *, deidentified: bool) -> dict[str, bytes]:
    """Objects as the bytes of files; where they are de-identified they say so."""
    if deidentified:
        for dataset in objects.values():
            mark_deidentified(dataset)
    return {name: encoded(dataset) for name, dataset in objects.items()}
