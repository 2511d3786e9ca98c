"""Small studies with their masks and a score that fits them, for tests of what is exported."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from dotaliver.config.scoring import ExecutionConfig, ScoringConfig
from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import LabelMap, Quantity, Volume
from dotaliver.records.flags import raise_flag
from dotaliver.records.score import LiverRecord, MaskRecord, Provenance, SegmentationRecord, StudyScore
from dotaliver.records.study import (
    Acquisition,
    Burden,
    Diameter,
    Lesion,
    MaskLayer,
    Mismatch,
    ReaderEdits,
    Reference,
    ReferenceRegion,
    Segmentations,
    SeriesIdentity,
    StudyIdentity,
    StudyVolumes,
    Verdict,
)
from dotaliver.suv.arithmetic import DecayCorrection, SuvArithmetic, SuvStep

FRAME = "1.2.3.4.5"
STUDY_UID = "1.2.3.1"
# A diagnostic CT of the same patient: another study, another frame of reference.
DIAGNOSTIC_FRAME, DIAGNOSTIC_STUDY_UID, DIAGNOSTIC_SERIES_UID = "1.2.3.4.77", "1.2.3.2.77", "1.2.3.11.77"


@dataclass(frozen=True)
class Case:
    volumes: StudyVolumes
    segmentations: Segmentations
    score: StudyScore


def ball(grid: Geometry, centre: tuple[float, float, float], radius_mm: float) -> np.ndarray:
    index = np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij"), axis=-1)
    distance = np.linalg.norm(grid.index_to_lps(index) - np.asarray(centre), axis=-1)
    return np.asarray(distance <= radius_mm)


def axial(shape: tuple[int, int, int], spacing: tuple[float, float, float], centre=(0.0, 0.0, 0.0)) -> Geometry:
    """An axial grid around a centre: slices towards the head, rows to the back, columns to the left."""
    first = np.asarray(centre) - 0.5 * (np.asarray(shape)[::-1] - 1) * np.asarray(spacing)[::-1]
    return Geometry(shape, tuple(first), spacing, ((0, 0, 1), (0, 1, 0), (1, 0, 0)), FRAME)  # type: ignore[arg-type]


def series(modality: str, grid: Geometry, description: str) -> SeriesIdentity:
    return SeriesIdentity(
        modality=modality,  # type: ignore[arg-type]
        series_instance_uid=f"1.2.3.{10 if modality == 'CT' else 20}",
        series_number=2,
        description=description,
        frame_of_reference_uid=FRAME,
        shape=grid.shape,
        spacing_mm=grid.spacing_mm,
        sop_instance_uids=tuple(f"1.2.3.9.{n}" for n in range(grid.shape[0])),
        pixel_sha256="ab" * 32,
        chosen_because="the only one",
    )


VERDICTS: dict[str, dict[str, Any]] = {
    "INC7": {"verdict": "met", "effect": "supports", "scope": "body", "liver_finding": "met"},
    "EXC4": {"verdict": "not_met", "effect": "supports", "scope": "liver", "liver_finding": "not_met"},
    "INC4": {"verdict": "indeterminate", "effect": "undecided", "scope": "body", "liver_finding": "indeterminate"},
    "INC6": {"verdict": "not_evaluable", "effect": "undecided", "scope": "body", "liver_finding": None},
    "EXC6": {"verdict": "indeterminate", "effect": "undecided", "scope": "body", "liver_finding": "not_met"},
    "DOM": {"verdict": "not_evaluable", "effect": "undecided", "scope": "body", "liver_finding": None},
}


def verdicts(**changes: dict[str, Any]) -> dict[str, Verdict]:
    return {
        key: Verdict(
            criterion=key,  # type: ignore[arg-type]
            **{
                "reason": f"The reason of {key} stands here.",
                "evidence": {"suv_peak": 12.34},
                **base,
                **changes.get(key, {}),
            },
        )
        for key, base in VERDICTS.items()
    }


def lesion(label: int, centroid: tuple[float, float, float], **changes: Any) -> Lesion:
    values: dict[str, Any] = {
        "label": label, "in_liver": True, "liver_share": 0.95, "suv_max": 20.5, "suv_mean": 12.25, "suv_peak": 17.0,
        "suv_peak_centre_lps_mm": centroid, "volume_ml": 4.0, "total_uptake": 49.0, "ratio_to_liver": 3.4,
        "max_ratio_to_liver": 4.1, "mean_ratio_to_liver": 2.45, "krenning": "≥3", "longest_diameter_mm": 21.0,
        "short_axis_mm": 18.0, "diameter_source": "ct", "diameter": None, "pet_extent_mm": 24.0,
        "centroid_lps_mm": centroid,
    }  # fmt: skip
    return Lesion(**(values | changes))


def suv() -> SuvArithmetic:
    return SuvArithmetic(
        decay_correction=DecayCorrection.START,
        weight_kg=70.0,
        dose_bq=1.5e8,
        half_life_s=4062.6,
        injection=datetime(2024, 3, 1, 9, 0),
        reference=datetime(2024, 3, 1, 10, 0),
        elapsed_s=3600.0,
        slope_per_bqml=8.6e-4,
        steps=(SuvStep(quantity="Body weight", value="70 kg", source="Patient's Weight (0010,1030)"),),
    )


def score_for(volumes: StudyVolumes, segmentations: Segmentations, **changes: Any) -> StudyScore:
    """A record with plausible numbers for these masks."""
    layer = segmentations.lesions
    lesions = []
    if layer is not None:
        for label in layer.labels.labels:
            where = np.argwhere(layer.labels.where(label)).mean(axis=0)
            middle = tuple(float(c) for c in layer.labels.geometry.index_to_lps(where))
            lesions.append(lesion(label, middle, volume_ml=layer.labels.volume_ml(label)))
    liver = segmentations.liver
    liver_ml = liver.labels.volume_ml() if liver else None
    tumour_ml = layer.labels.volume_ml() if layer else None
    share = tumour_ml / liver_ml if tumour_ml is not None and liver_ml else None
    masks = tuple(
        MaskRecord(name=name, origin=m.origin, drawn_on=m.drawn_on, border_uncertainty_mm=m.border_uncertainty_mm,
                   labels=m.labels.labels, shape=m.labels.geometry.shape, sha256=m.labels.sha256(),
                   origin_lps_mm=m.labels.geometry.origin_lps_mm, spacing_mm=m.labels.geometry.spacing_mm)
        for name, m in (("liver", liver), ("lesions", layer)) if m is not None
    )  # fmt: skip
    relative = volumes.pet.quantity == Quantity.RELATIVE
    values: dict[str, Any] = {
        "study": volumes.identity,
        "acquisition": volumes.acquisition,
        "uptake_unit": volumes.pet.quantity.value,
        "suv": None if relative else volumes.suv,
        "references": {
            "liver": Reference(organ="liver", method="sphere", suv_mean=5.0, suv_sd=0.6, volume_ml=14.1,
                               centre_lps_mm=(0, 0, 0), diameter_mm=30.0, peak_sd=0.3, peak_limit=6.2)
        },
        "liver": LiverRecord(volume_ml=liver_ml, drawn_on=liver.drawn_on if liver else None,
                             reason=None if liver else "no liver was found"),
        "burden": Burden(fraction=share, low=share and share * 0.8, high=share and min(1, share * 1.2),
                         tumour_ml=tumour_ml, liver_ml=liver_ml, reason=None if share else "no liver was found"),
        "lesions": tuple(lesions),
        "criteria": verdicts(),
        "flags": (raise_flag("SLICES_THICK", modality="CT", mm=6.0, limit=5.0),
                  raise_flag("WEIGHT_ASSUMED", kg=70.0)),
        "segmentation": SegmentationRecord(segmenter="petct", masks=masks, mismatch=segmentations.mismatch,
                                           references={}, reasons=dict(segmentations.reasons),
                                           flags=segmentations.flags),
        "edits": ReaderEdits(),
        "config": ScoringConfig(),
        "provenance": Provenance(dotaliver_version="0.1.0", python_version="3.11", platform="test",
                                 dependencies={"numpy": "2.0"}, scored_at=datetime(2024, 3, 2, tzinfo=UTC),
                                 execution=ExecutionConfig(), config_sha256="cd" * 32),
    }  # fmt: skip
    return StudyScore(**(values | changes)).with_record_id()


def small_case(
    *,
    ct: bool = True,
    liver: bool = True,
    lesions: bool = True,
    relative: bool = False,
    shift: tuple[float, float, float] = (0.0, 0.0, -6.0),
    description: str = "PET of the abdomen",
    **changes: Any,
) -> Case:
    """A ball of a liver at the patient's right with two hot lesions; the PET lies by `shift` off the CT."""
    pet_grid, ct_grid = axial((24, 32, 32), (4.0, 5.0, 5.0)), axial((20, 40, 40), (5.0, 4.0, 4.0))
    body = ball(pet_grid, (0, 0, 0), 75)
    liver_on_pet = ball(pet_grid, tuple(np.add((-20, 0, 0), shift)), 35)  # type: ignore[arg-type]
    pet = np.where(body, 1.0, 0.0).astype(np.float32)
    pet[liver_on_pet] = 5.0
    labels = np.zeros(pet_grid.shape, np.uint16)
    for label, centre in ((2, (-30.0, -10.0, 5.0)), (5, (-10.0, 10.0, -8.0))):
        labels[ball(pet_grid, tuple(np.add(centre, shift)), 9)] = label  # type: ignore[arg-type]
    if not lesions:
        labels[:] = 0
    pet[labels > 0] = 18.0
    hu = np.where(ball(ct_grid, (0, 0, 0), 75), 40, -1000).astype(np.int16)
    quantity = Quantity.RELATIVE if relative else Quantity.SUVBW
    identity = StudyIdentity(
        study_instance_uid=STUDY_UID,
        study_date="2024-03-01",
        study_description="NET staging",
        pet=series("PT", pet_grid, description),
        ct=series("CT", ct_grid, "CT portal venous") if ct else None,
    )
    acquisition = Acquisition(
        manufacturer="ACME", model="Ring 1", tracer="68Ga-DOTATATE", tracer_is_sstr=True, nuclide="68Ga",
        injected_activity_mbq=150.0, uptake_time_min=60.0, patient_weight_kg=70.0, units="BQML",
    )  # fmt: skip
    volumes = StudyVolumes(
        pet=Volume(pet, pet_grid, quantity),
        ct=Volume(hu, ct_grid, Quantity.HU) if ct else None,
        identity=identity,
        acquisition=acquisition,
        suv=suv(),
    )
    liver_grid = ct_grid if ct else pet_grid
    centre = (-20.0, 0.0, 0.0) if ct else tuple(np.add((-20, 0, 0), shift))
    segmentations = Segmentations(
        segmenter="petct",
        liver=MaskLayer(LabelMap(ball(liver_grid, centre, 35), liver_grid), "ct" if ct else "pet", "petct", 1.5)
        if liver
        else None,
        lesions=MaskLayer(LabelMap(labels, pet_grid), "pet", "petct", 1.5),
        references=(
            ReferenceRegion("liver", "sphere", tuple(float(c) for c in np.add((-25, 15, 10), shift)), 15.0),  # type: ignore[arg-type]
            ReferenceRegion("spleen", "none", reason="no spleen was found"),
        ),
        mismatch=Mismatch(shift_lps_mm=shift, method="test") if ct else None,
        reasons={} if liver else {"liver": "no liver was found"},
    )
    return Case(volumes, segmentations, score_for(volumes, segmentations, **changes))


def with_diagnostic_ct(case: Case) -> Case:
    """The case with a diagnostic CT, on which lesion 2 is outlined and measured, 40 mm off in every direction."""
    grid = replace(axial((16, 50, 50), (5.0, 3.0, 3.0), (40.0, 40.0, 40.0)), frame_of_reference_uid=DIAGNOSTIC_FRAME)
    labels = np.zeros(grid.shape, np.uint16)
    labels[7:10, 20:27, 20:26] = 2
    uids = tuple(f"1.2.3.50.77.{n}" for n in range(grid.shape[0]))
    identity = series("CT", grid, "CT arterial").model_copy(
        update={"series_instance_uid": DIAGNOSTIC_SERIES_UID, "sop_instance_uids": uids,
                "frame_of_reference_uid": DIAGNOSTIC_FRAME, "series_number": 77}
    )  # fmt: skip
    ends = [tuple(float(c) for c in grid.index_to_lps((8, 20, i))) for i in (20, 25)]
    diameter = Diameter(
        longest_mm=15.0, short_mm=None, source="ct", long_axis_lps_mm=(ends[0], ends[1]), inside_mm=40 / 3,
        inside_axis_lps_mm=(ends[0], ends[1]), slice_index=8, series_instance_uid=DIAGNOSTIC_SERIES_UID,
        sop_instance_uid=uids[8],
    )  # fmt: skip
    first, *others = case.score.lesions
    measured = first.model_copy(
        update={"diameter": diameter, "longest_diameter_mm": 15.0, "short_axis_mm": None, "ct_volume_ml": 17 / 3}
    )
    study = case.score.study.model_copy(update={"recist_ct": identity})
    score = case.score.model_copy(update={"study": study, "lesions": (measured, *others)}).with_record_id()
    ct = Volume(np.full(grid.shape, 40, np.int16), grid, Quantity.HU)
    return Case(
        replace(case.volumes, recist_ct=ct, identity=study),
        replace(case.segmentations, ct_lesions=MaskLayer(LabelMap(labels, grid), "ct", "petct", 1.5)),
        score,
    )


def on_grid(case: Case, grid: Geometry) -> Case:
    """The same voxels on another grid of the PET's shape (without CT)."""
    volumes = replace(case.volumes, pet=replace(case.volumes.pet, geometry=grid), ct=None)
    seg = case.segmentations
    assert seg.lesions is not None
    lesions = replace(seg.lesions, labels=LabelMap(seg.lesions.labels.array, grid))
    sphere = replace(seg.references[0], centre_lps_mm=tuple(grid.index_to_lps((12, 16, 20))), diameter_mm=24.0)
    segmentations = replace(seg, lesions=lesions, liver=None, references=(sphere,), mismatch=None)
    return Case(volumes, segmentations, score_for(volumes, segmentations))
