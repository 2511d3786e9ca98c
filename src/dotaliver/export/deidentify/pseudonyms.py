"""Keyed pseudonyms: names, UIDs and dates that only the holder of the key can trace back.

Everything follows from the key by HMAC-SHA-256, so one patient gets one name and one shift of dates in every study, one
UID becomes one other UID everywhere, and without the key nothing can be recomputed from a list of patients.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from dotaliver.errors import ConfigError
from dotaliver.system.private_file import read_private_file

__all__ = ["Pseudonyms", "pseudonym_key"]

KEY_VARIABLE = "DOTALIVER_PSEUDONYM_KEY"
_SHORTEST_KEY = 16
# Up to five years back, in whole days, so that times of day and intervals are kept.
_LARGEST_SHIFT_DAYS = 5 * 365
# Shorter runs of digits and dots in a text need not be UIDs.
_SHORTEST_UID = 12
_DATE = re.compile(r"(?<!\d)((?:18|19|20)\d{2})(-?)(\d{2})\2(\d{2})(?!\d)")


def pseudonym_key(path: Path | None, environment: Mapping[str, str] | None = None) -> bytes:
    """The key, from a file that only its owner can read, else from the environment.

    Raises
    ------
    ConfigError
        Where there is none, or it is too short to be one.
    """
    known = os.environ if environment is None else environment
    text = known.get(KEY_VARIABLE, "") if path is None else read_private_file(path)
    key = text.strip().encode()
    if not key:
        msg = f"--deidentify needs a key: set {KEY_VARIABLE}, or name a file that only you can read by --pseudonym-key"
        raise ConfigError(msg)
    if len(key) < _SHORTEST_KEY:
        msg = f"the key of --deidentify is too short to be safe; take {_SHORTEST_KEY} characters or more at random"
        raise ConfigError(msg)
    return key


@dataclass(frozen=True)
class Pseudonyms:
    """Pseudonyms of one patient.

    Parameters
    ----------
    key : bytes
        The secret.
    patient : str
        Patient ID, or another identifier of the patient.
    """

    key: bytes = field(repr=False)
    patient: str = field(repr=False)

    def _digest(self, *parts: str) -> bytes:
        return hmac.new(self.key, "\n".join(parts).encode(), hashlib.sha256).digest()

    @property
    def name(self) -> str:
        """The patient's name and ID, such as ``DOTA-5F3A09C2B1D4``."""
        return f"DOTA-{self._digest('patient', self.patient)[:6].hex().upper()}"

    @property
    def shift(self) -> timedelta:
        """Shift of every date of the patient: whole days into the past."""
        number = int.from_bytes(self._digest("dates", self.patient)[:8], "big")
        return -timedelta(days=1 + number % _LARGEST_SHIFT_DAYS)

    def reader(self, name: str) -> str:
        """Pseudonym of a reader."""
        return f"Reader {self._digest('reader', name)[:3].hex().upper()}"

    def uid(self, uid: str) -> str:
        """Replacement of a UID, whoever the patient is."""
        return f"2.25.{int.from_bytes(self._digest('uid', uid)[:16], 'big')}"

    def dates_in(self, text: str) -> str:
        """A text with its dates shifted, each in its own format (2024-03-01 or 20240301)."""

        def moved(match: re.Match[str]) -> str:
            year, dash, month, day = match.groups()
            try:
                new = date(int(year), int(month), int(day)) + self.shift
            except (ValueError, OverflowError):
                return match.group()
            return new.strftime(f"%Y{dash}%m{dash}%d")

        return _DATE.sub(moved, text)

    def text(self, text: str, uids: Collection[str]) -> str:
        """A text with its dates shifted and the given UIDs replaced."""
        if text in uids:
            return self.uid(text)
        for uid in sorted(uids, key=len, reverse=True):
            if len(uid) >= _SHORTEST_UID and uid in text:
                text = text.replace(uid, self.uid(uid))
        return self.dates_in(text)
