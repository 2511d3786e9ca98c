"""The diagnostic CT or MR that diameters are measured on, as the viewer shows it: its own voxels, moved to the liver.

It has a frame of reference of its own, and is often turned a little against the PET's CT. It is never interpolated: its
slices are shown as they are, without the turn, and moved so that the centre of the liver lies on that of the PET's CT.
A line drawn on it is therefore a line within one of its slices, and is kept in its coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dotaliver.image.geometry import FloatArray, Geometry, Vector, as_vector
from dotaliver.image.orientation import anatomical
from dotaliver.image.volume import Quantity, Volume
from dotaliver.records.masks import Segmentations
from dotaliver.records.positions import in_position_of
from napari_dotaliver.view.layers import SOFT_TISSUE_HU, LayerData, world_affine

__all__ = [
    "DIAGNOSTIC_CT",
    "MR",
    "NOT_REGISTERED",
    "MeasuredDisplay",
    "measured_display",
    "measured_layer",
    "shown_line",
]

MR, DIAGNOSTIC_CT = "MR", "Diagnostic CT"
NOT_REGISTERED = (
    "The diagnostic CT or MR is not registered to a liver and cannot be shown; score again with a liver, or without "
    "--recist-image."
)
_WINDOW_PERCENT = (1.0, 99.5)
_AXES = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))


@dataclass(frozen=True, eq=False)
class MeasuredDisplay:
    """The image with anatomical axes, where it lies in its own coordinates and where it is shown."""

    image: Volume
    shown: Geometry
    series_instance_uid: str

    @property
    def is_ct(self) -> bool:
        """Whether it is a CT: its values are HU, and the program measures on it too."""
        return self.image.quantity is Quantity.HU

    @property
    def name(self) -> str:
        """How people are shown it."""
        return DIAGNOSTIC_CT if self.is_ct else MR

    def to_image(self, points_lps_mm: npt.ArrayLike) -> FloatArray:
        """Places in the image's own coordinates for places as they are shown, shape (..., 3), in mm."""
        return self.image.geometry.index_to_lps(self.shown.lps_to_index(points_lps_mm))

    def to_shown(self, points_lps_mm: npt.ArrayLike) -> FloatArray:
        """Places as they are shown for places in the image's own coordinates, shape (..., 3), in mm."""
        return self.shown.index_to_lps(self.image.geometry.lps_to_index(points_lps_mm))


def measured_display(image: Volume, segmentations: Segmentations) -> MeasuredDisplay | None:
    """The diagnostic CT or MR as it is shown; None where it was not registered to a liver."""
    registration, liver = segmentations.recist_registration, segmentations.liver
    if registration is None or liver is None or liver.labels.used is None:
        return None
    there = in_position_of(registration.onto, liver, segmentations.mismatch)
    box = liver.labels.used
    inside = np.argwhere(liver.labels.array[box]).mean(axis=0) + [part.start for part in box]
    middle = there.geometry.index_to_lps(inside)
    turned = anatomical(image.require(Quantity.MR_SIGNAL, Quantity.HU))
    grid = turned.geometry
    index = grid.lps_to_index(registration.places_on_image(middle))
    origin = middle - (index * np.asarray(grid.spacing_mm))[::-1]
    shown = Geometry(grid.shape, as_vector(origin), grid.spacing_mm, _AXES)
    return MeasuredDisplay(turned, shown, registration.series_instance_uid)


def measured_layer(display: MeasuredDisplay) -> LayerData:
    """The image in a usual window, hidden until it is asked for."""
    array = display.image.array
    if display.is_ct:
        name, limits = DIAGNOSTIC_CT, SOFT_TISSUE_HU
    else:
        name, limits = MR, _dark_to_bright(array)
    look: dict[str, Any] = {"name": name, "colormap": "gray", "contrast_limits": limits, "visible": False}
    placed = {"affine": world_affine(display.shown), "units": ("mm", "mm", "mm"), "axis_labels": ("z", "y", "x")}
    return array, look | {"interpolation2d": "linear", "projection_mode": "none"} | placed, "image"


def _dark_to_bright(array: npt.NDArray[Any]) -> tuple[float, float]:
    low, high = (float(np.percentile(array[:: max(len(array) // 16, 1)], q)) for q in _WINDOW_PERCENT)
    return low, max(high, low + 1.0)


def shown_line(display: MeasuredDisplay, line: tuple[Vector, Vector]) -> tuple[Vector, Vector]:
    """A diameter of the image where it is shown."""
    first, second = display.to_shown(line)
    return as_vector(first), as_vector(second)
