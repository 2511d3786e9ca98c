"""One lesion through all scans: its decisive diameter and its state on each, or why they are not known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from dotaliver.config.criteria import RecistConfig
from dotaliver.longitudinal.body_lesions import organ_of
from dotaliver.longitudinal.edits import LYMPH_NODE, LesionCourseEdit, LesionOnScan
from dotaliver.longitudinal.recist import NonTargetState, TargetSize
from dotaliver.longitudinal.records import Appearance, LesionUptake, Track
from dotaliver.measurement.measurability import ON_MEASURED_IMAGE
from dotaliver.records.edits import StoredMark
from dotaliver.records.measurements import DiameterSource, Lesion
from dotaliver.records.score import StudyScore

__all__ = ["UNKNOWN_ORGAN", "FollowedLesion", "follow"]

UNKNOWN_ORGAN = "UNKNOWN"
_STRENGTH: tuple[DiameterSource | None, ...] = (None, "pet", "ct", "click", "reader")
Modality = Literal["CT", "MR", "PT"]
# Marks that only tumour can have; a simple cyst with one of them is a contradiction.
_TUMOUR_MARKS: frozenset[StoredMark] = frozenset(
    {"cystic_metastasis", "target", "non_target", "progressed_since_treatment", "receptor_negative"}
)


@dataclass(frozen=True)
class FollowedLesion:
    """A track with its measurements on each scan and the reader's statements."""

    track: Track
    organ: str
    node: bool
    parts: tuple[tuple[Lesion, ...], ...]
    """The measured lesions that it consists of on each scan; empty where it was not found."""
    every_mark: frozenset[StoredMark]
    """The reader's marks of its parts on all scans."""
    left_out: str | None
    """Why it takes no part in the response; None where it does."""
    edit: LesionCourseEdit
    stated: Mapping[int, LesionOnScan]

    @property
    def lesion(self) -> str:
        """Its name."""
        return self.track.lesion

    def marks(self, scan: int) -> frozenset[StoredMark]:
        """The reader's marks of its parts on a scan."""
        return frozenset(mark for part in self.parts[scan] for mark in part.marks)

    @property
    def contradiction(self) -> str | None:
        """The mark that contradicts the mark of a simple cyst; None where there is none."""
        clash = sorted(_TUMOUR_MARKS & self.every_mark) if "simple_cyst" in self.every_mark else []
        return clash[0].replace("_", " ") if clash else None

    @property
    def doubt(self) -> str | None:
        """Why the marks leave open whether it is tumour; None where they do not."""
        if "not_a_lesion" in self.every_mark:
            return "it is marked as no lesion on one scan and not on another"
        if "cystic" in self.every_mark:
            return "it is marked as cystic, which does not say whether it is a simple cyst or a cystic metastasis"
        return None

    def seen_on(self, scan: int) -> bool:
        """Whether it is on the scan as a lesion of its own, by the reader or else by the images."""
        stated = self.stated.get(scan)
        if stated is not None and stated.is_seen is not None:
            return stated.is_seen
        appearance = self.track.on(scan)
        return appearance is not None and appearance.state in {"seen", "split"}

    def present_on(self, scan: int) -> bool:
        """Whether nothing says that it is not there: seen, part of another lesion, or not evaluated by the reader."""
        stated = self.stated.get(scan)
        if stated is not None and self.is_stated(scan):
            return stated.state in {"not_evaluated", "merged"} or bool(stated.is_seen)
        appearance = self.track.on(scan)
        return appearance is not None and appearance.state != "vanished"

    def is_stated(self, scan: int) -> bool:
        """Whether the reader states its size or state on a scan, which outranks the images."""
        stated = self.stated.get(scan)
        return stated is not None and (stated.state is not None or stated.size_mm is not None)

    def first_seen_after(self, scan: int) -> int | None:
        """The first later scan on which it is seen."""
        return next((n for n in range(scan + 1, len(self.parts)) if self.seen_on(n)), None)

    def merged_into(self, scan: int) -> str | None:
        """The lesion that contains it on a scan, by the reader or else by the images."""
        stated = self.stated.get(scan)
        if stated is not None and self.is_stated(scan):
            return stated.merged_into
        appearance = self.track.on(scan)
        return None if appearance is None or appearance.state != "merged" else appearance.merged_into

    def is_identified(self, scan: int, config: RecistConfig) -> bool:
        """Whether its measurements on a scan are surely its own: the reader named them, or the matching is sure."""
        appearance = self.track.on(scan)
        return appearance is not None and (appearance.by == "reader" or appearance.confidence >= config.sure)

    def uptake(self, scan: int) -> LesionUptake | None:
        """Measurements on a scan: diameters and volumes of parts added, of SUVpeak the highest."""
        parts = self.parts[scan]
        if not parts:
            return None
        peaks = [part.suv_peak for part in parts if part.suv_peak is not None]
        return LesionUptake(
            scan=scan,
            longest_mm=_total([part.longest_diameter_mm for part in parts]),
            short_mm=_total([part.short_axis_mm for part in parts]),
            source=min((part.diameter_source for part in parts), key=_STRENGTH.index),
            modality=self.modality(scan),
            pet_extent_mm=_total([part.pet_extent_mm for part in parts]),
            suv_peak=max(peaks, default=None),
            volume_ml=sum(part.volume_ml for part in parts),
            total_uptake=_total([part.total_uptake for part in parts]),
            centroid_lps_mm=max(parts, key=lambda part: part.volume_ml).centroid_lps_mm,
            parts_mm=tuple((p.longest_diameter_mm, p.short_axis_mm) for p in parts) if len(parts) > 1 else (),
        )

    def modality(self, scan: int) -> Modality | None:
        """Modality of the image that its diameters on a scan were measured on; None where there are none or several."""
        found = {_modality(part) for part in self.parts[scan]}
        return found.pop() if len(found) == 1 else None

    def modalities(self, scan: int) -> frozenset[Modality]:
        """The modalities that its RECIST diameters on a scan were measured on: an extent on PET is none."""
        return frozenset(found for part in self.parts[scan] if (found := _modality(part)) in {"CT", "MR"})

    def size(self, scan: int, config: RecistConfig) -> TargetSize:
        """Its decisive diameter on a scan: as the reader states it, else as measured on CT or by the reader there.

        Whether the diameter of another lesion may count for a merged one is decided by
        `dotaliver.longitudinal.target_sizes.resolve_merged`.
        """
        stated = self.stated.get(scan)
        if stated is not None and (size := self._stated_size(stated)) is not None:
            return size
        if (why := self._why_missing(scan, config)) is not None:
            return self.missing(why)
        appearance = self.track.on(scan)
        if appearance is not None and appearance.state == "merged":
            return self._merged(appearance.merged_into)
        return self._measured(scan)

    def _why_missing(self, scan: int, config: RecistConfig) -> str | None:
        """Why the images give no size; None where they may."""
        appearance = self.track.on(scan)
        if appearance is None:
            return "it was not seen on this scan"
        if appearance.state in {"vanished", "merged"} and self.seen_on(scan):
            return "the reader states that it is present, without a size"
        if appearance.state == "vanished":
            return "it was not found on this scan, and no reader has said whether it is gone"
        return self.doubt if self.is_identified(scan, config) else "its identity is uncertain"

    def _stated_size(self, stated: LesionOnScan) -> TargetSize | None:
        base = {"lesion": self.lesion, "node": self.node, "reason": "as the reader states"}
        if stated.state in {"absent", "too_small"}:
            return TargetSize.model_validate({**base, "status": stated.state, "size_mm": stated.size_mm})
        if stated.state == "not_evaluated":
            return self.missing("the reader could not evaluate it")
        if stated.state == "merged":
            return self._merged(stated.merged_into)
        if stated.size_mm is not None:
            status = "measured" if stated.size_mm > 0 else "absent"
            return TargetSize.model_validate({**base, "status": status, "size_mm": stated.size_mm or None})
        return None

    def _merged(self, into: str | None) -> TargetSize:
        reason = f"it is part of {into}"
        return TargetSize(lesion=self.lesion, node=self.node, status="merged", merged_into=into, reason=reason)

    def _measured(self, scan: int) -> TargetSize:
        found = self.uptake(scan)
        if found is None or found.source not in ON_MEASURED_IMAGE:
            return self.missing("only its extent on PET is known, which is not a RECIST diameter")
        mm = found.short_mm if self.node else found.longest_mm
        if mm is None:
            return self.missing("its short axis is not known" if self.node else "it has no diameter")
        return TargetSize(lesion=self.lesion, node=self.node, size_mm=mm)

    def missing(self, reason: str) -> TargetSize:
        """Its size where there is none, with the reason."""
        return TargetSize(lesion=self.lesion, node=self.node, status="not_measured", reason=reason)

    def state(self, scan: int, config: RecistConfig) -> NonTargetState:
        """Its state as a non-target. Progression is for the reader to state; not found means not evaluated."""
        stated = self.stated.get(scan)
        if stated is not None and stated.state is not None:
            words: dict[str, NonTargetState] = {"too_small": "present", "merged": "present"}
            return words.get(stated.state, stated.state)  # type: ignore[arg-type]
        if stated is not None and stated.size_mm is not None:
            normal = config.normal_node_mm if self.node else 0.0
            return "absent" if stated.size_mm < normal or stated.size_mm == 0 else "present"
        appearance = self.track.on(scan)
        if appearance is None or appearance.state == "vanished":
            return "not_evaluated"
        if self.doubt is not None or not self.is_identified(scan, config):
            return "not_evaluated"
        if self.node and self.parts[scan]:
            size = self._measured(scan)
            if size.size_mm is not None and size.size_mm < config.normal_node_mm:
                return "absent"
        return "present"


def _modality(part: Lesion) -> Modality | None:
    """What a part was measured on; records of version 1 know CT and PET only."""
    if part.diameter is None or part.diameter_source is None:
        return None
    return part.diameter.modality or ("PT" if part.diameter_source == "pet" else "CT")


def _total(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def _organ_elsewhere(parts: Sequence[Lesion]) -> str:
    """The organ that a lesion outside the liver was found in, on the first scan that knows it."""
    return next((organ for part in parts if (organ := organ_of(part)) is not None), UNKNOWN_ORGAN)


def follow(
    track: Track, scores: Sequence[StudyScore], edit: LesionCourseEdit, stated: Mapping[int, LesionOnScan]
) -> FollowedLesion:
    """Join a track with the records of its scans.

    A lesion that any scan puts into the liver lies there; of any other, the reader names the organ. Where the reader
    states that it has merged, the track says so.
    """
    every = [part for found in _parts(track, scores) for part in found]
    marked = edit.organ == LYMPH_NODE or any("node" in lesion.marks for lesion in every)
    node = edit.node if edit.node is not None else marked
    in_liver = any(lesion.in_liver for lesion in every)
    track = _with_stated_merges(track, stated)
    return FollowedLesion(
        track=track,
        organ=edit.organ or (LYMPH_NODE if node else "LIVER" if in_liver else _organ_elsewhere(every)),
        node=node,
        parts=_parts(track, scores),
        every_mark=frozenset(mark for part in every for mark in part.marks),
        left_out=_left_out(every),
        edit=edit,
        stated=stated,
    )


def _parts(track: Track, scores: Sequence[StudyScore]) -> tuple[tuple[Lesion, ...], ...]:
    parts = []
    for scan, score in enumerate(scores):
        appearance = track.on(scan)
        by_label = {lesion.label: lesion for lesion in score.lesions}
        parts.append(() if appearance is None else tuple(by_label[label] for label in appearance.labels))
    return tuple(parts)


def _left_out(parts: Sequence[Lesion]) -> str | None:
    """A simple cyst on one scan is one on all; a mark as no lesion must be on every scan that shows it."""
    if any("simple_cyst" in part.marks for part in parts):
        return "it is marked as a simple cyst"
    if parts and all("not_a_lesion" in part.marks for part in parts):
        return "it is marked as no lesion"
    return None


def _with_stated_merges(track: Track, stated: Mapping[int, LesionOnScan]) -> Track:
    found = {appearance.scan: appearance for appearance in track.appearances}
    for scan, on in stated.items():
        if on.merged_into is not None:
            found[scan] = Appearance(scan=scan, state="merged", merged_into=on.merged_into, confidence=1.0, by="reader")
    return track.model_copy(update={"appearances": tuple(found[scan] for scan in sorted(found))})
