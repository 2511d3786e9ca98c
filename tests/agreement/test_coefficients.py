"""Coefficients against published worked examples, each of which is added up here by hand or quoted with its source."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotaliver.agreement.coefficients import (
    cohen_kappa,
    gwet_ac1,
    icc_2_1,
    limits_of_agreement,
    observed_agreement,
)

# Fleiss, Levin, Paik, Statistical Methods for Rates and Proportions, chapter 18: 100 patients, two raters.
DIAGNOSES = ("psychotic", "neurotic", "organic")
FLEISS = ((75, 1, 4), (5, 4, 1), (0, 0, 10))
# Gwet 2002, "Kappa statistic is not satisfactory for assessing the extent of agreement between raters": 125 patients.
GWET = ((118, 5), (2, 0))
# Shrout and Fleiss 1979, table 2: six targets, four judges.
SHROUT_FLEISS = ((9, 2, 5, 8), (6, 1, 3, 2), (8, 4, 6, 8), (7, 1, 2, 6), (10, 5, 6, 9), (6, 2, 4, 7))
# Bland and Altman 1986, table 1: first measurements of peak flow by the Wright meter and by the mini meter, l/min.
WRIGHT = (494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427)
MINI = (512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451)


def answers(table, names):
    """Both raters' answers from a table of counts."""
    first, second = [], []
    for row, one in zip(table, names, strict=True):
        for count, other in zip(row, names, strict=True):
            first += [one] * count
            second += [other] * count
    return first, second


def test_kappa_of_fleiss_example():
    # 0.89 observed; by chance 0.8 * 0.8 + 0.1 * 0.05 + 0.1 * 0.15 = 0.66; (0.89 - 0.66) / 0.34
    assert cohen_kappa(*answers(FLEISS, DIAGNOSES), DIAGNOSES) == pytest.approx(0.23 / 0.34)
    assert observed_agreement(*answers(FLEISS, DIAGNOSES)) == pytest.approx(0.89)


def test_weighted_kappa_added_up_by_hand():
    # Linear: disagreements one step apart weigh 1/2. Observed 0.5 * (0.01 + 0.05 + 0.01) + 0.04 = 0.075.
    # By chance: 0.5 * (0.8 * 0.05 + 0.1 * 0.8 + 0.1 * 0.15 + 0.1 * 0.05) + 0.8 * 0.15 + 0.1 * 0.8 = 0.27
    assert cohen_kappa(*answers(FLEISS, DIAGNOSES), DIAGNOSES, "linear") == pytest.approx(1 - 0.075 / 0.27)
    # Quadratic: one step weighs 1/4. Observed 0.25 * 0.07 + 0.04 = 0.0575; chance 0.25 * 0.14 + 0.2 = 0.235
    assert cohen_kappa(*answers(FLEISS, DIAGNOSES), DIAGNOSES, "quadratic") == pytest.approx(1 - 0.0575 / 0.235)


def test_ac1_of_gwets_example_where_kappa_collapses():
    first, second = answers(GWET, ("+", "-"))
    # By chance 2 * 0.972 * 0.028 with 0.972 = (123 / 125 + 120 / 125) / 2
    chance = 2 * 0.972 * 0.028
    assert gwet_ac1(first, second, ("+", "-")) == pytest.approx((0.944 - chance) / (1 - chance))
    assert gwet_ac1(first, second, ("+", "-")) == pytest.approx(0.941, abs=5e-4)
    assert cohen_kappa(first, second, ("+", "-")) == pytest.approx(-0.0234, abs=5e-5)


def test_icc_of_shrout_and_fleiss():
    assert icc_2_1(SHROUT_FLEISS) == pytest.approx(0.29, abs=5e-3)


def test_limits_of_bland_and_altman():
    found = limits_of_agreement(WRIGHT, MINI)
    assert found.mean == pytest.approx(-2.1, abs=0.05)
    assert found.sd == pytest.approx(38.8, abs=0.05)
    # The paper takes 2 SD; 1.96 SD give -78.1 and 73.9.
    assert (found.low, found.high) == (pytest.approx(-78.1, abs=0.1), pytest.approx(73.9, abs=0.1))


def test_what_is_not_defined_is_none():
    assert cohen_kappa(["a", "a"], ["a", "a"], ["a", "b"]) is None
    assert cohen_kappa([], [], ["a", "b"]) is None
    assert gwet_ac1([], [], ["a", "b"]) is None
    assert observed_agreement([], []) is None
    assert icc_2_1([[1.0, 2.0]]) is None
    assert icc_2_1([[3.0, 3.0], [3.0, 3.0]]) is None
    assert limits_of_agreement([1.0], [2.0]) is None


def test_answers_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="none of the categories"):
        cohen_kappa(["c"], ["a"], ["a", "b"])
    with pytest.raises(ValueError, match="for every case"):
        cohen_kappa(["a"], ["a", "b"], ["a", "b"])
    with pytest.raises(ValueError, match="two categories"):
        gwet_ac1(["a"], ["a"], ["a"])


WORDS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=40)


@given(WORDS, st.sampled_from(["none", "linear", "quadratic"]))
def test_kappa_is_the_same_for_either_order_of_readers_and_at_most_one(pairs, weights):
    first, second = zip(*pairs, strict=True)
    one, other = (cohen_kappa(a, b, "abc", weights) for a, b in ((first, second), (second, first)))
    assert (one is None and other is None) or (one == pytest.approx(other) and one <= 1 + 1e-12)


@given(WORDS)
def test_two_categories_need_no_weights(pairs):
    first, second = ([word.replace("c", "b") for word in words] for words in zip(*pairs, strict=True))
    assert cohen_kappa(first, second, "ab", "linear") == cohen_kappa(first, second, "ab")


@given(st.lists(st.floats(0, 100), min_size=2, max_size=30), st.floats(-5, 5))
def test_a_constant_bias_is_the_mean_difference_and_has_no_width(values, bias):
    found = limits_of_agreement(np.add(values, bias), values)
    assert found.mean == pytest.approx(bias, abs=1e-9)
    assert found.high - found.low == pytest.approx(0, abs=1e-9)
