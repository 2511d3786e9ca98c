"""Radioactive decay, and the instant that a series' voxels are corrected to; no DICOM.

The order in which the ways to the reference time of a START series are taken, and why:

1. The vendor's own stamp (GE, Siemens): it says what the reconstruction did. It is used only where it fits the
   public times, for a de-identifier may have moved those and not it.
2. SeriesTime, where it does not lie after the earliest acquisition. Acquisition starts when the series does; a later
   SeriesTime is that of a derived series and says nothing of decay.
3. Back-computation from the frames, where they agree among themselves. Frame Reference Time is counted from the
   reference instant, so each frame gives that instant again. It needs three more elements, each of which scanners
   are known to fill in wrongly, so it comes after SeriesTime and serves to check it.
4. The earliest AcquisitionTime, flagged as an assumption: DICOM defines START by it (PS3.3 C.8.9.1.1.7), but the
   bed that was scanned first may have been left out of the series.

Back-computation is *no* valid way, and neither used nor held against the others, where

* all frames share one Acquisition Time and their Frame Reference Times differ: that is the time of the series and
  not of each bed (GE), so subtracting the bed's offset from it leads to nowhere;
* its instant lies after the earliest acquisition: START cannot lie there. Scanners that count Frame Reference Time
  to the start of a frame and not to its mean (GE) would be late by half a frame, so for GE it is counted to the
  start.

Frames that contradict each other by more than the tolerance (each bed corrected to its own start, or wrong elements)
are held against the preferred way and flagged; where nothing else is known, the series is refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import Field

from dotaliver.errors import SuvError
from dotaliver.frozen import FrozenModel

__all__ = [
    "TOLERANCE_PERCENT",
    "DecayCorrection",
    "FrameTiming",
    "ReferenceWay",
    "average_decay_during_frame",
    "back_computed",
    "decay_factor",
    "frame_decay_reference",
    "spread_percent",
    "start_references",
]

# A smaller change of SUV, in percent, is due to clocks and rounding (the limit of dcm2niix #983).
TOLERANCE_PERCENT = 1.0
# Rounded reference times may put START this much after the first acquisition.
_LATE_S = 1.0


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


@dataclass(frozen=True)
class ReferenceWay:
    """One way to the reference time, and whether it is an assumption."""

    source: str
    instant: datetime
    assumed: bool = False


def decay_factor(elapsed_s: float, half_life_s: float) -> float:
    """Share of an activity that is left after a time: 2 ** (-t / T½).

    Examples
    --------
    After one half-life of 68Ga (4062.6 s) half is left:

    >>> decay_factor(4062.6, half_life_s=4062.6)
    0.5
    """
    return math.exp2(-elapsed_s / half_life_s)


def average_decay_during_frame(duration_s: float, half_life_s: float) -> float:
    """Mean activity during a frame over that at its start: (1 - exp(-λT)) / (λT).

    Examples
    --------
    In a frame as long as the half-life: 0.5 / ln 2.

    >>> round(average_decay_during_frame(4062.6, half_life_s=4062.6), 4)
    0.7213
    """
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
            "decay reference time, and one of them is missing"
        )
        raise SuvError(msg)
    mean_instant_s = -math.log(average_decay_during_frame(frame.duration_s, half_life_s)) * half_life_s / math.log(2)
    return frame.acquisition + timedelta(seconds=mean_instant_s - frame.reference_s)


def back_computed(
    frames: tuple[FrameTiming, ...], half_life_s: float, *, counts_to_start: bool
) -> tuple[datetime, ...] | None:
    """The reference instant by each frame, where the elements that it needs are there and can mean it.

    Parameters
    ----------
    counts_to_start : bool
        Whether Frame Reference Time is counted to the frame's start, as GE does, and not to its mean activity.

    Returns
    -------
    tuple of datetime or None
        None where an element is missing in any frame, where one Acquisition Time is given for frames of different
        Frame Reference Times, or where the earliest instant lies after the first acquisition.
    """
    if any(f.reference_s is None or (f.duration_s is None and not counts_to_start) for f in frames):
        return None
    # Frame Reference Times that differ only as the durations of the frames do still belong to one start.
    offsets = [(f.reference_s or 0.0) - (0.0 if counts_to_start else (f.duration_s or 0.0) / 2.0) for f in frames]
    if len({f.acquisition for f in frames}) == 1 and max(offsets) - min(offsets) > _LATE_S:
        return None
    if counts_to_start:
        instants = tuple(f.acquisition - timedelta(seconds=f.reference_s or 0.0) for f in frames)
    else:
        instants = tuple(frame_decay_reference(f, half_life_s) for f in frames)
    first = min(f.acquisition for f in frames)
    return None if min(instants) > first + timedelta(seconds=_LATE_S) else instants


def spread_percent(instants: tuple[datetime, ...], half_life_s: float) -> float:
    """How much SUV changes from the earliest to the latest of some instants, in percent."""
    apart_s = (max(instants) - min(instants)).total_seconds()
    return 100.0 * (1.0 / decay_factor(apart_s, half_life_s) - 1.0)


def _back_computed_ways(
    frames: tuple[FrameTiming, ...], half_life_s: float, ways: list[ReferenceWay], counts_to_start: bool
) -> list[ReferenceWay]:
    """The back-computed instant; where frames contradict each other, the one furthest from the preferred way."""
    found = back_computed(frames, half_life_s, counts_to_start=counts_to_start)
    source = (
        "Acquisition Time (0008,0032) less Frame Reference Time (0054,1300), counted to the frame's start as GE does"
        if counts_to_start
        else "back-computed from Acquisition Time (0008,0032), Actual Frame Duration (0018,1242) and Frame Reference "
        "Time (0054,1300)"
    )
    if found is None:
        return []
    instants = found
    if spread_percent(instants, half_life_s) <= TOLERANCE_PERCENT:
        first = min(range(len(frames)), key=lambda k: frames[k].acquisition)
        return [ReferenceWay(source, instants[first])]
    if not ways:
        msg = (
            f"the frames contradict each other: by back-computation they were corrected to instants from "
            f"{min(instants):%H:%M:%S} to {max(instants):%H:%M:%S}; correct Frame Reference Time (0054,1300) or "
            "Acquisition Time (0008,0032), or give --reference-time"
        )
        raise SuvError(msg)
    furthest = max(instants, key=lambda t: abs((t - ways[0].instant).total_seconds()))
    return [ReferenceWay(f"{source}; its frames contradict each other, this is the furthest", furthest)]


def start_references(
    frames: tuple[FrameTiming, ...],
    half_life_s: float,
    *,
    stamps: tuple[ReferenceWay, ...] = (),
    series: ReferenceWay | None = None,
    counts_to_start: bool = False,
) -> list[ReferenceWay]:
    """All valid ways to the reference time of a START series, the preferred first (the order: see the module).

    Parameters
    ----------
    stamps : tuple of ReferenceWay
        What counts before everything else: a time given by the user, the vendor's own stamp.
    series : ReferenceWay, optional
        Series Date and Time.

    Raises
    ------
    SuvError
        Where none is left, or the only one is contradicted by the frames themselves.
    """
    ways = list(stamps)
    first = min(frames, key=lambda frame: frame.acquisition)
    if series is not None and series.instant <= first.acquisition:
        ways.append(series)
    ways.extend(_back_computed_ways(frames, half_life_s, ways, counts_to_start))
    if not ways:
        late = "Series Time (0008,0031) is missing or later"
        ways.append(
            ReferenceWay(f"earliest Acquisition Time (0008,0032), since {late}", first.acquisition, assumed=True)
        )
    return ways
