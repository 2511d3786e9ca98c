"""What the marking tools do to a reading: scribbles, splits, merges, and outlines at a level. No window in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dotaliver.errors import MaskError
from dotaliver.image.distance import distance_inside_mm, distance_to_mm
from dotaliver.image.geometry import Box, Geometry, Vector, as_vector, grow_box
from dotaliver.image.itk import resample, resample_labels
from dotaliver.image.volume import BoolArray, LabelMap, Volume, used_box
from dotaliver.records.edits import MaskEdit, MaskTool
from dotaliver.records.positions import in_position_of, shift_between
from dotaliver.segmentation.editing.level_outline import (
    HIGHEST_LEVEL,
    LOWEST_LEVEL,
    PlaceOnPet,
    place_on_pet,
)
from dotaliver.segmentation.editing.liver_scribbles import corrected_liver
from dotaliver.segmentation.editing.scribbles import Scribbles, StrokeKind, corrected_lesion
from dotaliver.segmentation.editing.splitting import cut_parts, parts_of
from dotaliver.segmentation.editing.uptake_edge import EDGE, surrounding_uptake
from napari_dotaliver.reading.label_tools import stroke_voxels
from napari_dotaliver.reading.measuring import painted_liver
from napari_dotaliver.reading.packed import PackedLabels
from napari_dotaliver.reading.pointing import Pointing

__all__ = ["LEVEL_STEP", "Marking", "OutlinePreview"]

LEVEL_STEP = 0.025
"""What one notch of the wheel changes a level by, as a height over the surroundings."""

# What is read around a lesion and a stroke: surroundings reach 25 mm, strokes 30 mm.
_AROUND_MM = 32.0
# How far off the liver's outline may be, beyond which a stroke on a lesion adds nothing by itself.
_OUTLINE_ERROR_MM = 5.0


@dataclass(frozen=True, eq=False)
class OutlinePreview:
    """A lesion outlined from a click, not yet in the reading.

    Attributes
    ----------
    label : int
        The lesion whose outline it would become.
    is_new : bool
        Whether there is no such lesion yet.
    click_lps_mm : tuple of float
        The place that was clicked.
    level : float
        Height over the surroundings; 0.5 is the edge rule.
    """

    label: int
    is_new: bool
    click_lps_mm: Vector
    level: float
    place: PlaceOnPet

    @property
    def mask(self) -> BoolArray:
        """The outline, in the box of `place`."""
        return self.place.outline(self.level)

    @property
    def percent(self) -> float:
        """The level in percent of the lesion's maximum."""
        return self.place.percent_of_maximum(self.level)

    @property
    def words(self) -> str:
        """Such as ``42 % of maximum (edge rule)``."""
        percent = f"{self.percent:.0f} % of maximum"
        return f"{percent} (edge rule)" if abs(self.level - EDGE) < LEVEL_STEP / 2 else percent

    def turned(self, notches: int) -> OutlinePreview:
        """At a level that is so many notches higher, within what can be chosen."""
        level = min(max(self.level + notches * LEVEL_STEP, LOWEST_LEVEL), HIGHEST_LEVEL)
        return replace(self, level=level)


class Marking(Pointing):
    """A reading that marking tools correct; each stroke, split, merge or accepted outline is one step."""

    # --- scribbles ---------------------------------------------------------------------------------------------------

    def scribble(self, label: int, points_lps_mm: Sequence[Vector], kind: StrokeKind) -> None:
        """Correct a lesion by a stroke "more here" or "less here".

        Raises
        ------
        MaskError
            Where there is no such lesion, or the stroke lies outside the image or in another lesion.
        """
        self._require_lesion(label)
        labels, stroke = self.lesions, stroke_voxels(self.lesions.geometry, points_lps_mm)
        lesion = dict(labels.boxes())[label]
        used = used_box(stroke)
        if used is None:
            msg = "the stroke lies outside the image; draw it at the lesion's border"
            raise MaskError(msg)
        box = self._around((lesion, used))
        own, others = _own_and_others(labels, label, box)
        pet = self._pet_on(box)
        strokes = self._strokes_of(label, labels.geometry, box, own)
        corrected = corrected_lesion(
            pet, own, strokes, stroke[box], kind,
            taken=others, normal_uptake=self._normal_uptake(pet, own | stroke[box], others, box),
            config=self.config.lesions, organ=self._liver_around(own, box),
        )  # fmt: skip
        tool: MaskTool = "scribble_more" if kind == "more" else "scribble_less"
        self._take_lesion(label, box, own, corrected, self._noted(tool, (label,), points_lps_mm))

    def _liver_around(self, own: BoolArray, box: Box) -> BoolArray | None:
        """Where the liver may be in a box of the lesions' grid; None where the lesion lies outside it."""
        liver, found, lesions = self.liver, self.segmentations, self.lesions
        if liver is None or found.liver is None:
            return None
        drawn_on = "pet" if found.lesions is None else found.lesions.drawn_on
        grid = in_position_of(drawn_on, replace(found.liver, labels=liver), found.mismatch)
        inside = resample_labels(grid, lesions.geometry.crop(box)).mask
        near = distance_to_mm(inside, lesions.geometry.spacing_mm) <= _OUTLINE_ERROR_MM
        return np.asarray(near) if 2 * np.count_nonzero(own & near) >= np.count_nonzero(own) else None

    def scribble_liver(self, points_lps_mm: Sequence[Vector], kind: StrokeKind) -> None:
        """Correct the liver by a stroke "more here" or "less here".

        Raises
        ------
        MaskError
            Where there is no liver outline, or the stroke lies outside the image.
        """
        if self.liver is None:
            msg = "there is no liver outline yet; draw it with the brush"
            raise MaskError(msg)
        grid = self.liver_grid
        image = self.volumes.ct if self.volumes.ct is not None else self.volumes.pet
        if not image.geometry.is_close(grid):
            image = Volume(resample(image, grid).array, grid, image.quantity)
        box, part = corrected_liver(image, self.liver.mask, stroke_voxels(grid, points_lps_mm), kind)
        tool: MaskTool = "scribble_more" if kind == "more" else "scribble_less"
        edit = self._noted(tool, (), points_lps_mm).model_copy(update={"mask": "liver"})
        self.paint_liver(box, part, edit)

    def _strokes_of(self, label: int, grid: Geometry, box: Box, own: BoolArray) -> Scribbles:
        """Earlier strokes on a lesion, as far as its mask still agrees with them."""
        drawn = Scribbles.none(own.shape)
        for edit in self.edits.mask_edits:
            if edit.mask == "lesions" and edit.labels == (label,) and edit.tool in {"scribble_more", "scribble_less"}:
                kind: StrokeKind = "more" if edit.tool == "scribble_more" else "less"
                drawn = drawn.with_stroke(stroke_voxels(grid, edit.places_lps_mm)[box], kind)
        return Scribbles(drawn.more & own, drawn.less & ~own)

    # --- split and merge ---------------------------------------------------------------------------------------------

    def split_at_seeds(self, label: int, seeds_lps_mm: Sequence[Vector]) -> tuple[int, ...]:
        """Split a lesion along the valleys of uptake between seeds; returns the numbers of the parts.

        Raises
        ------
        MaskError
            Where there is no such lesion, a seed lies outside of it, or a part would be a sliver.
        """
        self._require_lesion(label)
        if len(seeds_lps_mm) < 2:
            msg = "one seed makes no two parts; click once in each part"
            raise MaskError(msg)
        found = parts_of(self.volumes.pet, self.lesions, label, seeds_lps_mm)
        return self._take_parts(label, found, self._noted("split_seeds", (label,), seeds_lps_mm))

    def cut_lesion(self, label: int, line_lps_mm: tuple[Vector, Vector], view_lps: Vector) -> tuple[int, ...]:
        """Split a lesion by a line, along the line of sight; returns the numbers of the parts.

        Raises
        ------
        MaskError
            Where there is no such lesion, the line does not divide it, or a part would be a sliver.
        """
        self._require_lesion(label)
        found = cut_parts(self.lesions, label, line_lps_mm, view_lps)
        return self._take_parts(label, found, self._noted("split_line", (label,), line_lps_mm))

    def _take_parts(self, label: int, found: tuple[Box, npt.NDArray[np.uint16]], edit: MaskEdit) -> tuple[int, ...]:
        box, parts = found
        first = self.next_label()
        names = (label, *range(first, first + int(parts.max()) - 1))
        array = self.lesions.array.copy()
        for number, name in enumerate(names, start=1):
            array[box][parts == number] = name
        self.set_lesions(array, edit.model_copy(update={"labels": names}))
        return names

    def lesion_at(self, place_lps_mm: Vector) -> int:
        """The lesion at a place; 0 where there is none."""
        grid = self.lesions.geometry
        index = np.rint(grid.lps_to_index(place_lps_mm)).astype(int)
        if (index < 0).any() or (index >= grid.shape).any():
            return 0
        return int(self.lesions.array[tuple(index)])

    # --- an outline at a level ---------------------------------------------------------------------------------------

    def preview_outline(self, place_lps_mm: Vector) -> OutlinePreview:
        """Outline what takes up at a place on the PET, by the edge rule; nothing is changed before it is taken.

        Raises
        ------
        MaskError
            For a place off the PET, or where the uptake does not rise over its surroundings.
        """
        labels = self.lesions
        if not self.volumes.pet.geometry.is_close(labels.geometry):
            msg = "lesions are outlined on another image than the PET; paint with the brush"
            raise MaskError(msg)
        label = self.lesion_at(place_lps_mm)
        taken = (labels.array != 0) & (labels.array != label)
        depth = self._depth_in_liver()
        index = tuple(np.rint(labels.geometry.lps_to_index(place_lps_mm)).astype(int))
        inside = depth is not None and bool(labels.geometry.contains(place_lps_mm)) and bool(depth[index] > 0)
        normal = self._normal_liver() if inside else None
        capsule = np.asarray(depth < self.config.lesions.capsule_mm) if inside and depth is not None else None
        found = place_on_pet(self.volumes.pet, place_lps_mm, taken, normal, self.config.lesions, capsule)
        return OutlinePreview(label or self.next_label(), label == 0, place_lps_mm, EDGE, found)

    def take_outline(self, preview: OutlinePreview) -> None:
        """Take an outline that was previewed into the reading, as one step."""
        _, others = _own_and_others(self.lesions, preview.label, preview.place.box)
        percent = round(preview.percent, 1)
        edit = self._noted("pet_click", (preview.label,), (preview.click_lps_mm,))
        edit = edit.model_copy(update={"percent_of_maximum": percent})
        array = self.lesions.array.copy()
        array[array == preview.label] = 0
        array[preview.place.box][preview.mask & ~others] = preview.label
        self.set_lesions(array, edit)

    # --- what they share ---------------------------------------------------------------------------------------------

    def _noted(self, tool: MaskTool, labels: tuple[int, ...], places_lps_mm: Sequence[Vector]) -> MaskEdit:
        x = tuple(as_vector(np.round(place, 1)) for place in places_lps_mm)
        return MaskEdit(tool=tool, labels=labels, places_lps_mm=x, reader=self.reader if self.signed else None)

    def _take_lesion(self, label: int, box: Box, own: BoolArray, now: BoolArray, edit: MaskEdit) -> None:
        array = self.lesions.array.copy()
        part = array[box]
        part[own & ~now] = 0
        part[now] = label
        self.set_lesions(array, edit)

    def _around(self, boxes: Sequence[Box]) -> Box:
        grid = self.lesions.geometry
        k, j, i = (slice(min(b[n].start for b in boxes), max(b[n].stop for b in boxes)) for n in range(3))
        return grow_box((k, j, i), np.ceil(_AROUND_MM / np.asarray(grid.spacing_mm)), grid.shape)

    def _pet_on(self, box: Box) -> Volume:
        """The PET on a part of the lesions' grid, in the position that they were drawn in."""
        pet, grid, layer = self.volumes.pet, self.lesions.geometry, self.segmentations.lesions
        if pet.geometry.is_close(grid):
            return pet.crop(box).loaded()
        shift = shift_between("pet", "pet" if layer is None else layer.drawn_on, self.segmentations.mismatch)
        moved = Volume(pet.array, pet.geometry.moved(shift), pet.quantity)
        return resample(moved, grid.crop(box))

    def _normal_liver(self) -> float | None:
        reference = self.score.references.get("liver")
        return None if reference is None else reference.suv_mean

    def _normal_uptake(self, pet: Volume, region: BoolArray, others: BoolArray, box: Box) -> float:
        """That of normal liver for a lesion in the liver, else of what lies around it."""
        depth, normal = self._depth_in_liver(), self._normal_liver()
        in_liver = depth is not None and bool((depth[box][region] > 0).mean() >= 0.5)
        return normal if in_liver and normal is not None else surrounding_uptake(pet, region, others)

    _depth_kept: tuple[PackedLabels | None, npt.NDArray[np.float32]] | None = None

    def _depth_in_liver(self) -> npt.NDArray[np.float32] | None:
        """How deep each voxel of the lesions' grid lies in the liver, in mm; None without a liver."""
        if self.liver is None:
            return None
        if self._depth_kept is None or self._depth_kept[0] is not self.state.liver:
            base, grid = self.segmentations, self.lesions.geometry
            layer = painted_liver(base, self.liver, self.volumes.ct is not None, self.config)
            drawn_on = "pet" if base.lesions is None else base.lesions.drawn_on
            inside = resample_labels(in_position_of(drawn_on, layer, base.mismatch), grid).mask
            self._depth_kept = (self.state.liver, distance_inside_mm(inside, grid.spacing_mm))
        return self._depth_kept[1]


def _own_and_others(labels: LabelMap, label: int, box: Box) -> tuple[BoolArray, BoolArray]:
    part = labels.array[box]
    return np.asarray(part == label), np.asarray((part != 0) & (part != label))
