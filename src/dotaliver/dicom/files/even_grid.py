"""Whether places along one axis lie on an even grid, by their distance from it: single gaps mislead.

Headers round positions, often to 0.1 mm. Rounded places at 1.25 mm have gaps of 1.2 and 1.3 mm and none of them is
more than 0.05 mm off the grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dotaliver.image.geometry import FloatArray

__all__ = ["EvenGrid", "even_grid", "tolerance_mm"]

# Off its place on the even grid a slice may lie by this share of the spacing, or by what rounding to 0.1 mm does.
_OFF_SHARE, _OFF_MM = 0.1, 0.06
# Places this near to an even grid are not rounded, and the outermost two give its spacing.
_EXACT_MM = 1e-3
_ROUNDS = 10


@dataclass(frozen=True)
class EvenGrid:
    """Which step of an even grid each place is, the spacing, and how far the places lie off it."""

    steps: npt.NDArray[np.int64]
    spacing_mm: float
    off_mm: float

    @property
    def is_even(self) -> bool:
        """Whether every place lies on the grid, apart from rounding."""
        return self.off_mm <= tolerance_mm(self.spacing_mm)

    @property
    def missing(self) -> int:
        """Steps between the first place and the last that no place fills."""
        return int(self.steps[-1]) + 1 - len(self.steps)


def tolerance_mm(spacing_mm: float) -> float:
    """How far a place may lie off an even grid of this spacing, in mm."""
    return max(_OFF_SHARE * spacing_mm, _OFF_MM)


def even_grid(along_mm: FloatArray) -> EvenGrid:
    """The even grid that ascending places fit best.

    Parameters
    ----------
    along_mm : array, shape (n,)
        Ascending, n ≥ 2, no two equal.

    Notes
    -----
    First without gaps; where the places do not fit, with gaps of whole steps: the spacing starts at the median gap,
    then at the smallest, and is refined by least squares, each place at its nearest step.
    """
    whole = _fitted(along_mm, np.arange(len(along_mm)))
    if whole.is_even:
        return whole
    gaps = np.diff(along_mm)
    usual, least = (_with_gaps(along_mm, float(start)) for start in (np.median(gaps), gaps.min()))
    return least if least.is_even and not usual.is_even else usual


def _with_gaps(along_mm: FloatArray, spacing: float) -> EvenGrid:
    steps = np.arange(len(along_mm))
    for _ in range(_ROUNDS):
        # Gap by gap, so that an error of the spacing does not add up over the stack
        gaps = np.maximum(np.round(np.diff(along_mm) / spacing), 1).astype(np.int64)
        found = np.concatenate([[0], np.cumsum(gaps)])
        if (found == steps).all():
            break
        steps = found
        spacing = _fitted(along_mm, steps).spacing_mm
    return _fitted(along_mm, steps)


def _fitted(along_mm: FloatArray, steps: npt.NDArray[np.int64]) -> EvenGrid:
    by_ends = float((along_mm[-1] - along_mm[0]) / steps[-1])
    off = float(np.abs(along_mm - (along_mm[0] + by_ends * steps)).max())
    if off <= _EXACT_MM:
        return EvenGrid(steps, by_ends, off)
    centred = steps - steps.mean()
    spacing = float((centred @ along_mm) / (centred @ centred))
    residuals = along_mm - spacing * steps
    # The middle of the largest and the smallest residual: the even grid that is nearest to all places
    off = float(np.ptp(residuals)) / 2
    return EvenGrid(steps, spacing, off)
