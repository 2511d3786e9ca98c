"""What the suspicion of a place on CT rests on: numbers of the place itself and of what lies around it.

All are read within the box of the place, so that a lesion that is put into a cut-out of a CT is judged as one in the
whole of it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from dotaliver.config.ct import CtFociConfig
from dotaliver.image.distance import distance_to_mm
from dotaliver.image.geometry import FloatArray
from dotaliver.image.volume import BoolArray
from dotaliver.segmentation.lesions.ct_focus_image import LiverImage
from dotaliver.segmentation.lesions.ct_focus_shape import Shape, axis_variances_mm2, ray_directions, ray_neighbours

__all__ = ["FEATURES", "RISING", "features_of"]

# Beyond, fat and avid lesions say nothing of a place; fat this near darkens it.
_FAR_MM, _BESIDE_MM = 8.0, 5.0
# Where the rays are read: at these shares of their length, on both sides of its end, and outside from there.
_INSIDE_SHARES, _EDGE_MM, _OUTSIDE_MM = (0.25, 0.5, 0.75), 2.0, (2.0, 4.0, 6.0)
# A ray that ran on or left the liver has no border.
_LONGEST_RATIO = 1.8
# Outside, this share of a place's contrast counts as going on.
_GOES_ON = 0.5

_FORM = (
    "bright",
    "log_sds",
    "log_contrast",
    "log_contrast_to_noise",
    "log_diameter_mm",
    "size_ratio",
    "axis_ratio",
    "middle_axis_ratio",
    "fill",
    "unevenness",
    "border_share",
    "ways_out",
    "runs_on_share",
    "peak_ratio",
    "inner_hu",
    "level_ratio",
    "raw_ratio",
    "raw_spread",
)
_RAYS = (
    "plateau",
    "inside_low",
    "edge_low",
    "edge_middle",
    "edge_high",
    "outside_low",
    "outside_middle",
    "outside_high",
    "outside_spread",
    "goes_on",
    "one_way",
    "two_ways",
    "opposite_hu",
    "known_rays",
)
_PLACE = ("depth_mm", "least_depth_mm", "depth_ratio", "fat_mm", "fat_share", "avid_mm", "log_avid_ratio")

FEATURES: tuple[str, ...] = (*_FORM, *_RAYS, *_PLACE)
"""Names of the features, in the order of the columns."""

RISING: tuple[str, ...] = ("log_sds",)
"""With these a lesion is never less likely, all else equal."""


def features_of(image: LiverImage, shape: Shape, config: CtFociConfig) -> FloatArray:
    """Features of a place, shape (`FEATURES`,).

    Parameters
    ----------
    image : LiverImage
        The liver on the search grid, or a part of it in which the place was looked at.
    shape : Shape
        The place.
    config : CtFociConfig
        The layer at the liver's border that is not searched.
    """
    part = image.crop(shape.box)
    return np.array([*_form(part, shape), *_along_rays(part, shape), *_place(part, shape, config)])


def _form(part: LiverImage, shape: Shape) -> tuple[float, ...]:
    raw = shape.seed.sign * (part.hu - part.typical_hu)[shape.mask]
    short, middle, _ = np.sqrt(axis_variances_mm2(shape.mask, part.grid))
    return (
        float(shape.seed.sign > 0),
        float(np.log(shape.seed.sds)),
        float(np.log(shape.contrast_hu)),
        float(np.log(shape.contrast_hu / part.noise_hu)),
        float(np.log(shape.diameter_mm)),
        shape.diameter_mm / (2.0 * shape.seed.radius_mm),
        shape.axis_ratio,
        float(middle / short),
        shape.fill,
        shape.unevenness,
        shape.border_share,
        float(shape.ways_out),
        shape.runs_on_share,
        shape.peak_hu / shape.contrast_hu,
        shape.inner_hu,
        shape.level_hu / shape.contrast_hu,
        float(raw.mean()) / shape.contrast_hu,
        float(raw.std()) / part.noise_hu,
    )


def _along_rays(part: LiverImage, shape: Shape) -> tuple[float, ...]:
    """How flat the place is inside, how sharp its border, and what lies beyond."""
    from scipy.ndimage import map_coordinates

    length = shape.ray_mm[:, None]
    steps = np.hstack([length * _INSIDE_SHARES, length - _EDGE_MM, length + _EDGE_MM, length + _OUTSIDE_MM])
    centre = np.array([c - side.start for c, side in zip(shape.centre, shape.box, strict=True)])
    offsets = ray_directions()[:, None] * steps[:, :, None] / np.asarray(part.grid.spacing_mm)
    places = np.moveaxis(centre + offsets, -1, 0)
    values = map_coordinates(shape.smooth, places, order=1, mode="nearest")
    values = (values - shape.level_hu) / shape.contrast_hu
    inside = map_coordinates(part.inner.astype(np.float32), places, order=1, mode="constant") > 0.5
    typical = float(np.median(shape.ray_mm))
    bordered = (shape.ray_mm <= _LONGEST_RATIO * typical) & ~shape.ray_leaves & inside[:, 4]
    edge = (values[:, 3] - values[:, 4])[bordered]
    counts = inside[:, 5:].sum(axis=1)
    known = counts > 0
    outside = (values[:, 5:] * inside[:, 5:]).sum(axis=1) / np.maximum(counts, 1)
    one, two = _ways(outside, known)
    beyond = outside[known]
    if not edge.size or not beyond.size:
        return (1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0)
    low, middle, high = _three(beyond)
    return (
        float(values[:, 2].mean() / max(values[:, 0].mean(), 0.1)),
        _three(values[:, 1])[0],
        *_three(edge),
        low,
        middle,
        high,
        float(beyond.std()),
        float((beyond > _GOES_ON).mean()),
        one,
        two,
        low * shape.contrast_hu + shape.level_hu,
        float(bordered.mean()),
    )


def _three(values: FloatArray) -> tuple[float, float, float]:
    """The values below which a tenth, half and nine tenths lie."""
    ranked = np.sort(values)
    low, middle, high = (float(ranked[int(share * (len(ranked) - 1) + 0.5)]) for share in (0.1, 0.5, 0.9))
    return low, middle, high


def _ways(outside: FloatArray, known: BoolArray) -> tuple[float, float]:
    """The highest mean outside around any direction, and around any two opposite ones."""
    near = ray_neighbours()
    counts = near @ known.astype(np.float64)
    means = np.where(counts > 0, (near @ np.where(known, outside, 0.0)) / np.maximum(counts, 1.0), -1.0)
    return float(means.max()), float(np.minimum(means, means[_opposite()]).max())


@lru_cache(maxsize=1)
def _opposite() -> npt.NDArray[np.intp]:
    """The ray that runs most nearly the other way."""
    unit = ray_directions()
    return np.asarray((unit @ unit.T).argmin(axis=1))


def _place(part: LiverImage, shape: Shape, config: CtFociConfig) -> tuple[float, ...]:
    """Where it lies in the liver, and how near to fat and to avid lesions."""
    depth = part.depth_mm[shape.mask] - np.float32(config.edge_mm)
    deepest = float(depth.max())
    hot = None if part.avid is None else part.avid != 0
    fat_mm, fat_share, avid_mm, avid_ratio = _FAR_MM, 0.0, _FAR_MM, 0.0
    if part.crevice.any() or (hot is not None and hot.any()):
        away = distance_to_mm(shape.mask, part.grid.spacing_mm, within_mm=_FAR_MM)
        size = float(np.count_nonzero(shape.mask))
        fat_mm = float(away[part.crevice].min(initial=_FAR_MM))
        fat_share = float(np.count_nonzero(part.crevice & (away <= _BESIDE_MM))) / size
        if hot is not None:
            avid_mm = float(away[hot].min(initial=_FAR_MM))
            avid_ratio = float(np.count_nonzero(hot & (away <= _FAR_MM))) / size
    return (
        float(np.median(depth)),
        float(depth.min()),
        deepest / shape.diameter_mm,
        fat_mm,
        fat_share,
        avid_mm,
        float(np.log1p(avid_ratio)),
    )
