"""The search outside the liver: organs delimited first, then candidates, each with a calibrated confidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from dotaliver.config.body import BodyConfig
from dotaliver.config.scoring import ScoringConfig
from dotaliver.image.geometry import Box, as_vector
from dotaliver.image.itk import resample_labels
from dotaliver.image.volume import BoolArray, LabelMap
from dotaliver.records.body import BodyCoverage, BodyFocus, BodySearch, FocusOrgan, Likely, OwnedOrgan
from dotaliver.records.masks import MaskLayer, Segmentations
from dotaliver.records.positions import in_position_of
from dotaliver.records.study import Acquisition, StudyVolumes
from dotaliver.segmentation.body.axes import BodyAxes, body_axes, coverage_of
from dotaliver.segmentation.body.confidence import confidences
from dotaliver.segmentation.body.outline import outline_on_pet
from dotaliver.segmentation.body.part_features import PlacedPart
from dotaliver.segmentation.body.parts import HotPart, HotParts, find_hot_parts
from dotaliver.segmentation.body.physiology import SENTENCES, explained, owned_large_organs, with_organ_distance
from dotaliver.segmentation.body.regions import region_of
from dotaliver.segmentation.body.tissue import skeleton, with_tissue
from dotaliver.segmentation.coarse import CoarseImages, coarse_of
from dotaliver.segmentation.lesions.basins import basin_boxes
from dotaliver.segmentation.lesions_and_reference import images_around, normal_liver_within
from dotaliver.segmentation.organs.surroundings import survey

__all__ = [
    "BodySearchJob",
    "Candidate",
    "Candidates",
    "body_search_job",
    "find_candidates",
    "is_likely",
    "judged_parts",
    "liver_on_coarse",
    "search_body",
    "with_body_searched",
]

_NAME = "petct"
_OTHER_TRACER = "The tracer is not a somatostatin-receptor ligand, for which the confidence was calibrated."


@dataclass(frozen=True)
class Candidate:
    """A hot part with what it may be, where it lies, and its probability of being a metastasis."""

    part: HotPart
    may_be: str | None
    region: str
    organ: FocusOrgan
    confidence: float


@dataclass(frozen=True, eq=False)
class Candidates:
    """All hot parts outside the liver on the coarse grid."""

    candidates: tuple[Candidate, ...]
    parts: HotParts
    images: CoarseImages
    axes: BodyAxes


@dataclass(frozen=True, eq=False)
class BodySearchJob:
    """What the search outside the liver needs, and no more: another process may do it.

    ``liver`` is the liver with its lesions in the PET's position, on the coarse grid.
    """

    images: CoarseImages
    acquisition: Acquisition
    liver: BoolArray
    liver_uptake: float
    config: ScoringConfig

    def run(self) -> BodySearch:
        """Search all of the PET outside the liver."""
        return _searched(self.images, self.acquisition, self.liver, self.liver_uptake, self.config)


def body_search_job(volumes: StudyVolumes, found: Segmentations, config: ScoringConfig) -> BodySearchJob | None:
    """The search outside the liver; None without a liver to compare with, and where it was searched before.

    Parameters
    ----------
    volumes : StudyVolumes
        The images.
    found : Segmentations
        With the liver and its lesions.
    config : ScoringConfig
        ``config.body``, and how lesions are delimited.
    """
    if found.liver is None or found.body is not None:
        return None
    images = coarse_of(volumes, config.liver.coarse_mm)
    liver = liver_on_coarse(found, images)
    if not liver.any():
        return None
    normal = normal_liver_within(images_around(images, found), found, config).uptake
    return BodySearchJob(images, volumes.acquisition, liver, normal, config)


def with_body_searched(volumes: StudyVolumes, found: Segmentations, config: ScoringConfig) -> Segmentations:
    """Add the search outside the liver, where there is one to be done; arguments as of `body_search_job`."""
    job = body_search_job(volumes, found, config)
    return found if job is None else replace(found, body=job.run())


def liver_on_coarse(found: Segmentations, images: CoarseImages) -> BoolArray:
    """The liver with its lesions on the coarse grid, where the PET shows them."""
    mask = np.zeros(images.geometry.shape, dtype=bool)
    for layer in (found.liver, found.lesions):
        if layer is not None:
            mask |= resample_labels(in_position_of("pet", layer, found.mismatch), images.geometry).mask
    return mask


def search_body(volumes: StudyVolumes, liver: BoolArray, liver_uptake: float, config: ScoringConfig) -> BodySearch:
    """Search all of the PET outside the liver.

    Parameters
    ----------
    volumes : StudyVolumes
        The images.
    liver : ndarray of bool
        The liver with its lesions in the PET's position, on the coarse grid.
    liver_uptake : float
        Uptake of normal liver.
    config : ScoringConfig
        All settings.
    """
    images = coarse_of(volumes, config.liver.coarse_mm)
    return _searched(images, volumes.acquisition, liver, liver_uptake, config)


def _searched(
    images: CoarseImages, acquisition: Acquisition, liver: BoolArray, liver_uptake: float, config: ScoringConfig
) -> BodySearch:
    found = find_candidates(images, acquisition, liver, liver_uptake, config)
    has_ct = images.hu is not None
    judged = [(c, _confidence(c, config.body, has_ct=has_ct)) for c in found.candidates]
    listed = [(c, p) for c, p in judged if p >= config.body.listed_from]
    if acquisition.tracer_is_sstr is False:
        level = config.body.other_tracer_ratio * liver_uptake
        organs = config.body.other_tracer_organs
        listed = [(c, p) for c, p in listed if p >= config.body.other_tracer_from and c.part.peak > level]
        listed = [(c, p) for c, p in listed if c.may_be not in organs]
    listed.sort(key=lambda one: (-one[1], one[0].part.label))
    foci, mask = _outlined(acquisition, found, listed[: config.body.longest_list], config)
    offered = {c.part.label for c, _ in listed}
    owned = [c for c, _ in judged if c.part.label not in offered and c.may_be is not None]
    coverage = _with_unlisted(coverage_of(found.axes), len(listed) - config.body.longest_list)
    return BodySearch(foci, mask, _organs(owned, found), coverage, has_ct)


def _with_unlisted(coverage: BodyCoverage, unlisted: int) -> BodyCoverage:
    """The coverage, with how many candidates the list leaves out, so that no reader takes the list for everything."""
    if unlisted <= 0:
        return coverage
    sentence = f"The list holds the likeliest candidates alone; {unlisted} more are not on it."
    return replace(coverage, missing=f"{coverage.missing} {sentence}".strip())


def find_candidates(
    images: CoarseImages, acquisition: Acquisition, liver: BoolArray, liver_uptake: float, config: ScoringConfig
) -> Candidates:
    """All hot parts outside the liver with their features; ``liver`` and the rest as of `search_body`."""
    around = survey(images)
    axes = body_axes(images, around, liver, acquisition.patient_height_m)
    parts = find_hot_parts(images, (around.body | around.lungs, liver), axes, liver_uptake, config.body)
    parts = with_tissue(parts, images, around, skeleton(images, around, axes))
    has_ct = images.hu is not None
    owned = owned_large_organs(parts, liver_uptake, has_ct=has_ct)
    parts = with_organ_distance(parts, owned, images.geometry.spacing_mm)
    other = acquisition.tracer_is_sstr is False
    names = explained(parts, owned, liver_uptake, has_ct=has_ct, other_tracer=other)
    return Candidates(judged_parts(parts.parts, names, liver_uptake, has_ct=has_ct), parts, images, axes)


def judged_parts(
    parts: tuple[HotPart, ...], names: Mapping[int, str], liver_uptake: float, *, has_ct: bool
) -> tuple[Candidate, ...]:
    """Each part with its region and its probability of being a metastasis; ``names`` are what may explain a label."""
    regions = [region_of(part, has_ct=has_ct) for part in parts]
    placed = [PlacedPart(p, names.get(p.label), organ) for p, (_, organ) in zip(parts, regions, strict=True)]
    likely = confidences(placed, liver_uptake)
    return tuple(
        Candidate(one.part, one.may_be, region, one.organ, float(confidence))
        for one, (region, _), confidence in zip(placed, regions, likely, strict=True)
    )


def is_likely(confidence: float, may_be: str | None, config: BodyConfig) -> bool:
    """Whether a candidate is called a likely metastasis."""
    ambiguous = may_be in config.ambiguous_organs
    return confidence >= (config.metastasis_from_at_ambiguous if ambiguous else config.metastasis_from)


def _confidence(candidate: Candidate, config: BodyConfig, *, has_ct: bool) -> float:
    return candidate.confidence if has_ct else candidate.confidence * config.without_ct_factor


def _outlined(
    acquisition: Acquisition, found: Candidates, listed: list[tuple[Candidate, float]], config: ScoringConfig
) -> tuple[tuple[BodyFocus, ...], MaskLayer]:
    """The foci with their masks on the PET's grid, numbered from the hottest."""
    pet = found.images.pet
    boxes = dict(basin_boxes(found.parts.owners))
    masks: list[tuple[float, Candidate, float, Box, BoolArray]] = []
    for candidate, confidence in listed:
        part = candidate.part
        outline = outline_on_pet(pet, part, boxes[part.label], found.parts, found.images.geometry, config.lesions)
        if outline is not None:
            box, inside = outline
            highest = float(pet.crop(box).array[inside].max())
            masks.append((highest, candidate, confidence, box, inside))
    masks.sort(key=lambda one: (-one[0], one[1].part.label))
    labels = np.zeros(pet.geometry.shape, dtype=np.uint16)
    foci: list[BodyFocus] = []
    for _, candidate, confidence, box, inside in masks:
        view = labels[box]
        free = inside & (view == 0)
        if not free.any():
            continue
        view[free] = len(foci) + 1
        foci.append(_focus(len(foci) + 1, candidate, confidence, acquisition, config.body))
    layer = MaskLayer(LabelMap(labels, pet.geometry), "pet", _NAME, config.body.border_uncertainty_mm, "searched")
    return tuple(foci), layer


def _focus(
    label: int, candidate: Candidate, confidence: float, acquisition: Acquisition, config: BodyConfig
) -> BodyFocus:
    likely: Likely = "unsure"
    if is_likely(confidence, candidate.may_be, config):
        likely = "metastasis"
    elif confidence < config.physiological_below:
        likely = "physiological"
    why = None if candidate.may_be is None else SENTENCES[candidate.may_be]
    if acquisition.tracer_is_sstr is False:
        # Confidence was calibrated for the receptor ligands alone.
        likely = "unsure"
        why = _OTHER_TRACER if why is None else f"{why} {_OTHER_TRACER}"
    return BodyFocus(label, candidate.region, candidate.organ, likely, round(confidence, 2), why)


def _organs(owned: list[Candidate], found: Candidates) -> tuple[OwnedOrgan, ...]:
    """Organs with their volume above half their uptake, summed over their parts."""
    organs = []
    for name in sorted({c.may_be for c in owned if c.may_be is not None}):
        parts = [c.part for c in owned if c.may_be == name]
        hottest = max(parts, key=lambda part: part.peak)
        centre = as_vector(found.images.geometry.index_to_lps(hottest.place))
        volume = round(sum(part.volume_ml for part in parts), 2)
        organs.append(OwnedOrgan(name, volume, round(hottest.peak, 2), centre))
    return tuple(organs)
