"""The report as a PDF for archives that show neither SEG nor SR: A4, text that can be searched, no patient's name.

The same words and pictures as the HTML page, laid out by ReportLab. Equal records give equal bytes.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias
from xml.sax.saxutils import escape

from dotaliver.export.report.content import (
    BodySection,
    CaveatGroup,
    EvidenceTable,
    LesionCard,
    NetpetSection,
    ReportContent,
    Tile,
    VerdictCard,
)
from dotaliver.export.report.figures import Picture
from dotaliver.export.report.tables import Row
from dotaliver.export.report.words import clause
from dotaliver.system.fonts import font_file

if TYPE_CHECKING:
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.pdfgen.canvas import Canvas
    from reportlab.platypus import Flowable, Image, LongTable, Paragraph, SimpleDocTemplate

    Cell: TypeAlias = Flowable | list[Flowable] | str

__all__ = ["picture_bytes", "report_pdf"]

_FONT, _BOLD = "DejaVuSans", "DejaVuSans-Bold"
_MARGIN_MM, _WIDTH_MM = 17.0, 176.0
_LESION_WIDTHS_MM = (12, 10, 14, 15, 15, 15, 15, 14, 16, 36, 14)
_BODY_WIDTHS_MM = (11, 26, 18, 24, 17, 10, 11, 11, 11, 11, 10, 10, 14)
_NETPET_WIDTHS_MM = (11, 28, 22, 22, 11, 13, 13, 13, 15, 15, 15)
_NARROW_SIZE_MM, _MARKS_MM = 18, 12
_TARGET_WIDTHS_MM = (14, 44, 14, _WIDTH_MM - 72)
_INK, _QUIET, _LINE = "#1b1f24", "#5b6570", "#c9d0d6"
_STYLES = {"supports": "#0b6e4f", "excludes": "#a4262c", "undecided": "#8a5a00", "blank": "#5b6570"}


def picture_bytes(picture: Picture) -> bytes:
    """The bytes of a picture's JPEG or PNG file."""
    return base64.b64decode(picture.data_uri.split(",", 1)[1])


def report_pdf(report: ReportContent) -> bytes:
    """The report as the bytes of a PDF.

    Parameters
    ----------
    report : ReportContent
        What is shown.
    """
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.units import mm
    from reportlab.platypus import SimpleDocTemplate

    _register_fonts()
    stream = io.BytesIO()
    document = SimpleDocTemplate(
        stream, pagesize=A4, invariant=1, title=report.title, author="dotaliver", subject="Research use",
        leftMargin=(_MARGIN_MM - 2) * mm, rightMargin=(_MARGIN_MM - 5) * mm, topMargin=_MARGIN_MM * mm,
        bottomMargin=18 * mm,
    )  # fmt: skip
    page = _Page()
    story = [*page.head(report), *page.answers(report.cards), *page.numbers(report.tiles)]
    story += page.overview(report)
    story += page.lesions(report)
    story += page.targets(report)
    story += page.body(report.body)
    story += page.netpet(report.netpet)
    story += page.disputed(report.disputed)
    story += page.levels(report.levels)
    story += page.caveats(report.caveats)
    story += page.evidence(report.evidence)
    story += page.pairs("Reader's edits", report.edits)
    steps = [] if report.score.suv is None else report.score.suv.steps
    story += page.pairs("SUV calculation", [(step.quantity, f"{step.value} ({step.source})") for step in steps])
    story += page.pairs("Acquisition", report.acquisition)
    story += page.pairs("Provenance", report.provenance)

    def footer(canvas: Canvas, _document: SimpleDocTemplate) -> None:
        canvas.saveState()
        canvas.setFont(_FONT, 7)
        canvas.setFillColor(_QUIET)
        canvas.drawString(
            _MARGIN_MM * mm,
            10 * mm,
            f"dotaliver · record {report.score.record_id[:12]} · Research use; not a medical device.",
        )
        canvas.drawRightString((_MARGIN_MM + _WIDTH_MM) * mm, 10 * mm, f"Page {canvas.getPageNumber()}")
        canvas.restoreState()

    document.build(story, onFirstPage=footer, onLaterPages=footer)
    return stream.getvalue()


def _register_fonts() -> None:
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    for name in (_FONT, _BOLD):
        if name not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont(name, str(font_file(name))))


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

    def _paragraph(self, text: object, style: ParagraphStyle | None = None) -> Paragraph:
        from reportlab.platypus import Paragraph

        return Paragraph(escape(str(text)), style or self._text)

    def _table(self, rows: Sequence[Sequence[Cell]], widths_mm: Sequence[float], *, headed: bool = False) -> LongTable:
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

    def _image(self, picture: Picture, width_mm: float, height_mm: float) -> Image:
        """A picture as large as fits into a box."""
        from reportlab.lib.units import mm
        from reportlab.lib.utils import ImageReader
        from reportlab.platypus import Image

        width, height = ImageReader(io.BytesIO(picture_bytes(picture))).getSize()
        scale = min(width_mm * mm / width, height_mm * mm / height)
        return Image(io.BytesIO(picture_bytes(picture)), width * scale, height * scale, hAlign="LEFT")

    def _gallery(self, cells: Sequence[list[Flowable]], columns: int = 3) -> list[Flowable]:
        """Cells side by side, some to a row; page breaks fall between rows."""
        from reportlab.lib.units import mm
        from reportlab.platypus import Table, TableStyle

        parts = []
        for start in range(0, len(cells), columns):
            row: list[Cell] = [*cells[start : start + columns]]
            table = Table([row], colWidths=[_WIDTH_MM / columns * mm] * len(row), hAlign="LEFT")
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

    def head(self, report: ReportContent) -> list[Flowable]:
        """Title, study and protocol."""
        study, protocol = report.score.study, report.protocol
        when = f"Study of {study.study_date}" if study.study_date else None
        line = " · ".join(part for part in (when, study.study_description) if part)
        trial = (
            f"Trial {protocol.id} ({protocol.amendment}) · Proposed answers, for a physician to confirm. "
            "Research use; not a medical device."
        )
        lines = [self._paragraph(text, self._small) for text in (line, trial) if text]
        return [self._paragraph(report.title, self._title), *lines]

    def answers(self, cards: Sequence[VerdictCard]) -> list[Flowable]:
        """Every criterion with its answer and its grounds."""
        rows = []
        for card in cards:
            headline = f'<font name="{_BOLD}" color="{_STYLES[card.style]}">{escape(card.headline)}</font>'
            decision = card.decision
            decided = () if decision is None else (decision.who, decision.why, decision.proposed)
            said = " ".join(line for line in (card.reason, card.liver_finding, *decided, card.caveats) if line)
            topic = self._paragraph(f"{card.topic} · {card.effect}", self._small)
            rows.append([[_markup(headline, self._text), topic], self._paragraph(said)])
        return [self._paragraph("Criteria", self._heading), self._table(rows, (56, _WIDTH_MM - 56))]

    def numbers(self, tiles: Sequence[Tile]) -> list[Flowable]:
        """The key figures."""
        rows = [
            [
                self._paragraph(tile.label),
                self._paragraph(f"{tile.value} {tile.unit}".strip(), self._head),
                self._paragraph(tile.detail, self._small),
            ]
            for tile in tiles
        ]
        return [self._paragraph("Key figures", self._heading), self._table(rows, (45, 35, _WIDTH_MM - 80))]

    def overview(self, report: ReportContent) -> list[Flowable]:
        """Projections of the uptake."""
        from reportlab.platypus import KeepTogether

        scale = report.scale
        said = (
            f"Anterior and left lateral. Inverse grey scale, saturates at {scale.name} {scale.upper:.1f}. Solid: "
            "lesions, numbered; dashed: liver."
        )
        parts = [
            self._paragraph("Maximum-intensity projections", self._heading),
            self._image(report.mip, _WIDTH_MM, 105),
            self._paragraph(said, self._small),
        ]
        if report.moved:
            parts.append(self._paragraph(report.moved, self._small))
        return [KeepTogether(parts)]

    def lesions(self, report: ReportContent) -> list[Flowable]:
        """The table of all lesions, and pictures of those with the highest total uptake."""
        from reportlab.platypus import KeepTogether

        heading = self._paragraph("Lesions", self._heading)
        if not report.lesion_rows:
            why = report.lesions_reason
            said = "No lesions found." if why is None else f"Lesions were not searched for: {clause(why)}."
            return [heading, self._paragraph(said)]
        head = [self._paragraph(c, self._head) for c in report.lesion_columns]
        rows = [[self._paragraph(cell) for cell in row] for row in report.lesion_rows]
        widths = list(_LESION_WIDTHS_MM)
        if len(head) > len(widths):
            widths[9:] = [_NARROW_SIZE_MM, 14, _MARKS_MM]
        cells = [
            self._lesion(card) for card in report.lesion_cards if card.picture is not None or card.on_ct is not None
        ]
        said = "Solid: this lesion; dotted: other lesions; dashed: liver. "
        if report.has_ct:
            said += f"PET over CT saturates at {report.scale.name} {report.scale.upper:.1f} (bright yellow). "
        if any(card.on_ct for card in report.lesion_cards):
            said += "On CT alone: outline, longest diameter (solid) and short axis (dashed)."
        gallery = self._gallery(cells, columns=2)
        title = "Lesions with the highest total uptake" if len(cells) < len(rows) else "Lesions, largest axial section"
        return [
            heading,
            self._table([head, *rows], widths, headed=True),
            # The heading stays with the first row of pictures.
            KeepTogether([self._paragraph(title, self._heading), self._paragraph(said, self._small), *gallery[:1]]),
            *gallery[1:],
        ]

    def targets(self, report: ReportContent) -> list[Flowable]:
        """Which lesions are proposed as RECIST targets, and why the others are not."""
        if not report.targets:
            return []
        said = "If this scan is the baseline; the reader decides."
        lead = f"{said} {report.target_sum}" if report.target_sum else said
        head = [self._paragraph(name, self._head) for name in ("Lesion", "Size", "Target", "Why")]
        rows = [[self._paragraph(cell) for cell in row] for row in report.targets]
        return [
            self._paragraph("Proposed RECIST 1.1 targets", self._heading),
            self._paragraph(lead, self._small),
            self._table([head, *rows], _TARGET_WIDTHS_MM, headed=True),
        ]

    def _lesion(self, card: LesionCard) -> list[Flowable]:
        """One lesion: its pictures side by side, its numbers and caveats below."""
        drawn = [picture for picture in (card.picture, card.on_ct) if picture is not None]
        images = self._gallery([[self._image(p, 42, 42), self._paragraph(p.caption, self._small)] for p in drawn], 4)
        numbers = " · ".join(f"{name} {value}" for name, value in card.rows)
        where = f" ({card.where[:1].lower()}{card.where[1:]})" if card.where else ""
        return [
            self._paragraph(f"Lesion {card.label}{where}", self._head),
            *images,
            self._paragraph(numbers, self._small),
            *(self._paragraph(sentence, self._small) for sentence in card.caveats),
        ]

    def body(self, section: BodySection | None) -> list[Flowable]:
        """Candidates and lesions outside the liver, and the sums."""
        if section is None:
            return []
        parts: list[Flowable] = [
            self._paragraph("Outside the liver", self._heading),
            self._paragraph(section.lead, self._small),
        ]
        if section.rows:
            head = [self._paragraph(c, self._head) for c in section.columns]
            rows = [[self._paragraph(cell, self._small) for cell in row] for row in section.rows]
            parts.append(self._table([head, *rows], _BODY_WIDTHS_MM, headed=True))
            parts += [self._paragraph(remark, self._small) for remark in section.remarks]
        return [*parts, *self.pairs("Whole-body sums", section.sums)]

    def netpet(self, section: NetpetSection | None) -> list[Flowable]:
        """Lesions on two tracers with the proposed grade."""
        if section is None:
            return []
        head = [self._paragraph(c, self._head) for c in section.columns]
        rows = [[self._paragraph(cell, self._small) for cell in row] for row in section.rows]
        cells = [[self._image(p, 42, 42), self._paragraph(p.caption, self._small)] for p in section.pictures]
        return [
            self._paragraph("FDG and receptor scan", self._heading),
            self._paragraph(f"NETPET grade, proposed: {section.grade}. {section.reason}", self._small),
            self._table([head, *rows], _NETPET_WIDTHS_MM, headed=True),
            *(self._paragraph(remark, self._small) for remark in section.remarks),
            *self._gallery(cells, 4),
            *self.pairs("FDG scan", section.facts),
        ]

    def levels(self, pictures: Sequence[Picture]) -> list[Flowable]:
        """The liver's outline on slices spread over it."""
        if not pictures:
            return []
        cells = [[self._image(p, 57, 50), self._paragraph(p.caption, self._small)] for p in pictures]
        return [self._paragraph("Liver outline, cranial to caudal", self._heading), *self._gallery(cells)]

    def disputed(self, pictures: Sequence[Picture]) -> list[Flowable]:
        """Both outlines of the liver where they differ."""
        if not pictures:
            return []
        said = "Dashed: the outline that was measured; solid yellow: a second, independent outline."
        cells = [[self._image(p, 57, 50), self._paragraph(p.caption, self._small)] for p in pictures]
        heading = self._paragraph("Disputed liver outline", self._heading)
        return [heading, self._paragraph(said, self._small), *self._gallery(cells)]

    def caveats(self, groups: Sequence[CaveatGroup]) -> list[Flowable]:
        """Every caveat under the answers that it limits."""
        parts = []
        for group in groups:
            parts.append(self._paragraph(group.heading, self._head))
            parts += [self._paragraph(f"• {caveat.said}") for caveat in group.caveats]
        return [self._paragraph("Caveats", self._heading), *parts] if parts else []

    def evidence(self, tables: Sequence[EvidenceTable]) -> list[Flowable]:
        """The numbers behind each criterion."""
        rows = [(table.criterion, " · ".join(f"{name} {value}" for name, value in table.rows)) for table in tables]
        return self.pairs("Evidence", rows)

    def pairs(self, heading: str, rows: Sequence[Row]) -> list[Flowable]:
        """Names and values."""
        if not rows:
            return []
        cells = [[self._paragraph(name, self._small), self._paragraph(value)] for name, value in rows]
        return [self._paragraph(heading, self._heading), self._table(cells, (45, _WIDTH_MM - 45))]


def _markup(text: str, style: ParagraphStyle) -> Paragraph:
    """A paragraph of ReportLab's own markup; what comes from elsewhere must be escaped."""
    from reportlab.platypus import Paragraph

    return Paragraph(text, style)
