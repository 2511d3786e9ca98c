"""How the study is looked at: planes, fused or single images, projection, crosshair."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QMainWindow, QMenu, QPushButton, QWidget

from napari_dotaliver.view.layers import PET_OVER_CT
from napari_dotaliver.view.mouse import WindowDrag, clicks_of, hiding_of, still_click, use_reading_mouse
from napari_dotaliver.view.orientation import (
    PLANES,
    PlaneName,
    current_plane,
    show_on_white,
    show_plane,
    show_slab,
)
from napari_dotaliver.view.planes import Crosshair, SidePlanes
from napari_dotaliver.view.pointer import pointer_words
from napari_dotaliver.view.shown_images import (
    Shown,
    choices,
    image_below,
    is_fused,
    next_of,
    show_images,
    shown_words,
    uptake_image,
    windows_shown,
)
from napari_dotaliver.view.windows import CT_WINDOWS, PET_WINDOWS, ct_dragged, pet_dragged
from napari_dotaliver.widgets.deliberate import PercentSlider
from napari_dotaliver.widgets.keys import KEYS
from napari_dotaliver.widgets.mip_canvas import MipCanvas

if TYPE_CHECKING:
    from napari import Viewer

    from napari_dotaliver.view.study_layers import StudyLayers

__all__ = ["ViewBar"]

# Height of the two other planes and the turning projection: a share of the window's, at least so many pixels.
_PLANES_SHARE, _LEAST_PLANES_PIXELS = 0.26, 200
_APART_PIXELS = 10
_SLIDER_PIXELS = 90


class ViewBar(QWidget):
    """Buttons for the ways to look, each with its key."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._layers: StudyLayers | None = None
        self.images: Shown = "fused"
        self.projected = False
        self.crosshair = Crosshair(viewer)
        self.planes = SidePlanes(viewer)
        self.mip = MipCanvas()
        self.mip.place_clicked.connect(self._go_to)
        self.planes.addWidget(self.mip)
        viewer.dims.events.point.connect(self._on_point)
        self._planes_dock: Any = None
        self._build()
        self._window_start: dict[str, tuple[float, float]] = {}
        self._hidden: list[Any] = []
        on_click, on_window = clicks_of(self), _window_without_hold(self)
        for model in self._models():
            model.mouse_drag_callbacks.append(on_click)
            use_reading_mouse(model, on_window)
            model.cursor.events.position.connect(self._on_pointer)
        viewer.bind_key("H", hiding_of(self), overwrite=True)

    def _build(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        self.buttons: dict[str, QPushButton] = {}
        acts = {
            "axial": ("Axial", lambda: self.show_plane("axial")),
            "coronal": ("Coronal", lambda: self.show_plane("coronal")),
            "sagittal": ("Sagittal", lambda: self.show_plane("sagittal")),
            "projection": ("MIP", self.toggle_projection),
            "images": ("Fused", self.next_images),
            "crosshair": ("Crosshair", self.toggle_crosshair),
            "planes": ("Planes", self.toggle_planes),
        }
        for number, (name, (text, act)) in enumerate(acts.items()):
            button = QPushButton(f"{text} ({KEYS[name].key})")
            button.setToolTip(KEYS[name].does)
            button.setCheckable(name in {*PLANES, "projection", "crosshair", "planes"})
            button.clicked.connect(act)
            self.buttons[name] = button
            grid.addWidget(button, number // 4, number % 4)
        self.windows_button = QPushButton("Windows")
        self.windows_button.setToolTip("Usual windows of PET and CT, each with its key")
        menu = QMenu(self.windows_button)
        for name, window in (PET_WINDOWS | CT_WINDOWS).items():
            act = menu.addAction(f"{window.name} ({KEYS[name].key})")
            act.triggered.connect(partial(self.show_window, name))
        act = menu.addAction(f"Lesions filled or as outlines ({KEYS['fill'].key})")
        act.triggered.connect(self.toggle_fill)
        self.windows_button.setMenu(menu)
        grid.addWidget(self.windows_button, 1, 3)
        self.blend = PercentSlider(
            round(100 * PET_OVER_CT["opacity"]), "PET over CT", "How much of the PET lies over the CT"
        )
        self.blend.setFixedWidth(_SLIDER_PIXELS)
        self.blend.valueChanged.connect(self._on_blend)
        self.pointer = QLabel()
        self.pointer.setAccessibleName("Under the mouse")
        self.pointer.setTextFormat(Qt.TextFormat.PlainText)
        self.pointer.setStyleSheet("QLabel { font-weight: 600; }")
        self.window_line = QLabel()
        self.window_line.setTextFormat(Qt.TextFormat.PlainText)
        self.window_line.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        # What lies under the mouse can take two lines, as the windows do.
        self.pointer.setWordWrap(True)
        line = QHBoxLayout()
        line.addWidget(self.pointer, stretch=1)
        line.addWidget(QLabel("CT"))
        line.addWidget(self.blend)
        line.addWidget(QLabel("PET"))
        line.addSpacing(_APART_PIXELS)
        line.addWidget(self.window_line)
        grid.addLayout(line, 2, 0, 1, 4)

    def _models(self) -> Iterator[Any]:
        """The main canvas and the small ones."""
        yield self._viewer
        for plane in self.planes.planes:
            yield plane.model

    # --- windows and blending ----------------------------------------------------------------------------------------

    def show_window(self, name: str) -> None:
        """Look at PET or CT in one of the usual windows; relative uptake has none in SUV."""
        if self._layers is None:
            return
        if name in CT_WINDOWS:
            for ct in self._layers.all_cts:
                ct.contrast_limits = CT_WINDOWS[name].limits
        elif name in PET_WINDOWS and self._shows_suv(self._layers):
            _limit(uptake_image(self._layers, self.images), PET_WINDOWS[name].limits)
        self._name_windows()

    def _shows_suv(self, layers: StudyLayers) -> bool:
        if self.images == "FDG" and layers.fdg_display is not None:
            return layers.fdg_display.is_suv
        return layers.is_suv

    def drag_window(self, stage: str, right_px: float, down_px: float, shift: bool) -> None:
        """Window the image on top by a drag of the right button; with Shift the CT below the PET."""
        layers = self._layers
        if layers is None:
            return
        pet, below = uptake_image(layers, self.images), image_below(layers, self.images)
        image = below if below is not None and (shift or not is_fused(self.images)) else pet
        if stage == "begin":
            self._window_start = {image.name: tuple(image.contrast_limits)}
        start = self._window_start.get(image.name)
        if start is None or stage != "move":
            return
        if image is not pet:
            low, high = image.contrast_limits_range
            new = ct_dragged(start, right_px, down_px)
            image.contrast_limits = (max(new[0], low), min(new[1], high))
        else:
            _limit(pet, pet_dragged(start, down_px))
        self._name_windows()

    def _name_windows(self) -> None:
        layers = self._layers
        words: list[str] = []
        if layers is not None:
            self.mip.show_up_to(layers.pet.contrast_limits[1])
            words = windows_shown(layers, self.images)
        self.window_line.setText("\n".join(words))

    def _on_blend(self, percent: int) -> None:
        if self._layers is not None and is_fused(self.images):
            uptake_image(self._layers, self.images).opacity = percent / 100

    # --- under the mouse ---------------------------------------------------------------------------------------------

    def _on_pointer(self, event: Any) -> None:
        self.pointer.setText("" if self._layers is None else pointer_words(self._layers, event.value))

    def _on_point(self) -> None:
        # A viewer whose layers go has two axes for a moment.
        if self._viewer.dims.ndim == 3:
            self.mip.mark(tuple(self._viewer.dims.point))

    def _go_to(self, place_mm: tuple[float, float, float]) -> None:
        """Go to a focus that was clicked on the projection."""
        self._viewer.dims.point = place_mm

    def toggle_fill(self) -> None:
        """Draw lesions filled or by their outlines."""
        if self._layers is not None:
            self._layers.fill_lesions(not self._layers.filled)

    def hide_marks(self, hidden: bool) -> None:
        """Hide everything that is drawn over the images while a key is held, and show again what was shown."""
        if hidden and self._layers is not None:
            images = (self._layers.ct, self._layers.measured, self._layers.pet, self._layers.fdg)
            marks = [layer for layer in self._layers.all if layer not in images]
            marks += [c.layer for c in self._crosshairs() if c.layer is not None]
            self._hidden = [layer for layer in marks if layer.visible]
        for layer in self._hidden:
            layer.visible = not hidden
        if not hidden:
            self._hidden = []

    # --- planes ------------------------------------------------------------------------------------------------------

    def arrange(self, window: QMainWindow) -> None:
        """Give the two other planes the upper part of the side."""
        if self._planes_dock is not None:
            height = max(round(_PLANES_SHARE * window.height()), _LEAST_PLANES_PIXELS)
            window.resizeDocks([self._planes_dock], [height], Qt.Orientation.Vertical)

    def add_planes(self, window: Any) -> None:
        """Put the two other planes beside the main canvas."""
        self._planes_dock = window.add_dock_widget(self.planes, name="Planes", area="right", tabify=False)
        self._renew()

    def show_study(self, layers: StudyLayers | None) -> None:
        """Show a study that was opened: axial, fused, crosshair in its middle."""
        before, self._layers = self._layers, layers
        self.projected = False
        if layers is None:
            if before is not None:
                self.planes.show_layers(None)
            self.pointer.clear()
            self.mip.show_pet(None)
            self._name_windows()
            return
        layers.redrawn = self.planes.redraw
        self.mip.show_pet(layers.pet_volume)
        self._viewer.dims.axis_labels = ("z", "y", "x")
        self._viewer.canvas.overlays.scale_bar.visible = True
        point = (layers.ct or layers.pet).extent.world.mean(axis=0)
        self._viewer.dims.point = tuple(float(v) for v in point)
        self.show_plane("axial")
        self.crosshair.show()
        self._show_images("fused" if layers.ct is not None else "PET")
        # The main picture first: the reader waits for that one.
        QTimer.singleShot(0, self._show_planes)

    def _show_planes(self) -> None:
        if self._layers is not None:
            self.planes.show_layers(self._layers)
            self._show_images(self.images)

    def show_masks(self) -> None:
        """Show new masks in the other planes too, and the crosshair on top."""
        if self._layers is not None:
            self.planes.show_masks(self._layers)
            self.crosshair.show()
            self._show_images(self.images)

    def show_plane(self, name: PlaneName) -> None:
        """Cut in one of the three planes."""
        if self.projected:
            self._project(False)
        self._cut(name)
        self._renew()

    def _cut(self, name: PlaneName) -> None:
        show_plane(self._viewer, name, None if self._layers is None else self._layers.body)

    def step_slice(self, ways: int) -> None:
        """Go some slices up or down in the plane that is shown."""
        dims = self._viewer.dims
        axis = dims.order[0]
        if self._layers is not None:
            dims.set_current_step(axis, dims.current_step[axis] + ways)

    def toggle_projection(self) -> None:
        """The PET's highest values along the line of sight, seen from the front; the plane of before once more."""
        if self._layers is None:
            return
        if self.projected:
            self._project(False)
            self._cut("axial")
        else:
            if current_plane(self._viewer).name == "axial":
                self._cut("coronal")
            self._project(True)
        self._renew()

    def _project(self, on: bool) -> None:
        if self._layers is None:
            return
        self.projected = on
        for mask in (self._layers.liver, self._layers.lesions):
            if mask is not None:
                # A mask is cut, not projected: one slice of it would mislead.
                mask.visible = not on
        numbers = self._layers.numbers
        if numbers is not None:
            numbers.shown = numbers.features["middle"].to_numpy() if on else True
            numbers.projection_mode = "all" if on else "none"
        show_slab(self._viewer, self._layers.pet, whole=on)
        self._show_images("PET" if on or self._layers.ct is None else "fused")

    def next_images(self) -> None:
        """Fused, PET alone, CT alone, the diagnostic CT or MR alone and below the PET, and the FDG scan over the CT."""
        if self._layers is not None and len(choices(self._layers)) > 1:
            self._show_images(next_of(self._layers, self.images))

    def show_measured(self) -> None:
        """Show the image that diameters are measured on, where it is not shown yet."""
        if self._layers is not None and self._layers.measured is not None and "measured" not in self.images:
            self._show_images("measured")

    def _show_images(self, images: Shown) -> None:
        layers = self._layers
        if layers is None:
            return
        self.images = images
        show_images(layers, images, self.blend.value())
        alone = images == "PET"
        self.blend.setEnabled(is_fused(images))
        self._name_windows()
        for viewer in self._models():
            show_on_white(viewer, white=alone)
        if layers.numbers is not None:
            layers.numbers.text.color = "#D55E00" if alone else "white"
        self._renew()

    def toggle_crosshair(self) -> None:
        """Hide or show the crosshair, everywhere."""
        for crosshair in self._crosshairs():
            crosshair.toggle()
        self._renew()

    def toggle_planes(self) -> None:
        """Hide or show the two other planes."""
        if self._planes_dock is not None:
            self._planes_dock.setVisible(not self._planes_dock.isVisible())
            self.planes.follow()
        self._renew()

    def _crosshairs(self) -> Iterator[Crosshair]:
        yield self.crosshair
        for plane in self.planes.planes:
            yield plane.crosshair

    def _renew(self) -> None:
        shown = current_plane(self._viewer).name
        for name in PLANES:
            self.buttons[name].setChecked(name == shown and not self.projected)
        self.buttons["projection"].setChecked(self.projected)
        self.buttons["images"].setText(f"{shown_words(self._layers, self.images)} ({KEYS['images'].key})")
        layer = self.crosshair.layer
        self.buttons["crosshair"].setChecked(layer is not None and layer.visible)
        self.buttons["planes"].setChecked(self._planes_dock is not None and not self._planes_dock.isHidden())

    def clicked(self, viewer: Any, event: Any) -> Iterator[None]:
        """A click that neither drags nor paints moves the crosshair."""
        start = tuple(event.position)
        if (yield from still_click(viewer, event)) and viewer.dims.ndisplay == 2 and not self.projected:
            self._viewer.dims.point = tuple(float(v) for v in start)


def _limit(pet: Any, limits: tuple[float, float]) -> None:
    """Limits of a PET, which may lie above its highest value."""
    low, high = pet.contrast_limits_range
    pet.contrast_limits_range = (low, max(high, limits[1]))
    pet.contrast_limits = limits


def _window_without_hold(bar: ViewBar) -> WindowDrag:
    """The bar's answer to a drag with the right button, as `clicks_of`."""
    known = weakref.ref(bar)

    def on_window(stage: str, right_px: float, down_px: float, shift: bool) -> None:
        still = known()
        if still is not None:
            still.drag_window(stage, right_px, down_px, shift)

    return on_window
