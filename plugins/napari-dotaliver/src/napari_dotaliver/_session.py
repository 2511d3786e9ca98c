"""One reading of one study: what the reader changed, step by step, and what it gives. No window in it.

The record that is revised stays as it is. Every edit makes a new `ReadingState`; undo goes back to an older one.
Measuring is the pipeline's (`_measuring`); between an edit and the next measurement the session is `stale`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from dotaliver.config import ScoringConfig
from dotaliver.differences import RecordDifference, compare_records
from dotaliver.errors import ConfigError, GeometryError, MaskError, OutputError
from dotaliver.geometry import Geometry, Vector
from dotaliver.pipeline import Outcome, OutputOptions, save
from dotaliver.protocol import CriterionId
from dotaliver.records import (
    DiameterEdit,
    LesionEdit,
    LesionMark,
    Reader,
    ReaderEdits,
    ReferenceEdit,
    RestOfBody,
    Segmentations,
    StudyVolumes,
    VerdictEdit,
    VerdictWord,
)
from dotaliver.score import StudyScore
from dotaliver.volume import LabelMap
from napari_dotaliver._correcting import parts_of
from napari_dotaliver._measuring import (
    Measured,
    Progress,
    ReadingState,
    Standing,
    answered,
    measure,
    proposals,
    unanswered,
)
from napari_dotaliver._packed import PackedLabels

__all__ = ["MARKS", "ReadingSession"]

MARKS: tuple[LesionMark, ...] = get_args(LesionMark)
_STEPS_KEPT = 200
Segment = tuple[Vector, Vector]


def _silent(_stage: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, eq=False)
class _Step:
    """A state with its masks unpacked."""

    state: ReadingState
    standing: Standing


class ReadingSession:
    """A reading of one scored study.

    Parameters
    ----------
    outcome : Outcome
        The scored study; its record is the one that is revised.
    folder : Path, optional
        Where that record lies; where it lies nowhere yet, saving writes it too.
    """

    def __init__(self, outcome: Outcome, folder: Path | None = None) -> None:
        self.outcome = outcome
        self.folder = folder if folder is not None and (folder / "score.json").is_file() else None
        self._grids = _grids(outcome)
        state = ReadingState(edits=outcome.score.edits)
        self._step = _Step(state, self._standing(state))
        self._measured = Measured(state, outcome.segmentations, unanswered(outcome.score), outcome.score)
        self._undone: list[ReadingState] = []
        self._done: list[ReadingState] = []
        self._saved = state
        self.saved_in: Path | None = None
        self._callbacks: list[Callable[[], None]] = []
        self._highest_label = max(self._step.standing.lesions.labels, default=0)

    # --- what stands ---------------------------------------------------------------------------------------------

    @property
    def volumes(self) -> StudyVolumes:
        """The images."""
        return self.outcome.opened.volumes

    @property
    def config(self) -> ScoringConfig:
        """The settings of the record."""
        return self.outcome.score.config

    @property
    def automatic(self) -> StudyScore:
        """The record that is revised."""
        return self.outcome.score

    @property
    def score(self) -> StudyScore:
        """The record as last measured."""
        return self._measured.score

    @property
    def segmentations(self) -> Segmentations:
        """All masks and regions as last measured."""
        return self._measured.segmentations

    @property
    def lesions(self) -> LabelMap:
        """The lesions as they stand now, on the grid that they were drawn on."""
        return self._step.standing.lesions

    @property
    def automatic_lesions(self) -> LabelMap:
        """The lesions of the record that is revised."""
        return _found_masks(self.outcome, self._grids)[1]

    @property
    def liver(self) -> LabelMap | None:
        """The liver as it stands now."""
        return self._step.standing.liver

    @property
    def liver_grid(self) -> Geometry:
        """The grid that the liver is drawn on, whether there is one yet or not."""
        return self._grids[0]

    @property
    def edits(self) -> ReaderEdits:
        """What was edited apart from masks."""
        return self._step.state.edits

    @property
    def reader(self) -> Reader | None:
        """Who reads; None before that was said."""
        return self.edits.reader

    @property
    def state(self) -> ReadingState:
        """The step that stands."""
        return self._step.state

    @property
    def withdrawn(self) -> tuple[str, ...]:
        """What the last measurement could not carry over, each in one sentence."""
        return self._measured.withdrawn

    @property
    def stale(self) -> bool:
        """Whether numbers or proposals may change at the next measurement."""
        now, then = self.state, self._measured.state
        masks = now.liver is then.liver and now.lesions is then.lesions
        return not masks or proposals(now.edits) != proposals(then.edits)

    @property
    def dirty(self) -> bool:
        """Whether something was edited since the last save."""
        return self.state is not self._saved and self.state != self._saved

    @property
    def reference_sphere(self) -> tuple[Vector, float] | None:
        """Centre (mm) and diameter (mm) of the normal-liver sphere, the reader's first; None where there is none."""
        edit = self.edits.reference("liver")
        if edit is not None:
            return edit.centre_lps_mm, edit.diameter_mm
        region = self.segmentations.reference("liver")
        if region is None or region.centre_lps_mm is None or region.diameter_mm is None:
            return None
        return region.centre_lps_mm, region.diameter_mm

    def diameter_of(self, label: int) -> Segment | None:
        """End points (mm) of a lesion's longest diameter, the reader's first; None where there is none."""
        edit = self.edits.lesion(label)
        if edit.diameter is not None:
            return edit.diameter.long_axis_lps_mm
        lesion = next((lesion for lesion in self.score.lesions if lesion.label == label), None)
        if lesion is None or lesion.diameter is None or lesion.diameter.source == "reader":
            return None
        return lesion.diameter.long_axis_lps_mm

    def marks_of(self, label: int) -> tuple[LesionMark, ...]:
        """What the reader marked a lesion as."""
        return self.edits.lesion(label).marks

    def next_label(self) -> int:
        """A number that no lesion has or had in this reading.

        Raises
        ------
        MaskError
            Where all numbers of lesions are used up.
        """
        label = max(self._highest_label, max(self.lesions.labels, default=0)) + 1
        if label >= self.config.ct_foci.first_label:
            msg = f"all lesion numbers below {self.config.ct_foci.first_label} are in use; merge or delete lesions"
            raise MaskError(msg)
        return label

    def changes(self) -> RecordDifference:
        """What differs between the record that is revised and the one that was measured last."""
        return compare_records(self.automatic, self.score)

    # --- telling others ------------------------------------------------------------------------------------------

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back after every edit, undo, measurement and save; returns a function that ends it."""
        self._callbacks.append(callback)

        def end() -> None:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

        return end

    def _tell(self) -> None:
        for callback in tuple(self._callbacks):
            callback()

    # --- undo ----------------------------------------------------------------------------------------------------

    @property
    def can_undo(self) -> bool:
        """Whether there is an earlier step."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """Whether a step was undone."""
        return bool(self._undone)

    def undo(self) -> None:
        """Go back one step; nothing happens at the first."""
        self._go(self._done, self._undone)

    def redo(self) -> None:
        """Take an undone step again; nothing happens at the last."""
        self._go(self._undone, self._done)

    def _go(self, source: list[ReadingState], target: list[ReadingState]) -> None:
        if source:
            target.append(self.state)
            self._stand_at(source.pop())

    def _stand_at(self, state: ReadingState, standing: Standing | None = None) -> None:
        self._step = _Step(state, standing or self._standing(state))
        self._answer_anew()
        self._tell()

    def _become(self, state: ReadingState, standing: Standing | None = None) -> None:
        """A new step, unless it is the one that stands."""
        if state == self.state:
            return
        self._done.append(self.state)
        del self._done[:-_STEPS_KEPT]
        self._undone.clear()
        self._stand_at(state, standing)

    def resume(self, state: ReadingState) -> None:
        """Take up a reading where it was left, as one step that can be undone.

        Raises
        ------
        MaskError
            Where a mask of the state does not fit the study.
        """
        standing = self._standing(state)
        self._highest_label = max(self._highest_label, *standing.lesions.labels, 0)
        self._become(state, standing)

    def _standing(self, state: ReadingState) -> Standing:
        """The masks of a state; those that did not change are not unpacked again."""
        here = getattr(self, "_step", None)
        liver, lesions = _found_masks(self.outcome, self._grids)
        if state.liver is not None:
            same = here is not None and here.state.liver is state.liver
            liver = here.standing.liver if same else _unpacked(state.liver, self._grids[0])
        if state.lesions is not None:
            same = here is not None and here.state.lesions is state.lesions
            lesions = here.standing.lesions if same else _unpacked(state.lesions, self._grids[1])
        return Standing(liver, lesions)

    # --- masks ---------------------------------------------------------------------------------------------------

    def set_lesions(self, array: npt.NDArray[Any]) -> None:
        """Take other lesions, as labels ``[slice, row, column]`` on the grid of `lesions`; the array is copied.

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
            msg = f"lesion numbers must lie below {self.config.ct_foci.first_label}; paint with a smaller one"
            raise MaskError(msg)
        new = LabelMap(labels, grid)
        self._highest_label = max(self._highest_label, *self.lesions.labels, *new.labels, 0)
        gone = set(self.lesions.labels) - set(new.labels)
        edits = self._edits_of(tuple(edit for edit in self.edits.lesions if edit.label not in gone))
        found = _found_masks(self.outcome, self._grids)[1]
        packed = PackedLabels.of(labels)
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
        labels = np.minimum(_checked(mask, self._grids[0], "liver"), 1)
        if not labels.any():
            msg = "the liver outline is empty; draw it, or undo"
            raise MaskError(msg)
        if self.liver is not None and np.array_equal(labels, self.liver.array != 0):
            return
        first = self.config.ct_foci.first_label
        edits = self._edits_of(tuple(edit for edit in self.edits.lesions if edit.label < first))
        found = _found_masks(self.outcome, self._grids)[0]
        packed: PackedLabels | None = PackedLabels.of(labels)
        new: LabelMap | None = LabelMap(labels.astype(np.uint8), self._grids[0])
        if found is not None and np.array_equal(labels, found.array != 0):
            packed, new = None, found
        self._become(replace(self.state, liver=packed, edits=edits), replace(self._step.standing, liver=new))

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
        self.set_lesions(array)

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
            msg = f"lesion {label} is not there (lesions: {there}); choose one of them"
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

    def redraw_diameter(self, label: int, ends_lps_mm: Segment | None) -> None:
        """Draw a lesion's longest diameter anew, by its end points in mm; None takes the drawn one back."""
        self._require_lesion(label)
        if ends_lps_mm is None:
            self._edit_lesion(label, diameter=None)
            return
        first, second = (_point(end) for end in ends_lps_mm)
        if np.linalg.norm(np.subtract(first, second)) < 1.0:
            msg = "the line is shorter than 1 mm; draw it from border to border"
            raise GeometryError(msg)
        measured = self.volumes.recist_ct or self.volumes.ct or self.volumes.pet
        if abs(first[2] - second[2]) > max(measured.geometry.spacing_mm):
            msg = "a diameter is measured in one axial slice; draw the line on an axial view"
            raise GeometryError(msg)
        self._edit_lesion(label, diameter=DiameterEdit(long_axis_lps_mm=(first, second)))

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
        """State what the body outside the liver shows; None takes the statement back."""
        self._edit(rest_of_body=statement)

    def check(self, item: str, present: bool | None) -> None:
        """Answer an item of the protocol's checklist; None leaves it open."""
        if item not in self.config.protocol.checklist:
            msg = f"the protocol's checklist has no item {item!r}"
            raise ConfigError(msg)
        given = {k: v for k, v in self.edits.checklist.items() if k != item}
        if present is not None:
            given[item] = present
        self._edit(checklist={k: given[k] for k in self.config.protocol.checklist if k in given})

    def sign(self, name: str, role: str) -> None:
        """Say who reads, and as what.

        Raises
        ------
        ConfigError
            Where name or role is empty.
        """
        if not name.strip() or not role.strip():
            msg = "give the reader's name and role"
            raise ConfigError(msg)
        self._edit(reader=Reader(name=name.strip(), role=role.strip()))

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
        if self.edits.reader is None:
            msg = "give the reader's name and role before answering a criterion"
            raise ConfigError(msg)
        proposal = self.proposed(criterion)
        if verdict != proposal and edit.reason is None:
            name = self.config.protocol.criterion(criterion).name
            msg = f"{name}: give a reason for overruling the proposal"
            raise ConfigError(msg)
        order = list(self.automatic.criteria)
        ordered = tuple(sorted(edits.verdicts, key=lambda answer: order.index(answer.criterion)))
        self._edit(verdicts=ordered)

    def proposed(self, criterion: CriterionId) -> VerdictWord:
        """What the images propose, as last measured."""
        return self._measured.proposed.criteria[criterion].verdict

    def _answer_anew(self) -> None:
        """Lay the answers on the proposals that stand: they need no measurement."""
        if not self.stale:
            last = self._measured
            self._measured = replace(last, state=self.state, score=answered(last.proposed, self.edits))

    # --- measuring and saving --------------------------------------------------------------------------------------

    def measuring(self) -> Callable[[Progress], Measured]:
        """What is to be run, in whatever thread, to measure the step that stands now; then `adopt` the result."""
        outcome, step, before = self.outcome, self._step, self._measured
        return lambda progress: measure(outcome, step.state, step.standing, before, progress)

    def adopt(self, measured: Measured, of: ReadingState | None = None) -> bool:
        """Take a measurement; False, and nothing happens, where the reading has moved on since (from ``of``)."""
        now = self.state
        if of is not None and of is not now:
            return False
        if measured.state.liver is not now.liver or measured.state.lesions is not now.lesions:
            return False
        self._measured = measured
        self._step = _Step(measured.state, self._step.standing)
        self._tell()
        return True

    def remeasure(self, progress: Progress = _silent) -> Measured:
        """Measure the step that stands, in this thread."""
        measured = self.measuring()(progress)
        self.adopt(measured)
        return measured

    def saving(self, folder: Path, options: OutputOptions | None = None) -> Callable[[Progress], None]:
        """What is to be run, in whatever thread, to write the reading into a folder; then call `saved`.

        The record that is revised is written beside it, into ``automatic``, where it stands nowhere yet.

        Raises
        ------
        ConfigError
            Where nobody signed, or something was edited since the last measurement.
        OutputError
            Where the folder holds the record that this one revises.
        """
        if self.reader is None:
            msg = "give the reader's name and role before saving"
            raise ConfigError(msg)
        if self.stale:
            msg = "something was edited since the last measurement; re-measure before saving"
            raise ConfigError(msg)
        if self.folder is not None and folder.resolve() == self.folder.resolve():
            msg = f"{folder.name}: the folder holds the record that this one revises; choose another"
            raise OutputError(msg)
        score = answered(self._measured.proposed, self.edits.model_copy(update={"made_at": datetime.now(UTC)}))
        outcome, unwritten = self.revision(score), self.outcome if self.folder is None else None

        def write(progress: Progress) -> None:
            if unwritten is not None:
                save(unwritten, folder / "automatic", options, progress=progress)
            save(outcome, folder, options, progress=progress)

        return write

    def saved(self, folder: Path, state: ReadingState) -> None:
        """Note that a state was written into a folder."""
        if self.folder is None:
            self.folder = folder / "automatic"
        self.saved_in, self._saved = folder, state
        self._tell()

    def save(self, folder: Path, options: OutputOptions | None = None, progress: Progress = _silent) -> None:
        """Measure if need be, and write record, masks and report into a folder, in this thread."""
        if self.stale:
            self.remeasure(progress)
        state = self.state
        self.saving(folder, options)(progress)
        self.saved(folder, state)

    def revision(self, score: StudyScore) -> Outcome:
        """A record of this reading with all that its files are made of; it names the record that it revises."""
        revises = score.provenance.model_copy(update={"revises": self.automatic.record_id})
        score = score.model_copy(update={"provenance": revises})
        return Outcome(score, self.outcome.opened, self.segmentations, self.outcome.folder)


def _point(values: Sequence[float]) -> Vector:
    x, y, z = (float(v) for v in values)
    if not np.isfinite((x, y, z)).all():
        msg = "a place in the patient needs three finite coordinates in mm"
        raise GeometryError(msg)
    return (x, y, z)


def _grids(outcome: Outcome) -> tuple[Geometry, Geometry]:
    """The grids that liver and lesions are drawn on."""
    volumes, found = outcome.opened.volumes, outcome.segmentations
    own = (volumes.ct or volumes.pet).geometry
    return (
        own if found.liver is None else found.liver.labels.geometry,
        volumes.pet.geometry if found.lesions is None else found.lesions.labels.geometry,
    )


def _found_masks(outcome: Outcome, grids: tuple[Geometry, Geometry]) -> tuple[LabelMap | None, LabelMap]:
    """The masks of the record that is revised; an empty map where lesions were not looked for."""
    found = outcome.segmentations
    liver = None if found.liver is None else found.liver.labels
    if found.lesions is not None:
        return liver, found.lesions.labels
    return liver, LabelMap(np.zeros(grids[1].shape, dtype=np.uint16), grids[1])


def _checked(array: npt.NDArray[Any], grid: Geometry, what: str) -> npt.NDArray[np.uint16]:
    if array.shape != grid.shape:
        msg = f"the {what} mask has {array.shape} voxels and its image {grid.shape}; paint on the layer that was opened"
        raise MaskError(msg)
    if array.dtype.kind not in "bui" or (array.dtype.kind == "i" and array.min(initial=0) < 0):
        msg = f"the {what} mask holds values that are no labels; paint on the layer that was opened"
        raise MaskError(msg)
    if array.dtype != np.bool_ and array.max(initial=0) > np.iinfo(np.uint16).max:
        msg = f"the {what} mask holds labels above {np.iinfo(np.uint16).max}; choose smaller ones"
        raise MaskError(msg)
    return np.array(array, dtype=np.uint16)


def _unpacked(packed: PackedLabels, grid: Geometry) -> LabelMap:
    if packed.shape != grid.shape:
        msg = f"a mask of {packed.shape} voxels does not fit this study's {grid.shape}"
        raise MaskError(msg)
    return LabelMap(packed.array(), grid)
