"""What was measured: references, lesions, diameters, burden."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dotaliver.frozen import FrozenModel
from dotaliver.image.geometry import Vector
from dotaliver.records.edits import NOT_TUMOUR, StoredMark
from dotaliver.records.flags import Flag

__all__ = ["Burden", "CtFocus", "Diameter", "DiameterSource", "Lesion", "Lobe", "Lobes", "Reference"]


DiameterSource = Literal["ct", "click", "pet", "reader"]
"""How a diameter came about: from a border that the program found on CT by itself or from a reader's click, from the
extent on PET, or drawn by a reader."""


class Reference(FrozenModel):
    """Normal uptake of an organ, or why there is none."""

    organ: Literal["liver", "spleen", "blood_pool"]
    method: str
    suv_mean: float | None = None
    suv_sd: float | None = Field(default=None, description="SD between the region's voxels")
    suv_max: float | None = None
    volume_ml: float | None = None
    centre_lps_mm: Vector | None = None
    diameter_mm: float | None = None
    peak_sd: float | None = Field(
        default=None, description="S: SD of 1 ml sphere means of lesion-free liver, read from those below L"
    )
    peak_limit: float | None = Field(
        default=None,
        description="U, the upper limit of normal liver: one healthy liver in twenty exceeds it in its highest 1 ml",
    )
    peak_sd_spheres: int | None = Field(default=None, description="1 ml means that S was taken from")
    reason: str | None = Field(default=None, description="Why there is no value")


class Diameter(FrozenModel):
    """Longest in-plane diameter and the longest one across it, with end points in patient coordinates."""

    longest_mm: float
    short_mm: float | None
    source: DiameterSource
    modality: Literal["CT", "MR", "PT"] | None = Field(
        default=None, description="DICOM modality of the image that it was measured on; None in records of version 1"
    )
    long_axis_lps_mm: tuple[Vector, Vector]
    short_axis_lps_mm: tuple[Vector, Vector] | None = None
    interval_mm: tuple[float, float] | None = Field(
        default=None, description="Holds the true longest diameter with 95 % confidence; None where it is not known"
    )
    seen_border_share: float | None = Field(
        default=None, description="Share of the border at which density steps, 0 to 1; None where it was not judged"
    )
    inside_mm: float | None = Field(
        default=None, description="Longest chord inside the lesion, where the longest diameter leaves it"
    )
    inside_axis_lps_mm: tuple[Vector, Vector] | None = None
    slice_index: int | None = Field(default=None, description="Slice of the image that it lies on, from 0")
    series_instance_uid: str | None = Field(default=None, description="Image that it was measured on")
    sop_instance_uid: str | None = Field(default=None, description="Slice that it lies on")


class Lesion(FrozenModel):
    """One lesion, measured; uptake in the PET's unit (SUV), sizes in mm and ml."""

    label: int
    in_liver: bool | None
    liver_share: float | None = Field(description="Share of the lesion inside the liver, 0 to 1")
    suv_max: float | None
    suv_mean: float | None
    suv_peak: float | None
    suv_peak_centre_lps_mm: Vector | None
    volume_ml: float
    total_uptake: float | None = Field(description="SUVmean × volume, in SUV·ml")
    ratio_to_liver: float | None = Field(description="SUVpeak over normal-liver SUVmean")
    max_ratio_to_liver: float | None = Field(description="SUVmax over normal-liver SUVmean")
    mean_ratio_to_liver: float | None = Field(description="SUVmean over normal-liver SUVmean")
    krenning: str | None = Field(description="Modified Krenning grade on SUVpeak: 0 to 4, or '≥3' without a spleen")
    longest_diameter_mm: float | None
    short_axis_mm: float | None
    diameter_source: DiameterSource | None
    diameter: Diameter | None
    pet_extent_mm: float | None = Field(description="Longest in-plane extent of the mask on the PET")
    ct_volume_ml: float | None = Field(default=None, description="Volume of the outline on CT, where the CT shows it")
    least_size_mm: float | None = Field(
        default=None,
        description="Lower bound of the longest diameter from uniform uptake, where no diameter was measured; not a "
        "RECIST diameter",
    )
    centroid_lps_mm: Vector
    capsule_distance_mm: float | None = Field(
        default=None, description="From the lesion's border to the liver's; 0 where it reaches it; None outside"
    )
    marks: tuple[StoredMark, ...] = ()
    flags: tuple[Flag, ...] = ()

    @property
    def name(self) -> str:
        """What people are shown."""
        return str(self.label)

    @property
    def tumour(self) -> bool:
        """Whether it counts as tumour: no reader called it a simple cyst or no lesion at all."""
        return not NOT_TUMOUR & set(self.marks)


class CtFocus(FrozenModel):
    """A focal lesion on CT that the PET does not outline; receptor-negative where its uptake is not above liver."""

    label: int
    in_liver: bool | None
    volume_ml: float
    longest_diameter_mm: float | None
    short_axis_mm: float | None
    hu: float | None = Field(description="Median density on CT, HU")
    below_liver_hu: float | None = Field(description="How far that lies below the liver's, HU")
    suv_mean: float | None = Field(
        description=(
            "Highest mean over its place on the PET, moved by the remaining doubt, apart from outlined lesions next to "
            "it"
        )
    )
    ratio_to_liver: float | None = Field(description="That mean over the normal-liver mean")
    above_liver: bool | None = Field(description="Whether that mean exceeds what normal liver reaches")
    centroid_lps_mm: Vector
    suspicion: float | None = Field(default=None, description="0 to 1, for sorting; None where it was not computed")
    may_be: tuple[str, ...] = Field(default=(), description="Why it may be benign")
    images: tuple[Literal["ct", "recist_image"], ...] = Field(
        default=("ct",), description="The PET's CT, or the one that diameters are measured on: where it was seen"
    )
    marks: tuple[StoredMark, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether a reader called it a receptor-negative lesion."""
        return "receptor_negative" in self.marks and not NOT_TUMOUR & set(self.marks)

    @property
    def tumour(self) -> bool:
        """Whether a reader called it tumour: a receptor-negative lesion or a cystic metastasis."""
        return self.accepted or ("cystic_metastasis" in self.marks and not NOT_TUMOUR & set(self.marks))

    @property
    def candidate(self) -> bool:
        """Whether it may be receptor-negative, and no reader has decided."""
        judged = {"receptor_negative", *NOT_TUMOUR} & set(self.marks)
        return self.in_liver is True and self.above_liver is not True and not judged


class Lobe(FrozenModel):
    """One lobe of the liver with its tumour."""

    liver_ml: float
    tumour_ml: float | None
    fraction: float | None = Field(description="0 to 1")


class Lobes(FrozenModel):
    """Right and left lobe, or why they are unknown."""

    right: Lobe | None = None
    left: Lobe | None = None
    landmark: str | None = Field(default=None, description="What the plane between them was laid through")
    reason: str | None = Field(default=None, description="Why there are no lobes")


class Burden(FrozenModel):
    """Tumour in the liver over the liver with its tumours."""

    fraction: float | None = Field(description="0 to 1")
    low: float | None = Field(description="Lower end of the interval")
    high: float | None = Field(description="Upper end of the interval")
    tumour_ml: float | None
    liver_ml: float | None
    reason: str | None = Field(default=None, description="Why there is no value")
