"""Disagreements by the plan's rules: words, bands, dates, and lesions by where they lie."""

from datetime import date

import pytest

from dotaliver.agreement.answers import band_words, burden_band
from dotaliver.agreement.disagreements import disagreements
from dotaliver.config.reading import DisagreementRules
from dotaliver.errors import CourseError
from fixtures.reading_plans import FIRST, SECOND, answers, path

RULES = DisagreementRules()
HERE, NEAR, AWAY = (0.0, 0.0, 0.0), (6.0, 0.0, 0.0), (40.0, 0.0, 0.0)


def topics(one, other, rules=RULES):
    return [(point.topic, point.scan) for point in disagreements(one, other, rules)]


def test_the_same_answers_do_not_differ():
    made = answers(lesions=[path("L01", HERE, HERE)])
    assert topics(made, made) == []


def test_verdicts_are_compared_on_every_scan_and_only_those_asked_for():
    one, other = answers(), answers(verdicts={"EXC4": "met"})
    assert topics(one, other) == [("verdict", FIRST), ("verdict", SECOND)]
    assert topics(one, other, DisagreementRules(criteria=("INC7",))) == []


def test_a_criterion_that_one_reader_lacks_differs_from_a_definite_answer():
    assert topics(answers(), answers(verdicts={"INC7": "met"})) == [("verdict", FIRST), ("verdict", SECOND)]


@pytest.mark.parametrize(("first", "second", "differs"), [(0.24, 0.26, True), (0.26, 0.49, False), (0.2, None, True)])
def test_burden_differs_where_its_bands_do(first, second, differs):
    found = topics(answers(burden=first), answers(burden=second))
    assert found == ([("burden_band", FIRST), ("burden_band", SECOND)] if differs else [])


def test_bands_have_names_for_any_bounds():
    assert band_words(()) == ("any share",)
    assert band_words((0.5,)) == ("under 50 %", "50 % and more")
    assert burden_band(0.5, (0.25, 0.5)) == 2


def test_responses_best_response_and_the_date_of_progression():
    late = answers(response="PD", best="PD", progression=date(2024, 4, 5))
    found = topics(answers(), late)
    assert [topic for topic, _ in found] == ["response", "best_response", "best_response", "date_of_progression"]
    early = answers(response="PD", best="PD", progression=date(2024, 4, 1))
    assert [topic for topic, _ in topics(early, late)] == ["date_of_progression"]
    assert topics(early, late, DisagreementRules(progression_days=4)) == []


def test_targets_are_the_same_where_they_lie_in_one_place_whatever_they_are_called():
    one = answers(lesions=[path("L01", HERE, HERE)])
    assert topics(one, answers(lesions=[path("T7", NEAR, NEAR)])) == []
    assert [t for t, _ in topics(one, answers(lesions=[path("L01", AWAY, AWAY)]))] == ["target_choice"]
    both = answers(lesions=[path("L01", HERE, HERE), path("L02", AWAY, AWAY)])
    assert [t for t, _ in topics(one, both)] == ["target_choice"]


def test_a_large_lesion_may_have_centres_further_apart():
    one = answers(lesions=[path("L01", HERE, HERE, longest=90.0)])
    assert topics(one, answers(lesions=[path("L01", AWAY, AWAY, longest=90.0)])) == []


def test_a_lesion_that_one_reader_finds_again_elsewhere_or_not_at_all_differs_in_identity():
    one = answers(lesions=[path("L01", HERE, HERE)])
    for other in (path("L01", HERE, AWAY), path("L01", HERE, None)):
        assert topics(one, answers(lesions=[other])) == [("lesion_identity", SECOND)]
    assert topics(one, answers(lesions=[path("L01", HERE, AWAY)]), DisagreementRules(identities=False)) == []


def test_readings_of_different_scans_are_not_compared():
    one = answers()
    with pytest.raises(CourseError, match="different scans"):
        disagreements(one, one.model_copy(update={"scans": one.scans[:1]}), RULES)
