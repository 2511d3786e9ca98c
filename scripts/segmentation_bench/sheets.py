"""Contact sheets: where truth and outline part, study by study, to be looked at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from dotaliver.image.geometry import grow_box
from dotaliver.image.itk import resample, resample_labels
from dotaliver.image.volume import LabelMap, used_box
from dotaliver.records.masks import Segmentations
from dotaliver.records.positions import shift_between
from segmentation_bench.cohort import Case

Rgb = npt.NDArray[np.uint8]
_GREEN, _RED = (60, 220, 60), (255, 70, 70)
_EDGE = 240
_MARGIN_MM = 30.0


def picture(case: Case, found: Segmentations, caption: str) -> Rgb:
    """Four axial levels of CT and PET and a coronal one; truth green, ours red."""
    ct, pet = case.volumes.ct, case.volumes.pet
    assert ct is not None
    truth = case.liver.mask
    liver = np.zeros_like(truth)
    if found.liver is not None:
        liver = resample_labels(found.liver.labels, ct.geometry).mask
    shift = (0.0, 0.0, 0.0) if found.liver is None else shift_between(found.liver.drawn_on, "pet", found.mismatch)
    moved = ct.geometry.moved(shift)
    uptake = resample(pet, moved).array
    known = resample_labels(case.lesions_on_pet, moved).mask
    ours = np.zeros_like(known)
    if found.lesions is not None and found.liver is not None:
        layer = LabelMap(found.lesions.labels.mask.astype(np.uint8), found.lesions.labels.geometry)
        ours = resample_labels(layer, moved).mask
    box = grow_box(
        used_box(truth | liver) or used_box(np.ones_like(truth)),
        _MARGIN_MM / np.asarray(ct.geometry.spacing_mm),
        truth.shape,
    )
    hu, uptake, truth, liver, known, ours = (a[box] for a in (ct.array, uptake, truth, liver, known, ours))
    wrong = (truth ^ liver).sum(axis=(1, 2))
    used = np.flatnonzero(truth.any(axis=(1, 2)) | liver.any(axis=(1, 2)))
    levels = sorted({int(n) for n in np.quantile(used, [0.15, 0.4, 0.62, 0.85])} | {int(wrong.argmax())})
    tiles = []
    top = 4.0 * case.liver_suv
    for k in levels[:5]:
        gray = np.clip((hu[k] + 60.0) / 300.0, 0, 1)
        tiles.append(_tile(gray, truth[k], liver[k], ct.geometry.spacing_mm[1:]))
        hot = 1 - np.clip(uptake[k] / top, 0, 1)
        tiles.append(_tile(hot, known[k], ours[k], ct.geometry.spacing_mm[1:]))
    row = int(np.flatnonzero(truth.any(axis=(0, 2))).mean())
    for values, one, two in (
        (np.clip((hu[:, row] + 60.0) / 300.0, 0, 1), truth[:, row], liver[:, row]),
        (1 - np.clip(uptake[:, row] / top, 0, 1), known[:, row], ours[:, row]),
    ):
        turned = (values[::-1], one[::-1], two[::-1])
        tiles.append(_tile(*turned, (ct.geometry.spacing_mm[0], ct.geometry.spacing_mm[2])))
    while len(tiles) < 12:
        tiles.append(np.full((_EDGE, _EDGE, 3), 255, dtype=np.uint8))
    upper, lower = np.concatenate(tiles[0::2], axis=1), np.concatenate(tiles[1::2], axis=1)
    return np.concatenate([_caption(caption, upper.shape[1]), upper, lower])


def _tile(
    gray: npt.NDArray[np.floating],
    truth: npt.NDArray[np.bool_],
    ours: npt.NDArray[np.bool_],
    spacing: tuple[float, float],
) -> Rgb:
    from PIL import Image
    from scipy.ndimage import binary_erosion

    rows, columns = (n * s for n, s in zip(gray.shape, spacing, strict=True))
    scale = _EDGE / max(rows, columns)
    size = (max(round(columns * scale), 1), max(round(rows * scale), 1))

    def fit(array: npt.NDArray[np.uint8], kind: int) -> npt.NDArray[np.uint8]:
        return np.asarray(Image.fromarray(array).resize(size, kind))

    rgb = np.repeat(fit((255 * gray).astype(np.uint8), Image.Resampling.BILINEAR)[..., None], 3, axis=2)
    for mask, colour in ((truth, _GREEN), (ours, _RED)):
        big = fit(mask.astype(np.uint8) * 255, Image.Resampling.NEAREST) > 127
        rgb[big & ~binary_erosion(big)] = colour
    tile = np.full((_EDGE, _EDGE, 3), 255, dtype=np.uint8)
    tile[: size[1], : size[0]] = rgb
    return tile


def _caption(text: str, width: int) -> Rgb:
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (width, 18), "white")
    ImageDraw.Draw(image).text((4, 3), text, fill="black")
    return np.asarray(image)


def write_sheet(pictures: list[Rgb], path: Path) -> None:
    """One PNG of several pictures below each other."""
    from PIL import Image

    if pictures:
        Image.fromarray(np.concatenate(pictures)).save(path)
