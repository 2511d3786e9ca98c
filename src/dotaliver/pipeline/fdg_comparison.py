"""A scored study compared with an FDG scan that is named later: nothing but the FDG scan is read and searched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dotaliver.dicom.choice.pet import choose_series
from dotaliver.dicom.fdg import choose_fdg, days_between, with_fdg
from dotaliver.dicom.files.headers import index_folder
from dotaliver.errors import StudyError
from dotaliver.pipeline.run import Outcome
from dotaliver.pipeline.score_labels import score_labels
from dotaliver.segmentation.fdg_search import with_fdg_searched
from dotaliver.system.progress import Progress, silent

__all__ = ["compare_with_fdg"]


def compare_with_fdg(outcome: Outcome, folder: Path, progress: Progress = silent) -> Outcome:
    """The outcome with an FDG scan compared; masks and the reader's edits stay as they are.

    Parameters
    ----------
    outcome : Outcome
        A scored study without an FDG scan.
    folder : Path
        Where the FDG PET/CT lies.
    progress : callable
        Called with each stage in words.

    Raises
    ------
    StudyError
        Where the folder holds no FDG PET/CT, or one of another patient, or one that was acquired so many days apart
        that no NETPET grade would be proposed (``netpet.most_days``), or where the scans cannot be aligned.
    """
    config, volumes = outcome.score.config, outcome.opened.volumes
    progress("reading headers")
    identity = volumes.identity
    ct = None if identity.ct is None else identity.ct.series_instance_uid
    scored = choose_series(index_folder(outcome.folder, outcome.part), pet=identity.pet.series_instance_uid, ct=ct)
    chosen = choose_fdg(folder, scored, config)
    days, most = days_between(scored, chosen), config.netpet.most_days
    if days is not None and abs(days) > most:
        side = "after" if days > 0 else "before"
        msg = (
            f"--fdg: {chosen.pet.name} was acquired {abs(days)} days {side} the PET that is scored, and no NETPET "
            f"grade is proposed beyond {most} days; give an FDG scan of a nearer date"
        )
        raise StudyError(msg)
    volumes = with_fdg(volumes, chosen, config, progress)
    found = with_fdg_searched(volumes, outcome.segmentations, config, progress)
    progress("measuring and judging")
    score = score_labels(volumes, found, outcome.score.edits, config, revises=outcome.score.record_id)
    opened = replace(outcome.opened, volumes=volumes)
    return replace(outcome, score=score, opened=opened, segmentations=found, fdg=folder, remarks=())
