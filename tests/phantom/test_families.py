"""Families differ in what they are named after, and the bench's promise not to tune on some of them is kept in data."""

import pytest

from dotaliver.errors import ConfigError
from dotaliver.phantom.families import FAMILIES, HELD_OUT, family_spec
from dotaliver.phantom.spec import PhantomSpec


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_valid_and_the_same_for_the_same_seed(name):
    spec = family_spec(name, 3)
    assert PhantomSpec.model_validate_json(spec.model_dump_json()) == spec
    assert family_spec(name, 3) == spec
    assert family_spec(name, 4) != spec


def test_held_out_families_exist_and_are_few():
    assert set(FAMILIES) > HELD_OUT
    assert len(HELD_OUT) < len(FAMILIES) / 3


def test_an_unknown_family_is_refused_and_the_known_ones_are_named():
    with pytest.raises(ConfigError, match="riedel"):
        family_spec("ridel", 1)


@pytest.mark.parametrize("seed", range(10))
def test_families_keep_what_their_names_promise(seed):
    assert family_spec("riedel", seed).liver.riedel_mm >= 60
    assert family_spec("hemihepatectomy", seed).liver.right_scale == 0
    assert not family_spec("splenectomy", seed).neighbours.spleen
    assert family_spec("native", seed).scanner.contrast_phase == "native"
    assert family_spec("low_counts", seed).scanner.pet_liver_cov == 0.20
    assert 9 <= family_spec("breathing", seed).scanner.breathing_shift_mm <= 15
    assert family_spec("slices_thin", seed).scanner.ct_slice_mm <= 2
    assert all(6 <= lesion.diameter_mm <= 8 for lesion in family_spec("tiny", seed).lesions)
    assert all(1.2 <= lesion.contrast <= 1.5 for lesion in family_spec("faint", seed).lesions)
    assert all(lesion.core_fraction >= 0.5 for lesion in family_spec("rim", seed).lesions)
    assert family_spec("burden_0", seed).lesions == ()
    for name, low, high in (("burden_1_20", 0.01, 0.2), ("burden_80_97", 0.8, 0.97), ("borderline", 0.78, 0.82)):
        assert low <= family_spec(name, seed).burden <= high
    cold = [lesion for lesion in family_spec("cold", seed).lesions if lesion.cold]
    assert cold
    assert all(-40 <= lesion.hu_difference <= -5 and 10 <= lesion.diameter_mm <= 40 for lesion in cold)
    cut = family_spec("truncated", seed).scanner
    assert cut.ct_top_mm <= 65 or cut.ct_bottom_mm >= -60
