"""Criteria that one study alone does not answer."""

from __future__ import annotations

from dotaliver.criteria.findings import Findings, Proposal

__all__ = ["judge_progression"]


def judge_progression(findings: Findings) -> Proposal:  # noqa: ARG001 -- every criterion is judged on the findings
    """Inclusion 6 compares with a prior scan; symptoms cannot be assessed on imaging."""
    reason = (
        "Progression needs a prior scan and the date of study entry; this record holds one study. "
        "'dotaliver recist' answers it from several. Symptoms cannot be assessed on imaging."
    )
    return Proposal("not_evaluable", "not_evaluable", reason)
