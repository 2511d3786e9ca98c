"""Figures of the report, rendered without a display and embedded in the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Unpack

import numpy as np
import numpy.typing as npt

from dotaliver.export.report.pixel_figure import (
    JPEG_QUALITY,
    OutlineStyle,
    PixelFigure,
    TextStyle,
    halo,
    outline_lines,
)
from dotaliver.records.body_record import LesionState

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "BODY_STYLES",
    "CT_WINDOW_HU",
    "LESION_COLOUR",
    "LESION_DARK",
    "LIVER_COLOUR",
    "LIVER_DARK",
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
_NUMBER_COLOUR = "#8a3b00"
# Outside the liver, by what the reader says; lines also differ in style.
BODY_STYLES: dict[LesionState, tuple[str, str]] = {
    "unanswered": ("#8E4585", "--"),
    "accepted": ("#B8460B", "-"),
    "added": ("#00785A", "-"),
    "rejected": ("#707780", ":"),
}
# Soft-tissue window of abdominal CT: level 40, width 400.
CT_WINDOW_HU = (-160.0, 240.0)
_PET_COLOURS = "inferno"
_DPI = 100

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


def grey(values: npt.NDArray[np.floating], low: float, high: float, *, inverted: bool = False) -> Rgb:
    """Values as grey between two bounds, shape (rows, columns, 3), 0 to 1."""
    level = np.clip((values.astype(np.float32) - low) / (high - low), 0.0, 1.0)
    return np.repeat((1.0 - level if inverted else level)[..., None], 3, axis=-1)


def fused_rgb(ct_hu: npt.NDArray[np.floating], uptake: npt.NDArray[np.floating], upper: float) -> Rgb:
    """PET in colour over CT in grey; the PET is faint where normal liver lies (a third of the upper bound)."""
    from matplotlib import colormaps

    share = np.clip(uptake / upper, 0.0, 1.0)
    colour = colormaps[_PET_COLOURS](share)[..., :3]
    opacity = 0.75 * np.clip((share - 0.15) / 0.6, 0.0, 1.0)[..., None]
    return np.asarray(grey(ct_hu, *CT_WINDOW_HU) * (1.0 - opacity) + colour * opacity, dtype=np.float32)


def colour_stops(count: int = 9) -> list[str]:
    """The PET's colours from none to the upper bound, as CSS colours."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colormaps[_PET_COLOURS](x)) for x in np.linspace(0.0, 1.0, count)]


def _figure(width_px: float, height_px: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width_px / _DPI, height_px / _DPI), dpi=_DPI)


def data_uri(encoded: bytes, kind: str) -> str:
    """An encoded picture as an address that holds it."""
    return f"data:image/{kind};base64,{base64.b64encode(encoded).decode()}"


def _encoded(figure: Figure, alt: str, caption: str, *, kind: str = "jpeg", scale: float = 1.0) -> Picture:
    stream = io.BytesIO()
    quality = {"quality": JPEG_QUALITY} if kind == "jpeg" else None
    figure.savefig(stream, format=kind, dpi=_DPI * scale, pil_kwargs=quality)
    return Picture(data_uri(stream.getvalue(), kind), alt, caption)


def axial_picture(rgb: Rgb, drawing: Drawing, alt: str, caption: str) -> Picture:
    """An axial slice with outlines, side marks and a scale bar, one image pixel to one picture pixel."""
    figure = PixelFigure(rgb)
    if drawing.liver is not None:
        figure.outline(drawing.liver, colors=LIVER_COLOUR, linewidths=1.8, linestyles="--")
    for label, inside in drawing.lesions.items():
        # White on the fused colours, where orange would vanish in the hot ones; the others of them dotted.
        main = drawing.emphasised in {None, label}
        colour = LESION_COLOUR if drawing.emphasised is None else "white"
        figure.outline(
            inside, colors=colour, linewidths=1.8 if main else 1.4, linestyles="-" if main else ":",
            path_effects=halo(3.2 if main else 2.4),
        )  # fmt: skip
    if drawing.emphasised is None:
        _number_beside(figure, drawing.lesions)
    text: TextStyle = {"color": "white", "fontsize": 12, "fontweight": "bold", "path_effects": halo(), "va": "center"}
    figure.words(0.02 * figure.columns, 0.5 * figure.rows, "R", ha="left", **text)
    figure.words(0.98 * figure.columns, 0.5 * figure.rows, "L", ha="right", **text)
    _scale_bar(figure, drawing)
    return Picture(data_uri(figure.encoded("jpeg"), "jpeg"), alt, caption)


def _outline(axes: Axes, inside: Inside, pixel: tuple[float, float], **style: Unpack[OutlineStyle]) -> None:
    """The line at 0.5 over pixels of a width and height; the first pixel's corner lies at the origin."""
    from matplotlib.collections import LineCollection

    axes.add_collection(LineCollection([line * pixel for line in outline_lines(inside)], **style), autolim=False)


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
        figure.words(
            x, y, str(label), color=LESION_COLOUR, fontsize=11, fontweight="bold", path_effects=halo(),
            ha="center", va="center",
        )  # fmt: skip


def _scale_bar(figure: PixelFigure, drawing: Drawing) -> None:
    length = drawing.scale_mm / drawing.pixel_mm
    right, bottom = figure.columns * 0.96, figure.rows * 0.95
    figure.line([right - length, right], [bottom, bottom], color="white", linewidth=2.5, path_effects=halo(4.5))
    figure.words(
        right - length / 2, bottom - 5, f"{drawing.scale_mm / 10:g} cm", color="white", fontsize=9, ha="center",
        va="bottom", path_effects=halo(),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Shadow:
    """One view of the whole PET: its highest values, and the shadows of what was outlined."""

    title: str
    array: npt.NDArray[np.floating]
    extent_mm: tuple[float, float, float, float]
    liver: Inside | None
    lesions: Mapping[int, Inside]
    sides: tuple[str, str]
    body: Mapping[str, tuple[Inside, LesionState]] = field(default_factory=dict)


def mip_picture(shadows: Sequence[Shadow], upper: float, unit: str, alt: str, caption: str) -> Picture:
    """Maximum-intensity projections side by side, dark where hot, at one scale in mm."""
    widths = [s.extent_mm[1] for s in shadows]
    height = shadows[0].extent_mm[2]
    gap_mm, bar_mm = 0.03 * sum(widths), 0.10 * sum(widths)
    total = sum(widths) + gap_mm * (len(shadows) - 1) + bar_mm
    pixels_per_mm = min(1060 / total, 780 / height)
    title_px = 26
    width_px, height_px = total * pixels_per_mm, height * pixels_per_mm + title_px
    figure = _figure(width_px, height_px)
    left = 0.0
    for shadow, width in zip(shadows, widths, strict=True):
        axes = figure.add_axes((left / total, 0, width / total, 1 - title_px / height_px))
        _draw_shadow(axes, shadow, upper)
        left += width + gap_mm
    bar = figure.add_axes(((left + 0.005 * total) / total, 0.12, 0.016, 0.6))
    _grey_bar(bar, upper, unit)
    return _encoded(figure, alt, caption, scale=1.5)


def _grey_bar(axes: Axes, upper: float, unit: str) -> None:
    axes.imshow(np.linspace(0, 1, 128)[:, None], cmap="gray", aspect="auto", extent=(0, 1, 0, upper))
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.set_title(unit.replace(" units", ""), fontsize=9, loc="center")
    axes.tick_params(labelsize=9)


def _draw_shadow(axes: Axes, shadow: Shadow, upper: float) -> None:
    axes.imshow(shadow.array, cmap="gray_r", vmin=0, vmax=upper, extent=shadow.extent_mm, interpolation="bilinear")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color("#cccccc")
    left, right, bottom, top = shadow.extent_mm
    rows, columns = shadow.array.shape
    pixel = ((right - left) / columns, (bottom - top) / rows)
    if shadow.liver is not None:
        _outline(axes, shadow.liver, pixel, colors=LIVER_DARK, linewidths=1.6, linestyles="--")
    anchors: dict[str, tuple[float, float]] = {}
    for label, inside in shadow.lesions.items():
        _outline(axes, inside, pixel, colors=LESION_DARK, linewidths=1.4)
        row, column = np.argwhere(inside > 0.5).mean(axis=0) + 0.5
        anchors[str(label)] = (float(column * pixel[0]), float(row * pixel[1]))
    colours = dict.fromkeys(anchors, _NUMBER_COLOUR)
    for name, (inside, state) in shadow.body.items():
        colour, style = BODY_STYLES[state]
        _outline(axes, inside, pixel, colors=colour, linewidths=1.4, linestyles=style)
        row, column = np.argwhere(inside > 0.5).mean(axis=0) + 0.5
        anchors[name] = (float(column * pixel[0]), float(row * pixel[1]))
        colours[name] = colour
    _number_with_leaders(axes, anchors, colours, right, bottom)
    axes.set_title(shadow.title, fontsize=12, loc="left", pad=6)
    text: TextStyle = {
        "fontsize": 12,
        "fontweight": "bold",
        "color": "#333333",
        "va": "top",
        "path_effects": halo(3, "white"),
    }
    axes.text(0.015, 0.985, shadow.sides[0], transform=axes.transAxes, ha="left", **text)
    axes.text(0.985, 0.985, shadow.sides[1], transform=axes.transAxes, ha="right", **text)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)


def _number_with_leaders(
    axes: Axes, anchors: Mapping[str, tuple[float, float]], colours: Mapping[str, str], width: float, height: float
) -> None:
    """Number lesions on a circle around their places, pushed apart, with a thin line to each."""
    if not anchors:
        return
    points = np.array(list(anchors.values()))
    middle = points.mean(axis=0) if len(points) > 1 else np.array([width / 2, height / 2])
    away = points - middle
    away = away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-6)
    away[np.linalg.norm(away, axis=1) < 0.5] = (0.7, -0.7)
    apart_mm = 15.0 if len(points) <= 40 else 8.0
    places = spread_apart(points + 1.6 * apart_mm * away, points, apart_mm, (width, height))
    for label, anchor, place in zip(anchors, points, places, strict=True):
        line = LESION_DARK if colours[label] == _NUMBER_COLOUR else colours[label]
        axes.plot([anchor[0], place[0]], [anchor[1], place[1]], color=line, linewidth=0.7)
        axes.text(
            place[0], place[1], label, fontsize=10 if len(points) <= 40 else 7, fontweight="bold", color=colours[label],
            ha="center", va="center", path_effects=halo(3, "white"),
        )  # fmt: skip


def spread_apart(
    places: npt.NDArray[np.float64], fixed: npt.NDArray[np.float64], apart: float, bounds: tuple[float, float]
) -> npt.NDArray[np.float64]:
    """Push labels from each other and from marked points until none is nearer than a distance, or 60 times."""
    places = places.copy()
    for _ in range(60):
        others = np.concatenate([places, fixed])
        gap = places[:, None] - others[None]
        distance = np.linalg.norm(gap, axis=-1)
        np.fill_diagonal(distance, np.inf)
        push = np.clip(apart - distance, 0, None) / 2
        if not push.any():
            break
        places = places + (gap / np.maximum(distance, 1e-6)[..., None] * push[..., None]).sum(axis=1)
        places = np.clip(places, apart / 2, np.asarray(bounds) - apart / 2)
    return places


@dataclass(frozen=True, eq=False)
class UptakeSamples:
    """PET values inside the liver (without lesions) and inside lesions, and the references drawn in."""

    liver: npt.NDArray[np.floating]
    lesions: npt.NDArray[np.floating]
    mean: float | None
    limit: float | None
    unit: str


def histogram_picture(samples: UptakeSamples, alt: str, caption: str) -> Picture:
    """How uptake is distributed in liver and lesions, each in percent of its own volume."""
    everything = np.concatenate([samples.liver, samples.lesions])
    top = float(np.percentile(everything, 99.9)) if samples.lesions.size == 0 else float(samples.lesions.max())
    top = max(top, 1.4 * (samples.limit or samples.mean or 0.0), 1e-6)
    edges = np.linspace(0.0, top, 81).tolist()
    figure = _figure(900, 300)
    axes = figure.add_axes((0.075, 0.19, 0.91, 0.70))
    for values, name, colour, style in (
        (samples.liver, "Lesion-free liver", LIVER_DARK, "-"),
        (samples.lesions, "Lesions", LESION_DARK, "-"),
    ):
        if values.size:
            weights = np.full(values.size, 100.0 / values.size)
            axes.hist(values, edges, weights=weights, histtype="stepfilled", alpha=0.25, color=colour)
            axes.hist(values, edges, weights=weights, histtype="step", color=colour, lw=1.6, ls=style, label=name)
    if samples.mean is not None:
        axes.axvline(samples.mean, color="black", lw=1.5, label=f"Normal liver, mean {samples.mean:.1f}")
    if samples.limit is not None:
        axes.axvline(
            samples.limit,
            color="black",
            lw=1.5,
            ls="--",
            label=f"Normal liver, upper limit of a 1 ml mean {samples.limit:.1f}",
        )
    axes.set_xlim(0, top)
    axes.set_xlabel(f"Uptake ({samples.unit})")
    axes.set_ylabel("Volume (%)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=10)
    return _encoded(figure, alt, caption, kind="png", scale=1.6)
