"""Bland-Altman plots as SVG: difference of two readings against their mean.

References
----------
.. [1] Bland JM, Altman DG. Measuring agreement in method comparison studies. Stat Methods Med Res 1999;8:135-160.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup, escape

from dotaliver.agreement.pairs import Numbers

__all__ = ["bland_altman_svg"]

_WIDTH, _HEIGHT = 620, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 118, 14, 46
_TICKS = 5
_POINT, _LINE, _GREY = "#0072B2", "#B84A00", "#5a6675"


def bland_altman_svg(numbers: Numbers, first: str, second: str) -> Markup:
    """Differences (first minus second) against means, with bias and 95 % limits; each point is titled by its case."""
    limits = numbers.limits
    points = [(code, (one + other) / 2, one - other) for code, one, other in numbers.values]
    lines = [] if limits is None else [limits.low, limits.mean, limits.high]
    across = _ticks([mean for _, mean, _ in points])
    up = _ticks([*(difference for _, _, difference in points), *lines, 0.0])

    def x(value: float) -> float:
        return _LEFT + (value - across[0]) / (across[-1] - across[0]) * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _TOP + (up[-1] - value) / (up[-1] - up[0]) * (_HEIGHT - _TOP - _BOTTOM)

    parts = [_axis_marks(across, up, x_of={t: x(t) for t in across}, y_of={t: y(t) for t in up})]
    parts.append(
        _axis_titles(f"Mean of {first} and {second} ({numbers.unit})", f"{first} minus {second} ({numbers.unit})")
    )
    if limits is not None:
        for name, value in (("+1.96 SD", limits.high), ("bias", limits.mean), ("−1.96 SD", limits.low)):
            dash = "" if name == "bias" else ' stroke-dasharray="6 4"'
            parts.append(
                f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="{_LINE}"'
                f'{dash}/><text x="{_WIDTH - _RIGHT + 6}" y="{y(value) + 4:.1f}" fill="{_LINE}">'
                f"{name} {value:+.1f}</text>"
            )
    for code, mean, difference in points:
        parts.append(
            f'<circle cx="{x(mean):.1f}" cy="{y(difference):.1f}" r="4" fill="{_POINT}" fill-opacity="0.75">'
            f"<title>{escape(code)}: mean {mean:.1f}, difference {difference:+.1f}</title></circle>"
        )
    title = escape(f"Bland-Altman plot of {numbers.question}, {first} against {second}")
    body = "".join(parts)
    return Markup(
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{title}" font-size="12" '
        f'font-family="system-ui, sans-serif" xmlns="http://www.w3.org/2000/svg"><title>{title}</title>{body}</svg>'
    )


def _axis_marks(
    across: Sequence[float], up: Sequence[float], *, x_of: dict[float, float], y_of: dict[float, float]
) -> str:
    bottom = _HEIGHT - _BOTTOM
    parts = [
        f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y_of[tick]:.1f}" y2="{y_of[tick]:.1f}" '
        f'stroke="{"#8a94a2" if tick == 0 else "#e3e7ec"}"/>'
        f'<text x="{_LEFT - 8}" y="{y_of[tick] + 4:.1f}" text-anchor="end" fill="{_GREY}">{tick:g}</text>'
        for tick in up
    ]
    parts += [
        f'<line x1="{x_of[tick]:.1f}" x2="{x_of[tick]:.1f}" y1="{bottom}" y2="{bottom + 5}" stroke="{_GREY}"/>'
        f'<text x="{x_of[tick]:.1f}" y="{bottom + 18}" text-anchor="middle" fill="{_GREY}">{tick:g}</text>'
        for tick in across
    ]
    parts.append(f'<line x1="{_LEFT}" x2="{_LEFT}" y1="{_TOP}" y2="{bottom}" stroke="{_GREY}"/>')
    return "".join(parts)


def _axis_titles(across: str, up: str) -> str:
    middle, height = (_LEFT + _WIDTH - _RIGHT) / 2, (_TOP + _HEIGHT - _BOTTOM) / 2
    return (
        f'<text x="{middle:.0f}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(across)}</text>'
        f'<text transform="translate(14 {height:.0f}) rotate(-90)" text-anchor="middle">{escape(up)}</text>'
    )


def _ticks(values: Sequence[float]) -> list[float]:
    """Round numbers that enclose some values."""
    low, high = min(values), max(values)
    if high - low < 1e-9:
        low, high = low - 1, high + 1
    rough = (high - low) / _TICKS
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(n * step, 10) for n in range(first, last + 1)]
