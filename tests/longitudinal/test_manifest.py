import pytest

from dotaliver.errors import CourseError
from dotaliver.longitudinal.manifest import read_manifest, rows_of_subject, trial_keys

HEAD = "study_id,site_id,subject_id,study_instance_uid,visit,visit_number,entry_date,first_treatment_date,cycle"


def manifest(tmp_path, *rows, head=HEAD):
    path = tmp_path / "manifest.csv"
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


ROW = "NCT1,01,003,1.2.1,SCREENING,1,2024-01-20,2024-01-25,"
SECOND = "NCT1,01,003,1.2.2,CYCLE 2,2,2024-01-20,2024-01-25,IA"


def test_rows_are_read_with_their_dates_and_cycles(tmp_path):
    first, second = read_manifest(manifest(tmp_path, ROW, SECOND))
    assert (first.visit, first.visit_number, first.cycle) == ("SCREENING", 1.0, None)
    assert second.cycle == "ia"
    assert second.evaluator == "INVESTIGATOR"
    keys = trial_keys((first, second))
    assert keys.unique_subject_id == "NCT1-01-003"
    assert keys.entry.isoformat() == "2024-01-20"


def test_column_names_may_be_in_any_case_and_a_spreadsheets_mark_is_no_fault(tmp_path):
    path = manifest(tmp_path, ROW, head=HEAD.upper())
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_manifest(path)[0].subject_id == "003"


@pytest.mark.parametrize(
    ("row", "match"),
    [
        ("NCT1,01,003,1.2.1,SCREENING,one,2024-01-20,2024-01-25,", "row 2, column visit_number"),
        ("NCT1,01,003,1.2.1,SCREENING,1,20.01.2024,2024-01-25,", "row 2, column entry_date"),
        ("NCT1,01,003,1.2.1,SCREENING,1,2024-01-20,2024-01-25,oral", "row 2, column cycle"),
        ("NCT1,01,,1.2.1,SCREENING,1,2024-01-20,2024-01-25,", "row 2, column subject_id"),
    ],
)
def test_a_wrong_value_is_named_by_row_and_column(tmp_path, row, match):
    with pytest.raises(CourseError, match=match):
        read_manifest(manifest(tmp_path, row))


def test_a_missing_column_and_an_unreadable_file_are_named(tmp_path):
    with pytest.raises(CourseError, match="column visit_number is missing"):
        read_manifest(manifest(tmp_path, ROW, head=HEAD.replace("visit_number", "number")))
    with pytest.raises(CourseError, match=r"none\.csv"):
        read_manifest(tmp_path / "none.csv")
    bad = tmp_path / "bad.csv"
    bad.write_bytes(b"\xff\xfe\x00broken")
    with pytest.raises(CourseError, match=r"bad\.csv"):
        read_manifest(bad)


def test_a_scan_without_a_row_and_a_row_without_a_scan_are_named(tmp_path):
    rows = read_manifest(manifest(tmp_path, ROW, SECOND))
    with pytest.raises(CourseError, match=r"no row for the study 1\.2\.9"):
        rows_of_subject(rows, ["1.2.1", "1.2.9"])
    with pytest.raises(CourseError, match=r"names the study 1\.2\.2 \(visit CYCLE 2\)"):
        rows_of_subject(rows, ["1.2.1"])


def test_other_subjects_of_the_trial_are_passed_over_and_two_at_once_refused(tmp_path):
    other = "NCT1,02,007,1.9.1,SCREENING,1,2024-02-20,2024-02-25,"
    rows = read_manifest(manifest(tmp_path, ROW, SECOND, other))
    assert len(rows_of_subject(rows, ["1.2.1", "1.2.2"])) == 2
    with pytest.raises(CourseError, match="2 subjects"):
        rows_of_subject(rows, ["1.2.1", "1.2.2", "1.9.1"])


def test_contradicting_dates_of_one_subject_are_refused(tmp_path):
    rows = read_manifest(manifest(tmp_path, ROW, SECOND.replace("2024-01-20", "2024-01-21")))
    with pytest.raises(CourseError, match="entry_date"):
        trial_keys(rows)


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_are_told_by_the_row_of_names(tmp_path, separator):
    path = manifest(tmp_path, ROW.replace(",", separator), head=HEAD.replace(",", separator))
    path.write_text(path.read_text().replace(f"SCREENING{separator}1{separator}", f"A, B{separator}1,5{separator}"))
    (row,) = read_manifest(path)
    assert (row.visit, row.visit_number, row.subject_id) == ("A, B", 1.5, "003")


@pytest.mark.parametrize("blank", ["", ",,,,,,,,", "  ,,, ,,,,,"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_blank_rows_of_a_spreadsheet_are_skipped_and_others_keep_their_number(tmp_path, blank, end):
    path = tmp_path / "manifest.csv"
    path.write_bytes(end.join([HEAD, blank, ROW, blank, SECOND, blank]).encode())
    assert [row.visit for row in read_manifest(path)] == ["SCREENING", "CYCLE 2"]
    path.write_bytes(end.join([HEAD, blank, ROW, blank, SECOND.replace(",IA", ",oral")]).encode())
    with pytest.raises(CourseError, match="row 5, column cycle"):
        read_manifest(path)


def test_unicode_text_of_a_spreadsheet_is_read(tmp_path):
    path = tmp_path / "manifest.txt"
    path.write_bytes("\n".join([HEAD, ROW]).replace(",", "\t").encode("utf-16"))
    assert read_manifest(path)[0].visit == "SCREENING"


@pytest.mark.parametrize(("visit", "size"), [("V" * 201, 201), ("é" * 184, 368)])
def test_text_that_transport_files_cannot_hold_is_refused_with_the_limit(tmp_path, visit, size):
    path = manifest(tmp_path, ROW.replace("SCREENING", visit))
    with pytest.raises(CourseError, match=rf"row 2, column visit: .*{size} bytes .* at most 200 bytes"):
        read_manifest(path)
    assert read_manifest(manifest(tmp_path, ROW.replace("SCREENING", "V" * 200)))[0].visit == "V" * 200
    with pytest.raises(CourseError, match=r"manifest.csv, row 2, column visit: 'é+' is not plain ASCII text"):
        read_manifest(manifest(tmp_path, ROW.replace("SCREENING", "é" * 100)))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"CYCLE 2": "SCREENING"}, "numbers the visit SCREENING both 1 and 2"),
        ({",2,": ",1,"}, "gives visit 1"),
    ],
)
def test_visits_that_share_a_number_or_a_name_are_refused(tmp_path, change, says):
    second = SECOND
    for old, new in change.items():
        assert old in second
        second = second.replace(old, new)
    rows = read_manifest(manifest(tmp_path, ROW, second))
    with pytest.raises(CourseError, match=says):
        rows_of_subject(rows, [row.study_instance_uid for row in rows])
