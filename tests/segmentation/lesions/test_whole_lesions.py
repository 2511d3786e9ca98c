"""One necrotic lesion is one label, and no label has an island elsewhere."""

import numpy as np
import pytest

from dotaliver.config.segmentation import LesionConfig
from dotaliver.image.geometry import Geometry
from dotaliver.segmentation.lesions.pet_lesions import find_lesions
from dotaliver.segmentation.lesions.whole_lesions import with_slivers_joined, without_islands
from fixtures.segmentations import MIDDLE, NORMAL, ball, liver, pet, with_lesions

CUBE = Geometry(
    (24, 24, 24), (0.0, 0.0, 0.0), (3.0, 3.0, 3.0), ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)), "1"
)


def shell():
    """A rim of 6 mm around a core of 15 mm radius, in three labels: a C and two slivers; and a lesion apart."""
    z, y, x = np.meshgrid(*[np.arange(24) - 12.0] * 3, indexing="ij")
    radius, angle = np.sqrt(x * x + y * y + z * z), np.arctan2(y, x)
    core = radius < 5
    rim = (radius < 7) & ~core
    owners = np.where(rim, 1, 0).astype(np.int32)
    owners[rim & (np.abs(angle - 0.4) < 0.4)] = 2
    owners[rim & (np.abs(angle + 0.4) < 0.4)] = 3
    return owners, core


def test_slivers_of_a_rim_join_the_lesion_whose_core_they_enclose():
    owners, core = shell()
    joined = with_slivers_joined(owners, core, CUBE)
    assert set(np.unique(joined)) == {0, 1}
    assert np.array_equal(joined > 0, owners > 0)


def test_half_of_a_thick_rim_joins_the_other_half():
    z, y, x = np.meshgrid(*[np.arange(24) - 12.0] * 3, indexing="ij")
    radius = np.sqrt(x * x + y * y + z * z)
    core = radius < 4
    rim = (radius < 8) & ~core
    owners = np.where(rim, np.where(x > 0, 1, 2), 0).astype(np.int32)
    assert len(np.unique(with_slivers_joined(owners, core, CUBE)[rim])) == 1


def test_a_solid_lesion_that_touches_a_core_stays_a_lesion_of_its_own():
    owners, core = shell()
    owners[8:16, 8:16, 16:24] = 4
    joined = with_slivers_joined(owners, core & (owners == 0), CUBE)
    assert (joined[8:16, 8:16, 17:24] == 4).all()


def test_islands_go_to_the_lesion_that_they_touch_and_lone_ones_to_none():
    owners = np.zeros((24, 24, 24), dtype=np.int32)
    owners[2:8, 2:8, 2:8] = 1
    owners[12:20, 12:20, 12:20] = 2
    owners[15, 15, 11] = 1
    owners[22, 2, 2] = 2
    tidy = without_islands(owners, 0.15, CUBE)
    assert tidy[15, 15, 11] == 2
    assert tidy[22, 2, 2] == 0
    assert (tidy == 1).sum() == 6**3


@pytest.mark.parametrize("seed", range(2))
def test_an_uneven_necrotic_rim_is_one_lesion(seed):
    rim = [((0.0, 0.0, 0.0), 26.0, 3 * NORMAL), ((0.0, 0.0, 0.0), 17.0, 0.3)]
    activity = with_lesions(rim)
    # Where the rim is thin, its uptake has a deep saddle
    for place in ((21.0, 6.0, 0.0), (21.0, -12.0, 0.0), (8.0, 20.0, 0.0)):
        thin = ball(np.asarray(place) + MIDDLE, 5.0)
        activity = activity * (1 - thin) + 1.1 * NORMAL * thin
    labels, _ = find_lesions(pet(activity, 0.1, seed), liver().astype(np.float32), NORMAL, LesionConfig())
    assert labels.max() == 1
