"""What a PACS may answer by DIMSE beside success: each ends in one sentence; and as whom we present ourselves."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pydicom
import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import (
    CTImageStorage,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
)

from dotaliver.errors import PacsError
from dotaliver.pacs.archive import open_archive
from dotaliver.pacs.endpoint import Credentials, Settings, endpoint_of
from dotaliver.pacs.transfer import pull_study, push_files
from fixtures.pacs_objects import OBJECT, SERIES, STUDY, an_object

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


@contextlib.contextmanager
def serving(**handlers) -> Iterator[str]:
    """An application entity with some handlers; its address."""
    entity = AE("ARCHIVE")
    for kind in (StudyRootQueryRetrieveInformationModelFind, StudyRootQueryRetrieveInformationModelGet):
        entity.add_supported_context(kind)
    entity.add_supported_context(CTImageStorage, scu_role=True, scp_role=True)
    bound = [(getattr(evt, name), handler) for name, handler in handlers.items()]
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=bound)
    try:
        yield f"dicom://localhost:{server.server_address[1]}/ARCHIVE"
    finally:
        server.shutdown()


def listing(event):
    """One series with one object."""
    found = Dataset()
    found.QueryRetrieveLevel = event.identifier.QueryRetrieveLevel
    found.SeriesInstanceUID, found.Modality = SERIES, "CT"
    if found.QueryRetrieveLevel == "IMAGE":
        found.SOPInstanceUID, found.SOPClassUID = OBJECT, CTImageStorage
    yield 0xFF00, found


def nothing(_event):
    """No series at all."""
    yield from ()


def sending(dataset):
    def handler(_event):
        yield 1
        yield 0xFF00, dataset

    return handler


def archive(url: str, **changes):
    return open_archive(Settings(endpoint_of(url), **changes))


def test_what_was_asked_for_is_put_in_its_place(tmp_path) -> None:
    with serving(EVT_C_FIND=listing, EVT_C_GET=sending(an_object(PatientID="P1"))) as url:
        pull_study(archive(url), STUDY, tmp_path / "in")
    assert pydicom.dcmread(tmp_path / "in" / SERIES / f"{OBJECT}.dcm").PatientID == "P1"


@pytest.mark.parametrize("changes", [{"SOPInstanceUID": "1.2.3.9"}, {"StudyInstanceUID": "1.2.4"}])
def test_what_was_not_asked_for_is_refused(tmp_path, changes) -> None:
    with (
        serving(EVT_C_FIND=listing, EVT_C_GET=sending(an_object(**changes))) as url,
        pytest.raises(PacsError, match="an object that was not asked for"),
    ):
        pull_study(archive(url), STUDY, tmp_path / "in")
    assert not list(tmp_path.rglob("*.dcm"))


def test_uids_that_are_none_do_not_become_files(tmp_path) -> None:
    def hostile(event):
        for status, found in listing(event):
            if found.QueryRetrieveLevel == "IMAGE":
                found.SOPInstanceUID = "1.2/../../x"
            yield status, found

    with serving(EVT_C_FIND=hostile) as url, pytest.raises(PacsError, match="an object with an invalid UID"):
        pull_study(archive(url), STUDY, tmp_path / "in")
    assert list(tmp_path.iterdir()) == []


def test_a_query_that_fails_is_told(tmp_path) -> None:
    def failing(_event):
        yield 0xC001, None

    with (
        serving(EVT_C_FIND=failing) as url,
        pytest.raises(PacsError, match=r"does not answer the query \(status C001\)"),
    ):
        pull_study(archive(url), STUDY, tmp_path / "in")


def test_an_object_that_is_not_taken_is_told(tmp_path) -> None:
    an_object().save_as(tmp_path / "a.dcm", enforce_file_format=True)
    with (
        serving(EVT_C_FIND=nothing, EVT_C_STORE=lambda _event: 0xA700) as url,
        pytest.raises(PacsError, match=rf"rejected {OBJECT} \(status A700\)"),
    ):
        push_files(archive(url), [tmp_path])


def test_an_object_that_is_taken_and_not_listed_is_told(tmp_path) -> None:
    an_object().save_as(tmp_path / "a.dcm", enforce_file_format=True)
    with (
        serving(EVT_C_FIND=nothing, EVT_C_STORE=lambda _event: 0x0000) as url,
        pytest.raises(PacsError, match="does not list them"),
    ):
        push_files(archive(url), [tmp_path])


def test_a_kind_that_is_not_taken_is_told(tmp_path) -> None:
    other = an_object(SOPClassUID="1.2.840.10008.5.1.4.1.1.88.34")
    other.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    with (
        serving(EVT_C_FIND=nothing) as url,
        pytest.raises(PacsError, match="does not offer the services"),
    ):
        push_files(archive(url), [tmp_path / "a.dcm"])


def test_name_and_password_are_presented(tmp_path) -> None:
    seen = []

    def who(event):
        seen.append((event.primary_field, event.secondary_field))
        return event.secondary_field == b"p4ssw0rd", None

    with serving(EVT_C_FIND=listing, EVT_USER_ID=who) as url:
        assert [r.sop_uid for r in archive(url, credentials=Credentials("me", "p4ssw0rd")).find(STUDY)] == [OBJECT]
        assert seen[-1] == (b"me", b"p4ssw0rd")
        with pytest.raises(PacsError, match="refuses the connection") as caught:
            archive(url, credentials=Credentials("me", "wr0ng")).find(STUDY)
    assert "wr0ng" not in str(caught.value)
