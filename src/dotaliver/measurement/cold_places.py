"""Parts of the liver that take up far less than normal liver: necrosis, whose rim may be too thin for a PET, or none.

What tumour encloses on all sides counts as its core (`dotaliver.measurement.necrosis`). A cold place that opens towards
the capsule, or whose rim was not outlined, is in no outline. It is not normal liver either: the upper end of the
burden's interval includes it as tumour. A cyst or a large vessel may be one too, so the burden itself does not. Deep
in the liver it may also be a lesion without receptors that is as dense as liver, which no CT shows.
"""

from __future__ import annotations

import numpy as np

from dotaliver.image.distance import distance_to_mm
from dotaliver.image.morphology import filled
from dotaliver.image.spheres import sphere_radius_mm
from dotaliver.image.volume import Volume, mean_index
from dotaliver.measurement.placement import Placement
from dotaliver.measurement.reference import LiverSpheres
from dotaliver.measurement.uptake_place import UptakePlace
from dotaliver.records.measurements import Burden, CtFocus, Reference

__all__ = ["CLEARLY_COLD", "cold_place", "cold_places_ml", "with_possible_tumour"]

# Means over 1 ml of normal liver hardly fall below this share of its mean, not even next to vessels: at most 0.9 % of
# the liver (median 0.1) of 22 phantoms without necrosis; of the cold places in those with necrosis, nearly all were
# tumour. At 0.6, up to 2.2 % of normal livers would count.
CLEARLY_COLD = 0.5
# Centres of such spheres together, one resolution off the border: a lesion without uptake of 18 mm has this many, and
# next to vessels 26 of 31 phantoms have fewer.
_LEAST_PLACE_ML = 0.8
# A place that was judged on CT: breathing displaces the PET by less.
_SAME_PLACE_MM = 20.0


def cold_places_ml(
    pet: Volume, placement: Placement, spheres: LiverSpheres | None, normal: Reference, sphere_ml: float
) -> float:
    """Volume of the liver's cold places outside every outline, in ml.

    Parameters
    ----------
    pet : Volume
        Uptake on its own grid.
    placement : Placement
        Liver and lesions on the PET.
    spheres : LiverSpheres or None
        Means over spheres that lie wholly in the liver; None where there are none.
    normal : Reference
        Normal liver; without its mean, nothing is cold.
    sphere_ml : float
        Volume of a sphere, in ml.
    """
    liver = placement.liver
    if spheres is None or liver is None or normal.suv_mean is None:
        return 0.0
    limit = CLEARLY_COLD * normal.suv_mean
    cold = spheres.inside & (spheres.means < limit)
    if not cold.any():
        return 0.0
    radius = sphere_radius_mm(sphere_ml)
    near = distance_to_mm(cold, liver.geometry.spacing_mm, within_mm=2 * radius) <= radius
    # A sphere proves the place, single voxels are noise; but it reaches beyond the place, too.
    covered = near & liver.inside & (pet.crop(liver.box).array < limit)
    counted = filled(placement.lesion_voxels(tuple(placement.lesions)))
    return int(np.count_nonzero(covered & ~counted)) * liver.geometry.voxel_volume_ml


def cold_place(
    placement: Placement, spheres: LiverSpheres | None, normal: Reference, foci: tuple[CtFocus, ...]
) -> UptakePlace | None:
    """The largest cold place deep in the liver that was not judged on CT.

    Parameters
    ----------
    placement : Placement
        Liver on the PET.
    spheres : LiverSpheres or None
        Means over spheres that lie wholly in the liver; None where there are none.
    normal : Reference
        Normal liver; without its mean, nothing is cold.
    foci : tuple of CtFocus
        Foci on CT: what lies at one of them is seen there, and judged as that focus.
    """
    from scipy.ndimage import label

    liver = placement.liver
    if spheres is None or liver is None or normal.suv_mean is None:
        return None
    places, count = label(spheres.lesion_free & (spheres.means < CLEARLY_COLD * normal.suv_mean))
    voxel_ml = liver.geometry.voxel_volume_ml
    found = []
    for number in range(1, count + 1):
        own = places == number
        volume_ml = float(np.count_nonzero(own)) * voxel_ml
        centre = liver.geometry.index_to_lps(mean_index(own))
        seen = any(np.linalg.norm(centre - np.asarray(x.centroid_lps_mm)) < _SAME_PLACE_MM for x in foci)
        if volume_ml >= _LEAST_PLACE_ML and not seen:
            x, y, z = (float(c) for c in centre)
            found.append(UptakePlace(volume_ml, float(spheres.means[own].min()), (x, y, z)))
    return max(found, key=lambda place: place.volume_ml, default=None)


def with_possible_tumour(burden: Burden, possible_ml: float) -> Burden:
    """The burden with an upper end that counts more of the liver as tumour, in ml."""
    if burden.high is None or not burden.liver_ml:
        return burden
    return burden.model_copy(update={"high": min(burden.high + possible_ml / burden.liver_ml, 1.0)})
