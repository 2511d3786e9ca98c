"""The modified Krenning grade of a lesion on PET.

The scale: 0 no uptake, 1 much lower than liver, 2 slightly less than or equal to liver, 3 greater than liver,
4 greater than spleen. Readers grade by eye; here SUVpeak represents a lesion's uptake and the borders between
grades are numbers from `KrenningConfig`:

* 0: not above the blood pool's mean; where that is unknown, not above ``none_ratio`` × the liver's mean;
* 1: below ``similar_ratio`` × the liver's mean, that is, lower by more than a repeated scan would differ;
* 2: up to U, the upper limit of normal liver;
* 3: above U; 4: also above the spleen's mean. Without a spleen reference, 3 and 4 cannot be distinguished: "≥3".
"""

from __future__ import annotations

from collections.abc import Mapping

from dotaliver.config.criteria import KrenningConfig
from dotaliver.records.measurements import Reference

__all__ = ["krenning_grade"]


def krenning_grade(suv_peak: float | None, references: Mapping[str, Reference], config: KrenningConfig) -> str | None:
    """Grade a lesion; None where it has no uptake value or there is no normal liver."""
    liver = references["liver"]
    if suv_peak is None or liver.suv_mean is None or liver.peak_limit is None:
        return None
    if suv_peak > liver.peak_limit:
        spleen = _mean(references, "spleen")
        if spleen is None:
            return "≥3"
        return "4" if suv_peak > spleen else "3"
    blood = _mean(references, "blood_pool")
    if suv_peak <= (config.none_ratio * liver.suv_mean if blood is None else blood):
        return "0"
    return "1" if suv_peak < config.similar_ratio * liver.suv_mean else "2"


def _mean(references: Mapping[str, Reference], organ: str) -> float | None:
    reference = references.get(organ)
    return None if reference is None else reference.suv_mean
