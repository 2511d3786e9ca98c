"""The mouse of a PET workstation: the wheel scrolls, Ctrl and the wheel zoom, a drag with the right button windows."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from napari.components import ViewerModel

__all__ = ["WindowDrag", "clicks_of", "hiding_of", "still_click", "use_reading_mouse"]

WindowDrag = Callable[[str, float, float, bool], None]
"""Is told 'begin', 'move' or 'end' of a drag with the right button, its way in pixels (right, down), and whether Shift
is held."""

_ZOOM_A_NOTCH = 1.15
_RIGHT = 2
# A press that moves by more, squared, is a drag.
_STILL_MM2 = 1.0
_NAPARI_SCROLL = "dims_scroll"


class _Clicked(Protocol):
    def clicked(self, viewer: Any, event: Any) -> Iterator[None]: ...


def clicks_of(owner: _Clicked) -> Callable[[Any, Any], Iterator[None]]:
    """The answer of a widget to a click, for a viewer that may outlive the widget and must not keep it."""
    known = weakref.ref(owner)

    def on_click(viewer: Any, event: Any) -> Iterator[None]:
        still = known()
        if still is not None:
            yield from still.clicked(viewer, event)

    return on_click


def still_click(viewer: ViewerModel, event: Any) -> Generator[None, None, bool]:
    """Follow a press of the mouse to its release; whether it was a click, and neither a drag nor a layer's tool."""
    start, moved = tuple(event.position), False
    yield
    while event.type == "mouse_move":
        moved = moved or sum((a - b) ** 2 for a, b in zip(event.position, start, strict=True)) > _STILL_MM2
        yield
    active = viewer.layers.selection.active
    idle = active is None or str(active.mode) == "pan_zoom"
    return not moved and idle and event.button == 1


class _Hiding(Protocol):
    def hide_marks(self, hidden: bool) -> None: ...


def hiding_of(owner: _Hiding) -> Callable[[Any], Iterator[None]]:
    """What a held key does, as `clicks_of`: marks are hidden until it is released."""
    known = weakref.ref(owner)

    def while_held(_viewer: Any) -> Iterator[None]:
        still = known()
        if still is not None:
            still.hide_marks(True)
        yield
        still = known()
        if still is not None:
            still.hide_marks(False)

    return while_held


def use_reading_mouse(viewer: ViewerModel, on_window: WindowDrag) -> None:
    """Give a viewer the mouse of a workstation in place of napari's own.

    Parameters
    ----------
    viewer : ViewerModel
        Of any canvas, the main one or a small one.
    on_window : callable
        What a drag with the right button does.
    """
    viewer.mouse_wheel_callbacks[:] = [act for act in viewer.mouse_wheel_callbacks if act.__name__ != _NAPARI_SCROLL]
    viewer.mouse_wheel_callbacks.append(_Wheel())
    viewer.mouse_drag_callbacks.append(_window_by_drag(on_window))
    camera = viewer.scene.camera

    def keep_wheel() -> None:
        # A layer that becomes active gives napari's zooming back.
        if camera.mouse_zoom:
            camera.mouse_zoom = False

    camera.events.mouse_zoom.connect(keep_wheel)
    keep_wheel()


class _Wheel:
    """Scrolls slices, or zooms about the mouse with Ctrl; parts of a notch add up, as touchpads send them."""

    __name__ = "reading_wheel"

    def __init__(self) -> None:
        self._notches = 0.0

    def __call__(self, viewer: ViewerModel, event: Any) -> None:
        notches = float(np.clip(event.delta[1], -1, 1))
        if "Control" in event.modifiers:
            _zoom_about(viewer, event.position, _ZOOM_A_NOTCH**notches)
        elif not event.modifiers:
            self._notches += notches
            whole = int(self._notches)
            self._notches -= whole
            if whole:
                axis = viewer.dims.order[0]
                viewer.dims.set_current_step(axis, viewer.dims.current_step[axis] + whole)
        else:
            return
        event.handled = True


def _zoom_about(viewer: ViewerModel, place_mm: Any, factor: float) -> None:
    """Zoom so that a place of the world stays where it is on the screen."""
    camera = viewer.scene.camera
    centre = list(camera.center)
    for n, axis in enumerate(viewer.dims.displayed):
        place = len(centre) - len(viewer.dims.displayed) + n
        centre[place] = place_mm[axis] - (place_mm[axis] - centre[place]) / factor
    camera.zoom *= factor
    camera.center = tuple(centre)


def _window_by_drag(on_window: WindowDrag) -> Callable[[ViewerModel, Any], Iterator[None]]:
    def drag(_viewer: ViewerModel, event: Any) -> Iterator[None]:
        if event.button != _RIGHT:
            return
        start = np.asarray(event.pos, dtype=np.float64)
        on_window("begin", 0.0, 0.0, "Shift" in event.modifiers)
        yield
        while event.type == "mouse_move":
            right, down = (float(v) for v in np.asarray(event.pos, dtype=np.float64) - start)
            on_window("move", right, down, "Shift" in event.modifiers)
            yield
        on_window("end", 0.0, 0.0, "Shift" in event.modifiers)

    return drag
