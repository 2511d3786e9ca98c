"""The plan of a central reading from a folder of scores."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from pathlib import Path

from dotaliver import __version__
from dotaliver.agreement.central import CentralReading, now
from dotaliver.agreement.plan import PlannedScan, make_plan
from dotaliver.config.reading import DisagreementRules
from dotaliver.errors import CourseError, StudyError
from dotaliver.longitudinal.manifest import ManifestRow, read_manifest
from dotaliver.records.score import StudyScore
from dotaliver.records.score_folder import ScoreFolder
from dotaliver.system.progress import Progress, silent
from dotaliver.system.shown import printable

__all__ = ["PlanOptions", "pixels_of", "plan_reading"]

_MOST_SEED = 2**31


@dataclass(frozen=True)
class PlanOptions:
    """What a central reading is planned with."""

    readers: tuple[str, ...]
    adjudicator: str | None = None
    manifest: Path | None = None
    seed: int | None = None
    blind: bool = False
    repeats: int = 0
    rules: DisagreementRules = field(default_factory=DisagreementRules)


def plan_reading(root: Path, out: Path, options: PlanOptions, progress: Progress = silent) -> CentralReading:
    """Find the scores below a folder and make them the cases of a central reading.

    Parameters
    ----------
    root : Path
        Holds folders that ``dotaliver score`` or ``batch`` wrote.
    out : Path
        New folder of the central reading.
    options : PlanOptions
        With a manifest, all scans of one subject, however many, are one case; without, each scan is.

    Raises
    ------
    StudyError
        Where no score is found, a study is there twice, or a record cannot be trusted.
    CourseError
        Where the manifest does not fit, or the scans of a subject cannot be put in order.
    ConfigError
        Where readers are not named well.
    """
    found: dict[str, tuple[Path, StudyScore]] = {}
    for folder in _score_folders(root):
        progress(f"reading {folder.name}")
        score = ScoreFolder(folder).record()
        uid = score.study.study_instance_uid
        if uid in found:
            msg = (
                f"{root}: two scores of one study ({found[uid][0].name} and {folder.name}); move one of them elsewhere"
            )
            raise StudyError(msg)
        found[uid] = (folder, score)
    if not found:
        msg = f"{root}: there is no score in it; give a folder that 'dotaliver batch' or 'dotaliver score' wrote"
        raise StudyError(msg)
    rows = () if options.manifest is None else read_manifest(options.manifest)
    cases = _cases({uid: score for uid, (_, score) in found.items()}, rows)
    plan = make_plan(
        cases,
        readers=options.readers,
        adjudicator=options.adjudicator,
        seed=secrets.randbelow(_MOST_SEED) if options.seed is None else options.seed,
        rules=options.rules,
        blind=options.blind,
        repeats=options.repeats,
        made_at=now(),
        version=__version__,
    )
    used = {scan.study_instance_uid for case in plan.cases for scan in case.scans}
    return CentralReading.begin(out, plan, {uid: folder for uid, (folder, _) in found.items() if uid in used})


def _score_folders(root: Path) -> Iterator[Path]:
    """Folders of scores below one, without revisions of them and hidden folders."""
    if ScoreFolder(root).is_there:
        yield root
        return
    try:
        below = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        msg = f"{root}: the folder cannot be read ({error.strerror}); give one that holds scores"
        raise StudyError(msg) from error
    for path in below:
        yield from _score_folders(path)


def _cases(scores: Mapping[str, StudyScore], rows: Sequence[ManifestRow]) -> list[tuple[PlannedScan, ...]]:
    if not rows:
        return [(_planned(scores[uid]),) for uid in sorted(scores)]
    subjects: dict[tuple[str, str, str], dict[str, float]] = defaultdict(dict)
    for row in rows:
        if row.study_instance_uid in scores:
            subjects[row.subject][row.study_instance_uid] = row.visit_number
    named = {uid for visits in subjects.values() for uid in visits}
    missing = next((uid for uid in scores if uid not in named), None)
    if missing is not None:
        msg = f"the manifest has no row for the study {missing}; add one with its visit, or move its score elsewhere"
        raise CourseError(msg)
    unscored = next((r for r in rows if r.subject in subjects and r.study_instance_uid not in scores), None)
    if unscored is not None:
        msg = (
            f"the manifest names the study {unscored.study_instance_uid} (visit {printable(unscored.visit)}) of "
            f"subject {printable(unscored.subject_id)}, and no score of it is given; add its folder or take the row out"
        )
        raise CourseError(msg)
    return [_course(subject, visits, scores) for (_, _, subject), visits in sorted(subjects.items())]


def _course(subject: str, visits: Mapping[str, float], scores: Mapping[str, StudyScore]) -> tuple[PlannedScan, ...]:
    """A subject's scans by date, which the visit numbers must follow: readers sign a course of them in this order."""
    scans = tuple(_planned(scores[uid]) for uid in sorted(visits, key=lambda uid: visits[uid]))
    undated = next((scan for scan in scans if len(scans) > 1 and scan.on is None), None)
    if undated is not None:
        msg = (
            f"subject {printable(subject)}: the study {undated.study_instance_uid} has no date (0008,0020), so its "
            "scans cannot be ordered; correct the files and score them again"
        )
        raise CourseError(msg)
    for first, second in pairwise(scans):
        if first.on == second.on:
            msg = (
                f"subject {printable(subject)}: two scans are of {first.on}, so which came first is not known; leave "
                "one of them out"
            )
            raise CourseError(msg)
        if date.fromisoformat(first.on or "") > date.fromisoformat(second.on or ""):
            msg = (
                f"subject {printable(subject)}: the manifest puts the scan of {first.on} before that of {second.on}; "
                "correct the visit numbers or the scans"
            )
            raise CourseError(msg)
    return scans


def _planned(score: StudyScore) -> PlannedScan:
    return PlannedScan(
        study_instance_uid=score.study.study_instance_uid,
        on=score.study.study_date,
        record_id=score.record_id,
        pixel_sha256=pixels_of(score),
    )


def pixels_of(score: StudyScore) -> dict[str, str]:
    """SHA-256 of the voxels of each series that a score rests on, by Series Instance UID."""
    series = (score.study.pet, score.study.ct, score.study.recist_image)
    return {one.series_instance_uid: one.pixel_sha256 for one in series if one is not None}
