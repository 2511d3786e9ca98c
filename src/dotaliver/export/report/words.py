"""Verdicts and marks in plain words."""

from __future__ import annotations

from dotaliver.config.protocol import Criterion
from dotaliver.records.body_record import BodyLesion
from dotaliver.records.verdicts import Verdict, VerdictWord

__all__ = [
    "EFFECT_WORDS",
    "MARK_WORDS",
    "answer_words",
    "clause",
    "counted",
    "likely_words",
    "percent_words",
    "verdict_headline",
]

_ANSWERS: dict[str, dict[VerdictWord, str]] = {
    "inclusion": {
        "met": "fulfilled",
        "not_met": "not fulfilled",
        "indeterminate": "undecided",
        "not_evaluable": "not evaluable",
    },
    "exclusion": {
        "met": "applies",
        "not_met": "does not apply",
        "indeterminate": "undecided",
        "not_evaluable": "not evaluable",
    },
    "description": {
        "met": "present",
        "not_met": "not present",
        "indeterminate": "undecided",
        "not_evaluable": "not evaluable",
    },
    "information": {
        "met": "present",
        "not_met": "not present",
        "indeterminate": "undecided",
        "not_evaluable": "not evaluable",
    },
}

EFFECT_WORDS = {"supports": "supports entry", "excludes": "argues against entry", "undecided": "undecided"}

MARK_WORDS = {
    "treated": "previously treated",
    "progressed_since_treatment": "progressed since treatment",
    "simple_cyst": "simple cyst",
    "cystic_metastasis": "cystic metastasis",
    "cystic": "cystic (simple cyst or metastasis not stated)",
    "blastic_bone": "purely blastic bone",
    "not_a_lesion": "not a lesion",
    "node": "lymph node",
    "target": "target lesion",
    "non_target": "non-target lesion",
    "receptor_negative": "receptor-negative",
}


def answer_words(criterion: Criterion, word: VerdictWord) -> str:
    """One of the four words as said of a criterion: "fulfilled", "does not apply", "undecided"."""
    return _ANSWERS[criterion.kind][word]


def clause(sentence: str) -> str:
    """A reason as part of a longer sentence: without the full stop that it may end with."""
    return sentence.rstrip(". ")


def counted(count: int, noun: str) -> str:
    """A number with its noun: "1 caveat", "3 caveats"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def verdict_headline(criterion: Criterion, verdict: Verdict) -> str:
    """A verdict as a headline, such as "Exclusion 4 does not apply".

    A criterion on the whole body that the liver alone does not meet stays open because of the rest of the body; the
    headline says so, since "undecided" would suggest doubt about the liver.
    """
    if verdict.verdict == "indeterminate" and verdict.scope == "body" and verdict.liver_finding == "not_met":
        return f"{criterion.name} cannot be decided from the liver alone"
    return f"{criterion.name} {answer_words(criterion, verdict.verdict)}"


def likely_words(lesion: BodyLesion) -> str:
    """What the search takes a candidate for, and its probability of being a lesion: never 0 or 100 %."""
    if lesion.confidence is None:
        return lesion.likely
    return f"{lesion.likely} (lesion {percent_words(lesion.confidence)})"


def percent_words(confidence: float) -> str:
    """A probability in percent; of what nobody confirmed none is certain."""
    percent = round(100 * confidence)
    return f"{'under 1' if percent < 1 else 'over 99' if percent > 99 else percent} %"
