"""Normal uptake: the numbers of the reference regions, its noise over 1 ml, and the limit U.

L is the mean of the normal-liver region. S is the standard deviation of 1 ml sphere means over lesion-free
parenchyma: the region itself was chosen because it varies least, so its own scatter is too small. U is the upper
limit of normal liver: the highest 1 ml mean of a lesion-free liver exceeds it in one liver of twenty (see
`peak_limit_factor`).

S is read from the means below L alone. Tumour that nobody outlined makes places hotter than their surroundings, so
it would widen a plain standard deviation (six lesions of 2.4 × liver raise U to 2.6 × L) and hide itself; below L
there is noise and texture only. The median of their distances to L is 0.6745 S for normally distributed means, and
hardly moved by vessels and cysts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dotaliver.config.criteria import Inc7Config
from dotaliver.config.scoring import ScoringConfig
from dotaliver.errors import GeometryError
from dotaliver.image.distance import depth_mm, distance_to_mm
from dotaliver.image.geometry import FloatArray
from dotaliver.image.spheres import sphere_kernel, sphere_means, sphere_on, sphere_radius_mm
from dotaliver.image.volume import BoolArray, LabelMap, Volume
from dotaliver.measurement.placement import Placement
from dotaliver.records.edits import ReaderEdits
from dotaliver.records.flags import Flag, raise_flag
from dotaliver.records.masks import ReferenceRegion, Segmentations
from dotaliver.records.measurements import Reference
from dotaliver.records.positions import Share, own_labels, share_on

__all__ = [
    "LiverSpheres",
    "References",
    "liver_spheres",
    "measure_references",
    "peak_limit_factor",
]

Organ = Literal["liver", "spleen", "blood_pool"]
ORGANS: tuple[Organ, ...] = ("liver", "spleen", "blood_pool")
_WHOLE = 0.99
# Median of the distances to the mean, in standard deviations of a normal distribution.
_MEDIAN_OF_HALF_NORMAL = 0.6745
_ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class LiverSpheres:
    """1 ml sphere means in the liver's box on the PET.

    ``inside`` marks centres whose sphere lies wholly in the liver; ``lesion_free`` those that also keep one
    resolution from the liver's border and from every outlined lesion.
    """

    means: FloatArray
    inside: BoolArray
    lesion_free: BoolArray


@dataclass(frozen=True, eq=False)
class References:
    """Reference values by organ, with what they cast doubt on."""

    values: dict[str, Reference]
    flags: tuple[Flag, ...]

    @property
    def liver(self) -> Reference:
        """Normal liver."""
        return self.values["liver"]


def liver_spheres(
    pet: Volume, liver: Share, lesions: BoolArray, lesion_uncertainty_mm: float, config: ScoringConfig
) -> LiverSpheres:
    """Means over 1 ml spheres around every voxel of the liver's box.

    A centre lies wholly inside where it keeps the sphere's radius and half a voxel's diagonal from every voxel
    that is not at least 99 % liver. It is lesion-free where it also keeps one resolution from those voxels (blurred by
    the neighbours) and, from every lesion voxel, radius + lesion border uncertainty + one resolution.
    """
    spacing = pet.geometry.spacing_mm
    radius = sphere_radius_mm(config.peak.sphere_ml)
    kernel = sphere_kernel(spacing, radius, config.peak.subsamples)
    means, cut = sphere_means(pet, liver.box, kernel)
    depth = depth_mm(liver.part >= _WHOLE, spacing)
    needed = radius + 0.5 * float(np.linalg.norm(spacing))
    resolution = config.inc7.resolution_mm
    inside = (depth >= needed) & ~cut
    margin = radius + lesion_uncertainty_mm + resolution
    far = distance_to_mm(lesions, spacing, within_mm=margin) >= margin
    return LiverSpheres(means, inside, inside & far & (depth >= needed + resolution))


def peak_limit_factor(lesion_free_ml: float, config: Inc7Config) -> float:
    """Factor k in U = L + k S.

    A lesion-free liver of V ml is taken to hold n = V / ``independent_ml`` independent 1 ml means, each normally
    distributed about L with standard deviation S. The highest of n stays under L + k S with probability
    Φ(k)^n, so k = Φ⁻¹(level^(1/n)): 4.0 for 1.5 l at 95 %. Never below 2.
    """
    from scipy.special import ndtri

    n = max(lesion_free_ml / config.independent_ml, 1.0)
    return max(float(ndtri(config.level ** (1.0 / n))), 2.0)


def _sphere_reference(pet: Volume, region: ReferenceRegion, subsamples: int) -> Reference:
    """Weighted mean and (population) SD over a sphere; the maximum over voxels at least half inside.

    The volume is the sphere's own, 4/3 π r³.
    """
    if region.centre_lps_mm is None or region.diameter_mm is None:
        return Reference(organ=region.organ, method="none", reason="the sphere has no centre or no diameter")
    radius = region.diameter_mm / 2.0
    name = f"{region.organ.replace('_', ' ')} reference"
    sphere = sphere_on(pet.geometry, region.centre_lps_mm, radius, subsamples, name=name)
    values = pet.crop(sphere.box).array.astype(np.float64)
    weights = sphere.weights
    mean = float((values * weights).sum() / weights.sum())
    variance = float((weights * (values - mean) ** 2).sum() / weights.sum())
    core = weights >= 0.5 if (weights >= 0.5).any() else weights > 0
    return Reference(
        organ=region.organ,
        method=region.method,
        suv_mean=mean,
        suv_sd=math.sqrt(variance),
        suv_max=float(values[core].max()),
        volume_ml=4.0 / 3.0 * math.pi * radius**3 / 1000.0,
        centre_lps_mm=region.centre_lps_mm,
        diameter_mm=region.diameter_mm,
    )


def _region_reference(pet: Volume, region: ReferenceRegion, labels: LabelMap) -> Reference:
    """Plain mean and (population) SD over the PET voxels at least half inside the region."""
    whole = own_labels(labels)
    share = None if whole is None else share_on(whole, pet.geometry, (0.0, 0.0, 0.0), 0.0)
    if share is None or not share.inside.any():
        return Reference(organ=region.organ, method="none", reason="the region holds no voxel of the PET")
    voxels = share.inside
    values = pet.crop(share.box).array[voxels].astype(np.float64)
    x, y, z = (float(c) for c in share.geometry.index_to_lps(np.argwhere(voxels).mean(axis=0)))
    return Reference(
        organ=region.organ,
        method=region.method,
        suv_mean=float(values.mean()),
        suv_sd=float(values.std()),
        suv_max=float(values.max()),
        volume_ml=int(values.size) * pet.geometry.voxel_volume_ml,
        centre_lps_mm=(x, y, z),
    )


def _chosen_region(organ: Organ, segmentations: Segmentations, edits: ReaderEdits) -> ReferenceRegion:
    edit = edits.reference(organ)
    if edit is not None:
        return ReferenceRegion(organ, "reader", edit.centre_lps_mm, edit.diameter_mm)
    missing = f"the {organ.replace('_', ' ')} was not looked for"
    return segmentations.reference(organ) or ReferenceRegion(organ, "none", reason=missing)


def _measure(pet: Volume, region: ReferenceRegion, subsamples: int) -> Reference:
    if region.method == "none":
        return Reference(organ=region.organ, method="none", reason=region.reason or "no region was found")
    if region.region is not None:
        found = _region_reference(pet, region, region.region)
    else:
        try:
            found = _sphere_reference(pet, region, subsamples)
        except GeometryError:
            if region.method == "reader":
                raise
            return Reference(organ=region.organ, method="none", reason="the sphere leaves the PET")
    if found.suv_mean is not None and found.suv_mean <= 0:
        return Reference(organ=region.organ, method="none", reason="the region shows no uptake")
    return found


def _noise(mean: float, spheres: LiverSpheres | None, lesion_free_ml: float, config: Inc7Config) -> dict[str, float]:
    """S, U and the number of spheres; S is assumed (``assumed`` = 1) where there are too few."""
    values = np.zeros(0) if spheres is None else spheres.means[spheres.lesion_free]
    below = mean - values[values <= mean * (1.0 + _ROUNDING)]
    # Half of the means of normal liver lie below their mean; fewer than that many say nothing of it.
    assumed = values.size < config.minimum_spheres or below.size < config.minimum_spheres // 2
    sd = config.assumed_relative_sd * mean if assumed else float(np.median(below)) / _MEDIAN_OF_HALF_NORMAL
    sd = max(sd, config.minimum_relative_sd * mean)
    limit = mean + peak_limit_factor(lesion_free_ml, config) * sd
    return {"sd": sd, "limit": limit, "spheres": float(values.size), "assumed": float(assumed)}


def _liver_flags(
    reference: Reference, suvbw_per_unit: float | None, assumed: bool, edits: ReaderEdits, config: ScoringConfig
) -> list[Flag]:
    flags: list[Flag] = []
    if reference.suv_mean is None:
        return [raise_flag("REFERENCE_NOT_FOUND", reason=reference.reason or "no region was found")]
    if reference.method == "reader":
        flags.append(raise_flag("REFERENCE_BY_READER", reader=edits.reader_words))
    elif reference.method == "small_sphere":
        flags.append(raise_flag("REFERENCE_SPHERE_SMALL", mm=reference.diameter_mm or 0.0))
    elif reference.method == "low_mode":
        flags.append(raise_flag("REFERENCE_LOW_MODE"))
    usual = config.reference.suv_mean_range
    suvbw = None if suvbw_per_unit is None else suvbw_per_unit * reference.suv_mean
    if suvbw is not None and not usual.holds(suvbw):
        flags.append(raise_flag("REFERENCE_UPTAKE_UNUSUAL", suv=suvbw, low=usual.low, high=usual.high))
    share = (reference.peak_sd or 0.0) / reference.suv_mean
    if share > config.inc7.largest_relative_sd:
        limit = 100 * config.inc7.largest_relative_sd
        flags.append(raise_flag("NORMAL_LIVER_SCATTER_IMPLAUSIBLE", percent=100 * share, limit=limit))
    if assumed:
        flags.append(raise_flag("REFERENCE_NOISE_ASSUMED", percent=100 * config.inc7.assumed_relative_sd))
    return flags


def measure_references(
    pet: Volume,
    segmentations: Segmentations,
    edits: ReaderEdits,
    placement: Placement,
    config: ScoringConfig,
    suvbw_per_unit: float | None = None,
) -> tuple[References, LiverSpheres | None]:
    """Normal uptake of liver, spleen and blood pool; for the liver also S and U.

    A sphere that the reader placed comes first. Every outlined focus is kept out of S, whatever its mark.
    ``suvbw_per_unit`` turns the PET's unit into SUVbw, by which normal livers are known; None where nothing does.

    Raises
    ------
    GeometryError
        Where a reference sphere that a reader placed leaves the PET.
    """
    subsamples = config.peak.subsamples
    values: dict[str, Reference] = {
        organ: _measure(pet, _chosen_region(organ, segmentations, edits), subsamples) for organ in ORGANS
    }
    spheres = None
    lesion_free_ml = config.inc7.unknown_liver_ml
    layer = segmentations.lesions
    if placement.liver is not None and segmentations.liver is not None:
        voxels = placement.lesion_voxels(tuple(placement.lesions))
        uncertainty = 0.0 if layer is None else layer.border_uncertainty_mm
        spheres = liver_spheres(pet, placement.liver, voxels, uncertainty, config)
        inside_ml = int(np.count_nonzero(voxels & placement.liver.inside)) * pet.geometry.voxel_volume_ml
        lesion_free_ml = max(segmentations.liver.labels.volume_ml() - inside_ml, 0.0)
    liver = values["liver"]
    assumed = False
    if liver.suv_mean is not None:
        noise = _noise(liver.suv_mean, spheres, lesion_free_ml, config.inc7)
        assumed = bool(noise["assumed"])
        numbers = {
            "peak_sd": noise["sd"],
            "peak_limit": noise["limit"],
            "peak_sd_spheres": int(noise["spheres"]),
        }
        values["liver"] = liver.model_copy(update=numbers)
    flags = _liver_flags(values["liver"], suvbw_per_unit, assumed, edits, config)
    return References(values, tuple(flags)), spheres
