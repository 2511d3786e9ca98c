"""An output folder, and processes that find the scorers of the tests."""

import pytest

from dotaliver.batch.workspace import Workspace
from fixtures.batches import python_path


@pytest.fixture(autouse=True)
def scorers_can_be_imported(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", python_path())


@pytest.fixture
def workspace(tmp_path):
    made = Workspace(tmp_path / "out")
    made.folder.mkdir()
    made.prepare("abc123")
    return made
