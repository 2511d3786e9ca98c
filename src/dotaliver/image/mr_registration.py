"""Registration of an MR to the image that the liver was outlined on, by mutual information near the liver.

MR and CT share no scale of grey, so their information is compared (Mattes, IEEE Trans Med Imaging 2003;22:120), over
the liver and what lies within 20 mm of it. The start is the displacement, among those that bring the liver into the
MR's field of view, with the highest information; three starts around it are refined, and how far their answers lie
apart says how sure the best one is. Nothing is measured on the result: it shows where a lesion lies on the MR.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813

from dotaliver.image.geometry import FloatArray, Geometry
from dotaliver.image.itk import to_itk
from dotaliver.image.registration import Pose
from dotaliver.image.volume import BoolArray, LabelMap, Quantity, Volume, used_box

__all__ = ["MrPose", "register_mr"]

_STEP_MM = 4.0
_AROUND_MM = 20.0
_BINS = 32
# The search for a start: points of the liver and around it, steps in mm, and the share of points that must lie on the
# MR. In one frame of reference only breathing and rest displace the liver.
_POINTS = 1500
_STEPS_MM = (24.0, 8.0)
_SAME_FRAME_REACH_MM = 32.0
_LEAST_SHARE = 0.6
_CANDIDATES = 8
# Starts of the refinement around the best place, in mm.
_STARTS_MM = ((0.0, 0.0, 0.0), (6.0, -6.0, 10.0), (-6.0, 6.0, -10.0))
_FIRST_STEP_MM, _SMALLEST_STEP_MM, _SHORTENED, _MOST_STEPS = 2.0, 0.02, 0.6, 150
_SAMPLED_SHARE = 0.25
_CLIPPED_PERCENT = (1.0, 99.0)
_SOFT_HU = (-200.0, 250.0)


@dataclass(frozen=True, eq=False)
class MrPose:
    """Where the places of an MR lie on the reference image, and how sure that is."""

    pose: Pose
    """Maps points of the MR to points of the reference; ``similarity`` is the normalised mutual information."""
    liver_share: float
    """Share of the liver that lies on the MR, 0 to 1."""
    spread_mm: float
    """Median distance between the answers from different starts, over the liver."""


@dataclass(frozen=True, eq=False)
class _Pair:
    """The two images on coarse voxels, and points of the reference in and around its liver."""

    mr: sitk.Image
    reference: sitk.Image
    mask: sitk.Image
    values: FloatArray
    points: FloatArray
    mr_array: FloatArray
    mr_grid: Geometry


def register_mr(mr: Volume, reference: Volume, liver: BoolArray) -> MrPose | None:
    """Register an MR rigidly to a CT, or to a PET where there is no CT.

    Parameters
    ----------
    mr : Volume
        In units of signal, in any frame of reference and plane.
    reference : Volume
        CT in HU or PET.
    liver : ndarray of bool
        On the grid of the reference.

    Returns
    -------
    MrPose or None
        None where nowhere enough of the liver would lie on the MR.
    """
    mr.require(Quantity.MR_SIGNAL)
    pair = _pair(mr, reference, liver)
    shift = _start(pair, mr.geometry, reference.geometry)
    if shift is None:
        return None
    middle = reference.geometry.index_to_lps(np.argwhere(liver).mean(axis=0))
    found = [_refined(pair, middle, shift + np.asarray(start)) for start in _STARTS_MM]
    scores = [_information(pair, _through(transform)) for transform in found]
    best = int(np.argmax(scores))
    places = reference.geometry.index_to_lps(_sample(np.argwhere(liver), _POINTS))
    there = [_through(transform)(places) for transform in found]
    spread = max(float(np.median(np.linalg.norm(there[best] - other, axis=1))) for other in there)
    share = float(np.mean(mr.geometry.contains(there[best])))
    return MrPose(Pose(found[best].GetInverse(), float(scores[best])), share, spread)


def _pair(mr: Volume, reference: Volume, liver: BoolArray) -> _Pair:
    grid = reference.geometry
    box = used_box(liver)
    if box is None:
        box = (slice(0, 1), slice(0, 1), slice(0, 1))
    margin = [int(np.ceil(2 * _AROUND_MM / s)) for s in grid.spacing_mm]
    k, j, i = (
        slice(max(part.start - m, 0), min(part.stop + m, n)) for part, m, n in zip(box, margin, grid.shape, strict=True)
    )
    part = reference.crop((k, j, i))
    inside = LabelMap(np.asarray(liver[k, j, i], dtype=np.uint8), part.geometry)
    near = sitk.SignedMaurerDistanceMap(to_itk(inside), squaredDistance=False, useImageSpacing=True) <= _AROUND_MM
    if reference.quantity is Quantity.HU:
        calm = sitk.Clamp(sitk.Cast(to_itk(part), sitk.sitkFloat32), sitk.sitkFloat32, *_SOFT_HU)
    else:
        calm = _clipped(sitk.Cast(to_itk(part), sitk.sitkFloat32))
    coarse, image = _coarse(calm), _coarse(_clipped(sitk.Cast(to_itk(mr.loaded()), sitk.sitkFloat32)))
    mask = sitk.Resample(near, coarse, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    where = np.argwhere(sitk.GetArrayFromImage(mask) > 0)
    index = _sample(where, _POINTS)
    array = sitk.GetArrayFromImage(coarse)
    points = np.array([coarse.TransformIndexToPhysicalPoint(tuple(map(int, p[::-1]))) for p in index])
    values = array[tuple(index.T)]
    return _Pair(image, coarse, mask, values, points, sitk.GetArrayFromImage(image), _grid_of(image))


def _grid_of(image: sitk.Image) -> Geometry:
    from dotaliver.image.itk import geometry_from_itk

    return geometry_from_itk(image)


def _sample(places: npt.NDArray[np.intp], count: int) -> npt.NDArray[np.intp]:
    """Some of the places, evenly through their order: the same on every machine."""
    if len(places) <= count:
        return places
    chosen: npt.NDArray[np.intp] = places[np.linspace(0, len(places) - 1, count).round().astype(int)]
    return chosen


def _clipped(image: sitk.Image) -> sitk.Image:
    low, high = np.percentile(sitk.GetArrayViewFromImage(image)[::2, ::2, ::2], _CLIPPED_PERCENT)
    clipped: sitk.Image = sitk.Clamp(image, sitk.sitkFloat32, float(low), float(max(high, low + 1e-6)))
    return clipped


def _coarse(image: sitk.Image) -> sitk.Image:
    shrink = [max(round(_STEP_MM / s), 1) for s in image.GetSpacing()]
    shrunk: sitk.Image = sitk.BinShrink(image, shrink)
    return shrunk


# --- the start -----------------------------------------------------------------------------------------------------


def _start(pair: _Pair, mr: Geometry, reference: Geometry) -> FloatArray | None:
    """The displacement from the reference to the MR with the highest information; None where none is possible."""
    middle = pair.points.mean(axis=0)
    frames = {mr.frame_of_reference_uid, reference.frame_of_reference_uid}
    if len(frames) == 1 and None not in frames:
        reach = np.arange(-_SAME_FRAME_REACH_MM, _SAME_FRAME_REACH_MM + 1, _STEPS_MM[1])
        tried = [np.array(shift) for shift in product(reach, reach, reach)]
    else:
        corners = mr.corners_lps_mm()
        low, high = corners.min(axis=0), corners.max(axis=0)
        axes = [np.arange(a, b + 1, _STEPS_MM[0]) for a, b in zip(low, high, strict=True)]
        tried = [np.array(place) - middle for place in product(*axes)]
    best = _highest(pair, tried)
    if not best:
        return None
    near = np.arange(-16.0, 17.0, _STEPS_MM[1])
    finer = [shift + np.array(step) for shift in best for step in product(near, near, near)]
    return _highest(pair, finer)[0]


def _highest(pair: _Pair, shifts: list[FloatArray]) -> list[FloatArray]:
    scores = np.array([_information(pair, partial(np.add, shift)) for shift in shifts])
    order = np.argsort(-scores, kind="stable")[:_CANDIDATES]
    return [shifts[int(n)] for n in order if scores[n] > 0]


def _information(pair: _Pair, places: Callable[[FloatArray], FloatArray]) -> float:
    """Normalised mutual information (H(a) + H(b)) / H(a, b) - 1 at the points, times the share of them on the MR.

    0 where too few of them lie on the MR.
    """
    from scipy.ndimage import map_coordinates

    at = pair.mr_grid.lps_to_index(places(pair.points))
    on = ((at >= 0) & (at <= np.asarray(pair.mr_grid.shape) - 1)).all(axis=1)
    share = float(on.mean())
    if share < _LEAST_SHARE:
        return 0.0
    there = map_coordinates(pair.mr_array, at[on].T, order=1, mode="nearest")
    a, b = pair.values[on], there
    if np.ptp(a) <= 0 or np.ptp(b) <= 0:
        return 0.0
    joint = np.histogram2d(a, b, bins=_BINS // 2)[0] / len(a)
    both, one, other = _entropy(joint), _entropy(joint.sum(axis=1)), _entropy(joint.sum(axis=0))
    return share * ((one + other) / both - 1.0) if both > 0 else 0.0


def _entropy(shares: FloatArray) -> float:
    known = shares[shares > 0]
    return float(-(known * np.log(known)).sum())


# --- the refinement ------------------------------------------------------------------------------------------------


def _refined(pair: _Pair, middle: FloatArray, shift: FloatArray) -> sitk.Euler3DTransform:
    """A rigid transform from the reference to the MR."""
    rigid = sitk.Euler3DTransform()
    rigid.SetCenter(tuple(map(float, middle)))
    rigid.SetTranslation(tuple(map(float, shift)))
    method = sitk.ImageRegistrationMethod()
    method.SetInterpolator(sitk.sitkLinear)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(_SAMPLED_SHARE, 1)
    method.SetNumberOfThreads(1)
    method.SetMetricAsMattesMutualInformation(_BINS)
    method.SetMetricFixedMask(pair.mask)
    method.SetOptimizerAsRegularStepGradientDescent(
        _FIRST_STEP_MM, _SMALLEST_STEP_MM, _MOST_STEPS, relaxationFactor=_SHORTENED
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(rigid, inPlace=True)
    try:
        method.Execute(pair.reference, pair.mr)
    except RuntimeError:
        # Everything left the field of view: the start stands, and its low information tells.
        rigid.SetIdentity()
        rigid.SetTranslation(tuple(map(float, shift)))
    return rigid


def _through(transform: sitk.Euler3DTransform) -> Callable[[FloatArray], FloatArray]:
    matrix = np.array(transform.GetMatrix()).reshape(3, 3)
    centre, translation = np.array(transform.GetCenter()), np.array(transform.GetTranslation())

    def places(points: FloatArray) -> FloatArray:
        return np.asarray((points - centre) @ matrix.T + centre + translation)

    return places
