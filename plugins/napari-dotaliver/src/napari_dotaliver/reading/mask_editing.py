"""What a reader does to the masks of a reading: painting, deleting, merging and splitting. No window in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dotaliver.errors import MaskError
from dotaliver.image.geometry import Box, Geometry, Vector
from dotaliver.image.volume import BoolArray, LabelMap
from dotaliver.records.edits import LesionEdit, MaskEdit, ReaderEdits
from dotaliver.segmentation.editing.splitting import parts_of
from napari_dotaliver.reading.label_tools import differing_box
from napari_dotaliver.reading.packed import PackedLabels
from napari_dotaliver.reading.steps import Steps, found_masks

__all__ = ["MaskEditing"]


class MaskEditing(Steps):
    """A reading whose masks can be edited; every edit is one step, refused in one sentence or taken as a whole."""

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

    def _edits_of(self, lesions: Iterable[LesionEdit]) -> ReaderEdits:
        """The edits with other ones of lesions, in the order of the labels and without empty ones."""
        said = sorted((e for e in lesions if e != LesionEdit(label=e.label)), key=lambda e: e.label)
        return self.edits.model_copy(update={"lesions": tuple(said)})


def _with_noted(edits: ReaderEdits, noted: MaskEdit | None) -> ReaderEdits:
    return edits if noted is None else edits.model_copy(update={"mask_edits": (*edits.mask_edits, noted)})


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
