"""A proposal of the SSTR-RADS 1.0 category of a lesion outside the liver (Werner et al., J Nucl Med 2018;59:1085).

The scale grades uptake in three levels: 1 not above the blood pool, 2 above the blood pool and not above liver, 3 above
liver. The categories proposed here are those that place and uptake decide:

* 2, likely benign: uptake of level 1 or 2 where physiology explains it;
* 3A and 3B, equivocal: uptake of level 1 or 2, in soft tissue (mostly nodes) and in bone;
* 3C: uptake of level 3 at a site that is atypical for metastases of neuroendocrine tumours;
* 4: uptake of level 3 at a typical site; 5: the same with a finding on CT that a reader measured there.

Uptake of level 3 that physiology explains has no category: it may be normal, and no uptake makes it likely benign.
3D (suspicious on CT without uptake) is not found on a PET, and 1A and 1B (benign for certain) are for a reader: a
rejected candidate has no category.
"""

from __future__ import annotations

from collections.abc import Mapping

from dotaliver.records.body import FocusOrgan, Likely
from dotaliver.records.body_record import SstrRads
from dotaliver.records.measurements import Reference

__all__ = ["sstr_rads", "uptake_level"]

# Where neuroendocrine tumours commonly lie or spread to.
_TYPICAL: frozenset[FocusOrgan] = frozenset({"bone", "lymph_node", "lung", "peritoneum", "pancreas"})


def uptake_level(suv_peak: float | None, references: Mapping[str, Reference]) -> int | None:
    """Level of uptake, 1 to 3, against the means of blood pool and normal liver.

    Level 3 is uptake above the upper limit of normal liver for 1 ml. None where uptake or normal liver is unknown, or
    the blood pool where it decides.
    """
    liver, blood = references["liver"], references.get("blood_pool")
    if suv_peak is None or liver.peak_limit is None:
        return None
    if suv_peak > liver.peak_limit:
        return 3
    if blood is None or blood.suv_mean is None:
        return None
    return 1 if suv_peak <= blood.suv_mean else 2


def sstr_rads(
    suv_peak: float | None,
    references: Mapping[str, Reference],
    organ: FocusOrgan,
    likely: Likely,
    *,
    measured_on_ct: bool = False,
) -> SstrRads | None:
    """Propose a category; None where the level of uptake is unknown.

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
    measured_on_ct : bool
        Whether a reader measured it on CT.
    """
    level = uptake_level(suv_peak, references)
    if level is None:
        # Not above liver: which of the lower levels does not matter.
        liver = references["liver"].peak_limit
        if suv_peak is None or liver is None:
            return None
        level = 2
    if level < 3:
        if likely == "physiological":
            return "2"
        return "3B" if organ == "bone" else "3A"
    if likely == "physiological":
        return None
    if organ not in _TYPICAL:
        return "3C"
    return "5" if measured_on_ct else "4"
