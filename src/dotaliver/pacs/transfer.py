"""Fetch a study from a PACS into a folder and send objects to it: completely or not at all, resuming after a failure.

While a study comes in, its objects lie in a folder beside the target that is marked as unfinished and never scored;
each file in it is whole. When everything is there that the PACS lists, the folder takes its place.
"""

from __future__ import annotations

import json
import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydicom.dataset import Dataset

from dotaliver.dicom.files.headers import UNFINISHED
from dotaliver.dicom.files.objects import read_object, require_whole
from dotaliver.errors import FileFormatError, OutputError, PacsError
from dotaliver.export.dicom.encoding import encoded
from dotaliver.pacs.archive import Archive
from dotaliver.pacs.endpoint import Remote, valid_uid
from dotaliver.system.files import prepare_output_folder, write_atomically
from dotaliver.system.parsing import ParseError, as_object, parse_json, read_bounded

__all__ = ["Progress", "Pulled", "Pushed", "pull_study", "push_files"]

Progress = Callable[[int, int], None]
_SUFFIX = ".unfinished"
# A study to which something is added while it is fetched is looked at again so often.
_ROUNDS = 3
# An object that arrives cut short is asked for again so often.
_TRIES = 3


@dataclass(frozen=True)
class Pulled:
    """What came: objects in all, and how many of them lay there from an earlier run."""

    objects: int
    already_there: int
    folder: Path


@dataclass(frozen=True)
class Pushed:
    """What went: UIDs that were sent, and those that the PACS had already."""

    sent: tuple[str, ...]
    already_there: tuple[str, ...]


def _silent(_done: int, _all: int) -> None:
    """Tell nobody."""


# --- from a PACS -----------------------------------------------------------------------------------------------------


def pull_study(
    archive: Archive,
    study_uid: str,
    folder: Path,
    *,
    modalities: frozenset[str] = frozenset(),
    progress: Progress = _silent,
) -> Pulled:
    """Fetch a study.

    Parameters
    ----------
    archive : Archive
        The PACS.
    study_uid : str
        Study Instance UID.
    folder : Path
        Is made, and must not hold anything yet.
    modalities : frozenset of str
        Which to fetch, such as CT and PT; all where empty.
    progress : callable
        Is told how many objects are there, of how many.

    Raises
    ------
    PacsError
        Where the PACS does not know the study, cannot be reached or breaks off; what came so far is kept for the next
        run, in a folder that is never scored.
    OutputError
        Where the folder exists already or cannot be written.
    """
    if not valid_uid(study_uid):
        msg = "--study: not a Study Instance UID; it consists of digits and dots"
        raise PacsError(msg)
    unfinished = folder.with_name(folder.name + _SUFFIX)
    if (folder / UNFINISHED).exists() and not unfinished.exists():
        # Put in place by a run that was cut off before it could say so
        folder.rename(unfinished)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        msg = f"{folder}: it exists already; name another folder with --out, or remove it first"
        raise OutputError(msg)
    incoming = None
    wanted: list[Remote] = []
    kept = 0
    with warnings.catch_warnings():
        # Of servers that are not quite compliant, and of patients' headers that are not
        warnings.simplefilter("ignore")
        for _ in range(_ROUNDS):
            listed = _listed(archive, study_uid, modalities)
            if wanted and {r.sop_uid for r in listed} == {r.sop_uid for r in wanted}:
                break
            wanted = listed
            first = incoming is None
            incoming = incoming or _Incoming(unfinished, study_uid)
            missing = incoming.expect(wanted)
            kept = len(wanted) - len(missing) if first else kept
            incoming.tell(progress)
            for _attempt in range(_TRIES):
                if missing:
                    archive.fetch(study_uid, missing, partial(incoming.take, progress))
                missing = incoming.damaged(missing)
                if not missing:
                    break
            else:
                msg = f"{len(missing)} object(s) arrive cut short from the PACS, such as {missing[0].sop_uid}; "
                msg += "ask its administrator"
                raise PacsError(msg)
        else:
            msg = (
                "objects are still being added to the study; run the command again when the PACS has received them all"
            )
            raise PacsError(msg)
    assert incoming is not None
    incoming.finish(folder)
    return Pulled(len(wanted), kept, folder)


def _listed(archive: Archive, study_uid: str, modalities: frozenset[str]) -> list[Remote]:
    """What the PACS lists, in a fixed order."""
    found = archive.find(study_uid)
    for remote in found:
        if not (valid_uid(remote.sop_uid) and valid_uid(remote.series_uid)):
            msg = "the PACS lists an object with an invalid UID; ask its administrator"
            raise PacsError(msg)
    chosen = [r for r in found if not modalities or r.modality in modalities]
    if not chosen:
        there = ", ".join(sorted({r.modality or "unknown" for r in found}))
        what = f"nothing of the kind asked for (there are: {there})" if found else "no such study"
        msg = f"the PACS holds {what}; check --study and --modality"
        raise PacsError(msg)
    return sorted(chosen, key=lambda r: (r.series_uid, r.sop_uid))


class _Incoming:
    """The folder of a study that is not whole yet."""

    def __init__(self, folder: Path, study_uid: str) -> None:
        self._folder, self._study_uid = folder, study_uid
        self._lock = threading.Lock()
        self._expected: dict[str, Path] = {}
        self._there: set[str] = set()
        self._damaged: set[str] = set()
        mark = folder / UNFINISHED
        if folder.exists():
            try:
                known = as_object(parse_json(read_bounded(mark))).get("study")
            except (OSError, ParseError, TypeError):
                known = None
            if known != study_uid:
                msg = f"{folder}: not left by an earlier pull of this study; remove it or name another --out"
                raise OutputError(msg)
        prepare_output_folder(folder)
        write_atomically(mark, json.dumps({"study": study_uid}) + "\n")

    def expect(self, wanted: Sequence[Remote]) -> list[Remote]:
        """Say what is to come; returns what is not there yet."""
        self._expected = {r.sop_uid: self._folder / r.series_uid / f"{r.sop_uid}.dcm" for r in wanted}
        places = set(self._expected.values())
        for path in self._folder.glob("*/*.dcm"):
            if path not in places:
                path.unlink()
        self._there = {uid for uid, path in self._expected.items() if self._is_there(uid, path)}
        return [r for r in wanted if r.sop_uid not in self._there]

    def _is_there(self, uid: str, path: Path) -> bool:
        if not path.is_file():
            return False
        try:
            return bool(read_object(path).SOPInstanceUID == uid)
        except Exception:
            # Whatever is wrong with it, it will be fetched again
            return False

    def tell(self, progress: Progress) -> None:
        """Tell how far it is."""
        with self._lock:
            progress(len(self._there), len(self._expected))

    def take(self, progress: Progress, dataset: Dataset) -> None:
        """Put one object in its place; one that was cut short is noted."""
        uid = str(dataset.get("SOPInstanceUID", ""))
        if not _is_whole(dataset):
            with self._lock:
                self._damaged.add(uid)
            return
        path = self._expected.get(uid)
        if path is None or dataset.get("StudyInstanceUID") != self._study_uid:
            msg = "the PACS sent an object that was not asked for; ask its administrator"
            raise PacsError(msg)
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, encoded(dataset))
        with self._lock:
            self._there.add(uid)
        self.tell(progress)

    def damaged(self, wanted: Sequence[Remote]) -> list[Remote]:
        """Those of the objects that came cut short; all that lack where one came of which the name was cut off."""
        with self._lock:
            damaged, self._damaged = self._damaged, set()
            nameless = bool(damaged - self._expected.keys())
            lacking = [remote for remote in wanted if remote.sop_uid not in self._there]
        return [remote for remote in lacking if nameless or remote.sop_uid in damaged]

    def finish(self, folder: Path) -> None:
        """Let the folder take its place, if everything is there."""
        if len(self._there) != len(self._expected):
            lacking = len(self._expected) - len(self._there)
            msg = f"{lacking} of {len(self._expected)} objects did not arrive; run the command again"
            raise PacsError(msg)
        try:
            if folder.exists():
                folder.rmdir()
            self._folder.rename(folder)
            # Only now is it a study: cut off before, the next run looks at it again
            (folder / UNFINISHED).unlink()
        except OSError as error:
            msg = f"{folder}: cannot be renamed ({error.strerror or error}); choose another --out"
            raise OutputError(msg) from error


def _is_whole(dataset: Dataset) -> bool:
    try:
        require_whole(dataset)
        return bool(dataset.SOPInstanceUID and dataset.StudyInstanceUID)
    except Exception:
        # Damaged objects fail in as many ways as there are elements in them
        return False


# --- to a PACS -------------------------------------------------------------------------------------------------------


def push_files(archive: Archive, paths: Sequence[Path], *, progress: Progress = _silent) -> Pushed:
    """Send DICOM files, and find them again.

    Parameters
    ----------
    archive : Archive
        The PACS.
    paths : sequence of Path
        Files, or folders whose ``*.dcm`` are sent.
    progress : callable
        Is told how many objects the PACS has, of how many.

    Raises
    ------
    FileFormatError
        Where a file is no DICOM object, or two have one UID; nothing is sent then.
    PacsError
        Where the PACS does not take an object, breaks off, or does not list afterwards what it took.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        datasets = _objects(paths)
        studies = sorted({str(d.StudyInstanceUID) for d in datasets.values()})
        known = {remote.sop_uid for study in studies for remote in archive.find(study)}
        missing = [dataset for uid, dataset in datasets.items() if uid not in known]
        done = [uid for uid in datasets if uid in known]
        already = tuple(done)
        progress(len(done), len(datasets))

        def stored(uid: str) -> None:
            done.append(uid)
            progress(len(done), len(datasets))

        if missing:
            archive.store(missing, stored)
        listed = {remote.sop_uid for study in studies for remote in archive.find(study)}
    lost = [uid for uid in datasets if uid not in listed]
    if lost:
        msg = (
            f"the PACS accepted {len(lost)} object(s) but does not list them, such as {lost[0]}; ask its administrator"
        )
        raise PacsError(msg)
    return Pushed(tuple(uid for uid in done if uid not in already), already)


def _objects(paths: Sequence[Path]) -> dict[str, Dataset]:
    """Objects of files and folders by UID, all read before any is sent."""
    files = [file for path in paths for file in (sorted(path.glob("*.dcm")) if path.is_dir() else [path])]
    if not files:
        msg = f"{', '.join(path.name for path in paths) or 'nothing'}: there is no DICOM file (*.dcm) to send"
        raise FileFormatError(msg)
    found: dict[str, Dataset] = {}
    for file in files:
        try:
            dataset = read_object(file)
            uid = str(dataset.SOPInstanceUID)
            complete = bool(uid and dataset.StudyInstanceUID and dataset.file_meta.TransferSyntaxUID)
        except Exception as error:
            # A damaged object fails in as many ways as there are elements in it
            msg = f"{file.name}: not a complete DICOM object, so nothing was sent; remove it or export it again"
            raise FileFormatError(msg) from error
        if not complete or uid in found:
            msg = f"{file.name}: its UID is missing or used by another file too, so nothing was sent"
            raise FileFormatError(msg)
        found[uid] = dataset
    return found
