"""The mouse while a marking tool is in hand: drags draw instead of moving the image, and the wheel may set a level."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from dotaliver.image.geometry import Vector, as_vector
from napari_dotaliver.view.layers import world_to_lps

if TYPE_CHECKING:
    from napari.components import ViewerModel

__all__ = ["MarkingMouse"]

_LEFT = 1
# A press that moves less than this between pressing and releasing is a click.
_CLICK_MM = 1.0

Drawn = Callable[[list[Vector], bool], None]
"""Is given the places of a press so far (LPS, mm), and whether the button was released."""


class MarkingMouse:
    """Follows presses of the left button on the main canvas while it is in hand.

    Parameters
    ----------
    viewer : ViewerModel
        The main canvas.
    on_drawn : callable
        Is told of every move and of the release.
    """

    def __init__(self, viewer: ViewerModel, on_drawn: Drawn) -> None:
        self._viewer = viewer
        # The viewer outlives the tool and must not keep it.
        self._on_drawn = weakref.WeakMethod(on_drawn) if hasattr(on_drawn, "__self__") else (lambda: on_drawn)
        self._wheel_before: list[Any] | None = None
        self.in_hand = False

    def take(self) -> None:
        """Take the mouse; a brush is put down."""
        if not self.in_hand:
            self.in_hand = True
            self._viewer.mouse_drag_callbacks.append(self._press)
            self._viewer.scene.camera.events.mouse_pan.connect(self._hold_still)
        active = self._viewer.layers.selection.active
        if active is not None and str(active.mode) != "pan_zoom":
            active.mode = "pan_zoom"
        self._hold_still()

    def give_back(self) -> None:
        """Give mouse and wheel back."""
        self.give_wheel_back()
        if not self.in_hand:
            return
        self.in_hand = False
        self._viewer.scene.camera.events.mouse_pan.disconnect(self._hold_still)
        if self._press in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._press)
        active = self._viewer.layers.selection.active
        self._viewer.scene.camera.mouse_pan = True if active is None else bool(active.mouse_pan)

    def take_wheel(self, on_notch: Callable[[int], None]) -> None:
        """Let the plain wheel tell of its notches instead of scrolling; with Ctrl it zooms as ever."""
        self.give_wheel_back()
        before = self._wheel_before = list(self._viewer.mouse_wheel_callbacks)
        rest = [0.0]

        def turned(viewer: Any, event: Any) -> None:
            if event.modifiers:
                for act in before:
                    act(viewer, event)
                return
            rest[0] += float(np.clip(event.delta[1], -1, 1))
            whole = int(rest[0])
            rest[0] -= whole
            event.handled = True
            if whole:
                on_notch(whole)

        self._viewer.mouse_wheel_callbacks[:] = [turned]

    def give_wheel_back(self) -> None:
        """Let the wheel scroll again."""
        if self._wheel_before is not None:
            self._viewer.mouse_wheel_callbacks[:] = self._wheel_before
            self._wheel_before = None

    def _hold_still(self) -> None:
        # A layer that becomes active gives napari's dragging back.
        if self.in_hand and self._viewer.scene.camera.mouse_pan:
            self._viewer.scene.camera.mouse_pan = False

    def _press(self, viewer: Any, event: Any) -> Iterator[None]:
        active = viewer.layers.selection.active
        idle = active is None or str(active.mode) == "pan_zoom"
        if event.button != _LEFT or viewer.dims.ndisplay != 2 or not idle or event.modifiers:
            return
        places = [_place(event)]
        self._tell(places, released=False)
        yield
        while event.type == "mouse_move":
            places.append(_place(event))
            self._tell(places, released=False)
            yield
        # Moves that come fast are put together, and the last one may be missing.
        places.append(_place(event))
        moved = max(float(np.linalg.norm(np.subtract(place, places[0]))) for place in places) > _CLICK_MM
        self._tell(places if moved else places[:1], released=True)

    def _tell(self, places: list[Vector], *, released: bool) -> None:
        act = self._on_drawn()
        if act is not None and self.in_hand:
            act(list(places), released)


def _place(event: Any) -> Vector:
    return as_vector(world_to_lps(np.asarray(event.position[-3:])))
