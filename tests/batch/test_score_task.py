"""What a batch makes of one score."""

from types import SimpleNamespace

import numpy as np

from dotaliver.batch.score_task import _thumbnail
from dotaliver.image.lazy import lazy_planes
from dotaliver.image.volume import Quantity, Volume
from fixtures.arrays import grid


def test_the_picture_of_a_pet_that_is_read_in_parts_is_that_of_the_pet():
    uptake = np.random.default_rng(1).gamma(2.0, 1.5, (40, 24, 20)).astype(np.float32)
    whole = Volume(uptake, grid(uptake.shape), Quantity.SUVBW)
    parts = lazy_planes(uptake.__getitem__, np.float32, whole.geometry, Quantity.SUVBW)

    def picture(pet):
        opened = SimpleNamespace(volumes=SimpleNamespace(pet=pet))
        return _thumbnail(SimpleNamespace(opened=opened, score=SimpleNamespace(references={})))

    assert picture(whole).startswith(b"\x89PNG")
    assert picture(parts) == picture(whole)
