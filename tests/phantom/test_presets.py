"""The named phantoms keep what their names promise."""

import pytest

from dotaliver.errors import ConfigError
from dotaliver.phantom.presets import PRESETS, preset
from dotaliver.phantom.spec import PhantomSpec


def test_an_unknown_preset_is_refused_and_the_known_ones_are_named():
    with pytest.raises(ConfigError, match="moderate"):
        preset("modrate", 1)


@pytest.mark.parametrize("name", PRESETS)
def test_a_specification_survives_json(name):
    spec = preset(name, 7)
    assert PhantomSpec.model_validate_json(spec.model_dump_json()) == spec


def test_matrices_hold_the_same_patient():
    clinical, small = preset("moderate", 7), preset("moderate", 7, "small")
    assert clinical.scanner.ct_matrix == 512
    assert clinical.scanner.pet_matrix == 200
    assert small.scanner.ct_matrix <= 128
    assert (clinical.patient, clinical.liver, clinical.lesions) == (small.patient, small.liver, small.lesions)


def test_seeds_vary_patient_and_lesions():
    specs = [preset("moderate", seed) for seed in range(20)]
    assert len({spec.patient for spec in specs}) == 20
    assert len({spec.scanner.contrast_phase for spec in specs}) >= 3
    for spec in specs:
        assert min(lesion.diameter_mm for lesion in spec.lesions) >= 6
        assert max(lesion.diameter_mm for lesion in spec.lesions) <= 40
        assert min(lesion.contrast for lesion in spec.lesions) >= 1.5
        assert max(lesion.contrast for lesion in spec.lesions) <= 8


def test_uptake_stays_within_what_was_published():
    """Kuyumcu 2013, 'Highly variable biodistribution' (81 patients): liver 2.3-12.4, spleen 5.4-34.4."""
    uptake = preset("clean", 1).uptake
    assert 2.3 <= uptake.liver[0] < uptake.liver[1] <= 12.4
    assert 5.4 <= uptake.spleen[0] < uptake.spleen[1] <= 34.4
    for name in ("lung", "muscle", "blood", "marrow"):
        assert getattr(uptake, name)[1] < 2.0


def test_massive_is_over_the_limit_and_clean_is_empty(massive, clean):
    assert massive.truth.burden > 0.80
    assert massive.truth.expected == {"INC7": "met", "EXC4": "met"}
    assert clean.truth.burden == 0.0
    assert clean.truth.lesions == ()
    assert not clean.lesions.mask.any()
    assert not clean.lesions_on_pet.mask.any()
    assert clean.truth.expected == {"INC7": "not_met", "EXC4": "not_met"}


def test_moderate_disease_fills_a_twentieth_to_a_seventh_of_the_liver(moderate):
    assert 0.04 <= moderate.truth.burden <= 0.15
    assert len(moderate.truth.lesions) >= 5
    assert moderate.truth.expected == {"INC7": "met", "EXC4": "not_met"}


def test_cold_has_one_receptor_negative_lesion_that_only_the_ct_shows(cold):
    negative = [lesion for lesion in cold.truth.lesions if lesion.cold]
    assert len(negative) == 1
    assert 13 <= negative[0].diameter_mm <= 32
    assert negative[0].suv < cold.truth.liver_suv
    assert negative[0].hu <= cold.truth.liver_hu - 25
    assert any(lesion.contrast > 1.5 for lesion in cold.truth.lesions)
    ct = cold.ct.array
    inside = ct[cold.lesions.where(negative[0].label)].mean()
    around = ct[cold.organs.where(1)].mean()
    assert inside < around - 12
