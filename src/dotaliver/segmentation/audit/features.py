"""What the second answer to where the liver is goes by: each place, its surroundings and what lies further off.

All is computed on blocks of 8 mm, each of 2 x 2 x 2 voxels of the coarse grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dotaliver.image.filters import box_mean
from dotaliver.image.geometry import Box
from dotaliver.image.morphology import eroded, largest_component
from dotaliver.image.volume import BoolArray
from dotaliver.segmentation.coarse import Float32Array

__all__ = ["Blocks", "blocks_of", "image_features", "liver_features", "to_voxels"]

_SIDE = 2
# The body: denser than a couch; its outermost percent may be arms, lines or a couch's edge.
_BODY_HU, _OUTERMOST, _MARGIN = -150.0, 0.01, 1
_SOFT_HU = (0.0, 150.0)
# Scales that bring both images to about -2 to 2.
_MIDDLE_HU, _SCALE_HU, _LIMITS_HU = 40.0, 120.0, (-3.0, 2.5)
_LIMITS_LOG, _SCALE_LOG = (-2.0, 4.0), 1.5
_LEAST_UPTAKE = 1e-6
_LUNG_HU, _FAT_HU, _BONE_HU = -400.0, -40.0, 220.0
# Nothing of a liver lies where all of a block is lung, air or fat.
_CANDIDATE_HU = -60.0
_REACHES = (3, 5, 9)
_OFFSETS = (4, 8, 14)
_SLICES_OFF = (0, 5, -5, 10)
# How far the images go on above and below a place counts up to this many blocks.
_LARGEST_END = 12
_BLOCK_MM = 8.0
_POSITION_MM = 100.0
_LEAST_LIVER = 20.0


@dataclass(frozen=True)
class Blocks:
    """Both images in blocks around the body.

    ``density`` and ``uptake`` have the 8 voxels of each block along the last axis, ``[slice, row, column, voxel]``;
    ``middle`` is the body's middle (row, column) in blocks. The last blocks along an axis may reach beyond the grid's
    part ``box``.
    """

    box: Box
    density: Float32Array
    uptake: Float32Array
    candidates: BoolArray
    middle: tuple[float, float]


def blocks_of(hu: Float32Array, uptake: Float32Array) -> Blocks:
    """Cut the part of both images that holds the body into blocks."""
    dense = hu > _BODY_HU
    spans, middles = [slice(0, hu.shape[0])], []
    for axis, others in ((1, (0, 2)), (2, (0, 1))):
        share = np.cumsum(np.count_nonzero(dense, axis=others))
        total = max(int(share[-1]), 1)
        first, last = (int(np.searchsorted(share, q * total)) for q in (_OUTERMOST, 1.0 - _OUTERMOST))
        spans.append(slice(max(first - _MARGIN, 0), min(last + _MARGIN + 1, hu.shape[axis])))
        middles.append((float(np.searchsorted(share, 0.5 * total)) - spans[-1].start) / _SIDE)
    box = (spans[0], spans[1], spans[2])
    part, own = hu[box], uptake[box]
    soft = (part > _SOFT_HU[0]) & (part < _SOFT_HU[1])
    level = max(float(np.median(own[soft])) if soft.any() else 1.0, _LEAST_UPTAKE)
    density = np.clip((part - np.float32(_MIDDLE_HU)) / np.float32(_SCALE_HU), *_LIMITS_HU)
    log = np.log(np.maximum(own / np.float32(level), np.float32(_LEAST_UPTAKE)))
    blocks = _blocks(density, _LIMITS_HU[0])
    return Blocks(
        box=box,
        density=blocks,
        uptake=_blocks(np.clip(log, *_LIMITS_LOG) / np.float32(_SCALE_LOG), 0.0),
        candidates=np.asarray(blocks.max(axis=-1) > (_CANDIDATE_HU - _MIDDLE_HU) / _SCALE_HU),
        middle=(middles[0], middles[1]),
    )


def _blocks(image: Float32Array, beyond: float) -> Float32Array:
    padded = np.pad(image, [(0, -n % _SIDE) for n in image.shape], constant_values=beyond)
    k, j, i = (n // _SIDE for n in padded.shape)
    split = padded.reshape(k, _SIDE, j, _SIDE, i, _SIDE).transpose(0, 2, 4, 1, 3, 5)
    return np.asarray(split.reshape(k, j, i, _SIDE**3), dtype=np.float32)


def to_voxels(blocks: Float32Array) -> Float32Array:
    """Undo the cutting into blocks."""
    k, j, i, _ = blocks.shape
    split = blocks.reshape(k, j, i, _SIDE, _SIDE, _SIDE).transpose(0, 3, 1, 4, 2, 5)
    return split.reshape(_SIDE * k, _SIDE * j, _SIDE * i)


def image_features(blocks: Blocks) -> Float32Array:
    """Features of every candidate from the images alone, shape (candidates, features)."""
    density, uptake = blocks.density.mean(axis=-1), blocks.uptake.mean(axis=-1)
    at = blocks.candidates
    maps = [
        *np.moveaxis(blocks.density, -1, 0),
        *np.moveaxis(blocks.uptake, -1, 0),
        *_around(density),
        *_around(uptake),
        *(_spread(density), _spread(uptake)),
    ]
    hu = _MIDDLE_HU + _SCALE_HU * density
    lung, fat, bone = hu < _LUNG_HU, (hu < _FAT_HU) & (hu > _LUNG_HU), hu > _BONE_HU
    maps += [box_mean(kind.astype(np.float32), 5) for kind in (lung, fat, bone)]
    maps.append(box_mean(lung.astype(np.float32), 13))
    columns = [m[at] for m in maps]
    columns += [_rank(density, at), _rank(uptake, at)]
    index = np.argwhere(at)
    columns += [((index[:, 1 + n] - blocks.middle[n]) * _BLOCK_MM / _POSITION_MM) for n in (0, 1)]
    in_slice = lung.mean(axis=(1, 2))
    columns += [in_slice[np.clip(index[:, 0] + off, 0, len(in_slice) - 1)] for off in _SLICES_OFF]
    to_ends = (index[:, 0], len(in_slice) - 1 - index[:, 0])
    columns += [np.minimum(blocks_to_end, _LARGEST_END) / _LARGEST_END for blocks_to_end in to_ends]
    return np.stack(columns, axis=1).astype(np.float32)


def liver_features(blocks: Blocks, probability: Float32Array) -> Float32Array:
    """Features of every candidate from a first answer, shape (candidates, features).

    Parameters
    ----------
    blocks : Blocks
        The images.
    probability : ndarray, shape (slices, rows, columns, 8)
        The first answer.
    """
    at, likely = blocks.candidates, probability.mean(axis=-1)
    columns = [m[at] for m in (*np.moveaxis(probability, -1, 0), *_around(likely))]
    weight = np.where(likely > 0.5, likely, 0.0).astype(np.float64)
    total = float(weight.sum())
    if total < _LEAST_LIVER:
        weight, total = likely.astype(np.float64), max(float(likely.sum(dtype=np.float64)), 1e-6)
    core = box_mean(largest_component(eroded(likely > 0.5, beyond=True)).astype(np.float32))
    columns += [core[at], box_mean(core, _REACHES[1])[at]]
    for image in (blocks.density.mean(axis=-1), blocks.uptake.mean(axis=-1)):
        mean = float((image * weight).sum() / total)
        sd = float(np.sqrt(((image - mean) ** 2 * weight).sum() / total))
        columns += [image[at] - mean, np.abs(image[at] - mean) / max(sd, 0.05), np.full(int(at.sum()), sd)]
    index = np.argwhere(at)
    for axis in range(3):
        line = weight.sum(axis=tuple(a for a in range(3) if a != axis))
        place = float((line * np.arange(len(line))).sum() / total)
        extent = float(np.sqrt((line * (np.arange(len(line)) - place) ** 2).sum() / total))
        columns.append(np.full(len(index), extent / 10.0))
        columns.append((index[:, axis] - place) / max(extent, 1.0))
    columns.append(np.full(int(at.sum()), total * (_BLOCK_MM / 10.0) ** 3 / 1000.0))
    return np.stack(columns, axis=1).astype(np.float32)


def _around(image: Float32Array) -> list[Float32Array]:
    """Neighbours, means over growing cubes, and means further off along the axes."""
    maps = [_moved(image, axis, step) for axis in range(3) for step in (-1, 1)]
    means = [box_mean(image, size) for size in _REACHES]
    maps += means
    maps += [_moved(means[0], axis, sign * off) for off in _OFFSETS for axis in range(3) for sign in (-1, 1)]
    return maps


def _moved(image: Float32Array, axis: int, step: int) -> Float32Array:
    """Each place shows the value `step` further along an axis; the edges are repeated."""
    index = np.clip(np.arange(image.shape[axis]) + step, 0, image.shape[axis] - 1)
    return np.take(image, index, axis=axis)


def _spread(image: Float32Array) -> Float32Array:
    mean = box_mean(image)
    return np.sqrt(np.maximum(box_mean(image * image) - mean * mean, 0.0))


def _rank(image: Float32Array, at: BoolArray) -> npt.NDArray[np.float64]:
    """Share of the candidates with a lower value, 0 to 1."""
    values = image[at]
    return np.asarray(np.searchsorted(np.sort(values), values) / max(len(values), 1))
