"""A PACS that is broken or hostile: it costs bounded time and memory, ends in one sentence, leaves no half object."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

import numpy as np
import pytest

from dotaliver.dicom.files.objects import require_whole
from dotaliver.errors import PacsError
from dotaliver.pacs import dicomweb, dimse
from dotaliver.pacs.dicomweb import DicomWebArchive
from dotaliver.pacs.endpoint import Settings, endpoint_of
from dotaliver.pacs.http_session import Bounds
from dotaliver.pacs.transfer import pull_study
from fixtures.pacs_objects import OBJECT, SERIES, STUDY, an_object

JSON = "application/dicom+json"
MULTIPART = 'multipart/related; type="application/dicom"; boundary=x'
QUICK = Bounds(most_bytes=1 << 20, headers_s=1.0, least_bytes=1 << 10, window_s=0.6)


def item(uid: str = OBJECT) -> dict:
    return {
        "00080018": {"vr": "UI", "Value": [uid]},
        "0020000E": {"vr": "UI", "Value": [SERIES]},
        "00080060": {"vr": "CS", "Value": ["CT"]},
    }


def image(rows: int = 8):
    pixels = np.arange(rows * 8, dtype=np.uint16)
    made = an_object(Rows=rows, Columns=8, BitsAllocated=16, SamplesPerPixel=1, PixelData=pixels.tobytes())
    made["PixelData"].VR = "OW"
    return made


def stored(dataset) -> bytes:
    stream = BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def multipart(content: bytes) -> bytes:
    return b"--x\r\nContent-Type: application/dicom\r\n\r\n" + content + b"\r\n--x--\r\n"


class Answers:
    """What the server does: a function for queries and one for objects, each given the handler."""

    def __init__(self, query: Callable, retrieve: Callable) -> None:
        self.query, self.retrieve = query, retrieve
        self.asked: list[str] = []


@contextlib.contextmanager
def serving(answers: Answers) -> Iterator[DicomWebArchive]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answers.asked.append(self.path)
            with contextlib.suppress(OSError):
                (answers.retrieve if f"/instances/{OBJECT}" in self.path else answers.query)(self)

        def log_message(self, *_arguments) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            url = f"http://localhost:{server.server_address[1]}/dicom-web"
            yield DicomWebArchive(Settings(endpoint_of(url)), QUICK)
        finally:
            server.shutdown()
            thread.join()


def reply(handler, body: bytes, kind: str = JSON) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def listing(handler) -> None:
    first = handler.path.endswith("offset=0") or "offset=" not in handler.path
    reply(handler, json.dumps([item()] if first else []).encode())


def endless(kind: str, piece: bytes, pause_s: float = 0.0) -> Callable:
    def answer(handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", kind)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        until = time.monotonic() + 200
        while time.monotonic() < until:
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            time.sleep(pause_s)

    return answer


def refused(answers: Answers, tmp_path, match: str) -> None:
    started = time.monotonic()
    with serving(answers) as archive, pytest.raises(PacsError, match=match) as caught:
        pull_study(archive, STUDY, tmp_path / "in")
    assert time.monotonic() - started < 100
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "in").exists()
    assert not list(tmp_path.rglob("*.dcm"))


def test_pages_that_repeat_end(tmp_path) -> None:
    answers = Answers(lambda handler: reply(handler, json.dumps([item()]).encode()), listing)
    refused(answers, tmp_path, "repeats its list")
    assert len(answers.asked) == 2


def test_pages_without_end_end(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(dicomweb, "MOST_OBJECTS", 100)
    count = iter(range(10**9))

    def page(handler) -> None:
        reply(handler, json.dumps([item(f"1.2.3.1.{next(count)}") for _ in range(30)]).encode())

    answers = Answers(page, listing)
    refused(answers, tmp_path, "more than 100 objects")
    assert len(answers.asked) == 4


@pytest.mark.parametrize("kind", ["list", "object"])
def test_an_answer_without_end_is_cut_off(tmp_path, kind) -> None:
    without_end = endless(JSON if kind == "list" else MULTIPART, b"x" * 10_000)
    refused(Answers(without_end if kind == "list" else listing, without_end), tmp_path, "more than 1 MiB")


@pytest.mark.parametrize("kind", ["list", "object"])
def test_an_answer_that_trickles_is_given_up(tmp_path, kind) -> None:
    trickle = endless(JSON if kind == "list" else MULTIPART, b"x", 0.05)
    refused(Answers(trickle if kind == "list" else listing, trickle), tmp_path, "does not answer in time")


def test_headers_that_trickle_are_given_up(tmp_path) -> None:
    def slowly(handler) -> None:
        for letter in b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 1000:
            handler.wfile.write(bytes([letter]))
            time.sleep(0.05)

    refused(Answers(slowly, slowly), tmp_path, "does not answer in time")


@pytest.mark.parametrize(
    "found",
    [
        1, "x", [1], ["x"], [[]], [None], True, {"a": 1}, [{"00080018": 1}], [{"00080018": []}],
        [{"00080018": {"Value": 1}}], [{"00080018": {"Value": {}}}], [{"00080018": {"Value": [1]}}],
        [{"00080018": {"Value": [{"a": 1}]}}],
    ],
)  # fmt: skip
def test_json_of_other_types_is_told(tmp_path, found) -> None:
    refused(Answers(lambda handler: reply(handler, json.dumps(found).encode()), listing), tmp_path, "PACS")


@pytest.mark.parametrize("text", [b"[" * 100_000, b"[" + b"9" * 10_000 + b"]", b"\xff"])
def test_json_that_breaks_parsers_is_told(tmp_path, text) -> None:
    refused(Answers(lambda handler: reply(handler, text), listing), tmp_path, "PACS")


WHOLE = stored(image())


@pytest.mark.parametrize("length", [len(WHOLE) - 1, len(WHOLE) - 100, len(WHOLE) // 2, 300, 140, 10, 0])
def test_an_object_that_comes_cut_short_is_asked_for_again(tmp_path, length) -> None:
    tries = iter([WHOLE[:length], WHOLE])
    answers = Answers(listing, lambda handler: reply(handler, multipart(next(tries)), MULTIPART))
    with serving(answers) as archive:
        done = pull_study(archive, STUDY, tmp_path / "in")
    assert done.objects == 1
    assert (tmp_path / "in" / SERIES / f"{OBJECT}.dcm").read_bytes()[-100:] == WHOLE[-100:]


@pytest.mark.parametrize("length", [len(WHOLE) - 1, len(WHOLE) // 2, 140])
def test_an_object_that_never_comes_whole_is_told(tmp_path, length) -> None:
    cut = multipart(WHOLE[:length])
    refused(Answers(listing, lambda handler: reply(handler, cut, MULTIPART)), tmp_path, "PACS")


def test_a_connection_that_breaks_within_an_object_is_told(tmp_path) -> None:
    def half(handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", MULTIPART)
        handler.send_header("Content-Length", str(len(multipart(WHOLE))))
        handler.end_headers()
        handler.wfile.write(multipart(WHOLE)[:200])
        handler.close_connection = True

    refused(Answers(listing, half), tmp_path, "closed the connection")


def test_whole_objects_are_whole_and_objects_without_pixels_too() -> None:
    require_whole(image())
    require_whole(an_object())
    for spoilt in ({"Rows": 9}, {"NumberOfFrames": 2}, {"SamplesPerPixel": 3}):
        made = image()
        for keyword, value in spoilt.items():
            setattr(made, keyword, value)
        with pytest.raises(ValueError, match="cut short"):
            require_whole(made)
    bare = image()
    del bare.PixelData
    with pytest.raises(ValueError, match="no pixels"):
        require_whole(bare)


def test_a_message_without_end_over_dimse_ends_the_association(monkeypatch) -> None:
    monkeypatch.setattr(dimse, "_MOST_BYTES", 10_000)
    ended = []

    class Event:
        class assoc:
            abort = staticmethod(lambda: ended.append(1))

        def __init__(self, data: bytes) -> None:
            self.data = data

    def pdu(size: int, last: bool) -> Event:
        value = bytes([1, 0x02 if last else 0x00]) + b"x" * size
        return Event(b"\x04\x00" + (len(value) + 4).to_bytes(4, "big") + len(value).to_bytes(4, "big") + value)

    count = dimse._bounded()
    for _ in range(50):
        count(pdu(4000, last=False))
        count(pdu(4000, last=True))
    assert not ended
    for _ in range(3):
        count(pdu(4000, last=False))
    assert ended
