"""What a report says of the body outside the liver: candidates and lesions as a table, and the sums."""

from __future__ import annotations

from dotaliver.export.report.content import BodySection
from dotaliver.export.report.tables import Row, number
from dotaliver.export.report.words import MARK_WORDS, counted, likely_words
from dotaliver.export.tables import uptake_name
from dotaliver.records.body_record import BodyLesion, BodyRecord, BodySums, LesionUptake
from dotaliver.records.score import StudyScore

__all__ = ["ORGAN_WORDS", "body_line", "body_section"]

ORGAN_WORDS = {
    "liver": "Liver",
    "bone": "Skeleton",
    "lymph_node": "Lymph nodes",
    "lung": "Lungs",
    "peritoneum": "Peritoneum",
    "pancreas": "Pancreas",
    "soft_tissue": "Soft tissue",
    "other": "Elsewhere",
}


def body_section(score: StudyScore) -> BodySection | None:
    """The section on the body outside the liver; None where it was not searched."""
    body = score.body
    if body is None:
        return None
    name = uptake_name(score.uptake_unit)[0].strip()
    columns = ("Lesion", "Region", "State", "Likely", "Size", "ml", f"{name}max", f"{name}peak", f"{name}mean",
               "TLRE", "× liver", "× blood", "SSTR-RADS")  # fmt: skip
    return BodySection(
        lead=_lead(body),
        columns=columns,
        rows=tuple(_row(lesion) for lesion in body.lesions),
        remarks=tuple(_remark(lesion) for lesion in body.lesions if _says_more(lesion)),
        sums=tuple(_sum_rows(body.sums, name)),
        organs=tuple(_organ_rows(body.sums)),
    )


def body_line(body: BodyRecord) -> str:
    """The body outside the liver in one line, such as "outside the liver 2 accepted, 1 unanswered"."""
    states = [lesion.state for lesion in body.lesions if lesion.same_as_lesion is None]
    counts = [f"{states.count(state)} {state}" for state in ("accepted", "added", "unanswered", "rejected")
              if states.count(state)]  # fmt: skip
    read = "whole body read" if body.scope == "body" else "not yet read"
    return f"outside the liver {', '.join(counts) or 'no candidates'} ({read})"


def _lead(body: BodyRecord) -> str:
    parts = []
    if body.scope == "body":
        parts.append("The reader has read the whole body.")
    elif body.candidates:
        waiting = counted(len(body.candidates), "candidate")
        parts.append(f"{waiting} not yet answered. Candidates count towards no verdict and no sum.")
    else:
        parts.append("The whole body has not been stated as read.")
    if body.missing:
        parts.append(body.missing if body.missing.endswith(".") else f"{body.missing}.")
    if not body.has_ct:
        parts.append("There is no CT, so candidates were judged on uptake alone.")
    return " ".join(parts)


def _size(lesion: BodyLesion) -> str:
    if lesion.longest_diameter_mm is not None and lesion.diameter_source != "pet":
        short = "" if lesion.short_axis_mm is None else f" × {lesion.short_axis_mm:.0f}"
        interval = None if lesion.diameter is None else lesion.diameter.interval_mm
        error = "" if interval is None else f" ± {interval[1] - lesion.longest_diameter_mm:.0f}"
        source = "reader" if lesion.diameter_source == "reader" else "CT"
        return f"{lesion.longest_diameter_mm:.0f}{short}{error} mm ({source})"
    return "–" if lesion.pet_extent_mm is None else f"{lesion.pet_extent_mm:.0f} mm (PET)"


def _row(lesion: BodyLesion) -> tuple[str, ...]:
    likely = "–" if lesion.state == "added" else likely_words(lesion)
    state = lesion.state if lesion.same_as_lesion is None else f"lesion {lesion.same_as_lesion}"
    return (
        lesion.name,
        lesion.region,
        state,
        likely,
        _size(lesion),
        number(lesion.volume_ml),
        number(lesion.suv_max),
        number(lesion.suv_peak),
        number(lesion.suv_mean),
        number(lesion.total_uptake, 0),
        number(lesion.ratio_to_liver),
        number(lesion.ratio_to_blood_pool),
        lesion.sstr_rads or "–",
    )


def _says_more(lesion: BodyLesion) -> bool:
    return bool(lesion.why_physiological or lesion.flags or _marks(lesion) or lesion.same_as_lesion)


def _marks(lesion: BodyLesion) -> list[str]:
    """The reader's marks; that a lesion of a lymph node is a node goes without saying."""
    return [mark for mark in lesion.marks if not (mark == "node" and lesion.organ == "lymph_node")]


def _remark(lesion: BodyLesion) -> str:
    parts = [] if lesion.why_physiological is None else [_sentence(lesion.why_physiological)]
    if lesion.same_as_lesion is not None:
        parts.append(f"The same as lesion {lesion.same_as_lesion}, which is counted.")
    if marks := _marks(lesion):
        parts.append(f"Marked as {', '.join(MARK_WORDS.get(mark, mark) for mark in marks)}.")
    parts += [flag.sentence for flag in lesion.flags]
    return f"{lesion.name}: {' '.join(parts)}"


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def _sum_rows(sums: BodySums, name: str) -> list[Row]:
    rows = [
        ("Lesions counted", str(sums.lesions)),
        ("SSTR tumour volume", f"{sums.tumour_volume_ml:.1f} ml"),
    ]
    if sums.total_receptor_expression is not None:
        words = f"{sums.total_receptor_expression:.0f} ({name}mean × ml)"
        rows.append(("Total receptor expression (TLRE)", words))
    for what, end in (("Highest", sums.highest_uptake), ("Lowest", sums.lowest_uptake)):
        if end is not None:
            rows.append((f"{what} lesion uptake", _uptake(end, name)))
    if sums.liver_burden_band is not None:
        rows.append(("Liver tumour burden, NETTER-1 band", sums.liver_burden_band))
    if sums.activity_in_tumour is not None:
        rows.append(("Injected activity in tumour", f"{100 * sums.activity_in_tumour:.1f} %"))
    if sums.unanswered:
        rows.append(("Not counted: unanswered", f"{sums.unanswered} ({sums.unanswered_volume_ml:.1f} ml)"))
    return rows


def _uptake(end: LesionUptake, name: str) -> str:
    if end.suv_mean is not None:
        ratio = "" if end.mean_ratio_to_liver is None else f", {end.mean_ratio_to_liver:.1f} × liver"
        return f"{name}mean {end.suv_mean:.1f}{ratio} (lesion {end.lesion})"
    return f"{number(end.mean_ratio_to_liver)} × liver (lesion {end.lesion})"


def _organ_rows(sums: BodySums) -> list[tuple[str, ...]]:
    return [
        (
            ORGAN_WORDS.get(organ, organ),
            str(of_organ.lesions),
            f"{of_organ.volume_ml:.1f}",
            number(of_organ.total_receptor_expression, 0),
        )
        for organ, of_organ in sums.by_organ.items()
    ]
