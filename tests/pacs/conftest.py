"""The server that the tests of this folder talk to, and who may."""

from __future__ import annotations

import gc
import json
import logging
import shutil
import subprocess
import threading
import warnings
from pathlib import Path

import pytest
from pynetdicom.association import Association

from fixtures.orthanc import PASSWORD, USER, Orthanc


@pytest.fixture(scope="session")
def orthanc(tmp_path_factory):
    server = Orthanc(tmp_path_factory.mktemp("orthanc"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory) -> Path:
    """A certificate of localhost, with its key beside it."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem",
        ],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return folder / "cert.pem"


@pytest.fixture
def credentials(tmp_path) -> Path:
    """A file of secrets that only its owner can read."""
    path = tmp_path / "pacs.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps({"user": USER, "password": PASSWORD}))
    return path


@pytest.fixture(autouse=True)
def _left_sockets():
    """Collect what pynetdicom leaves to the garbage collector where a connection fails, so that no later test sees it.

    It shuts a socket down before it closes it, and does not close it where shutting down fails. Its messages are not
    kept either: a record of an exception holds the socket.
    """
    logger = logging.getLogger("pynetdicom")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    yield
    logger.setLevel(level)
    for thread in threading.enumerate():
        if isinstance(thread, Association):
            thread.join(5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
