"""The MR that diameters are measured on, as the viewer shows it: its own voxels, moved to where the liver lies.

An MR has a frame of reference of its own, and is often turned a little against the CT. It is never interpolated: its
slices are shown as they are, without the turn, and moved so that the centre of the liver lies on that of the CT. A line
drawn on it is therefore a line within one slice of the MR, and is kept in the coordinates of the MR.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dotaliver.image.geometry import FloatArray, Geometry, Vector, as_vector
from dotaliver.image.orientation import anatomical
from dotaliver.image.volume import Quantity, Volume
from dotaliver.records.masks import Segmentations
from dotaliver.records.positions import in_position_of
from napari_dotaliver.view.layers import LayerData, world_affine

__all__ = ["MR", "MrDisplay", "mr_display", "mr_layer", "shown_line"]

MR = "MR"
_WINDOW_PERCENT = (1.0, 99.5)
_AXES = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))


@dataclass(frozen=True, eq=False)
class MrDisplay:
    """An MR with anatomical axes, where it lies in its own coordinates and where it is shown."""

    image: Volume
    shown: Geometry
    series_instance_uid: str

    def to_mr(self, points_lps_mm: npt.ArrayLike) -> FloatArray:
        """Places in the MR's own coordinates for places as they are shown, shape (..., 3), in mm."""
        return self.image.geometry.index_to_lps(self.shown.lps_to_index(points_lps_mm))

    def to_shown(self, points_lps_mm: npt.ArrayLike) -> FloatArray:
        """Places as they are shown for places in the MR's own coordinates, shape (..., 3), in mm."""
        return self.shown.index_to_lps(self.image.geometry.lps_to_index(points_lps_mm))


def mr_display(mr: Volume, segmentations: Segmentations) -> MrDisplay | None:
    """The MR as it is shown; None where it was not registered to a liver."""
    registration, liver = segmentations.recist_registration, segmentations.liver
    if registration is None or liver is None or liver.labels.used is None:
        return None
    there = in_position_of(registration.onto, liver, segmentations.mismatch)
    box = liver.labels.used
    inside = np.argwhere(liver.labels.array[box]).mean(axis=0) + [part.start for part in box]
    middle = there.geometry.index_to_lps(inside)
    turned = anatomical(mr.require(Quantity.MR_SIGNAL))
    grid = turned.geometry
    index = grid.lps_to_index(registration.places_on_image(middle))
    origin = middle - (index * np.asarray(grid.spacing_mm))[::-1]
    shown = Geometry(grid.shape, as_vector(origin), grid.spacing_mm, _AXES)
    return MrDisplay(turned, shown, registration.series_instance_uid)


def mr_layer(display: MrDisplay) -> LayerData:
    """The MR from dark to bright, hidden until it is asked for."""
    array = display.image.array
    low, high = (float(np.percentile(array[:: max(len(array) // 16, 1)], q)) for q in _WINDOW_PERCENT)
    look = {"name": MR, "colormap": "gray", "contrast_limits": (low, max(high, low + 1.0)), "visible": False}
    placed = {"affine": world_affine(display.shown), "units": ("mm", "mm", "mm"), "axis_labels": ("z", "y", "x")}
    return array, look | {"interpolation2d": "linear", "projection_mode": "none"} | placed, "image"


def shown_line(display: MrDisplay, line: tuple[Vector, Vector]) -> tuple[Vector, Vector]:
    """A diameter of the MR where it is shown."""
    first, second = display.to_shown(line)
    return as_vector(first), as_vector(second)
