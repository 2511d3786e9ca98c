"""The fixed coarse grid on which whole-image reasoning is done, whatever the scanner.

The grid has 4 mm voxels and canonical axes (slices towards the head, rows towards the back, columns towards the
left), so that anatomical directions are array directions and nothing depends on how a series was stored.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dotaliver.image.backends import SLAB_SLICES
from dotaliver.image.distance import Float32Array
from dotaliver.image.geometry import Geometry, Vector, as_vector
from dotaliver.image.itk import resample
from dotaliver.image.volume import Volume
from dotaliver.records.study import StudyVolumes
from dotaliver.system.recent import Recent

__all__ = [
    "CoarseImages",
    "Float32Array",
    "block_mean",
    "coarse_grid",
    "coarse_images",
    "coarse_of",
]

_CANONICAL: tuple[Vector, Vector, Vector] = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
_AIR_HU = -1000.0
# The abdomen around a liver moves by a slice where the liver is edited; what is found of it is as large as the images.
_PARTS_KEPT = 4
# Rounding must neither add nor lose a slice or a voxel.
_ROUNDING = 1e-6
# A liver that the PET cuts is followed on CT this far beyond it.
_BEYOND_PET_MM = 100.0
# A liver measures 250 mm along the body at most; the lungs, spleen, kidneys and aorta that help to find it lie within
# this distance.
_ABDOMEN_MM = 300.0


@dataclass(frozen=True, eq=False)
class CoarseImages:
    """CT and PET on the coarse grid, with the PET in its own position.

    ``hu`` is None without a CT; ``uptake`` is in the PET's unit. Where the CT reaches beyond the PET along the body,
    uptake is that of the PET's nearest slice.
    """

    geometry: Geometry
    hu: Float32Array | None
    uptake: Float32Array
    pet: Volume
    recent: Recent = field(default_factory=lambda: Recent(_PARTS_KEPT), init=False, repr=False)
    """What was last computed of these images alone."""

    @property
    def spacing_mm(self) -> float:
        """Edge of a voxel in mm (all three are equal)."""
        return self.geometry.spacing_mm[0]

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel in ml."""
        return self.geometry.voxel_volume_ml

    def near(self, height: int) -> CoarseImages:
        """The images within `_ABDOMEN_MM` of a slice: a liver there and all its neighbours.

        Head and legs beyond it say nothing about them.
        """
        reach = int(_ABDOMEN_MM / self.spacing_mm)
        slices = slice(max(height - reach, 0), min(height + reach + 1, self.geometry.shape[0]))
        if slices == slice(0, self.geometry.shape[0]):
            return self
        return self.recent.of(("near", slices.start, slices.stop), lambda: self._slices(slices))

    def _slices(self, slices: slice) -> CoarseImages:
        box = (slices, slice(0, self.geometry.shape[1]), slice(0, self.geometry.shape[2]))
        hu = None if self.hu is None else self.hu[slices]
        return CoarseImages(self.geometry.crop(box), hu, self.uptake[slices], self.pet)

    def uptake_moved(self, shift_lps_mm: Vector) -> Float32Array:
        """Uptake of each voxel, with the PET displaced from the CT by `shift_lps_mm`."""
        return _uptake_on(self.pet, self.geometry.moved(shift_lps_mm))


def coarse_images(pet: Volume, ct: Volume | None, spacing_mm: float) -> CoarseImages:
    """Resample both images onto the coarse grid: block means, then linear interpolation."""
    grid = coarse_grid(pet.geometry, None if ct is None else ct.geometry, spacing_mm)
    hu = None
    if ct is not None:
        hu = resample(block_mean(ct, spacing_mm), grid, outside=_AIR_HU).array.astype(np.float32, copy=False)
    return CoarseImages(grid, hu, _uptake_on(block_mean(pet, spacing_mm), grid), pet)


def coarse_of(volumes: StudyVolumes, spacing_mm: float) -> CoarseImages:
    """The coarse images of a study, computed once for all steps."""
    return volumes.once(_coarse_images_of, spacing_mm)


def _coarse_images_of(volumes: StudyVolumes, spacing_mm: float) -> CoarseImages:
    return coarse_images(volumes.pet, volumes.ct, spacing_mm)


def _uptake_on(pet: Volume, grid: Geometry) -> Float32Array:
    """Uptake on a canonical grid; slices beyond the PET repeat its nearest slice."""
    uptake = resample(pet, grid).array.astype(np.float32)
    heights = pet.geometry.index_to_lps([[0, 0, 0], [n - 1 for n in pet.geometry.shape]])[:, 2]
    height = grid.origin_lps_mm[2] + np.arange(grid.shape[0]) * grid.spacing_mm[0]
    held = np.flatnonzero((height >= heights.min() - _ROUNDING) & (height <= heights.max() + _ROUNDING))
    if held.size:
        uptake[: held[0]], uptake[held[-1] + 1 :] = uptake[held[0]], uptake[held[-1]]
    return np.asarray(uptake)


def coarse_grid(pet: Geometry, ct: Geometry | None, spacing_mm: float) -> Geometry:
    """The coarse grid over two images' grids."""
    corners = (ct or pet).corners_lps_mm()
    low, high = corners.min(axis=0), corners.max(axis=0)
    if ct is not None:
        # Along the body, where both images are and a little beyond; across it, the wider field of the CT.
        heights = pet.corners_lps_mm()[:, 2]
        low[2] = max(low[2], heights.min() - _BEYOND_PET_MM)
        high[2] = min(high[2], heights.max() + _BEYOND_PET_MM)
    counts = np.maximum(np.floor((high - low) / spacing_mm + _ROUNDING).astype(int), 1)
    origin = low + spacing_mm / 2.0
    return Geometry(
        (int(counts[2]), int(counts[1]), int(counts[0])),
        as_vector(origin),
        (spacing_mm, spacing_mm, spacing_mm),
        _CANONICAL,
        (ct or pet).frame_of_reference_uid,
    )


def block_mean(volume: Volume, spacing_mm: float) -> Volume:
    """Means over blocks of voxels, as large as fit into the target spacing, against aliasing."""
    factors = [max(1, int(spacing_mm / s + _ROUNDING)) for s in volume.geometry.spacing_mm]
    if factors == [1, 1, 1]:
        return volume
    counts = [n // f for n, f in zip(volume.geometry.shape, factors, strict=True)]
    sums = np.zeros(counts, dtype=np.float32)
    rows, columns = (slice(0, n * f) for n, f in zip(counts[1:], factors[1:], strict=True))
    at_once = max(SLAB_SLICES // factors[0], 1)
    for k in range(0, counts[0], at_once):
        some = slice(k, min(k + at_once, counts[0]))
        slab = volume.crop((slice(some.start * factors[0], some.stop * factors[0]), rows, columns)).array
        # One strided pass per voxel of the block, always in this order: several times faster than a reshaped mean.
        for first in np.ndindex(*factors):
            sums[some] += slab[tuple(slice(n, None, f) for n, f in zip(first, factors, strict=True))]
    means = sums
    means /= np.float32(np.prod(factors))
    affine = volume.geometry.affine.copy()
    affine[:3, 3] = volume.geometry.index_to_lps([(f - 1) / 2 for f in factors])
    affine[:3, :3] *= factors
    grid = Geometry.from_affine(means.shape, affine, volume.geometry.frame_of_reference_uid)
    return Volume(means, grid, volume.quantity)
