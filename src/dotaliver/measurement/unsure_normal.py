"""What the burden may be where another part of the liver may be normal than the one that was taken.

Part of the liver may take up clearly less than what was assumed to be normal (`NORMAL_LIVER_UNSURE`). If that part
alone is normal, everything else is tumour: the upper end of the burden's interval includes this.

Or little was left to take as normal, and most of the liver takes up more, as a normal liver may
(`NORMAL_LIVER_MAY_BE_HIGHER`). If that is normal, tumour is only what takes up clearly more still: the lower end
includes this.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dotaliver.image.distance import distance_inside_mm
from dotaliver.image.volume import Volume
from dotaliver.measurement.placement import Placement
from dotaliver.records.measurements import Burden, Reference

__all__ = ["usual_uptake", "with_higher_normal", "with_unsure_normal"]

# As the caveat counts it: noise and texture of normal liver do not fall below this share of its uptake.
_CLEARLY_LOWER = 0.75
# The liver's border is blurred over about one FWHM, and so takes up less.
_BLURRED_MM = 6.0
# Who placed the reference knows what is normal; and without a reference nothing is assumed.
_NOT_ASSUMED = ("reader", "none")
# A histogram of the logarithm of uptake: bins of 4 %, counted over five of them.
_BIN_LOG, _COUNTED_BINS = 0.04, 5


def with_unsure_normal(burden: Burden, pet: Volume, placement: Placement, normal: Reference) -> Burden:
    """The burden with an upper end that includes the assumed normal liver as tumour.

    Parameters
    ----------
    burden : Burden
        With the assumed normal liver as normal.
    pet : Volume
        Uptake on its own grid.
    placement : Placement
        The liver on the PET.
    normal : Reference
        Assumed normal liver.
    """
    if burden.high is None or normal.suv_mean is None or normal.method in _NOT_ASSUMED:
        return burden
    uptake = _deep_uptake(pet, placement)
    if uptake.size == 0:
        return burden
    rest = float(np.count_nonzero(uptake >= _CLEARLY_LOWER * normal.suv_mean)) / uptake.size
    return burden.model_copy(update={"high": max(burden.high, rest)})


def with_higher_normal(burden: Burden, usual: float | None, pet: Volume, placement: Placement) -> Burden:
    """The burden with a lower end that includes the most common uptake of the liver as normal.

    Parameters
    ----------
    burden : Burden
        With something less avid as normal.
    usual : float or None
        The most common uptake of the liver; None changes nothing.
    pet : Volume
        Uptake on its own grid.
    placement : Placement
        The liver on the PET.
    """
    if burden.low is None or placement.liver is None or usual is None:
        return burden
    inside = placement.liver.inside
    uptake = pet.crop(placement.liver.box).array[inside]
    above = float(np.count_nonzero(uptake > usual / _CLEARLY_LOWER)) / max(uptake.size, 1)
    # What exceeds it has a border too, which blur moves outwards: as unsure as that of the burden itself.
    border = min(burden.low / burden.fraction, 1.0) if burden.fraction else 1.0
    return burden.model_copy(update={"low": min(burden.low, above * border)})


def usual_uptake(pet: Volume, placement: Placement, normal: Reference) -> float | None:
    """The most common uptake of the liver away from its border, in the PET's unit, which may be normal.

    None where there is no liver, or where a reader placed the reference and so knows what is normal.
    """
    if normal.method == "reader":
        return None
    uptake = _deep_uptake(pet, placement)
    logs = np.log(uptake[uptake > 0])
    if not logs.size:
        return None
    bins = np.floor((logs - logs.min()) / _BIN_LOG).astype(np.intp)
    counted = np.convolve(np.bincount(bins), np.ones(_COUNTED_BINS), mode="same")
    highest = float(np.flatnonzero(counted == counted.max()).mean())
    return float(np.exp(logs.min() + (highest + 0.5) * _BIN_LOG))


def _deep_uptake(pet: Volume, placement: Placement) -> npt.NDArray[np.float64]:
    """Uptake of the liver's voxels that its border does not blur; empty without a liver, or where all lie near it."""
    if placement.liver is None:
        return np.zeros(0)
    deep = distance_inside_mm(placement.liver.inside, pet.geometry.spacing_mm, within_mm=_BLURRED_MM) > _BLURRED_MM
    return np.asarray(pet.crop(placement.liver.box).array[deep], dtype=np.float64)
