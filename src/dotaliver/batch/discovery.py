"""Which studies lie below a folder: mixed in one folder, nested, zipped; each found once, and nothing passed over.

A study is what shares a Study Instance UID. Where a folder holds nothing but one study it is scored like any folder;
where several studies share a folder, the files of each are listed. Files that cannot be read or assigned become a
refusal of their own, and so a row.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dotaliver.batch.file_index import FileIndex
from dotaliver.batch.records import Place, StudyTask
from dotaliver.dicom.files.headers import CACHE_MARK, UNFINISHED
from dotaliver.dicom.files.omezarr_beside import image_beside
from dotaliver.errors import StudyError
from dotaliver.records.score import folder_name
from dotaliver.records.score_folder import OWN_OUTPUT
from dotaliver.system.temporary import is_temporary

__all__ = ["find_studies"]

# A study by its UID, or by its folder where the files have no UID
StudyName = tuple[str | None, str]
_SEVERAL: StudyName = (None, "several")
_NO_TEXT = "the folder holds a file or folder whose name is no valid text (UTF-8); rename it"


@dataclass
class _Pieces:
    """Locations of the parts of one study."""

    files: list[Path] = field(default_factory=list)
    archives: list[tuple[Path, bool]] = field(default_factory=list)
    """Archives, each with whether it holds nothing else"""
    modalities: set[str] = field(default_factory=set)


@dataclass
class _Below:
    """What was found below a root."""

    studies: dict[StudyName, _Pieces] = field(default_factory=dict)
    damaged: list[tuple[Path, str]] = field(default_factory=list)
    refusals: dict[Path, str] = field(default_factory=dict)


def find_studies(root: Path, out: Path, index: FileIndex, report: Callable[[int], None]) -> list[StudyTask]:
    """Find every study below a folder, or in an archive.

    Parameters
    ----------
    root : Path
        Folder or zip file.
    out : Path
        The output folder, which may lie below the root and is passed over.
    index : FileIndex
        What is known of files from earlier runs.
    report : callable
        Called with the number of files examined.

    Returns
    -------
    list of StudyTask
        In the order of their keys, which has nothing to do with folders' names; stamps are not set yet.

    Raises
    ------
    StudyError
        Where there is no such folder, or nothing in it that is DICOM or says so.
    """
    root, out = root.resolve(), out.resolve()
    if not root.exists():
        msg = f"{root.name}: there is no such folder; give the folder that contains the studies"
        raise StudyError(msg)
    below = _Below()
    for count, (path, refusal) in enumerate(_walk(root, out), start=1):
        if refusal is not None:
            below.refusals.setdefault(path, refusal)
        else:
            _sort_in(path, path.relative_to(root).as_posix() if path != root else path.name, index, below)
        if count % 500 == 0:
            report(count)
    tasks = _tasks(below, root, out)
    if not tasks:
        msg = "no DICOM file was found in the folder or below it; give the folder that contains the studies"
        raise StudyError(msg)
    return sorted(tasks, key=lambda task: task.key)


def _walk(root: Path, out: Path) -> Iterator[tuple[Path, str | None]]:
    """Every file below a root, and every folder that is skipped, with the reason."""
    if root.is_file():
        yield root, None
        return
    unreadable: list[tuple[Path, str | None]] = []

    def refuse(error: OSError) -> None:
        name = Path(error.filename).relative_to(root).as_posix()
        why = f"{name}: the folder cannot be read ({error.strerror}); make it readable or move it out of the folder"
        unreadable.append((Path(error.filename), why))

    for parent, folders, names in os.walk(root, onerror=refuse):
        here = Path(parent)
        folders[:] = sorted(name for name in folders if here / name != out and not is_temporary(name))
        if OWN_OUTPUT.issubset(names) or CACHE_MARK in names:
            folders.clear()
            continue
        if UNFINISHED in names:
            folders.clear()
            why = f"{here.name}: the study has not arrived completely from the PACS; run 'dotaliver pull' again"
            yield here, why
            continue
        for name in tuple(folders):
            if not _is_text(name):
                folders.remove(name)
                yield here, _NO_TEXT
            elif (here / name).is_symlink():
                yield here / name, f"{name}: a link to a folder is not followed; give the folder itself"
        for name in sorted(name for name in names if not is_temporary(name)):
            path = here / name
            if not path.is_file():
                continue
            if not _is_text(name):
                yield here, _NO_TEXT
                continue
            yield path, None
    yield from unreadable


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _sort_in(path: Path, name: str, index: FileIndex, below: _Below) -> None:
    known = index.look_at(path, name)
    if known.damage is not None:
        below.damaged.append((path, known.damage))
        return
    is_archive = path.suffix.lower() == ".zip"
    alone = len({study.study_uid for study in known.studies}) == 1
    for study in known.studies:
        place = path if is_archive else path.parent
        key = (study.study_uid, "" if study.study_uid else str(place))
        pieces = below.studies.setdefault(key, _Pieces())
        pieces.modalities.add(study.modality)
        if not is_archive:
            pieces.files.append(path)
        elif (path, alone) not in pieces.archives:
            pieces.archives.append((path, alone))


# --- from pieces to tasks ----------------------------------------------------------------------------------------


def _tasks(below: _Below, root: Path, out: Path) -> list[StudyTask]:
    owners = _owners(below.studies, root)
    loose: list[tuple[Path, str]] = []
    for path, damage in below.damaged:
        owner = _owner_of(_home(path), owners, root)
        if owner is None or owner is _SEVERAL or path.suffix.lower() == ".zip":
            loose.append((path, damage))
        else:
            # It may be part of the surrounding study, which is then refused, as `score` would refuse it
            below.studies[owner].files.append(path)
    tasks = [_task(study, pieces, owners, out) for study, pieces in below.studies.items()]
    return [*tasks, *(_refused(path, why, root) for path, why in (*below.refusals.items(), *loose))]


def _owners(studies: dict[StudyName, _Pieces], root: Path) -> dict[Path, StudyName]:
    """For each folder, the one study in and below it, or `_SEVERAL`."""
    owners: dict[Path, StudyName] = {}
    for study, pieces in studies.items():
        for folder in {_home(path) for path in pieces.files}:
            for place in (folder, *folder.parents):
                before = owners.get(place)
                if before is _SEVERAL:
                    break
                owners[place] = study if before in {None, study} else _SEVERAL
                if place == root:
                    break
    return owners


def _home(path: Path) -> Path:
    """The folder of a file; for an OME-Zarr image, the one that also holds its headers."""
    return path.parent if image_beside(path) is None else path.parent.parent


def _owner_of(folder: Path, owners: dict[Path, StudyName], root: Path) -> StudyName | None:
    """The study of the nearest folder that has one."""
    for place in (folder, *folder.parents):
        if place in owners:
            return owners[place]
        if place == root:
            break
    return None


def _task(study: StudyName, pieces: _Pieces, owners: dict[Path, StudyName], out: Path) -> StudyTask:
    uid, where = study
    key = folder_name(uid) if uid else _place_key(where)
    refusal, skipped = None, False
    if len(pieces.archives) + bool(pieces.files) > 1:
        refusal = "the study lies in several archives, or in an archive and in a folder; unpack it into one folder"
    elif "PT" not in pieces.modalities:
        there = ", ".join(sorted(pieces.modalities)) or "none that can be read"
        refusal, skipped = f"the study holds no PET (there are: {there})", True
    place = _place(study, pieces, owners, out)
    return StudyTask(key=key, study_uid=uid, place=place, refusal=refusal, skipped=skipped)


def _place(study: StudyName, pieces: _Pieces, owners: dict[Path, StudyName], out: Path) -> Place:
    uid, _ = study
    if pieces.archives:
        archive, alone = pieces.archives[0]
        return Place(folder=str(archive), study_uid=None if alone else uid)
    folder = Path(os.path.commonpath([_home(path) for path in pieces.files]))
    if owners.get(folder) == study and not out.is_relative_to(folder):
        return Place(folder=str(folder))
    names = tuple(sorted(path.relative_to(folder).as_posix() for path in pieces.files))
    return Place(folder=str(folder), study_uid=uid, files=names)


def _refused(path: Path, why: str, root: Path) -> StudyTask:
    """A row for a folder or file that cannot be read."""
    place = Place(folder=str(path.parent), files=(path.name,)) if path.is_file() else Place(folder=str(path), files=())
    name = path.relative_to(root).as_posix() if path != root else path.name
    return StudyTask(key=_place_key(name), study_uid=None, place=place, refusal=why)


def _place_key(where: str) -> str:
    return hashlib.sha256(f"place:{where}".encode()).hexdigest()[:12]
