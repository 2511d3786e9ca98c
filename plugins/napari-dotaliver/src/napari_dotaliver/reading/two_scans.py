"""Two scans of one patient compared: which lesion is which, and the response by RECIST 1.1. No window in it.

Matching, targets, sums and responses are those of `dotaliver.longitudinal`; here is only what a reader decides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np

from dotaliver.config.criteria import RecistConfig
from dotaliver.errors import ConfigError, CourseError
from dotaliver.image.geometry import FloatArray
from dotaliver.image.volume import LabelMap
from dotaliver.longitudinal.assembly import AssembledCourse, assemble
from dotaliver.longitudinal.course import CourseInput, read_course
from dotaliver.longitudinal.edits import CourseEdits, LesionCourseEdit, LesionOnScan
from dotaliver.longitudinal.matching import Matching, match_lesions
from dotaliver.longitudinal.records import Reading
from dotaliver.longitudinal.registration import place_scans
from dotaliver.longitudinal.scans import LoadedScan, load_scan
from dotaliver.pipeline import images_of_score
from dotaliver.pipeline.followup import save_course
from dotaliver.records.edits import Reader
from dotaliver.records.masks import MaskLayer, Segmentations
from dotaliver.records.positions import in_position_of
from dotaliver.records.score import StudyScore
from dotaliver.records.study import StudyVolumes
from dotaliver.system.progress import Progress

__all__ = ["TwoScans", "compare", "scan_of_reading"]

_FEWEST = 2


def scan_of_reading(
    score: StudyScore, segmentations: Segmentations, folder: Path, patient_id: str | None
) -> LoadedScan:
    """A reading as it stands, as one scan of a course.

    Raises
    ------
    CourseError
        Where the study has no date, or the reading no liver to register.
    """
    if score.study.study_date is None:
        msg = "this study has no date (0008,0020), so its place in time is not known; correct the files"
        raise CourseError(msg)
    if segmentations.liver is None:
        msg = "this reading has no liver outline to register; draw it first"
        raise CourseError(msg)

    def on_pet(layer: MaskLayer) -> LabelMap:
        return in_position_of("pet", layer, segmentations.mismatch)

    liver, found = on_pet(segmentations.liver), segmentations.lesions
    lesions = liver.with_array(np.zeros_like(liver.array)) if found is None else on_pet(found)
    on_ct = None if segmentations.ct_lesions is None else segmentations.ct_lesions.labels
    on = date.fromisoformat(score.study.study_date)
    return LoadedScan(folder, score, on, liver, lesions, on_ct, patient_id or None)


@dataclass(frozen=True, eq=False)
class TwoScans:
    """Two scans in time order with what was decided about them, and the response that follows."""

    course: AssembledCourse
    matching: Matching
    mine: int
    """Which of the two is the one that is being read."""
    images: StudyVolumes
    """Of the other one."""
    edits: CourseEdits
    reading: Reading

    @property
    def scans(self) -> tuple[LoadedScan, ...]:
        """Both, the earlier first."""
        return self.course.readings[0].scans

    @property
    def other(self) -> LoadedScan:
        """The one that is not being read."""
        return self.scans[1 - self.mine]

    def onto_other(self, places_lps_mm: FloatArray) -> FloatArray:
        """Places on the scan that is being read, as places on the other; shape (n, 3), in mm."""
        pose = self.course.readings[0].poses[1]
        points = np.atleast_2d(np.asarray(places_lps_mm, dtype=np.float64))
        if pose is None:
            return points
        if self.mine == 0:
            return pose.places(points)
        # The mapping goes from the earlier scan to the later: its way back is walked.
        back = points.copy()
        for _ in range(6):
            back += points - pose.places(back)
        return back

    def with_edits(self, edits: CourseEdits) -> TwoScans:
        """The same scans with other decisions.

        Raises
        ------
        ConfigError
            Where they contradict the rules.
        """
        read = self.course.readings[0]
        scores = tuple(scan.score for scan in read.scans)
        given = CourseInput(read.evaluator, read.keys, scores, self.matching, self.course.course.trial, edits)
        reading = read_course(given, self.course.course.config)
        kept = tuple(w for w in self.course.course.readings[0].warnings if w not in reading.warnings)
        doubts = tuple(w for w in kept if "Patient ID" in w)
        return replace(self, edits=edits, reading=reading.model_copy(update={"warnings": (*doubts, *reading.warnings)}))

    def with_target(self, lesion: str, on: bool) -> TwoScans:
        """Choose a lesion as target, or not; the others stay as they were chosen or proposed."""
        now = [found.lesion for found in self.reading.role("target") if found.lesion != lesion]
        return self.with_edits(self.edits.model_copy(update={"targets": (*now, lesion) if on else tuple(now)}))

    def with_size(self, lesion: str, scan: int, size_mm: float | None) -> TwoScans:
        """State a lesion's decisive diameter on a scan; None lets the measured one count again.

        Raises
        ------
        ConfigError
            Where the size is no size.
        """
        if size_mm is not None and not 0.0 <= size_mm <= 1000.0:
            msg = f"a diameter of {size_mm:g} mm is not plausible for a lesion; enter it in mm"
            raise ConfigError(msg)
        uid = self.scans[scan].score.study.study_instance_uid
        before = self.edits.of(lesion)
        on = tuple(found for found in before.on if found.scan != uid)
        if size_mm is not None:
            on = (*on, LesionOnScan(scan=uid, size_mm=size_mm))
        others = tuple(edit for edit in self.edits.lesions if edit.lesion != lesion)
        changed = before.model_copy(update={"on": on})
        lesions = (*others, changed) if changed != LesionCourseEdit(lesion=lesion) else others
        return self.with_edits(self.edits.model_copy(update={"lesions": lesions}))

    def save(self, reader: Reader, out: Path, progress: Progress) -> None:
        """Write course, tables and report of both scans into a folder.

        Raises
        ------
        OutputError
            Where the folder cannot be written.
        """
        signed = self.with_edits(self.edits.model_copy(update={"reader": reader}))
        course = self.course.course.model_copy(update={"readings": (signed.reading,)}).with_id()
        save_course(replace(self.course, course=course), out, progress)


def compare(mine: LoadedScan, folder: Path, edits: CourseEdits, progress: Progress) -> TwoScans:
    """Lay another scored scan beside a reading.

    Raises
    ------
    CourseError
        Where the two are not two scans of one patient.
    DotaliverError
        Where the other's masks or images cannot be read.
    """
    progress(f"reading {folder.name}")
    other = load_scan(folder)
    if other.score.study.study_instance_uid == mine.score.study.study_instance_uid:
        msg = f"{folder.name}: the folder holds a score of the same study; choose one of another date"
        raise CourseError(msg)
    config = RecistConfig()
    course = assemble([mine, other], None, (), config, progress)
    read = course.readings[0]
    progress("matching lesions")
    matching = match_lesions(place_scans(read.scans, read.poses), (), config)
    progress("reading the other scan's images")
    images = images_of_score(folder, other.score)
    position = next(n for n, scan in enumerate(read.scans) if scan is mine)
    found = TwoScans(course, matching, position, images, CourseEdits(), course.course.readings[0])
    return found if edits == CourseEdits() else found.with_edits(edits)
