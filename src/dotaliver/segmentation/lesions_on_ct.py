"""The step after every segmenter that looks for the lesions' borders on CT: the PET's own, or a diagnostic one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from dotaliver.config.ct import CtLesionConfig
from dotaliver.config.scoring import ScoringConfig
from dotaliver.image.geometry import Box, Geometry
from dotaliver.image.itk import resample_labels, resample_through
from dotaliver.image.sparse import sparse_zeros
from dotaliver.image.volume import BoolArray, LabelMap, Volume, as_mask
from dotaliver.records.flags import Flag, raise_flag
from dotaliver.records.masks import ImageRegistration, MaskLayer, Segmentations
from dotaliver.records.positions import in_position_of
from dotaliver.records.study import StudyVolumes
from dotaliver.segmentation.lesions.bodies_on_ct import Bodies, bodies_on_ct
from dotaliver.segmentation.lesions.ct_outlines import (
    CtOutlines,
    LesionOutline,
    outline_lesion_on_ct,
    outline_lesions_on_ct,
    remember_outline,
    remember_outlines,
    with_surroundings,
)
from dotaliver.segmentation.lesions.divided_lesions import divided_like, with_lesions_divided
from dotaliver.segmentation.recist_ct import pose_of_recist_ct
from dotaliver.segmentation.recist_mr import measures_on_mr, registration_of, shift_in_words
from dotaliver.system.recent import Recent

__all__ = [
    "CtView",
    "LesionLook",
    "OutlinesJob",
    "remember_lesions_on_ct",
    "view_of_lesions",
    "with_lesions_on_ct",
]

_NAME = "petct"
# Of a liver full of lesions, those before and after some edits.
_OUTLINES_KEPT = 512


@dataclass(frozen=True, eq=False)
class LesionLook:
    """What the CT shows of one lesion alone: its outline or why there is none, and the two bodies that it may be."""

    outline: LesionOutline | str
    bodies: Bodies | None


@dataclass(frozen=True, eq=False)
class OutlinesJob:
    """What the lesions' borders on CT are found from: the part of the CT around them, and the masks in it."""

    ct: Volume
    placed: LabelMap
    liver: BoolArray
    config: CtLesionConfig
    wanted: frozenset[int]
    """Lesions whose border is searched; the others are their surroundings."""
    tumour_share: float = 0.0
    """Share of the liver that all lesions fill, 0 to 1."""
    recent: Recent | None = None
    """Earlier outlines on this CT with these settings."""
    next_label: int | None = None
    """For lesions that are found to be several; None where none may be divided."""

    @property
    def parts(self) -> int:
        """How many lesions can be looked at one by one; none in confluent disease."""
        return 0 if self._is_confluent else len(self._searched)

    def do(self, part: int) -> LesionLook:
        """Look at one lesion alone."""
        label, box = self._searched[part]
        where, recent = (self.ct, box), self.recent or Recent(1)
        outline = outline_lesion_on_ct(where, self.placed, self.liver, label, self.config, recent)
        if self.next_label is None:
            return LesionLook(outline, None)
        bodies = bodies_on_ct(self.ct.crop(box), self.placed.array[box], self.liver[box], label, self.config)
        return LesionLook(outline, bodies)

    def merged(self, looks: Mapping[int, LesionLook]) -> CtOutlines:
        """The same as `run`, with what was found of single lesions by their parts' numbers."""
        recent = Recent(max(self.parts, 1)) if self.recent is None else self.recent
        bodies = {}
        for part, look in looks.items():
            label, box = self._searched[part]
            remember_outline((self.ct, box), self.placed, self.liver, label, look.outline, recent)
            bodies[label] = look.bodies
        return self._outlines(recent, bodies)

    def run(self) -> CtOutlines:
        """Look for all of them."""
        return self._outlines(self.recent, {})

    @property
    def _is_confluent(self) -> bool:
        return self.tumour_share > self.config.confluent_share

    @cached_property
    def _searched(self) -> list[tuple[int, Box]]:
        """The lesions whose border is searched, each with the part of the CT that is looked at."""
        boxes = ((label, box) for label, box in self.placed.boxes() if label in self.wanted)
        return [(label, with_surroundings(box, self.ct.geometry, self.config)) for label, box in boxes]

    def _outlines(self, recent: Recent | None, bodies: Mapping[int, Bodies | None]) -> CtOutlines:
        """Look for what is not known yet; in confluent disease no lesion has a border of its own."""
        if self._is_confluent:
            reason = (
                f"tumour fills {100 * self.tumour_share:.0f} % of the liver, so that the CT separates no lesion from "
                "the mass around it"
            )
            none = LabelMap(sparse_zeros(self.placed.geometry.shape, np.uint16), self.placed.geometry)
            return CtOutlines(none, dict.fromkeys(sorted(self.wanted & set(self.placed.labels)), reason))
        found = outline_lesions_on_ct(self.ct, self.placed, self.liver, self.config, self.wanted, recent)
        if self.next_label is None:
            return found
        found = replace(found, bodies=bodies)
        return with_lesions_divided(self.ct, self.placed, self.liver, found, self.config, self.next_label)


@dataclass(frozen=True, eq=False)
class CtView:
    """A CT's grid with the lesions' places and the liver brought to it, and the part of it that is looked at."""

    geometry: Geometry
    box: Box
    job: OutlinesJob
    flags: tuple[Flag, ...] = ()
    registration: ImageRegistration | None = None


def view_of_lesions(
    volumes: StudyVolumes, found: Segmentations, config: ScoringConfig, *, may_divide: bool = False
) -> CtView | None:
    """Bring the lesions to the CT that diameters are measured on.

    Lesions that have an outline there already, or a reason for none, are not looked for again.

    Parameters
    ----------
    volumes : StudyVolumes
        The images.
    found : Segmentations
        With liver and lesions.
    config : ScoringConfig
        How borders are fitted.
    may_divide : bool
        Whether a lesion is divided where the PET's own CT shows it to be two: not those that a reader has seen or an
        import brought, whose labels stand.

    Returns
    -------
    CtView or None
        None where there is no CT, no liver, where the lesions were drawn on that CT to begin with, where diameters
        are measured on MR, or where nothing is left to be looked for or registered.

    Raises
    ------
    StudyError
        Where a diagnostic CT was named and cannot be registered, or is not of the same person.
    """
    if measures_on_mr(volumes):
        return None
    lesions, ct = found.lesions, volumes.ct
    if (
        lesions is None
        or found.liver is None
        or ct is None
        or (lesions.drawn_on == "ct" and volumes.recist_image is None)
    ):
        return None
    wanted = _not_looked_for(found, lesions)
    # A diagnostic CT without a lesion to look for is registered still: a reader may point at one on it.
    if not wanted and (volumes.recist_image is None or found.recist_registration is not None):
        return None
    # From the position that each mask was drawn in to that of the PET's CT.
    moved = [in_position_of("ct", layer, found.mismatch) for layer in (lesions, found.liver)]
    if volumes.recist_image is None:
        box = _box_around(moved[0], ct.geometry, wanted, config.ct_lesions)
        part = ct.part(box)
        placed = resample_labels(moved[0], part.geometry)
        inside = _part_of(moved[1], ct.geometry, box)
        share = _tumour_share(placed, inside, moved[1].volume_ml())
        recent = _recent_outlines(volumes, config)
        next_label = max(lesions.labels.labels, default=0) + 1 if may_divide else None
        job = OutlinesJob(part, placed, inside, config.ct_lesions, wanted, share, recent, next_label)
        return CtView(ct.geometry, box, job)
    onto, series = volumes.recist_image, volumes.identity.recist_image
    liver = resample_labels(moved[1], ct.geometry)
    pose = pose_of_recist_ct(volumes, liver)
    placed = resample_through(moved[0], onto.geometry, pose.transform)
    there = resample_through(LabelMap(liver.mask, liver.geometry), onto.geometry, pose.transform)
    registration = None if series is None else registration_of(pose.transform, series, "ct")
    if registration is not None:
        registration = registration.model_copy(update={"similarity": pose.similarity})
    found_at = shift_in_words(pose.transform, moved[1], onto.geometry, ct.geometry)
    name = "" if series is None else series.short_name
    flag = raise_flag("RECIST_IMAGE_REGISTERED", series=name, similarity=pose.similarity, found_at=found_at)
    box = _box_around(placed, onto.geometry, wanted, config.ct_lesions)
    around = LabelMap(placed.array[box], onto.geometry.crop(box))
    share = _tumour_share(around, there.mask[box], there.volume_ml())
    recent = _recent_outlines(volumes, config)
    job = OutlinesJob(onto.part(box), around, there.mask[box], config.ct_lesions, wanted, share, recent)
    return CtView(onto.geometry, box, job, (flag,), registration)


def remember_lesions_on_ct(volumes: StudyVolumes, found: Segmentations, config: ScoringConfig) -> None:
    """Let the outlines of a stored score count as found just now, so that an edit elsewhere looks for them no more.

    Parameters
    ----------
    volumes : StudyVolumes
        The images, which remember them.
    found : Segmentations
        Complete, as it was found with these settings by this version of the program.
    config : ScoringConfig
        How borders are looked for.
    """
    outlines = found.ct_lesions
    if outlines is None or volumes.recist_image is not None:
        return
    view = view_of_lesions(volumes, replace(found, ct_lesions=None, unseen_on_ct={}), config)
    # In confluent disease none was looked for.
    if view is None or view.job.recent is None or view.job.tumour_share > config.ct_lesions.confluent_share:
        return
    job = view.job
    there = LabelMap(outlines.labels.array[view.box], job.ct.geometry)
    known = CtOutlines(there, dict(found.unseen_on_ct), dict(outlines.borders))
    remember_outlines(job.ct, job.placed, job.liver, known, job.config, view.job.recent)


def _recent_outlines(volumes: StudyVolumes, config: ScoringConfig) -> Recent:
    """Outlines that were found on the CT that diameters are measured on, with these settings."""
    return volumes.recent.of(("outlines on CT", config.ct_lesions.model_dump_json()), lambda: Recent(_OUTLINES_KEPT))


def _tumour_share(placed: LabelMap, liver: BoolArray, liver_ml: float) -> float:
    """Share of the whole liver that the lesions of a box fill; ``liver`` is the part of it in that box."""
    inside_ml = float(np.count_nonzero((placed.array != 0) & liver)) * placed.geometry.voxel_volume_ml
    return inside_ml / liver_ml if liver_ml > 0 else 0.0


def _not_looked_for(found: Segmentations, lesions: MaskLayer) -> frozenset[int]:
    """Lesions that neither have an outline on CT nor a reason for none."""
    every = frozenset(lesions.labels.labels)
    if found.ct_lesions is None:
        return every
    outlined = every & set(found.ct_lesions.labels.labels)
    return frozenset(label for label in every - outlined if label not in found.unseen_on_ct)


def _box_around(labels: LabelMap, onto: Geometry, wanted: frozenset[int], config: CtLesionConfig) -> Box:
    """The part of a grid that holds some lesions and what is looked at around each, with room for rounding."""
    corners = [labels.geometry.crop(box).corners_lps_mm() for label, box in labels.boxes() if label in wanted]
    box = onto.box_of(np.concatenate(corners), 1) if corners else None
    # Lesions that lie off this grid have no box here; one voxel is as good as any.
    return with_surroundings(box or (slice(0, 1), slice(0, 1), slice(0, 1)), onto, config)


def _part_of(labels: LabelMap, grid: Geometry, box: Box) -> BoolArray:
    """A mask on a part of a grid."""
    if labels.geometry.is_close(grid):
        return as_mask(labels.array[box])
    return resample_labels(labels, grid.crop(box)).mask


def with_lesions_on_ct(
    found: Segmentations, view: CtView | None, outlines: CtOutlines | None, config: ScoringConfig
) -> Segmentations:
    """Add the outlines of lesions on the CT that diameters are measured on, and why others have none.

    Outlines that are kept do not change. Lesions that the CT shows to be several become several.
    """
    if view is None or outlines is None or found.lesions is None:
        return found
    before = found.ct_lesions
    labels = sparse_zeros(view.geometry.shape, np.uint16)
    if before is not None and before.labels.used is not None:
        labels[before.labels.used] = before.labels.array[before.labels.used]
    for label, box in outlines.labels.boxes():
        part = labels[view.box][box]
        part[(outlines.labels.array[box] == label) & (part == 0)] = label
    borders = {**({} if before is None else before.borders), **outlines.borders}
    layer = MaskLayer(
        LabelMap(labels, view.geometry), "ct", _NAME, config.lesions.border_uncertainty_mm, borders=borders
    )
    outside = view.job.wanted - set(view.job.placed.labels)
    missing = dict.fromkeys(sorted(outside), "its place lies outside the CT")
    unseen = {**found.unseen_on_ct, **missing, **outlines.unseen}
    lesions = found.lesions
    if outlines.divided is not None:
        moved = in_position_of("ct", lesions, found.mismatch)
        lesions = replace(lesions, labels=divided_like(moved, outlines.divided).placed(lesions.labels.geometry))
    said = {flag.code for flag in view.flags}
    flags = (*(flag for flag in found.flags if flag.code not in said), *view.flags)
    registration = view.registration or found.recist_registration
    return replace(
        found, lesions=lesions, ct_lesions=layer, unseen_on_ct=unseen, flags=flags, recist_registration=registration
    )
