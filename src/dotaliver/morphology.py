"""Operations on masks slice by slice, done for the whole stack at once."""

from __future__ import annotations

import numpy as np

from dotaliver.volume import BoolArray, used_box

__all__ = ["filled_in_slices"]


def filled_in_slices(mask: BoolArray) -> BoolArray:
    """A mask without holes in any slice: what an outline encloses in its slice belongs to it.

    A hole is background that no path of face-adjacent background pixels joins to the slice's edge.
    """
    from scipy.ndimage import label

    box = used_box(mask)
    if box is None:
        return mask
    in_plane = np.zeros((3, 3, 3), dtype=bool)
    in_plane[1] = [[False, True, False], [True, True, True], [False, True, False]]
    # A rim of background around every slice is one part with all that is outside.
    background = np.pad(~mask[box], ((0, 0), (1, 1), (1, 1)), constant_values=True)
    parts, _ = label(background, in_plane)
    filled = mask.copy()
    filled[box] = (parts != parts[:, :1, :1])[:, 1:-1, 1:-1]
    return filled
