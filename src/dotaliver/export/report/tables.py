"""The report's tables: records as rows of words and rounded numbers."""

from __future__ import annotations

from dotaliver.export.report.words import MARK_WORDS
from dotaliver.export.tables import uptake_name
from dotaliver.longitudinal.baseline_targets import proposed_targets
from dotaliver.records.measurements import CtFocus, Lesion
from dotaliver.records.score import StudyScore

__all__ = [
    "ct_focus_summary",
    "lesion_summary",
    "lesion_table",
    "lobe_rows",
    "number",
    "reference_rows",
    "target_rows",
    "target_sum_words",
]

Row = tuple[str, str]
_MEASURED = {"ct": "CT", "click": "CT, by click", "pet": "PET", "reader": "reader"}


def number(value: float | None, digits: int = 1) -> str:
    """A rounded number, or a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


def _on_mr(lesion: Lesion) -> bool:
    return lesion.diameter is not None and lesion.diameter.modality == "MR"


def _axes(lesion: Lesion) -> str | None:
    """Longest diameter and short axis, or the extent on PET, without what it was measured on."""
    if lesion.longest_diameter_mm is None:
        return None if lesion.pet_extent_mm is None else f"{lesion.pet_extent_mm:.0f} mm"
    short = "" if lesion.short_axis_mm is None else f" × {lesion.short_axis_mm:.0f}"
    return f"{lesion.longest_diameter_mm:.0f}{short} mm"


def _interval(lesion: Lesion) -> str | None:
    interval = None if lesion.diameter is None else lesion.diameter.interval_mm
    return None if interval is None else f"{interval[0]:.0f} to {interval[1]:.0f}"


def _size(lesion: Lesion) -> str:
    """A lesion's size in one cell of the table."""
    if (axes := _axes(lesion)) is None:
        return "–"
    measured = "PET" if lesion.longest_diameter_mm is None else _MEASURED.get(lesion.diameter_source or "", "")
    if _on_mr(lesion):
        measured = "MR, by click" if lesion.diameter_source == "click" else f"{measured}, MR"
    details = ", ".join(part for part in (measured, _interval(lesion)) if part)
    return f"{axes} ({details})" if details else axes


def _size_rows(lesion: Lesion) -> list[Row]:
    """A lesion's size in the rows of its card."""
    if (axes := _axes(lesion)) is None:
        return [("Size", "–")]
    on = "pet" if lesion.longest_diameter_mm is None else lesion.diameter_source
    names = {"ct": "Size on CT", "pet": "Size on PET", "reader": "Size, reader"}
    name = names.get(on or "", "Size")
    if _on_mr(lesion):
        name = "Size on MR, by click" if on == "click" else "Size on MR, reader"
    rows = [(name, axes)]
    if (interval := _interval(lesion)) is not None:
        rows.append(("95 % interval", f"{interval} mm"))
    return rows


def _marks(lesion: Lesion) -> str:
    return ", ".join(MARK_WORDS.get(mark, mark) for mark in lesion.marks)


def lesion_summary(lesion: Lesion, uptake_unit: str) -> list[Row]:
    """The numbers next to a lesion's picture."""
    name = uptake_name(uptake_unit)[0].strip()
    rows = [("Volume", f"{number(lesion.volume_ml, 1)} ml"), *_size_rows(lesion)]
    if lesion.suv_max is not None or lesion.max_ratio_to_liver is None:
        rows += [
            (f"{name}max", number(lesion.suv_max)),
            (f"{name}peak", number(lesion.suv_peak)),
            (f"{name}mean", number(lesion.suv_mean)),
        ]
    rows.append((f"{name}peak / liver", "–" if lesion.ratio_to_liver is None else f"{lesion.ratio_to_liver:.1f} ×"))
    if lesion.krenning is not None:
        rows.append(("Krenning score", lesion.krenning))
    if lesion.marks:
        rows.append(("Marked as", _marks(lesion)))
    return rows


def ct_focus_summary(focus: CtFocus, uptake_unit: str) -> list[Row]:
    """The numbers next to the picture of a focal lesion seen on CT only."""
    name = uptake_name(uptake_unit)[0].strip()
    size = "–" if focus.longest_diameter_mm is None else f"{focus.longest_diameter_mm:.0f}"
    size += "" if focus.short_axis_mm is None else f" × {focus.short_axis_mm:.0f}"
    rows = [("Size", f"{size} mm (CT)"), ("Volume", f"{number(focus.volume_ml, 1)} ml")]
    if focus.below_liver_hu is not None:
        side = "below" if focus.below_liver_hu >= 0 else "above"
        rows.append(("Attenuation", f"{abs(focus.below_liver_hu):.0f} HU {side} liver"))
    if focus.suv_mean is not None:
        rows.append((f"{name}mean", number(focus.suv_mean)))
    rows.append((f"{name}mean / liver", "–" if focus.ratio_to_liver is None else f"{focus.ratio_to_liver:.2f} ×"))
    if focus.suspicion is not None:
        rows.append(("Suspicion", f"{focus.suspicion:.2f} (0 to 1, for sorting)"))
    if "recist_image" in focus.images:
        rows.append(("Seen on", "both CTs" if "ct" in focus.images else "the diagnostic CT only"))
    if focus.may_be:
        rows.append(("May be benign", "; ".join(focus.may_be)))
    if focus.marks:
        rows.append(("Marked as", ", ".join(MARK_WORDS.get(mark, mark) for mark in focus.marks)))
    return rows


def lobe_rows(score: StudyScore) -> list[list[str]]:
    """Right and left lobe: volume, tumour and burden; none where the lobes are not separated."""
    rows = []
    for name, lobe in (("Right lobe", score.lobes.right), ("Left lobe", score.lobes.left)):
        if lobe is not None:
            burden = "–" if lobe.fraction is None else f"{100 * lobe.fraction:.1f} %"
            rows.append([name, f"{lobe.liver_ml:.0f} ml", f"{number(lobe.tumour_ml)} ml", burden])
    return rows


def reference_rows(score: StudyScore) -> list[list[str]]:
    """Normal liver, spleen and blood pool: mean, SD and region, or why there is none."""
    ways = {"organ": "whole organ", "low_mode": "lower histogram peak", "reader": "placed by the reader"}
    rows = []
    for organ, found in score.references.items():
        name = {"liver": "Normal liver", "spleen": "Spleen", "blood_pool": "Blood pool (aorta)"}[organ]
        if found.method == "none":
            rows.append([name, "–", "–", found.reason or "not found"])
            continue
        way = ways.get(found.method, "")
        if found.diameter_mm is not None:
            way = f"{found.diameter_mm:g} mm sphere" + (f", {way}" if way else "")
        elif found.volume_ml is not None:
            way = f"{'along the aorta' if organ == 'blood_pool' else way}, {found.volume_ml:.0f} ml"
        rows.append([name, number(found.suv_mean, 2), number(found.suv_sd, 2), way])
    return rows


def lesion_table(score: StudyScore) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Headings and rows of the table of all lesions; a column for the reader's marks only where there are any."""
    intervals = any(_interval(lesion) for lesion in score.lesions)
    columns = _lesion_columns(score.uptake_unit, intervals=intervals)
    rows = [_lesion_row(lesion) for lesion in score.lesions]
    count = len(columns) if any(lesion.marks for lesion in score.lesions) else len(columns) - 1
    return tuple(columns[:count]), tuple(tuple(row[:count]) for row in rows)


def target_rows(score: StudyScore) -> tuple[tuple[str, ...], ...]:
    """Lesions with a diameter by whether they are proposed as RECIST targets, and why; the targets first."""
    proposed = proposed_targets(score)
    confirmed = () if score.body is None else score.body.confirmed
    measured = {x.name: x for x in (*score.lesions, *confirmed) if x.diameter_source not in {None, "pet"}}
    rest = [name for name in measured if name not in proposed.targets]
    return tuple(
        (name, _size(measured[name]), "yes" if name in proposed.targets else "no", proposed.reasons[name])
        for name in (*proposed.targets, *rest)
        if name in measured
    )


def target_sum_words(score: StudyScore) -> str | None:
    """The sum of diameters of the proposed targets in a sentence; None without a target."""
    proposed = proposed_targets(score)
    if proposed.sum_mm is None:
        return None
    node = any(size.node for size in proposed.sizes)
    parts = " + ".join(f"{size.size_mm:.1f}" for size in proposed.sizes)
    added = f" = {parts}" if len(proposed.sizes) > 1 else ""
    return f"Sum of diameters {proposed.sum_mm:.1f} mm{added}{' (short axis of nodes)' if node else ''}."


def _lesion_columns(uptake_unit: str, *, intervals: bool) -> list[str]:
    name = uptake_name(uptake_unit)[0].strip()
    return [
        "Lesion",
        "In liver",
        f"{name}max",
        f"{name}peak",
        f"{name}mean",
        f"{name}peak / liver",
        "Krenning",
        "Volume (ml)",
        f"Total ({name} × ml)",
        "Size (95 % interval)" if intervals else "Size",
        "To capsule (mm)",
        "Marked as",
    ]


def _lesion_row(lesion: Lesion) -> list[str]:
    return [
        str(lesion.label),
        {True: "yes", False: "no", None: "unknown"}[lesion.in_liver],
        number(lesion.suv_max),
        number(lesion.suv_peak),
        number(lesion.suv_mean),
        number(lesion.ratio_to_liver),
        lesion.krenning or "–",
        number(lesion.volume_ml),
        number(lesion.total_uptake, 0),
        _size(lesion),
        number(lesion.capsule_distance_mm, 0),
        _marks(lesion),
    ]
