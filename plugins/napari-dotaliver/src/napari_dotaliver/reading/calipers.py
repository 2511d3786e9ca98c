"""Calipers on lesions in the liver and outside it: drawn, dragged, snapped; the sum of the targets. No window in it.

A lesion is named as people are shown it: "2" in the liver's list, "B2" outside.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dotaliver.errors import GeometryError
from dotaliver.image.geometry import Vector, as_vector
from dotaliver.image.orientation import anatomical
from dotaliver.image.volume import LabelMap, Quantity, Volume
from dotaliver.longitudinal.baseline_targets import BaselineTargets, proposed_targets
from dotaliver.measurement.caliper import Caliper, border_place, with_outline_short_axis
from dotaliver.measurement.statements import require_consistent
from dotaliver.records.body_record import BodyLesion
from dotaliver.records.edits import DiameterEdit, LesionMark
from dotaliver.records.measurements import Diameter
from napari_dotaliver.reading.body_points import BodyPoints
from napari_dotaliver.reading.measuring import proposals
from napari_dotaliver.reading.provisional import Provisional, provisional
from napari_dotaliver.reading.steps import Segment

__all__ = ["ROLES", "Calipers"]

ROLES: tuple[LesionMark, ...] = ("target", "non_target", "node")
_SNAP_MM = 6.0
_SHORTEST_MM = 1.0


class Calipers(BodyPoints):
    """A reading in which diameters are drawn; each release of the mouse is one step."""

    # --- what is measured on -----------------------------------------------------------------------------------------

    @property
    def measured_image(self) -> Volume:
        """The image that diameters are drawn on."""
        return self.volumes.recist_image or self.volumes.ct or self.volumes.pet

    @property
    def slice_normal(self) -> Vector:
        """Unit vector across its slices, towards the head."""
        return as_vector(anatomical(self.measured_image).geometry.directions[0])

    @property
    def _recist_uid(self) -> str | None:
        """The series of the diagnostic CT or MR, in whose coordinates diameters are drawn; None without one."""
        series = self.volumes.identity.recist_image
        return None if series is None else series.series_instance_uid

    # --- calipers ----------------------------------------------------------------------------------------------------

    def caliper_of(self, name: str) -> Caliper | None:
        """The diameter of a lesion on that image: drawn, else from a click or by the program; None without one."""
        drawn = self._drawn(name)
        if drawn is not None:
            if self._recist_uid is not None and drawn.series_instance_uid != self._recist_uid:
                # It was drawn on another image, which has coordinates of its own.
                return None
            return Caliper(drawn.long_axis_lps_mm, drawn.short_axis_lps_mm)
        found = self._found(name)
        if found is None or found.source in {"reader", "pet"}:
            return None
        return Caliper(found.long_axis_lps_mm, found.short_axis_lps_mm)

    def is_drawn(self, name: str) -> bool:
        """Whether the reader drew the diameter of a lesion."""
        return self._drawn(name) is not None

    def draw_caliper(self, name: str, caliper: Caliper) -> None:
        """Take a drawn diameter as the lesion's.

        Raises
        ------
        GeometryError
            Where it is shorter than 1 mm or runs through slices.
        ConfigError
            Where its axes contradict each other, or a lesion outside the liver is not accepted.
        MaskError
            Where there is no such lesion.
        """
        self._require_in_slice(caliper)
        self._change_diameter(name, caliper.as_edit(self._recist_uid))

    def undraw_caliper(self, name: str) -> None:
        """Let the automatic diameter count again, in place of a drawn one or one that was found from a click."""
        if self._drawn(name) is not None:
            self._change_diameter(name, None)
        elif name.isdigit():
            self.forget_click(int(name))

    def redraw_diameter(self, label: int, ends_lps_mm: Segment | None) -> None:
        """Draw the longest diameter of a lesion of the liver, by its end points in mm; None takes the drawn one back.

        The short axis is the longest line across it within the lesion's outline, where the image shows one. Errors as
        `draw_caliper`.
        """
        name = str(label)
        self._require_lesion(label)
        if ends_lps_mm is None:
            self._change_diameter(name, None)
            return
        first, second = (as_vector(np.asarray(end, dtype=np.float64)) for end in ends_lps_mm)
        drawn = Caliper((first, second))
        self._require_in_slice(drawn)
        self.draw_caliper(name, with_outline_short_axis(drawn, self.outline_of(name)))

    def _change_diameter(self, name: str, edit: DiameterEdit | None) -> None:
        lesion = self._body_lesion(name)
        if lesion is not None:
            self.describe_body_lesion(lesion, diameter=edit)
        else:
            self._describe_lesion(name, diameter=edit)

    def _describe_lesion(self, name: str, **what: Any) -> None:
        """Change the edit of a lesion of the lesion mask; refused where statements then contradict each other."""
        label = int(name) if name.isdigit() else 0
        self._require_lesion(label)
        changed = self.edits.lesion(label).model_copy(update=what)
        edits = self._edits_of((*(edit for edit in self.edits.lesions if edit.label != label), changed))
        require_consistent(proposals(edits))
        self._edit_lesion(label, **what)

    def _require_in_slice(self, caliper: Caliper) -> None:
        if not np.isfinite(list(caliper.ends.values())).all():
            msg = "a place in the patient needs three finite coordinates in mm"
            raise GeometryError(msg)
        if caliper.long_mm < _SHORTEST_MM:
            msg = "the line is shorter than 1 mm; draw it from border to border"
            raise GeometryError(msg)
        # The PET's CT is cut in axial planes; a diagnostic CT or MR is shown in its own slices, however they lie.
        normal = np.asarray(self.slice_normal if self._recist_uid is not None else (0.0, 0.0, 1.0))
        heights = np.asarray(list(caliper.ends.values())) @ normal
        if float(np.ptp(heights)) > max(self.measured_image.geometry.spacing_mm):
            msg = "a diameter is measured in one axial slice; draw the line on an axial view"
            raise GeometryError(msg)

    def _drawn(self, name: str) -> DiameterEdit | None:
        lesion = self._body_lesion(name)
        if lesion is not None:
            edit = self.body_edit_of(lesion)
            return None if edit is None else edit.diameter
        return self.edits.lesion(int(name)).diameter if name.isdigit() else None

    def _found(self, name: str) -> Diameter | None:
        if not name.isdigit():
            outside = self._body_lesion(name)
            return None if outside is None or outside.diameter_source != "ct" else outside.diameter
        last = self.pointed
        if last is not None and last.label == int(name):
            return last.diameter
        return next((lesion.diameter for lesion in self.score.lesions if lesion.name == name), None)

    def _body_lesion(self, name: str) -> BodyLesion | None:
        body = self.score.body
        return None if body is None else next((lesion for lesion in body.lesions if lesion.name == name), None)

    # --- the outline -------------------------------------------------------------------------------------------------

    def outline_of(self, name: str) -> LabelMap | None:
        """A lesion's outline on the image that diameters are drawn on; None where that shows none."""
        if not name.isdigit():
            return None
        last = self.pointed
        if last is not None and last.label == int(name):
            return last.outline
        on_ct = self.segmentations.ct_lesions
        box = None if on_ct is None else dict(on_ct.labels.boxes()).get(int(name))
        recist = self.volumes.recist_image
        if on_ct is None or box is None or (recist is not None and recist.quantity is Quantity.MR_SIGNAL):
            return None
        return LabelMap((on_ct.labels.array[box] == int(name)).astype(np.uint8), on_ct.labels.geometry.crop(box))

    def snapped(self, name: str, place_lps_mm: Vector) -> Vector:
        """The nearest place on a lesion's border, or the place itself where the border is not near."""
        outline = self.outline_of(name)
        there = None if outline is None else border_place(outline, place_lps_mm, _SNAP_MM)
        return place_lps_mm if there is None else there

    # --- targets -----------------------------------------------------------------------------------------------------

    def now(self) -> Provisional:
        """The record with the lesions as they are drawn now; made once for each step, as several panels ask for it."""
        known: tuple[object, object, Provisional] | None = getattr(self, "_now", None)
        if known is None or known[0] is not self.state or known[1] is not self._measured:
            known = (self.state, self._measured, provisional(self))
            self._now = known
        return known[2]

    def targets(self) -> BaselineTargets:
        """The targets and their sum, as the reading is now."""
        score = self.now().score
        known: tuple[object, BaselineTargets] | None = getattr(self, "_targets", None)
        if known is None or known[0] is not score:
            known = (score, proposed_targets(score))
            self._targets = known
        return known[1]

    def roles_of(self, name: str) -> tuple[LesionMark, ...]:
        """Which of `ROLES` a lesion is marked as."""
        lesion = self._body_lesion(name)
        if lesion is not None:
            edit = self.body_edit_of(lesion)
            marks: tuple[str, ...] = () if edit is None else edit.marks
        else:
            marks = self.marks_of(int(name)) if name.isdigit() else ()
        return tuple(role for role in ROLES if role in marks)

    def toggle_role(self, name: str, role: LesionMark) -> None:
        """Mark a lesion as target, non-target or node, or take the mark back; target and non-target exclude each other.

        Errors as `draw_caliper`.
        """
        on = role not in self.roles_of(name)
        dropped = {role, {"target": "non_target", "non_target": "target"}.get(role) if on else None}
        lesion = self._body_lesion(name)
        edit = None if lesion is None else self.body_edit_of(lesion)
        before = self.marks_of(int(name)) if name.isdigit() else () if edit is None else edit.marks
        marks = (*(mark for mark in before if mark not in dropped), *([role] if on else []))
        if lesion is not None:
            self.describe_body_lesion(lesion, marks=marks)
        else:
            self._describe_lesion(name, marks=marks)
