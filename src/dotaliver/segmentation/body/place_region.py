"""The anatomical region of a place outside the liver, proposed for a lesion that a reader adds there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dotaliver.config.scoring import ScoringConfig
from dotaliver.image.distance import distance_inside_mm
from dotaliver.image.geometry import Vector
from dotaliver.image.spheres import voxels_within
from dotaliver.image.volume import BoolArray
from dotaliver.records.body import FocusOrgan
from dotaliver.records.masks import Segmentations
from dotaliver.records.study import StudyVolumes
from dotaliver.segmentation.body.axes import BodyAxes, body_axes
from dotaliver.segmentation.body.parts import HotPart
from dotaliver.segmentation.body.regions import region_of
from dotaliver.segmentation.body.search import liver_on_coarse
from dotaliver.segmentation.body.tissue import skeleton
from dotaliver.segmentation.coarse import CoarseImages, coarse_of
from dotaliver.segmentation.organs.surroundings import Surroundings, survey

__all__ = ["BodyPlaces"]

# Radii of balls about the smallest lesion that is added: bone is read in it and near it, lung in a shell around it.
_AT_MM, _NEAR_MM, _AROUND_MM = 6.0, 10.0, 14.0


@dataclass(frozen=True, eq=False)
class BodyPlaces:
    """What is known of the body for naming a place: axes, bone, lungs and depth on the coarse grid."""

    images: CoarseImages
    around: Surroundings
    axes: BodyAxes
    bone: BoolArray

    @classmethod
    def of(cls, volumes: StudyVolumes, found: Segmentations, config: ScoringConfig) -> BodyPlaces:
        """Look at the body once, for any number of places."""
        images = coarse_of(volumes, config.liver.coarse_mm)
        around = survey(images)
        axes = body_axes(images, around, liver_on_coarse(found, images), volumes.acquisition.patient_height_m)
        return cls(images, around, axes, skeleton(images, around, axes))

    def region_at(self, place_lps_mm: Vector) -> tuple[str, FocusOrgan]:
        """Region, general first, and organ of a place in the position of the PET (LPS, mm).

        A place off the images is named by its nearest place on them.
        """
        grid = self.images.geometry
        index = np.clip(np.rint(grid.lps_to_index(place_lps_mm)).astype(int), 0, np.asarray(grid.shape) - 1)
        k, j, i = (int(n) for n in index)
        inside = voxels_within(grid, index, _AT_MM)
        shell = voxels_within(grid, index, _AROUND_MM) & ~inside
        part = HotPart(
            label=1,
            peak=0.0,
            background=0.0,
            volume_ml=0.0,
            height_mm=float(self.axes.height_mm[k]),
            lateral_mm=float(self.axes.lateral_mm[i]),
            posterior_mm=float(self.axes.posterior_mm[j]),
            place=(k, j, i),
            extent_mm=(_AT_MM, _AT_MM, _AT_MM),
            upright=0.0,
            liver_mm=float("inf"),
            skin_mm=float(distance_inside_mm(self.around.body, grid.spacing_mm)[k, j, i]),
            bone_share=float(self.bone[inside].mean()),
            bone_near=float(self.bone[voxels_within(grid, index, _NEAR_MM)].mean()),
            lung_share=float(self.around.lungs[shell].mean()),
        )
        return region_of(part, has_ct=self.images.hu is not None)
