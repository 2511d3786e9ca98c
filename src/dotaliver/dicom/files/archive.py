"""A zip of DICOM files as a study: unpacked within bounds into a folder that is deleted after use."""

from __future__ import annotations

import stat
import weakref
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from dotaliver.errors import FileFormatError
from dotaliver.system.temporary import discard, scratch_folder

__all__ = ["Unpacked", "unpack"]

# Images shrink to a third or so, and constant ones to a hundredth: more is a bomb. Small archives may hold little.
_LARGEST_RATIO, _ALWAYS_BYTES = 100, 64 * 2**20
_MOST_MEMBERS = 100_000
_CHUNK_BYTES = 1 << 20


class Unpacked:
    """A folder with the members of an archive, deleted with this object or at the end of the program."""

    def __init__(self) -> None:
        self.folder = scratch_folder("zip")
        weakref.finalize(self, discard, self.folder)


def unpack(archive: Path) -> Unpacked:
    """Unpack a zip file.

    Raises
    ------
    FileFormatError
        Where it is not a zip file, is damaged or encrypted, a member would leave the folder, or it has more members
        or bytes than a study of its size can; nothing is left behind then.
    """
    limit = max(_ALWAYS_BYTES, _LARGEST_RATIO * archive.stat().st_size)
    unpacked = Unpacked()
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [m for m in opened.infolist() if not m.is_dir()]
            if len(members) > _MOST_MEMBERS or sum(m.file_size for m in members) > limit:
                msg = f"{archive.name}: the archive unpacks to more than a study can hold; unpack it yourself"
                raise FileFormatError(msg)
            for member in members:
                limit -= _extract(opened, member, unpacked.folder, limit)
    except FileFormatError:
        raise
    except (OSError, ValueError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        # RuntimeError is what zipfile raises for encrypted members
        msg = f"{archive.name}: the archive is damaged, encrypted or not a zip file; give a plain zip or a folder"
        raise FileFormatError(msg) from error
    return unpacked


def _extract(opened: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path, limit: int) -> int:
    """Write one member; the bytes that it took, which its header may not tell truly."""
    parts = PurePosixPath(member.filename.replace("\\", "/")).parts
    is_link = stat.S_ISLNK(member.external_attr >> 16)
    if is_link or not parts or any(p in {"..", "/"} or ":" in p or "\0" in p for p in parts):
        msg = f"the archive holds a member that leads out of it ({member.filename[-40:]!r}); unpack it yourself"
        raise FileFormatError(msg)
    target = folder.joinpath(*parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with opened.open(member) as source, target.open("wb") as sink:
        while chunk := source.read(_CHUNK_BYTES):
            written += len(chunk)
            if written > limit:
                msg = "the archive unpacks to more than it says; unpack it yourself"
                raise FileFormatError(msg)
            sink.write(chunk)
    return written
