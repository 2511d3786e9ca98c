"""The layers of one study in the viewer: made when it is opened, renewed when its reading changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dotaliver.errors import MaskError
from dotaliver.image.geometry import Geometry, Vector
from dotaliver.image.volume import LabelMap, Quantity, Volume
from dotaliver.records.measurements import Lesion
from dotaliver.records.study import StudyVolumes
from napari_dotaliver.view import layers
from napari_dotaliver.view.layers import LayerData
from napari_dotaliver.view.mr import MrDisplay, mr_display, mr_layer, shown_line
from napari_dotaliver.view.orientation import body_extent

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Labels, Layer, Points, Shapes

    from napari_dotaliver.reading.session import ReadingSession

__all__ = ["StudyLayers"]

_OUTLINE_VOXELS = 1


class StudyLayers:
    """What of one study the viewer shows.

    Parameters
    ----------
    viewer : ViewerModel
        Gets the layers.
    volumes : StudyVolumes
        The images; shown at once.
    """

    def __init__(self, viewer: ViewerModel, volumes: StudyVolumes) -> None:
        self._viewer = viewer
        self._volumes = volumes
        self.body = body_extent(volumes.pet)
        self.uptake_unit = layers.uptake_unit(volumes.pet.quantity)
        self.is_suv = volumes.pet.quantity is not Quantity.RELATIVE
        self.ct: Image | None = None
        self.mr: Image | None = None
        self.mr_display: MrDisplay | None = None
        self.liver: Labels | None = None
        self.lesions: Labels | None = None
        self.reference: Points | None = None
        self.diameters: Shapes | None = None
        self.numbers: Points | None = None
        self.candidates: Points | None = None
        self.border: Points | None = None
        self._liver_shown: LabelMap | None = None
        self._lesions_shown: LabelMap | None = None
        self._lesions_grid = volumes.pet.geometry
        self._liver_grid = volumes.pet.geometry if volumes.ct is None else volumes.ct.geometry
        self._liver_painted = False
        self.filled = False
        if volumes.ct is not None:
            self.ct = self._add(layers.ct_layer(volumes.ct))
            self.ct.contrast_limits_range = layers.HU_RANGE
        self.pet: Image = self._add(layers.pet_layer(volumes.pet, volumes.acquisition, over_ct=volumes.ct is not None))
        highest = volumes.pet.max()
        self.pet.contrast_limits_range = (0.0, max(highest, self.pet.contrast_limits[1]))

    @property
    def pet_volume(self) -> Volume:
        """The PET as it was read."""
        return self._volumes.pet

    @property
    def all(self) -> list[Layer]:
        """The layers that exist, from the lowest to the highest."""
        named = (
            self.ct, self.mr, self.pet, self.liver, self.lesions, self.candidates, self.reference, self.border,
            self.diameters,
            self.numbers,
        )  # fmt: skip
        return [layer for layer in named if layer is not None]

    def remove(self) -> None:
        """Take the study's layers from the viewer."""
        for layer in self.all:
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)

    def show(self, session: ReadingSession) -> None:
        """Show masks and measurements as the reading has them now; what was painted and not taken into it goes."""
        self._show_mr(session)
        self._show_liver(session.liver)
        self._show_lesions(session.lesions)
        self._show_signs(session)
        for mask in (self.liver, self.lesions):
            if mask is not None:
                mask.metadata[layers.READING] = session

    def fill_lesions(self, filled: bool) -> None:
        """Draw lesions filled or, as at the beginning, by their outlines, under which the images stay visible."""
        self.filled = filled
        if self.lesions is not None:
            self.lesions.contour = 0 if filled else _OUTLINE_VOXELS

    def lesions_painted(self) -> LabelMap:
        """The lesions as they are painted now, on their image's grid; `MaskError` where the layer was moved."""
        return self._painted(self.lesions, self._lesions_grid, layers.LESIONS)

    def liver_painted(self) -> LabelMap:
        """The liver as it is painted now, on its image's grid; `MaskError` where the layer was moved."""
        return self._painted(self.liver, self._liver_grid, layers.LIVER)

    def place_of(self, lesion: Lesion) -> Vector:
        """Where a lesion is looked at: on its diameter where its mask lies there too, else in its middle."""
        labels = self._lesions_shown
        if labels is None:
            return lesion.centroid_lps_mm
        if lesion.diameter is not None:
            x, y, z = (float(v) for v in np.mean(lesion.diameter.long_axis_lps_mm, axis=0))
            index = np.rint(labels.geometry.lps_to_index((x, y, z))).astype(int)
            inside = bool((index >= 0).all() and (index < labels.geometry.shape).all())
            if inside and labels.array[tuple(index)] == lesion.label:
                return (x, y, z)
        return layers.middle_of(labels, lesion.label) or lesion.centroid_lps_mm

    # --- the MR ------------------------------------------------------------------------------------------------------

    def _show_mr(self, session: ReadingSession) -> None:
        """The MR that diameters are measured on, once it is registered to a liver."""
        image = self._volumes.recist_image
        if image is None or image.quantity is not Quantity.MR_SIGNAL:
            return
        known = self.mr_display
        self.mr_display = mr_display(image, session.segmentations)
        if self.mr_display is None:
            return
        if self.mr is None or self.mr not in self._viewer.layers:
            place = self._viewer.layers.index(self.pet) if self.pet in self._viewer.layers else None
            self.mr = self._add(mr_layer(self.mr_display), place)
        elif known is None or not known.shown.is_close(self.mr_display.shown):
            self.mr.affine = layers.world_affine(self.mr_display.shown)

    # --- masks -------------------------------------------------------------------------------------------------------

    def _painted(self, layer: Layer | None, grid: Geometry, name: str) -> LabelMap:
        if layer is None or layer not in self._viewer.layers:
            msg = f"layer {name!r} is not in the viewer any more; undo, or score the study again"
            raise MaskError(msg)
        return layers.labels_of_layer(layer, grid)

    def _show_liver(self, liver: LabelMap | None) -> None:
        if self.liver in self._viewer.layers and liver is self._liver_shown and not self._liver_painted:
            # Comparing a hundred million voxels for nothing would be felt.
            return
        self._liver_grid = self._liver_grid if liver is None else liver.geometry
        labels = _empty(self._liver_grid, np.uint8) if liver is None else liver
        if labels.array.dtype != np.uint8:
            labels = labels.with_array(labels.mask.astype(np.uint8))
        self.liver = self._renewed(self.liver, layers.liver_layer(labels))
        self.liver.contour = _OUTLINE_VOXELS
        self._liver_shown, self._liver_painted = liver, False
        self.liver.events.paint.connect(self._on_liver_painted)

    def _on_liver_painted(self) -> None:
        self._liver_painted = True

    def _show_lesions(self, lesions: LabelMap) -> None:
        self._lesions_grid, self._lesions_shown = lesions.geometry, lesions
        self.lesions = self._renewed(self.lesions, layers.lesions_layer(lesions))
        self.fill_lesions(self.filled)

    def _renewed(self, layer: Any, made: LayerData) -> Any:
        """The layer with the voxels of another, in its own place among the layers; a new one where it is gone."""
        data, look, _ = made
        if layer is None or layer not in self._viewer.layers:
            return self._add(made)
        layer.affine = look["affine"]
        if layer.data.shape != data.shape or not np.array_equal(layer.data, data):
            layer.data = data
        return layer

    # --- signs -------------------------------------------------------------------------------------------------------

    def _show_signs(self, session: ReadingSession) -> None:
        """Sphere, diameters and numbers are few: they are made anew, with the reader's choice of what is visible."""
        volumes, score = self._volumes, session.score
        measured, grid = volumes.ct or volumes.pet, (volumes.ct or volumes.pet).geometry
        # A diameter on another CT lies in that one's frame of reference and cannot be drawn here.
        lesions = [] if volumes.recist_image is not None else score.lesions
        lines = {lesion.label: line for lesion in lesions if (line := session.diameter_of(lesion.label)) is not None}
        if (display := self.mr_display) is not None:
            on_mr = {edit.label: edit.diameter for edit in session.edits.lesions if edit.diameter is not None}
            lines = {
                label: shown_line(display, drawn.long_axis_lps_mm)
                for label, drawn in on_mr.items()
                if drawn.series_instance_uid == display.series_instance_uid
            }
            grid = display.shown
        self.candidates = self._replaced(self.candidates, layers.candidates_layer(score.ct_foci, measured.geometry))
        self.reference = self._replaced(
            self.reference, layers.reference_layer(session.reference_sphere, volumes.pet.geometry)
        )
        points = () if session.pointed is None or volumes.recist_image is not None else session.pointed.border_lps_mm
        if points or self.border is not None:
            self.border = self._replaced(self.border, layers.border_layer(points, grid))
        self.diameters = self._replaced(self.diameters, layers.diameters_layer(lines, grid))
        self.numbers = self._replaced(self.numbers, layers.numbers_layer(session.lesions))

    def _replaced(self, layer: Any, made: LayerData) -> Any:
        if layer is not None and layer in self._viewer.layers:
            made[1]["visible"] = layer.visible
            place = self._viewer.layers.index(layer)
            self._viewer.layers.remove(layer)
            return self._add(made, place)
        return self._add(made)

    def _add(self, made: LayerData, place: int | None = None) -> Any:
        from napari.layers import Layer

        active = self._viewer.layers.selection.active
        layer = Layer.create(*made)
        self._viewer.layers.insert(len(self._viewer.layers) if place is None else place, layer)
        if active is not None and active in self._viewer.layers:
            # A reader who paints keeps the brush in hand while the numbers are renewed.
            self._viewer.layers.selection.active = active
        return layer


def _empty(grid: Geometry, kind: type) -> LabelMap:
    return LabelMap(np.zeros(grid.shape, dtype=kind), grid)
