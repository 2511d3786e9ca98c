"""The trial's own tables: read as XPT or CSV, and refused by name where they are wrong."""

from __future__ import annotations

import random
from datetime import date

import pytest

from dotaliver.errors import CourseError
from dotaliver.longitudinal.manifest import ManifestRow
from dotaliver.longitudinal.trial_data import Demographics, Span, TrialData, Visit, read_trial_data, with_trial_dates

DM = """STUDYID,USUBJID,SUBJID,SITEID,RFSTDTC,RFXSTDTC,RFXENDTC,DTHDTC
NCT1,NCT1-003,003,01,2024-01-25,2024-01-25T09:30,2024-09-10,
"""
EX = """USUBJID,EXTRT,EXSTDTC,EXENDTC
NCT1-003,LU-177,2024-01-25,2024-01-25
NCT1-003,LU-177,2024-09-10,
NCT1-004,LU-177,2023-01-01,
"""
SV = """USUBJID,VISITNUM,VISIT,EPOCH
NCT1-003,1,SCREENING,SCREENING
NCT1-003,2,WEEK 12,
"""
TV = """VISITNUM,VISIT,VISITDY,ARMCD
1,SCREENING,-14,A
2,WEEK 12,85,A
3,WEEK 24,169,A
3,WEEK 24,170,B
"""
SE = """USUBJID,SESTDTC,SEENDTC,EPOCH
NCT1-003,2024-01-02,2024-01-25,SCREENING
NCT1-003,2024-01-25,2024-10-01,TREATMENT
"""


def row(number=1, visit="SCREENING", **more):
    return ManifestRow(
        study_id="NCT1", site_id="01", subject_id="003", study_instance_uid=f"1.2.{number}", visit=visit,
        visit_number=number, **more,
    )  # fmt: skip


ROWS = (row(), row(2, "WEEK 12"))


def folder(tmp_path, **tables):
    made = tmp_path / "trial"
    made.mkdir()
    for name, text in tables.items():
        (made / f"{name}.csv").write_text(text)
    return made


def test_dates_visits_and_elements_of_the_subject_are_read(tmp_path):
    data = read_trial_data(folder(tmp_path, dm=DM, ex=EX, sv=SV, tv=TV, se=SE), ROWS)
    assert data.dm == Demographics("NCT1-003", date(2024, 1, 25), date(2024, 1, 25), date(2024, 9, 10), None)
    assert data.visits == (Visit(1, "SCREENING", epoch="SCREENING"), Visit(2, "WEEK 12"))
    # Arms that plan week 24 on different days leave it without a planned day.
    assert [data.planned_day(number) for number in (1, 2, 3, 4, None)] == [-14, 85, None, None, None]
    assert data.elements[1] == Span(date(2024, 1, 25), date(2024, 10, 1), "TREATMENT")
    assert data.notes == ()


def test_transport_files_read_as_csv_does(tmp_path):
    pd = pytest.importorskip("pandas")
    pyreadstat = pytest.importorskip("pyreadstat")
    made = folder(tmp_path, dm=DM, sv=SV, tv=TV)
    by_csv = read_trial_data(made, ROWS)
    for name in ("dm", "sv", "tv"):
        frame = pd.read_csv(made / f"{name}.csv", dtype={"SUBJID": str, "SITEID": str}, keep_default_na=False)
        pyreadstat.write_xport(frame, str(made / f"{name.upper()}.XPT"), table_name=name, file_format_version=5)
        (made / f"{name}.csv").unlink()
    assert read_trial_data(made, ROWS) == by_csv


@pytest.mark.parametrize(
    ("day", "visit", "tables", "epoch"),
    [
        # SE decides; its last day belongs to the element that starts on it.
        (date(2024, 1, 24), 1, {"se": SE}, "SCREENING"),
        (date(2024, 1, 25), 1, {"se": SE}, "TREATMENT"),
        (date(2024, 10, 1), 2, {"se": SE}, "TREATMENT"),
        (date(2024, 10, 2), 2, {"se": SE}, None),
        # then SV, then the exposures of DM
        (date(2024, 4, 1), 1, {"sv": SV}, "SCREENING"),
        (date(2024, 4, 1), 2, {"sv": SV}, "TREATMENT"),
        (date(2024, 1, 24), 2, {}, "SCREENING"),
        # A date alone does not tell what happened first on the day of treatment, nor what follows the last one.
        (date(2024, 1, 25), 2, {}, None),
        (date(2024, 9, 10), 2, {}, "TREATMENT"),
        (date(2024, 9, 11), 2, {}, None),
    ],
)  # fmt: skip
def test_the_epoch_is_that_of_the_trials_tables(day, visit, tables, epoch, tmp_path):
    assert read_trial_data(folder(tmp_path, dm=DM, **tables), ROWS).epoch(day, visit) == epoch


def test_without_dates_in_dm_nothing_is_made_up(tmp_path):
    dm = DM.replace("2024-01-25,2024-01-25T09:30,2024-09-10", "2024-01,,")
    data = read_trial_data(folder(tmp_path, dm=dm), ROWS)
    assert data.dm.reference_start is None
    assert data.epoch(date(2024, 1, 1), 1) is None
    assert data.notes == ("dm.csv, row 2, RFSTDTC: 2024-01 is a partial date and is not used.",)


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ({"sv": SV}, "there is no dm.xpt or dm.csv"),
        ({"dm": DM.replace("003", "005")}, "dm.csv: there is no row for the subject NCT1-01-003"),
        ({"dm": DM + DM.splitlines()[1] + "\n"}, "dm.csv: the subject NCT1-01-003 has 2 rows"),
        ({"dm": DM.replace("RFSTDTC", "START")}, "dm.csv: the column rfstdtc is missing"),
        ({"dm": DM.replace("2024-01-25,", "25.01.2024,", 1)}, "dm.csv, row 2, RFSTDTC: '25.01.2024' is not an ISO"),
        ({"dm": DM.replace("2024-01-25,", "2024-02-30,", 1)}, "RFSTDTC: 2024-02-30 is not a date of the calendar"),
        ({"dm": DM.replace("NCT1-003", "NCT1-é")}, "dm.csv, row 2: USUBJID is not 1 to 200 characters of ASCII"),
        ({"dm": DM.replace("NCT1-003", "N" * 201)}, "dm.csv, row 2: USUBJID is not 1 to 200"),
        ({"dm": DM, "ex": EX.replace("2024-01-25", "2024-01-26")}, "ex.csv: exposures give 2024-01-26 where RFXSTDTC"),
        ({"dm": DM, "sv": SV + "NCT1-003,2,WEEK 12,\n"}, "sv.csv, row 4: visit 2 of NCT1-003 is there twice"),
        ({"dm": DM, "sv": SV.replace("WEEK 12", "CYCLE 2")}, "sv.csv: visit 2 is called CYCLE 2, and the manifest"),
        ({"dm": DM, "tv": TV.replace("2,WEEK 12", "2,CYCLE 2")}, "tv.csv: visit 2 is called CYCLE 2"),
        ({"dm": DM, "tv": TV.replace("3,WEEK 24,170", "3,DAY 170,170")}, "tv.csv, row 5: visit 3 is called both"),
        ({"dm": DM, "tv": TV.replace("85", "x")}, "tv.csv, row 3, VISITDY: 'x' is not a number"),
        ({"dm": 'STUDYID,"USUBJID\n'}, "dm.csv: not a CSV table"),
        ({"dm": DM.replace("DTHDTC", "SUBJID")}, "dm.csv: two columns are named subjid"),
    ],
)  # fmt: skip
def test_a_wrong_table_is_refused_by_name(tables, says, tmp_path):
    with pytest.raises(CourseError, match=says) as caught:
        read_trial_data(folder(tmp_path, **tables), ROWS)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("spoil", [b"", b"HEADER RECORD", b"\0" * 4000])
def test_a_broken_transport_file_is_refused_by_name(spoil, tmp_path):
    pytest.importorskip("pyreadstat")
    made = folder(tmp_path)
    (made / "dm.xpt").write_bytes(spoil)
    with pytest.raises(CourseError, match=r"dm\.xpt: (not a readable SAS transport file|the variable)"):
        read_trial_data(made, ROWS)


def test_a_damaged_transport_file_is_read_or_refused_in_one_sentence(tmp_path):
    pd = pytest.importorskip("pandas")
    pyreadstat = pytest.importorskip("pyreadstat")
    made = folder(tmp_path)
    frame = pd.DataFrame([dict(zip(*(line.split(",") for line in DM.splitlines()), strict=True))])
    pyreadstat.write_xport(frame, str(made / "dm.xpt"), table_name="DM", file_format_version=5)
    whole = (made / "dm.xpt").read_bytes()
    assert read_trial_data(made, ROWS).dm.unique_subject_id == "NCT1-003"
    rng = random.Random(1)
    for _ in range(60):
        damaged = bytearray(whole[: rng.choice((len(whole), rng.randrange(len(whole))))])
        for _ in range(rng.randrange(1, 12)):
            if damaged:
                damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        (made / "dm.xpt").write_bytes(damaged)
        try:
            read_trial_data(made, ROWS)
        except CourseError as error:
            assert "\n" not in str(error)


def test_two_tables_of_one_domain_are_refused(tmp_path):
    made = folder(tmp_path, dm=DM)
    (made / "DM.xpt").write_bytes(b"")
    with pytest.raises(CourseError, match="are both DM; keep one"):
        read_trial_data(made, ROWS)


def test_dates_of_the_trial_complete_the_manifest_and_must_agree_with_it():
    data = TrialData(Demographics("S", None, date(2024, 1, 25), None, date(2025, 1, 1)))
    (found,) = with_trial_dates((row(),), data)
    assert (found.first_treatment_date, found.death_date) == (date(2024, 1, 25), date(2025, 1, 1))
    with pytest.raises(
        CourseError, match="gives 2024-01-26 as first_treatment_date, and the trial's data say 2024-01-25"
    ):
        with_trial_dates((row(first_treatment_date=date(2024, 1, 26)),), data)
