"""A place of the liver whose uptake differs from that of normal liver, and that no outline holds."""

from __future__ import annotations

from dataclasses import dataclass

from dotaliver.image.geometry import Vector

__all__ = ["UptakePlace"]


@dataclass(frozen=True)
class UptakePlace:
    """A place of the liver without outline that takes up a little more than the liver around it, or far less."""

    volume_ml: float
    mean: float
    """Uptake, in the PET's unit."""
    centre_lps_mm: Vector
