"""The command line as a user meets it: exit statuses, one sentence where it stops, and nothing half-written."""

import contextlib
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pydicom
import pytest
import SimpleITK as sitk

from dotaliver.records.score import StudyScore
from fixtures.command_line import TELLTALES, Run, change, run_cli
from fixtures.dicom_series import write_series
from fixtures.dicom_series import write_study as write_tiny_study
from fixtures.masks import square, write_rtstruct


def hashes(folder: Path) -> dict[str, str]:
    files = (p for p in sorted(folder.rglob("*")) if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def process(*arguments: object, **options) -> Run:
    """A call in a process of its own."""
    command = [sys.executable, "-c", "from dotaliver.cli import main; main()", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, **options)
    return Run(done.returncode, done.stdout, done.stderr)


def refused(done: Run, *words: str, status: int = 3) -> None:
    """One sentence on stderr with these words, this exit status, and no more."""
    assert done.status == status, done.err
    assert done.err.startswith("dotaliver: ")
    assert len(done.err.strip().splitlines()) == 1
    assert "Traceback" not in done.err
    for word in words:
        assert word in done.err
    assert not [word for word in TELLTALES if word in done.err]


def score_refused(study: Path, tmp_path: Path, *words: str, options: tuple = (), status: int = 3) -> None:
    """Scoring stops with these words, leaves the study as it was and writes nothing."""
    before = hashes(study) if study.is_dir() else {}
    out = tmp_path / "new" / "out"
    refused(run_cli("score", study, "--out", out, *options), *words, status=status)
    assert not out.exists()
    assert not out.parent.exists()
    assert (hashes(study) if study.is_dir() else {}) == before


@pytest.fixture
def tiny(tmp_path):
    """PET of 6 and CT of 9 slices: for what is refused before anything is outlined."""
    return write_tiny_study(tmp_path / "tiny")


# --- scored ----------------------------------------------------------------------------------------------------------


def test_score_prints_verdicts_figures_and_where_the_report_lies(scored_run):
    folder, done = scored_run
    for name in ("INC7", "EXC4", "INC4", "INC6", "EXC6", "DOM"):
        assert name in done.out
    assert "Inclusion 7 fulfilled" in done.out
    assert str(folder / "report.html") in done.out
    assert done.err == ""  # nobody watches: no progress
    assert not [word for word in TELLTALES if word in done.out]


def test_score_as_a_process_is_quiet_and_tells_the_folder(study, scored, tmp_path):
    before = hashes(study)
    done = process("score", study, "--quiet", "--out", "here", cwd=tmp_path)
    assert (done.status, done.err) == (0, "")
    assert done.out == "here\n"
    assert hashes(study) == before
    ids = [json.loads((folder / "score.json").read_text())["record_id"] for folder in (tmp_path / "here", scored)]
    assert ids[0] == ids[1]
    assert {p.name for p in tmp_path.iterdir()} == {"here"}


def test_default_folder_and_json_from_inside_the_study(copy, scored, monkeypatch, masks_only):
    """What was written into the study's own folder is no part of the study when it is scored again."""
    monkeypatch.chdir(copy)
    record = json.loads((scored / "score.json").read_text())
    for _ in range(2):
        done = run_cli("score", ".", "--json")
        shown = StudyScore.model_validate_json(done.out)
        assert shown.record_id == record["record_id"]
    name = hashlib.sha256(shown.study.study_instance_uid.encode()).hexdigest()[:12]
    assert (copy / "dotaliver-out" / name / "score.json").read_text() == done.out


def test_schema_describes_the_record(scored):
    schema = json.loads(run_cli("schema").out)
    jsonschema.Draft202012Validator.check_schema(schema)
    checker = jsonschema.Draft202012Validator(schema)
    record = json.loads((scored / "score.json").read_text())
    assert not list(checker.iter_errors(record))
    assert list(checker.iter_errors(record | {"unknown": 1}))
    assert list(checker.iter_errors({k: v for k, v in record.items() if k != "burden"}))


@pytest.mark.parametrize(
    "path",
    [
        "record_id",
        "study",
        "suv",
        "references.liver.suv_mean",
        "references.liver.suv_sd",
        "references.liver.volume_ml",
        "references.liver.centre_lps_mm",
        "references.liver.method",
        "liver.volume_ml",
        "burden.fraction",
        "burden.low",
        "burden.high",
        "burden.tumour_ml",
        "burden.liver_ml",
        *(f"lesions.0.{key}" for key in ("label", "suv_max", "suv_mean", "suv_peak", "volume_ml", "total_uptake")),
        *(f"lesions.0.{key}" for key in ("ratio_to_liver", "krenning", "longest_diameter_mm", "short_axis_mm")),
        *(f"lesions.0.{key}" for key in ("diameter_source", "centroid_lps_mm", "in_liver", "flags")),
        *(f"criteria.{name}.verdict" for name in ("INC4", "INC6", "INC7", "EXC4", "EXC6", "DOM")),
        *(f"criteria.INC7.{key}" for key in ("effect", "status", "scope", "liver_finding", "reason", "evidence")),
        "flags",
        "provenance",
    ],
)
def test_keys_that_other_programs_rely_on(scored, path):
    value = json.loads((scored / "score.json").read_text())
    for key in path.split("."):
        value = value[int(key)] if key.isdigit() else value[key]
    assert value is not None


def test_inspect_as_text_and_json(study):
    shown = run_cli("inspect", study)
    assert shown.status == 0
    for word in ("PET AC abdomen", "CT abdomen", "BQML", "Radionuclide Total Dose (0018,1074)"):
        assert word in shown.out
    assert not [word for word in TELLTALES if word in shown.out]
    told = json.loads(run_cli("inspect", study, "--json").out)
    assert set(told["suv"]["image"]) >= {"min", "median", "mean", "max"}


def test_inspect_within_a_mask(study, phantom):
    mask = phantom / "truth_lesions_on_pet.nii.gz"
    told = json.loads(run_cli("inspect", study, "--mask", mask, "--json").out)
    within = told["suv"]["within_mask"]
    assert within["voxels"] == int((sitk.GetArrayFromImage(sitk.ReadImage(str(mask))) > 0).sum())
    assert within["mean"] > told["suv"]["image"]["mean"]


def test_sample_writes_a_study_and_its_truth(tmp_path):
    done = run_cli("sample", tmp_path / "s", "--preset", "clean", "--seed", 2, "--small")
    assert done.status == 0
    truth = json.loads((tmp_path / "s" / "truth.json").read_text())
    assert (truth["preset"], truth["seed"], truth["lesions"]) == ("clean", 2, [])
    assert len(list((tmp_path / "s" / "study" / "pet").iterdir())) > 30
    refused(run_cli("sample", tmp_path / "s", "--small"), "not an empty folder")


# --- progress --------------------------------------------------------------------------------------------------------


def test_progress_only_on_a_terminal(tiny, tmp_path):
    pty = pytest.importorskip("pty")
    shown = {}
    for name, options in (("terminal", ()), ("quiet", ("--quiet",))):
        mine, theirs = pty.openpty()
        command = [sys.executable, "-c", "from dotaliver.cli import main; main()", "sample", tmp_path / name, "--small"]
        with subprocess.Popen([*map(str, command), *options], stderr=theirs, stdout=subprocess.DEVNULL) as running:
            os.close(theirs)
            text = b""
            while True:
                try:
                    part = os.read(mine, 4096)
                except OSError:  # the other end is closed
                    break
                if not part:
                    break
                text += part
        os.close(mine)
        assert running.returncode == 0
        shown[name] = text.decode()
    assert "Making the phantom" in shown["terminal"]
    assert shown["quiet"] == ""


# --- bad usage -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [("score",), ("score", "x", "--nonsense"), ("nonsense",), ("sample", "x", "--seed", "-1"), ("score", "--weight")],
)
def test_bad_usage(arguments):
    done = run_cli(*arguments)
    assert done.status == 2
    assert "Traceback" not in done.err
    assert done.err


@pytest.mark.parametrize("amount", ["lots", "1 potato", "-3MiB", "0"])
def test_an_amount_of_memory_that_is_none(tiny, tmp_path, amount):
    score_refused(tiny, tmp_path, "--memory", amount, "1GiB", options=("--memory", amount), status=2)


def test_too_little_memory_is_refused_with_what_is_needed(study, tmp_path):
    score_refused(study, tmp_path, "--memory", "200 MiB", "or more", options=("--memory", "200MiB"), status=2)


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        pytest.param("2GiB", 2 << 30, marks=pytest.mark.slow),
        ("900MiB", 900 << 20),
        pytest.param("3GB", 3_000_000_000, marks=pytest.mark.slow),
    ],
)
def test_the_bound_on_the_memory_is_recorded_and_changes_nothing(study, scored, tmp_path, masks_only, amount, expected):
    done = run_cli("score", study, "--out", tmp_path / "out", "--memory", amount)
    assert done.status == 0, done.err
    found = json.loads((tmp_path / "out" / "score.json").read_text())
    assert found["provenance"]["execution"]["memory_bytes"] == expected
    assert found["record_id"] == json.loads((scored / "score.json").read_text())["record_id"]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("c.toml", "[liver", ("c.toml", "not valid TOML")),
        ("c.toml", "nonsense = 1\n", ("c.toml", "nonsense")),
        ("c.toml", "[peak]\nsphere_ml = -1\n", ("c.toml", "peak.sphere_ml")),
        ("c.json", "{", ("c.json",)),
    ],
)
def test_bad_configuration(tiny, tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    score_refused(tiny, tmp_path, *words, options=("--config", tmp_path / name), status=2)


def test_bad_configuration_in_other_ways(tiny, tmp_path):
    score_refused(tiny, tmp_path, "gone.toml", options=("--config", tmp_path / "gone.toml"), status=2)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    score_refused(tiny, tmp_path, "binary.toml", options=("--config", tmp_path / "binary.toml"), status=2)
    score_refused(tiny, tmp_path, "--weight", options=("--weight", "-3"), status=2)
    score_refused(tiny, tmp_path, "--dose", options=("--dose", "0"), status=2)
    score_refused(tiny, tmp_path, "--height", options=("--height", "172"), status=2)
    score_refused(tiny, tmp_path, "--decay-correction", options=("--decay-correction", "LATER"), status=2)
    (tmp_path / "edits.json").write_text(
        '{"reader": {"name": "A. Reader"}, "verdicts": [{"criterion": "INC9", "verdict": "met"}]}'
    )
    options = ("--edits", tmp_path / "edits.json")
    score_refused(tiny, tmp_path, "INC9", "not a criterion of NCT04544098", options=options, status=2)


def test_unknown_preset_and_segmenter(study, tmp_path):
    refused(run_cli("sample", tmp_path / "s", "--preset", "odd"), "'odd'", "moderate", status=2)
    assert not (tmp_path / "s").exists()
    score_refused(study, tmp_path, "'nobody'", "petct", options=("--segmenter", "nobody"), status=2)


# --- bad input -------------------------------------------------------------------------------------------------------


def test_empty_and_missing_folder(tmp_path):
    (tmp_path / "empty").mkdir()
    score_refused(tmp_path / "empty", tmp_path, "no files", "give the folder")
    score_refused(tmp_path / "gone", tmp_path, "gone", "no such folder")
    (tmp_path / "file").write_text("x")
    score_refused(tmp_path / "file", tmp_path, "file", "folder")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("x")
    score_refused(tmp_path / "texts", tmp_path, "1 file(s) and none is DICOM")


def test_no_pet(tmp_path):
    write_series(tmp_path / "ct", modality="CT")
    score_refused(tmp_path / "ct", tmp_path, "no PET series", "CT")


def test_two_patients(tiny, tmp_path):
    change(sorted((tiny / "ct").iterdir()), PatientID="PAT-2")
    score_refused(tiny, tmp_path, "2 different Patient IDs", "one patient")


def test_two_patients_in_one_series_folder(tiny, tmp_path):
    write_series(tiny / "other", number=7, elements={"PatientID": "PAT-9", "StudyInstanceUID": "1.2.3.9"})
    score_refused(tiny, tmp_path, "2 different Patient IDs")


@pytest.mark.parametrize(("part", "name"), [("pet", "PT series 3"), ("ct", "CT series 2")])
def test_missing_slice(tiny, tmp_path, part, name):
    (tiny / part / "003.dcm").unlink()
    score_refused(tiny, tmp_path, name, "missing")


@pytest.mark.parametrize(("part", "name"), [("pet", "PT series 3"), ("ct", "CT series 2")])
def test_slice_twice(tiny, tmp_path, part, name):
    # A copy of a file is the same slice (tests/dicom/files/test_instances.py); another image in its place is not.
    other = pydicom.dcmread(tiny / part / "003.dcm")
    other.SOPInstanceUID = other.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4.5.6"
    other.PixelData = bytes(len(other.PixelData))
    other.save_as(tiny / part / "again.dcm")
    score_refused(tiny, tmp_path, name, "003.dcm")


@pytest.mark.parametrize("keep", [0.35, 0.9, 0.999])
def test_truncated_file(tiny, tmp_path, keep):
    path = tiny / "pet" / "002.dcm"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    score_refused(tiny, tmp_path, "002.dcm")


@pytest.mark.parametrize("keep", [0.02, 0.2, 0.5, 0.97])
def test_truncated_slice_of_a_full_study(copy, tmp_path, keep):
    path = sorted((copy / "ct").iterdir())[4]
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    score_refused(copy, tmp_path, path.name)


@pytest.mark.parametrize(
    ("elements", "words"),
    [
        ({"PatientWeight": None}, ("PT series 3", "Patient's Weight (0010,1030)", "--weight")),
        ({"Units": "PROPCNTS"}, ("PT series 3", "PROPCNTS")),
        ({"Units": None}, ("PT series 3", "Units (0054,1001)")),
        ({"DecayCorrection": None}, ("PT series 3", "Decay Correction (0054,1102)")),
    ],
)
def test_no_suv(tiny, tmp_path, elements, words):
    change(sorted((tiny / "pet").iterdir()), **elements)
    score_refused(tiny, tmp_path, *words)


def test_no_dose(tiny, tmp_path):
    for path in sorted((tiny / "pet").iterdir()):
        dataset = pydicom.dcmread(path)
        del dataset.RadiopharmaceuticalInformationSequence[0].RadionuclideTotalDose
        dataset.save_as(path)
    score_refused(tiny, tmp_path, "PT series 3", "Radionuclide Total Dose (0018,1074)", "--dose")


def far_nifti(phantom: Path, path: Path) -> Path:
    mask = sitk.ReadImage(str(phantom / "truth_liver.nii.gz"))
    mask.SetOrigin([v + 4000 for v in mask.GetOrigin()])
    sitk.WriteImage(mask, str(path))
    return path


def test_mask_outside_the_image(study, phantom, tmp_path):
    far = far_nifti(phantom, tmp_path / "far.nii.gz")
    score_refused(study, tmp_path, "far.nii.gz", "outside", options=("--liver", far))
    score_refused(study, tmp_path, "far.nii.gz", "outside", options=("--lesions", far))


def test_rtstruct_outside_the_image(tiny, tmp_path):
    path = write_rtstruct(tmp_path / "far.dcm", {"met": [square(900, 920, 30)]})
    score_refused(tiny, tmp_path, "far.dcm", "outside", options=("--lesions", path))


def test_mask_that_is_none(study, tmp_path):
    score_refused(study, tmp_path, "gone.nii.gz", options=("--liver", tmp_path / "gone.nii.gz"))
    (tmp_path / "text.nii.gz").write_text("no mask")
    score_refused(study, tmp_path, "text.nii.gz", options=("--liver", tmp_path / "text.nii.gz"))
    (tmp_path / "text.dcm").write_text("no mask")
    score_refused(study, tmp_path, "text.dcm", options=("--lesions", tmp_path / "text.dcm"))


# --- bad output ------------------------------------------------------------------------------------------------------


def test_a_file_where_the_folder_should_be(tiny, tmp_path):
    (tmp_path / "out").write_text("keep me")
    refused(run_cli("score", tiny, "--out", tmp_path / "out"), "out", "a file is in the place of the folder")
    refused(run_cli("score", tiny, "--out", tmp_path / "out" / "deeper"), "a file is in the place of the folder")
    assert (tmp_path / "out").read_text() == "keep me"


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="needs a folder that not even root may write into")
def test_folder_that_may_not_be_written(tiny):
    done = run_cli("score", tiny, "--out", "/proc/dotaliver-test")
    refused(done, "/proc/dotaliver-test", "choose another output folder")


@contextlib.contextmanager
def files_of_at_most(size: int):
    """Writing more than this fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("stood", [False, True])
def test_full_disk_leaves_what_stood_there(study, scored, tmp_path, stood, masks_only):
    out = tmp_path / "out"
    if stood:
        shutil.copytree(scored, out)
    before = hashes(out) if stood else None
    with files_of_at_most(20_000):
        done = run_cli("score", study, "--out", out)
    refused(done, str(out), "no room left")
    assert ".writing" not in done.err
    assert (hashes(out) if out.exists() else None) == before


def test_an_internal_error_is_named_as_such(tiny, tmp_path, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("dotaliver.pipeline.run.open_study", broken)
    score_refused(tiny, tmp_path, "internal error", "ZeroDivisionError", status=1)


# --- on, but flagged -------------------------------------------------------------------------------------------------


def flags_of(done: Run) -> set[str]:
    assert done.status == 0, done.err
    return {flag["code"] for flag in json.loads(done.out)["flags"]}


def test_no_ct_goes_on_flagged(study, tmp_path, masks_only):
    done = run_cli("score", study / "pet", "--out", tmp_path / "o", "--json")
    assert "NO_CT" in flags_of(done)
    assert json.loads(done.out)["criteria"]["INC4"]["verdict"] == "indeterminate"
    assert not (tmp_path / "o" / "segmentation_ct.dcm").exists()
    # Liver and lesions have a file each, and both are found again
    again = run_cli("rescore", tmp_path / "o", "--out", tmp_path / "again", "--json")
    assert again.status == 0, again.err
    one, two = json.loads(done.out)["segmentation"]["masks"], json.loads(again.out)["segmentation"]["masks"]
    assert one == two
    assert {mask["name"] for mask in one} >= {"liver", "lesions"}


def test_text_files_among_the_dicom_go_on_flagged(copy, tmp_path, masks_only):
    (copy / "Zyxwvut notes.txt").write_text("Zyxwvut came late")
    (copy / "ct" / "DICOMDIR").write_bytes(b"nothing")
    done = run_cli("score", copy, "--out", tmp_path / "o", "--json")
    assert "FILES_LEFT_OUT" in flags_of(done)
    assert "Zyxwvut" not in done.out


def test_ct_in_another_frame_only_on_request(copy, tmp_path, masks_only):
    change(sorted((copy / "ct").iterdir()), FrameOfReferenceUID="1.2.3.4")
    left = run_cli("score", copy, "--out", tmp_path / "o", "--json")
    assert {"NO_CT", "CT_IN_ANOTHER_FRAME"} <= flags_of(left)
    insisted = run_cli("score", copy, "--out", tmp_path / "p", "--json", "--ct", "2")
    assert "CT_FRAME_ASSUMED" in flags_of(insisted)
    assert json.loads(insisted.out)["study"]["ct"] is not None


def test_assumed_weight_and_dose_are_recorded(copy, tmp_path, masks_only):
    change(sorted((copy / "pet").iterdir()), PatientWeight=None)
    done = run_cli("score", copy, "--out", tmp_path / "o", "--json", "--weight", "71", "--dose", "150")
    assert {"WEIGHT_ASSUMED", "DOSE_ASSUMED"} <= flags_of(done)
    assumed = json.loads(done.out)["config"]["assume"]
    assert {name: value for name, value in assumed.items() if value} == {"weight_kg": 71, "dose_mbq": 150}


def test_another_tracer_is_judged_only_on_request(copy, tmp_path, masks_only):
    for path in sorted((copy / "pet").iterdir()):
        dataset = pydicom.dcmread(path)
        dataset.RadiopharmaceuticalInformationSequence[0].Radiopharmaceutical = "FDG"
        if "RadiopharmaceuticalCodeSequence" in dataset.RadiopharmaceuticalInformationSequence[0]:
            del dataset.RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalCodeSequence
        dataset.save_as(path)
    barred = run_cli("score", copy, "--out", tmp_path / "o", "--json")
    assert "TRACER_NOT_SSTR" in flags_of(barred)
    words = {name: json.loads(barred.out)["criteria"][name]["verdict"] for name in ("INC7", "EXC4", "EXC6", "DOM")}
    assert set(words.values()) == {"not_evaluable"}
    insisted = run_cli("score", copy, "--out", tmp_path / "p", "--json", "--judge-any-tracer")
    assert "JUDGED_ON_REQUEST" in flags_of(insisted)
    assert json.loads(insisted.out)["criteria"]["INC7"]["verdict"] == "met"


@pytest.mark.parametrize("place", ["1,2", "1,2,3,4", "1,two,3", "nan,0,0", "inf,0,0", ""])
def test_a_place_that_is_no_place_is_refused_before_any_work(study, tmp_path, place) -> None:
    done = run_cli("score", study, "--out", tmp_path / "out", "--lesion-at", place)
    assert done.status == 2, done.err
    assert f"--lesion-at {place}: not a place; give three numbers in mm" in done.err
    assert not (tmp_path / "out").exists()
