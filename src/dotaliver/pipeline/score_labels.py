"""The second half of the pipeline: from images and masks to the record, without files.

`score_labels` measures what the masks hold, answers the criteria and writes everything into one `StudyScore`.
Where the masks came from (our segmenter, another one, a reader's brush) makes no difference to it.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from dotaliver import __version__
from dotaliver.config.protocol import CriterionId
from dotaliver.config.scoring import ExecutionConfig, ScoringConfig
from dotaliver.criteria.eligibility import judge_all, reason_not_to_judge, with_readers_answers
from dotaliver.criteria.findings import Findings
from dotaliver.criteria.inc4 import with_threshold_flags
from dotaliver.criteria.krenning import graded
from dotaliver.errors import ConfigError
from dotaliver.image.volume import Quantity
from dotaliver.measurement.burden import measure_burden
from dotaliver.measurement.ct_foci import measure_ct_foci, with_ct_foci
from dotaliver.measurement.hotspots import HottestSphere, hottest_sphere
from dotaliver.measurement.lesions import measure_lesions, on_their_slices, with_capsule_distances, with_merging_flags
from dotaliver.measurement.lobes import measure_lobes
from dotaliver.measurement.placement import Placement, place
from dotaliver.measurement.reference import LiverSpheres, References, measure_references
from dotaliver.records.edits import ReaderEdits
from dotaliver.records.flags import Flag, in_protocol, raise_flag
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

__all__ = ["score_labels"]

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
# These follow from what is measured here; a segmenter's own word on them may be overtaken by the reader's edits.
_DERIVED_FLAGS = frozenset(
    {
        "LIVER_VOLUME_UNUSUAL",
        "REFERENCE_BY_READER",
        "REFERENCE_LOW_MODE",
        "REFERENCE_NOISE_ASSUMED",
        "REFERENCE_NOT_FOUND",
        "REFERENCE_SPHERE_SMALL",
        "REFERENCE_UPTAKE_UNUSUAL",
    }
)

# Rounding at a liver's border that touches the PET's is not worth a word.
_UNSEEN_SHARE = 0.01


@dataclass(frozen=True)
class _Answers:
    """What was concluded from the findings."""

    liver: LiverRecord
    lobes: Lobes
    flags: tuple[Flag, ...]
    verdicts: dict[CriterionId, Verdict]


def score_labels(
    volumes: StudyVolumes,
    segmentations: Segmentations,
    edits: ReaderEdits,
    config: ScoringConfig,
    *,
    revises: str | None = None,
    execution: ExecutionConfig = ExecutionConfig(),  # noqa: B008 -- frozen
) -> StudyScore:
    """Measure and judge one study.

    Parameters
    ----------
    volumes : StudyVolumes
        PET (in SUV or relative units) and CT on their own grids.
    segmentations : Segmentations
        Liver, lesions and reference regions, each on the grid that it was drawn on.
    edits : ReaderEdits
        What a reader changed or stated.
    config : ScoringConfig
        Everything that changes the answer.
    revises : str, optional
        ``record_id`` of the record that this one takes the place of.
    execution : ExecutionConfig
        Recorded; it must not change the answer.

    Returns
    -------
    StudyScore
        With its ``record_id``.

    Raises
    ------
    QuantityError
        Where the PET is neither in SUV nor in relative units.
    ConfigError
        Where the edits name a lesion that does not exist, or answer a criterion without reader or reason.
    GeometryError
        Where a reference sphere leaves the PET.

    Examples
    --------
    With the folder of a score, ``score``: the same images and masks give the same burden.

    >>> from pathlib import Path
    >>> from dotaliver.pipeline import rescore
    >>> outcome = rescore(Path("score"))
    >>> again = score_labels(outcome.opened.volumes, outcome.segmentations, ReaderEdits(), outcome.score.config)
    >>> again.burden == outcome.score.burden
    True
    """
    pet = volumes.pet.require(Quantity.SUVBW, Quantity.SUVLBM, Quantity.SUVBSA, Quantity.SUVIBW, Quantity.RELATIVE)
    _check_labels(segmentations, edits)
    placement = place(segmentations, pet.geometry)
    references, spheres = measure_references(pet, segmentations, edits, placement, config)
    lesions = measure_lesions(pet, segmentations, edits, placement, references.liver, config)
    lesions = with_capsule_distances(lesions, placement)
    lesions = with_merging_flags(lesions, pet, placement, config.inc7)
    lesions = on_their_slices(lesions, volumes.identity)
    lesions = with_threshold_flags(lesions, volumes.identity.measured_ct, config)
    if volumes.acquisition.tracer_is_sstr is not False:
        lesions = graded(lesions, references.values, config.krenning)
    foci = measure_ct_foci(volumes, segmentations, edits, placement, references.liver, config)
    burden = measure_burden(pet, segmentations, placement, lesions, references.liver, config.burden)
    burden = with_ct_foci(burden, foci, config.ct_foci.border_uncertainty_mm)
    lobes = measure_lobes(segmentations, placement, lesions, burden)
    liver = _liver_record(segmentations)
    seen = placement.liver_seen if placement.liver is not None else 1.0
    flags = _all_flags(volumes, segmentations, references, liver, config)
    if 1.0 - seen >= _UNSEEN_SHARE:
        flags = _once((*flags, raise_flag("LIVER_PARTLY_OFF_PET", percent=100 * (1.0 - seen))))
    findings = Findings(
        acquisition=volumes.acquisition,
        ct=volumes.identity.measured_ct,
        absolute_suv=pet.quantity is not Quantity.RELATIVE,
        references=references.values,
        lesions=lesions,
        lesions_looked_for=segmentations.lesions is not None,
        liver_found=placement.liver is not None,
        burden=burden,
        hottest=_hottest(segmentations, placement, spheres, references.liver, lesions, config),
        rest_of_body=edits.rest_of_body,
        config=config,
        liver_seen=seen,
        lesions_drawn_on=None if segmentations.lesions is None else segmentations.lesions.drawn_on,
        liver_cut=any(flag.code == "LIVER_CUT_BY_FIELD_OF_VIEW" for flag in flags),
        normal_unsure=any(flag.code == "NORMAL_LIVER_UNSURE" for flag in flags),
        ct_foci=foci,
        ct_search=segmentations.ct_search,
    )
    answers = _Answers(liver, lobes, flags, with_readers_answers(judge_all(findings, flags), edits, config))
    return _record(volumes, segmentations, edits, findings, answers, _provenance(config, execution, revises))


def _check_labels(segmentations: Segmentations, edits: ReaderEdits) -> None:
    layers = (segmentations.lesions, segmentations.ct_foci)
    known = tuple(label for layer in layers if layer is not None for label in layer.labels.labels)
    unknown = [edit.label for edit in edits.lesions if edit.label not in known]
    if unknown:
        there = ", ".join(map(str, known)) or "none"
        msg = f"the edits name lesion {unknown[0]}, which is not in the lesion mask (lesions there: {there})"
        raise ConfigError(msg)


def _hottest(
    segmentations: Segmentations,
    placement: Placement,
    spheres: LiverSpheres | None,
    liver: Reference,
    lesions: tuple[Lesion, ...],
    config: ScoringConfig,
) -> HottestSphere | None:
    if spheres is None or liver.peak_limit is None:
        return None
    dismissed = tuple(lesion.label for lesion in lesions if "not_a_lesion" in lesion.marks)
    layer = segmentations.lesions
    uncertainty = 0.0 if layer is None else layer.border_uncertainty_mm
    return hottest_sphere(placement, spheres, liver.peak_limit, dismissed, uncertainty, config)


def _liver_record(segmentations: Segmentations) -> LiverRecord:
    layer = segmentations.liver
    if layer is None:
        return LiverRecord(
            volume_ml=None, drawn_on=None, reason=segmentations.reasons.get("liver", "the liver was not found")
        )
    return LiverRecord(volume_ml=layer.labels.volume_ml(), drawn_on=layer.drawn_on)


def _all_flags(
    volumes: StudyVolumes,
    segmentations: Segmentations,
    references: References,
    liver: LiverRecord,
    config: ScoringConfig,
) -> tuple[Flag, ...]:
    """Every doubt about the study: of the folder and scan, of the masks, of the numbers; each once."""
    own: list[Flag] = []
    barred = reason_not_to_judge(volumes.acquisition, config)
    if barred is not None and config.assume.judge_other_tracer:
        own.append(raise_flag("JUDGED_ON_REQUEST"))
    segmenters = [flag for flag in segmentations.flags if flag.code not in _DERIVED_FLAGS]
    if liver.volume_ml is None and not any(flag.code == "LIVER_NOT_FOUND" for flag in segmenters):
        segmenters.append(raise_flag("LIVER_NOT_FOUND", reason=liver.reason or "no reason is known"))
    usual = config.liver.volume_range_ml
    if liver.volume_ml is not None and not usual.holds(liver.volume_ml):
        segmenters.append(raise_flag("LIVER_VOLUME_UNUSUAL", ml=liver.volume_ml, low=usual.low, high=usual.high))
    return _once((*volumes.flags, *own, *segmenters, *references.flags))


def _once(flags: Iterable[Flag]) -> tuple[Flag, ...]:
    return tuple(dict.fromkeys(flags))


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
    )


def _segmentation_record(segmentations: Segmentations, complete: bool | None) -> SegmentationRecord:
    layers: dict[MaskName, MaskLayer | None] = {
        "liver": segmentations.liver,
        "lesions": segmentations.lesions,
        "ct_foci": segmentations.ct_foci,
        "ct_lesions": segmentations.ct_lesions,
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
        flags=segmentations.flags,
        ct_search=segmentations.ct_search,
        lobes=segmentations.lobes,
        lesions_complete=complete,
    )


def _lesions_complete(segmentations: Segmentations, edits: ReaderEdits) -> bool | None:
    """Whether the lesion mask holds every lesion of the liver; a reader's statement outranks how it was made."""
    if segmentations.lesions is None:
        return None
    if edits.lesions_complete is not None:
        return edits.lesions_complete
    return segmentations.lesions.completeness != "not_stated"


def _provenance(config: ScoringConfig, execution: ExecutionConfig, revises: str | None) -> Provenance:
    versions: dict[str, str] = {}
    for name in _DEPENDENCIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "absent"
    return Provenance(
        dotaliver_version=__version__,
        python_version=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        dependencies=versions,
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


def _reference_without_suv(reference: Reference) -> Reference:
    names = ("suv_mean", "suv_sd", "suv_max", "peak_sd", "peak_limit")
    return reference.model_copy(update=dict.fromkeys(names))


def _record(
    volumes: StudyVolumes,
    segmentations: Segmentations,
    edits: ReaderEdits,
    findings: Findings,
    answers: _Answers,
    provenance: Provenance,
) -> StudyScore:
    """The record; with relative uptake its SUV fields are empty and its ratios stand."""
    protocol = findings.config.protocol
    lesions = tuple(
        lesion.model_copy(update={"flags": in_protocol(lesion.flags, protocol)}) for lesion in findings.lesions
    )
    foci, references = findings.ct_foci, dict(findings.references)
    if not findings.absolute_suv:
        lesions = tuple(_without_suv(lesion) for lesion in lesions)
        foci = tuple(_focus_without_suv(focus) for focus in foci)
        references = {organ: _reference_without_suv(value) for organ, value in references.items()}
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
        criteria=answers.verdicts,
        flags=in_protocol(answers.flags, protocol),
        segmentation=_segmentation_record(segmentations, _lesions_complete(segmentations, edits)),
        edits=edits,
        config=findings.config,
        provenance=provenance,
    ).with_record_id()
