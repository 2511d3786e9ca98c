"""Secrets: from the environment, or from a file that nobody but its owner can read; never from a command line."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from dotaliver.errors import ConfigError

__all__ = ["read_private_file"]

_LARGEST_BYTES = 1 << 16


def read_private_file(path: Path) -> str:
    """The text of a file that holds a secret.

    Raises
    ------
    ConfigError
        Where it cannot be read, is too long for a secret, or others than its owner may read or change it.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
                msg = (
                    f"{path.name}: other users can read or change this file of credentials; run: chmod 600 {path.name}"
                )
                raise ConfigError(msg)
            data = file.read(_LARGEST_BYTES + 1)
        if len(data) > _LARGEST_BYTES:
            msg = f"{path.name}: too long for a file of credentials; give the right one"
            raise ConfigError(msg)
        return data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        if isinstance(error, ConfigError):
            raise
        reason = getattr(error, "strerror", None) or "it is no text"
        msg = f"{path.name}: the credentials cannot be read ({reason}); give a readable file"
        raise ConfigError(msg) from error
