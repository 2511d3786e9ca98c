"""How a study was acquired, in the words of the panel."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dotaliver.pipeline import OpenStudy

__all__ = ["matrix_words", "study_words"]


def study_words(opened: OpenStudy) -> str:
    """How the images were acquired, on one line; date and tracer are in the banner above."""
    identity, acquisition = opened.volumes.identity, opened.volumes.acquisition
    slices = [f"PET {identity.pet.spacing_mm[0]:.1f} mm"]
    slices.append("no CT" if identity.ct is None else f"CT {identity.ct.spacing_mm[0]:.1f} mm")
    uptake_min = acquisition.uptake_time_min
    after = "" if uptake_min is None else f"{uptake_min:.0f} min after injection · "
    return f"{after}slices: {', '.join(slices)}"


def matrix_words(opened: OpenStudy) -> str:
    """How many slices, rows and columns the images have."""
    series = {"PET": opened.volumes.identity.pet, "CT": opened.volumes.identity.ct}
    sizes = {name: " × ".join(str(n) for n in each.shape) for name, each in series.items() if each is not None}
    return ", ".join(f"{name} {size}" for name, size in sizes.items())
