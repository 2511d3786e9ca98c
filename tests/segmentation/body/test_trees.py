"""Trees give the sum of the leaves that a case falls into."""

import numpy as np
import pytest

from dotaliver.segmentation.body.confidence import STAGES, confidences, second_features, stored_trees, trees_as_arrays
from dotaliver.segmentation.body.part_features import FEATURES, features_of
from dotaliver.segmentation.body.trees import Trees, logits

# Both divide by feature 0 first; the second tree has a node that does not divide.
TREES = Trees(
    -1.0,
    np.array([[0, 1, 1], [0, 0, 1]]),
    np.array([[2.0, 5.0, 7.0], [4.0, np.inf, 0.0]], dtype=np.float32),
    np.array([[0.1, 0.2, 0.3, 0.4], [1.0, 9.0, 2.0, 3.0]]),
)


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ((0.0, 0.0), -1 + 0.1 + 1.0),
        ((0.0, 6.0), -1 + 0.2 + 1.0),
        ((3.0, 7.0), -1 + 0.3 + 1.0),
        ((5.0, 7.5), -1 + 0.4 + 3.0),
        ((5.0, -1.0), -1 + 0.3 + 2.0),
        # At a threshold a case goes left.
        ((2.0, 5.0), -1 + 0.1 + 1.0),
    ],
)
def test_a_case_adds_the_leaf_of_each_tree(case, expected):
    assert logits(TREES, np.array([case]))[0] == pytest.approx(expected)


def test_cases_do_not_depend_on_each_other():
    cases = np.random.default_rng(1).normal(3, 3, (50, 2))
    together = logits(TREES, cases)
    assert [logits(TREES, case[None])[0] for case in cases] == together.tolist()
    assert logits(TREES, np.zeros((0, 2))).shape == (0,)


def test_the_stored_trees_look_at_features_that_exist():
    for stage, trees in zip(STAGES, stored_trees(), strict=True):
        width = len(FEATURES) if stage == "first" else second_features((), features_of((), 5.0), np.zeros(0)).shape[1]
        assert trees.features.max() < width
        assert np.isfinite(trees.values).all() and not np.isnan(trees.thresholds).any()
        stored = trees_as_arrays(stage, trees)
        assert sum(array.nbytes for array in stored.values()) < 200_000


def test_no_parts_have_no_confidence():
    assert confidences((), 5.0).shape == (0,)
