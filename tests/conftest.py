"""A phantom study on disk and its score, made once: what the tests of the whole flow start from."""

from __future__ import annotations

import io
import shutil
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pydicom
import pytest

from dotaliver.cli import main
from dotaliver.phantom.presets import preset
from dotaliver.phantom.study import make_phantom
from dotaliver.phantom.writer import write_study

# Words that stand nowhere in the program: wherever they turn up, they came from the patient's headers.
SECRETS = {
    "PatientName": "Zyxwvut^Quirinus",
    "PatientID": "QQ-98765-KLM",
    "OtherPatientIDs": "RR-43210",
    "PatientBirthDate": "19310203",
    "PatientAddress": "Nebelgasse 77",
    "AccessionNumber": "ACC555777",
    "ReferringPhysicianName": "Vorrangig^Hedwig",
    "InstitutionName": "Krankenhaus Sperling",
    "PatientComments": "Lives with Zyxwvut senior",
}
TELLTALES = ("Zyxwvut", "Quirinus", "QQ-98765", "RR-43210", "19310203", "Nebelgasse", "ACC555777", "Vorrangig")


@dataclass(frozen=True)
class Run:
    """One call of the command line: exit status and what it wrote."""

    status: int
    out: str
    err: str


def run_cli(*arguments: object) -> Run:
    """Run the command line in this process, as its entry point would."""
    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["dotaliver", *map(str, arguments)]
    status = 0
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
    except SystemExit as stopped:
        status = stopped.code if isinstance(stopped.code, int) else 1
    finally:
        sys.argv = before
    return Run(status, out.getvalue(), err.getvalue())


def change(paths, **elements) -> None:
    """Set elements in DICOM files; None takes one away."""
    for path in paths:
        dataset = pydicom.dcmread(path)
        for keyword, value in elements.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)
        dataset.save_as(path)


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
