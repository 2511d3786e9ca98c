"""Scored scans of one patient from their folders, two of them with their images, to be compared; the course written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from dotaliver.config.criteria import RecistConfig
from dotaliver.config.files import read_edits
from dotaliver.errors import CourseError, StudyError
from dotaliver.image.volume import LabelMap
from dotaliver.longitudinal.assembly import AssembledCourse, assemble
from dotaliver.longitudinal.edits import COURSE_EDITS, CourseEdits
from dotaliver.longitudinal.records import PatientCourse
from dotaliver.longitudinal.scans import LoadedScan, load_scan, patient_of, stored_lesions
from dotaliver.longitudinal.visit_pair import VisitPair, compare_visits
from dotaliver.pipeline.followup import COURSE, save_course
from dotaliver.pipeline.stored_score import images_of_score
from dotaliver.records.score import StudyScore
from dotaliver.records.score_folder import ScoreFolder
from dotaliver.records.study import StudyVolumes
from dotaliver.system.files import write_atomically
from dotaliver.system.parsing import read_bounded
from dotaliver.system.progress import Progress

__all__ = [
    "Visit",
    "Visits",
    "open_visits",
    "require_scans_of_one_patient",
    "response_folder",
    "save_decisions",
    "save_visits",
    "saved_decisions",
    "showing",
]

_UNSIGNED = "the decisions are not signed; give the reader's name and role"
_TWO_PATIENTS = "the scans are of two patients by their Patient IDs; choose two scans of one patient"


@dataclass(frozen=True, eq=False)
class Visit:
    """One scan as it is shown: its record, its images, and its lesions in the position of the PET."""

    folder: Path
    score: StudyScore
    on: date
    volumes: StudyVolumes
    lesions: LabelMap | None
    loaded: LoadedScan | None
    """None where it cannot be compared."""


@dataclass(frozen=True, eq=False)
class Visits:
    """Two scans that are shown, the earlier first, and what the comparison of them, or of a longer course, gives."""

    earlier: Visit
    later: Visit
    pair: VisitPair | None
    """With all scans of the course; None where the two cannot be registered, and are only shown."""
    why_not_compared: str | None = None

    @property
    def both(self) -> tuple[Visit, Visit]:
        """The earlier and the later one."""
        return self.earlier, self.later

    @property
    def last_folder(self) -> Path:
        """Folder of the latest score of the course."""
        return self.later.folder if self.pair is None else self.pair.given[-1].folder

    @property
    def record_ids(self) -> frozenset[str]:
        """The records that are compared."""
        shown = [visit.score for visit in self.both]
        pair = self.pair
        others = [] if pair is None else [n.score for k, n in enumerate(pair.given) if k not in pair.shown]
        return frozenset(score.record_id for score in (*shown, *others))


def open_visits(
    given: Sequence[Path | LoadedScan],
    edits: CourseEdits,
    config: RecistConfig,
    progress: Progress,
    images: Sequence[StudyVolumes | None] = (),
) -> Visits:
    """Read the scans of one patient, register their livers and match their lesions.

    Of more than two, the first and the last are shown: only their images are read (`showing` reads others).

    Parameters
    ----------
    given : sequence of Path or LoadedScan
        Two or more folders that ``dotaliver score`` wrote, in any order; or a scan that is being read.
    edits : CourseEdits
        What a reader decided about them before.
    config : RecistConfig
        Rules and thresholds.
    progress : callable
        Receives the name of each stage.
    images : sequence of StudyVolumes or None
        Images that are read already, one for each scan; none where it is empty.

    Raises
    ------
    CourseError
        Where they are not two scans of one patient on different days.
    DotaliverError
        Where a record, a mask or the images cannot be read, or the edits do not fit.
    """
    images = images or (None,) * len(given)
    if len(given) > len(("earlier", "later")):
        return _open_course(given, edits, config, progress, images)
    found = [_visit(each, known, progress) for each, known in zip(given, images, strict=True)]
    _check_one_patient(found)
    earlier, later = sorted((visit for visit, _ in found), key=lambda visit: visit.on)
    if earlier.score.study.study_instance_uid == later.score.study.study_instance_uid:
        msg = f"{found[1][0].folder.name}: the folder holds a score of the same study; choose one of another date"
        raise CourseError(msg)
    if earlier.on == later.on:
        msg = f"both scans are of {earlier.on}, so which came first is not known; choose scans of two dates"
        raise CourseError(msg)
    refused = next((why for _, why in found if why is not None), None)
    if refused is None and earlier.loaded is not None and later.loaded is not None:
        try:
            pair = compare_visits((earlier.loaded, later.loaded), edits, config, progress)
        except StudyError as error:
            refused = str(error)
        else:
            return Visits(earlier, later, pair)
    return Visits(earlier, later, None, refused)


def _open_course(
    given: Sequence[Path | LoadedScan],
    edits: CourseEdits,
    config: RecistConfig,
    progress: Progress,
    images: Sequence[StudyVolumes | None],
) -> Visits:
    """More than two scans: all are loaded and compared, the first and the last are shown."""
    scans = []
    for each in given:
        progress(f"reading {each.name if isinstance(each, Path) else each.folder.name}")
        scans.append(load_scan(each) if isinstance(each, Path) else each)
    days = [scan.on for scan in scans]
    twice = next((day for day in days if days.count(day) > 1), None)
    if twice is not None:
        msg = f"two of the scans are of {twice}, so which came first is not known; choose scans of different dates"
        raise CourseError(msg)
    pair = compare_visits(scans, edits, config, progress)
    known = {
        scan.score.record_id: Visit(scan.folder, scan.score, scan.on, volumes, scan.lesions, scan)
        for scan, volumes in zip(scans, images, strict=True)
        if volumes is not None
    }
    return _with_images(pair, known, progress)


def showing(visits: Visits, earlier: int, later: int, progress: Progress) -> Visits:
    """The same course with two other scans shown, whose images are read where they are not yet.

    Raises
    ------
    CourseError
        Where they are not two scans of the course, the earlier first.
    DotaliverError
        Where images cannot be read, or are not those of the score.
    """
    if visits.pair is None:
        msg = "these scans cannot be compared, so no others are shown"
        raise CourseError(msg)
    known = {visit.score.record_id: visit for visit in visits.both}
    return _with_images(visits.pair.showing(earlier, later), known, progress)


def _with_images(pair: VisitPair, known: Mapping[str, Visit], progress: Progress) -> Visits:
    """The two scans of a course that are shown, with their images."""
    shown = []
    for number in pair.shown:
        scan = pair.given[number]
        visit = known.get(scan.score.record_id)
        if visit is None:
            progress(f"reading the images of {scan.folder.name}")
            volumes = images_of_score(scan.folder, scan.score)
            visit = Visit(scan.folder, scan.score, scan.on, volumes, scan.lesions, scan)
        shown.append((visit, None))
    _check_one_patient(shown)
    return Visits(shown[0][0], shown[1][0], pair)


def require_scans_of_one_patient(folders: Sequence[Path]) -> None:
    """Refuse folders that are not different scans of one patient, without reading their images.

    Raises
    ------
    CourseError
        Where they are of two patients, or the same study.
    DotaliverError
        Where a record or a mask cannot be read.
    """
    scores = [ScoreFolder(folder).record() for folder in folders]
    studies = [score.study.study_instance_uid for score in scores]
    for number, folder in enumerate(folders):
        if studies[number] in studies[:number]:
            msg = f"{folder.name}: the folder holds a score of the same study; choose one of another date"
            raise CourseError(msg)
    patients = {patient_of(folder, score) for folder, score in zip(folders, scores, strict=True)} - {None, ""}
    if len(patients) > 1:
        raise CourseError(_TWO_PATIENTS)


def _visit(given: Path | LoadedScan, images: StudyVolumes | None, progress: Progress) -> tuple[Visit, str | None]:
    """A scan with its images, and why it cannot be compared."""
    name = given.name if isinstance(given, Path) else given.folder.name
    progress(f"reading {name}")
    refused: str | None = None
    if isinstance(given, LoadedScan):
        folder, score, scan = given.folder, given.score, given
    else:
        folder, score, scan = given, ScoreFolder(given).record(), None
        if any(mask.name == "liver" and mask.labels for mask in score.segmentation.masks):
            scan = load_scan(given)
        else:
            refused = f"{name}: there is no liver outline to register"
    if score.study.study_date is None:
        msg = f"{name}: the study has no date (0008,0020), so the scans cannot be ordered; correct the files"
        raise CourseError(msg)
    lesions = stored_lesions(folder, score) if scan is None else scan.lesions
    progress(f"reading the images of {name}")
    volumes = images_of_score(folder, score) if images is None else images
    return Visit(folder, score, date.fromisoformat(score.study.study_date), volumes, lesions, scan), refused


def _check_one_patient(found: Sequence[tuple[Visit, str | None]]) -> None:
    """Refuse scans of two patients by the Patient IDs of their images and masks."""
    known = [
        {visit.volumes.patient_id or None, None if visit.loaded is None else visit.loaded.patient_id} - {None}
        for visit, _ in found
    ]
    if all(known) and known[0] != known[1]:
        raise CourseError(_TWO_PATIENTS)


def _signed_course(pair: VisitPair, edits: CourseEdits, progress: Progress) -> AssembledCourse:
    if edits.reader is None:
        raise CourseError(_UNSIGNED)
    return assemble(pair.given, None, (edits,), pair.config, progress)


def save_visits(pair: VisitPair, edits: CourseEdits, out: Path, progress: Progress) -> AssembledCourse:
    """Compute the course anew from the scans and a reader's signed edits, and write both into a folder.

    Raises
    ------
    CourseError
        Where nobody signed the edits.
    OutputError
        Where the folder cannot be written.
    """
    made = _signed_course(pair, edits, progress)
    save_course(made, out, progress, edits)
    return made


def save_decisions(pair: VisitPair, edits: CourseEdits, file: Path, progress: Progress) -> AssembledCourse:
    """Compute the course anew from a reader's signed edits, and write the edits alone, as in a central reading.

    Raises
    ------
    CourseError
        Where nobody signed the edits.
    OutputError
        Where the file cannot be written.
    """
    made = _signed_course(pair, edits, progress)
    progress("writing")
    write_atomically(file, edits.to_json())
    return made


def response_folder(later: Path) -> Path:
    """Where the response is written unless another folder is chosen: beside the score of the latest scan."""
    return later.with_name(f"{later.name}-response")


def saved_decisions(folder: Path, visits: Visits, *, checked: bool = True) -> CourseEdits | None:
    """The decisions that were saved in a folder about these records; None where there are none.

    Parameters
    ----------
    folder : Path
        Of a response, or of a reader's case in a central reading.
    visits : Visits
        The scans.
    checked : bool
        Whether the course beside the decisions must name these records; a case has none until it is signed.

    Raises
    ------
    ConfigError
        Where the file cannot be read.
    CourseError
        Where the decisions there are about other records of the scans: their lesions may be others.
    """
    path = folder / COURSE_EDITS
    if not path.is_file():
        return None
    edits = read_edits(path, CourseEdits)
    if not checked:
        return edits
    try:
        course = PatientCourse.model_validate_json(read_bounded(folder / COURSE))
        ids = {key.record_id for key in course.readings[0].scans}
    except (OSError, ValueError, IndexError):
        ids = set()
    if ids != visits.record_ids:
        msg = f"{folder.name}: the decisions there are about other records of these scans and were not taken over"
        raise CourseError(msg)
    return edits
