"""The random walker against walks whose answer is known."""

import numpy as np

from dotaliver.segmentation.liver.random_walk import Feature, random_walk


def chain(length):
    region = np.ones((1, 1, length), dtype=bool)
    foreground, background = np.zeros_like(region), np.zeros_like(region)
    foreground[..., 0], background[..., -1] = True, True
    return region, foreground, background


def test_even_chain_is_gamblers_ruin():
    region, foreground, background = chain(11)
    flat = [Feature(np.zeros(region.shape, np.float32), 1.0)]
    probability = random_walk(region, foreground, background, flat, np.zeros(region.shape, np.float32), 0.0)
    # A walker at place k of 0..n reaches 0 first with probability 1 - k / n.
    np.testing.assert_allclose(probability[0, 0], 1 - np.arange(11) / 10, atol=1e-3)


def test_step_of_a_feature_is_where_the_regions_part():
    region, foreground, background = chain(12)
    values = np.zeros(region.shape, np.float32)
    values[..., 4:] = 3.0
    probability = random_walk(region, foreground, background, [Feature(values, 1.0)], values * 0, 0.0)[0, 0]
    assert (probability[:4] > 0.95).all()
    assert (probability[4:] < 0.05).all()


def test_prior_decides_where_nothing_else_does():
    region, foreground, background = chain(3)
    values = np.array([[[0.0, 50.0, 0.0]]], np.float32)  # both edges closed
    prior = np.array([[[0.0, 0.8, 0.0]]], np.float32)
    probability = random_walk(region, foreground, background, [Feature(values, 1.0)], prior, 0.5)
    assert abs(probability[0, 0, 1] - 0.8) < 0.01


def test_outside_the_region_is_zero_and_repeats_are_equal():
    rng = np.random.default_rng(5)
    region = rng.random((6, 7, 8)) < 0.8
    foreground, background = np.zeros_like(region), np.zeros_like(region)
    foreground[0], background[-1] = region[0], region[-1]
    feature = [Feature(rng.random(region.shape).astype(np.float32), 0.3)]
    prior = rng.random(region.shape).astype(np.float32)
    first = random_walk(region, foreground, background, feature, prior, 0.05)
    second = random_walk(region, foreground, background, feature, prior, 0.05)
    np.testing.assert_array_equal(first, second)
    assert not first[~region].any()
    assert ((first >= 0) & (first <= 1)).all()
