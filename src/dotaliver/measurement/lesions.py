"""Every lesion, measured: uptake on the PET, volume and diameters on the mask's own grid, location in the liver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from dotaliver.config.scoring import ScoringConfig
from dotaliver.image.geometry import Box, Vector, as_vector
from dotaliver.image.volume import LabelMap, Volume, mean_index
from dotaliver.measurement.diameters import MeasuredDiameter, longest_diameter, reader_diameter
from dotaliver.measurement.krenning import krenning_grade
from dotaliver.measurement.least_size import DensityOnCt, least_size_mm
from dotaliver.measurement.lesion_surroundings import LiverSurroundings
from dotaliver.measurement.measurability import ON_MEASURED_IMAGE, near_threshold, threshold_mm
from dotaliver.measurement.necrosis import cold_cores
from dotaliver.measurement.placement import Placement
from dotaliver.measurement.uptake import Uptake, lesion_uptake
from dotaliver.records.edits import LesionEdit, ReaderEdits
from dotaliver.records.flags import Flag, raise_flag
from dotaliver.records.masks import BorderEvidence, ClickedLesion, MaskLayer, Segmentations
from dotaliver.records.measurements import Diameter, DiameterSource, Lesion, Reference
from dotaliver.records.positions import shift_between
from dotaliver.records.study import SeriesIdentity, StudyIdentity, StudyVolumes
from dotaliver.system.recent import content_of

__all__ = ["largest_extent_mm", "measure_lesions"]


@dataclass(frozen=True, eq=False)
class _Context:
    """What every lesion is measured against."""

    volumes: StudyVolumes
    placement: Placement
    layer: MaskLayer
    references: Mapping[str, Reference]
    config: ScoringConfig
    on_ct: MaskLayer | None
    unseen_on_ct: Mapping[int, str]
    clicked: Mapping[int, ClickedLesion]
    density: DensityOnCt | None

    @property
    def only_clicks_on_ct(self) -> bool:
        """Whether the outlines on CT are only those of clicks: lesions that were drawn on it need no others."""
        return bool(self.clicked) and self.volumes.recist_image is None and self.layer.drawn_on == "ct"

    def is_added(self, label: int) -> bool:
        """Whether a reader's click on CT added a lesion, so that its mask is no outline of uptake."""
        return label in self.clicked and self.clicked[label].added

    @property
    def pet(self) -> Volume:
        """The PET."""
        return self.volumes.pet

    @property
    def liver(self) -> Reference:
        """Normal liver."""
        return self.references["liver"]

    @cached_property
    def ct_boxes(self) -> dict[int, Box]:
        """Boxes of the lesions that are outlined on CT as well as on PET."""
        return {} if self.on_ct is None else dict(self.on_ct.labels.boxes())

    @cached_property
    def surroundings(self) -> LiverSurroundings | None:
        """The liver around the lesions; None without a liver."""
        if self.placement.liver is None:
            return None
        return LiverSurroundings(self.pet, self.placement, self.config.inc7)


@dataclass(frozen=True)
class _Sizes:
    """A lesion's outlines on PET and CT, and the diameter that counts."""

    outlined: MeasuredDiameter | None
    on_measured_image: MeasuredDiameter | None
    ct_volume_ml: float | None
    diameter: Diameter | None


def largest_extent_mm(lesion: Lesion) -> float:
    """The larger of a lesion's longest diameter and its extent on the PET, in mm; 0 where neither is known."""
    return max(lesion.longest_diameter_mm or 0.0, lesion.pet_extent_mm or 0.0)


def measure_lesions(
    volumes: StudyVolumes,
    segmentations: Segmentations,
    edits: ReaderEdits,
    placement: Placement,
    references: Mapping[str, Reference],
    config: ScoringConfig,
) -> tuple[Lesion, ...]:
    """Measure each labelled lesion, in the order of the labels; none where lesions were not looked for.

    Volume (voxel count × voxel volume) and the extent are taken on the grid that the mask was drawn on, uptake on
    the PET. A lesion that was found on PET and outlined on CT too has its diameter from the latter. The share inside
    the liver is that of the lesion's PET voxels that lie at least half in the liver; where it is at least
    ``config.lesions.in_liver_share`` the lesion counts as one of the liver. A Krenning grade is given unless the
    tracer is known to be another than a somatostatin-receptor ligand.
    """
    layer = segmentations.lesions
    if layer is None:
        return ()
    on_ct, unseen = segmentations.ct_lesions, segmentations.unseen_on_ct
    onto_ct = shift_between("pet", "ct", segmentations.mismatch)
    density = None if volumes.ct is None else DensityOnCt(volumes.ct, onto_ct)
    context = _Context(volumes, placement, layer, references, config, on_ct, unseen, segmentations.clicked, density)
    return tuple(_measure(context, label, box, edits.lesion(label)) for label, box in layer.labels.boxes())


def _measure(context: _Context, label: int, box: Box, edit: LesionEdit) -> Lesion:
    own = _own(context.layer, label, box)
    voxels = context.placement.lesions.get(label)
    uptake = None if voxels is None else lesion_uptake(context.pet, voxels, context.config.peak)
    sizes = _sizes(context, own, box, edit)
    diameter, outlined = sizes.diameter, sizes.outlined
    share = context.placement.liver_share_of(label)
    in_liver = None if share is None else share >= context.config.lesions.in_liver_share
    around, volume_ml = context.surroundings if in_liver else None, own.volume_ml()
    graded = context.volumes.acquisition.tracer_is_sstr is not False and uptake is not None
    lesion = Lesion(
        label=label,
        in_liver=in_liver,
        liver_share=share,
        volume_ml=volume_ml,
        **_uptake_fields(uptake, volume_ml, context.liver),
        suv_peak_centre_lps_mm=None if uptake is None else uptake.peak_centre_lps_mm,
        krenning=krenning_grade(uptake.peak, context.references, context.config.krenning)
        if graded and uptake is not None
        else None,
        longest_diameter_mm=None if diameter is None else diameter.longest_mm,
        short_axis_mm=None if diameter is None else diameter.short_mm,
        diameter_source=None if diameter is None else diameter.source,
        diameter=diameter,
        pet_extent_mm=outlined.diameter.longest_mm
        if context.layer.drawn_on == "pet" and outlined is not None and not context.is_added(label)
        else None,
        ct_volume_ml=sizes.ct_volume_ml,
        least_size_mm=_least_size_mm(context, label, diameter) if in_liver and graded else None,
        centroid_lps_mm=_centroid(own),
        capsule_distance_mm=None if around is None else around.capsule_distance_mm(label),
        marks=edit.marks,
    )
    return lesion.model_copy(update={"flags": _flags(context, lesion, uptake, sizes.on_measured_image)})


def _least_size_mm(context: _Context, label: int, diameter: Diameter | None) -> float | None:
    """Lower bound of a liver lesion's diameter from its uptake, where the CT shows the lesion but no diameter."""
    voxels, around, density = context.placement.lesions.get(label), context.surroundings, context.density
    if diameter is not None and diameter.source in ON_MEASURED_IMAGE:
        return None
    if voxels is None or around is None or density is None or context.is_added(label):
        return None
    return least_size_mm(context.pet, voxels, around, context.liver, density, context.config.inc4)


def _own(layer: MaskLayer, label: int, box: Box) -> LabelMap:
    return LabelMap((layer.labels.array[box] == label).astype(np.uint8), layer.labels.geometry.crop(box))


def _sizes(context: _Context, own: LabelMap, box: Box, edit: LesionEdit) -> _Sizes:
    identity, on_pet = context.volumes.identity, context.layer.drawn_on == "pet"
    outlined = _on_whole_grid(_longest(context, own, "pet" if on_pet else "ct"), box)
    seen, ct_volume_ml = outlined, None if on_pet else own.volume_ml()
    if context.on_ct is not None and (ct_box := context.ct_boxes.get(edit.label)) is not None:
        on_ct = _own(context.on_ct, edit.label, ct_box)
        border = context.on_ct.borders.get(edit.label)
        source: DiameterSource = "click" if edit.label in context.clicked else "ct"
        seen, ct_volume_ml = _on_whole_grid(_longest(context, on_ct, source, border), ct_box), on_ct.volume_ml()
    elif not on_pet and (_is_mr(identity.recist_image) or _searched_on_ct(context)):
        # Drawn on the PET's CT and not seen on the diagnostic CT or MR, whose diameters count: it has none.
        seen, ct_volume_ml = None, None
    if edit.diameter is not None:
        diameter: Diameter | None = reader_diameter(edit.diameter, identity)
    else:
        diameter = None if seen is None else _on_its_slice(seen.diameter, identity)
    return _Sizes(outlined, seen, ct_volume_ml, diameter)


def _longest(
    context: _Context, labels: LabelMap, source: DiameterSource, border: BorderEvidence | None = None
) -> MeasuredDiameter | None:
    """The longest diameter, measured once for the same voxels of the same grid."""
    key = ("longest diameter", labels.geometry, content_of(labels.array), source, border)
    return context.volumes.recent.of(key, lambda: longest_diameter(labels, source, border))


def _searched_on_ct(context: _Context) -> bool:
    return context.on_ct is not None and not context.only_clicks_on_ct


def _is_mr(series: SeriesIdentity | None) -> bool:
    return series is not None and series.modality == "MR"


def _on_whole_grid(found: MeasuredDiameter | None, box: Box) -> MeasuredDiameter | None:
    """A diameter that was measured in a box, with the slice's number on the whole grid."""
    if found is None:
        return None
    index = found.slice_index + box[0].start
    return replace(found, slice_index=index, diameter=found.diameter.model_copy(update={"slice_index": index}))


def _on_its_slice(diameter: Diameter, identity: StudyIdentity) -> Diameter:
    """The same diameter with the UIDs of series and slice."""
    series = identity.pet if diameter.source == "pet" else identity.measured_image
    if series is None or diameter.slice_index is None:
        return diameter
    return _on_series(diameter, series).model_copy(update={"modality": series.modality})


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


def _uptake_fields(uptake: Uptake | None, volume_ml: float, liver: Reference) -> dict[str, float | None]:
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
    return as_vector(own.geometry.index_to_lps(mean_index(own.mask)))


def _flags(
    context: _Context, lesion: Lesion, uptake: Uptake | None, measured: MeasuredDiameter | None
) -> tuple[Flag, ...]:
    config, ct = context.config, context.volumes.identity.measured_image
    flags = [*_place_flags(context, lesion)]
    if context.is_added(lesion.label):
        flags.append(raise_flag("LESION_ADDED_BY_CLICK"))
    border = None if context.on_ct is None else context.on_ct.borders.get(lesion.label)
    if border is not None and border.partial and lesion.diameter_source == "click":
        flags.append(raise_flag("LESION_BORDER_PARTIAL", seen=100 * border.seen_share))
    dense = None if border is None else border.dense_share
    if dense is not None and dense >= config.ct_lesions.least_dense_share:
        flags.append(raise_flag("LESION_DENSE_ON_CT", share=100 * dense))
    if lesion.volume_ml < config.peak.sphere_ml:
        flags.append(raise_flag("PEAK_SPHERE_EXCEEDS_LESION"))
    if largest_extent_mm(lesion) < 2 * config.inc7.resolution_mm:
        flags.append(raise_flag("LESION_SMALLER_THAN_RESOLUTION"))
    if uptake is None or uptake.at_field_edge:
        flags.append(raise_flag("LESION_AT_FIELD_EDGE"))
    drawn_by_us = lesion.diameter_source != "reader"
    if drawn_by_us and measured is not None and measured.leaves_mask:
        flags.append(raise_flag("DIAMETER_LEAVES_LESION"))
    why_unseen = context.unseen_on_ct.get(lesion.label)
    if drawn_by_us and why_unseen is not None and lesion.diameter_source == "pet":
        flags.append(raise_flag("LESION_NOT_SEEN_ON_CT", reason=why_unseen))
    core_ml = _core_ml(context, lesion.label)
    if core_ml > 0:
        flags.append(raise_flag("LESION_WITH_COLD_CORE", ml=core_ml))
    around, mean = context.surroundings if lesion.in_liver else None, lesion.suv_mean
    if around is not None and mean is not None and around.merges_with_neighbour(lesion.label, mean):
        flags.append(raise_flag("LESION_MERGES_WITH_NEIGHBOUR", label=str(lesion.label)))
    if near_threshold(lesion.model_copy(update={"flags": tuple(flags)}), ct, config):
        flags.append(raise_flag("DIAMETER_NEAR_THRESHOLD", mm=threshold_mm(lesion, ct, config)))
    return tuple(flags)


def _place_flags(context: _Context, lesion: Lesion) -> list[Flag]:
    if lesion.in_liver is None:
        return [raise_flag("LESION_MEMBERSHIP_UNKNOWN")]
    if not lesion.in_liver:
        return [raise_flag("LESION_OUTSIDE_LIVER")]
    around = context.surroundings
    if around is not None and around.at_border(lesion.label, context.layer.border_uncertainty_mm):
        return [raise_flag("LESION_AT_LIVER_BORDER")]
    return []


def _core_ml(context: _Context, label: int) -> float:
    """Volume of the places that a lesion encloses on the PET, with uptake below normal liver, in ml."""
    voxels = context.placement.lesions.get(label)
    if voxels is None:
        return 0.0
    cores = cold_cores(context.pet.crop(voxels.box).array, voxels.mask, context.liver.suv_mean)
    return float(np.count_nonzero(cores)) * context.pet.geometry.voxel_volume_ml
