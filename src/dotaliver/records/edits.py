"""What a reader changed or stated."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Literal

from pydantic import Field, field_validator

from dotaliver.frozen import FrozenModel
from dotaliver.image.geometry import Vector
from dotaliver.records.body import FocusOrgan
from dotaliver.records.verdicts import VerdictWord

__all__ = [
    "NOT_TUMOUR",
    "BodyAnswer",
    "BodyPoint",
    "BodyReading",
    "DiameterEdit",
    "FdgAnswer",
    "FdgReading",
    "LesionClick",
    "LesionEdit",
    "LesionMark",
    "MaskEdit",
    "MaskTool",
    "OldMark",
    "Reader",
    "ReaderEdits",
    "ReferenceEdit",
    "RestOfBody",
    "StoredMark",
    "VerdictEdit",
]

LesionMark = Literal[
    "treated",
    "progressed_since_treatment",
    "simple_cyst",
    "cystic_metastasis",
    "blastic_bone",
    "not_a_lesion",
    "node",
    "target",
    "non_target",
    "receptor_negative",
]

OldMark = Literal["cystic"]
"""A mark of records of version 1, which does not say whether a simple cyst or a cystic metastasis was meant.

It is kept as it was written and never translated: new edits that hold it are refused, with the question.
"""

StoredMark = LesionMark | OldMark

# Lists of candidates hold 150 at most, and nobody points at a thousand places; more is no reading.
_MOST_PLACES = 1000

_SHOWN_LABEL = re.compile(r"[Bb][0-9]{1,6}")
_SHOWN_FDG_LABEL = re.compile(r"[Ff][0-9]{1,6}")

NOT_TUMOUR: frozenset[StoredMark] = frozenset({"not_a_lesion", "simple_cyst"})
"""Marks with which a reader takes an outline out of everything that counts tumour."""


class Reader(FrozenModel):
    """Name and role of the reader."""

    name: str = Field(min_length=1)
    role: str = Field(default="reader", min_length=1)


class ReferenceEdit(FrozenModel):
    """A reference sphere that a reader placed, in the position of the PET."""

    organ: Literal["liver", "spleen", "blood_pool"] = "liver"
    centre_lps_mm: Vector
    diameter_mm: float = Field(gt=0, le=100)


class DiameterEdit(FrozenModel):
    """A diameter that a reader drew: end points in patient coordinates, in mm."""

    long_axis_lps_mm: tuple[Vector, Vector]
    short_axis_lps_mm: tuple[Vector, Vector] | None = None
    series_instance_uid: str | None = Field(
        default=None,
        min_length=1,
        description="Image that it was drawn on, in whose coordinates the end points are; needed where diameters are "
        "measured on MR",
    )


class LesionEdit(FrozenModel):
    """What a reader states about one lesion, given by its label."""

    label: int = Field(ge=1)
    marks: tuple[StoredMark, ...] = ()
    diameter: DiameterEdit | None = None
    comment: str | None = None


class LesionClick(FrozenModel):
    """A place inside a lesion, on the image that diameters are measured on, from which its border is found."""

    place_lps_mm: Vector
    label: int | None = Field(
        default=None, ge=1, description="Lesion that it measures; null: the lesion at that place, or else a new one"
    )
    border_lps_mm: tuple[Vector, ...] = Field(
        default=(), description="Places to which the reader dragged the border that was found"
    )


MaskTool = Literal["scribble_more", "scribble_less", "split_seeds", "split_line", "merge", "pet_click"]


class MaskEdit(FrozenModel):
    """How a reader changed a mask with a marking tool.

    The mask that came of it is stored with the record; this says what was drawn, for whoever reads the record later.
    Nothing is drawn anew from it.
    """

    tool: MaskTool
    mask: Literal["lesions", "liver"] = "lesions"
    labels: tuple[int, ...] = Field(
        default=(), max_length=_MOST_PLACES, description="Lesions that it made or changed, the first one's number kept"
    )
    places_lps_mm: tuple[Vector, ...] = Field(
        default=(), max_length=_MOST_PLACES, description="Points of a stroke, seeds, ends of a cut line, or the click"
    )
    percent_of_maximum: float | None = Field(
        default=None, gt=0, le=100, description="Level of a click on the PET, at the lesion's maximum"
    )
    reader: Reader | None = Field(default=None, description="Who drew it; null where nobody had signed in yet")


class RestOfBody(FrozenModel):
    """What a reader states of the body outside the liver; None where nothing is stated."""

    lesions: bool | None = Field(
        default=None,
        description="Whether there are tumour lesions outside the liver; null only where the whole body was read "
        "('body' with all_read), from whose answers it follows",
    )
    uptake_above_liver: bool | None = None
    measurable: bool | None = None
    receptor_negative: bool | None = None


class BodyAnswer(FrozenModel):
    """A reader's answer to one candidate outside the liver."""

    label: int = Field(ge=1, description='Of the candidate: 3 or "B3"')
    answer: Literal["accepted", "rejected"] = Field(description="A lesion, or not")
    organ: FocusOrgan | None = Field(default=None, description="Where the search took it for another organ")
    marks: tuple[LesionMark, ...] = ()
    diameter: DiameterEdit | None = None
    comment: str | None = None

    @field_validator("label", mode="before")
    @classmethod
    def _as_shown(cls, value: object) -> object:
        return int(value[1:]) if isinstance(value, str) and _SHOWN_LABEL.fullmatch(value) else value


class BodyPoint(FrozenModel):
    """A lesion outside the liver that the search missed, at a place on the PET."""

    place_lps_mm: Vector
    organ: FocusOrgan = "other"
    region: str | None = Field(default=None, min_length=1, max_length=80, description="Such as 'skeleton, left femur'")
    size_mm: float | None = Field(
        default=None, gt=0, le=200, description="Diameter to take where the PET shows no border around the place"
    )
    marks: tuple[LesionMark, ...] = ()
    diameter: DiameterEdit | None = None
    comment: str | None = None


class BodyReading(FrozenModel):
    """What a reader says of the search outside the liver: answers, lesions it missed, and whether all was read."""

    answers: tuple[BodyAnswer, ...] = Field(default=(), max_length=_MOST_PLACES)
    added: tuple[BodyPoint, ...] = Field(default=(), max_length=_MOST_PLACES)
    all_read: bool = Field(
        default=False,
        description="The reader read the whole body on these images: every lesion that the PET shows is accepted or "
        "added",
    )

    @field_validator("answers")
    @classmethod
    def _one_answer_per_candidate(cls, value: tuple[BodyAnswer, ...]) -> tuple[BodyAnswer, ...]:
        labels = [answer.label for answer in value]
        if len(set(labels)) != len(labels):
            msg = "a candidate is answered twice; give each label once"
            raise ValueError(msg)
        return value

    def answer(self, label: int) -> BodyAnswer | None:
        """The answer to one candidate; None where there is none."""
        return next((answer for answer in self.answers if answer.label == label), None)


class FdgAnswer(FrozenModel):
    """A reader's answer to one candidate of the FDG scan: FDG-avid without receptor uptake."""

    label: int = Field(ge=1, description='Of the candidate: 1 or "F1"')
    answer: Literal["accepted", "rejected"] = Field(description="A lesion without receptor uptake, or not")
    comment: str | None = None

    @field_validator("label", mode="before")
    @classmethod
    def _as_shown(cls, value: object) -> object:
        return int(value[1:]) if isinstance(value, str) and _SHOWN_FDG_LABEL.fullmatch(value) else value


class FdgReading(FrozenModel):
    """What a reader says of the candidates of the FDG scan."""

    answers: tuple[FdgAnswer, ...] = Field(default=(), max_length=_MOST_PLACES)

    @field_validator("answers")
    @classmethod
    def _one_answer_per_candidate(cls, value: tuple[FdgAnswer, ...]) -> tuple[FdgAnswer, ...]:
        labels = [answer.label for answer in value]
        if len(set(labels)) != len(labels):
            msg = "a candidate of the FDG scan is answered twice; give each label once"
            raise ValueError(msg)
        return value

    def answer(self, label: int) -> FdgAnswer | None:
        """The answer to one candidate; None where there is none."""
        return next((answer for answer in self.answers if answer.label == label), None)


class VerdictEdit(FrozenModel):
    """A reader's answer to a criterion: confirms the proposal, or overrules it with a reason."""

    criterion: str
    verdict: VerdictWord
    reason: str | None = None


class ReaderEdits(FrozenModel):
    """Everything that a reader changed or stated, apart from painted masks."""

    schema_version: Literal["1"] = "1"
    reader: Reader | None = None
    made_at: datetime | None = None
    references: tuple[ReferenceEdit, ...] = ()
    lesions: tuple[LesionEdit, ...] = ()
    clicks: tuple[LesionClick, ...] = ()
    mask_edits: tuple[MaskEdit, ...] = Field(
        default=(), description="What was drawn with marking tools; the masks themselves are stored with the record"
    )
    rest_of_body: RestOfBody | None = None
    body: BodyReading | None = Field(default=None, description="Answers to the candidates outside the liver")
    fdg: FdgReading | None = Field(default=None, description="Answers to the candidates of the FDG scan")
    lesions_complete: bool | None = Field(
        default=None,
        description="Whether the lesion mask holds every lesion of the liver that the PET shows; "
        "null leaves it as it was found or imported",
    )
    checklist: dict[str, bool] = Field(default_factory=dict)
    verdicts: tuple[VerdictEdit, ...] = ()

    @field_validator("lesions")
    @classmethod
    def _one_edit_per_lesion(cls, value: tuple[LesionEdit, ...]) -> tuple[LesionEdit, ...]:
        labels = [edit.label for edit in value]
        if len(set(labels)) != len(labels):
            msg = "a lesion is edited twice; give each label once"
            raise ValueError(msg)
        return value

    @field_validator("verdicts")
    @classmethod
    def _one_answer_per_criterion(cls, value: tuple[VerdictEdit, ...]) -> tuple[VerdictEdit, ...]:
        ids = [edit.criterion for edit in value]
        if len(set(ids)) != len(ids):
            msg = "a criterion is answered twice; give each once"
            raise ValueError(msg)
        return value

    @property
    def reader_words(self) -> str:
        """Who reads, as said in a sentence: name and role."""
        return "a reader who gave no name" if self.reader is None else f"{self.reader.name} ({self.reader.role})"

    def lesion(self, label: int) -> LesionEdit:
        """What was said of one lesion; an edit without content where nothing was."""
        return next((edit for edit in self.lesions if edit.label == label), LesionEdit(label=label))

    def reference(self, organ: str) -> ReferenceEdit | None:
        """The sphere that a reader placed for an organ, if any."""
        return next((edit for edit in self.references if edit.organ == organ), None)
