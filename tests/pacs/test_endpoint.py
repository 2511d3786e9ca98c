"""Addresses and secrets: what is taken, what is refused, and that nothing secret is ever shown."""

from __future__ import annotations

import json
import sys

import pytest

from dotaliver.errors import ConfigError
from dotaliver.pacs.archive import open_archive
from dotaliver.pacs.endpoint import Credentials, Settings, credentials_from, endpoint_of, valid_uid
from dotaliver.system.private_file import read_private_file
from fixtures.command_line import run_cli


def test_addresses_are_taken_apart() -> None:
    web = endpoint_of("https://pacs.example/dicom-web/")
    assert (web.protocol, web.url, web.host, web.port, web.encrypted) == (
        "dicomweb", "https://pacs.example/dicom-web", "pacs.example", 443, True,
    )  # fmt: skip
    dimse = endpoint_of("dicom://10.0.0.7:104/MY PACS")
    assert (dimse.protocol, dimse.host, dimse.port, dimse.called_aet, dimse.encrypted) == (
        "dimse", "10.0.0.7", 104, "MY PACS", False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://u:p4ssw0rd@pacs.example/x", "no password on the command line"),
        ("ftp://pacs.example", "give https://host/dicom-web"),
        ("pacs.example", "give https://host/dicom-web"),
        ("https://", "give https://host/dicom-web"),
        ("dicom://pacs.example/A", "DIMSE needs a port"),
        ("dicom://pacs.example:104", "DIMSE needs a port"),
        ("dicom://pacs.example:104/SEVENTEEN-LETTERS", "DIMSE needs a port"),
        ("https://pacs.example:port/x", "not a valid address"),
    ],
)
def test_other_addresses_are_refused_without_showing_a_password(url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        endpoint_of(url)
    assert "p4ssw0rd" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "here"),
    [("http://localhost:8042/x", True), ("http://127.0.0.1/x", True), ("http://[::1]/x", True),
     ("http://192.168.1.7/x", False), ("http://localhost.example/x", False)],
)  # fmt: skip
def test_only_this_machine_is_this_machine(url: str, here: bool) -> None:
    assert endpoint_of(url).is_this_machine is here


@pytest.mark.parametrize("url", ["http://pacs.example/dicom-web", "dicom://pacs.example:104/PACS"])
def test_a_password_does_not_travel_in_the_clear(url: str) -> None:
    with pytest.raises(ConfigError, match="passwords are not sent unencrypted"):
        open_archive(Settings(endpoint_of(url), Credentials("me", "p4ssw0rd")))


def test_what_dimse_cannot_do_is_refused() -> None:
    with pytest.raises(ConfigError, match="a token is for DICOMweb"):
        open_archive(Settings(endpoint_of("dicoms://pacs.example:2762/PACS"), Credentials(token="t0ken")))
    with pytest.raises(ConfigError, match="would not be encrypted"):
        open_archive(Settings(endpoint_of("dicoms://pacs.example:2762/PACS"), move_port=11112))


@pytest.mark.parametrize(
    ("url", "package"), [("https://pacs.example", "dicomweb_client"), ("dicoms://pacs.example:1/A", "pynetdicom")]
)
def test_a_missing_extra_is_named(url: str, package: str, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    for module in ("dotaliver.pacs.dicomweb", "dotaliver.pacs.dimse"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(
        ConfigError, match=rf"the extra 'pacs' \({package} is missing\); install it with: .*pip install .*\[pacs\]"
    ):
        open_archive(Settings(endpoint_of(url)))


def test_credentials_come_from_the_environment_or_a_private_file(tmp_path) -> None:
    environment = {"DOTALIVER_PACS_USER": "me", "DOTALIVER_PACS_PASSWORD": "p4ssw0rd"}
    found = credentials_from(None, environment)
    assert (found.user, found.password, found.token) == ("me", "p4ssw0rd", None)
    assert "p4ssw0rd" not in repr(found)
    assert not credentials_from(None, {}).are_there
    path = tmp_path / "pacs.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps({"token": "t0ken"}))
    assert credentials_from(path, environment).token == "t0ken"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_a_file_that_others_can_read_is_refused(tmp_path, mode: int) -> None:
    path = tmp_path / "pacs.json"
    path.write_text('{"token": "t0ken"}')
    path.chmod(mode)
    with pytest.raises(
        ConfigError, match=r"pacs.json: other users can read or change this file of credentials; run: chmod 600"
    ):
        credentials_from(path)


@pytest.mark.parametrize(
    "text", ["t0ken", "[1]", '{"user": "me"}', '{"user": "me", "password": "p", "token": "t"}', '{"pasword": "p"}']
)
def test_files_that_hold_no_credentials_are_refused_without_showing_them(tmp_path, text: str) -> None:
    path = tmp_path / "pacs.json"
    path.touch(mode=0o600)
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"pacs.json: ") as caught:
        credentials_from(path)
    assert "t0ken" not in str(caught.value)


def test_secrets_that_cannot_be_read_are_refused(tmp_path) -> None:
    with pytest.raises(ConfigError, match=r"nothing: the credentials cannot be read"):
        read_private_file(tmp_path / "nothing")
    long = tmp_path / "long"
    long.touch(mode=0o600)
    long.write_bytes(b"x" * 100_000)
    with pytest.raises(ConfigError, match="too long for a file of credentials"):
        read_private_file(long)


@pytest.mark.parametrize(("uid", "valid"), [("1.2.3", True), ("1", True), ("../../etc", False), ("1..2", False),
                                            ("1.2\n", False), ("", False), ("1." * 40, False)])  # fmt: skip
def test_only_uids_become_names_of_files(uid: str, valid: bool) -> None:
    assert valid_uid(uid) is valid


def test_bad_usage_ends_with_status_2() -> None:
    done = run_cli("pull", "--url", "ftp://x", "--study", "1.2.3")
    assert (done.status, done.err.count("\n")) == (2, 1)
    done = run_cli("push", "--url", "https://me:p4ssw0rd@pacs/x", "file.dcm")
    assert done.status == 2
    assert "p4ssw0rd" not in done.err
