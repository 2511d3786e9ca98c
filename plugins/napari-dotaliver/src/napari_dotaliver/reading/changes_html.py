"""What a reading changed against the automatic result, in words."""

from __future__ import annotations

from html import escape

from dotaliver.export.report.words import MARK_WORDS, verdict_headline
from dotaliver.records.differences import Change, RecordDifference
from dotaliver.records.score import StudyScore

__all__ = ["changes_html"]

_SHOWN: dict[str, tuple[str, str, float, int]] = {
    "volume_ml": ("volume", "ml", 1.0, 1),
    "suv_max": ("maximum", "", 1.0, 1),
    "suv_peak": ("peak", "", 1.0, 1),
    "suv_mean": ("mean", "", 1.0, 1),
    "longest_diameter_mm": ("longest diameter", "mm", 1.0, 0),
    "short_axis_mm": ("short axis", "mm", 1.0, 0),
    "ratio_to_liver": ("ratio to liver", "", 1.0, 1),
    "krenning": ("Krenning", "", 1.0, 0),
    "fraction": ("burden", "%", 100.0, 1),
    "tumour_ml": ("tumour", "ml", 1.0, 0),
    "diameter_mm": ("diameter", "mm", 1.0, 0),
}
"""Field: its name, unit, factor and decimals."""
_OF_LESIONS = ("volume_ml", "suv_max", "suv_peak", "suv_mean", "longest_diameter_mm", "ratio_to_liver", "krenning")


def changes_html(difference: RecordDifference, before: StudyScore, now: StudyScore) -> str:
    """Verdicts first, then burden and normal liver, then lesion by lesion; old value → new value."""
    lines = [_verdict_line(name, before, now) for name in difference.reasons]
    lines += _of(difference, "burden", ("fraction", "tumour_ml"), "Liver")
    lines += _of(difference, "liver", ("volume_ml",), "Liver")
    lines += _of(difference, "references.liver", ("suv_mean", "diameter_mm"), "Normal liver")
    lines += _lesion_lines(difference, before, now)
    if not lines:
        return "<p>No changes from the automatic result.</p>"
    return "<p><b>Against the automatic result</b></p>" + "".join(f"<p>{line}</p>" for line in lines)


def _verdict_line(name: str, before: StudyScore, now: StudyScore) -> str:
    key = next(k for k in now.criteria if k == name)
    criterion = now.config.protocol.criterion(key)
    old, new = (verdict_headline(criterion, score.criteria[key]) for score in (before, now))
    return f"<b>{escape(old)} → {escape(new)}</b>"


def _words(change: Change, field: str) -> str:
    name, unit, factor, decimals = _SHOWN[field]
    return f"{name} {_value(change.before, factor, decimals)} → {_value(change.now, factor, decimals)} {unit}".strip()


def _value(value: object, factor: float, decimals: int) -> str:
    if value is None:
        return "none"
    return f"{factor * value:.{decimals}f}" if isinstance(value, int | float) else escape(str(value))


def _of(difference: RecordDifference, where: str, fields: tuple[str, ...], title: str) -> list[str]:
    found = {change.field: change for change in difference.effects}
    words = [_words(found[f"{where}.{field}"], field) for field in fields if f"{where}.{field}" in found]
    return [f"{title}: {', '.join(words)}"] if words else []


def _lesion_lines(difference: RecordDifference, before: StudyScore, now: StudyScore) -> list[str]:
    old, new = ({lesion.label: lesion for lesion in score.lesions} for score in (before, now))
    lines = []
    for label in sorted({*old, *new}):
        if label not in new:
            lines.append(f"Lesion {label}: deleted ({old[label].volume_ml:.1f} ml)")
        elif label not in old:
            lines.append(f"Lesion {label}: new ({new[label].volume_ml:.1f} ml)")
        else:
            fields = (
                "volume_ml",
                "suv_max",
                "suv_peak",
                "suv_mean",
                "longest_diameter_mm",
                "ratio_to_liver",
                "krenning",
            )
            words = _of(difference, f"lesions[{label}]", fields, f"Lesion {label}")
            marks = [m for m in new[label].marks if m not in old[label].marks]
            if marks:
                said = ", ".join(MARK_WORDS[m] for m in marks)
                words = [f"{words[0]}; {said}" if words else f"Lesion {label}: {said}"]
            lines += words
    return lines
