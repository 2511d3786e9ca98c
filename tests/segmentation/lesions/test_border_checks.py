from dataclasses import replace

import numpy as np
import pytest

from dotaliver.config.ct import CtLesionConfig
from dotaliver.segmentation.lesions.border_checks import (
    require_agreement,
    require_believable,
    require_more_than_core,
    require_one_density,
)
from dotaliver.segmentation.lesions.ct_site import NotSeenError
from dotaliver.segmentation.lesions.star_surface import direction_grid
from fixtures.borders import ball, noisy_ball

CONFIG = CtLesionConfig()


@pytest.fixture(scope="module")
def seen():
    """The border of a ball of 10 mm in noise, fitted once; tests change what it is compared with."""
    return noisy_ball(CONFIG)


def test_a_core_is_not_measured_where_the_uptake_reaches_far_beyond_it(seen):
    border = ball(seen, 10.0)
    inner = border.rays.distance_mm < 5.0
    with_core = replace(border, rays=replace(border.rays, hu=np.where(inner, 10.0, border.rays.hu)))
    require_more_than_core(with_core, CONFIG)
    # A rim of 4 mm beyond the border, as dense as liver: (10/14)³ = 36 % of the uptake lies within the border
    farther = np.broadcast_to(border.rays.distance_mm < 14.0, border.rays.uptake.shape)
    with pytest.raises(NotSeenError, match="the CT shows its core"):
        require_more_than_core(replace(with_core, rays=replace(with_core.rays, uptake=farther)), CONFIG)
    require_more_than_core(replace(border, rays=replace(border.rays, uptake=farther)), CONFIG)


@pytest.mark.parametrize(
    ("radius", "uptake_radius", "known", "accepted"),
    [(6.0, 4.6, 0.95, True), (6.0, 4.6, 0.85, False), (6.5, 4.6, 0.95, False), (13.5, 10.0, 0.95, False)],
)
def test_a_small_lesion_known_all_around_may_exceed_its_uptake_by_a_millimetre_and_a_half(
    seen, radius, uptake_radius, known, accepted
):
    border = ball(seen, radius)
    mean = np.zeros_like(border.prior.mean)
    mean[0] = uptake_radius
    border = replace(border, prior=replace(border.prior, mean=mean))
    if accepted:
        require_agreement(border, known, CONFIG.least_seen_share, CONFIG)
        return
    with pytest.raises(NotSeenError, match="times the radius of its uptake"):
        require_agreement(border, known, CONFIG.least_seen_share, CONFIG)


@pytest.mark.parametrize(
    ("radius", "contrast_sd", "parts", "accepted"),
    [
        (6.0, 3.0, 0.35, True),
        (6.0, 1.8, 0.35, False),
        (6.0, 1.2, 0.35, False),
        (13.0, 3.0, 0.35, False),
        (13.0, 3.0, 0.65, True),
        (13.0, 1.8, 0.65, False),
    ],
)
def test_parts_of_a_lesion_may_be_fainter_where_its_step_is_sure(seen, radius, contrast_sd, parts, accepted):
    border = ball(seen, radius, contrast_sd=contrast_sd, parts=parts)
    if accepted:
        require_one_density(border, CONFIG)
        return
    with pytest.raises(NotSeenError, match="is not one"):
        require_one_density(border, CONFIG)


@pytest.mark.parametrize(
    ("radius", "contrast_sd", "sure", "accepted"),
    [(14.0, 0.8, True, True), (14.0, 0.8, False, False), (5.0, 0.8, True, False), (14.0, 0.1, True, False)],
)
def test_a_large_lesion_may_differ_by_less_than_noise_where_all_signs_are_good(
    seen, radius, contrast_sd, sure, accepted
):
    border = ball(seen, radius, contrast_sd=contrast_sd, parts=0.6)
    if accepted:
        require_believable(border, CONFIG, sure=sure)
        return
    with pytest.raises(NotSeenError, match="does not stand out"):
        require_believable(border, CONFIG, sure=sure)


@pytest.mark.parametrize(("share", "accepted"), [(0.05, True), (0.15, False)])
def test_a_border_that_faces_other_lesions_over_a_tenth_of_it_is_confluent_disease(seen, share, accepted):
    border = ball(seen, 10.0)
    # A cap around an axis takes this share of all directions.
    facing = direction_grid().unit[:, 0] > 1 - 2 * share
    foreign = np.broadcast_to(facing[:, None], border.rays.foreign.shape).astype(float)
    border = replace(border, rays=replace(border.rays, foreign=foreign))
    if accepted:
        require_agreement(border, 1.0, CONFIG.least_seen_share, CONFIG)
        return
    with pytest.raises(NotSeenError, match="lies against other lesions"):
        require_agreement(border, 1.0, CONFIG.least_seen_share, CONFIG)
