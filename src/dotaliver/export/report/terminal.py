"""A score as tables for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dotaliver.export.report.words import verdict_headline
from dotaliver.records.score import StudyScore

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

__all__ = ["score_summary"]

_EFFECT_STYLES = {"supports": "green", "excludes": "red", "undecided": "yellow"}


def score_summary(score: StudyScore) -> Group:
    """Verdicts, key figures and doubts, for `rich` to print."""
    from rich.console import Group

    parts: list[Table | Text] = [_verdict_table(score), _figures(score)]
    if score.flags:
        parts.append(_flag_table(score))
    return Group(*parts)


def _verdict_table(score: StudyScore) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title="Criteria of " + score.config.protocol.id, title_justify="left", show_lines=True, expand=False)
    table.add_column("Criterion", no_wrap=True)
    table.add_column("Answer", min_width=26)
    table.add_column("Why", overflow="fold")
    for criterion in score.config.protocol.criteria:
        verdict = score.criteria.get(criterion.id)
        if verdict is None:
            continue
        table.add_row(
            Text(criterion.id),
            Text(verdict_headline(criterion, verdict), style=_EFFECT_STYLES[verdict.effect]),
            Text(verdict.reason),
        )
    return table


def _figures(score: StudyScore) -> Text:
    from rich.text import Text

    lines = []
    burden, liver = score.burden, score.references.get("liver")
    if score.liver.volume_ml is not None:
        lines.append(f"liver {score.liver.volume_ml:.0f} ml")
    if burden.fraction is not None and burden.low is not None and burden.high is not None:
        lines.append(
            f"tumour {burden.tumour_ml:.0f} ml, burden {100 * burden.fraction:.1f} % "
            f"({100 * burden.low:.1f} to {100 * burden.high:.1f} %)"
        )
    if liver is not None and liver.suv_mean is not None:
        lines.append(f"normal liver SUVmean {liver.suv_mean:.2f} ({liver.method.replace('_', ' ')})")
    lines.append(f"{len(score.lesions)} lesion(s)" if score.lesions else "no lesion")
    text = ", ".join(lines)
    return Text(f"\n{text[:1].upper()}{text[1:]}\n")


def _flag_table(score: StudyScore) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title="Doubts", title_justify="left", expand=False)
    table.add_column("Flag", no_wrap=True)
    table.add_column("What it says", overflow="fold")
    table.add_column("Weakens", overflow="fold")
    for flag in score.flags:
        table.add_row(Text(flag.code), Text(flag.sentence), Text(", ".join(flag.weakens)))
    return table
