"""Wheel, zoom and windowing drag on a viewer's model, with events as a canvas sends them."""

from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari_dotaliver.view.mouse import use_reading_mouse
from napari_dotaliver.view.orientation import show_plane


@pytest.fixture
def viewer() -> ViewerModel:
    viewer = ViewerModel()
    viewer.add_image(np.zeros((20, 30, 30)), scale=(3.0, 2.0, 2.0))
    show_plane(viewer, "axial")
    viewer.dims.point = (30.0, 30.0, 30.0)
    return viewer


@pytest.fixture
def drags(viewer) -> list:
    told: list = []
    use_reading_mouse(viewer, lambda *what: told.append(what))
    return told


def wheel(viewer, notches, *modifiers, position=(30.0, 30.0, 30.0)):
    event = SimpleNamespace(
        delta=(0.0, notches), modifiers=modifiers, position=position, handled=False,
        native=SimpleNamespace(inverted=lambda: False),
    )  # fmt: skip
    for act in viewer.mouse_wheel_callbacks:
        act(viewer, event)
    return event


def test_the_wheel_scrolls_slices_of_the_plane_that_is_shown(viewer, drags):
    before = viewer.dims.current_step
    assert wheel(viewer, 1.0).handled
    assert viewer.dims.current_step == (before[0] + 1, *before[1:])
    show_plane(viewer, "coronal")
    wheel(viewer, -1.0)
    assert viewer.dims.current_step == (before[0] + 1, before[1] - 1, before[2])


def test_parts_of_a_notch_add_up(viewer, drags):
    before = viewer.dims.current_step[0]
    for _ in range(4):
        wheel(viewer, 0.25)
    assert viewer.dims.current_step[0] == before + 1


def test_the_wheel_does_not_leave_the_images(viewer, drags):
    for _ in range(40):
        wheel(viewer, 1.0)
    assert viewer.dims.current_step[0] == viewer.dims.nsteps[0] - 1


def test_control_and_the_wheel_zoom_about_the_mouse(viewer, drags):
    camera = viewer.scene.camera
    zoom, step = camera.zoom, viewer.dims.current_step
    place = (30.0, 10.0, 50.0)
    before = [(place[1] - camera.center[1]) * camera.zoom, (place[2] - camera.center[2]) * camera.zoom]
    wheel(viewer, 1.0, "Control", position=place)
    assert camera.zoom > zoom
    assert viewer.dims.current_step == step
    after = [(place[1] - camera.center[1]) * camera.zoom, (place[2] - camera.center[2]) * camera.zoom]
    assert after == pytest.approx(before)
    wheel(viewer, -1.0, "Control", position=place)
    assert camera.zoom == pytest.approx(zoom)


def test_napari_does_not_zoom_by_the_wheel_again_when_a_layer_becomes_active(viewer, drags):
    assert not viewer.scene.camera.mouse_zoom
    viewer.add_labels(np.zeros((20, 30, 30), int))
    viewer.scene.camera.mouse_zoom = True
    assert not viewer.scene.camera.mouse_zoom


def drag(viewer, button, *modifiers):
    events = [
        SimpleNamespace(button=button, pos=pos, type=kind, modifiers=modifiers, position=(0.0, 0.0, 0.0))
        for kind, pos in (("mouse_press", (10, 10)), ("mouse_move", (30, 5)), ("mouse_release", (30, 5)))
    ]
    changing = SimpleNamespace(**vars(events[0]))
    running = [act(viewer, changing) for act in viewer.mouse_drag_callbacks]
    running = [one for one in running if one is not None]
    for event in events:
        changing.__dict__.update(vars(event))
        for one in running:
            next(one, None)


def test_the_right_button_windows_and_the_left_does_not(viewer, drags):
    drag(viewer, 1)
    assert drags == []
    drag(viewer, 2, "Shift")
    assert drags == [("begin", 0.0, 0.0, True), ("move", 20.0, -5.0, True), ("end", 0.0, 0.0, True)]
