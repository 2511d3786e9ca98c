"""A small phantom, scored once for all tests, and fresh readings of it."""

from __future__ import annotations

import os
from pathlib import Path

# The machine's cores are shared by the test runners.
os.environ.setdefault("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "1")

import pytest
from napari_dotaliver.reading.session import ReadingSession

from dotaliver.phantom.presets import preset
from dotaliver.phantom.study import make_phantom
from dotaliver.phantom.writer import write_study
from dotaliver.pipeline import Outcome, StudyInput, save, score_study


@pytest.fixture(autouse=True, scope="session")
def _own_folders(tmp_path_factory):
    """What is kept for a user (unsaved edits, the reader's name) stays in a folder of the tests."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
            patch.setenv(name, str(home / name.lower()))
        yield


@pytest.fixture(scope="session")
def study(tmp_path_factory) -> Path:
    """Folder of a small phantom's DICOM files; not to be changed."""
    folder = tmp_path_factory.mktemp("phantom") / "made"
    write_study(make_phantom(preset("moderate", 3, "small")), folder)
    return folder / "study"


@pytest.fixture(scope="session")
def outcome(study) -> Outcome:
    """The phantom, scored."""
    return score_study(StudyInput(study))


@pytest.fixture(scope="session")
def scored(outcome, tmp_path_factory) -> Path:
    """Folder of its score; not to be changed."""
    folder = tmp_path_factory.mktemp("scored") / "score"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dotaliver.export.outputs.report_html", lambda *_: "<html></html>")
        patch.setattr("dotaliver.export.dicom.sr.measurement_report", lambda *_: None)
        save(outcome, folder)
    return folder


@pytest.fixture
def session(outcome, scored) -> ReadingSession:
    """A fresh reading of the phantom."""
    return ReadingSession(outcome, scored)


@pytest.fixture
def no_pictures(monkeypatch) -> None:
    """Leave the report empty: it takes longest, and is drawn in other tests."""
    monkeypatch.setattr("dotaliver.export.outputs.report_html", lambda *_: "<html></html>")


@pytest.fixture
def masks_only(no_pictures, monkeypatch) -> None:
    """Leave out the measurements as DICOM too: for tests of the record and its masks."""
    monkeypatch.setattr("dotaliver.export.dicom.sr.measurement_report", lambda *_: None)
