"""Two scans side by side that scroll, zoom and window together, each on its own grid.

The crosshair goes from one scan to the other through the registration of the livers. Nothing is resampled for that:
each canvas cuts its own images along its own axes, through the place that corresponds.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
from qtpy.QtWidgets import QHBoxLayout, QWidget

from dotaliver.image.geometry import FloatArray, Vector
from napari_dotaliver.view import layers
from napari_dotaliver.view.layers import PET_ALONE, PET_OVER_CT
from napari_dotaliver.view.leading import Leading
from napari_dotaliver.view.mouse import clicks_of, hiding_of, still_click, use_reading_mouse
from napari_dotaliver.view.orientation import (
    PlaneName,
    current_plane,
    frame_of,
    show_on_white,
    show_plane,
)
from napari_dotaliver.view.scan_view import ScanView
from napari_dotaliver.view.windows import CT_WINDOWS, PET_WINDOWS, ct_dragged, pet_dragged

__all__ = ["Images", "LinkedViews"]

Images = Literal["fused", "PET", "CT"]
Places = Callable[[FloatArray], FloatArray]
"""From places on one scan to places on the other, shape (n, 3), in mm."""
_NEXT: dict[Images, Images] = {"fused": "PET", "PET": "CT", "CT": "fused"}


class LinkedViews(QWidget):
    """The earlier scan on the left and the later one on the right, of one size.

    Parameters
    ----------
    views : tuple of ScanView
        The earlier and the later scan.
    ways : tuple of callable, optional
        From the earlier to the later scan and back; None: the places of the scans do not correspond, and each canvas is
        moved alone.
    """

    def __init__(
        self, views: tuple[ScanView, ScanView], ways: tuple[Places, Places] | None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.views, self._ways = views, ways
        self.images: Images = "fused"
        self._leading = Leading()
        self._windowed: dict[str, tuple[float, float]] = {}
        self._hidden: list[Any] = []
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        on_click = clicks_of(self)
        for number, view in enumerate(views):
            row.addWidget(view, stretch=1)
            view.model.mouse_drag_callbacks.append(on_click)
            use_reading_mouse(view.model, _window_of(self, number))
            view.model.bind_key("H", hiding_of(self), overwrite=True)
        self._connect()

    def _connect(self) -> None:
        for number, view in enumerate(self.views):
            camera = view.model.scene.camera
            view.model.dims.events.point.connect(_told(self, "_on_point", number))
            view.model.cursor.events.position.connect(_told(self, "_on_pointer", number))
            camera.events.zoom.connect(_told(self, "_on_zoom", number))
            camera.events.center.connect(_told(self, "_on_center", number))
            for image in (view.pet, view.ct):
                if image is not None:
                    image.events.contrast_limits.connect(_told(self, "_on_limits", number))

    @property
    def linked(self) -> bool:
        """Whether the places of the two scans correspond."""
        return self._ways is not None

    # --- places ------------------------------------------------------------------------------------------------------

    def there(self, number: int, place_lps_mm: FloatArray) -> FloatArray | None:
        """The place on the other scan for one on this scan; None where they do not correspond."""
        if self._ways is None:
            return None
        found: FloatArray = self._ways[number](np.atleast_2d(place_lps_mm))[0]
        return found

    def _on_point(self, number: int) -> None:
        view, other = self.views[number], self.views[1 - number]
        if not self._leading.leads or len(view.model.dims.point) != 3:
            return
        place = self.there(number, view.place_lps_mm)
        if place is not None:
            with self._leading.paused():
                other.go_to(place)

    def _on_zoom(self, number: int) -> None:
        if self._leading.leads and self.linked:
            with self._leading.paused():
                self.views[1 - number].model.scene.camera.zoom = self.views[number].model.scene.camera.zoom

    def _on_center(self, number: int) -> None:
        view, other = self.views[number].model, self.views[1 - number].model
        if not self._leading.leads or not self.linked or len(view.dims.point) != 3:
            return
        world = np.array(view.dims.point, dtype=np.float64)
        shown = list(view.dims.displayed)
        world[shown] = view.scene.camera.center[-len(shown) :]
        place = self.there(number, layers.world_to_lps(world))
        if place is not None:
            moved = layers.lps_to_world(place)
            with self._leading.paused():
                other.scene.camera.center = tuple(float(moved[axis]) for axis in other.dims.order)

    def _on_pointer(self, number: int) -> None:
        """Values under the mouse in the canvas that it is in, and at the corresponding place of the other scan."""
        view = self.views[number]
        world = view.model.cursor.position
        if len(world) != 3:
            return
        place = layers.world_to_lps(world)
        view.show_values(place)
        self.views[1 - number].show_values(self.there(number, place))

    def go_to(self, places_lps_mm: tuple[Vector | None, Vector | None], extent_mm: float) -> None:
        """Frame a lesion on both scans: where it lies on each, and on a scan that does not show it, where it would."""
        found: list[Any] = list(places_lps_mm)
        for number in (0, 1):
            known = found[1 - number]
            if found[number] is None and known is not None:
                found[number] = self.there(1 - number, np.asarray(known, dtype=np.float64))
        with self._leading.paused():
            for view, place in zip(self.views, found, strict=True):
                if place is not None:
                    view.go_to(place)
                    frame_of(view.model, place, extent_mm, self._smaller_side)

    @property
    def _smaller_side(self) -> int:
        """Of both canvases, so that a millimetre is as large in one as in the other."""
        return min(side for view in self.views for side in view.model.canvas.size)

    def clicked(self, viewer: Any, event: Any) -> Iterator[None]:
        """A click that neither drags nor draws moves the crosshair."""
        start = tuple(event.position)
        if (yield from still_click(viewer, event)):
            viewer.dims.point = tuple(float(v) for v in start)

    # --- how it is looked at -----------------------------------------------------------------------------------------

    def show_plane(self, name: PlaneName) -> None:
        """Cut both in one of the three planes; each patient fills the canvas, and both are drawn at one scale."""
        with self._leading.paused():
            for view in self.views:
                show_plane(view.model, name, view.body)
            zoom = min(view.model.scene.camera.zoom for view in self.views)
            for view in self.views:
                view.model.scene.camera.zoom = zoom

    @property
    def plane(self) -> PlaneName:
        """The plane that is shown."""
        return current_plane(self.views[0].model).name

    def next_images(self) -> None:
        """Fused, PET alone, CT alone."""
        self.show_images("fused" if any(view.ct is None for view in self.views) else _NEXT[self.images])

    def show_images(self, images: Images) -> None:
        """Show PET over CT, or one of them; a scan without CT shows its PET alone."""
        self.images = images
        for view in self.views:
            alone = images == "PET" or view.ct is None
            if view.ct is not None:
                view.ct.visible = images != "PET"
            view.pet.visible = images != "CT" or view.ct is None
            for name, value in (PET_ALONE if alone else PET_OVER_CT).items():
                setattr(view.pet, name, value)
            show_on_white(view.model, white=alone)
            if view.numbers is not None:
                view.numbers.text.color = "#D55E00" if alone else "white"

    def blend(self, percent: int) -> None:
        """How much of the PET lies over the CT."""
        for view in self.views:
            if self.images == "fused" and view.ct is not None:
                view.pet.opacity = percent / 100

    def toggle_crosshair(self) -> None:
        """Hide or show the crosshair."""
        for view in self.views:
            view.crosshair.toggle()

    def hide_marks(self, hidden: bool) -> None:
        """Hide everything over the images, and show again what was shown."""
        if hidden and not self._hidden:
            self._hidden = [layer for view in self.views for layer in view.marks() if layer.visible]
        for layer in self._hidden:
            layer.visible = not hidden
        if not hidden:
            self._hidden = []

    # --- windows -----------------------------------------------------------------------------------------------------

    def show_window(self, name: str) -> None:
        """Look at PET or CT in one of the usual windows, on both scans."""
        for view in self.views:
            if name in CT_WINDOWS and view.ct is not None:
                view.ct.contrast_limits = CT_WINDOWS[name].limits
            elif name in PET_WINDOWS and view.is_suv:
                _limit(view.pet, PET_WINDOWS[name].limits)

    def drag_window(self, number: int, stage: str, right_px: float, down_px: float, shift: bool) -> None:
        """Window the image on top by a drag of the right button; with Shift the CT below the PET."""
        view = self.views[number]
        below = view.ct is not None and (self.images == "CT" or (shift and self.images == "fused"))
        image = view.ct if below and view.ct is not None else view.pet
        if stage == "begin":
            self._windowed = {image.name: tuple(image.contrast_limits)}
        start = self._windowed.get(image.name)
        if start is None or stage != "move":
            return
        if below:
            low, high = image.contrast_limits_range
            new = ct_dragged(start, right_px, down_px)
            image.contrast_limits = (max(new[0], low), min(new[1], high))
        else:
            _limit(image, pet_dragged(start, down_px))

    def _on_limits(self, number: int) -> None:
        """The same window on the other scan, where its values have the same unit."""
        view, other = self.views[number], self.views[1 - number]
        if not self._leading.leads:
            return
        with self._leading.paused():
            if view.unit == other.unit:
                _limit(other.pet, tuple(view.pet.contrast_limits))
            if view.ct is not None and other.ct is not None:
                other.ct.contrast_limits = view.ct.contrast_limits

    def close_down(self) -> None:
        """Close both canvases; nothing follows any more."""
        self._leading.leads = False
        for view in self.views:
            view.close_down()


def _limit(image: Any, limits: tuple[float, float]) -> None:
    low, high = image.contrast_limits_range
    image.contrast_limits_range = (low, max(high, limits[1]))
    image.contrast_limits = limits


def _told(owner: LinkedViews, name: str, number: int) -> Callable[[Any], None]:
    """An answer of the views to an event, for a model that may outlive them and must not keep them."""
    known = weakref.ref(owner)

    def act(_event: Any = None) -> None:
        still = known()
        if still is not None:
            getattr(still, name)(number)

    return act


def _window_of(owner: LinkedViews, number: int) -> Callable[[str, float, float, bool], None]:
    known = weakref.ref(owner)

    def on_window(stage: str, right_px: float, down_px: float, shift: bool) -> None:
        still = known()
        if still is not None:
            still.drag_window(number, stage, right_px, down_px, shift)

    return on_window
