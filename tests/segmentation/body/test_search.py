"""The search outside the liver: candidates, organs, and what is said of missing parts of the body."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.image.blocks import memory_bound
from dotaliver.records.masks import MaskLayer, Segmentations
from dotaliver.segmentation.body.search import body_search_job, with_body_searched
from fixtures.bodies import body_phantom

CONFIG = ScoringConfig()


def with_liver(body):
    liver = MaskLayer(body.liver, "ct", "truth", 1.0)
    down = (0.0, 0.0, -body.spec.trunk.scanner.breathing_shift_mm)
    moved = replace(liver, labels=body.liver.placed(body.liver.geometry.moved(down)), drawn_on="pet")
    return Segmentations("truth", moved, None)


def found_in(body, volumes=None, config=CONFIG):
    return with_body_searched(volumes or body.volumes, with_liver(body), config).body


@pytest.fixture(scope="module")
def body():
    return body_phantom(2)


@pytest.fixture(scope="module")
def search(body):
    return found_in(body)


def overlaps(search, body, lesion):
    """Labels of the foci whose outline meets the lesion's."""
    inside = body.lesions.array == lesion.label
    return set(np.unique(search.mask.labels.array[inside])) - {0}


def test_lesions_that_stand_out_are_offered_and_outlined(body, search):
    clear = [p for p in body.placed if p.site != "liver" and p.diameter_mm >= 12 and p.contrast >= 8]
    assert len(clear) >= 5
    missed = [p.site for p in clear if not overlaps(search, body, p)]
    assert missed == []


def test_another_process_finds_the_same(body, search):
    elsewhere = pickle.loads(pickle.dumps(body_search_job(body.volumes, with_liver(body), CONFIG))).run()
    assert (elsewhere.foci, elsewhere.organs, elsewhere.coverage) == (search.foci, search.organs, search.coverage)
    np.testing.assert_array_equal(elsewhere.mask.labels.array, search.mask.labels.array)


def test_what_was_searched_is_not_searched_again(body, search):
    assert body_search_job(body.volumes, replace(with_liver(body), body=search), CONFIG) is None


def test_an_outline_has_about_the_volume_of_its_lesion(body, search):
    voxel = body.volumes.pet.geometry.voxel_volume_ml
    for lesion in body.placed:
        if lesion.site == "liver" or lesion.diameter_mm < 20 or lesion.contrast < 8:
            continue
        for label in overlaps(search, body, lesion):
            outlined = float((search.mask.labels.array == label).sum()) * voxel
            assert 0.4 < outlined / (np.pi / 6 * (lesion.diameter_mm / 10) ** 3) < 1.8


def test_foci_are_numbered_from_the_hottest_and_none_lies_in_the_liver(body, search):
    pet, labels = body.volumes.pet.array, search.mask.labels.array
    peaks = [float(pet[labels == focus.label].max()) for focus in search.foci]
    assert [focus.label for focus in search.foci] == list(range(1, len(peaks) + 1))
    assert peaks == sorted(peaks, reverse=True)
    assert all(0 <= focus.confidence <= 1 for focus in search.foci)


def test_bladder_kidneys_and_spleen_are_organs_and_likely_no_metastases(body, search):
    names = {organ.name for organ in search.organs}
    assert {"bladder", "kidney", "spleen"} <= names
    grid = body.volumes.pet.geometry
    for focus in search.foci:
        if focus.likely == "metastasis":
            middle = np.argwhere(search.mask.labels.array == focus.label).mean(axis=0)
            assert body.organ_at(grid.index_to_lps(middle)) not in {"bladder", "kidney", "spleen"}


def test_a_clean_body_offers_at_most_one_likely_metastasis():
    search = found_in(body_phantom(5, clean=True))
    assert sum(focus.likely == "metastasis" for focus in search.foci) <= 1


def test_all_of_the_body_from_head_to_thigh_is_covered(search):
    assert search.coverage.parts == ("head", "neck", "chest", "abdomen", "pelvis", "thighs")
    assert search.coverage.is_standard and search.coverage.missing == ""


def test_missing_parts_of_the_body_are_said(body):
    grid = body.volumes.pet.geometry
    z = grid.origin_lps_mm[2] + grid.spacing_mm[0] * np.arange(grid.shape[0])
    slices = slice(int(np.searchsorted(z, -150)), int(np.searchsorted(z, 160)))
    pet = body.volumes.pet.crop((slices, slice(None), slice(None)))
    search = found_in(body, replace(body.volumes, pet=pet))
    assert not search.coverage.is_standard
    assert "head" not in search.coverage.parts and "pelvis" not in search.coverage.parts
    assert "pelvis" in search.coverage.missing and search.coverage.missing.endswith("on the PET.")
    assert search.mask.labels.geometry == pet.geometry


def test_without_a_ct_candidates_come_with_less_confidence(body, search):
    alone = found_in(body, replace(body.volumes, ct=None))
    assert not alone.has_ct and alone.foci
    assert max(focus.confidence for focus in alone.foci) <= CONFIG.body.without_ct_factor


def test_with_another_tracer_nothing_is_likely_and_the_reason_is_said(body):
    volumes = body.volumes
    other = replace(volumes, acquisition=volumes.acquisition.model_copy(update={"tracer_is_sstr": False}))
    foci = found_in(body, other).foci
    assert foci and {focus.likely for focus in foci} == {"unsure"}
    assert all("receptor ligand" in focus.why_physiological for focus in foci)
    # Marrow and brain are hot on FDG, and a list of vertebrae helps nobody.
    assert not any(
        "may be marrow" in focus.why_physiological or "may be brain" in focus.why_physiological for focus in foci
    )


def test_a_bound_on_memory_changes_nothing(body, search):
    fresh = replace(body.volumes)
    with memory_bound(1_500_000_000):
        again = found_in(body, fresh)
    assert again.foci == search.foci and again.organs == search.organs
    assert again.mask.labels.array.tobytes() == search.mask.labels.array.tobytes()


def test_without_a_liver_nothing_is_searched(body):
    nothing = Segmentations("truth", None, None)
    assert with_body_searched(body.volumes, nothing, CONFIG) is nothing


def test_a_list_that_is_cut_says_how_many_candidates_it_leaves_out(body, search):
    kept = 2
    cut = found_in(
        body, config=CONFIG.model_copy(update={"body": CONFIG.body.model_copy(update={"longest_list": kept})})
    )
    assert len(cut.foci) == kept
    assert f"{len(search.foci) - kept} more are not on it" in cut.coverage.missing
    assert "not on it" not in search.coverage.missing
