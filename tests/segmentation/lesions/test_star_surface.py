import numpy as np
import pytest

from dotaliver.segmentation.lesions.star_surface import StarSurface, direction_grid, harmonics, longest_calipers_mm


def coefficients_of(radius_of_direction):
    grid = direction_grid()
    return (grid.weights * radius_of_direction(grid.unit)) @ grid.basis


def test_the_harmonics_are_orthonormal_over_all_directions():
    grid = direction_grid()
    products = (grid.basis * grid.weights[:, None]).T @ grid.basis
    assert grid.weights.sum() == pytest.approx(1.0)
    assert np.allclose(products, np.eye(len(products)), atol=1e-9)


def test_a_ball_is_drawn_with_its_volume_and_measured_with_its_diameter():
    ball = coefficients_of(lambda unit: np.full(len(unit), 9.0))
    mask = StarSurface(np.array([15.0, 15.0, 15.0]), ball).drawn((31, 31, 31), (1.0, 1.0, 1.0))
    assert np.count_nonzero(mask) == pytest.approx(4 / 3 * np.pi * 9**3, rel=0.02)
    assert longest_calipers_mm(15.0, ball[None], 1.0)[0] == pytest.approx(18.0, abs=0.1)


def test_an_ellipsoid_across_the_slices_is_measured_in_its_slices():
    axes = np.array([8.0, 6.0, 14.0])  # slice, row, column

    def radius(unit):
        return 1 / np.sqrt(((unit / axes) ** 2).sum(axis=1))

    surface = coefficients_of(radius)
    assert longest_calipers_mm(4.0, surface[None], 4.0)[0] == pytest.approx(28.0, rel=0.02)
    # No slice passes through the middle: the nearest lies 2 mm off it.
    expected = 28.0 * np.sqrt(1 - (2 / 8) ** 2)
    assert longest_calipers_mm(4.5, surface[None], 4.0)[0] == pytest.approx(expected, rel=0.02)


def test_a_surface_between_two_slices_has_no_diameter():
    ball = coefficients_of(lambda unit: np.full(len(unit), 2.0))
    assert longest_calipers_mm(4.5, ball[None], 6.0)[0] == 0.0


def test_a_drawn_surface_holds_the_voxels_nearer_than_its_radius_in_their_direction():
    rng = np.random.default_rng(5)
    degrees = direction_grid().degrees
    coefficients = rng.normal(0, 2.0, len(degrees)) / (1.0 + degrees)
    coefficients[0] = 12.0
    spacing, centre, shape = (2.5, 1.0, 1.3), np.array([7.3, 16.1, 12.8]), (15, 33, 27)
    mask = StarSurface(centre, coefficients).drawn(shape, spacing)
    offsets = (np.argwhere(np.ones(shape)) - centre) * np.asarray(spacing)
    distance = np.linalg.norm(offsets, axis=1)
    polar, azimuth = np.arccos(offsets[:, 0] / distance), np.arctan2(offsets[:, 1], offsets[:, 2])
    radius = np.maximum(harmonics(polar, azimuth) @ coefficients, 0.5)
    # Between its nodes the surface is interpolated.
    clear = np.abs(distance - radius) > 0.3
    assert np.count_nonzero(clear) > 0.8 * mask.size
    assert np.array_equal(mask.ravel()[clear], (distance <= radius)[clear])
