"""The verdicts as a page of text: answers, reasons, evidence and doubts, for the panel beside the images."""

from __future__ import annotations

from html import escape

from dotaliver.export.report_tables import evidence_rows, lobe_rows, number, reference_rows
from dotaliver.export.tables import uptake_name
from dotaliver.export.words import EFFECT_WORDS, verdict_headline
from dotaliver.protocol import CRITERIA
from dotaliver.records import Verdict
from dotaliver.score import StudyScore

__all__ = ["verdicts_html"]

# A sign beside each colour: nothing is told by colour alone.
_SIGNS = {"supports": "✔", "excludes": "✖", "undecided": "?"}
_COLOURS = {"supports": "#56B4E9", "excludes": "#E69F00", "undecided": "#BBBBBB"}


def verdicts_html(score: StudyScore) -> str:
    """Every criterion with its answer, then the numbers that matter and every doubt, as HTML for a text view."""
    parts = [_figures(score)]
    parts += [_criterion(score, score.criteria[name]) for name in CRITERIA if name in score.criteria]
    parts.append(_references(score))
    if score.flags:
        parts.append("<h3>Doubts</h3><ul>")
        parts += [f"<li>{escape(flag.sentence)}</li>" for flag in score.flags]
        parts.append("</ul>")
    parts.append(
        "<p><i>Every answer is a proposal until a reader confirms it. Research use; no medical device.</i></p>"
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
        lines.append(f"no burden: {escape(burden.reason)}")
    lines.append(f"{len(score.lesions)} lesion{'' if len(score.lesions) == 1 else 's'}")
    rows = "".join(
        f"<br>{name}: {volume}, tumour {tumour}, burden {share}" for name, volume, tumour, share in lobe_rows(score)
    )
    return f"<p>{'; '.join(lines)}.{rows}</p>"


def _criterion(score: StudyScore, verdict: Verdict) -> str:
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
        cells = "".join(
            f"<tr><td style='padding-right:12px'>{escape(name)}</td><td align='right'>{escape(value)}</td></tr>"
            for name, value in evidence_rows(verdict)
        )
        text += f"<table style='margin-left:8px' cellspacing='0'>{cells}</table>"
    return text


def _references(score: StudyScore) -> str:
    name = uptake_name(score.uptake_unit)[0].strip()
    head = f"<tr><th align='left'>Normal uptake</th><th>{name}mean</th><th>SD</th><th align='left'>read in</th></tr>"
    rows = "".join(
        "<tr>" + "".join(f"<td style='padding-right:10px'>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in reference_rows(score)
    )
    return f"<h3>References</h3><table>{head}{rows}</table>"
