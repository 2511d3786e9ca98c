"""The liver's place on the coarse grid, from uptake and density."""

import numpy as np
import pytest

from dotaliver.config.segmentation import LiverConfig
from dotaliver.image.filters import gaussian
from dotaliver.image.geometry import Geometry
from dotaliver.image.morphology import dilated
from dotaliver.image.volume import Quantity, Volume
from dotaliver.segmentation.coarse import CoarseImages
from dotaliver.segmentation.liver.core import LiverCore
from dotaliver.segmentation.liver.parenchyma import NormalLiver
from dotaliver.segmentation.liver.probability import liver_probability
from dotaliver.segmentation.organs.surroundings import Surroundings
from fixtures.surroundings import soft_everywhere

AXIAL = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
GRID = Geometry((40, 48, 60), (-118.0, -94.0, 0.0), (4.0,) * 3, AXIAL)
Z, Y, X = (n * 4.0 for n in np.indices(GRID.shape))
X, Y = X - 118.0, Y - 94.0
LIVER = ((X + 45.0) / 60.0) ** 2 + ((Y + 25.0) / 55.0) ** 2 + ((Z - 80.0) / 60.0) ** 2 < 1
NORMAL, MUSCLE = 5.0, 0.8
BLUR_MM = 2.8  # a FWHM of 6.5 mm


def found_share(tumour, tumour_ratio):
    """Volume found over the true one, in muscle that is hardly less dense than liver."""
    uptake = np.where(LIVER, NORMAL, MUSCLE)
    uptake[tumour & LIVER] = tumour_ratio * NORMAL
    uptake = gaussian(uptake.astype(np.float32), BLUR_MM, GRID)
    noise = np.random.default_rng(1).normal(0.0, 4.0, GRID.shape)
    hu = (np.where(LIVER, 60.0, 50.0) + noise).astype(np.float32)
    around = soft_everywhere(GRID, enhanced=False)
    images = CoarseImages(GRID, hu, uptake, Volume(uptake, GRID, Quantity.SUVBW))
    core = LiverCore((20, 17, 18), NormalLiver(NORMAL, 60.0, 8.0), 2.5 * MUSCLE)
    probability, _ = liver_probability(images, around, core, uptake, LiverConfig())
    return np.count_nonzero(probability > 0.5) / np.count_nonzero(LIVER)


@pytest.fixture(scope="module")
def healthy():
    return found_share(np.zeros(GRID.shape, bool), 1.0)


def test_a_healthy_liver_has_its_size(healthy):
    assert healthy == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("ratio", [3.0, 8.0])
def test_blur_of_tumour_that_fills_the_liver_does_not_swell_it(healthy, ratio):
    tumour = (Y > -60.0) | (Z > 90.0)
    assert found_share(tumour, ratio) == pytest.approx(healthy, abs=0.06)


def test_parenchyma_between_a_hot_focus_and_the_border_stays_liver(healthy):
    focus = (X + 45.0) ** 2 + (Y - 12.0) ** 2 + (Z - 80.0) ** 2 < 10.0**2
    assert found_share(focus, 8.0) == pytest.approx(healthy, abs=0.02)


def test_liver_against_a_kidney_full_of_contrast_agent_is_not_given_to_the_kidney():
    """The kidney found covers 4 mm of the liver all along their border: its density tells them apart."""
    kidney = (np.hypot(np.hypot(X + 45.0, Y - 35.0), Z - 80.0) < 26.0) & ~LIVER
    uptake = gaussian(np.where(kidney, 12.0, np.where(LIVER, NORMAL, MUSCLE)).astype(np.float32), BLUR_MM, GRID)
    hu = np.where(kidney, 190.0, np.where(LIVER, 110.0, 55.0)).astype(np.float32)
    body = np.ones(GRID.shape, dtype=bool)
    lungs, lateral, posterior = np.zeros_like(body), X[0, 0].astype(np.float32), Y[0, :, 0].astype(np.float32)
    around = Surroundings(body, body, lungs, lateral, posterior, enhanced=True)
    images = CoarseImages(GRID, hu, uptake, Volume(uptake, GRID, Quantity.SUVBW))
    core = LiverCore((20, 17, 18), NormalLiver(NORMAL, 110.0, 8.0), 2.0)
    found_too_large = dilated(kidney)
    probability, _ = liver_probability(images, around, core, uptake, LiverConfig(), found_too_large)
    assert (probability[kidney] < 0.5).all()
    assert (probability[found_too_large & LIVER] > 0.5).mean() > 0.8
