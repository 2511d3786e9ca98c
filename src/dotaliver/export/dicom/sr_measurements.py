"""The measurement groups of a report: lesions, their diameters, reference regions and the liver.

Every group refers to a segment (TID 1411) and gives coordinates with at least one number. Viewers need the second:
OHIF 3.13 stops drawing a report at a group without coordinates, and takes lines for its own measurements where the
tracking identifier begins with the name of one of its tools and the axes are called "Long Axis" and "Short Axis".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from dotaliver.export.dicom.codes import UptakeCodes, own, uptake_codes
from dotaliver.export.dicom.segments import tracking_id
from dotaliver.export.dicom.sr_items import (
    Measured,
    Place,
    ReportSources,
    SourceImage,
    Subject,
    algorithm,
    centre,
    group,
    line_on,
    number,
    sites,
    value_map,
    with_text_items,
)
from dotaliver.export.report.words import MARK_WORDS, percent_words
from dotaliver.records.body_record import BodyLesion
from dotaliver.records.measurements import CtFocus, Lesion, Reference
from dotaliver.records.score import StudyScore

if TYPE_CHECKING:
    from dotaliver.export.dicom.sr_items import Group

__all__ = ["measurement_groups"]

# What OHIF calls the tools that it draws lines with, which begins their tracking identifiers
_VIEWER_TOOLS = "Cornerstone3DTools@^0.1.0"
# In the words of CID 7470, which viewers compare
_LONG_AXIS, _SHORT_AXIS = Code("103339001", "SCT", "Long Axis"), Code("103340004", "SCT", "Short Axis")
_DIAMETER_SOURCE = own("DIAMETERFROM", "Source of the diameter")
_DIAMETER_MODALITY = own("DIAMETERMODALITY", "Modality of the image with the diameter")

_MAXIMUM, _MEAN, _SD = codes.SCT.Maximum, codes.SCT.Mean, codes.SCT.StandardDeviation
_PEAK = codes.DCM.PeakValueWithinROI
_RATIO, _NO_UNITS, _MM = codes.UCUM.Ratio, codes.UCUM.NoUnits, codes.UCUM.Millimeter
_MILLILITRE = Code("ml", "UCUM", "milliliter")
_HOUNSFIELD = Code("[hnsf'U]", "UCUM", "Hounsfield unit")
_REFERENCE_REGION = codes.NCIt.ReferenceRegion
_LIVER_ORGANS = {"liver": "Normal liver", "spleen": "Spleen", "blood_pool": "Blood pool"}


def measurement_groups(score: StudyScore, sources: ReportSources) -> list[Group]:
    """The measurement groups of a report in reading order: lesions, CT candidates, reference regions, liver."""
    uptake = None if score.suv is None else uptake_codes(score.suv.normalisation)
    groups: list[Group] = []
    for lesion in score.lesions:
        axes = _axes_groups(score, sources, lesion)
        groups += [_lesion_group(score, sources, lesion, uptake, with_diameters=not axes), *axes]
    for found in () if score.body is None else score.body.lesions:
        axes = _axes_groups(score, sources, found)
        groups += [_lesion_group(score, sources, found, uptake, with_diameters=not axes), *axes]
    groups += [_focus_group(score, sources, focus, uptake) for focus in score.ct_foci]
    measured = [reference for reference in score.references.values() if reference.method != "none"]
    groups += [_reference_group(score, sources, reference, uptake) for reference in measured]
    # There is no report without a group
    if score.liver.volume_ml is not None or not groups:
        groups.append(_liver_group(score, sources))
    return groups


# --- lesions -------------------------------------------------------------------------------------------------------


def _lesion_group(
    score: StudyScore, sources: ReportSources, lesion: Lesion, uptake: UptakeCodes | None, *, with_diameters: bool
) -> Group:
    ratio = codes.DCM.LesionToBackgroundSUVRatio
    peak = lesion.suv_peak_centre_lps_mm or lesion.centroid_lps_mm
    place = centre(Place(peak, sources.pet.frame_of_reference_uid))
    measurements: list[Measured] = []
    if uptake is not None:
        measurements += [
            *number(uptake.name, lesion.suv_max, uptake.unit, _MAXIMUM),
            *number(uptake.name, lesion.suv_mean, uptake.unit, _MEAN),
            *number(uptake.name, lesion.suv_peak, uptake.unit, _PEAK, at=place),
            *number(own("TOTALUPTAKE", "Total lesion uptake (mean × volume)"), lesion.total_uptake, uptake.total_unit),
        ]
    measurements += [
        *number(ratio, lesion.ratio_to_liver, _RATIO, _PEAK),
        *number(ratio, lesion.max_ratio_to_liver, _RATIO, _MAXIMUM),
        *number(ratio, lesion.mean_ratio_to_liver, _RATIO, _MEAN),
        *number(
            codes.SCT.Volume, lesion.volume_ml, _MILLILITRE, method=codes.DCM.SumOfSegmentedVoxelMethodForVolume,
            at=None if uptake is not None and lesion.suv_peak is not None else place,
        ),
        *number(own("LIVERSHARE", "Fraction of the lesion inside the liver"), lesion.liver_share, _NO_UNITS),
        *number(own("PETEXTENT", "Longest in-plane extent on PET"), lesion.pet_extent_mm, _MM),
        *number(own("CTVOLUME", "Volume of the outline on CT"), lesion.ct_volume_ml, _MILLILITRE),
    ]  # fmt: skip
    interval = None if lesion.diameter is None else lesion.diameter.interval_mm
    if with_diameters:
        measurements += [*number(_LONG_AXIS, lesion.longest_diameter_mm, _MM, interval=interval),
                         *number(_SHORT_AXIS, lesion.short_axis_mm, _MM)]  # fmt: skip
    measured = group(
        score,
        sources,
        Subject(_tracking_id(lesion)),
        measurements,
        finding_category=codes.SCT.MorphologicallyAbnormalStructure,
        finding_type=_finding_type(lesion),
        finding_sites=sites("liver" if lesion.in_liver else None),
        method=None if uptake is None else uptake.method,
        algorithm_id=algorithm(score, "dotaliver lesion measurements"),
        referenced_real_world_value_map=value_map(sources) if uptake is not None else None,
    )
    in_liver = {True: "yes", False: "no", None: "unknown"}[lesion.in_liver]
    source = lesion.diameter_source if with_diameters else None
    return with_text_items(
        measured,
        (own("INLIVER", "Lesion in the liver"), in_liver),
        (own("KRENNING", "Modified Krenning score"), lesion.krenning),
        (_DIAMETER_SOURCE, source),
        (_DIAMETER_MODALITY, lesion.diameter.modality if source is not None and lesion.diameter is not None else None),
        *_body_items(lesion),
        *((own("MARK", "Reader's mark"), MARK_WORDS.get(mark, mark)) for mark in lesion.marks),
        *((own("CAVEAT", "Caveat"), flag.sentence) for flag in lesion.flags),
    )


def _tracking_id(lesion: Lesion) -> str:
    return tracking_id("body_lesion" if isinstance(lesion, BodyLesion) else "lesion", lesion.label)


def _finding_type(lesion: Lesion) -> Code:
    """A neoplasm; outside the liver only what a reader confirmed is one."""
    candidate = isinstance(lesion, BodyLesion) and not lesion.confirmed
    kind: Code = codes.SCT.Lesion if candidate else codes.SCT.Neoplasm
    return kind


def _body_items(lesion: Lesion) -> list[tuple[Code, str | None]]:
    """What is known of a candidate or lesion outside the liver beyond its numbers."""
    if not isinstance(lesion, BodyLesion):
        return []
    confidence = None if lesion.confidence is None else percent_words(lesion.confidence)
    return [
        (own("LESIONNAME", "Name in the report"), lesion.name),
        (own("REGION", "Region"), lesion.region),
        (own("READERSTATE", "Reader's answer"), lesion.state),
        (own("LIKELY", "Proposed by the search"), None if lesion.state == "added" else lesion.likely),
        (own("CONFIDENCE", "Probability of a lesion"), confidence),
        (own("SSTRRADS", "SSTR-RADS 1.0 category, proposed"), lesion.sstr_rads),
        (own("PHYSIOLOGICAL", "Why it may be physiological"), lesion.why_physiological),
    ]


def _axes_groups(score: StudyScore, sources: ReportSources, lesion: Lesion) -> list[Group]:
    """Long and short axis where they were drawn, each line under the identifier of the tool that viewers draw it with.

    None where the axes have no known place: then they are listed with the lesion's other numbers.
    """
    drawn = lesion.diameter
    image = _drawn_on(sources, lesion)
    if drawn is None or image is None or lesion.longest_diameter_mm is None:
        return []
    lesion_id = _tracking_id(lesion)
    axes = [*number(_LONG_AXIS, lesion.longest_diameter_mm, _MM, at=line_on(image, drawn.long_axis_lps_mm),
                    interval=drawn.interval_mm)]  # fmt: skip
    tool = "Length"
    if drawn.short_axis_lps_mm is not None and lesion.short_axis_mm is not None:
        axes += number(_SHORT_AXIS, lesion.short_axis_mm, _MM, at=line_on(image, drawn.short_axis_lps_mm))
        tool = "Bidirectional"
    label = f"Lesion {lesion.name}"
    lines = [(tool, "diameters", label, axes)]
    if drawn.inside_mm is not None and drawn.inside_axis_lps_mm is not None:
        inside = own("INSIDECHORD", "Longest chord that stays inside the lesion")
        chord = [*number(inside, drawn.inside_mm, _MM, at=line_on(image, drawn.inside_axis_lps_mm))]
        lines.append(("Length", "chord", f"{label}, longest chord inside", chord))
    return [
        with_text_items(
            group(
                score,
                sources,
                Subject(f"{lesion_id}:{name}", lesion_id, image, f"{_VIEWER_TOOLS}:{tool}:{lesion_id}"),
                measurements,
                finding_category=codes.SCT.MorphologicallyAbnormalStructure,
                finding_type=_finding_type(lesion),
                finding_sites=sites("liver" if lesion.in_liver else None),
                algorithm_id=algorithm(score, "dotaliver lesion measurements"),
            ),
            (codes.DCM.Comment, label),
            (_DIAMETER_SOURCE, lesion.diameter_source),
            (_DIAMETER_MODALITY, drawn.modality),
        )
        for tool, name, label, measurements in lines
    ]


def _drawn_on(sources: ReportSources, lesion: Lesion) -> SourceImage | None:
    """The image that a diameter was drawn on; None where a reader's may lie in either of two images' coordinates."""
    drawn = lesion.diameter
    if drawn is not None and drawn.series_instance_uid is not None:
        for image in (sources.recist_image, sources.ct, sources.pet):
            if image is not None and image.series_instance_uid == drawn.series_instance_uid:
                return image
    if lesion.diameter_source == "reader" and sources.recist_image is not None:
        return None
    return sources.ct if sources.ct is not None and lesion.diameter_source != "pet" else sources.pet


def _focus_group(score: StudyScore, sources: ReportSources, focus: CtFocus, uptake: UptakeCodes | None) -> Group:
    """A focal lesion on CT that the PET does not outline."""
    place = centre(Place(focus.centroid_lps_mm, (sources.ct or sources.pet).frame_of_reference_uid))
    measurements = [
        *number(codes.SCT.Volume, focus.volume_ml, _MILLILITRE, at=place),
        *number(_LONG_AXIS, focus.longest_diameter_mm, _MM),
        *number(_SHORT_AXIS, focus.short_axis_mm, _MM),
        *number(own("DENSITY", "Median attenuation on CT"), focus.hu, _HOUNSFIELD),
        *number(own("BELOWLIVER", "Attenuation below the liver's"), focus.below_liver_hu, _HOUNSFIELD),
        *number(codes.DCM.LesionToBackgroundSUVRatio, focus.ratio_to_liver, _RATIO, _MEAN),
    ]
    if uptake is not None:
        measurements += number(uptake.name, focus.suv_mean, uptake.unit, _MEAN)
    measured = group(
        score,
        sources,
        Subject(tracking_id("ct_focus", focus.label)),
        measurements,
        finding_category=codes.SCT.MorphologicallyAbnormalStructure,
        finding_type=codes.SCT.Lesion,
        finding_sites=sites("liver" if focus.in_liver else None),
        algorithm_id=algorithm(score, "dotaliver CT candidates"),
    )
    above = {True: "yes", False: "no", None: "unknown"}[focus.above_liver]
    return with_text_items(
        measured,
        (own("ABOVELIVER", "Uptake above normal liver"), above),
        *((own("MARK", "Reader's mark"), MARK_WORDS.get(mark, mark)) for mark in focus.marks),
    )


# --- regions and burden --------------------------------------------------------------------------------------------


def _reference_group(
    score: StudyScore, sources: ReportSources, reference: Reference, uptake: UptakeCodes | None
) -> Group:
    identity, liver = tracking_id("reference", reference.organ), tracking_id("organ", "liver")
    # The lower histogram peak has no region of its own: it is read from the whole liver.
    region = liver if reference.method == "low_mode" else identity
    place = centre(sources.centres.get(region))
    measurements: list[Measured] = []
    if uptake is not None:
        measurements += [
            *number(uptake.name, reference.suv_mean, uptake.unit, _MEAN, at=place),
            *number(uptake.name, reference.suv_sd, uptake.unit, _SD),
            *number(uptake.name, reference.suv_max, uptake.unit, _MAXIMUM),
            *number(own("PEAKSD", "SD of 1 ml means in lesion-free liver"), reference.peak_sd, uptake.unit),
            *number(own("PEAKLIMIT", "Upper limit of 1 ml means in normal liver"), reference.peak_limit, uptake.unit),
        ]
    measurements += [
        *number(codes.SCT.Volume, reference.volume_ml, _MILLILITRE, at=None if measurements else place),
        *number(codes.SCT.Diameter, reference.diameter_mm, _MM),
    ]
    measured = group(
        score,
        sources,
        Subject(identity, region),
        measurements,
        finding_type=_REFERENCE_REGION,
        finding_sites=sites(reference.organ),
        method=None if uptake is None else uptake.method,
        algorithm_id=algorithm(score, "dotaliver reference regions"),
        referenced_real_world_value_map=value_map(sources) if uptake is not None else None,
    )
    return with_text_items(
        measured,
        (own("ORGAN", "Organ"), _LIVER_ORGANS[reference.organ]),
        (own("METHOD", "Placement of the region"), reference.method),
        (own("REASON", "Reason"), reference.reason),
    )


def _liver_group(score: StudyScore, sources: ReportSources) -> Group:
    burden = score.burden
    name = own("BURDEN", "Tumour volume / liver volume")
    identity = tracking_id("organ", "liver")
    place = centre(sources.centres.get(identity))
    measurements = [
        *number(codes.SCT.Volume, score.liver.volume_ml, _MILLILITRE, at=place),
        *number(name, burden.fraction, _NO_UNITS),
        *number(name, burden.low, _NO_UNITS, own("LOWEREND", "Lower end of the interval")),
        *number(name, burden.high, _NO_UNITS, own("UPPEREND", "Upper end of the interval")),
        *number(own("TUMOURVOLUME", "Tumour volume in the liver"), burden.tumour_ml, _MILLILITRE),
        *number(own("LIVERVOLUME", "Volume of the liver with its tumours"), burden.liver_ml, _MILLILITRE),
    ]
    if score.body is not None:
        sums, unit = score.body.sums, None if score.suv is None else uptake_codes(score.suv.normalisation)
        whole_ml = sums.tumour_volume_ml
        measurements += number(
            own("BODYTUMOUR", "SSTR tumour volume, liver and confirmed elsewhere"), whole_ml, _MILLILITRE
        )
        if unit is not None:
            expression = own("BODYTLRE", "Total receptor expression, liver and confirmed elsewhere")
            measurements += number(expression, sums.total_receptor_expression, unit.total_unit)
    for side, lobe in (("right", score.lobes.right), ("left", score.lobes.left)):
        if lobe is not None:
            code = side.upper()
            measurements += [
                *number(
                    own(f"{code}VOLUME", f"Volume of the {side} lobe with its tumours"), lobe.liver_ml, _MILLILITRE
                ),
                *number(own(f"{code}TUMOUR", f"Tumour volume in the {side} lobe"), lobe.tumour_ml, _MILLILITRE),
                *number(own(f"{code}BURDEN", f"Tumour volume / volume of the {side} lobe"), lobe.fraction, _NO_UNITS),
            ]
    measured = group(
        score,
        sources,
        Subject(identity),
        measurements,
        finding_category=codes.SCT.AnatomicalStructure,
        finding_type=codes.SCT.Liver,
        algorithm_id=algorithm(score, "dotaliver liver and tumour burden"),
    )
    return with_text_items(
        measured,
        (own("REASON", "Reason"), score.liver.reason),
        (own("BURDENREASON", "Reason for no burden"), burden.reason),
    )
