"""Figures of the report, rendered without a display and embedded in the page."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from dotaliver.export.report.colours import uptake_colours
from dotaliver.export.report.label_places import spread_apart
from dotaliver.export.report.pixel_figure import LineStyle, PixelFigure, Rim, TextStyle
from dotaliver.records.body_record import LesionState

__all__ = [
    "BODY_STYLES",
    "CT_WINDOW_HU",
    "LESION_COLOUR",
    "LESION_DARK",
    "LIVER_COLOUR",
    "LIVER_DARK",
    "SECOND_COLOUR",
    "Drawing",
    "Picture",
    "colour_stops",
    "data_uri",
    "fused_rgb",
    "grey",
]

# Okabe and Ito's colours, distinguishable for colour-blind readers; lines also differ in style.
LIVER_COLOUR = "#56B4E9"
LESION_COLOUR = "#E69F00"
LIVER_DARK, LESION_DARK = "#0072B2", "#D55E00"
# Outside the liver, by what the reader says; lines also differ in style.
BODY_STYLES: dict[LesionState, tuple[str, Literal["-", "--", ":"]]] = {
    "unanswered": ("#8E4585", "--"),
    "accepted": ("#B8460B", "-"),
    "added": ("#00785A", "-"),
    "rejected": ("#707780", ":"),
}
SECOND_COLOUR = "#F0E442"
# Soft-tissue window of abdominal CT: level 40, width 400.
CT_WINDOW_HU = (-160.0, 240.0)
_DARK_RIM = Rim(1.25)

Rgb = npt.NDArray[np.float32]
Inside = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Picture:
    """An image embedded in the page."""

    data_uri: str
    alt: str
    caption: str = ""


@dataclass(frozen=True, eq=False)
class Drawing:
    """What is drawn over an axial picture."""

    lesions: Mapping[int, Inside]
    liver: Inside | None
    pixel_mm: float
    scale_mm: float
    emphasised: int | None = None
    second_liver: Inside | None = None
    """The liver as the audit outlines it, where it is shown."""


def grey(values: npt.NDArray[np.floating], low: float, high: float, *, inverted: bool = False) -> Rgb:
    """Values as grey between two bounds, shape (rows, columns, 3), 0 to 1."""
    level = np.clip((values.astype(np.float32) - low) / (high - low), 0.0, 1.0)
    return np.repeat((1.0 - level if inverted else level)[..., None], 3, axis=-1)


def fused_rgb(ct_hu: npt.NDArray[np.floating], uptake: npt.NDArray[np.floating], upper: float) -> Rgb:
    """PET in colour over CT in grey; the PET is faint where normal liver lies (a third of the upper bound)."""
    share = np.clip(uptake / upper, 0.0, 1.0)
    colour = uptake_colours(share) / np.float32(255)
    opacity = 0.75 * np.clip((share - 0.15) / 0.6, 0.0, 1.0)[..., None]
    return np.asarray(grey(ct_hu, *CT_WINDOW_HU) * (1.0 - opacity) + colour * opacity, dtype=np.float32)


def colour_stops(count: int = 9) -> list[str]:
    """The PET's colours from none to the upper bound, as CSS colours."""
    return [f"#{bytes(colour).hex()}" for colour in uptake_colours(np.linspace(0.0, 1.0, count))]


def data_uri(encoded: bytes, kind: str) -> str:
    """An encoded picture as an address that holds it."""
    return f"data:image/{kind};base64,{base64.b64encode(encoded).decode()}"


def axial_picture(rgb: Rgb, drawing: Drawing, alt: str, caption: str) -> Picture:
    """An axial slice with outlines, side marks and a scale bar, one image pixel to one picture pixel."""
    figure = PixelFigure(rgb)
    if drawing.second_liver is not None:
        figure.outline(drawing.second_liver, LineStyle(SECOND_COLOUR, 1.8, "-"))
    if drawing.liver is not None:
        figure.outline(drawing.liver, LineStyle(LIVER_COLOUR, 1.8, "--"))
    for label, inside in drawing.lesions.items():
        # White on the fused colours, where orange would vanish in the hot ones; the others of them dotted.
        main = drawing.emphasised in {None, label}
        colour = LESION_COLOUR if drawing.emphasised is None else "white"
        figure.outline(inside, LineStyle(colour, 1.8 if main else 1.4, "-" if main else ":", Rim(0.7 if main else 0.5)))
    if drawing.emphasised is None:
        _number_beside(figure, drawing.lesions)
    sides = TextStyle("white", 12, rim=_DARK_RIM)
    figure.words(0.02 * figure.columns, 0.5 * figure.rows, "R", replace(sides, across="left"))
    figure.words(0.98 * figure.columns, 0.5 * figure.rows, "L", replace(sides, across="right"))
    _scale_bar(figure, drawing)
    return Picture(data_uri(figure.encoded("jpeg"), "jpeg"), alt, caption)


def _number_beside(figure: PixelFigure, lesions: Mapping[int, Inside]) -> None:
    """Each lesion's number to the upper right of it, pushed off other numbers."""
    corners = []
    for inside in lesions.values():
        rows, columns = np.nonzero(inside > 0.5)
        corners.append((columns.max() + 8.0, rows.min() - 5.0))
    if not corners:
        return
    shape = next(iter(lesions.values())).shape
    places = spread_apart(np.array(corners), np.empty((0, 2)), 15.0, (float(shape[1]), float(shape[0])))
    for label, (x, y) in zip(lesions, places, strict=True):
        figure.words(x, y, str(label), TextStyle(LESION_COLOUR, 11, rim=_DARK_RIM))


def _scale_bar(figure: PixelFigure, drawing: Drawing) -> None:
    length = drawing.scale_mm / drawing.pixel_mm
    right, bottom = figure.columns * 0.96, figure.rows * 0.95
    figure.line([right - length, right], [bottom, bottom], LineStyle("white", 2.5, rim=Rim(1.0)))
    words = TextStyle("white", 9, bold=False, rim=Rim(0.8), down="bottom")
    figure.words(right - length / 2, bottom - 5, f"{drawing.scale_mm / 10:g} cm", words)
