"""Tables of where a record comes from: acquisition, what a reader changed or stated, programs, inputs and masks."""

from __future__ import annotations

from datetime import datetime

from dotaliver.config.protocol import TrialProtocol
from dotaliver.export.report.tables import Row
from dotaliver.export.report.words import MARK_WORDS, answer_words
from dotaliver.records.edits import BodyReading, ReaderEdits
from dotaliver.records.score import StudyScore
from dotaliver.records.study import Acquisition, SeriesIdentity
from dotaliver.records.tracer_name import tracer_name
from dotaliver.records.verdicts import Evidence

_MASKS = {
    "ct_foci": "CT candidates",
    "body": "candidates and lesions outside the liver",
    "ct_lesions": "lesions on CT",
    "recist_image": "lesions on the diagnostic CT",
}


def _answer(value: Evidence) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else str(value)


def _instant(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat(sep=" ", timespec="seconds")


def _given(value: float | None, unit: str, digits: int = 1) -> str | None:
    return None if value is None else f"{value:.{digits}f} {unit}"


def _yes(value: bool | None) -> str | None:
    return None if value is None else "yes" if value else "no"


def acquisition_rows(acquisition: Acquisition) -> list[Row]:
    """How the images were acquired; what the headers do not give is left out."""
    scanner = " ".join(part for part in (acquisition.manufacturer, acquisition.model) if part)
    rows: list[tuple[str, str | None]] = [
        ("Scanner", scanner or None),
        ("Tracer", acquisition.tracer and tracer_name(acquisition.tracer)),
        ("Nuclide", acquisition.nuclide),
        ("Injected activity", _given(acquisition.injected_activity_mbq, "MBq")),
        ("Injection", _instant(acquisition.injection)),
        ("Scan start", _instant(acquisition.scan_start)),
        ("Uptake time", _given(acquisition.uptake_time_min, "min", 0)),
        ("Units", acquisition.units),
        ("Decay correction", acquisition.decay_correction),
        ("Attenuation corrected", _yes(acquisition.attenuation_corrected)),
        ("Scatter corrected", _yes(acquisition.scatter_corrected)),
        ("Corrections", ", ".join(acquisition.corrections) or None),
        ("Reconstruction", acquisition.reconstruction),
        ("Body weight", _given(acquisition.patient_weight_kg, "kg")),
        ("Body height", _given(acquisition.patient_height_m, "m", 2)),
        ("Position", acquisition.patient_position),
        ("CT contrast", acquisition.ct_contrast_agent),
        ("CT tube voltage", _given(acquisition.ct_kvp, "kV", 0)),
    ]
    return [(label, value) for label, value in rows if value]


def analogue_rows(score: StudyScore) -> list[Row]:
    """Whether a somatostatin analogue was given before the scan; asked for where nobody stated it."""
    if score.acquisition.tracer_is_sstr is False:
        return []
    assume = score.config.assume
    if assume.analogue is None:
        return [("Somatostatin analogue", "not stated (--analogue)")]
    when = "" if assume.analogue_date is None else f", last given on {assume.analogue_date}"
    return [("Somatostatin analogue", f"{assume.analogue}{when}")]


def edit_rows(edits: ReaderEdits, protocol: TrialProtocol) -> list[Row]:
    """What a reader changed or stated; empty where nothing was."""
    rows: list[Row] = []
    if edits.reader is not None:
        when = _instant(edits.made_at)
        rows.append(("Reader", f"{edits.reader.name}, {edits.reader.role}" + (f", {when}" if when else "")))
    for sphere in edits.references:
        place = ", ".join(f"{c:.0f}" for c in sphere.centre_lps_mm)
        organ = sphere.organ.replace("_", " ")
        rows.append((f"Reference {organ}", f"{sphere.diameter_mm:g} mm sphere placed at ({place}) mm, LPS"))
    for lesion in edits.lesions:
        said = [MARK_WORDS.get(mark, mark) for mark in lesion.marks]
        said += ["diameter redrawn"] if lesion.diameter else []
        said += [lesion.comment] if lesion.comment else []
        rows.append((f"Lesion {lesion.label}", ", ".join(said) or "no change"))
    if (rest := edits.rest_of_body) is not None:
        stated = [
            ("lesions outside the liver", rest.lesions),
            ("uptake above liver", rest.uptake_above_liver),
            ("measurable", rest.measurable),
            ("receptor-negative", rest.receptor_negative),
        ]
        rows.append(("Rest of the body", ", ".join(f"{what}: {_yes(v)}" for what, v in stated if v is not None)))
    rows += _body_edit_rows(edits.body)
    if edits.lesions_complete is not None:
        words = (
            "holds every lesion of the liver" if edits.lesions_complete else "does not hold every lesion of the liver"
        )
        rows.append(("Lesion mask", words))
    for question in protocol.checklist:
        if question in edits.checklist:
            rows.append((question, _answer(edits.checklist[question])))
    rows += [(key, _answer(value)) for key, value in edits.checklist.items() if key not in protocol.checklist]
    for answer in edits.verdicts:
        criterion = protocol.criterion(answer.criterion)
        because = f" ({answer.reason})" if answer.reason else ""
        rows.append((criterion.name, answer_words(criterion, answer.verdict) + because))
    return rows


def _body_edit_rows(reading: BodyReading | None) -> list[Row]:
    """Answers to candidates outside the liver, lesions added, and whether the whole body was read."""
    if reading is None:
        return []
    rows = []
    for answer in reading.answers:
        said = [answer.answer, *(MARK_WORDS.get(mark, mark) for mark in answer.marks)]
        said += ["diameter drawn"] if answer.diameter else []
        said += [answer.comment] if answer.comment else []
        rows.append((f"Candidate B{answer.label}", ", ".join(said)))
    for point in reading.added:
        place = ", ".join(f"{c:.0f}" for c in point.place_lps_mm)
        said = [point.region or point.organ.replace("_", " "), f"at ({place}) mm, LPS"]
        rows.append(("Lesion added outside the liver", " ".join(said)))
    if reading.all_read:
        rows.append(("Whole body", "read"))
    return rows


def _series(name: str, series: SeriesIdentity) -> list[Row]:
    shape = " × ".join(str(n) for n in series.shape)
    spacing = " × ".join(f"{s:.3g}" for s in series.spacing_mm)
    described = f"“{series.description}”, " if series.description else ""
    return [
        (f"{name} series", f"{described}{shape} voxels of {spacing} mm; {series.chosen_because}"),
        (f"{name} series UID", series.series_instance_uid),
        (f"{name} voxels, SHA-256", series.pixel_sha256),
    ]


def _recist_image_rows(score: StudyScore) -> list[Row]:
    """The diagnostic CT or MR that diameters are measured on, and how it was registered."""
    series, registration = score.study.recist_image, score.segmentation.recist_registration
    if series is None:
        return []
    name = f"Diagnostic {series.modality}"
    rows = _series(name, series)
    if series.sequence is not None:
        rows.insert(1, (f"{name} sequence", series.sequence))
    if registration is not None:
        words = {"correlation": "correlation", "mutual_information": "normalised mutual information"}
        parts = [f"to the {registration.onto.upper()}, {words[registration.measure]} {registration.similarity:.2f}"]
        if registration.error_mm is not None:
            parts.append(f"error up to {registration.error_mm:.0f} mm in 95 % of the liver on simulated pairs")
        if registration.spread_mm is not None:
            parts.append(f"answers from different starts {registration.spread_mm:.1f} mm apart")
        rows.append((f"{name} registered", "; ".join(parts)))
    return rows


def provenance_rows(score: StudyScore) -> list[Row]:
    """Programs, inputs, masks and settings of the record, by name and hash."""
    source = score.provenance
    rows: list[Row] = [("Record", score.record_id), ("Schema version", score.schema_version)]
    if source.revises:
        rows.append(("Revises record", source.revises))
    rows += [
        ("Scored", _instant(source.scored_at) or ""),
        ("dotaliver", source.dotaliver_version),
        ("Python", f"{source.python_version} on {source.platform}"),
        ("Libraries", ", ".join(f"{name} {version}" for name, version in source.dependencies.items())),
        ("Settings, SHA-256", source.config_sha256),
        ("Trial protocol", f"{score.config.protocol.id}, {score.config.protocol.amendment}"),
        ("Study UID", score.study.study_instance_uid),
        *_series("PET", score.study.pet),
        *(_series("CT", score.study.ct) if score.study.ct else []),
        *_recist_image_rows(score),
    ]
    for mask in score.segmentation.masks:
        drawn = f"{mask.origin}, drawn on {mask.drawn_on.upper()}, border ± {mask.border_uncertainty_mm:g} mm"
        name = _MASKS.get(mask.name, mask.name.replace("_", " "))
        rows += [(f"Mask: {name}", drawn), (f"Mask: {name}, SHA-256", mask.sha256)]
    if (mismatch := score.segmentation.mismatch) is not None:
        shift = ", ".join(f"{c:.1f}" for c in mismatch.shift_lps_mm)
        rows.append(("Liver on PET relative to CT", f"({shift}) mm, LPS; {mismatch.method}"))
    return rows
