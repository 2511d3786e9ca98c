"""Lobes and capsule distances on balls whose truth is known, and what CT candidates add to the burden."""

from dataclasses import replace

import numpy as np
import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.measurement.burden import measure_burden
from dotaliver.measurement.ct_foci import measure_ct_foci, with_ct_foci
from dotaliver.measurement.lesions import measure_lesions
from dotaliver.measurement.lobes import measure_lobes
from dotaliver.measurement.placement import place
from dotaliver.records.edits import LesionEdit, ReaderEdits
from dotaliver.records.masks import CtSearch, FocusFinding, LobePlane, Mismatch
from dotaliver.records.measurements import Burden, Reference
from fixtures.arrays import Case, ball, layer

NORMAL = Reference(organ="liver", method="sphere", suv_mean=5.0, peak_limit=6.5)
CONFIG = ScoringConfig()
TO_THE_LEFT = LobePlane(point_lps_mm=(72.0, 0.0, 0.0), normal_lps=(1.0, 0.0, 0.0), landmark="made")


def measured(case, segmentations):
    placement = place(segmentations, case.geometry)
    lesions = measure_lesions(case.volumes(), segmentations, ReaderEdits(), placement, {"liver": NORMAL}, CONFIG)
    burden = measure_burden(case.volumes().pet, segmentations, placement, lesions, NORMAL, ScoringConfig().burden)
    return placement, lesions, burden


def test_a_plane_through_the_middle_halves_the_liver_and_parts_its_tumours():
    case = Case(lesions=((96.0, 12.0, 20.0), (42.0, 9.0, 20.0)))
    segmentations = case.segmentations(lobes=TO_THE_LEFT)
    lobes = measure_lobes(segmentations, *measured(case, segmentations))
    assert lobes.landmark == "made"
    # The plane goes through a layer of voxel centres, which counts as right: a layer is 3 of 108 mm at its widest.
    assert lobes.left.liver_ml == pytest.approx(lobes.right.liver_ml, rel=0.1)
    left, right = (4 / 3 * np.pi * r**3 / 1000 for r in (12.0, 9.0))
    assert lobes.left.tumour_ml == pytest.approx(left, rel=0.1)
    assert lobes.right.tumour_ml == pytest.approx(right, rel=0.1)
    assert lobes.left.fraction == pytest.approx(lobes.left.tumour_ml / lobes.left.liver_ml)


@pytest.mark.parametrize("x", [30.0, 60.0, 72.0, 99.0])
def test_lobes_add_up_to_the_whole(x):
    case = Case()
    plane = LobePlane(point_lps_mm=(x, 70.0, 70.0), normal_lps=(0.8, -0.6, 0.0), landmark="made")
    segmentations = case.segmentations(lobes=plane)
    placement, lesions, burden = measured(case, segmentations)
    lobes = measure_lobes(segmentations, placement, lesions, burden)
    assert lobes.left.liver_ml + lobes.right.liver_ml == pytest.approx(burden.liver_ml)
    assert lobes.left.tumour_ml + lobes.right.tumour_ml == pytest.approx(burden.tumour_ml)


def test_the_plane_moves_with_a_liver_that_lies_elsewhere_on_the_pet():
    case = Case(lesions=((80.0, 6.0, 20.0),))
    moved = case.segmentations(
        liver=layer(case.liver, case.geometry.moved((-12.0, 0.0, 0.0)), drawn_on="ct"),
        mismatch=Mismatch(shift_lps_mm=(12.0, 0.0, 0.0), method="made"),
        lobes=LobePlane(point_lps_mm=(74.0, 0.0, 0.0), normal_lps=(1.0, 0.0, 0.0), landmark="made"),
    )
    lobes = measure_lobes(moved, *measured(case, moved))
    assert lobes.right.tumour_ml > lobes.left.tumour_ml


def test_without_a_plane_or_a_liver_there_is_a_reason():
    case = Case()
    segmentations = case.segmentations(reasons={"lobes": "no gallbladder was found"})
    assert measure_lobes(segmentations, *measured(case, segmentations)).reason == "no gallbladder was found"
    lost = replace(segmentations, liver=None)
    lobes = measure_lobes(lost, *measured(case, lost))
    assert (lobes.right, lobes.left, lobes.reason) == (None, None, "the liver was not found")


@pytest.mark.parametrize(("x", "radius"), [(72.0, 9.0), (96.0, 12.0), (108.0, 12.0)])
def test_the_way_to_the_capsule_is_that_of_the_balls(x, radius):
    case = Case(lesions=((x, radius, 20.0),))
    _, (lesion,), _ = measured(case, case.segmentations())
    assert lesion.capsule_distance_mm == pytest.approx(54.0 - (x - 72.0) - radius, abs=2.0)


def test_a_lesion_that_reaches_the_capsule_has_no_distance_and_one_outside_none():
    case = Case(lesions=((120.0, 9.0, 20.0), (138.0, 4.0, 9.0)))
    _, lesions, _ = measured(case, case.segmentations())
    assert [x.capsule_distance_mm for x in lesions] == [0.0, None]


def foci_of(case, edits=ReaderEdits(), liver=NORMAL, suspicion=1.0, **changes):  # noqa: B008
    place_mm = (54.0, 72.0, 72.0)
    labels = np.where(ball(case.geometry, place_mm, 9.0), 901, 0)
    finding = FocusFinding(contrast_hu=-30.0, noise_sds=9.0, suspicion=suspicion)
    search = CtSearch(diameter_mm=15.0, foci={901: finding})
    foci = layer(labels, case.geometry, drawn_on="ct")
    segmentations = case.segmentations(ct_foci=foci, ct_search=search, **changes)
    placement = place(segmentations, case.geometry)
    return measure_ct_foci(case.volumes(), segmentations, edits, placement, liver, CONFIG)


def test_a_focus_without_uptake_is_a_candidate_with_its_size():
    (focus,) = foci_of(Case(lesions=((96.0, 12.0, 20.0), (54.0, 9.0, 1.0))))
    assert focus.candidate
    assert (focus.label, focus.in_liver, focus.above_liver) == (901, True, False)
    assert focus.longest_diameter_mm == pytest.approx(18.0, abs=3.0)
    assert focus.volume_ml == pytest.approx(4 / 3 * np.pi * 0.9**3, rel=0.1)
    assert focus.ratio_to_liver == pytest.approx(focus.suv_mean / 5.0)


def test_uptake_a_little_beside_its_place_keeps_a_focus_from_being_called_negative():
    beside = 54.0 + CONFIG.ct_foci.mismatch_mm
    (focus,) = foci_of(Case(lesions=((beside, 9.0, 20.0),)))
    assert focus.above_liver
    assert not focus.candidate


@pytest.mark.parametrize("gap_mm", [0.0, 2.0, 5.0])
def test_an_avid_lesion_next_to_a_focus_does_not_hide_that_it_has_no_uptake(gap_mm):
    """Moved by the remaining doubt, the focus would lie partly in the other lesion, which is outlined and is not it."""
    other = (54.0 + 9.0 + gap_mm + 12.0, 12.0, 60.0)
    (focus,) = foci_of(Case(lesions=(other, (54.0, 9.0, 1.0))))
    assert focus.candidate
    assert focus.ratio_to_liver < 1.0


def test_a_place_like_a_vessel_in_the_blur_of_an_avid_lesion_is_no_candidate():
    other = (54.0 + 9.0 + 12.0, 12.0, 60.0)
    (focus,) = foci_of(Case(lesions=(other, (54.0, 9.0, 1.0))), suspicion=CONFIG.ct_foci.beside_avid_suspicion - 0.01)
    assert not focus.candidate


def test_a_focus_of_which_little_lies_apart_from_a_lesion_is_read_as_a_whole():
    """Most of it lies in the uptake: it is not called negative for the rest."""
    (focus,) = foci_of(Case(lesions=((54.0 + 12.0, 12.0, 20.0),)))
    assert focus.above_liver


def test_a_focus_is_read_where_the_mismatch_puts_it():
    shift = Mismatch(shift_lps_mm=(42.0, 0.0, 0.0), method="made")
    (focus,) = foci_of(Case(lesions=((96.0, 12.0, 20.0),)), mismatch=shift)
    assert focus.suv_mean == pytest.approx(20.0, rel=0.02)


def test_marks_and_missing_references_are_kept_on_the_focus():
    case = Case(lesions=((54.0, 9.0, 1.0),))
    edits = ReaderEdits(lesions=(LesionEdit(label=901, marks=("receptor_negative",)),))
    (focus,) = foci_of(case, edits)
    assert focus.accepted
    assert not focus.candidate
    (unknown,) = foci_of(case, liver=Reference(organ="liver", method="none"))
    assert unknown.above_liver is None


def test_candidates_widen_the_interval_upwards_alone_and_accepted_ones_count():
    whole = Burden(fraction=0.02, low=0.01, high=0.03, tumour_ml=20.0, liver_ml=1000.0)
    (focus,) = foci_of(Case(lesions=((54.0, 9.0, 1.0),)))
    with_candidate = with_ct_foci(whole, (focus,), 2.0)
    assert (with_candidate.fraction, with_candidate.low, with_candidate.tumour_ml) == (0.02, 0.01, 20.0)
    assert with_candidate.high > 0.03 + focus.volume_ml / 1000.0
    accepted = focus.model_copy(update={"marks": ("receptor_negative",)})
    counted = with_ct_foci(whole, (accepted,), 2.0)
    assert counted.tumour_ml == pytest.approx(20.0 + focus.volume_ml)
    assert counted.fraction == pytest.approx(counted.tumour_ml / 1000.0)
    assert 0.01 < counted.low < counted.fraction < counted.high
    dismissed = focus.model_copy(update={"marks": ("not_a_lesion",)})
    assert with_ct_foci(whole, (dismissed,), 2.0) == whole
    unknown = Burden(fraction=None, low=None, high=None, tumour_ml=None, liver_ml=None)
    assert with_ct_foci(unknown, (focus,), 2.0) == unknown


@pytest.mark.parametrize(("gap_mm", "uptake", "flagged"), [(8.0, 25.0, True), (8.0, 10.0, False), (30.0, 25.0, False)])
def test_a_hotter_organ_against_a_lesion_is_flagged(gap_mm, uptake, flagged):
    case = Case(lesions=((112.0, 12.0, 20.0),), shape=(49, 49, 60))
    centre = (72.0 + 54.0 + gap_mm + 12.0, 72.0, 72.0)
    case.suv[ball(case.geometry, centre, 12.0)] = uptake
    _, (lesion,), _ = measured(case, case.segmentations())
    assert ("LESION_MERGES_WITH_NEIGHBOUR" in {flag.code for flag in lesion.flags}) is flagged
