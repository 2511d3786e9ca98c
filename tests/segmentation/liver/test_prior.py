"""What a voxel's own uptake and density say about liver."""

import numpy as np

from dotaliver.config.segmentation import LiverConfig
from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import Quantity, Volume
from dotaliver.segmentation.coarse import CoarseImages
from dotaliver.segmentation.liver.parenchyma import NormalLiver
from dotaliver.segmentation.liver.prior import prior_probability

GRID = Geometry((12, 12, 12), (0.0,) * 3, (4.0,) * 3, ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)))
LIVER = NormalLiver(5.0, 60.0, 8.0)


def prior(thin):
    """Of a hot plate of one voxel, as dense as liver, in fat: 12 mm hold two parts of fat."""
    hu = np.full(GRID.shape, -100.0, dtype=np.float32)
    hu[:, 6] = 55.0
    uptake = np.full(GRID.shape, 10.0, dtype=np.float32)
    images = CoarseImages(GRID, hu, uptake, Volume(uptake, GRID, Quantity.SUVBW))
    return prior_probability(images, LIVER, uptake, uptake, np.full(GRID.shape, thin), LiverConfig())


def test_fat_around_a_thin_part_does_not_count_as_its_density():
    assert (prior(thin=True)[:, 6] > 0.8).all()
    assert (prior(thin=False)[:, 6] < 0.7).all()


def test_muscle_warmed_by_the_blur_of_tumour_is_not_read_as_tumour():
    """Below half of the step between both, it is held to the density of liver though as warm as a faint lesion."""
    uptake = np.full(GRID.shape, 1.0, dtype=np.float32)
    uptake[:6], uptake[6], uptake[7] = 30.0, 12.0, 8.0
    hu = np.full(GRID.shape, 60.0, dtype=np.float32)
    hu[6:] = 20.0
    images = CoarseImages(GRID, hu, uptake, Volume(uptake, GRID, Quantity.SUVBW))
    found = prior_probability(images, LIVER, uptake, uptake, np.zeros(GRID.shape, dtype=bool), LiverConfig())
    assert (found[:5] > 0.8).all()
    assert (found[7] < 0.02).all()


def test_fat_stays_fat():
    assert (prior(thin=True)[:, 0] < 0.1).all()
