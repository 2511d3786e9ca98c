from datetime import date

import pytest

from dotaliver.config.criteria import RecistConfig
from dotaliver.longitudinal.progression import ScanPair, judge_progression, months_before

RULES = RecistConfig()
ENTRY = date(2024, 8, 31)


def pair(prior=50.0, now=60.0, on=date(2024, 7, 1), new="none", prior_on=date(2024, 3, 1), lesions=2, unmeasured=()):
    return ScanPair(
        prior_on=prior_on,
        on=on,
        prior_mm=prior,
        sum_mm=now,
        lesions=lesions,
        new_lesion=new,
        unmeasured=unmeasured,
    )


def answer(*pairs, entry=ENTRY, rules=RULES):
    return judge_progression(pairs, entry, 6, rules)


def test_six_months_are_calendar_months():
    assert months_before(date(2024, 8, 31), 6) == date(2024, 2, 29)
    assert months_before(date(2024, 3, 15), 6) == date(2023, 9, 15)
    assert months_before(date(2024, 6, 1), 6) == date(2023, 12, 1)
    assert months_before(date(2024, 6, 30), 1.5) == date(2024, 5, 15)


@pytest.mark.parametrize(("now", "expected"), [(60.0, "met"), (59.9, "indeterminate"), (40.0, "indeterminate")])
def test_twenty_percent_against_the_prior_scan(now, expected):
    assert answer(pair(now=now)).verdict == expected


def test_a_new_lesion_is_progression_and_an_equivocal_one_is_open():
    assert answer(pair(now=50.0, new="unequivocal")).verdict == "met"
    found = answer(pair(now=50.0, new="equivocal"))
    assert found.verdict == "indeterminate"
    assert "CT or MRI" in found.reason


def test_it_is_never_not_met_because_symptoms_are_on_no_image():
    for now in (10.0, 50.0, 59.0):
        found = answer(pair(now=now))
        assert found.verdict == "indeterminate"
        assert "symptoms" in found.reason


def test_without_an_entry_date_or_a_scan_in_the_window_it_is_not_evaluable():
    assert answer(pair(), entry=None).verdict == "not_evaluable"
    assert answer(pair(on=date(2024, 2, 28))).verdict == "not_evaluable"
    first_days = {"prior_on": date(2024, 2, 29), "on": date(2024, 3, 20)}
    assert answer(pair(**first_days)).verdict == "met"
    assert answer(pair(on=date(2024, 9, 1))).verdict == "not_evaluable"
    assert answer().verdict == "not_evaluable"


def test_the_five_millimetres_are_an_option_and_both_readings_are_shown():
    small = pair(prior=20.0, now=24.0)
    assert answer(small).verdict == "met"
    assert answer(small, rules=RecistConfig(inc6_needs_mm=True)).verdict == "indeterminate"
    for rules in (RecistConfig(), RecistConfig(inc6_needs_mm=True)):
        evidence = answer(small, rules=rules).evidence
        assert evidence["met_by_20_percent"] is True
        assert evidence["met_by_20_percent_and_5_mm"] is False
        assert evidence["5_mm_asked_for"] is rules.inc6_needs_mm


def test_the_prior_scan_counts_and_not_the_nadir():
    # 30 mm was the nadir before; from the prior scan (50 mm) there is no increase.
    first = pair(prior=45.0, now=50.0, prior_on=date(2024, 3, 5), on=date(2024, 4, 1))
    assert answer(first, pair(prior=50.0, now=50.0, prior_on=date(2024, 4, 1))).verdict == "indeterminate"


@pytest.mark.parametrize("prior_on", [date(2019, 5, 1), date(2024, 2, 28)])
@pytest.mark.parametrize("sign", [{"now": 90.0}, {"now": 50.0, "new": "unequivocal"}])
def test_progression_since_a_scan_before_the_window_may_be_older_than_the_window(prior_on, sign):
    found = answer(pair(prior_on=prior_on, **sign))
    assert found.verdict == "indeterminate"
    assert "onset" in found.reason
    assert found.evidence["window_from"] == "2024-02-29"
    # The same progression between two scans of the window is definite, whatever older scans show.
    assert answer(pair(prior_on=prior_on, **sign), pair(**sign)).verdict == "met"


@pytest.mark.parametrize(
    ("prior", "now", "expected"), [(10.0, 12.0, "indeterminate"), (20.0, 24.9, "indeterminate"), (20.0, 25.0, "met")]
)
def test_a_single_diameter_counts_beyond_the_variation_between_readers(prior, now, expected):
    found = answer(pair(prior=prior, now=now, lesions=1))
    assert found.verdict == expected
    if expected == "indeterminate":
        assert "variation between readers" in found.reason


def test_growth_while_larger_lesions_are_not_measured_is_open():
    found = answer(pair(now=75.0, unmeasured=("L01", "L02")))
    assert found.verdict == "indeterminate"
    assert "L01, L02" in found.reason
    # A new lesion needs no sizes.
    assert answer(pair(now=75.0, new="unequivocal", unmeasured=("L01",))).verdict == "met"


def test_growth_in_two_steps_within_the_window_counts():
    days = [date(2024, 3, 1), date(2024, 5, 15), date(2024, 8, 1)]
    steps = [
        pair(prior=a, now=b, prior_on=days[i], on=days[j])
        for i, j, a, b in ((0, 1, 100.0, 112.0), (1, 2, 112.0, 124.0), (0, 2, 100.0, 124.0))
    ]
    assert answer(*steps[:2]).verdict == "indeterminate"
    assert answer(*steps).verdict == "met"


def test_unmeasured_lesions_leave_it_open():
    assert answer(pair(prior=None)).verdict == "indeterminate"
    assert answer(pair(now=None)).verdict == "indeterminate"
