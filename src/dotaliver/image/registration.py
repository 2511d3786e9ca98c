"""Registration of two livers or two CTs of one patient, to match their lesions; nothing is measured on the result.

Livers are registered by their outlines (distance maps do not depend on contrast phase or modality), two CTs by
their densities near the liver. Both run on coarse grids in one thread, so the result is the same on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813

from dotaliver.errors import StudyError
from dotaliver.image.distance import distance_to_mm, signed_distance_mm
from dotaliver.image.geometry import FloatArray, Geometry, as_vector
from dotaliver.image.itk import resample_through, to_itk
from dotaliver.image.volume import BoolArray, LabelMap, Quantity, Volume, used_box

__all__ = ["LiverMatch", "Pose", "register_cts", "register_livers"]

_STEP_MM = 4.0
_REACH_MM = 30.0
_MESH = (3, 3, 3)
_SAMPLED_SHARE = 0.1
# Outlines that overlap this much after rigid registration are not deformed.
_ALIKE_DICE = 0.97
_SEARCH_MM = 20.0
# Gradient descent over millimetres: first and smallest step, and how much a step is shortened when it overshoots.
_FIRST_STEP_MM, _SMALLEST_STEP_MM, _SHORTENED = 2.0, 0.02, 0.6
# How far from its target an inverted point may lie, and how many rounds are tried.
_INVERSE_MM, _INVERSE_ROUNDS = 0.01, 30
# Soft tissue: lung and gas below, bone and dense contrast agent above.
_SOFT_HU = (-200.0, 250.0)
_AIR_HU = -1000.0
# Two images are compared where at least this share of the mask lies on both, and neither is of one density.
_LEAST_OVERLAP, _LEAST_SD_HU = 0.5, 1.0


@dataclass(frozen=True, eq=False)
class Pose:
    """Mapping from points of a first image to points of a second, with their similarity (0 to 1)."""

    transform: sitk.Transform
    similarity: float

    def places(self, points_lps_mm: npt.ArrayLike) -> FloatArray:
        """Points of the second image for points of the first, shape (n, 3), in mm."""
        points = np.atleast_2d(np.asarray(points_lps_mm, dtype=np.float64))
        return np.array([self.transform.TransformPoint(tuple(map(float, p))) for p in points]).reshape(-1, 3)

    def origins(self, points_lps_mm: npt.ArrayLike) -> FloatArray:
        """Points of the first image for points of the second, shape (n, 3), in mm: the mapping's inverse.

        A bent mapping has no inverse in closed form; fixed-point iteration finds it where the bending changes by less
        than the distance (as in a liver, whose bend is smooth over centimetres).
        """
        wanted = np.atleast_2d(np.asarray(points_lps_mm, dtype=np.float64))
        found = wanted.copy()
        for _ in range(_INVERSE_ROUNDS):
            missing = wanted - self.places(found)
            found += missing
            if float(np.abs(missing).max(initial=0.0)) < _INVERSE_MM:
                break
        return found


@dataclass(frozen=True, eq=False)
class LiverMatch:
    """Registration of one liver to another: rigid, and deformable (the rigid one again if deforming gains nothing)."""

    rigid: Pose
    bent: Pose


def _distance_map(labels: LabelMap) -> sitk.Image:
    """Signed distance from a mask's border (inside positive, cut at 30 mm), on a 4 mm grid around it."""
    box = used_box(labels.mask)
    if box is None:
        msg = "a liver mask is empty, so livers cannot be registered; outline the liver"
        raise StudyError(msg)
    part = labels.geometry.crop(box)
    fine = LabelMap(labels.mask[box].astype(np.uint8), part)
    grid = _coarse_around(part)
    mask = resample_through(fine, grid, sitk.Transform()).mask
    if not mask.any():
        msg = "a liver mask is too small to be registered; outline the whole liver"
        raise StudyError(msg)
    clipped = np.clip(signed_distance_mm(mask, grid.spacing_mm), -_REACH_MM, _REACH_MM)
    return to_itk(Volume(clipped, grid, Quantity.RELATIVE))


def _coarse_around(part: Geometry) -> Geometry:
    """An axis-parallel 4 mm grid around another one, with a margin."""
    corners = part.corners_lps_mm()
    low, high = corners.min(axis=0) - _REACH_MM, corners.max(axis=0) + _REACH_MM
    counts = np.ceil((high - low) / _STEP_MM).astype(int)
    return Geometry(
        (int(counts[2]), int(counts[1]), int(counts[0])),
        as_vector(low),
        (_STEP_MM, _STEP_MM, _STEP_MM),
        ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)),
    )


def _method() -> sitk.ImageRegistrationMethod:
    method = sitk.ImageRegistrationMethod()
    method.SetInterpolator(sitk.sitkLinear)
    # A fixed seed: the same points on every run, so the same answer.
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(_SAMPLED_SHARE, 1)
    method.SetNumberOfThreads(1)
    return method


def register_livers(first: LabelMap, second: LabelMap) -> LiverMatch:
    """Register a first liver to a second rigidly and, if they still differ, by a B-spline of 3³ cells.

    The distance maps of the two outlines are compared by their mean square difference over a tenth of the voxels.

    Raises
    ------
    StudyError
        Where a mask is empty.
    """
    fixed, moving = _distance_map(first), _distance_map(second)
    middles = [_middle(image) for image in (fixed, moving)]
    rigid = sitk.Euler3DTransform()
    rigid.SetCenter(tuple(middles[0].tolist()))
    rigid.SetTranslation(tuple((middles[1] - middles[0]).tolist()))
    method = _method()
    method.SetMetricAsMeanSquares()
    method.SetOptimizerAsRegularStepGradientDescent(_FIRST_STEP_MM, _SMALLEST_STEP_MM, 100, relaxationFactor=_SHORTENED)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(rigid, inPlace=True)
    method.Execute(fixed, moving)
    stiff = Pose(rigid, _dice(fixed, moving, rigid))
    if stiff.similarity >= _ALIKE_DICE:
        return LiverMatch(stiff, stiff)
    bend = sitk.BSplineTransformInitializer(fixed, list(_MESH), order=3)
    method = _method()
    method.SetMetricAsMeanSquares()
    method.SetOptimizerAsLBFGSB(numberOfIterations=15, maximumNumberOfFunctionEvaluations=20)
    method.SetMovingInitialTransform(rigid)
    method.SetInitialTransform(bend, inPlace=True)
    method.Execute(fixed, moving)
    both = sitk.CompositeTransform([rigid, bend])
    bent = Pose(both, _dice(fixed, moving, both))
    return LiverMatch(stiff, bent if bent.similarity > stiff.similarity else stiff)


def _middle(image: sitk.Image) -> FloatArray:
    """Centre of mass of where a distance map is positive, in mm."""
    index = np.argwhere(sitk.GetArrayFromImage(image) > 0).mean(axis=0)[::-1]
    return np.asarray(image.TransformContinuousIndexToPhysicalPoint(index.tolist()))


def _dice(fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform) -> float:
    there = sitk.Resample(moving, fixed, transform, sitk.sitkLinear, -_REACH_MM)
    a, b = sitk.GetArrayFromImage(fixed) > 0, sitk.GetArrayFromImage(there) > 0
    return 2.0 * int(np.count_nonzero(a & b)) / max(int(a.sum()) + int(b.sum()), 1)


# --- two CTs of one patient ---------------------------------------------------------------------------------------


def register_cts(first: Volume, second: Volume, second_liver: BoolArray) -> Pose:
    """Register a first CT to a second rigidly, by the densities within 20 mm of the second's liver.

    Two CTs in one frame of reference start as they lie, others from the displacement along the body with the highest
    correlation. ``similarity`` is the correlation of densities near the liver
    after registration, on 4 mm voxels.

    Parameters
    ----------
    first, second : Volume
        In HU, whatever their frames of reference.
    second_liver : ndarray of bool
        On the grid of the second.
    """
    fixed, moving = _soft_tissue(first.require(Quantity.HU)), _soft_tissue(second.require(Quantity.HU))
    mask = _around_liver(second, second_liver)
    start = _start(fixed, moving, mask, same_frame=_same_frame(first, second))
    rigid = sitk.Euler3DTransform()
    middle = np.argwhere(second_liver).mean(axis=0)
    centre = second.geometry.index_to_lps(middle) - np.asarray(start)
    rigid.SetCenter(tuple(map(float, centre)))
    rigid.SetTranslation(start)
    method = _method()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricMovingMask(mask)
    method.SetOptimizerAsRegularStepGradientDescent(_FIRST_STEP_MM, _SMALLEST_STEP_MM, 120, relaxationFactor=_SHORTENED)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(rigid, inPlace=True)
    try:
        method.Execute(fixed, moving)
    except RuntimeError:
        return Pose(rigid, 0.0)
    return Pose(rigid, _correlation(fixed, moving, mask, rigid))


def _same_frame(first: Volume, second: Volume) -> bool:
    uids = {first.geometry.frame_of_reference_uid, second.geometry.frame_of_reference_uid}
    return len(uids) == 1 and None not in uids


def _soft_tissue(ct: Volume) -> sitk.Image:
    """A CT clipped to soft tissue, on voxels of about 4 mm."""
    # The whole CT is read on purpose: registration looks at all of it, and the copy is released on return.
    image = sitk.Cast(to_itk(ct.loaded()), sitk.sitkFloat32)
    image = sitk.Clamp(image, sitk.sitkFloat32, *_SOFT_HU)
    shrink = [max(round(_STEP_MM / s), 1) for s in image.GetSpacing()]
    shrunk: sitk.Image = sitk.BinShrink(image, shrink)
    return shrunk


def _around_liver(ct: Volume, liver: BoolArray) -> sitk.Image:
    near = distance_to_mm(liver, ct.geometry.spacing_mm, within_mm=_SEARCH_MM) <= _SEARCH_MM
    return to_itk(LabelMap(near, ct.geometry))


def _start(fixed: sitk.Image, moving: sitk.Image, mask: sitk.Image, *, same_frame: bool) -> tuple[float, float, float]:
    if same_frame:
        return (0.0, 0.0, 0.0)
    sizes = [np.asarray(i.GetSize()) for i in (fixed, moving)]
    middles = [
        np.asarray(i.TransformContinuousIndexToPhysicalPoint(((n - 1) / 2.0).tolist()))
        for i, n in zip((fixed, moving), sizes, strict=True)
    ]
    base = middles[1] - middles[0]
    reach = 0.5 * (fixed.GetSize()[2] * fixed.GetSpacing()[2] + moving.GetSize()[2] * moving.GetSpacing()[2])
    heights = np.arange(-reach, reach + 1, _SEARCH_MM)
    tried = []
    for height in heights:
        shift = (float(base[0]), float(base[1]), float(base[2] + height))
        tried.append((_correlation(fixed, moving, mask, sitk.TranslationTransform(3, shift)), shift))
    return max(tried)[1]


def _correlation(fixed: sitk.Image, moving: sitk.Image, mask: sitk.Image, transform: sitk.Transform) -> float:
    """Correlation of two images inside the second's mask, on the first's grid; -1 where they hardly overlap."""
    there = sitk.GetArrayFromImage(sitk.Resample(moving, fixed, transform, sitk.sitkLinear, _AIR_HU))
    near = sitk.GetArrayFromImage(sitk.Resample(mask, fixed, transform, sitk.sitkNearestNeighbor, 0)) > 0
    voxels = np.prod(fixed.GetSpacing())
    wanted = float(np.count_nonzero(sitk.GetArrayViewFromImage(mask))) * float(np.prod(mask.GetSpacing()))
    if np.count_nonzero(near) * voxels < _LEAST_OVERLAP * wanted:
        return -1.0
    a, b = sitk.GetArrayFromImage(fixed)[near], there[near]
    if a.std() < _LEAST_SD_HU or b.std() < _LEAST_SD_HU:
        return -1.0
    return float(np.corrcoef(a, b)[0, 1])
