"""The arithmetic behind the response of two scans, written out: sums, change, uptake and volume."""

from __future__ import annotations

from collections.abc import Sequence

from dotaliver.config.criteria import RecistConfig
from dotaliver.longitudinal.pair_answers import EARLIER, LATER
from dotaliver.longitudinal.records import LesionUptake, Reading, TrackedLesion
from dotaliver.longitudinal.target_sizes import TargetSize
from dotaliver.longitudinal.uptake import relative_change

__all__ = ["percent", "response_lines"]

_STATUS = {"too_small": "too small", "absent": "absent", "merged": "merged"}


def percent(share: float, digits: int = 0) -> str:
    """A relative change with its sign.

    Examples
    --------
    >>> percent(-0.192, 1), percent(0.25), percent(-0.001)
    ('−19.2 %', '+25 %', '0 %')
    """
    value = round(100.0 * share, digits)
    sign = "−" if value < 0 else "+" if value > 0 else ""
    return f"{sign}{abs(value):.{digits if value else 0}f} %"


def response_lines(reading: Reading, config: RecistConfig, peak: str = "SUVpeak") -> tuple[tuple[str, str], ...]:
    """What is added, divided and compared, each with its heading; what is not known is left out.

    ``peak`` is what the peak uptake is called in the unit of these scans.
    """
    return (*_sums(reading, config), *_uptake(reading, config, peak))


def _sums(reading: Reading, config: RecistConfig) -> list[tuple[str, str]]:
    before, now = (next((p for p in reading.time_points if p.scan == scan), None) for scan in (EARLIER, LATER))
    if before is None or now is None or not before.sizes:
        return []
    lines = [
        ("Sum before", _added(before.sizes, before.targets.sum_mm, config)),
        ("Sum now", _added(now.sizes, now.targets.sum_mm, config)),
    ]
    a, b = now.targets.baseline_mm, now.targets.sum_mm
    if a and b is not None:
        change = percent((b - a) / a, 1)
        step = b - a
        mm = f"{'−' if step < 0 else '+' if step > 0 else ''}{abs(step):.1f} mm"
        lines.append(("Change", f"({b:.1f} − {a:.1f}) / {a:.1f} = {change} ({mm})"))
    return lines


def _added(sizes: Sequence[TargetSize], total_mm: float | None, config: RecistConfig) -> str:
    terms = " + ".join(_term(size, config) for size in sizes)
    return terms if total_mm is None else f"{terms} = {total_mm:.1f} mm"


def _term(size: TargetSize, config: RecistConfig) -> str:
    mm = size.counted_mm(config)
    if mm is None:
        return f"{size.lesion} not measured"
    status = _STATUS.get(size.status)
    node = " (short axis)" if size.node and status is None else ""
    return f"{size.lesion} {mm:.1f}{node}" if status is None else f"{size.lesion} {mm:g} ({status})"


def _uptake(reading: Reading, config: RecistConfig, peak: str) -> list[tuple[str, str]]:
    before, now = reading.uptake[EARLIER], reading.uptake[LATER]
    lines = []
    same_unit = reading.scans[EARLIER].uptake_unit == reading.scans[LATER].uptake_unit
    pairs = [pair for lesion in reading.lesions if (pair := _peaks(lesion, config)) is not None]
    if pairs and same_unit:
        means = [sum(pair[n] for pair in pairs) / len(pairs) for n in (0, 1)]
        lines.append((f"{peak}, mean of {len(pairs)} on both", _change(means[0], means[1], 1, "")))
    if before.suv_peak_highest is not None and now.suv_peak_highest is not None and same_unit:
        lines.append((f"Highest {peak}", _change(before.suv_peak_highest, now.suv_peak_highest, 1, "")))
    if before.tumour_ml is not None and now.tumour_ml is not None:
        lines.append(("Tumour volume", _change(before.tumour_ml, now.tumour_ml, 1, " ml")))
    if before.burden is not None and now.burden is not None:
        lines.append(("Liver burden", _change(100 * before.burden, 100 * now.burden, 1, " %")))
    return lines


def _peaks(lesion: TrackedLesion, config: RecistConfig) -> tuple[float, float] | None:
    """SUVpeak on both scans of a lesion whose identity is certain."""
    appearance = lesion.track.on(LATER)
    if appearance is None or not (appearance.by == "reader" or appearance.confidence >= config.sure):
        return None
    found: dict[int, LesionUptake] = {each.scan: each for each in lesion.uptake}
    before, now = found.get(EARLIER), found.get(LATER)
    if before is None or now is None or before.suv_peak is None or now.suv_peak is None:
        return None
    return before.suv_peak, now.suv_peak


def _change(before: float, now: float, digits: int, unit: str) -> str:
    change = relative_change(before, now)
    share = "" if change is None else f" ({percent(change)})"
    return f"{before:.{digits}f} → {now:.{digits}f}{unit}{share}"
