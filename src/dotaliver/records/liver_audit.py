"""What a second, independent outline of the liver says of the first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from dotaliver.frozen import FrozenModel
from dotaliver.image.geometry import Geometry, Vector

__all__ = ["DisputeKind", "DisputedPlace", "LiverAudit", "LiverComparison"]

DisputeKind = Literal["left_out", "included"]


class DisputedPlace(FrozenModel):
    """One place where the two outlines differ by more than their borders."""

    kind: DisputeKind = Field(description="What the outline does there and the second one does not")
    volume_ml: float
    place: str = Field(description="Where it lies, in words: at the back of the right lobe")
    centre_lps_mm: Vector = Field(description="A place inside it, in the position of the CT")

    @property
    def words(self) -> str:
        """Place, volume and kind, as part of a sentence."""
        verb = "leaves out" if self.kind == "left_out" else "includes"
        return f"it {verb} {self.volume_ml:.0f} ml {self.place}"


class LiverAudit(FrozenModel):
    """The liver outline, compared with a second one that was found in another way."""

    agreement: float = Field(ge=0, le=1, description="Dice coefficient of the two on the coarse grid")
    second_ml: float = Field(description="Volume of the second outline")
    disputed: bool = Field(description="Whether they differ by more than their borders")
    places: tuple[DisputedPlace, ...] = Field(default=(), description="The disputed places, the largest first")

    @property
    def sentence(self) -> str:
        """Where the outline is disputed, as part of a sentence."""
        return "; ".join(place.words for place in self.places)


@dataclass(frozen=True, eq=False)
class LiverComparison:
    """The two outlines on a coarse grid with canonical axes, in the position of the CT, and what follows.

    ``regions`` numbers the disputed places from 1 on, in the order of ``audit.places``.
    """

    geometry: Geometry
    outlined: npt.NDArray[np.bool_]
    second: npt.NDArray[np.bool_]
    regions: npt.NDArray[np.int32]
    audit: LiverAudit
