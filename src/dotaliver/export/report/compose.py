"""From a record, its images and masks to what a report shows."""

from __future__ import annotations

from string import ascii_letters, digits

from dotaliver.config.protocol import TrialProtocol
from dotaliver.export.report import pictures
from dotaliver.export.report.body import body_section
from dotaliver.export.report.caveats import caveat_groups
from dotaliver.export.report.content import (
    BurdenBar,
    CtFocusCard,
    EvidenceTable,
    LesionCard,
    ReaderDecision,
    ReportContent,
    Tile,
    UptakeScale,
    VerdictCard,
)
from dotaliver.export.report.evidence import evidence_rows
from dotaliver.export.report.figures import Picture
from dotaliver.export.report.mr_pictures import mr_picture
from dotaliver.export.report.netpet import netpet_section
from dotaliver.export.report.origin_tables import acquisition_rows, analogue_rows, edit_rows, provenance_rows
from dotaliver.export.report.scene import ReportScene, scene_of
from dotaliver.export.report.tables import (
    ct_focus_summary,
    lesion_summary,
    lesion_table,
    lobe_rows,
    number,
    reference_rows,
    target_rows,
    target_sum_words,
)
from dotaliver.export.report.thumbnails import ThumbnailView, thumbnail
from dotaliver.export.report.words import EFFECT_WORDS, answer_words, counted, verdict_headline
from dotaliver.export.tables import uptake_name
from dotaliver.records.masks import Segmentations
from dotaliver.records.measurements import CtFocus, Lesion
from dotaliver.records.score import StudyScore
from dotaliver.records.study import StudyVolumes
from dotaliver.records.tracer_name import tracer_name
from dotaliver.records.verdicts import Verdict

__all__ = ["report_content"]

_MOST_LESION_PICTURES = 12
_ICONS = {"supports": "✓", "excludes": "✕", "undecided": "?"}
# The card says these in a line of its own.
_SHOWN_AS_WORDS = {"LESION_OUTSIDE_LIVER", "LESION_MEMBERSHIP_UNKNOWN"}
_REFERENCE_METHODS = {
    "sphere": "3 cm sphere",
    "small_sphere": "smaller sphere",
    "low_mode": "lower histogram peak of the liver",
    "organ": "whole organ",
    "reader": "placed by the reader",
}


def report_content(score: StudyScore, volumes: StudyVolumes, segmentations: Segmentations) -> ReportContent:
    """Everything that a report shows, in words and pictures.

    Parameters
    ----------
    score : StudyScore
        What is reported.
    volumes : StudyVolumes
        The images that it rests on.
    segmentations : Segmentations
        The masks that it rests on.
    """
    scene = scene_of(score, volumes, segmentations)
    protocol = score.config.protocol
    verdicts = [score.criteria[key] for key in protocol.ids if key in score.criteria]
    shown = pictures.highest_total_uptake(score, _MOST_LESION_PICTURES)
    name, unit = uptake_name(score.uptake_unit)
    columns, rows = lesion_table(score)
    looked_for = segmentations.lesions is not None
    return ReportContent(
        score=score,
        protocol=protocol,
        title=_title(score),
        cards=tuple(_card(verdict, protocol) for verdict in verdicts),
        tiles=_tiles(score),
        scale=UptakeScale(name.strip(), unit, scene.upper),
        mip=pictures.mip(scene),
        levels=tuple(pictures.level_pictures(scene)),
        disputed=tuple(pictures.dispute_pictures(scene, score.liver.audit)),
        has_ct=scene.ct is not None,
        on_mr=score.study.measured_image is not None and score.study.measured_image.modality == "MR",
        moved=_moved_sentence(scene),
        liver_drawn=scene.liver_on_pet is not None and bool(scene.liver_on_pet.any()),
        liver_reason=score.liver.reason or score.segmentation.reasons.get("liver") or "no liver outline was given",
        lesion_cards=tuple(_lesion_card(score, scene, segmentations, label) for label in shown),
        lesion_columns=columns,
        lesion_rows=rows,
        targets=target_rows(score),
        target_sum=target_sum_words(score),
        lesions_reason=None if looked_for else score.segmentation.reasons.get("lesions", "the search was not possible"),
        ct_foci=tuple(_ct_focus_card(score, scene, focus) for focus in _shown_foci(score)),
        ct_search=score.segmentation.ct_search,
        histogram=pictures.histogram(scene, score),
        references=tuple(tuple(row) for row in reference_rows(score)),
        burden=_burden_bar(score),
        burden_reason=score.burden.reason or "it could not be measured",
        lobes=tuple(tuple(row) for row in lobe_rows(score)),
        caveats=caveat_groups(score),
        evidence=tuple(
            EvidenceTable(protocol.criterion(verdict.criterion).name, evidence_rows(verdict))
            for verdict in verdicts
            if verdict.evidence
        ),
        body=body_section(score),
        netpet=netpet_section(score, volumes, segmentations),
        edits=tuple(edit_rows(score.edits, protocol)),
        acquisition=(*acquisition_rows(score.acquisition), *analogue_rows(score)),
        provenance=tuple(provenance_rows(score)),
    )


def _title(score: StudyScore) -> str:
    nuclide = score.acquisition.nuclide
    tracer = score.acquisition.tracer and tracer_name(score.acquisition.tracer)
    named = nuclide is None or (tracer is not None and _names(nuclide, tracer))
    agent = [part for part in (None if named else nuclide, tracer) if part]
    return " ".join([*agent, "PET/CT" if score.study.ct else "PET"]) + ": liver score"


def _names(nuclide: str, tracer: str) -> bool:
    """Whether a tracer's name includes the nuclide (68Ga), in whatever order: Ga-68, 68-Ga, [68Ga]."""
    mass, element = nuclide.rstrip(ascii_letters), nuclide.lstrip(digits)
    return mass in tracer and element.casefold() in tracer.casefold()


# --- verdicts and key figures --------------------------------------------------------------------------------------


def _card(verdict: Verdict, protocol: TrialProtocol) -> VerdictCard:
    criterion = protocol.criterion(verdict.criterion)
    unknown = verdict.verdict == "not_evaluable"
    limits = len(verdict.weakened_by)
    return VerdictCard(
        style="blank" if unknown else verdict.effect,
        icon="–" if unknown else _ICONS[verdict.effect],
        headline=verdict_headline(criterion, verdict),
        topic=criterion.topic,
        effect=EFFECT_WORDS[verdict.effect],
        reason=verdict.reason,
        liver_finding=_liver_finding(verdict, protocol),
        caveats=f"Limited by {counted(limits, 'caveat')}, listed below." if limits else None,
        decision=_decision(verdict, protocol),
    )


def _decision(verdict: Verdict, protocol: TrialProtocol) -> ReaderDecision | None:
    decision = verdict.decision
    if decision is None:
        return None
    date = f", {decision.made_at:%Y-%m-%d}" if decision.made_at else ""
    proposed = answer_words(protocol.criterion(verdict.criterion), decision.proposed)
    return ReaderDecision(
        who=f"{verdict.status.capitalize()} by {decision.reader} ({decision.role}{date})",
        why=decision.reason,
        proposed=f"Proposed from the images: {proposed}." if verdict.status == "overruled" else None,
    )


def _liver_finding(verdict: Verdict, protocol: TrialProtocol) -> str | None:
    if verdict.scope == "liver" or verdict.liver_finding is None or verdict.liver_finding == verdict.verdict:
        return None
    words = answer_words(protocol.criterion(verdict.criterion), verdict.liver_finding)
    return f"In the liver alone: {words}."


def _tiles(score: StudyScore) -> tuple[Tile, ...]:
    burden = score.burden
    interval = ""
    if burden.low is not None and burden.high is not None:
        interval = f"interval {100 * burden.low:.1f} to {100 * burden.high:.1f} %"
    percent = None if burden.fraction is None else 100 * burden.fraction
    return (
        _tile("Liver volume", number(score.liver.volume_ml, 0), "ml", score.liver.reason or ""),
        _tile("Tumour burden", number(percent, 1), "%", interval or burden.reason or ""),
        Tile("Lesions", str(len(score.lesions)), detail=_where_lesions_lie(score)),
        _hottest(score),
        _normal_liver(score),
    )


def _tile(label: str, value: str, unit: str, detail: str) -> Tile:
    return Tile(label, value, unit if value != "–" else "", detail)


def _hottest(score: StudyScore) -> Tile:
    name = uptake_name(score.uptake_unit)[0]
    hottest = max(score.lesions, key=lambda n: n.suv_max or n.max_ratio_to_liver or 0.0, default=None)
    if hottest is None:
        return Tile(f"Highest {name}max", "–")
    if hottest.suv_max is None and hottest.max_ratio_to_liver is not None:
        detail = f"lesion {hottest.label}, maximum"
        return _tile("Highest uptake", number(hottest.max_ratio_to_liver, 1), "× liver", detail)
    detail = f"lesion {hottest.label}, {name}peak {number(hottest.suv_peak, 1)}"
    return Tile(f"Highest {name}max", number(hottest.suv_max, 1), detail=detail)


def _normal_liver(score: StudyScore) -> Tile:
    label = f"Normal liver {uptake_name(score.uptake_unit)[0]}mean"
    reference = score.references.get("liver")
    if reference is None:
        return Tile(label, "–", detail="not found")
    method = _REFERENCE_METHODS.get(reference.method, reference.method.replace("_", " "))
    detail = reference.reason or f"SD {number(reference.suv_sd, 2)}, {method}"
    return Tile(label, number(reference.suv_mean, 2), detail=detail)


def _where_lesions_lie(score: StudyScore) -> str:
    inside = sum(1 for lesion in score.lesions if lesion.in_liver)
    unknown = sum(1 for lesion in score.lesions if lesion.in_liver is None)
    if not score.lesions:
        return ""
    if unknown == len(score.lesions):
        return "not known whether in the liver"
    tumour = "" if score.burden.tumour_ml is None else f", {score.burden.tumour_ml:.0f} ml"
    return f"{inside} in the liver{tumour}" + (f"; {unknown} unknown" if unknown else "")


def _burden_bar(score: StudyScore) -> BurdenBar | None:
    burden = score.burden
    if burden.fraction is None:
        return None
    low, high = (None if share is None else 100 * share for share in (burden.low, burden.high))
    return BurdenBar(100 * burden.fraction, low, high, 100 * score.config.protocol.liver_involvement_limit)


# --- lesions -------------------------------------------------------------------------------------------------------


def _lesion_card(score: StudyScore, scene: ReportScene, segmentations: Segmentations, label: int) -> LesionCard:
    lesion = next(n for n in score.lesions if n.label == label)
    where = {True: None, False: "Outside the liver", None: "Not known whether in the liver"}[lesion.in_liver]
    return LesionCard(
        label=label,
        picture=pictures.lesion_picture(scene, label),
        on_ct=_on_ct(lesion, scene.volumes, segmentations),
        rows=tuple(lesion_summary(lesion, score.uptake_unit)),
        caveats=tuple(flag.sentence for flag in lesion.flags if flag.code not in _SHOWN_AS_WORDS),
        where=where,
    )


def _on_ct(lesion: Lesion, volumes: StudyVolumes, segmentations: Segmentations) -> Picture | None:
    """The CT or MR where a lesion's diameter was measured, with outline and axes; None where it was not."""
    series = volumes.identity.recist_image
    if volumes.recist_image is not None and series is not None and series.modality == "MR":
        return mr_picture(lesion, volumes.recist_image, series, segmentations)
    diameter, image = lesion.diameter, volumes.recist_image or volumes.ct
    if diameter is None or diameter.source != "ct" or image is None:
        return None
    layer = segmentations.ct_lesions or segmentations.lesions
    outlines = None if layer is None or layer.drawn_on != "ct" else layer.labels
    x, y, z = (0.5 * (a + b) for a, b in zip(*diameter.long_axis_lps_mm, strict=True))
    view = ThumbnailView(image, (x, y, z), outlines, (lesion.label,), diameter, 1.0)
    name = pictures.slice_name("CT", image.geometry, (x, y, z))
    alt = f"Lesion {lesion.label} on {name} with its outline, longest diameter and short axis"
    return thumbnail(view, alt, f"{name}, diameters")


def _shown_foci(score: StudyScore) -> list[CtFocus]:
    """Candidates and marked foci, the most suspicious first; those with uptake above liver are not candidates."""
    foci = [focus for focus in score.ct_foci if focus.candidate or focus.marks]
    return sorted(foci, key=lambda x: (-(x.suspicion or 0.0), -x.volume_ml))[:_MOST_LESION_PICTURES]


def _ct_focus_card(score: StudyScore, scene: ReportScene, focus: CtFocus) -> CtFocusCard:
    drawn = pictures.ct_focus_pictures(scene, focus.label) or ()
    return CtFocusCard(focus.label, drawn, tuple(ct_focus_summary(focus, score.uptake_unit)))


def _moved_sentence(scene: ReportScene) -> str | None:
    """How the liver's position differs between PET and CT, and what was moved for that."""
    if scene.moved_mm < 0.05 or scene.mismatch is None:
        return None
    x, y, z = scene.mismatch.shift_lps_mm
    parts = [
        f"{abs(value):.0f} mm {senses[0] if value > 0 else senses[1]}"
        for value, senses in (
            (z, ("cranially", "caudally")), (y, ("posteriorly", "anteriorly")), (x, ("to the left", "to the right")),
        )
        if abs(value) >= 0.5
    ]  # fmt: skip
    where = ", ".join(parts) or f"by {scene.moved_mm:.1f} mm"
    return (
        f"On PET the liver is displaced {where} relative to CT. Outlines drawn on CT are shifted accordingly on the "
        "projections; PET and its outlines are shifted back on the CT images."
    )
