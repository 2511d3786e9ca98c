"""What a measurement report says of one record: a group per lesion, region, burden and criterion (TID 1411, 1501).

Every number stands as a floating point value beside its decimal string, so that it is read back equal.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from dotaliver.export.codes import ANATOMY, UptakeCodes, own, uptake_codes
from dotaliver.export.seg import tracking_id
from dotaliver.export.seg_sources import uid_from
from dotaliver.export.words import EFFECT_WORDS, MARK_WORDS, answer_words
from dotaliver.geometry import Geometry, Vector
from dotaliver.protocol import CRITERIA
from dotaliver.records import Diameter, Lesion, Reference, Verdict
from dotaliver.score import StudyScore

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["ReportSources", "SourceImage", "measurement_groups"]

_MAXIMUM, _MEAN, _SD = codes.SCT.Maximum, codes.SCT.Mean, codes.SCT.StandardDeviation
_PEAK = codes.DCM.PeakValueWithinROI
_RATIO, _NO_UNITS, _MM = codes.UCUM.Ratio, codes.UCUM.NoUnits, codes.UCUM.Millimeter
_MILLILITRE = Code("ml", "UCUM", "milliliter")
_REFERENCE_REGION = codes.NCIt.ReferenceRegion
_LIVER_ORGANS = {"liver": "Normal liver", "spleen": "Spleen", "blood_pool": "Blood pool"}


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
    segmentations: tuple[Any, ...]
    suv_map: Any | None


def measurement_groups(score: StudyScore, sources: ReportSources) -> list[Any]:
    """The groups of a report in reading order: lesions, reference regions, liver and burden, criteria, doubts."""
    uptake = None if score.suv is None else uptake_codes(score.suv.normalisation)
    groups: list[Any] = []
    for lesion in score.lesions:
        groups.append(_lesion_group(score, sources, lesion, uptake))
        if lesion.longest_diameter_mm is not None:
            groups.append(_axes_group(score, sources, lesion))
    groups += [_reference_group(score, sources, reference, uptake) for reference in score.references.values()]
    groups.append(_liver_group(score, sources))
    groups += [_verdict_group(score, score.criteria[key]) for key in CRITERIA if key in score.criteria]
    groups.append(_study_group(score))
    return groups


# --- pieces --------------------------------------------------------------------------------------------------------


def _identifier(score: StudyScore, identity: str) -> Any:
    from highdicom.sr import TrackingIdentifier

    return TrackingIdentifier(uid=uid_from(score.study.study_instance_uid, identity), identifier=identity)


def _number(name: Any, value: float | None, unit: Any, derivation: Any = None, **more: Any) -> Iterator[Any]:
    """One measurement; none where there is no value."""
    from highdicom.sr import Measurement

    if value is not None:
        yield Measurement(name=name, value=float(value), unit=unit, derivation=derivation, **more)


def _text(name: Any, value: str) -> Any:
    from highdicom.sr import RelationshipTypeValues, TextContentItem

    return TextContentItem(name=name, value=value, relationship_type=RelationshipTypeValues.CONTAINS)


def _said(group: Any, *texts: tuple[Any, str | None]) -> Any:
    """A group with texts after its measurements; empty ones are left out."""
    group[0].ContentSequence.extend([_text(name, value) for name, value in texts if value])
    return group


def _algorithm(score: StudyScore, name: str) -> Any:
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


def _group(score: StudyScore, sources: ReportSources | None, identity: str, **content: Any) -> Any:
    """A group over the segment of its name, or without a region where there is none."""
    from highdicom.sr import MeasurementsAndQualitativeEvaluations, VolumetricROIMeasurementsAndQualitativeEvaluations

    segment = None if sources is None else _segment(sources, identity)
    tracking = _identifier(score, identity)
    if segment is None:
        return MeasurementsAndQualitativeEvaluations(tracking_identifier=tracking, **content)
    return VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking, referenced_segment=segment, **content
    )


def _value_map(sources: ReportSources) -> Any | None:
    from highdicom.sr import RealWorldValueMap

    return None if sources.suv_map is None else RealWorldValueMap(sources.suv_map.SOPInstanceUID)


def _sites(organ: str | None) -> list[Any] | None:
    from highdicom.sr import FindingSite

    return [FindingSite(ANATOMY[organ])] if organ in ANATOMY else None


# --- lesions -------------------------------------------------------------------------------------------------------


def _lesion_group(score: StudyScore, sources: ReportSources, lesion: Lesion, uptake: UptakeCodes | None) -> Any:
    ratio = codes.DCM.LesionToBackgroundSUVRatio
    measurements = list(
        _number(own("LIVERSHARE", "Share of the lesion inside the liver"), lesion.liver_share, _NO_UNITS)
    )
    if uptake is not None:
        measurements += [
            *_number(uptake.name, lesion.suv_max, uptake.unit, _MAXIMUM),
            *_number(uptake.name, lesion.suv_mean, uptake.unit, _MEAN),
            *_number(uptake.name, lesion.suv_peak, uptake.unit, _PEAK),
            *_number(
                own("TOTALUPTAKE", "Total lesion uptake, mean times volume"), lesion.total_uptake, uptake.total_unit
            ),
        ]
    measurements += [
        *_number(ratio, lesion.ratio_to_liver, _RATIO, _PEAK),
        *_number(ratio, lesion.max_ratio_to_liver, _RATIO, _MAXIMUM),
        *_number(ratio, lesion.mean_ratio_to_liver, _RATIO, _MEAN),
        *_number(codes.SCT.Volume, lesion.volume_ml, _MILLILITRE, method=codes.DCM.SumOfSegmentedVoxelMethodForVolume),
        *_number(own("PETEXTENT", "Longest in-plane extent on PET"), lesion.pet_extent_mm, _MM),
    ]
    group = _group(
        score,
        sources,
        tracking_id("lesion", lesion.label),
        finding_category=codes.SCT.MorphologicallyAbnormalStructure,
        finding_type=codes.SCT.Neoplasm,
        finding_sites=_sites("liver" if lesion.in_liver else None),
        method=None if uptake is None else uptake.method,
        algorithm_id=_algorithm(score, "dotaliver lesion measurements"),
        referenced_real_world_value_map=_value_map(sources) if uptake is not None else None,
        measurements=measurements,
    )
    in_liver = {True: "yes", False: "no", None: "unknown"}[lesion.in_liver]
    return _said(
        group,
        (own("INLIVER", "Lesion lies in the liver"), in_liver),
        (own("KRENNING", "Modified Krenning grade"), lesion.krenning),
        *((own("MARK", "Reader's mark"), MARK_WORDS.get(mark, mark)) for mark in lesion.marks),
        *((own("DOUBT", "Doubt"), flag.sentence) for flag in lesion.flags),
    )


def _axes_group(score: StudyScore, sources: ReportSources, lesion: Lesion) -> Any:
    """Long and short axis with their end points, on the slice that they were drawn on."""
    from highdicom.sr import SourceImageForMeasurementGroup

    drawn = lesion.diameter
    image = sources.ct if sources.ct is not None and lesion.diameter_source != "pet" else sources.pet
    axes = [
        (codes.SCT.LongAxis, lesion.longest_diameter_mm, None if drawn is None else drawn.long_axis_lps_mm),
        (codes.SCT.ShortAxis, lesion.short_axis_mm, None if drawn is None else drawn.short_axis_lps_mm),
    ]
    measurements = [
        measurement
        for name, value, ends in axes
        for measurement in _number(name, value, _MM, referenced_coordinates=_polyline(image, ends))
    ]
    frame = _slice_of(image, drawn)
    source = None
    if frame is not None:
        header = image.headers[frame]
        number = header.get("ReferencedFrameNumber")
        frames = None if number is None else [int(number)]
        source = [SourceImageForMeasurementGroup(image.sop_class_uid, header.SOPInstanceUID, frames)]
    group = _group(
        score,
        None,
        tracking_id("lesion", lesion.label),
        finding_type=codes.SCT.Neoplasm,
        finding_sites=_sites("liver" if lesion.in_liver else None),
        measurements=measurements,
        source_images=source,
    )
    return _said(group, (own("DIAMETERFROM", "Where the diameter comes from"), lesion.diameter_source))


def _polyline(image: SourceImage, ends: tuple[Vector, Vector] | None) -> list[Any] | None:
    from highdicom.sr import CoordinatesForMeasurement3D

    if ends is None:
        return None
    points = np.asarray(ends, dtype=np.float64)
    return [CoordinatesForMeasurement3D("POLYLINE", points, image.headers[0].FrameOfReferenceUID)]


def _slice_of(image: SourceImage, diameter: Diameter | None) -> int | None:
    """Index of the slice that a diameter lies on; None where it lies on none."""
    if diameter is None:
        return None
    places = image.grid.lps_to_index(np.asarray(diameter.long_axis_lps_mm))[:, 0]
    index = round(float(places.mean()))
    near = bool(np.abs(places - index).max() <= 0.5)
    return index if near and 0 <= index < image.grid.shape[0] else None


# --- regions and burden --------------------------------------------------------------------------------------------


def _reference_group(
    score: StudyScore, sources: ReportSources, reference: Reference, uptake: UptakeCodes | None
) -> Any:
    measurements: list[Any] = []
    if uptake is not None:
        measurements += [
            *_number(uptake.name, reference.suv_mean, uptake.unit, _MEAN),
            *_number(uptake.name, reference.suv_sd, uptake.unit, _SD),
            *_number(uptake.name, reference.suv_max, uptake.unit, _MAXIMUM),
            *_number(own("PEAKSD", "SD of 1 ml means in lesion-free liver"), reference.peak_sd, uptake.unit),
            *_number(own("PEAKLIMIT", "Upper limit of 1 ml means in normal liver"), reference.peak_limit, uptake.unit),
        ]
    measurements += [
        *_number(codes.SCT.Volume, reference.volume_ml, _MILLILITRE),
        *_number(codes.SCT.Diameter, reference.diameter_mm, _MM),
    ]
    group = _group(
        score,
        sources,
        tracking_id("reference", reference.organ),
        finding_type=_REFERENCE_REGION,
        finding_sites=_sites(reference.organ),
        method=None if uptake is None else uptake.method,
        referenced_real_world_value_map=_value_map(sources) if uptake is not None else None,
        measurements=measurements,
    )
    return _said(
        group,
        (own("ORGAN", "Organ"), _LIVER_ORGANS[reference.organ]),
        (own("METHOD", "How the region was found"), reference.method),
        (own("REASON", "Reason"), reference.reason),
    )


def _liver_group(score: StudyScore, sources: ReportSources) -> Any:
    burden = score.burden
    name = own("BURDEN", "Tumour volume over liver volume")
    measurements = [
        *_number(codes.SCT.Volume, score.liver.volume_ml, _MILLILITRE),
        *_number(name, burden.fraction, _NO_UNITS),
        *_number(name, burden.low, _NO_UNITS, own("LOWEREND", "Lower end of the interval")),
        *_number(name, burden.high, _NO_UNITS, own("UPPEREND", "Upper end of the interval")),
        *_number(own("TUMOURVOLUME", "Volume of tumour in the liver"), burden.tumour_ml, _MILLILITRE),
        *_number(own("LIVERVOLUME", "Volume of the liver with its tumours"), burden.liver_ml, _MILLILITRE),
    ]
    group = _group(
        score,
        sources,
        tracking_id("organ", "liver"),
        finding_category=codes.SCT.AnatomicalStructure,
        finding_type=codes.SCT.Liver,
        measurements=measurements,
    )
    return _said(
        group,
        (own("REASON", "Reason"), score.liver.reason),
        (own("BURDENREASON", "Why there is no burden"), burden.reason),
    )


# --- answers and doubts --------------------------------------------------------------------------------------------


def _verdict_group(score: StudyScore, verdict: Verdict) -> Any:
    """One criterion: the answer as a code, its grounds as text, its evidence as ``name: value`` in JSON's words."""
    from highdicom.sr import QualitativeEvaluation

    protocol = score.config.protocol
    criterion = protocol.criterion(verdict.criterion)

    def answer(word: Any) -> Any:
        return own(word, f"{criterion.name} {answer_words(criterion, word)}")

    evaluations = [
        QualitativeEvaluation(codes.DCM.Eligibility, answer(verdict.verdict)),
        QualitativeEvaluation(
            own("EFFECT", "Effect on entering the trial"), own(verdict.effect, EFFECT_WORDS[verdict.effect])
        ),
        QualitativeEvaluation(own("STATUS", "Who stands behind the answer"), own(verdict.status, verdict.status)),
        QualitativeEvaluation(own("SCOPE", "What the criterion asks about"), own(verdict.scope, verdict.scope)),
    ]
    if verdict.liver_finding is not None:
        finding = own("LIVERFINDING", "What the liver alone shows")
        evaluations.append(QualitativeEvaluation(finding, answer(verdict.liver_finding)))
    group = _group(
        score,
        None,
        tracking_id("criterion", verdict.criterion),
        finding_type=own(verdict.criterion, f"{criterion.name}: {criterion.topic}"),
        algorithm_id=_algorithm(score, f"dotaliver criteria of {protocol.id}"),
        qualitative_evaluations=evaluations,
    )
    decision = verdict.decision
    decided = (
        None if decision is None else f"{decision.reader} ({decision.role}); proposed had been {decision.proposed}"
    )
    evidence = [(own("EVIDENCE", "Evidence"), f"{key}: {json.dumps(value)}") for key, value in verdict.evidence.items()]
    return _said(
        group,
        (own("REASON", "Reason"), verdict.reason),
        (own("DECIDEDBY", "Decided by"), decided),
        (own("DECISIONREASON", "Reader's reason"), None if decision is None else decision.reason),
        *evidence,
        *((own("WEAKENEDBY", "Weakened by"), code) for code in verdict.weakened_by),
    )


def _study_group(score: StudyScore) -> Any:
    """What holds for the whole record: its name, its doubts, what the reader states."""
    group = _group(score, None, tracking_id("record", "study"), finding_type=own("RECORD", "Record of a liver score"))
    rest = score.edits.rest_of_body
    stated = None if rest is None else json.dumps(rest.model_dump(mode="json"))
    return _said(
        group,
        (own("RECORDID", "Name of the record"), score.record_id),
        (own("PROTOCOL", "Trial protocol"), f"{score.config.protocol.id}, {score.config.protocol.amendment}"),
        (own("RESTOFBODY", "Reader's statement on the rest of the body"), stated),
        *((own("DOUBT", "Doubt"), flag.sentence) for flag in dict.fromkeys((*score.flags, *score.segmentation.flags))),
    )
