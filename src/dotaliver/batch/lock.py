"""One run at a time per output folder."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime

from filelock import FileLock, Timeout

from dotaliver.batch.workspace import Workspace
from dotaliver.errors import OutputError
from dotaliver.system.files import write_atomically
from dotaliver.system.parsing import as_object, parse_json, read_bounded

__all__ = ["held"]


@contextlib.contextmanager
def held(workspace: Workspace) -> Iterator[None]:
    """Hold an output folder; a second run is refused while the first lives.

    It is a lock of the operating system, which is released when its owner ends, for whatever reason: a run
    that was killed leaves none behind, and two that start at once cannot both get it.

    Raises
    ------
    OutputError
        Where another run holds the folder (the text says which), or its file system knows no locks.
    """
    owner = workspace.state / "owner.json"
    try:
        workspace.state.mkdir(parents=True, exist_ok=True)
        lock = FileLock(workspace.state / "lock", timeout=0)
        lock.acquire()
    except Timeout as error:
        msg = f"{workspace.folder}: another batch is writing to this folder{_who(workspace)}; wait for it, or choose "
        msg += "another output folder"
        raise OutputError(msg) from error
    except NotImplementedError as error:
        msg = (
            f"{workspace.folder}: its file system cannot lock files, so two batches could overwrite each other; choose "
            "another output folder"
        )
        raise OutputError(msg) from error
    except OSError as error:
        msg = f"{workspace.folder}: cannot be written ({error.strerror or error}); choose another output folder"
        raise OutputError(msg) from error
    try:
        who = {"host": socket.gethostname(), "pid": os.getpid(), "since": datetime.now(UTC).isoformat("T", "seconds")}
        write_atomically(owner, json.dumps(who))
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


def _who(workspace: Workspace) -> str:
    try:
        who = as_object(parse_json(read_bounded(workspace.state / "owner.json")))
        return f" (process {who['pid']} on {who['host']}, since {who['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
