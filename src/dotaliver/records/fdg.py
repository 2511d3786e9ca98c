"""An FDG scan of the same patient: where it lies, and what its search found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from dotaliver.frozen import FrozenModel
from dotaliver.image.geometry import FloatArray, Vector
from dotaliver.records.body import FocusOrgan

if TYPE_CHECKING:
    import SimpleITK as sitk  # noqa: N813

    from dotaliver.image.volume import LabelMap
    from dotaliver.records.masks import Segmentations

__all__ = ["AlignedPart", "FdgAlignment", "FdgFocus", "FdgOrgan", "FdgSearch"]

FdgOrgan = Literal["liver", FocusOrgan]


class AlignedPart(FrozenModel):
    """A part of the body between two heights of the scored CT, and where it lies on the FDG scan's CT.

    A place ``p`` of the FDG scan's CT lies at ``rotation @ p + offset_lps_mm`` of the scored study's CT.
    """

    low_mm: float = Field(description="Lower end on the scored CT (LPS z), in mm")
    high_mm: float
    rotation: tuple[Vector, Vector, Vector] = Field(description="Rows of the rotation matrix")
    offset_lps_mm: Vector
    similarity: float = Field(description="Correlation of densities after registration")
    disagreement_mm: float = Field(
        default=0.0, description="How far this part and the one next to it put the places on their border apart"
    )
    aligned: bool = Field(default=True, description="Whether similarity and agreement are good enough to compare")

    def places(self, points_lps_mm: npt.ArrayLike) -> FloatArray:
        """Places on the scored CT for places on the FDG scan's, shape (..., 3), in mm."""
        points = np.asarray(points_lps_mm, dtype=np.float64)
        return np.asarray(points @ np.asarray(self.rotation).T + np.asarray(self.offset_lps_mm))

    def places_on_fdg(self, points_lps_mm: npt.ArrayLike) -> FloatArray:
        """Places on the FDG scan's CT for places on the scored one, shape (..., 3), in mm."""
        points = np.asarray(points_lps_mm, dtype=np.float64)
        return np.asarray((points - np.asarray(self.offset_lps_mm)) @ np.asarray(self.rotation))

    def transform(self) -> sitk.AffineTransform:
        """The mapping from places on the FDG scan's CT to places on the scored one."""
        import SimpleITK as sitk  # noqa: N813

        transform = sitk.AffineTransform(3)
        transform.SetMatrix(np.asarray(self.rotation).ravel().tolist())
        transform.SetTranslation(self.offset_lps_mm)
        return transform


class FdgAlignment(FrozenModel):
    """Where the FDG scan lies: the liver, and parts of the body from feet to head."""

    liver: AlignedPart
    parts: tuple[AlignedPart, ...] = ()

    def part_at(self, height_mm: float) -> AlignedPart | None:
        """The part of the body that holds a height on the scored CT; None outside all."""
        return next((part for part in self.parts if part.low_mm <= height_mm < part.high_mm), None)


@dataclass(frozen=True)
class FdgFocus:
    """A place with more FDG uptake than normal liver, in the liver or elsewhere; shown as "F1".

    ``label`` is 1 for the hottest, and the same in `FdgSearch.mask`.
    """

    label: int
    region: str
    organ: FdgOrgan
    why_physiological: str | None = None

    @property
    def in_liver(self) -> bool:
        """Whether it lies in the liver."""
        return self.organ == "liver"


@dataclass(frozen=True, eq=False)
class FdgSearch:
    """What was found on the FDG scan.

    ``mask`` holds the foci on the FDG PET's grid; ``own`` is what was outlined there to find them: the liver of the
    scored study, brought over, with normal liver and mismatch of that scan.
    """

    foci: tuple[FdgFocus, ...]
    mask: LabelMap
    alignment: FdgAlignment
    own: Segmentations
