"""The qualitative evaluations of a report (TID 1500, row 12): criteria, what was not measured, caveats.

They are items of a container of their own, since they rest on no region: a code or a text each, its grounds below it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal, TypeAlias

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from dotaliver.export.dicom.codes import own
from dotaliver.export.dicom.segments import tracking_id
from dotaliver.export.dicom.source_headers import uid_from
from dotaliver.export.dicom.sr_items import algorithm_parameters
from dotaliver.export.report.words import EFFECT_WORDS, answer_words
from dotaliver.records.score import StudyScore
from dotaliver.records.verdicts import Verdict, VerdictWord

if TYPE_CHECKING:
    from highdicom.sr import CodeContentItem, ContainerContentItem, TextContentItem

    Evaluation: TypeAlias = CodeContentItem | TextContentItem

__all__ = ["qualitative_evaluations"]

_CONTAINER = Code("C0034375", "UMLS", "Qualitative Evaluations")
_ORGANS = {"liver": "Normal liver", "spleen": "Spleen", "blood_pool": "Blood pool"}
_Relationship = Literal["CONTAINS", "HAS PROPERTIES", "HAS OBS CONTEXT", "HAS CONCEPT MOD"]


def qualitative_evaluations(score: StudyScore) -> ContainerContentItem:
    """Every criterion with its answer and grounds, the regions that could not be measured, and the record."""
    from highdicom.sr import ContainerContentItem, ContentSequence, RelationshipTypeValues

    container = ContainerContentItem(_CONTAINER, relationship_type=RelationshipTypeValues.CONTAINS)
    items = [_criterion(score, score.criteria[key]) for key in score.config.protocol.ids if key in score.criteria]
    container.ContentSequence = ContentSequence([*items, *_not_measured(score), _record(score)])
    return container


def _code(name: Code, value: Code, relationship: _Relationship = "HAS PROPERTIES") -> CodeContentItem:
    from highdicom.sr import CodeContentItem

    return CodeContentItem(name=name, value=value, relationship_type=relationship)


def _text(name: Code, value: str, relationship: _Relationship = "HAS PROPERTIES") -> TextContentItem:
    from highdicom.sr import TextContentItem

    return TextContentItem(name=name, value=value, relationship_type=relationship)


def _with_details(
    score: StudyScore, item: Evaluation, identity: str, details: list[Evaluation], *texts: tuple[Code, str | None]
) -> Evaluation:
    """An item with its tracking identifiers, codes and texts below it; empty texts are left out."""
    from highdicom.sr import ContentSequence, RelationshipTypeValues, UIDRefContentItem

    uid = uid_from(score.study.study_instance_uid, identity)
    item.ContentSequence = ContentSequence(
        [
            _text(codes.DCM.TrackingIdentifier, identity, "HAS OBS CONTEXT"),
            UIDRefContentItem(codes.DCM.TrackingUniqueIdentifier, uid, RelationshipTypeValues.HAS_OBS_CONTEXT),
            *details,
            *(_text(name, value) for name, value in texts if value),
        ]
    )
    return item


def _criterion(score: StudyScore, verdict: Verdict) -> Evaluation:
    """One criterion: the answer as a code, its reason as text, its evidence as ``name: value`` in JSON."""
    protocol = score.config.protocol
    criterion = protocol.criterion(verdict.criterion)

    def answer(word: VerdictWord) -> Code:
        return own(word, f"{criterion.name} {answer_words(criterion, word)}")

    details: list[Evaluation] = [
        _text(codes.DCM.AlgorithmName, f"dotaliver criteria of {protocol.id}", "HAS CONCEPT MOD"),
        _text(codes.DCM.AlgorithmVersion, score.provenance.dotaliver_version, "HAS CONCEPT MOD"),
        *(_text(codes.DCM.AlgorithmParameters, each, "HAS CONCEPT MOD") for each in algorithm_parameters(score)),
        _code(codes.DCM.Finding, own(verdict.criterion, f"{criterion.name}: {criterion.topic}")),
        _code(own("EFFECT", "Effect on trial entry"), own(verdict.effect, EFFECT_WORDS[verdict.effect])),
        _code(own("STATUS", "Status of the answer"), own(verdict.status, verdict.status)),
        _code(own("SCOPE", "Scope of the criterion"), own(verdict.scope, verdict.scope)),
    ]
    if verdict.liver_finding is not None:
        details.append(_code(own("LIVERFINDING", "Finding in the liver alone"), answer(verdict.liver_finding)))
    decision = verdict.decision
    decided = None if decision is None else f"{decision.reader} ({decision.role}); proposed: {decision.proposed}"
    evidence = [(own("EVIDENCE", "Evidence"), f"{key}: {json.dumps(value)}") for key, value in verdict.evidence.items()]
    return _with_details(
        score,
        _code(codes.DCM.Eligibility, answer(verdict.verdict), "CONTAINS"),
        tracking_id("criterion", verdict.criterion),
        details,
        (own("REASON", "Reason"), verdict.reason),
        (own("DECIDEDBY", "Decided by"), decided),
        (own("DECISIONREASON", "Reader's reason"), None if decision is None else decision.reason),
        *evidence,
        *((own("LIMITEDBY", "Limited by"), code) for code in verdict.weakened_by),
    )


def _not_measured(score: StudyScore) -> list[Evaluation]:
    """Regions without numbers, each with the reason."""
    missing = [
        (tracking_id("missing", found.organ), _ORGANS[found.organ], found.reason or "not found")
        for found in score.references.values()
        if found.method == "none"
    ]
    if score.liver.volume_ml is None:
        missing.append((tracking_id("missing", "organ"), "Liver", score.liver.reason or "not found"))
    if score.burden.fraction is None and score.burden.reason:
        missing.append((tracking_id("missing", "burden"), "Tumour burden", score.burden.reason))
    name = own("NOTMEASURED", "Not measured")
    reason = own("REASON", "Reason")
    return [
        _with_details(score, _text(name, what, "CONTAINS"), identity, [], (reason, why))
        for identity, what, why in missing
    ]


def _record(score: StudyScore) -> Evaluation:
    """The record as a whole: its identifier, its caveats, the reader's statements."""
    rest = score.edits.rest_of_body
    stated = None if rest is None else json.dumps(rest.model_dump(mode="json"))
    return _with_details(
        score,
        _text(own("RECORDID", "Record"), score.record_id, "CONTAINS"),
        tracking_id("record", "study"),
        [],
        (own("PROTOCOL", "Trial protocol"), f"{score.config.protocol.id}, {score.config.protocol.amendment}"),
        (own("RESTOFBODY", "Reader's statement on the rest of the body"), stated),
        *((own("CAVEAT", "Caveat"), f.sentence) for f in dict.fromkeys((*score.flags, *score.segmentation.flags))),
    )
