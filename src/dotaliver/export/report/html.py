"""The report: one self-contained HTML page for a physician, the answers first and their grounds below."""

from __future__ import annotations

from collections.abc import Iterable
from string import ascii_letters, digits
from typing import Any

from dotaliver.config.protocol import TrialProtocol
from dotaliver.export.report import pictures
from dotaliver.export.report.figures import LESION_COLOUR, LIVER_COLOUR, Picture, colour_stops
from dotaliver.export.report.tables import (
    acquisition_rows,
    ct_focus_summary,
    edit_rows,
    evidence_rows,
    lesion_columns,
    lesion_row,
    lesion_summary,
    lobe_rows,
    number,
    provenance_rows,
    reference_rows,
)
from dotaliver.export.report.template import page_template
from dotaliver.export.report.thumbnails import ThumbnailView, thumbnail
from dotaliver.export.report.words import EFFECT_WORDS, answer_words, verdict_headline
from dotaliver.export.tables import uptake_name
from dotaliver.records.flags import Flag
from dotaliver.records.masks import Segmentations
from dotaliver.records.measurements import CtFocus
from dotaliver.records.score import StudyScore
from dotaliver.records.study import StudyVolumes
from dotaliver.records.verdicts import Verdict

__all__ = ["report_context", "report_html"]

_MOST_LESION_PICTURES = 12
_ICONS = {"supports": "✓", "excludes": "✕", "undecided": "?"}
# The card says these in its own line.
_SHOWN_AS_WORDS = {"LESION_OUTSIDE_LIVER", "LESION_MEMBERSHIP_UNKNOWN"}
_REFERENCE_METHODS = {
    "sphere": "3 cm sphere",
    "small_sphere": "smaller sphere",
    "low_mode": "low mode of the liver",
    "organ": "whole organ",
    "reader": "placed by the reader",
}


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
    page = page_template("report.html.j2")
    return page.render(**report_context(score, volumes, segmentations))


def report_context(score: StudyScore, volumes: StudyVolumes, segmentations: Segmentations) -> dict[str, Any]:
    """Everything that a report shows, in words and pictures, by the names that its template uses."""
    scene = pictures.scene_of(score, volumes, segmentations)
    protocol = score.config.protocol
    flags = _distinct((*score.flags, *score.segmentation.flags))
    shown = pictures.highest_total_uptake(score, _MOST_LESION_PICTURES)
    name, unit = uptake_name(score.uptake_unit)
    return {
        "score": score,
        "title": _title(score),
        "protocol": protocol,
        "cards": [_card(score.criteria[key], protocol) for key in protocol.ids if key in score.criteria],
        "tiles": _tiles(score),
        "mip": pictures.mip(scene),
        "levels": pictures.level_pictures(scene),
        "lesion_cards": [
            {**_lesion_card(score, scene, label), "on_ct": _on_ct(score, volumes, segmentations, label)}
            for label in shown
        ],
        "lesion_columns": lesion_columns(score.uptake_unit),
        "lesion_rows": [lesion_row(lesion, score.uptake_unit) for lesion in score.lesions],
        "ct_foci": [_ct_focus_card(score, scene, focus) for focus in _shown_foci(score)],
        "ct_search": score.segmentation.ct_search,
        "lobe_rows": lobe_rows(score),
        "reference_rows": reference_rows(score),
        "histogram": pictures.histogram(scene, score),
        "burden": _burden_bar(score),
        "flag_groups": _flag_groups(flags, protocol),
        "acquisition": acquisition_rows(score.acquisition),
        "evidence": [
            (protocol.criterion(key).name, evidence_rows(score.criteria[key]))
            for key in protocol.ids
            if key in score.criteria and score.criteria[key].evidence
        ],
        "edits": edit_rows(score.edits, protocol),
        "provenance": provenance_rows(score),
        "has_ct": scene.ct is not None,
        "moved": _moved_sentence(scene),
        "moved_mm": scene.moved_mm,
        "liver_drawn": scene.liver_on_pet is not None and bool(scene.liver_on_pet.any()),
        "liver_reason": score.liver.reason or score.segmentation.reasons.get("liver") or "no liver outline was given",
        "lesions_looked_for": segmentations.lesions is not None,
        "lesion_reason": score.segmentation.reasons.get("lesions", "lesions could not be looked for"),
        "upper": scene.upper,
        "uptake_name": name.strip(),
        "uptake_unit": unit,
        "pet_stops": colour_stops(),
        "liver_colour": LIVER_COLOUR,
        "lesion_colour": LESION_COLOUR,
    }


def _distinct(flags: Iterable[Flag]) -> list[Flag]:
    return list(dict.fromkeys(flags))


def _title(score: StudyScore) -> str:
    tracer, nuclide = score.acquisition.tracer, score.acquisition.nuclide
    told = nuclide is None or (tracer is not None and _names(nuclide, tracer))
    agent = [part for part in (None if told else nuclide, tracer) if part]
    return " ".join(["Liver score of", *agent, "PET/CT" if score.study.ct else "PET"])


def _names(nuclide: str, tracer: str) -> bool:
    """Whether a tracer's name tells the nuclide (68Ga) already, in whatever order: Ga-68, 68-Ga, [68Ga]."""
    mass, element = nuclide.rstrip(ascii_letters), nuclide.lstrip(digits)
    return mass in tracer and element.casefold() in tracer.casefold()


def _card(verdict: Verdict, protocol: TrialProtocol) -> dict[str, Any]:
    criterion = protocol.criterion(verdict.criterion)
    decision = verdict.decision
    decided = None
    if decision is not None:
        date = f", {decision.made_at:%Y-%m-%d}" if decision.made_at else ""
        proposed = answer_words(criterion, decision.proposed)
        decided = {
            "who": f"{verdict.status.capitalize()} by {decision.reader} ({decision.role}{date})",
            "why": decision.reason,
            "proposed": f"The images had proposed: {proposed}." if verdict.status == "overruled" else None,
        }
    return {
        "style": "blank" if verdict.verdict == "not_evaluable" else verdict.effect,
        "icon": "–" if verdict.verdict == "not_evaluable" else _ICONS[verdict.effect],
        "headline": verdict_headline(criterion, verdict),
        "effect": EFFECT_WORDS[verdict.effect],
        "topic": criterion.topic,
        "reason": verdict.reason,
        "wording": criterion.wording,
        "liver_finding": _liver_finding(verdict, protocol),
        "decided": decided,
        "doubts": len(verdict.weakened_by),
    }


def _liver_finding(verdict: Verdict, protocol: TrialProtocol) -> str | None:
    """What the liver alone shows, where the verdict on the body says something else."""
    if verdict.scope == "liver" or verdict.liver_finding in {None, verdict.verdict}:
        return None
    assert verdict.liver_finding is not None
    words = answer_words(protocol.criterion(verdict.criterion), verdict.liver_finding)
    return f"In the liver alone: {words}."


def _tiles(score: StudyScore) -> list[dict[str, str]]:
    name = uptake_name(score.uptake_unit)[0]
    reference = score.references.get("liver")
    burden = score.burden
    interval = ""
    if burden.low is not None and burden.high is not None:
        interval = f"{100 * burden.low:.1f} to {100 * burden.high:.1f} %"
    tiles = [
        _tile("Liver volume", number(score.liver.volume_ml, 0), "ml", score.liver.reason or ""),
        _tile(
            "Tumour burden",
            number(burden.fraction and 100 * burden.fraction, 1),
            "%",
            f"interval {interval}" if interval else burden.reason or "",
        ),
        _tile("Lesions", str(len(score.lesions)), "", _where_lesions_lie(score)),
    ]
    hottest = max(score.lesions, key=lambda n: n.suv_max or n.max_ratio_to_liver or 0.0, default=None)
    if hottest is not None and hottest.suv_max is None and hottest.max_ratio_to_liver is not None:
        detail = f"lesion {hottest.label}, its highest voxel"
        tiles.append(_tile("Hottest lesion", number(hottest.max_ratio_to_liver, 1), "× liver", detail))
    else:
        detail = "" if hottest is None else f"lesion {hottest.label}, peak {number(hottest.suv_peak, 1)}"
        tiles.append(_tile(f"Highest {name}max", number(hottest.suv_max if hottest else None, 1), "", detail))
    detail = "not found"
    if reference is not None:
        method = _REFERENCE_METHODS.get(reference.method, reference.method.replace("_", " "))
        detail = reference.reason or f"± {number(reference.suv_sd, 2)}, {method}"
    tiles.append(_tile(f"Normal liver {name}mean", number(reference.suv_mean if reference else None, 2), "", detail))
    return tiles


def _where_lesions_lie(score: StudyScore) -> str:
    inside = sum(1 for lesion in score.lesions if lesion.in_liver)
    unknown = sum(1 for lesion in score.lesions if lesion.in_liver is None)
    if not score.lesions:
        return ""
    if unknown == len(score.lesions):
        return "whether in the liver is unknown"
    tumour = "" if score.burden.tumour_ml is None else f", {score.burden.tumour_ml:.0f} ml"
    return f"{inside} in the liver{tumour}" + (f"; {unknown} unknown" if unknown else "")


def _tile(label: str, value: str, unit: str, detail: str) -> dict[str, str]:
    return {"label": label, "value": value, "unit": unit if value != "–" else "", "detail": detail}


def _lesion_card(score: StudyScore, scene: pictures.ReportScene, label: int) -> dict[str, Any]:
    lesion = next(n for n in score.lesions if n.label == label)
    return {
        "label": label,
        "picture": pictures.lesion_picture(scene, label),
        "rows": lesion_summary(lesion, score.uptake_unit),
        "flags": [flag.sentence for flag in lesion.flags if flag.code not in _SHOWN_AS_WORDS],
        "outside": lesion.in_liver is False,
        "unknown": lesion.in_liver is None,
    }


def _shown_foci(score: StudyScore) -> list[CtFocus]:
    """Candidates and marked foci, the largest first; those with uptake above liver are no candidates."""
    foci = [focus for focus in score.ct_foci if focus.candidate or focus.marks]
    return sorted(foci, key=lambda x: -x.volume_ml)[:_MOST_LESION_PICTURES]


def _ct_focus_card(score: StudyScore, scene: pictures.ReportScene, focus: CtFocus) -> dict[str, Any]:
    return {
        "label": focus.label,
        "pictures": pictures.ct_focus_pictures(scene, focus.label),
        "rows": ct_focus_summary(focus, score.uptake_unit),
    }


def _on_ct(score: StudyScore, volumes: StudyVolumes, segmentations: Segmentations, label: int) -> Picture | None:
    """The CT where a lesion's diameter was measured, with outline and axes; None where it was not measured on CT."""
    lesion = next(n for n in score.lesions if n.label == label)
    diameter, image = lesion.diameter, volumes.recist_ct or volumes.ct
    if diameter is None or diameter.source != "ct" or image is None:
        return None
    layer = segmentations.ct_lesions or segmentations.lesions
    outlines = None if layer is None or layer.drawn_on != "ct" else layer.labels
    x, y, z = (0.5 * (a + b) for a, b in zip(*diameter.long_axis_lps_mm, strict=True))
    view = ThumbnailView(image, (x, y, z), outlines, (label,), diameter, 1.0)
    return thumbnail(view, f"Lesion {label} on CT with its outline, longest diameter and short axis")


def _burden_bar(score: StudyScore) -> dict[str, Any]:
    """Places along a bar of 1000 units that stands for 0 to 100 %."""
    burden = score.burden
    limit = score.config.protocol.liver_involvement_limit

    def place(share: float | None) -> float | None:
        return None if share is None else round(1000 * share, 1)

    return {
        "value": place(burden.fraction),
        "low": place(burden.low),
        "high": place(burden.high),
        "limit": place(limit),
        "limit_percent": 100 * limit,
        "percent": burden.fraction and 100 * burden.fraction,
    }


def _flag_groups(flags: list[Flag], protocol: TrialProtocol) -> list[dict[str, Any]]:
    """Flags under the verdicts that they weaken, the widest doubt first; notes that weaken none last."""
    groups: dict[tuple[str, ...], list[Flag]] = {}
    for flag in flags:
        groups.setdefault(tuple(flag.weakens), []).append(flag)
    ordered = sorted(groups.items(), key=lambda item: -len(item[0]))
    return [
        {
            "heading": "Weakens " + ", ".join(protocol.criterion(k).name for k in weakened)
            if weakened
            else "To be known; weakens no verdict",
            "flags": members,
        }
        for weakened, members in ordered
    ]


def _moved_sentence(scene: pictures.ReportScene) -> str | None:
    """What was moved to lie over the other image, and by how much."""
    if scene.moved_mm < 0.05 or scene.mismatch is None:
        return None
    x, y, z = scene.mismatch.shift_lps_mm
    parts = [
        f"{abs(value):.0f} mm towards the {senses[0] if value > 0 else senses[1]}"
        for value, senses in ((z, ("head", "feet")), (y, ("back", "front")), (x, ("left", "right")))
        if abs(value) >= 0.5
    ]
    where = ", ".join(parts) or f"{scene.moved_mm:.1f} mm"
    return (
        f"On the PET the liver lies {where} from its place on CT. Outlines drawn on CT are moved by this "
        "here; below, PET and its outlines are moved back onto the CT."
    )
