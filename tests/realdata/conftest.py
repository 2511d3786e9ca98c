"""Where the real data lie; every test here is skipped, with the reason, where they do not."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data():
    """Folder of the real data: DOTALIVER_DATA, else ../shared/data beside the repository."""
    root = Path(__file__).resolve().parents[2]
    folder = Path(os.environ.get("DOTALIVER_DATA", root.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("the real data are not there: set DOTALIVER_DATA or put them in ../shared/data")
    return folder
