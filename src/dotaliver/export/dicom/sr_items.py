"""The pieces that a measurement report is put together from, and what they refer to.

Every number stands as a floating point value beside its decimal string, so that it is read back equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dotaliver.export.dicom.codes import ANATOMY
from dotaliver.export.dicom.source_headers import uid_from
from dotaliver.image.geometry import Geometry
from dotaliver.records.score import StudyScore

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["ReportSources", "SourceImage", "algorithm", "group", "number", "sites", "value_map", "with_text_items"]


@dataclass(frozen=True, eq=False)
class SourceImage:
    """One image of the study: its grid and its slices' headers in stack order."""

    grid: Geometry
    headers: list[Dataset]
    sop_class_uid: str


@dataclass(frozen=True, eq=False)
class ReportSources:
    """What the groups refer to."""

    pet: SourceImage
    ct: SourceImage | None
    recist_ct: SourceImage | None
    segmentations: tuple[Any, ...]
    suv_map: Any | None


def _identifier(score: StudyScore, identity: str) -> Any:
    from highdicom.sr import TrackingIdentifier

    return TrackingIdentifier(uid=uid_from(score.study.study_instance_uid, identity), identifier=identity)


def number(name: Any, value: float | None, unit: Any, derivation: Any = None, **more: Any) -> Iterator[Any]:
    """One measurement; none where there is no value."""
    from highdicom.sr import Measurement

    if value is not None:
        yield Measurement(name=name, value=float(value), unit=unit, derivation=derivation, **more)


def _text(name: Any, value: str) -> Any:
    from highdicom.sr import RelationshipTypeValues, TextContentItem

    return TextContentItem(name=name, value=value, relationship_type=RelationshipTypeValues.CONTAINS)


def with_text_items(group: Any, *texts: tuple[Any, str | None]) -> Any:
    """A group with texts after its measurements; empty ones are left out."""
    group[0].ContentSequence.extend([_text(name, value) for name, value in texts if value])
    return group


def algorithm(score: StudyScore, name: str) -> Any:
    """What worked a group out: a name, and the program's version."""
    from highdicom.sr import AlgorithmIdentification

    return AlgorithmIdentification(name=name, version=score.provenance.dotaliver_version)


def _segment(sources: ReportSources, identity: str) -> Any | None:
    """The reference to the segment of one name; None where it was not stored."""
    from highdicom.sr import ReferencedSegment, SourceSeriesForSegmentation

    for stored in sources.segmentations:
        for segment in stored.SegmentSequence:
            if segment.get("TrackingID") == identity:
                series = stored.ReferencedSeriesSequence[0].SeriesInstanceUID
                return ReferencedSegment(
                    stored.SOPClassUID,
                    stored.SOPInstanceUID,
                    int(segment.SegmentNumber),
                    source_series=SourceSeriesForSegmentation(series),
                )
    return None


def group(score: StudyScore, sources: ReportSources | None, identity: str, **content: Any) -> Any:
    """A group over the segment of its name, or without a region where there is none."""
    from highdicom.sr import MeasurementsAndQualitativeEvaluations, VolumetricROIMeasurementsAndQualitativeEvaluations

    segment = None if sources is None else _segment(sources, identity)
    tracking = _identifier(score, identity)
    if segment is None:
        return MeasurementsAndQualitativeEvaluations(tracking_identifier=tracking, **content)
    return VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking, referenced_segment=segment, **content
    )


def value_map(sources: ReportSources) -> Any | None:
    """The reference to the PET's map to SUV; None where there is none."""
    from highdicom.sr import RealWorldValueMap

    return None if sources.suv_map is None else RealWorldValueMap(sources.suv_map.SOPInstanceUID)


def sites(organ: str | None) -> list[Any] | None:
    """Where a finding lies, for an organ that has a code."""
    from highdicom.sr import FindingSite

    return [FindingSite(ANATOMY[organ])] if organ in ANATOMY else None
