"""Lesions outside the liver that readers confirmed, as lesions of a course.

They enter where the whole body was read on every scan, and every scan shows their places: a lesion that is confirmed on
one scan and was never asked about or not shown on another is neither new nor gone. In a course, lesion B3 has the label
10003 beside those of the lesion mask.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from dotaliver.image.geometry import FloatArray
from dotaliver.image.itk import resample_labels
from dotaliver.image.volume import LabelMap, used_box
from dotaliver.longitudinal.scans import LoadedScan
from dotaliver.records.body import FocusOrgan
from dotaliver.records.body_record import BodyLesion
from dotaliver.records.measurements import Lesion
from dotaliver.records.score import StudyScore

__all__ = ["FIRST_LABEL", "TULOC", "body_not_followed", "organ_of", "with_body_lesions"]

FIRST_LABEL = 10_000
"""Added to the label of a lesion outside the liver in a course."""

TULOC: dict[FocusOrgan, str] = {
    "bone": "BONE",
    "lymph_node": "LYMPH NODE",
    "lung": "LUNG",
    "peritoneum": "PERITONEUM",
    "pancreas": "PANCREAS",
    "soft_tissue": "SOFT TISSUE",
}
"""Anatomical locations of CDISC controlled terminology (LOC); none for 'other', of which the reader names the organ."""


def with_body_lesions(scans: Sequence[LoadedScan]) -> list[LoadedScan]:
    """The scans with their confirmed lesions outside the liver, where every scan shows and reads their places."""
    return list(scans) if _why_not(scans) is not None else [_with_lesions(scan) for scan in scans]


def body_not_followed(scans: Sequence[LoadedScan]) -> tuple[str, ...]:
    """A warning where lesions outside the liver are confirmed on a scan and are not followed."""
    some = any(scan.score.body is not None and scan.score.body.confirmed for scan in scans)
    why = _why_not(scans)
    return () if why is None or not some else (f"Lesions outside the liver are not followed: {why}.",)


def _why_not(scans: Sequence[LoadedScan]) -> str | None:
    """Why a lesion that one scan does not have need not be gone or new; None where it is."""
    if not all(scan.score.body is not None and scan.score.body.scope == "body" for scan in scans):
        return "the whole body was not read on every scan (all_read in the edits of each)"
    middles = [_middle(scan.liver) for scan in scans]
    for n, scan in enumerate(scans):
        for lesion in () if scan.score.body is None else scan.score.body.confirmed:
            for m, other in enumerate(scans):
                grid = other.lesions.geometry if m == n or other.body is None else other.body.geometry
                place = np.asarray(lesion.centroid_lps_mm) + middles[m] - middles[n]
                if not bool(grid.contains(place)):
                    return f"lesion {lesion.name} of scan {n + 1} lies outside the images of scan {m + 1}"
    return None


def _middle(liver: LabelMap) -> FloatArray:
    """Middle of the liver's box in mm: two scans are displaced by about its displacement."""
    box = used_box(liver.mask)
    grid = liver.geometry if box is None else liver.geometry.crop(box)
    return np.asarray(grid.corners_lps_mm().mean(axis=0))


def organ_of(lesion: Lesion) -> str | None:
    """The organ of a lesion outside the liver as CDISC calls it; None where it is not known."""
    return TULOC.get(lesion.organ) if isinstance(lesion, BodyLesion) else None


def _with_lesions(scan: LoadedScan) -> LoadedScan:
    assert scan.score.body is not None
    confirmed = {lesion.label: lesion for lesion in scan.score.body.confirmed}
    if not confirmed or scan.body is None:
        return scan
    grid = scan.lesions.geometry
    there = scan.body if scan.body.geometry.is_close(grid) else resample_labels(scan.body, grid)
    array = scan.lesions.array.astype(np.uint16)
    for label, box in there.boxes():
        if label in confirmed:
            own = array[box]
            own[(there.array[box] == label) & (own == 0)] = FIRST_LABEL + label
    return replace(scan, lesions=LabelMap(array, grid), score=_with_more(scan.score, confirmed.values(), array))


def _with_more(score: StudyScore, confirmed: Iterable[BodyLesion], array: npt.NDArray[np.uint16]) -> StudyScore:
    present = set(np.unique(array).tolist())
    more = [lesion.model_copy(update={"label": FIRST_LABEL + lesion.label}) for lesion in confirmed]
    lesions = (*score.lesions, *(lesion for lesion in more if lesion.label in present))
    return score.model_copy(update={"lesions": lesions})
