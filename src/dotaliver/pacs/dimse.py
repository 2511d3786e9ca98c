"""A PACS by DIMSE: C-FIND to find, C-GET or C-MOVE to fetch, C-STORE to store (DICOM PS3.4, PS3.7).

Series are fetched in parallel, each over an association of its own. Compressed objects are taken as they are stored
where the PACS offers that.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import AE, build_role, evt
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation, UserIdentityNegotiation

from dotaliver.errors import PacsError
from dotaliver.pacs.endpoint import MOST_OBJECTS, Remote, Settings

__all__ = ["DimseArchive"]

# The study root information models (PS3.4 C.6.2.3); pynetdicom makes its names of them only at run time.
_FIND, _MOVE, _GET = (UID(f"1.2.840.10008.5.1.4.1.2.2.{n}") for n in (1, 2, 3))
_TIMEOUT_S, _NETWORK_TIMEOUT_S = 30, 60
# Of one object; the largest enhanced CT of a whole body has half of that.
_MOST_BYTES = 1 << 30
_SUCCESS, _PENDING = 0x0000, {0xFF00, 0xFF01}
# Stored, but with elements coerced or discarded (PS3.4 B.2.3)
_STORED_WITH_WARNING = {0xB000, 0xB006, 0xB007}
# An association proposes at most 128 contexts (PS3.8 9.3.2.2); four are kept for queries.
_MOST_CONTEXTS = 124
_SYNTAXES = (
    "1.2.840.10008.1.2.1",  # Explicit VR Little Endian
    "1.2.840.10008.1.2",  # Implicit VR Little Endian
    "1.2.840.10008.1.2.4.90",  # JPEG 2000 lossless
    "1.2.840.10008.1.2.4.91",  # JPEG 2000
    "1.2.840.10008.1.2.4.70",  # JPEG lossless
    "1.2.840.10008.1.2.4.80",  # JPEG-LS lossless
    "1.2.840.10008.1.2.5",  # RLE
    "1.2.840.10008.1.2.1.99",  # Deflated
)
_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.2",  # CT
    "1.2.840.10008.5.1.4.1.1.2.1",  # Enhanced CT
    "1.2.840.10008.5.1.4.1.1.2.2",  # Legacy converted enhanced CT
    "1.2.840.10008.5.1.4.1.1.128",  # PET
    "1.2.840.10008.5.1.4.1.1.128.1",  # Legacy converted enhanced PET
    "1.2.840.10008.5.1.4.1.1.130",  # Enhanced PET
    "1.2.840.10008.5.1.4.1.1.66.4",  # Segmentation
    "1.2.840.10008.5.1.4.1.1.66.7",  # Label map segmentation
    "1.2.840.10008.5.1.4.1.1.67",  # Real world value mapping
    "1.2.840.10008.5.1.4.1.1.88.34",  # Comprehensive 3D SR
    "1.2.840.10008.5.1.4.1.1.88.33",  # Comprehensive SR
    "1.2.840.10008.5.1.4.1.1.88.22",  # Enhanced SR
    "1.2.840.10008.5.1.4.1.1.481.3",  # RT structure set
    "1.2.840.10008.5.1.4.1.1.104.1",  # Encapsulated PDF
    "1.2.840.10008.5.1.4.1.1.7",  # Secondary capture
)


class DimseArchive:
    """One application entity that answers queries and keeps objects."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        endpoint = settings.endpoint
        self._name = f"{endpoint.called_aet} at {endpoint.host}:{endpoint.port}"
        # Objects of each series, as far as they were asked for
        self._sizes: dict[str, int] = {}

    # --- the three things it can do ---------------------------------------------------------------------------------

    def find(self, study_uid: str) -> list[Remote]:
        """Every object of a study: its series first, then the objects of each."""
        remotes = []
        with self._association([(_FIND, None)]) as link:
            # One query must end before the next begins
            keys = {"StudyInstanceUID": study_uid, "SeriesInstanceUID": "", "Modality": ""}
            for series in list(self._query(link, "SERIES", **keys)):
                uid = str(series.get("SeriesInstanceUID", ""))
                keys = {
                    "StudyInstanceUID": study_uid,
                    "SeriesInstanceUID": uid,
                    "SOPInstanceUID": "",
                    "SOPClassUID": "",
                }
                items = list(self._query(link, "IMAGE", **keys))
                self._sizes[uid] = len(items)
                for item in items:
                    sop, kind = item.get("SOPInstanceUID"), item.get("SOPClassUID")
                    if sop:
                        modality = str(series.get("Modality", "")) or None
                        remotes.append(Remote(uid, str(sop), str(kind) if kind else None, modality))
        return remotes

    def fetch(self, study_uid: str, wanted: Sequence[Remote], deliver: Callable[[Dataset], None]) -> None:
        """Hand over every wanted object, several series at once."""
        series: dict[str, list[Remote]] = defaultdict(list)
        for remote in wanted:
            series[remote.series_uid].append(remote)
        receiver = _Receiver(deliver)
        fetch = self._get if self._settings.move_port is None else self._move
        with self._listening(receiver), ThreadPoolExecutor(self._settings.workers) as pool:
            waiting = [pool.submit(fetch, study_uid, part, receiver) for part in series.values()]
            try:
                for done in waiting:
                    done.result()
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        receiver.reraise()

    def store(self, datasets: Sequence[Dataset], stored: Callable[[str], None]) -> None:
        """Send objects over one association, each in the transfer syntax that it has."""
        contexts = list(dict.fromkeys((str(d.SOPClassUID), str(d.file_meta.TransferSyntaxUID)) for d in datasets))
        with self._association([(kind, [syntax]) for kind, syntax in contexts]) as link:
            for dataset in datasets:
                uid = str(dataset.SOPInstanceUID)
                try:
                    status = link.send_c_store(dataset).get("Status")
                except ValueError as error:
                    msg = f"{self._name}: the PACS does not accept objects of this kind ({dataset.SOPClassUID.name})"
                    raise PacsError(msg) from error
                if status is None:
                    raise self._broke_off()
                if status != _SUCCESS and status not in _STORED_WITH_WARNING:
                    msg = f"{self._name}: the PACS rejected {uid} (status {status:04X}); ask its administrator"
                    raise PacsError(msg)
                stored(uid)

    # --- how ----------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _association(
        self, contexts: Sequence[tuple[str, list[str] | None]], receiver: _Receiver | None = None
    ) -> Iterator[Association]:
        """An association for some services, closed afterwards."""
        settings, endpoint = self._settings, self._settings.endpoint
        entity = AE(settings.own_aet)
        entity.acse_timeout = entity.dimse_timeout = _TIMEOUT_S
        entity.network_timeout, entity.connection_timeout = _NETWORK_TIMEOUT_S, _TIMEOUT_S
        roles: list[SCP_SCU_RoleSelectionNegotiation] = []
        for kind, syntaxes in contexts:
            entity.add_requested_context(kind, *([] if syntaxes is None else [syntaxes]))
            if receiver is not None and kind != _GET:
                roles.append(build_role(kind, scp_role=True))
        identity = [] if settings.credentials.user is None else [_identity(settings)]
        link = entity.associate(
            endpoint.host,
            endpoint.port,
            ae_title=endpoint.called_aet,
            ext_neg=[*roles, *identity] or None,
            tls_args=(self._tls(), endpoint.host) if endpoint.encrypted else None,
            evt_handlers=[
                (evt.EVT_DATA_RECV, _bounded()),
                *([] if receiver is None else [(evt.EVT_C_STORE, receiver.receive)]),
            ],
        )
        if not link.is_established:
            msg = f"{self._name}: {_refusal(link)}"
            raise PacsError(msg)
        try:
            yield link
        finally:
            if link.is_established:
                link.release()

    def _tls(self) -> ssl.SSLContext:
        tls = self._settings.tls
        try:
            context = ssl.create_default_context(cafile=None if tls.ca_file is None else str(tls.ca_file))
            if tls.certificate is not None:
                context.load_cert_chain(tls.certificate, tls.key)
        except (OSError, ssl.SSLError) as error:
            msg = f"{self._name}: a file of --ca-file, --client-cert or --client-key cannot be used; check them"
            raise PacsError(msg) from error
        return context

    def _query(self, link: Association, level: str, **keys: str) -> Iterator[Dataset]:
        identifier = Dataset()
        identifier.QueryRetrieveLevel = level
        for keyword, value in keys.items():
            setattr(identifier, keyword, value)
        for count, (status, found) in enumerate(link.send_c_find(identifier, _FIND)):
            if count > MOST_OBJECTS:
                link.abort()
                msg = f"{self._name}: the PACS lists more than {MOST_OBJECTS} objects; ask its administrator"
                raise PacsError(msg)
            code = status.get("Status")
            if code is None:
                raise self._broke_off()
            if code in _PENDING and found is not None:
                yield found
            elif code not in _PENDING and code != _SUCCESS:
                msg = f"{self._name}: the PACS does not answer the query (status {code:04X}); ask its administrator"
                raise PacsError(msg)

    def _get(self, study_uid: str, wanted: Sequence[Remote], receiver: _Receiver) -> None:
        contexts: list[tuple[str, list[str] | None]] = [(_GET, None)]
        known = [remote.sop_class_uid for remote in wanted if remote.sop_class_uid]
        classes = list(dict.fromkeys(known)) if len(known) == len(wanted) else list(_CLASSES)
        # One context for each syntax, so that all of them are accepted, as far as there is room
        room = max(_MOST_CONTEXTS // len(classes), 1)
        for kind in classes[:_MOST_CONTEXTS]:
            if room >= len(_SYNTAXES):
                contexts += [(kind, [syntax]) for syntax in _SYNTAXES]
            else:
                contexts.append((kind, list(_SYNTAXES)))
        with self._association(contexts, receiver) as link:
            self._follow(link.send_c_get(self._identifier(study_uid, wanted), _GET), receiver)

    def _move(self, study_uid: str, wanted: Sequence[Remote], receiver: _Receiver) -> None:
        with self._association([(_MOVE, None)]) as link:
            answers = link.send_c_move(self._identifier(study_uid, wanted), self._settings.own_aet, _MOVE)
            self._follow(answers, receiver)

    def _follow(self, answers: Iterable[tuple[Dataset, Dataset | None]], receiver: _Receiver) -> None:
        """Wait for a retrieval to end; what failed on our side is raised there."""
        for status, _ in answers:
            code = status.get("Status")
            if code is None:
                receiver.reraise()
                raise self._broke_off()
            if code not in _PENDING and code != _SUCCESS:
                receiver.reraise()
                msg = f"{self._name}: the PACS did not send everything (status {code:04X}); run the command again"
                raise PacsError(msg)

    @contextlib.contextmanager
    def _listening(self, receiver: _Receiver) -> Iterator[None]:
        """A place where a PACS can send objects to, while it is asked to by C-MOVE."""
        port = self._settings.move_port
        if port is None:
            yield
            return
        entity = AE(self._settings.own_aet)
        entity.network_timeout = _NETWORK_TIMEOUT_S
        for kind in _CLASSES:
            entity.add_supported_context(kind, list(_SYNTAXES))
        entity.require_called_aet = True
        entity.require_calling_aet = [self._settings.endpoint.called_aet]
        own = "127.0.0.1" if self._settings.endpoint.is_this_machine else ""
        try:
            server = entity.start_server((own, port), block=False, evt_handlers=[(evt.EVT_C_STORE, receiver.receive)])
        except OSError as error:
            msg = f"port {port} cannot be opened ({error.strerror or error}); give another --move-port"
            raise PacsError(msg) from error
        try:
            yield
        finally:
            if server is not None:
                server.shutdown()

    def _identifier(self, study_uid: str, wanted: Sequence[Remote]) -> Dataset:
        """What is to be sent: a whole series by its own UID, which every PACS knows, else single objects."""
        identifier = Dataset()
        identifier.StudyInstanceUID, identifier.SeriesInstanceUID = study_uid, wanted[0].series_uid
        if len(wanted) == self._sizes.get(wanted[0].series_uid):
            identifier.QueryRetrieveLevel = "SERIES"
        else:
            identifier.QueryRetrieveLevel = "IMAGE"
            identifier.SOPInstanceUID = [remote.sop_uid for remote in wanted]
        return identifier

    def _broke_off(self) -> PacsError:
        return PacsError(
            f"{self._name}: the PACS closed the connection or did not answer in time; run the command again"
        )


class _Receiver:
    """Takes what a PACS sends, and keeps the first thing that went wrong for the thread that asked."""

    def __init__(self, deliver: Callable[[Dataset], None]) -> None:
        self._deliver = deliver
        self._lock = threading.Lock()
        self._error: Exception | None = None

    def receive(self, event: evt.Event) -> int:
        """Handle one C-STORE; 0 where the object was taken."""
        try:
            dataset = event.dataset
            dataset.file_meta = event.file_meta
            self._deliver(dataset)
        except Exception as error:
            with self._lock:
                self._error = self._error or error
            return 0xC211  # cannot understand
        return _SUCCESS

    def reraise(self) -> None:
        """Raise what went wrong, if anything did."""
        if self._error is not None:
            raise self._error


def _bounded() -> Callable[[evt.Event], None]:
    """Ends an association over which a message comes that does not end."""
    since = 0

    def count(event: evt.Event) -> None:
        nonlocal since
        # PS3.8 9.3.5: a P-DATA-TF whose last fragment ends a message
        since = 0 if _ends_message(event.data) else since + len(event.data)
        if since > _MOST_BYTES:
            event.assoc.abort()

    return count


def _ends_message(data: bytes) -> bool:
    """Whether a P-DATA-TF PDU holds the last fragment of a data set or command (PS3.8 E.2); others count as nothing."""
    if data[:1] != b"\x04":
        return True
    at = 6
    while at + 6 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if data[at + 5] & 0x02:
            return True
        at += 4 + max(length, 2)
    return False


def _identity(settings: Settings) -> UserIdentityNegotiation:
    """Name and password as DICOM's user identity (PS3.7 D.3.3.7)."""
    item = UserIdentityNegotiation()
    item.user_identity_type = 2
    item.primary_field = (settings.credentials.user or "").encode()
    item.secondary_field = (settings.credentials.password or "").encode()
    return item


def _refusal(link: Association) -> str:
    if link.is_rejected:
        return "the PACS refuses the connection; it must know our AE title (--aet) and address"
    if link.rejected_contexts:
        return "the PACS does not offer the services needed; ask its administrator"
    return "the PACS cannot be reached or closed the connection; check --url, the certificates and the network"
