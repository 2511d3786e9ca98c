"""What lies under the mouse: uptake, density and lesion, whatever layer is active or visible."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dotaliver.image.geometry import as_vector
from napari_dotaliver.view.layers import world_to_lps

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_dotaliver.view.study_layers import StudyLayers

__all__ = ["pointer_words", "value_at"]


def value_at(layer: Layer | None, world_mm: Sequence[float]) -> Any:
    """The voxel of a layer at a place of napari's world (z, y, x); None outside of it or without a layer."""
    if layer is None or len(world_mm) != layer.ndim:
        return None
    index = np.rint(np.asarray(layer.world_to_data(world_mm))).astype(int)
    if (index < 0).any() or (index >= layer.data.shape).any():
        return None
    return layer.data[tuple(index)]


def pointer_words(layers: StudyLayers, world_mm: Sequence[float]) -> str:
    """Such as ``SUV 18.5 · FDG SUV 3.2 · 52 HU · lesion 2``; empty outside the images.

    Values are those of the voxels, not of the smoothed picture. There are none at a place with fewer than three
    coordinates: a viewer whose layers go has two axes for a moment.
    """
    if len(world_mm) != 3:
        return ""
    parts = []
    uptake = value_at(layers.pet, world_mm)
    if uptake is not None:
        parts.append(f"{layers.uptake_unit} {float(uptake):.1f}")
    if layers.fdg_display is not None:
        fdg = layers.fdg_display.words_at(as_vector(world_to_lps(world_mm)))
        parts += [] if fdg is None else [fdg]
    measured, display = layers.measured, layers.measured_display
    if measured is not None and display is not None and measured.visible:
        found = value_at(measured, world_mm)
        if found is not None:
            parts.append(f"{float(found):.0f} HU on the diagnostic CT" if display.is_ct else f"MR {float(found):.0f}")
    else:
        density = value_at(layers.ct, world_mm)
        if density is not None:
            parts.append(f"{float(density):.0f} HU")
    label = value_at(layers.lesions, world_mm)
    if label:
        parts.append(f"lesion {int(label)}")
    elif value_at(layers.liver, world_mm):
        parts.append("liver")
    return " · ".join(parts)
