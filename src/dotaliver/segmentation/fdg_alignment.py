"""Where an FDG scan of the same patient lies: its CT registered to that of the scored study, part by part.

The liver is registered by the densities around it, as a diagnostic CT is. The rest of the body is not one rigid piece,
so parts of it are registered one after the other from the liver outwards, each from where its neighbour lies. A part
whose densities do not agree, or that its neighbour contradicts, is left unaligned: nothing is compared there.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dotaliver.config.netpet import NetpetConfig
from dotaliver.errors import StudyError
from dotaliver.image.geometry import FloatArray, Geometry, as_vector
from dotaliver.image.itk import resample_labels
from dotaliver.image.registration import Pose, register_cts
from dotaliver.image.volume import BoolArray, LabelMap, Quantity, Volume, used_box
from dotaliver.records.fdg import AlignedPart, FdgAlignment
from dotaliver.segmentation.coarse import CoarseImages, block_mean

__all__ = ["align_fdg"]

# Body in a part below which its densities say too little.
_LEAST_VOXELS = 300
# Large parts are registered as well on larger voxels, in an eighth of the time.
_PART_VOXEL_MM = 8.0
# What is registered of the FDG scan reaches this far beyond a part.
_ROOM_MM = 40.0


def align_fdg(
    fdg: CoarseImages, scored: CoarseImages, liver: BoolArray, body: BoolArray, config: NetpetConfig
) -> FdgAlignment:
    """Register the CT of an FDG scan to that of the scored study.

    Parameters
    ----------
    fdg, scored : CoarseImages
        Both scans on their coarse grids, with CT.
    liver, body : ndarray of bool
        On the grid of ``scored``, where its CT shows them.
    config : NetpetConfig
        When a part counts as aligned.

    Raises
    ------
    StudyError
        Where the livers cannot be laid on each other.
    """
    moving, fixed = _ct_of(fdg), _ct_of(scored)
    wide, onto = block_mean(moving, _PART_VOXEL_MM), block_mean(fixed, _PART_VOXEL_MM)
    inside, within = (resample_labels(LabelMap(mask, fixed.geometry), onto.geometry).mask for mask in (body, liver))
    start = _matrix(register_cts(wide, onto, within))
    rotation, offset, similarity = _refined(moving, fixed, liver, start) or (*start, 0.0)
    if similarity < config.least_similarity:
        msg = (
            f"--fdg: the CT of the FDG scan cannot be laid on that of the scored study (similarity "
            f"{similarity:.2f} near the liver); give an FDG PET/CT of the same patient that shows the whole liver"
        )
        raise StudyError(msg)
    z = fixed.geometry.index_to_lps(np.argwhere(liver))[:, 2]
    found = _part((float(z.min()), float(z.max())), rotation, offset, similarity)
    return FdgAlignment(liver=found, parts=_parts(wide, onto, inside, found, config))


def _ct_of(images: CoarseImages) -> Volume:
    assert images.hu is not None
    return Volume(images.hu, images.geometry, Quantity.HU)


def _matrix(pose: Pose) -> tuple[FloatArray, FloatArray]:
    """Rotation and offset of a rigid pose."""
    ends = pose.places(np.vstack([np.zeros(3), np.eye(3)]))
    return (ends[1:] - ends[0]).T, ends[0]


def _part(ends_mm: tuple[float, float], rotation: FloatArray, offset: FloatArray, similarity: float) -> AlignedPart:
    rows = (as_vector(rotation[0]), as_vector(rotation[1]), as_vector(rotation[2]))
    return AlignedPart(
        low_mm=ends_mm[0],
        high_mm=ends_mm[1],
        rotation=rows,
        offset_lps_mm=as_vector(offset),
        similarity=similarity,
    )


def _parts(
    moving: Volume, fixed: Volume, body: BoolArray, liver: AlignedPart, config: NetpetConfig
) -> tuple[AlignedPart, ...]:
    """Parts of the body from feet to head, registered from the liver's outwards."""
    grid = fixed.geometry
    heights = grid.origin_lps_mm[2] + grid.spacing_mm[0] * np.arange(grid.shape[0])
    half = grid.spacing_mm[0] / 2.0
    count = max(round((heights[-1] - heights[0]) / config.part_mm), 1)
    edges = np.linspace(heights[0] - half, heights[-1] + half, count + 1)
    middle = (liver.low_mm + liver.high_mm) / 2.0
    first = int(np.clip(np.searchsorted(edges, middle) - 1, 0, count - 1))
    found: dict[int, AlignedPart] = {}
    for n in (*range(first, count), *range(first - 1, -1, -1)):
        neighbour = liver if n == first else found[n - 1 if n > first else n + 1]
        ends = (float(edges[n]), float(edges[n + 1]))
        inside = body & ((heights >= ends[0]) & (heights < ends[1]))[:, None, None]
        border = ends[0] if n >= first else ends[1]
        found[n] = _registered(moving, fixed, inside, ends, (neighbour, border), config)
    return tuple(found[n] for n in range(count))


def _registered(
    moving: Volume,
    fixed: Volume,
    inside: BoolArray,
    ends_mm: tuple[float, float],
    beside: tuple[AlignedPart, float],
    config: NetpetConfig,
) -> AlignedPart:
    """One part, registered from where its neighbour lies; the neighbour's place where that fails."""
    neighbour, border_mm = beside
    as_neighbour = neighbour.model_copy(
        update={"low_mm": ends_mm[0], "high_mm": ends_mm[1], "similarity": 0.0, "aligned": False}
    )
    if np.count_nonzero(inside) < _LEAST_VOXELS:
        return as_neighbour
    start = (np.asarray(neighbour.rotation), np.asarray(neighbour.offset_lps_mm))
    found = _refined(moving, fixed, inside, start)
    if found is None:
        return as_neighbour
    part = _part(ends_mm, *found)
    at_border = np.array([[x, y, border_mm] for x, y in _corners(fixed, inside)[:, :2]])
    there = neighbour.places_on_fdg(at_border)
    apart = float(np.linalg.norm(part.places(there) - at_border, axis=1).max())
    aligned = neighbour.aligned and part.similarity >= config.least_similarity and apart <= config.most_disagreement_mm
    if not aligned:
        return as_neighbour.model_copy(update={"similarity": part.similarity, "disagreement_mm": apart})
    return part.model_copy(update={"disagreement_mm": apart})


def _refined(
    moving: Volume, fixed: Volume, inside: BoolArray, start: tuple[FloatArray, FloatArray]
) -> tuple[FloatArray, FloatArray, float] | None:
    """Rotation, offset and similarity within a mask, from a first answer; None where the images do not meet there."""
    near = moving.placed(_moved(moving.geometry, fixed.geometry, *start))
    corners = _corners(fixed, inside)
    reach = np.vstack([corners - _ROOM_MM, corners + _ROOM_MM])
    around = near.geometry.box_of(reach)
    if around is None:
        return None
    pose = register_cts(near.crop(around), fixed, inside)
    rotation, offset = _matrix(pose)
    return rotation @ start[0], rotation @ start[1] + offset, pose.similarity


def _corners(fixed: Volume, inside: BoolArray) -> FloatArray:
    """The corners of the box around a mask, shape (8, 3), in mm."""
    used = used_box(inside)
    assert used is not None
    return fixed.geometry.crop(used).corners_lps_mm()


def _moved(grid: Geometry, onto: Geometry, rotation: FloatArray, offset: FloatArray) -> Geometry:
    """A grid moved rigidly into another's frame of reference."""
    k, j, i = (as_vector(rotation @ np.asarray(axis)) for axis in grid.directions)
    return replace(
        grid,
        origin_lps_mm=as_vector(rotation @ np.asarray(grid.origin_lps_mm) + offset),
        directions=(k, j, i),
        frame_of_reference_uid=onto.frame_of_reference_uid or "aligned",
    )
