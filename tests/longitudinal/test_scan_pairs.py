"""Inclusion 6 for whole courses: which pairs of scans count, and what keeps progression from being definite."""

from datetime import date

import pytest

from dotaliver.longitudinal.edits import LesionCourseEdit, LesionOnScan
from dotaliver.longitudinal.records import Track
from fixtures.courses import TRIAL, edits, reading_of, scan, seen, sized, track

ENTRY = TRIAL.model_copy(update={"entry": date(2024, 7, 10), "first_treatment": None})
OLD, FIRST, SECOND, THIRD = date(2019, 6, 1), date(2024, 1, 15), date(2024, 4, 5), date(2024, 7, 1)


def answer(days, *sizes, trial=ENTRY, **given):
    """Two liver lesions and one of the lung, by their sizes on each scan; None: on PET alone."""
    scores = []
    for n, (day, row) in enumerate(zip(days, sizes, strict=True)):
        lesions = [
            sized(label, 60.0 if mm is None else mm, source="pet" if mm is None else "ct", in_liver=label != 3)
            for label, mm in enumerate(row, start=1)
        ]
        scores.append(scan(n, *lesions, day=day))
    tracks = [track(f"L{label:02d}", *[label] * len(days)) for label in range(1, len(sizes[0]) + 1)]
    return reading_of(scores, tracks, trial=trial, **given).progression_before_entry


def test_growth_between_two_scans_of_the_window_is_progression():
    assert answer((FIRST, THIRD), (30.0, 20.0), (38.0, 23.0)).verdict == "met"
    assert answer((FIRST, THIRD), (30.0, 20.0), (36.0, 23.0)).verdict == "indeterminate"


def test_a_prior_scan_of_five_years_ago_leaves_the_onset_open():
    found = answer((OLD, THIRD), (30.0, 20.0), (60.0, 40.0))
    assert found.verdict == "indeterminate"
    assert "onset" in found.reason
    assert answer((OLD, FIRST, THIRD), (15.0, 10.0), (30.0, 20.0), (38.0, 23.0)).verdict == "met"


def test_every_pair_of_scans_of_the_window_is_compared():
    found = answer((FIRST, SECOND, THIRD), (60.0, 40.0), (67.0, 45.0), (75.0, 49.0))
    assert found.verdict == "met"
    assert (found.evidence["prior_scan"], found.evidence["scan"]) == (FIRST.isoformat(), THIRD.isoformat())


@pytest.mark.parametrize(("now", "expected"), [(12.0, "indeterminate"), (12.4, "indeterminate"), (12.5, "met")])
def test_one_lesion_alone_must_grow_beyond_the_variation_between_readers(now, expected):
    assert answer((FIRST, THIRD), (10.0,), (now,)).verdict == expected


def test_growth_of_small_lesions_while_larger_ones_are_not_measured_is_open():
    found = answer((FIRST, THIRD), (10.0, None), (14.0, None))
    assert found.verdict == "indeterminate"
    assert "L02" in found.reason
    assert answer((FIRST, THIRD), (10.0, 30.0), (14.0, None)).verdict == "indeterminate"


def test_lesions_that_are_not_measurable_do_not_progress():
    for mark in ("treated", "blastic_bone", "simple_cyst"):
        scores = [
            scan(n, sized(1, mm, marks=(mark,)), sized(2, 20.0), day=day)
            for n, (day, mm) in enumerate(((FIRST, 20.0), (THIRD, 60.0)))
        ]
        reading = reading_of(scores, [track("L01", 1, 1), track("L02", 2, 2)], trial=ENTRY)
        assert reading.progression_before_entry.verdict == "indeterminate", mark


@pytest.mark.parametrize("confidence", [0.5, 1.0])
def test_a_diameter_that_has_come_to_contain_an_unmeasured_lesion_is_no_growth(confidence):
    scores = [
        scan(0, sized(1, 40.9, marks=("treated",)), sized(2, 19.6), sized(3, 15.0), day=FIRST),
        scan(1, sized(2, 75.6), sized(3, 15.0), day=THIRD),
    ]
    merged = Track(lesion="L01", appearances=(seen(0, 1), seen(1, state="merged", into="L02", confidence=confidence)))
    tracks = [merged, track("L02", 2, 2), track("L03", 3, 3)]
    assert reading_of(scores, tracks, trial=ENTRY).progression_before_entry.verdict == "indeterminate"
    said = edits(LesionCourseEdit(lesion="L02", on=(LesionOnScan(scan=THIRD.isoformat(), size_mm=30.0),)))
    assert reading_of(scores, tracks, trial=ENTRY, edits=said).progression_before_entry.verdict == "met"


def test_a_lesion_that_was_only_not_found_in_between_is_not_surely_new():
    scores = [
        scan(n, sized(1, 30.0), *lesions, day=day)
        for n, (day, lesions) in enumerate(((FIRST, (sized(2, 15.0),)), (SECOND, ()), (THIRD, (sized(2, 15.0),))))
    ]
    tracks = [track("L01", 1, 1, 1), track("L02", 2, None, 2)]
    assert reading_of(scores, tracks, trial=ENTRY).progression_before_entry.verdict == "indeterminate"
    gone = edits(LesionCourseEdit(lesion="L02", on=(LesionOnScan(scan=SECOND.isoformat(), state="absent"),)))
    assert reading_of(scores, tracks, trial=ENTRY, edits=gone).progression_before_entry.verdict == "met"


def test_the_window_is_the_protocols():
    config = scan(0).config
    for months, expected in ((6, "met"), (3, "indeterminate")):
        protocol = config.protocol.model_copy(update={"progression_window_months": months})
        scores = [
            scan(n, sized(1, a), sized(2, b), day=day).model_copy(
                update={"config": config.model_copy(update={"protocol": protocol})}
            )
            for n, (day, a, b) in enumerate(((FIRST, 30.0, 20.0), (THIRD, 40.0, 25.0)))
        ]
        reading = reading_of(scores, [track("L01", 1, 1), track("L02", 2, 2)], trial=ENTRY)
        assert reading.progression_before_entry.verdict == expected
