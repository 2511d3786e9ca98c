"""Configuration of the organs beside the liver, and of the liver's lobes."""

from __future__ import annotations

from pydantic import Field

from dotaliver.frozen import FrozenModel

__all__ = ["BloodPoolConfig", "LobeConfig", "SpleenConfig"]


class SpleenConfig(FrozenModel):
    """The sphere in the spleen."""

    hot_ratio: float = Field(
        default=1.2, gt=0, description="Uptake over normal liver from which tissue is hot (DOTATATE spleen: 3 to 4)"
    )
    lateral_mm: float = Field(default=20.0, description="Left of the spine's middle, in mm: nothing nearer is spleen")
    front_mm: float = Field(
        default=75.0, description="In front of the spine's middle, in mm: the spleen does not reach further forward"
    )
    lung_min_ml: float = Field(default=30.0, description="Left lung in the field of view, in ml, at least")
    part_min_ml: float = Field(default=25.0, description="A smaller hot part is not a spleen (usual: 100 to 300 ml)")
    against_lung_mm: float = Field(default=14.0, description="Diaphragm and blur between spleen and lung, in mm")
    against_lung_share: float = Field(
        default=0.08,
        description="Share of a part's surface that abuts the lung: 0 in kidneys, over 0.13 in spleens",
    )
    alike_hu: float = Field(default=22.0, description="HU within which density is the spleen's (a kidney's is not)")
    alike_log_uptake: float = Field(default=0.35, description="Log uptake within which it is the spleen's")
    diameters_mm: tuple[float, ...] = Field(default=(30.0, 25.0, 20.0, 15.0), description="Tried in this order")
    border_margin_mm: float = Field(
        default=5.0, description="From the sphere's surface to the spleen's border, about one resolution"
    )
    largest_variation: float = Field(default=0.25, description="SD over mean in the sphere that is still one organ")


class BloodPoolConfig(FrozenModel):
    """The aorta on CT, and where its uptake is measured."""

    lateral_mm: tuple[float, float] = Field(
        default=(-12.0, 46.0), description="Where the aorta may lie, from the spine's middle, positive to the left"
    )
    posterior_mm: tuple[float, float] = Field(
        default=(-82.0, -8.0), description="The same, positive to the back; the spinal cord lies behind it"
    )
    usual_lateral_mm: float = Field(default=12.0, description="Where it usually lies; the vena cava lies at -25")
    lateral_scale_mm: float = Field(default=20.0, description="Distance from there that costs one unit")
    disc_mm: float = Field(default=7.0, description="Radius in which density is even (an aorta measures 8 to 13 mm)")
    ring_mm: tuple[float, float] = Field(default=(13.0, 17.0), description="Around the aorta: fat, lung or bone")
    uneven_hu: float = Field(default=12.0, description="SD in the disc that costs one unit")
    stray_hu: float = Field(default=80.0, description="Contrast around the disc that earns one unit")
    change_hu: float = Field(default=8.0, description="Change of density from slice to slice that costs one unit")
    native_hu: tuple[float, float] = Field(default=(25.0, 65.0), description="Blood without contrast agent, HU")
    enhanced_hu: tuple[float, float] = Field(default=(85.0, 420.0), description="Blood with contrast agent, HU")
    largest_cost: float = Field(default=0.8, description="A disc of higher cost is not the aorta")
    same_hu: float = Field(default=20.0, description="HU within which all of the aorta lies")
    length_mm: float = Field(default=60.0, description="Length over which a path must look like the aorta")
    length_share: float = Field(default=0.6, description="And share of the field of view's height")
    axis_mm: float = Field(
        default=5.0, description="Radius around the axis that is measured, free of blur from the wall"
    )
    hot_reach_mm: float = Field(default=18.0, description="Radius around the axis without hot neighbours (two FWHM)")
    hot_ratio: float = Field(default=3.5, description="Uptake over the blood's from which a neighbour is hot")
    shortest_mm: float = Field(default=20.0, description="Shortest length that is measured (PERCIST: 2 cm)")


class LobeConfig(FrozenModel):
    """The plane between the liver's lobes."""

    gallbladder_hu: tuple[float, float] = Field(
        default=(-12.0, 17.0), description="Bile, mean over 12 mm, HU; stomach and bowel hold denser fluid"
    )
    lateral_mm: tuple[float, float] = Field(
        default=(-105.0, -20.0), description="Where a gallbladder lies, from the spine's middle, positive to the left"
    )
    front_mm: float = Field(default=45.0, description="And how far in front of it at least")
    uneven_hu: float = Field(default=22.0, description="SD over 12 mm below which density is even, noise included")
    reach_mm: float = Field(default=45.0, description="No part of it lies further from the liver")
    upper_share: float = Field(default=0.65, description="Share of the liver's height above which there is none")
    volume_ml: tuple[float, float] = Field(default=(3.0, 150.0), description="Its volume on the coarse grid")
    depth_mm: float = Field(default=6.0, description="It holds a ball of this radius; fluid films and bowel do not")
    contact_mm: float = Field(default=9.0, description="Two coarse voxels: how near its wall lies to the liver's")
    contact_share: float = Field(default=0.2, description="Share of its surface that abuts the liver")
    cava_lateral_mm: float = Field(default=-23.0, description="The vena cava's usual place from the spine's middle")
    cava_posterior_mm: float = Field(default=-52.0, description="The same, positive to the back")
    angle_degrees: tuple[float, float] = Field(
        default=(12.0, 55.0), description="From straight ahead to the right, as seen from the cava: Cantlie's line"
    )
    shortest_mm: float = Field(default=25.0, description="How far the gallbladder lies in front of the cava at least")
