"""How far off the diameter of a fitted border may be, from a few signs of that border.

The curvature of a fit says how far noise moves its surface. What makes a diameter wrong is seldom noise: uptake that
the border leaves out, another lesion beside it or in it, a density inside that is not one, an end of the diameter at
which nothing steps, a size that follows the uptake or the lesion's density. Each of these is a number that is known
without the truth. How errors spread with them was fitted to known lesions in CTs (``scripts/fit_diameter_spread.py``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import numpy.typing as npt

from dotaliver.config.ct import CtLesionConfig
from dotaliver.image.geometry import FloatArray
from dotaliver.segmentation.lesions.border_checks import (
    known_share,
    least_filled_share,
    shared_share,
    size_and_spread_mm,
    uptake_left_out,
)
from dotaliver.segmentation.lesions.ct_site import NotSeenError
from dotaliver.segmentation.lesions.fitted_border import FittedBorder, fitted_again, steps_at_border
from dotaliver.segmentation.lesions.star_surface import direction_grid, longest_calipers_mm

__all__ = [
    "SIGNS",
    "BorderSigns",
    "half_interval_mm",
    "require_sure_size",
    "signs_of",
    "tolerance_mm",
    "where_neighbours_show",
]

# So far the lesion's density is moved, over its contrast, and so much stronger and weaker the uptake's shape is made.
_DENSITIES_MOVED, _PRIOR_FACTORS = (-0.3, 0.3), (0.5, 2.0)
# Ends of a diameter are looked at within 25°, and lie no steeper than 20° to the slices.
_END_COSINE, _STEEPEST = 0.906, 0.35
# Signs enter within the ranges that were seen where their weights were fitted.
_LEAST_SHARE, _MOST_SHARE, _STEPS, _FILLED = 0.01, 0.5, (-0.5, 1.2), (-0.5, 1.1)

SIGNS = ("left_out", "spread", "shared", "end_step", "sensitive", "filled", "long", "unknown")
"""Names of what `BorderSigns.values` holds, in order."""


@dataclass(frozen=True)
class BorderSigns:
    """What goes with a wrong diameter."""

    size_mm: float
    """Longest diameter of the fitted surface."""
    left_out: float
    """Share of the uptake outside of the border."""
    spread: float
    """SD of the diameters of surfaces that fit nearly as well, over the diameter."""
    shared: float
    """Share of the border against another lesion."""
    end_step: float
    """Share of the contrast by which density falls at the less clear end of the longest diameter."""
    sensitive: float
    """Range of the diameters that other densities of the lesion and weights of the uptake give, over the diameter."""
    filled: float
    """Share of the contrast that nearly every part of the lesion has."""
    long: float
    """Longest diameter over the mean one: two lesions that are taken for one are long."""
    unknown: float
    """Share of the border that is neither a step of density nor the liver's edge."""

    @property
    def values(self) -> FloatArray:
        """The signs as they enter the interval, in the order of `SIGNS`."""
        return np.array(
            [
                self.left_out,
                np.log(min(self.spread, _MOST_SHARE) + _LEAST_SHARE),
                np.sqrt(self.shared),
                np.clip(self.end_step, *_STEPS),
                np.log(min(self.sensitive, _MOST_SHARE) + _LEAST_SHARE),
                np.clip(self.filled, *_FILLED),
                self.long,
                self.unknown,
            ]
        )


def half_interval_mm(signs: BorderSigns, config: CtLesionConfig) -> float:
    """Half the 95 % interval of the longest diameter."""
    assert config.interval_weights is not None
    constant, *weights = config.interval_weights
    return signs.size_mm * float(np.exp(constant + (np.asarray(weights) * signs.values).sum()))


def where_neighbours_show(config: CtLesionConfig) -> CtLesionConfig:
    """Settings for a lesion that the CT itself tells from its neighbour: that they touch makes its diameter no worse.

    Where the PET alone parts two lesions, what lies between them may be no border.
    """
    if config.interval_weights is None:
        return config
    shared = 1 + SIGNS.index("shared")
    weights = tuple(0.0 if n == shared else weight for n, weight in enumerate(config.interval_weights))
    return config.model_copy(update={"interval_weights": weights})


def tolerance_mm(signs: BorderSigns, config: CtLesionConfig) -> float:
    """By how much a right diameter may be off."""
    least, share = config.tolerance
    return max(least, share * signs.size_mm)


def require_sure_size(signs: BorderSigns, half_mm: float, config: CtLesionConfig) -> None:
    """Refuse a diameter whose interval is too wide to be of use."""
    if half_mm > config.widest_tolerances * tolerance_mm(signs, config):
        size = signs.size_mm
        msg = f"its size on CT is not sure: {max(size - half_mm, 0):.0f} to {size + half_mm:.0f} mm"
        raise NotSeenError(msg)


def signs_of(border: FittedBorder, config: CtLesionConfig) -> BorderSigns:
    """Read the signs of a border as it was fitted."""
    size, spread = size_and_spread_mm(border)
    whole = max(size, 1e-6)
    return BorderSigns(
        size_mm=size,
        left_out=uptake_left_out(border),
        spread=spread / whole,
        shared=shared_share(border),
        end_step=_end_step(border, config),
        sensitive=_range_mm(border, size, config) / whole,
        filled=least_filled_share(border),
        long=size / (2 * max(float(border.fit.coefficients[0]), 1.0)),
        unknown=1.0 - known_share(border, config),
    )


def _range_mm(border: FittedBorder, size_mm: float, config: CtLesionConfig) -> float:
    densities, prior = border.densities, border.prior
    moved = [replace(densities, lesion=densities.lesion + by * densities.contrast) for by in _DENSITIES_MOVED]
    fits = [fitted_again(border, other, prior, config) for other in moved]
    fits += [fitted_again(border, densities, replace(prior, sd=prior.sd * f), config) for f in _PRIOR_FACTORS]
    coefficients = np.stack([fit.coefficients for fit in fits])
    sizes = longest_calipers_mm(float(border.centre[0]), coefficients, border.site.grid.spacing_mm[0])
    return max(size_mm, float(sizes.max())) - min(size_mm, float(sizes.min()))


def _end_step(border: FittedBorder, config: CtLesionConfig) -> float:
    """The lesser step at both ends of the longest diameter through the middle that lies along the slices."""
    grid = direction_grid()
    radii = border.radii_mm
    across = np.where(np.abs(grid.unit[:, 0]) < _STEEPEST, radii + radii[_opposite()], 0.0)
    end = int(across.argmax())
    steps = steps_at_border(border, config)
    return min(_around(steps, number) for number in (end, int(_opposite()[end])))


def _around(values: FloatArray, number: int) -> float:
    """Mean of values around a direction."""
    grid = direction_grid()
    weights = np.where(grid.unit @ grid.unit[number] > _END_COSINE, grid.weights, 0.0)
    return float((weights * values).sum() / weights.sum())


@cache
def _opposite() -> npt.NDArray[np.intp]:
    """For each direction the one on the other side."""
    unit = direction_grid().unit
    return np.asarray((unit @ -unit.T).argmax(axis=1))
