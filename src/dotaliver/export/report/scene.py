"""A study turned to anatomical axes, with its outlines, ready to be drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from dotaliver.export.tables import uptake_name
from dotaliver.image.geometry import Geometry
from dotaliver.image.itk import resample_labels
from dotaliver.image.orientation import anatomical
from dotaliver.image.volume import BoolArray, LabelMap, Volume, used_box
from dotaliver.records.body_record import LesionState
from dotaliver.records.masks import DrawnOn, MaskLayer, Mismatch, Segmentations
from dotaliver.records.positions import in_position_of
from dotaliver.records.score import StudyScore
from dotaliver.records.study import StudyVolumes
from dotaliver.segmentation.audit.audit import audit_liver

__all__ = ["ReportScene", "scene_of"]


@dataclass(frozen=True, eq=False)
class ReportScene:
    """A study with anatomical axes, ready to be drawn.

    ``liver_on_pet`` and ``lesions_on_pet`` lie on the PET's grid in the PET's position; ``upper`` is the uptake
    that is drawn darkest (or brightest). ``body_on_pet`` holds what lies outside the liver, with the state of each.
    """

    pet: Volume
    ct: Volume | None
    liver: MaskLayer | None
    lesions: MaskLayer | None
    liver_on_pet: BoolArray | None
    lesions_on_pet: LabelMap | None
    mismatch: Mismatch | None
    upper: float
    unit: str
    volumes: StudyVolumes
    ct_foci: MaskLayer | None = None
    liver_hu: float | None = None
    body_on_pet: LabelMap | None = None
    body_states: Mapping[int, LesionState] = field(default_factory=dict)
    second_liver: LabelMap | None = None
    """The liver as the audit outlines it, on a coarse grid in the position of the CT; None where it agrees."""

    @property
    def moved_mm(self) -> float:
        """How far masks or PET are moved when they are drawn over the other image."""
        shift = self.mismatch.shift_lps_mm if self.mismatch is not None and self.ct is not None else (0.0, 0.0, 0.0)
        return float(np.linalg.norm(shift))

    def base(self) -> tuple[DrawnOn, Volume]:
        """The image that outlines are drawn over: CT where there is one."""
        return ("pet", self.pet) if self.ct is None else ("ct", self.ct)


def _turned(layer: MaskLayer | None) -> MaskLayer | None:
    return None if layer is None else replace(layer, labels=anatomical(layer.labels))


def _whole(layer: MaskLayer | None) -> MaskLayer | None:
    """A layer with its labels (lobes) as one: the organ is outlined, not its parts."""
    if layer is None or layer.labels.labels == (1,):
        return layer
    return replace(layer, labels=LabelMap(layer.labels.mask, layer.labels.geometry))


def _on_pet(layer: MaskLayer | None, pet: Geometry, mismatch: Mismatch | None) -> LabelMap | None:
    """Labels on the PET's grid, in the PET's position, with anatomical axes."""
    if layer is None:
        return None
    return anatomical(resample_labels(in_position_of("pet", layer, mismatch), pet))


def _upper(pet: Volume, liver: BoolArray | None, mean: float | None) -> float:
    """Three times normal liver: lesions stand out, spleen and kidneys saturate; else what few voxels exceed."""
    if mean is None and liver is not None and liver.any():
        box = used_box(liver)
        assert box is not None
        mean = float(np.median(pet.crop(box).array[liver[box]]))
    if mean is not None and mean > 0:
        upper = 3.0 * mean
    else:
        count, rows, columns = pet.geometry.shape
        planes = (slice(k, k + 1) for k in range(0, count, max(count // 64, 1)))
        thin = [pet.crop((k, slice(0, rows), slice(0, columns))).array[:, ::2, ::2] for k in planes]
        upper = float(np.percentile(np.concatenate(thin), 99.9))
    if upper <= 0:
        return 1.0
    step = 10.0 ** np.floor(np.log10(upper)) / 10.0
    return float(np.round(np.ceil(upper / step) * step, 10))


def scene_of(score: StudyScore, volumes: StudyVolumes, segmentations: Segmentations) -> ReportScene:
    """Turn a study's images and masks the way they are looked at."""
    pet = anatomical(volumes.pet)
    liver = _on_pet(segmentations.liver, volumes.pet.geometry, segmentations.mismatch)
    lesions = _on_pet(segmentations.lesions, volumes.pet.geometry, segmentations.mismatch)
    reference = score.references.get("liver")
    liver_mask = None if liver is None else liver.mask
    name, unit = uptake_name(score.uptake_unit)
    return ReportScene(
        pet=pet,
        ct=None if volumes.ct is None else anatomical(volumes.ct),
        liver=_whole(_turned(segmentations.liver)),
        lesions=_turned(segmentations.lesions),
        liver_on_pet=liver_mask,
        lesions_on_pet=lesions,
        mismatch=segmentations.mismatch,
        upper=_upper(pet, liver_mask, reference.suv_mean if reference else None),
        unit=unit if unit == "relative units" else name,
        volumes=volumes,
        ct_foci=_turned(segmentations.ct_foci),
        body_on_pet=None if segmentations.body is None else anatomical(segmentations.body.mask.labels),
        body_states={} if score.body is None else {x.label: x.state for x in score.body.lesions},
        liver_hu=None if segmentations.ct_search is None else segmentations.ct_search.liver_hu,
        second_liver=_second_liver(score, volumes, segmentations),
    )


def _second_liver(score: StudyScore, volumes: StudyVolumes, segmentations: Segmentations) -> LabelMap | None:
    """What the audit outlined, found again from the images, where the outline is disputed."""
    if score.liver.audit is None or not score.liver.audit.disputed:
        return None
    comparison = audit_liver(volumes, segmentations, score.config)
    return None if comparison is None else LabelMap(comparison.second, comparison.geometry)
