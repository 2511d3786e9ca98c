"""The steps of a reading: what stands, what stood before, and who is told of it. No window in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dotaliver.config.protocol import CriterionId
from dotaliver.config.scoring import ScoringConfig
from dotaliver.errors import MaskError
from dotaliver.image.geometry import Geometry, Vector
from dotaliver.image.volume import LabelMap
from dotaliver.pipeline import Outcome
from dotaliver.records.edits import Reader, ReaderEdits, StoredMark
from dotaliver.records.masks import Segmentations
from dotaliver.records.score import StudyScore
from dotaliver.records.score_folder import ScoreFolder
from dotaliver.records.study import StudyVolumes
from dotaliver.records.verdicts import VerdictWord
from napari_dotaliver.reading.measuring import (
    Measured,
    ReadingState,
    Standing,
    answered,
    proposals,
    unanswered,
)
from napari_dotaliver.reading.packed import PackedLabels

__all__ = ["Segment", "Step", "Steps", "found_masks"]

_STEPS_KEPT = 200
Segment = tuple[Vector, Vector]


@dataclass(frozen=True, eq=False)
class Step:
    """A state with its masks unpacked."""

    state: ReadingState
    standing: Standing


class Steps:
    """What a reading changed, one state after the other; the masks of the one that stands are unpacked.

    Parameters
    ----------
    outcome : Outcome
        The scored study; its record is the one that is revised.
    folder : Path, optional
        Where that record lies; where it lies nowhere yet, saving writes it too.
    """

    def __init__(self, outcome: Outcome, folder: Path | None = None) -> None:
        self.outcome = outcome
        self.folder = folder if folder is not None and ScoreFolder(folder).is_there else None
        self._grids = _grids(outcome)
        state = ReadingState(edits=outcome.score.edits)
        self._step = Step(state, self._standing(state))
        self._measured = Measured(state, outcome.segmentations, unanswered(outcome.score), outcome.score)
        self._undone: list[ReadingState] = []
        self._done: list[ReadingState] = []
        self._saved = state
        self._signed_in: Reader | None = None
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
        return found_masks(self.outcome, self._grids)[1]

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
    def signed(self) -> bool:
        """Whether the present reader gave name and role.

        The reader of an earlier reading does not count, nor one that undo or a restored reading brings back.
        """
        return self._signed_in is not None and self._signed_in == self.reader

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
        if lesion is None or lesion.diameter is None or lesion.diameter.source in {"reader", "pet"}:
            # An extent of uptake is not a diameter.
            return None
        return lesion.diameter.long_axis_lps_mm

    def marks_of(self, label: int) -> tuple[StoredMark, ...]:
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

    def proposed(self, criterion: CriterionId) -> VerdictWord:
        """What the images propose, as last measured."""
        return self._measured.proposed.criteria[criterion].verdict

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
        self._step = Step(state, standing or self._standing(state))
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
        here: Step | None = getattr(self, "_step", None)
        liver, lesions = found_masks(self.outcome, self._grids)
        if state.liver is not None:
            same = here is not None and here.state.liver is state.liver
            liver = here.standing.liver if here is not None and same else _unpacked(state.liver, self._grids[0])
        if state.lesions is not None:
            same = here is not None and here.state.lesions is state.lesions
            lesions = here.standing.lesions if here is not None and same else _unpacked(state.lesions, self._grids[1])
        return Standing(liver, lesions)

    def _answer_anew(self) -> None:
        """Lay the answers on the proposals that stand: they need no measurement."""
        if not self.stale:
            last = self._measured
            self._measured = replace(last, state=self.state, score=answered(last.proposed, self.edits))


def _grids(outcome: Outcome) -> tuple[Geometry, Geometry]:
    """The grids that liver and lesions are drawn on."""
    volumes, found = outcome.opened.volumes, outcome.segmentations
    own = (volumes.ct or volumes.pet).geometry
    return (
        own if found.liver is None else found.liver.labels.geometry,
        volumes.pet.geometry if found.lesions is None else found.lesions.labels.geometry,
    )


def found_masks(outcome: Outcome, grids: tuple[Geometry, Geometry]) -> tuple[LabelMap | None, LabelMap]:
    """The masks of the record that is revised; an empty map where lesions were not looked for."""
    found = outcome.segmentations
    liver = None if found.liver is None else found.liver.labels
    if found.lesions is not None:
        return liver, found.lesions.labels
    return liver, LabelMap(np.zeros(grids[1].shape, dtype=np.uint16), grids[1])


def _unpacked(packed: PackedLabels, grid: Geometry) -> LabelMap:
    if packed.shape != grid.shape:
        msg = f"a mask of {packed.shape} voxels does not fit this study's {grid.shape}"
        raise MaskError(msg)
    return LabelMap(packed.array(), grid)
