"""Lesions outside the liver that readers confirmed, as lesions of a course.

They enter where the whole body was read on every scan: a lesion that is confirmed on one scan and was never asked about
on another is neither new nor gone. In a course, lesion B3 has the label 10003 beside those of the lesion mask.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from dotaliver.image.itk import resample_labels
from dotaliver.image.volume import LabelMap
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
    """The scans with their confirmed lesions outside the liver, where the whole body was read on all of them."""
    read = [scan.score.body is not None and scan.score.body.scope == "body" for scan in scans]
    return [_with_lesions(scan) for scan in scans] if all(read) else list(scans)


def body_not_followed(scans: Sequence[LoadedScan]) -> tuple[str, ...]:
    """A warning where lesions outside the liver are confirmed on a scan and the body was not read on every scan."""
    bodies = [scan.score.body for scan in scans]
    some = any(body is not None and body.confirmed for body in bodies)
    if not some or all(body is not None and body.scope == "body" for body in bodies):
        return ()
    return (
        "Lesions outside the liver are not followed: the whole body was not read on every scan (all_read in the edits "
        "of each).",
    )


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
