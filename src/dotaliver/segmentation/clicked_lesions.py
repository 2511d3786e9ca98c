"""Lesions that a reader points at on the image that diameters are measured on.

A place in a known lesion measures that lesion anew. A place where none is known adds one: on the grid that the lesions
are drawn on, at the place where the PET shows it, so that everything that follows treats it as any other lesion. A
place from which no border can be found is refused with the reason: nothing is guessed, and nothing is left out
silently.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from dotaliver.config.scoring import ScoringConfig
from dotaliver.errors import ConfigError
from dotaliver.image.geometry import Box, FloatArray, Vector, grow_box
from dotaliver.image.itk import resample_labels, resample_through
from dotaliver.image.registration import Pose
from dotaliver.image.sparse import sparse_zeros
from dotaliver.image.volume import BoolArray, LabelMap, Quantity, Volume
from dotaliver.records.edits import LesionClick
from dotaliver.records.masks import BorderEvidence, ClickedLesion, DrawnOn, MaskLayer, Segmentations
from dotaliver.records.positions import in_position_of, shift_between
from dotaliver.records.study import StudyVolumes
from dotaliver.segmentation.clicks_on_mr import MrScene, in_words_of_mr, mr_scene, without_densities
from dotaliver.segmentation.lesions.ct_site import NotSeenError
from dotaliver.segmentation.lesions.dragged_border import through_border_points
from dotaliver.segmentation.lesions.seeded_outline import SeededOutline, outline_around
from dotaliver.segmentation.lesions.thinned_ct import Surroundings
from dotaliver.segmentation.recist_ct import pose_of_recist_ct
from dotaliver.segmentation.recist_mr import measures_on_mr
from dotaliver.system.recent import Recent

__all__ = ["ClickSite", "Clicked", "added_voxels", "click_site", "with_outlines"]

_ORIGIN = "click"
# Less than this is lung or gas.
_AIR_HU = -300.0
# On MR, less than this share of the liver's signal is air: the noise of a magnitude image lies below it.
_AIR_SHARE = 0.04
_DRAW = "draw its diameter instead"
# More clicks than a reader works on at a time.
_FITTED_KEPT = 16
# Room around an outline for what a dragged border may add to it.
_DRAG_MM = 30.0


@dataclass(frozen=True, eq=False)
class ClickSite:
    """The image that a reader points at, with liver and known lesions on its grid."""

    image: Volume
    liver: BoolArray
    lesions: LabelMap
    """Each known lesion as that image shows it, or else where its outline from PET falls."""
    placed: LabelMap
    """Each lesion where its outline from PET falls."""
    measured: MaskLayer | None
    """The outlines that the automatic search found on the image."""
    only_on_pet: frozenset[int]
    """Lesions that are known from PET alone."""
    on_pet: bool
    """Whether lesions were outlined on the PET."""
    pose: Pose | None
    """From places on the image to places on the PET's CT (`onto`); None where they are the same image."""
    config: ScoringConfig
    contrast: Volume
    """What borders are fitted to: the CT itself, or an MR scaled by its liver."""
    onto: DrawnOn = "ct"
    _fitted: Recent = field(default_factory=lambda: Recent(_FITTED_KEPT), init=False, repr=False)
    """Outlines that were fitted before: dragging a border point of one fits none again."""

    @property
    def on_mr(self) -> bool:
        """Whether the image is an MR."""
        return self.image.quantity is Quantity.MR_SIGNAL

    @cached_property
    def highest_label(self) -> int:
        """The highest number of a known lesion."""
        return max(self.lesions.labels, default=0)

    def lesion_at(self, place_lps_mm: Vector) -> int | None:
        """The lesion that holds a place, if one does; None off the image."""
        if not bool(self.image.geometry.contains(place_lps_mm).all()):
            return None
        return int(self.lesions.array[self._voxel(place_lps_mm)]) or None

    def _voxel(self, place_lps_mm: Vector) -> tuple[int, int, int]:
        """The voxel that holds a place on the image."""
        grid = self.image.geometry
        k, j, i = np.clip(np.rint(grid.lps_to_index(place_lps_mm)).astype(int), 0, np.asarray(grid.shape) - 1)
        return int(k), int(j), int(i)

    def measure(self, click: LesionClick) -> Clicked:
        """Find the border around a place.

        Raises
        ------
        ConfigError
            Where the place is off the image, on air or outside the liver, or no clear border is found from it.
        """
        words = place_words(click.place_lps_mm)
        self._require_in_liver(click, words)
        label = click.label or self.lesion_at(click.place_lps_mm)
        known = self._measured_at(label, click.place_lps_mm)
        if known is not None:
            return Clicked(click, label, self._dragged(known, click))
        place = np.asarray(self.image.geometry.lps_to_index(click.place_lps_mm))
        # Whether uptake nearby belongs to what the reader points at is seen from the outline.
        free = self.only_on_pet if label is None else frozenset({label})
        uptake = None
        if label is not None and self.on_pet and label in self.placed.labels:
            uptake = self.placed.where(label)
        around = Surroundings(self.liver, self.lesions.array, free, uptake)
        try:
            key = (click.place_lps_mm, label)
            outline = self._fitted.of(key, lambda: self._outlined(around, place))
        except NotSeenError as reason:
            said = in_words_of_mr(str(reason)) if self.on_mr else str(reason)
            msg = f"no border of a lesion is found from {words}: {said}; {_DRAW}"
            raise ConfigError(msg) from reason
        label = label or self._under(outline)
        return Clicked(click, label, self._dragged(outline, click))

    def _outlined(self, around: Surroundings, place: FloatArray) -> SeededOutline:
        configs = (self.config.ct_clicks, self.config.ct_lesions)
        if not self.on_mr:
            return outline_around(self.contrast, around, place, configs)
        outline = outline_around(self.contrast, around, place, without_densities(*configs))
        return replace(outline, border=outline.border.model_copy(update={"dense_share": None}))

    def _measured_at(self, label: int | None, place_lps_mm: Vector) -> SeededOutline | None:
        """What the automatic search found of a lesion, where it holds the place: it saw more evidence than a click."""
        if self.measured is None or label is None or label not in self.measured.borders:
            return None
        labels = self.measured.labels.array
        if labels[self._voxel(place_lps_mm)] != label:
            return None
        box = dict(self.measured.labels.boxes())[label]
        return SeededOutline(box, np.asarray(labels[box] == label), self.measured.borders[label])

    def _require_in_liver(self, click: LesionClick, words: str) -> None:
        grid = self.image.geometry
        if not bool(grid.contains(click.place_lps_mm).all()):
            msg = f"{words} lies outside the image that diameters are measured on; point inside a lesion on that image"
            raise ConfigError(msg)
        index = self._voxel(click.place_lps_mm)
        one: Box = tuple(slice(v, v + 1) for v in index)  # type: ignore[assignment]
        value = float(np.median(self.image.crop(grow_box(one, (0, 1, 1), grid.shape)).array))
        if value < (self._dark if self.on_mr else _AIR_HU):
            said = "without signal" if self.on_mr else f"{value:.0f} HU"
            msg = f"{words} lies on air or lung ({said}); point inside a lesion of the liver"
            raise ConfigError(msg)
        if not self.liver[index] and not self.lesions.array[index]:
            msg = (
                f"{words} lies outside the liver, where no border is found from a click; outline the lesion and draw "
                "its diameter"
            )
            raise ConfigError(msg)
        if click.label is not None and self.lesions.array[index] not in {0, click.label}:
            msg = f"{words} lies in lesion {self.lesions.array[index]}, not in lesion {click.label}; name that one"
            raise ConfigError(msg)

    @cached_property
    def _dark(self) -> float:
        """Signal of an MR below which there is no tissue."""
        return _AIR_SHARE * float(np.median(self.image.array[self.liver]))

    def _under(self, outline: SeededOutline) -> int | None:
        """The lesion known from PET that an outline is: most of the smaller of both lies in the other."""
        there = self.lesions.array[outline.box][outline.mask]
        counts = np.bincount(there, minlength=1)
        counts[0] = 0
        if not counts.any():
            return None
        label = int(counts.argmax())
        whole = int(np.count_nonzero(self.lesions.array[dict(self.lesions.boxes())[label]] == label))
        smaller = min(whole, int(np.count_nonzero(outline.mask)))
        return label if counts[label] >= self.config.ct_clicks.same_lesion_share * smaller else None

    def _dragged(self, outline: SeededOutline, click: LesionClick) -> SeededOutline:
        """The outline through the border points of the reader."""
        if not click.border_lps_mm:
            return outline
        grid = self.image.geometry
        for point in click.border_lps_mm:
            if not bool(grid.contains(point).all()):
                msg = f"{place_words(point)}, to which the border was dragged, lies outside the image; drag it back"
                raise ConfigError(msg)
        box = grow_box(outline.box, np.ceil(_DRAG_MM / np.asarray(grid.spacing_mm)), grid.shape)
        mask = np.zeros([part.stop - part.start for part in box], dtype=np.uint8)
        inner = tuple(slice(o.start - b.start, o.stop - b.start) for o, b in zip(outline.box, box, strict=True))
        mask[inner] = outline.mask
        share = self.config.ct_clicks.border_point_share
        moved = through_border_points(LabelMap(mask, grid.crop(box)), click.border_lps_mm, share)
        if not moved.mask.any():
            msg = f"the border of the lesion at {place_words(click.place_lps_mm)} was dragged shut; drag it back"
            raise ConfigError(msg)
        return replace(outline, box=box, mask=moved.mask)


@dataclass(frozen=True, eq=False)
class Clicked:
    """What a click gave: the known lesion that it measures (None: a new one) and its outline on the image."""

    click: LesionClick
    label: int | None
    outline: SeededOutline

    def own(self, site: ClickSite) -> LabelMap:
        """The outline as a mask of its own."""
        grid = site.image.geometry.crop(self.outline.box)
        return LabelMap(self.outline.mask.astype(np.uint8), grid)


def place_words(place_lps_mm: Vector) -> str:
    """A place as the option takes it."""
    return "the place " + ",".join(f"{v:g}" for v in place_lps_mm) + " (LPS, mm)"


def click_site(volumes: StudyVolumes, found: Segmentations, config: ScoringConfig) -> ClickSite:
    """Bring liver and lesions to the image that diameters are measured on.

    Raises
    ------
    ConfigError
        Where there is no CT or no liver, or an MR that is measured on was not registered to one.
    StudyError
        Where a diagnostic CT that is measured on is not of the same person, or does not show the liver.
    """
    if measures_on_mr(volumes):
        return _site_on_mr(mr_scene(volumes, found), found, config)
    ct, liver = volumes.ct, found.liver
    if ct is None:
        msg = "there is no CT on which a lesion could be pointed at; draw its diameter instead"
        raise ConfigError(msg)
    if liver is None or found.lesions is None:
        msg = "the liver was not found, and a lesion is measured from a click only in the liver; give one with --liver"
        raise ConfigError(msg)
    moved = [in_position_of("ct", layer, found.mismatch) for layer in (liver, found.lesions)]
    image, pose = ct, None
    if volumes.recist_image is None:
        whole, placed = (resample_labels(labels, ct.geometry) for labels in moved)
    else:
        image = volumes.recist_image
        on_ct = resample_labels(moved[0], ct.geometry)
        pose = pose_of_recist_ct(volumes, on_ct)
        whole = resample_through(LabelMap(on_ct.mask.astype(np.uint8), ct.geometry), image.geometry, pose.transform)
        placed = resample_through(moved[1], image.geometry, pose.transform)
    shown, there = found.ct_lesions, placed.array.copy()
    seen = set() if shown is None else set(shown.labels.labels)
    if shown is not None:
        there[np.isin(there, sorted(seen))] = 0
        for label, box in shown.labels.boxes():
            there[box][shown.labels.array[box] == label] = label
    drawn_there = found.lesions.drawn_on == "ct" and volumes.recist_image is None
    only_on_pet = frozenset() if drawn_there else frozenset(placed.labels) - seen
    return ClickSite(
        image,
        whole.mask,
        LabelMap(there, image.geometry),
        placed,
        shown,
        only_on_pet,
        found.lesions.drawn_on == "pet",
        pose,
        config,
        contrast=image,
    )


def _site_on_mr(scene: MrScene, found: Segmentations, config: ScoringConfig) -> ClickSite:
    """The same on an MR, on which nothing is outlined before a reader points at it."""
    assert found.lesions is not None
    return ClickSite(
        scene.image,
        scene.whole.mask,
        scene.placed,
        scene.placed,
        None,
        frozenset(scene.placed.labels),
        found.lesions.drawn_on == "pet",
        scene.pose,
        config,
        contrast=scene.contrast,
        onto=scene.onto,
    )


def with_outlines(
    volumes: StudyVolumes, found: Segmentations, site: ClickSite, clicked: tuple[Clicked, ...]
) -> tuple[MaskLayer, MaskLayer, dict[int, ClickedLesion]]:
    """The lesions with those that clicks add, the outlines on CT with those that clicks find, and which these are.

    Raises
    ------
    ConfigError
        Where two clicks measure one lesion.
    """
    assert found.lesions is not None
    lesions, grid = found.lesions, site.image.geometry
    shown = sparse_zeros(grid.shape, np.uint16)
    before = found.ct_lesions
    if before is not None and before.labels.used is not None:
        shown[before.labels.used] = before.labels.array[before.labels.used]
    borders: dict[int, BorderEvidence] = {} if before is None else dict(before.borders)
    by_label: dict[int, ClickedLesion] = {}
    anew: dict[int, Clicked] = {}
    highest = max(site.highest_label, *lesions.labels.labels, 0)
    for one in clicked:
        known = set(lesions.labels.labels)
        label = one.label or (highest := highest + 1)
        if label in by_label:
            msg = f"two clicks measure lesion {label}; keep one of them"
            raise ConfigError(msg)
        added = label not in known
        if added:
            anew[label] = one
            highest = max(highest, label)
        shown[shown == label] = 0
        part = shown[one.outline.box]
        # What the reader points at comes before what was found without him.
        part[one.outline.mask] = label
        borders[label] = one.outline.border
        by_label[label] = ClickedLesion(place_lps_mm=one.click.place_lps_mm, added=added)
    _require_room(highest, site.config)
    uncertainty = site.config.lesions.border_uncertainty_mm
    layer = MaskLayer(LabelMap(shown, grid), "ct", _ORIGIN if before is None else before.origin, uncertainty)
    return _with_added(volumes, found, site, anew), replace(layer, borders=borders), by_label


def _require_room(highest: int, config: ScoringConfig) -> None:
    if highest >= config.ct_foci.first_label:
        msg = f"lesion numbers must be below {config.ct_foci.first_label}; name a smaller one"
        raise ConfigError(msg)


def _with_added(volumes: StudyVolumes, found: Segmentations, site: ClickSite, anew: dict[int, Clicked]) -> MaskLayer:
    """The lesions with new ones in their place on the grid of the others; known ones keep their voxels."""
    assert found.lesions is not None
    layer = found.lesions
    if not anew:
        return layer
    array = layer.labels.array.copy()
    for label, one in anew.items():
        free = added_voxels(volumes, found, site, one) & (array == 0)
        if not free.any():
            msg = f"{place_words(one.click.place_lps_mm)} lies where no lesion can be added; choose another"
            raise ConfigError(msg)
        array[free] = label
    return replace(layer, labels=layer.labels.with_array(array))


def added_voxels(volumes: StudyVolumes, found: Segmentations, site: ClickSite, clicked: Clicked) -> BoolArray:
    """Where a lesion that a click adds lies on the grid of the other lesions: at least the voxel of its middle."""
    assert found.lesions is not None
    layer, own = found.lesions, clicked.own(site)
    reference = volumes.ct if site.onto == "ct" else volumes.pet
    if site.pose is not None and reference is not None:
        own = resample_through(own, reference.geometry, site.pose.transform.GetInverse())
    grid, shift = layer.labels.geometry, shift_between(site.onto, layer.drawn_on, found.mismatch)
    moved = own.placed(own.geometry.moved(shift))
    there = resample_labels(moved, grid).mask
    if there.any() or not moved.mask.any():
        return there
    middle = moved.geometry.index_to_lps(np.argwhere(moved.mask).mean(axis=0))
    if bool(grid.contains(middle).all()):
        there[tuple(np.rint(grid.lps_to_index(middle)).astype(int))] = True
    return there
