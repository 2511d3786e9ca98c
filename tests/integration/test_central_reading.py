"""A central reading of twelve patients from plan to SDTM: two readers with known errors, and an adjudicator."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from dotaliver.agreement.central import CentralReading
from fixtures.central_reading import (
    make_patient,
    read_masks_once,
    read_scan,
    signed_by,
    study_uid,
    with_answers,
    with_sizes,
    write_manifest,
)
from fixtures.command_line import TELLTALES, run_cli

PATIENTS = 12
NAMES = {"A": "Anna Abel", "B": "Bert Brand", "C": "Carla Conrad"}
# Follow-up of a baseline of 25 + 15 mm: -40 % is PR, +50 % PD, no change SD.
SMALLER, SAME, LARGER = (15.0, 9.0), (25.0, 15.0), (37.5, 22.5)
ADJUDICATED = {3, 4, 9}


def truth(patient):
    """Verdict of EXC4, burden and sizes at follow-up, as reader A sees them."""
    sizes = SMALLER if patient <= 3 else LARGER if patient <= 6 else SAME
    return "met" if patient <= 4 else "not_met", 0.05 * patient, sizes


def as_read_by(reader, patient):
    """Reader B calls EXC4 wrong in patients 4 and 9, sees a little more tumour, much more in patient 9, and in patient
    3 too little shrinkage (-20 % is SD)."""
    verdict, burden, sizes = truth(patient)
    if reader != "B":
        return verdict, burden, sizes
    if patient in {4, 9}:
        verdict = "not_met" if verdict == "met" else "met"
    return verdict, burden + (0.06 if patient == 9 else 0.02), (20.0, 12.0) if patient == 3 else sizes


def read(scores, patient, reader, target):
    """Both scans of a patient as a reader leaves them."""
    verdict, burden, sizes = as_read_by(reader, patient)
    return [
        read_scan(
            scores / f"patient-{patient}-scan-{scan}",
            target / f"{reader}-{patient}-{scan}",
            with_answers({"EXC4": verdict}, burden),
            with_sizes((25.0, 15.0) if scan == 1 else sizes),
            signed_by(NAMES[reader]),
        )
        for scan in (1, 2)
    ]


def run(*arguments):
    done = run_cli("reading", *arguments)
    assert done.status == 0, done.err
    return done.out


@pytest.fixture(scope="module", autouse=True)
def _masks_read_once():
    with pytest.MonkeyPatch.context() as patch:
        read_masks_once(patch)
        yield


@pytest.fixture(scope="module")
def scores(scored, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("cohort")
    for patient in range(1, PATIENTS + 1):
        make_patient(scored, root, patient, 1, 2)
    return root


@pytest.fixture(scope="module")
def central(scores, tmp_path_factory) -> tuple[Path, dict[int, str], Path]:
    """Folder of the reading with both readers' signatures, code of each patient, and the manifest."""
    base = tmp_path_factory.mktemp("central")
    manifest = write_manifest(base / "manifest.csv", PATIENTS)
    folder = base / "reading"
    out = run("init", scores, "--readers", "A,B", "--adjudicator", "C", "--out", folder, "--manifest", manifest,
              "--seed", 7, "-q")  # fmt: skip
    assert "12 cases for A and B (seed 7)" in out
    plan = CentralReading(folder).plan()
    codes = {
        patient: next(c.code for c in plan.cases if c.scans[0].study_instance_uid == study_uid(patient, 1))
        for patient in range(1, PATIENTS + 1)
    }
    for reader in "AB":
        for patient, code in codes.items():
            run("next", folder, "--reader", reader, "--case", code)
            made = read(scores, patient, reader, base / "read")
            run("sign", folder, *made, "--reader", reader, "--case", code, "--name", NAMES[reader], "-q")
        status = run("status", folder)
        assert all(code in status for code in codes.values())
    return folder, codes, manifest


def figures(folder, question, figure):
    with (folder / "results" / "agreement.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["First reading"] == "A" and row["Second reading"] == "B"]
    return next(float(row["Value"]) for row in rows if (row["Question"], row["Figure"]) == (question, figure))


def test_readers_get_their_own_order_and_codes_say_nothing(central):
    plan = CentralReading(central[0]).plan()
    assert plan.order["A"] != plan.order["B"]
    assert sorted(plan.order["A"]) == sorted(plan.order["B"]) == sorted(central[1].values())
    assert list(central[1].values()) != sorted(central[1].values())


def test_cases_without_a_disagreement_close_and_the_others_wait(central):
    folder, codes, _ = central
    out = run("compare", folder, "-q")
    waiting = {patient for patient, code in codes.items() if f"{code}: to adjudicate" in out}
    assert waiting == ADJUDICATED
    assert out.count("closed, readers agree; final reading: A") == PATIENTS - len(ADJUDICATED)
    with (folder / "results" / "comparison.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    topics = {p: {row["Topic"] for row in rows if row["Case"] == codes[p]} for p in ADJUDICATED}
    assert topics[4] == {"verdict"}
    assert topics[9] == {"verdict", "burden_band"}
    assert topics[3] == {"response", "best_response"}


def test_figures_are_those_computed_by_hand(central):
    folder, _, _ = central
    run("agreement", folder)
    # EXC4 on two scans each: 3 met by both, 7 not met by both, one each way; (10/12 - 80/144) / (1 - 80/144)
    assert figures(folder, "EXC4", "Observed agreement") == pytest.approx(10 / 12, abs=1e-5)
    assert figures(folder, "EXC4", "Cohen's kappa") == pytest.approx(0.625, abs=1e-5)
    # Response: A calls 3 PR, 6 SD, 3 PD, and B 2, 7, 3; 11 of 12 the same; by chance 57/144
    assert figures(folder, "overall response", "Cohen's kappa") == pytest.approx(75 / 87, abs=1e-5)
    # Gwet's, with 7 possible words: by chance sum of p (1 - p) / 6 with p = 2.5/12, 6.5/12, 3/12
    chance = sum(p * (1 - p) for p in (2.5 / 12, 6.5 / 12, 3 / 12)) / 6
    assert figures(folder, "overall response", "Gwet's AC1") == pytest.approx(
        (11 / 12 - chance) / (1 - chance), abs=1e-5
    )
    # Burden: 22 differences of -2 points and 2 of -6
    assert figures(folder, "liver burden", "Bias") == pytest.approx(-(22 * 2 + 2 * 6) / 24, abs=1e-4)


@pytest.mark.slow
def test_the_adjudicator_accepts_or_reads_anew_and_the_final_record_names_its_parents(central, scores, tmp_path):
    folder, codes, manifest = central
    run("compare", folder, "-q")
    run("adjudicate", folder, "--case", codes[4], "--accept", "A", "--name", NAMES["C"], "--reason", "tumour in 4 of 8")
    run("adjudicate", folder, "--case", codes[9], "--accept", "B", "--name", NAMES["C"], "--reason", "fuller outline")
    anew = read(scores, 3, "C", tmp_path)
    run("adjudicate", folder, *anew, "--case", codes[3], "--name", NAMES["C"], "--reason", "measured again", "-q")
    state = CentralReading(folder).state()
    for patient, accepted in ((4, "A"), (9, "B"), (3, "C"), (1, "A")):
        case = state.case(codes[patient])
        assert case.closed.event.accepted == accepted
        assert set(case.closed.event.parents) == {logged.sha256 for logged in case.signed.values()}
    assert state.case(codes[3]).closed.event.reason == "measured again"

    out = run("export", folder, "--manifest", manifest, "--out", tmp_path / "final", "-q")
    assert len(out.split()) == PATIENTS
    with (tmp_path / "final" / "NCT1-01-003" / "rs.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["RSTESTCD"] == "OVRLRESP"]
    assert {row["RSEVAL"] for row in rows} == {"INDEPENDENT ASSESSOR"}
    said = {row["RSEVALID"]: (row["RSSTRESC"], row["RSACPTFL"]) for row in rows}
    assert said == {"RADIOLOGIST 1": ("PR", ""), "RADIOLOGIST 2": ("SD", ""), "ADJUDICATOR": ("PR", "Y")}


def test_the_trail_says_who_changed_what_from_which_value_and_verifies(central):
    folder, codes, _ = central
    run("audit", folder)
    with (folder / "results" / "audit.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    (row,) = [
        r
        for r in rows
        if (r["case"], r["reader"]) == (codes[9], "B") and r["field"] == "2024-01-10: criteria.EXC4.verdict"
    ]
    assert (row["name"], row["now"]) == (NAMES["B"], "met")
    assert row["before"] not in {"", "met"}
    out = run("verify", folder)
    head = out.split()[-1]
    assert "are as they were written" in run("verify", folder, "--head", head)


def test_nothing_of_the_patients_is_in_the_folder(central):
    folder, _, _ = central
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix in {".json", ".csv", ".html"} and path.name != "local.json":
            text = path.read_text(errors="replace")
            assert not any(word in text for word in TELLTALES), path


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda f: (f / "events" / "000005.json").unlink(), "missing from the log"),
        (lambda f: _change(f / "events" / "000005.json", '"C', '"D'), "changed after it"),
        (lambda f: _change(f / "plan.json", '"seed": 7', '"seed": 8'), "does not follow from the plan"),
        (lambda f: _change(next(f.glob("readings/*/answers.json")), "met", "mett"), "changed after it was signed"),
        (lambda f: next(f.glob("readings/*/scan-1/score.json")).unlink(), "the signed file is missing"),
    ],
)
def test_whatever_is_changed_afterwards_is_found(central, tmp_path, spoil, sentence):
    copy = Path(shutil.copytree(central[0], tmp_path / "copy"))
    spoil(copy)
    done = run_cli("reading", "verify", copy)
    assert (done.status, done.err.count("Traceback")) == (3, 0)
    assert sentence in done.err


def test_events_taken_off_the_end_are_found_by_a_noted_hash(central, tmp_path):
    copy = Path(shutil.copytree(central[0], tmp_path / "copy"))
    head = run("verify", copy).split()[-1]
    max((copy / "events").glob("*.json")).unlink()
    assert run_cli("reading", "verify", copy).status == 0
    done = run_cli("reading", "verify", copy, "--head", head)
    assert done.status == 3
    assert "taken off the log" in done.err


def _change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_status_as_json_counts_what_is_left(central):
    found = json.loads(run("status", central[0], "--json"))
    assert found["left"] == {"A": 0, "B": 0}
    assert len(found["cases"]) == PATIENTS
