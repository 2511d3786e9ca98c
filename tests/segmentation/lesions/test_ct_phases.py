"""Focal lesions on two CTs: what both show is one, and the better CT says what could be seen."""

import numpy as np
import pytest
import SimpleITK as sitk

from dotaliver.config.ct import CtFociConfig
from dotaliver.image.geometry import Geometry
from dotaliver.image.registration import Pose
from dotaliver.image.volume import LabelMap, Quantity, Volume
from dotaliver.records.masks import CtSearch, FocusFinding
from dotaliver.segmentation.lesions.ct_phases import find_on_second_ct, merge_phases

GRID = Geometry((20, 40, 40), (0.0, 0.0, 0.0), (2.0, 2.0, 2.0), ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)))
CONFIG = CtFociConfig()


def labelled(*corners):
    labels = np.zeros(GRID.shape, np.uint16)
    for number, (k, j, i) in enumerate(corners, start=901):
        labels[k : k + 4, j : j + 4, i : i + 4] = number
    return LabelMap(labels, GRID)


def search(contrast, *suspicions):
    foci = {
        n: FocusFinding(contrast_hu=-20.0, noise_sds=6.0, suspicion=value)
        for n, value in enumerate(suspicions, start=901)
    }
    return CtSearch(diameter_mm=15.0, liver_hu=100.0, noise_hu=9.0, visible_contrast_hu=contrast, foci=foci)


def test_foci_of_both_phases_are_numbered_once_from_the_feet_up():
    first = labelled((10, 10, 10)), search(18.0, 0.6)
    second = labelled((2, 20, 20), (11, 11, 11)), search(12.0, 0.7, 0.9)
    labels, merged = merge_phases(first, second, CONFIG)
    assert labels.labels == (901, 902) == tuple(merged.foci)
    assert merged.foci[901].images == ("recist_image",)
    assert merged.foci[902].images == ("ct", "recist_image")
    assert merged.foci[902].suspicion == 0.9
    np.testing.assert_array_equal(labels.where(902), second[0].where(902))


@pytest.mark.parametrize(
    ("first", "second", "image"), [(18.0, 12.0, "recist_image"), (12.0, 18.0, "ct"), (None, 18.0, "recist_image")]
)
def test_what_could_be_seen_is_said_of_the_better_ct(first, second, image):
    _, merged = merge_phases((labelled(), search(first)), (labelled(), search(second)), CONFIG)
    assert (merged.visible_contrast_hu, merged.image) == (min(x for x in (first, second) if x), image)


def test_a_lesion_on_a_displaced_second_ct_is_brought_to_the_place_on_the_first():
    grid = Geometry((40, 70, 70), (0.0, 0.0, 0.0), (3.0, 2.0, 2.0), GRID.directions)
    places = grid.index_to_lps(np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), axis=-1))
    middle, shift = np.array(grid.centre_lps_mm), np.array([6.0, -4.0, 9.0])
    liver = np.linalg.norm(places - middle, axis=-1) < 50
    lesion = np.linalg.norm(places - middle - (10, 5, 0), axis=-1) < 9
    hu = np.where(liver, 105.0, -90.0) - 35.0 * lesion
    noise = np.random.default_rng(1).normal(0, 8, grid.shape)
    second = Volume((hu + noise).astype(np.float32), grid.moved(tuple(-shift)), Quantity.HU)
    pose = Pose(sitk.TranslationTransform(3, tuple(map(float, shift))), 1.0)
    quick = CONFIG.model_copy(update={"inserted_places": 10, "inserted_contrasts_hu": (20.0,)})
    labels, found = find_on_second_ct(second, (LabelMap(liver.astype(np.uint8), grid), None), pose, quick)
    assert tuple(found.foci) == labels.labels == (901,)
    overlap = np.count_nonzero(labels.mask & lesion) / np.count_nonzero(labels.mask | lesion)
    assert overlap > 0.5
