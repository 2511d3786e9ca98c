"""Projections of the whole PET: what is hot, and what is outlined, lies where it lies in the body."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from dotaliver.export.report.projection_figure import Shadow, mip_picture


def decoded(data_uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data_uri.split(",")[1]))).convert("RGB")).astype(float)


def test_a_hot_spot_on_the_right_of_the_projection_is_drawn_there() -> None:
    array = np.zeros((40, 60), np.float32)
    array[8:12, 45:50] = 10.0
    shadow = Shadow("From the front", array, (0, 180, 120, 0), None, {}, ("R", "L"))
    pixels = decoded(mip_picture([shadow], 10.0, "SUV", "alt", "").data_uri)
    height, width, _ = pixels.shape
    # The picture of 180 mm takes 180 of 198 mm of the width (a bar of a tenth stands beside it).
    assert pixels[int(height * 0.27), int(width * (47.5 / 60) * 180 / 198)].max() < 60
    assert pixels[int(height * 0.27), int(width * (12.5 / 60) * 180 / 198)].min() > 200


def test_a_candidate_outside_the_liver_is_drawn_in_the_colour_of_its_answer() -> None:
    inside = np.zeros((40, 60), np.float32)
    inside[10:20, 30:45] = 1.0
    ground, size = np.zeros((40, 60), np.float32), (0, 180, 120, 0)
    shown = {}
    for state in ("accepted", "added"):
        shadow = Shadow("Anterior", ground, size, None, {}, ("R", "L"), {"B1": (inside, state)})
        pixels = decoded(mip_picture([shadow], 10.0, "SUV", "alt", "").data_uri)
        shown[state] = (pixels[..., 0] - pixels[..., 1] > 80).sum(), (pixels[..., 1] - pixels[..., 0] > 80).sum()
    assert shown["accepted"][0] > 1000 > shown["accepted"][1]
    assert shown["added"][1] > 1000 > shown["added"][0]
