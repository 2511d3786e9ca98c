"""Measuring a lesion from a click on CT, dragging its border, and what follows. No window in it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dotaliver.errors import MaskError
from dotaliver.image.geometry import Vector
from dotaliver.image.volume import LabelMap
from dotaliver.measurement.diameters import longest_diameter
from dotaliver.records.edits import LesionClick, ReaderEdits
from dotaliver.records.masks import Segmentations
from dotaliver.records.measurements import Diameter
from dotaliver.segmentation.clicked_lesions import Clicked, ClickSite, added_voxels, click_site
from napari_dotaliver.reading.editing import Editing
from napari_dotaliver.reading.packed import PackedLabels
from napari_dotaliver.reading.steps import Segment

__all__ = ["Pointed", "Pointing"]

_HANDLES = 8


@dataclass(frozen=True, eq=False)
class Pointed:
    """A lesion that was measured from a click: its diameter, and points of its border on the slice of that."""

    click: LesionClick
    label: int
    diameter: Diameter
    border_lps_mm: tuple[Vector, ...]
    outline: LabelMap

    @property
    def words(self) -> str:
        """The measurement in one line."""
        found = self.diameter
        short = "" if found.short_mm is None else f" × {found.short_mm:.1f}"
        low, high = found.interval_mm or (found.longest_mm, found.longest_mm)
        return f"Lesion {self.label}: {found.longest_mm:.1f}{short} mm (95 % interval {low:.1f} to {high:.1f} mm)."


class Pointing(Editing):
    """A reading in which lesions can be measured from a click; each click and each drag is one step."""

    _site: tuple[Segmentations, ClickSite] | None = None
    _pointed: Pointed | None = None

    @property
    def pointed(self) -> Pointed | None:
        """The lesion that was pointed at last, while its click stands."""
        last = self._pointed
        return last if last is not None and last.click in self.edits.clicks else None

    def diameter_of(self, label: int) -> Segment | None:
        """End points (mm) of a lesion's longest diameter: drawn, from the last click, or as last measured."""
        last = self.pointed
        if last is not None and last.label == label and self.edits.lesion(label).diameter is None:
            return last.diameter.long_axis_lps_mm
        return super().diameter_of(label)

    def point_at(self, place_lps_mm: Vector) -> Pointed:
        """Measure the lesion at a place on CT, or add one there.

        Raises
        ------
        ConfigError
            Where nothing can be measured from that place, with the reason.
        MaskError
            Where outlines were edited and not measured since.
        """
        site = self._click_site()
        label = site.lesion_at(place_lps_mm)
        clicked = site.measure(LesionClick(place_lps_mm=place_lps_mm, label=label))
        return self._take(clicked, clicked.label or self.next_label(), site)

    def drag_border(self, place_lps_mm: Vector) -> Pointed:
        """Let the border of the lesion that was pointed at last pass through a place.

        Raises
        ------
        ConfigError, MaskError
            As for `point_at`, and where no lesion was pointed at.
        """
        last = self.pointed
        if last is None:
            msg = "point at a lesion before dragging its border"
            raise MaskError(msg)
        site = self._click_site()
        click = last.click.model_copy(update={"border_lps_mm": (*last.click.border_lps_mm, place_lps_mm)})
        return self._take(site.measure(click), last.label, site)

    def forget_click(self, label: int) -> None:
        """Let the diameter that was found without a click count again."""
        self._edit(clicks=tuple(click for click in self.edits.clicks if self._label_of(click) != label))

    def is_clicked(self, label: int) -> bool:
        """Whether a lesion is measured from a click."""
        return any(self._label_of(click) == label for click in self.edits.clicks)

    def _take(self, clicked: Clicked, label: int, site: ClickSite) -> Pointed:
        click = clicked.click.model_copy(update={"label": label})
        others = tuple(other for other in self.edits.clicks if self._label_of(other) != label)
        # What the reader drew before gives way to what was pointed at now.
        lesions = tuple(
            edit if edit.label != label else edit.model_copy(update={"diameter": None}) for edit in self.edits.lesions
        )
        edits: ReaderEdits = self._edits_of(lesions).model_copy(update={"clicks": (*others, click)})
        self._pointed = _pointed(clicked, click, label, site)
        if label in self.lesions.labels:
            self._become(replace(self.state, edits=edits))
            return self._pointed
        array = self.lesions.array.copy()
        array[added_voxels(self.volumes, self.segmentations.automatic, site, clicked) & (array == 0)] = label
        if not (array == label).any():
            msg = "no lesion can be added at that place: other lesions fill it; point at one of them"
            raise MaskError(msg)
        state = replace(self.state, lesions=PackedLabels.of(array), edits=edits)
        self._highest_label = max(self._highest_label, label)
        self._become(state, replace(self._step.standing, lesions=LabelMap(array, self.lesions.geometry)))
        return self._pointed

    def _label_of(self, click: LesionClick) -> int | None:
        """The lesion that a click measures, as last measured where the click does not name it."""
        if click.label is not None:
            return click.label
        known = self.segmentations.clicked
        return next((label for label, one in known.items() if one.place_lps_mm == click.place_lps_mm), None)

    def _click_site(self) -> ClickSite:
        """Liver and lesions on the image that is pointed at, as they stand."""
        now, then = self.state, self._measured.state
        if now.liver is not then.liver:
            msg = "the liver was edited; re-measure before pointing at a lesion"
            raise MaskError(msg)
        found = self.segmentations.automatic
        if found.lesions is not None and now.lesions is not then.lesions:
            found = replace(found, lesions=replace(found.lesions, labels=self.lesions))
        kept = self._site
        if kept is not None and kept[0].liver is found.liver and _same_lesions(kept[0], found):
            return kept[1]
        site = click_site(self.volumes, found, self.config)
        self._site = (found, site)
        return site


def _same_lesions(one: Segmentations, other: Segmentations) -> bool:
    if one.lesions is None or other.lesions is None:
        return one.lesions is other.lesions
    return one.lesions.labels is other.lesions.labels and one.ct_lesions is other.ct_lesions


def _pointed(clicked: Clicked, click: LesionClick, label: int, site: ClickSite) -> Pointed:
    own = clicked.own(site)
    measured = longest_diameter(own, "click", clicked.outline.border)
    if measured is None:
        msg = "the lesion that was pointed at has no outline; draw its diameter instead"
        raise MaskError(msg)
    return Pointed(click, label, measured.diameter, _handles(own, measured.slice_index), own)


def _handles(own: LabelMap, slice_index: int) -> tuple[Vector, ...]:
    """Points of an outline in one slice, evenly around its middle."""
    plane = own.array[slice_index] != 0
    inside = np.argwhere(plane)
    middle, spacing = inside.mean(axis=0), np.asarray(own.geometry.spacing_mm[1:])
    offsets = (inside - middle) * spacing
    angles = np.arctan2(offsets[:, 0], offsets[:, 1])
    lengths = np.linalg.norm(offsets, axis=1)
    points = []
    for angle in np.arange(_HANDLES) * 2 * np.pi / _HANDLES:
        near = np.abs(np.angle(np.exp(1j * (angles - angle)))) <= np.pi / _HANDLES
        if not near.any():
            continue
        far = float(lengths[near].max()) + 0.25 * float(spacing.min())
        index = (slice_index, *(middle + far * np.array([np.sin(angle), np.cos(angle)]) / spacing))
        x, y, z = (float(v) for v in own.geometry.index_to_lps(index))
        points.append((x, y, z))
    return tuple(points)
