"""The second outline: the same bits however sums are ordered, and near the truth on a patient that it never saw."""

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, binary_erosion

from dotaliver.config.scoring import ScoringConfig
from dotaliver.image.itk import occupancy_on
from dotaliver.phantom.families import family_spec
from dotaliver.phantom.study import make_phantom, study_volumes
from dotaliver.segmentation.audit.features import blocks_of, image_features, to_voxels
from dotaliver.segmentation.audit.network import probabilities
from dotaliver.segmentation.audit.second_liver import second_outline, stored_networks
from dotaliver.segmentation.coarse import coarse_of


@pytest.fixture(scope="module")
def patient():
    # Of a family that nothing was trained on.
    study = make_phantom(family_spec("late", 77, "small"))
    images = coarse_of(study_volumes(study), ScoringConfig().liver.coarse_mm)
    return images, occupancy_on(study.liver, images.geometry) >= 0.5


def test_it_finds_the_liver(patient) -> None:
    images, truth = patient
    found = second_outline(images.hu, images.uptake).liver
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.93


@pytest.mark.parametrize("end", ["below the dome", "above the lower edge"])
def test_it_finds_the_liver_where_the_images_end_within_it(patient, end) -> None:
    images, truth = patient
    levels = np.flatnonzero(truth.any(axis=(1, 2)))
    third = len(levels) // 3
    part = slice(0, levels[-third]) if end == "below the dome" else slice(levels[third], None)
    found = second_outline(images.hu[part], images.uptake[part]).liver
    assert 2 * (found & truth[part]).sum() / (found.sum() + truth[part].sum()) > 0.93


def test_it_is_surer_inside_the_liver_than_at_its_border(patient) -> None:
    images, truth = patient
    likely = second_outline(images.hu, images.uptake).likely
    inside = binary_erosion(truth, iterations=3)
    border = binary_dilation(truth) & ~binary_erosion(truth)
    assert np.mean(np.abs(likely[inside] - 0.5)) > np.mean(np.abs(likely[border] - 0.5))


def test_it_needs_no_unit_of_uptake(patient) -> None:
    images, _ = patient
    once = second_outline(images.hu, images.uptake).liver
    # A power of two, so that no rounding hides behind the comparison.
    assert np.array_equal(once, second_outline(images.hu, images.uptake * np.float32(1024.0)).liver)


def test_the_order_of_adding_changes_no_bit(patient) -> None:
    images, _ = patient
    features = image_features(blocks_of(images.hu, images.uptake))[:4000]
    weights = dict(stored_networks()[0])
    expected = probabilities(features, weights)
    order = np.random.default_rng(0).permutation(features.shape[1])
    turned = weights | {name: weights[name][order] for name in ("mean", "scale", "weight_1")}
    assert np.array_equal(expected, probabilities(features[:, order], turned))
    # Other sizes of a product take other paths through the library.
    parts = [probabilities(part, weights) for part in np.array_split(features, 7)]
    assert np.array_equal(expected, np.concatenate(parts))


def test_sums_stay_exact() -> None:
    for weights in stored_networks():
        layers = [weights[name] for name in sorted(weights) if name.startswith("weight_")]
        for layer in layers:
            assert np.array_equal(layer, np.rint(layer))
            # Steps of 1/1024 x 1/4096 up to the largest activation: a double counts to 2**53.
            assert np.abs(layer).sum(axis=0).max() * 256 * 1024 < 2**53


def test_blocks_come_back_as_voxels() -> None:
    rng = np.random.default_rng(0)
    hu = rng.uniform(-100, 100, (10, 12, 14)).astype(np.float32)
    blocks = blocks_of(hu, np.ones_like(hu))
    size = tuple(slice(0, part.stop - part.start) for part in blocks.box)
    assert np.allclose(to_voxels(blocks.density)[size], (hu[blocks.box] - 40.0) / 120.0, atol=1e-6)


def test_an_empty_image_has_no_liver() -> None:
    air = np.full((20, 24, 28), -1000.0, dtype=np.float32)
    assert not second_outline(air, np.zeros_like(air)).liver.any()
