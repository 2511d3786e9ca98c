"""Outlines on CT of the lesions outside the liver that a reader accepted or added, so that RECIST 1.1 can measure them.

A candidate that nobody answered is not measured, and what a reader drew is not overruled. The border is that of the
liver's lesions (`dotaliver.segmentation.lesions.ct_outlines`), against the tissue that surrounds the lesion. Bone is
left out: RECIST 1.1 measures a bone lesion only by its soft-tissue part, which uptake does not show. Where the border
does not show, there is no outline but the reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from dotaliver.config.body_ct import BodyCtConfig
from dotaliver.config.scoring import ScoringConfig
from dotaliver.image.geometry import Box, Geometry, Vector, box_within, grow_box
from dotaliver.image.itk import resample_labels
from dotaliver.image.sparse import sparse_zeros
from dotaliver.image.volume import BoolArray, LabelMap, Quantity, Volume, used_box
from dotaliver.records.body import BodyFocus, BodySearch, FocusOrgan
from dotaliver.records.edits import BodyAnswer, BodyPoint, BodyReading
from dotaliver.records.masks import BorderEvidence, MaskLayer, Segmentations
from dotaliver.records.positions import in_position_of, shift_between
from dotaliver.records.study import StudyVolumes
from dotaliver.segmentation.body.ct_host import HOST_WORDS, site_in_host
from dotaliver.segmentation.body.ct_region import without_stubs
from dotaliver.segmentation.lesions.ct_outlines import outline_at
from dotaliver.segmentation.lesions.ct_site import NotSeenError, largest_part
from dotaliver.segmentation.lesions.seeded_fit import widest_mm
from dotaliver.system.recent import Recent, content_of

__all__ = ["with_body_lesions_on_ct"]

_NAME = "petct"
_OUTLINES_KEPT = 512
_BONE = (
    "it lies in bone, of which RECIST 1.1 measures only a soft-tissue part of the lesion; draw the diameter of that "
    "part, or mark it as purely blastic"
)
_ELSEWHERE = (
    "diameters are measured on a diagnostic image that was registered at the liver alone; draw the diameter on it"
)
_TWO_PLACES = "breathing moved it between PET and CT, and two structures of its size lie where it may be"


def with_body_lesions_on_ct(
    volumes: StudyVolumes, found: Segmentations, reading: BodyReading | None, config: ScoringConfig
) -> Segmentations:
    """Add the outlines on CT of confirmed lesions outside the liver, and why others have none.

    Parameters
    ----------
    volumes : StudyVolumes
        The images.
    found : Segmentations
        ``body`` holds what was found and added outside the liver; earlier outlines on CT do not count any more.
    reading : BodyReading or None
        The reader's answers.
    config : ScoringConfig
        ``config.body_on_ct``.
    """
    search, ct = found.body, volumes.ct
    wanted = {} if search is None or ct is None else _wanted(search, reading or BodyReading())
    if not wanted or search is None or ct is None:
        is_bare = found.body_on_ct is None and not found.body_unseen_on_ct
        return found if is_bare else replace(found, body_on_ct=None, body_unseen_on_ct={})
    unseen = {label: _BONE for label, organ in wanted.items() if organ == "bone"}
    if volumes.recist_image is not None:
        unseen |= {label: _ELSEWHERE for label in wanted if label not in unseen}
    labels = frozenset(wanted) - set(unseen)
    if not labels:
        return replace(found, body_on_ct=None, body_unseen_on_ct=unseen)
    scene = _Scene(ct.require(Quantity.HU), search.mask.labels, found, config.body_on_ct)
    recent = volumes.recent.of(
        ("outlines outside the liver", config.body_on_ct.model_dump_json()), lambda: Recent(_OUTLINES_KEPT)
    )
    layer, missing = _outlined(scene, labels, recent, config.lesions.border_uncertainty_mm)
    return replace(found, body_on_ct=layer, body_unseen_on_ct={**unseen, **missing})


def _wanted(search: BodySearch, reading: BodyReading) -> dict[int, FocusOrgan]:
    """Lesions that a reader confirmed and did not measure, with the organ of each."""
    said = iter(reading.added)
    wanted: dict[int, FocusOrgan] = {}
    for focus in search.foci:
        edit: BodyAnswer | BodyPoint | None
        edit = reading.answer(focus.label) if focus.source == "search" else next(said, None)
        confirmed = focus.source != "search" or (isinstance(edit, BodyAnswer) and edit.answer == "accepted")
        if confirmed and (edit is None or edit.diameter is None):
            wanted[focus.label] = _organ(focus, edit)
    return wanted


def _organ(focus: BodyFocus, edit: BodyAnswer | BodyPoint | None) -> FocusOrgan:
    return focus.organ if edit is None or edit.organ is None else edit.organ


@dataclass(frozen=True, eq=False)
class _Scene:
    """The CT with the lesions outside the liver where their uptake falls."""

    ct: Volume
    lesions: LabelMap
    found: Segmentations
    config: BodyCtConfig

    def shifts(self) -> Iterator[Vector]:
        """From a place on the PET to where it may lie on CT: as the liver moved, and not moved.

        What lies next to the diaphragm moves with the liver, what lies far from it does not.
        """
        moved = shift_between("pet", "ct", self.found.mismatch)
        yield moved
        if float(np.linalg.norm(moved)) > self.config.same_place_mm:
            yield (0.0, 0.0, 0.0)

    def around(self, box: Box, shift: Vector) -> Box | None:
        """The part of the CT around a box of the PET's grid that is looked at; None off the CT."""
        grid = self.lesions.geometry.crop(box)
        inner = self.ct.geometry.box_of(grid.moved(shift).corners_lps_mm(), 1)
        margin = self.config.fitting.surroundings_mm[1] + self.config.fitting.capsule_mm
        spacing = np.asarray(self.ct.geometry.spacing_mm)
        return None if inner is None else grow_box(inner, np.ceil(margin / spacing), self.ct.geometry.shape)

    def placed(self, part: Geometry, shift: Vector) -> npt.NDArray[np.integer]:
        """The lesions on a part of the CT."""
        return resample_labels(self.lesions.placed(self.lesions.geometry.moved(shift)), part).array

    def occupied(self, part: Geometry) -> BoolArray:
        """The liver with its lesions on a part of the CT."""
        mask = np.zeros(part.shape, dtype=bool)
        for layer in (self.found.liver, self.found.lesions):
            if layer is not None:
                mask |= resample_labels(in_position_of("ct", layer, self.found.mismatch), part).mask
        return mask


@dataclass(frozen=True, eq=False)
class _Outline:
    """An outline in a box of the CT."""

    box: Box
    mask: BoolArray
    evidence: BorderEvidence

    def overlap(self, other: _Outline) -> float:
        """Dice of two outlines on one grid."""
        there = np.zeros(self.mask.shape, dtype=bool)
        low = [max(a.start, b.start) for a, b in zip(self.box, other.box, strict=True)]
        high = [min(a.stop, b.stop) for a, b in zip(self.box, other.box, strict=True)]
        if all(a < b for a, b in zip(low, high, strict=True)):
            mine = tuple(slice(a - s.start, b - s.start) for a, b, s in zip(low, high, self.box, strict=True))
            others = tuple(slice(a - s.start, b - s.start) for a, b, s in zip(low, high, other.box, strict=True))
            there[mine] = other.mask[others]
        both = np.count_nonzero(self.mask & there)
        return 2.0 * both / (np.count_nonzero(self.mask) + np.count_nonzero(other.mask))


def _outlined(
    scene: _Scene, labels: frozenset[int], recent: Recent, uncertainty_mm: float
) -> tuple[MaskLayer, dict[int, str]]:
    """Outline some lesions outside the liver on CT; the others of the scene only limit them.

    Returns
    -------
    tuple of MaskLayer and dict
        The outlines under the lesions' labels on the CT's grid, and by label why there is none.
    """
    drawn = sparse_zeros(scene.ct.geometry.shape, np.uint16)
    borders: dict[int, BorderEvidence] = {}
    unseen: dict[int, str] = {}
    for label, box in scene.lesions.boxes():
        if label not in labels:
            continue
        found = _outline_of(scene, label, box, recent)
        if isinstance(found, str):
            unseen[label] = found
            continue
        view = drawn[found.box]
        free = found.mask & (view == 0)
        view[free] = label
        borders[label] = found.evidence
    layer = MaskLayer(LabelMap(drawn, scene.ct.geometry), "ct", _NAME, uncertainty_mm, borders=borders)
    return layer, unseen


def _outline_of(scene: _Scene, label: int, box: Box, recent: Recent) -> _Outline | str:
    """The outline in whichever place shows one; of two structures that both may be the lesion, none."""
    tried = [_outline_there(scene, label, box, shift, recent) for shift in scene.shifts()]
    outlines = [one for one in tried if isinstance(one, _Outline)]
    if not outlines:
        return str(tried[0])
    if len(outlines) > 1 and outlines[0].overlap(outlines[1]) < scene.config.same_share:
        return _TWO_PLACES
    return max(outlines, key=lambda one: one.evidence.seen_share)


def _outline_there(scene: _Scene, label: int, box: Box, shift: Vector, recent: Recent) -> _Outline | str:
    part = scene.around(box, shift)
    if part is None:
        return "its place lies outside the CT"
    grid = scene.ct.geometry.crop(part)
    placed, occupied = scene.placed(grid, shift), scene.occupied(grid)
    key = (grid, label, content_of(placed), content_of(occupied))
    return recent.of(key, partial(_fitted, (scene.ct, part), (placed, occupied), label, scene.config))


def _fitted(
    where: tuple[Volume, Box], masks: tuple[npt.NDArray[np.integer], BoolArray], label: int, config: BodyCtConfig
) -> _Outline | str:
    """One lesion's outline, or the reason why there is none."""
    (ct, part), (placed, occupied) = where, masks
    words = "what surrounds it"
    try:
        site, host = site_in_host(ct.crop(part), placed, occupied, label, config)
        words = HOST_WORDS[host]
        whole, evidence = outline_at(site, config.fitting_in(host))
        mask = without_stubs(whole, site.grid, config.stub_free_share)
        _require_width(mask, largest_part(placed == label), site.grid, config)
    except NotSeenError as reason:
        return str(reason).replace("the liver around it", f"{words} around it").replace("from liver to", "from it to")
    used = used_box(mask)
    assert used is not None
    return _Outline(box_within(part, used), mask[used].copy(), _evidence(evidence, whole, mask, site.grid, config))


def _require_width(mask: BoolArray, uptake: BoolArray, grid: Geometry, config: BodyCtConfig) -> None:
    """Refuse an outline that is wider or narrower than its uptake, which is part of a structure or more than one."""
    on_ct, on_pet = widest_mm(mask, grid), widest_mm(uptake, grid)
    low, high = config.width_range
    if not low * on_pet - config.width_mm <= on_ct <= high * on_pet + config.width_mm:
        msg = f"its outline on CT is {on_ct:.0f} mm wide and its uptake {on_pet:.0f} mm"
        raise NotSeenError(msg)


def _evidence(
    evidence: BorderEvidence, whole: BoolArray, mask: BoolArray, grid: Geometry, config: BodyCtConfig
) -> BorderEvidence:
    """The evidence with what the hidden part of the border, and stubs that were cut off, add to the error.

    What is as dense as embolic agent is asked of lesions in the liver alone.
    """
    width_mm = widest_mm(mask, grid)
    hidden = config.hidden_error_share * (1 - evidence.seen_share) * width_mm
    cut = config.stub_error_share * (widest_mm(whole, grid) - width_mm)
    error = round(float(np.linalg.norm([evidence.diameter_error_mm, hidden, cut])), 2)
    return evidence.model_copy(update={"diameter_error_mm": error, "dense_share": None})
