"""One row of the cohort per study, and one per lesion, from a study's record."""

from __future__ import annotations

from dotaliver.batch.records import Row
from dotaliver.records.body_record import BodyRecord
from dotaliver.records.measurements import Lesion
from dotaliver.records.score import StudyScore

__all__ = ["lesion_rows", "study_row"]


def study_row(score: StudyScore) -> Row:
    """Row of the cohort's table for a study: plain values under names with units, None where unknown."""
    row: Row = {
        "study_date": score.study.study_date,
        "tracer": score.acquisition.tracer,
        "nuclide": score.acquisition.nuclide,
        "manufacturer": score.acquisition.manufacturer,
        "model": score.acquisition.model,
        "has_ct": score.study.ct is not None,
        "analogue": score.config.assume.analogue,
        "uptake_unit": score.uptake_unit,
    }
    for criterion, verdict in score.criteria.items():
        row |= {
            f"{criterion}_verdict": verdict.verdict,
            f"{criterion}_effect": verdict.effect,
            f"{criterion}_liver_finding": verdict.liver_finding,
            f"{criterion}_status": verdict.status,
        }
    burden, lesions = score.burden, score.lesions
    row |= {
        "burden_fraction": burden.fraction,
        "burden_low": burden.low,
        "burden_high": burden.high,
        "tumour_ml": burden.tumour_ml,
        "liver_ml": burden.liver_ml,
        "lesions": len(lesions),
        "lesions_in_liver": sum(lesion.in_liver is True for lesion in lesions),
        "lesion_volume_ml": sum(lesion.volume_ml for lesion in lesions),
        "ct_candidates": len(score.ct_foci),
    }
    row |= _body(score.body)
    for name in ("suv_max", "suv_peak", "ratio_to_liver", "longest_diameter_mm"):
        row[f"highest_{name}"] = _highest(lesions, name)
    row["total_uptake"] = _total(lesions)
    for organ in ("liver", "spleen", "blood_pool"):
        reference = score.references.get(organ)
        row[f"{organ}_suv_mean"] = None if reference is None else reference.suv_mean
        row[f"{organ}_suv_sd"] = None if reference is None else reference.suv_sd
        row[f"{organ}_method"] = None if reference is None else reference.method
    return row | {
        "flags": "; ".join(sorted({flag.code for flag in score.flags})),
        "segmenter": score.segmentation.segmenter,
        "protocol": score.config.protocol.id,
        "amendment": score.config.protocol.amendment,
        "record_id": score.record_id,
        "revises": score.provenance.revises,
        "config_sha256": score.provenance.config_sha256,
        "dotaliver_version": score.provenance.dotaliver_version,
        "scored_at": score.provenance.scored_at.isoformat(timespec="seconds"),
    }


def _highest(lesions: tuple[Lesion, ...], name: str) -> float | None:
    return max((value for lesion in lesions if (value := getattr(lesion, name)) is not None), default=None)


def _total(lesions: tuple[Lesion, ...]) -> float | None:
    """Uptake times volume over all lesions; None where one of them has none."""
    values = [lesion.total_uptake for lesion in lesions]
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def _body(body: BodyRecord | None) -> Row:
    """What is known outside the liver; every column for every study."""
    sums = None if body is None else body.sums
    states = [] if body is None else [lesion.state for lesion in body.lesions if lesion.same_as_lesion is None]
    highest, lowest = (None, None) if sums is None else (sums.highest_uptake, sums.lowest_uptake)
    return {
        "body_scope": None if body is None else body.scope,
        "body_candidates": None if body is None else states.count("unanswered"),
        "body_confirmed": None if body is None else states.count("accepted") + states.count("added"),
        "body_rejected": None if body is None else states.count("rejected"),
        "sstr_tumour_ml": None if sums is None else sums.tumour_volume_ml,
        "total_receptor_expression": None if sums is None else sums.total_receptor_expression,
        "highest_lesion_suv_mean": None if highest is None else highest.suv_mean,
        "lowest_lesion_suv_mean": None if lowest is None else lowest.suv_mean,
        "netter1_burden_band": None if sums is None else sums.liver_burden_band,
    }


def lesion_rows(score: StudyScore) -> tuple[Row, ...]:
    """Numbers of every lesion, one row each."""
    return tuple(_lesion_row(lesion) for lesion in score.lesions)


def _lesion_row(lesion: Lesion) -> Row:
    row: Row = {}
    for name, value in lesion.model_dump(mode="json").items():
        if name == "centroid_lps_mm":
            row |= {f"centroid_{axis}_mm": part for axis, part in zip("xyz", value, strict=True)}
        elif name == "flags":
            row[name] = "; ".join(flag.code for flag in lesion.flags)
        elif name == "marks":
            row[name] = "; ".join(value)
        elif not isinstance(value, dict | list):
            row[name] = value
    return row
