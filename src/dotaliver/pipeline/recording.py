"""The record of a score: masks, findings and answers in the words of ``score.json``."""

from __future__ import annotations

import dataclasses
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from dotaliver import __version__
from dotaliver.config.protocol import CriterionId, TrialProtocol
from dotaliver.config.scoring import ExecutionConfig, ScoringConfig
from dotaliver.criteria.findings import Findings
from dotaliver.records.body import BodySearch
from dotaliver.records.body_record import BodyRecord, FocusRecord, OrganRecord, SearchRecord
from dotaliver.records.edits import ReaderEdits
from dotaliver.records.flags import Flag, in_protocol
from dotaliver.records.masks import MaskLayer, Segmentations
from dotaliver.records.measurements import CtFocus, Lesion, Lobes, Reference
from dotaliver.records.score import (
    LiverRecord,
    MaskName,
    MaskRecord,
    Provenance,
    ReferenceSource,
    SegmentationRecord,
    StudyScore,
)
from dotaliver.records.study import StudyVolumes
from dotaliver.records.verdicts import Verdict

__all__ = ["Answers", "provenance_of", "record_of"]

_DEPENDENCIES = (
    "SimpleITK",
    "connected-components-3d",
    "edt",
    "highdicom",
    "numpy",
    "pydantic",
    "pydicom",
    "scikit-image",
    "scipy",
)


@dataclass(frozen=True)
class Answers:
    """What was concluded from the findings."""

    liver: LiverRecord
    lobes: Lobes
    flags: tuple[Flag, ...]
    verdicts: dict[CriterionId, Verdict]


def _mask_record(name: MaskName, layer: MaskLayer) -> MaskRecord:
    grid = layer.labels.geometry
    return MaskRecord(
        name=name,
        origin=layer.origin,
        drawn_on=layer.drawn_on,
        border_uncertainty_mm=layer.border_uncertainty_mm,
        labels=layer.labels.labels,
        shape=grid.shape,
        origin_lps_mm=grid.origin_lps_mm,
        spacing_mm=grid.spacing_mm,
        sha256=layer.labels.sha256(),
        completeness=layer.completeness if name == "lesions" else None,
        borders={label: layer.borders[label] for label in layer.labels.labels if label in layer.borders},
    )


def _segmentation_record(segmentations: Segmentations, complete: bool | None, *, absolute: bool) -> SegmentationRecord:
    layers: dict[MaskName, MaskLayer | None] = {
        "liver": segmentations.liver,
        "lesions": segmentations.lesions,
        "ct_foci": segmentations.ct_foci,
        "ct_lesions": segmentations.ct_lesions,
        "body": None if segmentations.body is None else segmentations.body.mask,
        "body_on_ct": segmentations.body_on_ct,
    }
    return SegmentationRecord(
        segmenter=segmentations.segmenter,
        masks=tuple(_mask_record(name, layer) for name, layer in layers.items() if layer is not None),
        mismatch=segmentations.mismatch,
        references={
            region.organ: ReferenceSource(
                method=region.method,
                centre_lps_mm=region.centre_lps_mm,
                diameter_mm=region.diameter_mm,
                reason=region.reason,
            )
            for region in segmentations.references
        },
        reasons=dict(segmentations.reasons),
        unseen_on_ct=dict(segmentations.unseen_on_ct),
        clicked=dict(segmentations.clicked),
        recist_registration=segmentations.recist_registration,
        flags=segmentations.flags,
        ct_search=segmentations.ct_search,
        lobes=segmentations.lobes,
        lesions_complete=complete,
        body=None if segmentations.body is None else _search_record(segmentations.body, absolute=absolute),
    )


def _search_record(search: BodySearch, *, absolute: bool) -> SearchRecord:
    return SearchRecord(
        foci=tuple(FocusRecord(**dataclasses.asdict(focus)) for focus in search.foci),
        organs=tuple(
            OrganRecord(
                name=organ.name,
                volume_ml=organ.volume_ml,
                suv_max=organ.suv_max if absolute else None,
                centre_lps_mm=organ.centre_lps_mm,
            )
            for organ in search.organs
        ),
        parts=search.coverage.parts,
        missing=search.coverage.missing,
        has_ct=search.has_ct,
    )


@cache
def _version_of(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def provenance_of(config: ScoringConfig, execution: ExecutionConfig, revises: str | None) -> Provenance:
    """Versions, settings and time of a score."""
    return Provenance(
        dotaliver_version=__version__,
        python_version=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        dependencies={name: _version_of(name) for name in _DEPENDENCIES},
        scored_at=datetime.now(UTC),
        execution=execution,
        config_sha256=config.sha256(),
        revises=revises,
    )


def _without_suv(lesion: Lesion) -> Lesion:
    empty = {"suv_max": None, "suv_mean": None, "suv_peak": None, "total_uptake": None}
    return lesion.model_copy(update=empty)


def _focus_without_suv(focus: CtFocus) -> CtFocus:
    return focus.model_copy(update={"suv_mean": None})


def _body_in_protocol(body: BodyRecord, protocol: TrialProtocol) -> BodyRecord:
    lesions = tuple(x.model_copy(update={"flags": in_protocol(x.flags, protocol)}) for x in body.lesions)
    return body.model_copy(update={"lesions": lesions})


def _body_without_suv(body: BodyRecord) -> BodyRecord:
    """The same without SUVs; ratios stay."""
    empty = {"suv_max": None, "suv_mean": None, "suv_peak": None, "total_uptake": None}
    sums = body.sums
    organs = {
        name: organ.model_copy(update={"total_receptor_expression": None}) for name, organ in sums.by_organ.items()
    }
    ends = {
        name: None if value is None else value.model_copy(update={"suv_mean": None})
        for name, value in (("highest_uptake", sums.highest_uptake), ("lowest_uptake", sums.lowest_uptake))
    }
    changes = {"total_receptor_expression": None, "by_organ": organs, "activity_in_tumour": None, **ends}
    lesions = tuple(lesion.model_copy(update=empty) for lesion in body.lesions)
    return body.model_copy(update={"lesions": lesions, "sums": sums.model_copy(update=changes)})


def _reference_without_suv(reference: Reference) -> Reference:
    names = ("suv_mean", "suv_sd", "suv_max", "peak_sd", "peak_limit")
    return reference.model_copy(update=dict.fromkeys(names))


def record_of(
    volumes: StudyVolumes,
    segmentations: Segmentations,
    edits: ReaderEdits,
    findings: Findings,
    answers: Answers,
    provenance: Provenance,
) -> StudyScore:
    """Make the record; with relative uptake its SUV fields are empty and its ratios are kept."""
    protocol = findings.config.protocol
    lesions = tuple(
        lesion.model_copy(update={"flags": in_protocol(lesion.flags, protocol)}) for lesion in findings.lesions
    )
    foci, references = findings.ct_foci, dict(findings.references)
    body = None if findings.body is None else _body_in_protocol(findings.body, protocol)
    if not findings.absolute_suv:
        lesions = tuple(_without_suv(lesion) for lesion in lesions)
        foci = tuple(_focus_without_suv(focus) for focus in foci)
        references = {organ: _reference_without_suv(value) for organ, value in references.items()}
        body = None if body is None else _body_without_suv(body)
    complete = None if segmentations.lesions is None else findings.lesions_complete
    return StudyScore(
        study=volumes.identity,
        acquisition=volumes.acquisition,
        uptake_unit=str(volumes.pet.quantity),
        suv=volumes.suv,
        references=references,
        liver=answers.liver,
        burden=findings.burden,
        lobes=answers.lobes,
        lesions=lesions,
        ct_foci=foci,
        body=body,
        netpet=findings.netpet,
        criteria=answers.verdicts,
        flags=in_protocol(answers.flags, protocol),
        segmentation=_segmentation_record(segmentations, complete, absolute=findings.absolute_suv),
        edits=edits,
        config=findings.config,
        provenance=provenance,
    ).with_record_id()
