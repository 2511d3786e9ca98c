"""A phantom study on disk and its score, made once: what the tests of the whole flow start from."""

from __future__ import annotations

import gc
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import settings

from dotaliver.phantom.study import make_phantom
from dotaliver.phantom.writer import write_study
from fixtures.command_line import SECRETS, Run, change, run_cli
from fixtures.outlining import outline_once
from fixtures.phantoms import few_lesions
from fixtures.score_files import leave_out_report, leave_out_report_and_measurements
from fixtures.sharing import made_once

# How long an example takes says more of the machine than of the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


# Objects that are made before the next look for garbage. Python's own 700 make a tenth of a score's time.
_OBJECTS_BETWEEN_COLLECTIONS = 20_000


def pytest_configure() -> None:
    """Look for no garbage while modules are loaded and tests collected: nearly all of it stays to the end."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Spare the collector of garbage the hundred thousands of objects of modules and tests, which stay to the end."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, 20, 20)
    gc.enable()


@pytest.fixture(scope="session")
def phantom(tmp_path_factory) -> Path:
    """A small phantom with its truth; the patient has a name and an ID that can be told from anything else."""

    def make(folder: Path) -> None:
        write_study(make_phantom(few_lesions()), folder / "made")
        change(sorted((folder / "made" / "study").rglob("*.dcm")), **SECRETS)

    return made_once(tmp_path_factory, "phantom", make) / "made"


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
    """The study scored by the command line, with its second process: the folder, and what was printed."""

    def make(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            outline_once(patch, tmp_path_factory)
            done = run_cli("score", study, "--out", folder / "score", "--nifti", second_process=True)
        (folder / "printed.json").write_text(json.dumps(asdict(done)))

    folder = made_once(tmp_path_factory, "scored", make)
    done = Run(**json.loads((folder / "printed.json").read_text()))
    assert done.status == 0, done.err
    return folder / "score", done


@pytest.fixture(scope="session")
def scored(scored_run) -> Path:
    """Folder of the study's score; not to be changed."""
    return scored_run[0]


@pytest.fixture
def outlined_once(monkeypatch, tmp_path_factory):
    """Take the outlines that another test found on the same images: for tests of what comes before and after."""
    outline_once(monkeypatch, tmp_path_factory)


@pytest.fixture
def no_pictures(monkeypatch, outlined_once):
    """Leave the report empty: it takes longest, and is drawn in other tests."""
    leave_out_report(monkeypatch)


@pytest.fixture
def masks_only(monkeypatch, outlined_once):
    """Leave out report and measurements as DICOM: for tests of the record and its masks."""
    leave_out_report_and_measurements(monkeypatch)
