"""The arithmetic behind the response of two scans, written out: sums, change, uptake and volume."""

from __future__ import annotations

from collections.abc import Sequence

from dotaliver.config.criteria import RecistConfig
from dotaliver.longitudinal.compared_scans import Compared, ComparedScans
from dotaliver.longitudinal.records import LesionUptake, TrackedLesion
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


def response_lines(given: Compared, config: RecistConfig, peak: str = "SUVpeak") -> tuple[tuple[str, str], ...]:
    """What is added, divided and compared, each with its heading; what is not known is left out.

    Sums are compared as RECIST does: with the baseline, and in a course with the smallest sum before (the nadir) too.
    ``peak`` is what the peak uptake is called in the unit of these scans.
    """
    pair = given if isinstance(given, ComparedScans) else ComparedScans(given)
    return (*_sums(pair, config), *_uptake(pair, config, peak))


def _sums(pair: ComparedScans, config: RecistConfig) -> list[tuple[str, str]]:
    points = {point.scan: point for point in pair.reading.time_points}
    before, now = points.get(pair.reading.baseline), points.get(pair.later)
    if before is None or now is None or not before.sizes:
        return []
    is_course = len(pair.reading.scans) > len((pair.earlier, pair.later))
    lines = [("Sum at baseline" if is_course else "Sum before", _added(before.sizes, before.targets.sum_mm, config))]
    if now is before:
        return lines
    lines.append(("Sum now", _added(now.sizes, now.targets.sum_mm, config)))
    targets = now.targets
    if targets.baseline_mm and targets.sum_mm is not None:
        lines.append(("Since baseline" if is_course else "Change", _step(targets.baseline_mm, targets.sum_mm)))
    if is_course and targets.nadir_mm and targets.sum_mm is not None:
        lines.append(("Since nadir", _step(targets.nadir_mm, targets.sum_mm)))
    return lines


def _step(before_mm: float, now_mm: float) -> str:
    """A change with its arithmetic, relative and in mm."""
    step = now_mm - before_mm
    sign = "−" if step < 0 else "+" if step > 0 else ""
    change = percent(step / before_mm, 1)
    return f"({now_mm:.1f} − {before_mm:.1f}) / {before_mm:.1f} = {change} ({sign}{abs(step):.1f} mm)"


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


def _uptake(pair: ComparedScans, config: RecistConfig, peak: str) -> list[tuple[str, str]]:
    reading = pair.reading
    before, now = reading.uptake[pair.earlier], reading.uptake[pair.later]
    lines = []
    same_unit = reading.scans[pair.earlier].uptake_unit == reading.scans[pair.later].uptake_unit
    peaks = [found for lesion in reading.lesions if (found := _peaks(pair, lesion, config)) is not None]
    if peaks and same_unit:
        means = [sum(each[n] for each in peaks) / len(peaks) for n in (0, 1)]
        lines.append((f"{peak}, mean of {len(peaks)} on both", _change(means[0], means[1], 1, "")))
    if before.suv_peak_highest is not None and now.suv_peak_highest is not None and same_unit:
        lines.append((f"Highest {peak}", _change(before.suv_peak_highest, now.suv_peak_highest, 1, "")))
    if before.tumour_ml is not None and now.tumour_ml is not None:
        lines.append(("Tumour volume", _change(before.tumour_ml, now.tumour_ml, 1, " ml")))
    if before.burden is not None and now.burden is not None:
        lines.append(("Liver burden", _change(100 * before.burden, 100 * now.burden, 1, " %")))
    return lines


def _peaks(pair: ComparedScans, lesion: TrackedLesion, config: RecistConfig) -> tuple[float, float] | None:
    """SUVpeak on both scans of a lesion whose identity is certain."""
    if not all(_is_certain(lesion, scan, config) for scan in (pair.earlier, pair.later)):
        return None
    found: dict[int, LesionUptake] = {each.scan: each for each in lesion.uptake}
    before, now = found.get(pair.earlier), found.get(pair.later)
    if before is None or now is None or before.suv_peak is None or now.suv_peak is None:
        return None
    return before.suv_peak, now.suv_peak


def _is_certain(lesion: TrackedLesion, scan: int, config: RecistConfig) -> bool:
    appearance = lesion.track.on(scan)
    return appearance is not None and (
        scan == lesion.track.first or appearance.by == "reader" or appearance.confidence >= config.sure
    )


def _change(before: float, now: float, digits: int, unit: str) -> str:
    change = relative_change(before, now)
    share = "" if change is None else f" ({percent(change)})"
    return f"{before:.{digits}f} → {now:.{digits}f}{unit}{share}"
