from dataclasses import replace

import numpy as np
import pytest

from dotaliver.config.ct import CtLesionConfig
from dotaliver.segmentation.lesions.border_signs import (
    half_interval_mm,
    require_sure_size,
    signs_of,
    where_neighbours_show,
)
from dotaliver.segmentation.lesions.ct_site import NotSeenError
from dotaliver.segmentation.lesions.star_surface import direction_grid
from fixtures.borders import ball, noisy_ball

CONFIG = CtLesionConfig()


@pytest.fixture(scope="module")
def seen():
    """The border of a ball of 10 mm in noise, fitted once; tests change what it is compared with."""
    return noisy_ball(CONFIG)


def with_rays(border, **changed):
    return replace(border, rays=replace(border.rays, **changed))


def reaching(border, radius_mm):
    """The border with uptake to a radius."""
    return with_rays(border, uptake=np.broadcast_to(border.rays.distance_mm < radius_mm, border.rays.uptake.shape))


def facing_another(border, share):
    """The border with another lesion on this share of it."""
    facing = direction_grid().unit[:, 0] > 1 - 2 * share
    return with_rays(border, foreign=np.broadcast_to(facing[:, None], border.rays.foreign.shape).astype(float))


def elongated(border, ratio):
    """The same along rays, with an ellipsoid as its border, longer by this ratio along the columns."""
    x = direction_grid().unit[:, 2]
    radii = border.fit.coefficients[0] / np.sqrt(1 - x**2 * (1 - 1 / ratio**2))
    coefficients = (direction_grid().weights * radii) @ direction_grid().basis
    return replace(border, fit=replace(border.fit, coefficients=coefficients))


def along_columns(border, degrees):
    return np.abs(direction_grid().unit[:, 2]) > np.cos(np.radians(degrees))


def test_a_ball_that_shows_all_around_has_no_sign_of_a_wrong_diameter(seen):
    signs = signs_of(ball(seen, 10.0), CONFIG)
    assert signs.size_mm == pytest.approx(20.0, abs=0.5)
    assert signs.left_out == pytest.approx(0.0, abs=0.01)
    assert (signs.shared, signs.unknown) == (0.0, pytest.approx(0.0, abs=1e-9))
    assert signs.end_step == pytest.approx(1.0, abs=0.05)
    assert signs.filled == pytest.approx(1.0, abs=0.05)
    assert signs.long == pytest.approx(1.0, abs=0.03)


def test_signs_are_shares_that_geometry_gives(seen):
    border = ball(seen, 10.0)
    # Of a ball of 12 mm, 1 - (10/12)³ lies outside of one of 10 mm
    assert signs_of(reaching(border, 12.0), CONFIG).left_out == pytest.approx(1 - (10 / 12) ** 3, abs=0.02)
    assert signs_of(facing_another(border, 0.2), CONFIG).shared == pytest.approx(0.2, abs=0.03)
    # An ellipsoid of revolution, 1.5 times as long: its mean radius by quadrature
    mean = np.mean(1 / np.sqrt(1 - np.linspace(0, 1, 2001) ** 2 * (1 - 1 / 1.5**2)))
    assert signs_of(elongated(border, 1.5), CONFIG).long == pytest.approx(1.5 / mean, abs=0.05)


def test_a_diameter_whose_end_does_not_show_is_known_by_that_end(seen):
    border = elongated(ball(seen, 10.0), 1.2)
    radii = border.radii_mm[:, None]
    clear = with_rays(border, hu=np.where(border.rays.distance_mm < radii, 60.0, 100.0))
    one_end = along_columns(border, 40) & (direction_grid().unit[:, 2] > 0)
    hidden = with_rays(clear, hu=np.where(one_end[:, None], 60.0, clear.rays.hu))
    assert signs_of(clear, CONFIG).end_step == pytest.approx(1.0, abs=0.05)
    assert signs_of(hidden, CONFIG).end_step == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize(
    "doubtful",
    [
        lambda border: reaching(border, 12.0),
        lambda border: facing_another(border, 0.08),
        lambda border: elongated(border, 1.4),
        lambda border: ball(border, 10.0, parts=0.4),
    ],
)
def test_the_interval_is_wider_where_something_speaks_against_a_border(seen, doubtful):
    border = ball(seen, 10.0)
    clear, other = signs_of(border, CONFIG), signs_of(doubtful(border), CONFIG)
    assert half_interval_mm(other, CONFIG) / other.size_mm > 1.05 * half_interval_mm(clear, CONFIG) / clear.size_mm


def test_a_neighbour_that_the_ct_itself_tells_apart_makes_the_interval_no_wider(seen):
    told_apart = where_neighbours_show(CONFIG)
    alone, beside = signs_of(ball(seen, 10.0), CONFIG), signs_of(facing_another(ball(seen, 10.0), 0.08), CONFIG)
    assert half_interval_mm(replace(alone, shared=beside.shared), CONFIG) > 1.05 * half_interval_mm(alone, CONFIG)
    assert half_interval_mm(replace(alone, shared=beside.shared), told_apart) == half_interval_mm(alone, CONFIG)


def test_the_interval_is_wider_in_noise(seen):
    calm, loud = (signs_of(border, CONFIG) for border in (seen, noisy_ball(CONFIG, 30.0)))
    assert half_interval_mm(loud, CONFIG) > 1.3 * half_interval_mm(calm, CONFIG)


def test_the_interval_scales_with_the_diameter(seen):
    signs = signs_of(seen, CONFIG)
    larger = replace(signs, size_mm=3 * signs.size_mm)
    assert half_interval_mm(larger, CONFIG) == pytest.approx(3 * half_interval_mm(signs, CONFIG))


# The tolerance is 2 mm up to 20 mm, a tenth from there on
@pytest.mark.parametrize(("size", "tolerance"), [(10.0, 2.0), (20.0, 2.0), (50.0, 5.0)])
def test_a_diameter_whose_interval_is_many_times_the_tolerance_is_none(seen, size, tolerance):
    signs = replace(signs_of(seen, CONFIG), size_mm=size)
    limit = CONFIG.widest_tolerances * tolerance
    require_sure_size(signs, 0.99 * limit, CONFIG)
    with pytest.raises(NotSeenError, match="its size on CT is not sure"):
        require_sure_size(signs, 1.01 * limit, CONFIG)
