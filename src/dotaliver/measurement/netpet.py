"""Lesions and candidates on two tracers: uptake on the receptor PET and on the FDG PET, place by place.

A lesion of the scored study is FDG-positive where the FDG scan's search outlined a focus in its place, or where its
outline there holds 1 ml above U, the upper limit of that scan's normal liver. It is FDG-negative where nothing within
the error of the alignment does (outside the liver: where nothing there exceeds the mean of normal liver) and it is not
too small for PET to say so. Everything in between is unknown. A focus of the FDG scan in no lesion's place is measured
on the receptor PET by the same rules; without receptor uptake it is a candidate for the reader, never a verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from dotaliver.config.scoring import ScoringConfig
from dotaliver.image.volume import LabelMap, Quantity, Volume
from dotaliver.measurement.krenning import krenning_grade
from dotaliver.measurement.lesions import largest_extent_mm
from dotaliver.measurement.netpet_grade import grade_of_lesion, propose_grade
from dotaliver.measurement.netpet_places import Carrier, grown, middle_lps_mm
from dotaliver.measurement.placement import place
from dotaliver.measurement.reference import measure_references
from dotaliver.measurement.uptake import Uptake, lesion_uptake
from dotaliver.records.body_record import BodyLesion, BodyRecord
from dotaliver.records.edits import FdgReading, ReaderEdits
from dotaliver.records.fdg import FdgFocus, FdgSearch
from dotaliver.records.masks import MaskLayer, Segmentations
from dotaliver.records.measurements import Lesion, Reference
from dotaliver.records.netpet import (
    Avidity,
    FdgFocusRecord,
    FdgScan,
    NetpetLesion,
    NetpetRecord,
    PatternState,
)
from dotaliver.records.positions import VoxelSet
from dotaliver.records.study import StudyVolumes

__all__ = ["OfTheScoredStudy", "measure_netpet"]


@dataclass(frozen=True, eq=False)
class OfTheScoredStudy:
    """What was measured on the receptor scan before."""

    references: Mapping[str, Reference]
    lesions: tuple[Lesion, ...]
    body: BodyRecord | None
    lesions_complete: bool


@dataclass(frozen=True, eq=False)
class _Place:
    """A lesion of the scored study on the FDG PET; None where it could not be carried over, and why."""

    lesion: Lesion
    region: str
    in_liver: bool
    state: PatternState
    own: VoxelSet | None
    wide: VoxelSet | None
    why_not: str | None
    foci: list[int] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class _Context:
    """What every place is measured against."""

    volumes: StudyVolumes
    fdg: StudyVolumes
    search: FdgSearch
    carrier: Carrier
    references: Mapping[str, Reference]
    liver: Reference
    config: ScoringConfig

    def reach_mm(self, *, in_liver: bool) -> float:
        """How far a place may lie from where the alignment puts it."""
        return self.config.netpet.liver_reach_mm if in_liver else self.config.netpet.body_reach_mm

    def focus_voxels(self, label: int) -> VoxelSet:
        """Voxels of a focus on the FDG PET."""
        box = dict(self.search.mask.boxes())[label]
        return VoxelSet(box, np.asarray(self.search.mask.array[box] == label))


def measure_netpet(
    volumes: StudyVolumes,
    segmentations: Segmentations,
    reading: FdgReading | None,
    scored: OfTheScoredStudy,
    config: ScoringConfig,
) -> NetpetRecord | None:
    """Compare both scans, and propose a NETPET grade.

    Parameters
    ----------
    volumes : StudyVolumes
        With ``fdg``.
    segmentations : Segmentations
        With ``fdg``, the result of its search.
    reading : FdgReading or None
        The reader's answers to its candidates.
    scored : OfTheScoredStudy
        References, lesions and body of the receptor scan.
    config : ScoringConfig
        ``config.netpet``, and how uptake is measured.

    Returns
    -------
    NetpetRecord or None
        None where there is no FDG scan.
    """
    fdg, search = volumes.fdg, segmentations.fdg
    if fdg is None or search is None:
        return None
    own = search.own
    found, _ = measure_references(fdg.pet, own, ReaderEdits(), place(own, fdg.pet.geometry), config)
    carrier = Carrier(search.alignment, volumes.pet.geometry, fdg.pet.geometry, segmentations.mismatch, own.mismatch)
    context = _Context(volumes, fdg, search, carrier, scored.references, found.liver, config)
    places = list(_places(context, segmentations, scored))
    _assign_foci(context, places)
    taken = {label for each in places for label in each.foci}
    lesions = [_of_lesion(context, each) for each in places]
    lesions += [_of_focus(context, focus, reading or FdgReading()) for focus in search.foci if focus.label not in taken]
    days = _days(volumes, fdg)
    proposal = propose_grade(lesions, list(_open_points(context, scored, days)), config.netpet)
    record = NetpetRecord(
        scan=FdgScan(study=fdg.identity, acquisition=fdg.acquisition, suv=fdg.suv, uptake_unit=str(fdg.pet.quantity)),
        days=days,
        alignment=search.alignment,
        liver=found.liver,
        foci=tuple(FdgFocusRecord.of(focus) for focus in search.foci),
        lesions=tuple(lesions),
        grade=proposal.grade,
        suffix=proposal.suffix,
        lowest=proposal.lowest,
        highest=proposal.highest,
        target=proposal.target,
        reason=proposal.reason,
    )
    return _without_unknown_suv(record, volumes.pet, fdg.pet)


def _days(volumes: StudyVolumes, fdg: StudyVolumes) -> int | None:
    first, second = volumes.identity.study_date, fdg.identity.study_date
    if first is None or second is None:
        return None
    return (date.fromisoformat(second) - date.fromisoformat(first)).days


def _open_points(context: _Context, scored: OfTheScoredStudy, days: int | None) -> Iterator[str]:
    """Why no grade may be proposed, whatever the lesions show."""
    most = context.config.netpet.most_days
    if days is None:
        yield "How many days lie between both scans is unknown."
    elif abs(days) > most:
        yield f"The scans lie {abs(days)} days apart; a grade is proposed within {most}."
    if context.liver.suv_mean is None or context.liver.peak_limit is None:
        yield "Normal liver could not be measured on the FDG scan."
    if context.references["liver"].peak_limit is None:
        yield "Normal liver could not be measured on the receptor scan."
    if not scored.lesions_complete:
        yield "Whether the lesion mask includes every lesion of the liver has not been stated."
    if scored.body is None or context.search.own.body is None:
        yield "The body outside the liver was not searched on both scans."
        return
    unseen = [part for part in scored.body.parts if part not in context.search.own.body.coverage.parts]
    if unseen:
        yield f"The FDG scan does not show the {' and '.join(unseen)}."


# --- lesions of the scored study -------------------------------------------------------------------------------------


def _places(context: _Context, segmentations: Segmentations, scored: OfTheScoredStudy) -> Iterator[_Place]:
    """Lesions and open or confirmed candidates of the receptor scan, carried to the FDG PET."""
    layer = segmentations.lesions
    if layer is not None:
        boxes = dict(layer.labels.boxes())
        for lesion in scored.lesions:
            if lesion.tumour and lesion.in_liver is not None:
                region = "liver" if lesion.in_liver else "outside the liver"
                outline = _outline(layer, lesion.label, boxes)
                yield _carried(context, lesion, region, "counted", outline, layer.drawn_on == "ct")
    if scored.body is None or segmentations.body is None:
        return
    mask = segmentations.body.mask
    boxes = dict(mask.labels.boxes())
    for found in scored.body.lesions:
        if found.open or found.tumour:
            state: PatternState = "counted" if found.tumour else "unanswered"
            yield _carried(context, found, found.region, state, _outline(mask, found.label, boxes), on_ct=False)


def _outline(layer: MaskLayer, label: int, boxes: Mapping[int, tuple[slice, slice, slice]]) -> LabelMap:
    box = boxes[label]
    inside = (layer.labels.array[box] == label).astype(np.uint8)
    return LabelMap(inside, layer.labels.geometry.crop(box))


def _carried(
    context: _Context, lesion: Lesion, region: str, state: PatternState, outline: LabelMap, on_ct: bool
) -> _Place:
    in_liver = bool(lesion.in_liver)
    carrier = context.carrier
    part = carrier.part_of(lesion.centroid_lps_mm, in_liver=in_liver)
    if part is None:
        why = "the FDG scan is not aligned there"
        return _Place(lesion, region, in_liver, state, None, None, why)
    if on_ct and in_liver and carrier.mismatch is not None:
        # To where the PET shows what was drawn where the CT does.
        outline = outline.placed(outline.geometry.moved(carrier.mismatch.shift_lps_mm))
    own = carrier.to_fdg(outline, part, in_liver=in_liver)
    if own is None:
        return _Place(lesion, region, in_liver, state, None, None, "it lies off the FDG scan")
    wide = grown(own, context.fdg.pet.geometry, context.reach_mm(in_liver=in_liver))
    return _Place(lesion, region, in_liver, state, own, wide, None)


def _assign_foci(context: _Context, places: list[_Place]) -> None:
    """Give each focus of the FDG scan to the lesion whose place holds most of it, within the error of the alignment."""
    boxes = dict(context.search.mask.boxes())
    for focus in context.search.foci:
        box = boxes[focus.label]
        inside = context.search.mask.array[box] == focus.label
        shares = [
            (
                np.count_nonzero(each.own.within(box) & inside),
                np.count_nonzero(each.wide.within(box) & inside),
                -n,
            )
            for n, each in enumerate(places)
            if each.own is not None and each.wide is not None and each.in_liver == focus.in_liver
        ]
        best = max(shares, default=(0, 0, 0))
        if best[1]:
            places[-best[2]].foci.append(focus.label)


def _of_lesion(context: _Context, each: _Place) -> NetpetLesion:
    lesion = each.lesion
    sstr = _sstr_state(lesion.suv_peak, context, in_liver=each.in_liver)
    uptake, fdg, why = _fdg_of(context, each)
    normal = context.references["liver"].suv_mean
    ratios = (_over(lesion.suv_peak, normal), None if uptake is None else _over(uptake.peak, context.liver.suv_mean))
    voxels = each.own if not each.foci else context.focus_voxels(each.foci[0])
    return NetpetLesion(
        name=lesion.name,
        region=each.region,
        in_liver=each.in_liver,
        state=each.state,
        sstr_suv_max=lesion.suv_max,
        sstr_suv_peak=lesion.suv_peak,
        sstr_ratio_to_liver=ratios[0],
        fdg_suv_max=None if uptake is None else uptake.maximum,
        fdg_suv_peak=None if uptake is None else uptake.peak,
        fdg_ratio_to_liver=ratios[1],
        sstr=sstr,
        fdg=fdg,
        grade=grade_of_lesion(sstr, fdg, ratios, context.config.netpet.equal_ratio),
        fdg_foci=tuple(each.foci),
        why_unknown=why,
        why_physiological=lesion.why_physiological if isinstance(lesion, BodyLesion) else None,
        centroid_lps_mm=lesion.centroid_lps_mm,
        fdg_centroid_lps_mm=None if voxels is None else middle_lps_mm(voxels, context.fdg.pet.geometry),
    )


def _fdg_of(context: _Context, each: _Place) -> tuple[Uptake | None, Avidity, str | None]:
    """FDG uptake of a lesion, what it means, and why it means nothing."""
    pet, peak, limit, mean = context.fdg.pet, context.config.peak, context.liver.peak_limit, context.liver.suv_mean
    if each.own is None or each.wide is None:
        return None, "unknown", each.why_not
    if limit is None or mean is None:
        return lesion_uptake(pet, each.own, peak), "unknown", "normal liver could not be measured on the FDG scan"
    if each.foci:
        # Foci are numbered from the hottest.
        focus = lesion_uptake(pet, context.focus_voxels(each.foci[0]), peak)
        if focus.peak > limit or not each.in_liver:
            return focus, "positive", None
        return focus, "unknown", "its FDG uptake is not above the upper limit of normal liver over 1 ml"
    own = lesion_uptake(pet, each.own, peak)
    if own.peak > limit:
        return own, "positive", None
    why = _why_not_negative(context, each, each.wide, (own.peak, limit, mean))
    return own, "negative" if why is None else "unknown", why


def _why_not_negative(
    context: _Context, each: _Place, wide: VoxelSet, levels: tuple[float, float, float]
) -> str | None:
    """Why a lesion without a focus may take up FDG all the same; None where it does not.

    ``levels`` are its own peak, and the upper limit and mean of normal liver.
    """
    highest, limit, mean = levels
    reach_mm, small_mm = context.reach_mm(in_liver=each.in_liver), context.config.netpet.small_mm
    free = _without_other_foci(context, each, wide, reach_mm)
    if free is not None:
        highest = max(highest, lesion_uptake(context.fdg.pet, free, context.config.peak).peak)
    if highest > (limit if each.in_liver else mean):
        return f"FDG uptake of {highest / mean:.1f} × liver lies within {reach_mm:g} mm of it"
    if largest_extent_mm(each.lesion) < small_mm:
        return f"it is under {small_mm:g} mm, too small for PET to exclude FDG uptake"
    return None


def _without_other_foci(context: _Context, each: _Place, wide: VoxelSet, reach_mm: float) -> VoxelSet | None:
    """The surroundings of a lesion without those of foci that belong elsewhere; None where nothing is left."""
    mask = context.search.mask
    box = wide.box
    near = np.isin(mask.array[box], [0, *each.foci], invert=True)
    if not near.any():
        return wide
    geometry = mask.geometry
    blur = grown(VoxelSet(box, np.asarray(near)), geometry, reach_mm).within(box)
    kept = wide.mask & ~blur
    return VoxelSet(box, kept) if kept.any() else None


def _sstr_state(suv_peak: float | None, context: _Context, *, in_liver: bool) -> Avidity:
    """Receptor uptake above background: in the liver above U, elsewhere a Krenning grade of 2 to 4."""
    limit = context.references["liver"].peak_limit
    if suv_peak is None or limit is None:
        return "unknown"
    if in_liver:
        return "positive" if suv_peak > limit else "negative"
    grade = krenning_grade(suv_peak, context.references, context.config.krenning)
    if grade is None:
        return "unknown"
    return "negative" if grade in {"0", "1"} else "positive"


def _over(value: float | None, mean: float | None) -> float | None:
    return None if value is None or not mean else value / mean


# --- foci of the FDG scan --------------------------------------------------------------------------------------------


def _of_focus(context: _Context, focus: FdgFocus, reading: FdgReading) -> NetpetLesion:
    voxels = context.focus_voxels(focus.label)
    pet, peak = context.fdg.pet, context.config.peak
    uptake = lesion_uptake(pet, voxels, peak)
    middle = middle_lps_mm(voxels, pet.geometry)
    part = context.carrier.part_of_fdg(middle, in_liver=focus.in_liver)
    own = None
    if part is not None:
        outline = LabelMap(voxels.mask.astype(np.uint8), pet.geometry.crop(voxels.box))
        own = context.carrier.to_receptor(outline, part, in_liver=focus.in_liver)
    there = None if own is None else lesion_uptake(context.volumes.pet, own, peak)
    sstr, why = _receptor_of(context, focus, own, there)
    if part is None:
        why = "the FDG scan is not aligned there"
    limit = context.liver.peak_limit
    fdg: Avidity = "positive"
    if limit is None or (focus.in_liver and uptake.peak <= limit):
        fdg, why = "unknown", why or "its FDG uptake is not above the upper limit of normal liver over 1 ml"
    normal = context.references["liver"].suv_mean
    ratios = (
        None if there is None else _over(there.peak, normal),
        _over(uptake.peak, context.liver.suv_mean),
    )
    answer = reading.answer(focus.label)
    where = middle if own is None else middle_lps_mm(own, context.volumes.pet.geometry)
    return NetpetLesion(
        name=f"F{focus.label}",
        region=focus.region,
        in_liver=focus.in_liver,
        state="unanswered" if answer is None else answer.answer,
        sstr_suv_max=None if there is None else there.maximum,
        sstr_suv_peak=None if there is None else there.peak,
        sstr_ratio_to_liver=ratios[0],
        fdg_suv_max=uptake.maximum,
        fdg_suv_peak=uptake.peak,
        fdg_ratio_to_liver=ratios[1],
        sstr=sstr,
        fdg=fdg,
        grade=grade_of_lesion(sstr, fdg, ratios, context.config.netpet.equal_ratio),
        fdg_foci=(focus.label,),
        why_unknown=why,
        why_physiological=focus.why_physiological,
        centroid_lps_mm=where,
        fdg_centroid_lps_mm=middle,
    )


def _receptor_of(
    context: _Context, focus: FdgFocus, own: VoxelSet | None, there: Uptake | None
) -> tuple[Avidity, str | None]:
    """Receptor uptake in the place of a focus, and why it is unknown."""
    if own is None or there is None:
        return "unknown", "it lies off the receptor scan"
    state = _sstr_state(there.peak, context, in_liver=focus.in_liver)
    if state != "negative":
        return state, None if state == "positive" else "normal liver could not be measured on the receptor scan"
    reach_mm = context.reach_mm(in_liver=focus.in_liver)
    wide = lesion_uptake(context.volumes.pet, grown(own, context.volumes.pet.geometry, reach_mm), context.config.peak)
    if _sstr_state(wide.peak, context, in_liver=focus.in_liver) == "negative":
        return "negative", None
    normal = context.references["liver"].suv_mean or 1.0
    return "unknown", f"receptor uptake of {wide.peak / normal:.1f} × liver lies within {reach_mm:g} mm of it"


# --- relative units --------------------------------------------------------------------------------------------------


def _without_unknown_suv(record: NetpetRecord, pet: Volume, fdg: Volume) -> NetpetRecord:
    """The record without numbers that are no SUV: those of a scan in relative units."""
    empty: dict[str, None] = {}
    if pet.quantity is Quantity.RELATIVE:
        empty |= dict.fromkeys(("sstr_suv_max", "sstr_suv_peak"))
    changes: dict[str, object] = {}
    if fdg.quantity is Quantity.RELATIVE:
        empty |= dict.fromkeys(("fdg_suv_max", "fdg_suv_peak"))
        names = ("suv_mean", "suv_sd", "suv_max", "peak_sd", "peak_limit")
        changes["liver"] = record.liver.model_copy(update=dict.fromkeys(names))
    if empty:
        changes["lesions"] = tuple(x.model_copy(update=empty) for x in record.lesions)
    return record.model_copy(update=changes)
