"""`dotaliver view`: the desk is another package, found by its entry point; what is wrong is one sentence."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints

import pytest

from dotaliver.cli import view as cli_view
from dotaliver.pipeline import StudyInput
from fixtures.command_line import run_cli


@pytest.fixture
def viewers(monkeypatch):
    """The viewers that are installed, by their entry points."""

    def install(*values: str) -> None:
        found = EntryPoints(EntryPoint(f"v{n}", value, cli_view.GROUP) for n, value in enumerate(values))
        monkeypatch.setattr("importlib.metadata.entry_points", lambda group: found if group == cli_view.GROUP else [])

    return install


SHOWN: list[tuple[object, object]] = []


def show(study, config) -> None:
    """A viewer that notes what it was asked to show."""
    SHOWN.append((study, config))


def test_the_viewer_is_given_the_study_and_the_settings(viewers, tmp_path):
    SHOWN.clear()
    viewers(f"{__name__}:show")
    done = run_cli("view", tmp_path, "--weight", "71", "--pet", "4", "--judge-any-tracer")
    assert (done.status, done.err) == (0, "")
    ((study, config),) = SHOWN
    assert study == StudyInput(tmp_path, pet="4")
    assert config.assume.weight_kg == 71
    assert config.assume.judge_other_tracer
    assert not config.assume.relative


def test_without_a_viewer_it_is_said_what_to_install(viewers, tmp_path):
    viewers()
    done = run_cli("view", tmp_path)
    assert done.status == 2
    assert "napari-dotaliver" in done.err
    assert done.err.count("\n") == 1


def test_a_viewer_that_cannot_be_imported_is_named(viewers, tmp_path):
    viewers("a_package_that_is_not_there:show")
    done = run_cli("view", tmp_path)
    assert done.status == 2
    assert "a_package_that_is_not_there" in done.err
    assert "Traceback" not in done.err


def test_a_folder_that_is_not_there_is_told_before_a_window_opens(viewers, tmp_path):
    SHOWN.clear()
    viewers(f"{__name__}:show")
    done = run_cli("view", tmp_path / "absent")
    assert done.status == 3
    assert "there is no such folder" in done.err
    assert not SHOWN


def show_two(study, config, *, later=None) -> None:
    """A viewer that notes which two scans it was asked to show."""
    SHOWN.append((study, later))


def test_two_scores_of_a_patient_are_opened_side_by_side(viewers, monkeypatch, tmp_path):
    SHOWN.clear()
    viewers(f"{__name__}:show_two")
    folders = tmp_path / "baseline", tmp_path / "week12"
    for folder in folders:
        folder.mkdir()
        (folder / "score.json").write_text("{}")
    asked = []
    monkeypatch.setattr("dotaliver.pipeline.visits.require_scans_of_one_patient", asked.append)
    done = run_cli("view", *folders)
    assert (done.status, done.err) == (0, "")
    assert asked == [folders]
    assert [(StudyInput(folders[0]), folders[1])] == SHOWN


def test_what_cannot_be_two_scans_is_told_before_a_window_opens(viewers, tmp_path):
    SHOWN.clear()
    viewers(f"{__name__}:show_two")
    done = run_cli("view", tmp_path / "one", tmp_path / "two")
    assert done.status == 3
    assert "time points are compared from folders that 'dotaliver score' wrote" in done.err
    done = run_cli("view", tmp_path, tmp_path, "--reader", "A")
    assert done.status == 2
    assert "give LATER or --reader" in done.err
    assert not SHOWN


def test_an_fdg_scan_goes_with_a_study_and_must_be_there(viewers, tmp_path):
    SHOWN.clear()
    viewers(f"{__name__}:show")
    study, fdg = tmp_path / "study", tmp_path / "fdg"
    study.mkdir()
    done = run_cli("view", study, "--fdg", fdg)
    assert (done.status, done.err.count("\n")) == (3, 1)
    assert "--fdg" in done.err and "no such folder" in done.err
    fdg.mkdir()
    assert run_cli("view", study, "--fdg", fdg).status == 0
    assert SHOWN[0][0] == StudyInput(study, fdg=fdg)
    (study / "score.json").write_text("{}")
    done = run_cli("view", study, "--fdg", fdg)
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert "dotaliver rescore --fdg" in done.err
    assert len(SHOWN) == 1
