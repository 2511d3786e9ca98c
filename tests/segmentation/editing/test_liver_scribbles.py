"""Strokes on the liver, on a block of liver beside a block of spleen on a noisy CT."""

from __future__ import annotations

import time

import numpy as np
import pytest

from dotaliver.errors import MaskError
from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import Quantity, Volume
from dotaliver.segmentation.editing.liver_scribbles import corrected_liver

GRID = Geometry((30, 120, 160), (0.0, 0.0, 0.0), (2.5, 0.8, 0.8), ((0, 0, 1), (0, 1, 0), (1, 0, 0)))
LIVER = np.zeros(GRID.shape, dtype=bool)
LIVER[5:25, 20:100, 20:90] = True
FAT = ~LIVER
HU = np.where(LIVER, 110.0, -90.0) + np.random.default_rng(5).normal(0.0, 12.0, GRID.shape)
CT = Volume(HU.astype(np.int16), GRID, Quantity.HU)


def stroke(rows, columns, level=15) -> np.ndarray:
    drawn = np.zeros(GRID.shape, dtype=bool)
    drawn[level, rows, columns] = True
    return drawn


def after(mask, drawn, kind) -> np.ndarray:
    result = mask.copy()
    box, part = corrected_liver(CT, mask, drawn, kind)
    result[box] = part
    return result


def test_more_adds_missing_liver_up_to_its_border_and_no_fat():
    short = LIVER.copy()
    short[:, :, 72:] = False
    result = after(short, stroke(slice(45, 75), slice(80, 82)), "more")
    near = np.zeros(GRID.shape, dtype=bool)
    near[10:20, 45:75, 72:90] = True
    assert (result & near).sum() > 0.93 * near.sum()
    assert (result & FAT).sum() < 0.02 * near.sum()
    assert (result | short == result).all()


def test_less_removes_what_was_added_in_error_and_keeps_the_liver():
    wide = LIVER.copy()
    wide[8:22, 40:80, 90:105] = True
    result = after(wide, stroke(slice(45, 75), slice(97, 98)), "less")
    assert (result & FAT & wide).sum() < 0.1 * (wide & FAT).sum()
    assert (LIVER & ~result).sum() < 0.1 * (wide & FAT).sum()


def test_a_stroke_is_quick_and_what_was_drawn_is_kept():
    drawn = stroke(slice(55, 57), slice(110, 130))
    start = time.process_time()
    result = after(LIVER, drawn, "more")
    assert time.process_time() - start < 0.5
    assert (result & drawn == drawn).all()
    assert not (after(LIVER, stroke(slice(50, 52), slice(40, 60)), "less") & stroke(slice(50, 52), slice(40, 60))).any()
    with pytest.raises(MaskError, match="outside the image"):
        corrected_liver(CT, LIVER, np.zeros(GRID.shape, dtype=bool), "more")
