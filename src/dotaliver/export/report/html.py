"""The report: one self-contained HTML page for a physician, the answers first and their grounds below."""

from __future__ import annotations

from dotaliver.export.report.compose import report_content
from dotaliver.export.report.content import ReportContent
from dotaliver.export.report.figures import (
    BODY_STYLES,
    LESION_COLOUR,
    LESION_DARK,
    LIVER_COLOUR,
    LIVER_DARK,
    SECOND_COLOUR,
    colour_stops,
)
from dotaliver.export.report.template import page_template
from dotaliver.records.masks import Segmentations
from dotaliver.records.score import StudyScore
from dotaliver.records.study import StudyVolumes

__all__ = ["load_page", "report_html", "report_page"]

_PAGE = "report.html.j2"
_COLOURS = {
    "liver": LIVER_COLOUR,
    "lesion": LESION_COLOUR,
    "liver_dark": LIVER_DARK,
    "lesion_dark": LESION_DARK,
    "second": SECOND_COLOUR,
    "pet": ", ".join(colour_stops()),
}
_LINES = {"-": "solid", "--": "dashed", ":": "dotted"}
_BODY_STYLES = [(state, colour, _LINES[line]) for state, (colour, line) in BODY_STYLES.items()]


def report_html(score: StudyScore, volumes: StudyVolumes, segmentations: Segmentations) -> str:
    """The record as one HTML page that needs nothing else: no network, no other file; prints on A4.

    Parameters
    ----------
    score : StudyScore
        What is reported.
    volumes : StudyVolumes
        The images that it rests on.
    segmentations : Segmentations
        The masks that it rests on.

    Returns
    -------
    str
        The page. Every text from a header or a reader is escaped.
    """
    return report_page(report_content(score, volumes, segmentations))


def report_page(report: ReportContent) -> str:
    """A report's content as its HTML page."""
    return page_template(_PAGE).render(report=report, colours=_COLOURS, body_styles=_BODY_STYLES)


def load_page() -> None:
    """Compile the page's template before it is needed: it takes longer than to fill it in."""
    page_template(_PAGE)
