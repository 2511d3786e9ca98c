"""How much of the liver is tumour by its level of uptake alone, whatever was outlined: faint confluent tumour.

The edge of a tumour lies half-way between the uptake of its two sides. Where faint tumour fills much of the liver, its
outlines may end at the dips of noise and texture within it. Means over 1 ml have little noise: those that lie wholly in
the liver and on the tumour's side of half-way (and above the upper limit of normal liver) are taken as tumour. Nearer
to the liver's border they are blurred with what lies outside; there the nearest deeper one counts. Outlines count too,
so this share is rather too large than too small: it is for the upper end of the burden's interval.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dotaliver.image.distance import distance_to_mm
from dotaliver.image.volume import BoolArray
from dotaliver.measurement.burden import counts_for_burden
from dotaliver.measurement.cold_places import with_possible_tumour
from dotaliver.measurement.placement import Placement
from dotaliver.measurement.reference import LiverSpheres
from dotaliver.records.measurements import Burden, Lesion, Reference

__all__ = ["share_by_level", "with_unoutlined"]

# The blur of a lesion reaches about two resolutions.
_BLUR_MM = 15.0
# Under this share of the spheres outside every outline, blur around the outlines explains them.
_NOTEWORTHY = 0.15


def share_by_level(
    placement: Placement, spheres: LiverSpheres | None, normal: Reference, lesions: tuple[Lesion, ...]
) -> float | None:
    """Share of the liver that is tumour by its outlines or by its level of uptake.

    None where normal liver or its limit are not known, no sphere lies in the liver, or few outside the outlines are on
    the tumour's side.

    Parameters
    ----------
    placement : Placement
        Liver and lesions on the PET.
    spheres : LiverSpheres or None
        1 ml means in the liver's box.
    normal : Reference
        Normal liver.
    lesions : tuple of Lesion
        Measured ones; each sets the level half-way to it for the places that its blur reaches.
    """
    liver = placement.liver
    if spheres is None or liver is None or normal.suv_mean is None or normal.peak_limit is None:
        return None
    counted = {x.label: x.suv_mean for x in lesions if counts_for_burden(x) and x.suv_mean is not None}
    outlined = placement.lesion_voxels(tuple(counted))
    rest = spheres.inside & ~outlined
    least = max(_NOTEWORTHY * np.count_nonzero(rest), 1.0)
    tumour = spheres.inside & (spheres.means > normal.peak_limit)
    if np.count_nonzero(tumour & rest) < least:
        return None
    if counted:
        tumour &= spheres.means > 0.5 * (normal.suv_mean + _uptake_of_nearest(placement, counted))
        if np.count_nonzero(tumour & rest) < least:
            return None
    nearest = _nearest(spheres.inside, liver.geometry.spacing_mm)
    found = liver.inside & (outlined | tumour[nearest])
    return float(np.count_nonzero(found)) / max(int(np.count_nonzero(liver.inside)), 1)


def with_unoutlined(burden: Burden, share: float | None, unoutlined_ml: float) -> Burden:
    """The burden with an upper end that counts what was not outlined as tumour.

    Parameters
    ----------
    burden : Burden
        Of the outlines.
    share : float or None
        Share of the liver that is tumour by level.
    unoutlined_ml : float
        Liver away from every outline that takes up more than normal liver over 1 ml, in ml.
    """
    if burden.high is None or not burden.liver_ml:
        return burden
    more = with_possible_tumour(burden, unoutlined_ml)
    return more.model_copy(update={"high": max(more.high or 0.0, share or 0.0)})


def _uptake_of_nearest(placement: Placement, uptake_of: dict[int, float]) -> npt.NDArray[np.float64]:
    """Mean uptake of the lesion that is nearest to each place in the liver's box; 0 where its blur does not reach."""
    assert placement.liver is not None
    uptake = np.zeros(placement.liver.inside.shape)
    for label, mean in uptake_of.items():
        uptake[placement.lesion_voxels((label,))] = mean
    known, spacing = uptake > 0, placement.liver.geometry.spacing_mm
    if not known.any():
        return uptake
    near = distance_to_mm(known, spacing, within_mm=_BLUR_MM) < _BLUR_MM
    return np.asarray(np.where(near, uptake[_nearest(known, spacing)], 0.0))


def _nearest(mask: BoolArray, spacing_mm: tuple[float, ...]) -> tuple[npt.NDArray[np.intp], ...]:
    """Index of the nearest voxel of a mask, for every voxel."""
    from scipy.ndimage import distance_transform_edt

    return tuple(distance_transform_edt(~mask, sampling=spacing_mm, return_distances=False, return_indices=True))
