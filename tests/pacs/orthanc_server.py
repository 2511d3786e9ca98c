"""A real Orthanc on loopback, with DICOMweb and DIMSE, started and stopped by the tests."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import socketserver
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

USER, PASSWORD = "reader", "not-a-secret-7"
ORTHANC = shutil.which("Orthanc")
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
WHY_NOT = "Orthanc with DICOMweb (Debian packages orthanc, orthanc-dicomweb) is not installed"
needs_orthanc = pytest.mark.skipif(ORTHANC is None or not PLUGIN.exists(), reason=WHY_NOT)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Orthanc:
    """One server with its storage; may be killed and started again."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.http, self.dicom, self.move = free_port(), free_port(), free_port()
        self._process: subprocess.Popen | None = None
        config = {
            "Name": "TEST", "StorageDirectory": str(folder / "db"), "IndexDirectory": str(folder / "db"),
            "HttpPort": self.http, "RemoteAccessAllowed": False, "AuthenticationEnabled": True,
            "RegisteredUsers": {USER: PASSWORD},
            "DicomServerEnabled": True, "DicomPort": self.dicom, "DicomAet": "ARCHIVE", "DicomCheckCalledAet": True,
            "DicomAlwaysAllowGet": True, "DicomAlwaysAllowFind": True, "DicomAlwaysAllowMove": True,
            "DicomAlwaysAllowStore": True, "DicomModalities": {"us": ["DOTALIVER", "127.0.0.1", self.move]},
            "Plugins": [str(PLUGIN)], "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        }  # fmt: skip
        (folder / "orthanc.json").write_text(json.dumps(config))

    @property
    def web(self) -> str:
        return f"http://localhost:{self.http}/dicom-web"

    @property
    def dimse(self) -> str:
        return f"dicom://localhost:{self.dicom}/ARCHIVE"

    def start(self) -> None:
        log = (self.folder / "log").open("ab")
        self._process = subprocess.Popen(
            [ORTHANC, str(self.folder / "orthanc.json")], stdout=log, stderr=log, cwd=self.folder
        )
        log.close()
        end = time.monotonic() + 60
        while time.monotonic() < end:
            assert self._process.poll() is None, (self.folder / "log").read_text()[-2000:]
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.dicom), 1):
                if self._answers():
                    return
            time.sleep(0.1)
        pytest.fail("Orthanc did not start in a minute")

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(self.web.replace("dicom-web", "system"), timeout=2)
        except urllib.error.HTTPError as error:
            return error.code == 401
        except OSError:
            return False
        return True

    def kill(self) -> None:
        """At once, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class _Encrypted(socketserver.BaseRequestHandler):
    """Passes what comes over TLS on to a port without it, and back."""

    def handle(self) -> None:
        with (
            contextlib.suppress(OSError),
            self.server.tls.wrap_socket(self.request, server_side=True) as outer,
            socket.create_connection(("127.0.0.1", self.server.inner)) as inner,
        ):
            back = threading.Thread(target=self._pass, args=(inner, outer))
            back.start()
            self._pass(outer, inner)
            back.join()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def encrypted(port: int, certificate: Path, *, client: Path | None = None) -> Iterator[int]:
    """A port that speaks TLS for another one; `client` is who vouches for clients, where they must prove themselves.

    Orthanc 1.10.1 of Debian ends with a segmentation fault at the first connection over its own TLS.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    if client is not None:
        context.load_verify_locations(client)
        context.verify_mode = ssl.CERT_REQUIRED
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Encrypted) as server:
        server.daemon_threads, server.tls, server.inner = True, context, port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()
