"""Grids on which scans are drawn: the own one, or one along the body's axes where it is oblique."""

from __future__ import annotations

import numpy as np
from napari_dotaliver.view.scan_view import upright

from dotaliver.image.geometry import Geometry


def turned(degrees: float) -> Geometry:
    """A grid turned about the axis from left to right."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return Geometry((20, 30, 40), (-40.0, 10.0, 5.0), (4.0, 2.0, 2.0), ((0.0, -s, c), (0.0, c, s), (1.0, 0.0, 0.0)))


def test_a_grid_along_the_bodys_axes_is_drawn_as_it_is():
    assert upright(turned(0.0)) is None
    assert upright(turned(0.01)) is None  # a hundredth of a degree moves no corner by half a millimetre


def test_an_oblique_grid_is_drawn_on_one_along_the_axes_that_covers_all_of_it():
    grid = turned(12.0)
    shown = upright(grid)
    assert shown.directions == ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
    assert shown.spacing_mm == grid.spacing_mm
    corners = np.array([(k, j, i) for k in (0, 19) for j in (0, 29) for i in (0, 39)])
    assert all(shown.contains(place) for place in grid.index_to_lps(corners))
