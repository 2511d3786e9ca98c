"""Specification of a phantom study: patient, liver, neighbours, lesions and scanner, as frozen values.

Every way in which phantoms differ is a value here, so that a new family of studies needs no new code. What a
specification leaves open (shapes, places, uptake within its published range) is drawn from its seed.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from dotaliver.frozen import FrozenModel

__all__ = [
    "ContrastPhase",
    "LesionPlace",
    "LesionSpec",
    "LiverSpec",
    "MatrixName",
    "NeighbourSpec",
    "PatientSpec",
    "PhantomSpec",
    "Range",
    "ScannerSpec",
    "UptakeSpec",
]

Range = tuple[float, float]
MatrixName = Literal["clinical", "medium", "small"]
ContrastPhase = Literal["native", "arterial", "portal", "late"]
LesionPlace = Literal["inside", "anywhere", "capsule", "dome", "touching", "renal_bed"]


class PatientSpec(FrozenModel):
    """Size of the patient; the skeleton and organs scale with it, fat is laid around them."""

    sex: Literal["M", "F"] = "M"
    weight_kg: float = Field(default=74.0, gt=0)
    height_m: float = Field(default=1.74, gt=0)
    width_scale: float = Field(default=1.0, gt=0.6, lt=1.3, description="Left to right, of skeleton and organs")
    depth_scale: float = Field(default=1.0, gt=0.6, lt=1.3, description="Front to back")
    height_scale: float = Field(default=1.0, gt=0.6, lt=1.3, description="Feet to head")
    subcutaneous_fat_mm: float = Field(default=16.0, ge=2, le=60)
    muscle_mm: float = Field(default=11.0, ge=5, le=25, description="Thickness of the abdominal wall's muscles")
    irregularity_mm: float = Field(
        default=6.0, ge=0, le=12, description="SD of the smooth displacement that bends the whole anatomy"
    )


class LiverSpec(FrozenModel):
    """Shape and parenchyma of the liver."""

    right_scale: float = Field(default=1.0, ge=0, le=1.6, description="Right lobe; 0 after right hemihepatectomy")
    left_scale: float = Field(default=1.0, ge=0.3, le=1.8, description="Thickness of the left lobe")
    left_length: float = Field(default=1.0, ge=0.3, le=2.0, description="Reach of the left lobe; 1.7: over the spleen")
    riedel_mm: float = Field(default=0.0, ge=0, le=120, description="Length of a Riedel lobe below the right lobe")
    surface_noise_mm: float = Field(default=3.0, ge=0, le=8, description="SD of the surface at 35 mm")
    nodularity_mm: float = Field(default=0.0, ge=0, le=4, description="SD of the surface at 10 mm (cirrhosis)")
    fat_hu: float = Field(default=0.0, ge=0, le=80, description="How much steatosis lowers the parenchyma")
    uptake_texture: float = Field(default=0.04, ge=0, le=0.2, description="Relative SD of normal uptake at 40 mm")


class NeighbourSpec(FrozenModel):
    """What lies around the liver; gaps of 0 mm make organs touch."""

    kidney_gap_mm: float = Field(default=2.0, ge=0)
    stomach_gap_mm: float = Field(default=1.0, ge=0)
    colon_gap_mm: float = Field(default=1.0, ge=0)
    adrenal_gap_mm: float = Field(default=1.0, ge=0)
    gallbladder_gap_mm: float = Field(default=0.5, ge=0)
    spleen_gap_mm: float = Field(default=1.5, ge=0)
    heart_gap_mm: float = Field(default=4.3, ge=1, le=12, description="Diaphragm and fat between heart and liver")
    gallbladder: bool = True
    spleen: bool = True
    spleen_scale: float = Field(default=1.0, gt=0.4, le=1.8)
    horseshoe_kidney: bool = False
    right_kidney_shift_mm: tuple[float, float, float] = Field(
        default=(0.0, 0.0, 0.0),
        description="To the left, to the back and to the head; to the front and head it indents the liver",
    )
    renal_enhancement: float = Field(
        default=1.0, ge=0, le=1.5, description="Contrast agent in the kidneys; at 0.5 their cortex is as dense as liver"
    )
    ascites_mm: float = Field(default=0.0, ge=0, le=30, description="Fluid between liver and abdominal wall")
    effusion_mm: float = Field(default=0.0, ge=0, le=120, description="Height of fluid behind the right lung")
    hot_bowel_loops: int = Field(default=2, ge=0, le=12, description="Focal bowel segments with high uptake")


class LesionSpec(FrozenModel):
    """One lesion; its place within `place` comes from the seed."""

    diameter_mm: float = Field(gt=0, le=200)
    contrast: float = Field(default=3.0, ge=0, description="True uptake over that of normal liver; under 1: cold")
    hu_difference: float = Field(default=-15.0, ge=-150, le=1500, description="HU over the parenchyma's")
    place: LesionPlace = "inside"
    elongation: float = Field(default=1.2, ge=1, le=2, description="Longest over shortest axis")
    roughness: float = Field(default=0.10, ge=0, le=0.3, description="Relative SD of the border's radius")
    core_fraction: float = Field(default=0.0, ge=0, lt=0.9, description="Necrotic core's radius over the lesion's")
    speckle_hu: float = Field(default=0.0, ge=0, description="SD of dense specks (calcified, embolised)")

    @property
    def cold(self) -> bool:
        """Whether the lesion takes up less than normal liver: receptor-negative."""
        return self.contrast < 1.0


class UptakeSpec(FrozenModel):
    """SUVmean of normal organs as ranges to draw from, 68Ga-DOTATATE.

    Liver: median SUVmean 4.8, 2.3 to 12.4, of 81 patients; spleen 17.3, 5.4 to 34.4; adrenals 12.6 (same). Renal
    parenchyma: SUVmax 12.7 +- 3.0 (Poeppel, J Nucl Med 2011;52:1864). Lung, muscle, blood pool, marrow: under 2
    (Surer Budak 2023). Order spleen > kidney > adrenal > liver > stomach > bowel (Ozguven 2021). Ranges are
    narrowed to where most patients lie.
    """

    liver: Range = (3.5, 7.5)
    spleen: Range = (12.0, 28.0)
    kidney_cortex: Range = (10.0, 18.0)
    kidney_medulla: Range = (5.0, 9.0)
    adrenal: Range = (8.0, 13.0)
    stomach_wall: Range = (2.0, 5.0)
    bowel_wall: Range = (2.0, 4.0)
    hot_bowel: Range = (4.0, 6.0)
    bowel_content: Range = (0.4, 1.2)
    pancreas: Range = (1.8, 3.5)
    gallbladder: Range = (0.8, 3.0)
    blood: Range = (1.0, 1.7)
    heart: Range = (1.0, 1.6)
    muscle: Range = (0.5, 0.9)
    marrow: Range = (0.6, 1.2)
    bone: Range = (0.3, 0.6)
    lung: Range = (0.3, 0.5)
    fat: Range = (0.15, 0.35)
    fluid: Range = (0.3, 0.7)


class ScannerSpec(FrozenModel):
    """Grids, resolution, noise and timing of CT and PET.

    The field of view is given in patient coordinates; the dome of the liver lies near z = +90 mm, its lower edge
    near z = -95 mm, the kidneys' lower poles near z = -115 mm.
    """

    ct_matrix: int = Field(default=512, ge=32)
    ct_pixel_mm: float = Field(default=0.9, gt=0)
    ct_slice_mm: float = Field(default=4.0, gt=0)
    ct_bottom_mm: float = -170.0
    ct_top_mm: float = 150.0
    ct_noise_hu: float = Field(default=14.0, ge=0, description="SD in soft tissue")
    ct_resolution_mm: float = Field(default=1.2, ge=0, description="FWHM in plane")
    ct_streaks_hu: float = Field(
        default=0.0, ge=0, description="SD of left-right streaks, as from arms at the sides, in HU"
    )
    contrast_phase: ContrastPhase = "portal"
    pet_matrix: int = Field(default=200, ge=16)
    pet_pixel_mm: float = Field(default=4.07, gt=0)
    pet_slice_mm: float = Field(default=3.0, gt=0)
    pet_bottom_mm: float = -170.0
    pet_top_mm: float = 150.0
    pet_resolution_mm: float = Field(default=6.0, gt=0, description="FWHM, voxel averaging included")
    pet_liver_cov: float = Field(default=0.12, ge=0, lt=1, description="SD over mean of normal liver voxels")
    pet_noise_correlation_mm: float = Field(default=5.0, gt=0, description="FWHM of the noise's correlation kernel")
    breathing_shift_mm: float = Field(
        default=4.0, description="How far the liver lies on the PET towards the feet from its place on CT"
    )
    injected_activity_mbq: Range = (110.0, 190.0)
    uptake_time_min: Range = (50.0, 75.0)

    @model_validator(mode="after")
    def _fields_of_view(self) -> Self:
        if self.ct_top_mm <= self.ct_bottom_mm or self.pet_top_mm <= self.pet_bottom_mm:
            msg = "the top of a field of view must lie above its bottom"
            raise ValueError(msg)
        return self


class PhantomSpec(FrozenModel):
    """The whole specification of a phantom study; the same specification gives the same voxels."""

    name: str
    seed: int = Field(ge=0)
    matrix: MatrixName = "clinical"
    patient: PatientSpec = PatientSpec()
    liver: LiverSpec = LiverSpec()
    neighbours: NeighbourSpec = NeighbourSpec()
    uptake: UptakeSpec = UptakeSpec()
    scanner: ScannerSpec = ScannerSpec()
    lesions: tuple[LesionSpec, ...] = ()
    burden: float | None = Field(
        default=None,
        ge=0,
        le=0.97,
        description="Where given, all lesions are grown or shrunk by one factor until tumour fills this share",
    )
    spared_share: float = Field(
        default=0.0, ge=0, lt=1, description="Share of the liver, in one piece, that lesions keep away from"
    )
