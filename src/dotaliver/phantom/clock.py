"""Dose, clock and identifiers of a phantom study: always the same for the same specification."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from dotaliver.phantom.shapes import stream
from dotaliver.phantom.spec import PhantomSpec
from dotaliver.suv.arithmetic import FrameTiming, decay_factor, frame_decay_reference

__all__ = [
    "CT_SOP_CLASS",
    "FRAME_DURATION_S",
    "HALF_LIFE_68GA_S",
    "PET_SOP_CLASS",
    "Timing",
    "frame_timing",
    "phantom_uid",
    "timing",
]

HALF_LIFE_68GA_S = 4062.6  # 67.71 min (Nuclear Data Sheets, A = 68)
FRAME_DURATION_S = 180.0
CT_SOP_CLASS = "1.2.840.10008.5.1.4.1.1.2"
PET_SOP_CLASS = "1.2.840.10008.5.1.4.1.1.128"


@dataclass(frozen=True)
class Timing:
    """Dose and clock of the PET."""

    injected_activity_bq: float
    injection: datetime
    scan: datetime

    @property
    def suv_to_bqml(self) -> float:
        """Bq/ml per SUV, times kilograms of body weight."""
        left = decay_factor((self.scan - self.injection).total_seconds(), HALF_LIFE_68GA_S)
        return self.injected_activity_bq * left / 1000.0


def timing(spec: PhantomSpec) -> Timing:
    """Dose and clock, drawn from the specification's ranges; whole MBq tenths and seconds."""
    rng = stream(spec.seed, "timing")
    dose_bq = round(float(rng.uniform(*spec.scanner.injected_activity_mbq)), 1) * 1e6
    minutes = float(rng.uniform(*spec.scanner.uptake_time_min))
    injection = datetime(2024, 3, 4, 9, 0, 0) + timedelta(
        days=int(rng.integers(0, 300)), seconds=int(rng.integers(0, 14400))
    )
    return Timing(dose_bq, injection, injection + timedelta(seconds=round(minutes * 60)))


def phantom_uid(spec: PhantomSpec, *parts: str | int) -> str:
    """A DICOM UID that the specification and the named part give, always the same."""
    from pydicom.uid import generate_uid

    return str(
        generate_uid(prefix="1.2.826.0.1.3680043.8.498.", entropy_srcs=[spec.model_dump_json(), *map(str, parts)])
    )


def frame_timing(spec: PhantomSpec) -> FrameTiming:
    """When every slice of the PET was acquired, with the Frame Reference Time that agrees with START correction."""
    scan = timing(spec).scan
    frame = FrameTiming(acquisition=scan, duration_s=FRAME_DURATION_S, reference_s=0.0)
    reference_s = (frame_decay_reference(frame, HALF_LIFE_68GA_S) - scan).total_seconds()
    return frame.model_copy(update={"reference_s": reference_s})
