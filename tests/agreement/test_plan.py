"""The plan is drawn by lot from a seed, the same everywhere, and refuses names that would be mistaken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotaliver.errors import ConfigError
from fixtures.reading_plans import plan


@given(st.integers(1, 30), st.integers(0, 5), st.integers(0, 2**31))
def test_every_reader_reads_every_case_once_and_repeats_after_their_first_reading(count, repeats, seed):
    made = plan(count, repeats=min(repeats, count), seed=seed)
    codes = [case.code for case in made.cases]
    assert len(made.originals) == count
    for order in made.order.values():
        assert sorted(order) == sorted(codes)
        for case in made.cases:
            if case.repeat_of is not None:
                assert order.index(case.code) > order.index(case.repeat_of)
                assert case.scans == made.case(case.repeat_of).scans


def test_one_seed_gives_one_plan_and_another_seed_another():
    assert plan(12, seed=5) == plan(12, seed=5)
    assert plan(12, seed=5).order != plan(12, seed=6).order


def test_codes_do_not_follow_the_order_of_the_studies():
    made = plan(12)
    assert [case.scans[0].study_instance_uid for case in made.cases] != sorted(
        case.scans[0].study_instance_uid for case in made.cases
    )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"readers": ("A",)}, "two readers at least"),
        ({"readers": ("A", "a")}, "named twice"),
        ({"readers": ("A", "C")}, "named twice"),
        ({"readers": ("A", "B/../..")}, "short name"),
        ({"readers": ("A", "")}, "short name"),
        ({"repeats": 5}, "from 0 to 4"),
    ],
)
def test_what_cannot_be_planned_is_refused(changes, sentence):
    with pytest.raises(ConfigError, match=sentence):
        plan(4, **changes)


def test_an_unknown_case_and_reader_are_named():
    with pytest.raises(ConfigError, match="no case C999"):
        plan().case("C999")
    with pytest.raises(ConfigError, match=r"readers are A, B$"):
        plan().require_reader("C")
    plan().require_reader("C", or_adjudicator=True)
