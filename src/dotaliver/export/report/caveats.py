"""A record's caveats, each with the answers that it limits and the lesions that it concerns."""

from __future__ import annotations

from dotaliver.export.report.content import Caveat, CaveatGroup
from dotaliver.records.flags import Flag
from dotaliver.records.score import StudyScore
from dotaliver.records.verdicts import Verdict

__all__ = ["caveat_groups"]


def caveat_groups(score: StudyScore) -> tuple[CaveatGroup, ...]:
    """Caveats of the study, and those of lesions that an answer rests on, under the answers that they limit.

    The group that limits most answers is the first; what limits none is the last.
    """
    groups: dict[tuple[str, ...], list[Caveat]] = {}
    for flag in dict.fromkeys((*score.flags, *score.segmentation.flags)):
        limited = _in_order(score, {*flag.weakens, *_limited_by(score, flag.code)})
        groups.setdefault(limited, []).append(Caveat(flag.sentence, flag.code))
    of_study = {flag.code for flag in (*score.flags, *score.segmentation.flags)}
    found: dict[tuple[str, str], tuple[set[str], set[int]]] = {}
    for key, verdict in score.criteria.items():
        for code in verdict.weakened_by:
            if code not in of_study:
                for label, flag in _of_lesions(score, verdict, code):
                    limits, labels = found.setdefault((code, flag.sentence), (set(), set()))
                    limits.add(key)
                    labels.add(label)
    for (code, sentence), (limits, labels) in found.items():
        groups.setdefault(_in_order(score, limits), []).append(Caveat(sentence, code, tuple(sorted(labels))))
    ordered = sorted(groups.items(), key=lambda item: -len(item[0]))
    return tuple(CaveatGroup(_heading(score, limited), tuple(members)) for limited, members in ordered)


def _limited_by(score: StudyScore, code: str) -> set[str]:
    return {key for key, verdict in score.criteria.items() if code in verdict.weakened_by}


def _in_order(score: StudyScore, criteria: set[str]) -> tuple[str, ...]:
    return tuple(key for key in score.config.protocol.ids if key in criteria)


def _heading(score: StudyScore, limited: tuple[str, ...]) -> str:
    if not limited:
        return "For information"
    return "Limits " + ", ".join(score.config.protocol.criterion(key).name for key in limited)


def _of_lesions(score: StudyScore, verdict: Verdict, code: str) -> list[tuple[int, Flag]]:
    """The lesions whose flag limits a verdict: the one that the verdict names, where that one has it, else all."""
    having = [(lesion.label, flag) for lesion in score.lesions for flag in lesion.flags if flag.code == code]
    named = [(label, flag) for label, flag in having if label == verdict.evidence.get("lesion_label")]
    return named or having
