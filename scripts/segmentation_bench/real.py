"""Real CTs with a simulated 68Ga-DOTATATE PET: the hybrid studies, smooth deformations of them, a labelled CT.

Nothing here is tuned on: there are three real livers in all. The labelled CT's organs get uptake drawn from the same
published ranges as the phantom's, and lesions that are painted into CT and PET alike.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813

from dotaliver.config.scoring import ScoringConfig
from dotaliver.dicom.study import load_study
from dotaliver.image.distance import distance_inside_mm
from dotaliver.image.geometry import Geometry
from dotaliver.image.itk import labels_from_itk, resample_labels, to_itk, volume_from_itk
from dotaliver.image.volume import LabelMap, Quantity, Volume
from dotaliver.phantom.families import family_spec
from dotaliver.phantom.lesions import make_blob
from dotaliver.phantom.physics import PetPhysics, simulate_pet
from dotaliver.phantom.presets import avid_lesion
from dotaliver.phantom.study import make_phantom, study_volumes
from dotaliver.phantom.tissues import Tissue, draw_suv
from dotaliver.records.study import StudyVolumes

HYBRIDS = ("hybrid_moderate", "hybrid_massive", "hybrid_real_tumours")
_LABELLED = "ct_abdomen_labelled"
# The same CT, its kidneys a hot cortex around a cold middle: SUVs and the cortex's thickness are drawn from these.
_KIDNEY_RINGS = "labelled_kidney_rings"
_CORTEX_SUV, _MIDDLE_SUV, _CORTEX_MM = (8.0, 20.0), (0.8, 3.0), (7.0, 11.0)
_KIDNEYS = (2, 3)
_BEND_MM, _BEND_SCALE_MM = 9.0, 70.0
_SHIFT_MM = (0.0, 12.0)
# Organs of the labelled CT (TotalSegmentator's numbers) and the tissue whose uptake they get.
_ORGANS: dict[tuple[int, ...], Tissue] = {
    (1,): Tissue.SPLEEN,
    (2, 3): Tissue.KIDNEY_CORTEX,
    (4,): Tissue.GALLBLADDER,
    (5,): Tissue.LIVER,
    (6,): Tissue.STOMACH_WALL,
    (7,): Tissue.PANCREAS,
    (8, 9): Tissue.ADRENAL,
    (10, 11, 12, 13, 14): Tissue.LUNG,
    (18, 19, 20): Tissue.BOWEL_WALL,
    (51, 52, 63): Tissue.AORTA,
    (64,): Tissue.PORTAL_VEIN,
    tuple(range(26, 51)): Tissue.MARROW,
}


@dataclass(frozen=True, eq=False)
class RealCase:
    """What `make` gives."""

    volumes: StudyVolumes
    liver: LabelMap
    lesions_on_pet: LabelMap
    contrasts: dict[int, float]
    liver_suv: float
    burden: float


def names(data: Path, per_family: int) -> list[tuple[str, str, int]]:
    """Name, family and seed of every real case that the data allow."""
    found: list[tuple[str, str, int]] = []
    for hybrid in HYBRIDS:
        if (data / hybrid).is_dir():
            found.append((hybrid, hybrid, 0))
            found += [(f"{hybrid}-bent-{n}", hybrid, n) for n in range(1, 1 + 2 * per_family)]
    if (data / _LABELLED).is_dir():
        found += [(f"labelled-{n}", _LABELLED, n) for n in range(2 * per_family)]
        for n in range(per_family):
            found += [(f"kidney_rings-{n}", _KIDNEY_RINGS, n), (f"kidney_rings-{n}-bent", _KIDNEY_RINGS, n)]
    return found


def make(name: str, family: str, seed: int, data: Path) -> RealCase:
    """Build one real case."""
    if family == _LABELLED:
        return _labelled(seed, data / _LABELLED)
    if family == _KIDNEY_RINGS:
        case = _labelled(seed, data / _LABELLED, rings=True)
        return _bent(case, seed) if name.endswith("-bent") else case
    case = _hybrid(data / family)
    return case if name == family else _bent(case, seed)


def _nifti(path: Path, onto: Geometry) -> LabelMap:
    image = sitk.Cast(sitk.ReadImage(str(path)), sitk.sitkUInt16)
    return resample_labels(labels_from_itk(image), onto)


def _hybrid(folder: Path) -> RealCase:
    volumes = load_study(folder / "study", ScoringConfig())
    truth = json.loads((folder / "truth.json").read_text())
    assert volumes.ct is not None
    liver = _nifti(folder / "truth_liver.nii.gz", volumes.ct.geometry)
    on_pet = _nifti(folder / "truth_lesions_on_pet.nii.gz", volumes.pet.geometry)
    contrasts = {int(x["id"]): float(x["suv"]) / truth["liver_suv"] for x in truth["lesions"]}
    contrasts |= {n: contrasts.get(n, 3.0) for n in on_pet.labels}
    return RealCase(
        volumes, LabelMap(liver.mask, liver.geometry), on_pet, contrasts, truth["liver_suv"], truth["burden"]
    )


def _field(grid: Geometry, rng: np.random.Generator) -> sitk.DisplacementFieldTransform:
    """A smooth random displacement over a grid, about `_BEND_MM` of SD."""
    corners = grid.corners_lps_mm()
    low, high = corners.min(axis=0) - 100, corners.max(axis=0) + 100
    size = [int(np.ceil((b - a) / (_BEND_SCALE_MM / 2))) + 1 for a, b in zip(low, high, strict=True)]
    image = sitk.GetImageFromArray(rng.normal(0, _BEND_MM, (*size[::-1], 3)), isVector=True)
    image.SetOrigin([float(v) for v in low])
    image.SetSpacing((_BEND_SCALE_MM / 2,) * 3)
    smooth = sitk.SmoothingRecursiveGaussian(sitk.Cast(image, sitk.sitkVectorFloat64), _BEND_SCALE_MM / 4)
    array = sitk.GetArrayFromImage(smooth)
    array *= _BEND_MM / array.std()
    fine = sitk.GetImageFromArray(array, isVector=True)
    fine.CopyInformation(image)
    return sitk.DisplacementFieldTransform(sitk.Cast(fine, sitk.sitkVectorFloat64))


def _bent(case: RealCase, seed: int) -> RealCase:
    """Everything bent by one smooth displacement; some livers are made larger or smaller by it."""
    ct = case.volumes.ct
    assert ct is not None
    transform = _field(ct.geometry, np.random.default_rng([seed, 1001]))

    def bend(image: sitk.Image, kind: int, outside: float) -> sitk.Image:
        return sitk.Resample(image, image, transform, kind, outside)

    new_ct = volume_from_itk(bend(to_itk(ct), sitk.sitkLinear, -1000.0), Quantity.HU)
    pet = case.volumes.pet
    new_pet = volume_from_itk(bend(to_itk(pet), sitk.sitkBSpline3, 0.0), pet.quantity)
    liver = labels_from_itk(bend(to_itk(case.liver), sitk.sitkNearestNeighbor, 0))
    lesions = labels_from_itk(bend(to_itk(case.lesions_on_pet), sitk.sitkNearestNeighbor, 0))
    burden = lesions.volume_ml() / liver.volume_ml()
    volumes = replace(
        case.volumes,
        ct=Volume(new_ct.array.astype(ct.array.dtype), ct.geometry, Quantity.HU),
        pet=Volume(np.maximum(new_pet.array, 0).astype(np.float32), pet.geometry, pet.quantity),
    )
    return RealCase(
        volumes,
        LabelMap(liver.array, ct.geometry),
        LabelMap(lesions.array, pet.geometry),
        case.contrasts,
        case.liver_suv,
        burden,
    )


def _labelled(seed: int, folder: Path, *, rings: bool = False) -> RealCase:
    """The labelled CT with a simulated PET; the seed draws uptake, lesions, blur, noise and breathing.

    The CT ends at the dome of the liver. With `rings`, the kidneys are hot rings around a cold middle.
    """
    ct_image = sitk.DICOMOrient(sitk.ReadImage(str(folder / "example_ct.nii.gz")), "LPS")
    organ_image = sitk.DICOMOrient(sitk.ReadImage(str(folder / "example_seg_fast_force_split.nii.gz")), "LPS")
    ct = volume_from_itk(sitk.Cast(ct_image, sitk.sitkInt16), Quantity.HU)
    organs = sitk.GetArrayFromImage(organ_image).astype(int)
    grid = ct.geometry
    rng = np.random.default_rng([seed, 2002])
    spec = family_spec("burden_0", 9_000_000 + seed, "small")
    suv = draw_suv(spec)
    activity = _background(ct.array, suv)
    for labels, tissue in _ORGANS.items():
        activity[np.isin(organs, labels)] = suv[tissue]
    if rings:
        _hollow_out(activity, np.isin(organs, _KIDNEYS), grid, np.random.default_rng([seed, 77]))
    liver = organs == 5
    hu, lesions, contrasts = _with_lesions(ct.array.astype(np.float32), liver, grid, rng)
    factors = np.array([0.0, *(contrasts[n] for n in sorted(contrasts))])
    activity = np.where(lesions > 0, factors[lesions] * suv[Tissue.LIVER], activity).astype(np.float32)
    shift = (0.0, 0.0, -float(rng.uniform(*_SHIFT_MM)))
    pet_grid = _pet_grid(grid)
    physics = PetPhysics(float(rng.uniform(5.2, 6.8)), float(rng.uniform(0.10, 0.15)), suv[Tissue.LIVER], 5.0)
    pet = simulate_pet(Volume(activity, grid.moved(shift), Quantity.BQML), pet_grid, physics, rng)
    on_pet = resample_labels(LabelMap(lesions.astype(np.uint16), grid.moved(shift)), pet_grid)
    template = study_volumes(make_phantom(spec))
    volumes = replace(
        template,
        ct=Volume(np.rint(hu).astype(np.int16), grid, Quantity.HU),
        pet=Volume(pet.array, pet_grid, Quantity.SUVBW),
    )
    burden = float((lesions > 0).sum() / liver.sum())
    return RealCase(volumes, LabelMap(liver, grid), on_pet, contrasts, suv[Tissue.LIVER], burden)


def _hollow_out(
    activity: npt.NDArray[np.float32], kidneys: npt.NDArray[np.bool_], grid: Geometry, rng: np.random.Generator
) -> None:
    """Give the kidneys a hot cortex around a cold middle."""
    cortex, middle, thickness_mm = (float(rng.uniform(*limits)) for limits in (_CORTEX_SUV, _MIDDLE_SUV, _CORTEX_MM))
    depth_mm = distance_inside_mm(kidneys, grid.spacing_mm)
    activity[kidneys] = np.where(depth_mm[kidneys] < thickness_mm, cortex, middle)


def _background(hu: npt.NDArray[np.int16], suv: dict[Tissue, float]) -> npt.NDArray[np.float32]:
    activity = np.full(hu.shape, suv[Tissue.MUSCLE], dtype=np.float32)
    activity[hu < -30] = suv[Tissue.FAT]
    activity[hu < -300] = 0.02
    activity[hu > 250] = suv[Tissue.BONE]
    return activity


def _pet_grid(ct: Geometry) -> Geometry:
    spacing = (3.0, 4.07, 4.07)
    counts = [int(n * s / p) for n, s, p in zip(ct.shape, ct.spacing_mm, spacing, strict=True)]
    grid = replace(ct, shape=(counts[0], counts[1], counts[2]), spacing_mm=spacing)
    return grid.moved(np.asarray(ct.centre_lps_mm) - np.asarray(grid.centre_lps_mm))


def _with_lesions(
    hu: npt.NDArray[np.float32], liver: npt.NDArray[np.bool_], grid: Geometry, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], dict[int, float]]:
    """None, some or many lesions: 0, 5 to 15 %, 20 to 60 % or 70 to 95 % of the liver."""
    low, high = [(0.0, 0.0), (0.05, 0.15), (0.2, 0.6), (0.7, 0.95)][int(rng.integers(4))]
    wanted = float(rng.uniform(low, high)) * liver.sum()
    labels = np.zeros(hu.shape, dtype=np.int64)
    contrasts: dict[int, float] = {}
    places = np.argwhere(liver)
    z, y, x = np.meshgrid(*(np.arange(n) for n in hu.shape), indexing="ij")
    points = grid.index_to_lps(np.stack([z, y, x], axis=-1).reshape(-1, 3)).reshape(*hu.shape, 3).astype(np.float32)
    out = hu.copy()
    while (labels > 0).sum() < wanted and len(contrasts) < 90:
        size = float(np.exp(rng.uniform(np.log(10), np.log(60 if high > 0.5 else 35))))
        spec = avid_lesion(rng, size)
        blob = make_blob(spec, grid.index_to_lps(places[rng.integers(len(places))]), rng)
        inside = liver & (blob.radius(points[..., 0], points[..., 1], points[..., 2]) < 1) & (labels == 0)
        if inside.sum() * grid.voxel_volume_ml < 0.2:
            continue
        number = len(contrasts) + 1
        labels[inside] = number
        contrasts[number] = spec.contrast
        out[inside] += np.float32(spec.hu_difference)
    # The last lesions hide earlier ones at times: number anew what is left
    left = [n for n in sorted(contrasts) if (labels == n).any()]
    renamed = np.zeros(len(contrasts) + 1, dtype=np.int64)
    renamed[left] = np.arange(1, len(left) + 1)
    return out, renamed[labels], {i: contrasts[n] for i, n in enumerate(left, start=1)}
