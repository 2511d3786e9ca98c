"""Operations on masks, slice by slice."""

from __future__ import annotations

import numpy as np

from dotaliver.image.volume import BoolArray, used_box

__all__ = ["filled_in_slices"]


def filled_in_slices(mask: BoolArray) -> BoolArray:
    """Fill the holes of a mask slice by slice.

    A hole is background that no path of face-adjacent background pixels joins to the slice's edge.
    """
    from scipy.ndimage import label

    box = used_box(mask)
    if box is None:
        return mask
    filled = mask.copy()
    for plane in filled[box]:
        # A rim of background around the slice connects all that is outside.
        parts, _ = label(np.pad(~plane, 1, constant_values=True))
        plane[:] = (parts != parts[0, 0])[1:-1, 1:-1]
    return filled
