"""Find the scores below a folder, to measure and judge them again with their stored masks."""

from __future__ import annotations

import os
from pathlib import Path

from dotaliver.batch.records import Place, StudyTask
from dotaliver.errors import StudyError
from dotaliver.records.score import folder_name
from dotaliver.records.score_folder import OWN_OUTPUT, ScoreFolder
from dotaliver.system.temporary import is_temporary

__all__ = ["find_scores"]


def find_scores(root: Path, out: Path) -> list[StudyTask]:
    """Find the folders that `score` or a batch wrote, each with its latest revision.

    Raises
    ------
    StudyError
        Where there is none.
    """
    root, out = root.resolve(), out.resolve()
    found: dict[str, list[StudyTask]] = {}
    for parent, folders, names in os.walk(root):
        here = Path(parent)
        folders[:] = sorted(
            name for name in folders if here / name != out and name != ".batch" and not is_temporary(name)
        )
        if OWN_OUTPUT.issubset(names):
            folders.clear()
            task = _task(ScoreFolder(here).latest())
            found.setdefault(task.key, []).append(task)
    if not found:
        msg = "no score was found in the folder or below it; give the output folder of an earlier batch"
        raise StudyError(msg)
    return [_only(tasks) for _, tasks in sorted(found.items())]


def _only(tasks: list[StudyTask]) -> StudyTask:
    if len(tasks) == 1:
        return tasks[0]
    why = f"{len(tasks)} scores of this study were found; keep only one of them in the folder"
    return tasks[0].model_copy(update={"refusal": why})


def _task(score: ScoreFolder) -> StudyTask:
    folder = score.path
    files = tuple(sorted(path.name for path in folder.iterdir() if path.is_file()))
    place = Place(folder=str(folder), files=files)
    try:
        uid = score.study_uid()
    except StudyError:
        why = "the record of the score cannot be read; score the study again"
        return StudyTask(key=folder_name(str(folder)), study_uid=None, place=place, refusal=why)
    return StudyTask(key=folder_name(uid), study_uid=uid, place=place, images=_images(score))


def _images(score: ScoreFolder) -> Place | None:
    """Folder of the images; None where unknown or gone, which `rescore` then refuses."""
    local = score.local_paths()
    if local is None:
        return None
    place = Place(folder=local.study, study_uid=local.study_uid, files=local.files)
    return place if place.path.exists() else None
