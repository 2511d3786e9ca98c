"""What a reader does to a reading: masks, marks, diameters, the sphere, statements and answers. No window in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from dotaliver.config.protocol import CriterionId
from dotaliver.errors import ConfigError, GeometryError, MaskError
from dotaliver.image.geometry import Box, Geometry, Vector
from dotaliver.image.volume import BoolArray, LabelMap
from dotaliver.measurement.body_statements import require_body_known
from dotaliver.records.edits import (
    LesionEdit,
    LesionMark,
    MaskEdit,
    Reader,
    ReaderEdits,
    ReferenceEdit,
    RestOfBody,
    VerdictEdit,
)
from dotaliver.records.verdicts import VerdictWord
from dotaliver.segmentation.editing.splitting import parts_of
from napari_dotaliver.reading.body_answers import Answer, with_all_read, with_answer, with_fdg_answer
from napari_dotaliver.reading.label_tools import differing_box
from napari_dotaliver.reading.packed import PackedLabels
from napari_dotaliver.reading.steps import Steps, found_masks

__all__ = ["MARKS", "Editing"]

MARKS: tuple[LesionMark, ...] = get_args(LesionMark)


class Editing(Steps):
    """A reading that can be edited; every edit is one step, refused in one sentence or taken as a whole."""

    # --- masks ---------------------------------------------------------------------------------------------------

    def set_lesions(self, array: npt.NDArray[Any], noted: MaskEdit | None = None) -> None:
        """Take other lesions, as labels ``[slice, row, column]`` on the grid of `lesions`; the array is copied.

        What a marking tool ``noted`` of itself enters the edits.

        Raises
        ------
        MaskError
            Where the array has another shape, or labels that no lesion may have.
        """
        grid = self._grids[1]
        labels = _checked(array, grid, "lesion")
        if np.array_equal(labels, self.lesions.array):
            return
        if labels.max(initial=0) >= self.config.ct_foci.first_label:
            msg = f"lesion numbers must be below {self.config.ct_foci.first_label}; paint with a smaller one"
            raise MaskError(msg)
        new = LabelMap(labels, grid)
        self._highest_label = max(self._highest_label, *self.lesions.labels, *new.labels, 0)
        gone = set(self.lesions.labels) - set(new.labels)
        edits = self._edits_of(tuple(edit for edit in self.edits.lesions if edit.label not in gone))
        clicked = self.segmentations.clicked
        places = {clicked[label].place_lps_mm for label in gone if label in clicked}
        kept = (c for c in edits.clicks if c.label not in gone and c.place_lps_mm not in places)
        edits = _with_noted(edits.model_copy(update={"clicks": tuple(kept)}), noted)
        found = found_masks(self.outcome, self._grids)[1]
        packed: PackedLabels | None = PackedLabels.of(labels)
        if self.outcome.segmentations.lesions is not None and np.array_equal(labels, found.array):
            packed, new = None, found
        self._become(replace(self.state, lesions=packed, edits=edits), replace(self._step.standing, lesions=new))

    def set_liver(self, mask: npt.NDArray[Any]) -> None:
        """Take another liver with its tumours, as a mask on `liver_grid`; the array is copied.

        Marks on CT candidates fall: in another liver the CT is searched anew.

        Raises
        ------
        MaskError
            Where the mask has another shape or is empty.
        """
        labels = np.minimum(_checked(mask, self._grids[0], "liver"), 1).astype(np.uint8)
        if not labels.any():
            msg = "the liver outline is empty; draw it, or undo"
            raise MaskError(msg)
        if self.liver is not None and np.array_equal(labels, self.liver.array != 0):
            return
        self._take_liver(labels)

    def _take_liver(self, labels: npt.NDArray[np.uint8], noted: MaskEdit | None = None) -> None:
        first = self.config.ct_foci.first_label
        edits = self._edits_of(tuple(edit for edit in self.edits.lesions if edit.label < first))
        edits = _with_noted(edits, noted)
        found = found_masks(self.outcome, self._grids)[0]
        new: LabelMap | None = LabelMap(labels, self._grids[0])
        packed: PackedLabels | None = None
        if found is not None and differing_box(found, new) is None:
            new = found
        else:
            packed = PackedLabels.of(labels, new.used)
        self._become(replace(self.state, liver=packed, edits=edits), replace(self._step.standing, liver=new))

    def paint_liver(self, box: Box, mask: BoolArray, noted: MaskEdit | None = None) -> None:
        """Take the liver as a stroke left it within a box of `liver_grid`; elsewhere it stays as it is.

        Raises
        ------
        MaskError
            Where nothing would be left of the liver.
        """
        grid = self._grids[0]
        now = np.zeros(grid.shape, dtype=np.uint8) if self.liver is None else self.liver.array
        if np.array_equal(mask, now[box] != 0):
            return
        labels = np.array(now if now.dtype == np.uint8 else now != 0, dtype=np.uint8)
        labels[box] = mask
        if not mask.any() and not labels.any():
            msg = "the liver outline is empty; draw it, or undo"
            raise MaskError(msg)
        self._take_liver(labels, noted)

    def delete_lesion(self, label: int) -> None:
        """Take a lesion away."""
        self._require_lesion(label)
        array = self.lesions.array.copy()
        array[array == label] = 0
        self.set_lesions(array)

    def merge_lesions(self, labels: Iterable[int]) -> None:
        """Make lesions one, under the lowest of their numbers.

        Raises
        ------
        MaskError
            Where fewer than two lesions are named, or one is not there.
        """
        chosen = sorted(set(labels))
        if len(chosen) < 2:
            msg = "choose at least two lesions to merge"
            raise MaskError(msg)
        for label in chosen:
            self._require_lesion(label)
        array = self.lesions.array.copy()
        array[np.isin(array, chosen[1:])] = chosen[0]
        by = self.reader if self.signed else None
        self.set_lesions(array, MaskEdit(tool="merge", labels=tuple(chosen), reader=by))

    def split_lesion(self, label: int, seeds_lps_mm: Sequence[Vector] = ()) -> tuple[int, ...]:
        """Split a lesion; the largest part keeps the number. Returns the numbers of the parts.

        Raises
        ------
        MaskError
            Where there is nothing to tell two parts by.
        """
        self._require_lesion(label)
        box, parts = parts_of(self.volumes.pet, self.lesions, label, seeds_lps_mm)
        first = self.next_label()
        names = (label, *range(first, first + int(parts.max()) - 1))
        array = self.lesions.array.copy()
        for number, name in enumerate(names, start=1):
            array[box][parts == number] = name
        self.set_lesions(array)
        return names

    def _require_lesion(self, label: int) -> None:
        if label not in self.lesions.labels:
            there = ", ".join(map(str, self.lesions.labels)) or "none"
            msg = f"lesion {label} does not exist (lesions: {there}); choose one of them"
            raise MaskError(msg)

    # --- edits ---------------------------------------------------------------------------------------------------

    def _edits_of(self, lesions: Iterable[LesionEdit]) -> ReaderEdits:
        """The edits with other ones of lesions, in the order of the labels and without empty ones."""
        said = sorted((e for e in lesions if e != LesionEdit(label=e.label)), key=lambda e: e.label)
        return self.edits.model_copy(update={"lesions": tuple(said)})

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


def _with_noted(edits: ReaderEdits, noted: MaskEdit | None) -> ReaderEdits:
    return edits if noted is None else edits.model_copy(update={"mask_edits": (*edits.mask_edits, noted)})


def _point(values: Sequence[float]) -> Vector:
    x, y, z = (float(v) for v in values)
    if not np.isfinite((x, y, z)).all():
        msg = "a place in the patient needs three finite coordinates in mm"
        raise GeometryError(msg)
    return (x, y, z)


def _checked(array: npt.NDArray[Any], grid: Geometry, what: str) -> npt.NDArray[np.uint16]:
    if array.shape != grid.shape:
        msg = f"the {what} mask has {array.shape} voxels and its image {grid.shape}; paint on the layer that was opened"
        raise MaskError(msg)
    if array.dtype.kind not in "bui" or (array.dtype.kind == "i" and array.min(initial=0) < 0):
        msg = f"the {what} mask holds values that are not labels; paint on the layer that was opened"
        raise MaskError(msg)
    if array.dtype != np.bool_ and array.max(initial=0) > np.iinfo(np.uint16).max:
        msg = f"the {what} mask holds labels above {np.iinfo(np.uint16).max}; choose smaller ones"
        raise MaskError(msg)
    return np.array(array, dtype=np.uint16)
