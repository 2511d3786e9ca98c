"""The whole segmentation on phantoms: real anatomy is in tests/realdata."""

from dataclasses import replace

import numpy as np
import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import LabelMap, Volume
from dotaliver.phantom.presets import preset
from dotaliver.phantom.study import make_phantom, study_volumes
from dotaliver.pipeline import segment_study
from dotaliver.records.masks import MaskLayer, Mismatch, Segmentations
from dotaliver.segmentation import petct
from dotaliver.segmentation.lesions_and_reference import add_lesions_and_reference
from dotaliver.segmentation.liver.probability import liver_probability

CONFIG = ScoringConfig()


def dice(a, b):
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


@pytest.fixture(scope="module", params=["moderate", "massive", "clean"])
def phantom(request):
    return make_phantom(preset(request.param, 2, "small"))


@pytest.fixture(scope="module")
def segmented(phantom):
    return segment_study(study_volumes(phantom), CONFIG)


def test_liver_is_found(phantom, segmented):
    # The coarse test matrix (3.5 x 3.5 x 5 mm) costs a few points against the clinical one.
    assert segmented.liver.drawn_on == "ct"
    assert dice(segmented.liver.labels.mask, phantom.liver.mask) > 0.85


def test_mismatch_is_the_phantoms(phantom, segmented):
    assert segmented.mismatch.shift_lps_mm[2] == pytest.approx(phantom.truth.pet_shift_lps_mm[2], abs=3.0)


def test_without_a_dome_the_outline_tells_the_shift_and_is_drawn_again(monkeypatch):
    phantom = make_phantom(preset("clean", 2, "small"))
    walks = []

    def walk(images, around, core, uptake, config, seen_kidneys=None):
        found = liver_probability(images, around, core, uptake, config, seen_kidneys)
        walks.append((images, uptake, seen_kidneys, found))
        return found

    monkeypatch.setattr(petct, "estimate_mismatch", lambda *_: None)
    monkeypatch.setattr(
        petct, "mismatch_of_outline", lambda *_: Mismatch(shift_lps_mm=(0.0, 0.0, -9.0), method="given")
    )
    monkeypatch.setattr(petct, "liver_probability", walk)
    petct.segment(study_volumes(phantom), CONFIG)
    (images, first, _, (_, kidneys)), (_, second, seen, (_, kept)) = walks
    assert np.array_equal(first, images.uptake)
    assert np.array_equal(second, images.uptake_moved((0.0, 0.0, -9.0)))
    assert seen is kidneys
    assert np.count_nonzero(kept) >= np.count_nonzero(kidneys) > 0


def test_lesions_are_those_of_the_phantom(phantom, segmented):
    lesions, truth = segmented.lesions.labels, phantom.lesions_on_pet
    large = [n.label for n in phantom.truth.lesions if n.diameter_mm > 18 and not n.cold]
    assert all(lesions.mask[truth.where(label)].any() for label in large)
    near = truth.mask.copy()
    for axis in range(3):
        for step in (-1, 1):
            near |= np.roll(truth.mask, step, axis)
    assert all(near[lesions.where(label)].any() for label in lesions.labels)


def test_reference_is_normal_liver(phantom, segmented):
    region = segmented.reference("liver")
    if region.method in {"sphere", "small_sphere"}:
        pet = study_volumes(phantom).pet
        index = np.round(pet.geometry.lps_to_index(region.centre_lps_mm)).astype(int)
        around = tuple(slice(i - 1, i + 2) for i in index)
        assert pet.array[around].mean() == pytest.approx(phantom.truth.liver_suv, rel=0.25)


def flipped(volume, axis):
    matrix = volume.geometry.affine.copy()
    matrix[:3, 3] += matrix[:3, axis] * (volume.array.shape[axis] - 1)
    matrix[:3, axis] *= -1
    grid = Geometry.from_affine(volume.array.shape, matrix, volume.geometry.frame_of_reference_uid)
    return Volume(np.flip(volume.array, axis), grid, volume.quantity)


@pytest.mark.parametrize("axis", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)])
def test_storage_order_changes_nothing(axis):
    volumes = study_volumes(make_phantom(preset("moderate", 2, "small")))
    plain = segment_study(volumes, CONFIG)
    other = segment_study(replace(volumes, pet=flipped(volumes.pet, axis), ct=flipped(volumes.ct, axis)), CONFIG)
    assert dice(np.flip(other.liver.labels.mask, axis), plain.liver.labels.mask) > 0.98
    assert dice(np.flip(other.lesions.labels.mask, axis), plain.lesions.labels.mask) > 0.95


def test_liver_from_uptake_alone(phantom):
    volumes = replace(study_volumes(phantom), ct=None)
    found = segment_study(volumes, CONFIG)
    assert "LIVER_FROM_PET_ALONE" in {flag.code for flag in found.flags} or found.liver is None
    if found.liver is not None:
        assert found.liver.drawn_on == "pet"
        assert found.mismatch is None


def test_no_liver_in_an_empty_scan():
    volumes = study_volumes(make_phantom(preset("clean", 2, "small")))
    rng = np.random.default_rng(0)
    noise = volumes.pet.with_array(rng.random(volumes.pet.array.shape, dtype=np.float32))
    found = segment_study(replace(volumes, pet=noise), CONFIG)
    assert found.liver is None
    assert found.reasons["liver"]
    assert {"LIVER_NOT_FOUND", "LESIONS_NOT_BOUND_BY_LIVER"} <= {flag.code for flag in found.flags}
    assert found.reference("liver").method == "none"


def test_given_masks_are_kept_and_the_rest_is_found(phantom):
    volumes = study_volumes(phantom)
    liver = MaskLayer(phantom.liver, "ct", "NIfTI", 1.0)
    lesions = MaskLayer(LabelMap(phantom.lesions_on_pet.array, volumes.pet.geometry), "pet", "NIfTI", 1.0)
    found = segment_study(volumes, CONFIG, Segmentations("imported", liver, lesions))
    assert found.liver is liver
    assert found.lesions is lesions
    assert found.segmenter == "imported"
    assert found.mismatch is not None
    assert found.reference("liver") is not None


def test_completing_twice_changes_nothing(phantom, segmented):
    again = add_lesions_and_reference(study_volumes(phantom), segmented, CONFIG)
    assert again == segmented


@pytest.mark.parametrize("limit_mm", [1.0, 60.0])
def test_mismatch_beyond_the_limit_is_flagged(phantom, segmented, limit_mm):
    config = CONFIG.model_copy(update={"liver": CONFIG.liver.model_copy(update={"mismatch_limit_mm": limit_mm})})
    found = add_lesions_and_reference(study_volumes(phantom), replace(segmented, flags=()), config)
    shift_mm = abs(segmented.mismatch.shift_lps_mm[2])
    raised = {flag.code: flag.sentence for flag in found.flags}
    assert ("PET_CT_MISMATCH" in raised) == (shift_mm > limit_mm)
    assert "PET_CT_MISMATCH_UNKNOWN" not in raised


def test_a_liver_that_the_pet_cuts_is_followed_on_the_ct():
    spec = preset("clean", 4, "small")
    cut = spec.model_copy(update={"scanner": spec.scanner.model_copy(update={"pet_top_mm": 45.0})})
    study = make_phantom(cut)
    found = segment_study(study_volumes(study), CONFIG)
    assert dice(found.liver.labels.mask, study.liver.mask) > 0.85
    beyond = study.pet.geometry.corners_lps_mm()[:, 2].max()
    height = study.ct.geometry.origin_lps_mm[2] + np.arange(study.ct.geometry.shape[0]) * 5.0
    above = study.liver.mask[height > beyond + 5.0]
    assert above.sum() > 0.1 * study.liver.mask.sum()
    assert np.count_nonzero(found.liver.labels.mask[height > beyond + 5.0] & above) > 0.7 * above.sum()
