"""The cohort's tables hold every study once with the types of its values; the page is safe to pass on."""

import csv
import re
from datetime import date

import pandas as pd
import pytest

from dotaliver.batch.cohort import cohort_rows, write_cohort
from dotaliver.batch.cohort_page import cohort_html
from dotaliver.batch.records import Place, StudyRecord
from dotaliver.batch.workspace import Workspace
from dotaliver.errors import CourseError
from dotaliver.longitudinal.manifest import ManifestRow
from fixtures.batches import key, uid
from fixtures.courses import course_of, simple_reading


@pytest.fixture
def workspace(tmp_path):
    made = Workspace(tmp_path)
    made.prepare("abc123")
    return made


def record(number, status="scored", *, reason=None, row=None, **changes):
    given = {
        "key": key(number),
        "study_uid": uid(number),
        "status": status,
        "reason": reason,
        "place": Place(folder=f"/data/Zyxwvut-{number}"),
        "stamp": "s",
        "answer_sha256": "a",
        "run_id": "abc123",
        "row": row or {},
    }
    return StudyRecord(**given | changes)


def scored(number, burden, verdict="met"):
    row = {"burden_fraction": burden, "EXC4_verdict": verdict, "EXC4_effect": "excludes", "lesions": 3, "flags": "A; B"}
    row |= {"highest_suv_peak": 20.5, "liver_suv_mean": 4.0 + number, "record_id": f"r{number}"}
    return record(number, row=row, lesions=({"label": 1, "suv_peak": 20.5, "krenning": "≥3"},), seconds=1.25)


def manifest_row(number, subject, **changes):
    given = {"study_id": "T", "site_id": "1", "subject_id": subject, "study_instance_uid": uid(number)}
    return ManifestRow(**given | {"visit": "V1", "visit_number": 1.0, "entry_date": date(2026, 1, 1)} | changes)


def test_parquet_and_csv_hold_the_same_rows_in_the_order_of_their_keys(workspace):
    records = [scored(1, 0.25), record(2, "timeout", reason="stopped"), scored(3, 0.5, "not_met")]
    write_cohort(workspace, records)
    table = pd.read_parquet(workspace.folder / "cohort.parquet")
    assert list(table["key"]) == sorted(key(n) for n in (1, 2, 3))
    found = table.set_index("key")
    assert found.loc[key(1), "burden_fraction"] == 0.25 and pd.isna(found.loc[key(2), "burden_fraction"])
    assert pd.api.types.is_float_dtype(table["burden_fraction"]) and pd.api.types.is_integer_dtype(table["lesions"])
    with (workspace.folder / "cohort.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["key"] for row in rows] == list(table["key"])
    assert [row["burden_fraction"] for row in rows if row["status"] == "timeout"] == [""]
    lesions = pd.read_parquet(workspace.folder / "lesions.parquet")
    assert set(lesions["record_id"]) == {"r1", "r3"} and list(lesions["krenning"]) == ["≥3", "≥3"]


def test_a_batch_in_which_nothing_was_scored_has_its_tables_and_page(workspace):
    write_cohort(workspace, [record(1, "refused", reason="no dose")])
    assert list(pd.read_parquet(workspace.folder / "cohort.parquet")["reason"]) == ["no dose"]
    assert pd.read_parquet(workspace.folder / "lesions.parquet").empty
    assert "no dose" in (workspace.folder / "cohort.html").read_text()


def test_only_the_local_table_tells_where_studies_lie(workspace):
    write_cohort(
        workspace, [scored(1, 0.25), record(2, "refused", reason="[a file]: cut", local_reason="Zyxwvut: cut")]
    )
    files = {path.name: path.read_bytes() for path in workspace.folder.iterdir() if path.is_file()}
    assert files.keys() == {"cohort.csv", "cohort.parquet", "cohort.html", "lesions.parquet", "local.csv"}
    assert [name for name, content in files.items() if b"Zyxwvut" in content] == ["local.csv"]


def test_a_reason_is_neither_a_formula_nor_a_tag(workspace):
    write_cohort(workspace, [record(1, "refused", reason="=cmd()"), record(2, "refused", reason="<script>x</script>")])
    with (workspace.folder / "cohort.csv").open(newline="") as stream:
        assert {row["reason"] for row in csv.DictReader(stream)} == {"'=cmd()", "<script>x</script>"}
    page = (workspace.folder / "cohort.html").read_text()
    assert "<script>x" not in page and "&lt;script&gt;x" in page


def test_the_page_loads_nothing_and_runs_its_own_script_alone(workspace):
    import base64
    import hashlib

    write_cohort(workspace, [scored(1, 0.25)])
    page = (workspace.folder / "cohort.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!data:|[0-9a-f]{12}/report\.html)', page)
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page and "default-src 'none'" in page


def test_the_page_counts_verdicts_and_puts_failures_first(workspace):
    records = [scored(1, 0.9), scored(2, 0.2, "not_met"), scored(3, 0.3, "not_met"), record(4, "memory", reason="big")]
    write_cohort(workspace, records)
    page = (workspace.folder / "cohort.html").read_text()
    assert page.index("exceeded the memory limit") < page.index("Verdicts</h2>") < page.index("Studies</h2>")
    row = re.search(r"<tr><td>EXC4</td>(.*?)<td><div", page, re.DOTALL)[1]
    assert re.findall(r">(\d+)<", row) == ["1", "2", "0", "0"]
    assert "Histogram of 3 studies: Tumour burden" in page


def test_the_manifest_labels_rows_and_what_it_alone_names_is_missing():
    labels = {uid(1): {"subject_id": "007"}, "9.9": {"subject_id": "008"}}
    rows = {row["study_uid"]: row for row in cohort_rows([scored(1, 0.1), record(2, "skipped")], labels)}
    assert rows[uid(1)]["subject_id"] == "007" and rows[uid(2)]["subject_id"] is None
    assert rows["9.9"]["status"] == "missing" and rows["9.9"]["subject_id"] == "008"


def test_two_readings_of_one_scan_are_one_label_and_two_subjects_are_refused(workspace):
    twice = [manifest_row(1, "007"), manifest_row(1, "007", evaluator="READER 2")]
    write_cohort(workspace, [scored(1, 0.1)], twice)
    assert list(pd.read_parquet(workspace.folder / "cohort.parquet")["subject_id"]) == ["007"]
    with pytest.raises(CourseError, match="two values of subject_id"):
        write_cohort(workspace, [scored(1, 0.1)], [manifest_row(1, "007"), manifest_row(1, "008")])


def test_courses_in_the_folder_are_plotted_and_a_damaged_one_is_named(workspace):
    course = course_of(simple_reading())
    for name, text in (("003", course.to_json()), ("004", "{}"), ("005", course.to_json())):
        folder = workspace.folder / "courses" / name
        folder.mkdir(parents=True)
        (folder / "course.json").write_text(text)
    page = cohort_html(cohort_rows([scored(1, 0.25)], {}), workspace)
    assert "<svg" in page
    assert "Best change of the sum of target diameters from baseline" in page
    assert "courses/004/course.json is not a course that this version reads" in page
    assert "courses/005/course.json is of the same subject as courses/003/course.json" in page
