"""From findings to verdicts: who may be judged, each criterion's answer, its effect, and what the reader says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from dotaliver.config.protocol import Criterion, CriterionId, Rule
from dotaliver.config.scoring import ScoringConfig
from dotaliver.criteria import dom, exc4, exc6, inc4, inc6, inc7
from dotaliver.criteria.findings import Findings, Proposal
from dotaliver.errors import ConfigError
from dotaliver.records.edits import ReaderEdits, VerdictEdit
from dotaliver.records.flags import Flag
from dotaliver.records.study import Acquisition
from dotaliver.records.tracer_name import tracer_name
from dotaliver.records.verdicts import Decision, EffectWord, Verdict, VerdictWord

__all__ = ["effect_of", "judge_all", "reason_not_to_judge", "require_known_criteria", "with_readers_answers"]

_JUDGES: Mapping[Rule, Callable[[Findings], Proposal]] = {
    "INC7": inc7.judge,
    "EXC4": exc4.judge,
    "INC4": inc4.judge,
    "INC6": inc6.judge_progression,
    "EXC6": exc6.judge,
    "DOM": dom.judge,
}

# Candidates outside the liver bear on these; progression is read from two scans.
_ON_CANDIDATES: frozenset[Rule] = frozenset({"INC7", "INC4", "EXC6", "DOM"})


def reason_not_to_judge(acquisition: Acquisition, config: ScoringConfig) -> str | None:
    """Why the receptor criteria cannot be judged on this PET; None where they can.

    A name that is known neither as a somatostatin-receptor ligand nor as another tracer does not stand in the
    way where the nuclide is the protocol's (it is flagged elsewhere); an unknown nuclide does.
    """
    wanted = " or ".join(config.protocol.tracer.nuclides)
    if acquisition.tracer_is_sstr is False:
        return f"The tracer ({tracer_name(str(acquisition.tracer))}) is not a somatostatin-receptor ligand."
    if acquisition.nuclide is None:
        return f"The header does not say which nuclide was given; {wanted} is needed."
    if acquisition.nuclide not in config.protocol.tracer.nuclides:
        return f"The nuclide is {acquisition.nuclide}; the criterion is read from a scan with {wanted} before therapy."
    return None


def effect_of(criterion: Criterion, verdict: VerdictWord) -> EffectWord:
    """What an answer means for entering the trial: an exclusion that is met excludes, information decides nothing."""
    if verdict not in {"met", "not_met"} or criterion.kind == "information":
        return "undecided"
    favourable = (verdict == "met") != (criterion.kind == "exclusion")
    return "supports" if favourable else "excludes"


def judge_all(findings: Findings, flags: tuple[Flag, ...]) -> dict[CriterionId, Verdict]:
    """Propose an answer to every criterion of the protocol, in its order.

    ``flags`` are those of the whole study; a verdict is weakened by them and by those of its deciding lesion,
    where a flag names that criterion.
    """
    barred = reason_not_to_judge(findings.acquisition, findings.config)
    insisted = findings.config.assume.judge_other_tracer
    verdicts: dict[CriterionId, Verdict] = {}
    for criterion in findings.config.protocol.criteria:
        if criterion.needs_pretherapy_sstr_pet and barred is not None and not insisted:
            proposal = Proposal("not_evaluable", "not_evaluable", barred)
        else:
            proposal = _with_candidates(_JUDGES[criterion.rule](findings), criterion, findings)
        doubts = [f.code for f in (*flags, *proposal.deciding_flags) if criterion.rule in f.weakens]
        verdicts[criterion.id] = Verdict(
            criterion=criterion.id,
            verdict=proposal.verdict,
            effect=effect_of(criterion, proposal.verdict),
            scope=criterion.scope,
            liver_finding=proposal.liver_finding,
            reason=proposal.reason,
            evidence=proposal.evidence,
            weakened_by=tuple(dict.fromkeys(doubts)),
        )
    return verdicts


def _with_candidates(proposal: Proposal, criterion: Criterion, findings: Findings) -> Proposal:
    """The same answer, with what waits for an answer outside the liver said in its reason."""
    waiting = findings.unanswered
    if findings.body is not None and all(x.likely == "physiological" for x in findings.body.candidates):
        # The list of candidates says so.
        waiting = None
    if waiting is None or criterion.scope != "body" or criterion.rule not in _ON_CANDIDATES:
        return proposal
    return replace(proposal, reason=f"{proposal.reason} {waiting}")


def require_known_criteria(edits: ReaderEdits, config: ScoringConfig) -> None:
    """Refuse edits that answer a criterion which the protocol does not have: `ConfigError`."""
    known = config.protocol.ids
    for edit in edits.verdicts:
        if edit.criterion not in known:
            msg = (
                f"the edits answer {edit.criterion}, which is not a criterion of {config.protocol.id} "
                f"(those: {', '.join(known)})"
            )
            raise ConfigError(msg)


def with_readers_answers(
    verdicts: dict[CriterionId, Verdict], edits: ReaderEdits, config: ScoringConfig
) -> dict[CriterionId, Verdict]:
    """The verdicts after the reader's answers: confirmed where they agree, overruled where they do not.

    Raises
    ------
    ConfigError
        Where an answer names no criterion of the protocol, comes without a reader, or overrules without a reason.
    """
    require_known_criteria(edits, config)
    answered = dict(verdicts)
    for edit in edits.verdicts:
        answered[edit.criterion] = _answered(verdicts[edit.criterion], edit, edits, config)
    return answered


def _answered(verdict: Verdict, edit: VerdictEdit, edits: ReaderEdits, config: ScoringConfig) -> Verdict:
    if edits.reader is None:
        msg = f"the edits answer {edit.criterion} without saying who reads; give 'reader' with name and role"
        raise ConfigError(msg)
    agrees = edit.verdict == verdict.verdict
    if not agrees and not (edit.reason or "").strip():
        msg = (
            f"the edits overrule {edit.criterion} ({verdict.verdict} becomes {edit.verdict}) without a reason; "
            "give 'reason'"
        )
        raise ConfigError(msg)
    criterion = config.protocol.criterion(edit.criterion)
    return verdict.model_copy(
        update={
            "verdict": edit.verdict,
            "effect": effect_of(criterion, edit.verdict),
            "status": "confirmed" if agrees else "overruled",
            "decision": Decision(
                reader=edits.reader.name,
                role=edits.reader.role,
                made_at=edits.made_at,
                reason=edit.reason,
                proposed=verdict.verdict,
            ),
        }
    )
