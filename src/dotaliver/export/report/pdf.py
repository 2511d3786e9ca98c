"""The report as a PDF for archives that show neither SEG nor SR: A4, text that can be searched, no patient's name.

The same words and pictures as the HTML page, laid out by ReportLab. Equal records give equal bytes.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from dotaliver.export.report.figures import Picture

__all__ = ["picture_bytes", "report_pdf"]

_FONT, _BOLD = "DejaVuSans", "DejaVuSans-Bold"
_MARGIN_MM, _WIDTH_MM = 17.0, 176.0
_INK, _QUIET, _LINE = "#1b1f24", "#5b6570", "#c9d0d6"
_STYLES = {"supports": "#0b6e4f", "excludes": "#a4262c", "undecided": "#8a5a00", "blank": "#5b6570"}


def picture_bytes(picture: Picture) -> bytes:
    """The bytes of a picture's JPEG or PNG file."""
    return base64.b64decode(picture.data_uri.split(",", 1)[1])


def report_pdf(shown: dict[str, Any]) -> bytes:
    """The report as the bytes of a PDF.

    Parameters
    ----------
    shown : dict
        What `dotaliver.export.report.html.report_context` gives.
    """
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.units import mm
    from reportlab.platypus import SimpleDocTemplate

    _register_fonts()
    stream = io.BytesIO()
    document = SimpleDocTemplate(
        stream, pagesize=A4, invariant=1, title=shown["title"], author="dotaliver", subject="Research use",
        leftMargin=(_MARGIN_MM - 2) * mm, rightMargin=(_MARGIN_MM - 5) * mm, topMargin=_MARGIN_MM * mm,
        bottomMargin=18 * mm,
    )  # fmt: skip
    page = _Page()
    story = [*page.head(shown), *page.answers(shown["cards"]), *page.numbers(shown["tiles"])]
    story += page.overview(shown)
    story += page.lesions(shown)
    story += page.levels(shown["levels"])
    story += page.doubts(shown["flag_groups"])
    story += page.pairs("How the images were made", shown["acquisition"])
    story += page.pairs("A reader's corrections", shown["edits"])
    story += page.pairs("Where the numbers come from", shown["provenance"])

    def footer(canvas: Any, _document: Any) -> None:
        canvas.saveState()
        canvas.setFont(_FONT, 7)
        canvas.setFillColor(_QUIET)
        canvas.drawString(_MARGIN_MM * mm, 10 * mm, f"dotaliver, record {shown['score'].record_id[:12]}. Research use.")
        canvas.drawRightString((_MARGIN_MM + _WIDTH_MM) * mm, 10 * mm, f"Page {canvas.getPageNumber()}")
        canvas.restoreState()

    document.build(story, onFirstPage=footer, onLaterPages=footer)
    return stream.getvalue()


def _register_fonts() -> None:
    """The fonts that matplotlib brings: they have the signs that the report uses (≥, ±, ×)."""
    import matplotlib
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    for name in (_FONT, _BOLD):
        if name not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont(name, str(folder / f"{name}.ttf")))


class _Page:
    """The parts of the report as ReportLab lays them out."""

    def __init__(self) -> None:
        from reportlab.lib.styles import ParagraphStyle

        self._text = ParagraphStyle("text", fontName=_FONT, fontSize=8, leading=10.5, textColor=_INK)
        self._small = ParagraphStyle("small", parent=self._text, fontSize=7, leading=9, textColor=_QUIET, spaceBefore=2)
        self._title = ParagraphStyle("title", parent=self._text, fontName=_BOLD, fontSize=14, leading=18, spaceAfter=2)
        self._heading = ParagraphStyle(
            "heading", parent=self._text, fontName=_BOLD, fontSize=10, leading=13, spaceBefore=9, spaceAfter=4
        )
        self._heading.keepWithNext = 1
        self._head = ParagraphStyle("head", parent=self._text, fontName=_BOLD, fontSize=7, leading=9, spaceBefore=2)

    def _paragraph(self, text: object, style: Any = None) -> Any:
        from reportlab.platypus import Paragraph

        return Paragraph(escape(str(text)), style or self._text)

    def _table(self, rows: Sequence[Sequence[Any]], widths_mm: Sequence[float], *, headed: bool = False) -> Any:
        from reportlab.lib.units import mm
        from reportlab.platypus import LongTable, TableStyle

        table = LongTable(rows, colWidths=[w * mm for w in widths_mm], repeatRows=1 if headed else 0, hAlign="LEFT")
        table.setStyle(
            TableStyle(
                [
                    ("VALIGN", (0, 0), (-1, -1), "TOP"),
                    ("LINEBELOW", (0, 0), (-1, -1), 0.4, _LINE),
                    ("LEFTPADDING", (0, 0), (-1, -1), 2),
                    ("RIGHTPADDING", (0, 0), (-1, -1), 2),
                    ("TOPPADDING", (0, 0), (-1, -1), 2),
                    ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
                ]
            )
        )
        return table

    def _image(self, picture: Picture, width_mm: float, height_mm: float) -> Any:
        """A picture as large as fits into a box."""
        from reportlab.lib.units import mm
        from reportlab.lib.utils import ImageReader
        from reportlab.platypus import Image

        width, height = ImageReader(io.BytesIO(picture_bytes(picture))).getSize()
        scale = min(width_mm * mm / width, height_mm * mm / height)
        return Image(io.BytesIO(picture_bytes(picture)), width * scale, height * scale, hAlign="LEFT")

    def _gallery(self, cells: Sequence[Any], columns: int = 3) -> list[Any]:
        """Cells side by side, some to a row; no row is torn apart by a page's end."""
        from reportlab.lib.units import mm
        from reportlab.platypus import Table, TableStyle

        parts = []
        for start in range(0, len(cells), columns):
            row = [*cells[start : start + columns]]
            row += [""] * (columns - len(row))
            table = Table([row], colWidths=[_WIDTH_MM / columns * mm] * columns, hAlign="LEFT")
            table.setStyle(
                TableStyle(
                    [
                        ("VALIGN", (0, 0), (-1, -1), "TOP"),
                        ("LEFTPADDING", (0, 0), (-1, -1), 0),
                        ("BOTTOMPADDING", (0, 0), (-1, -1), 5),
                    ]
                )
            )
            parts.append(table)
        return parts

    # --- the parts --------------------------------------------------------------------------------------------------

    def head(self, shown: dict[str, Any]) -> list[Any]:
        """Title, study and protocol."""
        score, protocol = shown["score"], shown["protocol"]
        where = ", ".join(part for part in (score.study.study_date, score.study.study_description) if part)
        told = f"{where}. " if where else ""
        line = f"{told}Trial {protocol.id}, {protocol.amendment}. Proposals by a program, for a physician to judge."
        return [self._paragraph(shown["title"], self._title), self._paragraph(line, self._small)]

    def answers(self, cards: Sequence[dict[str, Any]]) -> list[Any]:
        """Every criterion with its answer and its grounds."""
        rows = []
        for card in cards:
            headline = f'<font name="{_BOLD}" color="{_STYLES[card["style"]]}">{escape(card["headline"])}</font>'
            decided = card["decided"]
            lines = [card["reason"], card["liver_finding"], *((decided["who"], decided["why"]) if decided else ())]
            if card["doubts"]:
                lines.append(f"Weakened by {card['doubts']} doubt(s), listed below.")
            said = " ".join(str(line) for line in lines if line)
            rows.append(
                [[_markup(headline, self._text), self._paragraph(card["effect"], self._small)], self._paragraph(said)]
            )
        return [self._paragraph("Answers", self._heading), self._table(rows, (56, _WIDTH_MM - 56))]

    def numbers(self, tiles: Sequence[dict[str, str]]) -> list[Any]:
        """The study in five numbers."""
        rows = [
            [
                self._paragraph(tile["label"]),
                self._paragraph(f"{tile['value']} {tile['unit']}".strip(), self._head),
                self._paragraph(tile["detail"], self._small),
            ]
            for tile in tiles
        ]
        return [self._paragraph("In numbers", self._heading), self._table(rows, (45, 35, _WIDTH_MM - 80))]

    def overview(self, shown: dict[str, Any]) -> list[Any]:
        """Projections of the uptake, and its distribution."""
        from reportlab.platypus import KeepTogether

        parts = [self._paragraph("Uptake", self._heading), self._image(shown["mip"], _WIDTH_MM, 105)]
        parts.append(self._paragraph(shown["mip"].caption or shown["mip"].alt, self._small))
        if shown["moved"]:
            parts.append(self._paragraph(shown["moved"], self._small))
        return [KeepTogether(parts)]

    def lesions(self, shown: dict[str, Any]) -> list[Any]:
        """The table of all lesions, and pictures of those with most uptake."""
        if not shown["lesion_rows"]:
            said = "No lesion was found." if shown["lesions_looked_for"] else shown["lesion_reason"]
            return [self._paragraph("Lesions", self._heading), self._paragraph(said)]
        head = [self._paragraph(c, self._head) for c in shown["lesion_columns"]]
        rows = [[self._paragraph(cell) for cell in row] for row in shown["lesion_rows"]]
        widths = (12, 13, 14, 15, 15, 13, 15, 14, 16, 32, 17)
        cells = []
        for card in shown["lesion_cards"]:
            if card["picture"] is None:
                continue
            told = "; ".join(f"{name} {value}" for name, value in card["rows"])
            named = self._paragraph(f"Lesion {card['label']}, {card['picture'].caption}", self._head)
            doubts = [self._paragraph(sentence, self._small) for sentence in card["flags"]]
            cells.append([self._image(card["picture"], 57, 57), named, self._paragraph(told, self._small), *doubts])
        return [
            self._paragraph("Lesions", self._heading),
            self._table([head, *rows], widths, headed=True),
            self._paragraph("Lesions with most uptake", self._heading),
            *self._gallery(cells),
        ]

    def levels(self, pictures: Sequence[Picture]) -> list[Any]:
        """The liver's outline on slices spread over it."""
        if not pictures:
            return []
        cells = [[self._image(p, 57, 50), self._paragraph(p.caption, self._small)] for p in pictures]
        return [self._paragraph("Outline of the liver", self._heading), *self._gallery(cells)]

    def doubts(self, groups: Sequence[dict[str, Any]]) -> list[Any]:
        """Every doubt under the answers that it weakens."""
        parts = []
        for group in groups:
            parts.append(self._paragraph(group["heading"], self._head))
            parts += [self._paragraph(f"• {flag.sentence}") for flag in group["flags"]]
        return [self._paragraph("Doubts", self._heading), *parts] if parts else []

    def pairs(self, heading: str, rows: Sequence[tuple[str, str]]) -> list[Any]:
        """Names and values."""
        if not rows:
            return []
        cells = [[self._paragraph(name, self._small), self._paragraph(value)] for name, value in rows]
        return [self._paragraph(heading, self._heading), self._table(cells, (45, _WIDTH_MM - 45))]


def _markup(text: str, style: Any) -> Any:
    """A paragraph of ReportLab's own markup; what is not ours in it must be escaped."""
    from reportlab.platypus import Paragraph

    return Paragraph(text, style)
