"""Focal liver lesions on CT: round places that are darker or brighter than the parenchyma around them.

Places are found at several sizes, each compared with the noise and texture of this CT at that size. Rays from the
middle of a place then tell lesions from vessels, fissures and the liver's border, and its density tells them from
fluid. How suspicious a place is, and why it may be benign, is stored with it. The search also reports what was
detectable: it puts lesions of known size and contrast into this CT and looks for them in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dotaliver.config.ct import CtFociConfig
from dotaliver.image.distance import distance_to_mm
from dotaliver.image.geometry import Box, Geometry, grow_box
from dotaliver.image.itk import resample_labels
from dotaliver.image.morphology import dilated
from dotaliver.image.sparse import sparse_zeros
from dotaliver.image.volume import LabelMap, Quantity, Volume
from dotaliver.records.masks import CtSearch, FocusFinding
from dotaliver.segmentation.coarse import Float32Array
from dotaliver.segmentation.lesions.ct_detectability import detectability_of
from dotaliver.segmentation.lesions.ct_focus_image import LiverImage, Scale, liver_image, scales_of
from dotaliver.segmentation.lesions.ct_focus_shape import (
    Seed,
    Shape,
    ray_directions,
    seeds_in,
    shape_of,
)
from dotaliver.segmentation.lesions.ct_focus_suspicion import benign_reasons, opinion_on, suspicion_of
from dotaliver.system.recent import Recent

__all__ = ["Found", "candidates_in", "find_ct_foci", "searched_box"]

_MARGIN_MM = 6.0
# What a place's margin reaches, in voxels of the search grid.
_MARGIN_VOXELS = 2
# Two foci may touch; more than this share of one inside the other is one focus.
_SHARED = 0.3


@dataclass(frozen=True, eq=False)
class Found:
    """One candidate on the search grid."""

    shape: Shape
    suspicion: float
    reasons: tuple[str, ...]
    """Why it may be benign."""

    def place(self) -> tuple[float, ...]:
        """Its middle, from the feet up."""
        return self.shape.centre


def find_ct_foci(
    ct: Volume, liver: LabelMap, avid: LabelMap | None, config: CtFociConfig, recent: Recent | None = None
) -> tuple[LabelMap, CtSearch]:
    """Look for focal lesions on CT.

    Parameters
    ----------
    ct : Volume
        In HU.
    liver : LabelMap
        The liver in the CT's position, not empty.
    avid : LabelMap, optional
        Lesions that the PET shows, in the CT's position: a focus that lies in one is not listed.
    config : CtFociConfig
        Sizes, limits and tolerances.
    recent : Recent, optional
        What was computed of this CT before.

    Returns
    -------
    labels : LabelMap
        On the CT's grid, numbered from ``config.first_label``, in the order of their places from the feet up.
    search : CtSearch
        What was found and what could be seen.
    """
    ct.require(Quantity.HU)
    whole = resample_labels(liver, ct.geometry)
    labels = sparse_zeros(ct.geometry.shape, np.uint16)
    if whole.used is None:
        return LabelMap(labels, ct.geometry), CtSearch(
            diameter_mm=config.reference_diameter_mm, reason="no liver on CT"
        )
    box = searched_box(whole.used, ct.geometry)
    image = liver_image(ct, box, whole.crop(box), avid, config, recent)
    if image is None:
        why = "too little of the liver is free of lesions"
        return LabelMap(labels, ct.geometry), CtSearch(diameter_mm=config.reference_diameter_mm, reason=why)
    scales = scales_of(image, config)
    found = candidates_in(image, scales, config)
    small = np.zeros(image.grid.shape, dtype=np.uint16)
    for number, one in enumerate(found):
        part = small[one.shape.box]
        part[one.shape.mask & (part == 0)] = config.first_label + number
    fine = resample_labels(LabelMap(small, image.grid), ct.geometry.crop(box))
    if fine.used is not None:
        labels[box][fine.used] = fine.array[fine.used]
    on_ct = LabelMap(labels, ct.geometry)
    findings = {config.first_label + number: _finding(one) for number, one in enumerate(found)}
    there = set(on_ct.labels)
    search = detectability_of(image, [scale for scale, _ in scales], config)
    return on_ct, search.model_copy(update={"foci": {n: f for n, f in findings.items() if n in there}})


def searched_box(liver: Box, grid: Geometry) -> Box:
    """The part of a CT's grid around the liver's box that is looked at: in it alone, the search finds the same."""
    return grow_box(liver, np.ceil(_MARGIN_MM / np.asarray(grid.spacing_mm)), grid.shape)


def candidates_in(
    image: LiverImage, scales: tuple[tuple[Scale, Float32Array], ...], config: CtFociConfig
) -> list[Found]:
    """Places that may be lesions, from the feet up; where two overlap, the one that stands out more."""
    seeds = [seed for scale, response in scales for seed in seeds_in(image, scale, response, config)]
    kept: list[Found] = []
    taken = {sign: np.zeros(image.grid.shape, dtype=bool) for sign in (-1, 1)}
    # Radius up to which nothing more is looked for at a place: what stood out there more was no lesion.
    dismissed = {sign: np.zeros(image.grid.shape, dtype=np.float32) for sign in (-1, 1)}
    for seed in sorted(seeds, key=_by_sds):
        own = taken[seed.sign]
        if own[seed.place] or dismissed[seed.sign][seed.place] >= seed.radius_mm:
            continue
        shape = shape_of(image, seed, config)
        if shape is None:
            continue
        opinion = opinion_on(image, shape, config)
        if opinion != "candidate" or _is_avid(shape, image.avid, image.grid, config):
            part = dismissed[seed.sign][shape.box]
            upto = seed.radius_mm if opinion == "nothing" else np.inf
            part[shape.mask] = np.maximum(part[shape.mask], np.float32(upto))
            continue
        there = own[shape.box]
        if np.count_nonzero(there & shape.mask) > _SHARED * np.count_nonzero(shape.mask):
            continue
        there |= shape.mask
        kept.append(Found(shape, suspicion_of(image, shape, config), benign_reasons(shape, config)))
    return sorted(kept, key=Found.place)


def _by_sds(seed: Seed) -> tuple[float, float, tuple[int, ...], int]:
    return -seed.sds, seed.radius_mm, seed.place, seed.sign


def _is_avid(shape: Shape, lesions: npt.NDArray[np.integer] | None, grid: Geometry, config: CtFociConfig) -> bool:
    """Whether a place belongs to a lesion that the PET shows: its cold core, its margin, or itself a little off.

    A lesion's place on the PET is known to within a few millimetres, so a place that nearly all lies so near to one
    lesion is that lesion. A lesion of 10 mm that touches it does not: about half of it lies further away.
    """
    if lesions is None:
        return False
    reach = [max(int(np.ceil(config.mismatch_mm / s)), _MARGIN_VOXELS) for s in grid.spacing_mm]
    wide = grow_box(shape.box, np.asarray(reach), grid.shape)
    near = lesions[wide]
    if not near.any():
        return False
    own = np.zeros(near.shape, dtype=bool)
    own[tuple(slice(b.start - w.start, b.stop - w.start) for b, w in zip(shape.box, wide, strict=True))] = shape.mask
    around = dilated(own, times=_MARGIN_VOXELS)
    if float((near[around] != 0).mean()) >= config.avid_share or _is_enclosed(shape, lesions, grid, config):
        return True
    return any(
        float((distance_to_mm(near == label, grid.spacing_mm)[own] <= config.mismatch_mm).mean())
        >= config.displaced_share
        for label in np.unique(near[near != 0])
    )


def _is_enclosed(shape: Shape, lesions: npt.NDArray[np.integer], grid: Geometry, config: CtFociConfig) -> bool:
    """Whether one avid lesion lies around a place in most directions: then the place is its core.

    A lesion that does not enclose the place lies on one side of it, and so in fewer than half of all directions.
    """
    reach = shape.ray_mm + config.mismatch_mm + max(grid.spacing_mm)
    steps = np.minimum(np.arange(1.0, float(reach.max()) + 1.0), reach[:, None])
    offsets = ray_directions()[:, None] * steps[:, :, None] / np.asarray(grid.spacing_mm)
    places = np.rint(np.asarray(shape.centre) + offsets).astype(np.intp)
    k, j, i = np.moveaxis(places.clip(0, np.asarray(grid.shape) - 1), -1, 0)
    met = lesions[k, j, i]
    return any(float((met == label).any(axis=1).mean()) >= config.enclosed_share for label in np.unique(met[met != 0]))


def _finding(found: Found) -> FocusFinding:
    shape = found.shape
    return FocusFinding(
        contrast_hu=round(shape.seed.sign * shape.contrast_hu, 1),
        noise_sds=round(shape.seed.sds, 1),
        suspicion=round(found.suspicion, 2),
        may_be=found.reasons,
    )
