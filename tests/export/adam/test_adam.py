"""ADTR, ADRS and ADTTE against numbers worked out by hand."""

from __future__ import annotations

from datetime import date

import pytest

from dotaliver.errors import CourseError
from dotaliver.export.adam.adtte import Followed, time_to_progression
from dotaliver.export.adam.package import adam_datasets, adam_notes
from dotaliver.export.sdtm.datasets import SAS_EPOCH, sdtm_csv
from dotaliver.export.sdtm.rows import sdtm_datasets
from dotaliver.export.sdtm.xpt import require_transport, xpt_bytes
from dotaliver.longitudinal.best_response import DatedResponse
from dotaliver.longitudinal.edits import LesionCourseEdit
from dotaliver.longitudinal.records import Evaluator
from fixtures.courses import TRIAL, course_of, edits, on, reading_of, scan, simple_reading, sized, track

# 50 mm, 42 (-16 %), 30 (-40 %: PR), 40 (+10 mm and +33 % from 30: PD)
SIZES = ((30.0, 20.0), (24.0, 18.0), (20.0, 10.0), (25.0, 15.0))


def made(course):
    return {dataset.domain: dataset for dataset in adam_datasets(course, sdtm_datasets(course))}


def rows(dataset, **wanted):
    return [row for row in dataset.rows if all(row.get(k) == v for k, v in wanted.items())]


def day(number):
    return (SAS_EPOCH.fromordinal(SAS_EPOCH.toordinal() + number)).isoformat()


def test_adtr_holds_sums_with_changes_from_baseline_and_nadir():
    found = rows(made(course_of(simple_reading(SIZES)))["ADTR"], PARAMCD="SDIAM")
    columns = ("AVISIT", "AVISITN", "AVAL", "ABLFL", "BASE", "CHG", "PCHG", "NADIR", "CHGNAD", "PCHGNAD", "PDFL")
    assert [tuple(row[name] for name in columns) for row in found] == [
        ("BASELINE", 0.0, 50.0, "Y", 50.0, None, None, None, None, None, None),
        ("VISIT 2", 2.0, 42.0, None, 50.0, -8.0, -16.0, 50.0, -8.0, -16.0, None),
        ("VISIT 3", 3.0, 30.0, None, 50.0, -20.0, -40.0, 42.0, -12.0, pytest.approx(-28.571429), None),
        ("VISIT 4", 4.0, 40.0, None, 50.0, -10.0, -20.0, 30.0, 10.0, pytest.approx(33.333333), "Y"),
    ]
    assert [day(row["ADT"]) for row in found] == ["2024-01-10", "2024-04-05", "2024-07-01", "2024-10-01"]
    # The first treatment is of 25 January.
    assert [row["ADY"] for row in found] == [-15, 72, 159, 251]


def test_adtr_traces_each_value_to_its_record():
    course = course_of(simple_reading(SIZES))
    sdtm = {dataset.domain: dataset for dataset in sdtm_datasets(course)}
    for row in made(course)["ADTR"].rows:
        domain = row["SRCDOM"]
        (source,) = rows(sdtm[domain], **{f"{domain}SEQ": row["SRCSEQ"]})
        assert source[row["SRCVAR"]] == row["AVAL"]


def test_a_target_that_was_not_measured_leaves_the_sum_missing_and_unflagged():
    lost = edits(LesionCourseEdit(lesion="L01", on=(on(1, state="not_evaluated"),)))
    found = rows(made(course_of(simple_reading(SIZES, edits=lost)))["ADTR"], PARAMCD="SDIAM")
    assert [(row["AVAL"], row["CHG"], row["ANL01FL"]) for row in found[1:3]] == [(None, None, None), (30.0, -20.0, "Y")]
    assert found[2]["NADIR"] == 50.0


def test_a_target_node_has_its_short_axis():
    scores = [
        scan(n, sized(1, 40.0), sized(2, 22.0, short=short, marks=("node",))) for n, short in ((0, 18.0), (1, 9.0))
    ]
    found = made(course_of(reading_of(scores, [track("L01", 1, 1), track("L02", 2, 2)])))["ADTR"]
    assert [row["AVAL"] for row in rows(found, PARAMCD="NLDIAM2")] == [18.0, 9.0]
    assert [row["AVAL"] for row in rows(found, PARAMCD="LDIAM1")] == [40.0, 40.0]


def test_adrs_holds_visits_first_events_and_best_responses():
    found = made(course_of(simple_reading(SIZES)))["ADRS"]
    assert [(row["AVALC"], row["AVAL"], row["ANL01FL"]) for row in rows(found, PARAMCD="OVR")] == [
        ("SD", 3.0, "Y"), ("PR", 2.0, "Y"), ("PD", 5.0, "Y"),
    ]  # fmt: skip
    single = {row["PARAMCD"]: (row["AVALC"], row["ADT"] and day(row["ADT"])) for row in found.rows}
    assert single["PD"] == ("Y", "2024-10-01")
    assert single["RSP"] == ("Y", "2024-07-01")
    # PR on 1 July, PD on 1 October: not confirmed, and stable since 5 April.
    assert single["CRSP"] == ("N", None)
    assert single["LSTA"] == ("PD", "2024-10-01")
    assert (single["BOR"], single["CBOR"]) == (("PR", "2024-07-01"), ("SD", "2024-04-05"))


def test_records_after_the_first_progression_are_not_flagged():
    found = made(course_of(simple_reading((*SIZES, (20.0, 10.0)))))["ADRS"]
    assert [row["ANL01FL"] for row in rows(found, PARAMCD="OVR")] == ["Y", "Y", "Y", None]
    assert rows(found, PARAMCD="BOR")[0]["AVALC"] == "PR"


def test_every_evaluator_has_records_of_their_own():
    readings = [
        simple_reading(sizes).model_copy(update={"evaluator": Evaluator(role="INDEPENDENT ASSESSOR", identifier=name)})
        for name, sizes in (("RADIOLOGIST 1", SIZES), ("RADIOLOGIST 2", SIZES[:3]))
    ]
    found = made(course_of(*readings))
    assert [row["AVALC"] for row in rows(found["ADRS"], PARAMCD="PD")] == ["Y", "N"]
    assert {row["PARCAT2"] for row in found["ADTTE"].rows} == {
        "INDEPENDENT ASSESSOR RADIOLOGIST 1", "INDEPENDENT ASSESSOR RADIOLOGIST 2",
    }  # fmt: skip
    assert len({row["ASEQ"] for row in found["ADTR"].rows}) == len(found["ADTR"].rows)


def test_adtte_counts_days_from_the_first_treatment():
    found = made(course_of(simple_reading(SIZES)))["ADTTE"]
    for code in ("PFS", "TTP"):
        (row,) = rows(found, PARAMCD=code)
        # 25 January is day 1, 1 October day 251; the assessment before is of 1 July, 92 days earlier.
        assert (row["AVAL"], row["CNSR"], row["EVNTDESC"], row["GAPDAYS"]) == (251.0, 0, "DISEASE PROGRESSION", 92)


def test_without_a_first_treatment_there_is_no_adtte_and_a_note_says_so():
    untreated = TRIAL.model_copy(update={"first_treatment": None})
    course = course_of(simple_reading(SIZES, trial=untreated), trial=untreated)
    assert "ADTTE" not in made(course)
    assert "ADY" not in {v.name for v in made(course)["ADTR"].variables}
    assert "there is no ADTTE" in adam_notes(course)[0]


START = date(2024, 1, 1)


def followed(*words, therapy=None, death=None):
    days = [date(2024, month, 1) for month in (3, 5, 7, 9)]
    responses = [DatedResponse(on=on_day, response=word) for on_day, word in zip(days, words, strict=False)]
    return Followed(tuple(responses), START, therapy, death)


@pytest.mark.parametrize(
    ("given", "pfs", "ttp"),
    [
        # progression; the assessment that is not evaluable is no censoring date
        (followed("SD", "NE", "PD"), (date(2024, 7, 1), 0), (date(2024, 7, 1), 0)),
        (followed("SD", "NE"), (date(2024, 3, 1), 1), (date(2024, 3, 1), 1)),
        (followed("NE", "NE"), (START, 4), (START, 4)),
        (followed(), (START, 4), (START, 4)),
        # another therapy: before progression it censors, on its day or after it does not
        (followed("SD", "SD", "PD", therapy=date(2024, 6, 1)), (date(2024, 5, 1), 2), (date(2024, 5, 1), 2)),
        (followed("SD", "PD", therapy=date(2024, 5, 1)), (date(2024, 5, 1), 0), (date(2024, 5, 1), 0)),
        (followed("SD", "PD", therapy=date(2024, 5, 2)), (date(2024, 5, 1), 0), (date(2024, 5, 1), 0)),
        (followed("SD", therapy=date(2024, 2, 1)), (START, 4), (START, 4)),
        # death: an event of PFS, not of TTP; after another therapy of neither
        (followed("SD", death=date(2024, 4, 10)), (date(2024, 4, 10), 0), (date(2024, 3, 1), 3)),
        (followed("PR", therapy=date(2024, 3, 9), death=date(2024, 4, 1)), *(((date(2024, 3, 1), 2),) * 2)),
        (followed(death=date(2024, 1, 20)), (date(2024, 1, 20), 0), (START, 4)),
    ],
)  # fmt: skip
def test_events_and_censoring_follow_the_stated_convention(given, pfs, ttp):
    for is_event, wanted in ((True, pfs), (False, ttp)):
        found = time_to_progression(given, death_is_event=is_event)
        assert (found.on, found.censored) == wanted
        assert (found.date_is is None) == (found.censored == 0)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (followed("SD", "PD", death=date(2024, 4, 1)), "the death on 2024-04-01 precedes the scan of 2024-05-01"),
        (followed("SD", therapy=date(2023, 12, 1)), "before the first treatment"),
        (followed(death=date(2023, 12, 1)), "precedes the first treatment"),
        (followed("SD", therapy=date(2024, 4, 2), death=date(2024, 4, 1)), "precedes the other therapy"),
    ],
)
def test_dates_that_contradict_each_other_are_refused(given, says):
    with pytest.raises(CourseError, match=says):
        time_to_progression(given, death_is_event=True)


def test_adam_reads_back_from_transport_equal_to_its_csv(tmp_path):
    pd = pytest.importorskip("pandas")
    pyreadstat = pytest.importorskip("pyreadstat")
    for dataset in made(course_of(simple_reading(SIZES))).values():
        require_transport(dataset)
        (tmp_path / "table.xpt").write_bytes(xpt_bytes(dataset))
        (tmp_path / "table.csv").write_text(sdtm_csv(dataset), newline="")
        frame, meta = pyreadstat.read_xport(str(tmp_path / "table.xpt"))
        by_csv = pd.read_csv(tmp_path / "table.csv", dtype=str, keep_default_na=False)
        assert meta.table_name == dataset.domain
        for variable in dataset.variables:
            for n, text in enumerate(by_csv[variable.name]):
                cell = frame[variable.name][n]
                if text == "":
                    assert pd.isna(cell) or cell == ""
                elif variable.is_date:
                    assert str(cell)[:10] == text
                elif variable.kind == "Num":
                    assert cell == pytest.approx(float(text), rel=1e-14)
                else:
                    assert cell == text
