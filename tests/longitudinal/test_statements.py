"""Every statement of a reader acts, is refused by one sentence, or is listed as having no effect."""

import pytest

from dotaliver.errors import ConfigError
from dotaliver.longitudinal.edits import LesionCourseEdit, LesionOnScan
from fixtures.courses import edits, on, reading_of, scan, sized, track


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (LesionCourseEdit(lesion="L01", on=(on(1, state="unequivocal_progression"),)), "progresses by its size"),
        (LesionCourseEdit(lesion="L03", on=(on(0, state="unequivocal_progression"),)), "after the baseline"),
        (LesionCourseEdit(lesion="L04", on=(on(2, state="unequivocal_progression"),)), "'new': 'confirmed'"),
        (LesionCourseEdit(lesion="L01", on=(on(1, state="too_small", size_mm=30.0),)), "5 mm or less"),
        (LesionCourseEdit(lesion="L01", new="confirmed"), "cannot be new"),
        (LesionCourseEdit(lesion="L03", new="confirmed"), "cannot be new"),
        (LesionCourseEdit(lesion="L04", new="rejected", on=(on(0, state="absent"),)), "take one of the two back"),
        (LesionCourseEdit(lesion="L04", new="confirmed", on=(on(1, state="absent"), on(2, state="absent"))), "shows"),
        (LesionCourseEdit(lesion="L09", on=(on(1, state="absent"),)), "L09"),
        (LesionCourseEdit(lesion="L01", on=(LesionOnScan(scan="2020-01-01", state="absent"),)), "names no scan"),
        (
            LesionCourseEdit(lesion="L01", on=(on(1, size_mm=20.0), LesionOnScan(scan="1.2.3.2", size_mm=40.0))),
            "two statements",
        ),
        (LesionCourseEdit(lesion="L01", on=(on(1, state="merged", merged_into="L09"),)), "L09"),
        (LesionCourseEdit(lesion="L01", on=(on(1, state="merged", merged_into="L01"),)), "no other lesion"),
        (LesionCourseEdit(lesion="L05", organ="LUNG"), "marked as a node"),
    ],
)
def test_statements_that_contradict_the_course_are_refused_by_one_sentence(said, why):
    with pytest.raises(ConfigError, match=why) as error:
        stated_on(said)
    assert "\n" not in str(error.value)


def stated_on(*said, **more):
    """Two targets, a small non-target, a new focus on PET from the second scan, a small node."""
    always = [sized(1, 30.0), sized(2, 25.0), sized(3, 8.0), sized(5, 14.0, short=11.0, marks=("node",))]
    scores = [scan(0, *always), *(scan(n, *always, sized(4, 20.0, source="pet")) for n in (1, 2))]
    tracks = [track(f"L{n:02d}", n, n, n) for n in (1, 2, 3, 5)] + [track("L04", 4, 4, first=1)]
    return reading_of(scores, tracks, edits=edits(*said, **more))


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (LesionCourseEdit(lesion="L01", on=(on(1, state="present"),)), "counts by its size"),
        (LesionCourseEdit(lesion="L03", on=(on(1, size_mm=20.0),)), "counts by its state"),
        (LesionCourseEdit(lesion="L03", on=(on(1, state="present"),)), "the images show the same"),
        (LesionCourseEdit(lesion="L03", new="rejected"), "on the baseline scan"),
        (LesionCourseEdit(lesion="L01", on=(on(1, labels=(1,)),)), "without its labels"),
    ],
)
def test_statements_that_change_nothing_are_listed_with_the_reason(said, why):
    (sentence,) = [w for w in stated_on(said).warnings if "has no effect" in w]
    assert said.lesion in sentence
    assert why in sentence


@pytest.mark.parametrize(
    "said",
    [
        LesionCourseEdit(lesion="L01", on=(on(1, size_mm=50.0),)),
        LesionCourseEdit(lesion="L01", on=(on(1, state="too_small"),)),
        LesionCourseEdit(lesion="L03", on=(on(1, state="absent"),)),
        LesionCourseEdit(lesion="L03", on=(on(2, state="unequivocal_progression"),)),
        LesionCourseEdit(lesion="L04", new="confirmed"),
        LesionCourseEdit(lesion="L04", on=(on(2, size_mm=12.0),)),
        LesionCourseEdit(lesion="L04", on=(on(0, state="present"),)),
        LesionCourseEdit(lesion="L04", on=(on(1, state="absent"),)),
        LesionCourseEdit(lesion="L05", on=(on(1, size_mm=9.0),)),
        LesionCourseEdit(lesion="L05", node=False),
    ],
)
def test_statements_that_act_are_not_listed(said):
    before, after = stated_on(), stated_on(said)
    assert not [w for w in after.warnings if "has no effect" in w]
    assert (after.time_points, after.lesions) != (before.time_points, before.lesions)


def test_a_statement_on_a_lesion_that_takes_no_part_is_listed():
    scores = [scan(n, sized(1, 30.0), sized(2, 25.0, marks=("simple_cyst",))) for n in (0, 1)]
    said = edits(LesionCourseEdit(lesion="L02", on=(on(1, size_mm=40.0),)))
    reading = reading_of(scores, [track("L01", 1, 1), track("L02", 2, 2)], edits=said)
    (sentence,) = [w for w in reading.warnings if "L02" in w]
    assert "statements on it have no effect" in sentence


@pytest.mark.parametrize(
    "fields",
    [
        {"state": "absent", "size_mm": 3.0},
        {"state": "not_evaluated", "size_mm": 3.0},
        {"state": "absent", "labels": (1,)},
        {"state": "merged"},
        {"merged_into": "L02"},
        {"state": "present", "merged_into": "L02"},
        {"labels": (1, 1)},
        {"size_mm": -1.0},
        {"state": "present", "size_mm": 0.0},
        {},
    ],
)
def test_a_statement_that_contradicts_itself_is_no_statement(fields):
    with pytest.raises(ValueError, match=r"."):
        on(1, **fields)


def test_a_node_is_of_the_organ_lymph_node():
    for fields in ({"organ": "LUNG", "node": True}, {"organ": "lymph node", "node": False}, {"organ": " "}):
        with pytest.raises(ValueError, match="organ"):
            LesionCourseEdit(lesion="L01", **fields)
    # Its short axis counts, without a word on 'node'.
    scores = [scan(n, sized(1, 30.0, short=16.0, in_liver=False)) for n in (0, 1)]
    reading = reading_of(scores, [track("L01", 1, 1)], edits=edits(LesionCourseEdit(lesion="L01", organ="Lymph node")))
    assert reading.time_points[0].targets.sum_mm == 16.0


def test_a_mark_as_target_that_cannot_act_is_listed():
    lesions = sized(1, 30.0), sized(2, 8.0, marks=("target",)), sized(3, 12.0, marks=("target",))
    scores, tracks = [scan(n, *lesions) for n in (0, 1)], [track(f"L{n:02d}", n, n) for n in (1, 2, 3)]
    reading = reading_of(scores, tracks)
    (sentence,) = [w for w in reading.warnings if "marked as a target" in w]
    assert sentence.startswith("L02")
    assert "under 10 mm" in sentence
