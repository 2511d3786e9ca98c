"""Every lesion, measured: uptake on the PET, volume and diameters on the mask's own grid, place in the liver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from dotaliver.config.criteria import Inc7Config
from dotaliver.config.scoring import ScoringConfig
from dotaliver.image.distance import depth_mm, distance_to_mm
from dotaliver.image.geometry import Box, FloatArray, Vector
from dotaliver.image.volume import BoolArray, LabelMap, Volume
from dotaliver.measurement.diameters import MeasuredDiameter, longest_diameter, reader_diameter
from dotaliver.measurement.placement import Placement
from dotaliver.measurement.uptake import Uptake, lesion_uptake
from dotaliver.records.edits import LesionEdit, ReaderEdits
from dotaliver.records.flags import Flag, raise_flag
from dotaliver.records.masks import MaskLayer, Segmentations
from dotaliver.records.measurements import Diameter, Lesion, Reference
from dotaliver.records.study import SeriesIdentity, StudyIdentity

__all__ = [
    "largest_extent_mm",
    "measure_lesions",
    "on_their_slices",
    "with_capsule_distances",
    "with_merging_flags",
]


@dataclass(frozen=True, eq=False)
class _Scene:
    """What every lesion is measured against."""

    pet: Volume
    placement: Placement
    layer: MaskLayer
    liver: Reference
    config: ScoringConfig
    on_ct: MaskLayer | None
    unseen_on_ct: Mapping[int, str]

    @cached_property
    def ct_boxes(self) -> dict[int, Box]:
        """Boxes of the lesions that are outlined on CT beside their outline on PET."""
        return {} if self.on_ct is None else dict(self.on_ct.labels.boxes())

    @cached_property
    def liver_depth_mm(self) -> FloatArray | None:
        """Depth of each voxel in the liver, in the liver's box on the PET; None without a liver."""
        liver = self.placement.liver
        return None if liver is None else depth_mm(liver.inside, liver.geometry.spacing_mm)


def largest_extent_mm(lesion: Lesion) -> float:
    """The larger of a lesion's longest diameter and its extent on the PET, in mm; 0 where neither is known."""
    return max(lesion.longest_diameter_mm or 0.0, lesion.pet_extent_mm or 0.0)


def measure_lesions(
    pet: Volume,
    segmentations: Segmentations,
    edits: ReaderEdits,
    placement: Placement,
    liver: Reference,
    config: ScoringConfig,
) -> tuple[Lesion, ...]:
    """Measure each labelled lesion, in the order of the labels; none where lesions were not looked for.

    Volume (voxel count × voxel volume) and the extent are taken on the grid that the mask was drawn on, uptake on
    the PET. A lesion that was found on PET and outlined on CT too has its diameter from the latter. The share inside
    the liver is that of the lesion's PET voxels that lie at least half in the liver; where it is at least
    ``config.lesions.in_liver_share`` the lesion counts as one of the liver. Grades are left empty.
    """
    layer = segmentations.lesions
    if layer is None:
        return ()
    scene = _Scene(pet, placement, layer, liver, config, segmentations.ct_lesions, segmentations.unseen_on_ct)
    lesions = []
    for label, box in layer.labels.boxes():
        lesions.append(_measure(scene, _own(layer, label, box), box, edits.lesion(label)))
    return tuple(lesions)


def _own(layer: MaskLayer, label: int, box: Box) -> LabelMap:
    return LabelMap((layer.labels.array[box] == label).astype(np.uint8), layer.labels.geometry.crop(box))


def _on_whole_grid(found: MeasuredDiameter | None, box: Box) -> MeasuredDiameter | None:
    """A diameter that was measured in a box, with the slice's number on the whole grid."""
    if found is None:
        return None
    index = found.slice_index + box[0].start
    return replace(found, slice_index=index, diameter=found.diameter.model_copy(update={"slice_index": index}))


def _measure(scene: _Scene, own: LabelMap, box: Box, edit: LesionEdit) -> Lesion:
    label = edit.label
    voxels = scene.placement.lesions.get(label)
    uptake = None if voxels is None else lesion_uptake(scene.pet, voxels, scene.config.peak)
    on_pet = scene.layer.drawn_on == "pet"
    outlined = _on_whole_grid(longest_diameter(own, "pet" if on_pet else "ct"), box)
    seen, ct_volume_ml = outlined, None if on_pet else own.volume_ml()
    if scene.on_ct is not None and (ct_box := scene.ct_boxes.get(label)) is not None:
        on_ct = _own(scene.on_ct, label, ct_box)
        seen, ct_volume_ml = _on_whole_grid(longest_diameter(on_ct, "ct"), ct_box), on_ct.volume_ml()
    elif scene.on_ct is not None and not on_pet:
        # Drawn on the PET's CT and not seen on the diagnostic one, whose diameters count: it has none.
        seen, ct_volume_ml = None, None
    diameter = _chosen_diameter(seen, edit)
    share = scene.placement.liver_share_of(label)
    in_liver = None if share is None else share >= scene.config.lesions.in_liver_share
    volume_ml = own.volume_ml()
    lesion = Lesion(
        label=label,
        in_liver=in_liver,
        liver_share=share,
        volume_ml=volume_ml,
        **_uptake_fields(uptake, volume_ml, scene.liver),
        suv_peak_centre_lps_mm=None if uptake is None else uptake.peak_centre_lps_mm,
        krenning=None,
        longest_diameter_mm=None if diameter is None else diameter.longest_mm,
        short_axis_mm=None if diameter is None else diameter.short_mm,
        diameter_source=None if diameter is None else diameter.source,
        diameter=diameter,
        pet_extent_mm=outlined.diameter.longest_mm if on_pet and outlined is not None else None,
        ct_volume_ml=ct_volume_ml,
        centroid_lps_mm=_centroid(own),
        marks=edit.marks,
    )
    flags = _flags(scene, lesion, uptake, seen)
    return lesion.model_copy(update={"flags": tuple(flags)})


def _uptake_fields(uptake: Uptake | None, volume_ml: float, liver: Reference) -> dict[str, Any]:
    """SUVs, total uptake (mean × volume) and ratios to the normal-liver mean; None where there is no value."""
    names = {"suv_max": "max_ratio_to_liver", "suv_mean": "mean_ratio_to_liver", "suv_peak": "ratio_to_liver"}
    if uptake is None:
        return dict.fromkeys([*names, *names.values(), "total_uptake"])
    values = {"suv_max": uptake.maximum, "suv_mean": uptake.mean, "suv_peak": uptake.peak}
    mean = liver.suv_mean
    comparable = mean is not None and mean > 0
    ratios = {names[key]: value / mean if mean and comparable else None for key, value in values.items()}
    return {**values, **ratios, "total_uptake": uptake.mean * volume_ml}


def _centroid(own: LabelMap) -> Vector:
    x, y, z = (float(c) for c in own.geometry.index_to_lps(np.argwhere(own.mask).mean(axis=0)))
    return (x, y, z)


def _chosen_diameter(outlined: MeasuredDiameter | None, edit: LesionEdit) -> Diameter | None:
    if edit.diameter is not None:
        return reader_diameter(edit.diameter)
    return None if outlined is None else outlined.diameter


def _flags(scene: _Scene, lesion: Lesion, uptake: Uptake | None, outlined: MeasuredDiameter | None) -> list[Flag]:
    config = scene.config
    flags: list[Flag] = []
    if lesion.in_liver is None:
        flags.append(raise_flag("LESION_MEMBERSHIP_UNKNOWN"))
    elif not lesion.in_liver:
        flags.append(raise_flag("LESION_OUTSIDE_LIVER"))
    elif _at_liver_border(scene, lesion.label):
        flags.append(raise_flag("LESION_AT_LIVER_BORDER"))
    if lesion.volume_ml < config.peak.sphere_ml:
        flags.append(raise_flag("PEAK_SPHERE_EXCEEDS_LESION"))
    if largest_extent_mm(lesion) < 2 * config.inc7.resolution_mm:
        flags.append(raise_flag("LESION_SMALLER_THAN_RESOLUTION"))
    if uptake is None or uptake.at_field_edge:
        flags.append(raise_flag("LESION_AT_FIELD_EDGE"))
    drawn_by_us = lesion.diameter_source != "reader"
    if drawn_by_us and outlined is not None and outlined.leaves_mask:
        flags.append(raise_flag("DIAMETER_LEAVES_LESION"))
    why_unseen = scene.unseen_on_ct.get(lesion.label)
    if drawn_by_us and why_unseen is not None and lesion.diameter_source == "pet":
        flags.append(raise_flag("LESION_NOT_SEEN_ON_CT", reason=why_unseen))
    core_ml = _core_ml(scene, lesion.label)
    if core_ml > 0:
        flags.append(raise_flag("LESION_WITH_COLD_CORE", ml=core_ml))
    return flags


def _at_liver_border(scene: _Scene, label: int) -> bool:
    """Whether a lesion comes nearer to the liver's border than its own border is sure, plus one voxel."""
    liver, depth = scene.placement.liver, scene.liver_depth_mm
    if liver is None or depth is None:
        return False
    nearest = depth[scene.placement.lesions[label].within(liver.box)]
    reach = scene.layer.border_uncertainty_mm + max(liver.geometry.spacing_mm)
    return bool(nearest.size) and float(nearest.min()) <= reach


def _core_ml(scene: _Scene, label: int) -> float:
    """Volume of the places that a lesion encloses on the PET, with uptake below normal liver, in ml."""
    from dotaliver.measurement.necrosis import cold_cores

    voxels = scene.placement.lesions.get(label)
    if voxels is None:
        return 0.0
    cores: BoolArray = cold_cores(scene.pet.crop(voxels.box).array, voxels.mask, scene.liver.suv_mean)
    return float(np.count_nonzero(cores)) * scene.pet.geometry.voxel_volume_ml


def on_their_slices(lesions: tuple[Lesion, ...], identity: StudyIdentity) -> tuple[Lesion, ...]:
    """The same lesions, their diameters with the UIDs of series and slice; a reader's stay as they were drawn."""
    return tuple(_placed(lesion, identity) for lesion in lesions)


def _placed(lesion: Lesion, identity: StudyIdentity) -> Lesion:
    diameter = lesion.diameter
    if diameter is None or diameter.source == "reader" or diameter.slice_index is None:
        return lesion
    series = identity.pet if diameter.source == "pet" else identity.measured_ct
    return lesion if series is None else lesion.model_copy(update={"diameter": _on_series(diameter, series)})


def _on_series(diameter: Diameter, series: SeriesIdentity) -> Diameter:
    uids, index = series.sop_instance_uids, diameter.slice_index
    # A mask on a grid of its own has other slices than the series.
    on_grid = index is not None and len(uids) == series.shape[0] and index < len(uids)
    return diameter.model_copy(
        update={
            "series_instance_uid": series.series_instance_uid,
            "sop_instance_uid": uids[index] if on_grid and index is not None else None,
        }
    )


def with_capsule_distances(lesions: tuple[Lesion, ...], placement: Placement) -> tuple[Lesion, ...]:
    """The lesions with the shortest way from their border to the liver's, in mm.

    On the PET's grid: the least distance from a lesion's voxel centres to those outside the liver, less half a
    voxel's mean edge (half on each side would be the truth for planes; of round borders the nearest corners are met
    already), so good to about half a voxel. 0 where a voxel of the lesion touches the border; None outside the liver.
    """
    if placement.liver is None:
        return lesions
    spacing = placement.liver.geometry.spacing_mm
    depth = depth_mm(placement.liver.inside, spacing)
    measured = []
    for lesion in lesions:
        distance = None
        if lesion.in_liver and lesion.label in placement.lesions:
            own = placement.lesions[lesion.label].within(placement.liver.box)
            distance = _distance_mm(float(depth[own].min()), spacing) if own.any() else None
        measured.append(lesion.model_copy(update={"capsule_distance_mm": distance}))
    return tuple(measured)


def _distance_mm(least_depth_mm: float, spacing_mm: Vector) -> float:
    if least_depth_mm <= max(spacing_mm):
        return 0.0
    return least_depth_mm - 0.5 * float(np.mean(spacing_mm))


def with_merging_flags(
    lesions: tuple[Lesion, ...], pet: Volume, placement: Placement, config: Inc7Config
) -> tuple[Lesion, ...]:
    """The lesions of the liver, flagged where a hot neighbour lies against them.

    Looked at are voxels farther than one resolution outside the liver and nearer than ``hot_neighbour_margin_mm`` to
    the lesion, within the liver's box (30 mm around it). A neighbour is hot where one of them
    exceeds the lesion's mean.
    """
    liver = placement.liver
    if liver is None:
        return lesions
    spacing, margin = liver.geometry.spacing_mm, config.hot_neighbour_margin_mm
    uptake = np.asarray(pet.crop(liver.box).array, dtype=np.float64)
    outside = distance_to_mm(liver.inside, spacing, within_mm=config.resolution_mm) > config.resolution_mm
    others = outside & ~placement.lesion_voxels(tuple(placement.lesions))
    flagged = []
    for lesion in lesions:
        if not lesion.in_liver or lesion.suv_mean is None or lesion.label not in placement.lesions:
            flagged.append(lesion)
            continue
        own = placement.lesions[lesion.label].within(liver.box)
        near = others & (distance_to_mm(own, spacing, within_mm=margin) < margin)
        if near.any() and float(uptake[near].max()) > lesion.suv_mean:
            flag = raise_flag("LESION_MERGES_WITH_NEIGHBOUR", label=str(lesion.label))
            lesion = lesion.model_copy(update={"flags": (*lesion.flags, flag)})  # noqa: PLW2901
        flagged.append(lesion)
    return tuple(flagged)
