"""Processes that a batch starts find the scorers of the tests."""

import pytest

from batch_cases import TESTS


@pytest.fixture(autouse=True)
def scorers_can_be_imported(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
