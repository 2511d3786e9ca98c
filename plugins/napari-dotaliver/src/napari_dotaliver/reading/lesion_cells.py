"""What the table of lesions says in each row and column, and how it is sorted. No window in it."""

from __future__ import annotations

from collections.abc import Sequence

from dotaliver.export.report.words import MARK_WORDS
from dotaliver.export.tables import uptake_name
from dotaliver.longitudinal.baseline_targets import BaselineTargets
from dotaliver.records.measurements import CtFocus, Lesion
from dotaliver.records.score import StudyScore

__all__ = ["Cell", "focus_cells", "headings", "lesion_cells", "sum_words"]

Cell = tuple[str, float | str | None]
"""What is read and what is sorted by; None sorts below every number."""

_SOURCES = {"ct": "CT", "click": "CT, by click", "reader": "reader"}
# Grades are sorted as they rise; the one without a spleen to compare with lies between 3 and 4.
_GRADES = {"0": 0.0, "1": 1.0, "2": 2.0, "3": 3.0, "≥3": 3.5, "4": 4.0}


def sum_words(targets: BaselineTargets) -> str:
    """The targets with their sizes and the sum of diameters."""
    if targets.sum_mm is None:
        return "No RECIST target: no lesion is measurable yet."
    parts = [f"{size.lesion} ({size.size_mm:.1f} mm{', short axis' if size.node else ''})" for size in targets.sizes]
    return f"Sum of diameters {targets.sum_mm:.1f} mm: {', '.join(parts)}"


def _target_cell(lesion: Lesion, targets: BaselineTargets | None) -> Cell:
    """Whether a lesion with a diameter is proposed as a target; a dash without a diameter."""
    if targets is None or lesion.diameter_source in {None, "pet"}:
        return ("–", "")
    return _words(["yes" if lesion.name in targets.targets else "no"])


def headings(score: StudyScore) -> list[tuple[str, str]]:
    """The columns, each with what it means."""
    name, unit = uptake_name(score.uptake_unit)
    return [
        ("Lesion", "Number and colour in the images; 'CT': seen on CT only"),
        (f"{name}max", f"Highest voxel, {unit}"),
        (f"{name}peak", f"Highest mean of a 1 ml sphere, {unit}"),
        ("Peak / liver", "SUVpeak divided by the mean of normal liver"),
        ("Krenning", "Modified Krenning grade, 0 to 4"),
        ("Vol. (ml)", "Volume of the outline"),
        (
            "Diam. (mm)",
            "Longest in-plane diameter and short axis, on CT or by the reader; in brackets the extent on PET, which is "
            "not a RECIST diameter",
        ),
        ("Image", "Image on which the diameter was measured, or the reader"),
        ("Target", "Proposed target of RECIST 1.1, if this scan is the baseline; why is said below the table"),
        (f"{name}mean", f"Mean over the lesion, {unit}"),
        ("In liver", "Whether most of the lesion is in the liver"),
        ("Marks", "Marks set by the reader"),
        ("Caveats", "In short; in full below the table"),
    ]


def _number(value: float | None, digits: int) -> Cell:
    return ("–", None) if value is None else (f"{value:.{digits}f}", value)


def lesion_cells(lesion: Lesion, targets: BaselineTargets | None) -> list[Cell]:
    """The row of a lesion; ``targets`` are those of the record."""
    return [
        (str(lesion.label), float(lesion.label)),
        _number(lesion.suv_max, 1),
        _number(lesion.suv_peak, 1),
        _number(lesion.ratio_to_liver, 1),
        (lesion.krenning or "–", _GRADES.get(lesion.krenning or "")),
        _number(lesion.volume_ml, 1),
        *_size_cells(lesion),
        _target_cell(lesion, targets),
        _number(lesion.suv_mean, 1),
        _yes_no(lesion.in_liver),
        _words([MARK_WORDS.get(mark, mark) for mark in lesion.marks]),
        _words([_spoken(flag.code) for flag in lesion.flags]),
    ]


def _size_cells(lesion: Lesion) -> list[Cell]:
    """Diameters where there are any; else the extent on PET, in brackets."""
    size, across = lesion.longest_diameter_mm, lesion.short_axis_mm
    if size is not None and lesion.diameter_source != "pet":
        text = f"{size:.0f}" if across is None else f"{size:.0f} × {across:.0f}"
        on_mr = lesion.diameter is not None and lesion.diameter.modality == "MR"
        source = _SOURCES.get(lesion.diameter_source or "", "")
        if on_mr:
            source = "reader, MR" if source == "reader" else "MR, by click"
        return [(text, size), _words([source])]
    extent = size if size is not None else lesion.pet_extent_mm
    if extent is not None:
        return [(f"({extent:.0f})", extent), _words(["PET"])]
    return [("–", None), _words([])]


def focus_cells(focus: CtFocus) -> list[Cell]:
    """The row of a focal lesion that only the CT shows."""
    across = "" if focus.short_axis_mm is None else f" × {focus.short_axis_mm:.0f}"
    size = focus.longest_diameter_mm
    return [
        (f"CT {focus.label}", float(focus.label)),
        ("–", None),
        ("–", None),
        _number(focus.ratio_to_liver, 1),
        ("–", None),
        _number(focus.volume_ml, 1),
        ("–", None) if size is None else (f"{size:.0f}{across}", size),
        _words(["CT"]),
        ("–", ""),
        _number(focus.suv_mean, 1),
        _yes_no(focus.in_liver),
        _words([MARK_WORDS.get(mark, mark) for mark in focus.marks]),
        _words(["for the reader to decide"] if focus.candidate else []),
    ]


def _yes_no(value: bool | None) -> Cell:
    word = {True: "yes", False: "no", None: "unknown"}[value]
    return (word, word)


def _words(parts: Sequence[str]) -> Cell:
    text = ", ".join(part for part in parts if part)
    return (text, text)


def _spoken(code: str) -> str:
    """A flag's code as words, without the "lesion" that every row is about."""
    return code.removeprefix("LESION_").replace("_", " ").lower().replace("pet", "PET").replace(" ct", " CT")
