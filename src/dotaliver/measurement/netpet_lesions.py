"""Lesions of the scored study on the FDG PET: carried over, given the foci in their place, and measured on both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from dotaliver.image.volume import LabelMap
from dotaliver.measurement.lesions import largest_extent_mm
from dotaliver.measurement.netpet_comparison import Comparison, ratio, receptor_avidity
from dotaliver.measurement.netpet_grade import grade_of_lesion
from dotaliver.measurement.netpet_places import grown, middle_lps_mm
from dotaliver.measurement.uptake import Uptake, lesion_uptake
from dotaliver.records.body_record import BodyLesion, BodyRecord
from dotaliver.records.masks import MaskLayer, Segmentations
from dotaliver.records.measurements import Lesion
from dotaliver.records.netpet import Avidity, NetpetLesion, PatternState
from dotaliver.records.positions import VoxelSet

__all__ = ["CarriedLesion", "assign_foci", "carried_lesions", "lesion_on_both"]


@dataclass(frozen=True, eq=False)
class CarriedLesion:
    """A lesion of the scored study on the FDG PET; None where it could not be carried over, and why."""

    lesion: Lesion
    region: str
    in_liver: bool
    state: PatternState
    own: VoxelSet | None
    wide: VoxelSet | None
    why_not: str | None
    foci: list[int] = field(default_factory=list)


def carried_lesions(
    context: Comparison, segmentations: Segmentations, counted: Sequence[Lesion], body: BodyRecord | None
) -> Iterator[CarriedLesion]:
    """Lesions and open or confirmed candidates of the receptor scan, carried to the FDG PET."""
    layer = segmentations.lesions
    if layer is not None:
        boxes = dict(layer.labels.boxes())
        for lesion in counted:
            if lesion.tumour and lesion.in_liver is not None:
                region = "liver" if lesion.in_liver else "outside the liver"
                outline = _outline(layer, lesion.label, boxes)
                yield _carried(context, lesion, region, "counted", outline, layer.drawn_on == "ct")
    if body is None or segmentations.body is None:
        return
    mask = segmentations.body.mask
    boxes = dict(mask.labels.boxes())
    for found in body.lesions:
        if found.open or found.tumour:
            state: PatternState = "counted" if found.tumour else "unanswered"
            yield _carried(context, found, found.region, state, _outline(mask, found.label, boxes), on_ct=False)


def _outline(layer: MaskLayer, label: int, boxes: Mapping[int, tuple[slice, slice, slice]]) -> LabelMap:
    box = boxes[label]
    inside = (layer.labels.array[box] == label).astype(np.uint8)
    return LabelMap(inside, layer.labels.geometry.crop(box))


def _carried(
    context: Comparison, lesion: Lesion, region: str, state: PatternState, outline: LabelMap, on_ct: bool
) -> CarriedLesion:
    in_liver = bool(lesion.in_liver)
    carrier = context.carrier
    part = carrier.part_of(lesion.centroid_lps_mm, in_liver=in_liver)
    if part is None:
        why = "the FDG scan is not aligned there"
        return CarriedLesion(lesion, region, in_liver, state, None, None, why)
    if on_ct and in_liver and carrier.mismatch is not None:
        # To where the PET shows what was drawn where the CT does.
        outline = outline.placed(outline.geometry.moved(carrier.mismatch.shift_lps_mm))
    own = carrier.to_fdg(outline, part, in_liver=in_liver)
    if own is None:
        return CarriedLesion(lesion, region, in_liver, state, None, None, "it lies off the FDG scan")
    wide = grown(own, context.fdg.pet.geometry, context.reach_mm(in_liver=in_liver))
    return CarriedLesion(lesion, region, in_liver, state, own, wide, None)


def assign_foci(context: Comparison, places: list[CarriedLesion]) -> None:
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


def lesion_on_both(context: Comparison, each: CarriedLesion) -> NetpetLesion:
    """Uptake of a lesion on both scans, and the grade that it would have alone."""
    lesion = each.lesion
    sstr = receptor_avidity(lesion.suv_peak, context, in_liver=each.in_liver)
    uptake, fdg, why = _fdg_of(context, each)
    normal = context.references["liver"].suv_mean
    ratios = (ratio(lesion.suv_peak, normal), None if uptake is None else ratio(uptake.peak, context.liver.suv_mean))
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


def _fdg_of(context: Comparison, each: CarriedLesion) -> tuple[Uptake | None, Avidity, str | None]:
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
    context: Comparison, each: CarriedLesion, wide: VoxelSet, levels: tuple[float, float, float]
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


def _without_other_foci(context: Comparison, each: CarriedLesion, wide: VoxelSet, reach_mm: float) -> VoxelSet | None:
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
