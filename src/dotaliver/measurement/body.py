"""The body outside the liver: every candidate and added lesion measured, and the sums over what is confirmed.

A candidate is measured as a lesion of the liver is: uptake on the PET's own voxels, volume by counting them, SUVpeak
over 1 ml. Total receptor expression of a lesion (total lesion SSTR expression) is SUVmean × volume; the whole body's is
the sum over its lesions. What nobody has confirmed is in no sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from dotaliver.config.scoring import ScoringConfig
from dotaliver.measurement.lesions import measure_lesions
from dotaliver.measurement.measurability import ON_MEASURED_IMAGE
from dotaliver.measurement.placement import Placement, place
from dotaliver.measurement.sstr_rads import sstr_rads
from dotaliver.measurement.volume_interval import volume_interval_ml
from dotaliver.records.body import BodyFocus, BodySearch, FocusOrgan
from dotaliver.records.body_record import (
    BodyLesion,
    BodyRecord,
    BodySums,
    BurdenBand,
    LesionState,
    LesionUptake,
    OrganSum,
)
from dotaliver.records.edits import BodyAnswer, BodyPoint, BodyReading, LesionEdit, ReaderEdits
from dotaliver.records.flags import raise_flag
from dotaliver.records.masks import Segmentations
from dotaliver.records.measurements import Burden, Lesion, Reference
from dotaliver.records.positions import VoxelSet
from dotaliver.records.study import StudyVolumes

__all__ = ["OfTheLiver", "burden_band", "measure_body"]

_BANDS: tuple[BurdenBand, BurdenBand, BurdenBand] = ("under 25 %", "25 to 50 %", "over 50 %")


@dataclass(frozen=True)
class _Said:
    """What a reader says of one place."""

    state: LesionState
    edit: BodyAnswer | BodyPoint | None


@dataclass(frozen=True, eq=False)
class OfTheLiver:
    """What is known of the lesion mask and the liver, against which the rest of the body is measured."""

    placement: Placement
    references: Mapping[str, Reference]
    lesions: tuple[Lesion, ...]
    burden: Burden


def measure_body(
    volumes: StudyVolumes,
    segmentations: Segmentations,
    reading: BodyReading | None,
    liver: OfTheLiver,
    config: ScoringConfig,
) -> BodyRecord | None:
    """Measure the candidates with the reader's answers, and sum up.

    Parameters
    ----------
    volumes : StudyVolumes
        The images.
    segmentations : Segmentations
        ``body`` holds what was found and added outside the liver.
    reading : BodyReading or None
        The reader's answers.
    liver : OfTheLiver
        What was measured before.
    config : ScoringConfig
        How peaks are taken, and when two outlines are one lesion.

    Returns
    -------
    BodyRecord or None
        None where the body outside the liver was not searched.
    """
    search = segmentations.body
    if search is None:
        return None
    reading = reading or BodyReading()
    found = _measured(volumes, segmentations, reading, liver, config)
    return BodyRecord(
        scope="body" if reading.all_read else "liver",
        lesions=found,
        sums=_sums(volumes, found, liver, config),
        parts=search.coverage.parts,
        missing=search.coverage.missing,
        has_ct=search.has_ct,
    )


def _said_of(search: BodySearch, reading: BodyReading) -> dict[int, _Said]:
    """What the reader says of each place; added lesions have the highest labels, in the reader's order."""
    said: dict[int, _Said] = {}
    added = iter(reading.added)
    for focus in search.foci:
        if focus.source != "search":
            said[focus.label] = _Said("added", next(added, None))
        else:
            answer = reading.answer(focus.label)
            said[focus.label] = _Said("unanswered" if answer is None else answer.answer, answer)
    return said


def _measured(
    volumes: StudyVolumes, segmentations: Segmentations, reading: BodyReading, liver: OfTheLiver, config: ScoringConfig
) -> tuple[BodyLesion, ...]:
    search = segmentations.body
    assert search is not None
    said = _said_of(search, reading)
    foci = {focus.label: focus for focus in search.foci}
    edits = ReaderEdits(lesions=tuple(_as_lesion_edit(focus, said[label]) for label, focus in foci.items()))
    alone = replace(
        segmentations,
        lesions=search.mask,
        ct_lesions=segmentations.body_on_ct,
        unseen_on_ct=segmentations.body_unseen_on_ct,
        clicked={},
        before_clicks=None,
    )
    placement = liver.placement
    placed = replace(place(replace(alone, liver=None), placement.geometry), liver=placement.liver)
    measured = measure_lesions(volumes, alone, edits, placed, liver.references, config)
    return tuple(
        _body_lesion(
            lesion, foci[lesion.label], said[lesion.label], liver, segmentations.body_unseen_on_ct.get(lesion.label)
        ).model_copy(update=_outlines(placed.lesions.get(lesion.label), placement, search, config))
        for lesion in measured
        if lesion.label in foci
    )


def _outlines(
    voxels: VoxelSet | None, placement: Placement, search: BodySearch, config: ScoringConfig
) -> dict[str, object]:
    """What follows from a place's outline: the interval of its volume, and whether it is a lesion of the mask."""
    if voxels is None:
        return {}
    uncertainty = search.mask.border_uncertainty_mm
    return {
        "volume_interval_ml": volume_interval_ml(voxels, placement.geometry, uncertainty),
        "same_as_lesion": _same_lesion(voxels, placement, config),
    }


def _organ(focus: BodyFocus, said: _Said) -> FocusOrgan:
    return said.edit.organ if said.edit is not None and said.edit.organ is not None else focus.organ


def _as_lesion_edit(focus: BodyFocus, said: _Said) -> LesionEdit:
    """The reader's words on one place as on a lesion; one in a lymph node is measured as a node."""
    marks = () if said.edit is None else said.edit.marks
    if _organ(focus, said) == "lymph_node" and "node" not in marks:
        marks = (*marks, "node")
    diameter = None if said.edit is None else said.edit.diameter
    return LesionEdit(label=focus.label, marks=marks, diameter=diameter)


def _body_lesion(
    lesion: Lesion, focus: BodyFocus, said: _Said, liver: OfTheLiver, unmeasured: str | None
) -> BodyLesion:
    organ, blood = _organ(focus, said), liver.references.get("blood_pool")
    over_blood = None
    if lesion.suv_peak is not None and blood is not None and blood.suv_mean:
        over_blood = lesion.suv_peak / blood.suv_mean
    on_ct = lesion.diameter_source in ON_MEASURED_IMAGE
    category = sstr_rads(
        lesion.suv_peak, liver.references, organ, focus.likely, region=focus.region, measured_on_ct=on_ct
    )
    left_out = {"LESION_OUTSIDE_LIVER", "LESION_NOT_SEEN_ON_CT"}
    flags = [flag.model_dump() for flag in lesion.flags if flag.code not in left_out]
    if unmeasured is not None and lesion.diameter_source == "pet":
        flags.append(raise_flag("BODY_LESION_NOT_MEASURED", reason=unmeasured).model_dump())
    return BodyLesion.model_validate(
        {
            **lesion.model_dump(),
            "in_liver": False,
            "capsule_distance_mm": None,
            "flags": flags,
            "region": focus.region,
            "organ": organ,
            "likely": focus.likely,
            "confidence": focus.confidence if focus.source == "search" else None,
            "why_physiological": focus.why_physiological,
            "state": said.state,
            "source": focus.source,
            "ratio_to_blood_pool": over_blood,
            "sstr_rads": None if said.state == "rejected" else category,
        }
    )


def _same_lesion(voxels: VoxelSet, placement: Placement, config: ScoringConfig) -> int | None:
    """The lesion of the lesion mask that holds most of a place, where one does."""
    count = np.count_nonzero(voxels.mask)
    shares = {
        label: np.count_nonzero(other.within(voxels.box) & voxels.mask) / count
        for label, other in placement.lesions.items()
    }
    label = max(shares, key=lambda n: shares[n], default=None)
    enough = label is not None and shares[label] >= config.body_reading.same_place_share
    return label if enough else None


# --- sums ------------------------------------------------------------------------------------------------------------


def burden_band(fraction: float, bounds: tuple[float, float]) -> BurdenBand:
    """The band of NETTER-1 that a liver's tumour burden lies in; a bound belongs to the middle band."""
    low, high = bounds
    return _BANDS[0] if fraction < low else _BANDS[1] if fraction <= high else _BANDS[2]


def _sums(volumes: StudyVolumes, found: tuple[BodyLesion, ...], liver: OfTheLiver, config: ScoringConfig) -> BodySums:
    burden = liver.burden
    by_organ: dict[str, list[Lesion]] = {}
    for lesion in (*liver.lesions, *found):
        if lesion.tumour and lesion.in_liver is not None:
            by_organ.setdefault(_organ_of(lesion), []).append(lesion)
    counted = [lesion for group in by_organ.values() for lesion in group]
    expression = _sum_of(lesion.total_uptake for lesion in counted)
    waiting = [lesion for lesion in found if lesion.open]
    weight_kg = None if volumes.suv is None else volumes.suv.weight_kg
    uptakes = [lesion for lesion in counted if lesion.mean_ratio_to_liver is not None or lesion.suv_mean is not None]
    ordered = sorted(uptakes, key=lambda lesion: lesion.suv_mean or 0.0)
    return BodySums(
        lesions=len(counted),
        tumour_volume_ml=sum(lesion.volume_ml for lesion in counted),
        total_receptor_expression=expression,
        by_organ={
            organ: OrganSum(
                lesions=len(group),
                volume_ml=sum(lesion.volume_ml for lesion in group),
                total_receptor_expression=_sum_of(lesion.total_uptake for lesion in group),
            )
            for organ, group in by_organ.items()
        },
        highest_uptake=_uptake_of(ordered[-1]) if ordered else None,
        lowest_uptake=_uptake_of(ordered[0]) if ordered else None,
        liver_burden_band=None if burden.fraction is None else burden_band(burden.fraction, config.burden.bands),
        activity_in_tumour=None
        if expression is None or not weight_kg or str(volumes.pet.quantity) != "g/ml{SUVbw}"
        else expression / (1000.0 * weight_kg),
        unanswered=len(waiting),
        unanswered_volume_ml=sum(lesion.volume_ml for lesion in waiting),
    )


def _organ_of(lesion: Lesion) -> str:
    if lesion.in_liver:
        return "liver"
    return lesion.organ if isinstance(lesion, BodyLesion) else "other"


def _sum_of(values: Iterable[float | None]) -> float | None:
    """The sum; None where a part of it is not known, 0 where there is nothing."""
    known = list(values)
    return None if any(value is None for value in known) else float(sum(value or 0.0 for value in known))


def _uptake_of(lesion: Lesion) -> LesionUptake:
    return LesionUptake(lesion=lesion.name, suv_mean=lesion.suv_mean, mean_ratio_to_liver=lesion.mean_ratio_to_liver)
