"""Constants of measuring: acquisition limits, SUVpeak, references and burden."""

from __future__ import annotations

from pydantic import Field

from dotaliver.config.protocol import Range
from dotaliver.frozen import FrozenModel

__all__ = ["AcquisitionConfig", "BurdenConfig", "PeakConfig", "ReferenceConfig"]


class AcquisitionConfig(FrozenModel):
    """When the acquisition of a PET or CT raises a caveat."""

    voxel_limit_mm: float = Field(default=5.5, description="PET voxels above this raise VOXELS_LARGE (EARL: 3 to 4 mm)")
    slice_limit_mm: float = Field(default=5.0, description="Slices above this raise SLICES_THICK (RECIST 1.1)")
    reference_time_tolerance_percent: float = Field(
        default=1.0,
        description="Change of SUV between two valid reference times that is flagged (dcm2niix #983)",
    )


class PeakConfig(FrozenModel):
    """SUVpeak: the highest mean over a 1 ml sphere centred on any voxel of a lesion."""

    sphere_ml: float = Field(default=1.0, gt=0, description="PERCIST 1.0 (Wahl 2009): 1 ml, radius 6.204 mm")
    subsamples: int = Field(default=8, ge=1, description="Probes per voxel and axis for the part inside the sphere")


class ReferenceConfig(FrozenModel):
    """The normal-liver sphere: Hirata 2014's least variable sphere, away from lesions, border and vessels."""

    diameters_mm: tuple[float, ...] = Field(
        default=(30.0, 25.0, 20.0, 15.0), description="Tried in this order; PERCIST's sphere is 30 mm"
    )
    border_margin_mm: float = Field(default=10.0, description="From the sphere's surface to the liver's border")
    lesion_margin_mm: float = Field(default=10.0, description="From the sphere's surface to a candidate lesion")
    low_mode_tolerance: float = Field(
        default=0.03,
        description="How far a sphere's mean may lie from the lower histogram peak, relative: on phantoms that peak is "
        "right within 1 to 3 %, the least variable of all spheres only within 9 %",
    )
    low_mode_loose_tolerance: float = Field(default=0.20, description="The same, where no sphere comes so near")
    low_mode_min_ml: float = Field(
        default=15.0, description="Lesion-free liver below this gives no lower histogram peak"
    )
    low_mode_min_share: float = Field(
        default=0.02, description="Share of the liver's volume that the lower histogram peak must at least hold"
    )
    suv_mean_range: Range = Field(
        default=Range(low=2.3, high=12.4),
        description="Normal liver, 68Ga-DOTATATE/-NOC, 81 patients: 2.3 to 12.4",
    )


class BurdenConfig(FrozenModel):
    """Tumour volume over liver volume, with its interval."""

    grid_mm: float = Field(default=2.0, gt=0, description="Spacing of the grid on which borders are moved")
    undetected_share: float = Field(
        default=0.01,
        ge=0,
        lt=1,
        description="Share of the lesion-free liver that lesions too small or too faint for a PET may hold (0.9 % on "
        "phantoms with faint lesions alone)",
    )
    hidden_share: float = Field(
        default=0.025,
        ge=0,
        lt=1,
        description="Share of a tumour that fills the liver which gaps of normal liver too narrow for a PET may hold "
        "(on 19 phantoms with a burden over 30 %, the burden was 2.2 points too high in the median and 4.8 at most)",
    )
    hidden_over_seen: float = Field(
        default=0.75,
        ge=0,
        description="Normal liver that such gaps may hide over what is seen of it, where no normal liver was found "
        "to be measured (on 8 phantoms full of lesions of 8 to 30 mm -0.2 to 0.9, of which the uncertainty of "
        "borders covers 0.5)",
    )
    largest_usual_liver_ml: float = Field(
        default=2200.0, gt=0, description="A liver cut by the field of view may be this large (normal 1.0 to 2.2 l)"
    )
    bands: tuple[float, float] = Field(
        default=(0.25, 0.5),
        description="Bounds of the bands of liver tumour burden in NETTER-1 (Strosberg, EJNMMI 2020: under 25, 25 to "
        "50, over 50 %)",
    )
    least_unseen_share: float = Field(default=0.1, ge=0, description="Share of the seen part that is at least unseen")
