"""From two scored studies of one patient to response, tables and report, through the command line."""

import csv
import json
import shutil
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pydicom
import pytest

from dotaliver.export.dicom.source_headers import uid_from
from dotaliver.pipeline.followup import COURSE_FILES
from dotaliver.records.score import StudyScore, record_id_of_json
from fixtures.command_line import TELLTALES, change, run_cli
from fixtures.outlining import outline_once
from fixtures.score_files import leave_out_report_and_measurements
from fixtures.sharing import made_once

LATER_UID = "1.2.826.0.1.3680043.8.498.77.2"


@pytest.fixture(scope="session")
def later(study, tmp_path_factory) -> Path:
    """The same patient, half a year later."""

    def make(folder: Path) -> None:
        shutil.copytree(study, folder / "study")
        change(sorted(folder.rglob("*.dcm")), StudyDate="20990704", StudyInstanceUID=LATER_UID)

    return made_once(tmp_path_factory, "later", make) / "study"


@pytest.fixture(scope="session")
def scored_later(later, tmp_path_factory) -> Path:
    """Its record and masks."""

    def make(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            leave_out_report_and_measurements(patch)
            outline_once(patch, tmp_path_factory)
            done = run_cli("score", later, "--out", folder / "score", "-q")
        assert done.status == 0, done.err

    return made_once(tmp_path_factory, "later-score", make) / "score"


@pytest.fixture
def pair(scored, scored_later, tmp_path):
    """Copies of both scores that a test may spoil, and where to write."""
    first, second = (Path(shutil.copytree(f, tmp_path / n)) for n, f in (("one", scored), ("two", scored_later)))
    return first, second, tmp_path / "course"


def record(folder) -> StudyScore:
    return StudyScore.model_validate_json((folder / "score.json").read_text())


def rewritten(folder, **changes) -> None:
    """Store another record in a folder, under its own name."""
    data = json.loads((folder / "score.json").read_text())
    for name, value in changes.items():
        part, _, inner = name.partition("__")
        if inner:
            data[part][inner] = value
        else:
            data[part] = value
    (folder / "score.json").write_text(json.dumps(data | {"record_id": record_id_of_json(data)}))


def sizes(tmp_path, first, second) -> Path:
    """A reader's edits that measure the two largest lesions on both scans."""
    day = [record(folder).study.study_date for folder in (first, second)]
    edits = {
        "reader": {"name": "A. Reader"},
        "targets": ["L01", "L02"],
        "lesions": [
            {"lesion": name, "on": [{"scan": day[0], "size_mm": a}, {"scan": day[1], "size_mm": b}]}
            for name, a, b in (("L01", 40.0, 26.0), ("L02", 30.0, 20.0))
        ],
    }
    path = tmp_path / "course_edits.json"
    path.write_text(json.dumps(edits))
    return path


def manifest(tmp_path, first, second) -> Path:
    rows = ["study_id,site_id,subject_id,study_instance_uid,visit,visit_number,entry_date,first_treatment_date,cycle"]
    for n, folder in enumerate((first, second), start=1):
        uid = record(folder).study.study_instance_uid
        rows.append(f"NCT1,01,003,{uid},VISIT {n},{n},2099-07-10,,{'' if n == 1 else 'ia'}")
    path = tmp_path / "manifest.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_a_patient_is_followed_and_everything_is_written(pair, tmp_path):
    first, second, out = pair
    done = run_cli(
        "recist", second, first, "--out", out, "--edits", sizes(tmp_path, first, second),
        "--manifest", manifest(tmp_path, first, second),
    )  # fmt: skip
    assert done.status == 0, done.err
    assert "PR" in done.out
    names = {p.name for p in out.iterdir()}
    assert names <= COURSE_FILES
    assert names >= {
        "course.json", "recist.csv", "time_points.csv", "response.html", "sdtm_check.txt",
        *(f"{d}.{e}" for d in ("tu", "tr", "rs", "xu", "supprs", "relrec", "adtr", "adrs") for e in ("csv", "xpt")),
    }  # fmt: skip
    (reading,) = json.loads((out / "course.json").read_text())["readings"]
    assert [p["targets"]["sum_mm"] for p in reading["time_points"]] == [70.0, 46.0]
    # The same voxels on both days: every lesion is known again, and surely.
    for lesion in reading["lesions"]:
        assert [a["state"] for a in lesion["track"]["appearances"]] == ["seen", "seen"]
        assert lesion["track"]["appearances"][1]["confidence"] > 0.95
    assert reading["progression_before_entry"]["verdict"] == "indeterminate"
    assert "BROKEN" not in (out / "sdtm_check.txt").read_text()
    page = (out / "response.html").read_text()
    assert page.count("<figure><img") > 2 * len(reading["lesions"][:12])


def test_the_trials_own_tables_give_study_days_and_a_wrong_one_leaves_nothing_behind(pair, tmp_path):
    first, second, out = pair
    days = [date.fromisoformat(record(folder).study.study_date) for folder in (first, second)]
    trial = tmp_path / "trial"
    trial.mkdir()
    start = (days[0] + timedelta(days=10)).isoformat()
    dm = f"STUDYID,USUBJID,SUBJID,SITEID,RFSTDTC,RFXSTDTC\nNCT1,NCT1-003,003,01,{start},{start}\n"
    (trial / "dm.csv").write_text(dm)
    words = (
        "recist",
        first,
        second,
        "--out",
        out,
        "--manifest",
        manifest(tmp_path, first, second),
        "--trial-data",
        trial,
    )
    done = run_cli(*words)
    assert done.status == 0, done.err
    with (out / "tr.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["USUBJID"] for row in rows} == {"NCT1-003"}
    assert {row["TRDY"] for row in rows if row["VISITNUM"] == "1"} == {"-10"}
    (trial / "dm.csv").write_text(dm.replace(",003,", ",004,"))
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    done = run_cli(*words)
    assert done.status == 3
    assert done.err.strip().endswith("add it or correct the manifest")
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_nothing_that_is_written_names_the_patient(pair, tmp_path):
    first, second, out = pair
    done = run_cli("recist", first, second, "--out", out, "--manifest", manifest(tmp_path, first, second))
    for path in out.iterdir():
        content = path.read_bytes()
        assert not [word for word in TELLTALES if word.encode() in content], path.name
        assert str(tmp_path).encode() not in content
    assert not [word for word in TELLTALES if word in done.out + done.err]


def test_without_a_manifest_there_is_no_sdtm_and_without_images_no_thumbnails(pair):
    first, second, out = pair
    for folder in (first, second):
        (folder / "local.json").unlink()
    done = run_cli("recist", first, second, "--out", out)
    assert done.status == 0, done.err
    assert not (out / "tu.csv").exists()
    assert "--manifest" in done.err
    assert "The images were not found" in (out / "response.html").read_text()
    (reading,) = json.loads((out / "course.json").read_text())["readings"]
    assert reading["progression_before_entry"]["verdict"] == "not_evaluable"


def test_following_twice_gives_the_same_course(pair):
    first, second, out = pair
    for folder in (first, second):
        (folder / "local.json").unlink()
    ids = []
    for name in ("a", "b"):
        assert run_cli("recist", first, second, "--out", out / name, "-q").status == 0
        ids.append(json.loads((out / name / "course.json").read_text())["course_id"])
    assert ids[0] == ids[1]


def refused(*arguments, status=3):
    done = run_cli("recist", *arguments)
    assert done.status == status, (done.out, done.err)
    assert done.err.count("\n") == 1
    assert "Traceback" not in done.err
    assert not [word for word in TELLTALES if word in done.err]
    return done.err


def test_bad_scores_are_named_and_nothing_is_left_behind(pair):
    first, second, out = pair
    assert "no such folder" in refused(first, out / "none", "--out", out)
    assert "named twice" in refused(first, first, "--out", out)
    assert "only one scan" in refused(first, "--out", out)
    assert "score.json" in refused(first, first.parent, "--out", out)
    rewritten(second, schema_version="99")
    assert "schema version '99'" in refused(first, second, "--out", out)
    rewritten(second, schema_version="2", study__study_date=None)
    assert "no date" in refused(first, second, "--out", out)
    assert not out.exists()


def test_masks_that_are_missing_or_not_the_records_are_refused(pair, scored_later):
    first, second, out = pair
    (second / "segmentation.dcm").unlink()
    assert "lesions mask" in refused(first, second, "--out", out)
    shutil.copy(scored_later / "segmentation.dcm", second)
    data = json.loads((second / "score.json").read_text())
    data["segmentation"]["masks"][0]["sha256"] = "0" * 64
    rewritten(second, segmentation=data["segmentation"])
    assert "liver mask" in refused(first, second, "--out", out)


def test_another_patient_is_refused(pair):
    first, second, out = pair
    for name in ("segmentation.dcm", "segmentation_ct.dcm"):
        change([second / name], PatientID="SOMEBODY-ELSE")
    assert "2 patients" in refused(first, second, "--out", out)


def test_a_manifest_or_edits_that_do_not_fit_are_refused(pair, tmp_path):
    first, second, out = pair
    path = manifest(tmp_path, first, second)
    path.write_text(path.read_text().replace(LATER_UID, "1.2.3.4"))
    assert "no row for the study" in refused(first, second, "--out", out, "--manifest", path)
    edits = tmp_path / "bad.json"
    edits.write_text(json.dumps({"lesions": [{"lesion": "L99"}]}))
    assert "L99" in refused(first, second, "--out", out, "--edits", edits, status=2)
    edits.write_text("{")
    assert "bad.json" in refused(first, second, "--out", out, "--edits", edits, status=2)
    config = tmp_path / "rules.toml"
    config.write_text("progression_shre = 0.3\n")
    assert "progression_shre" in refused(first, second, "--out", out, "--config", config, status=2)


# --- a diagnostic CT ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def with_diagnostic_ct(study, tmp_path_factory) -> Path:
    """The study with a second CT: the same body in another frame of reference, 40 mm away, and in another series."""
    folder = Path(shutil.copytree(study, tmp_path_factory.mktemp("diagnostic") / "study"))
    for path in sorted(folder.rglob("*.dcm")):
        dataset = pydicom.dcmread(path)
        if dataset.Modality != "CT":
            continue
        for keyword in ("SeriesInstanceUID", "FrameOfReferenceUID", "SOPInstanceUID"):
            setattr(dataset, keyword, uid_from(dataset[keyword].value, "diagnostic"))
        dataset.SeriesNumber = 77
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        x, y, z = (float(c) for c in dataset.ImagePositionPatient)
        dataset.ImagePositionPatient = [x + 25.0, y - 10.0, z + 40.0]
        dataset.save_as(path.with_name("d_" + path.name))
    return folder


def test_lesions_are_found_again_on_a_diagnostic_ct(with_diagnostic_ct, tmp_path, masks_only):
    done = run_cli("score", with_diagnostic_ct, "--recist-image", "77", "--out", tmp_path / "score", "-q")
    assert done.status == 0, done.err
    found = record(tmp_path / "score")
    assert found.study.recist_image.series_number == 77
    assert found.study.recist_image.frame_of_reference_uid != found.study.ct.frame_of_reference_uid
    (flag,) = (flag for flag in found.segmentation.flags if flag.code == "RECIST_IMAGE_REGISTERED")
    # That CT lies 25, -10 and 40 mm off
    assert "the liver lies 48 mm from the place that its coordinates state in another frame" in flag.sentence
    # Each lesion either has a diameter on that series or says why not.
    for lesion in found.lesions:
        seen = lesion.diameter_source == "ct"
        assert seen != ("LESION_NOT_SEEN_ON_CT" in {flag.code for flag in lesion.flags})
        if seen:
            assert lesion.diameter.series_instance_uid == found.study.recist_image.series_instance_uid
    again = run_cli("rescore", tmp_path / "score", "--out", tmp_path / "again", "-q")
    assert again.status == 0, again.err
    assert record(tmp_path / "again").lesions == found.lesions


@pytest.mark.parametrize(("series", "says"), [("78", "no such CT"), ("own", "own CT"), ("foreign", "Patient ID")])
def test_a_diagnostic_ct_that_does_not_serve_is_refused(series, says, with_diagnostic_ct, scored, tmp_path):
    folder = Path(shutil.copytree(with_diagnostic_ct, tmp_path / "copy"))
    wanted = {"own": record(scored).study.ct.series_instance_uid, "foreign": "77"}.get(series, series)
    if series == "foreign":
        change(sorted(folder.rglob("d_*.dcm")), PatientID="SOMEBODY-ELSE")
    done = run_cli("score", folder, "--recist-image", wanted, "--out", tmp_path / "score")
    assert done.status == 3
    assert says in done.err or "different Patient IDs" in done.err
    assert not (tmp_path / "score").exists()


def test_a_ct_of_another_body_is_not_forced_onto_the_patient(with_diagnostic_ct, tmp_path):
    folder = Path(shutil.copytree(with_diagnostic_ct, tmp_path / "copy"))
    rng = np.random.default_rng(1)
    for path in sorted(folder.rglob("d_*.dcm")):
        dataset = pydicom.dcmread(path)
        pixels = rng.integers(0, 2000, dataset.pixel_array.shape).astype(dataset.pixel_array.dtype)
        dataset.PixelData = pixels.tobytes()
        dataset.save_as(path)
    done = run_cli("score", folder, "--recist-image", "77", "--out", tmp_path / "score")
    assert done.status == 3
    assert "cannot be registered to" in done.err
