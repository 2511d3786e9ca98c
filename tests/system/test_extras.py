"""A missing extra is named with the one line that installs it for this installation."""

import json
import re
import shlex
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from dotaliver.system import extras
from dotaliver.system.extras import EXTRAS, extra_missing, install_line, origin

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def installed(monkeypatch):
    """dotaliver as if it had been installed from somewhere, into an environment with pip."""

    def from_url(direct_url: object) -> None:
        class Distribution:
            def read_text(self, name: str) -> str | None:
                assert name == "direct_url.json"
                return direct_url if direct_url is None or isinstance(direct_url, str) else json.dumps(direct_url)

        monkeypatch.setattr(metadata, "distribution", lambda _: Distribution())
        monkeypatch.setattr(extras, "_installer", lambda: "pip install")
        origin.cache_clear()

    yield from_url
    origin.cache_clear()


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "my checkout"
    (folder / "plugins" / "napari-dotaliver").mkdir(parents=True)
    (folder / "pyproject.toml").touch()
    return folder


def test_from_an_editable_checkout(installed, checkout):
    installed({"url": checkout.as_uri(), "dir_info": {"editable": True}})
    assert shlex.split(install_line("sdtm")) == ["pip", "install", "-e", f"{checkout}[sdtm]"]
    plugin = str(checkout / "plugins" / "napari-dotaliver")
    assert shlex.split(install_line("napari")) == ["pip", "install", "-e", f"{checkout}[napari]", "-e", plugin]


def test_from_a_folder(installed, checkout):
    installed({"url": checkout.as_uri(), "dir_info": {}})
    assert shlex.split(install_line("pacs")) == ["pip", "install", f"{checkout}[pacs]"]


def test_from_a_folder_that_is_gone(installed, tmp_path):
    installed({"url": (tmp_path / "gone").as_uri(), "dir_info": {"editable": True}})
    assert install_line("zarr").startswith("pip install '.[zarr]', in the folder of dotaliver's source code")


def test_from_a_wheel_and_a_repository(installed):
    installed({"url": "file:///share/dotaliver-0.1.0-py3-none-any.whl", "archive_info": {}})
    assert install_line("zarr") == "pip install 'dotaliver[zarr] @ file:///share/dotaliver-0.1.0-py3-none-any.whl'"
    installed({"url": "https://host/d.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}})
    assert install_line("zarr") == "pip install 'dotaliver[zarr] @ git+https://host/d.git@abc'"


@pytest.mark.parametrize("direct_url", [None, "", "{", "[]", '{"dir_info": {}}', "3"])
def test_from_an_index_or_nothing_that_can_be_read(installed, direct_url):
    installed(direct_url)
    assert install_line("batch") == "pip install 'dotaliver[batch]'"


def test_an_environment_without_pip_is_served_by_uv(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setattr(extras.shutil, "which", lambda name: f"/bin/{name}")
    assert extras.pip_install("x").startswith("uv pip install --python ")


def test_the_sentence_names_feature_extra_package_and_line(installed):
    installed(None)
    assert extra_missing("writing OME-Zarr", "zarr", "zarr") == (
        "writing OME-Zarr needs the extra 'zarr' (zarr is missing); install it with: pip install 'dotaliver[zarr]'"
    )


def test_every_extra_is_described_and_no_line_is_written_by_hand():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(EXTRAS) == set(declared) - {"test"}
    by_hand = [
        path.name
        for folder in ("src", "plugins")
        for path in (ROOT / folder).rglob("*.py")
        if "pip install" in path.read_text() and path.name != "extras.py"
    ]
    assert by_hand == []
    for path in (ROOT / "src").rglob("*.py"):
        for extra in re.findall(r"extra_missing\([^)]*?['\"]([a-z]+)['\"]\s*[,)]", path.read_text()):
            assert extra in EXTRAS
