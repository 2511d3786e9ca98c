"""A phantom study on disk and its score, made once: what the tests of the whole flow start from."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dotaliver.phantom.presets import preset
from dotaliver.phantom.study import make_phantom
from dotaliver.phantom.writer import write_study
from fixtures.command_line import SECRETS, Run, change, run_cli


@pytest.fixture(scope="session")
def phantom(tmp_path_factory) -> Path:
    """A small phantom with its truth; the patient has a name and an ID that can be told from anything else."""
    folder = tmp_path_factory.mktemp("phantom") / "made"
    write_study(make_phantom(preset("moderate", 3, "small")), folder)
    change(sorted((folder / "study").rglob("*.dcm")), **SECRETS)
    return folder


@pytest.fixture(scope="session")
def study(phantom) -> Path:
    """The phantom's DICOM files; not to be changed."""
    return phantom / "study"


@pytest.fixture
def copy(study, tmp_path) -> Path:
    """A copy of the study that a test may spoil."""
    return Path(shutil.copytree(study, tmp_path / "copy"))


@pytest.fixture(scope="session")
def scored_run(study, tmp_path_factory) -> tuple[Path, Run]:
    """The study scored by the command line: its folder, and what was printed."""
    folder = tmp_path_factory.mktemp("scored") / "score"
    done = run_cli("score", study, "--out", folder, "--nifti")
    assert done.status == 0, done.err
    return folder, done


@pytest.fixture(scope="session")
def scored(scored_run) -> Path:
    """Folder of the study's score; not to be changed."""
    return scored_run[0]


@pytest.fixture
def no_pictures(monkeypatch):
    """Leave the report empty: it takes longest, and is drawn in other tests."""
    monkeypatch.setattr("dotaliver.export.outputs.report_html", lambda *_: "<html></html>")
