"""Address, certificates and credentials of a PACS.

``https://host/dicom-web`` is DICOMweb; ``dicoms://host:port/AE_TITLE`` is DIMSE over TLS. The same without the s is
not encrypted: fine on one machine, and refused where a password would travel in the clear.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from dotaliver.errors import ConfigError
from dotaliver.system.private_file import read_private_file

__all__ = [
    "MOST_OBJECTS",
    "Credentials",
    "Endpoint",
    "Remote",
    "Settings",
    "Tls",
    "credentials_from",
    "endpoint_of",
    "valid_uid",
]

# A dynamic study of the whole body has some ten thousand.
MOST_OBJECTS = 200_000
_AE_TITLE = re.compile(r"[ -\[\]-~]{1,16}")
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_USER, _PASSWORD, _TOKEN = "DOTALIVER_PACS_USER", "DOTALIVER_PACS_PASSWORD", "DOTALIVER_PACS_TOKEN"
_WEB, _DIMSE = {"http", "https"}, {"dicom", "dicoms"}


@dataclass(frozen=True)
class Endpoint:
    """One PACS."""

    protocol: Literal["dicomweb", "dimse"]
    url: str
    host: str
    port: int
    called_aet: str
    encrypted: bool

    @property
    def is_this_machine(self) -> bool:
        """Whether nothing leaves this machine on the way there."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True)
class Tls:
    """Certificate files: the CA certificate of the PACS, and our own where the PACS asks for one."""

    ca_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True)
class Credentials:
    """Who asks: a name with its password, or a token. Neither is ever shown."""

    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)

    @property
    def are_there(self) -> bool:
        """Whether there is anything to authenticate with."""
        return bool(self.user or self.token)


def endpoint_of(url: str) -> Endpoint:
    """Parse an address.

    Raises
    ------
    ConfigError
        Where it is none, or holds a password.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        msg = "--url: not a valid address; give https://host/dicom-web or dicoms://host:port/AE_TITLE"
        raise ConfigError(msg) from error
    if parts.username or parts.password:
        msg = f"--url: no password on the command line; use the variables {_USER} and {_PASSWORD} or --credentials"
        raise ConfigError(msg)
    if parts.scheme not in _WEB | _DIMSE or not host:
        msg = "--url: give https://host/dicom-web (DICOMweb) or dicoms://host:port/AE_TITLE (DIMSE)"
        raise ConfigError(msg)
    if parts.scheme in _WEB:
        encrypted = parts.scheme == "https"
        plain = url.rstrip("/")
        return Endpoint("dicomweb", plain, host, port or (443 if encrypted else 80), "", encrypted)
    title = parts.path.strip("/")
    if port is None or not _AE_TITLE.fullmatch(title):
        msg = "--url: DIMSE needs a port and the PACS's AE title, as in dicoms://host:2762/ARCHIVE"
        raise ConfigError(msg)
    return Endpoint("dimse", url, host, port, title, parts.scheme == "dicoms")


def credentials_from(path: Path | None, environment: Mapping[str, str] | None = None) -> Credentials:
    """Credentials from a file (JSON: user and password, or token), else from the environment, else none.

    Raises
    ------
    ConfigError
        Where the file can be read by others, or is no such JSON.
    """
    if path is None:
        known = os.environ if environment is None else environment
        return _checked(Credentials(known.get(_USER), known.get(_PASSWORD), known.get(_TOKEN)), "the environment")
    try:
        data = json.loads(read_private_file(path))
        if not isinstance(data, dict) or not set(data) <= {"user", "password", "token"}:
            raise ValueError
        given = Credentials(**{key: str(value) for key, value in data.items()})
    except ValueError as error:
        if isinstance(error, ConfigError):
            raise
        msg = f'{path.name}: the credentials are JSON with "user" and "password", or with "token"'
        raise ConfigError(msg) from error
    return _checked(given, path.name)


def _checked(given: Credentials, where: str) -> Credentials:
    if bool(given.user) != bool(given.password) or (given.user and given.token):
        msg = f"{where}: a user needs a password, and a token is used alone; give one or the other"
        raise ConfigError(msg)
    return given


def valid_uid(uid: str) -> bool:
    """Whether a text is a DICOM UID, and so safe as the name of a file."""
    return len(uid) <= 64 and _UID.fullmatch(uid) is not None


@dataclass(frozen=True)
class Remote:
    """One object as the PACS lists it."""

    series_uid: str
    sop_uid: str
    sop_class_uid: str | None
    modality: str | None


@dataclass(frozen=True)
class Settings:
    """How to talk to a PACS."""

    endpoint: Endpoint
    credentials: Credentials = field(default_factory=Credentials)
    tls: Tls = field(default_factory=Tls)
    own_aet: str = "DOTALIVER"
    # Where the PACS sends to by C-MOVE; None: C-GET
    move_port: int | None = None
    workers: int = 4
