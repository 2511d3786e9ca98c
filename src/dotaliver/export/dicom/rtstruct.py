"""Liver and lesions as an RT Structure Set (PS3.3 A.19), for planning and dosimetry systems.

The contours lie on the slices of the CT that belongs to the PET (on the PET's where there is no CT). A lesion whose
border the CT shows has that outline; others have the outline on the PET, in the position of the CT.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from dotaliver.export.dicom.contours import polygons_of
from dotaliver.export.dicom.derived import NewObject, instances, new_object
from dotaliver.export.dicom.source_headers import SegSources, usable_headers
from dotaliver.image.geometry import Box, Geometry
from dotaliver.image.itk import resample_labels
from dotaliver.image.volume import BoolArray, LabelMap
from dotaliver.records.masks import DrawnOn, MaskLayer, Segmentations
from dotaliver.records.positions import in_position_of
from dotaliver.records.score import StudyScore
from dotaliver.records.study import StudyVolumes

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["structure_set"]

_STRUCTURES = NewObject("structures", "1.2.840.10008.5.1.4.1.1.481.3", "RTSTRUCT", 9008, "dotaliver structures")
# The class that a study is referred to by, retired but asked for (PS3.3 C.8.8.5)
_STUDY_CLASS = "1.2.840.10008.3.1.2.3.1"
_LIVER_RGB, _LESION_RGB = (0, 114, 178), (213, 94, 0)
_Made = Literal["AUTOMATIC", "SEMIAUTOMATIC"]


@dataclass(frozen=True, eq=False)
class _Structure:
    """One structure: a mask in a box of the image's grid."""

    name: str
    description: str
    kind: Literal["ORGAN", "GTV"]
    rgb: tuple[int, int, int]
    made: _Made
    box: Box
    mask: BoolArray


def structure_set(
    score: StudyScore, volumes: StudyVolumes, segmentations: Segmentations, sources: SegSources
) -> Dataset | None:
    """Liver and lesions as closed contours on the slices of the CT.

    Parameters
    ----------
    score : StudyScore
        The record; its ``record_id`` names the object.
    volumes : StudyVolumes
        The images, for their grids.
    segmentations : Segmentations
        The masks.
    sources : SegSources
        Headers of the images' slices.

    Returns
    -------
    pydicom.dataset.Dataset or None
        None where neither liver nor lesions were outlined.
    """
    image: Literal["ct", "pet"] = "pet" if volumes.ct is None else "ct"
    grid = (volumes.ct or volumes.pet).geometry
    identity = score.study.ct if image == "ct" and score.study.ct is not None else score.study.pet
    structures = list(_structures(score, segmentations, image, grid))
    if not structures:
        return None
    headers = usable_headers(sources, image, grid)
    objects = {item.SOPInstanceUID: item for item in instances(headers, identity)}
    dataset: Dataset = new_object(score, _STRUCTURES, headers[0])
    dataset.StructureSetLabel = "DOTALIVER"
    dataset.StructureSetName = "Liver and lesions of a liver score"
    dataset.StructureSetDate, dataset.StructureSetTime = dataset.SeriesDate, dataset.SeriesTime
    frame = headers[0].FrameOfReferenceUID
    # Type 2 of RT Series and Frame of Reference: present, here empty
    dataset.OperatorsName = dataset.PositionReferenceIndicator = ""
    dataset.FrameOfReferenceUID = frame
    dataset.ReferencedFrameOfReferenceSequence = [_image_reference(headers[0], list(objects.values()))]
    numbered = list(enumerate(structures, start=1))
    dataset.StructureSetROISequence = [_roi(number, each, frame) for number, each in numbered]
    slices = [objects[header.SOPInstanceUID] for header in headers]
    frames = [header.get("ReferencedFrameNumber") for header in headers]
    references = [_reference(item, frame) for item, frame in zip(slices, frames, strict=True)]
    dataset.ROIContourSequence = [_contours(number, each, grid, references) for number, each in numbered]
    dataset.RTROIObservationsSequence = [_observation(number, each) for number, each in numbered]
    dataset.ApprovalStatus = "UNAPPROVED"
    return dataset


def _structures(
    score: StudyScore, segmentations: Segmentations, image: DrawnOn, grid: Geometry
) -> Iterator[_Structure]:
    if (liver := segmentations.liver) is not None:
        whole = LabelMap(_on_grid(liver, segmentations, image, grid).mask, grid)
        for _, box in whole.boxes():
            mask = np.asarray(whole.array[box] != 0)
            yield _Structure("Liver", _origin(liver, image), "ORGAN", _LIVER_RGB, _made(score, liver), box, mask)
    layers = [] if segmentations.lesions is None else [segmentations.lesions]
    if segmentations.ct_lesions is not None and score.study.recist_image is None and image == "ct":
        # These outlines first: the CT shows the border itself
        layers.insert(0, segmentations.ct_lesions)
    done: set[int] = set()
    for layer in layers:
        labels = _on_grid(layer, segmentations, image, grid)
        for label, box in labels.boxes():
            if label not in done:
                done.add(label)
                mask = np.asarray(labels.array[box] == label)
                yield _Structure(
                    f"Lesion {label}", _origin(layer, image), "GTV", _LESION_RGB, _made(score, layer), box, mask
                )


def _on_grid(layer: MaskLayer, segmentations: Segmentations, image: DrawnOn, grid: Geometry) -> LabelMap:
    """A layer's labels on the image's grid, in the image's position; as they are where they have this grid."""
    placed = in_position_of(image, layer, segmentations.mismatch)
    return placed if placed.geometry.is_close(grid) else resample_labels(placed, grid)


def _origin(layer: MaskLayer, image: DrawnOn) -> str:
    if layer.drawn_on == image:
        return f"Outline on {image.upper()}"
    return f"Outline on {layer.drawn_on.upper()}, in the position of the {image.upper()}"


def _made(score: StudyScore, layer: MaskLayer) -> _Made:
    return "AUTOMATIC" if layer.origin == score.segmentation.segmenter else "SEMIAUTOMATIC"


# --- sequences -----------------------------------------------------------------------------------------------------


def _item(**elements: object) -> Dataset:
    from pydicom.dataset import Dataset

    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item


def _reference(instance: Dataset, frame: int | None = None) -> Dataset:
    item = _item(ReferencedSOPClassUID=instance.SOPClassUID, ReferencedSOPInstanceUID=instance.SOPInstanceUID)
    if frame is not None:
        item.ReferencedFrameNumber = int(frame)
    return item


def _image_reference(header: Dataset, objects: list[Dataset]) -> Dataset:
    series = _item(
        SeriesInstanceUID=header.SeriesInstanceUID, ContourImageSequence=[_reference(each) for each in objects]
    )
    study = _item(
        ReferencedSOPClassUID=_STUDY_CLASS,
        ReferencedSOPInstanceUID=header.StudyInstanceUID,
        RTReferencedSeriesSequence=[series],
    )
    return _item(FrameOfReferenceUID=header.FrameOfReferenceUID, RTReferencedStudySequence=[study])


def _roi(number: int, structure: _Structure, frame_of_reference_uid: str) -> Dataset:
    return _item(
        ROINumber=number,
        ReferencedFrameOfReferenceUID=frame_of_reference_uid,
        ROIName=structure.name,
        ROIDescription=structure.description,
        ROIGenerationAlgorithm=structure.made,
    )


def _contours(number: int, structure: _Structure, grid: Geometry, references: list[Dataset]) -> Dataset:
    slices, rows, columns = structure.box
    contours = []
    for offset, plane in enumerate(structure.mask):
        index = slices.start + offset
        for polygon in polygons_of(plane):
            places = [(index, rows.start + row, columns.start + column) for row, column in polygon.tolist()]
            points = grid.index_to_lps(places)
            contours.append(
                _item(
                    ContourImageSequence=[references[index]],
                    ContourGeometricType="CLOSED_PLANAR",
                    NumberOfContourPoints=len(points),
                    # A micrometre, in a decimal string of 16 characters at most
                    ContourData=[f"{value:.3f}" for value in points.ravel()],
                )
            )
    return _item(ROIDisplayColor=list(structure.rgb), ReferencedROINumber=number, ContourSequence=contours)


def _observation(number: int, structure: _Structure) -> Dataset:
    return _item(
        ObservationNumber=number, ReferencedROINumber=number, RTROIInterpretedType=structure.kind, ROIInterpreter=""
    )
