"""What surrounds the liver: body, lungs, spine, kidneys, and organs that share its warmth.

Everything here is found on the coarse grid, by reasons that can be written down: air and fat by their density,
the midline by the spine, the kidneys by their place beside the spine and by how contrast agent changes their
density against the liver's. None of it needs to be complete: it gives leaks an owner.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dotaliver.image.distance import distance_inside_mm
from dotaliver.image.morphology import filled_in_slices
from dotaliver.image.volume import BoolArray, used_box
from dotaliver.segmentation.coarse import CoarseImages, Float32Array, box_mean, largest_component

__all__ = ["Surroundings", "WarmParts", "find_kidneys", "find_spleen_like", "survey", "warm_parts"]

# Densities in HU, each halfway between the tissues that it parts (fat -100, water 0, lung -800, bone over 250).
_BODY_HU = -300.0
_LUNG_HU = -400.0
_SOFT_MEAN_HU = (-30.0, 300.0)
_SOFT_VOXEL_HU = (-40.0, 400.0)
_BONE_HU = 200.0
_VERTEBRA_HU = 180.0
# Aorta: 35 to 50 HU without contrast agent, over 100 in every phase with it.
_ENHANCED_AORTA_HU = 85.0
# How much denser than liver an enhanced kidney is at least.
_DENSER_HU = 25.0
_KIDNEY_ML = (40.0, 400.0)
# A kidney may be cut in two at its waist.
_KIDNEY_PART_ML = 15.0


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
        return np.asarray(self.lateral_mm < -12.0)[None, None, :]


def survey(images: CoarseImages) -> Surroundings:
    """Find body, soft tissue, lungs and spine."""
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
    # Muscle and fat hold a few percent of what organs do; air outside the body holds reconstruction noise.
    level = 0.02 * float(np.percentile(smooth, 99.5))
    body = _body(smooth > level)
    _, rows, columns = np.nonzero(body)
    if not rows.size:
        rows = columns = np.array([0])
    column = float(columns.mean())
    row = float(rows.mean() + 0.15 * (np.percentile(rows, 98) - np.percentile(rows, 2)))
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
    from scipy.ndimage import binary_opening

    return filled_in_slices(largest_component(binary_opening(mask)))


def _lungs(hu: Float32Array, body: BoolArray, voxel_ml: float) -> BoolArray:
    import cc3d

    parts = cc3d.connected_components(body & (hu < _LUNG_HU), connectivity=6)
    volumes_ml = np.bincount(parts.ravel()) * voxel_ml
    # Bowel gas is smaller; a lung base that is cut by the top of the field may be small too, but reaches the top.
    at_top = np.unique(parts[-1])
    keep = [n for n in range(1, len(volumes_ml)) if volumes_ml[n] > 150 or (volumes_ml[n] > 40 and n in at_top)]
    return np.isin(parts, keep)


def _spine(hu: Float32Array, body: BoolArray) -> tuple[float, float]:
    """Mean row and column of bone near the midline in the back half of the body."""
    _, rows, columns = np.nonzero(body)
    if not rows.size:
        return hu.shape[1] / 2.0, hu.shape[2] / 2.0
    row, column = rows.mean(), columns.mean()
    first_row, first, last = round(row), max(round(column) - 10, 0), round(column) + 11
    _, bone_rows, bone_columns = np.nonzero((hu > _BONE_HU)[:, first_row:, first:last])
    if bone_rows.size < 20:
        return float(row), float(column)
    return float(bone_rows.mean() + first_row), float(bone_columns.mean() + first)


def _is_enhanced(hu: Float32Array, row: float, column: float) -> bool:
    """Whether contrast agent was given: aorta and cava, the brightest fifth of what lies before the vertebrae."""
    from scipy.ndimage import uniform_filter

    means = uniform_filter(hu, (1, 3, 3), mode="nearest")
    middle, brightest = round(column), []
    for level, smooth in zip(hu, means, strict=True):
        bone = np.flatnonzero((level[:, max(middle - 3, 0) : middle + 4] > _VERTEBRA_HU).sum(axis=1) >= 3)
        bone = bone[np.abs(bone - row) < 16]
        if bone.size < 4:
            continue
        front = int(bone.min())
        spot = smooth[max(front - 8, 0) : max(front - 2, 0), max(middle - 4, 0) : middle + 9]
        spot = spot[(spot > 0) & (spot < 400)]
        if spot.size:
            brightest.append(float(np.percentile(spot, 80)))
    return bool(brightest) and float(np.median(brightest)) > _ENHANCED_AORTA_HU


def find_kidneys(
    images: CoarseImages, around: Surroundings, uptake: Float32Array, liver_hu: float, liver_uptake: float
) -> BoolArray:
    """Parts beside the spine that look like kidney and not like liver.

    No liver lies beside the left kidney: its density tells what this patient's right one looks like. With contrast
    agent a kidney is denser than the liver in every phase; without, it is less dense (25 to 40 HU against 50 to
    65), but not than a fatty liver. Where density cannot tell them apart, uptake, size and place must. A kidney's
    uptake is never far below the liver's, for receptor ligands (DOTATATE: 2 to 3 times the liver) as for FDG.
    """
    if images.hu is None:
        return _kidneys_by_uptake(images, around, uptake, liver_uptake)
    mean_hu, mean_uptake = box_mean(images.hu), box_mean(uptake)
    lateral = np.abs(around.lateral_mm)[None, None, :]
    posterior = around.posterior_mm[None, :, None]
    place = around.soft & (lateral > 16.0) & (lateral < 105.0) & (posterior > -75.0) & (posterior < 45.0)
    dense = place & (mean_hu > liver_hu + _DENSER_HU) & (mean_uptake > 0.7 * liver_uptake)
    beside = np.asarray(around.lateral_mm > 16.0)[None, None, :]
    if around.enhanced or _large_parts(dense & beside, images.voxel_ml, _KIDNEY_ML[0]).any():
        # On the right, tumours full of calcium or embolic agent are as dense: a kidney lies further back.
        right = _kidney_like(images, around, dense & around.right)
        kidneys = _filled(_large_parts(dense & ~around.right, images.voxel_ml, 25.0) | right, images.spacing_mm)
        if kidneys.any():
            return np.asarray(kidneys & place)
    left = _left_kidney(images, around, mean_uptake, liver_uptake)
    if left is None:
        look = (mean_hu > 5.0) & (mean_hu < min(45.0, liver_hu - 10.0)) & (mean_uptake > 0.5 * liver_uptake)
        return _large_parts(place & look, images.voxel_ml, 50.0)
    own_hu, own_uptake = float(np.median(mean_hu[left])), float(np.median(mean_uptake[left]))
    # Sinus fat and cortex differ; where density parts kidney and liver, the middle between them is the limit.
    tolerance_hu = float(np.clip(0.5 * abs(liver_hu - own_hu), 12.0, 25.0))
    look = np.abs(mean_hu - own_hu) < tolerance_hu
    look &= (mean_uptake > 0.6 * own_uptake) & (mean_uptake < 1.6 * own_uptake)
    right = place & look & around.right & _on_both_sides(left, around, images.spacing_mm)
    return np.asarray(left | _kidney_like(images, around, right))


def _left_kidney(
    images: CoarseImages, around: Surroundings, mean_uptake: Float32Array, liver_uptake: float
) -> BoolArray | None:
    """The warm parts beside the spine on the left: medial to the spleen, behind the bowel."""
    from scipy.ndimage import binary_erosion

    left = np.asarray(around.lateral_mm > 12.0)[None, None, :]
    parts = warm_parts(around.soft & left & (mean_uptake > 1.1 * liver_uptake), images.spacing_mm, neck_mm=1.5)
    kidney = np.zeros_like(around.soft)
    for part in range(1, int(parts.labels.max(initial=0)) + 1):
        mask = parts.labels == part
        if _KIDNEY_PART_ML < float(mask.sum()) * images.voxel_ml < _KIDNEY_ML[1] and _has_kidneys_place(mask, around):
            kidney |= mask
    if not _KIDNEY_ML[0] < float(kidney.sum()) * images.voxel_ml < _KIDNEY_ML[1]:
        return None
    inner = binary_erosion(kidney)
    return np.asarray(inner if inner.any() else kidney)


def _on_both_sides(left: BoolArray, around: Surroundings, spacing_mm: float) -> BoolArray:
    """Near the left kidney, and where its mirror image lies on the right, give or take 28 mm."""
    from scipy.ndimage import binary_dilation

    middle = int(np.abs(around.lateral_mm).argmin())
    size = left.shape[2]
    mirrored = np.zeros_like(left)
    columns = 2 * middle - np.arange(size)
    seen = (columns >= 0) & (columns < size)
    mirrored[:, :, columns[seen]] = left[:, :, seen]
    return np.asarray(binary_dilation(left | mirrored, iterations=max(1, round(28.0 / spacing_mm))))


def _has_kidneys_place(mask: BoolArray, around: Surroundings) -> bool:
    _, rows, columns = np.nonzero(mask)
    lateral = abs(float(around.lateral_mm[columns].mean()))
    return 25.0 < lateral < 88.0 and -50.0 < float(around.posterior_mm[rows].mean()) < 50.0


def _large_parts(mask: BoolArray, voxel_ml: float, minimum_ml: float) -> BoolArray:
    import cc3d
    from scipy.ndimage import binary_opening

    parts = cc3d.connected_components(binary_opening(mask), connectivity=6)
    volumes_ml = np.bincount(parts.ravel()) * voxel_ml
    return np.isin(parts, [n for n in range(1, len(volumes_ml)) if volumes_ml[n] > minimum_ml])


def _filled(kidneys: BoolArray, spacing_mm: float) -> BoolArray:
    """In the arterial phase only the cortex is bright: the medulla within it has the density of liver."""
    from scipy.ndimage import binary_closing

    step = max(1, round(8.0 / spacing_mm))
    closed = binary_closing(np.pad(kidneys, step), iterations=step)[step:-step, step:-step, step:-step]
    return filled_in_slices(closed)


def _kidney_like(images: CoarseImages, around: Surroundings, mask: BoolArray) -> BoolArray:
    """Parts of a kidney's size and place."""
    import cc3d
    from scipy.ndimage import binary_opening

    parts = cc3d.connected_components(binary_opening(mask), connectivity=6)
    kidneys = np.zeros_like(mask)
    for part in range(1, int(parts.max(initial=0)) + 1):
        one = np.asarray(parts == part)
        if _KIDNEY_PART_ML < float(one.sum()) * images.voxel_ml < _KIDNEY_ML[1] and _has_kidneys_place(one, around):
            kidneys |= one
    return kidneys


def _kidneys_by_uptake(
    images: CoarseImages, around: Surroundings, uptake: Float32Array, liver_uptake: float
) -> BoolArray:
    """Without a CT: hot parts of a kidney's size (40 to 500 ml) beside and not in front of the spine."""
    parts = warm_parts(around.body & (box_mean(uptake) > 1.6 * liver_uptake), images.spacing_mm)
    kidneys = np.zeros_like(around.body)
    for part in range(1, int(parts.labels.max(initial=0)) + 1):
        mask = parts.labels == part
        if not 40.0 < mask.sum() * images.voxel_ml < 500.0:
            continue
        _, rows, columns = np.nonzero(mask)
        lateral = abs(float(around.lateral_mm[columns].mean()))
        if 25.0 < lateral < 110.0 and float(around.posterior_mm[rows].mean()) > -50.0:
            kidneys |= mask
    return kidneys


def find_spleen_like(
    images: CoarseImages, around: Surroundings, smooth: Float32Array, liver_uptake: float
) -> BoolArray:
    """What is far hotter than liver far on the left and not in front: the spleen, which a long left lobe may touch.

    It is only cut off from the liver here; a reference that is read in it is held to more (`spleen`).
    """
    left = np.asarray(around.lateral_mm > 60.0)[None, None, :]
    behind = np.asarray(around.posterior_mm > -70.0)[None, :, None]
    return _large_parts(around.soft & left & behind & (smooth > 1.8 * liver_uptake), images.voxel_ml, 60.0)


@dataclass(frozen=True)
class WarmParts:
    """Warm soft tissue, cut at its necks into compact parts.

    ``labels`` numbers the parts, ``depth_mm`` is the distance to the nearest voxel that is not warm soft tissue.
    """

    labels: np.ndarray[tuple[int, ...], np.dtype[np.int32]]
    depth_mm: Float32Array


def warm_parts(warm: BoolArray, spacing_mm: float, neck_mm: float = 3.0) -> WarmParts:
    """Cut a mask where it is at least `neck_mm` thinner than the parts on both sides (watershed of its depth)."""
    from scipy.ndimage import label
    from skimage.morphology import h_maxima
    from skimage.segmentation import watershed

    depth = distance_inside_mm(warm, (spacing_mm, spacing_mm, spacing_mm))
    labels = np.zeros(warm.shape, dtype=np.int32)
    if warm.any():
        box = used_box(warm)
        peaks, _ = label(h_maxima(np.round(depth[box], 1), neck_mm), np.ones((3, 3, 3)))
        labels[box] = watershed(-depth[box], peaks, mask=warm[box])
    return WarmParts(labels, depth)
