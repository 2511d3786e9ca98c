"""What CT shows of the hot parts: density, bone, lung, fat and gas in and around each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dotaliver.image.morphology import closed, dilated
from dotaliver.image.volume import BoolArray
from dotaliver.segmentation.body.axes import BodyAxes
from dotaliver.segmentation.body.parts import HotPart, HotParts
from dotaliver.segmentation.coarse import CoarseImages, Float32Array
from dotaliver.segmentation.lesions.basins import basin_boxes
from dotaliver.segmentation.organs.surroundings import Surroundings

__all__ = ["skeleton", "with_tissue"]

# Marrow has 150 HU and more; with contrast agent, blood has up to 220 in the portal phase.
_BONE_HU, _BONE_ENHANCED_HU = 150.0, 230.0
_FAT_HU = (-150.0, -40.0)
_GAS_HU = -300.0
# Dense bowel contents lie in the front half of the abdomen, away from ribs and pelvis (scale of `BodyAxes`).
_BOWEL_HEIGHT_MM, _BOWEL_POSTERIOR_MM, _BOWEL_LATERAL_MM = (-260.0, 70.0), -38.0, 110.0
# Kidneys with contrast agent are as dense as marrow; behind and beside them lie the nearest ribs.
_RENAL_HEIGHT_MM, _RENAL_POSTERIOR_MM, _RENAL_LATERAL_MM = (-150.0, 30.0), (-75.0, 15.0), (36.0, 92.0)
_AROUND_VOXELS = 3


def skeleton(images: CoarseImages, around: Surroundings, axes: BodyAxes) -> BoolArray:
    """Bone with its marrow on the coarse grid; empty without a CT."""
    if images.hu is None:
        return np.zeros(images.uptake.shape, dtype=bool)
    bone = around.body & (images.hu > (_BONE_ENHANCED_HU if around.enhanced else _BONE_HU))
    aside = np.abs(axes.lateral_mm)
    bowel = (
        _between(axes.height_mm, _BOWEL_HEIGHT_MM),
        axes.posterior_mm < _BOWEL_POSTERIOR_MM,
        aside < _BOWEL_LATERAL_MM,
    )
    renal = (
        _between(axes.height_mm, _RENAL_HEIGHT_MM),
        _between(axes.posterior_mm, _RENAL_POSTERIOR_MM),
        _between(aside, _RENAL_LATERAL_MM),
    )
    for slices, rows, columns in (bowel, renal):
        bone &= ~(slices[:, None, None] & rows[None, :, None] & columns[None, None, :])
    return np.asarray(closed(bone, 2))


def _between(values: Float32Array, limits: tuple[float, float]) -> BoolArray:
    return np.asarray((values > limits[0]) & (values < limits[1]))


def with_tissue(found: HotParts, images: CoarseImages, around: Surroundings, bone: BoolArray) -> HotParts:
    """The parts with what CT shows of them; as they are without a CT."""
    if images.hu is None:
        return found
    boxes = dict(basin_boxes(found.owners))
    parts = tuple(_with_tissue(part, boxes[part.label], found, (images.hu, bone, around)) for part in found.parts)
    return replace(found, parts=parts)


def _with_tissue(
    part: HotPart,
    box: tuple[slice, slice, slice],
    found: HotParts,
    tissue: tuple[Float32Array, BoolArray, Surroundings],
) -> HotPart:

    hu, bone, around = tissue
    wide = tuple(
        slice(max(p.start - _AROUND_VOXELS, 0), min(p.stop + _AROUND_VOXELS, n))
        for p, n in zip(box, hu.shape, strict=True)
    )
    half = found.owners[wide] == part.label
    half &= found.smooth[wide] > part.background + 0.5 * (part.peak - part.background)
    inner = half if not half.any() else dilated(half)
    shell = dilated(inner, times=2) & ~half
    density, lungs = hu[wide], around.lungs[wide]
    fat = (density > _FAT_HU[0]) & (density < _FAT_HU[1])
    gas = (density < _GAS_HU) & around.body[wide] & ~lungs
    return replace(
        part,
        hu=float(density[half].mean()) if half.any() else None,
        bone_share=float(bone[wide][half].mean()) if half.any() else 0.0,
        bone_near=float(bone[wide][inner].mean()) if inner.any() else 0.0,
        lung_share=float(lungs[shell].mean()) if shell.any() else 0.0,
        fat_around=float(fat[shell].mean()) if shell.any() else 0.0,
        gas_near=float(gas[shell].mean()) if shell.any() else 0.0,
    )
