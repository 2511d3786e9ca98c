"""What a report shows, as types: the HTML page, the PDF and the key pictures are drawn from the same content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dotaliver.config.protocol import TrialProtocol
from dotaliver.export.report.figures import Picture
from dotaliver.export.report.tables import Row
from dotaliver.records.masks import CtSearch
from dotaliver.records.score import StudyScore

__all__ = [
    "BodySection",
    "BurdenBar",
    "Caveat",
    "CaveatGroup",
    "CtFocusCard",
    "EvidenceTable",
    "LesionCard",
    "NetpetSection",
    "ReportContent",
    "Tile",
    "UptakeScale",
    "VerdictCard",
]

CardStyle = Literal["supports", "excludes", "undecided", "blank"]


@dataclass(frozen=True)
class ReaderDecision:
    """Who confirmed or overruled a verdict, and why."""

    who: str
    why: str | None
    proposed: str | None
    """What the images had suggested, where the reader overruled it."""


@dataclass(frozen=True)
class VerdictCard:
    """One criterion with its answer and grounds."""

    style: CardStyle
    icon: str
    headline: str
    topic: str
    effect: str
    reason: str
    liver_finding: str | None
    """What the liver alone shows, where the answer on the whole body says something else."""
    caveats: str | None
    """How many caveats limit the answer, in words."""
    decision: ReaderDecision | None


@dataclass(frozen=True)
class Tile:
    """One key figure; the value is a dash where there is none."""

    label: str
    value: str
    unit: str = ""
    detail: str = ""


@dataclass(frozen=True)
class LesionCard:
    """One lesion with its pictures and numbers."""

    label: int
    picture: Picture | None
    on_ct: Picture | None
    """The slice that its diameter was measured on, with the axes; None where it was not measured on CT."""
    rows: tuple[Row, ...]
    caveats: tuple[str, ...]
    where: str | None
    """Said where the lesion is not known to be in the liver."""


@dataclass(frozen=True)
class CtFocusCard:
    """One focal lesion that only the CT shows."""

    label: int
    pictures: tuple[Picture, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class BodySection:
    """The body outside the liver: candidates and lesions with remarks, and the sums."""

    lead: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    remarks: tuple[str, ...]
    sums: tuple[Row, ...]
    organs: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class NetpetSection:
    """Lesions on two tracers: the proposed grade and why, the table, the FDG scan, and pictures in pairs."""

    grade: str
    reason: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    remarks: tuple[str, ...]
    facts: tuple[Row, ...]
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class BurdenBar:
    """Tumour burden and its interval in percent of the liver, and the protocol's limit."""

    percent: float
    low: float | None
    high: float | None
    limit: float


@dataclass(frozen=True)
class Caveat:
    """One doubt as a sentence; its code; the lesions that it concerns."""

    sentence: str
    code: str
    lesions: tuple[int, ...] = ()

    @property
    def said(self) -> str:
        """The sentence, after the lesions that it is about."""
        if not self.lesions:
            return self.sentence
        which = ", ".join(str(label) for label in self.lesions)
        return f"Lesion{'s' if len(self.lesions) > 1 else ''} {which}: {self.sentence}"


@dataclass(frozen=True)
class CaveatGroup:
    """The caveats that limit the same answers."""

    heading: str
    caveats: tuple[Caveat, ...]


@dataclass(frozen=True)
class EvidenceTable:
    """The numbers behind one criterion."""

    criterion: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class UptakeScale:
    """How uptake is called and drawn: from none to ``upper``, where the colours saturate."""

    name: str
    unit: str
    upper: float


@dataclass(frozen=True)
class ReportContent:
    """Everything that a report shows, in words and pictures."""

    score: StudyScore
    protocol: TrialProtocol
    title: str
    cards: tuple[VerdictCard, ...]
    tiles: tuple[Tile, ...]
    scale: UptakeScale
    mip: Picture
    levels: tuple[Picture, ...]
    disputed: tuple[Picture, ...]
    """The places where a second outline of the liver differs, with both outlines; none where it agrees."""
    has_ct: bool
    on_mr: bool
    """Whether diameters are measured on MR."""
    moved: str | None
    """How outlines or PET were moved to be drawn over the other image; None where they were not."""
    liver_drawn: bool
    liver_reason: str
    lesion_cards: tuple[LesionCard, ...]
    lesion_columns: tuple[str, ...]
    lesion_rows: tuple[tuple[str, ...], ...]
    targets: tuple[tuple[str, ...], ...]
    """Lesion, size, whether it is a proposed RECIST target, and why; the targets first."""
    target_sum: str | None
    """Their sum of diameters in a sentence; None without a target."""
    lesions_reason: str | None
    """Why lesions were not looked for; None where they were."""
    ct_foci: tuple[CtFocusCard, ...]
    ct_search: CtSearch | None
    histogram: Picture | None
    references: tuple[tuple[str, ...], ...]
    burden: BurdenBar | None
    burden_reason: str
    lobes: tuple[tuple[str, ...], ...]
    caveats: tuple[CaveatGroup, ...]
    evidence: tuple[EvidenceTable, ...]
    body: BodySection | None
    netpet: NetpetSection | None
    edits: tuple[Row, ...]
    acquisition: tuple[Row, ...]
    provenance: tuple[Row, ...]
