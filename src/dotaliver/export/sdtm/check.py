"""A small conformance check of the SDTM datasets: each rule by name, and the rows that break it.

It covers the parts of the SDTM Implementation Guide 3.4 and of SAS transport 5 that tables most often get wrong. It
does not replace a validator such as Pinnacle 21 or CDISC CORE.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dotaliver.export.sdtm.cross_rules import CROSS_RULES
from dotaliver.export.sdtm.datasets import Dataset
from dotaliver.export.sdtm.field_rules import FIELD_RULES, Check

__all__ = ["RULES", "Finding", "check_sdtm", "conformance_report"]

RULES: dict[str, tuple[str, Check]] = FIELD_RULES | CROSS_RULES


@dataclass(frozen=True)
class Finding:
    """A rule and a place that breaks it."""

    rule: str
    domain: str
    where: str


def check_sdtm(datasets: Sequence[Dataset]) -> tuple[Finding, ...]:
    """Every place that breaks a rule; empty where all hold."""
    tables = {dataset.domain: dataset for dataset in datasets}
    return tuple(Finding(name, domain, where) for name, (_, check) in RULES.items() for domain, where in check(tables))


def conformance_report(datasets: Sequence[Dataset], terminology: str, notes: Sequence[str] = ()) -> str:
    """The rules and what breaks them, as text, with notes on what the tables lack."""
    findings = check_sdtm(datasets)
    lines = [f"Checked against {terminology}", *(f"Note: {note}" for note in notes), ""]
    for name, (sentence, _) in RULES.items():
        broken = [finding for finding in findings if finding.rule == name]
        lines.append(f"{'BROKEN' if broken else 'holds '} {name}: {sentence}")
        lines += [f"    {finding.domain}: {finding.where}" for finding in broken[:20]]
    lines.append("")
    lines.append("This check does not replace a full validator (CDISC CORE, Pinnacle 21).")
    return "\n".join(lines) + "\n"
