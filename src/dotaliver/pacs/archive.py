"""The operations that DICOMweb and DIMSE both offer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from pydicom.dataset import Dataset

from dotaliver.errors import ConfigError
from dotaliver.pacs.endpoint import Remote, Settings
from dotaliver.system.extras import extra_missing

__all__ = [
    "Archive",
    "open_archive",
]


class Archive(Protocol):
    """A PACS."""

    def find(self, study_uid: str) -> list[Remote]:
        """Every object of a study, in no order."""
        ...

    def fetch(self, study_uid: str, wanted: Sequence[Remote], deliver: Callable[[Dataset], None]) -> None:
        """Hand over every wanted object as a data set; calls may come from several threads."""
        ...

    def store(self, datasets: Sequence[Dataset], stored: Callable[[str], None]) -> None:
        """Send objects; `stored` is told the UID of each that the PACS took."""
        ...


def open_archive(settings: Settings) -> Archive:
    """Connect to a PACS by the protocol that its address names.

    Raises
    ------
    ConfigError
        Where the extra is not installed, or a password or a patient would travel in the clear.
    """
    endpoint = settings.endpoint
    if settings.credentials.are_there and not endpoint.encrypted and not endpoint.is_this_machine:
        msg = "--url: passwords are not sent unencrypted; use https:// or dicoms://, or remove the credentials"
        raise ConfigError(msg)
    if endpoint.protocol == "dimse" and settings.credentials.token:
        msg = "a token is for DICOMweb; DIMSE needs a user with a password, or neither"
        raise ConfigError(msg)
    if endpoint.encrypted and settings.move_port is not None:
        msg = "--move-port: objects received by C-MOVE would not be encrypted; omit it (C-GET is used) or use dicom://"
        raise ConfigError(msg)
    try:
        if endpoint.protocol == "dicomweb":
            from dotaliver.pacs.dicomweb import DicomWebArchive

            return DicomWebArchive(settings)
        from dotaliver.pacs.dimse import DimseArchive

        return DimseArchive(settings)
    except ModuleNotFoundError as error:
        raise ConfigError(extra_missing("exchange with a PACS", "pacs", error.name)) from error
