"""How two scans are looked at together: planes, fused or single images, usual windows, blending, crosshair."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from qtpy.QtCore import Qt
from qtpy.QtGui import QFontMetrics
from qtpy.QtWidgets import QHBoxLayout, QLabel, QMenu, QPushButton, QWidget

from napari_dotaliver.view.layers import PET_OVER_CT
from napari_dotaliver.view.linked_views import LinkedViews
from napari_dotaliver.view.orientation import PLANES, PlaneName
from napari_dotaliver.view.windows import CT_WINDOWS, PET_WINDOWS, window_words
from napari_dotaliver.widgets.deliberate import PercentSlider
from napari_dotaliver.widgets.keys import KEYS
from napari_dotaliver.widgets.shortcuts import CHECKED_BUTTON

__all__ = ["VisitBar"]

_AROUND_TEXT_PIXELS = 18
_SLIDER_PIXELS = 70


class VisitBar(QWidget):
    """One row of buttons over both scans, each with its key."""

    def __init__(self, views: LinkedViews, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._views = views
        self.setStyleSheet(CHECKED_BUTTON)
        self.buttons: dict[str, QPushButton] = {}
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self.acts: dict[str, Callable[[], object]] = {
            "axial": partial(self.show_plane, "axial"),
            "coronal": partial(self.show_plane, "coronal"),
            "sagittal": partial(self.show_plane, "sagittal"),
            "images": self._next_images,
            "crosshair": self._toggle_crosshair,
        }
        words = {"axial": "Axial", "coronal": "Coronal", "sagittal": "Sagittal", "images": "Fused"}
        for name, act in self.acts.items():
            button = QPushButton(f"{words.get(name, 'Crosshair')} ({KEYS[name].key})")
            button.setToolTip(KEYS[name].does)
            button.setCheckable(name != "images")
            button.clicked.connect(lambda _=False, act=act: act())
            # Pressed, it is written bold, for which a layout leaves no room.
            bold = button.font()
            bold.setBold(True)
            button.setMinimumWidth(QFontMetrics(bold).horizontalAdvance(button.text()) + _AROUND_TEXT_PIXELS)
            self.buttons[name] = button
            row.addWidget(button)
        windows = QPushButton("Windows")
        windows.setToolTip("Usual windows of PET and CT, each with its key")
        menu = QMenu(windows)
        for name, window in (PET_WINDOWS | CT_WINDOWS).items():
            self.acts[name] = partial(self.show_window, name)
            menu.addAction(f"{window.name} ({KEYS[name].key})").triggered.connect(
                lambda _=False, name=name: self.show_window(name)
            )
        windows.setMenu(menu)
        row.addWidget(windows)
        self.blend = PercentSlider(
            round(100 * PET_OVER_CT["opacity"]), "PET over CT", "How much of the PET lies over the CT"
        )
        self.blend.setMinimumWidth(_SLIDER_PIXELS)
        self.blend.valueChanged.connect(views.blend)
        row.addWidget(QLabel("PET over CT"))
        row.addWidget(self.blend, stretch=1)
        self.window_line = QLabel()
        self.window_line.setTextFormat(Qt.TextFormat.PlainText)
        row.addWidget(self.window_line)
        for image in (views.views[0].pet, views.views[0].ct):
            if image is not None:
                image.events.contrast_limits.connect(self._name_windows)
        self.show_plane("axial")

    def show_plane(self, name: PlaneName) -> None:
        """Cut both scans in one of the three planes."""
        self._views.show_plane(name)
        self.renew()

    def show_window(self, name: str) -> None:
        """Look at both scans in a usual window."""
        self._views.show_window(name)

    def _next_images(self) -> None:
        self._views.next_images()
        self._views.blend(self.blend.value())
        self.renew()

    def _toggle_crosshair(self) -> None:
        self._views.toggle_crosshair()
        self.renew()

    def renew(self) -> None:
        """Show what is chosen."""
        for name in PLANES:
            self.buttons[name].setChecked(name == self._views.plane)
        images = self._views.images
        self.buttons["images"].setText(f"{images.capitalize() if images == 'fused' else images} ({KEYS['images'].key})")
        layer = self._views.views[0].crosshair.layer
        self.buttons["crosshair"].setChecked(layer is not None and layer.visible)
        self.blend.setEnabled(images == "fused")
        self._name_windows()

    def _name_windows(self) -> None:
        view = self._views.views[0]
        words = []
        if self._views.images != "CT":
            words.append(window_words("PET", tuple(view.pet.contrast_limits), view.unit))
        if view.ct is not None and self._views.images != "PET":
            words.append(window_words("CT", tuple(view.ct.contrast_limits), "HU"))
        self.window_line.setText("\n".join(words))

    def close_down(self) -> None:
        """Follow the images no more; called before Qt destroys the bar, during which no Python may run."""
        for image in (self._views.views[0].pet, self._views.views[0].ct):
            if image is not None:
                image.events.contrast_limits.disconnect(self._name_windows)
        self.blend.blockSignals(True)
