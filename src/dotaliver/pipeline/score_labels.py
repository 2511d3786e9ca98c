"""The second half of the pipeline: from images and masks to the record, without files.

`score_labels` measures what the masks hold, checks what a reader states, answers the criteria and writes everything
into one `StudyScore`. Where the masks came from (our segmenter, another one, a reader's brush) makes no difference.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from dotaliver.config.scoring import ExecutionConfig, ScoringConfig
from dotaliver.criteria.eligibility import judge_all, reason_not_to_judge, with_readers_answers
from dotaliver.criteria.findings import Findings, place_in_words
from dotaliver.errors import ConfigError, SuvError
from dotaliver.image.volume import Quantity
from dotaliver.measurement.body import OfTheLiver, measure_body
from dotaliver.measurement.burden import measure_burden
from dotaliver.measurement.cold_places import cold_place, cold_places_ml, with_possible_tumour
from dotaliver.measurement.ct_foci import measure_ct_foci, with_ct_foci
from dotaliver.measurement.dominance import measure_dominance
from dotaliver.measurement.fdg_statements import require_fdg_supported
from dotaliver.measurement.hotspots import HottestSpheres, hottest_spheres
from dotaliver.measurement.lesions import measure_lesions
from dotaliver.measurement.lobes import measure_lobes
from dotaliver.measurement.netpet import OfTheScoredStudy, measure_netpet
from dotaliver.measurement.outline_dispute import lesions_in_dispute, normal_in_dispute, with_second_outline
from dotaliver.measurement.placement import Placement, place
from dotaliver.measurement.reference import LiverSpheres, References, measure_references
from dotaliver.measurement.statements import require_consistent, require_known
from dotaliver.measurement.statements_on_images import Measured, require_supported
from dotaliver.measurement.tumour_by_level import share_by_level, with_unoutlined
from dotaliver.measurement.unsure_normal import usual_uptake, with_higher_normal, with_unsure_normal
from dotaliver.pipeline.faint_place import find_faint_place
from dotaliver.pipeline.recording import Answers, provenance_of, record_of
from dotaliver.records.edits import ReaderEdits
from dotaliver.records.flags import Flag, raise_flag
from dotaliver.records.liver_audit import LiverAudit
from dotaliver.records.masks import Segmentations
from dotaliver.records.measurements import Lesion, Reference
from dotaliver.records.netpet import NetpetRecord
from dotaliver.records.score import LiverRecord, StudyScore
from dotaliver.records.study import StudyVolumes
from dotaliver.segmentation.audit.audit import audit_liver
from dotaliver.segmentation.coarse import coarse_of
from dotaliver.segmentation.liver.parenchyma import background_uptake
from dotaliver.suv.body_size import Body, Normalisation, body_size

__all__ = ["score_labels"]

# These follow from what is measured here; a segmenter's own word on them may be overtaken by the reader's edits.
_DERIVED_FLAGS = frozenset(
    {
        "LIVER_VOLUME_UNUSUAL",
        "NORMAL_LIVER_SCATTER_IMPLAUSIBLE",
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
        Where the edits contradict each other or the images, speak of what is not there, or are not signed.
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
    require_consistent(edits)
    require_known(edits, segmentations, config.protocol)
    placement = place(segmentations, pet.geometry)
    suvbw_per_unit = _suvbw_per_unit(volumes, config)
    references, spheres = measure_references(pet, segmentations, edits, placement, config, suvbw_per_unit)
    lesions = measure_lesions(volumes, segmentations, edits, placement, references.values, config)
    comparison = audit_liver(volumes, segmentations, config)
    disputed = lesions_in_dispute(segmentations, comparison)
    lesions = tuple(_flagged(lesion) if lesion.label in disputed else lesion for lesion in lesions)
    foci = measure_ct_foci(volumes, segmentations, edits, placement, references.liver, config)
    burden = measure_burden(pet, segmentations, placement, lesions, references.liver, config.burden)
    burden = with_ct_foci(burden, foci, config.ct_foci.border_uncertainty_mm)
    hottest = _hottest(segmentations, placement, spheres, references.liver, lesions, config)
    if _searched(segmentations, edits):
        share = share_by_level(placement, spheres, references.liver, lesions)
        cold_ml = cold_places_ml(pet, placement, spheres, references.liver, config.peak.sphere_ml)
        burden = with_possible_tumour(with_unoutlined(burden, share, hottest.outside_ml), cold_ml)
    burden = with_second_outline(burden, pet, segmentations, lesions, references.liver, comparison)
    codes = {flag.code for flag in segmentations.flags}
    normal_unsure = "NORMAL_LIVER_UNSURE" in codes
    if normal_unsure:
        burden = with_unsure_normal(burden, pet, placement, references.liver)
    may_be_higher = "NORMAL_LIVER_MAY_BE_HIGHER" in codes
    higher = usual_uptake(pet, placement, references.liver) if may_be_higher else None
    burden = with_higher_normal(burden, higher, pet, placement)
    known = OfTheLiver(placement, references.values, lesions, burden)
    body = measure_body(volumes, segmentations, edits.body, known, config)
    measured = Measured(volumes, segmentations, placement, references.liver, lesions, body)
    require_supported(edits, measured, config)
    complete = _lesions_complete(segmentations, edits)
    of_study = OfTheScoredStudy(references.values, lesions, body, complete)
    netpet = measure_netpet(volumes, segmentations, edits.fdg, of_study, config)
    require_fdg_supported(edits, netpet)
    audit = None if comparison is None else comparison.audit
    liver = _liver_record(segmentations, audit)
    flags = _study_flags(volumes, segmentations, references, liver, config)
    findings = Findings(
        acquisition=volumes.acquisition,
        ct=volumes.identity.measured_image,
        absolute_suv=pet.quantity is not Quantity.RELATIVE,
        references=references.values,
        lesions=lesions,
        lesions_looked_for=segmentations.lesions is not None,
        liver_found=placement.liver is not None,
        burden=burden,
        hottest=hottest.anywhere,
        rest_of_body=edits.rest_of_body,
        config=config,
        liver_seen=placement.liver_seen if placement.liver is not None else 1.0,
        lesions_drawn_on=None if segmentations.lesions is None else segmentations.lesions.drawn_on,
        liver_cut=any(flag.code == "LIVER_CUT_BY_FIELD_OF_VIEW" for flag in flags),
        normal_unsure=normal_unsure,
        higher_normal=higher,
        ct_foci=foci,
        ct_search=segmentations.ct_search,
        lesions_complete=complete,
        lesions_searched=_searched(segmentations, edits),
        unoutlined=hottest.outside_outlines,
        faint=find_faint_place(pet, placement, lesions, references.liver, edits, config.lesions),
        cold=None if edits.lesions_complete else cold_place(placement, spheres, references.liver, foci),
        suvbw_per_unit=suvbw_per_unit,
        liver_over_soft_tissue=_over_soft_tissue(volumes, references.liver, config) if suvbw_per_unit is None else None,
        reader_words=edits.reader_words,
        body=body,
        netpet=netpet,
        dominance=measure_dominance(placement, segmentations, lesions, burden, body),
        liver_audit=audit,
        normal_disputed=normal_in_dispute(references.liver, segmentations, comparison),
    )
    flags = _once((*flags, *_flags_of_findings(findings)))
    verdicts = with_readers_answers(judge_all(findings, flags), edits, config)
    answers = Answers(liver, measure_lobes(segmentations, placement, lesions, burden), flags, verdicts)
    return record_of(volumes, segmentations, edits, findings, answers, provenance_of(config, execution, revises))


def _suvbw_per_unit(volumes: StudyVolumes, config: ScoringConfig) -> float | None:
    """SUV by body weight per unit of the PET: both differ by the size of the body alone; None where none is known."""
    if volumes.pet.quantity is Quantity.SUVBW:
        return 1.0
    if volumes.pet.quantity is Quantity.RELATIVE or volumes.suv is None:
        return None
    suv = volumes.suv
    try:
        body = Body(weight_kg=suv.weight_kg, height_m=suv.height_m, sex=suv.sex)
        return body_size(Normalisation.BODY_WEIGHT, body) / body_size(config.normalisation, body)
    except SuvError:
        return None


def _over_soft_tissue(volumes: StudyVolumes, liver: Reference, config: ScoringConfig) -> float | None:
    """Assumed normal liver over the median of soft tissue; None where either is unknown."""
    tissue = background_uptake(coarse_of(volumes, config.liver.coarse_mm))
    return None if liver.suv_mean is None or tissue <= 0 else liver.suv_mean / tissue


def _lesions_complete(segmentations: Segmentations, edits: ReaderEdits) -> bool:
    """Whether the lesion mask holds every lesion of the liver; a reader's statement outranks how it was made."""
    if edits.lesions_complete is not None:
        return edits.lesions_complete
    return segmentations.lesions is None or segmentations.lesions.completeness != "not_stated"


def _searched(segmentations: Segmentations, edits: ReaderEdits) -> bool:
    layer = segmentations.lesions
    return edits.lesions_complete is None and layer is not None and layer.completeness == "searched"


def _hottest(
    segmentations: Segmentations,
    placement: Placement,
    spheres: LiverSpheres | None,
    liver: Reference,
    lesions: tuple[Lesion, ...],
    config: ScoringConfig,
) -> HottestSpheres:
    if spheres is None or liver.peak_limit is None:
        return HottestSpheres(None, None)
    dismissed = tuple(lesion.label for lesion in lesions if "not_a_lesion" in lesion.marks)
    layer = segmentations.lesions
    uncertainty = 0.0 if layer is None else layer.border_uncertainty_mm
    return hottest_spheres(placement, spheres, liver.peak_limit, dismissed, uncertainty, config)


def _flagged(lesion: Lesion) -> Lesion:
    return lesion.model_copy(update={"flags": (*lesion.flags, raise_flag("LESION_WHERE_OUTLINE_DISPUTED"))})


def _liver_record(segmentations: Segmentations, audit: LiverAudit | None) -> LiverRecord:
    layer = segmentations.liver
    if layer is None:
        reason = segmentations.reasons.get("liver", "the liver was not found")
        return LiverRecord(volume_ml=None, drawn_on=None, reason=reason)
    return LiverRecord(volume_ml=layer.labels.volume_ml(), drawn_on=layer.drawn_on, audit=audit)


def _study_flags(
    volumes: StudyVolumes,
    segmentations: Segmentations,
    references: References,
    liver: LiverRecord,
    config: ScoringConfig,
) -> tuple[Flag, ...]:
    """Every caveat about folder, scan, masks and references; each once."""
    own: list[Flag] = []
    barred = reason_not_to_judge(volumes.acquisition, config)
    if barred is not None and config.assume.judge_other_tracer:
        own.append(raise_flag("JUDGED_ON_REQUEST"))
    own += _analogue_flags(volumes, config)
    segmenters = [flag for flag in segmentations.flags if flag.code not in _DERIVED_FLAGS]
    if liver.volume_ml is None and not any(flag.code == "LIVER_NOT_FOUND" for flag in segmenters):
        segmenters.append(raise_flag("LIVER_NOT_FOUND", reason=liver.reason or "no reason is known"))
    usual = config.liver.volume_range_ml
    if liver.volume_ml is not None and not usual.holds(liver.volume_ml):
        segmenters.append(raise_flag("LIVER_VOLUME_UNUSUAL", ml=liver.volume_ml, low=usual.low, high=usual.high))
    return _once((*volumes.flags, *own, *segmenters, *references.flags))


def _analogue_flags(volumes: StudyVolumes, config: ScoringConfig) -> list[Flag]:
    """What a somatostatin analogue does to uptake; `ConfigError` where it was given after the scan."""
    assume, scanned = config.assume, volumes.identity.study_date
    if assume.analogue in {None, "none"}:
        return []
    when = ""
    if assume.analogue_date is not None:
        when = f" on {assume.analogue_date}"
        if scanned is not None:
            days = (date.fromisoformat(scanned) - assume.analogue_date).days
            if days < 0:
                msg = (
                    f"the somatostatin analogue is stated to have been given on {assume.analogue_date}, after the scan "
                    f"of {scanned}; give the last date before the scan (--analogue-date)"
                )
                raise ConfigError(msg)
            when += f", {days} {'day' if days == 1 else 'days'} before the scan"
    code = "ANALOGUE_LONG_ACTING" if assume.analogue == "long-acting" else "ANALOGUE_SHORT_ACTING"
    return [raise_flag(code, when=when)]


def _analogue_near_limit(findings: Findings) -> Iterable[Flag]:
    """Doubt about uptake above liver that a long-acting analogue alone may have made."""
    limit, rise = findings.references["liver"].peak_limit, findings.config.analogue.rise_of_ratio
    if findings.config.assume.analogue != "long-acting" or limit is None:
        return
    peak = max((x.suv_peak for x in findings.judged_lesions if x.suv_peak is not None), default=0.0)
    if limit < peak <= rise * limit:
        yield raise_flag("ANALOGUE_NEAR_LIMIT", percent=100 * (peak / limit - 1), rise=100 * (rise - 1))


def _flags_of_findings(findings: Findings) -> Iterable[Flag]:
    """Caveats that follow from what was measured."""
    if 1.0 - findings.liver_seen >= _UNSEEN_SHARE:
        yield raise_flag("LIVER_PARTLY_OFF_PET", percent=100 * (1.0 - findings.liver_seen))
    audit = findings.liver_audit
    if audit is not None and audit.disputed:
        yield raise_flag("LIVER_OUTLINE_DISPUTED", agreement=audit.agreement, places=audit.sentence)
    if not findings.lesions_complete:
        yield raise_flag("LESIONS_NOT_STATED_COMPLETE")
    liver, place_of = findings.references["liver"], findings.unoutlined
    if findings.unoutlined_uptake is not None and place_of is not None and liver.peak_limit is not None:
        where = place_in_words(place_of.centre_lps_mm)
        yield raise_flag("UPTAKE_OUTSIDE_OUTLINES", mean=place_of.mean, limit=liver.peak_limit, place=where)
    if findings.suvbw_per_unit is None and liver.suv_mean is not None:
        usual = findings.config.reference.suv_mean_range
        yield raise_flag("NORMAL_LIVER_RANGE_NOT_CHECKED", low=usual.low, high=usual.high)
    yield from _analogue_near_limit(findings)
    if findings.netpet is not None:
        yield from _flags_of_fdg(findings.netpet, findings.config)
    share = None if findings.body is None else findings.body.sums.activity_in_tumour
    if share is not None and share >= findings.config.body_reading.sink_activity_share:
        yield raise_flag("TUMOUR_SINK", percent=100 * share)


def _flags_of_fdg(netpet: NetpetRecord, config: ScoringConfig) -> Iterable[Flag]:
    usual, mean = config.netpet.liver_suv_range, netpet.liver.suv_mean
    if mean is not None and netpet.scan.suv is not None and not usual.holds(mean):
        yield raise_flag("FDG_LIVER_UNUSUAL", suv=mean, low=usual.low, high=usual.high)
    if not all(part.aligned for part in netpet.alignment.parts):
        yield raise_flag("FDG_PART_UNALIGNED")


def _once(flags: Iterable[Flag]) -> tuple[Flag, ...]:
    return tuple(dict.fromkeys(flags))
