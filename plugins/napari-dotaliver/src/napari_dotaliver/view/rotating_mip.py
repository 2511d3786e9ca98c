"""Maximum-intensity projections of the PET from any side, and which focus a place on one of them is.

Frames are made when they are looked at, on a coarser grid of even spacing, and kept. They are for finding one's way;
nothing is measured on them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import ndimage, sparse

from dotaliver.image.orientation import anatomical
from napari_dotaliver.view.layers import world_affine

if TYPE_CHECKING:
    from dotaliver.image.geometry import FloatArray
    from dotaliver.image.volume import Volume

__all__ = ["STEP_DEG", "Frame", "RotatingMip"]

STEP_DEG = 10
"""Angle between two frames."""
_SPACING_MM = 4.0
# Out of the volume lies air.
_AIR = 0.0
# Tissue takes up more than this share of what the hottest hundredth of all voxels do; less is noise in the air.
_TISSUE_SHARE, _HOTTEST_PERCENTILE = 0.05, 99.0
# Room beside the body, in columns.
_BESIDE_COLUMNS = 4


@dataclass(frozen=True, eq=False)
class Frame:
    """The PET seen from one side.

    Parameters
    ----------
    image : ndarray, shape (rows, columns)
        Highest uptake along each line of sight; rows run from head to feet.
    depth : ndarray of int, shape (rows, columns)
        Where along the line of sight it lies, in steps from the front.
    """

    image: npt.NDArray[np.float32]
    depth: npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class RotatingMip:
    """A PET to be turned about the patient's long axis.

    Parameters
    ----------
    voxels : ndarray, shape (slices, n, n)
        The PET on a grid of even spacing, slices from feet to head, padded so that no corner is lost when it turns.
    to_world : ndarray, shape (4, 4)
        From indices of ``voxels`` to napari's world, in mm.
    """

    voxels: npt.NDArray[np.float32]
    to_world: FloatArray
    spacing_mm: float = _SPACING_MM
    _frames: dict[int, Frame] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, pet: Volume, spacing_mm: float = _SPACING_MM) -> RotatingMip:
        """Make one of a PET in any orientation."""
        turned = anatomical(pet)
        factors = np.asarray(turned.geometry.spacing_mm) / spacing_mm
        shape = np.maximum(np.ceil(np.asarray(turned.array.shape) * factors).astype(int), 1)
        side = int(np.ceil(np.hypot(shape[1], shape[2]))) | 1
        shape = np.array([shape[0], side, side])
        # Both grids have their middle in one place.
        offset = (np.asarray(turned.array.shape) - 1) / 2 - (shape - 1) / 2 / factors
        voxels = ndimage.affine_transform(
            np.asarray(turned.array, dtype=np.float32),
            1 / factors,
            offset,
            output_shape=tuple(int(n) for n in shape),
            order=1,
            mode="constant",
            cval=_AIR,
        )
        scaled = np.eye(4)
        scaled[:3, :3] = np.diag(1 / factors)
        scaled[:3, 3] = offset
        return cls(voxels, world_affine(turned.geometry) @ scaled, spacing_mm)

    @property
    def _middle(self) -> FloatArray:
        """The index about which it turns."""
        middle: FloatArray = (np.asarray(self.voxels.shape) - 1) / 2
        return middle

    @cached_property
    def breadth(self) -> int:
        """Columns of a frame that hold the body whatever the angle, with some room beside it."""
        columns = self.voxels.shape[2]
        taken_up = self.voxels[self.voxels > _AIR]
        if not taken_up.size:
            return columns
        tissue = (self.voxels > _TISSUE_SHARE * np.percentile(taken_up, _HOTTEST_PERCENTILE)).any(axis=0)
        away = np.linalg.norm(np.argwhere(tissue) - self._middle[1:], axis=1)
        return min(int(np.ceil(2 * away.max())) + 2 * _BESIDE_COLUMNS, columns)

    def frame(self, angle_deg: int) -> Frame:
        """The PET seen from a side: 0 from the front, 90 from the patient's left, in whole steps."""
        angle = _whole_steps(angle_deg)
        if angle not in self._frames:
            seen = _turned(self.voxels, angle)[::-1]
            depth = seen.argmax(axis=1)
            image = np.take_along_axis(seen, depth[:, None], axis=1)[:, 0]
            self._frames[angle] = Frame(image, depth.astype(np.int32))
        return self._frames[angle]

    def world_of(self, angle_deg: int, row: int, column: int) -> tuple[float, float, float] | None:
        """Where in napari's world the highest uptake behind a pixel of a frame lies; None outside or in the air."""
        angle = _whole_steps(angle_deg)
        frame = self.frame(angle)
        if not (0 <= row < frame.image.shape[0] and 0 <= column < frame.image.shape[1]):
            return None
        if frame.image[row, column] <= _AIR:
            return None
        middle = self._middle
        seen = np.array([self.voxels.shape[0] - 1 - row, frame.depth[row, column], column], dtype=np.float64)
        index = _turn(angle) @ (seen - middle) + middle
        z, y, x, _ = self.to_world @ np.append(index, 1.0)
        return float(z), float(y), float(x)

    def pixel_of(self, angle_deg: int, world_mm: npt.ArrayLike) -> tuple[float, float]:
        """Row and column of a frame at which a place of napari's world is seen."""
        angle = _whole_steps(angle_deg)
        middle = self._middle
        index = (np.linalg.inv(self.to_world) @ np.append(np.asarray(world_mm, dtype=np.float64), 1.0))[:3]
        seen = _turn(angle).T @ (index - middle) + middle
        return float(self.voxels.shape[0] - 1 - seen[0]), float(seen[2])


def _whole_steps(angle_deg: int) -> int:
    return round(angle_deg / STEP_DEG) * STEP_DEG % 360


def _turned(voxels: npt.NDArray[np.float32], angle_deg: int) -> npt.NDArray[np.float32]:
    """The voxels as they are seen from a side, interpolated linearly within each slice.

    The long axis is the axis of rotation, so one set of weights serves every slice.
    """
    if angle_deg == 0:
        return voxels
    slices, rows, columns = voxels.shape
    middle = (np.array([rows, columns]) - 1) / 2
    seen = np.indices((rows, columns)).reshape(2, -1) - middle[:, None]
    # Rounded, so that a quarter turn gives whole indices and no trace of a neighbour in the air.
    y, x = np.round(_turn(angle_deg)[1:, 1:] @ seen + middle[:, None], 9)
    first_y, first_x = np.floor(y).astype(np.int64), np.floor(x).astype(np.int64)
    targets, sources, weights = [], [], []
    for step_y, step_x in ((0, 0), (0, 1), (1, 0), (1, 1)):
        row, column = first_y + step_y, first_x + step_x
        weight = (1 - np.abs(y - row)) * (1 - np.abs(x - column))
        # What lies outside is air.
        used = (weight > 0) & (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
        targets.append(np.flatnonzero(used))
        sources.append(row[used] * columns + column[used])
        weights.append(weight[used].astype(np.float32))
    size = rows * columns
    where = (np.concatenate(targets), np.concatenate(sources))
    mixing = sparse.csr_matrix((np.concatenate(weights), where), shape=(size, size))
    turned = mixing @ np.ascontiguousarray(voxels.reshape(slices, size).T)
    seen_voxels: npt.NDArray[np.float32] = np.ascontiguousarray(turned.T).reshape(voxels.shape)
    return seen_voxels


def _turn(angle_deg: int) -> FloatArray:
    """From what is seen (slice, depth, column) to the patient's axes (slice, row to the back, column to the left)."""
    angle = np.deg2rad(angle_deg)
    c, s = np.cos(angle), np.sin(angle)
    # Seen from the left (90 degrees) the patient's left is nearest.
    turn: FloatArray = np.array([[1.0, 0.0, 0.0], [0.0, c, s], [0.0, -s, c]])
    return turn
