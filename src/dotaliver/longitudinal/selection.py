"""Which lesions are targets: a proposal by the rules of RECIST 1.1 that the reader can change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from dotaliver.config.criteria import RecistConfig
from dotaliver.errors import ConfigError
from dotaliver.longitudinal.edits import CourseEdits
from dotaliver.longitudinal.followed import UNKNOWN_ORGAN, FollowedLesion
from dotaliver.measurement.measurability import threshold_mm
from dotaliver.records.edits import StoredMark
from dotaliver.records.score import StudyScore

__all__ = ["Selection", "not_measurable_by_mark", "select_targets"]

_DENSE_FLAG = "LESION_DENSE_ON_CT"
# Flags of diameters that are hard to reproduce at a later scan
_HARD_TO_REPRODUCE = {
    "LESION_BORDER_PARTIAL",
    "DIAMETER_LEAVES_LESION",
    "LESION_AT_FIELD_EDGE",
    "DIAMETER_NEAR_THRESHOLD",
}


@dataclass(frozen=True)
class Selection:
    """The targets, and why each lesion is one or not."""

    targets: tuple[str, ...]
    reasons: dict[str, str]


@dataclass(frozen=True)
class _Candidate:
    lesion: FollowedLesion
    size_mm: float
    reproducible: bool
    marked: bool
    cystic: bool

    @property
    def order(self) -> tuple[bool, bool, bool, float, str]:
        # RECIST 1.1 prefers lesions that are not cystic where there are any.
        return (not self.marked, self.cystic, not self.reproducible, -self.size_mm, self.lesion.lesion)


def not_measurable_by_mark(lesion: FollowedLesion, scan: int) -> str | None:
    """Why the readers' marks up to a scan make a lesion not measurable by RECIST 1.1; None where none does."""
    marks = frozenset[StoredMark]().union(*(lesion.marks(n) for n in range(scan + 1)))
    if "treated" in marks and "progressed_since_treatment" not in marks:
        return "treated before and not progressed since"
    if "blastic_bone" in lesion.every_mark:
        return "purely blastic bone"
    return lesion.doubt


def _unfit(lesion: FollowedLesion, score: StudyScore, baseline: int, config: RecistConfig) -> str | None:
    """Why a lesion is not measurable at baseline; None where it is."""
    barred = not_measurable_by_mark(lesion, baseline) or _why_too_dense(lesion, baseline)
    if barred is not None:
        return barred
    size = lesion.size(baseline, config)
    if size.status in {"absent", "too_small"}:
        return "too small to measure" if size.status == "too_small" else "absent at baseline, as the reader states"
    if size.size_mm is None:
        return size.reason or "not measured"
    if lesion.organ == UNKNOWN_ORGAN:
        return "its organ is not known; the reader can name it"
    limit = _threshold_mm(lesion, score)
    if size.size_mm < limit:
        axis = "short axis" if lesion.node else "longest diameter"
        thick = _slices_sentence(limit, lesion, score)
        return f"its {axis} of {size.size_mm:.1f} mm is under {limit:g} mm{thick}"
    return None


def _why_too_dense(lesion: FollowedLesion, baseline: int) -> str | None:
    """Why a lesion that is as dense as embolised ones is no target; None where a reader says that it progressed."""
    flags = {flag.code for part in lesion.parts[baseline] for flag in part.flags}
    if _DENSE_FLAG not in flags or "progressed_since_treatment" in lesion.marks(baseline):
        return None
    return "it is as dense as lipiodol, embolic agent or calcium and not marked as progressed since treatment"


def _threshold_mm(lesion: FollowedLesion, score: StudyScore) -> float:
    """The rule of Inclusion 4, for a lesion that the course or its reader calls a node or not."""
    known = next(part for found in lesion.parts for part in found)
    as_followed = known.model_copy(update={"marks": ("node",) if lesion.node else ()})
    return threshold_mm(as_followed, score.study.measured_image, score.config)


def _slices_sentence(limit: float, lesion: FollowedLesion, score: StudyScore) -> str:
    protocol = score.config.protocol
    usual = protocol.measurable_node_short_axis_mm if lesion.node else protocol.measurable_longest_diameter_mm
    return (
        f", the minimum for its slices ({protocol.thick_slice_multiple:g} × slice thickness)" if limit > usual else ""
    )


def select_targets(
    lesions: Sequence[FollowedLesion], score: StudyScore, baseline: int, edits: CourseEdits, config: RecistConfig
) -> Selection:
    """Propose the targets: measurable, at most five, at most two per organ; largest and reproducible first.

    Lesions that a reader marked as target come first, and those marked as non-target are left out. A reader's list of
    targets replaces the proposal.

    Raises
    ------
    ConfigError
        Where the reader lists a lesion that is not present at baseline or not measurable, or too many.
    """
    present = [lesion for lesion in lesions if lesion.present_on(baseline)]
    unfit = {lesion.lesion: _unfit(lesion, score, baseline, config) for lesion in present}
    if edits.targets is not None:
        return _listed(edits.targets, present, unfit, config)
    candidates = []
    reasons = {name: f"not measurable: {why}" for name, why in unfit.items() if why is not None}
    for lesion in present:
        if "non_target" in lesion.marks(baseline):
            reasons[lesion.lesion] = "marked as non-target by the reader"
        elif unfit[lesion.lesion] is None:
            flags = {flag.code for part in lesion.parts[baseline] for flag in part.flags}
            size = lesion.size(baseline, config).size_mm or 0.0
            marks = lesion.marks(baseline)
            reproducible = not flags & _HARD_TO_REPRODUCE
            cystic = "cystic_metastasis" in lesion.every_mark
            candidates.append(_Candidate(lesion, size, reproducible, "target" in marks, cystic))
    targets: list[str] = []
    organs: Counter[str] = Counter()
    for candidate in sorted(candidates, key=lambda c: c.order):
        name, organ = candidate.lesion.lesion, candidate.lesion.organ
        if len(targets) >= config.most_targets:
            reasons[name] = f"measurable, but {config.most_targets} targets are already chosen"
        elif organs[organ] >= config.most_targets_per_organ:
            reasons[name] = (
                f"measurable, but {config.most_targets_per_organ} targets of the {organ.lower()} are already chosen"
            )
        else:
            targets.append(name)
            organs[organ] += 1
            reasons[name] = _why(candidate)
    return Selection(tuple(targets), reasons)


def _why(candidate: _Candidate) -> str:
    if candidate.marked:
        return f"marked as target by the reader ({candidate.size_mm:.1f} mm)"
    place = candidate.lesion.organ.lower()
    also = "" if candidate.reproducible else "; hard to reproduce, but there is none better"
    return f"among the largest measurable lesions of the {place} ({candidate.size_mm:.1f} mm){also}"


def _listed(
    names: Sequence[str], present: Sequence[FollowedLesion], unfit: dict[str, str | None], config: RecistConfig
) -> Selection:
    by_name = {lesion.lesion: lesion for lesion in present}
    for name in names:
        if name not in by_name:
            there = ", ".join(by_name) or "none"
            msg = f"the reader's edits: target {name} is no lesion of the baseline scan; choose among {there}"
            raise ConfigError(msg)
        if (why := unfit[name]) is not None:
            msg = f"the reader's edits: {name} cannot be a target: {why}; choose another or give its size"
            raise ConfigError(msg)
    organs = Counter(by_name[name].organ for name in names)
    if len(names) != len(set(names)) or len(names) > config.most_targets:
        msg = f"the reader's edits: {len(names)} targets are listed; give at most {config.most_targets}, each once"
        raise ConfigError(msg)
    crowded = [organ for organ, count in organs.items() if count > config.most_targets_per_organ]
    if crowded:
        msg = (
            f"the reader's edits: {organs[crowded[0]]} targets of the {crowded[0].lower()} are listed; RECIST 1.1 "
            f"takes at most {config.most_targets_per_organ} of one organ"
        )
        raise ConfigError(msg)
    reasons = {lesion.lesion: "not chosen by the reader" for lesion in present}
    return Selection(tuple(names), reasons | dict.fromkeys(names, "chosen by the reader"))
