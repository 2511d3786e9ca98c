"""The steps after the lesions: spleen and blood pool, focal lesions on CT, and the plane between the lobes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dotaliver.config.scoring import ScoringConfig
from dotaliver.image.itk import resample_labels
from dotaliver.image.volume import BoolArray, Quantity
from dotaliver.records.masks import CtSearch, LobePlane, MaskLayer, ReferenceRegion, Segmentations
from dotaliver.records.positions import in_position_of, own_labels, shift_between
from dotaliver.records.study import StudyVolumes
from dotaliver.segmentation.coarse import CoarseImages, coarse_of
from dotaliver.segmentation.lesions.ct_foci import find_ct_foci
from dotaliver.segmentation.lesions.ct_phases import find_on_second_ct, merge_phases
from dotaliver.segmentation.lesions_and_reference import images_around, normal_liver_within
from dotaliver.segmentation.organs.blood_pool import find_blood_pool
from dotaliver.segmentation.organs.lobes import find_lobe_plane
from dotaliver.segmentation.organs.spleen import find_spleen_reference
from dotaliver.segmentation.organs.surroundings import Surroundings, survey
from dotaliver.segmentation.recist_ct import pose_of_recist_ct
from dotaliver.system.recent import Recent

__all__ = ["with_other_organs"]

_NAME = "petct"


def with_other_organs(volumes: StudyVolumes, found: Segmentations, config: ScoringConfig) -> Segmentations:
    """Add the references of spleen and blood pool, focal lesions on CT, and the plane between the lobes.

    Parameters
    ----------
    volumes : StudyVolumes
        The images.
    found : Segmentations
        With liver and lesions where they were found; what is there already is kept.
    config : ScoringConfig
        All of it.
    """
    images = images_around(coarse_of(volumes, config.liver.coarse_mm), found)
    around = survey(images)
    found = _with_references(volumes, found, (images, around), config)
    if found.liver is not None and volumes.ct is not None and found.ct_search is None:
        found = _with_ct_foci(volumes, found, config)
    if found.liver is not None and found.lobes is None:
        plane = find_lobe_plane(images, around, _liver_on(found, images), config.lobes)
        if isinstance(plane, LobePlane):
            found = replace(found, lobes=plane)
        else:
            found = replace(found, reasons={**found.reasons, "lobes": plane})
    return found


def _with_references(
    volumes: StudyVolumes,
    found: Segmentations,
    coarse: tuple[CoarseImages, Surroundings],
    config: ScoringConfig,
) -> Segmentations:
    missing = [organ for organ in ("spleen", "blood_pool") if found.reference(organ) is None]
    if not missing:
        return found
    images, around = coarse
    regions = list(found.references)
    if "spleen" in missing:
        if found.liver is None:
            reason = "the liver was not found, and the spleen is recognised by its higher uptake"
            regions.append(ReferenceRegion("spleen", "none", reason=reason))
        else:
            shift = shift_between("ct", "pet", found.mismatch)
            liver = _liver_on(found, images)
            liver_uptake = normal_liver_within(images, found, config).uptake
            regions.append(find_spleen_reference(images, around, liver, liver_uptake, shift, config.spleen))
    if "blood_pool" in missing:
        if volumes.ct is None:
            reason = "there is no CT to find the aorta on"
            regions.append(ReferenceRegion("blood_pool", "none", reason=reason))
        else:
            # Of the liver it depends on its height alone.
            key = ("blood pool", images.geometry, config.blood_pool.model_dump_json())
            scan = (volumes.ct, volumes.pet)
            regions.append(volumes.recent.of(key, lambda: find_blood_pool(*scan, images, around, config.blood_pool)))
    return replace(found, references=tuple(regions))


def _liver_on(found: Segmentations, images: CoarseImages) -> BoolArray:
    if found.liver is None:
        return np.zeros(images.geometry.shape, dtype=bool)
    return resample_labels(in_position_of("ct", found.liver, found.mismatch), images.geometry).mask


def _with_ct_foci(volumes: StudyVolumes, found: Segmentations, config: ScoringConfig) -> Segmentations:
    if volumes.ct is None or found.liver is None:
        return found
    liver = in_position_of("ct", found.liver, found.mismatch)
    avid = None
    if found.lesions is not None and own_labels(found.lesions.labels) is not None:
        avid = in_position_of("ct", found.lesions, found.mismatch)
    # A stroke changes the box of the liver rarely, and each box is as large as the liver
    recent = volumes.recent.of("densities for the search on CT", lambda: Recent(1))
    labels, search = find_ct_foci(volumes.ct, liver, avid, config.ct_foci, recent)
    second = volumes.recist_image
    if second is not None and second.quantity is Quantity.HU:
        masks = (resample_labels(liver, volumes.ct.geometry), avid)
        pose = pose_of_recist_ct(volumes, masks[0])
        on_second = find_on_second_ct(second, masks, pose, config.ct_foci)
        labels, search = merge_phases((labels, search), on_second, config.ct_foci)
    layer = MaskLayer(labels, "ct", _NAME, config.ct_foci.border_uncertainty_mm)
    return replace(found, ct_foci=layer, ct_search=_rounded(search))


def _rounded(search: CtSearch) -> CtSearch:
    """Round densities to 0.1 HU: a CT is no more precise."""
    numbers = ("liver_hu", "noise_hu", "visible_contrast_hu")
    values = {name: getattr(search, name) for name in numbers}
    return search.model_copy(update={k: None if v is None else round(v, 1) for k, v in values.items()})
