"""The verdicts as HTML for the panel next to the images: answers, reasons, evidence and caveats."""

from __future__ import annotations

from collections.abc import Collection
from html import escape

from dotaliver.export.report.caveats import caveat_groups
from dotaliver.export.report.evidence import evidence_rows
from dotaliver.export.report.tables import lobe_rows, number, reference_rows
from dotaliver.export.report.words import EFFECT_WORDS, verdict_headline
from dotaliver.export.tables import uptake_name
from dotaliver.records.score import StudyScore
from dotaliver.records.verdicts import Verdict

__all__ = ["verdicts_html"]

# Signs as well as colours, so that colour never carries the meaning alone
_SIGNS = {"supports": "✔", "excludes": "✖", "undecided": "?"}
# Of a lightness that is read on the white of the light theme and on the near-black of the dark one.
_LINK = "#247AB8"
_COLOURS = {"supports": _LINK, "excludes": "#B05E00", "undecided": "#757575"}


def verdicts_html(score: StudyScore, unfolded: Collection[str] = ()) -> str:
    """Key figures, every criterion with its answer, references and caveats, as HTML for a text view.

    Parameters
    ----------
    score : StudyScore
        The record.
    unfolded : collection of str
        Criteria whose numbers are shown; for the others there is a link ``#INC7`` that shows them.
    """
    parts = [_figures(score)]
    parts += [
        _criterion(score, score.criteria[name], name in unfolded)
        for name in score.config.protocol.ids
        if name in score.criteria
    ]
    parts.append(_references(score))
    if groups := caveat_groups(score):
        parts.append("<h3>Caveats</h3>")
        for group in groups:
            sentences = "".join(f"<li>{escape(caveat.said)}</li>" for caveat in group.caveats)
            parts.append(
                f"<p style='margin-bottom:0'>{escape(group.heading)}</p><ul style='margin-top:2px'>{sentences}</ul>"
            )
    parts.append(
        "<p><i>Every answer is a proposal until a reader confirms it. Research use; not a medical device.</i></p>"
    )
    return "".join(parts)


def _figures(score: StudyScore) -> str:
    burden, lines = score.burden, []
    if score.liver.volume_ml is not None:
        lines.append(f"Liver {score.liver.volume_ml:.0f} ml")
    if burden.fraction is not None and burden.low is not None and burden.high is not None:
        interval = f"{100 * burden.low:.1f} to {100 * burden.high:.1f} %"
        lines.append(
            f"tumour {number(burden.tumour_ml, 0)} ml, <b>burden {100 * burden.fraction:.1f} %</b> ({interval})"
        )
    elif burden.reason:
        lines.append(f"burden not available: {escape(burden.reason)}")
    lines.append(f"{len(score.lesions)} lesion{'' if len(score.lesions) == 1 else 's'}")
    rows = "".join(
        f"<br>{name}: {volume}, tumour {tumour}, burden {share}" for name, volume, tumour, share in lobe_rows(score)
    )
    return f"<p>{'; '.join(lines)}.{rows}</p>"


def _criterion(score: StudyScore, verdict: Verdict, unfolded: bool) -> str:
    criterion = score.config.protocol.criterion(verdict.criterion)
    colour, sign = _COLOURS[verdict.effect], _SIGNS[verdict.effect]
    headline = f"{sign} {escape(verdict_headline(criterion, verdict))}"
    status = "" if verdict.status == "proposed" else f", {verdict.status}"
    text = f'<h3 style="color:{colour}; margin-bottom:0">{headline}</h3>'
    text += f"<p style='margin-top:2px'><b>{escape(criterion.topic)}</b> ({EFFECT_WORDS[verdict.effect]}{status})<br>"
    text += f"{escape(verdict.reason)}</p>"
    if verdict.decision is not None:
        decision = verdict.decision
        because = f": {escape(decision.reason)}" if decision.reason else ""
        text += f"<p>By {escape(decision.reader)}, {escape(decision.role)}{because}</p>"
    if verdict.evidence:
        word = "Hide" if unfolded else "Show"
        link = (
            f"<a style='color:{_LINK}' href='#{verdict.criterion}'>{word} the numbers for {escape(criterion.name)}</a>"
        )
        text += f"<p style='margin-top:2px'>{link}</p>"
        text += _evidence(verdict) if unfolded else ""
    return text


def _evidence(verdict: Verdict) -> str:
    cells = "".join(
        f"<tr><td style='padding-right:12px'>{escape(name)}</td><td align='right'>{escape(value)}</td></tr>"
        for name, value in evidence_rows(verdict)
    )
    return f"<table style='margin-left:8px' cellspacing='0'>{cells}</table>"


def _references(score: StudyScore) -> str:
    name = uptake_name(score.uptake_unit)[0].strip()
    head = f"<tr><th align='left'>Reference</th><th>{name}mean</th><th>SD</th><th align='left'>Region</th></tr>"
    rows = "".join(
        "<tr>" + "".join(f"<td style='padding-right:10px'>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in reference_rows(score)
    )
    return f"<h3>Normal uptake</h3><table>{head}{rows}</table>"
