"""The steps after the lesions: spleen and blood pool, focal lesions on CT, and the plane between the lobes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dotaliver.config.ct import CtFociConfig
from dotaliver.config.scoring import ScoringConfig
from dotaliver.image.geometry import Box, Geometry
from dotaliver.image.itk import resample_labels
from dotaliver.image.sparse import sparse_zeros
from dotaliver.image.volume import BoolArray, LabelMap, Quantity, Volume
from dotaliver.records.masks import CtSearch, LobePlane, MaskLayer, ReferenceRegion, Segmentations
from dotaliver.records.positions import in_position_of, own_labels, shift_between
from dotaliver.records.study import StudyVolumes
from dotaliver.segmentation.coarse import CoarseImages, coarse_of
from dotaliver.segmentation.lesions.ct_foci import find_ct_foci, searched_box
from dotaliver.segmentation.lesions.ct_phases import find_on_second_ct, merge_phases
from dotaliver.segmentation.lesions_and_reference import images_around, normal_liver_within
from dotaliver.segmentation.organs.blood_pool import find_blood_pool
from dotaliver.segmentation.organs.lobes import find_lobe_plane
from dotaliver.segmentation.organs.spleen import find_spleen_reference
from dotaliver.segmentation.organs.surroundings import Surroundings, survey
from dotaliver.segmentation.recist_ct import pose_of_recist_ct
from dotaliver.system.recent import Recent

__all__ = ["CtFociJob", "ct_foci_job", "with_ct_foci", "with_organs", "with_other_organs"]

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
    job = ct_foci_job(volumes, found, config)
    found = with_organs(volumes, found, config)
    return with_ct_foci(volumes, found, job, None if job is None else job.run(), config)


def with_organs(volumes: StudyVolumes, found: Segmentations, config: ScoringConfig) -> Segmentations:
    """Add the references of spleen and blood pool, and the plane between the lobes; arguments as above."""
    images = images_around(coarse_of(volumes, config.liver.coarse_mm), found)
    around = survey(images)
    found = _with_references(volumes, found, (images, around), config)
    if found.liver is not None and found.lobes is None:
        plane = find_lobe_plane(images, around, _liver_on(found, images), config.lobes)
        if isinstance(plane, LobePlane):
            found = replace(found, lobes=plane)
        else:
            found = replace(found, reasons={**found.reasons, "lobes": plane})
    return found


@dataclass(frozen=True, eq=False)
class CtFociJob:
    """What focal lesions on CT are looked for in: the part of the CT around the liver, and the masks there."""

    ct: Volume
    box: Box
    """The part of the CT's grid"""
    liver: LabelMap
    avid: LabelMap | None
    config: CtFociConfig
    recent: Recent

    def run(self) -> tuple[LabelMap, CtSearch]:
        """Look for them; their labels are on the grid of the part."""
        return find_ct_foci(self.ct, self.liver, self.avid, self.config, self.recent)


def ct_foci_job(volumes: StudyVolumes, found: Segmentations, config: ScoringConfig) -> CtFociJob | None:
    """The search for focal lesions on CT; None without liver or CT, and where it was searched before.

    Parameters
    ----------
    volumes : StudyVolumes
        The images.
    found : Segmentations
        With liver and lesions.
    config : ScoringConfig
        ``config.ct_foci``.
    """
    if volumes.ct is None or found.liver is None or found.ct_search is not None:
        return None
    grid = volumes.ct.geometry
    liver = resample_labels(in_position_of("ct", found.liver, found.mismatch), grid)
    # A liver that lies off the CT has no box there; one voxel is as good as any.
    box = searched_box(liver.used or (slice(0, 1), slice(0, 1), slice(0, 1)), grid)
    # A stroke changes the box of the liver rarely, and each box is as large as the liver
    recent = volumes.recent.of("densities for the search on CT", lambda: Recent(1))
    return CtFociJob(volumes.ct.part(box), box, liver.crop(box), _avid_on_ct(found), config.ct_foci, recent)


def _avid_on_ct(found: Segmentations) -> LabelMap | None:
    """Lesions that the PET shows, in the CT's position; None where there are none."""
    if found.lesions is None or own_labels(found.lesions.labels) is None:
        return None
    return in_position_of("ct", found.lesions, found.mismatch)


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


def with_ct_foci(
    volumes: StudyVolumes,
    found: Segmentations,
    job: CtFociJob | None,
    foci: tuple[LabelMap, CtSearch] | None,
    config: ScoringConfig,
) -> Segmentations:
    """Add what a search for focal lesions on CT came to, with those that a second CT shows."""
    if job is None or foci is None or volumes.ct is None or found.liver is None:
        return found
    labels, search = _on_whole(foci[0], job.box, volumes.ct.geometry), foci[1]
    second = volumes.recist_image
    if second is not None and second.quantity is Quantity.HU:
        liver = in_position_of("ct", found.liver, found.mismatch)
        masks = (resample_labels(liver, volumes.ct.geometry), _avid_on_ct(found))
        pose = pose_of_recist_ct(volumes, masks[0])
        on_second = find_on_second_ct(second, masks, pose, config.ct_foci)
        labels, search = merge_phases((labels, search), on_second, config.ct_foci)
    layer = MaskLayer(labels, "ct", _NAME, config.ct_foci.border_uncertainty_mm)
    return replace(found, ct_foci=layer, ct_search=_rounded(search))


def _on_whole(labels: LabelMap, box: Box, grid: Geometry) -> LabelMap:
    """Labels of a box on the whole grid."""
    array = sparse_zeros(grid.shape, np.uint16)
    if labels.used is not None:
        array[box][labels.used] = labels.array[labels.used]
    return LabelMap(array, grid)


def _rounded(search: CtSearch) -> CtSearch:
    """Round densities to 0.1 HU: a CT is no more precise."""
    numbers = ("liver_hu", "noise_hu", "visible_contrast_hu")
    values = {name: getattr(search, name) for name in numbers}
    return search.model_copy(update={k: None if v is None else round(v, 1) for k, v in values.items()})
