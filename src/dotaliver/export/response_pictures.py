"""The response report's pictures: sums over time with their thresholds, and lesions at one place over all scans."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from dotaliver.config import RecistConfig
from dotaliver.export.report_figures import CT_WINDOW_HU, LESION_COLOUR, Picture, grey
from dotaliver.export.views import anatomical, axial_plane, outlines_on, sample
from dotaliver.geometry import Vector
from dotaliver.longitudinal.records import Reading
from dotaliver.records import Diameter
from dotaliver.volume import LabelMap, Quantity, Volume

__all__ = ["ThumbnailView", "lesion_chart", "sum_chart", "thumbnail"]

# Okabe and Ito's colours, told apart by colour-blind readers; lines differ in marker as well.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_DPI = 110
_FIELD_MM = 90.0


@dataclass(frozen=True, eq=False)
class ThumbnailView:
    """What one thumbnail shows: an image around a place, with outlines and a diameter where there are any."""

    image: Volume
    centre_lps_mm: Vector
    outlines: LabelMap | None
    labels: tuple[int, ...]
    diameter: Diameter | None
    upper: float
    """Uptake shown black, where the image is a PET."""


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=_DPI)


def _png(figure: Any, alt: str) -> Picture:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=_DPI, metadata={"Software": None})
    return Picture(f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}", alt)


def _time_axis(axes: Any, reading: Reading) -> None:
    days = [key.on for key in reading.scans]
    axes.set_xticks(days)
    names = [(key.visit or f"scan {n}") + f"\n{key.on}" for n, key in enumerate(reading.scans, start=1)]
    axes.set_xticklabels(names, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    span = days[-1] - days[0]
    axes.set_xlim(days[0] - span * 0.06, days[-1] + span * 0.10)


def sum_chart(reading: Reading, config: RecistConfig) -> Picture | None:
    """Sum of target diameters over time, with the levels at which response and progression begin.

    None where no sum is known. The level of progression moves with the nadir; a time point that is not evaluable has
    no point.
    """
    points = [(p, p.targets.sum_mm) for p in reading.time_points]
    known = [(p, mm) for p, mm in points if mm is not None]
    base = points[0][1] if points else None
    if base is None:
        return None
    figure = _figure(7.4, 3.3)
    axes = figure.add_axes((0.09, 0.16, 0.76, 0.78))
    days = [reading.scans[p.scan].on for p, _ in known]
    first, last = reading.scans[reading.time_points[0].scan].on, reading.scans[-1].on
    response = (1 - config.response_share) * base
    axes.hlines(response, first, last, colors="#0072B2", linestyles="--", linewidth=1.4)
    axes.annotate(
        f"response {response:.0f} mm", (last, response), xytext=(26, -3), textcoords="offset points",
        fontsize=8, color="#0072B2", va="center", annotation_clip=False,
    )  # fmt: skip
    _progression_steps(axes, reading, config)
    axes.plot(days, [mm for _, mm in known], color="#1c2430", marker="o", linewidth=2)
    for point, mm in known:
        word = "baseline" if point.overall is None else point.targets.response or ""
        axes.annotate(
            f"{mm:.0f} mm\n{word}", (reading.scans[point.scan].on, mm), xytext=(0, 7), textcoords="offset points",
            ha="center", fontsize=8, fontweight="bold",
        )  # fmt: skip
    axes.set_ylabel("Sum of diameters (mm)", fontsize=8)
    axes.set_ylim(0, 1.25 * max([base, *(mm for _, mm in known), (1 + config.progression_share) * base]))
    _time_axis(axes, reading)
    words = ", ".join(f"{reading.scans[p.scan].on}: {mm:.1f} mm" for p, mm in known)
    return _png(figure, f"Sum of target diameters over time: {words}")


def _progression_steps(axes: Any, reading: Reading, config: RecistConfig) -> None:
    """The level of progression, which each new nadir lowers."""
    nadirs, current = [], None
    for point in reading.time_points:
        total = point.targets.sum_mm
        if total is not None:
            current = total if current is None else min(current, total)
        if current is not None:
            level = max((1 + config.progression_share) * current, current + config.progression_mm)
            nadirs.append((reading.scans[point.scan].on, level))
    for (start, level), (end, _) in pairwise(nadirs):
        axes.hlines(level, start, end, colors="#B84A00", linestyles="-.", linewidth=1.4)
    if len(nadirs) > 1:
        end, level = nadirs[-1][0], nadirs[-2][1]
        axes.annotate(
            f"progression {level:.0f} mm", (end, level), xytext=(26, 3), textcoords="offset points",
            fontsize=8, color="#B84A00", va="center", annotation_clip=False,
        )  # fmt: skip


def lesion_chart(reading: Reading) -> Picture | None:
    """The decisive diameter of each target, and SUVpeak of each lesion, over time; None where there is nothing."""
    targets = {s.lesion: [] for p in reading.time_points for s in p.sizes}  # type: dict[str, list[tuple[Any, float]]]
    for point in reading.time_points:
        for size in point.sizes:
            if size.size_mm is not None or size.status in {"absent", "merged"}:
                targets[size.lesion].append((reading.scans[point.scan].on, size.size_mm or 0.0))
    uptake = {
        lesion.lesion: [(reading.scans[u.scan].on, u.suv_peak) for u in lesion.uptake if u.suv_peak is not None]
        for lesion in reading.lesions
    }
    if not any(targets.values()) and not any(uptake.values()):
        return None
    figure = _figure(7.4, 3.3)
    left, right = figure.add_axes((0.09, 0.16, 0.36, 0.74)), figure.add_axes((0.56, 0.16, 0.36, 0.74))
    _lines(left, targets, "Target diameter (mm)", reading)
    _lines(right, uptake, "SUVpeak", reading)
    return _png(figure, "Diameter of each target and SUVpeak of each lesion over time")


def _lines(axes: Any, series: dict[str, Any], label: str, reading: Reading) -> None:
    for n, (name, values) in enumerate(series.items()):
        if not values:
            continue
        days, numbers = zip(*values, strict=True)
        axes.plot(
            days, numbers, color=_COLOURS[n % 7], marker=_MARKERS[n % 7], markersize=4, linewidth=1.3,
            linestyle=("-", "--", ":")[n // 7 % 3],
        )  # fmt: skip
        axes.annotate(
            name, (days[-1], numbers[-1]), xytext=(5, 0), textcoords="offset points", fontsize=7,
            color=_COLOURS[n % 7], va="center", annotation_clip=False,
        )  # fmt: skip
    axes.set_title(label, fontsize=9, loc="left")
    axes.set_ylim(bottom=0)
    _time_axis(axes, reading)


def thumbnail(view: ThumbnailView, alt: str) -> Picture:
    """An axial section of 9 cm around a place, head first, the patient's right on the left."""
    image = anatomical(view.image)
    grid = image.geometry
    index = int(np.clip(round(float(grid.lps_to_index(view.centre_lps_mm)[0])), 0, grid.shape[0] - 1))
    plane = axial_plane(grid, index, view.centre_lps_mm, (_FIELD_MM, _FIELD_MM))
    is_ct = image.quantity is Quantity.HU
    values = sample(image, plane, (0.0, 0.0, 0.0), outside=-1000.0 if is_ct else 0.0)
    low, high = CT_WINDOW_HU if is_ct else (0.0, view.upper)
    rgb = grey(values, low, high, inverted=not is_ct)
    rows, columns = rgb.shape[:2]
    figure = _figure(1.9, 1.9)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(rgb, extent=(0, columns, rows, 0), aspect="auto", interpolation="bilinear")
    axes.set_axis_off()
    if view.outlines is not None:
        for label, inside in outlines_on(view.outlines, plane, (0.0, 0.0, 0.0)).items():
            _draw_outline(axes, inside, own=label in view.labels)
    if view.diameter is not None:
        _draw_axes(axes, view.diameter, plane, index, grid)
    axes.set_xlim(0, columns)
    axes.set_ylim(rows, 0)
    return _png(figure, alt)


def _draw_outline(axes: Any, inside: Any, *, own: bool) -> None:
    rows, columns = inside.shape
    x, y = np.arange(columns) + 0.5, np.arange(rows) + 0.5
    axes.contour(
        x, y, inside, levels=[0.5], colors=LESION_COLOUR if own else "white",
        linewidths=1.6 if own else 0.8, linestyles="-" if own else ":",
    )  # fmt: skip


def _draw_axes(axes: Any, diameter: Diameter, plane: Any, index: int, grid: Any) -> None:
    """Long and short axis, where they lie on the slice that is shown."""
    points = plane.points_lps_mm
    steps = np.stack([points[1, 0] - points[0, 0], points[0, 1] - points[0, 0]]) / plane.pixel_mm**2
    ends: Sequence[tuple[Vector, Vector] | None] = (diameter.long_axis_lps_mm, diameter.short_axis_lps_mm)
    for pair, style in zip(ends, ("-", "--"), strict=True):
        if pair is None or abs(float(grid.lps_to_index(pair[0])[0]) - index) > 0.6:
            continue
        places = (np.asarray(pair) - points[0, 0]) @ steps.T + 0.5
        axes.plot(places[:, 1], places[:, 0], color="#56B4E9", linewidth=1.4, linestyle=style)
