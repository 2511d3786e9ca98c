"""Lesions outside the liver that a reader points at on the PET, outlined from their uptake or by their size.

The edge of a blurred lesion lies at half the step from its surroundings to its highest uptake. Where no border shows
(too little contrast, or the uptake runs on into an organ), the reader's size gives a ball; without one the place is
refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dotaliver.config.body_reading import BodyReadingConfig
from dotaliver.errors import ConfigError
from dotaliver.image.geometry import Box, grow_box
from dotaliver.image.itk import resample_labels
from dotaliver.image.spheres import sphere_box, voxels_within
from dotaliver.image.volume import BoolArray, LabelMap, Volume
from dotaliver.records.body import BodyFocus, BodySearch, FocusSource
from dotaliver.records.edits import BodyPoint
from dotaliver.records.masks import Segmentations
from dotaliver.records.positions import VoxelSet, in_position_of, shift_between

__all__ = ["with_added_lesions", "without_added_lesions"]

_ORGAN_WORDS = {"lymph_node": "lymph node", "bone": "skeleton", "soft_tissue": "soft tissue"}


def without_added_lesions(search: BodySearch) -> BodySearch:
    """The search's own result, without what a reader added."""
    added = [focus.label for focus in search.foci if focus.source != "search"]
    if not added:
        return search
    array = np.where(np.isin(search.mask.labels.array, added), 0, search.mask.labels.array)
    labels = search.mask.labels.with_array(array.astype(search.mask.labels.array.dtype))
    foci = tuple(focus for focus in search.foci if focus.source == "search")
    return replace(search, foci=foci, mask=replace(search.mask, labels=labels))


def with_added_lesions(
    pet: Volume, segmentations: Segmentations, points: tuple[BodyPoint, ...], config: BodyReadingConfig
) -> Segmentations:
    """Outline the lesions that a reader points at, under labels after those of the search, in the reader's order.

    Parameters
    ----------
    pet : Volume
        The PET.
    segmentations : Segmentations
        ``body`` may hold earlier additions, which do not count any more.
    points : tuple of BodyPoint
        Places in the PET's position (LPS, mm).
    config : BodyReadingConfig
        How a border is found.

    Raises
    ------
    ConfigError
        For a place off the PET, in the liver or a known lesion, or where nothing can be outlined.
    """
    if segmentations.body is None:
        if points:
            msg = (
                "the edits add a lesion outside the liver, and the body outside the liver was not searched; state "
                "the rest of the body instead ('rest_of_body')"
            )
            raise ConfigError(msg)
        return segmentations
    search = without_added_lesions(segmentations.body)
    if not points:
        return segmentations if search is segmentations.body else replace(segmentations, body=search)
    array = search.mask.labels.array.astype(np.uint16)
    counted = _counted(pet, segmentations)
    foci, label = list(search.foci), max((focus.label for focus in search.foci), default=0)
    for point in points:
        label += 1
        _require_free(point, pet, segmentations, LabelMap(array, pet.geometry))
        taken = counted | (array != 0)
        outlined = _outlined(pet, point, taken, config)
        free = outlined.voxels.mask & ~taken[outlined.voxels.box]
        if not free.any():
            msg = f"{_where(point)} lies wholly in what is outlined already; give another place or a larger size_mm"
            raise ConfigError(msg)
        array[outlined.voxels.box][free] = label
        region = point.region or _ORGAN_WORDS.get(point.organ, point.organ)
        source: FocusSource = "reader_by_size" if outlined.by_size else "reader"
        foci.append(BodyFocus(label, region, point.organ, "metastasis", 1.0, None, source))
    labels = LabelMap(array, pet.geometry)
    return replace(segmentations, body=replace(search, foci=tuple(foci), mask=replace(search.mask, labels=labels)))


@dataclass(frozen=True, eq=False)
class _Outlined:
    voxels: VoxelSet
    by_size: bool


def _counted(pet: Volume, segmentations: Segmentations) -> BoolArray:
    """The liver and the lesions of the mask on the PET: their uptake is no other lesion's."""
    found = np.zeros(pet.geometry.shape, dtype=bool)
    for layer in (segmentations.liver, segmentations.lesions):
        if layer is not None:
            placed = in_position_of("pet", layer, segmentations.mismatch)
            found |= resample_labels(placed, pet.geometry).mask
    return found


def _where(point: BodyPoint) -> str:
    x, y, z = point.place_lps_mm
    return f"the lesion added at ({x:.0f}, {y:.0f}, {z:.0f}) mm"


def _require_free(point: BodyPoint, pet: Volume, segmentations: Segmentations, known: LabelMap) -> None:
    """Refuse a place that is not on the PET, or that something else already is at."""
    if not bool(pet.geometry.contains(point.place_lps_mm)):
        msg = f"{_where(point)} lies outside the PET; give a place on it (LPS, mm)"
        raise ConfigError(msg)
    if (label := _label_at(known, point.place_lps_mm)) > 0:
        msg = f"{_where(point)} lies in B{label}; answer that candidate instead"
        raise ConfigError(msg)
    for layer, what in ((segmentations.lesions, "lesion"), (segmentations.liver, "liver")):
        if layer is None:
            continue
        shift = shift_between(layer.drawn_on, "pet", segmentations.mismatch)
        at = np.asarray(point.place_lps_mm) - np.asarray(shift)
        if (label := _label_at(layer.labels, at)) > 0:
            there = f"lesion {label} of the lesion mask" if what == "lesion" else "the liver"
            mend = "it is counted already" if what == "lesion" else "outline it in the lesion mask"
            msg = f"{_where(point)} lies in {there}; {mend}"
            raise ConfigError(msg)


def _label_at(labels: LabelMap, place_lps_mm: npt.ArrayLike) -> int:
    index = np.rint(labels.geometry.lps_to_index(place_lps_mm)).astype(int)
    if (index < 0).any() or (index >= labels.geometry.shape).any():
        return 0
    return int(labels.array[tuple(index)])


def _outlined(pet: Volume, point: BodyPoint, taken: BoolArray, config: BodyReadingConfig) -> _Outlined:
    found = _by_uptake(pet, point, taken, config)
    if found is not None:
        return _Outlined(found, by_size=False)
    if point.size_mm is None:
        msg = f"the PET shows no border around {_where(point)}; give its diameter as size_mm"
        raise ConfigError(msg)
    ball = sphere_box(pet.geometry, point.place_lps_mm, point.size_mm)
    if ball is None:
        msg = f"{_where(point)} holds no voxel of the PET at a diameter of {point.size_mm:g} mm; give a larger size_mm"
        raise ConfigError(msg)
    return _Outlined(VoxelSet(*ball), by_size=True)


def _by_uptake(pet: Volume, point: BodyPoint, taken: BoolArray, config: BodyReadingConfig) -> VoxelSet | None:
    """The part above half the step around the place; None where it does not stand out, or runs on."""
    import cc3d

    box = _around(pet, point, config.surroundings_mm)
    part = pet.crop(box)
    values = part.array.astype(np.float64)
    middle = part.geometry.lps_to_index(point.place_lps_mm)
    near = voxels_within(part.geometry, middle, config.reach_mm) & ~taken[box]
    if not near.any():
        return None
    top = float(values[near].max())
    beyond = values[~voxels_within(part.geometry, middle, 0.5 * config.surroundings_mm) & (values < top)]
    background = float(np.median(beyond)) if beyond.size else 0.0
    if top <= 0 or top < config.least_contrast * background:
        return None
    hot = (values > background + config.edge_share * (top - background)) & ~taken[box]
    seed = np.unravel_index(int(np.where(near, values, -np.inf).argmax()), values.shape)
    parts = cc3d.connected_components(np.ascontiguousarray(hot), connectivity=6)
    own: BoolArray = np.asarray(parts == parts[seed]) & hot
    return None if not hot[seed] or _reaches_border(own, box, pet.geometry.shape) else VoxelSet(box, own)


def _around(pet: Volume, point: BodyPoint, reach_mm: float) -> Box:
    index = np.rint(pet.geometry.lps_to_index(point.place_lps_mm)).astype(int)
    index = np.clip(index, 0, np.asarray(pet.geometry.shape) - 1)
    k, j, i = (slice(int(n), int(n) + 1) for n in index)
    return grow_box((k, j, i), np.ceil(reach_mm / np.asarray(pet.geometry.spacing_mm)), pet.geometry.shape)


def _reaches_border(mask: BoolArray, box: Box, shape: tuple[int, int, int]) -> bool:
    """Whether a part runs to the end of its surroundings, where these do not end with the image."""
    for axis, (part, size) in enumerate(zip(box, shape, strict=True)):
        first, last = mask.take(0, axis=axis).any(), mask.take(-1, axis=axis).any()
        if (first and part.start > 0) or (last and part.stop < size):
            return True
    return False
