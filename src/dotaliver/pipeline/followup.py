"""One patient over time, from folders of scores to a folder of results: course, tables, SDTM, report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dotaliver.config.criteria import RecistConfig
from dotaliver.config.files import read_edits
from dotaliver.errors import CourseError, DotaliverError
from dotaliver.export.response.html import ReadingPictures, response_html
from dotaliver.export.response.tables import lesions_over_time_csv, time_points_csv
from dotaliver.export.submission import SUBMISSION_FILES, submission_files
from dotaliver.longitudinal.assembly import AssembledCourse, ReadScans, assemble
from dotaliver.longitudinal.edits import COURSE_EDITS, CourseEdits
from dotaliver.longitudinal.manifest import read_manifest, rows_of_subject
from dotaliver.longitudinal.records import Reading
from dotaliver.longitudinal.scans import LoadedScan, load_scan
from dotaliver.longitudinal.trial_data import read_trial_data, with_trial_dates
from dotaliver.system.files import output_folder
from dotaliver.system.progress import Progress
from dotaliver.system.results import write_result

if TYPE_CHECKING:
    from dotaliver.export.report.figures import Picture
    from dotaliver.records.study import StudyVolumes

__all__ = ["COURSE", "COURSE_FILES", "FollowUpInput", "follow_patient", "save_course"]

COURSE = "course.json"
_LESIONS, _TIME_POINTS, _REPORT = "recist.csv", "time_points.csv", "response.html"
COURSE_FILES = {COURSE, _LESIONS, _TIME_POINTS, _REPORT} | SUBMISSION_FILES
"""What a folder of a course may hold; what a new course lacks would be of another one, and goes."""
# More lesions than this are not shown as thumbnails: targets and new ones come first.
_MOST_STRIPS = 12


@dataclass(frozen=True)
class FollowUpInput:
    """Which scores, and what ties them together."""

    folders: tuple[Path, ...]
    manifest: Path | None = None
    trial_data: Path | None = None
    edits: tuple[Path, ...] = ()


def follow_patient(given: FollowUpInput, config: RecistConfig, progress: Progress) -> AssembledCourse:
    """Read one patient's scores and make the course; the errors are those of `dotaliver.longitudinal`."""
    seen: set[Path] = set()
    for folder in given.folders:
        if not folder.is_dir():
            msg = f"{folder.name}: there is no such folder; give folders that 'dotaliver score' wrote"
            raise CourseError(msg)
        if folder.resolve() in seen:
            msg = f"{folder.name}: the folder is named twice; give each scan once"
            raise CourseError(msg)
        seen.add(folder.resolve())
    if given.trial_data is not None and given.manifest is None:
        msg = "the trial's data need the manifest, which says whose scans these are; give it with --manifest"
        raise CourseError(msg)
    manifest = None if given.manifest is None else read_manifest(given.manifest)
    edits = [read_edits(path, CourseEdits) for path in given.edits]
    scans = []
    for folder in given.folders:
        progress(f"reading {folder.name}")
        scans.append(load_scan(folder))
    if manifest is None or given.trial_data is None:
        return assemble(scans, manifest, edits, config, progress)
    own = rows_of_subject(manifest, list(dict.fromkeys(scan.score.study.study_instance_uid for scan in scans)))
    data = read_trial_data(given.trial_data, own)
    return assemble(scans, with_trial_dates(own, data), edits, config, progress, data)


def save_course(
    made: AssembledCourse, out: Path, progress: Progress, edits: CourseEdits | None = None
) -> tuple[str, ...]:
    """Write everything that a course gives into a folder, in place of an earlier course; returns the files' names.

    With ``edits``, the reader's decisions are written beside it as ``course_edits.json``, for ``recist --edits``.

    Raises
    ------
    OutputError
        Where the folder cannot be written or is full; an earlier course stays as it was.
    """
    with output_folder(out):
        contents = _contents(made, progress)
        parts = set(COURSE_FILES)
        if edits is not None:
            contents[COURSE_EDITS] = edits.to_json()
            parts.add(COURSE_EDITS)
        progress("writing")
        write_result(out, contents, parts.__contains__)
    return tuple(contents)


def _contents(made: AssembledCourse, progress: Progress) -> dict[str, str | bytes]:
    course = made.course
    progress("drawing the report")
    pictures = tuple(
        _pictures(reading, scans, progress) for reading, scans in zip(course.readings, made.readings, strict=True)
    )
    contents: dict[str, str | bytes] = {
        _LESIONS: lesions_over_time_csv(course),
        _TIME_POINTS: time_points_csv(course),
        _REPORT: response_html(course, pictures, made.readings[0].scans[0].score.config.protocol),
    }
    if course.trial is not None:
        progress("writing the tables of the trial")
        contents |= submission_files(course, made.trial_data)
    contents[COURSE] = course.to_json()
    return contents


# --- thumbnails ------------------------------------------------------------------------------------------------------


def _pictures(reading: Reading, scans: ReadScans, progress: Progress) -> ReadingPictures:
    """A thumbnail of each lesion on each scan whose images are found where they were scored."""
    from dotaliver.export.report.thumbnails import thumbnail
    from dotaliver.export.response.lesion_views import LesionPlace, view_of

    order = {"target": 0, "new": 1, "non_target": 2, "earlier": 3}
    chosen = sorted(reading.lesions, key=lambda lesion: (order[lesion.role], lesion.lesion))[:_MOST_STRIPS]
    strips: dict[str, list[Picture | None]] = {lesion.lesion: [] for lesion in chosen}
    for number, scan in enumerate(scans.scans):
        progress(f"drawing scan {number + 1}")
        volumes = _images(scan)
        for lesion in chosen:
            if volumes is None:
                strips[lesion.lesion].append(None)
                continue
            view = view_of(LesionPlace(lesion, scan, number, scans), volumes)
            strips[lesion.lesion].append(thumbnail(view, f"{lesion.lesion} on the scan of {scan.on}"))
    return ReadingPictures({name: tuple(found) for name, found in strips.items()})


def _images(scan: LoadedScan) -> StudyVolumes | None:
    """The images of a scan, where ``local.json`` still finds them and they are the ones that were scored."""
    from dotaliver.pipeline.stored_score import images_of_score

    try:
        return images_of_score(scan.folder, scan.score)
    except DotaliverError:
        return None
