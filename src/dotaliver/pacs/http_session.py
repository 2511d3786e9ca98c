"""HTTP with bounds: on the bytes of an answer, and on the time without progress; a server may be broken or hostile."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from dotaliver.errors import PacsError

__all__ = ["BoundedSession", "Bounds", "no_authentication"]

_PIECE_BYTES = 1 << 16


@dataclass(frozen=True)
class Bounds:
    """What one answer may take."""

    most_bytes: int = 1 << 30
    """The largest enhanced CT of a whole body has half of that."""
    headers_s: float = 180.0
    """Until an answer begins: a PACS may have to fetch from tape."""
    least_bytes: int = 1 << 14
    window_s: float = 60.0
    """Within each window so many bytes must come: a slow modem brings fifteen times as many."""


@dataclass
class _Watch:
    """Closes a connection whose answer does not begin in time, or comes too slowly."""

    bounds: Bounds
    connection: HTTPConnection | None = None
    received: int = 0
    begun: bool = False
    late: bool = False
    done: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        thread = threading.Thread(target=self._watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.done.set()
            thread.join()

    def _watch(self) -> None:
        started = since = time.monotonic()
        had = 0
        tick = min(1.0, self.bounds.window_s / 4, self.bounds.headers_s / 4)
        while not self.done.wait(tick):
            now = time.monotonic()
            if not self.begun:
                since = now
                if now - started > self.bounds.headers_s:
                    self._close()
            elif self.received - had >= self.bounds.least_bytes:
                since, had = now, self.received
            elif now - since > self.bounds.window_s:
                self._close()

    def _close(self) -> None:
        self.late = True
        with contextlib.suppress(OSError, AttributeError):
            if self.connection is not None and self.connection.sock is not None:
                self.connection.sock.shutdown(socket.SHUT_RDWR)


# The watch of the request that a thread is busy with; connections tell it which of them carries the request.
_current = threading.local()


class _Told(HTTPConnection):
    """A connection that says when it carries a request."""

    def putrequest(self, method: str, url: str, skip_host: bool = False, skip_accept_encoding: bool = False) -> None:
        watch: _Watch | None = getattr(_current, "watch", None)
        if watch is not None:
            watch.connection = self
        super().putrequest(method, url, skip_host, skip_accept_encoding)


class _Plain(_Told):
    """Over http."""


class _Encrypted(_Told, HTTPSConnection):
    """Over https."""


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _EncryptedPool(HTTPSConnectionPool):
    ConnectionCls = _Encrypted


class BoundedSession(requests.Session):
    """A session whose answers are read at once, within bounds.

    Its own authority is not replaced by that of the environment (REQUESTS_CA_BUNDLE).
    """

    def __init__(self, bounds: Bounds) -> None:
        super().__init__()
        self._bounds = bounds
        for scheme in ("http://", "https://"):
            adapter = HTTPAdapter()
            adapter.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _EncryptedPool}
            self.mount(scheme, adapter)

    def merge_environment_settings(
        self,
        url: str,
        proxies: dict[str, str] | None,
        stream: bool | None,
        verify: bool | str | None,
        cert: str | tuple[str, str] | None,
    ) -> dict[str, object]:
        """The settings of one request."""
        settings = super().merge_environment_settings(url, proxies, stream, verify, cert)
        if isinstance(self.verify, str):
            settings["verify"] = self.verify
        return settings

    def send(self, request: requests.PreparedRequest, **options: object) -> requests.Response:
        """Send a request and read the whole answer.

        Raises
        ------
        PacsError
            Where the answer is too large, or does not go on.
        requests.RequestException
            Whatever else goes wrong on the way.
        """
        if getattr(_current, "watch", None) is not None:  # a redirection within a request
            return super().send(request, **options)
        watch = _current.watch = _Watch(self._bounds)
        try:
            with watch.watching():
                response = super().send(request, **options | {"stream": True})
                response._content = self._body(response, watch)
                response._content_consumed = True
                return response
        except PacsError:
            raise
        except Exception as error:
            if watch.late:
                raise requests.exceptions.ReadTimeout from error
            raise
        finally:
            _current.watch = None

    def _body(self, response: requests.Response, watch: _Watch) -> bytes:
        body = bytearray()
        watch.begun = True
        try:
            while piece := response.raw.read1(_PIECE_BYTES, decode_content=True):
                body += piece
                watch.received = len(body)
                if len(body) > self._bounds.most_bytes:
                    size = f"{self._bounds.most_bytes >> 20} MiB"
                    msg = f"the PACS sends more than {size} in one answer; ask its administrator"
                    raise PacsError(msg)
        except HTTPError as error:
            raise requests.exceptions.ConnectionError from error
        finally:
            if watch.late or watch.received > self._bounds.most_bytes:
                response.raw.close()
        if watch.late:
            raise requests.exceptions.ReadTimeout
        response.raw.release_conn()
        return bytes(body)


def no_authentication(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Adds nothing, and so keeps requests from looking into ~/.netrc."""
    return request
