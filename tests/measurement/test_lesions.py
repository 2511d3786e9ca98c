import numpy as np
import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.measurement.lesions import measure_lesions
from dotaliver.measurement.placement import place
from dotaliver.records.edits import DiameterEdit, LesionEdit, ReaderEdits
from dotaliver.records.masks import Mismatch
from dotaliver.records.measurements import Reference
from fixtures.arrays import Case, ball, grid, layer

NORMAL = Reference(organ="liver", method="sphere", suv_mean=5.0)


def lesions_of(case, segmentations=None, edits=ReaderEdits(), liver=NORMAL):  # noqa: B008
    segmentations = segmentations or case.segmentations()
    placement = place(segmentations, case.geometry)
    return measure_lesions(case.volumes(), segmentations, edits, placement, {"liver": liver}, ScoringConfig())


def codes(lesion):
    return [flag.code for flag in lesion.flags]


def test_a_ball_of_known_uptake_gives_its_numbers():
    (lesion,) = lesions_of(Case(lesions=((96.0, 15.0, 20.0),)))
    assert lesion.suv_max == lesion.suv_mean == 20.0
    assert lesion.suv_peak == pytest.approx(20.0, rel=1e-12)
    assert lesion.volume_ml == pytest.approx(4 / 3 * np.pi * 1.5**3, rel=0.05)
    assert lesion.total_uptake == pytest.approx(20.0 * lesion.volume_ml)
    assert (lesion.ratio_to_liver, lesion.max_ratio_to_liver) == (pytest.approx(4.0), pytest.approx(4.0))
    assert lesion.centroid_lps_mm == pytest.approx((96.0, 72.0, 72.0))
    assert lesion.in_liver
    assert lesion.liver_share == 1.0
    assert lesion.diameter_source == "pet"
    assert lesion.longest_diameter_mm == lesion.pet_extent_mm == pytest.approx(30.0, abs=1.5)
    assert codes(lesion) == []


def test_without_normal_liver_there_are_no_ratios():
    (lesion,) = lesions_of(Case(), liver=Reference(organ="liver", method="none"))
    assert lesion.suv_max == 20.0
    assert lesion.ratio_to_liver is lesion.max_ratio_to_liver is None


def test_labels_name_the_lesions_and_keep_their_gaps():
    case = Case(lesions=((96.0, 9.0, 20.0), (54.0, 9.0, 10.0)))
    case.labels[case.labels == 2] = 700
    assert [lesion.label for lesion in lesions_of(case)] == [1, 700]


def test_doubts_stand_on_the_lesion():
    case = Case(lesions=((96.0, 5.0, 20.0), (120.0, 9.0, 20.0), (136.0, 4.0, 9.0)), shape=(49, 49, 49))
    small, border, outside = lesions_of(case)
    assert {"PEAK_SPHERE_EXCEEDS_LESION", "LESION_SMALLER_THAN_RESOLUTION"} <= set(codes(small))
    assert "LESION_AT_LIVER_BORDER" in codes(border)
    assert outside.in_liver is False
    assert "LESION_OUTSIDE_LIVER" in codes(outside)


def test_without_a_liver_membership_is_unknown():
    case = Case()
    (lesion,) = lesions_of(case, case.segmentations(liver=None))
    assert lesion.in_liver is lesion.liver_share is None
    assert "LESION_MEMBERSHIP_UNKNOWN" in codes(lesion)


def test_a_lesion_that_touches_the_images_edge_is_flagged():
    case = Case(lesions=())
    case.labels[0:4, 20:24, 20:24] = 1
    assert "LESION_AT_FIELD_EDGE" in codes(lesions_of(case)[0])


def test_a_lesion_drawn_on_ct_is_measured_there_and_its_uptake_where_the_pet_shows_it():
    # On CT everything lies 9 mm higher, on 1 x 1 x 2 mm voxels.
    case = Case(lesions=((96.0, 15.0, 20.0),))
    ct = grid((90, 150, 150), (2.0, 1.0, 1.0))
    shift = Mismatch(shift_lps_mm=(0.0, 0.0, -9.0), method="known")
    drawn = layer(ball(ct, (96.0, 72.0, 81.0), 15.0), ct, drawn_on="ct")
    (lesion,) = lesions_of(case, case.segmentations(lesions=drawn, mismatch=shift))
    assert lesion.suv_mean == pytest.approx(20.0, rel=0.02)
    assert lesion.volume_ml == pytest.approx(4 / 3 * np.pi * 1.5**3, rel=0.02)
    assert lesion.diameter_source == "ct"
    assert lesion.longest_diameter_mm == pytest.approx(30.0, abs=0.5)
    assert lesion.pet_extent_mm is None
    assert lesion.centroid_lps_mm[2] == pytest.approx(81.0)


def test_a_ct_lesion_too_small_for_half_a_pet_voxel_takes_the_voxels_that_hold_most_of_it():
    case = Case(lesions=())
    case.suv[24, 24, 24] = 30.0
    ct = grid((150, 150, 150), (1.0, 1.0, 1.0))
    drawn = np.zeros(ct.shape)
    drawn[72, 72, 72] = 1  # the centre of PET voxel (24, 24, 24)
    (lesion,) = lesions_of(case, case.segmentations(lesions=layer(drawn, ct, drawn_on="ct")))
    assert lesion.suv_max == lesion.suv_mean == 30.0


def test_a_lesion_outside_the_pet_has_a_size_and_no_uptake():
    case = Case(lesions=())
    away = grid((20, 20, 20), (2.0, 2.0, 2.0), (500.0, 500.0, 500.0))
    drawn = layer(np.ones(away.shape), away, drawn_on="ct")
    (lesion,) = lesions_of(case, case.segmentations(lesions=drawn))
    assert lesion.suv_max is lesion.suv_peak is lesion.in_liver is None
    assert lesion.volume_ml == 64.0


def test_the_readers_diameter_takes_the_place_of_the_masks():
    edit = {"label": 1, "diameter": {"long_axis_lps_mm": [[80, 72, 72], [112, 72, 72]]}, "marks": ["target"]}
    (lesion,) = lesions_of(Case(), edits=ReaderEdits.model_validate({"lesions": [edit]}))
    assert (lesion.longest_diameter_mm, lesion.short_axis_mm, lesion.diameter_source) == (32.0, None, "reader")
    assert lesion.pet_extent_mm == pytest.approx(24.0, abs=1.5)
    assert lesion.marks == ("target",)


def test_a_cold_core_is_told():
    case = Case(lesions=((84.0, 18.0, 20.0),))
    core = ball(case.geometry, (84.0, 72.0, 72.0), 7.0)
    case.suv[core], case.labels[core] = 0.5, 0
    (lesion,) = lesions_of(case)
    assert "LESION_WITH_COLD_CORE" in codes(lesion)


def test_a_lesion_outlined_on_ct_has_its_diameter_from_there_and_keeps_its_extent_on_pet():
    case = Case(lesions=((96.0, 12.0, 20.0), (50.0, 9.0, 15.0)))
    ct_grid = grid((60, 160, 160), (2.5, 1.0, 1.0))
    on_ct = ball(ct_grid, (96.0, 72.0, 72.0), 8.0).astype(np.uint16)
    outlines = layer(on_ct, ct_grid, drawn_on="ct")
    masks = case.segmentations(ct_lesions=outlines, unseen_on_ct={2: "it is as dense as the liver"})
    found = lesions_of(case, masks)
    first, second = found
    assert first.diameter_source == "ct"
    assert first.longest_diameter_mm == pytest.approx(16.0, abs=0.6)
    assert first.pet_extent_mm == pytest.approx(24.0, abs=2.0)
    assert first.ct_volume_ml == pytest.approx(4 / 3 * np.pi * 0.8**3, rel=0.06)
    assert first.diameter.slice_index == round(72.0 / 2.5)
    assert "LESION_NOT_SEEN_ON_CT" not in {flag.code for flag in first.flags}
    assert second.diameter_source == "pet"
    assert second.longest_diameter_mm == second.pet_extent_mm
    flag = next(flag for flag in second.flags if flag.code == "LESION_NOT_SEEN_ON_CT")
    assert "as dense as the liver" in flag.sentence
    assert flag.weakens == ("INC4",)


def test_a_readers_diameter_stands_before_that_of_the_ct():
    case = Case()
    ct_grid = grid((60, 160, 160), (2.5, 1.0, 1.0))
    outlines = layer(ball(ct_grid, (96.0, 72.0, 72.0), 8.0).astype(np.uint16), ct_grid, drawn_on="ct")
    drawn = DiameterEdit(long_axis_lps_mm=((90.0, 72.0, 72.0), (111.0, 72.0, 72.0)))
    edits = ReaderEdits(lesions=(LesionEdit(label=1, diameter=drawn),))
    (found,) = lesions_of(case, case.segmentations(ct_lesions=outlines), edits)
    assert (found.diameter_source, found.longest_diameter_mm) == ("reader", 21.0)


def test_lesions_drawn_on_the_pets_ct_have_their_diameters_from_the_diagnostic_ct_alone():
    case = Case(lesions=((96.0, 12.0, 20.0), (50.0, 9.0, 15.0)))
    diagnostic = grid((60, 160, 160), (2.5, 1.0, 1.0))
    outlines = layer(ball(diagnostic, (96.0, 72.0, 72.0), 8.0).astype(np.uint16), diagnostic, drawn_on="ct")
    drawn = layer(case.labels, case.geometry, drawn_on="ct")
    first, second = lesions_of(case, case.segmentations(lesions=drawn, ct_lesions=outlines))
    assert first.diameter_source == "ct"
    assert first.longest_diameter_mm == pytest.approx(16.0, abs=0.6)
    assert (second.diameter_source, second.longest_diameter_mm, second.ct_volume_ml) == (None, None, None)
