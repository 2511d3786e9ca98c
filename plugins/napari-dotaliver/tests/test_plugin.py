"""The plugin as napari finds it: the manifest is valid, and every command of it is there."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

import napari_dotaliver
import pytest
from napari_dotaliver import _sample_data
from npe2 import PluginManifest

from dotaliver.cli.view import GROUP, viewer


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_distribution("napari-dotaliver")


def test_the_manifest_is_valid_and_its_commands_exist(manifest):
    manifest.validate_imports()
    contributed = manifest.contributions
    assert contributed.readers[0].accepts_directories
    assert [writer.filename_extensions for writer in contributed.writers] == [[".dcm"], [".nii.gz", ".nii"]]
    assert contributed.sample_data[0].display_name == "DOTATATE liver phantom"
    assert contributed.widgets


def test_the_command_line_finds_the_viewer():
    assert [entry.value for entry in entry_points(group=GROUP)] == ["napari_dotaliver.widgets.start:view"]
    assert viewer().__module__ == "napari_dotaliver.widgets.start"


def test_only_qtpy_is_asked_for_qt():
    from pathlib import Path

    for path in Path(napari_dotaliver.__file__).parent.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not any(f"{word} {name}" in text for word in ("import", "from") for name in ("PyQt", "PySide")), path


def test_the_sample_is_made_once(tmp_path, monkeypatch):
    monkeypatch.setattr(_sample_data, "user_cache_path", lambda *_, **__: tmp_path)
    told = []
    folder = _sample_data.sample_study(told.append)
    assert told
    assert any(folder.rglob("*.dcm"))
    again = []
    assert _sample_data.sample_study(again.append) == folder
    assert not again


def test_no_python_runs_while_qt_destroys_widgets():
    package = Path(napari_dotaliver.__file__).parent
    for source in package.rglob("*.py"):
        for line in source.read_text().splitlines():
            assert "destroyed.connect(" not in line or line.strip().endswith(
                "destroyed.connect(shortcut.deleteLater)"
            ), f"{source.name}: a callback in Python at `destroyed` can end the program; use close_down()"
