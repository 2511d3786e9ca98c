"""What a measurement report says beside numbers: each criterion's answer with its grounds, and the doubts."""

from __future__ import annotations

import json
from typing import Any

from pydicom.sr.codedict import codes

from dotaliver.export.dicom.codes import own
from dotaliver.export.dicom.seg import tracking_id
from dotaliver.export.dicom.sr_items import algorithm, group, with_text_items
from dotaliver.export.report.words import EFFECT_WORDS, answer_words
from dotaliver.records.score import StudyScore
from dotaliver.records.verdicts import Verdict

__all__ = ["study_group", "verdict_group"]


def verdict_group(score: StudyScore, verdict: Verdict) -> Any:
    """One criterion: the answer as a code, its grounds as text, its evidence as ``name: value`` in JSON's words."""
    from highdicom.sr import QualitativeEvaluation

    protocol = score.config.protocol
    criterion = protocol.criterion(verdict.criterion)

    def answer(word: Any) -> Any:
        return own(word, f"{criterion.name} {answer_words(criterion, word)}")

    evaluations = [
        QualitativeEvaluation(codes.DCM.Eligibility, answer(verdict.verdict)),
        QualitativeEvaluation(
            own("EFFECT", "Effect on entering the trial"), own(verdict.effect, EFFECT_WORDS[verdict.effect])
        ),
        QualitativeEvaluation(own("STATUS", "Who stands behind the answer"), own(verdict.status, verdict.status)),
        QualitativeEvaluation(own("SCOPE", "What the criterion asks about"), own(verdict.scope, verdict.scope)),
    ]
    if verdict.liver_finding is not None:
        finding = own("LIVERFINDING", "What the liver alone shows")
        evaluations.append(QualitativeEvaluation(finding, answer(verdict.liver_finding)))
    answered = group(
        score,
        None,
        tracking_id("criterion", verdict.criterion),
        finding_type=own(verdict.criterion, f"{criterion.name}: {criterion.topic}"),
        algorithm_id=algorithm(score, f"dotaliver criteria of {protocol.id}"),
        qualitative_evaluations=evaluations,
    )
    decision = verdict.decision
    decided = (
        None if decision is None else f"{decision.reader} ({decision.role}); proposed had been {decision.proposed}"
    )
    evidence = [(own("EVIDENCE", "Evidence"), f"{key}: {json.dumps(value)}") for key, value in verdict.evidence.items()]
    return with_text_items(
        answered,
        (own("REASON", "Reason"), verdict.reason),
        (own("DECIDEDBY", "Decided by"), decided),
        (own("DECISIONREASON", "Reader's reason"), None if decision is None else decision.reason),
        *evidence,
        *((own("WEAKENEDBY", "Weakened by"), code) for code in verdict.weakened_by),
    )


def study_group(score: StudyScore) -> Any:
    """What holds for the whole record: its name, its doubts, what the reader states."""
    answered = group(score, None, tracking_id("record", "study"), finding_type=own("RECORD", "Record of a liver score"))
    rest = score.edits.rest_of_body
    stated = None if rest is None else json.dumps(rest.model_dump(mode="json"))
    return with_text_items(
        answered,
        (own("RECORDID", "Name of the record"), score.record_id),
        (own("PROTOCOL", "Trial protocol"), f"{score.config.protocol.id}, {score.config.protocol.amendment}"),
        (own("RESTOFBODY", "Reader's statement on the rest of the body"), stated),
        *((own("DOUBT", "Doubt"), flag.sentence) for flag in dict.fromkeys((*score.flags, *score.segmentation.flags))),
    )
