"""Trees give the sum of the leaves that a case falls into."""

import numpy as np
import pytest

from dotaliver.segmentation.trees import Trees, logits, trees_as_arrays, trees_from

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


def test_leaves_are_added_one_after_the_other():
    """1e16 swallows each 1 that is added to it alone, so the order of the sum shows."""
    stump = np.array([[0.0, 0.0], [1.0, 1.0], [1.0, 1.0]])
    trees = Trees(1e16, np.zeros((3, 1), int), np.full((3, 1), np.inf, np.float32), stump)
    assert logits(trees, np.zeros((1, 1)))[0] == 1e16


def test_what_is_stored_is_read_back():
    again = trees_from(trees_as_arrays("name", TREES), "name")
    cases = np.random.default_rng(2).normal(3, 3, (20, 2))
    np.testing.assert_allclose(logits(again, cases), logits(TREES, cases), rtol=1e-6)
