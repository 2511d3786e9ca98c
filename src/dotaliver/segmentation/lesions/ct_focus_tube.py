"""Pieces of vessels among the places that the search finds, as against lesions that are longer than wide.

A lesion may be elongated and may touch a vessel. A piece of a dark vessel is elongated, no wider than one, and beyond
one of its ends the vessel goes on along its axis, nearly as dark as the piece itself, for a centimetre and more.
Vessels are darker than liver on a CT without contrast agent, and hepatic veins in the arterial phase.
"""

from __future__ import annotations

import numpy as np

from dotaliver.config.ct import CtFociConfig
from dotaliver.image.geometry import FloatArray
from dotaliver.image.volume import BoolArray
from dotaliver.segmentation.coarse import Float32Array
from dotaliver.segmentation.lesions.ct_focus_image import LiverImage, mean_within
from dotaliver.segmentation.lesions.ct_focus_shape import Shape, box_around_place, ray_directions

__all__ = ["is_piece_of_vessel", "may_be_piece_of_vessel"]

# A place's contrast is read beyond its end from here on, every so far: nearer, blur of the place itself remains.
_GAP_MM, _STEP_MM = 2.0, 1.0
# Directions within this angle of the axis are followed: vessels bend.
_BEND_COSINE = float(np.cos(np.deg2rad(40.0)))
# The place ends where less than a twentieth of its voxels lie farther out.
_END_PERCENTILE = 95.0
# Of the steps beyond an end, so many must lie in the liver.
_LEAST_IN_LIVER = 0.7
# What a vessel is followed at, as a share of the place's mean contrast, and room for the Gaussian at the box's edge.
_FOLLOWED_SHARE, _ROOM_MM = 0.65, 4.0


def may_be_piece_of_vessel(image: LiverImage, shape: Shape, config: CtFociConfig) -> bool:
    """Whether a dark place is as long and as narrow as a piece of a vessel, where vessels may be dark.

    Where the liver's vessels are enhanced, none is dark. A bright place is judged by their density.
    """
    may_be_dark = shape.seed.sign < 0 and image.blood_hu < config.enhanced_blood_hu
    return may_be_dark and shape.axis_ratio > config.tube_ratio and shape.diameter_mm <= config.widest_tube_mm


def is_piece_of_vessel(image: LiverImage, shape: Shape, config: CtFociConfig) -> bool:
    """Whether a vessel goes on beyond an elongated dark place.

    Parameters
    ----------
    image : LiverImage
        The liver on the search grid.
    shape : Shape
        A place of it.
    config : CtFociConfig
        From which length on a place is elongated, and how far and how clearly a vessel goes on.
    """
    if not may_be_piece_of_vessel(image, shape, config):
        return False
    spacing = np.asarray(image.grid.spacing_mm)
    voxels = np.argwhere(shape.mask) + [part.start for part in shape.box]
    middle = voxels.mean(axis=0)
    offsets = (voxels - middle) * spacing
    farthest_mm = float(np.linalg.norm(offsets, axis=1).max())
    reach_mm = farthest_mm + _GAP_MM + config.tube_mm + _ROOM_MM
    box, _ = box_around_place(image.grid, tuple(round(float(c)) for c in middle), reach_mm)
    part = image.crop(box)
    corner = np.array([side.start for side in box])
    own = np.zeros(part.inner.shape, dtype=bool)
    own[tuple((voxels - corner).T)] = True
    smooth = mean_within(part.difference(shape.seed.sign), part.inner, config.contour_mm, part.grid)
    level = float(np.median(smooth[part.inner]))
    contrast = float(smooth[own].mean()) - level
    if contrast <= 0:
        return False
    share = np.asarray((smooth - level) / np.float32(contrast), dtype=np.float32)
    joined = _joined_mm((share > _FOLLOWED_SHARE) & part.inner, own, (middle - corner) * spacing, spacing)
    if joined <= farthest_mm + config.tube_mm:
        return False
    return _highest_beyond(share, part.inner, (offsets, middle - corner), spacing, config.tube_mm) > config.tube_share


def _joined_mm(mask: BoolArray, own: BoolArray, middle_mm: FloatArray, spacing: FloatArray) -> float:
    """How far what is joined to a place reaches from its middle."""
    import cc3d

    parts = cc3d.connected_components(mask, connectivity=6)
    counts = np.bincount(parts[own], minlength=2)
    counts[0] = 0
    if not counts.any():
        return 0.0
    there = np.argwhere(parts == counts.argmax()) * spacing - middle_mm
    return float(np.linalg.norm(there, axis=1).max())


def _highest_beyond(
    share: Float32Array, inner: BoolArray, place: tuple[FloatArray, FloatArray], spacing: FloatArray, tube_mm: float
) -> float:
    """The highest mean share of a place's contrast along one line beyond either of its ends."""
    from scipy.ndimage import map_coordinates

    offsets, middle = place
    axis = np.linalg.eigh(np.cov(offsets.T) + np.diag(spacing**2) / 12.0)[1][:, -1]
    unit = ray_directions()
    near = unit[np.abs(unit @ axis) > _BEND_COSINE]
    ends = np.percentile(offsets @ near.T, _END_PERCENTILE, axis=0, method="nearest")
    distances = ends[:, None] + np.arange(_GAP_MM, _GAP_MM + tube_mm + 0.5 * _STEP_MM, _STEP_MM)
    places = np.moveaxis(middle + near[:, None] * distances[:, :, None] / spacing, -1, 0)
    values = map_coordinates(share, places, order=1, mode="nearest")
    inside = map_coordinates(inner.astype(np.float32), places, order=1, mode="constant") > 0.5
    counts = inside.sum(axis=1)
    means = (values * inside).sum(axis=1) / np.maximum(counts, 1)
    kept = means[counts >= _LEAST_IN_LIVER * distances.shape[1]]
    return float(kept.max()) if kept.size else 0.0
