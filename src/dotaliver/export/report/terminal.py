"""A score as tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dotaliver.export.report.body import body_line, body_section
from dotaliver.export.report.caveats import caveat_groups
from dotaliver.export.report.content import CaveatGroup
from dotaliver.export.report.netpet import netpet_line
from dotaliver.export.report.words import counted, verdict_headline
from dotaliver.export.tables import uptake_name
from dotaliver.records.score import StudyScore

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

__all__ = ["score_summary"]

_REGIONS = {
    "sphere": "3 cm sphere",
    "small_sphere": "small sphere",
    "low_mode": "lower histogram peak",
    "reader": "placed by the reader",
}
_BODY_COLUMNS = {"Lesion", "Region", "State", "Likely", "Size", "ml", "× liver", "SSTR-RADS"}
_EFFECT_STYLES = {"supports": "green", "excludes": "red", "undecided": "yellow"}


def score_summary(score: StudyScore) -> Group:
    """Verdicts, key figures and caveats, for `rich` to print."""
    from rich.console import Group

    parts: list[Table | Text] = [_verdict_table(score), _figures(score)]
    if score.body is not None and score.body.lesions:
        parts.append(_body_table(score))
    if groups := caveat_groups(score):
        parts.append(_caveat_table(groups))
    return Group(*parts)


def _verdict_table(score: StudyScore) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title="Criteria of " + score.config.protocol.id, title_justify="left", show_lines=True, expand=False)
    table.add_column("Criterion", no_wrap=True)
    table.add_column("Answer", min_width=26)
    table.add_column("Reason", overflow="fold")
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

    parts = []
    burden, liver = score.burden, score.references.get("liver")
    if score.liver.volume_ml is not None:
        parts.append(f"Liver {score.liver.volume_ml:.0f} ml")
    if burden.fraction is not None and burden.low is not None and burden.high is not None:
        parts.append(
            f"tumour {burden.tumour_ml:.0f} ml, burden {100 * burden.fraction:.1f} % "
            f"({100 * burden.low:.1f} to {100 * burden.high:.1f} %)"
        )
    parts.append(counted(len(score.lesions), "lesion") if score.lesions else "no lesions")
    if score.body is not None:
        parts.append(body_line(score.body))
    if score.netpet is not None:
        parts.append(netpet_line(score.netpet))
    if liver is not None and liver.suv_mean is not None:
        name = uptake_name(score.uptake_unit)[0]
        parts.append(f"normal liver {name}mean {liver.suv_mean:.2f} ({_REGIONS.get(liver.method, liver.method)})")
    text = " · ".join(parts)
    return Text(f"\n{text[:1].upper()}{text[1:]}\n")


def _body_table(score: StudyScore) -> Table:
    """Candidates and lesions outside the liver, the columns that fit a terminal."""
    from rich.table import Table
    from rich.text import Text

    section = body_section(score)
    assert section is not None
    table = Table(title="Outside the liver", title_justify="left", expand=False)
    shown = [n for n, column in enumerate(section.columns) if column in _BODY_COLUMNS]
    for n in shown:
        table.add_column(section.columns[n], overflow="fold", justify="right" if n > 4 else "left")
    for row in section.rows:
        table.add_row(*(Text(row[n]) for n in shown))
    return table


def _caveat_table(groups: Sequence[CaveatGroup]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title="Caveats", title_justify="left", expand=False)
    table.add_column("Effect", overflow="fold")
    table.add_column("Caveat", overflow="fold")
    table.add_column("Code", overflow="fold")
    for group in groups:
        for caveat in group.caveats:
            table.add_row(Text(group.heading), Text(caveat.said), Text(caveat.code))
    return table
