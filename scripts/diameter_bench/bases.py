"""The CTs that lesions are put into: phantoms without any, and real ones."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813

from diameter_bench.insertion import Base
from dotaliver.config.scoring import ScoringConfig
from dotaliver.dicom.study import load_study
from dotaliver.image.geometry import Geometry
from dotaliver.image.itk import labels_from_itk, resample_labels, volume_from_itk
from dotaliver.image.morphology import box_around
from dotaliver.image.volume import LabelMap, Quantity, Volume
from dotaliver.phantom.families import family_spec
from dotaliver.phantom.presets import match_enhancement
from dotaliver.phantom.study import make_phantom

_MARGIN_MM = 30.0


def _cropped(name: str, phase: str, ct: Volume, liver: LabelMap, lesions: LabelMap) -> Base:
    box = box_around(liver.mask, ct.geometry, _MARGIN_MM)
    grid = ct.geometry.crop(box)
    part = Volume(np.array(ct.array[box]), grid, Quantity.HU)
    return Base(name, phase, part, LabelMap(liver.array[box], grid), LabelMap(lesions.array[box], grid))


def phantom_base(family: str, phase: str, slice_mm: float, noise_hu: float, seed: int = 0) -> Base:
    """A phantom of a family, without lesions."""
    spec = family_spec(family, zlib.crc32(family.encode()) % 10_000 + seed, "clinical")
    changed = {"contrast_phase": phase, "ct_slice_mm": slice_mm, "ct_noise_hu": noise_hu, "breathing_shift_mm": 0.0}
    scanner = spec.scanner.model_copy(update=changed)
    spec = match_enhancement(spec.model_copy(update={"lesions": (), "burden": None, "scanner": scanner}))
    study = make_phantom(spec)
    return _cropped(f"{family}-{phase}", phase, study.ct, study.liver, study.lesions)


def _nifti(path: Path, onto: Geometry) -> LabelMap:
    return resample_labels(labels_from_itk(sitk.Cast(sitk.ReadImage(str(path)), sitk.sitkUInt16)), onto)


def hybrid_base(name: str, data: Path) -> Base:
    """The CT of a hybrid study with the lesions that it has."""
    folder = data / name
    ct = load_study(folder / "study", ScoringConfig()).ct
    assert ct is not None
    liver = _nifti(folder / "truth_liver.nii.gz", ct.geometry)
    lesions = _nifti(folder / "truth_lesions.nii.gz", ct.geometry)
    whole = LabelMap((liver.mask | lesions.mask).astype(np.uint8), ct.geometry)
    return _cropped(name, "portal", ct, whole, lesions)


def labelled_base(data: Path) -> Base:
    """The labelled CT."""
    folder = data / "ct_abdomen_labelled"
    image = sitk.DICOMOrient(sitk.ReadImage(str(folder / "example_ct.nii.gz")), "LPS")
    organs = sitk.DICOMOrient(sitk.ReadImage(str(folder / "example_seg_fast_force_split.nii.gz")), "LPS")
    ct = volume_from_itk(sitk.Cast(image, sitk.sitkInt16), Quantity.HU)
    liver = LabelMap((sitk.GetArrayFromImage(organs).astype(int) == 5).astype(np.uint8), ct.geometry)
    return _cropped("labelled", "portal", ct, liver, LabelMap(np.zeros(ct.geometry.shape, np.uint16), ct.geometry))


def thicker(base: Base, times: int) -> Base:
    """The same with slices averaged in groups."""
    if times == 1:
        return base
    old = base.ct.geometry
    n = old.shape[0] // times
    array = base.ct.array[: n * times].astype(np.float32).reshape(n, times, *old.shape[1:]).mean(axis=1)
    origin = tuple(float(v) for v in old.index_to_lps(((times - 1) / 2, 0, 0)))
    grid = replace(
        old,
        shape=(n, *old.shape[1:]),
        origin_lps_mm=origin,
        spacing_mm=(old.spacing_mm[0] * times, *old.spacing_mm[1:]),
    )  # type: ignore[arg-type]
    return replace(
        base,
        ct=Volume(np.rint(array).astype(np.int16), grid, Quantity.HU),
        liver=resample_labels(base.liver, grid),
        lesions=resample_labels(base.lesions, grid),
    )


# Family, phase, slice and noise of the phantoms: nothing was tuned on these or on the hybrids. The settings were chosen
# on the families portal, left_small, cirrhosis and fatty, on the labelled CT and on the FDG study's, seeds from 100 on.
_PHANTOMS = (
    ("burden_0", "arterial", 2.5, 10.0),
    ("left_over_spleen", "native", 3.0, 9.0),
    ("hepatomegaly", "late", 4.0, 12.0),
)
REAL = ("hybrid_moderate", "hybrid_real_tumours")
TUNING = ("labelled",)


def bases(data: Path | None) -> Iterator[Base]:
    """Every CT to put lesions into, the real ones where their folder is given."""
    for family, phase, slice_mm, noise_hu in _PHANTOMS:
        yield phantom_base(family, phase, slice_mm, noise_hu)
    if data is not None:
        yield hybrid_base("hybrid_moderate", data)
        yield thicker(hybrid_base("hybrid_real_tumours", data), 2)
        yield labelled_base(data)
