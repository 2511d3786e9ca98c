"""The FDG PET in the viewer: laid on the receptor PET by the alignment that the comparison of both rests on.

At the liver's height the livers are laid on each other, with the breathing of both scans; above and below, each part of
the body lies where it was aligned. The picture is interpolated on the receptor PET's grid. What is read under the mouse
is the FDG PET's own voxel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk  # noqa: N813

from dotaliver.image.geometry import FloatArray, Geometry, Vector
from dotaliver.image.itk import resample_moved
from dotaliver.image.volume import Quantity, Volume
from dotaliver.records.fdg import AlignedPart, FdgSearch
from dotaliver.records.masks import Mismatch, Segmentations
from dotaliver.records.study import StudyVolumes
from napari_dotaliver.view.layers import PET_OVER_CT, LayerData, anatomical_grid, pet_layer, uptake_unit

__all__ = ["FDG", "FdgDisplay", "fdg_display", "fdg_layer"]

FDG = "FDG"


@dataclass(frozen=True, eq=False)
class _Placing:
    """Where places of the receptor PET at one height lie on the FDG PET."""

    part: AlignedPart
    here_mm: FloatArray
    there_mm: FloatArray

    def places(self, points_lps_mm: FloatArray) -> FloatArray:
        return np.asarray(self.part.places_on_fdg(points_lps_mm - self.here_mm) + self.there_mm)

    def transform(self) -> sitk.AffineTransform:
        ends = self.places(np.vstack([np.zeros(3), np.eye(3)]))
        found = sitk.AffineTransform(3)
        found.SetMatrix((ends[1:] - ends[0]).T.ravel().tolist())
        found.SetTranslation(ends[0].tolist())
        return found


@dataclass(frozen=True, eq=False)
class FdgDisplay:
    """An FDG PET and where it lies on the receptor PET."""

    study: StudyVolumes
    search: FdgSearch
    mismatch: Mismatch | None

    @property
    def unit(self) -> str:
        """How its uptake is named beside that of the receptor PET."""
        return f"{FDG} {uptake_unit(self.study.pet.quantity)}"

    @property
    def is_suv(self) -> bool:
        """Whether its uptake is an SUV."""
        return self.study.pet.quantity is not Quantity.RELATIVE

    def words_at(self, place_lps_mm: Vector) -> str | None:
        """Such as ``FDG SUV 3.2``, from the FDG PET's own voxel; None off its field of view."""
        placing = self._placing(place_lps_mm[2])
        if placing is None:
            return None
        pet = self.study.pet
        there = placing.places(np.asarray(place_lps_mm, dtype=np.float64))
        index = np.rint(pet.geometry.lps_to_index(there)).astype(int)
        if (index < 0).any() or (index >= pet.geometry.shape).any():
            return None
        if not placing.part.aligned:
            return f"{FDG} not aligned here"
        return f"{self.unit} {float(pet.array[tuple(index)]):.1f}"

    def on(self, grid: Geometry) -> Volume:
        """The FDG PET on an upright grid of the receptor PET, by linear interpolation; 0 where it shows nothing."""
        array = np.zeros(grid.shape, dtype=np.float32)
        for slices, placing in self._slabs(grid):
            part = grid.crop((slices, slice(0, grid.shape[1]), slice(0, grid.shape[2])))
            array[slices] = resample_moved(self.study.pet, part, placing.transform()).array
        return Volume(array, grid, self.study.pet.quantity)

    def _slabs(self, grid: Geometry) -> Iterator[tuple[slice, _Placing]]:
        """Slices that are placed alike."""
        middle = [(n - 1) / 2.0 for n in grid.shape[1:]]
        heights = [float(grid.index_to_lps((k, *middle))[2]) for k in range(grid.shape[0])]
        found = [self._placing(height) for height in heights]
        first = 0
        for k in range(1, len(found) + 1):
            if k == len(found) or _part(found[k]) is not _part(found[first]):
                placing = found[first]
                if placing is not None:
                    yield slice(first, k), placing
                first = k

    def _placing(self, height_mm: float) -> _Placing | None:
        alignment = self.search.alignment
        here, there = (_shift(found) for found in (self.mismatch, self.search.own.mismatch))
        if alignment.liver.low_mm <= height_mm - here[2] < alignment.liver.high_mm:
            return _Placing(alignment.liver, here, there)
        part = alignment.part_at(height_mm)
        return None if part is None else _Placing(part, np.zeros(3), np.zeros(3))


def _part(placing: _Placing | None) -> AlignedPart | None:
    return None if placing is None else placing.part


def _shift(mismatch: Mismatch | None) -> FloatArray:
    return np.zeros(3) if mismatch is None else np.asarray(mismatch.shift_lps_mm, dtype=np.float64)


def fdg_display(volumes: StudyVolumes, segmentations: Segmentations) -> FdgDisplay | None:
    """The FDG PET where one was aligned."""
    if volumes.fdg is None or segmentations.fdg is None:
        return None
    return FdgDisplay(volumes.fdg, segmentations.fdg, segmentations.mismatch)


def fdg_layer(display: FdgDisplay, pet: Geometry) -> LayerData:
    """The FDG PET over the CT, hidden until it is asked for."""
    laid = display.on(anatomical_grid(pet))
    array, look, kind = pet_layer(laid, display.study.acquisition, over_ct=True)
    return array, look | PET_OVER_CT | {"name": FDG, "visible": False}, kind
