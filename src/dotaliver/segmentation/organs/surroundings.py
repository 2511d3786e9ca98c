"""The surroundings of the liver: body, soft tissue, lungs and spine.

All are found on the coarse grid: air, fat and soft tissue by their density, the midline by the spine, and whether
contrast agent was given by the density of the aorta.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dotaliver.image.filters import box_mean
from dotaliver.image.morphology import filled_in_slices, largest_component, opened
from dotaliver.image.volume import BoolArray
from dotaliver.segmentation.coarse import CoarseImages, Float32Array

__all__ = [
    "Surroundings",
    "survey",
]

# Densities in HU, each halfway between the tissues that it separates (fat -100, water 0, lung -800, bone over 250).
_BODY_HU = -300.0
_LUNG_HU = -400.0
_SOFT_MEAN_HU = (-30.0, 300.0)
_SOFT_VOXEL_HU = (-40.0, 400.0)
_BONE_HU = 200.0
_VERTEBRA_HU = 180.0
# Aorta: 35 to 50 HU without contrast agent, over 100 in every phase with it.
_ENHANCED_AORTA_HU = 85.0
# The spine is 24 mm wide: what lies further out is on one side of the body.
_OFF_MIDLINE_MM = 12.0
# Without a CT: muscle and fat hold a few percent of what organs do (the 99.5th percentile: beyond are single voxels),
# air holds reconstruction noise. The spine's middle lies behind the body's, by a share of its depth.
_BODY_UPTAKE_SHARE, _HOTTEST_PERCENTILE = 0.02, 99.5
_SPINE_BEHIND_MIDDLE = 0.15
# Bowel gas is smaller than a lung; a lung base that the field of view cuts may be small too, but reaches its top.
_LUNG_ML, _CUT_LUNG_ML = 150, 40
# The spine, in voxels of 4 mm: bone within this many columns of the body's middle, and of no fewer voxels.
_SPINE_HALF_WIDTH, _LEAST_BONE = 10, 20
# Aorta and cava, in voxels of 4 mm: vertebrae are rows with so much bone in so many columns, near the spine's row; both
# vessels lie in front of them, the aorta further to the left. They are the brightest fifth of soft tissue there.
_VERTEBRA_HALF_WIDTH, _BONE_IN_ROW, _NEAR_SPINE_ROWS, _LEAST_ROWS = 3, 3, 16, 4
_VESSELS_IN_FRONT = (2, 8)
_VESSELS_RIGHT, _VESSELS_LEFT = 4, 8
_VESSEL_HU, _BRIGHTEST_PERCENTILE = (0, 400), 80


@dataclass(frozen=True)
class Surroundings:
    """The body on the coarse grid.

    ``lateral_mm`` (per column, positive to the patient's left) and ``posterior_mm`` (per row, positive to the
    back) count from the middle of the spine.
    """

    body: BoolArray
    soft: BoolArray
    lungs: BoolArray
    lateral_mm: Float32Array
    posterior_mm: Float32Array
    enhanced: bool | None

    @property
    def right(self) -> BoolArray:
        """Columns on the patient's right, 12 mm and more off the midline; broadcasts over the grid."""
        return np.asarray(self.lateral_mm < -_OFF_MIDLINE_MM)[None, None, :]


def survey(images: CoarseImages) -> Surroundings:
    """Find body, soft tissue, lungs and spine; several steps ask for them, and they are found once."""
    return images.recent.of("surroundings", lambda: _survey(images))


def _survey(images: CoarseImages) -> Surroundings:
    if images.hu is None:
        return _survey_without_ct(images)
    hu = images.hu
    body = _body(hu > _BODY_HU)
    mean = box_mean(hu)
    soft = body & (mean > _SOFT_MEAN_HU[0]) & (mean < _SOFT_MEAN_HU[1])
    soft &= (hu > _SOFT_VOXEL_HU[0]) & (hu < _SOFT_VOXEL_HU[1])
    row, column = _spine(hu, body)
    spacing = images.spacing_mm
    return Surroundings(
        body=body,
        soft=soft,
        lungs=_lungs(hu, body, images.voxel_ml),
        lateral_mm=((np.arange(hu.shape[2]) - column) * spacing).astype(np.float32),
        posterior_mm=((np.arange(hu.shape[1]) - row) * spacing).astype(np.float32),
        enhanced=_is_enhanced(hu, row, column),
    )


def _survey_without_ct(images: CoarseImages) -> Surroundings:
    """The body by its faint uptake; the spine's place by the body's proportions."""
    smooth = box_mean(images.uptake, 5)
    level = _BODY_UPTAKE_SHARE * float(np.percentile(smooth, _HOTTEST_PERCENTILE))
    body = _body(smooth > level)
    _, rows, columns = np.nonzero(body)
    if not rows.size:
        rows = columns = np.array([0])
    column = float(columns.mean())
    row = float(rows.mean() + _SPINE_BEHIND_MIDDLE * (np.percentile(rows, 98) - np.percentile(rows, 2)))
    spacing = images.spacing_mm
    return Surroundings(
        body=body,
        soft=body,
        lungs=np.zeros_like(body),
        lateral_mm=((np.arange(body.shape[2]) - column) * spacing).astype(np.float32),
        posterior_mm=((np.arange(body.shape[1]) - row) * spacing).astype(np.float32),
        enhanced=None,
    )


def _body(mask: BoolArray) -> BoolArray:

    return filled_in_slices(largest_component(opened(mask)))


def _lungs(hu: Float32Array, body: BoolArray, voxel_ml: float) -> BoolArray:
    import cc3d

    parts = cc3d.connected_components(body & (hu < _LUNG_HU), connectivity=6)
    volumes_ml = np.bincount(parts.ravel()) * voxel_ml
    at_top = np.unique(parts[-1])
    keep = [
        n
        for n in range(1, len(volumes_ml))
        if volumes_ml[n] > _LUNG_ML or (volumes_ml[n] > _CUT_LUNG_ML and n in at_top)
    ]
    return np.isin(parts, keep)


def _spine(hu: Float32Array, body: BoolArray) -> tuple[float, float]:
    """Mean row and column of bone near the midline in the back half of the body."""
    _, rows, columns = np.nonzero(body)
    if not rows.size:
        return hu.shape[1] / 2.0, hu.shape[2] / 2.0
    row, column = rows.mean(), columns.mean()
    first_row = round(row)
    first, last = max(round(column) - _SPINE_HALF_WIDTH, 0), round(column) + _SPINE_HALF_WIDTH + 1
    _, bone_rows, bone_columns = np.nonzero((hu > _BONE_HU)[:, first_row:, first:last])
    if bone_rows.size < _LEAST_BONE:
        return float(row), float(column)
    return float(bone_rows.mean() + first_row), float(bone_columns.mean() + first)


def _is_enhanced(hu: Float32Array, row: float, column: float) -> bool:
    """Whether contrast agent was given, by the brightest fifth (aorta and cava) in front of the vertebrae."""
    from scipy.ndimage import uniform_filter

    means = uniform_filter(hu, (1, 3, 3), mode="nearest")
    middle, brightest = round(column), []
    for level, smooth in zip(hu, means, strict=True):
        columns = slice(max(middle - _VERTEBRA_HALF_WIDTH, 0), middle + _VERTEBRA_HALF_WIDTH + 1)
        bone = np.flatnonzero((level[:, columns] > _VERTEBRA_HU).sum(axis=1) >= _BONE_IN_ROW)
        bone = bone[np.abs(bone - row) < _NEAR_SPINE_ROWS]
        if bone.size < _LEAST_ROWS:
            continue
        front = int(bone.min())
        rows = slice(max(front - _VESSELS_IN_FRONT[1], 0), max(front - _VESSELS_IN_FRONT[0], 0))
        spot = smooth[rows, max(middle - _VESSELS_RIGHT, 0) : middle + _VESSELS_LEFT + 1]
        spot = spot[(spot > _VESSEL_HU[0]) & (spot < _VESSEL_HU[1])]
        if spot.size:
            brightest.append(float(np.percentile(spot, _BRIGHTEST_PERCENTILE)))
    return bool(brightest) and float(np.median(brightest)) > _ENHANCED_AORTA_HU
