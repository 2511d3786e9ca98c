"""What a reader says of a study: marks, the sphere, statements and answers. No window in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

import numpy as np
from pydantic import ValidationError

from dotaliver.config.protocol import CriterionId
from dotaliver.errors import ConfigError, GeometryError, MaskError
from dotaliver.image.geometry import Vector
from dotaliver.measurement.body_statements import require_body_known
from dotaliver.records.edits import (
    LesionMark,
    Reader,
    ReferenceEdit,
    RestOfBody,
    VerdictEdit,
)
from dotaliver.records.verdicts import VerdictWord
from napari_dotaliver.reading.body_answers import Answer, with_all_read, with_answer, with_fdg_answer
from napari_dotaliver.reading.mask_editing import MaskEditing

__all__ = ["MARKS", "Editing"]

MARKS: tuple[LesionMark, ...] = get_args(LesionMark)


class Editing(MaskEditing):
    """A reading that can be edited; every edit is one step, refused in one sentence or taken as a whole."""

    def _edit(self, **update: object) -> None:
        self._become(replace(self.state, edits=self.edits.model_copy(update=update)))

    def _edit_lesion(self, label: int, **update: object) -> None:
        changed = self.edits.lesion(label).model_copy(update=update)
        others = (edit for edit in self.edits.lesions if edit.label != label)
        self._become(replace(self.state, edits=self._edits_of((*others, changed))))

    def mark_lesion(self, label: int, mark: LesionMark, on: bool = True) -> None:
        """Mark a lesion or a CT candidate as treated, not a lesion and so on, or take the mark away.

        Raises
        ------
        ConfigError
            Where there is no such mark.
        MaskError
            Where there is no such lesion.
        """
        if mark not in MARKS:
            msg = f"there is no mark {mark!r}; choose one of {', '.join(MARKS)}"
            raise ConfigError(msg)
        if label not in {focus.label for focus in self.score.ct_foci}:
            self._require_lesion(label)
        elif self.state.liver is not self._measured.state.liver:
            msg = "the liver was changed and CT candidates are searched anew; re-measure before marking one"
            raise MaskError(msg)
        marks = [m for m in self.marks_of(label) if m != mark]
        self._edit_lesion(label, marks=tuple(m for m in MARKS if m in {*marks, *([mark] if on else [])}))

    def place_reference(self, centre_lps_mm: Vector, diameter_mm: float, organ: str = "liver") -> None:
        """Place a reference sphere, in the position of the PET.

        Raises
        ------
        GeometryError
            Where the sphere leaves the PET, or its diameter is none of a sphere.
        """
        centre = _point(centre_lps_mm)
        reach = np.asarray([s * diameter_mm / 2.0 for s in (-1.0, 1.0)])
        ends = np.asarray([np.add(centre, np.eye(3)[axis] * r) for axis in range(3) for r in reach])
        if not 1.0 <= diameter_mm <= 100.0 or not bool(self.volumes.pet.geometry.contains(ends).all()):
            msg = f"a sphere of {diameter_mm:.0f} mm at that place leaves the PET; move it or make it smaller"
            raise GeometryError(msg)
        edit = ReferenceEdit.model_validate({"organ": organ, "centre_lps_mm": centre, "diameter_mm": diameter_mm})
        self._edit(references=(*(r for r in self.edits.references if r.organ != organ), edit))

    def release_reference(self, organ: str = "liver") -> None:
        """Take a reader's sphere back; the automatic one counts again."""
        self._edit(references=tuple(r for r in self.edits.references if r.organ != organ))

    def state_rest_of_body(self, statement: RestOfBody | None) -> None:
        """State what the body outside the liver shows; None takes the statement back.

        Raises
        ------
        ConfigError
            Where nobody has signed in yet.
        """
        self._require_reader("before stating what the rest of the body shows")
        self._edit(rest_of_body=statement)

    def answer_candidate(self, label: int, answer: Answer | None) -> None:
        """Accept or reject a candidate outside the liver; None takes the answer back.

        Raises
        ------
        ConfigError
            Where nobody has signed in yet.
        """
        self._require_reader("before answering candidates outside the liver")
        self._edit(body=with_answer(self.edits, label, answer))

    def answer_fdg_candidate(self, label: int, answer: Answer | None) -> None:
        """Accept or reject a candidate of the FDG scan; None takes the answer back.

        Raises
        ------
        ConfigError
            Where nobody has signed in yet.
        """
        self._require_reader("before answering candidates of the FDG scan")
        self._edit(fdg=with_fdg_answer(self.edits, label, answer))

    def state_whole_body_read(self, all_read: bool) -> None:
        """State that the whole body was read on these images, or take that back.

        Raises
        ------
        ConfigError
            Where nobody has signed in yet, a candidate is unanswered, or the images do not show the protocol's range.
        """
        self._require_reader("before stating that the whole body was read")
        reading, score = with_all_read(self.edits, all_read), self.outcome.score
        if all_read and reading is not None:
            answered = {answer.label for answer in reading.answers}
            waiting = [x for x in (() if score.body is None else score.body.lesions) if x.open]
            left = next((x for x in waiting if x.label not in answered), None)
            if left is not None:
                msg = f"candidate {left.name} ({left.region}) is unanswered; accept or reject it first"
                raise ConfigError(msg)
            require_body_known(reading, self.outcome.segmentations.body, self.config.protocol)
        self._edit(body=reading)

    def state_completeness(self, complete: bool | None) -> None:
        """State whether the lesion outlines include every lesion of the liver that the PET shows; None takes it back.

        Raises
        ------
        ConfigError
            Where there are no lesion outlines to speak of.
        """
        if complete is not None and self.outcome.segmentations.lesions is None and self.state.lesions is None:
            msg = "lesions were not outlined; outline them before stating that none is missing"
            raise ConfigError(msg)
        self._edit(lesions_complete=complete)

    def check(self, item: str, present: bool | None) -> None:
        """Answer an item of the protocol's checklist; None leaves it open.

        Raises
        ------
        ConfigError
            Where the protocol has no such item, or nobody has signed in yet.
        """
        self._require_reader("before answering the checklist")
        if item not in self.config.protocol.checklist:
            msg = f"the protocol's checklist has no item {item!r}"
            raise ConfigError(msg)
        given = {k: v for k, v in self.edits.checklist.items() if k != item}
        if present is not None:
            given[item] = present
        self._edit(checklist={k: given[k] for k in self.config.protocol.checklist if k in given})

    def _require_reader(self, before_what: str) -> None:
        if not self.signed:
            msg = f"give the reader's name and role {before_what}"
            raise ConfigError(msg)

    def sign(self, name: str, role: str) -> None:
        """Say who reads, and as what.

        Answers and statements of an earlier reader are his: another reader does not inherit them.

        Raises
        ------
        ConfigError
            Where name or role is empty.
        """
        if not name.strip() or not role.strip():
            msg = "give the reader's name and role"
            raise ConfigError(msg)
        reader, before = Reader(name=name.strip(), role=role.strip()), self.edits.reader
        inherited = before is None or before.name == reader.name
        personal = {} if inherited else {"verdicts": (), "rest_of_body": None, "body": None, "checklist": {}}
        self._signed_in, state = reader, self.state
        self._edit(reader=reader, **personal)
        if self.state is state:
            # The reader of the record signs in again: nothing is edited, yet the forms must follow.
            self._tell()

    def answer(self, criterion: CriterionId, verdict: VerdictWord | None, reason: str | None = None) -> None:
        """Confirm a proposal, overrule it with a reason, or (None) leave it as proposed.

        Raises
        ------
        ConfigError
            Where nobody signed yet, or a proposal is overruled without a reason.
        """
        others = tuple(answer for answer in self.edits.verdicts if answer.criterion != criterion)
        if verdict is None:
            self._edit(verdicts=others)
            return
        try:
            edit = VerdictEdit(criterion=criterion, verdict=verdict, reason=(reason or "").strip() or None)
        except ValidationError as error:
            msg = f"{criterion} cannot be answered with {verdict!r}"
            raise ConfigError(msg) from error
        edits = self.edits.model_copy(update={"verdicts": (*others, edit)})
        self._require_reader("before answering a criterion")
        proposal = self.proposed(criterion)
        if verdict != proposal and edit.reason is None:
            name = self.config.protocol.criterion(criterion).name
            msg = f"{name}: give a reason for overruling the proposal"
            raise ConfigError(msg)
        order = list(self.automatic.criteria)
        ordered = tuple(sorted(edits.verdicts, key=lambda answer: order.index(answer.criterion)))
        self._edit(verdicts=ordered)


def _point(values: Sequence[float]) -> Vector:
    x, y, z = (float(v) for v in values)
    if not np.isfinite((x, y, z)).all():
        msg = "a place in the patient needs three finite coordinates in mm"
        raise GeometryError(msg)
    return (x, y, z)
