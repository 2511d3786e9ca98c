"""A case of a central reading at a viewer: what is hidden until the reader has answered, and what can be signed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dotaliver.agreement.central import CentralReading
from dotaliver.errors import ConfigError
from dotaliver.longitudinal.edits import CourseEdits
from dotaliver.pipeline.reading_desk import DeskCase
from dotaliver.records.edits import Reader
from dotaliver.records.score_folder import ScoreFolder
from fixtures.central_reading import make_patient, rewrite, signed_by, write_manifest
from fixtures.command_line import run_cli

ANNA, CARLA = Reader(name="Anna Abel", role="radiologist"), Reader(name="Carla Conrad", role="radiologist")


@pytest.fixture(scope="module")
def scores(scored, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("scores")
    make_patient(scored, root, 1, 1, 2)
    return root


@pytest.fixture
def reading(scores, tmp_path) -> CentralReading:
    """One patient with two scans, blinded to the automatic answers."""
    manifest = write_manifest(tmp_path / "manifest.csv", 1)
    done = run_cli("reading", "init", scores, "--readers", "A,B", "--adjudicator", "C", "--manifest", manifest,
                   "--blind", "--out", tmp_path / "reading", "-q")  # fmt: skip
    assert done.status == 0, done.err
    return CentralReading(tmp_path / "reading")


def save_reading(case: DeskCase, scan: int, name: str) -> None:
    """What saving in the viewer leaves: a revision below the working folder, with the reader's name."""
    folder = case.folders[scan]
    target = folder / "revised-1"
    shutil.copytree(folder, target)
    rewrite(target, signed_by(name))


def test_the_images_alone_are_opened_until_the_first_answers_are_locked(reading):
    case = DeskCase.opened(reading, "A")
    assert case.images_alone
    assert case.title == f"Case {case.case.code}, scan 1 of 2"
    assert case.study.folder == Path(ScoreFolder(case.folders[0]).local_paths().study)
    with pytest.raises(ConfigError, match="no criterion is answered"):
        case.lock_first_answers({}, 20.0, ANNA)
    answered = case.lock_first_answers({"EXC4": "not_met"}, 20.0, ANNA)
    assert answered.study.folder == case.folders[0]
    assert not DeskCase.opened(reading, "A").images_alone
    event = reading.state().of("answered", reader="A")[0].event
    assert event.answers == {"EXC4": "not_met", "burden": "20 %"}
    assert event.person == ANNA
    with pytest.raises(ConfigError, match="locked already"):
        case.lock_first_answers({"EXC4": "met"}, None, ANNA)


def test_a_case_is_signed_once_each_scan_is_saved(reading):
    case = DeskCase.opened(reading, "A").lock_first_answers({"EXC4": "not_met"}, None, ANNA)
    with pytest.raises(ConfigError, match="no reading of scan 1, 2 is saved"):
        case.sign(ANNA)
    save_reading(case, 0, ANNA.name)
    again = DeskCase.opened(reading, "A")
    assert (again.scan, again.unread, again.left) == (1, (1,), 1)
    save_reading(case, 1, ANNA.name)
    assert DeskCase.opened(reading, "A").study.folder == case.folders[0] / "revised-1"
    case.course_edits.write_text(CourseEdits(reader=Reader(name="Bert Brand", role="radiologist")).to_json())
    with pytest.raises(ConfigError, match="made by Bert Brand"):
        case.sign(ANNA)
    refused = run_cli("reading", "sign", reading.path, "--reader", "A", "--case", case.case.code, "--name", ANNA.name)
    assert "made by Bert Brand" in refused.err, "what is saved in the working folder is part of what is signed"
    case.course_edits.write_text(CourseEdits(reader=ANNA).to_json())
    event = case.sign(ANNA).event
    assert (event.kind, event.reader, event.person) == ("signed", "A", ANNA)
    assert len(event.records) == 2
    assert case.left == 0
    with pytest.raises(ConfigError, match="signed every case"):
        DeskCase.opened(reading, "A")


def test_the_adjudicator_gives_a_reason_and_takes_a_reading(reading):
    code = reading.plan().cases[0].code
    for reader, name in (("A", "Anna Abel"), ("B", "Bert Brand")):
        person = Reader(name=name, role="radiologist")
        case = DeskCase.opened(reading, reader).lock_first_answers({"EXC4": "not_met"}, None, person)
        assert case.others == ()
        for scan in (0, 1):
            save_reading(case, scan, name)
        case.sign(person)
    case = DeskCase.opened(reading, "C", code)
    assert not case.images_alone
    assert case.others == ("A", "B")
    with pytest.raises(ConfigError, match="give a reason"):
        case.accept("B", CARLA, "  ")
    assert case.accept("B", CARLA, "outline of B is complete").event.accepted == "B"
