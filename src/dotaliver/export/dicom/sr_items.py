"""The pieces that a measurement report is put together from, and what they refer to.

Every number is written as a floating point value as well as a decimal string, so that it is read back exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypedDict, Unpack

import numpy as np
from pydicom.sr.coding import Code

from dotaliver.export.dicom.codes import ANATOMY
from dotaliver.export.dicom.segments import tracking_id
from dotaliver.export.dicom.source_headers import uid_from
from dotaliver.image.geometry import Geometry, Vector
from dotaliver.image.volume import LabelMap, mean_index
from dotaliver.records.masks import Segmentations
from dotaliver.records.score import StudyScore

if TYPE_CHECKING:
    from highdicom.seg import Segmentation
    from highdicom.sr import (
        AlgorithmIdentification,
        CoordinatesForMeasurement,
        CoordinatesForMeasurement3D,
        FindingSite,
        Measurement,
        MeasurementProperties,
        MeasurementsAndQualitativeEvaluations,
        RealWorldValueMap,
        ReferencedSegment,
        TextContentItem,
        TrackingIdentifier,
        VolumetricROIMeasurementsAndQualitativeEvaluations,
    )
    from pydicom.dataset import Dataset

    Coordinates: TypeAlias = CoordinatesForMeasurement | CoordinatesForMeasurement3D
    Group: TypeAlias = MeasurementsAndQualitativeEvaluations | VolumetricROIMeasurementsAndQualitativeEvaluations

__all__ = [
    "GroupContent",
    "Measured",
    "Place",
    "ReportSources",
    "SourceImage",
    "Subject",
    "algorithm",
    "algorithm_parameters",
    "centre",
    "centres_of",
    "group",
    "line_on",
    "number",
    "sites",
    "slice_of",
    "value_map",
    "with_text_items",
]

# Ends of a line within this part of a slice's thickness lie on the slice, up to rounding
_ON_SLICE = 0.05
_METHOD = ("370129005", "SCT")
_UPPER_UNCERTAINTY = Code("371886008", "SCT", "+, range of upper measurement uncertainty")
_LOWER_UNCERTAINTY = Code("371885007", "SCT", "-, range of lower measurement uncertainty")


@dataclass(frozen=True, eq=False)
class SourceImage:
    """One image of the study: its grid and its slices' headers in stack order."""

    grid: Geometry
    headers: list[Dataset]
    sop_class_uid: str

    @property
    def frame_of_reference_uid(self) -> str:
        """The coordinate system of the image."""
        return str(self.headers[0].FrameOfReferenceUID)

    @property
    def series_instance_uid(self) -> str:
        """The series that the image is."""
        return str(self.headers[0].SeriesInstanceUID)


@dataclass(frozen=True)
class Place:
    """A point of the patient, in the coordinate system of one image."""

    point_lps_mm: Vector
    frame_of_reference_uid: str


@dataclass(frozen=True, eq=False)
class ReportSources:
    """What the groups refer to; the centres of the masks by tracking identifier."""

    pet: SourceImage
    ct: SourceImage | None
    recist_image: SourceImage | None
    segmentations: tuple[Segmentation, ...]
    suv_map: Dataset | None
    centres: Mapping[str, Place]


class GroupContent(TypedDict, total=False):
    """What a measurement group holds besides its tracking identifier and region, as highdicom takes it."""

    finding_category: Code
    finding_type: Code
    finding_sites: list[FindingSite] | None
    method: Code | None
    algorithm_id: AlgorithmIdentification
    referenced_real_world_value_map: RealWorldValueMap | None


def centres_of(segmentations: Segmentations, pet: SourceImage, ct: SourceImage | None) -> dict[str, Place]:
    """The centres of the liver and of reference regions, by tracking identifier.

    Viewers that draw a report expect coordinates in every group, also where the region is a segment.
    """
    found: dict[str, Place] = {}
    if (liver := segmentations.liver) is not None and liver.labels.used is not None:
        image = pet if liver.drawn_on == "pet" or ct is None else ct
        found[tracking_id("organ", "liver")] = Place(_centre(liver.labels), image.frame_of_reference_uid)
    for region in segmentations.references:
        point = region.centre_lps_mm
        if region.region is not None and region.region.used is not None:
            point = _centre(region.region)
        if point is not None:
            found[tracking_id("reference", region.organ)] = Place(point, pet.frame_of_reference_uid)
    return found


def _centre(labels: LabelMap) -> Vector:
    """The mean of a mask's voxels."""
    assert labels.used is not None
    inside = mean_index(labels.array[labels.used] != 0)
    x, y, z = labels.geometry.index_to_lps(inside + [box.start for box in labels.used])
    return (float(x), float(y), float(z))


def _identifier(score: StudyScore, identity: str, shown: str | None) -> TrackingIdentifier:
    from highdicom.sr import TrackingIdentifier

    return TrackingIdentifier(uid=uid_from(score.study.study_instance_uid, identity), identifier=shown or identity)


@dataclass(frozen=True, eq=False)
class Measured:
    """One number, and the coordinates that it was measured at."""

    item: Measurement
    coordinates: tuple[Coordinates, ...]


def number(  # noqa: PLR0913  the parts of one measurement
    name: Code,
    value: float | None,
    unit: Code,
    derivation: Code | None = None,
    *,
    method: Code | None = None,
    at: Coordinates | None = None,
    interval: tuple[float, float] | None = None,
) -> Iterator[Measured]:
    """One measurement, with the coordinates that it was made at; none where there is no value.

    An ``interval`` around the value becomes the ranges of its upper and lower uncertainty (PS3.16 TID 310).
    """
    from highdicom.sr import Measurement

    if value is not None:
        properties = None if interval is None else _uncertainty(float(value), interval, unit)
        item = Measurement(
            name=name, value=float(value), unit=unit, derivation=derivation, method=method, properties=properties
        )
        yield Measured(item, () if at is None else (at,))


def _uncertainty(value: float, interval: tuple[float, float], unit: Code) -> MeasurementProperties:
    from highdicom.sr import MeasurementProperties, NumContentItem, RelationshipTypeValues

    properties = MeasurementProperties()
    low, high = interval
    for name, reach in ((_UPPER_UNCERTAINTY, high - value), (_LOWER_UNCERTAINTY, value - low)):
        properties.append(
            NumContentItem(
                name=name,
                value=round(float(reach), 3),
                unit=unit,
                relationship_type=RelationshipTypeValues.HAS_PROPERTIES,
            )
        )
    return properties


def centre(place: Place | None) -> Coordinates | None:
    """A point that a measurement was made around; None where there is none."""
    from highdicom.sr import CoordinatesForMeasurement3D
    from pydicom.sr.codedict import codes

    if place is None:
        return None
    point = np.asarray([place.point_lps_mm], dtype=np.float64)
    return CoordinatesForMeasurement3D("POINT", point, place.frame_of_reference_uid, purpose=codes.DCM.Center)


def slice_of(image: SourceImage, ends_lps_mm: Sequence[Vector]) -> int | None:
    """Index of the slice that a line lies on; None where it is oblique, between slices or outside the image."""
    places = image.grid.lps_to_index(np.asarray(ends_lps_mm, dtype=np.float64))[:, 0]
    index = round(float(places.mean()))
    on_one = bool(np.abs(places - index).max() <= _ON_SLICE)
    return index if on_one and 0 <= index < image.grid.shape[0] else None


def line_on(image: SourceImage, ends_lps_mm: Sequence[Vector]) -> Coordinates:
    """A line as an open polyline: in pixels of the slice that it lies on, else in patient coordinates.

    Image coordinates are column and row with the upper left corner of the first pixel at (0, 0), so that its middle
    lies at (0.5, 0.5) (PS3.3 C.18.6.1.2).
    """
    from highdicom.sr import CoordinatesForMeasurement, CoordinatesForMeasurement3D, SourceImageForRegion

    points = np.asarray(ends_lps_mm, dtype=np.float64)
    index = slice_of(image, ends_lps_mm)
    if index is None:
        return CoordinatesForMeasurement3D("POLYLINE", points, image.frame_of_reference_uid)
    header = image.headers[index]
    frame = header.get("ReferencedFrameNumber")
    source = SourceImageForRegion(image.sop_class_uid, header.SOPInstanceUID, None if frame is None else [int(frame)])
    pixels = image.grid.lps_to_index(points)[:, [2, 1]] + 0.5
    return CoordinatesForMeasurement("POLYLINE", pixels, source)


def _text(name: Code, value: str) -> TextContentItem:
    from highdicom.sr import RelationshipTypeValues, TextContentItem

    return TextContentItem(name=name, value=value, relationship_type=RelationshipTypeValues.CONTAINS)


def with_text_items(group: Group, *texts: tuple[Code, str | None]) -> Group:
    """A group with texts after its measurements; empty ones are left out."""
    group[0].ContentSequence.extend([_text(name, value) for name, value in texts if value])
    return group


def algorithm_parameters(score: StudyScore) -> list[str]:
    """What the algorithms were given, as ``name: value``: all settings by their hash, and those that go by a name."""
    protocol = score.config.protocol
    return [
        f"protocol: {protocol.id}",
        f"segmenter: {score.segmentation.segmenter}",
        f"configuration SHA-256: {score.provenance.config_sha256}",
    ]


def algorithm(score: StudyScore, name: str) -> AlgorithmIdentification:
    """The algorithm behind a group (TID 4019): a name, the program's version, and its parameters."""
    from highdicom.sr import AlgorithmIdentification

    return AlgorithmIdentification(
        name=name, version=score.provenance.dotaliver_version, parameters=algorithm_parameters(score)
    )


def _segment(sources: ReportSources, identity: str, series_uid: str | None) -> ReferencedSegment | None:
    """The reference to the segment of one name, drawn on a given series if there is one; None where not stored."""
    from highdicom.sr import ReferencedSegment, SourceSeriesForSegmentation

    found = None
    for stored in sources.segmentations:
        series = stored.ReferencedSeriesSequence[0].SeriesInstanceUID
        for segment in stored.SegmentSequence:
            if segment.get("TrackingID") == identity and (found is None or series == series_uid):
                found = ReferencedSegment(
                    stored.SOPClassUID,
                    stored.SOPInstanceUID,
                    int(segment.SegmentNumber),
                    source_series=SourceSeriesForSegmentation(series),
                )
    return found


@dataclass(frozen=True, eq=False)
class Subject:
    """What a group measures: the tracking UID follows from ``identity``.

    ``segment`` is the tracking identifier of the segment, where that is another one; ``drawn_on`` the image whose
    segment is preferred where several images have one of this name (the PET unless given); ``shown`` the tracking
    identifier as text, where viewers ask for another one.
    """

    identity: str
    segment: str | None = None
    drawn_on: SourceImage | None = None
    shown: str | None = None


def group(
    score: StudyScore,
    sources: ReportSources,
    subject: Subject,
    measured: Sequence[Measured],
    **content: Unpack[GroupContent],
) -> Group:
    """A measurement group over a segment (TID 1411), or without a region where there is none (TID 1501)."""
    from highdicom.sr import MeasurementsAndQualitativeEvaluations, VolumetricROIMeasurementsAndQualitativeEvaluations

    series = (subject.drawn_on or sources.pet).series_instance_uid
    region = _segment(sources, subject.segment or subject.identity, series)
    tracking = _identifier(score, subject.identity, subject.shown)
    numbers = [each.item for each in measured]
    if region is None:
        made = MeasurementsAndQualitativeEvaluations(tracking_identifier=tracking, measurements=numbers, **content)
    else:
        made = VolumetricROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=tracking, referenced_segment=region, measurements=numbers, **content
        )
    return _with_method_as_modifier(_with_coordinates(made, measured))


def _with_coordinates(group: Group, measured: Sequence[Measured]) -> Group:
    """A group whose numbers give their coordinates (TID 320), as TID 1419, which is extensible, allows them to.

    highdicom takes them only in groups without a region.
    """
    from highdicom.sr import ContentSequence

    numbers = [item for item in group[0].ContentSequence if item.ValueType == "NUM"]
    for item, each in zip(numbers, measured, strict=True):
        if each.coordinates:
            item.ContentSequence = ContentSequence([*item.get("ContentSequence", ()), *each.coordinates])
    return group


def _with_method_as_modifier(group: Group) -> Group:
    """A group whose Measurement Method modifies its name, as TID 1419 and 1501 ask; highdicom 0.28 contains it."""
    for item in group[0].ContentSequence:
        name = item.ConceptNameCodeSequence[0]
        if (name.CodeValue, name.CodingSchemeDesignator) == _METHOD:
            item.RelationshipType = "HAS CONCEPT MOD"
    return group


def value_map(sources: ReportSources) -> RealWorldValueMap | None:
    """The reference to the PET's map to SUV; None where there is none."""
    from highdicom.sr import RealWorldValueMap

    return None if sources.suv_map is None else RealWorldValueMap(sources.suv_map.SOPInstanceUID)


def sites(organ: str | None) -> list[FindingSite] | None:
    """The anatomy of a finding, for an organ that has a code."""
    from highdicom.sr import FindingSite

    return [FindingSite(ANATOMY[organ])] if organ in ANATOMY else None
