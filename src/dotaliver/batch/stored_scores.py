"""Which scores lie below a folder, to be measured and judged again with their stored masks."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from dotaliver.batch.records import Place, StudyTask
from dotaliver.dicom.files.headers import OWN_OUTPUT
from dotaliver.errors import StudyError
from dotaliver.records.score import folder_name

__all__ = ["find_scores"]

_REVISION = re.compile(r"revised-(\d+)")


def find_scores(root: Path, out: Path) -> list[StudyTask]:
    """Find the folders that `score` or a batch wrote, each by its latest revision.

    Raises
    ------
    StudyError
        Where there is none.
    """
    root, out = root.resolve(), out.resolve()
    found: dict[str, list[StudyTask]] = {}
    for parent, folders, names in os.walk(root):
        here = Path(parent)
        folders[:] = sorted(name for name in folders if here / name != out and name != ".batch")
        if OWN_OUTPUT.issubset(names):
            folders.clear()
            task = _task(_latest(here))
            found.setdefault(task.key, []).append(task)
    if not found:
        msg = "no score was found below the folder; give the output folder of an earlier batch"
        raise StudyError(msg)
    return [_only(tasks) for _, tasks in sorted(found.items())]


def _latest(folder: Path) -> Path:
    """The revision with the highest number, which is what a reader said last; the folder where there is none."""
    revisions = [(int(m[1]), path) for path in folder.iterdir() if (m := _REVISION.fullmatch(path.name))]
    whole = [(number, path) for number, path in revisions if (path / "score.json").is_file()]
    return max(whole)[1] if whole else folder


def _only(tasks: list[StudyTask]) -> StudyTask:
    if len(tasks) == 1:
        return tasks[0]
    why = f"{len(tasks)} scores of the study were found; keep one of them below the folder"
    return tasks[0].model_copy(update={"refusal": why})


def _task(folder: Path) -> StudyTask:
    files = tuple(sorted(path.name for path in folder.iterdir() if path.is_file()))
    place = Place(folder=str(folder), files=files)
    try:
        uid = str(json.loads((folder / "score.json").read_text(encoding="utf-8"))["study"]["study_instance_uid"])
    except (OSError, ValueError, KeyError, TypeError):
        why = "the folder's score.json cannot be read; score the study again"
        return StudyTask(key=folder_name(str(folder)), study_uid=None, place=place, refusal=why)
    return StudyTask(key=folder_name(uid), study_uid=uid, place=place, images=_images(folder))


def _images(folder: Path) -> Place | None:
    """Where the images lie; None where that is not told or they are gone, which rescoring refuses in its words."""
    try:
        local = json.loads((folder / "local.json").read_text(encoding="utf-8"))
        place = Place(folder=local["study"], study_uid=local.get("study_uid"), files=local.get("files"))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return place if place.path.exists() else None
