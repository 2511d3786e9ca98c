"""What a search of the whole PET found outside the liver: candidates, organs, and which parts of the body are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dotaliver.config.protocol import BodyPart

if TYPE_CHECKING:
    from dotaliver.image.geometry import Vector
    from dotaliver.records.masks import MaskLayer

__all__ = [
    "BODY_PARTS",
    "BodyCoverage",
    "BodyFocus",
    "BodyPart",
    "BodySearch",
    "FocusOrgan",
    "FocusSource",
    "Likely",
    "OwnedOrgan",
]

FocusOrgan = Literal["bone", "lymph_node", "lung", "peritoneum", "pancreas", "soft_tissue", "other"]
"""Organ by which tumour volumes are summed."""

Likely = Literal["metastasis", "unsure", "physiological"]

FocusSource = Literal["search", "reader", "reader_by_size"]
"""Who found a place: the search, or a reader who pointed at it; then either its uptake shows the border, or the reader
gave the size."""

BODY_PARTS: tuple[BodyPart, ...] = ("head", "neck", "chest", "abdomen", "pelvis", "thighs")
"""From head to feet."""


@dataclass(frozen=True)
class BodyFocus:
    """A place outside the liver with more uptake than its surroundings: a candidate until a reader answers.

    Parameters
    ----------
    label : int
        1 for the hottest; shown as "B1". The same label in `BodySearch.mask`.
    region : str
        Anatomical region, general first: "skeleton, thoracic spine".
    organ : str
        Organ by which tumour volumes are summed.
    likely : str
        What the search takes it for.
    confidence : float
        Probability of a lesion, 0 to 1, calibrated on simulated bodies that the search was not fitted on.
    why_physiological : str or None
        One sentence on what suggests physiological uptake, where something does.
    source : str
        Who found it.
    """

    label: int
    region: str
    organ: FocusOrgan
    likely: Likely
    confidence: float
    why_physiological: str | None = None
    source: FocusSource = "search"


@dataclass(frozen=True)
class OwnedOrgan:
    """An organ whose physiological uptake was delimited, so that it is not offered as a candidate.

    ``suv_max`` is in the unit of the PET.
    """

    name: str
    volume_ml: float
    suv_max: float
    centre_lps_mm: Vector


@dataclass(frozen=True)
class BodyCoverage:
    """Which parts of the body the PET shows, from head to feet, and a sentence on what is missing ("" for nothing)."""

    parts: tuple[BodyPart, ...]
    missing: str = ""

    @property
    def is_standard(self) -> bool:
        """Whether the range of a standard study is shown: from the neck to the pelvis."""
        return {"neck", "chest", "abdomen", "pelvis"} <= set(self.parts)


@dataclass(frozen=True)
class BodySearch:
    """The result of the search outside the liver.

    ``mask`` holds the foci under their labels, on the PET's grid and in its position. ``has_ct`` says whether the
    search could use a CT.
    """

    foci: tuple[BodyFocus, ...]
    mask: MaskLayer
    organs: tuple[OwnedOrgan, ...]
    coverage: BodyCoverage
    has_ct: bool
