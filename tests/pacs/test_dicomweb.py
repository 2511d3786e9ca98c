"""What a DICOMweb server may answer beside success: each ends in one sentence, and nothing strange becomes a file."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

import pytest

from dotaliver.errors import PacsError
from dotaliver.pacs.archive import open_archive
from dotaliver.pacs.endpoint import Credentials, Settings, endpoint_of
from dotaliver.pacs.transfer import pull_study, push_files
from fixtures.pacs_objects import OBJECT, SERIES, STUDY, an_object

JSON = "application/dicom+json"


def listing(uid: str = OBJECT) -> bytes:
    item = {
        "00080018": {"vr": "UI", "Value": [uid]},
        "0020000E": {"vr": "UI", "Value": [SERIES]},
        "00080060": {"vr": "CS", "Value": ["CT"]},
    }
    return json.dumps([item]).encode()


def sent(dataset) -> tuple[int, str, bytes]:
    """One object as WADO-RS sends it."""
    stream = BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    body = b"--x\r\nContent-Type: application/dicom\r\n\r\n" + stream.getvalue() + b"\r\n--x--\r\n"
    return 200, 'multipart/related; type="application/dicom"; boundary=x', body


@contextlib.contextmanager
def serving(query=None, retrieve=None, store=None) -> Iterator[tuple[str, list]]:
    """A server with fixed answers (status, type, body); its address, and the headers of what it was asked."""
    asked: list = []
    query = query or (200, JSON, listing())

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(retrieve if f"/instances/{OBJECT}" in self.path else query)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._answer(store)

        def _answer(self, answer) -> None:
            asked.append(dict(self.headers))
            status, kind, body = answer
            # A second query finds nothing new to page through
            if "offset=" in self.path and not self.path.endswith("offset=0"):
                body = b"[]"
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://localhost:{server.server_address[1]}/dicom-web", asked
        server.shutdown()
        thread.join()


def archive(url: str, **changes):
    return open_archive(Settings(endpoint_of(url), **changes))


def test_what_was_asked_for_is_put_in_its_place(tmp_path) -> None:
    with serving(retrieve=sent(an_object())) as (url, asked):
        done = pull_study(archive(url, credentials=Credentials(token="t0ken")), STUDY, tmp_path / "in")
    assert done.objects == 1
    assert (tmp_path / "in" / SERIES / f"{OBJECT}.dcm").is_file()
    assert {headers.get("Authorization") for headers in asked} == {"Bearer t0ken"}


@pytest.mark.parametrize("changes", [{"SOPInstanceUID": "1.2.3.9"}, {"StudyInstanceUID": "1.2.4"}])
def test_what_was_not_asked_for_is_refused(tmp_path, changes) -> None:
    with (
        serving(retrieve=sent(an_object(**changes))) as (url, _),
        pytest.raises(PacsError, match="an object that was not asked for"),
    ):
        pull_study(archive(url), STUDY, tmp_path / "in")
    assert not list(tmp_path.rglob("*.dcm"))


def test_uids_that_are_none_do_not_become_files(tmp_path) -> None:
    with (
        serving((200, JSON, listing("../../../etc/x"))) as (url, _),
        pytest.raises(PacsError, match="an object with an invalid UID"),
    ):
        pull_study(archive(url), STUDY, tmp_path / "in")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ((500, "text/plain", b"secret trace"), "answers with status 500"),
        ((403, "text/plain", b""), "does not allow this"),
        ((200, JSON, b"<html>not json"), "the PACS"),
        ((204, JSON, b""), "no such study"),
        ((200, JSON, b"[]"), "no such study"),
    ],
)
def test_other_answers_to_a_query_are_told(tmp_path, query, message: str) -> None:
    with serving(query) as (url, _), pytest.raises(PacsError, match=message) as caught:
        pull_study(archive(url), STUDY, tmp_path / "in")
    assert "secret" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("body", [b"--x\r\nContent-Type: application/dicom\r\n\r\nno object\r\n--x--\r\n", b""])
def test_what_is_no_object_is_told(tmp_path, body: bytes) -> None:
    answer = (200, 'multipart/related; type="application/dicom"; boundary=x', body)
    with serving(retrieve=answer) as (url, _), pytest.raises(PacsError, match="cannot be understood"):
        pull_study(archive(url), STUDY, tmp_path / "in")
    assert not list(tmp_path.rglob("*.dcm"))


def test_an_object_that_is_not_taken_is_told(tmp_path) -> None:
    an_object().save_as(tmp_path / "a.dcm", enforce_file_format=True)
    refused = {
        "00081198": {
            "vr": "SQ",
            "Value": [
                {
                    "00081155": {"vr": "UI", "Value": [OBJECT]},
                    "00081197": {"vr": "US", "Value": [272]},
                }
            ],
        }
    }
    with (
        serving((200, JSON, b"[]"), store=(200, JSON, json.dumps(refused).encode())) as (url, _),
        pytest.raises(PacsError, match=rf"rejected {OBJECT} \(reason 272\)"),
    ):
        push_files(archive(url), [tmp_path])
