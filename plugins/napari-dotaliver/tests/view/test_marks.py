"""What marking tools show and how they take the mouse, on a viewer's model."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari_dotaliver.view.layers import lps_to_world
from napari_dotaliver.view.marking_mouse import MarkingMouse
from napari_dotaliver.view.marks import Marks

from dotaliver.image.geometry import Geometry

GRID = Geometry((6, 8, 10), (0.0, 0.0, 0.0), (3.0, 2.0, 2.0), ((0, 0, 1), (0, 1, 0), (1, 0, 0)))


@pytest.fixture
def viewer() -> ViewerModel:
    viewer = ViewerModel()
    viewer.add_image(np.zeros(GRID.shape), scale=GRID.spacing_mm, name="PET")
    return viewer


def test_a_level_stands_beside_its_preview_and_above_it(viewer):
    marks, mask = Marks(viewer), np.zeros(GRID.shape, dtype=bool)
    mask[2:4, 2:5, 3:6] = True
    marks.show_preview(mask, GRID)
    marks.show_level((8.0, 6.0, 6.0), (20.0, 6.0, 6.0), "42 %")
    assert [layer.name for layer in viewer.layers] == ["PET", "Preview", "Marks"]
    assert int((marks.preview.data > 0).sum()) == int(mask.sum())
    np.testing.assert_allclose(marks.points.data, lps_to_world([(8.0, 6.0, 6.0), (20.0, 6.0, 6.0)]))
    assert list(marks.points.features["words"]) == ["", "42 %"]
    marks.show([(8.0, 6.0, 6.0)], "seed", ["1"])
    assert list(marks.points.features["words"]) == ["1"]
    marks.clear()
    assert (len(marks.points.data), marks.preview.visible) == (0, False)
    marks.remove()
    assert [layer.name for layer in viewer.layers] == ["PET"]


def test_a_path_is_shown_from_end_to_end(viewer):
    marks = Marks(viewer)
    marks.show_path([(0.0, 0.0, 6.0), (3.0, 0.0, 6.0), (12.0, 0.0, 6.0)], "less")
    shown = np.asarray(marks.points.data)
    np.testing.assert_allclose(shown[[0, -1]], lps_to_world([(0.0, 0.0, 6.0), (12.0, 0.0, 6.0)]))
    assert (np.linalg.norm(np.diff(shown, axis=0), axis=1) <= 3.1).all()


class Hand:
    """Drags on a viewer's model as a canvas does."""

    def __init__(self, viewer) -> None:
        self.viewer, self.told = viewer, []

    def take(self, places, released) -> None:
        self.told.append((len(places), released))

    def drag(self, *columns, button=1) -> None:
        event = SimpleNamespace(type="mouse_press", button=button, modifiers=(), position=(6.0, 6.0, columns[0]))
        acts = [act(self.viewer, event) for act in self.viewer.mouse_drag_callbacks]
        running = [act for act in acts if next(act, self) is not self]
        for column in columns[1:]:
            event.type, event.position = "mouse_move", (6.0, 6.0, column)
            running = [act for act in running if next(act, self) is not self]
        event.type = "mouse_release"
        for act in running:
            next(act, None)


def test_the_mouse_draws_while_in_hand_and_moves_the_image_after(viewer):
    hand = Hand(viewer)
    mouse = MarkingMouse(viewer, hand.take)
    hand.drag(2.0, 4.0, 8.0)
    assert hand.told == []
    mouse.take()
    assert not viewer.scene.camera.mouse_pan
    hand.drag(2.0, 4.0, 8.0)
    assert hand.told[0] == (1, False)
    assert hand.told[-1][1]
    hand.told.clear()
    hand.drag(2.0, 2.2)
    assert hand.told[-1] == (1, True), "so little a move is a click"
    hand.told.clear()
    hand.drag(2.0, 4.0, button=2)
    viewer.layers[0].mode = "transform"
    hand.drag(2.0, 4.0)
    assert hand.told == [], "neither the right button nor another tool draws"
    viewer.layers[0].mode = "pan_zoom"
    mouse.give_back()
    assert viewer.scene.camera.mouse_pan
    hand.drag(2.0, 4.0)
    assert hand.told == []


def test_the_wheel_tells_of_whole_notches_and_is_given_back(viewer):
    scrolled, notches = [], []
    viewer.mouse_wheel_callbacks[:] = [lambda _viewer, event: scrolled.append(event)]
    mouse = MarkingMouse(viewer, lambda *_: None)
    mouse.take_wheel(notches.append)

    def turn(by, *modifiers) -> None:
        event = SimpleNamespace(delta=(0.0, by), modifiers=modifiers, handled=False)
        for act in list(viewer.mouse_wheel_callbacks):
            act(viewer, event)

    for by in (0.5, 0.5, -1.0):
        turn(by)
    assert (notches, scrolled) == ([1, -1], [])
    turn(1.0, "Control")
    assert len(scrolled) == 1, "with Ctrl it zooms as ever"
    mouse.give_wheel_back()
    turn(1.0)
    assert (notches, len(scrolled)) == ([1, -1], 2)
