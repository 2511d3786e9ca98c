"""Scores from their folders: the record, and its masks as they were stored, without the images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from dotaliver.errors import CourseError
from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import LabelMap
from dotaliver.records.masks import MaskLayer, Segmentations
from dotaliver.records.positions import in_position_of
from dotaliver.records.score import MaskName, MaskRecord, StudyScore
from dotaliver.records.score_folder import MASKS, MaskFile, ScoreFolder

__all__ = ["LoadedScan", "check_one_patient", "load_scan", "patient_of", "scan_of_reading", "stored_lesions"]

_KINDS: dict[MaskName, str] = {"liver": "organ", "body": "body_lesion"}


@dataclass(frozen=True, eq=False)
class LoadedScan:
    """One score, with liver and lesions in the position of its PET."""

    folder: Path
    score: StudyScore
    on: date
    liver: LabelMap
    lesions: LabelMap
    ct_lesions: LabelMap | None
    """Outlines on the CT that diameters were measured on, in its own position."""
    patient_id: str | None
    """For comparison only; never shown."""
    body: LabelMap | None = None
    """Candidates and lesions outside the liver."""


def load_scan(folder: Path) -> LoadedScan:
    """Read one folder that ``dotaliver score`` wrote.

    Raises
    ------
    StudyError
        Where the record is missing or cannot be trusted.
    CourseError
        Where the record has no date, or its masks are missing, or not those of the record, or hold no liver to
        register.
    """
    score = ScoreFolder(folder).record()
    if score.study.study_date is None:
        msg = f"{folder.name}: the study has no date (0008,0020), so the scans cannot be ordered; correct the files"
        raise CourseError(msg)
    liver, patient = _layer(folder, score, "liver")
    if liver is None:
        msg = f"{folder.name}: there is no liver outline to register; give one with 'dotaliver rescore --liver'"
        raise CourseError(msg)
    lesions, other = _layer(folder, score, "lesions")
    on_ct, _ = _layer(folder, score, "ct_lesions")
    body, _ = _layer(folder, score, "body")
    mismatch = score.segmentation.mismatch
    on_pet = in_position_of("pet", liver, mismatch)
    return LoadedScan(
        folder,
        score,
        date.fromisoformat(score.study.study_date),
        on_pet,
        on_pet.with_array(np.zeros_like(on_pet.array)) if lesions is None else in_position_of("pet", lesions, mismatch),
        None if on_ct is None else on_ct.labels,
        patient or other,
        None if body is None else body.labels,
    )


def stored_lesions(folder: Path, score: StudyScore) -> LabelMap | None:
    """The lesions of a score in the position of its PET, for show; None where there are none."""
    lesions, _ = _layer(folder, score, "lesions")
    return None if lesions is None else in_position_of("pet", lesions, score.segmentation.mismatch)


def patient_of(folder: Path, score: StudyScore) -> str | None:
    """The Patient ID in the stored masks of a score, for comparison only; None where it is not known."""
    kinds: tuple[MaskName, ...] = ("liver", "lesions")
    return next((patient for name in kinds if (patient := _layer(folder, score, name)[1])), None)


def scan_of_reading(
    score: StudyScore, segmentations: Segmentations, folder: Path, patient_id: str | None
) -> LoadedScan:
    """A reading as it is now, saved or not, as one scan of a course.

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


def _layer(folder: Path, score: StudyScore, name: MaskName) -> tuple[MaskLayer | None, str | None]:
    """A mask of the record from its DICOM file, checked against the record's hash, with the Patient ID."""
    mask = next((m for m in score.segmentation.masks if m.name == name), None)
    if mask is None or not mask.labels:
        return None, None
    # A mask is in the file of the image whose grid it has, which need not be the image it was drawn on.
    own: dict[MaskName, MaskFile] = {"ct_lesions": "ct_lesions", "body": "body"}
    expected = own.get(name, mask.drawn_on)
    for which in (expected, *(file for file in MASKS if file != expected)):
        path = ScoreFolder(folder).mask_file(which)
        if not path.is_file():
            continue
        stored, patient = _read(path, _KINDS.get(name, "lesion"))
        labels = None if stored is None else _on_whole(stored, mask)
        if labels is not None:
            return MaskLayer(labels, mask.drawn_on, mask.origin, mask.border_uncertainty_mm), patient
    msg = (
        f"{folder.name}: the {name} mask is missing or is not that of the record; give the folder as it was written, "
        "or rescore the study"
    )
    raise CourseError(msg)


def _read(path: Path, kind: str) -> tuple[LabelMap | None, str | None]:
    """Segments of one kind (``dotaliver:KIND:NAME``) as labels, on the slices that the file holds."""
    import warnings

    import highdicom

    try:
        with warnings.catch_warnings():
            # Warnings of libraries may quote the patient's name from the header.
            warnings.simplefilter("ignore")
            dataset = highdicom.seg.segread(path)
            names = _numbers(dataset, kind)
            if not names:
                return None, None
            part = dataset.get_volume(
                segment_numbers=list(names), combine_segments=True, relabel=False, skip_overlap_checks=True
            )
            patient = str(dataset.get("PatientID") or "").strip() or None
    except Exception as error:
        # A damaged object fails in as many ways as there are elements in it
        msg = f"{path.name}: the masks are damaged and cannot be read ({type(error).__name__}); rescore the study"
        raise CourseError(msg) from error
    array = np.asarray(part.array)
    table = np.zeros(max(int(array.max()), *names) + 1, dtype=np.uint16)
    for number, label in names.items():
        table[number] = label
    return LabelMap(table[array], Geometry.from_affine(array.shape, part.affine)), patient


def _numbers(dataset: Dataset, kind: str) -> dict[int, int]:
    """The label of each segment number."""
    found = {}
    for segment in dataset.SegmentSequence:
        parts = str(segment.get("TrackingID") or "").split(":")
        if len(parts) == 3 and parts[:2] == ["dotaliver", kind]:
            found[int(segment.SegmentNumber)] = int(parts[2]) if parts[2].isdigit() else 1
    return found


def _on_whole(part: LabelMap, mask: MaskRecord) -> LabelMap | None:
    """Stored frames on the whole grid of the record, checked by the record's hash.

    The file leaves out empty slices and may hold them in reverse order; None where neither order fits.
    """
    for sense in (1.0, -1.0):
        normal, rows, columns = part.geometry.directions
        axes = ((sense * normal[0], sense * normal[1], sense * normal[2]), rows, columns)
        grid = Geometry(mask.shape, mask.origin_lps_mm, mask.spacing_mm, axes)
        first = np.rint(grid.lps_to_index(part.geometry.index_to_lps((0, 0, 0)))).astype(int)
        last = np.rint(grid.lps_to_index(part.geometry.index_to_lps(np.asarray(part.geometry.shape) - 1))).astype(int)
        low, high = np.minimum(first, last), np.maximum(first, last) + 1
        fits = tuple(high - low) == part.geometry.shape and (low >= 0).all() and (high <= mask.shape).all()
        if not fits:
            continue
        array = np.zeros(mask.shape, dtype=np.uint16)
        box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        array[box] = part.array[:: 1 if sense > 0 else -1]
        found = LabelMap(array, grid)
        if found.sha256() == mask.sha256:
            return found
    return None


def check_one_patient(scans: Sequence[LoadedScan]) -> bool:
    """Refuse scores of several patients; False where some files have no Patient ID."""
    patients = {scan.patient_id for scan in scans}
    if len(patients - {None}) > 1:
        msg = f"the scores are of {len(patients - {None})} patients by their Patient IDs; give those of one patient"
        raise CourseError(msg)
    return None not in patients
