"""Planes in radiological convention, the crosshair, and the jump to a lesion, on the viewer's model."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari_dotaliver.view.orientation import (
    PLANES,
    crosshair_lines,
    current_plane,
    jump,
    position_lps_mm,
    show_on_white,
    show_plane,
    show_slab,
)

# What lies to the right of the picture and to its top, in patient coordinates (LPS).
TOWARDS = {"L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0), "A": (0, -1, 0), "H": (0, 0, 1), "F": (0, 0, -1)}


@pytest.fixture
def viewer():
    model = ViewerModel()
    affine = np.diag([3.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = (-30.0, -40.0, -50.0)
    model.add_image(np.random.default_rng(0).random((20, 40, 50)), affine=affine)
    return model


@pytest.mark.parametrize("name", PLANES)
def test_what_stands_at_the_edges_is_what_lies_there(viewer, name):
    show_plane(viewer, name)
    plane = PLANES[name]
    vertical, horizontal = viewer.dims.displayed
    down, right = viewer.scene.camera.orientation2d
    # World axes are z, y, x: axis n runs along LPS axis 2 - n.
    step_right, step_down = np.zeros(3), np.zeros(3)
    step_right[2 - horizontal] = 1 if right == "right" else -1
    step_down[2 - vertical] = 1 if down == "down" else -1
    np.testing.assert_array_equal(step_right, TOWARDS[plane.edges["middle_right"]])
    np.testing.assert_array_equal(-step_right, TOWARDS[plane.edges["middle_left"]])
    np.testing.assert_array_equal(step_down, TOWARDS[plane.edges["bottom_center"]])
    np.testing.assert_array_equal(-step_down, TOWARDS[plane.edges["top_center"]])


def test_the_patients_right_is_on_the_left_and_head_or_front_are_up():
    for name in ("axial", "coronal"):
        assert PLANES[name].edges["middle_left"] == "R"
    assert [PLANES[name].edges["top_center"] for name in ("axial", "coronal", "sagittal")] == ["A", "H", "H"]


@pytest.mark.parametrize("name", PLANES)
def test_the_letters_are_on_the_canvas(viewer, name):
    show_plane(viewer, name)
    overlays = viewer.canvas.overlays
    shown = {position: overlays[f"dotaliver_{position}"] for position in PLANES[name].edges}
    assert {position: overlay.text for position, overlay in shown.items()} == PLANES[name].edges
    assert all(overlay.visible for overlay in shown.values())
    assert current_plane(viewer).name == name


@pytest.mark.parametrize("name", PLANES)
def test_a_jump_centres_and_frames_the_place(viewer, name):
    show_plane(viewer, name)
    viewer.canvas.size = (600, 800)
    jump(viewer, (-7.0, 11.0, 3.0), 60.0)
    assert position_lps_mm(viewer) == (-7.0, 11.0, 3.0)
    centre = dict(zip(viewer.dims.order, viewer.scene.camera.center, strict=True))
    assert (centre[viewer.dims.displayed[0]], centre[viewer.dims.displayed[1]]) == tuple(
        viewer.dims.point[axis] for axis in viewer.dims.displayed
    )
    # What is 60 mm large fills a third of the canvas' shorter side.
    assert viewer.scene.camera.zoom * 60.0 == pytest.approx(600 / 3)


def test_a_small_lesion_is_shown_with_what_lies_around_it(viewer):
    viewer.canvas.size = (600, 600)
    jump(viewer, (0.0, 0.0, 0.0), 5.0)
    assert 600 / viewer.scene.camera.zoom >= 100.0


def test_a_slab_shows_the_highest_values_and_then_one_slice_again(viewer):
    show_plane(viewer, "coronal")
    image = viewer.layers[0]
    show_slab(viewer, image, whole=True)
    np.testing.assert_allclose(image._slice.image.raw, image.data.max(axis=1), rtol=1e-6)
    show_slab(viewer, image, whole=False)
    index = round(image.world_to_data(viewer.dims.point)[1])
    np.testing.assert_allclose(image._slice.image.raw, image.data[:, index], rtol=1e-6)


def test_the_crosshair_runs_through_the_place_and_leaves_it_open():
    lines = crosshair_lines((0.0, 10.0, -5.0), (-100.0, -100.0, -100.0), (100.0, 100.0, 100.0))
    for start, way in lines:
        assert np.count_nonzero(way) == 1
        nearest = np.abs(start - (0.0, 10.0, -5.0)).max()
        assert nearest == pytest.approx(12.0)
    ends = lines.sum(axis=1)
    assert ends.min() == -100.0
    assert ends.max() == 100.0


def test_images_lie_on_black_whatever_the_theme_and_inverted_grey_on_white(viewer):
    """Letters at the edges are readable on the ground that is chosen, not on one that a theme brings."""
    show_plane(viewer, "axial")
    shown = {}
    for white in (False, True):
        show_on_white(viewer, white=white)
        letter = next(o for name, o in viewer.canvas.overlays.items() if name.startswith("dotaliver_"))
        ground = np.array(viewer.canvas.background_color_override)[:3].mean()
        shown[white] = float(ground), float(np.array(letter.color)[:3].mean())
    assert shown[False][0] == 0 and shown[False][1] > 0.5
    assert shown[True][0] == 1 and shown[True][1] < 0.5
