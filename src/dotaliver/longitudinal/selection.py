"""Which lesions are targets: a proposal by the rules of RECIST 1.1 that the reader can change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from dotaliver.config.criteria import RecistConfig
from dotaliver.criteria.inc4 import threshold_mm
from dotaliver.errors import ConfigError
from dotaliver.longitudinal.edits import CourseEdits
from dotaliver.longitudinal.followed import UNKNOWN_ORGAN, FollowedLesion
from dotaliver.records.edits import StoredMark
from dotaliver.records.score import StudyScore

__all__ = ["Selection", "select_targets"]

# These make a diameter hard to take again at the same place.
_HARD_TO_REPRODUCE = {"DIAMETER_LEAVES_LESION", "LESION_AT_FIELD_EDGE", "DIAMETER_NEAR_THRESHOLD"}


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

    @property
    def order(self) -> tuple[bool, bool, float, str]:
        return (not self.marked, not self.reproducible, -self.size_mm, self.lesion.lesion)


def _barred(lesion: FollowedLesion, baseline: int) -> str | None:
    """What a reader's mark says against it; None where nothing does."""
    marks = lesion.marks(baseline)
    if "treated" in marks and "progressed_since_treatment" not in marks:
        return "treated before and not progressed since"
    words: dict[StoredMark, str] = {
        "simple_cyst": "a simple cyst",
        "cystic": "marked as cystic in a record of version 1, which may mean a simple cyst; mark it again",
        "blastic_bone": "purely blastic bone",
    }
    return next((why for mark, why in words.items() if mark in marks), None)


def _unfit(lesion: FollowedLesion, score: StudyScore, baseline: int, config: RecistConfig) -> str | None:
    """Why a lesion is not measurable at baseline; None where it is."""
    if (barred := _barred(lesion, baseline)) is not None:
        return barred
    size = lesion.size(baseline, config)
    if size.size_mm is None:
        return size.reason or "not measured"
    if lesion.organ == UNKNOWN_ORGAN:
        return "its organ is not known; a reader can name it"
    model = lesion.parts[baseline][0].model_copy(update={"marks": ("node",) if lesion.node else ()})
    limit = threshold_mm(model, score.study.measured_ct, score.config)
    if size.size_mm < limit:
        axis = "short axis" if lesion.node else "longest diameter"
        thick = _slices_sentence(limit, lesion, score)
        return f"its {axis} of {size.size_mm:.1f} mm is under {limit:g} mm{thick}"
    return None


def _slices_sentence(limit: float, lesion: FollowedLesion, score: StudyScore) -> str:
    protocol = score.config.protocol
    usual = protocol.measurable_node_short_axis_mm if lesion.node else protocol.measurable_longest_diameter_mm
    return f", which its slices ask for ({protocol.thick_slice_multiple:g} × their thickness)" if limit > usual else ""


def select_targets(
    lesions: Sequence[FollowedLesion], score: StudyScore, baseline: int, edits: CourseEdits, config: RecistConfig
) -> Selection:
    """Propose the targets: measurable, at most five, at most two in an organ; largest and reproducible first.

    Lesions that a reader marked as target come first; where the reader lists the targets, the list stands.

    Raises
    ------
    ConfigError
        Where the reader lists a lesion that is not there at baseline or not measurable, or more than the rules allow.
    """
    present = [lesion for lesion in lesions if lesion.parts[baseline] or baseline in lesion.stated]
    unfit = {lesion.lesion: _unfit(lesion, score, baseline, config) for lesion in present}
    if edits.targets is not None:
        return _listed(edits.targets, present, unfit, config)
    candidates = []
    for lesion in present:
        if unfit[lesion.lesion] is None:
            flags = {flag.code for part in lesion.parts[baseline] for flag in part.flags}
            size = lesion.size(baseline, config).size_mm or 0.0
            marked = "target" in lesion.marks(baseline)
            candidates.append(_Candidate(lesion, size, not flags & _HARD_TO_REPRODUCE, marked))
    reasons = {name: f"not measurable: {why}" for name, why in unfit.items() if why is not None}
    targets: list[str] = []
    organs: Counter[str] = Counter()
    for candidate in sorted(candidates, key=lambda c: c.order):
        name, organ = candidate.lesion.lesion, candidate.lesion.organ
        if len(targets) >= config.most_targets:
            reasons[name] = f"measurable, but {config.most_targets} targets are chosen already"
        elif organs[organ] >= config.most_targets_per_organ:
            reasons[name] = f"measurable, but {config.most_targets_per_organ} targets of the {organ.lower()} are chosen"
        else:
            targets.append(name)
            organs[organ] += 1
            reasons[name] = _why(candidate)
    return Selection(tuple(targets), reasons)


def _why(candidate: _Candidate) -> str:
    if candidate.marked:
        return f"marked as target by the reader ({candidate.size_mm:.1f} mm)"
    place = candidate.lesion.organ.lower()
    also = "" if candidate.reproducible else "; hard to reproduce, but nothing better is there"
    return f"among the largest measurable lesions of the {place} ({candidate.size_mm:.1f} mm){also}"


def _listed(
    names: Sequence[str], present: Sequence[FollowedLesion], unfit: dict[str, str | None], config: RecistConfig
) -> Selection:
    by_name = {lesion.lesion: lesion for lesion in present}
    for name in names:
        if name not in by_name:
            there = ", ".join(by_name) or "none"
            msg = f"the reader's edits: target {name} is no lesion of the baseline scan (lesions there: {there})"
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
