"""From activity concentration to standardised uptake value: arithmetic alone, no DICOM.

The body-weight SUV is the activity concentration in a voxel, divided by the injected activity per gram of
body, both at one instant (Kinahan & Fletcher 2010; IBSI SUV manual). A series whose voxels are decay
corrected to an instant ``t_ref`` needs the injected activity at that instant::

    SUVbw = A [Bq/ml] * W [g] / (D [Bq] * 2**(-(t_ref - t_injection) / half_life))

ADMIN images are corrected to the injection itself (no decay is left to apply); in NONE images each frame shows
the mean activity while it was acquired, so every frame has a factor of its own.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import Field

from dotaliver.errors import SuvError
from dotaliver.frozen import FrozenModel

__all__ = [
    "DecayCorrection",
    "FrameTiming",
    "SuvArithmetic",
    "SuvInputs",
    "SuvStep",
    "average_decay_during_frame",
    "decay_factor",
    "frame_decay_reference",
    "suvbw_arithmetic",
]


class DecayCorrection(StrEnum):
    """DICOM Decay Correction (0054,1102): to the start of the scan, to the injection, or not at all."""

    START = "START"
    ADMIN = "ADMIN"
    NONE = "NONE"


class FrameTiming(FrozenModel):
    """When one slice was acquired."""

    acquisition: datetime
    duration_s: float | None = Field(default=None, gt=0)
    reference_s: float | None = Field(
        default=None, description="Frame Reference Time (0054,1300), from the series' reference, in s"
    )


class SuvInputs(FrozenModel):
    """What body-weight SUV needs, in SI units, with where each value came from."""

    decay_correction: DecayCorrection
    weight_kg: float = Field(gt=0)
    dose_bq: float = Field(gt=0)
    half_life_s: float = Field(gt=0)
    injection: datetime
    series: datetime | None = None
    private_reference: datetime | None = Field(
        default=None, description="The vendor's own stamp of the instant that voxels are corrected to"
    )
    frames: tuple[FrameTiming, ...] = Field(min_length=1, description="One per slice, in stack order")
    sources: dict[str, str] = Field(description="Field name -> DICOM element or option that gave it")


class SuvStep(FrozenModel):
    """One line of the arithmetic, as a physicist would write it down."""

    quantity: str
    value: str
    source: str


class SuvArithmetic(FrozenModel):
    """How activity became SUV in one series."""

    normalisation: str = "body weight"
    decay_correction: DecayCorrection
    weight_kg: float
    dose_bq: float
    half_life_s: float
    injection: datetime
    reference: datetime | None = Field(
        description="The instant that voxels are corrected to; None where each frame has its own"
    )
    elapsed_s: float | None = Field(description="From injection to reference, in s")
    slope_per_bqml: float | None = Field(description="SUVbw per Bq/ml; None where it differs between slices")
    slopes_per_bqml: tuple[float, ...] | None = Field(
        default=None, description="SUVbw per Bq/ml of each slice in stack order, where they differ"
    )
    alternative_percent: float | None = Field(
        default=None, description="Largest change of SUV by another valid reference time, in percent"
    )
    steps: tuple[SuvStep, ...]


def decay_factor(elapsed_s: float, half_life_s: float) -> float:
    """Share of an activity that is left after a time: 2 ** (-t / T½)."""
    return math.exp2(-elapsed_s / half_life_s)


def average_decay_during_frame(duration_s: float, half_life_s: float) -> float:
    """Mean activity during a frame over that at its start: (1 - exp(-λT)) / (λT)."""
    x = math.log(2) * duration_s / half_life_s
    return -math.expm1(-x) / x


def frame_decay_reference(frame: FrameTiming, half_life_s: float) -> datetime:
    """The instant that a frame is decay corrected to, computed back from its Frame Reference Time.

    Frame Reference Time is the time, after the series' reference, at which the activity equals its average over
    the frame (DICOM PS3.3 C.8.9.4.1.5). That instant lies ``ln(λT / (1 - exp(-λT))) / λ`` after the frame's
    start; so ``t_ref = t_acquisition + ln(λT / (1 - exp(-λT))) / λ - t_frame_reference``.

    Raises
    ------
    SuvError
        Where the frame has no duration or no reference time.
    """
    if frame.duration_s is None or frame.reference_s is None:
        msg = (
            "Actual Frame Duration (0018,1242) and Frame Reference Time (0054,1300) are needed to compute the "
            "decay reference time back, and one of them is missing"
        )
        raise SuvError(msg)
    mean_instant_s = -math.log(average_decay_during_frame(frame.duration_s, half_life_s)) * half_life_s / math.log(2)
    return frame.acquisition + timedelta(seconds=mean_instant_s - frame.reference_s)


def _start_references(inputs: SuvInputs) -> list[tuple[str, datetime]]:
    """All valid ways to the reference time of a START series, the preferred first.

    The vendor's own stamp says what the vendor did. SeriesTime is next where it does not lie after the first
    acquisition (a series derived later carries the time of its derivation, IBSI SUV manual). Computing back from
    the frame comes last: it needs three more elements, each of which scanners are known to fill in wrongly.
    """
    ways: list[tuple[str, datetime]] = []
    first = min(inputs.frames, key=lambda frame: frame.acquisition)
    if inputs.private_reference is not None:
        ways.append((inputs.sources.get("private_reference", "private scan time"), inputs.private_reference))
    if inputs.series is not None and inputs.series <= first.acquisition:
        ways.append((inputs.sources.get("series", "Series Time (0008,0031)"), inputs.series))
    if first.duration_s is not None and first.reference_s is not None:
        ways.append(
            (
                "computed back from Acquisition Time (0008,0032), Actual Frame Duration (0018,1242) and Frame "
                "Reference Time (0054,1300)",
                frame_decay_reference(first, inputs.half_life_s),
            )
        )
    if not ways:
        msg = (
            "the instant that the PET is decay corrected to is unknown: Series Time (0008,0031) is missing or later "
            "than Acquisition Time (0008,0032), and Frame Reference Time (0054,1300) or Actual Frame Duration "
            "(0018,1242) is missing"
        )
        raise SuvError(msg)
    return ways


def suvbw_arithmetic(inputs: SuvInputs) -> SuvArithmetic:
    """Work out the factor from Bq/ml to body-weight SUV, with every step.

    Raises
    ------
    SuvError
        Where the scan lies before its injection, or the reference time cannot be found.
    """
    if inputs.decay_correction is DecayCorrection.START:
        return _start_arithmetic(inputs)
    if inputs.decay_correction is DecayCorrection.ADMIN:
        slope = inputs.weight_kg * 1000.0 / inputs.dose_bq
        steps = (
            *_common_steps(inputs),
            SuvStep(
                quantity="Decay to apply",
                value="none: voxels are corrected to the injection",
                source=inputs.sources.get("decay_correction", ""),
            ),
            _slope_step(slope, f"{inputs.weight_kg * 1000:g} g / {inputs.dose_bq:g} Bq"),
        )
        return _result(inputs, inputs.injection, 0.0, [slope], steps)
    return _none_arithmetic(inputs)


def _start_arithmetic(inputs: SuvInputs) -> SuvArithmetic:
    ways = _start_references(inputs)
    source, reference = ways[0]
    elapsed_s = _elapsed(inputs, reference)
    left = decay_factor(elapsed_s, inputs.half_life_s)
    slope = inputs.weight_kg * 1000.0 / (inputs.dose_bq * left)
    others = [100.0 * (decay_factor((reference - t).total_seconds(), inputs.half_life_s) - 1.0) for _, t in ways[1:]]
    steps = (
        *_common_steps(inputs),
        SuvStep(quantity="Decay reference", value=_clock(reference), source=source),
        SuvStep(
            quantity="Time elapsed",
            value=f"{elapsed_s:.1f} s ({elapsed_s / 60:.1f} min)",
            source="difference",
        ),
        SuvStep(
            quantity="Activity left",
            value=f"{inputs.dose_bq * left:.6g} Bq ({100 * left:.3f} %)",
            source=f"{inputs.dose_bq:g} Bq × 2^(−{elapsed_s:.1f} / {inputs.half_life_s:g})",
        ),
        _slope_step(slope, f"{inputs.weight_kg * 1000:g} g / {inputs.dose_bq * left:.6g} Bq"),
        *(
            SuvStep(
                quantity="Cross-check",
                value=f"{_clock(t)} would change SUV by {percent:+.2f} %",
                source=name,
            )
            for (name, t), percent in zip(ways[1:], others, strict=True)
        ),
    )
    result = _result(inputs, reference, elapsed_s, [slope], steps)
    worst = max(others, key=abs, default=None)
    return result.model_copy(update={"alternative_percent": worst})


def _none_arithmetic(inputs: SuvInputs) -> SuvArithmetic:
    slopes = []
    for frame in inputs.frames:
        if frame.duration_s is None:
            msg = "Actual Frame Duration (0018,1242) is missing, which an image without decay correction needs"
            raise SuvError(msg)
        left = decay_factor(_elapsed(inputs, frame.acquisition), inputs.half_life_s)
        left *= average_decay_during_frame(frame.duration_s, inputs.half_life_s)
        slopes.append(inputs.weight_kg * 1000.0 / (inputs.dose_bq * left))
    steps = (
        *_common_steps(inputs),
        SuvStep(
            quantity="Activity left",
            value=f"per frame, {100 * inputs.weight_kg * 1000 / (inputs.dose_bq * max(slopes)):.3f} to "
            f"{100 * inputs.weight_kg * 1000 / (inputs.dose_bq * min(slopes)):.3f} %",
            source="2^(−elapsed / half-life) × mean decay during the frame, from Acquisition Time (0008,0032) and "
            "Actual Frame Duration (0018,1242)",
        ),
        _slope_step(slopes[0], "of the first slice: weight / activity left"),
    )
    return _result(inputs, None, None, slopes, steps)


_MOST_HALF_LIVES = 10.0
"""Nobody images an activity that has fallen to a thousandth: a longer wait is a wrong date, not a late scan."""


def _elapsed(inputs: SuvInputs, instant: datetime) -> float:
    elapsed_s = (instant - inputs.injection).total_seconds()
    if elapsed_s < 0:
        msg = (
            f"the scan ({_clock(instant)}) lies before the injection ({_clock(inputs.injection)}): "
            "check the dates and times in the headers"
        )
        raise SuvError(msg)
    if elapsed_s > _MOST_HALF_LIVES * inputs.half_life_s:
        msg = (
            f"the scan ({_clock(instant)}) lies {elapsed_s / inputs.half_life_s:.0f} half-lives after the injection "
            f"({_clock(inputs.injection)}): check the dates and times in the headers"
        )
        raise SuvError(msg)
    return elapsed_s


def _clock(instant: datetime) -> str:
    return instant.isoformat(sep=" ", timespec="milliseconds" if instant.microsecond else "seconds")


def _common_steps(inputs: SuvInputs) -> tuple[SuvStep, ...]:
    source = inputs.sources.get
    return (
        SuvStep(quantity="Body weight", value=f"{inputs.weight_kg:g} kg", source=source("weight_kg", "")),
        SuvStep(quantity="Injected activity", value=f"{inputs.dose_bq:g} Bq", source=source("dose_bq", "")),
        SuvStep(quantity="Half-life", value=f"{inputs.half_life_s:g} s", source=source("half_life_s", "")),
        SuvStep(quantity="Injection", value=_clock(inputs.injection), source=source("injection", "")),
        SuvStep(
            quantity="Decay correction",
            value=inputs.decay_correction.value,
            source=source("decay_correction", ""),
        ),
    )


def _slope_step(slope: float, formula: str) -> SuvStep:
    return SuvStep(quantity="SUVbw per Bq/ml", value=f"{slope:.8g}", source=formula)


def _result(
    inputs: SuvInputs,
    reference: datetime | None,
    elapsed_s: float | None,
    slopes: list[float],
    steps: tuple[SuvStep, ...],
) -> SuvArithmetic:
    same = max(slopes) - min(slopes) <= 1e-12 * max(slopes)
    return SuvArithmetic(
        decay_correction=inputs.decay_correction,
        weight_kg=inputs.weight_kg,
        dose_bq=inputs.dose_bq,
        half_life_s=inputs.half_life_s,
        injection=inputs.injection,
        reference=reference,
        elapsed_s=elapsed_s,
        slope_per_bqml=slopes[0] if same else None,
        slopes_per_bqml=None if same else tuple(slopes),
        steps=steps,
    )
