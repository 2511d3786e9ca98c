"""A lesion outlined from a click on the PET, at the edge of its uptake and at other levels."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from dotaliver.config.segmentation import LesionConfig
from dotaliver.errors import MaskError
from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import Quantity, Volume
from dotaliver.segmentation.editing.level_outline import place_on_pet

GRID = Geometry((40, 50, 50), (0.0, 0.0, 0.0), (2.0, 2.0, 2.0), ((0, 0, 1), (0, 1, 0), (1, 0, 0)))
NORMAL, HOT = 5.0, 25.0
RADIUS_MM, SIGMA_MM = 12.0, float(np.hypot(6.0, LesionConfig().edge_fwhm_mm)) / 2.3548
# A blurred ball reaches half its step at r - sigma² / r (the curvature of its surface): the edge rule's own limit.
SEEN_ML = 4.0 / 3.0 * np.pi * (RADIUS_MM - SIGMA_MM**2 / RADIUS_MM) ** 3 / 1000.0
NOTHING = np.zeros(GRID.shape, dtype=bool)


def ball(centre, radius_mm) -> np.ndarray:
    k, j, i = np.meshgrid(*(np.arange(n) for n in GRID.shape), indexing="ij")
    places = GRID.index_to_lps(np.stack([k, j, i], axis=-1))
    return np.linalg.norm(places - np.asarray(centre), axis=-1) <= radius_mm


LESION, NEIGHBOUR = ball((40, 50, 40), RADIUS_MM), ball((72, 50, 40), 9.0)
ACTIVITY = np.where(LESION | NEIGHBOUR, HOT, NORMAL).astype(np.float32)
PET = Volume(gaussian_filter(ACTIVITY, 6.0 / 2.3548 / 2.0), GRID, Quantity.SUVBW)


def on_grid(found, level=0.5) -> np.ndarray:
    whole = NOTHING.copy()
    whole[found.box] = found.outline(level)
    return whole


def volume_ml(mask) -> float:
    return float(mask.sum()) * GRID.voxel_volume_ml


@pytest.mark.parametrize("normal", [NORMAL, None])
@pytest.mark.parametrize("place", [(40.0, 50.0, 40.0), (44.0, 47.0, 38.0)])
def test_a_click_outlines_the_lesion_at_its_edge(place, normal):
    found = place_on_pet(PET, place, NOTHING, normal, LesionConfig())
    mask = on_grid(found)
    assert volume_ml(mask) == pytest.approx(SEEN_ML, rel=0.08)
    assert not (mask & NEIGHBOUR).any()
    # Half the step from 5 to about 25 is 15, and that is 60 % of the maximum.
    assert found.surroundings == pytest.approx(NORMAL, rel=0.05)
    assert found.percent_of_maximum() == pytest.approx(60.0, abs=2.0)


def test_a_higher_level_gives_a_smaller_outline_inside_the_larger_one():
    found = place_on_pet(PET, (40.0, 50.0, 40.0), NOTHING, NORMAL, LesionConfig())
    masks = [on_grid(found, level) for level in (0.3, 0.4, 0.5, 0.6, 0.7)]
    for wide, narrow in pairwise(masks):
        assert not (narrow & ~wide).any()
    assert volume_ml(masks[0]) > 1.2 * volume_ml(masks[-1])
    assert found.percent_of_maximum(0.3) < found.percent_of_maximum(0.5) < 100.0


def test_other_lesions_keep_their_voxels():
    taken = ball((44, 50, 40), 4.0)
    mask = on_grid(place_on_pet(PET, (34.0, 50.0, 40.0), taken, NORMAL, LesionConfig()))
    assert not (mask & taken).any()
    with pytest.raises(MaskError, match="another lesion is there"):
        place_on_pet(PET, (72.0, 50.0, 40.0), NEIGHBOUR, NORMAL, LesionConfig())


@pytest.mark.parametrize(("place", "words"), [((40.0, 50.0, 900.0), "outside the PET"), ((10.0, 10.0, 70.0), "rise")])
def test_a_place_without_a_focus_is_refused(place, words):
    with pytest.raises(MaskError, match=words):
        place_on_pet(PET, place, NOTHING, NORMAL, LesionConfig())


def test_at_the_capsule_the_edge_is_half_the_maximum():
    cold = ACTIVITY.copy()
    cold[:, :, 20:] = 0.2
    pet = Volume(gaussian_filter(np.where(LESION, HOT, cold), 6.0 / 2.3548 / 2.0), GRID, Quantity.SUVBW)
    border = NOTHING.copy()
    border[:, :, 17:] = True
    without = place_on_pet(pet, (38.0, 50.0, 40.0), NOTHING, NORMAL, LesionConfig())
    at_border = place_on_pet(pet, (38.0, 50.0, 40.0), NOTHING, NORMAL, LesionConfig(), border)
    before, after = volume_ml(on_grid(without)), volume_ml(on_grid(at_border))
    assert before < after < 1.03 * volume_ml(LESION)
    assert abs(after - volume_ml(LESION)) < 0.6 * abs(before - volume_ml(LESION))
