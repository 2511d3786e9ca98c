"""The measurement report carries every number of the record, and other readers find them in it."""

from __future__ import annotations

import json
import math
import subprocess
from dataclasses import replace
from datetime import UTC, datetime

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes

from dotaliver.dicom.sr import read_report
from dotaliver.export.dicom.real_world_value_map import suv_map
from dotaliver.export.dicom.seg import segmentation_datasets
from dotaliver.export.dicom.sr import measurement_report, person_name
from dotaliver.image.volume import LabelMap
from dotaliver.records.edits import Reader, ReaderEdits, RestOfBody
from dotaliver.records.masks import MaskLayer
from dotaliver.records.measurements import CtFocus, Diameter, Lobe, Lobes
from dotaliver.records.verdicts import Decision
from fixtures.derived_dicom import (
    dciodvfy_errors,
    needs_dciodvfy,
    needs_dsrdump,
    needs_pixelmed,
    pixelmed_errors,
    sources,
    written,
)
from fixtures.scores import small_case, verdicts, with_diagnostic_ct

# The tools that OHIF draws measurements with
TOOLS = "Cornerstone3DTools@^0.1.0"
# Numbers that no decimal string of 16 characters holds.
AWKWARD = 1 / 3 * 1e-5
AXES = Diameter(
    longest_mm=21.0 + AWKWARD,
    short_mm=18.0 + AWKWARD,
    source="ct",
    long_axis_lps_mm=((-30.0, -20.5, 2.5), (-9.0, -20.5, 2.5)),
    interval_mm=(18.5, 24.0),
    short_axis_lps_mm=((-20.0, -30.0, 2.5), (-20.0, -12.0, 2.5)),
)


def case_with_axes(**changes):
    """The small case with a drawn diameter and awkward numbers in every place."""
    case = small_case(**changes)
    first, second = case.score.lesions
    first = first.model_copy(
        update={
            "diameter": AXES, "longest_diameter_mm": AXES.longest_mm, "short_axis_mm": AXES.short_mm,
            "suv_max": 20 + AWKWARD, "suv_mean": math.pi, "suv_peak": math.e * 5, "total_uptake": 1e4 / 3,
            "volume_ml": 40 / 7, "ratio_to_liver": 10 / 3, "max_ratio_to_liver": 11 / 3, "mean_ratio_to_liver": 7 / 3,
            "liver_share": 2 / 3, "pet_extent_mm": 70 / 3, "marks": ("target",),
        }
    )  # fmt: skip
    second = second.model_copy(update={"in_liver": None, "longest_diameter_mm": None, "short_axis_mm": None})
    score = case.score.model_copy(
        update={
            "lesions": (first, second),
            "references": {
                "liver": case.score.references["liver"].model_copy(update={"suv_mean": 16 / 3, "peak_sd": 1 / 7})
            },
        }
    )
    return replace(case, score=score.with_record_id())


def report_of(case, *, labelmap=False):
    given = sources(case)
    stored = segmentation_datasets(case.score, case.volumes, case.segmentations, given, labelmap=labelmap)
    mapping = suv_map(case.score, case.volumes.pet.geometry, given)
    report = measurement_report(case.score, case.volumes, case.segmentations, given, list(stored.values()), mapping)
    return report, stored, mapping


def read(dataset, tmp_path):
    return read_report(written(dataset, tmp_path / "measurements.dcm"))


def values(group):
    """Numbers of a group by name and derivation."""
    return {(v.name.meaning, v.derivation and v.derivation.meaning): v.value for v in group.values}


def texts(group):
    found = {}
    for name, value in group.texts:
        found.setdefault(name.value, []).append(value)
    return found


def named(item, meaning: str) -> list:
    """Items of one concept below an item."""
    below = item.get("ContentSequence", ())
    return [i for i in below if i.ConceptNameCodeSequence[0].CodeMeaning == meaning]


@pytest.mark.parametrize("number", range(4))
def test_every_result_says_which_device_and_algorithm_made_it(number: int) -> None:
    """What IHE AI Results lists a report by: the device observer, and TID 4019 with every result."""
    case = list(everything_measured())[number]
    dataset, *_ = report_of(case)
    version = case.score.provenance.dotaliver_version
    assert [i.ConceptCodeSequence[0].CodeMeaning for i in named(dataset, "Observer Type")] == ["Device"]
    for concept, value in (("Name", "dotaliver"), ("Manufacturer", "dotaliver"), ("Model Name", "dotaliver")):
        assert [i.TextValue for i in named(dataset, f"Device Observer {concept}")] == [value]
    assert [i.UID for i in named(dataset, "Device Observer UID")]
    evaluations = named(dataset, "Qualitative Evaluations")[0].ContentSequence
    criteria = [i for i in evaluations if i.ConceptNameCodeSequence[0].CodeMeaning == "Eligibility"]
    assert len(criteria) == len(case.score.criteria)
    for result in (*imaging_measurements(dataset), *criteria):
        (name,) = named(result, "Algorithm Name")
        assert name.TextValue.startswith("dotaliver ")
        assert [i.TextValue for i in named(result, "Algorithm Version")] == [version]
        parameters = dict(i.TextValue.split(": ", 1) for i in named(result, "Algorithm Parameters"))
        assert parameters == {
            "protocol": case.score.config.protocol.id,
            "segmenter": case.score.segmentation.segmenter,
            "configuration SHA-256": case.score.provenance.config_sha256,
        }
        for concept in ("Algorithm Name", "Algorithm Version", "Algorithm Parameters"):
            assert {i.RelationshipType for i in named(result, concept)} == {"HAS CONCEPT MOD"}
    purposes = {
        (item.ManufacturerModelName, item.PurposeOfReferenceCodeSequence[0].CodeMeaning)
        for item in dataset.ContributingEquipmentSequence
    }
    assert ("dotaliver", "Processing Equipment") in purposes


def test_every_pair_of_axes_has_the_name_that_viewers_show() -> None:
    """A Comment (121106, DCM) is what OHIF 3.13 calls a measurement that it takes over."""
    dataset, *_ = report_of(case_with_axes())
    comments = {identifier(g): [i.TextValue for i in named(g, "Comment")] for g in imaging_measurements(dataset)}
    assert comments[f"{TOOLS}:Bidirectional:dotaliver:lesion:2"] == ["Lesion 2"]


def test_every_number_of_a_lesion_comes_back_equal(tmp_path) -> None:
    case = case_with_axes()
    lesion = case.score.lesions[0]
    groups = [g for g in read(report_of(case)[0], tmp_path).groups if g.tracking_id.endswith("dotaliver:lesion:2")]
    assert [g.tracking_id for g in groups] == ["dotaliver:lesion:2", f"{TOOLS}:Bidirectional:dotaliver:lesion:2"]
    assert values(groups[0]) == {
        ("SUVbw", "Maximum"): lesion.suv_max,
        ("SUVbw", "Mean"): lesion.suv_mean,
        ("SUVbw", "Peak Value Within ROI"): lesion.suv_peak,
        ("Total lesion uptake (mean × volume)", None): lesion.total_uptake,
        ("Volume", None): lesion.volume_ml,
        ("Lesion to Background SUV Ratio", "Peak Value Within ROI"): lesion.ratio_to_liver,
        ("Lesion to Background SUV Ratio", "Maximum"): lesion.max_ratio_to_liver,
        ("Lesion to Background SUV Ratio", "Mean"): lesion.mean_ratio_to_liver,
        ("Fraction of the lesion inside the liver", None): lesion.liver_share,
        ("Longest in-plane extent on PET", None): lesion.pet_extent_mm,
    }
    assert values(groups[1]) == {("Long Axis", None): AXES.longest_mm, ("Short Axis", None): AXES.short_mm}
    units = {v.name.meaning: v.unit for g in groups for v in g.values}
    assert units["SUVbw"] == "g/ml{SUVbw}"
    assert units["Volume"] == "ml"
    assert units["Long Axis"] == "mm"
    assert texts(groups[0])["MARK"] == ["target lesion"]
    assert texts(groups[0])["KRENNING"] == ["≥3"]


def axes_groups(dataset):
    """The groups whose lines a viewer draws, as content items."""
    return [g for g in imaging_measurements(dataset) if identifier(g).startswith(TOOLS)]


def imaging_measurements(dataset):
    """The measurement groups of a report, as content items."""
    items = dataset.ContentSequence
    container = next(i for i in items if i.ConceptNameCodeSequence[0].CodeValue == "126010")
    return list(container.ContentSequence)


def test_the_interval_of_a_diameter_is_its_ranges_of_uncertainty_in_mm() -> None:
    ranges: dict[str, set[tuple[float, str]]] = {}
    for dataset in _nums(report_of(case_with_axes())[0]):
        name = dataset.ConceptNameCodeSequence[0].CodeValue
        if name in {"371886008", "371885007"}:
            assert dataset.RelationshipType == "HAS PROPERTIES"
            measured = dataset.MeasuredValueSequence[0]
            unit = measured.MeasurementUnitsCodeSequence[0].CodeValue
            ranges.setdefault(name, set()).add((round(float(measured.NumericValue), 2), unit))
    above, below = (round(abs(end - AXES.longest_mm), 2) for end in (24.0, 18.5))
    assert ranges == {"371886008": {(above, "mm")}, "371885007": {(below, "mm")}}


def _nums(dataset):
    for item in dataset.get("ContentSequence", ()):
        if item.ValueType == "NUM":
            yield item
        yield from _nums(item)


def identifier(group) -> str:
    return next(i.TextValue for i in group.ContentSequence if i.ConceptNameCodeSequence[0].CodeValue == "112039")


def lines(group):
    """Every number of a group with its graphic: value type, image and points."""
    found = {}
    for item in group.ContentSequence:
        for graphic in item.get("ContentSequence", ()):
            if item.ValueType == "NUM" and graphic.ValueType.startswith("SCOORD"):
                image = [i.ReferencedSOPSequence[0] for i in graphic.get("ContentSequence", ())]
                points = np.reshape(graphic.GraphicData, (-1, 2 if graphic.ValueType == "SCOORD" else 3))
                found[item.ConceptNameCodeSequence[0].CodeMeaning] = graphic.ValueType, image, points
    return found


def test_axes_are_drawn_in_pixels_of_the_slice_that_they_lie_on(tmp_path) -> None:
    case = case_with_axes()
    dataset, *_ = report_of(case)
    grid = case.volumes.ct.geometry
    drawn = lines(axes_groups(dataset)[0])
    for name, ends in (("Long Axis", AXES.long_axis_lps_mm), ("Short Axis", AXES.short_axis_lps_mm)):
        kind, [image], points = drawn[name]
        # Both lie 2.5 mm above the middle of a CT of 20 slices of 5 mm: slice 10
        assert (kind, image.ReferencedSOPInstanceUID) == ("SCOORD", "1.2.3.30.10")
        # The first pixel's middle is (0.5, 0.5), in the order of column and row (PS3.3 C.18.6.1.2)
        spacing, origin = grid.spacing_mm, grid.origin_lps_mm
        expected = [[(x - origin[0]) / spacing[2] + 0.5, (y - origin[1]) / spacing[1] + 0.5] for x, y, _ in ends]
        np.testing.assert_allclose(points, expected, atol=1e-4)
    assert frames_of(axes_groups(dataset)[0]) == set()
    axes = next(g for g in read(dataset, tmp_path).groups if g.tracking_id.startswith(TOOLS))
    assert texts(axes)["DIAMETERFROM"] == ["ct"]
    # What the reader gives leads back to the ends
    long_axis = axes.values[0]
    assert long_axis.image_sop_instance_uid == "1.2.3.30.10"
    back = [grid.index_to_lps((10, row - 0.5, column - 0.5)) for column, row in long_axis.points_px]
    np.testing.assert_allclose(back, AXES.long_axis_lps_mm, atol=1e-3)


def test_an_oblique_line_is_drawn_in_patient_coordinates(tmp_path) -> None:
    case = case_with_axes()
    first, second = case.score.lesions
    oblique = AXES.model_copy(update={"short_axis_lps_mm": ((-20.0, -30.0, -2.5), (-20.0, -12.0, 7.5))})
    first = first.model_copy(update={"diameter": oblique})
    case = replace(case, score=case.score.model_copy(update={"lesions": (first, second)}).with_record_id())
    dataset, *_ = report_of(case)
    drawn = lines(axes_groups(dataset)[0])
    assert [kind for kind, *_ in drawn.values()] == ["SCOORD", "SCOORD3D"]
    np.testing.assert_allclose(drawn["Short Axis"][2], oblique.short_axis_lps_mm, atol=1e-4)
    axes = next(g for g in read(dataset, tmp_path).groups if g.tracking_id.startswith(TOOLS))
    np.testing.assert_allclose(axes.values[1].points_lps_mm, oblique.short_axis_lps_mm, atol=1e-4)


def frames_of(item) -> set[str]:
    return {e.value for e in item.iterall() if e.keyword == "ReferencedFrameOfReferenceUID"}


def test_axes_on_a_diagnostic_ct_name_its_slice_and_its_segment(tmp_path) -> None:
    case = with_diagnostic_ct(small_case())
    dataset, stored, _ = report_of(case)
    axes, chord = axes_groups(dataset)
    assert (identifier(axes), identifier(chord)) == (f"{TOOLS}:Length:dotaliver:lesion:2",) * 2
    kind, [image], points = lines(axes)["Long Axis"]
    slice_uid = case.score.lesions[0].diameter.sop_instance_uid
    assert (kind, image.ReferencedSOPInstanceUID) == ("SCOORD", slice_uid)
    # Columns 20 to 25 of row 20
    np.testing.assert_allclose(points, [[20.5, 20.5], [25.5, 20.5]], atol=1e-4)
    groups = {g.tracking_uid: g for g in read(dataset, tmp_path).groups}
    assert len(groups) == len(read(dataset, tmp_path).groups)
    first = next(g for g in groups.values() if g.tracking_id == "dotaliver:lesion:2")
    assert values(first)["Volume of the outline on CT", None] == 17 / 3
    assert [values(g) for g in groups.values() if g.tracking_id.startswith(TOOLS)] == [
        {("Long Axis", None): 15.0},
        {("Longest chord that stays inside the lesion", None): 40 / 3},
    ]
    # Uptake is measured over the outline on the PET, diameters over that on the CT, though both have one name
    uptake = next(g for g in imaging_measurements(dataset) if identifier(g) == "dotaliver:lesion:2")
    for measured, file in ((uptake, "segmentation.dcm"), (axes, "segmentation_ct_lesions.dcm")):
        segments = {e.value for e in measured.iterall() if e.keyword == "ReferencedSOPInstanceUID"}
        assert stored[file].SOPInstanceUID in segments
    other = {i.ReferencedSOPInstanceUID
             for s in dataset.PertinentOtherEvidenceSequence for r in s.ReferencedSeriesSequence
             for i in r.ReferencedSOPSequence}  # fmt: skip
    assert {stored["segmentation_ct_lesions.dcm"].SOPInstanceUID, slice_uid} <= other


def test_a_readers_axes_are_numbers_without_a_place_where_two_cts_may_be_meant(tmp_path) -> None:
    case = with_diagnostic_ct(case_with_axes())
    first, second = case.score.lesions
    drawn = AXES.model_copy(update={"source": "reader"})
    first = first.model_copy(update={"diameter": drawn, "diameter_source": "reader"})
    case = replace(case, score=case.score.model_copy(update={"lesions": (first, second)}).with_record_id())
    dataset, *_ = report_of(case)
    assert axes_groups(dataset) == []
    group = next(g for g in read(dataset, tmp_path).groups if g.tracking_id == "dotaliver:lesion:2")
    found = next(v for v in group.values if v.name.meaning == "Long Axis")
    assert (found.value, found.points_px, found.points_lps_mm) == (first.longest_diameter_mm, None, None)


def everything_measured():
    yield case_with_axes()
    yield case_with_axes(ct=False)
    yield small_case(relative=True)
    yield with_focus(with_diagnostic_ct(small_case()))


@pytest.mark.parametrize("number", range(4))
def test_every_group_has_a_segment_coordinates_and_an_identifier_of_its_own(number: int) -> None:
    """What viewers need: OHIF 3.13 stops at a group without coordinates, and merges groups of one tracking UID."""
    dataset, *_ = report_of(list(everything_measured())[number])
    groups = imaging_measurements(dataset)
    assert groups
    uids = [i.UID for g in groups for i in g.ContentSequence if i.ConceptNameCodeSequence[0].CodeValue == "112040"]
    assert len(set(uids)) == len(groups)
    for group in groups:
        names = [i.ConceptNameCodeSequence[0].CodeMeaning for i in group.ContentSequence]
        assert "Referenced Segment" in names, identifier(group)
        assert lines(group), identifier(group)
        if identifier(group).startswith(TOOLS):
            first = next(i for i in group.ContentSequence if i.ValueType == "NUM")
            assert {"SCOORD", "SCOORD3D"} & {i.ValueType for i in first.ContentSequence}


def test_measurement_methods_are_modifiers_which_highdicom_does_not_make_them(tmp_path) -> None:
    dataset, *_ = report_of(case_with_axes())
    made = [i.RelationshipType for g in imaging_measurements(dataset) for i in g.ContentSequence
            if i.ConceptNameCodeSequence[0].CodeValue == "370129005"]  # fmt: skip
    assert set(made) == {"HAS CONCEPT MOD"}
    plain = highdicom.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=highdicom.sr.TrackingIdentifier("1.2.3", "x"),
        method=codes.DCM.SUVBodyWeightCalculationMethod,
    )
    item = next(i for i in plain[0].ContentSequence if i.ConceptNameCodeSequence[0].CodeValue == "370129005")
    # Once this fails, highdicom follows TID 1419 and 1501 itself, and the correction in sr_items.py can go
    assert item.RelationshipType == "CONTAINS"


def test_reference_burden_and_liver_come_back_equal(tmp_path) -> None:
    case = case_with_axes()
    groups = {g.tracking_id: g for g in read(report_of(case)[0], tmp_path).groups}
    reference, burden = case.score.references["liver"], case.score.burden
    assert values(groups["dotaliver:reference:liver"]) == {
        ("SUVbw", "Mean"): reference.suv_mean,
        ("SUVbw", "Standard Deviation"): reference.suv_sd,
        ("SD of 1 ml means in lesion-free liver", None): reference.peak_sd,
        ("Upper limit of 1 ml means in normal liver", None): reference.peak_limit,
        ("Volume", None): reference.volume_ml,
        ("Diameter", None): reference.diameter_mm,
    }
    assert values(groups["dotaliver:organ:liver"]) == {
        ("Volume", None): case.score.liver.volume_ml,
        ("Tumour volume / liver volume", None): burden.fraction,
        ("Tumour volume / liver volume", "Lower end of the interval"): burden.low,
        ("Tumour volume / liver volume", "Upper end of the interval"): burden.high,
        ("Tumour volume in the liver", None): burden.tumour_ml,
        ("Volume of the liver with its tumours", None): burden.liver_ml,
    }


FOCUS = CtFocus(
    label=1001, in_liver=True, volume_ml=10 / 3, longest_diameter_mm=50 / 3, short_axis_mm=40 / 3, hu=130 / 7,
    below_liver_hu=200 / 7, suv_mean=11 / 3, ratio_to_liver=2 / 3, above_liver=False, centroid_lps_mm=(0, 0, 0),
)  # fmt: skip


def with_focus(case):
    """The case with a focal lesion that only the CT shows, and its mask."""
    grid = case.volumes.ct.geometry
    labels = np.zeros(grid.shape, np.uint16)
    labels[10:12, 20:23, 20:23] = FOCUS.label
    foci = MaskLayer(LabelMap(labels, grid), "ct", "petct", 1.5)
    score = case.score.model_copy(update={"ct_foci": (FOCUS,)}).with_record_id()
    return replace(case, score=score, segmentations=replace(case.segmentations, ct_foci=foci))


def test_candidates_on_ct_come_back_equal(tmp_path) -> None:
    focus = FOCUS
    dataset, *_ = report_of(with_focus(small_case()))
    group = {g.tracking_id: g for g in read(dataset, tmp_path).groups}["dotaliver:ct_focus:1001"]
    assert values(group) == {
        ("Volume", None): focus.volume_ml,
        ("Long Axis", None): focus.longest_diameter_mm,
        ("Short Axis", None): focus.short_axis_mm,
        ("Median attenuation on CT", None): focus.hu,
        ("Attenuation below the liver's", None): focus.below_liver_hu,
        ("Lesion to Background SUV Ratio", "Mean"): focus.ratio_to_liver,
        ("SUVbw", "Mean"): focus.suv_mean,
    }
    assert texts(group)["ABOVELIVER"] == ["no"]


def test_lobes_come_back_equal(tmp_path) -> None:
    lobes = Lobes(right=Lobe(liver_ml=2000 / 3, tumour_ml=100 / 7, fraction=0.3 / 14), left=None, landmark="test")
    dataset, *_ = report_of(small_case(lobes=lobes))
    found = values({g.tracking_id: g for g in read(dataset, tmp_path).groups}["dotaliver:organ:liver"])
    assert found["Volume of the right lobe with its tumours", None] == lobes.right.liver_ml
    assert found["Tumour volume in the right lobe", None] == lobes.right.tumour_ml
    assert found["Tumour volume / volume of the right lobe", None] == lobes.right.fraction
    assert not [name for name, _ in found if "left lobe" in name]


def test_verdicts_stand_as_codes_with_their_evidence(tmp_path) -> None:
    evidence = {"suv_peak": 1 / 3, "lesion": 2, "body": None, "seen": True, "word": 'a "quoted" one'}
    case = small_case(criteria=verdicts(INC7={"evidence": evidence, "weakened_by": ("SLICES_THICK",)}))
    groups = {g.tracking_id: g for g in read(report_of(case)[0], tmp_path).groups}
    group = groups["dotaliver:criterion:INC7"]
    answers = {name.meaning: code.value for name, code in group.answers}
    assert answers["Eligibility"] == "met"
    assert answers["Effect on trial entry"] == "supports"
    assert answers["Status of the answer"] == "proposed"
    told = dict(line.split(": ", 1) for line in texts(group)["EVIDENCE"])
    assert {key: json.loads(value) for key, value in told.items()} == evidence
    assert texts(group)["REASON"] == ["The reason of INC7 stands here."]
    assert texts(group)["LIMITEDBY"] == ["SLICES_THICK"]
    assert texts(groups["dotaliver:record:study"])["RECORDID"] == [case.score.record_id]
    assert [c for c in groups if c and c.startswith("dotaliver:criterion")] == [
        f"dotaliver:criterion:{c}" for c in ("INC7", "EXC4", "INC4", "INC6", "EXC6", "DOM")
    ]


def test_highdicom_finds_segments_map_and_evidence(tmp_path) -> None:
    case = case_with_axes()
    dataset, stored, mapping = report_of(case)
    read_again = highdicom.sr.srread(written(dataset, tmp_path / "sr.dcm"))
    group, *others = read_again.content.get_volumetric_roi_measurement_groups(
        finding_type=codes.SCT.Neoplasm, tracking_uid=stored["segmentation.dcm"].SegmentSequence[0].TrackingUID
    )
    assert others == []
    assert group.referenced_segment[0].referenced_segment_numbers == [1]
    assert group.referenced_segment[0].referenced_sop_instance_uid == stored["segmentation.dcm"].SOPInstanceUID
    maximum = group.get_measurements(name=codes.DCM.Suvbw)[0]
    assert maximum.value == case.score.lesions[0].suv_max
    evidence = {instance for _, _, instance, _ in read_again.get_evidence()}
    given = sources(case)
    assert evidence == {
        *(h.SOPInstanceUID for h in (*given.pet_headers, *(given.ct_headers or ()))),
        *(s.SOPInstanceUID for s in stored.values()),
        mapping.SOPInstanceUID,
    }


def test_a_report_belongs_to_the_patient_and_names_its_maker(tmp_path) -> None:
    dataset = pydicom.dcmread(written(report_of(small_case())[0], tmp_path / "sr.dcm"))
    assert (dataset.PatientID, str(dataset.PatientName)) == ("P1", "Secret^Name")
    assert (dataset.Modality, dataset.SOPClassUID) == ("SR", "1.2.840.10008.5.1.4.1.1.88.34")
    observers = [i for i in dataset.ContentSequence if i.RelationshipType == "HAS OBS CONTEXT"]
    assert [i.ConceptCodeSequence[0].CodeMeaning for i in observers if i.ValueType == "CODE"] == ["Device"]


def decided(status: str, criteria) -> dict:
    decision = Decision(reader="A. Reader", role="radiologist", made_at=None, reason=None, proposed="met")
    changes = {"status": status, "decision": decision}
    return verdicts(**{key: changes for key in criteria})


ANSWERED = ("INC7", "EXC4", "INC4", "EXC6")  # the others are not evaluable in these cases


@pytest.mark.parametrize(
    ("criteria", "reader", "flags"),
    [
        ((), False, ("COMPLETE", "UNVERIFIED", "PRELIMINARY")),
        (ANSWERED[:2], True, ("COMPLETE", "UNVERIFIED", "PRELIMINARY")),
        (ANSWERED, True, ("COMPLETE", "VERIFIED", "FINAL")),
    ],
)
def test_only_what_a_reader_decided_throughout_is_verified(criteria, reader, flags) -> None:
    when = datetime(2024, 3, 4, 12, 30, tzinfo=UTC)
    edits = ReaderEdits(reader=Reader(name="A. Reader"), made_at=when) if reader else ReaderEdits()
    case = small_case(criteria=decided("confirmed", criteria), edits=edits)
    dataset, *_ = report_of(case)
    assert (dataset.CompletionFlag, dataset.VerificationFlag, dataset.PreliminaryFlag) == flags
    if flags[1] == "VERIFIED":
        verifier = dataset.VerifyingObserverSequence[0]
        assert str(verifier.VerifyingObserverName) == "A. Reader^"
        assert verifier.VerificationDateTime == "20240304123000+0000"
    if reader:
        names = [i for i in dataset.ContentSequence if i.ValueType == "PNAME"]
        assert [str(i.PersonName) for i in names] == ["A. Reader^"]


def test_a_report_without_liver_is_partial(tmp_path) -> None:
    dataset, *_ = report_of(small_case(liver=False))
    assert dataset.CompletionFlag == "PARTIAL"
    groups = {g.tracking_id: g for g in read(dataset, tmp_path).groups}
    assert "dotaliver:organ:liver" not in groups
    missing = texts(groups["dotaliver:missing:organ"])
    assert (missing["NOTMEASURED"], missing["REASON"]) == (["Liver"], ["no liver was found"])


def test_relative_units_give_ratios_and_no_suv(tmp_path) -> None:
    case = small_case(relative=True)
    empty = {"suv_max": None, "suv_mean": None, "suv_peak": None, "total_uptake": None}
    score = case.score.model_copy(update={"lesions": tuple(n.model_copy(update=empty) for n in case.score.lesions)})
    groups = read(report_of(replace(case, score=score))[0], tmp_path).groups
    names = {v.name.meaning for g in groups for v in g.values}
    assert "Lesion to Background SUV Ratio" in names
    assert not {n for n in names if n.startswith("SUV")}


@pytest.mark.parametrize(
    ("given", "stored"),
    [("Ann=Bob^C\\D", "Ann Bob C D^"), ("Müller, Jörg", "Müller, Jörg^"), ("x" * 99, "x" * 63 + "^"), ("a\nb", "a b^")],
)
def test_readers_names_are_one_part_of_a_person_name(given: str, stored: str) -> None:
    assert person_name(given) == stored


def test_repeated_runs_give_equal_bytes(tmp_path) -> None:
    one, two = (written(report_of(case_with_axes())[0], tmp_path / n).read_bytes() for n in ("a", "b"))
    assert one == two


def everything():
    rest = RestOfBody(lesions=False)
    edits = ReaderEdits(reader=Reader(name="A. Reader"), rest_of_body=rest)
    yield case_with_axes()
    yield case_with_axes(ct=False)
    yield small_case(lesions=False)
    yield small_case(liver=False, ct=False, relative=True)
    yield small_case(criteria=decided("overruled", ANSWERED), edits=edits)
    yield rich_case()
    yield small_case(liver=False, lesions=False, references={})


@needs_dciodvfy
@needs_dsrdump
@pytest.mark.parametrize("number", range(7))
def test_dciodvfy_and_dsrdump_find_no_errors(number: int, tmp_path) -> None:
    case = list(everything())[number]
    path = written(report_of(case)[0], tmp_path / "measurements.dcm")
    assert dciodvfy_errors(path) == []
    done = subprocess.run(["dsrdump", "+Pc", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    # It says that its checker of texts does not know UTF-8; it reads them nevertheless.
    said = [line for line in done.stderr.splitlines() if line and "ISO_IR 192" not in line]
    assert said == []
    assert "Tracking Identifier" in done.stdout


def rich_case():
    """Everything that a report may hold: a diagnostic CT, lobes, a CT candidate, a reader's marks and answers."""
    lobes = Lobes(right=Lobe(liver_ml=2000 / 3, tumour_ml=100 / 7, fraction=0.3 / 14), left=None, landmark="test")
    edits = ReaderEdits(reader=Reader(name="A. Reader"), rest_of_body=RestOfBody(lesions=False))
    case = small_case(lobes=lobes, edits=edits, criteria=decided("overruled", ANSWERED))
    return with_focus(with_diagnostic_ct(case))


@needs_pixelmed
@pytest.mark.parametrize(
    "case",
    [rich_case, pytest.param(lambda: small_case(liver=False, ct=False, relative=True), marks=pytest.mark.slow)],
)
def test_pixelmed_finds_no_errors_in_the_templates(case, tmp_path) -> None:
    assert pixelmed_errors(written(report_of(case())[0], tmp_path / "measurements.dcm")) == []


@needs_dciodvfy
def test_dciodvfy_knows_label_maps_only_as_no_segmentation(tmp_path) -> None:
    # The tool is older than label maps: it takes a reference to a segment of one for an error, and nothing else.
    path = written(report_of(case_with_axes(), labelmap=True)[0], tmp_path / "measurements.dcm")
    assert {e.split(" - attribute")[0] for e in dciodvfy_errors(path)} == {
        "Error - Shall not be present for Referenced SOP Class that is not segmentation"
    }


def test_content_on_an_instance_that_is_no_evidence_is_refused(monkeypatch) -> None:
    """PS3.3 C.17.2: every instance that the content refers to is listed as evidence."""
    monkeypatch.setattr("dotaliver.export.dicom.sr.instances", lambda headers, _: list(headers[:1]))
    with pytest.raises(ValueError, match="not among its evidence"):
        report_of(case_with_axes())
