"""One lesion through all scans, with what counts of it on each: its decisive diameter, its state, or why neither."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dotaliver.config.criteria import RecistConfig
from dotaliver.longitudinal.edits import LesionCourseEdit, LesionOnScan
from dotaliver.longitudinal.recist import NonTargetState, TargetSize
from dotaliver.longitudinal.records import LesionUptake, Track
from dotaliver.records.edits import StoredMark
from dotaliver.records.measurements import DiameterSource, Lesion
from dotaliver.records.score import StudyScore

__all__ = ["LYMPH_NODE", "UNKNOWN_ORGAN", "FollowedLesion", "follow"]

LYMPH_NODE = "LYMPH NODE"
UNKNOWN_ORGAN = "UNKNOWN"
_STRENGTH: tuple[DiameterSource | None, ...] = (None, "pet", "ct", "reader")


@dataclass(frozen=True)
class FollowedLesion:
    """A track with its measurements, scan by scan, and what a reader says of it."""

    track: Track
    organ: str
    node: bool
    parts: tuple[tuple[Lesion, ...], ...]
    """The measured lesions that it is on each scan; none where it is not there."""
    edit: LesionCourseEdit
    stated: Mapping[int, LesionOnScan]

    @property
    def lesion(self) -> str:
        """Its name."""
        return self.track.lesion

    def marks(self, scan: int) -> frozenset[StoredMark]:
        """The reader's marks of its parts on a scan."""
        return frozenset(mark for part in self.parts[scan] for mark in part.marks)

    def uptake(self, scan: int) -> LesionUptake | None:
        """What is measured of it on a scan; diameters and volumes of parts added, of SUVpeak the highest."""
        parts = self.parts[scan]
        if not parts:
            return None
        peaks = [part.suv_peak for part in parts if part.suv_peak is not None]
        return LesionUptake(
            scan=scan,
            longest_mm=_total([part.longest_diameter_mm for part in parts]),
            short_mm=_total([part.short_axis_mm for part in parts]),
            source=min((part.diameter_source for part in parts), key=_STRENGTH.index),
            pet_extent_mm=_total([part.pet_extent_mm for part in parts]),
            suv_peak=max(peaks, default=None),
            volume_ml=sum(part.volume_ml for part in parts),
            total_uptake=_total([part.total_uptake for part in parts]),
            centroid_lps_mm=max(parts, key=lambda part: part.volume_ml).centroid_lps_mm,
            parts_mm=tuple((p.longest_diameter_mm, p.short_axis_mm) for p in parts) if len(parts) > 1 else (),
        )

    def size(self, scan: int, config: RecistConfig) -> TargetSize:
        """Its decisive diameter on a scan: what the reader states, else what CT or reader measured there."""
        stated = self.stated.get(scan)
        if stated is not None and (size := self._stated_size(stated)) is not None:
            return size
        appearance = self.track.on(scan)
        if appearance is None:
            return self._missing("it was not seen yet")
        if appearance.state == "vanished":
            return self._missing("it was not found again, and no reader says whether it is gone")
        if appearance.by == "matching" and appearance.confidence < config.sure:
            return self._missing("its identity is not sure")
        if appearance.state == "merged":
            reason = f"part of {appearance.merged_into}"
            return TargetSize(lesion=self.lesion, node=self.node, status="merged", reason=reason)
        return self._measured(scan)

    def _stated_size(self, stated: LesionOnScan) -> TargetSize | None:
        base = {"lesion": self.lesion, "node": self.node, "reason": "as the reader states"}
        if stated.state in {"absent", "too_small"}:
            return TargetSize.model_validate({**base, "status": stated.state, "size_mm": stated.size_mm})
        if stated.state == "not_evaluated":
            return self._missing("the reader could not evaluate it")
        if stated.size_mm is not None:
            return TargetSize.model_validate({**base, "status": "measured", "size_mm": stated.size_mm})
        return None

    def _measured(self, scan: int) -> TargetSize:
        found = self.uptake(scan)
        if found is None or found.source not in {"ct", "reader"}:
            return self._missing("only the PET shows its extent, which is no RECIST diameter")
        mm = found.short_mm if self.node else found.longest_mm
        if mm is None:
            return self._missing("its short axis is not known" if self.node else "it has no diameter")
        return TargetSize(lesion=self.lesion, node=self.node, size_mm=mm)

    def _missing(self, reason: str) -> TargetSize:
        return TargetSize(lesion=self.lesion, node=self.node, status="not_measured", reason=reason)

    def state(self, scan: int, config: RecistConfig) -> NonTargetState:
        """Its state as a non-target; progression is a reader's to state, and what vanished is not evaluated."""
        stated = self.stated.get(scan)
        if stated is not None and stated.state is not None:
            words: dict[str, NonTargetState] = {"too_small": "present"}
            return words.get(stated.state, stated.state)  # type: ignore[arg-type]
        appearance = self.track.on(scan)
        if appearance is None or appearance.state == "vanished":
            return "not_evaluated"
        if appearance.by == "matching" and appearance.confidence < config.sure:
            return "not_evaluated"
        if self.node and self.parts[scan]:
            size = self._measured(scan)
            if size.size_mm is not None and size.size_mm < config.normal_node_mm:
                return "absent"
        return "present"


def _total(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def follow(
    track: Track, scores: Sequence[StudyScore], edit: LesionCourseEdit, stated: Mapping[int, LesionOnScan]
) -> FollowedLesion:
    """Join a track with the records of its scans.

    A lesion that any scan puts into the liver lies there; of another the reader names the organ.
    """
    parts = []
    for scan, score in enumerate(scores):
        appearance = track.on(scan)
        by_label = {lesion.label: lesion for lesion in score.lesions}
        parts.append(() if appearance is None else tuple(by_label[label] for label in appearance.labels))
    every = [lesion for found in parts for lesion in found]
    node = edit.node if edit.node is not None else any("node" in lesion.marks for lesion in every)
    in_liver = any(lesion.in_liver for lesion in every)
    organ = edit.organ or (LYMPH_NODE if node else "LIVER" if in_liver else UNKNOWN_ORGAN)
    return FollowedLesion(track, organ, node, tuple(parts), edit, stated)
