"""Bad input to the commands of a central reading: one sentence, status 2 or 3, nothing recorded."""

import shutil
from pathlib import Path

import pytest

from dotaliver.agreement.central import CentralReading
from dotaliver.agreement.first_answers import first_answers
from dotaliver.errors import ConfigError
from fixtures.central_reading import make_patient, read_scan, signed_by
from fixtures.command_line import run_cli


@pytest.fixture(scope="module")
def scores(scored, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("scores")
    for patient in (1, 2):
        make_patient(scored, root, patient, 1)
    return root


@pytest.fixture
def folder(scores, tmp_path) -> Path:
    done = run_cli("reading", "init", scores, "--readers", "A,B", "--adjudicator", "C", "--out", tmp_path / "r", "-q")
    assert done.status == 0, done.err
    return tmp_path / "r"


def refused(sentence, *arguments):
    done = run_cli("reading", *arguments)
    assert done.status in {2, 3}, (done.out, done.err)
    assert sentence in done.err
    assert done.err.count("\n") == 1, done.err


def case_of(folder, patient):
    plan = CentralReading(folder).plan()
    return next(c.code for c in plan.cases if f".{patient}.1" in c.scans[0].study_instance_uid)


def test_what_cannot_be_planned(scores, tmp_path):
    refused("two readers", "init", scores, "--readers", "A", "--out", tmp_path / "r", "-q")
    refused("no score in it", "init", tmp_path, "--readers", "A,B", "--out", tmp_path / "r", "-q")
    twice = tmp_path / "twice"
    for name in ("one", "two"):
        shutil.copytree(scores / "patient-1-scan-1", twice / name)
    refused("two scores of one study", "init", twice, "--readers", "A,B", "--out", tmp_path / "r", "-q")
    assert not (tmp_path / "r").exists()


def test_only_the_reader_s_own_reading_of_the_case_is_signed(folder, scores, tmp_path):
    case = case_of(folder, 1)
    source = scores / "patient-1-scan-1"
    mine = read_scan(source, tmp_path / "mine", signed_by("Anna Abel"))
    sign = ("sign", folder, "--reader", "A", "--case", case, "--name", "Anna Abel", "-q")
    refused("no reader is named in this score", *sign)
    refused("read by Anna Abel, and Bert Brand signs", *sign[:2], mine, *sign[2:6], "--name", "Bert Brand", "-q")
    other = read_scan(scores / "patient-2-scan-1", tmp_path / "other", signed_by("Anna Abel"))
    refused("no score of the scan", "sign", folder, other, *sign[2:])
    refused("not a scan of case", "sign", folder, mine, other, *sign[2:])
    refused("single scan", "sign", folder, mine, *sign[2:], "--edits", tmp_path / "edits.json")
    refused("name and a role", "sign", folder, mine, *sign[2:6], "--name", " ", "-q")
    refused("no reader of this plan", "sign", folder, mine, "--reader", "D", *sign[4:])
    assert len(CentralReading(folder).log().read()) == 1


def test_a_reading_that_revises_another_reader_s_is_not_independent(folder, scores, tmp_path):
    case = case_of(folder, 1)
    first = read_scan(scores / "patient-1-scan-1", tmp_path / "first", signed_by("Anna Abel"))
    done = run_cli("reading", "sign", folder, first, "--reader", "A", "--case", case, "--name", "Anna Abel", "-q")
    assert done.status == 0, done.err
    copied = read_scan(first, tmp_path / "copied", signed_by("Bert Brand"))
    refused("revises another reader's reading", "sign", folder, copied, "--reader", "B", "--case", case, "--name",
            "Bert Brand", "-q")  # fmt: skip


def test_working_copies_are_opened_and_their_last_revision_is_signed(folder):
    case = case_of(folder, 2)
    done = run_cli("reading", "next", folder, "--reader", "A", "--case", case)
    code, path = done.out.split("\n")[:2]
    assert code == case
    read_scan(Path(path), Path(path) / "revised-1", signed_by("Anna Abel"))
    done = run_cli("reading", "sign", folder, "--reader", "A", "--case", case, "--name", "Anna Abel", "-q")
    assert (done.status, "locked" in done.out) == (0, True), done.err
    done = run_cli("reading", "unlock", folder, "--reader", "A", "--case", case, "--name", "Carla", "--reason", " ")
    assert "with its reason" in done.err


def test_a_folder_without_a_reading_and_a_missing_case_are_named(folder, tmp_path):
    refused("no central reading", "status", tmp_path)
    refused("no case C999", "next", folder, "--reader", "A", "--case", "C999")
    refused("opens a case by name", "next", folder, "--reader", "C")


@pytest.mark.parametrize("text", ["EXC4", "EXC4=yes", "=met", "EXC4=met=met"])
def test_first_answers_are_pairs_of_criterion_and_verdict(text):
    with pytest.raises(ConfigError, match="as EXC4=not_met"):
        first_answers([text], None)


@pytest.mark.parametrize("percent", [-1, 101, float("nan")])
def test_a_burden_by_eye_is_a_share(percent):
    with pytest.raises(ConfigError, match="from 0 to 100"):
        first_answers(["EXC4=met"], percent)
    with pytest.raises(ConfigError, match="answered twice"):
        first_answers(["EXC4=met", "EXC4=met"], None)
