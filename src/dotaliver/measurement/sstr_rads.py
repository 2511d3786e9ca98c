"""A proposal of the SSTR-RADS 1.0 category of a lesion outside the liver (Werner et al., J Nucl Med 2018;59:1085).

The scale grades uptake in three levels: 1 not above the blood pool, 2 above the blood pool and not above liver, 3 above
liver. `SSTR_RADS` holds the rule of each category. Those that place and uptake decide are proposed; the others are the
reader's (1A and 1B: benign for certain) or have no uptake to be found by (3D, which exclusion 6 offers).

Uptake of level 3 that physiology explains has no category: it may be normal, and no uptake makes it likely benign. A
rejected candidate has none either.
"""

from __future__ import annotations

from collections.abc import Mapping

from dotaliver.records.body import FocusOrgan, Likely
from dotaliver.records.body_record import SstrRads
from dotaliver.records.measurements import Reference

__all__ = ["SSTR_RADS", "sstr_rads"]

SSTR_RADS: Mapping[str, str] = {
    "1A": "benign by biopsy or by its appearance on CT or MR, without abnormal uptake",
    "1B": "benign by biopsy or by its appearance on CT or MR, with abnormal uptake",
    "2": "likely benign: uptake not above liver at a site that is atypical for metastases, or that physiology explains",
    "3A": "equivocal: uptake not above liver in soft tissue at a typical site",
    "3B": "equivocal: uptake not above liver in bone",
    "3C": "uptake above liver at a site that is atypical for metastases: another tumour or a benign lesion is likely",
    "3D": "suspicious on CT or MR, without uptake",
    "4": "uptake above liver at a typical site, without a finding on CT",
    "5": "uptake above liver at a typical site, with a finding on CT",
}
"""What each category means."""

# Where neuroendocrine tumours commonly lie or spread to, and nodes that they seldom reach.
_TYPICAL: frozenset[FocusOrgan] = frozenset({"bone", "lymph_node", "lung", "peritoneum", "pancreas"})
_ATYPICAL_NODES = ("axillary", "inguinal")


def sstr_rads(
    suv_peak: float | None,
    references: Mapping[str, Reference],
    organ: FocusOrgan,
    likely: Likely,
    *,
    region: str = "",
    measured_on_ct: bool = False,
) -> SstrRads | None:
    """Propose a category; None where the level of uptake is unknown or the category is the reader's.

    Parameters
    ----------
    suv_peak : float or None
        Highest 1 ml mean, in the unit of the references.
    references : mapping
        Normal liver and blood pool.
    organ : str
        Where it lies.
    likely : str
        What the search takes it for.
    region : str
        Which nodes, such as "lymph node, axillary, left".
    measured_on_ct : bool
        Whether it was measured on CT.
    """
    liver = references["liver"].peak_limit
    if suv_peak is None or liver is None:
        return None
    typical = organ in _TYPICAL and not any(word in region for word in _ATYPICAL_NODES)
    # Which of the two lower levels it is decides nothing.
    if suv_peak <= liver:
        if likely == "physiological" or not typical:
            return "2"
        return "3B" if organ == "bone" else "3A"
    if likely == "physiological":
        return None
    if not typical:
        return "3C"
    return "5" if measured_on_ct else "4"
