"""What is known of edited lesions before they are measured again, to be shown at once. No window in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from dotaliver.image.geometry import Box, as_vector
from dotaliver.image.volume import LabelMap
from dotaliver.measurement.caliper import Caliper
from dotaliver.records.body_record import BodyRecord
from dotaliver.records.edits import BodyAnswer, LesionEdit
from dotaliver.records.measurements import Diameter, DiameterSource, Lesion
from dotaliver.records.score import StudyScore
from napari_dotaliver.reading.label_tools import changed_labels

if TYPE_CHECKING:
    from napari_dotaliver.reading.session import ReadingSession

__all__ = ["Provisional", "body_now", "provisional"]


@dataclass(frozen=True)
class Provisional:
    """A record with the lesions as they are drawn now, and which of them are not measured yet."""

    score: StudyScore
    unmeasured: frozenset[int]


def provisional(session: ReadingSession) -> Provisional:
    """The last record with the lesions of now: deleted ones gone, new and edited ones with what is quickly known.

    Of an edited lesion volume, highest and mean uptake and a diameter that the reader drew are given; everything else
    waits for the measurement. Nothing of this enters a record.
    """
    score = session.score
    if not session.stale:
        return Provisional(score, frozenset())
    layer = session.segmentations.lesions
    labels = session.lesions
    changed = set(labels.labels) if layer is None else changed_labels(layer.labels, labels)
    known = {lesion.label: lesion for lesion in score.lesions}
    rows, unmeasured = [], set()
    for label, box in labels.boxes():
        edit, before = session.edits.lesion(label), known.get(label)
        lesion = before
        if label in changed or before is None:
            lesion = _quickly(session, label, box)
        caliper = session.caliper_of(str(label))
        drawn: dict[str, object] = {}
        if caliper is not None:
            source = _source_of(session, label, edit, before)
            drawn = {"longest_diameter_mm": caliper.long_mm, "short_axis_mm": caliper.short_mm}
            drawn |= {"diameter_source": source, "diameter": _diameter(session, caliper, source)}
        moved = before is None or caliper != _caliper_of(before)
        if lesion is not before or (drawn and moved) or (before is not None and before.marks != edit.marks):
            unmeasured.add(label)
        if lesion is not None:
            rows.append(lesion.model_copy(update={**(drawn if moved else {}), "marks": edit.marks}))
    foci = tuple(focus.model_copy(update={"marks": session.marks_of(focus.label)}) for focus in score.ct_foci)
    shown = {"lesions": tuple(rows), "ct_foci": foci, "body": body_now(session)}
    return Provisional(score.model_copy(update=shown), frozenset(unmeasured))


def _source_of(session: ReadingSession, label: int, edit: LesionEdit, before: Lesion | None) -> DiameterSource:
    if edit.diameter is not None:
        return "reader"
    if session.is_clicked(label) or before is None or before.diameter_source in {None, "pet", "reader"}:
        return "click"
    return before.diameter_source or "click"


def _diameter(session: ReadingSession, caliper: Caliper, source: DiameterSource) -> Diameter:
    """A caliper as a diameter on the image that it lies on."""
    study = session.volumes.identity
    series = study.recist_image or study.ct or study.pet
    modality: Literal["CT", "MR", "PT"] = "MR" if series.modality == "MR" else "PT" if series is study.pet else "CT"
    return Diameter(
        longest_mm=caliper.long_mm,
        short_mm=caliper.short_mm,
        source=source,
        modality=modality,
        long_axis_lps_mm=caliper.long_axis_lps_mm,
        short_axis_lps_mm=caliper.short_axis_lps_mm,
        series_instance_uid=series.series_instance_uid,
    )


def _caliper_of(lesion: Lesion) -> Caliper | None:
    found = lesion.diameter
    return None if found is None else Caliper(found.long_axis_lps_mm, found.short_axis_lps_mm)


def body_now(session: ReadingSession) -> BodyRecord | None:
    """The lesions outside the liver with the reader's answers and diameters of now; new ones wait to be measured."""
    body = session.score.body
    if body is None:
        return None
    lesions = []
    for lesion in body.lesions:
        edit, update = session.body_edit_of(lesion), {}
        if lesion.state == "added" and edit is None:
            continue
        if isinstance(edit, BodyAnswer):
            update["state"] = edit.answer
        elif edit is None:
            update["state"] = "unanswered"
        if edit is not None:
            update |= {"marks": edit.marks, "organ": edit.organ or lesion.organ}
        caliper = session.caliper_of(lesion.name)
        if caliper is not None:
            update |= {"longest_diameter_mm": caliper.long_mm, "short_axis_mm": caliper.short_mm}
            update["diameter_source"] = "reader"
        lesions.append(lesion.model_copy(update=update))
    return body.model_copy(update={"lesions": tuple(lesions)})


def _quickly(session: ReadingSession, label: int, box: Box) -> Lesion:
    labels, pet = session.lesions, session.volumes.pet
    own = np.asarray(labels.array[box] == label)
    part = labels.geometry.crop(box)
    highest = mean = None
    if pet.geometry.is_close(labels.geometry):
        uptake = pet.crop(box).array[own]
        highest, mean = float(uptake.max()), float(uptake.mean(dtype=np.float64))
    empty = dict.fromkeys(
        (
            "in_liver", "liver_share", "suv_peak", "suv_peak_centre_lps_mm", "total_uptake", "ratio_to_liver",
            "max_ratio_to_liver", "mean_ratio_to_liver", "krenning", "longest_diameter_mm", "short_axis_mm",
            "diameter_source", "diameter", "pet_extent_mm",
        )
    )  # fmt: skip
    return Lesion(
        label=label,
        suv_max=highest,
        suv_mean=mean,
        volume_ml=LabelMap(own, part).volume_ml(),
        centroid_lps_mm=as_vector(part.index_to_lps(np.argwhere(own).mean(axis=0))),
        **empty,
    )
