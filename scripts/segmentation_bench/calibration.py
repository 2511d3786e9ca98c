"""Whether the interval of the burden is as sure as it says, by family, in figures and as a picture.

The program states one interval, of 95 %. For other levels, each side of it is scaled as that of a normal distribution
would be: half as wide on both sides means 67 %. Observed is the share of studies whose true burden lies inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Row = dict[str, Any]
LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
STATED, LEAST_OF_A_FAMILY = 0.95, 0.85
WIDEST_POINTS = 8.0
# A true burden on the end of an interval lies inside.
_ROUNDING = 1e-9


def judged(rows: Sequence[Row]) -> list[Row]:
    """Rows with a burden and its interval."""
    return [row for row in rows if row["burden"] is not None]


def held(row: Row) -> bool:
    """Whether the interval holds the true burden."""
    return bool(row["low"] - _ROUNDING <= row["burden_true"] <= row["high"] + _ROUNDING)


def beyond_points(row: Row) -> float:
    """How far the true burden lies below (-) or above (+) the interval, in points; 0 inside."""
    return 100.0 * (min(row["burden_true"] - row["low"], 0.0) + max(row["burden_true"] - row["high"], 0.0))


def width_points(row: Row) -> float:
    """Width of the interval in points."""
    return float(100.0 * (row["high"] - row["low"]))


def share_within(rows: Sequence[Row], level: float) -> float:
    """Share of studies whose true burden lies inside the interval, scaled to another level."""
    from scipy.stats import norm

    factor = norm.ppf(0.5 + level / 2) / norm.ppf(0.5 + STATED / 2)
    inside = [
        row["burden"] - factor * (row["burden"] - row["low"]) - _ROUNDING
        <= row["burden_true"]
        <= row["burden"] + factor * (row["high"] - row["burden"]) + _ROUNDING
        for row in rows
    ]
    return float(np.mean(inside))


def bounds(part: int, whole: int) -> tuple[float, float]:
    """95 % confidence interval of a share (Clopper and Pearson)."""
    from scipy.stats import beta

    low = 0.0 if part == 0 else float(beta.ppf(0.025, part, whole - part + 1))
    high = 1.0 if part == whole else float(beta.ppf(0.975, part + 1, whole - part))
    return low, high


def summary(rows: Sequence[Row]) -> list[str]:
    """Coverage in all, by level and by family (the least first), and every miss."""
    some = judged(rows)
    if not some:
        return []
    inside = sum(map(held, some))
    low, high = bounds(inside, len(some))
    lines = [
        f"The interval holds the true burden in {inside} of {len(some)} ({100 * inside / len(some):.1f} %, "
        f"{100 * low:.1f} to {100 * high:.1f}); asked 93 to 97 %. Median width "
        f"{np.median([width_points(row) for row in some]):.1f} points; asked {WIDEST_POINTS:g} at most.",
        "",
        "| level | " + " | ".join(f"{100 * level:g} %" for level in LEVELS) + " |",
        "| --- " * (len(LEVELS) + 1) + "|",
        "| observed | " + " | ".join(f"{100 * share_within(some, level):.0f} %" for level in LEVELS) + " |",
        "",
        "| family | held | | median width, points | median error | largest error |",
        "| --- " * 6 + "|",
    ]
    for name, own in _by_family(some):
        inside = sum(map(held, own))
        errors = [100 * (row["burden"] - row["burden_true"]) for row in own]
        mark = f"**under {100 * LEAST_OF_A_FAMILY:g} %**" if inside < LEAST_OF_A_FAMILY * len(own) else ""
        lines.append(
            f"| {name} | {inside} of {len(own)} | {mark} | {np.median([width_points(row) for row in own]):.1f} "
            f"| {np.median(errors):+.1f} | {max(errors, key=abs):+.1f} |"
        )
    lines += ["", "| study | true | burden | interval | beyond it, points |", "| --- " * 5 + "|"]
    for row in sorted((row for row in some if not held(row)), key=lambda row: -abs(beyond_points(row))):
        true, own, low, high = (100 * row[key] for key in ("burden_true", "burden", "low", "high"))
        lines.append(
            f"| {row['name']} | {true:.1f} | {own:.1f} | {low:.1f} to {high:.1f} | {beyond_points(row):+.1f} |"
        )
    return lines


def _by_family(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """Studies of each family, the family with the least coverage first."""
    names = dict.fromkeys(row["family"] for row in rows)
    groups = [(name, [row for row in rows if row["family"] == name]) for name in names]
    return sorted(groups, key=lambda group: (np.mean([held(row) for row in group[1]]), group[0]))


def draw(rows: Sequence[Row], path: Path) -> None:
    """Three panels: nominal against observed coverage, error against half-width, coverage of every family."""
    some = judged(rows)
    if not some:
        return
    from matplotlib.figure import Figure

    groups = _by_family(some)
    figure = Figure(figsize=(17, max(6.0, 1.5 + 0.2 * len(groups))), layout="constrained")
    curve, errors, families = figure.subplots(1, 3)
    _draw_levels(curve, some)
    _draw_errors(errors, groups)
    _draw_families(families, groups)
    figure.savefig(path, dpi=110)


def _draw_levels(axes: Axes, rows: Sequence[Row]) -> None:
    observed = np.array([share_within(rows, level) for level in LEVELS])
    ends = np.array([bounds(round(share * len(rows)), len(rows)) for share in observed]).T
    axes.plot((0.45, 1), (0.45, 1), color="0.7", linewidth=1)
    axes.errorbar(LEVELS, observed, yerr=np.abs(ends - observed), marker="o", capsize=3, color="tab:blue")
    axes.axhspan(0.93, 0.97, color="tab:green", alpha=0.15, linewidth=0)
    axes.set(
        xlabel="nominal (each side of the 95 % interval scaled as a normal distribution)",
        ylabel="observed: true burden inside",
        title=f"Coverage of {len(rows)} studies\n(bars: 95 % confidence; green: asked at 95 %)",
        xlim=(0.45, 1.0),
        ylim=(0.0, 1.02),
    )


def _draw_errors(axes: Axes, groups: list[tuple[str, list[Row]]]) -> None:
    """Half of the interval on the side on which the truth lies, against the error: under the line it is held."""
    low = {name for name, own in groups if np.mean([held(row) for row in own]) < LEAST_OF_A_FAMILY}
    largest = 1.0
    # Those are drawn last, over the others.
    for name, own in sorted(groups, key=lambda group: group[0] in low):
        errors = np.array([100 * abs(row["burden"] - row["burden_true"]) for row in own])
        sides = np.array([100 * _side(row) for row in own])
        largest = max(largest, float(errors.max()), float(sides.max()))
        if name in low:
            axes.plot(sides, errors, "o", markersize=6, label=name)
        else:
            axes.plot(sides, errors, ".", color="0.6", markersize=5)
    axes.plot((0.1, largest), (0.1, largest), color="0.7", linewidth=1)
    axes.set(
        xscale="symlog",
        yscale="symlog",
        xlabel="width of the interval on the side of the truth, points",
        ylabel="error of the burden, points",
        title="Above the line: not held",
    )
    if low:
        axes.legend(title=f"families under {100 * LEAST_OF_A_FAMILY:g} %", fontsize=8)


def _side(row: Row) -> float:
    return float(row["burden"] - row["low"] if row["burden_true"] < row["burden"] else row["high"] - row["burden"])


def _draw_families(axes: Axes, groups: list[tuple[str, list[Row]]]) -> None:
    for place, (_, own) in enumerate(groups):
        inside = sum(map(held, own))
        share, (low, high) = inside / len(own), bounds(inside, len(own))
        colour = "tab:red" if share < LEAST_OF_A_FAMILY else "tab:blue"
        axes.plot((low, high), (place, place), color=colour, linewidth=1, alpha=0.5)
        axes.plot(share, place, "o", color=colour, markersize=4)
    axes.axvline(LEAST_OF_A_FAMILY, color="0.7", linewidth=1)
    axes.set_yticks(range(len(groups)), [f"{name} ({len(own)})" for name, own in groups], fontsize=7)
    axes.set(xlim=(0, 1.02), xlabel="true burden inside", title="By family (bars: 95 % confidence)")
