"""PET findings over time: uptake, volume and burden, and their change by route of therapy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dotaliver.config.criteria import RecistConfig
from dotaliver.longitudinal.followed import FollowedLesion
from dotaliver.longitudinal.records import Cycle, PatientUptake, RouteEffect, ScanKey
from dotaliver.records.score import StudyScore

__all__ = ["patient_uptake", "relative_change", "route_effects"]


def relative_change(before: float | None, now: float | None) -> float | None:
    """Relative change; None where either is missing or nothing was there before."""
    if before is None or now is None or before <= 0:
        return None
    return (now - before) / before


def patient_uptake(scan: int, score: StudyScore) -> PatientUptake:
    """The patient's lesions together on one scan, without those marked as no lesion or as a simple cyst."""
    lesions = [lesion for lesion in score.lesions if lesion.tumour]
    totals = [lesion.total_uptake for lesion in lesions if lesion.total_uptake is not None]
    return PatientUptake(
        scan=scan,
        lesions=len(lesions),
        suv_peak_highest=max((n.suv_peak for n in lesions if n.suv_peak is not None), default=None),
        tumour_ml=sum(lesion.volume_ml for lesion in lesions),
        total_uptake=sum(totals) if len(totals) == len(lesions) else None,
        burden=score.burden.fraction,
    )


@dataclass(frozen=True)
class _Stretch:
    route: Cycle
    cycles: int
    start: int
    end: int


def _stretches(scans: Sequence[ScanKey]) -> list[_Stretch]:
    """Runs of scans that follow therapy by the same route, each from the scan before its first cycle."""
    found: list[_Stretch] = []
    for n, scan in enumerate(scans):
        if scan.cycle is None or n == 0:
            continue
        if found and found[-1].route == scan.cycle and found[-1].end == n - 1:
            last = found.pop()
            found.append(_Stretch(last.route, last.cycles + 1, last.start, n))
        else:
            found.append(_Stretch(scan.cycle, 1, n - 1, n))
    return found


def route_effects(
    scans: Sequence[ScanKey],
    lesions: Sequence[FollowedLesion],
    uptake: Sequence[PatientUptake],
    sums: Mapping[int, float | None],
    config: RecistConfig,
) -> tuple[RouteEffect, ...]:
    """Change over the cycles of each route; intra-arterial against intravenous is the trial's own question.

    ``cycles`` counts the scans that follow therapy by that route; with one scan after every cycle it is their number.
    Lesions whose identity is uncertain on both scans are left out.
    """
    return tuple(
        _effect(stretch, lesions, uptake, sums, config).model_copy(
            update={"analogue_changed": scans[stretch.start].analogue != scans[stretch.end].analogue}
        )
        for stretch in _stretches(scans)
    )


def _effect(
    stretch: _Stretch,
    lesions: Sequence[FollowedLesion],
    uptake: Sequence[PatientUptake],
    sums: Mapping[int, float | None],
    config: RecistConfig,
) -> RouteEffect:
    peaks: dict[str, tuple[float, float]] = {}
    for lesion in lesions:
        if not all(lesion.is_identified(scan, config) for scan in (stretch.start, stretch.end)):
            continue
        before, after = lesion.uptake(stretch.start), lesion.uptake(stretch.end)
        if before is None or after is None or before.suv_peak is None or after.suv_peak is None:
            continue
        peaks[lesion.lesion] = (before.suv_peak, after.suv_peak)
    first, last = uptake[stretch.start], uptake[stretch.end]

    def of(read: Callable[[PatientUptake], float | None]) -> float | None:
        return relative_change(read(first), read(last))

    means = [sum(pair[n] for pair in peaks.values()) for n in (0, 1)]
    changes = {name: relative_change(a, b) for name, (a, b) in peaks.items()}
    return RouteEffect(
        route=stretch.route,
        cycles=stretch.cycles,
        from_scan=stretch.start,
        to_scan=stretch.end,
        suv_peak_change=relative_change(means[0], means[1]),
        tumour_ml_change=of(lambda found: found.tumour_ml),
        total_uptake_change=of(lambda found: found.total_uptake),
        burden_change=of(lambda found: found.burden),
        target_sum_change=relative_change(sums.get(stretch.start), sums.get(stretch.end)),
        lesions={name: change for name, change in changes.items() if change is not None},
    )
