"""The numbers behind a verdict, under names that people read and with their units."""

from __future__ import annotations

from dotaliver.export.report.tables import Row
from dotaliver.records.verdicts import Evidence, Verdict

__all__ = ["evidence_rows", "evidence_words"]

_NAMES = {
    "lesion_label": "Lesion",
    "lesions": "Lesions assessed",
    "liver_method": "Normal liver from",
    "ratio_to_liver": "SUVpeak / liver mean",
    "krenning": "Modified Krenning score",
    "suv_peak": "SUVpeak",
    "limit_suv": "Upper limit of normal liver (SUV)",
    "limit_over_liver_mean": "Upper limit / liver mean",
    "liver_suv_mean": "Liver SUVmean",
    "liver_suv_max": "Liver SUVmax",
    "liver_peak_sd_suv": "SD of 1 ml means in liver (SUV)",
    "hottest_place_suv": "Highest 1 ml mean in liver (SUV)",
    "hottest_place_over_liver_mean": "Highest 1 ml mean / liver mean",
    "searched_spheres": "1 ml spheres searched",
    "fraction": "Tumour burden",
    "low": "Lower end of the interval",
    "high": "Upper end of the interval",
    "limit": "Limit",
    "tumour_ml": "Tumour volume",
    "liver_ml": "Liver volume",
    "liver_tumour_ml": "Liver tumour volume",
    "outside_tumour_ml": "Tumour volume outside the liver",
    "outside_lesions": "Lesions outside the liver",
    "liver_share": "Fraction of tumour volume in the liver",
    "liver_share_low": "Lower end of that fraction",
    "liver_share_high": "Upper end of that fraction",
    "size_mm": "Diameter",
    "threshold_mm": "Threshold",
    "diameter_source": "Measured on",
    "lesions_with_pet_extent_only": "Lesions measured on PET only",
    "largest_pet_extent_mm": "Largest extent on PET",
    "least_size_mm": "Lower bound of a lesion's diameter, from uptake",
    "marked_lesions": "Lesions marked by the reader",
    "visible_contrast_hu": "Detectable contrast below liver",
    "at_diameter_mm": "for lesions of",
    "noise_hu": "CT noise",
    "liver_hu": "Liver attenuation",
    "ct_foci": "Focal lesions on CT",
    "candidates": "Candidates without uptake",
    "candidate_label": "Candidate",
    "below_liver_hu": "Attenuation below liver",
    "suspicion": "Suspicion (0 to 1, for sorting)",
    "diameter_mm": "Diameter",
    "entry": "Study entry",
    "window_from": "Window begins",
    "scan": "Scan",
    "prior_scan": "Prior scan",
    "sum_mm": "Sum of diameters",
    "prior_sum_mm": "Sum of diameters, prior scan",
    "increase": "Increase",
    "increase_mm": "Increase in mm",
    "new_lesion": "New lesion",
    "not_measured_on_both": "Not measured on both scans",
    "met_by_20_percent": "Increase of 20 % reached",
    "met_by_20_percent_and_5_mm": "Increase of 20 % and 5 mm reached",
    "5_mm_asked_for": "Increase of 5 mm required",
}
_FRACTIONS = {"fraction", "low", "high", "limit", "increase", "liver_share", "liver_share_low", "liver_share_high"}
# Thresholds of the protocol rather than measurements
_EXACT = {"limit", "threshold_mm", "at_diameter_mm"}
_UNITS = {"_mm": "mm", "_ml": "ml", "_hu": "HU", "_min": "min"}
_WORDS = {
    "ct": "CT",
    "click": "CT, by the reader's click",
    "pet": "PET",
    "reader": "by the reader",
    "low_mode": "lower histogram peak",
}
_LITERAL, _ABOVE = "literal_", "_above_liver_"


def _name(key: str) -> str:
    if key in _NAMES:
        return _NAMES[key]
    if key.startswith(_LITERAL) and _ABOVE in key:
        of_lesion, of_liver = key.removeprefix(_LITERAL).split(_ABOVE, 1)
        return f"A lesion's SUV{of_lesion} > liver SUV{of_liver}"
    plain = key
    for suffix in _UNITS:
        plain = plain.removesuffix(suffix)
    words = [w.upper() if w in {"ct", "pet", "suv"} else w for w in plain.split("_")]
    text = " ".join(words)
    return text[:1].upper() + text[1:]


def evidence_words(key: str, value: Evidence) -> tuple[str, str]:
    """One piece of evidence as people read it: its name, and its value with its unit.

    Examples
    --------
    >>> evidence_words("tumour_ml", 12.34)
    ('Tumour volume', '12.3 ml')
    >>> evidence_words("fraction", 0.1234)
    ('Tumour burden', '12.3 %')
    """
    return _name(key), _value(key, value)


def _value(key: str, value: Evidence) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return _WORDS.get(value, value.replace("_", " "))
    if key in _FRACTIONS:
        return f"{100 * value:g} %" if key in _EXACT else f"{100 * value:.1f} %"
    if "ratio" in key or "over_liver" in key:
        return f"{value:.2f} ×"
    unit = next((unit for suffix, unit in _UNITS.items() if key.endswith(suffix)), "")
    digits = str(value)
    if isinstance(value, float):
        digits = f"{value:g}" if key in _EXACT else f"{value:.1f}"
    return f"{digits} {unit}".strip()


def evidence_rows(verdict: Verdict) -> tuple[Row, ...]:
    """The numbers behind a verdict, each with its name."""
    return tuple(evidence_words(key, value) for key, value in verdict.evidence.items())
