"""A batch by the command line writes what `score` writes, and scores again under other rules without segmenting."""

import csv
import json
import shutil

import pandas as pd
import pytest

from dotaliver.batch.stored_scores import find_scores
from dotaliver.pipeline import read_record
from dotaliver.records.score import folder_name
from fixtures.batches import tiny
from fixtures.command_line import TELLTALES, run_cli

COLUMNS = ("study_id", "site_id", "subject_id", "study_instance_uid", "visit", "visit_number")


@pytest.fixture(scope="module")
def batch(study, scored, tmp_path_factory):
    """The phantom's files mixed with those of a study that lacks what SUV needs, in one folder, as a batch."""
    made = tmp_path_factory.mktemp("batch")
    root = made / "Zyxwvut Quirinus"
    root.mkdir()
    for number, path in enumerate(sorted(study.rglob("*.dcm"))):
        shutil.copy(path, root / f"i{number}")
    tiny(root, 1, RadiopharmaceuticalInformationSequence=None, PatientID="ANOTHER")
    uid = read_record(scored).study.study_instance_uid
    rows = [("NCT04544098", "01", "007", uid, "Screening", 1), ("NCT04544098", "01", "008", "1.2.3", "Screening", 1)]
    with (made / "manifest.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([COLUMNS, *rows])
    out = made / "out"
    given = ("--manifest", made / "manifest.csv", "--rtstruct", "--dosimetry")
    done = run_cli("batch", root, "--out", out, "--workers", 1, "--json", *given)
    assert done.status == 0, done.err
    return out, folder_name(uid), [json.loads(line) for line in done.out.splitlines()]


def test_a_study_of_a_batch_has_the_record_and_the_files_of_a_score(batch, scored):
    out, key, _ = batch
    mine, alone = read_record(out / key), read_record(scored)
    assert mine.record_id == alone.record_id
    names = {path.name for path in scored.iterdir() if path.is_file()} - {"liver.nii.gz", "lesions.nii.gz"}
    asked_for = {path.name for path in (out / key).glob("dosimetry-*.nii.gz")}
    assert {"dosimetry-Liver.nii.gz", "dosimetry-NonTumouralLiver.nii.gz", "dosimetry-Lesions.nii.gz"} <= asked_for
    asked_for |= {"structures.dcm", "dosimetry.dcm", "dosimetry.json"}
    assert {path.name for path in (out / key).iterdir()} == names | asked_for
    assert (out / key / "lesions.csv").read_bytes() == (scored / "lesions.csv").read_bytes()


def test_the_tables_hold_the_numbers_of_the_record_under_the_manifests_labels(batch):
    out, key, _ = batch
    record = read_record(out / key)
    table = pd.read_parquet(out / "cohort.parquet").set_index("key")
    assert list(table["status"].sort_values()) == ["missing", "refused", "scored"]
    row = table.loc[key]
    assert row["subject_id"] == "007" and row["visit"] == "Screening"
    assert row["burden_fraction"] == record.burden.fraction and row["INC7_verdict"] == record.criteria["INC7"].verdict
    assert row["lesions"] == len(record.lesions) > 0
    lesions = pd.read_parquet(out / "lesions.parquet")
    assert list(lesions["label"]) == [lesion.label for lesion in record.lesions]
    assert list(lesions["suv_peak"]) == [lesion.suv_peak for lesion in record.lesions]
    assert set(lesions["subject_id"]) == {"007"}
    with (out / "cohort.csv").open(newline="") as stream:
        assert [row["status"] for row in csv.DictReader(stream)] == list(table["status"])
    assert table.loc[folder_name("1.2.3"), "subject_id"] == "008"


def test_programs_can_follow_a_batch(batch):
    _, key, events = batch
    kinds = [event["event"] for event in events]
    assert kinds[0] == "found" and kinds[-1] == "end" and kinds.count("study") == 2
    assert events[-1]["counts"] == {"scored": 1, "refused": 1, "missing": 1} and not events[-1]["stopped"]
    stages = [event["stage"] for event in events if event["event"] == "stage" and event["key"] == key]
    assert stages[0] == "starting" and "finding the liver" in stages and stages[-1] == "drawing the report"
    last = [event for event in events if event["event"] == "study"][-1]
    assert (last["done"], last["failed"], last["studies"]) == (2, 1, 2)


def test_nothing_that_may_be_passed_on_names_the_patient(batch):
    out, _, events = batch
    text = json.dumps(events[:-1]) + "".join(
        path.read_text()
        for path in out.rglob("*")
        if path.suffix in {".html", ".csv", ".log"} and path.name[:5] != "local"
    )
    frames = pd.read_parquet(out / "cohort.parquet").to_csv() + pd.read_parquet(out / "lesions.parquet").to_csv()
    assert not [word for word in TELLTALES if word in text + frames]


def test_one_study_of_a_mixed_folder_can_be_rescored_and_named_by_its_uid(batch, tmp_path, masks_only):
    out, key, _ = batch
    record = read_record(out / key)
    again = run_cli("rescore", out / key, "--out", tmp_path / "again", "--dosimetry", "--quiet")
    assert again.status == 0, again.err
    assert read_record(tmp_path / "again").segmentation.masks == record.segmentation.masks
    one, two = (json.loads((folder / "dosimetry.json").read_text()) for folder in (out / key, tmp_path / "again"))
    assert one["structures"] == two["structures"]
    moved = shutil.copytree(json.loads((out / key / "local.json").read_text())["study"], tmp_path / "moved")
    again = run_cli("rescore", out / key, "--study", moved, "--out", tmp_path / "elsewhere", "--quiet")
    assert again.status == 0, again.err
    root = json.loads((out / key / "local.json").read_text())["study"]
    refused = run_cli("score", root, "--out", tmp_path / "x")
    assert refused.status == 3 and "--study-uid" in refused.err
    absent = run_cli("score", root, "--study-uid", "1.2.3.4", "--out", tmp_path / "x")
    assert absent.status == 3 and "holds no study 1.2.3.4" in absent.err


def test_an_amendment_is_applied_to_stored_masks_without_segmenting(batch, tmp_path):
    out, key, _ = batch
    before = read_record(out / key)
    # No such segmenter exists: if one were asked for, the study would fail.
    amended = {"segmenter": "none-such", "protocol": before.config.protocol.model_dump(mode="json")}
    amended["protocol"]["amendment"] = "2"
    amended["protocol"]["liver_involvement_limit"] = before.burden.low / 2
    (tmp_path / "amended.json").write_text(json.dumps(amended))
    options = ("--rescore", "--config", tmp_path / "amended.json", "--workers", 1, "-q")
    done = run_cli("batch", out, "--out", tmp_path / "two", *options)
    assert done.status == 0, done.err
    after = read_record(tmp_path / "two" / key)
    assert after.segmentation.masks == before.segmentation.masks and after.provenance.revises == before.record_id
    assert (before.criteria["EXC4"].verdict, after.criteria["EXC4"].verdict) == ("not_met", "met")
    table = pd.read_parquet(tmp_path / "two" / "cohort.parquet")
    assert list(table["amendment"]) == ["2"] and list(table["key"]) == [key]
    refused = run_cli("batch", out, "--out", out, "--rescore")
    assert refused.status == 2 and "another folder" in refused.err


@pytest.mark.slow
def test_another_protocol_keeps_the_records_other_settings_alone_and_in_a_batch(batch, tmp_path):
    out, key, _ = batch
    (tmp_path / "own.json").write_text(json.dumps({"krenning": {"similar_ratio": 0.7}}))
    own = run_cli("rescore", out / key, "--config", tmp_path / "own.json", "--out", tmp_path / "s" / key, "--quiet")
    assert own.status == 0, own.err
    alone = run_cli(
        "rescore", tmp_path / "s" / key, "--protocol", "prrt-screening", "--out", tmp_path / "alone", "--quiet"
    )
    assert alone.status == 0, alone.err
    done = run_cli(
        "batch", tmp_path / "s", "--out", tmp_path / "two", "--rescore", "--protocol", "prrt-screening", "-q"
    )
    assert done.status == 0, done.err
    one, two = read_record(tmp_path / "alone"), read_record(tmp_path / "two" / key)
    assert one.config.protocol.id == two.config.protocol.id == "PRRT-SCREENING"
    assert one.config.krenning.similar_ratio == two.config.krenning.similar_ratio == 0.7
    assert one.record_id == two.record_id


def test_the_latest_revision_of_a_score_is_the_one_to_rescore(batch, tmp_path):
    out, key, _ = batch
    shutil.copytree(out / key, tmp_path / "s" / key)
    shutil.copytree(out / key, tmp_path / "s" / key / "revised-2")
    shutil.copytree(out / key, tmp_path / "s" / key / "revised-10")
    (task,) = find_scores(tmp_path / "s", tmp_path / "none")
    assert task.place.folder.endswith("revised-10") and task.key == key
    shutil.copytree(out / key, tmp_path / "s" / "copy")
    (task,) = find_scores(tmp_path / "s", tmp_path / "none")
    assert "2 scores of this study" in task.refusal


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--memory", "much", "not an amount of memory"),
        ("--memory", "0GiB", "not an amount of memory"),
        ("--timeout", "soon", "not a span of time"),
        ("--scheduler", "tcp://127.0.0.1:9", "give one"),
    ],
)
def test_options_that_make_no_sense_are_bad_usage(tmp_path, option, value, says):
    tiny(tmp_path / "root", 1)
    done = run_cli("batch", tmp_path / "root", "--out", tmp_path / "out", "--workers", 1, option, value)
    assert done.status == 2 and says in done.err
    assert not (tmp_path / "out").exists()
