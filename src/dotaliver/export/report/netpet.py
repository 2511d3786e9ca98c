"""What a report says of lesions on two tracers: the proposed grade, a table, and pictures of discordant lesions."""

from __future__ import annotations

from dotaliver.export.report.content import NetpetSection
from dotaliver.export.report.figures import Picture
from dotaliver.export.report.tables import Row, number
from dotaliver.export.report.thumbnails import ThumbnailView, thumbnail
from dotaliver.export.report.words import counted
from dotaliver.export.tables import uptake_name
from dotaliver.image.volume import Quantity, Volume
from dotaliver.records.masks import Segmentations
from dotaliver.records.netpet import NetpetLesion, NetpetRecord
from dotaliver.records.score import StudyScore
from dotaliver.records.study import StudyVolumes
from dotaliver.records.tracer_name import tracer_name

__all__ = ["netpet_line", "netpet_section"]

_MOST_PICTURED = 6
# Uptake shown black, over that of normal liver.
_BLACK_RATIO = 3.0
_STATES = {"counted": "lesion", "unanswered": "candidate, unanswered", "accepted": "accepted", "rejected": "rejected"}


def netpet_section(score: StudyScore, volumes: StudyVolumes, segmentations: Segmentations) -> NetpetSection | None:
    """The section on the FDG scan; None where none was compared."""
    netpet = score.netpet
    if netpet is None:
        return None
    receptor = uptake_name(score.uptake_unit)[0].strip()
    fdg = uptake_name(netpet.scan.uptake_unit)[0].strip()
    columns = ("Lesion", "Region", "State", "Pattern", "Grade", f"FDG {fdg}max", f"FDG {fdg}peak", "FDG × liver",
               f"Receptor {receptor}max", f"Receptor {receptor}peak", "Receptor × liver")  # fmt: skip
    return NetpetSection(
        grade=netpet.words,
        reason=netpet.reason,
        columns=columns,
        rows=tuple(_row(lesion) for lesion in netpet.lesions),
        remarks=tuple(_remark(x) for x in netpet.lesions if x.why_unknown or x.why_physiological),
        facts=tuple(_facts(netpet, fdg)),
        pictures=tuple(_pictures(score, netpet, volumes, segmentations)),
    )


def netpet_line(netpet: NetpetRecord) -> str:
    """The FDG scan in one line, such as "NETPET P4a proposed, 1 FDG candidate"."""
    waiting = counted(len(netpet.candidates), "FDG candidate") if netpet.candidates else ""
    return f"NETPET {netpet.words} proposed" + (f", {waiting}" if waiting else "")


def _row(lesion: NetpetLesion) -> tuple[str, ...]:
    return (
        lesion.name,
        lesion.region,
        _STATES[lesion.state],
        lesion.pattern,
        lesion.grade or "–",
        number(lesion.fdg_suv_max),
        number(lesion.fdg_suv_peak),
        number(lesion.fdg_ratio_to_liver),
        number(lesion.sstr_suv_max),
        number(lesion.sstr_suv_peak),
        number(lesion.sstr_ratio_to_liver),
    )


def _remark(lesion: NetpetLesion) -> str:
    parts = [] if lesion.why_physiological is None else [lesion.why_physiological]
    if lesion.why_unknown is not None:
        parts.append(f"Not assessed: {lesion.why_unknown}.")
    return f"{lesion.name}: {' '.join(parts)}"


def _facts(netpet: NetpetRecord, fdg: str) -> list[Row]:
    scan, alignment = netpet.scan, netpet.alignment
    days = "unknown how long from the receptor scan"
    if netpet.days is not None:
        side = "after" if netpet.days > 0 else "before"
        distance = f"{counted(abs(netpet.days), 'day')} {side}"
        days = "on the day of the receptor scan" if netpet.days == 0 else f"{distance} the receptor scan"
    rows: list[Row] = [
        ("FDG scan", f"{scan.study.study_date or 'date unknown'}, {days}"),
        ("Tracer", f"{tracer_name(scan.acquisition.tracer or '–')} ({scan.acquisition.nuclide or 'nuclide unknown'})"),
    ]
    if netpet.liver.suv_mean is not None:
        rows.append((f"Normal liver on FDG, {fdg}mean", f"{netpet.liver.suv_mean:.2f}"))
    rows.append(("Alignment of the livers", f"correlation of CT densities {alignment.liver.similarity:.2f}"))
    parts = alignment.parts
    if parts:
        aligned = [part for part in parts if part.aligned]
        apart = max((part.disagreement_mm for part in aligned), default=0.0)
        rows.append(
            (
                "Alignment of the body",
                f"{len(aligned)} of {len(parts)} parts; neighbouring parts agree within {apart:.1f} mm",
            )
        )
    return rows


def _pictures(
    score: StudyScore, netpet: NetpetRecord, volumes: StudyVolumes, segmentations: Segmentations
) -> list[Picture]:
    """Each discordant lesion on FDG and on the receptor scan, the most FDG-avid first."""
    fdg, search = volumes.fdg, segmentations.fdg
    if fdg is None or search is None:
        return []
    shown = [x for x in netpet.lesions if x.is_discordant and x.fdg_centroid_lps_mm is not None]
    shown.sort(key=lambda x: -(x.fdg_ratio_to_liver or 0.0))
    normal = score.references["liver"].suv_mean if "liver" in score.references else None
    drawn = []
    for lesion in shown[:_MOST_PICTURED]:
        assert lesion.fdg_centroid_lps_mm is not None
        view = ThumbnailView(
            fdg.pet,
            lesion.fdg_centroid_lps_mm,
            search.mask,
            lesion.fdg_foci,
            None,
            _black(netpet.liver.suv_mean, fdg.pet),
        )
        caption = f"{lesion.name}, FDG"
        drawn.append(thumbnail(view, f"{lesion.name} ({lesion.region}) on the FDG PET", caption))
        own = ThumbnailView(volumes.pet, lesion.centroid_lps_mm, None, (), None, _black(normal, volumes.pet))
        drawn.append(thumbnail(own, f"{lesion.name}: the same place on the receptor PET", f"{lesion.name}, receptor"))
    return drawn


def _black(normal: float | None, pet: Volume) -> float:
    """Uptake shown black; in relative units, where the record holds none, a share of the highest."""
    if normal is not None and pet.quantity is not Quantity.RELATIVE:
        return _BLACK_RATIO * normal
    return max(0.3 * pet.max(), 1e-6)
