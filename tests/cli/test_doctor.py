"""`dotaliver doctor`: what is installed, what is missing with its remedy, and whether a study would be scored."""

import json
import os

import pytest

from dotaliver import __version__
from dotaliver.system import installation
from dotaliver.system.extras import EXTRAS
from dotaliver.system.installation import Package, extras, memory_bytes, required_packages
from fixtures.command_line import TELLTALES, change, run_cli
from fixtures.dicom_series import write_study


def found(*arguments: object) -> dict:
    done = run_cli("doctor", "--json", *arguments)
    assert done.status in {0, 3}, done.err
    return json.loads(done.out)


def test_the_installation_and_the_machine_are_described():
    state = found()
    assert state["version"] == __version__
    packages = {package["name"].lower(): package["version"] for package in state["packages"]}
    assert packages["pydicom"]
    assert "petct" in state["segmenters"]
    assert [extra["name"] for extra in state["extras"]] == list(EXTRAS)
    assert state["processors"] >= 1
    assert 2**28 < state["memory_bytes"] <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert all(folder["writable"] and folder["free_bytes"] > 0 for folder in state["folders"])
    assert state["study"] is None


def test_a_missing_extra_comes_with_the_line_that_installs_it(monkeypatch):
    from importlib import metadata

    real = metadata.version

    def without(name: str) -> str:
        if name == "zarr":
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", without)
    state = next(extra for extra in extras() if extra.name == "zarr")
    assert state.missing == ("zarr",)
    assert "[zarr]" in state.install
    done = run_cli("doctor")
    assert done.status == 0  # an extra is optional
    assert "missing: zarr" in done.out
    assert f"To install 'zarr': {state.install}" in done.out


def test_a_missing_requirement_is_a_problem(monkeypatch):
    monkeypatch.setattr(installation, "_requirements", lambda: [("no-such-package>=2.0", None)])
    assert required_packages() == (Package("no-such-package", "2.0", None),)
    done = run_cli("doctor")
    assert done.status == 3
    assert "no-such-package" in done.out


@pytest.mark.parametrize(
    ("needed", "version", "fit"),
    [
        ("2.0", "2.0.0", True),
        ("2.10", "2.9", False),
        ("3.0.1", "3.0.2rc1", True),
        (None, "1", True),
        ("1", None, False),
    ],
)
def test_versions_are_compared_by_number(needed, version, fit):
    assert Package("p", needed, version).is_fit is fit


@pytest.mark.parametrize(("limit", "expected"), [("max\n", None), ("1073741824\n", 1 << 30)])
def test_a_containers_limit_bounds_the_memory(monkeypatch, tmp_path, limit, expected):
    (tmp_path / "memory.max").write_text(limit)
    monkeypatch.setattr(installation, "_CGROUP_LIMIT", tmp_path / "memory.max")
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert memory_bytes() == (expected or whole)


def test_a_study_that_would_be_scored_and_one_that_would_not(study, tmp_path):
    state = found(study)["study"]
    assert state["would_score"] is True
    assert "PET" in state["sentence"]
    tiny = write_study(tmp_path / "tiny")
    change(sorted(tiny.rglob("*.dcm")), PatientWeight=None)
    done = run_cli("doctor", tiny)
    assert done.status == 3
    assert "cannot be scored" in done.out
    assert "weight" in done.out.lower()
    assert not [word for word in TELLTALES if word in done.out + done.err]


def test_a_folder_that_is_not_there(tmp_path):
    done = run_cli("doctor", tmp_path / "absent")
    assert done.status == 3
    assert "cannot be scored" in done.out
    assert done.err == ""
