"""Lesions and candidates on two tracers: uptake on the receptor PET and on the FDG PET, place by place.

A lesion of the scored study is FDG-positive where the FDG scan's search outlined a focus in its place, or where its
outline there holds 1 ml above U, the upper limit of that scan's normal liver. It is FDG-negative where nothing within
the error of the alignment does (outside the liver: where nothing there exceeds the mean of normal liver) and it is not
too small for PET to say so. Everything in between is unknown. A focus of the FDG scan in no lesion's place is measured
on the receptor PET by the same rules; without receptor uptake it is a candidate for the reader, never a verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from dotaliver.config.scoring import ScoringConfig
from dotaliver.image.volume import Quantity, Volume
from dotaliver.measurement.netpet_comparison import Comparison
from dotaliver.measurement.netpet_foci import focus_on_both
from dotaliver.measurement.netpet_grade import propose_grade
from dotaliver.measurement.netpet_lesions import assign_foci, carried_lesions, lesion_on_both
from dotaliver.measurement.netpet_places import Carrier
from dotaliver.measurement.placement import place
from dotaliver.measurement.reference import measure_references
from dotaliver.records.body_record import BodyRecord
from dotaliver.records.edits import FdgReading, ReaderEdits
from dotaliver.records.masks import Segmentations
from dotaliver.records.measurements import Lesion, Reference
from dotaliver.records.netpet import FdgFocusRecord, FdgScan, NetpetRecord
from dotaliver.records.study import StudyVolumes

__all__ = ["OfTheScoredStudy", "measure_netpet"]


@dataclass(frozen=True, eq=False)
class OfTheScoredStudy:
    """What was measured on the receptor scan before."""

    references: Mapping[str, Reference]
    lesions: tuple[Lesion, ...]
    body: BodyRecord | None
    lesions_complete: bool


def measure_netpet(
    volumes: StudyVolumes,
    segmentations: Segmentations,
    reading: FdgReading | None,
    scored: OfTheScoredStudy,
    config: ScoringConfig,
) -> NetpetRecord | None:
    """Compare both scans, and propose a NETPET grade.

    Parameters
    ----------
    volumes : StudyVolumes
        With ``fdg``.
    segmentations : Segmentations
        With ``fdg``, the result of its search.
    reading : FdgReading or None
        The reader's answers to its candidates.
    scored : OfTheScoredStudy
        References, lesions and body of the receptor scan.
    config : ScoringConfig
        ``config.netpet``, and how uptake is measured.

    Returns
    -------
    NetpetRecord or None
        None where there is no FDG scan.
    """
    fdg, search = volumes.fdg, segmentations.fdg
    if fdg is None or search is None:
        return None
    own = search.own
    found, _ = measure_references(fdg.pet, own, ReaderEdits(), place(own, fdg.pet.geometry), config)
    carrier = Carrier(search.alignment, volumes.pet.geometry, fdg.pet.geometry, segmentations.mismatch, own.mismatch)
    context = Comparison(volumes, fdg, search, carrier, scored.references, found.liver, config)
    places = list(carried_lesions(context, segmentations, scored.lesions, scored.body))
    assign_foci(context, places)
    taken = {label for each in places for label in each.foci}
    lesions = [lesion_on_both(context, each) for each in places]
    lesions += [
        focus_on_both(context, focus, reading or FdgReading()) for focus in search.foci if focus.label not in taken
    ]
    days = _days(volumes, fdg)
    proposal = propose_grade(lesions, list(_open_points(context, scored, days)), config.netpet)
    record = NetpetRecord(
        scan=FdgScan(study=fdg.identity, acquisition=fdg.acquisition, suv=fdg.suv, uptake_unit=str(fdg.pet.quantity)),
        days=days,
        alignment=search.alignment,
        liver=found.liver,
        foci=tuple(FdgFocusRecord.of(focus) for focus in search.foci),
        lesions=tuple(lesions),
        grade=proposal.grade,
        suffix=proposal.suffix,
        lowest=proposal.lowest,
        highest=proposal.highest,
        target=proposal.target,
        reason=proposal.reason,
    )
    return _without_unknown_suv(record, volumes.pet, fdg.pet)


def _days(volumes: StudyVolumes, fdg: StudyVolumes) -> int | None:
    first, second = volumes.identity.study_date, fdg.identity.study_date
    if first is None or second is None:
        return None
    return (date.fromisoformat(second) - date.fromisoformat(first)).days


def _open_points(context: Comparison, scored: OfTheScoredStudy, days: int | None) -> Iterator[str]:
    """Why no grade may be proposed, whatever the lesions show."""
    most = context.config.netpet.most_days
    if days is None:
        yield "How many days lie between both scans is unknown."
    elif abs(days) > most:
        yield f"The scans lie {abs(days)} days apart; a grade is proposed within {most}."
    if context.liver.suv_mean is None or context.liver.peak_limit is None:
        yield "Normal liver could not be measured on the FDG scan."
    if context.references["liver"].peak_limit is None:
        yield "Normal liver could not be measured on the receptor scan."
    if not scored.lesions_complete:
        yield "Whether the lesion mask includes every lesion of the liver has not been stated."
    if scored.body is None or context.search.own.body is None:
        yield "The body outside the liver was not searched on both scans."
        return
    unseen = [part for part in scored.body.parts if part not in context.search.own.body.coverage.parts]
    if unseen:
        yield f"The FDG scan does not show the {' and '.join(unseen)}."


def _without_unknown_suv(record: NetpetRecord, pet: Volume, fdg: Volume) -> NetpetRecord:
    """The record without numbers that are no SUV: those of a scan in relative units."""
    empty: dict[str, None] = {}
    if pet.quantity is Quantity.RELATIVE:
        empty |= dict.fromkeys(("sstr_suv_max", "sstr_suv_peak"))
    changes: dict[str, object] = {}
    if fdg.quantity is Quantity.RELATIVE:
        empty |= dict.fromkeys(("fdg_suv_max", "fdg_suv_peak"))
        names = ("suv_mean", "suv_sd", "suv_max", "peak_sd", "peak_limit")
        changes["liver"] = record.liver.model_copy(update=dict.fromkeys(names))
    if empty:
        changes["lesions"] = tuple(x.model_copy(update=empty) for x in record.lesions)
    return record.model_copy(update=changes)
