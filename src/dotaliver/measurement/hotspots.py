"""The hottest 1 ml of the liver, anywhere and outside every outline, with hot neighbours left aside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dotaliver.config.scoring import ScoringConfig
from dotaliver.image.distance import distance_to_mm
from dotaliver.image.geometry import FloatArray, Vector
from dotaliver.image.spheres import sphere_radius_mm
from dotaliver.image.volume import BoolArray
from dotaliver.measurement.placement import Placement
from dotaliver.measurement.reference import LiverSpheres
from dotaliver.records.positions import Share

__all__ = ["HottestSphere", "HottestSpheres", "hottest_spheres"]


@dataclass(frozen=True)
class HottestSphere:
    """A 1 ml sphere of highest mean uptake that lies wholly in the liver."""

    mean: float
    centre_lps_mm: Vector
    searched_spheres: int


@dataclass(frozen=True)
class HottestSpheres:
    """The hottest sphere of the liver, and the hottest one that no outline reaches; None where none was searched.

    ``outside_ml`` is the liver outside the outlines that spheres above the limit cover.
    """

    anywhere: HottestSphere | None
    outside_outlines: HottestSphere | None
    outside_ml: float = 0.0


def _hot_neighbours(spheres: LiverSpheres, liver: Share, limit: float) -> BoolArray:
    """Places outside the liver that are hot on their own account.

    A group of touching sphere means above the limit belongs to a neighbour where its hottest place lies outside
    the liver. A lesion under the liver's capsule also makes places outside hot, but is hottest inside: it must
    not hide itself.
    """
    from scipy.ndimage import label, maximum_position

    hot = spheres.means > limit
    groups, count = label(hot, structure=np.ones((3, 3, 3)))
    outside = ~liver.inside
    foreign = [False]
    if count:
        foreign += [bool(outside[place]) for place in maximum_position(spheres.means, groups, range(1, count + 1))]
    return np.asarray(np.array(foreign)[groups] & outside)


def hottest_spheres(
    placement: Placement,
    spheres: LiverSpheres,
    limit: float,
    dismissed: tuple[int, ...],
    lesion_uncertainty_mm: float,
    config: ScoringConfig,
) -> HottestSpheres:
    """Search every 1 ml sphere that lies wholly in the liver.

    Left out are centres within ``config.inc7.hot_neighbour_margin_mm`` of a hot neighbour (spill-in) and centres
    whose sphere reaches (blurred by one resolution) a focus that a reader marked as no lesion; for the second result,
    any outline.
    """
    liver = placement.liver
    if liver is None:
        return HottestSpheres(None, None)
    spacing = liver.geometry.spacing_mm
    margin = config.inc7.hot_neighbour_margin_mm
    far = distance_to_mm(_hot_neighbours(spheres, liver, limit), spacing, within_mm=margin) >= margin
    radius = sphere_radius_mm(config.peak.sphere_ml)
    reach = radius + lesion_uncertainty_mm + config.inc7.resolution_mm

    def searched(left_out: tuple[int, ...]) -> BoolArray:
        clear = distance_to_mm(placement.lesion_voxels(left_out), spacing, within_mm=reach) >= reach
        return np.asarray(spheres.inside & far & clear)

    outside = searched(tuple(placement.lesions))
    above = outside & (spheres.means > limit)
    covered = distance_to_mm(above, spacing, within_mm=2 * radius) <= radius if above.any() else above
    outside_ml = int(np.count_nonzero(covered & liver.inside)) * liver.geometry.voxel_volume_ml
    return HottestSpheres(_hottest(liver, spheres, searched(dismissed)), _hottest(liver, spheres, outside), outside_ml)


def _hottest(liver: Share, spheres: LiverSpheres, searched: BoolArray) -> HottestSphere | None:
    if not searched.any():
        return None
    means: FloatArray = np.where(searched, spheres.means, -np.inf)
    place = np.unravel_index(int(means.argmax()), means.shape)
    x, y, z = (float(c) for c in liver.geometry.index_to_lps(place))
    return HottestSphere(float(means[place]), (x, y, z), int(np.count_nonzero(searched)))
