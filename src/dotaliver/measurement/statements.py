"""A reader's statements, checked once where they enter: against each other, and against what there is to speak of.

A statement that contradicts another, that nobody signs where an answer would rest on it, or that cannot act is refused
in one sentence. What is checked against the images comes later, in `dotaliver.measurement.statements_on_images`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dotaliver.config.protocol import TrialProtocol
from dotaliver.errors import ConfigError
from dotaliver.image.geometry import FloatArray
from dotaliver.measurement.body_statements import require_body_consistent, require_body_known
from dotaliver.measurement.fdg_statements import require_fdg_signed
from dotaliver.records.edits import (
    NOT_TUMOUR,
    DiameterEdit,
    LesionEdit,
    ReaderEdits,
    ReferenceEdit,
    RestOfBody,
    StoredMark,
    VerdictEdit,
)
from dotaliver.records.masks import Segmentations

__all__ = ["require_consistent", "require_known"]

# What an outline is can be said in one way only.
_KINDS: tuple[StoredMark, ...] = ("simple_cyst", "cystic_metastasis", "blastic_bone", "node", "not_a_lesion")
# A finding that is not tumour cannot be treated, receptor-negative or a target.
_OF_TUMOUR: tuple[StoredMark, ...] = (
    "treated",
    "progressed_since_treatment",
    "receptor_negative",
    "target",
    "non_target",
)
# What a reader can say of a focal lesion on CT that the PET does not outline.
_OF_CT_FOCI: frozenset[StoredMark] = frozenset(
    {"receptor_negative", "simple_cyst", "cystic_metastasis", "not_a_lesion"}
)
_LEAST_DIAMETER_MM = 1.0
# Axes drawn by hand are perpendicular to within this.
_MOST_COSINE = 0.5
_SIGN = "give 'reader' with name and role"


def require_consistent(edits: ReaderEdits) -> None:
    """Refuse statements that contradict each other or that nobody signs.

    Raises
    ------
    ConfigError
        With the first such statement and what mends it.
    """
    for problem in _problems(edits):
        raise ConfigError(problem)
    require_body_consistent(edits)
    require_fdg_signed(edits)


def require_known(edits: ReaderEdits, segmentations: Segmentations, protocol: TrialProtocol) -> None:
    """Refuse statements about what is not there: a lesion, a mask, an item of the checklist, a criterion.

    Raises
    ------
    ConfigError
        With the first such statement and what there is instead.
    """
    for problem in (*_about_labels(edits, segmentations), *_about_the_protocol(edits, protocol)):
        raise ConfigError(problem)
    require_body_known(edits.body, segmentations.body, protocol)


def _problems(edits: ReaderEdits) -> Iterator[str]:
    yield from _unsigned(edits)
    for lesion in edits.lesions:
        yield from _about_marks(lesion)
        if lesion.diameter is not None:
            yield from (f"the diameter of lesion {lesion.label} {why}" for why in _about_diameter(lesion.diameter))
    for name, drawn in _body_diameters(edits):
        yield from (f"the diameter of {name} {why}" for why in _about_diameter(drawn))
    yield from _about_references(edits.references)
    if edits.rest_of_body is not None:
        yield from _about_the_rest(edits.rest_of_body)


def _body_diameters(edits: ReaderEdits) -> Iterator[tuple[str, DiameterEdit]]:
    """Diameters drawn of lesions outside the liver, with what these are called."""
    if edits.body is None:
        return
    for answer in edits.body.answers:
        if answer.diameter is not None:
            yield f"candidate B{answer.label}", answer.diameter
    for point in edits.body.added:
        if point.diameter is not None:
            yield "a lesion added outside the liver", point.diameter


def _unsigned(edits: ReaderEdits) -> Iterator[str]:
    """Statements that carry an answer carry a name."""
    if edits.reader is not None:
        return
    answers: tuple[VerdictEdit, ...] = edits.verdicts
    yield from (f"the edits answer {answer.criterion} without saying who reads; {_SIGN}" for answer in answers)
    if edits.rest_of_body is not None:
        yield f"the edits state the rest of the body without saying who reads; {_SIGN}"
    if edits.lesions_complete is not None:
        yield f"the edits state whether the lesion mask is complete without saying who reads; {_SIGN}"
    for lesion in edits.lesions:
        if lesion.diameter is not None:
            yield f"the edits draw a diameter of lesion {lesion.label} without saying who reads; {_SIGN}"
        if "receptor_negative" in lesion.marks:
            yield f"the edits mark lesion {lesion.label} as receptor_negative without saying who reads; {_SIGN}"


def _about_marks(lesion: LesionEdit) -> Iterator[str]:
    marks, label = set(lesion.marks), lesion.label
    if "cystic" in marks:
        yield (
            f"lesion {label} is marked 'cystic', which does not say what it is; mark it 'simple_cyst' (no tumour) or "
            "'cystic_metastasis' (tumour)"
        )
    kinds = [mark for mark in _KINDS if mark in marks]
    if len(kinds) > 1:
        yield f"lesion {label} is marked {kinds[0]} and {kinds[1]}, which contradict each other; keep one"
    harmless, tumour = sorted(NOT_TUMOUR & marks), [mark for mark in _OF_TUMOUR if mark in marks]
    if harmless and tumour:
        yield f"lesion {label} is marked {harmless[0]} and {tumour[0]}, which contradict each other; keep one"
    if "progressed_since_treatment" in marks and "treated" not in marks:
        yield f"lesion {label} is marked progressed_since_treatment and not treated; mark it treated too"
    if {"target", "non_target"} <= marks:
        yield f"lesion {label} is marked as a target and as a non-target, which contradict each other; keep one"
    treated = "treated" in marks and "progressed_since_treatment" not in marks
    if "target" in marks and (treated or "blastic_bone" in marks):
        why = "treated and not progressed since" if treated else "purely blastic bone"
        yield f"lesion {label} is marked as a target and as {why}, which is not measurable; keep one"
    if harmless and lesion.diameter is not None:
        yield f"lesion {label} is marked {harmless[0]}, so the diameter drawn of it cannot count; leave one of both out"


def _about_diameter(drawn: DiameterEdit) -> Iterator[str]:
    long, length = _axis(drawn.long_axis_lps_mm)
    if length < _LEAST_DIAMETER_MM:
        yield f"is shorter than {_LEAST_DIAMETER_MM:g} mm; draw it from border to border"
        return
    if drawn.short_axis_lps_mm is None:
        return
    short, across = _axis(drawn.short_axis_lps_mm)
    if across > length:
        yield f"has a short axis of {across:.1f} mm, longer than the long axis of {length:.1f} mm; swap or redraw them"
    elif across > 0 and abs(float(long @ short)) > _MOST_COSINE * length * across:
        yield "has a short axis that is not perpendicular to the long one; redraw it"
    elif _apart_mm(drawn) > length / 2:
        yield "has a short axis that does not cross the long one; redraw it"


def _axis(ends_lps_mm: tuple[tuple[float, float, float], ...]) -> tuple[FloatArray, float]:
    first, second = np.asarray(ends_lps_mm, dtype=np.float64)
    return second - first, float(np.linalg.norm(second - first))


def _apart_mm(drawn: DiameterEdit) -> float:
    """Distance between the middles of both axes."""
    middles = [np.asarray(ends).mean(axis=0) for ends in (drawn.long_axis_lps_mm, drawn.short_axis_lps_mm)]
    return float(np.linalg.norm(middles[1] - middles[0]))


def _about_references(references: tuple[ReferenceEdit, ...]) -> Iterator[str]:
    organs = [reference.organ for reference in references]
    for organ in dict.fromkeys(organs):
        if organs.count(organ) > 1:
            yield f"the edits place two reference spheres of the {organ.replace('_', ' ')}; give one"


def _about_the_rest(rest: RestOfBody) -> Iterator[str]:
    if rest.lesions is not False:
        return
    for name in ("uptake_above_liver", "measurable", "receptor_negative"):
        if getattr(rest, name):
            yield (
                f"rest_of_body states no lesions elsewhere and {name}: true, which contradict each other; "
                "set 'lesions' to true or leave the other out"
            )


def _about_labels(edits: ReaderEdits, segmentations: Segmentations) -> Iterator[str]:
    lesions, foci = (
        () if layer is None else layer.labels.labels for layer in (segmentations.lesions, segmentations.ct_foci)
    )
    if edits.lesions_complete is not None and segmentations.lesions is None:
        yield "the edits state whether the lesion mask is complete, and there is none; leave 'lesions_complete' out"
    for edit in edits.lesions:
        if edit.label not in (*lesions, *foci):
            there = ", ".join(map(str, (*lesions, *foci))) or "none"
            yield f"the edits name lesion {edit.label}, which is not in the lesion mask (lesions there: {there})"
        elif edit.label not in lesions:
            yield from _about_focus(edit)


def _about_focus(edit: LesionEdit) -> Iterator[str]:
    idle = next((mark for mark in edit.marks if mark not in _OF_CT_FOCI), None)
    if idle is not None:
        allowed = ", ".join(sorted(_OF_CT_FOCI))
        yield f"CT candidate {edit.label} cannot be marked {idle}; mark it one of {allowed}, or outline it as a lesion"
    if edit.diameter is not None:
        yield f"the diameter drawn of CT candidate {edit.label} cannot count; outline it as a lesion to measure it"


def _about_the_protocol(edits: ReaderEdits, protocol: TrialProtocol) -> Iterator[str]:
    for item in edits.checklist:
        if item not in protocol.checklist:
            items = "; ".join(protocol.checklist) or "none"
            yield f"the edits answer {item!r}, which is not on the checklist of {protocol.id} (those: {items})"
