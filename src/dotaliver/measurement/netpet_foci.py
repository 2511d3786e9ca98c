"""Foci of the FDG scan that lie in no lesion's place, measured on both scans."""

from __future__ import annotations

import numpy as np

from dotaliver.image.volume import LabelMap
from dotaliver.measurement.netpet_comparison import Comparison, ratio, receptor_avidity
from dotaliver.measurement.netpet_grade import grade_of_lesion
from dotaliver.measurement.netpet_places import grown, middle_lps_mm
from dotaliver.measurement.uptake import Uptake, lesion_uptake
from dotaliver.records.edits import FdgReading
from dotaliver.records.fdg import FdgFocus
from dotaliver.records.netpet import Avidity, NetpetLesion
from dotaliver.records.positions import VoxelSet

__all__ = ["focus_on_both"]


def focus_on_both(context: Comparison, focus: FdgFocus, reading: FdgReading) -> NetpetLesion:
    """Uptake of a focus on both scans, and the grade that it would have alone."""
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
        None if there is None else ratio(there.peak, normal),
        ratio(uptake.peak, context.liver.suv_mean),
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
    context: Comparison, focus: FdgFocus, own: VoxelSet | None, there: Uptake | None
) -> tuple[Avidity, str | None]:
    """Receptor uptake in the place of a focus, and why it is unknown."""
    if own is None or there is None:
        return "unknown", "it lies off the receptor scan"
    state = receptor_avidity(there.peak, context, in_liver=focus.in_liver)
    if state != "negative":
        return state, None if state == "positive" else "normal liver could not be measured on the receptor scan"
    reach_mm = context.reach_mm(in_liver=focus.in_liver)
    wide = lesion_uptake(context.volumes.pet, grown(own, context.volumes.pet.geometry, reach_mm), context.config.peak)
    if receptor_avidity(wide.peak, context, in_liver=focus.in_liver) == "negative":
        return "negative", None
    normal = context.references["liver"].suv_mean or 1.0
    return "unknown", f"receptor uptake of {wide.peak / normal:.1f} × liver lies within {reach_mm:g} mm of it"
