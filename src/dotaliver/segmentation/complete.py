"""The steps that follow every segmenter: mismatch, lesions, reference regions, and doubt about the liver mask."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dotaliver.config import ScoringConfig
from dotaliver.flags import Flag, raise_flag
from dotaliver.itkimage import occupancy_on, resample_labels
from dotaliver.records import MaskLayer, Mismatch, ReferenceRegion, Segmentations, StudyVolumes
from dotaliver.segmentation.coarse import Float32Array, coarse_images, distance_inside_mm
from dotaliver.segmentation.lesions import Parenchyma, find_foci, find_lesions, measure_parenchyma
from dotaliver.segmentation.mismatch import estimate_mismatch
from dotaliver.segmentation.neighbours import survey
from dotaliver.segmentation.outline import gaussian
from dotaliver.segmentation.parenchyma import background_uptake, normal_liver
from dotaliver.segmentation.reference import find_liver_reference
from dotaliver.volume import BoolArray, LabelMap

__all__ = ["complete", "liver_on_pet"]

_NAME = "petct"
# Flags that are raised here; when stored masks are completed again they are not raised twice.
_OWN_FLAGS = frozenset(
    {"LIVER_CUT_BY_FIELD_OF_VIEW", "PET_CT_MISMATCH", "PET_CT_MISMATCH_UNKNOWN", "LESIONS_NOT_BOUND_BY_LIVER"}
)


def liver_on_pet(volumes: StudyVolumes, segmentations: Segmentations) -> Float32Array:
    """Share of each PET voxel inside the liver, at the liver's place on the PET; zeros where there is no liver."""
    layer = segmentations.liver
    if layer is None:
        return np.zeros(volumes.pet.array.shape, dtype=np.float32)
    labels = layer.labels
    if layer.drawn_on == "ct" and segmentations.mismatch is not None:
        labels = LabelMap(labels.array, labels.geometry.moved(segmentations.mismatch.shift_lps_mm))
    return occupancy_on(labels, volumes.pet.geometry)


def complete(volumes: StudyVolumes, found: Segmentations, config: ScoringConfig) -> Segmentations:
    """Add what a segmenter or an import left out.

    Parameters
    ----------
    volumes : StudyVolumes
        The images.
    found : Segmentations
        With a liver or without, with lesions or without.
    config : ScoringConfig
        All of it.

    Returns
    -------
    Segmentations
        With lesions (candidates where there is no liver), a liver reference or the reason for none, and flags.
    """
    if found.liver is None:
        return _without_liver(volumes, found, config)
    if found.mismatch is None and found.liver.drawn_on == "ct":
        found = replace(found, mismatch=_mismatch(volumes, found, config))
    occupancy = liver_on_pet(volumes, found)
    expected = _expected_uptake(volumes, found, config)
    if found.lesions is None:
        labels, parenchyma = find_lesions(volumes.pet, occupancy, expected, config.lesions)
        layer = LabelMap(labels, volumes.pet.geometry)
        found = replace(found, lesions=MaskLayer(layer, "pet", _NAME, config.lesions.border_uncertainty_mm))
    else:
        parenchyma = _parenchyma(volumes, occupancy, expected, config)
    if found.reference("liver") is None:
        lesions = _lesions_on_pet(volumes, found)
        region = find_liver_reference(volumes.pet, occupancy, lesions, parenchyma, config.reference)
        found = replace(found, references=(*found.references, region))
    kept = (flag for flag in found.flags if flag.code not in _OWN_FLAGS)
    return replace(found, flags=(*kept, *_liver_flags(volumes, found, config)))


def _lesions_on_pet(volumes: StudyVolumes, found: Segmentations) -> BoolArray:
    if found.lesions is None:
        return np.zeros(volumes.pet.array.shape, dtype=bool)
    labels = found.lesions.labels
    if found.lesions.drawn_on == "ct" and found.mismatch is not None:
        labels = LabelMap(labels.array, labels.geometry.moved(found.mismatch.shift_lps_mm))
    return resample_labels(labels, volumes.pet.geometry).mask


def _mismatch(volumes: StudyVolumes, found: Segmentations, config: ScoringConfig) -> Mismatch | None:
    images = coarse_images(volumes.pet, volumes.ct, config.liver.coarse_mm)
    if images.hu is None or found.liver is None:
        return None
    liver = resample_labels(found.liver.labels, images.geometry).mask
    if not liver.any():
        return None
    typical = float(np.median(images.uptake[liver]))
    return estimate_mismatch(images, survey(images), config.liver.warm_share * typical)


def _expected_uptake(volumes: StudyVolumes, found: Segmentations, config: ScoringConfig) -> float:
    """What normal liver takes up, read inside the liver mask on the coarse grid."""
    images = coarse_images(volumes.pet, volumes.ct, config.liver.coarse_mm)
    around = survey(images)
    assert found.liver is not None
    shift = found.mismatch.shift_lps_mm if found.mismatch is not None else (0.0, 0.0, 0.0)
    uptake = images.uptake_moved(shift) if found.liver.drawn_on == "ct" else images.uptake
    liver = resample_labels(found.liver.labels, images.geometry).mask
    inside = distance_inside_mm(liver, images.geometry.spacing_mm) > config.lesions.parenchyma_depth_mm
    region = inside if inside.any() else liver
    if not region.any():
        return background_uptake(images, around.soft)
    return normal_liver(images, uptake, region, background_uptake(images, around.soft), config.liver).uptake


def _parenchyma(volumes: StudyVolumes, occupancy: Float32Array, expected: float, config: ScoringConfig) -> Parenchyma:
    pet = volumes.pet
    depth = distance_inside_mm(occupancy >= 0.5, pet.geometry.spacing_mm)
    smooth = gaussian(pet.array, config.lesions.smooth_fwhm_mm / 2.3548, pet.geometry)
    return measure_parenchyma(smooth, depth > config.lesions.parenchyma_depth_mm, expected)


def _without_liver(volumes: StudyVolumes, found: Segmentations, config: ScoringConfig) -> Segmentations:
    reason = found.reasons.get("liver", "no liver was given")
    references = found.references
    if found.reference("liver") is None:
        references = (*references, ReferenceRegion("liver", "none", reason=f"the liver was not found: {reason}"))
    if found.lesions is not None:
        return replace(found, references=references)
    pet = volumes.pet
    level = config.lesions.candidate_share * float(pet.array.max())
    labels = LabelMap(find_foci(pet, level, config.lesions), pet.geometry)
    layer = MaskLayer(labels, "pet", _NAME, config.lesions.border_uncertainty_mm)
    kept = (flag for flag in found.flags if flag.code not in _OWN_FLAGS)
    flags = (*kept, raise_flag("LESIONS_NOT_BOUND_BY_LIVER"))
    return replace(found, lesions=layer, references=references, flags=flags)


def _liver_flags(volumes: StudyVolumes, found: Segmentations, config: ScoringConfig) -> list[Flag]:
    flags: list[Flag] = []
    if found.liver is None:
        return flags
    flags.extend(_cut_flags(found.liver.labels, config))
    if found.liver.drawn_on == "ct" and volumes.ct is not None:
        if found.mismatch is None:
            flags.append(raise_flag("PET_CT_MISMATCH_UNKNOWN"))
        else:
            shift_mm = float(np.linalg.norm(found.mismatch.shift_lps_mm))
            if shift_mm > config.liver.mismatch_limit_mm:
                flags.append(raise_flag("PET_CT_MISMATCH", mm=shift_mm))
    return flags


def _cut_flags(labels: LabelMap, config: ScoringConfig) -> list[Flag]:
    """Whether the liver reaches the first or last slice over more than a tip's area."""
    axis, sense = labels.geometry.axis_towards((0.0, 0.0, 1.0))
    spacing = [s for a, s in enumerate(labels.geometry.spacing_mm) if a != axis]
    pixel_cm2 = spacing[0] * spacing[1] / 100.0
    flags = []
    for side, index in (("lower", 0 if sense > 0 else -1), ("upper", -1 if sense > 0 else 0)):
        area_cm2 = float(labels.mask.take(index, axis=axis).sum()) * pixel_cm2
        if area_cm2 > config.liver.cut_area_cm2:
            flags.append(raise_flag("LIVER_CUT_BY_FIELD_OF_VIEW", side=side, area_cm2=area_cm2))
    return flags
