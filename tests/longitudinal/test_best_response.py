from datetime import date, timedelta

import pytest

from dotaliver.config.criteria import RecistConfig
from dotaliver.longitudinal.best_response import DatedResponse, best_response, best_response_confirmed

RULES = RecistConfig()
BASELINE = date(2024, 1, 1)


def course(*points):
    """Pairs of days after baseline and answer."""
    return [DatedResponse(on=BASELINE + timedelta(days=days), response=word) for days, word in points]


# RECIST 1.1 table 3: first and second time point, whether the first lasted long enough, best response.
TABLE_3 = [
    ("CR", "CR", True, "CR"),
    ("CR", "CR", False, "CR"),
    ("CR", "PR", True, "SD"),
    ("CR", "PR", False, "PD"),
    ("CR", "SD", True, "SD"),
    ("CR", "SD", False, "PD"),
    ("CR", "PD", True, "SD"),
    ("CR", "PD", False, "PD"),
    ("CR", "NE", True, "SD"),
    ("CR", "NE", False, "NE"),
    ("PR", "CR", True, "PR"),
    ("PR", "CR", False, "PR"),
    ("PR", "PR", True, "PR"),
    ("PR", "PR", False, "PR"),
    ("PR", "SD", True, "SD"),
    ("PR", "SD", False, "SD"),
    ("PR", "PD", True, "SD"),
    ("PR", "PD", False, "PD"),
    ("PR", "NE", True, "SD"),
    ("PR", "NE", False, "NE"),
    ("NE", "NE", True, "NE"),
    ("NE", "NE", False, "NE"),
]


@pytest.mark.parametrize(("first", "second", "lasted", "expected"), TABLE_3)
def test_every_row_of_the_confirmation_table(first, second, lasted, expected):
    days = 60 if lasted else 20
    found = best_response_confirmed(course((days, first), (days + 28, second)), BASELINE, RULES)
    assert found.response == expected
    assert found.confirmed


@pytest.mark.parametrize("after", ["PR", "SD", "NON-CR/NON-PD"])
def test_disease_after_a_complete_response_is_progression_and_asked_about(after):
    # Footnote of table 3: any disease after a true complete response makes that time point PD.
    for best in (best_response, best_response_confirmed):
        found = best(course((60, "CR"), (100, after), (150, "CR")), BASELINE, RULES)
        assert found.question is not None
        assert "PR" in found.question
    lasted = best_response_confirmed(course((60, "CR"), (100, after), (150, "CR")), BASELINE, RULES)
    assert lasted.response == "SD"
    early = best_response_confirmed(course((20, "CR"), (48, after), (76, "CR")), BASELINE, RULES)
    assert (early.response, early.on) == ("PD", BASELINE + timedelta(days=48))


def test_progression_for_another_reason_does_not_question_the_complete_response():
    assert best_response_confirmed(course((60, "CR"), (100, "PD")), BASELINE, RULES).question is None


@pytest.mark.parametrize("after", ["PR", "SD"])
def test_the_last_time_point_without_progression_decides_on_the_minimum_duration(after):
    # Two complete responses 27 days apart do not confirm each other; 48 days after baseline the patient is stable.
    found = best_response_confirmed(course((21, "CR"), (48, "CR"), (76, after)), BASELINE, RULES)
    assert (found.response, found.on) == ("SD", BASELINE + timedelta(days=48))


def test_an_unconfirmed_complete_response_of_non_targets_alone_is_neither_response_nor_progression():
    found = best_response_confirmed(course((60, "CR"), (100, "NE")), BASELINE, RULES, has_targets=False)
    assert found.response == "NON-CR/NON-PD"
    words = course((60, "NON-CR/NON-PD"), (100, "CR"), (150, "NE"))
    assert best_response_confirmed(words, BASELINE, RULES).response == "NON-CR/NON-PD"
    assert best_response_confirmed(course((60, "CR"), (100, "NE")), BASELINE, RULES).response == "SD"


def test_a_response_is_confirmed_no_earlier_than_four_weeks_later():
    assert best_response_confirmed(course((60, "PR"), (87, "PR")), BASELINE, RULES).response == "SD"
    assert best_response_confirmed(course((60, "PR"), (88, "PR")), BASELINE, RULES).response == "PR"
    # Too early, then again later: the third confirms the first.
    assert best_response_confirmed(course((60, "PR"), (70, "PR"), (90, "PR")), BASELINE, RULES).response == "PR"


@pytest.mark.parametrize(("between", "expected"), [("NE", "PR"), ("SD", "PR"), ("PR", "PR")])
def test_what_may_stand_between_a_partial_response_and_its_confirmation(between, expected):
    found = best_response_confirmed(course((60, "PR"), (75, between), (120, "PR")), BASELINE, RULES)
    assert found.response == expected


def test_two_stable_scans_between_break_a_partial_response():
    found = best_response_confirmed(course((60, "PR"), (75, "SD"), (95, "SD"), (120, "PR")), BASELINE, RULES)
    assert found.response == "SD"


def test_without_confirmation_the_best_answer_before_progression_counts():
    seen = course((56, "SD"), (112, "PR"), (168, "PD"), (224, "CR"))
    found = best_response(seen, BASELINE, RULES)
    assert (found.response, found.on, found.confirmed) == ("PR", BASELINE + timedelta(days=112), False)
    assert best_response(course((56, "PD"), (112, "PR")), BASELINE, RULES).response == "PD"
    assert best_response(course((56, "CR")), BASELINE, RULES).response == "CR"


def test_stable_disease_needs_six_weeks():
    assert best_response(course((41, "SD"), (60, "PD")), BASELINE, RULES).response == "PD"
    assert best_response(course((42, "SD"), (60, "PD")), BASELINE, RULES).response == "SD"
    assert best_response(course((41, "SD")), BASELINE, RULES).response == "NE"


def test_non_targets_alone_keep_their_word():
    assert best_response(course((56, "NON-CR/NON-PD")), BASELINE, RULES).response == "NON-CR/NON-PD"
    assert best_response(course((56, "NED")), BASELINE, RULES).response == "NED"


def test_no_scan_after_baseline_gives_no_answer():
    assert best_response([], BASELINE, RULES).response is None
    assert best_response_confirmed([], BASELINE, RULES).response is None


def test_the_order_in_which_scans_are_given_does_not_matter():
    seen = course((56, "SD"), (112, "PR"), (168, "PR"), (224, "PD"))
    assert best_response_confirmed(list(reversed(seen)), BASELINE, RULES) == best_response_confirmed(
        seen, BASELINE, RULES
    )
