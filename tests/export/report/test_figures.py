"""What the pictures are made of: greys, colours, outlines and numbers, checked before they are encoded."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image

from dotaliver.export.report.colours import uptake_colours
from dotaliver.export.report.figures import (
    Drawing,
    axial_picture,
    colour_stops,
    fused_rgb,
    grey,
)
from dotaliver.export.report.pixel_figure import LineStyle, PixelFigure, TextStyle


def decoded(data_uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data_uri.split(",")[1]))).convert("RGB")).astype(float)


def test_grey_runs_between_the_bounds() -> None:
    values = np.array([[-500.0, -160.0, 40.0, 240.0, 3000.0]])
    assert grey(values, -160, 240)[0, :, 0] == pytest.approx([0, 0, 0.5, 1, 1])
    assert grey(values, -160, 240, inverted=True)[0, :, 2] == pytest.approx([1, 1, 0.5, 0, 0])


def test_fused_shows_ct_where_uptake_is_low_and_colour_where_it_is_high() -> None:
    hu, uptake = np.full((1, 3), 40.0), np.array([[0.0, 5.0, 30.0]])
    low, liver, hot = fused_rgb(hu, uptake, 15.0)[0]
    assert low == pytest.approx([0.5, 0.5, 0.5])
    assert np.ptp(liver) < np.ptp(hot)
    assert hot[0] > 0.8 > hot[2]


def test_colour_stops_are_css_colours_from_dark_to_light() -> None:
    stops = colour_stops(5)
    assert len(stops) == 5 and all(s.startswith("#") and len(s) == 7 for s in stops)
    assert sum(bytes.fromhex(stops[0][1:])) < sum(bytes.fromhex(stops[-1][1:]))


def test_an_outline_lies_where_the_mask_is() -> None:
    """A liver over the picture's left upper quarter: blue appears along its border and nowhere else."""
    inside = np.zeros((200, 300), np.float32)
    inside[50:100, 60:120] = 1.0
    picture = axial_picture(np.zeros((200, 300, 3), np.float32), Drawing({}, inside, 1.0, 20.0), "alt", "caption")
    pixels = decoded(picture.data_uri)
    assert pixels.shape == (200, 300, 3)
    blue = pixels[..., 2] - pixels[..., 0] > 60
    rows, columns = np.nonzero(blue)
    assert (rows.min(), rows.max()) == pytest.approx((50, 99), abs=3)
    assert (columns.min(), columns.max()) == pytest.approx((60, 119), abs=3)
    assert not blue[58:92, 68:112].any()


def test_uptake_has_the_colours_of_the_published_scale() -> None:
    """Inferno is published with matplotlib, which the report does without."""
    shares = np.linspace(0, 1, 1001)
    assert np.abs(uptake_colours(shares) - 255 * colormaps["inferno"](shares)[..., :3]).max() <= 0.51


def test_strokes_leave_gaps_and_solid_lines_do_not() -> None:
    """Along a line of 280 pixels, dashes of 3.7 widths with gaps of 1.6 cover seven tenths of it."""
    covered = {}
    for stroke in ("-", "--"):
        figure = PixelFigure(np.zeros((40, 300, 3), np.uint8))
        figure.line([10, 290], [20, 20], LineStyle("white", 2.16, stroke))
        pixels = np.asarray(Image.open(io.BytesIO(figure.encoded("png"))).convert("L"))
        covered[stroke] = float(pixels[20].mean() / 255 * 300 / 280)
        assert not pixels[:16].any() and not pixels[24:].any()
    assert covered["-"] == pytest.approx(1.0, abs=0.02)
    assert covered["--"] == pytest.approx(3.7 / 5.3, abs=0.05)


def test_words_lie_where_their_style_says() -> None:
    edges = {}
    for across in ("left", "center", "right"):
        figure = PixelFigure(np.zeros((60, 200, 3), np.uint8))
        figure.words(100, 30, "5 cm", TextStyle("white", 12, across=across))
        rows, columns = np.nonzero(np.asarray(Image.open(io.BytesIO(figure.encoded("png"))).convert("L")) > 60)
        assert (rows.min() + rows.max()) / 2 == pytest.approx(30, abs=2)
        edges[across] = (columns.min(), columns.max())
    assert edges["left"][0] == pytest.approx(100, abs=2)
    assert sum(edges["center"]) / 2 == pytest.approx(100, abs=2)
    assert edges["right"][1] == pytest.approx(100, abs=2)
