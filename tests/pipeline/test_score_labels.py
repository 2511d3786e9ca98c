"""`score_labels` as a whole: what changes the record, what must not, and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from dotaliver.config.protocol import default_protocol
from dotaliver.config.scoring import AssumedValues, ExecutionConfig, ScoringConfig
from dotaliver.errors import ConfigError, GeometryError, QuantityError
from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import LabelMap, Quantity
from dotaliver.pipeline.score_labels import score_labels
from dotaliver.records.edits import ReaderEdits
from dotaliver.records.flags import raise_flag
from dotaliver.records.masks import ReferenceRegion
from dotaliver.records.score import StudyScore
from dotaliver.records.study import Acquisition
from fixtures.arrays import Case, ball, grid, layer, series, study
from strategies import axis_orders, flips

TWO = ((96.0, 15.0, 20.0), (56.0, 9.0, 12.0))


def scored(case=None, segmentations=None, edits=None, config=ScoringConfig(), volumes=None, **more):  # noqa: B008
    case = case or Case(TWO)
    return score_labels(
        volumes or case.volumes(),
        segmentations or case.segmentations(),
        ReaderEdits.model_validate({"reader": {"name": "Reader A"}} | edits if edits else {}),
        config,
        **more,
    )


def codes(score):
    return [flag.code for flag in score.flags]


def verdicts(score):
    return {name: verdict.verdict for name, verdict in score.criteria.items()}


# --- the record ------------------------------------------------------------------------------------------------


def test_a_study_with_hot_lesions_is_measured_and_judged():
    score = scored()
    assert score.references["liver"].suv_mean == pytest.approx(5.0)
    assert score.liver.volume_ml == score.burden.liver_ml == pytest.approx(4 / 3 * np.pi * 5.4**3, rel=0.01)
    assert score.burden.fraction == score.burden.tumour_ml / score.burden.liver_ml
    assert score.burden.low < score.burden.fraction < score.burden.high
    assert [lesion.krenning for lesion in score.lesions] == ["≥3", "≥3"]
    assert verdicts(score) == {
        "INC7": "met",
        "EXC4": "not_met",
        "INC4": "indeterminate",
        "INC6": "not_evaluable",
        "EXC6": "not_evaluable",
        "DOM": "not_evaluable",
    }
    assert score.criteria["INC7"].liver_finding == "met"
    assert tuple(score.criteria) == default_protocol().ids
    assert score.uptake_unit == "g/ml{SUVbw}"
    assert codes(score) == ["LIVER_VOLUME_UNUSUAL"]  # 660 ml


def test_the_record_goes_through_json_unchanged():
    score = scored()
    assert StudyScore.model_validate_json(score.to_json()) == score


def test_provenance_names_versions_settings_and_the_parent():
    score = scored(revises="parent", execution=ExecutionConfig(threads=1))
    assert score.provenance.revises == "parent"
    assert score.provenance.config_sha256 == ScoringConfig().sha256()
    assert score.provenance.dependencies["numpy"] == np.__version__
    assert score.provenance.execution.threads == 1
    assert score.provenance.scored_at.tzinfo is not None


def test_each_mask_is_recorded_with_its_origin_and_hash():
    case = Case(TWO)
    liver, lesions = scored(case).segmentation.masks
    assert (liver.name, lesions.name) == ("liver", "lesions")
    assert lesions.labels == (1, 2)
    assert lesions.sha256 == case.segmentations().lesions.labels.sha256()
    assert liver.origin == "made for a test"


def test_the_same_work_has_the_same_name_and_other_work_another():
    first = scored()
    assert len(first.record_id) == 64
    assert scored().record_id == first.record_id
    assert scored(execution=ExecutionConfig(threads=2), revises="x").record_id == first.record_id
    case = Case(TWO)
    case.labels[24, 24, 32] = 0  # one voxel of lesion 1 less
    assert scored(case).record_id != first.record_id
    marked = {"lesions": [{"label": 1, "marks": ["target"]}]}
    assert scored(edits=marked).record_id != first.record_id
    assert scored(config=ScoringConfig(segmenter="other")).record_id != first.record_id


# --- what must not change the numbers ---------------------------------------------------------------------------


def reoriented(geometry: Geometry, order, flips) -> Geometry:
    """The same points with array axes permuted, then flipped."""
    corner = [geometry.shape[a] - 1 if flip else 0 for a, flip in zip(order, flips, strict=True)]
    first = np.zeros(3)
    first[list(order)] = corner
    sign = [-1.0 if flip else 1.0 for flip in flips]
    directions = tuple(tuple(s * c for c in geometry.directions[a]) for a, s in zip(order, sign, strict=True))
    return Geometry(
        tuple(geometry.shape[a] for a in order),
        tuple(map(float, geometry.index_to_lps(first))),
        tuple(geometry.spacing_mm[a] for a in order),
        directions,
        geometry.frame_of_reference_uid,
    )


def turned(array, order, flips):
    return np.flip(array.transpose(order), [i for i, flip in enumerate(flips) if flip])


# In-plane diameters depend on which axis is the slice's; which voxel comes first decides between equal peaks.
DEPENDS_ON_PLANE = {"longest_diameter_mm", "short_axis_mm", "diameter", "pet_extent_mm", "suv_peak_centre_lps_mm"}


def numbers(score, left_out=frozenset()):
    data = json.loads(score.to_json())
    for lesion in data["lesions"]:
        for name in left_out:
            del lesion[name]
    for verdict in data["criteria"].values():
        verdict.pop("reason")
        verdict["evidence"].pop("largest_pet_extent_mm", None)
    return {k: data[k] for k in ("references", "liver", "burden", "lesions", "criteria", "flags")}


def assert_close(one, other, path=""):
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_close(one[key], other[key], f"{path}.{key}")
    elif isinstance(one, list):
        assert len(one) == len(other), path
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_close(a, b, f"{path}[{i}]")
    elif isinstance(one, float):
        assert other == pytest.approx(one, rel=1e-6, abs=1e-9), path
    else:
        assert one == other, path


@pytest.fixture(scope="module")
def noisy():
    case = Case(TWO, noise=0.1)
    return case, scored(case)


@settings(max_examples=6, deadline=None)
@given(order=axis_orders, flips=flips)
def test_permuting_and_flipping_axes_changes_no_number(noisy, order, flips):
    case, expected = noisy
    geometry = reoriented(case.geometry, order, flips)
    segmentations = case.segmentations(
        liver=layer(turned(case.liver, order, flips), geometry),
        lesions=layer(turned(case.labels, order, flips), geometry),
    )
    volumes = study(turned(case.suv, order, flips), geometry)
    score = scored(case, segmentations, volumes=volumes)
    assert_close(numbers(expected, DEPENDS_ON_PLANE), numbers(score, DEPENDS_ON_PLANE))


@pytest.mark.parametrize("flips", [(True, False, False), (False, True, True)])
def test_flipping_axes_changes_no_diameter(noisy, flips):
    case, expected = noisy
    geometry = reoriented(case.geometry, (0, 1, 2), flips)
    segmentations = case.segmentations(lesions=layer(turned(case.labels, (0, 1, 2), flips), geometry))
    score = scored(case, segmentations)
    for one, other in zip(expected.lesions, score.lesions, strict=True):
        assert other.longest_diameter_mm == pytest.approx(one.longest_diameter_mm, rel=1e-9)
        assert other.short_axis_mm == pytest.approx(one.short_axis_mm, rel=1e-9)


def test_doubling_the_uptake_doubles_suvs_and_leaves_ratios_sizes_and_burden(noisy):
    case, expected = noisy
    score = scored(case, volumes=study(2 * case.suv, case.geometry))
    for one, two in zip(expected.lesions, score.lesions, strict=True):
        for name in ("suv_max", "suv_mean", "suv_peak", "total_uptake"):
            assert getattr(two, name) == pytest.approx(2 * getattr(one, name), rel=1e-6)
        assert two.ratio_to_liver == pytest.approx(one.ratio_to_liver, rel=1e-6)
        assert (two.volume_ml, two.longest_diameter_mm) == (one.volume_ml, one.longest_diameter_mm)
    assert score.references["liver"].peak_limit == pytest.approx(2 * expected.references["liver"].peak_limit, rel=1e-6)
    assert score.burden == expected.burden


def test_in_relative_units_suvs_are_empty_and_ratios_verdicts_and_burden_stand(noisy):
    case, expected = noisy
    score = scored(case, volumes=case.volumes(quantity=Quantity.RELATIVE))
    for one, two in zip(expected.lesions, score.lesions, strict=True):
        assert two.suv_max is two.suv_mean is two.suv_peak is two.total_uptake is None
        assert (two.ratio_to_liver, two.krenning) == (one.ratio_to_liver, one.krenning)
    assert score.references["liver"].suv_mean is score.references["liver"].peak_limit is None
    assert verdicts(score) == verdicts(expected)
    assert score.burden == expected.burden


def test_labels_of_any_unsigned_type_give_the_same_record():
    case = Case(TWO)
    small = LabelMap(case.labels.astype(np.uint8), case.geometry)
    segmentations = case.segmentations()
    again = replace(segmentations, lesions=replace(segmentations.lesions, labels=small))
    assert scored(case, again).record_id == scored(case).record_id


# --- verdicts by scan, mask and reader --------------------------------------------------------------------------


def test_a_clean_liver_is_not_met_for_the_liver_and_for_the_body_only_by_statement():
    case = Case((), noise=0.1)
    alone = scored(case).criteria["INC7"]
    assert (alone.verdict, alone.liver_finding, alone.effect) == ("indeterminate", "not_met", "undecided")
    stated = scored(case, edits={"rest_of_body": {"lesions": False}}).criteria["INC7"]
    assert (stated.verdict, stated.effect) == ("not_met", "excludes")


def test_a_hot_place_that_nobody_outlined_keeps_it_open():
    case = Case(((96.0, 12.0, 15.0),))
    empty = case.segmentations(lesions=layer(0 * case.labels, case.geometry))
    verdict = scored(case, empty, edits={"rest_of_body": {"lesions": False}}).criteria["INC7"]
    assert (verdict.verdict, verdict.liver_finding) == ("indeterminate", "indeterminate")


def test_massive_disease_meets_exclusion_4():
    case = Case(((72.0, 53.0, 20.0),))
    case.suv[spared := ball(case.geometry, (52.0, 72.0, 72.0), 14.0)] = 5.0
    case.labels[spared] = 0
    rim = ReferenceRegion("liver", "small_sphere", (52.0, 72.0, 72.0), 20.0)
    score = scored(case, case.segmentations(references=(rim,)))
    assert score.burden.low > 0.8
    assert (verdicts(score)["EXC4"], score.criteria["EXC4"].effect) == ("met", "excludes")
    assert "REFERENCE_SPHERE_SMALL" in score.criteria["INC7"].weakened_by


@pytest.mark.parametrize("insists", [False, True])
def test_another_tracer_is_measured_and_judged_only_on_request(insists):
    fdg = Acquisition(tracer="FDG", tracer_is_sstr=False, nuclide="18F")
    config = ScoringConfig(assume=AssumedValues(judge_other_tracer=insists))
    case = Case(TWO)
    score = scored(case, config=config, volumes=case.volumes(acquisition=fdg))
    assert score.lesions[0].suv_max == 20.0
    assert score.lesions[0].krenning is None
    assert score.burden.fraction > 0
    assert verdicts(score)["INC7"] == ("met" if insists else "not_evaluable")
    assert ("JUDGED_ON_REQUEST" in codes(score)) is insists


def test_without_a_liver_hot_foci_are_candidates_that_decide_nothing():
    case = Case(TWO)
    nothing = case.segmentations(liver=None, references=(), reasons={"liver": "no warm organ"})
    score = scored(case, nothing)
    assert [lesion.in_liver for lesion in score.lesions] == [None, None]
    assert score.liver.reason == "no warm organ"
    assert score.burden.fraction is None
    answers = verdicts(score)
    assert (answers["INC7"], answers["EXC4"], answers["INC4"]) == ("not_evaluable", "not_evaluable", "indeterminate")
    assert {"LIVER_NOT_FOUND", "REFERENCE_NOT_FOUND"} <= set(codes(score))


def test_a_ct_lesion_meets_inclusion_4_and_a_mark_takes_it_back():
    case = Case(((96.0, 15.0, 20.0),))
    drawn = case.segmentations(lesions=layer(case.labels, case.geometry, drawn_on="ct"))
    volumes = case.volumes(ct=series("CT", case.geometry, 3.0))
    assert verdicts(scored(case, drawn, volumes=volumes))["INC4"] == "met"
    treated = {"lesions": [{"label": 1, "marks": ["treated"]}]}
    assert verdicts(scored(case, drawn, treated, volumes=volumes))["INC4"] == "indeterminate"


def test_a_redrawn_diameter_and_a_moved_reference_change_what_rests_on_them():
    edits = {
        "reader": {"name": "Reader A"},
        "lesions": [{"label": 2, "diameter": {"long_axis_lps_mm": [[50, 72, 72], [68, 72, 72]]}}],
        "references": [{"centre_lps_mm": [72, 48, 72], "diameter_mm": 20}],
    }
    before, after = scored(), scored(edits=edits)
    assert after.lesions[1].diameter_source == "reader"
    assert (verdicts(before)["INC4"], verdicts(after)["INC4"]) == ("indeterminate", "met")
    assert after.references["liver"].method == "reader"
    assert "REFERENCE_BY_READER" in codes(after)
    assert after.burden == before.burden


def test_the_readers_reference_overtakes_what_the_segmenter_said_of_its_own():
    case = Case(TWO)
    lost = case.segmentations(
        references=(ReferenceRegion("liver", "none", reason="no calm place"),),
        flags=(raise_flag("REFERENCE_NOT_FOUND", reason="no calm place"),),
    )
    assert verdicts(scored(case, lost))["INC7"] == "not_evaluable"
    assert codes(scored(case, lost)).count("REFERENCE_NOT_FOUND") == 1
    placed = scored(case, lost, {"references": [{"centre_lps_mm": Case.reference_centre, "diameter_mm": 30}]})
    assert verdicts(placed)["INC7"] == "met"
    assert "REFERENCE_NOT_FOUND" not in codes(placed)


def test_flags_are_collected_once_in_order():
    case = Case(TWO)
    doubt = raise_flag("PET_CT_MISMATCH", mm=12)
    volumes = case.volumes(flags=(raise_flag("TRACER_UNKNOWN", tracer="X"), doubt))
    score = scored(case, case.segmentations(flags=(doubt, doubt)), volumes=volumes)
    assert codes(score) == ["TRACER_UNKNOWN", "PET_CT_MISMATCH", "LIVER_VOLUME_UNUSUAL"]
    assert score.criteria["EXC4"].weakened_by == ("TRACER_UNKNOWN", "PET_CT_MISMATCH", "LIVER_VOLUME_UNUSUAL")


def test_a_reader_overrules_and_the_record_says_so():
    answer = {"criterion": "EXC4", "verdict": "met", "reason": "Diffuse disease."}
    score = scored(edits={"reader": {"name": "Reader A"}, "verdicts": [answer]})
    assert (score.criteria["EXC4"].status, score.criteria["EXC4"].decision.proposed) == ("overruled", "not_met")
    assert score.edits.verdicts[0].reason == "Diffuse disease."


# --- masks that nobody vouches for -------------------------------------------------------------------------------

NOTHING_ELSE = {"rest_of_body": {"lesions": False}}


def partial(case, **changes):
    """The first lesion alone, imported."""
    first = np.where(case.labels == 1, 1, 0)
    return case.segmentations(lesions=layer(first, case.geometry, **{"completeness": "not_stated"} | changes))


def test_a_mask_of_target_lesions_alone_denies_nothing_and_the_record_says_so():
    case = Case(TWO, noise=0.05)
    score = scored(case, partial(case), NOTHING_ELSE)
    assert {k: verdicts(score)[k] for k in ("EXC4", "DOM")} == {"EXC4": "indeterminate", "DOM": "not_evaluable"}
    assert (score.segmentation.masks[1].completeness, score.segmentation.lesions_complete) == ("not_stated", False)
    assert {"LESIONS_NOT_STATED_COMPLETE", "UPTAKE_OUTSIDE_OUTLINES"} <= set(codes(score))
    assert "LESIONS_NOT_STATED_COMPLETE" in score.criteria["EXC4"].weakened_by


def test_what_the_images_show_outside_the_outlines_outranks_the_statement_that_a_mask_is_complete():
    case = Case(TWO, noise=0.05)
    stated = {**NOTHING_ELSE, "lesions_complete": True}
    for masks, edits in ((partial(case), stated), (partial(case, completeness="stated"), NOTHING_ELSE)):
        score = scored(case, masks, edits)
        assert score.segmentation.lesions_complete
        assert verdicts(score)["EXC4"] == "indeterminate"
        # Lesion 2 lies 16 mm to the right of the middle at 72 mm.
        place = score.criteria["EXC4"].reason
        assert "outside every lesion outline" in place
        assert "mm left, 72 mm posterior and 72 mm superior" in place.replace("69 mm", "72 mm").replace(
            "75 mm", "72 mm"
        )


def test_a_complete_mask_is_stated_by_a_reader_or_by_the_user_and_taken_back_by_the_reader():
    case = Case(TWO, noise=0.05)
    whole = layer(case.labels, case.geometry, completeness="not_stated")
    imported = case.segmentations(lesions=whole)
    assert verdicts(scored(case, imported, NOTHING_ELSE))["EXC4"] == "indeterminate"
    assert verdicts(scored(case, imported, {**NOTHING_ELSE, "lesions_complete": True}))["EXC4"] == "not_met"
    stated = case.segmentations(lesions=replace(whole, completeness="stated"))
    assert verdicts(scored(case, stated, NOTHING_ELSE))["EXC4"] == "not_met"
    assert verdicts(scored(case, stated, {**NOTHING_ELSE, "lesions_complete": False}))["EXC4"] == "indeterminate"


# --- refused ---------------------------------------------------------------------------------------------------


def test_edits_of_a_lesion_that_does_not_exist_are_refused():
    with pytest.raises(ConfigError, match=r"lesion 7, which is not in the lesion mask \(lesions there: 1, 2\)"):
        scored(edits={"lesions": [{"label": 7}]})


def test_a_reference_outside_the_image_is_refused():
    with pytest.raises(GeometryError, match="liver reference sphere"):
        scored(edits={"references": [{"centre_lps_mm": [900, 0, 0], "diameter_mm": 30}]})


def test_activity_is_refused_where_suv_is_needed():
    case = Case(TWO)
    with pytest.raises(QuantityError, match="BQML"):
        scored(case, volumes=case.volumes(quantity=Quantity.BQML))


def test_a_liver_that_the_pet_shows_in_part_denies_nothing():
    case = Case((), noise=0.05)
    volumes = case.volumes(ct=series("CT", case.geometry))
    part = volumes.pet.crop((slice(0, 30), slice(0, 49), slice(0, 49)))
    edits = {"rest_of_body": {"lesions": False}}
    assert verdicts(scored(case, edits=edits, volumes=volumes))["INC7"] == "not_met"
    score = scored(case, edits=edits, volumes=replace(volumes, pet=part))
    assert "LIVER_PARTLY_OFF_PET" in codes(score)
    assert verdicts(score)["INC7"] == "indeterminate"
    assert "outside the PET" in score.criteria["INC7"].reason


def test_a_lesion_that_lies_off_the_pet_keeps_uptake_and_size_open():
    case = Case((), noise=0.05)
    volumes = case.volumes(ct=series("CT", case.geometry))
    wide = grid((80, 49, 49))
    labels = ball(wide, (72.0, 72.0, 200.0), 20.0)
    edits = {"rest_of_body": {"lesions": False}}
    score = scored(case, case.segmentations(lesions=layer(labels, wide, drawn_on="ct")), edits, volumes=volumes)
    assert score.lesions[0].in_liver is None
    assert {k: verdicts(score)[k] for k in ("INC7", "INC4")} == {"INC7": "indeterminate", "INC4": "indeterminate"}


def test_the_file_format_of_a_mask_does_not_change_the_records_name():
    case = Case(TWO)
    made = case.segmentations()
    other = replace(made, lesions=replace(made.lesions, origin="NRRD"))
    assert scored(case, made).record_id == scored(case, other).record_id


def test_a_search_of_the_pet_alone_does_not_deny_measurable_disease_on_ct():
    case = Case((), noise=0.05)
    volumes = case.volumes(ct=series("CT", case.geometry))
    edits = {"rest_of_body": {"lesions": False}}
    inc4 = scored(case, edits=edits, volumes=volumes).criteria["INC4"]
    assert (inc4.verdict, inc4.liver_finding) == ("indeterminate", "indeterminate")
    on_ct = case.segmentations(lesions=layer(0 * case.labels, case.geometry, drawn_on="ct"))
    assert scored(case, on_ct, edits, volumes=volumes).criteria["INC4"].verdict == "not_met"
