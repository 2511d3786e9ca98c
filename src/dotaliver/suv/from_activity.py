"""From activity concentration to SUV: decay from the injection to the instant that voxels are corrected to."""

from __future__ import annotations

from datetime import datetime

from dotaliver.errors import SuvError
from dotaliver.suv.decay import (
    DecayCorrection,
    ReferenceWay,
    average_decay_during_frame,
    decay_factor,
    start_references,
)
from dotaliver.suv.records import (
    CrossCheck,
    SuvArithmetic,
    SuvInputs,
    SuvStep,
    activity_result,
    activity_text,
    clock_text,
    common_steps,
    needed_dose_bq,
    needed_half_life_s,
    slope_step,
    wanted_size,
    wanted_size_text,
)

__all__ = ["suv_from_activity"]


def suv_from_activity(inputs: SuvInputs) -> SuvArithmetic:
    """The factor from Bq/ml to SUV.

    Raises
    ------
    SuvError
        Where the scan precedes its injection, the reference time cannot be found, or an input is missing.
    """
    if inputs.decay_correction is DecayCorrection.START:
        return _start_arithmetic(inputs)
    if inputs.decay_correction is DecayCorrection.ADMIN:
        slope = wanted_size(inputs) / needed_dose_bq(inputs)
        steps = (
            *common_steps(inputs),
            SuvStep(
                quantity="Decay to apply",
                value="none: voxels are corrected to the injection",
                source=inputs.sources.get("decay_correction", ""),
            ),
            slope_step(inputs, slope, f"{wanted_size_text(inputs)} / {activity_text(needed_dose_bq(inputs))}"),
        )
        return activity_result(inputs, [slope], steps, reference=inputs.injection, elapsed_s=0.0)
    return _none_arithmetic(inputs)


def _ways(inputs: SuvInputs) -> list[ReferenceWay]:
    source = inputs.sources.get
    stamps = []
    if inputs.stated_reference is not None:
        stamps.append(ReferenceWay(source("stated_reference", "given by the user"), inputs.stated_reference))
    if inputs.private_reference is not None:
        stamps.append(ReferenceWay(source("private_reference", "private scan time"), inputs.private_reference))
    series = None
    if inputs.series is not None:
        series = ReferenceWay(source("series", "Series Time (0008,0031)"), inputs.series)
    if not inputs.frames:
        return [*stamps, *([series] if series is not None else [])]
    return start_references(
        inputs.frames,
        needed_half_life_s(inputs),
        stamps=tuple(stamps),
        series=series,
        counts_to_start=inputs.counts_to_start,
    )


def _start_arithmetic(inputs: SuvInputs) -> SuvArithmetic:
    half_life_s, dose_bq = needed_half_life_s(inputs), needed_dose_bq(inputs)
    first, *others = _ways(inputs)
    elapsed_s = _elapsed(inputs, first.instant)
    left = decay_factor(elapsed_s, half_life_s)
    slope = wanted_size(inputs) / (dose_bq * left)
    changes = [100.0 * (decay_factor((first.instant - w.instant).total_seconds(), half_life_s) - 1.0) for w in others]
    steps = (
        *common_steps(inputs),
        SuvStep(quantity="Decay reference", value=clock_text(first.instant), source=first.source),
        SuvStep(
            quantity="Time elapsed",
            value=f"{elapsed_s:.1f} s ({elapsed_s / 60:.1f} min)",
            source="Decay reference less injection",
        ),
        SuvStep(
            quantity="Activity left",
            value=f"{activity_text(dose_bq * left)} ({100 * left:.3f} %)",
            source=f"{activity_text(dose_bq)} × 2^(−{elapsed_s:.1f} / {half_life_s:g})",
        ),
        slope_step(inputs, slope, f"{wanted_size_text(inputs)} / {activity_text(dose_bq * left)}"),
        *(
            SuvStep(
                quantity="Cross-check", value=f"{clock_text(w.instant)} would change SUV by {c:+.2f} %", source=w.source
            )
            for w, c in zip(others, changes, strict=True)
        ),
    )
    result = activity_result(inputs, [slope], steps, reference=first.instant, elapsed_s=elapsed_s)
    checks = tuple(
        CrossCheck(source=way.source, instant=way.instant, percent=change)
        for way, change in zip(others, changes, strict=True)
    )
    update = {
        "alternative_percent": max(changes, key=abs, default=None),
        "reference_assumed": first.assumed,
        "reference_source": first.source,
        "cross_checks": checks,
    }
    return result.model_copy(update=update)


def _none_arithmetic(inputs: SuvInputs) -> SuvArithmetic:
    half_life_s, dose_bq, size = needed_half_life_s(inputs), needed_dose_bq(inputs), wanted_size(inputs)
    slopes, lines = [], {}
    for frame in inputs.frames:
        if frame.duration_s is None:
            msg = "Actual Frame Duration (0018,1242) is missing, which an image without decay correction needs"
            raise SuvError(msg)
        elapsed_s = _elapsed(inputs, frame.acquisition)
        left = decay_factor(elapsed_s, half_life_s) * average_decay_during_frame(frame.duration_s, half_life_s)
        slopes.append(size / (dose_bq * left))
        lines[frame.acquisition, frame.duration_s] = SuvStep(
            quantity=f"Activity left, frame of {clock_text(frame.acquisition)}",
            value=f"{activity_text(dose_bq * left)} ({100 * left:.3f} %), so {slopes[-1]:.8g} per Bq/ml",
            source=f"{activity_text(dose_bq)} × 2^(−{elapsed_s:.1f} / {half_life_s:g}) × (1 − exp(−x)) / x with "
            f"x = ln 2 × {frame.duration_s:g} / {half_life_s:g}",
        )
    steps = (
        *common_steps(inputs),
        *list(lines.values())[:_MOST_FRAMES_SHOWN],
        slope_step(inputs, slopes[0], f"of the first slice: {wanted_size_text(inputs)} / activity left"),
    )
    return activity_result(inputs, slopes, steps)


_MOST_FRAMES_SHOWN = 24
_MOST_HALF_LIVES = 10.0
"""Nobody images an activity that has fallen to a thousandth: a longer wait is a wrong date, not a late scan."""


def _elapsed(inputs: SuvInputs, instant: datetime) -> float:
    if inputs.injection is None:
        msg = "Radiopharmaceutical Start DateTime (0018,1078) is missing (or give --injection)"
        raise SuvError(msg)
    elapsed_s = (instant - inputs.injection).total_seconds()
    if elapsed_s < 0:
        msg = (
            f"the scan ({clock_text(instant)}) precedes the injection ({clock_text(inputs.injection)}): "
            "check the dates and times in the headers, or give --injection"
        )
        raise SuvError(msg)
    half_life_s = needed_half_life_s(inputs)
    if elapsed_s > _MOST_HALF_LIVES * half_life_s:
        msg = (
            f"the scan ({clock_text(instant)}) lies {elapsed_s / half_life_s:.0f} half-lives after the injection "
            f"({clock_text(inputs.injection)}): check the dates and times in the headers, or give --injection"
        )
        raise SuvError(msg)
    return elapsed_s
