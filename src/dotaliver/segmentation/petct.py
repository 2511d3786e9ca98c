"""The built-in segmenter: the liver from CT and PET together, or from the PET alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dotaliver.config.scoring import ScoringConfig
from dotaliver.image.volume import LabelMap, Quantity, Volume
from dotaliver.records.flags import Flag, raise_flag
from dotaliver.records.masks import MaskLayer, Segmentations
from dotaliver.records.study import StudyVolumes
from dotaliver.segmentation.coarse import coarse_of
from dotaliver.segmentation.liver.core import find_core
from dotaliver.segmentation.liver.mismatch import estimate_mismatch, mismatch_of_outline
from dotaliver.segmentation.liver.outline import outline_on_ct, outline_on_grid
from dotaliver.segmentation.liver.probability import liver_probability
from dotaliver.segmentation.organs.surroundings import survey

__all__ = ["segment"]

_NAME = "petct"
# A smaller shift moves the outline by less than its border's uncertainty.
_LEAST_SHIFT_MM = 2.0


def segment(volumes: StudyVolumes, config: ScoringConfig) -> Segmentations:
    """Outline the liver; lesions and reference regions are left to the steps that follow every segmenter.

    Parameters
    ----------
    volumes : StudyVolumes
        PET in uptake, CT in HU or None.
    config : ScoringConfig
        ``config.liver`` is used.

    Returns
    -------
    Segmentations
        With ``liver`` on the CT's grid (on the PET's without a CT), or None and the reason.
    """
    pet, ct = volumes.pet, volumes.ct
    images = coarse_of(volumes, config.liver.coarse_mm)
    around = survey(images)
    core = find_core(images, around, config.liver)
    if core is None:
        return _not_found("no broad warm organ lies on the right of the body")
    abdomen = images.near(core.seed[0])
    if abdomen is not images:
        # In a whole-body study, the steps that follow use only the part around the liver.
        first = round(float(images.geometry.lps_to_index(abdomen.geometry.origin_lps_mm)[0]))
        core = replace(core, seed=(core.seed[0] - first, *core.seed[1:]))
        images, around = abdomen, survey(abdomen)
    mismatch = estimate_mismatch(images, around, config.liver.warm_share * core.normal.uptake)
    uptake = images.uptake if mismatch is None else images.uptake_moved(mismatch.shift_lps_mm)
    probability, kidneys = liver_probability(images, around, core, uptake, config.liver)
    if mismatch is None:
        # No dome is seen, so the first outline tells the shift, and the second one is drawn at the right place.
        mismatch = mismatch_of_outline(images, probability > 0.5, kidneys, core.normal.uptake)
        if mismatch is not None and abs(mismatch.shift_lps_mm[2]) >= _LEAST_SHIFT_MM:
            uptake = images.uptake_moved(mismatch.shift_lps_mm)
            probability, kidneys = liver_probability(images, around, core, uptake, config.liver, kidneys)
    likely = Volume(probability, images.geometry, Quantity.PROBABILITY)
    if ct is not None and core.normal.hu is not None:
        grid = ct.geometry
        mask = outline_on_ct(ct, likely, core.normal.hu, config.liver)
    else:
        grid = pet.geometry
        mask = outline_on_grid(likely, grid)
    labels = LabelMap(mask, grid)
    volume_ml = labels.volume_ml()
    if not config.liver.minimum_ml <= volume_ml <= config.liver.maximum_ml:
        return _not_found(f"the organ found measures {volume_ml:.0f} ml, which no liver does")
    liver = MaskLayer(
        labels,
        "pet" if ct is None else "ct",
        _NAME,
        config.liver.border_uncertainty_pet_mm if ct is None else config.liver.border_uncertainty_ct_mm,
    )
    neighbours = {}
    if kidneys.any():
        position = "pet" if ct is None else "ct"
        layer = LabelMap(kidneys.astype(np.uint8), images.geometry)
        neighbours["kidneys"] = MaskLayer(layer, position, _NAME, images.spacing_mm)  # type: ignore[arg-type]
    flags: list[Flag] = [] if ct is not None else [raise_flag("LIVER_FROM_PET_ALONE")]
    return Segmentations(
        segmenter=_NAME, liver=liver, lesions=None, neighbours=neighbours, mismatch=mismatch, flags=tuple(flags)
    )


def _not_found(reason: str) -> Segmentations:
    return Segmentations(
        segmenter=_NAME,
        liver=None,
        lesions=None,
        reasons={"liver": reason},
        flags=(raise_flag("LIVER_NOT_FOUND", reason=reason),),
    )
