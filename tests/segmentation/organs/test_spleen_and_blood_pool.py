"""Spleen and blood pool on phantoms whose uptake is known, and what is said where they cannot be told."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.image.itk import resample_labels
from dotaliver.image.volume import Quantity, Volume
from dotaliver.phantom.presets import preset
from dotaliver.phantom.study import make_phantom, study_volumes
from dotaliver.phantom.tissues import Tissue
from dotaliver.segmentation.coarse import coarse_images
from dotaliver.segmentation.organs.blood_pool import find_aorta, find_blood_pool
from dotaliver.segmentation.organs.spleen import find_spleen_reference
from dotaliver.segmentation.organs.surroundings import survey

CONFIG = ScoringConfig()


@cache
def made(seed, spleen=True):
    spec = preset("clean", seed, "small")
    neighbours = spec.neighbours.model_copy(update={"spleen": spleen})
    study = make_phantom(spec.model_copy(update={"neighbours": neighbours}))
    return study, study_volumes(study)


def spleen_of(study, images, around):
    liver = resample_labels(study.liver, images.geometry).mask
    truth = study.truth
    return find_spleen_reference(images, around, liver, truth.liver_suv, truth.pet_shift_lps_mm, CONFIG.spleen)


def mean_in_sphere(pet, region):
    index = np.argwhere(np.ones(pet.geometry.shape, dtype=bool))
    away = np.linalg.norm(pet.geometry.index_to_lps(index) - np.asarray(region.centre_lps_mm), axis=1)
    return float(pet.array.ravel()[away <= region.diameter_mm / 2].mean())


@pytest.mark.parametrize("seed", [1, 2])
def test_the_sphere_lies_in_the_spleen_and_reads_its_uptake(seed):
    study, volumes = made(seed)
    images = coarse_images(volumes.pet, volumes.ct, 4.0)
    region = spleen_of(study, images, survey(images))
    assert region.method in {"sphere", "small_sphere"}
    on_ct = np.asarray(region.centre_lps_mm) - np.asarray(study.truth.pet_shift_lps_mm)
    index = tuple(np.round(study.organs.geometry.lps_to_index(on_ct)).astype(int))
    assert study.organs.array[index] == Tissue.SPLEEN
    assert mean_in_sphere(volumes.pet, region) == pytest.approx(study.truth.organ_suv["spleen"], rel=0.05)


def test_the_sphere_never_leaves_a_pet_that_ends_in_the_spleen():
    study, volumes = made(1)
    whole = spleen_of(study, (images := coarse_images(volumes.pet, volumes.ct, 4.0)), survey(images))
    grid = volumes.pet.geometry
    height = grid.origin_lps_mm[2] + grid.spacing_mm[0] * np.arange(grid.shape[0])
    count = int(np.searchsorted(height, whole.centre_lps_mm[2] + 6.0))
    pet = volumes.pet.crop((slice(0, count), slice(None), slice(None)))
    images = coarse_images(pet, volumes.ct, 4.0)
    region = spleen_of(study, images, survey(images))
    if region.centre_lps_mm is not None:
        assert region.centre_lps_mm[2] + region.diameter_mm / 2 <= pet.geometry.corners_lps_mm()[:, 2].max() + 1e-6


def test_after_a_splenectomy_there_is_none_and_the_kidney_is_not_taken():
    study, volumes = made(1, spleen=False)
    images = coarse_images(volumes.pet, volumes.ct, 4.0)
    region = spleen_of(study, images, survey(images))
    assert region.method == "none"
    assert "splenectomy" in region.reason


def test_a_spleen_no_hotter_than_the_liver_is_not_guessed():
    study, volumes = made(1)
    images = coarse_images(volumes.pet, volumes.ct, 4.0)
    liver = resample_labels(study.liver, images.geometry).mask
    region = find_spleen_reference(images, survey(images), liver, 40.0, (0.0, 0.0, 0.0), CONFIG.spleen)
    assert region.method == "none"


def test_without_a_ct_or_the_left_lung_the_spleen_is_not_told_from_the_kidney():
    study, volumes = made(1)
    images = coarse_images(volumes.pet, volumes.ct, 4.0)
    around = survey(images)
    blind = replace(around, lungs=np.zeros_like(around.lungs))
    assert "left lung" in spleen_of(study, images, blind).reason
    assert "no CT" in spleen_of(study, replace(images, hu=None), around).reason


@pytest.mark.parametrize("seed", [1, 2])
def test_blood_is_read_in_the_aorta(seed):
    study, volumes = made(seed)
    images = coarse_images(volumes.pet, volumes.ct, 4.0)
    region = find_blood_pool(volumes.ct, volumes.pet, images, survey(images), CONFIG.blood_pool)
    assert region.method == "organ"
    places = region.region.geometry.index_to_lps(np.argwhere(region.region.mask))
    index = tuple(np.round(study.organs.geometry.lps_to_index(places)).astype(int).T)
    assert np.mean(study.organs.array[index] == Tissue.AORTA) > 0.8
    mean = float(volumes.pet.array[region.region.mask].mean())
    assert mean == pytest.approx(study.truth.organ_suv["aorta"], rel=0.12)


def test_hot_neighbours_along_the_whole_aorta_leave_no_blood_pool():
    _, volumes = made(1)
    images = coarse_images(volumes.pet, volumes.ct, 4.0)
    around = survey(images)
    path = find_aorta(volumes.ct, images, around, CONFIG.blood_pool)
    beside = path.points_lps_mm + np.array([12.0, 0.0, 0.0])
    index = np.round(volumes.pet.geometry.lps_to_index(beside)).astype(int)
    hot = volumes.pet.array.copy()
    for level, row, column in index:
        hot[max(level - 1, 0) : level + 2, row, column] = 30.0
    pet = volumes.pet.with_array(hot)
    region = find_blood_pool(volumes.ct, pet, images, around, CONFIG.blood_pool)
    assert region.method == "none"
    assert "hot neighbours" in region.reason


def test_a_ct_without_a_vessel_gives_no_aorta():
    _, volumes = made(1)
    images = coarse_images(volumes.pet, volumes.ct, 4.0)
    noise = np.random.default_rng(0).normal(-90, 10, volumes.ct.geometry.shape).astype(np.float32)
    flat = Volume(noise, volumes.ct.geometry, Quantity.HU)
    assert find_aorta(flat, images, survey(images), CONFIG.blood_pool) is None
