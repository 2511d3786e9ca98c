"""The layers of one study in the viewer: made when it is opened, renewed when its reading changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from dotaliver.errors import MaskError
from dotaliver.image.geometry import Box, Geometry, Vector, as_vector
from dotaliver.image.volume import BoolArray, LabelMap, Quantity, Volume
from dotaliver.records.measurements import Lesion
from dotaliver.records.study import StudyVolumes
from napari_dotaliver.reading.label_tools import differing_box
from napari_dotaliver.view import layers, sign_layers
from napari_dotaliver.view.fdg import FdgDisplay, fdg_display, fdg_layer
from napari_dotaliver.view.layers import LayerData
from napari_dotaliver.view.measured_image import MeasuredDisplay, measured_display, measured_layer, shown_line
from napari_dotaliver.view.orientation import body_extent

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Labels, Layer, Points, Shapes

    from napari_dotaliver.reading.session import ReadingSession

__all__ = ["StudyLayers"]

_FILLED_OPACITY = 0.55
_HOLLOW_OPACITY = 0.0
"""The outlines are drawn whole at any opacity of the voxels."""


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
        self.measured: Image | None = None
        self.measured_display: MeasuredDisplay | None = None
        self.fdg: Image | None = None
        self.fdg_display: FdgDisplay | None = None
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
        self._painted_boxes: dict[str, list[Box]] = {layers.LIVER: [], layers.LESIONS: []}
        self._numbers: sign_layers.Numbers = {}
        self._signs_shown: dict[str, Any] = {}
        self.filled = False
        self.redrawn: Callable[[Labels], None] = lambda _layer: None
        """Called with a mask whose voxels were changed in place: other canvases share them."""
        self.made = 0
        """How many layers were made; more than before: the other canvases need the new ones too."""
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
            self.ct, self.measured, self.pet, self.fdg, self.liver, self.lesions, self.candidates, self.reference,
            self.border, self.diameters,
            self.numbers,
        )  # fmt: skip
        return [layer for layer in named if layer is not None]

    @property
    def all_cts(self) -> list[Image]:
        """The PET's CT and the diagnostic CT, those that are shown."""
        measured = self.measured if self.measured_display is not None and self.measured_display.is_ct else None
        return [image for image in (self.ct, measured) if image is not None]

    def remove(self) -> None:
        """Take the study's layers from the viewer."""
        for layer in self.all:
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)

    def show(self, session: ReadingSession) -> None:
        """Show masks and measurements as the reading has them now; what was painted and not taken into it goes."""
        self._show_measured(session)
        self._show_fdg(session)
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
            self.lesions.opacity = _FILLED_OPACITY if filled else _HOLLOW_OPACITY

    def liver_stroke(self) -> tuple[Box, BoolArray] | None:
        """The box of the liver's grid in which was painted since the reading took it in, and the mask there.

        Raises
        ------
        MaskError
            Where the layer was moved or is gone.
        """
        boxes = self._painted_boxes[layers.LIVER]
        if not boxes:
            return None
        if self.liver is None or self.liver not in self._viewer.layers:
            return self._whole_liver()
        layers.require_in_place(self.liver, self._liver_grid)
        k, j, i = (slice(min(b[n].start for b in boxes), max(b[n].stop for b in boxes)) for n in range(3))
        part = layers.stored_view(self.liver, self._liver_grid)[k, j, i]
        return (k, j, i), np.ascontiguousarray(part != 0)

    def _whole_liver(self) -> tuple[Box, BoolArray]:
        labels = self.liver_painted()
        k, j, i = labels.geometry.shape
        return (slice(0, k), slice(0, j), slice(0, i)), labels.mask

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
            line = lesion.diameter.long_axis_lps_mm
            display = self.measured_display
            if display is not None and lesion.diameter.series_instance_uid == display.series_instance_uid:
                line = shown_line(display, line)
            x, y, z = (float(v) for v in np.mean(line, axis=0))
            index = np.rint(labels.geometry.lps_to_index((x, y, z))).astype(int)
            inside = bool((index >= 0).all() and (index < labels.geometry.shape).all())
            if inside and labels.array[tuple(index)] == lesion.label:
                return (x, y, z)
        return sign_layers.middle_of(labels, lesion.label) or lesion.centroid_lps_mm

    # --- the FDG scan ------------------------------------------------------------------------------------------------

    def _show_fdg(self, session: ReadingSession) -> None:
        """The FDG PET, once it is aligned; its place does not change with what is drawn."""
        known = self.fdg_display
        search = session.segmentations.fdg
        if known is not None and known.search is search and self.fdg in self._viewer.layers:
            return
        self.fdg_display = fdg_display(self._volumes, session.segmentations)
        if self.fdg_display is None:
            return
        made = fdg_layer(self.fdg_display, self._volumes.pet.geometry)
        if self.fdg is not None and self.fdg in self._viewer.layers:
            self.fdg.data = made[0]
            return
        place = self._viewer.layers.index(self.pet) + 1 if self.pet in self._viewer.layers else None
        self.fdg = self._add(made, place)
        self.fdg.contrast_limits_range = (0.0, max(float(made[0].max()), self.fdg.contrast_limits[1]))

    # --- the image that is measured on --------------------------------------------------------------------------------

    def _show_measured(self, session: ReadingSession) -> None:
        """The diagnostic CT or MR, once it is registered to a liver."""
        image = self._volumes.recist_image
        if image is None:
            return
        known = self.measured_display
        self.measured_display = measured_display(image, session.segmentations)
        if self.measured_display is None:
            return
        if self.measured is None or self.measured not in self._viewer.layers:
            place = self._viewer.layers.index(self.pet) if self.pet in self._viewer.layers else None
            self.measured = self._add(measured_layer(self.measured_display), place)
            if self.measured_display.is_ct:
                self.measured.contrast_limits_range = layers.HU_RANGE
        elif known is None or not known.shown.is_close(self.measured_display.shown):
            self.measured.affine = layers.world_affine(self.measured_display.shown)

    # --- masks -------------------------------------------------------------------------------------------------------

    def _painted(self, layer: Layer | None, grid: Geometry, name: str) -> LabelMap:
        if layer is None or layer not in self._viewer.layers:
            msg = f"layer {name!r} is not in the viewer any more; undo, or score the study again"
            raise MaskError(msg)
        return layers.labels_of_layer(layer, grid)

    def _show_liver(self, liver: LabelMap | None) -> None:
        grid = self._liver_grid if liver is None else liver.geometry
        self._liver_grid = grid
        labels = _empty(grid, np.uint8) if liver is None else liver
        self.liver = self._mask_shown(self.liver, labels, self._liver_shown, layers.LIVER)
        self._liver_shown = labels

    def _show_lesions(self, lesions: LabelMap) -> None:
        self.lesions = self._mask_shown(self.lesions, lesions, self._lesions_shown, layers.LESIONS)
        self._lesions_grid, self._lesions_shown = lesions.geometry, lesions

    def _mask_shown(self, layer: Any, labels: LabelMap, before: LabelMap | None, name: str) -> Any:
        """The layer with these labels: its own voxels are changed where they differ, and nowhere else.

        Layers are never taken out and put back: napari then collects garbage, which a reader feels.
        """
        same_grid = before is not None and before.geometry.is_close(labels.geometry)
        there = layer is not None and layer in self._viewer.layers
        if before is None or not there or not same_grid or not layers.put_back(layer, labels.geometry):
            return self._mask_anew(layer, labels, name)
        boxes, self._painted_boxes[name] = self._painted_boxes[name], []
        if labels is not before and (changed := differing_box(before, labels)) is not None:
            boxes = [*boxes, changed]
        if boxes:
            target = layers.stored_view(layer, labels.geometry)
            for box in boxes:
                part = labels.array[box]
                target[box] = part != 0 if name == layers.LIVER else part
            layer.refresh(extent=False, thumbnail=False)
            self.redrawn(layer)
        return layer

    def _mask_anew(self, layer: Any, labels: LabelMap, name: str) -> Any:
        from napari_dotaliver.view.outline_overlay import draw_outlines

        if name == layers.LIVER:
            made = layers.liver_layer(labels.with_array((labels.array != 0).astype(np.uint8)))
        else:
            made = layers.lesions_layer(labels)
        self._painted_boxes[name] = []
        if layer is not None and layer in self._viewer.layers:
            layer.affine, layer.data = made[1]["affine"], made[0]
            return layer
        layer = self._add(made)
        draw_outlines(layer)
        layer.opacity = _FILLED_OPACITY if self.filled and name == layers.LESIONS else _HOLLOW_OPACITY
        layer.events.paint.connect(lambda event: self._on_painted(name, event))
        return layer

    def _on_painted(self, name: str, event: Any) -> None:
        """Remember where something was painted; it is taken into the reading, or taken back from there."""
        grid = self._liver_grid if name == layers.LIVER else self._lesions_grid
        self._painted_boxes[name].append(layers.stroke_box(getattr(event, "value", None), grid))

    # --- signs -------------------------------------------------------------------------------------------------------

    def _show_signs(self, session: ReadingSession) -> None:
        """Sphere, candidates, border points, diameters and numbers: changed in place, and only where they differ."""
        volumes, score = self._volumes, session.score
        measured, grid = volumes.ct or volumes.pet, (volumes.ct or volumes.pet).geometry
        there = set(session.lesions.labels)
        # A diameter on another CT lies in that one's frame of reference and cannot be drawn here, and an extent of
        # uptake is not a diameter.
        drawn_here = [] if volumes.recist_image is not None else sorted(there)
        lines = {label: line for label in drawn_here if (line := session.diameter_of(label)) is not None}
        if (display := self.measured_display) is not None:
            known = {label: session.caliper_of(str(label)) for label in sorted(there)}
            lines = {
                label: shown_line(display, found.long_axis_lps_mm)
                for label, found in known.items()
                if found is not None
            }
            grid = display.shown
        pointed = session.pointed
        points: tuple[Vector, ...] = ()
        if pointed is not None and (display is not None or volumes.recist_image is None):
            points = pointed.border_lps_mm
            if display is not None:
                points = tuple(as_vector(place) for place in display.to_shown(points))
        sphere, pet, labels = session.reference_sphere, volumes.pet.geometry, session.lesions
        where = measured.geometry
        self.candidates = self._sign(
            self.candidates, "candidates", score.ct_foci, lambda: sign_layers.candidates_layer(score.ct_foci, where)
        )
        self.reference = self._sign(
            self.reference, "reference", sphere, lambda: sign_layers.reference_layer(sphere, pet)
        )
        if points or self.border is not None:
            self.border = self._sign(self.border, "border", points, lambda: sign_layers.border_layer(points, grid))
        self.diameters = self._sign(
            self.diameters, "diameters", (lines, grid), lambda: sign_layers.diameters_layer(lines, grid)
        )
        self.numbers = self._sign(
            self.numbers, "numbers", labels, lambda: sign_layers.numbers_layer(labels, known=self._numbers)
        )

    def _sign(self, layer: Any, name: str, shows: object, make: Callable[[], LayerData]) -> Any:
        """A layer of points or lines that shows something, made or changed only where it does not yet."""
        if layer is None or layer not in self._viewer.layers:
            layer = self._add(make())
            # Somebody dragged it: what the reading says of it is drawn anew at the next change.
            layer.events.data.connect(lambda: self._signs_shown.pop(name, None))
        elif self._signs_shown.get(name, _NOTHING) is not shows and (
            isinstance(shows, LabelMap) or self._signs_shown.get(name, _NOTHING) != shows
        ):
            sign_layers.renew_sign(layer, make())
            if name == "numbers" and layer.projection_mode == "all":
                layer.shown = layer.features["middle"].to_numpy()
        self._signs_shown[name] = shows
        return layer

    def _add(self, made: LayerData, place: int | None = None) -> Any:
        from napari.layers import Layer

        active = self._viewer.layers.selection.active
        self.made += 1
        layer = Layer.create(*made)
        self._viewer.layers.insert(len(self._viewer.layers) if place is None else place, layer)
        if active is not None and active in self._viewer.layers:
            # A reader who paints keeps the brush in hand while the numbers are renewed.
            self._viewer.layers.selection.active = active
        return layer


_NOTHING = object()


def _empty(grid: Geometry, kind: type) -> LabelMap:
    return LabelMap(np.zeros(grid.shape, dtype=kind), grid)
