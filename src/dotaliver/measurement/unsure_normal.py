"""What the burden may be where the assumed normal liver may be tumour itself.

Part of the liver then takes up clearly less than what was assumed to be normal (`NORMAL_LIVER_UNSURE`). If that part
alone is normal, everything else is tumour: the upper end of the burden's interval includes this.
"""

from __future__ import annotations

import numpy as np

from dotaliver.image.distance import distance_inside_mm
from dotaliver.image.volume import Volume
from dotaliver.measurement.placement import Placement
from dotaliver.records.measurements import Burden, Reference

__all__ = ["with_unsure_normal"]

# As the caveat counts it: noise and texture of normal liver do not fall below this share of its uptake.
_CLEARLY_LOWER = 0.75
# The liver's border is blurred over about one FWHM, and so takes up less.
_BLURRED_MM = 6.0
# Who placed the reference knows what is normal; and without a reference nothing is assumed.
_NOT_ASSUMED = ("reader", "none")


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
    if burden.high is None or placement.liver is None:
        return burden
    if normal.suv_mean is None or normal.method in _NOT_ASSUMED:
        return burden
    inside = placement.liver.inside
    deep = distance_inside_mm(inside, pet.geometry.spacing_mm) > _BLURRED_MM
    if not deep.any():
        return burden
    uptake = pet.crop(placement.liver.box).array[deep]
    rest = float(np.count_nonzero(uptake >= _CLEARLY_LOWER * normal.suv_mean)) / uptake.size
    return burden.model_copy(update={"high": max(burden.high, rest)})
