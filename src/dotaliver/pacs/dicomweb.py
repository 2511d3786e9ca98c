"""A PACS by DICOMweb: QIDO-RS to find, WADO-RS to fetch, STOW-RS to store (DICOM PS3.18)."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from http import HTTPStatus

import requests
from dicomweb_client import DICOMwebClient
from pydicom.dataset import Dataset

from dotaliver.errors import PacsError
from dotaliver.pacs.endpoint import MOST_OBJECTS, Remote, Settings
from dotaliver.pacs.http_session import BoundedSession, Bounds, no_authentication

__all__ = ["DicomWebArchive"]

_TIMEOUT_S = (10, 120)
_BOUNDS = Bounds()
_TRIES = 3
# Objects are sent whole: some servers do not take chunked requests.
_CHUNK_BYTES = 1 << 30
_FIELDS = ["00080016", "00080018", "00080060", "0020000E"]
# As the PACS stores it; where it cannot say so, uncompressed.
_AS_STORED = (("application/dicom", "*"),)
_SENTENCES = {
    401: "does not accept the credentials; check them",
    403: "does not allow this; ask its administrator for permission",
    404: "does not know this address or study; check --url and --study",
    413: "finds the object too large; ask its administrator",
    415: "does not accept this kind of object; ask its administrator",
}


class DicomWebArchive:
    """One DICOMweb server; a client of its own for each thread."""

    def __init__(self, settings: Settings, bounds: Bounds = _BOUNDS) -> None:
        self._settings, self._bounds = settings, bounds
        self._local = threading.local()
        self._host = settings.endpoint.host

    def _client(self) -> DICOMwebClient:
        if not hasattr(self._local, "client"):
            session = BoundedSession(self._bounds)
            tls, credentials = self._settings.tls, self._settings.credentials
            session.auth = no_authentication
            if tls.ca_file is not None:
                session.verify = str(tls.ca_file)
            if tls.certificate is not None:
                key = tls.key
                session.cert = str(tls.certificate) if key is None else (str(tls.certificate), str(key))
            if credentials.user is not None:
                session.auth = (credentials.user, credentials.password or "")
            elif credentials.token is not None:
                session.headers["Authorization"] = f"Bearer {credentials.token}"
            self._local.client = DICOMwebClient(
                self._settings.endpoint.url, session=session, timeout=_TIMEOUT_S, chunk_size=_CHUNK_BYTES
            )
            self._local.client.set_http_retry_params(max_attempts=3)
        client: DICOMwebClient = self._local.client
        return client

    def find(self, study_uid: str) -> list[Remote]:
        """Every object of a study, in no order."""
        remotes: dict[str, Remote] = {}
        offset = 0
        with _told(self._host):
            while page := self._page(study_uid, offset):
                known = len(remotes)
                for item in page:
                    sop, series = _first(item, "00080018"), _first(item, "0020000E")
                    if sop and series:
                        remotes[sop] = Remote(series, sop, _first(item, "00080016"), _first(item, "00080060"))
                if len(remotes) == known:
                    msg = f"{self._host}: the PACS repeats its list of the study's objects; ask its administrator"
                    raise PacsError(msg)
                if len(remotes) > MOST_OBJECTS:
                    msg = f"{self._host}: the PACS lists more than {MOST_OBJECTS} objects; ask its administrator"
                    raise PacsError(msg)
                offset += len(page)
        return list(remotes.values())

    def _page(self, study_uid: str, offset: int) -> Sequence[object]:
        """The next of the study's objects, as DICOM JSON."""
        try:
            found = self._client().search_for_instances(study_uid, fields=_FIELDS, offset=offset)
        except requests.exceptions.HTTPError as error:
            # Some servers say so where they hold nothing of a study
            if error.response is not None and error.response.status_code == HTTPStatus.NOT_FOUND:
                return []
            raise
        if not isinstance(found, list):
            raise TypeError
        return found

    def fetch(self, study_uid: str, wanted: Sequence[Remote], deliver: Callable[[Dataset], None]) -> None:
        """Hand over every wanted object; several at once."""

        def one(remote: Remote) -> None:
            with _told(self._host):
                dataset = self._retrieved(study_uid, remote)
            deliver(dataset)

        with ThreadPoolExecutor(self._settings.workers) as pool:
            waiting = [pool.submit(one, remote) for remote in wanted]
            try:
                for done in as_completed(waiting):
                    done.result()
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _retrieved(self, study_uid: str, remote: Remote) -> Dataset:
        """One object; where it arrives in such a state that it cannot be read, it is asked for again."""
        for _ in range(_TRIES - 1):
            try:
                return self._retrieve(study_uid, remote)
            except (PacsError, requests.exceptions.RequestException):
                raise
            except Exception:
                # A damaged object fails in as many ways as there are elements in it
                continue
        return self._retrieve(study_uid, remote)

    def _retrieve(self, study_uid: str, remote: Remote) -> Dataset:
        client = self._client()
        found: Dataset = client.retrieve_instance(study_uid, remote.series_uid, remote.sop_uid, media_types=_AS_STORED)
        return found

    def store(self, datasets: Sequence[Dataset], stored: Callable[[str], None]) -> None:
        """Send objects one by one, so that it is known which were taken."""
        for dataset in datasets:
            uid = str(dataset.SOPInstanceUID)
            with _told(self._host):
                answer = self._client().store_instances([dataset], str(dataset.StudyInstanceUID))
            for item in answer.get("FailedSOPSequence") or ():
                reason = item.get("FailureReason", "no reason given")
                msg = f"{self._host}: the PACS rejected {uid} (reason {reason}); ask its administrator"
                raise PacsError(msg)
            stored(uid)


@contextlib.contextmanager
def _told(host: str) -> Iterator[None]:
    """Turn what can go wrong on the way into one sentence that names the host and no secret."""
    try:
        yield
    except PacsError:
        raise
    except Exception as error:
        msg = f"{host}: {_sentence(error)}"
        # Without its cause, whose text may hold an address with its query
        raise PacsError(msg) from None


_ERRORS: tuple[tuple[type[Exception], str], ...] = (
    (
        requests.exceptions.SSLError,
        "the certificate of the PACS cannot be verified; check --url, or give its CA certificate with --ca-file",
    ),
    (requests.exceptions.Timeout, "the PACS does not answer in time; try again later"),
    (
        requests.exceptions.RequestException,
        "the PACS cannot be reached or closed the connection; check --url and the network, then run the command again",
    ),
    (OSError, "a file of --ca-file, --client-cert or --client-key cannot be used; check them"),
)


def _sentence(error: Exception) -> str:
    if isinstance(error, requests.exceptions.HTTPError) and error.response is not None:
        status = error.response.status_code
        return f"the PACS {_SENTENCES.get(status, f'answers with status {status}; ask its administrator')}"
    for kind, sentence in _ERRORS:
        if isinstance(error, kind):
            return sentence
    return f"the PACS's answer cannot be understood ({type(error).__name__}); ask its administrator"


def _first(item: object, tag: str) -> str | None:
    """The first value of an element of DICOM JSON, where it is a text.

    Raises
    ------
    TypeError
        Where that is no DICOM JSON (PS3.18 F.2).
    """
    element = item.get(tag, {}) if isinstance(item, dict) else None
    values = element.get("Value") or [None] if isinstance(element, dict) else None
    if not isinstance(values, list) or not isinstance(values[0], str | None):
        raise TypeError
    return values[0]
