"""Liver and lesions as an RT Structure Set (PS3.3 A.19), for planning and dosimetry systems.

The contours lie on the slices of the CT that belongs to the PET (on the PET's where there is no CT).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dotaliver.export.dicom.contours import polygons_of
from dotaliver.export.dicom.derived import NewObject, instances, new_object
from dotaliver.export.dicom.source_headers import SegSources, usable_headers
from dotaliver.export.regions import Outline, outlines_on_image, target_image
from dotaliver.image.geometry import Geometry
from dotaliver.records.masks import Segmentations
from dotaliver.records.positions import VoxelSet
from dotaliver.records.score import StudyScore
from dotaliver.records.study import StudyVolumes

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["LESION_RGB", "LIVER_RGB", "Structure", "generation", "structure_set", "structure_set_of"]

_STRUCTURES = NewObject("structures", "1.2.840.10008.5.1.4.1.1.481.3", "RTSTRUCT", 9008, "dotaliver structures")
# The class that a study is referred to by, retired but asked for (PS3.3 C.8.8.5)
_STUDY_CLASS = "1.2.840.10008.3.1.2.3.1"
LIVER_RGB, LESION_RGB = (0, 114, 178), (213, 94, 0)


@dataclass(frozen=True, eq=False)
class Structure:
    """One structure: a mask in a box of the image's grid."""

    name: str
    description: str
    kind: Literal["ORGAN", "GTV"]
    rgb: tuple[int, int, int]
    made: Literal["AUTOMATIC", "SEMIAUTOMATIC"]
    voxels: VoxelSet


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
    structures = list(_structures(score, volumes, segmentations))
    if not structures:
        return None
    dataset = structure_set_of(structures, _STRUCTURES, score, volumes, sources)
    dataset.StructureSetName = "Liver and lesions of a liver score"
    return dataset


def structure_set_of(
    structures: Sequence[Structure], kind: NewObject, score: StudyScore, volumes: StudyVolumes, sources: SegSources
) -> Dataset:
    """Structures as closed contours on the slices of the CT, or of the PET where there is no CT.

    Parameters
    ----------
    structures : sequence of Structure
        In the order of their numbers, which begin at 1.
    kind : NewObject
        Name and series of the object.
    score, volumes, sources
        As for `structure_set`.

    Returns
    -------
    pydicom.dataset.Dataset
        ``StructureSetName`` is the series description.
    """
    image, grid = target_image(volumes)
    identity = score.study.ct if image == "ct" and score.study.ct is not None else score.study.pet
    headers = usable_headers(sources, image, grid)
    objects = {item.SOPInstanceUID: item for item in instances(headers, identity)}
    dataset: Dataset = new_object(score, kind, headers[0])
    dataset.StructureSetLabel = "DOTALIVER"
    dataset.StructureSetName = kind.series_description
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


def _structures(score: StudyScore, volumes: StudyVolumes, segmentations: Segmentations) -> Iterator[Structure]:
    found = outlines_on_image(score, volumes, segmentations)
    if (liver := found.liver) is not None:
        origin = liver.origin(found.image)
        yield Structure("Liver", origin, "ORGAN", LIVER_RGB, generation(score, liver), liver.voxels)
    for label, each in found.lesions.items():
        origin = each.origin(found.image)
        yield Structure(f"Lesion {label}", origin, "GTV", LESION_RGB, generation(score, each), each.voxels)


def generation(score: StudyScore, outline: Outline) -> Literal["AUTOMATIC", "SEMIAUTOMATIC"]:
    """ROI Generation Algorithm (3006,0036): the segmenter's own outline, or one that somebody changed or gave."""
    return "AUTOMATIC" if outline.layer.origin == score.segmentation.segmenter else "SEMIAUTOMATIC"


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


def _roi(number: int, structure: Structure, frame_of_reference_uid: str) -> Dataset:
    return _item(
        ROINumber=number,
        ReferencedFrameOfReferenceUID=frame_of_reference_uid,
        ROIName=structure.name,
        ROIDescription=structure.description,
        ROIGenerationAlgorithm=structure.made,
    )


def _contours(number: int, structure: Structure, grid: Geometry, references: list[Dataset]) -> Dataset:
    slices, rows, columns = structure.voxels.box
    contours = []
    for offset, plane in enumerate(structure.voxels.mask):
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


def _observation(number: int, structure: Structure) -> Dataset:
    return _item(
        ObservationNumber=number, ReferencedROINumber=number, RTROIInterpretedType=structure.kind, ROIInterpreter=""
    )
