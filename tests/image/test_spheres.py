import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dotaliver.errors import GeometryError, MaskError
from dotaliver.image.spheres import (
    ball,
    sphere_box,
    sphere_kernel,
    sphere_mask,
    sphere_means,
    sphere_offsets,
    sphere_on,
    sphere_radius_mm,
    voxels_within,
)
from dotaliver.image.volume import Quantity, Volume
from fixtures.arrays import grid
from strategies import geometries, spacings_mm


def volume_of(array):
    return Volume(array, grid(array.shape), Quantity.SUVBW)


RADIUS = sphere_radius_mm(1.0)


def test_a_sphere_of_one_millilitre_has_a_radius_of_6_2035_mm():
    assert sphere_radius_mm(1.0) == pytest.approx(6.2035, abs=5e-5)


@pytest.mark.parametrize("spacing", [(3.0, 4.07, 4.07), (2.0, 2.0, 2.0), (5.0, 2.7, 2.7), (3.27, 5.47, 5.47)])
def test_the_kernel_holds_the_spheres_volume(spacing):
    kernel = sphere_kernel(spacing, RADIUS, 8)
    assert kernel.sum() * np.prod(spacing) == pytest.approx(1000.0, rel=0.01)
    assert all(n % 2 for n in kernel.shape)
    assert kernel[tuple(n // 2 for n in kernel.shape)] == 1.0
    np.testing.assert_array_equal(kernel, kernel[::-1, ::-1, ::-1])


def brute_force_means(image, kernel):
    half = np.array(kernel.shape) // 2
    means = np.empty(image.shape)
    for centre in np.ndindex(image.shape):
        total = weight = 0.0
        for offset in np.ndindex(kernel.shape):
            place = tuple(np.array(centre) + offset - half)
            if all(0 <= p < n for p, n in zip(place, image.shape, strict=True)):
                total += kernel[offset] * image[place]
                weight += kernel[offset]
        means[centre] = total / weight
    return means


def test_means_equal_brute_force_exactly():
    # Whole numbers and weights in 1/512: every sum is exact, so no order of summation can differ.
    image = np.random.default_rng(1).integers(0, 4000, (7, 6, 8))
    kernel = sphere_kernel((4.0, 4.1, 3.0), RADIUS, 8)
    whole = (slice(0, 7), slice(0, 6), slice(0, 8))
    expected = brute_force_means(image, kernel)
    means, cut = sphere_means(volume_of(image), whole, kernel)
    np.testing.assert_array_equal(means, expected)
    assert cut[0].all()
    assert cut[-1].all()
    box = (slice(2, 5), slice(1, 4), slice(3, 6))
    np.testing.assert_array_equal(sphere_means(volume_of(image), box, kernel)[0], expected[box])


def test_a_sphere_inside_the_image_is_not_cut():
    kernel = sphere_kernel((4.0, 4.0, 4.0), RADIUS, 8)
    means, cut = sphere_means(volume_of(np.full((9, 9, 9), 3.0)), (slice(0, 9),) * 3, kernel)
    np.testing.assert_allclose(means, 3.0, rtol=1e-14)
    assert not cut[4, 4, 4]
    assert cut[0, 4, 4]


def test_a_sphere_on_a_voxel_is_the_kernel():
    geometry = grid((15, 15, 15), (4.0, 3.0, 2.0))
    sphere = sphere_on(geometry, tuple(geometry.index_to_lps((7, 7, 7))), RADIUS, 8, name="liver reference")
    np.testing.assert_array_equal(sphere.weights, sphere_kernel((4.0, 3.0, 2.0), RADIUS, 8))
    assert (sphere.box[0].start + sphere.box[0].stop - 1) / 2 == 7


@settings(max_examples=25, deadline=None)
@given(st.tuples(*[st.floats(25, 35)] * 3), st.floats(5, 14))
def test_a_sphere_anywhere_holds_its_volume(centre, radius):
    geometry = grid((24, 20, 30), (2.5, 3.0, 2.0))
    sphere = sphere_on(geometry, centre, radius, 8, name="liver reference")
    assert sphere.weights.sum() * 15.0 == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.02)


def test_a_sphere_that_leaves_the_image_is_refused_by_name():
    with pytest.raises(GeometryError, match=r"spleen reference sphere of 30 mm .* leaves the PET"):
        sphere_on(grid((20, 20, 20)), (10.0, 30.0, 30.0), 15.0, 8, name="spleen reference")


@settings(deadline=None)
@given(geometries(), st.tuples(*[st.floats(-2, 13)] * 3), st.floats(0.1, 30))
def test_voxels_within_a_radius_are_those_whose_centres_are(geometry, middle, radius_mm):
    index = np.stack(np.meshgrid(*(np.arange(n) for n in geometry.shape), indexing="ij"), axis=-1)
    places = geometry.index_to_lps(index)
    away_mm = np.linalg.norm(places - geometry.index_to_lps(middle), axis=-1)
    sure = np.abs(away_mm - radius_mm) > 1e-6
    found = voxels_within(geometry, middle, radius_mm)
    np.testing.assert_array_equal(found[sure], (away_mm <= radius_mm)[sure])
    part = sphere_box(geometry, geometry.index_to_lps(middle), 2 * radius_mm)
    whole = np.zeros(geometry.shape, dtype=bool)
    if part is not None:
        whole[part[0]] = part[1]
    np.testing.assert_array_equal(whole[sure], found[sure])


@given(spacings_mm, st.floats(0.1, 20))
def test_a_ball_has_its_centre_in_the_middle_and_the_offsets_are_its_voxels(spacing_mm, radius_mm):
    element = ball(radius_mm, spacing_mm)
    assert all(n % 2 for n in element.shape)
    assert element[tuple(n // 2 for n in element.shape)]
    np.testing.assert_array_equal(element, element[::-1, ::-1, ::-1])
    offsets = sphere_offsets(radius_mm, spacing_mm)
    assert len(offsets) == np.count_nonzero(element)
    assert (np.linalg.norm(offsets * np.asarray(spacing_mm), axis=1) <= radius_mm + 1e-9).all()


def test_a_sphere_between_voxel_centres_is_refused_as_a_mask():
    image = grid((4, 4, 4), spacing=(10.0, 10.0, 10.0))
    between = (5.0, 5.0, 5.0)
    assert sphere_box(image, between, 15.0) is None
    with pytest.raises(MaskError, match="holds no voxel"):
        sphere_mask(image, between, 15.0)
    assert np.count_nonzero(sphere_mask(image, between, 18.0)) == 8
