"""What a body phantom from head to thigh consists of, and patients drawn at random."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from pydantic import Field

from dotaliver.frozen import FrozenModel
from dotaliver.phantom.shapes import stream
from dotaliver.phantom.spec import LiverSpec, NeighbourSpec, PatientSpec, PhantomSpec, Range, ScannerSpec

__all__ = ["LESION_SITES", "BodyLesionSpec", "BodySpec", "BodyUptake", "LesionSite", "draw_body"]

SiteOutsideLiver = Literal[
    "node_mediastinal",
    "node_supraclavicular",
    "node_retroperitoneal",
    "node_mesenteric",
    "node_pelvic",
    "bone_vertebra",
    "bone_rib",
    "bone_pelvis",
    "bone_femur",
    "peritoneum",
    "lung",
    "pancreas",
]
LesionSite = Literal[SiteOutsideLiver, "liver"]

LESION_SITES: tuple[SiteOutsideLiver, ...] = get_args(SiteOutsideLiver)


class BodyLesionSpec(FrozenModel):
    """One lesion; its place within the site comes from the seed."""

    site: LesionSite
    diameter_mm: float = Field(gt=0, le=80)
    suv: float | None = Field(gt=0, description="True uptake; None: that of the tissue around it")
    fdg_suv: float | None = Field(default=None, gt=0, description="The same of FDG, in a second scan")


class BodyUptake(FrozenModel):
    """True SUV of organs outside the upper abdomen, as ranges to draw from, 68Ga-DOTATATE.

    Pituitary: SUVmax 9.7 (Kuyumcu, Ann Nucl Med 2013) through the blur of a gland of 10 mm. The others follow the order
    and ranges of normal studies: glands and prostate between blood pool and liver, urine by the state of hydration.
    Degenerative bone: up to twice marrow.
    """

    pituitary: Range = (10.0, 26.0)
    salivary: Range = (1.5, 5.0)
    thyroid: Range = (1.5, 5.0)
    urine: Range = (6.0, 60.0)
    prostate: Range = (1.8, 5.0)
    uterus: Range = (1.5, 3.5)
    uncinate: Range = (4.0, 11.0)
    degenerative: Range = (1.5, 3.0)
    injection: Range = (8.0, 60.0)
    reactive_node: Range = (1.2, 2.2)
    brain: Range = (0.1, 0.1)
    brown_fat: Range = (0.6, 1.2)


class BodySpec(FrozenModel):
    """A patient from head to mid-thigh; the same specification gives the same voxels."""

    trunk: PhantomSpec
    uptake: BodyUptake = BodyUptake()
    arms: Literal["up", "down"] = "up"
    bowel_contrast: bool = False
    stomach: bool = True
    kidneys: Literal["both", "left", "right"] = "both"
    accessory_spleen: bool = False
    ureter_beads: int = Field(default=3, ge=0, le=12, description="Short hot segments of both ureters")
    bladder_radius_mm: float = Field(default=38.0, gt=10, lt=70)
    degenerative: int = Field(default=2, ge=0, le=8, description="Joints and vertebral margins with mild uptake")
    injection_site: bool = False
    brown_fat: bool = Field(default=False, description="Active brown fat above the clavicles and beside the spine")
    lesions: tuple[BodyLesionSpec, ...] = ()
    top_mm: float = Field(default=590.0, description="Upper end of the images; the liver's dome lies near +90")
    bottom_mm: float = Field(default=-520.0, description="Lower end: mid-thigh")
    with_ct: bool = True
    scan: str = Field(default="", description="Another scan of the same patient: its noise is its own")

    @property
    def seed(self) -> int:
        """The seed of everything that the specification leaves open."""
        return self.trunk.seed


def draw_body(seed: int, *, clean: bool = False) -> BodySpec:
    """A patient of 45 to 130 kg drawn at random, with metastases outside the liver or (``clean``) without."""
    rng = stream(seed, "body family")
    sex: Literal["M", "F"] = "M" if rng.random() < 0.5 else "F"
    weight = float(np.clip(rng.normal(80 if sex == "M" else 68, 18), 45, 130))
    patient = _patient(sex, weight, rng)
    trunk = PhantomSpec(
        name=f"body {seed}",
        seed=seed,
        matrix="small",
        patient=patient,
        liver=LiverSpec(
            left_length=float(rng.uniform(0.7, 1.5)),
            riedel_mm=float(rng.uniform(20, 70)) if rng.random() < 0.1 else 0.0,
            fat_hu=float(rng.uniform(10, 40)) if rng.random() < 0.2 else 0.0,
        ),
        neighbours=NeighbourSpec(
            spleen=rng.random() > 0.12,
            spleen_scale=float(rng.uniform(0.75, 1.35)),
            gallbladder=rng.random() > 0.15,
            hot_bowel_loops=int(rng.integers(1, 8)),
        ),
        scanner=ScannerSpec(
            contrast_phase=("native", "portal", "arterial")[int(rng.choice(3, p=[0.5, 0.4, 0.1]))],
            pet_liver_cov=float(rng.uniform(0.08, 0.18)),
            pet_resolution_mm=float(rng.uniform(5.0, 7.5)),
            ct_noise_hu=float(rng.uniform(9, 22)),
            breathing_shift_mm=float(rng.uniform(0, 9)),
        ),
    )
    return BodySpec(
        trunk=trunk,
        arms="down" if rng.random() < 0.3 else "up",
        bowel_contrast=rng.random() < 0.3,
        stomach=rng.random() > 0.08,
        kidneys=("both", "left", "right")[int(rng.choice(3, p=[0.9, 0.05, 0.05]))],
        accessory_spleen=rng.random() < 0.2,
        ureter_beads=int(rng.integers(0, 9)),
        bladder_radius_mm=float(rng.uniform(22, 52)),
        degenerative=int(rng.integers(0, 6)),
        injection_site=rng.random() < 0.35,
        lesions=() if clean else _lesions(rng),
    )


def _patient(sex: Literal["M", "F"], weight: float, rng: np.random.Generator) -> PatientSpec:
    """Skeleton by sex, fat by weight."""
    size = (1.0 if sex == "M" else 0.92) * (1 + float(np.clip(rng.normal(0, 0.03), -0.06, 0.06)))
    girth = float(np.clip(size * (1 + 0.0015 * (weight - 75)), 0.82, 1.16))
    return PatientSpec(
        sex=sex,
        weight_kg=weight,
        height_m=1.74 * size,
        width_scale=girth,
        depth_scale=girth,
        height_scale=float(np.clip(size, 0.85, 1.08)),
        subcutaneous_fat_mm=float(np.clip(6 + 0.5 * (weight - 50) + (6 if sex == "F" else 0), 3, 46)),
        irregularity_mm=float(rng.uniform(3, 7)),
    )


def _lesions(rng: np.random.Generator) -> tuple[BodyLesionSpec, ...]:
    """Three to fourteen lesions outside the liver and up to four inside, of 5 to 60 mm, most of them small."""
    lesions = []
    for site in rng.choice(LESION_SITES, int(rng.integers(3, 15))):
        largest = {"lung": 30.0, "bone_rib": 16.0, "node_supraclavicular": 25.0}.get(str(site), 60.0)
        size = float(np.exp(rng.uniform(np.log(5), np.log(largest))))
        faint = 2.0 if site == "lung" else 3.0
        suv = float(np.exp(rng.uniform(np.log(faint), np.log(32))))
        lesions.append(BodyLesionSpec(site=str(site), diameter_mm=size, suv=suv))
    for _ in range(int(rng.integers(0, 5))):
        suv, size = float(rng.uniform(12, 35)), float(rng.uniform(10, 45))
        lesions.append(BodyLesionSpec(site="liver", diameter_mm=size, suv=suv))
    return tuple(lesions)
