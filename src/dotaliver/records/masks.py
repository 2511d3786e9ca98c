"""What was outlined: labels with their origin, references, and how CT and PET lie to each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from dotaliver.frozen import FrozenModel
from dotaliver.image.geometry import FloatArray, Vector
from dotaliver.image.volume import LabelMap
from dotaliver.records.body import BodySearch
from dotaliver.records.fdg import FdgSearch
from dotaliver.records.flags import Flag

__all__ = [
    "BorderEvidence",
    "ClickedLesion",
    "Completeness",
    "CtSearch",
    "Detectability",
    "DrawnOn",
    "FocusFinding",
    "ImageRegistration",
    "LobePlane",
    "MaskLayer",
    "Mismatch",
    "ReferenceRegion",
    "Segmentations",
]


DrawnOn = Literal["ct", "pet"]

Completeness = Literal["searched", "stated", "not_stated"]
"""Whether a lesion mask holds every lesion of the liver that the PET shows: the whole liver was searched by program,
somebody states it, or nobody does. A mask of target lesions alone is common, so an imported mask says nothing itself.
"""


class BorderEvidence(FrozenModel):
    """How well an image shows one outline's border."""

    diameter_error_mm: float = Field(description="Half the 95 % interval of the longest in-plane diameter, in mm")
    seen_share: float = Field(description="Share of the border at which density steps, 0 to 1")
    dense_share: float | None = Field(
        default=None,
        description="Share of the outline that is as dense as lipiodol, embolic agent or calcium, 0 to 1; null on MR "
        "and where it was not looked for",
    )
    partial: bool = Field(
        default=False,
        description="Whether the outline rests on a reader's click alone: the image shows too little of its border "
        "for the automatic search, and the interval is wider",
    )


class ClickedLesion(FrozenModel):
    """A lesion whose border on CT was found from a place that a reader pointed at."""

    place_lps_mm: Vector
    added: bool = Field(description="Whether no lesion was known there, so that the click added it")


@dataclass(frozen=True)
class MaskLayer:
    """Labels with where they came from and how sure their border is.

    ``drawn_on`` says in which image's position the labels lie: breathing puts the liver at different places on
    CT and PET, so the same labels mean another place depending on the image that they were drawn on.
    ``completeness`` is meant for lesions only; ``borders`` holds, by label, what is known of single outlines.
    """

    labels: LabelMap
    drawn_on: DrawnOn
    origin: str
    border_uncertainty_mm: float
    completeness: Completeness = "not_stated"
    borders: Mapping[int, BorderEvidence] = field(default_factory=dict)


class Mismatch(FrozenModel):
    """Where the liver lies on the PET, from its place on CT."""

    shift_lps_mm: Vector = Field(description="Added to a place on CT gives the place on PET, in mm")
    method: str


class ImageRegistration(FrozenModel):
    """Where the places of the image that diameters are measured on lie in the position of the PET's CT, or of the PET.

    A place ``p`` of that image lies at ``rotation @ p + offset_lps_mm``.
    """

    series_instance_uid: str = Field(description="The image that was registered")
    onto: DrawnOn = Field(description="In whose position: the PET's CT, or the PET where there is no CT")
    rotation: tuple[Vector, Vector, Vector] = Field(description="Rows of the rotation matrix")
    offset_lps_mm: Vector
    measure: Literal["correlation", "mutual_information"]
    similarity: float = Field(
        description="Correlation of densities near the liver, or normalised mutual information less 1: 0 for unrelated "
        "images"
    )
    liver_share: float | None = Field(default=None, description="Share of the liver that lies on the image, 0 to 1")
    spread_mm: float | None = Field(
        default=None, description="How far answers from different starts lie apart, median over the liver"
    )
    error_mm: float | None = Field(
        default=None, description="On simulated pairs of this kind, 95 % of places in the liver lay closer than this"
    )

    def places(self, points_lps_mm: npt.ArrayLike) -> FloatArray:
        """Places in the position of ``onto`` for places of the image, shape (..., 3), in mm."""
        points = np.asarray(points_lps_mm, dtype=np.float64)
        return np.asarray(points @ np.asarray(self.rotation).T + np.asarray(self.offset_lps_mm))

    def places_on_image(self, points_lps_mm: npt.ArrayLike) -> FloatArray:
        """Places of the image for places in the position of ``onto``, shape (..., 3), in mm."""
        points = np.asarray(points_lps_mm, dtype=np.float64)
        return np.asarray((points - np.asarray(self.offset_lps_mm)) @ np.asarray(self.rotation))


class LobePlane(FrozenModel):
    """The plane between right and left lobe of the liver, in the CT's position."""

    point_lps_mm: Vector
    normal_lps: Vector = Field(description="Unit vector to the patient's left: the left lobe lies on that side")
    landmark: str = Field(description="What the plane was laid through")


class Detectability(FrozenModel):
    """The contrast from which nine in ten lesions of a size are found, from lesions put into this CT."""

    diameter_mm: float
    below_liver_hu: float | None = Field(description="HU; None where even the darkest were missed")


class FocusFinding(FrozenModel):
    """What the search on CT measured at one focus."""

    contrast_hu: float = Field(description="Against the liver around it, negative where it is darker")
    noise_sds: float = Field(description="How far it stands out, in SDs of noise and texture at its size")
    suspicion: float = Field(ge=0, le=1, description="For sorting; no probability of malignancy")
    may_be: tuple[str, ...] = Field(default=(), description="Why it may be benign")
    images: tuple[Literal["ct", "recist_image"], ...] = Field(default=("ct",), description="Where it was seen")


class CtSearch(FrozenModel):
    """What a search for focal lesions on CT could have seen, and what it measured at those that it found.

    Numbers are None where the liver could not be searched. The contrast is None, too, where lesions put into the CT
    were missed at every contrast that was tried.
    """

    diameter_mm: float = Field(description="Of the lesion that the contrast refers to")
    liver_hu: float | None = Field(default=None, description="Median density of the liver")
    noise_hu: float | None = Field(default=None, description="SD between neighbouring places of 2 mm")
    visible_contrast_hu: float | None = Field(default=None, description="Below the liver, from which it is found")
    reason: str | None = Field(default=None, description="Why the liver could not be searched")
    image: Literal["ct", "recist_image"] = Field(
        default="ct",
        description="Which CT the numbers refer to: the PET's or the measured one",
    )
    detectable: tuple[Detectability, ...] = Field(default=(), description="The same for every size tried")
    foci: dict[int, FocusFinding] = Field(default_factory=dict, description="What was measured at each focus, by label")


@dataclass(frozen=True)
class ReferenceRegion:
    """Where a reference organ's normal uptake is read: a sphere, a set of voxels, or nowhere and why."""

    organ: Literal["liver", "spleen", "blood_pool"]
    method: Literal["sphere", "small_sphere", "low_mode", "organ", "reader", "none"]
    centre_lps_mm: Vector | None = None
    diameter_mm: float | None = None
    region: LabelMap | None = field(default=None, repr=False)
    reason: str | None = None


@dataclass(frozen=True)
class Segmentations:
    """Everything that was outlined; with the images, all that the second half of the pipeline needs.

    ``liver`` is None where it was not found (``reasons["liver"]`` says why); ``lesions`` is None where they
    could not be looked for, and an empty label map where none was found. Lesion labels are the lesions' names:
    they are kept through editing, storing and reading back. ``ct_foci`` are focal lesions that CT shows and the PET
    does not outline, numbered far from the lesions; ``lobes`` is None where ``reasons["lobes"]`` says why.
    ``ct_lesions`` holds, under the lesions' labels, those whose border the CT shows, on the grid of the CT that
    diameters are measured on; ``unseen_on_ct`` says of the others, by label, why the CT shows none. ``clicked`` holds,
    by label, what a reader pointed at, and ``before_clicks`` what there was without that.
    ``recist_registration`` says where a diagnostic CT or MR lies, where one is measured on. ``body`` is None where
    nobody searched outside the liver, ``fdg`` where there is no FDG scan. ``body_on_ct`` holds, under the labels of
    ``body``, the lesions there that a reader confirmed and whose border the CT shows; ``body_unseen_on_ct`` says of the
    other confirmed ones why there is no outline.
    """

    segmenter: str
    liver: MaskLayer | None
    lesions: MaskLayer | None
    references: tuple[ReferenceRegion, ...] = ()
    neighbours: Mapping[str, MaskLayer] = field(default_factory=dict)
    mismatch: Mismatch | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)
    flags: tuple[Flag, ...] = ()
    ct_foci: MaskLayer | None = None
    ct_search: CtSearch | None = None
    lobes: LobePlane | None = None
    ct_lesions: MaskLayer | None = None
    unseen_on_ct: Mapping[int, str] = field(default_factory=dict)
    clicked: Mapping[int, ClickedLesion] = field(default_factory=dict)
    recist_registration: ImageRegistration | None = None
    body: BodySearch | None = None
    body_on_ct: MaskLayer | None = None
    body_unseen_on_ct: Mapping[int, str] = field(default_factory=dict)
    fdg: FdgSearch | None = None
    before_clicks: Segmentations | None = field(default=None, repr=False)

    @property
    def automatic(self) -> Segmentations:
        """What there is without the reader's clicks."""
        return self.before_clicks or self

    def reference(self, organ: str) -> ReferenceRegion | None:
        """The region of one organ, if there is an entry for it."""
        return next((r for r in self.references if r.organ == organ), None)
