"""The steps after every segmenter: mismatch, lesions, liver reference, and flags about the liver mask."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from dotaliver.config.scoring import ScoringConfig
from dotaliver.config.segmentation import LiverConfig
from dotaliver.image.distance import distance_inside_mm
from dotaliver.image.filters import FWHM_PER_SIGMA, gaussian
from dotaliver.image.geometry import Box, Geometry, Vector
from dotaliver.image.itk import resample_labels
from dotaliver.image.volume import BoolArray, LabelMap, Volume
from dotaliver.records.flags import Flag, raise_flag
from dotaliver.records.masks import MaskLayer, Mismatch, ReferenceRegion, Segmentations
from dotaliver.records.positions import Share, in_position_of, own_labels, share_on, shift_between
from dotaliver.records.study import StudyVolumes
from dotaliver.segmentation.coarse import CoarseImages, coarse_of
from dotaliver.segmentation.lesions.kidney_cortex import without_kidney_cortex
from dotaliver.segmentation.lesions.pet_lesions import find_foci, find_lesions
from dotaliver.segmentation.liver.mismatch import estimate_mismatch, mismatch_of_outline
from dotaliver.segmentation.liver.parenchyma import (
    NormalLiver,
    Parenchyma,
    background_uptake,
    measure_parenchyma,
    normal_liver,
)
from dotaliver.segmentation.liver.reference import find_liver_reference
from dotaliver.segmentation.organs.surroundings import survey

__all__ = ["add_lesions_and_reference", "images_around", "liver_share", "normal_liver_within"]

_NAME = "petct"
# Flags raised here: replaced when stored masks are completed again.
_OWN_FLAGS = frozenset(
    {
        "LIVER_CUT_BY_FIELD_OF_VIEW",
        "PET_CT_MISMATCH",
        "PET_CT_MISMATCH_UNKNOWN",
        "LESIONS_NOT_BOUND_BY_LIVER",
        "NORMAL_LIVER_MAY_BE_HIGHER",
        "NORMAL_LIVER_UNSURE",
    }
)


def add_lesions_and_reference(volumes: StudyVolumes, found: Segmentations, config: ScoringConfig) -> Segmentations:
    """Add mismatch, lesions and liver reference that a segmenter or an import left out.

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
    images = images_around(coarse_of(volumes, config.liver.coarse_mm), found)
    if found.mismatch is None and _any_on_ct(found):
        found = replace(found, mismatch=_mismatch(images, found, config))
    share = liver_share(volumes.pet, found, config)
    if share is None:
        reason = "it lies outside the PET"
        flag = raise_flag("LIVER_NOT_FOUND", reason=reason)
        lost = replace(found, liver=None, reasons={**found.reasons, "liver": reason}, flags=(*found.flags, flag))
        return _without_liver(volumes, lost, config)
    pet = volumes.pet.crop(share.box)
    normal = normal_liver_within(images, found, config)
    expected = normal.uptake
    if found.lesions is None:
        kidneys = _kidneys_within(found, pet.geometry)
        in_liver = np.where(kidneys, np.float32(0.0), share.part)
        labels, parenchyma = find_lesions(pet, in_liver, expected, config.lesions)
        labels = without_kidney_cortex(labels, pet, kidneys, parenchyma, config.lesions)
        layer = _on_whole(LabelMap(labels, pet.geometry), share.box, volumes.pet.geometry)
        found = replace(found, lesions=MaskLayer(layer, "pet", _NAME, config.lesions.border_uncertainty_mm, "searched"))
    else:
        parenchyma = _parenchyma(pet, share, expected, config)
    if found.reference("liver") is None:
        lesions = _lesions_within(found, pet.geometry)
        region = find_liver_reference(pet, share.part, lesions, parenchyma, config.reference)
        if region.region is not None:
            region = replace(region, region=_on_whole(region.region, share.box, volumes.pet.geometry))
        found = replace(found, references=(*found.references, region))
    kept = (flag for flag in found.flags if flag.code not in _OWN_FLAGS)
    return replace(found, flags=(*kept, *_liver_flags(volumes, found, config), *_doubts_about_normal(normal, config)))


def _doubts_about_normal(normal: NormalLiver, config: ScoringConfig) -> Iterator[Flag]:
    """Why the normal liver may be another part of the liver than the one that was taken."""
    if normal.lower_share > config.liver.lower_share_limit:
        yield raise_flag("NORMAL_LIVER_UNSURE", percent=100 * normal.lower_share)
    plateau = normal.plateau
    if plateau is not None and plateau.higher is not None:
        yield raise_flag(
            "NORMAL_LIVER_MAY_BE_HIGHER",
            ml=plateau.volume_ml,
            higher_ml=plateau.higher.volume_ml,
            ratio=plateau.higher.ratio,
        )


def images_around(images: CoarseImages, found: Segmentations) -> CoarseImages:
    """The coarse images around the liver, or all of them without a liver."""
    used = None if found.liver is None else found.liver.labels.used
    if found.liver is None or used is None:
        return images
    middle = found.liver.labels.geometry.crop(used).centre_lps_mm
    height = round(float(images.geometry.lps_to_index(middle)[0]))
    return images.near(min(max(height, 0), images.geometry.shape[0] - 1))


def liver_share(pet: Volume, found: Segmentations, config: ScoringConfig) -> Share | None:
    """Fraction of each PET voxel inside the liver, in a box with room to follow basins beyond its border."""
    whole = None if found.liver is None else own_labels(found.liver.labels)
    if whole is None or found.liver is None:
        return None
    return share_on(
        whole, pet.geometry, shift_between(found.liver.drawn_on, "pet", found.mismatch), config.lesions.halo_mm
    )


def _on_whole(labels: LabelMap, box: Box, grid: Geometry) -> LabelMap:
    """Labels of a box on the whole grid."""
    array = np.zeros(grid.shape, dtype=labels.array.dtype)
    array[box] = labels.array
    return LabelMap(array, grid)


def _kidneys_within(found: Segmentations, grid: Geometry) -> BoolArray:
    """Mask of the kidneys on a part of the PET's grid: where the liver's outline covers them, they are no lesion."""
    if "kidneys" not in found.neighbours:
        return np.zeros(grid.shape, dtype=bool)
    return resample_labels(in_position_of("pet", found.neighbours["kidneys"], found.mismatch), grid).mask


def _lesions_within(found: Segmentations, grid: Geometry) -> BoolArray:
    """Mask of all lesions on a part of the PET's grid."""
    if found.lesions is None:
        return np.zeros(grid.shape, dtype=bool)
    return resample_labels(in_position_of("pet", found.lesions, found.mismatch), grid).mask


def _mismatch(images: CoarseImages, found: Segmentations, config: ScoringConfig) -> Mismatch | None:
    if images.hu is None or found.liver is None:
        return None
    liver = resample_labels(found.liver.labels, images.geometry).mask
    if not liver.any():
        return None
    typical = float(np.median(images.uptake[liver]))
    by_dome = estimate_mismatch(images, survey(images), config.liver.warm_share * typical)
    return by_dome or mismatch_of_outline(images, liver, np.zeros_like(liver), typical)


def normal_liver_within(images: CoarseImages, found: Segmentations, config: ScoringConfig) -> NormalLiver:
    """Uptake of normal liver, measured inside the liver mask on the coarse grid."""
    if found.liver is None:
        return NormalLiver(background_uptake(images), None, None)
    shift = shift_between(found.liver.drawn_on, "pet", found.mismatch)
    depth_mm = config.lesions.parenchyma_depth_mm
    return found.liver.labels.once(_normal_liver_within, images, shift, depth_mm, config.liver)


def _normal_liver_within(
    labels: LabelMap, images: CoarseImages, shift: Vector, depth_mm: float, config: LiverConfig
) -> NormalLiver:
    background = background_uptake(images)
    uptake = images.uptake if shift == (0.0, 0.0, 0.0) else images.uptake_moved(shift)
    liver = resample_labels(labels, images.geometry).mask
    inside = distance_inside_mm(liver, images.geometry.spacing_mm, within_mm=depth_mm) > depth_mm
    region = inside if inside.any() else liver
    if not region.any():
        return NormalLiver(background, None, None)
    return normal_liver(images, uptake, region, background, config)


def _parenchyma(pet: Volume, share: Share, expected: float, config: ScoringConfig) -> Parenchyma:
    depth = distance_inside_mm(share.inside, pet.geometry.spacing_mm)
    smooth = gaussian(pet.array, config.lesions.smooth_fwhm_mm / FWHM_PER_SIGMA, pet.geometry)
    return measure_parenchyma(smooth, depth > config.lesions.parenchyma_depth_mm, expected)


def _without_liver(volumes: StudyVolumes, found: Segmentations, config: ScoringConfig) -> Segmentations:
    reason = found.reasons.get("liver", "no liver was given")
    references = found.references
    if found.reference("liver") is None:
        references = (*references, ReferenceRegion("liver", "none", reason=f"the liver was not found: {reason}"))
    found = replace(found, references=references)
    if found.lesions is not None:
        return found
    pet = volumes.pet
    level = config.lesions.candidate_share * pet.max()
    # Foci may lie anywhere, so the whole PET is read.
    labels = LabelMap(find_foci(pet.loaded(), level, config.lesions), pet.geometry)
    layer = MaskLayer(labels, "pet", _NAME, config.lesions.border_uncertainty_mm, "searched")
    kept = (flag for flag in found.flags if flag.code not in _OWN_FLAGS)
    flags = (*kept, raise_flag("LESIONS_NOT_BOUND_BY_LIVER"))
    return replace(found, lesions=layer, flags=flags)


def _liver_flags(volumes: StudyVolumes, found: Segmentations, config: ScoringConfig) -> list[Flag]:
    flags: list[Flag] = []
    if found.liver is None:
        return flags
    cuts = _cut_flags(found.liver.labels, config)
    whole = own_labels(found.liver.labels)
    share = (
        None
        if whole is None
        else share_on(whole, volumes.pet.geometry, shift_between(found.liver.drawn_on, "pet", found.mismatch), 0.0)
    )
    if not cuts and share is not None:
        on_pet = _on_whole(LabelMap(share.inside, share.geometry), share.box, volumes.pet.geometry)
        cuts = _cut_flags(on_pet, config)
    flags.extend(cuts)
    if _any_on_ct(found) and volumes.ct is not None:
        if found.mismatch is None:
            flags.append(raise_flag("PET_CT_MISMATCH_UNKNOWN"))
        else:
            shift_mm = float(np.linalg.norm(found.mismatch.shift_lps_mm))
            if shift_mm > config.liver.mismatch_limit_mm:
                flags.append(raise_flag("PET_CT_MISMATCH", mm=shift_mm))
    return flags


def _any_on_ct(found: Segmentations) -> bool:
    """Whether a mask was drawn on CT, so that its position on the PET depends on the mismatch."""
    return any(layer is not None and layer.drawn_on == "ct" for layer in (found.liver, found.lesions))


def _cut_flags(labels: LabelMap, config: ScoringConfig) -> list[Flag]:
    """Flags if the first or last slice cuts the liver over more than a small area."""
    axis, sense = labels.geometry.axis_towards((0.0, 0.0, 1.0))
    spacing = [s for a, s in enumerate(labels.geometry.spacing_mm) if a != axis]
    pixel_cm2 = spacing[0] * spacing[1] / 100.0
    flags = []
    for side, index in (("lower", 0 if sense > 0 else -1), ("upper", -1 if sense > 0 else 0)):
        area_cm2 = float(np.count_nonzero(labels.array.take(index, axis=axis))) * pixel_cm2
        if area_cm2 > config.liver.cut_area_cm2:
            flags.append(raise_flag("LIVER_CUT_BY_FIELD_OF_VIEW", side=side, area_cm2=area_cm2))
    return flags
