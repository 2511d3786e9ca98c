"""Masks that others made, checked once where they enter.

A liver mask is compared with what livers measure and where they lie, with density and uptake; a lesion mask with the
body and the liver. What the images contradict is refused in one sentence. Our own segmenter's masks are not checked: it
looks for what is asked for here.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dotaliver.config.scoring import ScoringConfig
from dotaliver.errors import MaskError
from dotaliver.image.distance import distance_inside_mm
from dotaliver.image.geometry import FloatArray
from dotaliver.image.itk import resample_labels
from dotaliver.image.volume import BoolArray, LabelMap
from dotaliver.records.masks import MaskLayer, Segmentations
from dotaliver.records.positions import in_position_of
from dotaliver.records.study import StudyVolumes
from dotaliver.segmentation.coarse import CoarseImages, coarse_of
from dotaliver.segmentation.liver.parenchyma import background_uptake
from dotaliver.segmentation.organs.surroundings import Surroundings, survey

__all__ = ["OWN_ORIGIN", "require_plausible_masks"]

OWN_ORIGIN = "petct"
"""Origin of the masks that this package found itself."""
# Places of a lesion that are looked up in the body.
_MOST_PROBES = 4000


def require_plausible_masks(volumes: StudyVolumes, found: Segmentations, config: ScoringConfig) -> None:
    """Refuse imported or painted masks that the images contradict.

    Parameters
    ----------
    volumes : StudyVolumes
        The images.
    found : Segmentations
        With a liver, imported or found, and lesions as they were imported; masks of our own are not looked at.
    config : ScoringConfig
        ``config.masks`` holds the limits.

    Raises
    ------
    MaskError
        With what is wrong with the mask, and what would mend it.
    """
    liver, lesions = found.liver, found.lesions
    if _is_own(liver) and _is_own(lesions):
        return
    images = coarse_of(volumes, config.liver.coarse_mm)
    around = survey(images)
    if liver is not None and not _is_own(liver):
        for problem in _about_liver(liver, images, around, config):
            remedy = "give a mask of the whole liver, or leave it out and it is looked for"
            msg = f"the liver mask ({liver.origin}) {problem}; {remedy}"
            raise MaskError(msg)
    if lesions is not None and not _is_own(lesions):
        for problem in _about_lesions(lesions, found, images, around, config):
            msg = f"the lesion mask ({lesions.origin}) {problem}; give the outlines of the lesions alone"
            raise MaskError(msg)


def _is_own(layer: MaskLayer | None) -> bool:
    return layer is None or layer.origin == OWN_ORIGIN


def _about_liver(layer: MaskLayer, images: CoarseImages, around: Surroundings, config: ScoringConfig) -> Iterator[str]:
    limits, volume_ml = config.masks, layer.labels.volume_ml()
    if volume_ml < limits.liver_minimum_ml:
        yield f"measures {volume_ml:.2g} ml, too little for a liver"
        return
    if volume_ml > config.liver.maximum_ml:
        yield f"measures {volume_ml:.0f} ml, more than any liver"
        return
    mask = resample_labels(layer.labels, images.geometry).mask
    held = _on_pet(mask, images)
    if np.count_nonzero(held) * images.voxel_ml < limits.liver_least_on_pet * volume_ml:
        yield "lies outside the PET"
        return
    inside = _share(around.body, mask)
    if inside < limits.liver_least_in_body:
        yield f"lies to {100 * (1 - inside):.0f} % outside the body"
        return
    if images.hu is not None:
        low, high = limits.liver_hu.low, limits.liver_hu.high
        soft = _share((images.hu > low) & (images.hu < high), mask)
        if soft < limits.liver_least_soft:
            yield f"lies to {100 * (1 - soft):.0f} % in air, fat or bone on the CT"
            return
    columns = np.nonzero(mask)[2]
    lateral_mm = float(around.lateral_mm[columns].mean())
    if lateral_mm > limits.liver_most_left_mm:
        yield f"lies on the patient's left, {lateral_mm:.0f} mm from the midline"
        return
    level = limits.liver_warm_ratio * background_uptake(images)
    warm = _share(images.uptake > level, held)
    if warm < limits.liver_least_warm:
        yield f"takes up no more than soft tissue in {100 * (1 - warm):.0f} % of its volume on the PET"


def _about_lesions(
    layer: MaskLayer, found: Segmentations, images: CoarseImages, around: Surroundings, config: ScoringConfig
) -> Iterator[str]:
    limits = config.masks
    largest_ml = min(config.liver.maximum_ml, limits.lesion_most_of_body * float(around.body.sum()) * images.voxel_ml)
    for label, _ in layer.labels.boxes():
        volume_ml = layer.labels.volume_ml(label)
        if volume_ml > largest_ml:
            yield f"holds {volume_ml:.0f} ml as lesion {label}, more than any lesion"
        elif _in_body(layer, label, images, around) < limits.lesion_least_in_body:
            yield f"has lesion {label} mostly outside the body"
    if found.liver is not None:
        covered = _covered_core(
            found.liver, in_position_of(found.liver.drawn_on, layer, found.mismatch), images, config
        )
        if covered > limits.lesions_most_of_core:
            yield f"covers {100 * covered:.0f} % of the liver's interior: it is the liver, not its lesions"


def _covered_core(liver: MaskLayer, lesions: LabelMap, images: CoarseImages, config: ScoringConfig) -> float:
    """Share of the liver's interior that the lesions cover: two outlines of one liver differ at its border."""
    mask = resample_labels(liver.labels, images.geometry).mask
    depth_mm = distance_inside_mm(mask, images.geometry.spacing_mm)
    interior = depth_mm > config.masks.core_depth_mm
    return _share(resample_labels(lesions, images.geometry).mask, interior)


def _share(part: BoolArray, whole: BoolArray) -> float:
    """Share of a mask that another covers, 0 to 1; 0 where the mask is empty."""
    count = int(np.count_nonzero(whole))
    return int(np.count_nonzero(part & whole)) / count if count else 0.0


def _on_pet(mask: BoolArray, images: CoarseImages) -> BoolArray:
    """The part of a mask that lies on the PET."""
    index = np.argwhere(mask)
    held = np.zeros_like(mask)
    if index.size:
        there = index[images.pet.geometry.contains(images.geometry.index_to_lps(index))]
        held[tuple(there.T)] = True
    return held


def _in_body(layer: MaskLayer, label: int, images: CoarseImages, around: Surroundings) -> float:
    """Share of a lesion's voxels that lie in the body, or beyond the part of it that the coarse images show."""
    box = dict(layer.labels.boxes())[label]
    index = np.argwhere(layer.labels.array[box] == label)
    index = index[:: max(len(index) // _MOST_PROBES, 1)]
    places: FloatArray = layer.labels.geometry.crop(box).index_to_lps(index)
    voxels = np.rint(images.geometry.lps_to_index(places)).astype(int)
    shown = ((voxels >= 0) & (voxels < np.asarray(images.geometry.shape))).all(axis=1)
    in_body = np.ones(len(voxels), dtype=bool)
    in_body[shown] = around.body[tuple(voxels[shown].T)]
    return float(in_body.mean())
