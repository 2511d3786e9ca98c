"""Places in the body relative to its landmarks, and which parts of it the PET shows.

Heights are counted on the scale of a patient of average build: the liver's dome lies at +92 mm, the lung apices at
+290, the iliac crests near -170, the femoral heads near -320. The scale follows from the distance between the liver's
dome and the apices of the lungs where the CT shows both, else from the patient's height.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dotaliver.image.volume import BoolArray
from dotaliver.records.body import BODY_PARTS, BodyCoverage, BodyPart
from dotaliver.segmentation.coarse import CoarseImages, Float32Array
from dotaliver.segmentation.organs.surroundings import Surroundings

__all__ = ["BodyAxes", "body_axes", "coverage_of"]

_DOME_MM, _APEX_MM = 92.0, 290.0
_SCALES = (0.82, 1.15)
_USUAL_HEIGHT_M = 1.74
# A lung that reaches so near to the end of the images is cut by it.
_CUT_MM = 12.0
# Each part's extent on the scale of heights, from head to feet.
_EXTENTS: dict[BodyPart, tuple[float, float]] = {
    "head": (400.0, 520.0),
    "neck": (300.0, 380.0),
    "chest": (100.0, 280.0),
    "abdomen": (-170.0, 80.0),
    "pelvis": (-370.0, -200.0),
    "thighs": (-480.0, -410.0),
}
# The part of an extent that has to be shown.
_SHOWN_SHARE = 0.85


@dataclass(frozen=True, eq=False)
class BodyAxes:
    """Coordinates of each slice, row and column of the coarse grid.

    ``height_mm`` is on the scale above; ``lateral_mm`` (positive to the left) and ``posterior_mm`` (positive to the
    back) count from the middle of the spine, divided by the patient's scale too. ``shown`` says which slices the PET
    covers.
    """

    height_mm: Float32Array
    lateral_mm: Float32Array
    posterior_mm: Float32Array
    shown: BoolArray
    scale: float


def body_axes(images: CoarseImages, around: Surroundings, liver: BoolArray, patient_height_m: float | None) -> BodyAxes:
    """Find the landmarks; ``liver`` is the liver's mask on the coarse grid, in the PET's position."""
    grid = images.geometry
    z = grid.origin_lps_mm[2] + grid.spacing_mm[0] * np.arange(grid.shape[0])
    ends = images.pet.geometry.corners_lps_mm()[:, 2]
    shown = (z > ends.min()) & (z < ends.max())
    used = np.flatnonzero(liver.any(axis=(1, 2)))
    dome = float(z[used[-1]]) if used.size else float(z.mean())
    scale = _lung_scale(around, z, dome)
    if scale is None:
        scale = 1.0 if patient_height_m is None else patient_height_m / _USUAL_HEIGHT_M
    scale = float(np.clip(scale, *_SCALES))
    return BodyAxes(
        ((z - dome) / scale + _DOME_MM).astype(np.float32),
        around.lateral_mm / np.float32(scale),
        around.posterior_mm / np.float32(scale),
        shown,
        scale,
    )


def _lung_scale(around: Surroundings, z: Float32Array, dome: float) -> float | None:
    levels = np.flatnonzero(around.lungs.sum(axis=(1, 2)) > 12)
    if not levels.size or z[-1] - z[levels[-1]] < _CUT_MM:
        return None
    length = float(z[levels[-1]]) - dome
    return length / (_APEX_MM - _DOME_MM) if length > 0 else None


def coverage_of(axes: BodyAxes) -> BodyCoverage:
    """Which parts of the body the PET shows, and a sentence on what is missing."""
    heights = axes.height_mm[axes.shown]
    if not heights.size:
        return BodyCoverage((), "The PET shows no part of the body that could be named.")
    low, high = float(heights.min()), float(heights.max())
    shown: list[BodyPart] = []
    for part in BODY_PARTS:
        first, last = _EXTENTS[part]
        seen = min(high, last) - max(low, first)
        if seen >= _SHOWN_SHARE * (last - first):
            shown.append(part)
    missing = [part for part in BODY_PARTS if part not in shown]
    if not missing:
        return BodyCoverage(tuple(shown))
    names = missing[0] if len(missing) == 1 else f"{', '.join(missing[:-1])} and {missing[-1]}"
    verb = "are" if len(missing) > 1 or missing[0] == "thighs" else "is"
    return BodyCoverage(tuple(shown), f"The {names} {verb} not, or not fully, on the PET.")
