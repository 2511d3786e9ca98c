"""Detect changed inputs: by names, sizes and times of files, and by their bytes where these differ.

The stamp covers, for every file of a study, its name, size and the times of its last change of content and of its
inode. The second is set by the system alone: a copy that keeps the first (``cp -p``, ``rsync -t``, ``touch -r``)
changes it, so a file whose content changed has another stamp, whoever changed it. A stamp may differ without any change
of content (a restored backup, other permissions): then the bytes decide. They are compared whole, not the pixels alone,
for a corrected weight changes every SUV and no pixel. A study whose folder was moved is another, since its record tells
where the images lie.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from dotaliver.batch.records import Place, StudyTask
from dotaliver.dicom.files.headers import files_below
from dotaliver.dicom.files.omezarr_beside import image_beside
from dotaliver.errors import FileFormatError
from dotaliver.system.files import sha256_of

__all__ = ["content_of", "files_of", "stamp_of"]


def files_of(task: StudyTask) -> Iterator[tuple[Path, str]]:
    """The files that a study's score rests on, with their names from its folder on.

    Raises
    ------
    DotaliverError
        As `files_below`.
    """
    yield from _files_at(task.place)
    if task.images is not None:
        yield from _files_at(task.images)
    if task.options.fdg is not None:
        yield from _files_at(Place(folder=task.options.fdg))


def _files_at(place: Place) -> Iterator[tuple[Path, str]]:
    path = place.path
    if place.files is not None:
        yield from ((path / name, name) for name in place.files)
        images = (image_beside(path / name) for name in place.files)
        for image in sorted({found for found in images if found is not None}):
            yield from ((file, file.relative_to(path).as_posix()) for file, _ in files_below(image))
    elif path.is_file():
        yield path, path.name
    else:
        yield from files_below(path)


def stamp_of(task: StudyTask) -> str:
    """Hash of the names, sizes and times of a study's files.

    Raises
    ------
    FileFormatError
        Where one of them is gone.
    """
    digest = hashlib.sha256(task.place.folder.encode("utf-8", "surrogateescape"))
    for path, name in files_of(task):
        try:
            found = os.stat(path)  # noqa: PTH116 -- there are thousands
        except OSError as error:
            msg = f"{name}: the file is gone or cannot be read; run the batch again"
            raise FileFormatError(msg) from error
        line = f"\n{name}\0{found.st_size}\0{found.st_mtime_ns}\0{found.st_ctime_ns}"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def content_of(task: StudyTask) -> str:
    """Hash of the bytes of a study's files, whatever their names and order.

    Raises
    ------
    FileFormatError
        Where one of them cannot be read.
    """
    digests = []
    for path, name in files_of(task):
        try:
            digests.append(sha256_of(path))
        except OSError as error:
            msg = f"{name}: the file is gone or cannot be read; run the batch again"
            raise FileFormatError(msg) from error
    return hashlib.sha256(
        "\n".join((task.place.folder, *sorted(digests))).encode("utf-8", "surrogateescape")
    ).hexdigest()
