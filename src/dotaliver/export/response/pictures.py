"""The response report's charts: sums over time with their thresholds, and every lesion over time."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING

from dotaliver.config.criteria import RecistConfig
from dotaliver.export.report.figures import Picture
from dotaliver.export.report.thumbnails import figure_of, png_of
from dotaliver.longitudinal.records import Reading

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["lesion_chart", "sum_chart"]

# Colours of Okabe and Ito, distinguishable with colour blindness; lines differ in marker as well.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_Line = list[tuple[float, float]]
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def _day(on: date) -> float:
    """A date as matplotlib's number of days."""
    from matplotlib.dates import date2num

    return float(date2num(on))


def _time_axis(axes: Axes, reading: Reading) -> None:
    days = [_day(key.on) for key in reading.scans]
    axes.set_xticks(days)
    names = [(key.visit or f"scan {n}") + f"\n{key.on}" for n, key in enumerate(reading.scans, start=1)]
    axes.set_xticklabels(names, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    span = days[-1] - days[0]
    axes.set_xlim(days[0] - span * 0.06, days[-1] + span * 0.10)


def sum_chart(reading: Reading, config: RecistConfig) -> Picture | None:
    """Sum of target diameters over time, with the thresholds of response and progression.

    None where no sum is known. The threshold of progression follows the nadir; a time point that is not evaluable has
    no point.
    """
    points = [(p, p.targets.sum_mm) for p in reading.time_points]
    known = [(p, mm) for p, mm in points if mm is not None]
    base = points[0][1] if points else None
    if base is None:
        return None
    figure = figure_of(7.4, 3.3)
    axes = figure.add_axes((0.09, 0.16, 0.76, 0.78))
    days = [_day(reading.scans[p.scan].on) for p, _ in known]
    first, last = _day(reading.scans[reading.time_points[0].scan].on), _day(reading.scans[-1].on)
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
            f"{mm:.0f} mm\n{word}", (_day(reading.scans[point.scan].on), mm), xytext=(0, 7), textcoords="offset points",
            ha="center", fontsize=8, fontweight="bold",
        )  # fmt: skip
    axes.set_ylabel("Sum of diameters (mm)", fontsize=8)
    axes.set_ylim(0, 1.25 * max([base, *(mm for _, mm in known), (1 + config.progression_share) * base]))
    _time_axis(axes, reading)
    words = ", ".join(f"{reading.scans[p.scan].on}: {mm:.1f} mm" for p, mm in known)
    return png_of(figure, f"Sum of target diameters over time: {words}")


def _progression_steps(axes: Axes, reading: Reading, config: RecistConfig) -> None:
    """The threshold of progression, which each new nadir lowers."""
    nadirs, current = [], None
    for point in reading.time_points:
        total = point.targets.sum_mm
        if total is not None:
            current = total if current is None else min(current, total)
        if current is not None:
            level = max((1 + config.progression_share) * current, current + config.progression_mm)
            nadirs.append((_day(reading.scans[point.scan].on), level))
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
    targets: dict[str, _Line] = {s.lesion: [] for p in reading.time_points for s in p.sizes}
    for point in reading.time_points:
        for size in point.sizes:
            # A merged lesion has no diameter of its own: its line ends.
            if size.status != "merged" and (size.size_mm is not None or size.status == "absent"):
                targets[size.lesion].append((_day(reading.scans[point.scan].on), size.size_mm or 0.0))
    uptake = {
        lesion.lesion: [(_day(reading.scans[u.scan].on), u.suv_peak) for u in lesion.uptake if u.suv_peak is not None]
        for lesion in reading.lesions
    }
    if not any(targets.values()) and not any(uptake.values()):
        return None
    figure = figure_of(7.4, 3.3)
    left, right = figure.add_axes((0.09, 0.16, 0.36, 0.74)), figure.add_axes((0.56, 0.16, 0.36, 0.74))
    _lines(left, targets, "Target diameter (mm)", reading)
    _lines(right, uptake, "SUVpeak", reading)
    return png_of(figure, "Diameter of each target and SUVpeak of each lesion over time")


def _lines(axes: Axes, series: dict[str, _Line], label: str, reading: Reading) -> None:
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
