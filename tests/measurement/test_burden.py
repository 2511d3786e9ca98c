from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dotaliver.config.scoring import ScoringConfig
from dotaliver.measurement.burden import Borders, border_factors, measure_burden
from dotaliver.measurement.lesions import measure_lesions
from dotaliver.measurement.placement import place
from dotaliver.pipeline.score_labels import score_labels
from dotaliver.records.edits import ReaderEdits
from dotaliver.records.masks import Mismatch
from dotaliver.records.measurements import Reference
from fixtures.arrays import Case, ball, grid, layer

CONFIG = ScoringConfig()
NORMAL = Reference(organ="liver", method="sphere", suv_mean=5.0)
H = 2.0


def fractions(tumour, liver, borders):
    """Low, middle and high of a study whose reported volumes are those of the grid."""
    t = float((tumour & liver).sum())
    p = float((liver & ~tumour).sum())
    f = border_factors(tumour, liver, H, borders)
    low, high = (t * f.tumour_low, p * f.parenchyma_low), (t * f.tumour_high, p * f.parenchyma_high)
    return low[0] / (sum(low) or 1.0), t / (t + p), high[0] / (sum(high) or 1.0)


def sphere_pair(inner_mm, outer_mm, offset_mm=0.0):
    geometry = grid((60, 60, 60), (H, H, H))
    middle = np.full(3, 59.0)
    return ball(geometry, middle + np.array([offset_mm, 0.0, 0.0]), inner_mm), ball(geometry, middle, outer_mm)


def test_a_sphere_in_a_sphere_has_the_analytic_interval():
    tumour, liver = sphere_pair(25.0, 48.0)
    low, _, high = fractions(tumour, liver, Borders(1.5, 2.0))
    assert low == pytest.approx((23.5 / 50.0) ** 3, rel=0.03)
    assert high == pytest.approx((26.5 / 46.0) ** 3, rel=0.03)


def test_without_uncertainty_the_interval_has_no_width():
    tumour, liver = sphere_pair(25.0, 48.0, 30.0)
    low, middle, high = fractions(tumour, liver, Borders(0.0, 0.0))
    assert low == pytest.approx(middle, abs=1e-12)
    assert high == pytest.approx(middle, abs=1e-12)


def half_liver():
    """A cuboid liver of 80 mm (along the last axis) x 60 x 60 mm, its one half tumour."""
    liver = np.zeros((50, 50, 60), dtype=bool)
    liver[10:40, 10:40, 10:50] = True
    tumour = liver.copy()
    tumour[..., 30:] = False
    return tumour, liver


def test_where_tumour_forms_the_border_that_border_moves_once_for_both():
    # Tumour alone: its five outer faces move by 1.5 mm with the liver's, and so does its face to parenchyma.
    tumour, liver = half_liver()
    low, middle, high = fractions(tumour, liver, Borders(1.5, 0.0))
    assert middle == pytest.approx(0.5)
    shrunk = (40 - 3) * 57 * 57
    assert low == pytest.approx(shrunk / (shrunk + 41.5 * 60 * 60), rel=0.01)
    grown, left = 43 * 63 * 63, 38.5 * 60 * 60
    assert high == pytest.approx(grown / (grown + left), rel=0.01)


def test_the_livers_own_uncertainty_moves_only_the_lesion_free_border():
    tumour, liver = half_liver()
    low, _, high = fractions(tumour, liver, Borders(0.0, 2.0))
    half = 40 * 60 * 60
    assert low == pytest.approx(half / (half + 42 * 64 * 64), rel=0.02)
    # A strip along the seam lies near both tumour and outside and counts as formed by the tumour: it stays.
    assert half / (half + 40 * 60 * 60) < high <= half / (half + 38 * 56 * 56) + 1e-9


def test_a_liver_that_is_all_tumour_stays_all_tumour():
    _, liver = half_liver()
    low, middle, high = fractions(liver, liver, Borders(1.5, 1.5))
    assert 0 < low <= middle == high == 1.0


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.floats(0, 4),
    st.floats(0, 4),
    st.sampled_from([0.02, 0.2, 0.5, 0.8, 1.0]),
    st.sampled_from([0.3, 0.7, 1.0]),
)
def test_low_never_exceeds_and_high_never_falls_below_the_fraction(seed, lesion_mm, liver_mm, filled, livery):
    random = np.random.default_rng(seed)
    liver = np.zeros((12, 13, 11), dtype=bool)
    liver[3:9, 3:10, 3:8] = random.random((6, 7, 5)) < livery
    tumour = random.random(liver.shape) < filled
    if not (tumour & liver).any():
        return  # without tumour on the grid there are no factors; measure_burden then takes a sphere
    low, middle, high = fractions(tumour, liver, Borders(lesion_mm, liver_mm))
    assert 0.0 <= low <= middle + 1e-12
    assert middle - 1e-12 <= high <= 1.0 + 1e-12


def burden_of(segmentations, case, config=ScoringConfig(), normal=NORMAL):  # noqa: B008
    volumes = case.volumes()
    placement = place(segmentations, case.geometry)
    lesions = measure_lesions(volumes, segmentations, ReaderEdits(), placement, {"liver": NORMAL}, config)
    return measure_burden(volumes.pet, segmentations, placement, lesions, normal, config.burden)


def test_the_fraction_is_tumour_over_liver_and_the_interval_holds_it():
    case = Case(lesions=((96.0, 18.0, 20.0), (50.0, 9.0, 12.0)))
    burden = burden_of(case.segmentations(), case)
    assert burden.fraction == burden.tumour_ml / burden.liver_ml
    assert burden.liver_ml == case.liver.sum() * 0.027
    assert burden.tumour_ml == pytest.approx((case.labels > 0).sum() * 0.027, rel=1e-12)
    # One hundredth of what is left may hold undetected disease
    analytic = lambda r1, r2, r: (r1**3 + r2**3) / r**3  # noqa: E731
    largest = analytic(19.5, 10.5, 52.5)
    assert burden.low == pytest.approx(analytic(16.5, 7.5, 55.5), rel=0.05)
    assert burden.high == pytest.approx(largest + 0.01 * (1 - largest), rel=0.05)


def test_a_lesion_under_the_capsule_is_not_counted_too_small():
    # The liver is drawn on a grid of its own, so that border voxels are cut; all of the lesion lies in the liver.
    case = Case(lesions=())
    fine = grid((98, 98, 98), (1.5, 1.5, 1.5), (-0.75, -0.75, -0.75))
    case.labels[case.liver & (np.arange(49) > 24)] = 1
    burden = burden_of(case.segmentations(liver=layer(ball(fine, case.centre, 54.0), fine)), case)
    assert burden.fraction == pytest.approx((case.labels > 0).sum() / case.liver.sum(), abs=0.01)


def test_an_enclosed_cold_core_counts_as_tumour():
    case = Case(lesions=((72.0, 24.0, 20.0),))
    core = ball(case.geometry, (72.0, 72.0, 72.0), 10.0)
    case.suv[core], case.labels[core] = 1.0, 0
    with_core = (case.labels > 0).sum() + core.sum()
    assert burden_of(case.segmentations(), case).tumour_ml == pytest.approx(with_core * 0.027, rel=1e-12)
    case.suv[core] = 5.5  # parenchyma between confluent lesions
    assert burden_of(case.segmentations(), case).tumour_ml == pytest.approx((case.labels > 0).sum() * 0.027)


def test_the_liver_is_moved_to_where_the_pet_shows_it():
    case = Case()
    ct_grid = case.geometry.moved((0.0, 0.0, 12.0))  # the CT shows everything 12 mm higher
    segmentations = case.segmentations(
        liver=layer(case.liver, ct_grid, drawn_on="ct"),
        mismatch=Mismatch(shift_lps_mm=(0.0, 0.0, -12.0), method="known"),
    )
    assert burden_of(segmentations, case) == burden_of(case.segmentations(), case)


def test_without_a_liver_or_lesions_there_is_a_reason_and_no_number():
    case = Case()
    nothing = burden_of(case.segmentations(liver=None, reasons={"liver": "the CT is empty"}), case)
    assert nothing.fraction is None
    assert "the CT is empty" in nothing.reason
    unknown = burden_of(case.segmentations(lesions=None), case)
    assert unknown.fraction is None
    assert unknown.liver_ml is not None
    clean = burden_of(case.segmentations(lesions=layer(np.zeros(case.labels.shape), case.geometry)), case)
    assert (clean.fraction, clean.low, clean.high) == (0.0, 0.0, CONFIG.burden.undetected_share)


@pytest.mark.parametrize("radius", [1.0, 4.0, 6.0])
def test_tiny_lesions_keep_an_interval_around_their_fraction(radius):
    case = Case(lesions=((96.0, radius, 20.0),))
    burden = burden_of(case.segmentations(), case)
    assert 0 <= burden.low < burden.fraction < burden.high < 0.05


def test_a_lesion_that_noise_may_have_made_is_left_out_of_the_lower_bound():
    case = Case(lesions=((96.0, 18.0, 20.0),))
    clear = burden_of(case.segmentations(), case, normal=NORMAL.model_copy(update={"peak_limit": 19.0}))
    unclear = burden_of(case.segmentations(), case, normal=NORMAL.model_copy(update={"peak_limit": 21.0}))
    assert clear == burden_of(case.segmentations(), case)
    assert (unclear.low, unclear.fraction, unclear.high) == (0.0, clear.fraction, clear.high)


def test_the_more_of_a_liver_is_tumour_the_more_of_it_may_be_narrow_gaps_of_normal_liver():
    ways = {share: CONFIG.model_copy(update={"burden": CONFIG.burden.model_copy(update={"hidden_share": share})})
            for share in (0.0, 0.04)}  # fmt: skip
    lowered = []
    for radius_mm in (15.0, 30.0):
        case = Case(lesions=((96.0, radius_mm, 20.0),))
        seen, hidden = (burden_of(case.segmentations(), case, config=config) for config in ways.values())
        assert (hidden.fraction, hidden.high) == (seen.fraction, seen.high)
        # What is hidden goes from tumour to parenchyma, so the liver stays as large
        assert hidden.low == pytest.approx(seen.low * (1 - 0.04 * seen.fraction), rel=0.01)
        lowered.append(1 - hidden.low / seen.low)
    assert lowered[1] > 5 * lowered[0]


def test_where_no_normal_liver_was_found_as_much_as_is_seen_of_it_may_be_hidden():
    """Lesions full of gaps: half of the normal liver between them shows, and a true 78.8 % measured as 88.6 %."""
    case = Case(lesions=((72.0, 50.0, 20.0),))
    none = NORMAL.model_copy(update={"method": "none", "suv_mean": None})
    seen, unseen = (burden_of(case.segmentations(), case, normal=normal) for normal in (NORMAL, none))
    assert (unseen.fraction, unseen.high) == (seen.fraction, seen.high)
    # The tumour falls by three quarters of the parenchyma that is seen, before the borders move
    kept = 1 - 0.75 * (1 - seen.fraction) / seen.fraction
    assert unseen.low < kept * seen.fraction
    assert unseen.low == pytest.approx(kept * seen.low, rel=0.1)


def test_a_lesion_that_the_pet_does_not_resolve_may_be_far_smaller_than_it_looks():
    # A lesion of 7 mm is blurred to about 10 mm
    small, large = Case(lesions=((96.0, 5.0, 20.0),)), Case(lesions=((96.0, 8.0, 20.0),))
    assert burden_of(small.segmentations(), small).low == 0.0
    assert burden_of(large.segmentations(), large).low > 0.0


def test_peaks_of_noise_make_no_broad_faint_lesion_sure():
    limit = NORMAL.model_copy(update={"peak_limit": 6.5})
    # 1.32 and 1.8 times normal liver throughout; each peak exceeds the limit
    faint, sure = Case(lesions=((96.0, 18.0, 6.6),)), Case(lesions=((96.0, 18.0, 9.0),))
    assert burden_of(faint.segmentations(), faint, normal=limit).low == 0.0
    assert burden_of(sure.segmentations(), sure, normal=limit).low > 0.0


def test_a_lesion_called_no_lesion_leaves_the_burden_and_stays_listed():
    case = Case()
    edits = ReaderEdits.model_validate({"lesions": [{"label": 1, "marks": ["not_a_lesion"]}]})
    score = score_labels(case.volumes(), case.segmentations(), edits, ScoringConfig())
    assert score.burden.fraction == 0.0
    assert score.lesions[0].marks == ("not_a_lesion",)


def test_liver_beyond_the_pet_may_be_tumour():
    case = Case(((72.0, 20.0, 20.0),))
    whole = burden_of(case.segmentations(), case)
    pet = case.volumes().pet.crop((slice(0, 25), slice(0, 49), slice(0, 49)))
    seen = place(case.segmentations(), pet.geometry)
    # The middle slice is the PET's last: half the ball, and half of that slice, lie on it.
    unseen = 1 - case.liver[:25].sum() / case.liver.sum()
    assert 1 - seen.liver_seen == pytest.approx(unseen, abs=1e-4)
    volumes = replace(case.volumes(), pet=pet)
    lesions = measure_lesions(volumes, case.segmentations(), ReaderEdits(), seen, {"liver": NORMAL}, ScoringConfig())
    burden = measure_burden(pet, case.segmentations(), seen, lesions, NORMAL, CONFIG.burden)
    assert burden.high > unseen > 0.45
    assert burden.high > unseen + whole.low
    empty = case.segmentations(lesions=layer(0 * case.labels, case.geometry))
    none = measure_burden(pet, empty, seen, (), NORMAL, CONFIG.burden)
    assert (none.fraction, none.low) == (0.0, 0.0)
    assert none.high == pytest.approx(unseen + CONFIG.burden.undetected_share, abs=1e-4)


def test_what_a_lesion_that_lies_mostly_elsewhere_has_in_the_liver_enters_the_upper_bound():
    case = Case(shape=(49, 49, 98))
    case.labels[:] = ball(case.geometry, case.centre, 52.0)
    case.labels[:, :, 44:] = 1
    burden = burden_of(case.segmentations(), case)
    inside = (case.labels.astype(bool) & case.liver).sum() / case.liver.sum()
    assert inside > 0.8
    assert (burden.fraction, burden.low) == (0.0, 0.0)
    assert burden.high == pytest.approx(inside + CONFIG.burden.undetected_share, rel=1e-3)
