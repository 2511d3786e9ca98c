"""The truth of a phantom study."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import ndimage

from dotaliver.frozen import FrozenModel
from dotaliver.image.geometry import Geometry, Vector
from dotaliver.phantom.clock import timing
from dotaliver.phantom.lesions import LesionMasks
from dotaliver.phantom.spec import PhantomSpec
from dotaliver.phantom.tissues import Tissue

__all__ = ["LesionTruth", "PhantomTruth", "TruthWord", "expected_exc4", "expected_inc7", "known_truth"]

TruthWord = Literal["met", "not_met", "indeterminate"]

# What counts as decidable by PET: a lesion of at least 12 mm at 1.25 times liver; smaller or fainter ones do not
_DECIDABLE_DIAMETER_MM = 12.0
_DECIDABLE_CONTRAST = 1.25


class LesionTruth(FrozenModel):
    """One lesion, where the CT shows it."""

    label: int
    diameter_mm: float = Field(description="Of the ball of equal volume")
    volume_ml: float = Field(description="Necrotic core included")
    suv: float = Field(description="True uptake of its living part")
    contrast: float = Field(description="True uptake over that of normal liver")
    centre_lps_mm: Vector = Field(description="Centre of mass on CT")
    centre_on_pet_lps_mm: Vector
    hu: float = Field(description="CT number of its living part")
    cold: bool = Field(description="Takes up less than normal liver: receptor-negative")
    necrotic_core: bool
    necrotic_core_ml: float
    in_ct_field: bool


class PhantomTruth(FrozenModel):
    """What a reader of the study should find."""

    schema_version: Literal["1"] = "1"
    preset: str
    seed: int
    matrix: str
    liver_ml: float = Field(description="Liver with its tumours, in the CT's field of view")
    liver_ml_whole: float = Field(description="Liver with its tumours, also outside the CT's field of view")
    liver_in_ct_field: float = Field(description="Share of the liver that the CT covers, 0 to 1")
    tumour_ml: float
    burden: float
    liver_suv: float = Field(description="Mean uptake of normal parenchyma, vessels left out")
    liver_hu: float
    lesions: tuple[LesionTruth, ...]
    pet_shift_lps_mm: Vector = Field(description="Added to a place in the liver on CT gives its place on PET")
    organ_suv: dict[str, float] = Field(description="Planned uptake per tissue")
    injected_activity_mbq: float
    uptake_time_min: float
    weight_kg: float
    height_m: float
    expected: dict[str, TruthWord] = Field(description="What the liver alone should give per criterion")


def expected_inc7(lesions: tuple[LesionTruth, ...]) -> TruthWord:
    """Expected INC7: undecidable on PET for lesions that are small or barely above liver."""
    if any(n.diameter_mm >= _DECIDABLE_DIAMETER_MM and n.contrast >= _DECIDABLE_CONTRAST for n in lesions):
        return "met"
    return "indeterminate" if any(n.contrast > 1.0 for n in lesions) else "not_met"


def expected_exc4(burden: float, limit: float = 0.80) -> TruthWord:
    """EXC4: over 80 % of the liver is tumour."""
    return "met" if burden > limit else "not_met"


def known_truth(
    spec: PhantomSpec,
    painted: Geometry,
    ct_part: slice,
    found: tuple[npt.NDArray[np.bool_], npt.NDArray[np.uint16], LesionMasks | None],
    drawn: tuple[dict[Tissue, float], dict[Tissue, float]],
) -> PhantomTruth:
    """What is known of a study.

    Parameters
    ----------
    spec, painted, ct_part
        Specification, the painted grid, and the CT's slices in it.
    found : tuple
        Masks of liver and lesions on the painted grid, and the drawn lesions.
    drawn : tuple
        CT number and uptake of each tissue.
    """
    liver, lesions, masks = found
    hu, suv = drawn
    clock = timing(spec)
    voxel_ml = painted.voxel_volume_ml
    in_ct = liver[ct_part]
    liver_ml, whole_ml = float(in_ct.sum()) * voxel_ml, float(liver.sum()) * voxel_ml
    tumour_ml = float(np.count_nonzero(lesions[ct_part])) * voxel_ml
    burden = tumour_ml / liver_ml if liver_ml else 0.0
    listed = (
        () if masks is None else _lesion_truths(spec, painted, ct_part, masks, (hu[Tissue.LIVER], suv[Tissue.LIVER]))
    )
    return PhantomTruth(
        preset=spec.name,
        seed=spec.seed,
        matrix=spec.matrix,
        liver_ml=liver_ml,
        liver_ml_whole=whole_ml,
        liver_in_ct_field=liver_ml / whole_ml if whole_ml else 0.0,
        tumour_ml=tumour_ml,
        burden=burden,
        liver_suv=suv[Tissue.LIVER],
        liver_hu=hu[Tissue.LIVER],
        lesions=listed,
        pet_shift_lps_mm=(0.0, 0.0, -spec.scanner.breathing_shift_mm),
        organ_suv={tissue.name.lower(): value for tissue, value in suv.items() if tissue is not Tissue.LIVER_LESION},
        injected_activity_mbq=clock.injected_activity_bq / 1e6,
        uptake_time_min=(clock.scan - clock.injection).total_seconds() / 60,
        weight_kg=spec.patient.weight_kg,
        height_m=spec.patient.height_m,
        expected={"INC7": expected_inc7(listed), "EXC4": expected_exc4(burden)},
    )


def _lesion_truths(
    spec: PhantomSpec, painted: Geometry, ct_part: slice, masks: LesionMasks, liver_values: tuple[float, float]
) -> tuple[LesionTruth, ...]:
    liver_hu, liver_suv = liver_values
    start = np.array([part.start for part in masks.box])
    shift = np.array([0.0, 0.0, -spec.scanner.breathing_shift_mm])
    result = []
    for label, box in enumerate(ndimage.find_objects(masks.labels.astype(np.int32)), start=1):
        own = masks.labels[box] == label
        index = np.argwhere(own) + [part.start for part in box] + start
        centre = painted.index_to_lps(index.mean(axis=0))
        kind = masks.blobs[label - 1].spec
        volume_ml = len(index) * painted.voxel_volume_ml
        core_ml = float(np.count_nonzero(masks.core[box] & own)) * painted.voxel_volume_ml
        slices = index[:, 0]
        result.append(
            LesionTruth(
                label=label,
                diameter_mm=float(np.cbrt(6000 * volume_ml / np.pi)),
                volume_ml=volume_ml,
                suv=kind.contrast * liver_suv,
                contrast=kind.contrast,
                centre_lps_mm=tuple(centre.tolist()),
                centre_on_pet_lps_mm=tuple((centre + shift).tolist()),
                hu=liver_hu + kind.hu_difference,
                cold=kind.cold,
                necrotic_core=core_ml > 0,
                necrotic_core_ml=core_ml,
                in_ct_field=bool(((slices >= ct_part.start) & (slices < ct_part.stop)).all()),
            )
        )
    return tuple(result)
