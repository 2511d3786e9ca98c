"""The keys that work wherever the focus is in the window of a reading."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QShortcut

from napari_dotaliver.view.windows import CT_WINDOWS, PET_WINDOWS
from napari_dotaliver.widgets.keys import KEYS

if TYPE_CHECKING:
    from napari_dotaliver.widgets.desk import Desk

__all__ = ["bind_keys"]


def bind_keys(desk: Desk) -> None:
    """Let the keys work wherever the focus is in the desk's window."""
    acts = {
        "open": desk.ask_for_folder,
        "score": desk.score,
        "axial": lambda: desk.show_plane("axial"),
        "coronal": lambda: desk.show_plane("coronal"),
        "sagittal": lambda: desk.show_plane("sagittal"),
        "projection": desk.view.toggle_projection,
        "images": desk.view.next_images,
        "crosshair": desk.view.toggle_crosshair,
        "planes": desk.view.toggle_planes,
        "fill": desk.view.toggle_fill,
        **{name: partial(desk.view.show_window, name) for name in (*PET_WINDOWS, *CT_WINDOWS)},
        "slice_up": partial(desk.view.step_slice, 1),
        "slice_down": partial(desk.view.step_slice, -1),
        "next_tab": desk.tabs.to_next,
        "next": lambda: desk.step_lesion(1),
        "previous": lambda: desk.step_lesion(-1),
    }
    for name, act in acts.items():
        shortcut = QShortcut(QKeySequence(KEYS[name].key), desk)
        shortcut.setContext(Qt.ShortcutContext.WindowShortcut)
        shortcut.activated.connect(act)
