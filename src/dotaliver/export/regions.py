"""Liver and lesions on the grid of one image: what contours and masks for other programs are made of.

The image is the CT that belongs to the PET, or the PET where there is no CT. A lesion whose border the CT shows has
that outline; others have the outline on the PET, in the position of the CT.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from dotaliver.image.geometry import Box, Geometry
from dotaliver.image.itk import resample_labels
from dotaliver.image.volume import BoolArray, LabelMap
from dotaliver.records.masks import DrawnOn, MaskLayer, Segmentations
from dotaliver.records.positions import VoxelSet, in_position_of
from dotaliver.records.score import StudyScore
from dotaliver.records.study import StudyVolumes

__all__ = ["Outline", "Outlines", "outlines_on_image", "target_image", "united"]


@dataclass(frozen=True, eq=False)
class Outline:
    """The voxels of one structure, and the layer that they were drawn in."""

    voxels: VoxelSet
    layer: MaskLayer

    def origin(self, image: DrawnOn) -> str:
        """On which image it was drawn, and in whose position it is given."""
        if self.layer.drawn_on == image:
            return f"Outline on {image.upper()}"
        return f"Outline on {self.layer.drawn_on.upper()}, in the position of the {image.upper()}"


@dataclass(frozen=True, eq=False)
class Outlines:
    """Liver and lesions on one image's grid; lesions by label, those with an outline on CT first."""

    image: DrawnOn
    grid: Geometry
    liver: Outline | None
    lesions: dict[int, Outline]
    candidates: dict[int, Outline]


def target_image(volumes: StudyVolumes) -> tuple[DrawnOn, Geometry]:
    """The image that structures are given on, and its grid."""
    if volumes.ct is None:
        return "pet", volumes.pet.geometry
    return "ct", volumes.ct.geometry


def outlines_on_image(score: StudyScore, volumes: StudyVolumes, segmentations: Segmentations) -> Outlines:
    """Liver, lesions and CT candidates on the grid of the CT (the PET's without a CT).

    Parameters
    ----------
    score : StudyScore
        Says whether lesions were outlined on this CT or on a diagnostic one, which may lie elsewhere.
    volumes : StudyVolumes
        The images, for their grids.
    segmentations : Segmentations
        The masks.
    """
    image, grid = target_image(volumes)
    liver = None
    if segmentations.liver is not None:
        layer = segmentations.liver
        whole = LabelMap(_on_grid(layer, segmentations, image, grid).mask, grid)
        for _, box in whole.boxes():
            liver = Outline(VoxelSet(box, np.asarray(whole.array[box] != 0)), layer)
    layers = [] if segmentations.lesions is None else [segmentations.lesions]
    if segmentations.ct_lesions is not None and score.study.recist_image is None and image == "ct":
        # These outlines first: the CT shows the border itself
        layers.insert(0, segmentations.ct_lesions)
    lesions: dict[int, Outline] = {}
    for layer in layers:
        for label, outline in _by_label(layer, segmentations, image, grid).items():
            lesions.setdefault(label, outline)
    foci = segmentations.ct_foci
    candidates = {} if foci is None else _by_label(foci, segmentations, image, grid)
    return Outlines(image, grid, liver, lesions, candidates)


def _by_label(layer: MaskLayer, segmentations: Segmentations, image: DrawnOn, grid: Geometry) -> dict[int, Outline]:
    labels = _on_grid(layer, segmentations, image, grid)
    return {
        label: Outline(VoxelSet(box, np.asarray(labels.array[box] == label)), layer) for label, box in labels.boxes()
    }


def _on_grid(layer: MaskLayer, segmentations: Segmentations, image: DrawnOn, grid: Geometry) -> LabelMap:
    """A layer's labels on the image's grid, in the image's position; as they are where they have this grid."""
    placed = in_position_of(image, layer, segmentations.mismatch)
    return placed if placed.geometry.is_close(grid) else resample_labels(placed, grid)


def united(voxels: Iterable[VoxelSet], box: Box) -> BoolArray:
    """The voxels of several sets together, in one box."""
    together = np.zeros(tuple(side.stop - side.start for side in box), dtype=bool)
    for each in voxels:
        together |= each.within(box)
    return together
