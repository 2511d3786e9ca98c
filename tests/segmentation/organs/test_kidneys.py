"""Kidneys against the liver: hot cortex around a cold middle, in any phase of contrast agent."""

import zlib

import numpy as np
import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.image.filters import box_mean
from dotaliver.image.itk import resample_labels
from dotaliver.image.morphology import dilated
from dotaliver.image.volume import LabelMap
from dotaliver.phantom.families import family_spec
from dotaliver.phantom.study import make_phantom, study_volumes
from dotaliver.phantom.tissues import Tissue
from dotaliver.segmentation.coarse import coarse_of
from dotaliver.segmentation.liver.core import find_core
from dotaliver.segmentation.organs.kidney_pair import mirror_image
from dotaliver.segmentation.organs.kidneys import _hot_beside_cortex, find_kidneys
from dotaliver.segmentation.organs.surroundings import survey

CONFIG = ScoringConfig()
RENAL = (Tissue.KIDNEY_CORTEX, Tissue.KIDNEY_MEDULLA, Tissue.RENAL_SINUS)
STUDIES = [
    ("kidney_indenting", 5),
    ("kidney_low_dose", 4),
    ("kidney_and_tumour", 3),
]


class Scene:
    """A phantom on the coarse grid, with the kidneys found in it."""

    def __init__(self, spec):
        study = make_phantom(spec)
        self.images = coarse_of(study_volumes(study), CONFIG.liver.coarse_mm)
        self.around = survey(self.images)
        core = find_core(self.images, self.around, CONFIG.liver)
        self.uptake = self.images.uptake_moved(study.truth.pet_shift_lps_mm)
        self.liver_hu, self.liver_uptake = core.normal.hu, core.normal.uptake
        kidneys = np.isin(study.organs.array, RENAL).astype(np.uint8)
        self.kidneys = self.on_grid(LabelMap(kidneys, study.organs.geometry))
        self.liver, self.lesions = self.on_grid(study.liver), self.on_grid(study.lesions)
        self.right = np.broadcast_to(self.around.right, self.kidneys.shape)
        self.found = find_kidneys(self.images, self.around, self.uptake, self.liver_hu, self.liver_uptake)

    def on_grid(self, labels):
        return resample_labels(labels, self.images.geometry).mask

    def ml(self, mask):
        return float(mask.sum()) * self.images.voxel_ml


def small(family, number):
    return family_spec(family, zlib.crc32(family.encode()) % 100_000 * 10 + number, "small")


@pytest.fixture(scope="module", params=STUDIES, ids=lambda study: study[0])
def scene(request):
    return Scene(small(*request.param))


def test_the_right_kidney_is_found_where_it_lies_against_the_liver(scene):
    found, true = scene.found & scene.right, scene.kidneys & scene.right
    assert scene.ml(found & true) > 0.3 * scene.ml(true)


def test_liver_and_its_tumours_next_to_a_kidney_are_not_taken_for_kidney(scene):
    taken = scene.found & scene.liver & ~scene.kidneys
    # A rim of one voxel of 4 mm over the surface that they share
    assert scene.ml(taken) < 0.2 * scene.ml(scene.kidneys & scene.right)
    assert scene.ml(scene.found & scene.lesions) < 0.3 * scene.ml(scene.lesions)


def test_the_mirror_image_of_the_left_kidney_fits_the_right_one(scene):
    left, right = scene.kidneys & ~scene.right, scene.kidneys & scene.right
    fit = mirror_image(scene.images, scene.around, scene.uptake, left, scene.liver_uptake)
    assert fit.difference < 0.5
    assert scene.ml(fit.mask & right) > 0.4 * min(scene.ml(fit.mask), scene.ml(right))


def test_on_a_plain_ct_what_is_as_dense_as_liver_is_no_kidney_however_warm_the_blur_makes_it():
    plain = Scene(small("kidney_low_dose", 0))
    warm = dilated(plain.kidneys & plain.right, times=4) & plain.liver & ~plain.kidneys
    uptake = plain.uptake.copy()
    uptake[warm] = 0.85 * np.percentile(uptake[plain.kidneys], 75)
    found = find_kidneys(plain.images, plain.around, uptake, plain.liver_hu, plain.liver_uptake)
    as_dense = box_mean(plain.images.hu) > plain.liver_hu - 8.0
    assert plain.ml(warm & as_dense) > 40.0
    assert plain.ml(found & warm & as_dense) < 2.0


def test_hot_tissue_is_no_kidney_where_it_is_not_dense_unless_dense_cortex_encloses_it():
    """The medulla of the arterial phase has the density of liver, and the blur of the cortex makes it hot."""
    z, y, x = np.indices((20, 30, 40)) * 4.0
    kidney = np.hypot(np.hypot(z - 40.0, y - 60.0), x - 60.0) < 30.0
    medulla = np.hypot(np.hypot(z - 40.0, y - 60.0), x - 60.0) < 18.0
    tumour = np.hypot(np.hypot(z - 40.0, y - 60.0), x - 115.0) < 18.0
    found = _hot_beside_cortex(kidney | tumour, kidney & ~medulla, 4.0)
    assert found[tumour].all()
    assert not found[kidney].any()


def test_a_spleen_beside_the_left_kidney_does_not_stand_for_it_though_its_mirror_image_fits_the_liver_well():
    scene = Scene(family_spec("patient_small", 27_821_383))
    # The uptake in its own place, some millimetres above that of the CT
    found = find_kidneys(scene.images, scene.around, scene.images.uptake, scene.liver_hu, scene.liver_uptake)
    assert scene.ml(found & scene.liver) < 5.0
    assert scene.ml(found & scene.kidneys & ~scene.right) > 0.7 * scene.ml(scene.kidneys & ~scene.right)
