"""Whether two CTs show one person's spine: bones that neither breathing nor contrast agent change.

Livers, fat and lungs of two people correlate almost as well as those of one person in two breath-holds. Vertebrae of
two people do not. They are registered rigidly on their own, since the liver moves along them.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk  # noqa: N813

from dotaliver.image.geometry import FloatArray
from dotaliver.image.itk import to_itk
from dotaliver.image.registration import Pose
from dotaliver.image.volume import BoolArray, Quantity, Volume, used_box

__all__ = ["spine_similarity"]

_STEP_MM = 2.5
# Bone from here; below, soft tissue is of one density. Above, metal.
_BONE_HU, _METAL_HU = 130.0, 500.0
# Vertebrae with their processes, around the place where most bone lies above each other, and what counts around bone.
_SPINE_MM, _AROUND_MM = 45.0, 6.0
# The liver moves along the spine by breathing: places along the body that are tried, in mm.
_REACH_MM, _TRIED_MM = 48.0, 6.0
_REFINED = 2
_LEAST_BONE_ML = 20.0
_FIRST_STEP_MM, _SMALLEST_STEP_MM, _SHORTENED, _MOST_STEPS = 2.0, 0.05, 0.6, 80
_SAMPLED_SHARE = 0.3
_LEAST_OVERLAP = 0.6


def spine_similarity(first: Volume, second: Volume, second_liver: BoolArray, pose: Pose) -> float | None:
    """Correlation of two CTs' vertebrae at the height of the liver, after a rigid registration of their own.

    Parameters
    ----------
    first, second : Volume
        In HU.
    second_liver : ndarray of bool
        On the grid of the second.
    pose : Pose
        From points of the first to points of the second near the liver, as `register_cts` finds it.

    Returns
    -------
    float or None
        -1 to 1 on voxels of 2.5 mm; None where the second shows too little bone there, or the first too little of it.
    """
    fixed_spine = _spine(second.require(Quantity.HU), second_liver)
    if fixed_spine is None:
        return None
    fixed, mask = fixed_spine
    moving = _bone(_coarse(first.require(Quantity.HU).loaded()))
    start = sitk.Euler3DTransform(sitk.Euler3DTransform(pose.transform).GetInverse())
    middle = _middle(mask)
    tried = [_shifted(start, middle, z) for z in np.arange(-_REACH_MM, _REACH_MM + 1, _TRIED_MM)]
    scores = [_correlation(fixed, moving, mask, transform) for transform in tried]
    order = np.argsort([-score for score in scores], kind="stable")[:_REFINED]
    if scores[int(order[0])] <= -1:
        return None
    return max(_refined(fixed, moving, mask, tried[int(n)]) for n in order)


def _coarse(ct: Volume) -> sitk.Image:
    image = sitk.Cast(to_itk(ct), sitk.sitkFloat32)
    shrunk: sitk.Image = sitk.BinShrink(image, [max(round(_STEP_MM / s), 1) for s in image.GetSpacing()])
    return shrunk


def _bone(image: sitk.Image) -> sitk.Image:
    clamped: sitk.Image = sitk.Clamp(image, sitk.sitkFloat32, _BONE_HU, _METAL_HU)
    return clamped


def _spine(ct: Volume, liver: BoolArray) -> tuple[sitk.Image, sitk.Image] | None:
    """Bone at the height of a liver on coarse voxels, and the mask of the spine in it."""
    from scipy.ndimage import binary_dilation, uniform_filter

    box = used_box(liver)
    if box is None:
        return None
    whole = slice(None)
    image = _coarse(ct.part((box[0], slice(0, ct.geometry.shape[1]), slice(0, ct.geometry.shape[2]))).loaded())
    step = image.GetSpacing()[::-1]
    bone = sitk.GetArrayFromImage(image) > _BONE_HU
    size = [max(round(_SPINE_MM / s), 1) for s in step[1:]]
    row, column = np.unravel_index(int(uniform_filter(bone.mean(axis=0), size).argmax()), bone.shape[1:])
    j, i = (np.arange(n) for n in bone.shape[1:])
    near = (np.abs(j - row) * step[1] <= _SPINE_MM)[:, None] & (np.abs(i - column) * step[2] <= _SPINE_MM)
    spine = bone & near[None, whole, whole]
    if np.count_nonzero(spine) * float(np.prod(step)) / 1000 < _LEAST_BONE_ML:
        return None
    reach = [max(round(_AROUND_MM / s), 1) for s in step]
    around = binary_dilation(spine, np.ones([2 * r + 1 for r in reach], dtype=bool))
    mask = sitk.GetImageFromArray(around.astype(np.uint8))
    mask.CopyInformation(image)
    return _bone(image), mask


def _middle(mask: sitk.Image) -> FloatArray:
    index = np.argwhere(sitk.GetArrayViewFromImage(mask) > 0).mean(axis=0)[::-1]
    return np.asarray(mask.TransformContinuousIndexToPhysicalPoint(index.tolist()))


def _shifted(start: sitk.Euler3DTransform, middle: FloatArray, along_mm: float) -> sitk.Euler3DTransform:
    """The start, turned about the spine's middle and displaced along the body."""
    moved = sitk.Euler3DTransform()
    moved.SetCenter(tuple(map(float, middle)))
    moved.SetMatrix(start.GetMatrix())
    there = np.asarray(start.TransformPoint(tuple(map(float, middle)))) - middle
    moved.SetTranslation((float(there[0]), float(there[1]), float(there[2] + along_mm)))
    return moved


def _refined(fixed: sitk.Image, moving: sitk.Image, mask: sitk.Image, start: sitk.Euler3DTransform) -> float:
    transform = sitk.Euler3DTransform(start)
    method = sitk.ImageRegistrationMethod()
    method.SetInterpolator(sitk.sitkLinear)
    method.SetNumberOfThreads(1)
    method.SetMetricAsCorrelation()
    method.SetMetricFixedMask(mask)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(_SAMPLED_SHARE, 1)
    method.SetOptimizerAsRegularStepGradientDescent(
        _FIRST_STEP_MM, _SMALLEST_STEP_MM, _MOST_STEPS, relaxationFactor=_SHORTENED
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(transform, inPlace=True)
    before = _correlation(fixed, moving, mask, start)
    try:
        method.Execute(fixed, moving)
    except RuntimeError:
        return before
    return max(before, _correlation(fixed, moving, mask, transform))


def _correlation(fixed: sitk.Image, moving: sitk.Image, mask: sitk.Image, transform: sitk.Transform) -> float:
    """Correlation inside the mask; -1 where less than most of it lies on the other image."""
    outside = _BONE_HU - 1
    there = sitk.GetArrayFromImage(sitk.Resample(moving, fixed, transform, sitk.sitkLinear, outside))
    inside = sitk.GetArrayFromImage(mask) > 0
    both = inside & (there >= _BONE_HU)
    if np.count_nonzero(both) < _LEAST_OVERLAP * np.count_nonzero(inside):
        return -1.0
    a, b = sitk.GetArrayFromImage(fixed)[both], there[both]
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 0 and b.std() > 0 else -1.0
