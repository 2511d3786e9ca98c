"""What a measurement report measures: a group per lesion, reference region and liver (TID 1411, 1501)."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from dotaliver.export.dicom.codes import UptakeCodes, own, uptake_codes
from dotaliver.export.dicom.seg import tracking_id
from dotaliver.export.dicom.sr_items import (
    ReportSources,
    SourceImage,
    algorithm,
    group,
    number,
    sites,
    value_map,
    with_text_items,
)
from dotaliver.export.dicom.sr_verdicts import study_group, verdict_group
from dotaliver.export.report.words import MARK_WORDS
from dotaliver.image.geometry import Vector
from dotaliver.records.measurements import CtFocus, Diameter, Lesion, Reference
from dotaliver.records.score import StudyScore

__all__ = ["measurement_groups"]

_MAXIMUM, _MEAN, _SD = codes.SCT.Maximum, codes.SCT.Mean, codes.SCT.StandardDeviation
_PEAK = codes.DCM.PeakValueWithinROI
_RATIO, _NO_UNITS, _MM = codes.UCUM.Ratio, codes.UCUM.NoUnits, codes.UCUM.Millimeter
_MILLILITRE = Code("ml", "UCUM", "milliliter")
_HOUNSFIELD = Code("[hnsf'U]", "UCUM", "Hounsfield unit")
_REFERENCE_REGION = codes.NCIt.ReferenceRegion
_LIVER_ORGANS = {"liver": "Normal liver", "spleen": "Spleen", "blood_pool": "Blood pool"}


def measurement_groups(score: StudyScore, sources: ReportSources) -> list[Any]:
    """The groups of a report in reading order: lesions, reference regions, liver and burden, criteria, doubts."""
    uptake = None if score.suv is None else uptake_codes(score.suv.normalisation)
    groups: list[Any] = []
    for lesion in score.lesions:
        groups.append(_lesion_group(score, sources, lesion, uptake))
        if lesion.longest_diameter_mm is not None:
            groups.append(_axes_group(score, sources, lesion))
    groups += [_focus_group(score, sources, focus, uptake) for focus in score.ct_foci]
    groups += [_reference_group(score, sources, reference, uptake) for reference in score.references.values()]
    groups.append(_liver_group(score, sources))
    groups += [verdict_group(score, score.criteria[key]) for key in score.config.protocol.ids if key in score.criteria]
    groups.append(study_group(score))
    return groups


# --- lesions -------------------------------------------------------------------------------------------------------


def _lesion_group(score: StudyScore, sources: ReportSources, lesion: Lesion, uptake: UptakeCodes | None) -> Any:
    ratio = codes.DCM.LesionToBackgroundSUVRatio
    measurements = list(
        number(own("LIVERSHARE", "Share of the lesion inside the liver"), lesion.liver_share, _NO_UNITS)
    )
    if uptake is not None:
        measurements += [
            *number(uptake.name, lesion.suv_max, uptake.unit, _MAXIMUM),
            *number(uptake.name, lesion.suv_mean, uptake.unit, _MEAN),
            *number(uptake.name, lesion.suv_peak, uptake.unit, _PEAK),
            *number(
                own("TOTALUPTAKE", "Total lesion uptake, mean times volume"), lesion.total_uptake, uptake.total_unit
            ),
        ]
    measurements += [
        *number(ratio, lesion.ratio_to_liver, _RATIO, _PEAK),
        *number(ratio, lesion.max_ratio_to_liver, _RATIO, _MAXIMUM),
        *number(ratio, lesion.mean_ratio_to_liver, _RATIO, _MEAN),
        *number(codes.SCT.Volume, lesion.volume_ml, _MILLILITRE, method=codes.DCM.SumOfSegmentedVoxelMethodForVolume),
        *number(own("PETEXTENT", "Longest in-plane extent on PET"), lesion.pet_extent_mm, _MM),
        *number(own("CTVOLUME", "Volume of the outline on CT"), lesion.ct_volume_ml, _MILLILITRE),
    ]
    measured = group(
        score,
        sources,
        tracking_id("lesion", lesion.label),
        finding_category=codes.SCT.MorphologicallyAbnormalStructure,
        finding_type=codes.SCT.Neoplasm,
        finding_sites=sites("liver" if lesion.in_liver else None),
        method=None if uptake is None else uptake.method,
        algorithm_id=algorithm(score, "dotaliver lesion measurements"),
        referenced_real_world_value_map=value_map(sources) if uptake is not None else None,
        measurements=measurements,
    )
    in_liver = {True: "yes", False: "no", None: "unknown"}[lesion.in_liver]
    return with_text_items(
        measured,
        (own("INLIVER", "Lesion lies in the liver"), in_liver),
        (own("KRENNING", "Modified Krenning grade"), lesion.krenning),
        *((own("MARK", "Reader's mark"), MARK_WORDS.get(mark, mark)) for mark in lesion.marks),
        *((own("DOUBT", "Doubt"), flag.sentence) for flag in lesion.flags),
    )


def _axes_group(score: StudyScore, sources: ReportSources, lesion: Lesion) -> Any:
    """Long and short axis with their end points, on the slice that they were drawn on."""
    from highdicom.sr import SourceImageForMeasurementGroup

    drawn = lesion.diameter
    image = _drawn_on(sources, lesion)
    axes = [
        (codes.SCT.LongAxis, lesion.longest_diameter_mm, None if drawn is None else drawn.long_axis_lps_mm),
        (codes.SCT.ShortAxis, lesion.short_axis_mm, None if drawn is None else drawn.short_axis_lps_mm),
    ]
    if drawn is not None:
        inside = own("INSIDECHORD", "Longest chord that stays inside the lesion")
        axes.append((inside, drawn.inside_mm, drawn.inside_axis_lps_mm))
    measurements = [
        measurement
        for name, value, ends in axes
        for measurement in number(name, value, _MM, referenced_coordinates=_polyline(image, ends))
    ]
    frame = None if image is None else _slice_of(image, drawn)
    source = None
    if image is not None and frame is not None:
        header = image.headers[frame]
        frame_number = header.get("ReferencedFrameNumber")
        frames = None if frame_number is None else [int(frame_number)]
        source = [SourceImageForMeasurementGroup(image.sop_class_uid, header.SOPInstanceUID, frames)]
    measured = group(
        score,
        None,
        tracking_id("lesion", lesion.label),
        finding_type=codes.SCT.Neoplasm,
        finding_sites=sites("liver" if lesion.in_liver else None),
        measurements=measurements,
        source_images=source,
    )
    return with_text_items(measured, (own("DIAMETERFROM", "Where the diameter comes from"), lesion.diameter_source))


def _drawn_on(sources: ReportSources, lesion: Lesion) -> SourceImage | None:
    """The image that a diameter was drawn on; None where a reader's may lie in either of two CTs' coordinates."""
    drawn = lesion.diameter
    if drawn is not None and drawn.series_instance_uid is not None:
        for image in (sources.recist_ct, sources.ct, sources.pet):
            if image is not None and image.headers[0].SeriesInstanceUID == drawn.series_instance_uid:
                return image
    if lesion.diameter_source == "reader" and sources.recist_ct is not None:
        return None
    return sources.ct if sources.ct is not None and lesion.diameter_source != "pet" else sources.pet


def _polyline(image: SourceImage | None, ends: tuple[Vector, Vector] | None) -> list[Any] | None:
    from highdicom.sr import CoordinatesForMeasurement3D

    if image is None or ends is None:
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


def _focus_group(score: StudyScore, sources: ReportSources, focus: CtFocus, uptake: UptakeCodes | None) -> Any:
    """A focal lesion on CT that the PET does not outline."""
    measurements = [
        *number(codes.SCT.Volume, focus.volume_ml, _MILLILITRE),
        *number(codes.SCT.LongAxis, focus.longest_diameter_mm, _MM),
        *number(codes.SCT.ShortAxis, focus.short_axis_mm, _MM),
        *number(own("DENSITY", "Median density on CT"), focus.hu, _HOUNSFIELD),
        *number(own("BELOWLIVER", "How far that lies below the liver's"), focus.below_liver_hu, _HOUNSFIELD),
        *number(codes.DCM.LesionToBackgroundSUVRatio, focus.ratio_to_liver, _RATIO, _MEAN),
    ]
    if uptake is not None:
        measurements += number(uptake.name, focus.suv_mean, uptake.unit, _MEAN)
    measured = group(
        score,
        sources,
        tracking_id("ct_focus", focus.label),
        finding_category=codes.SCT.MorphologicallyAbnormalStructure,
        finding_type=codes.SCT.Lesion,
        finding_sites=sites("liver" if focus.in_liver else None),
        algorithm_id=algorithm(score, "dotaliver CT candidates"),
        measurements=measurements,
    )
    above = {True: "yes", False: "no", None: "unknown"}[focus.above_liver]
    return with_text_items(
        measured,
        (own("ABOVELIVER", "Uptake exceeds what normal liver reaches"), above),
        *((own("MARK", "Reader's mark"), MARK_WORDS.get(mark, mark)) for mark in focus.marks),
    )


# --- regions and burden --------------------------------------------------------------------------------------------


def _reference_group(
    score: StudyScore, sources: ReportSources, reference: Reference, uptake: UptakeCodes | None
) -> Any:
    measurements: list[Any] = []
    if uptake is not None:
        measurements += [
            *number(uptake.name, reference.suv_mean, uptake.unit, _MEAN),
            *number(uptake.name, reference.suv_sd, uptake.unit, _SD),
            *number(uptake.name, reference.suv_max, uptake.unit, _MAXIMUM),
            *number(own("PEAKSD", "SD of 1 ml means in lesion-free liver"), reference.peak_sd, uptake.unit),
            *number(own("PEAKLIMIT", "Upper limit of 1 ml means in normal liver"), reference.peak_limit, uptake.unit),
        ]
    measurements += [
        *number(codes.SCT.Volume, reference.volume_ml, _MILLILITRE),
        *number(codes.SCT.Diameter, reference.diameter_mm, _MM),
    ]
    measured = group(
        score,
        sources,
        tracking_id("reference", reference.organ),
        finding_type=_REFERENCE_REGION,
        finding_sites=sites(reference.organ),
        method=None if uptake is None else uptake.method,
        referenced_real_world_value_map=value_map(sources) if uptake is not None else None,
        measurements=measurements,
    )
    return with_text_items(
        measured,
        (own("ORGAN", "Organ"), _LIVER_ORGANS[reference.organ]),
        (own("METHOD", "How the region was found"), reference.method),
        (own("REASON", "Reason"), reference.reason),
    )


def _liver_group(score: StudyScore, sources: ReportSources) -> Any:
    burden = score.burden
    name = own("BURDEN", "Tumour volume over liver volume")
    measurements = [
        *number(codes.SCT.Volume, score.liver.volume_ml, _MILLILITRE),
        *number(name, burden.fraction, _NO_UNITS),
        *number(name, burden.low, _NO_UNITS, own("LOWEREND", "Lower end of the interval")),
        *number(name, burden.high, _NO_UNITS, own("UPPEREND", "Upper end of the interval")),
        *number(own("TUMOURVOLUME", "Volume of tumour in the liver"), burden.tumour_ml, _MILLILITRE),
        *number(own("LIVERVOLUME", "Volume of the liver with its tumours"), burden.liver_ml, _MILLILITRE),
    ]
    for side, lobe in (("right", score.lobes.right), ("left", score.lobes.left)):
        if lobe is not None:
            code = side.upper()
            measurements += [
                *number(
                    own(f"{code}VOLUME", f"Volume of the {side} lobe with its tumours"), lobe.liver_ml, _MILLILITRE
                ),
                *number(own(f"{code}TUMOUR", f"Volume of tumour in the {side} lobe"), lobe.tumour_ml, _MILLILITRE),
                *number(
                    own(f"{code}BURDEN", f"Tumour volume over volume of the {side} lobe"), lobe.fraction, _NO_UNITS
                ),
            ]
    measured = group(
        score,
        sources,
        tracking_id("organ", "liver"),
        finding_category=codes.SCT.AnatomicalStructure,
        finding_type=codes.SCT.Liver,
        measurements=measurements,
    )
    return with_text_items(
        measured,
        (own("REASON", "Reason"), score.liver.reason),
        (own("BURDENREASON", "Why there is no burden"), burden.reason),
    )
