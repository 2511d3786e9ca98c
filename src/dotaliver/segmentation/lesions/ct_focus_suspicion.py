"""How suspicious a place on CT is, and why it may be benign.

Rules on size, density and form come first. What they let through is judged by a sum of decision trees that were fitted
on lesions put into phantoms and real CTs; `ct_suspicion_trees.md` says how.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Literal

import numpy as np

from dotaliver.config.ct import CtFociConfig
from dotaliver.segmentation.lesions.ct_focus_border import border_signs
from dotaliver.segmentation.lesions.ct_focus_features import features_of
from dotaliver.segmentation.lesions.ct_focus_image import LiverImage
from dotaliver.segmentation.lesions.ct_focus_shape import Shape, continues_far, fissure_share
from dotaliver.segmentation.lesions.ct_focus_tube import is_piece_of_vessel
from dotaliver.segmentation.trees import Trees, logits, trees_from

__all__ = ["Opinion", "benign_reasons", "form_of", "opinion_on", "stored_trees", "suspicion_of"]

Opinion = Literal["candidate", "structure", "nothing"]
"""A lesion perhaps; fluid, a vessel, a fissure or the liver's border; or noise."""

# What a reader is told from these on: a border that is partly the liver's own, a rim of partial volume wide enough to
# hide water, and a form that is not round.
_AT_BORDER, _SMALL_MM, _ELONGATED = 0.1, 15.0, 1.6
_NEAR_WATER_HU = 45.0
# Limits of what enters the logistic function at the border, so that an extreme value decides nothing alone.
_FISSURE_RANGE, _MOST_LATERAL, _EXCESS_RANGE, _MOST_OF_MEAN = (0.02, 3.0), 2.0, (-0.5, 1.0), 1.5


def opinion_on(image: LiverImage, shape: Shape, config: CtFociConfig) -> Opinion:
    """Whether size, density and form may be those of a lesion, are those of something else, or of nothing at all."""
    wide = shape.diameter_mm > config.widest_vessel_mm
    fluid = shape.seed.sign < 0 and shape.inner_hu < config.water_hu
    branches = shape.runs_on_share > config.runs_on_share or shape.ways_out > 1
    if fluid or branches or _is_as_bright_as_blood(image, shape, config):
        return "structure"
    if _is_dark_at_border(shape, config):
        return _opinion_at_border(image, shape, config)
    if shape.border_share > (config.border_share if wide else config.small_border_share):
        return "structure"
    small = shape.diameter_mm < config.least_diameter_mm or shape.contrast_hu < config.least_contrast_hu
    uneven = shape.axis_ratio > config.longest_ratio or shape.fill < config.fill
    if small or uneven or form_of(image, shape, config) < config.least_form:
        return "nothing"
    if not wide and (continues_far(image, shape, config) or fissure_share(image, shape) > config.fissure_share):
        return "structure"
    return _by_vessel_and_suspicion(image, shape, config)


def _by_vessel_and_suspicion(image: LiverImage, shape: Shape, config: CtFociConfig) -> Opinion:
    """The same of a place that all other rules let through."""
    if is_piece_of_vessel(image, shape, config):
        return "structure"
    least = config.least_suspicion if shape.seed.sign < 0 else config.least_suspicion_bright
    return "candidate" if suspicion_of(image, shape, config) >= least else "nothing"


def suspicion_of(image: LiverImage, shape: Shape, config: CtFociConfig) -> float:
    """0 to 1, by the stored trees. It sorts candidates and is no probability of a patient's lesion.

    Parameters
    ----------
    image : LiverImage
        The liver on the search grid, or a part of it in which the place was looked at.
    shape : Shape
        The place.
    config : CtFociConfig
        The layer at the liver's border that is not searched.
    """
    odds = logits(stored_trees(), features_of(image, shape, config)[None])[0]
    return float(1.0 / (1.0 + np.exp(-odds)))


@cache
def stored_trees() -> Trees:
    """The trees that come with the package."""
    path = files("dotaliver.segmentation.lesions") / "ct_suspicion_trees.npz"
    with path.open("rb") as file, np.load(file) as stored:
        return trees_from(stored, "suspicion")


def _is_dark_at_border(shape: Shape, config: CtFociConfig) -> bool:
    return shape.seed.sign < 0 and shape.border_share > config.cut_share


def _opinion_at_border(image: LiverImage, shape: Shape, config: CtFociConfig) -> Opinion:
    """The same of a dark place that the liver's border cuts off: it may be flatter, and lie beside fat."""
    flat = shape.diameter_mm > config.widest_rim_mm and shape.axis_ratio > config.longest_rim_ratio
    if shape.border_share > config.most_cut_share or flat:
        return "structure"
    small = shape.diameter_mm < config.least_cut_diameter_mm or shape.contrast_hu < config.least_cut_contrast_hu
    uneven = shape.axis_ratio > config.longest_cut_ratio or shape.fill < config.cut_fill
    if small or uneven or form_of(image, shape, config) < config.least_form:
        return "nothing"
    wide = shape.diameter_mm > config.widest_vessel_mm
    if not wide and (continues_far(image, shape, config) or fissure_share(image, shape) > config.cut_fissure_share):
        return "structure"
    return _by_vessel_and_suspicion(image, shape, config)


def _is_as_bright_as_blood(image: LiverImage, shape: Shape, config: CtFociConfig) -> bool:
    """Whether a bright place is one of the liver's enhanced vessels by its density."""
    if shape.seed.sign < 0 or image.blood_hu < config.enhanced_blood_hu:
        return False
    return shape.peak_hu > config.blood_share * image.blood_hu


def form_of(image: LiverImage, shape: Shape, config: CtFociConfig) -> float:
    """0 to 1: a logistic function of form and contrast, fitted on lesions put into phantoms; a rule among others."""
    vessels = shape.seed.sign > 0 and image.blood_hu > config.bright_vessels_hu
    weights = config.suspicion_bright if vessels else config.suspicion_dark
    values = _form(shape)
    if _is_dark_at_border(shape, config):
        weights = config.suspicion_at_border
        values = (*values, *_at_border(image, shape, config))
    return float(1.0 / (1.0 + np.exp(-sum(w * v for w, v in zip(weights, values, strict=True)))))


def _form(shape: Shape) -> tuple[float, ...]:
    """What is measured at every place."""
    return (
        1.0,
        float(np.log(shape.seed.sds)),
        float(np.log(shape.contrast_hu)),
        float(np.log(shape.diameter_mm)),
        shape.axis_ratio,
        shape.fill,
        shape.unevenness,
        shape.border_share,
        float(shape.ways_out),
    )


def _at_border(image: LiverImage, shape: Shape, config: CtFociConfig) -> tuple[float, ...]:
    """What is measured at the border besides: contrast to liver as deep, excess of the outer half, fat, depth."""
    signs = border_signs(image, shape, config.edge_mm)
    mean = max(signs.mean_hu, 1.0)
    return (
        float(np.clip(signs.lateral_hu / max(shape.contrast_hu, 1.0), 0.0, _MOST_LATERAL)),
        float(np.clip(signs.outer_excess_hu / mean, *_EXCESS_RANGE)),
        float(np.clip(signs.lateral_hu / mean, 0.0, _MOST_OF_MEAN)),
        float(np.log(_FISSURE_RANGE[0] + min(fissure_share(image, shape), _FISSURE_RANGE[1]))),
        signs.searched_depth_mm / max(shape.diameter_mm, 1.0),
    )


def benign_reasons(shape: Shape, config: CtFociConfig) -> tuple[str, ...]:
    """Why it may be benign, in words for the reader."""
    reasons = []
    dark = shape.seed.sign < 0
    if not dark:
        reasons.append("brighter than liver, as haemangiomas, shunts and spared fat may be")
    elif shape.inner_hu < _NEAR_WATER_HU and shape.diameter_mm < _SMALL_MM and shape.contrast_hu > config.water_hu:
        reasons.append("small and near the density of water, as cysts are")
    if shape.border_share > _AT_BORDER:
        reasons.append("at the liver's border, where partial volume, fissures and focal fat look alike")
    if shape.ways_out > 0:
        reasons.append("continues on one side, as a vessel would")
    if shape.axis_ratio > _ELONGATED:
        reasons.append("elongated")
    return tuple(reasons)
