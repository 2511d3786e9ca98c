"""The trees that give parts of the body their confidence look at features that exist, and are small."""

import numpy as np

from dotaliver.segmentation.body.confidence import STAGES, confidences, second_features, stored_trees
from dotaliver.segmentation.body.part_features import FEATURES, features_of
from dotaliver.segmentation.trees import trees_as_arrays


def test_the_stored_trees_look_at_features_that_exist():
    for stage, trees in zip(STAGES, stored_trees(), strict=True):
        width = len(FEATURES) if stage == "first" else second_features((), features_of((), 5.0), np.zeros(0)).shape[1]
        assert trees.features.max() < width
        assert np.isfinite(trees.values).all() and not np.isnan(trees.thresholds).any()
        stored = trees_as_arrays(stage, trees)
        assert sum(array.nbytes for array in stored.values()) < 200_000


def test_no_parts_have_no_confidence():
    assert confidences((), 5.0).shape == (0,)
