from datetime import date

import pytest

from dotaliver.errors import ConfigError
from dotaliver.export.sdtm.rows import sdtm_datasets
from dotaliver.longitudinal.baseline_targets import proposed_targets
from dotaliver.longitudinal.edits import LesionCourseEdit, LesionOnScan
from dotaliver.longitudinal.records import Track
from dotaliver.records.flags import raise_flag
from fixtures.courses import (
    RULES,
    TRIAL,
    course_of,
    edits,
    on,
    overall,
    reading_of,
    scan,
    seen,
    simple_reading,
    sized,
    track,
)

# --- targets -----------------------------------------------------------------------------------------------------


def five_lesions(**changes):
    return [sized(n, 30.0 - n, **changes) for n in range(1, 6)]


def test_at_most_two_targets_of_the_liver_the_largest_first():
    reading = reading_of(
        [scan(0, *five_lesions()), scan(1, *five_lesions())], [track(f"L{n}", n, n) for n in range(1, 6)]
    )
    assert [t.lesion for t in reading.role("target")] == ["L1", "L2"]
    assert [t.lesion for t in reading.role("non_target")] == ["L3", "L4", "L5"]
    assert "2 targets of the liver" in reading.role("non_target")[0].role_reason


def test_at_most_five_targets_in_all_from_several_organs():
    lesions = [sized(n, 40.0 - n, in_liver=False) for n in range(1, 9)]
    organs = ["LUNG", "LUNG", "BONE", "BONE", "PANCREAS", "PANCREAS", "SPLEEN", "SPLEEN"]
    said = edits(*(LesionCourseEdit(lesion=f"L{n}", organ=organ) for n, organ in enumerate(organs, start=1)))
    tracks = [track(f"L{n}", n, n) for n in range(1, 9)]
    reading = reading_of([scan(0, *lesions), scan(1, *lesions)], tracks, edits=said)
    assert [t.lesion for t in reading.role("target")] == ["L1", "L2", "L3", "L4", "L5"]


DENSE = raise_flag("LESION_DENSE_ON_CT", share=40.0)


@pytest.mark.parametrize(
    ("lesion", "why"),
    [
        (sized(1, 30.0, source="pet"), "PET"),
        (sized(1, 9.9), "10 mm"),
        (sized(1, 30.0, marks=("treated",)), "treated"),
        (sized(1, 30.0, flags=(DENSE,)), "lipiodol"),
        (sized(1, 30.0, marks=("treated",), flags=(DENSE,)), "treated"),
        (sized(1, 30.0, marks=("cystic",)), "cyst"),
        (sized(1, 30.0, marks=("blastic_bone",)), "blastic"),
        (sized(1, 30.0, short=14.9, marks=("node",)), "15 mm"),
        (sized(1, 30.0, in_liver=False), "organ"),
    ],
)
def test_what_is_not_measurable_is_no_target_and_the_reason_is_given(lesion, why):
    reading = reading_of([scan(0, lesion), scan(1, lesion)], [track("L01", 1, 1)])
    assert not reading.role("target")
    assert why in reading.role("non_target")[0].role_reason


def test_what_progressed_since_treatment_and_nodes_of_15_mm_may_be_targets():
    for lesion in (
        sized(1, 30.0, marks=("treated", "progressed_since_treatment")),
        sized(1, 30.0, marks=("treated", "progressed_since_treatment"), flags=(DENSE,)),
        sized(1, 30.0, short=15.0, marks=("node",)),
    ):
        assert reading_of([scan(0, lesion), scan(1, lesion)], [track("L01", 1, 1)]).role("target")


def test_a_single_scan_proposes_two_targets_of_the_liver_and_says_why_each_lesion_is_one_or_not():
    dense = sized(1, 60.0, flags=(DENSE,))
    cyst = sized(5, 50.0, marks=("simple_cyst",))
    proposed = proposed_targets(scan(0, dense, sized(2, 40.0), sized(3, 30.0), sized(4, 20.0), cyst))
    assert proposed.targets == ("2", "3")
    assert "lipiodol" in proposed.reasons["1"]
    assert "among the largest measurable lesions of the liver (40.0 mm)" in proposed.reasons["2"]
    assert "2 targets of the liver are already chosen" in proposed.reasons["4"]
    assert "simple cyst" in proposed.reasons["5"]


def test_what_the_reader_marks_as_non_target_makes_room_for_the_next_largest():
    first = sized(1, 40.0, marks=("non_target",))
    proposed = proposed_targets(scan(0, first, sized(2, 30.0), sized(3, 20.0, marks=("target",))))
    assert proposed.targets == ("3", "2")
    assert proposed.reasons["1"] == "marked as non-target by the reader"
    assert proposed.sum_mm == 50.0


def test_slices_too_thick_for_a_lesion_of_ten_millimetres_are_named():
    lesion = sized(1, 12.0)
    reading = reading_of([scan(0, lesion, slices_mm=7.0), scan(1, lesion)], [track("L01", 1, 1)])
    assert "14 mm" in reading.role("non_target")[0].role_reason
    assert "slices" in reading.role("non_target")[0].role_reason
    assert any("slice spacings" in warning for warning in reading.warnings)


def test_a_simple_cyst_takes_no_part_and_a_cystic_metastasis_may_be_a_target():
    cyst = sized(2, 40.0, marks=("simple_cyst",))
    for marked_on in (0, 1):
        scores = [scan(n, sized(1, 30.0), cyst if n == marked_on else sized(2, 60.0)) for n in (0, 1)]
        reading = reading_of(scores, [track("L01", 1, 1), track("L02", 2, 2)])
        assert [n.lesion for n in reading.lesions] == ["L01"]
        assert any("L02" in warning and "simple cyst" in warning for warning in reading.warnings)
        assert reading.progression_before_entry.verdict != "met"
    later = [scan(0, sized(1, 30.0)), scan(1, sized(1, 30.0), cyst)]
    assert overall(reading_of(later, [track("L01", 1, 1), track("L02", 2, first=1)])) == [None, "SD"]
    metastasis = sized(2, 40.0, marks=("cystic_metastasis",))
    reading = reading_of([scan(n, metastasis) for n in (0, 1)], [track("L02", 2, 2)])
    assert [n.lesion for n in reading.role("target")] == ["L02"]
    # RECIST 1.1 prefers lesions that are not cystic.
    solid = [sized(1, 20.0), sized(3, 15.0)]
    tracks = [track(f"L{n:02d}", n, n) for n in (1, 2, 3)]
    reading = reading_of([scan(n, metastasis, *solid) for n in (0, 1)], tracks)
    assert {n.lesion for n in reading.role("target")} == {"L01", "L03"}


def test_marks_that_contradict_each_other_are_refused_or_leave_it_open():
    both = [scan(0, sized(1, 30.0, marks=("simple_cyst",))), scan(1, sized(1, 30.0, marks=("cystic_metastasis",)))]
    with pytest.raises(ConfigError, match="simple cyst and as cystic metastasis"):
        reading_of(both, [track("L01", 1, 1)])
    once = [scan(0, sized(1, 30.0)), scan(1, sized(1, 50.0, marks=("not_a_lesion",)))]
    reading = reading_of(once, [track("L01", 1, 1)])
    assert not reading.role("target")
    assert reading.time_points[1].non_targets.response == "NE"


def test_the_readers_mark_comes_first_and_what_is_hard_to_reproduce_last():
    leaves = (raise_flag("DIAMETER_LEAVES_LESION"),)
    lesions = sized(1, 40.0, flags=leaves), sized(2, 20.0), sized(3, 15.0), sized(4, 12.0, marks=("target",))
    tracks = [track(f"L{n}", n, n) for n in range(1, 5)]
    reading = reading_of([scan(0, *lesions), scan(1, *lesions)], tracks)
    assert {t.lesion for t in reading.role("target")} == {"L4", "L2"}


def test_the_readers_list_stands_and_is_held_to_the_rules():
    scores = [scan(0, *five_lesions()), scan(1, *five_lesions())]
    tracks = [track(f"L{n}", n, n) for n in range(1, 6)]
    reading = reading_of(scores, tracks, edits=edits(targets=("L4", "L5")))
    assert [t.lesion for t in reading.role("target")] == ["L4", "L5"]
    with pytest.raises(ConfigError, match="at most 2 of one organ"):
        reading_of(scores, tracks, edits=edits(targets=("L1", "L2", "L3")))
    with pytest.raises(ConfigError, match="no lesion of the baseline"):
        reading_of(scores, tracks, edits=edits(targets=("L9",)))
    small = [scan(0, sized(1, 8.0)), scan(1, sized(1, 8.0))]
    with pytest.raises(ConfigError, match="cannot be a target"):
        reading_of(small, [track("L01", 1, 1)], edits=edits(targets=("L01",)))


# --- responses ---------------------------------------------------------------------------------------------------


def test_a_course_runs_from_baseline_to_partial_response():
    reading = simple_reading()
    assert [p.targets.sum_mm for p in reading.time_points] == [50.0, 42.0, 34.0]
    assert overall(reading) == [None, "SD", "PR"]
    assert reading.best.response == "PR"
    assert reading.best_confirmed.response == "SD"
    assert "-32.0 %" in reading.time_points[2].targets.reason


def test_the_nadir_counts_for_progression():
    reading = simple_reading(((30.0, 20.0), (15.0, 10.0), (20.0, 12.0)))
    assert overall(reading) == [None, "PR", "PD"]
    assert reading.time_points[2].targets.nadir_mm == 25.0


def test_a_target_that_only_the_pet_shows_is_not_evaluable():
    scores = [scan(0, sized(1, 30.0)), scan(1, sized(1, 25.0, source="pet"))]
    reading = reading_of(scores, [track("L01", 1, 1)])
    assert overall(reading) == [None, "NE"]
    assert "PET" in reading.time_points[1].targets.reason


def test_a_vanished_target_is_asked_about_and_the_readers_word_counts():
    scores, tracks = [scan(0, sized(1, 30.0)), scan(1)], [track("L01", 1, None)]
    assert overall(reading_of(scores, tracks)) == [None, "NE"]
    gone = edits(LesionCourseEdit(lesion="L01", on=(on(1, state="absent"),)))
    assert overall(reading_of(scores, tracks, edits=gone)) == [None, "CR"]
    small = edits(LesionCourseEdit(lesion="L01", on=(on(1, state="too_small"),)))
    reading = reading_of(scores, tracks, edits=small)
    assert reading.time_points[1].targets.sum_mm == 5.0
    assert overall(reading) == [None, "PR"]


def test_an_identity_that_is_not_sure_decides_nothing_until_the_reader_says():
    unsure = Track(lesion="L01", appearances=(seen(0, 1), seen(1, 1, confidence=0.6)))
    scores = [scan(0, sized(1, 30.0)), scan(1, sized(1, 50.0))]
    reading = reading_of(scores, [unsure])
    assert overall(reading) == [None, "NE"]
    assert "identity" in reading.time_points[1].targets.reason
    sure = Track(lesion="L01", appearances=(seen(0, 1), seen(1, 1, by="reader")))
    assert overall(reading_of(scores, [sure])) == [None, "PD"]


def test_parts_of_a_split_are_added_and_a_merged_lesion_counts_once():
    split = Track(lesion="L01", appearances=(seen(0, 1), seen(1, 1, 2)))
    reading = reading_of([scan(0, sized(1, 40.0)), scan(1, sized(1, 15.0), sized(2, 12.0))], [split])
    assert reading.time_points[1].targets.sum_mm == 27.0
    merged = Track(lesion="L02", appearances=(seen(0, 2), seen(1, state="merged", into="L01")))
    reading = reading_of(
        [scan(0, sized(1, 30.0), sized(2, 20.0)), scan(1, sized(1, 45.0))], [track("L01", 1, 1), merged]
    )
    assert reading.time_points[1].targets.sum_mm == 45.0
    assert overall(reading) == [None, "SD"]


def coalescing(confidence, *said, targets=("L01",), grown=75.6, into="L02"):
    """A treated 40.9 mm non-target and a 19.6 mm target become one, beside another target."""
    first = scan(0, sized(1, 19.6), sized(2, 40.9, marks=("treated",)), sized(3, 19.2))
    label = {"L01": 1, "L02": 2}[into]
    second = scan(1, sized(label, grown), sized(3, 19.2))
    carrier, part = track(into, label, label), {"L01": "L02", "L02": "L01"}[into]
    merged = Track(
        lesion=part,
        appearances=(seen(0, 3 - label), seen(1, state="merged", into=into, confidence=confidence)),
    )
    other = [track("L03", 3, 3)] if "L03" in targets else []
    return reading_of([first, second], [carrier, merged, *other], edits=edits(*said, targets=targets))


@pytest.mark.parametrize("confidence", [0.5, 1.0])
@pytest.mark.parametrize("targets", [("L01",), ("L01", "L03")])
@pytest.mark.parametrize("into", ["L01", "L02"])
def test_a_target_that_has_merged_with_no_target_is_not_evaluable_everywhere(confidence, targets, into):
    reading = coalescing(confidence, targets=targets, into=into)
    point = reading.time_points[1]
    assert (point.targets.response, point.overall.response) == ("NE", "NE")
    assert point.targets.sum_mm is None
    assert (reading.best.response, reading.best_confirmed.response) == ("NE", "NE")
    assert reading.progression_before_entry.verdict != "met"
    tables = {d.domain: d.rows for d in sdtm_datasets(course_of(reading))}
    (row,) = [r for r in tables["TR"] if r["TRREFID"] == "L01" and r["TRTESTCD"] == "LDIAM" and r["VISITNUM"] == 2]
    assert (row["TRSTAT"], row["TRORRES"]) == ("NOT DONE", None)
    words = {r["RSTESTCD"]: r["RSSTRESC"] for r in tables["RS"]}
    assert {words[code] for code in ("TRGRESP", "OVRLRESP", "BESTRESP")} == {"NE"}


def test_the_other_targets_alone_may_show_progression_beside_a_merged_one():
    scores = [scan(0, sized(1, 20.0), sized(2, 30.0), sized(3, 20.0)), scan(1, sized(2, 60.0), sized(3, 55.0))]
    merged = Track(lesion="L01", appearances=(seen(0, 1), seen(1, state="merged", into="L02", confidence=0.5)))
    reading = reading_of(scores, [merged, track("L02", 2, 2), track("L03", 3, 3)], edits=edits(targets=("L01", "L03")))
    assert reading.time_points[1].targets.response == "PD"


def test_the_reader_decides_what_a_merged_target_is():
    sized_by_reader = coalescing(0.5, LesionCourseEdit(lesion="L01", on=(on(1, size_mm=26.0),)))
    assert overall(sized_by_reader) == [None, "PD"]
    gone = coalescing(0.5, LesionCourseEdit(lesion="L01", on=(on(1, state="absent"),)))
    assert overall(gone) == [None, "PR"]  # the treated non-target is still there
    # An unsure merge of two targets, confirmed by the reader
    scores = [scan(0, sized(1, 30.0), sized(2, 20.0)), scan(1, sized(1, 45.0))]
    unsure = Track(lesion="L02", appearances=(seen(0, 2), seen(1, state="merged", into="L01", confidence=0.6)))
    tracks = [track("L01", 1, 1), unsure]
    assert overall(reading_of(scores, tracks)) == [None, "NE"]
    said = edits(LesionCourseEdit(lesion="L02", on=(on(1, state="merged", merged_into="L01"),)))
    assert overall(reading_of(scores, tracks, edits=said)) == [None, "SD"]


def test_nodes_count_by_short_axis_and_are_normal_under_ten():
    scores = [scan(0, sized(1, 30.0, short=20.0, marks=("node",))), scan(1, sized(1, 25.0, short=9.0, marks=("node",)))]
    reading = reading_of(scores, [track("L01", 1, 1)])
    assert [p.targets.sum_mm for p in reading.time_points] == [20.0, 9.0]
    assert overall(reading) == [None, "CR"]


def test_non_targets_persist_vanish_or_progress_by_the_readers_word():
    lesions = sized(1, 30.0), sized(2, 8.0)
    scores, tracks = [scan(0, *lesions), scan(1, *lesions)], [track("L01", 1, 1), track("L02", 2, 2)]
    assert reading_of(scores, tracks).time_points[1].non_targets.response == "NON-CR/NON-PD"
    grown = edits(LesionCourseEdit(lesion="L02", on=(on(1, state="unequivocal_progression"),)))
    reading = reading_of(scores, tracks, edits=grown)
    assert overall(reading) == [None, "PD"]
    lost = reading_of([scan(0, *lesions), scan(1, lesions[0])], [track("L01", 1, 1), track("L02", 2, None)])
    assert lost.time_points[1].non_targets.response == "NE"


# --- new lesions -------------------------------------------------------------------------------------------------


def with_new(source, size=15.0, **given):
    scores = [scan(0, sized(1, 30.0)), scan(1, sized(1, 30.0), sized(2, size, source=source))]
    return reading_of(scores, [track("L01", 1, 1), track("L02", 2, first=1)], **given)


def test_a_new_focus_on_pet_alone_is_equivocal_and_asked_about():
    reading = with_new("pet")
    assert reading.time_points[1].new_lesion == "equivocal"
    assert overall(reading) == [None, "SD"]
    assert [q.kind for q in reading.questions] == ["new_lesion"]


def test_a_new_lesion_that_the_ct_shows_in_measurable_size_is_progression():
    found = with_new("ct")
    assert overall(found) == [None, "PD"]
    (question,) = found.questions
    assert "earlier CT" in question.sentence
    assert overall(with_new("ct", size=9.0)) == [None, "SD"]


def test_the_reader_confirms_or_rejects():
    yes = edits(LesionCourseEdit(lesion="L02", new="confirmed"))
    no = edits(LesionCourseEdit(lesion="L02", new="rejected"))
    assert overall(with_new("pet", edits=yes)) == [None, "PD"]
    rejected = with_new("ct", edits=no)
    assert overall(rejected) == [None, "SD"]
    assert not rejected.questions


def test_what_is_confirmed_later_is_progression_when_first_seen():
    scores = [
        scan(0, sized(1, 30.0)),
        scan(1, sized(1, 30.0), sized(2, 9.0, source="pet")),
        scan(2, sized(1, 30.0), sized(2, 14.0)),
    ]
    reading = reading_of(scores, [track("L01", 1, 1, 1), track("L02", 2, 2, first=1)])
    assert overall(reading) == [None, "PD", "PD"]


TREATED_LATER = TRIAL.model_copy(update={"entry": date(2024, 4, 20), "first_treatment": date(2024, 4, 25)})


def back_again(source="ct", confidence=1.0, size=15.0, **given):
    """A lesion seen before baseline, not at baseline, and on the scan after it."""
    scores = [
        scan(0, sized(1, 30.0), sized(2, 12.0)),
        scan(1, sized(1, 30.0)),
        scan(2, sized(1, 30.0), sized(2, size, source=source)),
    ]
    returned = Track(lesion="L02", appearances=(seen(0, 2), seen(1), seen(2, 2, confidence=confidence)))
    return reading_of(scores, [track("L01", 1, 1, 1), returned], trial=TREATED_LATER, **given)


def test_a_lesion_that_is_back_after_baseline_is_new_where_ct_shows_it_or_the_reader_confirms_it():
    for reading in (back_again(), back_again("pet", edits=edits(LesionCourseEdit(lesion="L02", new="confirmed")))):
        assert overall(reading) == [None, "PD"]
        assert reading.best.response == "PD"
        tables = {d.domain: d.rows for d in sdtm_datasets(course_of(reading))}
        (row,) = [r for r in tables["TU"] if r["TUREFID"] == "L02"]
        assert (row["TUORRES"], row["VISITNUM"], row["TULOBXFL"]) == ("NEW", 3, None)


@pytest.mark.parametrize("changes", [{"source": "pet"}, {"confidence": 0.5}, {"size": 8.0}])
def test_a_doubtful_lesion_that_is_back_after_baseline_is_asked_about(changes):
    reading = back_again(**changes)
    assert reading.time_points[1].new_lesion == "equivocal"
    (question,) = [q for q in reading.questions if q.kind == "new_lesion"]
    assert "before baseline" in question.sentence


def test_the_reader_may_say_that_it_was_there_at_baseline():
    for said in (
        LesionCourseEdit(lesion="L02", new="rejected"),
        LesionCourseEdit(lesion="L02", on=(on(1, state="present"),)),
    ):
        reading = back_again(edits=edits(said))
        assert overall(reading) == [None, "SD"]
        assert [n.lesion for n in reading.role("non_target")] == ["L02"]


# --- baseline, entry, warnings -----------------------------------------------------------------------------------


def test_the_last_scan_up_to_treatment_is_the_baseline_and_earlier_ones_serve_inclusion_6():
    trial = TRIAL.model_copy(update={"entry": date(2024, 7, 10), "first_treatment": date(2024, 7, 15)})
    reading = simple_reading(((20.0, 15.0), (25.0, 15.0), (30.0, 20.0), (28.0, 20.0)), trial=trial)
    assert reading.baseline == 2
    assert overall(reading) == [None, "SD"]
    answer = reading.progression_before_entry
    assert answer.verdict == "met"
    assert answer.evidence["prior_sum_mm"] == 40.0
    assert answer.evidence["sum_mm"] == 50.0


def test_inclusion_6_needs_a_manifest_with_the_date_of_entry():
    assert simple_reading(trial=None).progression_before_entry.verdict == "not_evaluable"
    undated = TRIAL.model_copy(update={"entry": None})
    assert simple_reading(trial=undated).progression_before_entry.verdict == "not_evaluable"


def test_scans_that_are_all_later_than_treatment_have_no_baseline():
    early = TRIAL.model_copy(update={"first_treatment": date(2023, 1, 1)})
    with pytest.raises(ConfigError, match="no baseline"):
        simple_reading(trial=early)


def test_a_baseline_older_than_four_weeks_is_told():
    late = TRIAL.model_copy(update={"first_treatment": date(2024, 3, 1)})
    assert any("four weeks" in warning for warning in simple_reading(trial=late).warnings)


def test_targets_that_are_never_measured_again_are_told():
    scores = [scan(0, sized(1, 30.0)), scan(1, sized(1, 30.0, source="pet")), scan(2)]
    reading = reading_of(scores, [track("L01", 1, 1, None)])
    assert any("never measured again" in warning for warning in reading.warnings)


def test_a_lesion_of_another_organ_than_the_targets_is_refused():
    scores = [scan(0, sized(1, 30.0)), scan(1, sized(2, 30.0, in_liver=False))]
    wrong = Track(lesion="L01", appearances=(seen(0, 1), seen(1, 2, by="reader")))
    said = edits(LesionCourseEdit(lesion="L01", organ="LIVER"))
    with pytest.raises(ConfigError, match="outside the liver"):
        reading_of(scores, [wrong], edits=said)


def test_edits_of_a_lesion_or_scan_that_is_not_there_are_refused():
    with pytest.raises(ConfigError, match="L77"):
        simple_reading(edits=edits(LesionCourseEdit(lesion="L77")))
    unknown = LesionCourseEdit(lesion="L01", on=(LesionOnScan(scan="1999-01-01", state="absent"),))
    with pytest.raises(ConfigError, match="names no scan"):
        simple_reading(edits=edits(unknown))


def test_what_a_reader_called_no_lesion_takes_no_part():
    scores = [scan(n, sized(1, 30.0), sized(2, 25.0, marks=("not_a_lesion",))) for n in (0, 1)]
    reading = reading_of(scores, [track("L01", 1, 1), track("L02", 2, 2)])
    assert [n.lesion for n in reading.lesions] == ["L01"]


# --- after a complete response ---------------------------------------------------------------------------------------


def gone_and_back(after, *, non_target=None, states=()):
    """One target that is absent on the second scan and has a size on the third; perhaps a non-target beside."""
    beside = [] if non_target is None else [sized(2, non_target)]
    scores = [scan(0, sized(1, 50.0), *beside), scan(1, *beside), scan(2, *beside)]
    said = [LesionCourseEdit(lesion="L01", on=(on(1, state="absent"), after))]
    tracks = [track("L01", 1, None, None)]
    if beside:
        said.append(LesionCourseEdit(lesion="L02", on=tuple(states))) if states else None
        tracks.append(track("L02", 2, 2, 2))
    return reading_of(scores, tracks, edits=edits(*said))


def test_any_disease_after_a_complete_response_is_progression_and_asked_about():
    reading = gone_and_back(on(2, size_mm=4.0))
    assert overall(reading) == [None, "CR", "PD"]
    assert reading.time_points[2].targets.response == "PD"
    (question,) = [q for q in reading.questions if q.kind == "best_response"]
    assert "complete response" in question.sentence
    assert reading.best_confirmed.response == "SD"  # the CR lasted longer than six weeks


def test_a_target_that_is_back_while_non_targets_persisted_follows_the_sum():
    # Targets gone and a non-target present is PR, and in the setting of PR a reappearance is no progression by itself.
    reading = gone_and_back(on(2, size_mm=4.0), non_target=8.0)
    assert overall(reading) == [None, "PR", "PR"]
    assert overall(gone_and_back(on(2, size_mm=5.0), non_target=8.0)) == [None, "PR", "PD"]


def test_a_non_target_that_is_back_after_a_complete_response_is_progression():
    states = [on(1, state="absent"), on(2, state="present")]
    reading = gone_and_back(on(2, state="absent"), non_target=8.0, states=states)
    assert overall(reading) == [None, "CR", "PD"]
    assert reading.time_points[2].non_targets.response == "PD"
    unknown = gone_and_back(on(2, state="absent"), non_target=8.0, states=[states[0], on(2, state="not_evaluated")])
    assert overall(unknown) == [None, "CR", "NE"]
    assert not [q for q in unknown.questions if q.kind == "best_response"]


# --- uptake ------------------------------------------------------------------------------------------------------


def test_the_two_routes_of_therapy_stand_side_by_side():
    scores = [
        scan(n, sized(1, 30.0, peak=peak, volume=volume))
        for n, (peak, volume) in enumerate(((20.0, 10.0), (16.0, 8.0), (10.0, 5.0), (9.0, 5.0), (8.0, 4.0)))
    ]
    reading = reading_of(scores, [track("L01", 1, 1, 1, 1, 1)], cycles=(None, "ia", "ia", "iv", "iv"))
    arterial, venous = reading.routes
    assert (arterial.route, arterial.cycles, arterial.from_scan, arterial.to_scan) == ("ia", 2, 0, 2)
    assert (venous.route, venous.cycles, venous.from_scan, venous.to_scan) == ("iv", 2, 2, 4)
    assert arterial.suv_peak_change == pytest.approx(-0.5)
    assert venous.suv_peak_change == pytest.approx(-0.2)
    assert arterial.tumour_ml_change == pytest.approx(-0.5)
    assert venous.total_uptake_change == pytest.approx(8 * 4 / (10 * 5) - 1)
    assert arterial.lesions == {"L01": pytest.approx(-0.5)}


def test_a_lesion_whose_identity_is_not_sure_shows_no_effect_of_a_route():
    scores = [scan(n, sized(1, 30.0, peak=20.0 - 8 * n), sized(2, 20.0, peak=10.0)) for n in (0, 1)]
    unsure = Track(lesion="L01", appearances=(seen(0, 1), seen(1, 1, confidence=0.6)))
    (effect,) = reading_of(scores, [unsure, track("L02", 2, 2)], cycles=(None, "ia")).routes
    assert effect.lesions == {"L02": 0.0}
    assert effect.suv_peak_change == 0.0


def test_a_course_is_named_by_its_content():
    one, other = course_of(simple_reading()), course_of(simple_reading())
    assert one.course_id == other.course_id
    assert course_of(simple_reading(((30.0, 20.0), (24.0, 18.1)))).course_id != one.course_id
    assert type(one).model_validate_json(one.to_json()) == one
    assert one.config == RULES
