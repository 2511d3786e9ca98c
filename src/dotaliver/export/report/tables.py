"""The report's tables: records as rows of words and rounded numbers."""

from __future__ import annotations

from datetime import datetime

from dotaliver.config.protocol import TrialProtocol
from dotaliver.export.report.words import MARK_WORDS, answer_words, tracer_name
from dotaliver.export.tables import uptake_name
from dotaliver.longitudinal.selection import proposed_targets
from dotaliver.records.edits import BodyReading, ReaderEdits
from dotaliver.records.measurements import CtFocus, Lesion
from dotaliver.records.score import StudyScore
from dotaliver.records.study import Acquisition, SeriesIdentity
from dotaliver.records.verdicts import Evidence

__all__ = [
    "acquisition_rows",
    "analogue_rows",
    "ct_focus_summary",
    "edit_rows",
    "lesion_summary",
    "lesion_table",
    "lobe_rows",
    "number",
    "provenance_rows",
    "reference_rows",
    "target_rows",
]

Row = tuple[str, str]
_MASKS = {
    "ct_foci": "CT candidates",
    "body": "candidates and lesions outside the liver",
    "ct_lesions": "lesions on CT",
    "recist_image": "lesions on the diagnostic CT",
}
_MEASURED = {"ct": "CT", "click": "CT, by click", "pet": "PET", "reader": "reader"}


def number(value: float | None, digits: int = 1) -> str:
    """A rounded number, or a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


def _drawn_on_mr(lesion: Lesion) -> bool:
    drawn = lesion.diameter
    return lesion.diameter_source == "reader" and drawn is not None and drawn.modality == "MR"


def _axes(lesion: Lesion) -> str | None:
    """Longest diameter and short axis, or the extent on PET, without what it was measured on."""
    if lesion.longest_diameter_mm is None:
        return None if lesion.pet_extent_mm is None else f"{lesion.pet_extent_mm:.0f} mm"
    short = "" if lesion.short_axis_mm is None else f" × {lesion.short_axis_mm:.0f}"
    return f"{lesion.longest_diameter_mm:.0f}{short} mm"


def _interval(lesion: Lesion) -> str | None:
    interval = None if lesion.diameter is None else lesion.diameter.interval_mm
    return None if interval is None else f"{interval[0]:.0f} to {interval[1]:.0f}"


def _size(lesion: Lesion) -> str:
    """A lesion's size in one cell of the table."""
    if (axes := _axes(lesion)) is None:
        return "–"
    measured = "PET" if lesion.longest_diameter_mm is None else _MEASURED.get(lesion.diameter_source or "", "")
    measured += ", MR" if _drawn_on_mr(lesion) else ""
    details = ", ".join(part for part in (measured, _interval(lesion)) if part)
    return f"{axes} ({details})" if details else axes


def _size_rows(lesion: Lesion) -> list[Row]:
    """A lesion's size in the rows of its card."""
    if (axes := _axes(lesion)) is None:
        return [("Size", "–")]
    on = "pet" if lesion.longest_diameter_mm is None else lesion.diameter_source
    names = {"ct": "Size on CT", "pet": "Size on PET", "reader": "Size, reader"}
    name = "Size on MR, reader" if _drawn_on_mr(lesion) else names.get(on or "", "Size")
    rows = [(name, axes)]
    if (interval := _interval(lesion)) is not None:
        rows.append(("95 % interval", f"{interval} mm"))
    return rows


def _marks(lesion: Lesion) -> str:
    return ", ".join(MARK_WORDS.get(mark, mark) for mark in lesion.marks)


def lesion_summary(lesion: Lesion, uptake_unit: str) -> list[Row]:
    """The numbers next to a lesion's picture."""
    name = uptake_name(uptake_unit)[0].strip()
    rows = [("Volume", f"{number(lesion.volume_ml, 1)} ml"), *_size_rows(lesion)]
    if lesion.suv_max is not None or lesion.max_ratio_to_liver is None:
        rows += [
            (f"{name}max", number(lesion.suv_max)),
            (f"{name}peak", number(lesion.suv_peak)),
            (f"{name}mean", number(lesion.suv_mean)),
        ]
    rows.append((f"{name}peak / liver", "–" if lesion.ratio_to_liver is None else f"{lesion.ratio_to_liver:.1f} ×"))
    if lesion.krenning is not None:
        rows.append(("Krenning score", lesion.krenning))
    if lesion.marks:
        rows.append(("Marked as", _marks(lesion)))
    return rows


def ct_focus_summary(focus: CtFocus, uptake_unit: str) -> list[Row]:
    """The numbers next to the picture of a focal lesion seen on CT only."""
    name = uptake_name(uptake_unit)[0].strip()
    size = "–" if focus.longest_diameter_mm is None else f"{focus.longest_diameter_mm:.0f}"
    size += "" if focus.short_axis_mm is None else f" × {focus.short_axis_mm:.0f}"
    rows = [("Size", f"{size} mm (CT)"), ("Volume", f"{number(focus.volume_ml, 1)} ml")]
    if focus.below_liver_hu is not None:
        side = "below" if focus.below_liver_hu >= 0 else "above"
        rows.append(("Attenuation", f"{abs(focus.below_liver_hu):.0f} HU {side} liver"))
    if focus.suv_mean is not None:
        rows.append((f"{name}mean", number(focus.suv_mean)))
    rows.append((f"{name}mean / liver", "–" if focus.ratio_to_liver is None else f"{focus.ratio_to_liver:.2f} ×"))
    if focus.suspicion is not None:
        rows.append(("Suspicion", f"{focus.suspicion:.2f} (0 to 1, for sorting)"))
    if "recist_image" in focus.images:
        rows.append(("Seen on", "both CTs" if "ct" in focus.images else "the diagnostic CT only"))
    if focus.may_be:
        rows.append(("May be benign", "; ".join(focus.may_be)))
    if focus.marks:
        rows.append(("Marked as", ", ".join(MARK_WORDS.get(mark, mark) for mark in focus.marks)))
    return rows


def lobe_rows(score: StudyScore) -> list[list[str]]:
    """Right and left lobe: volume, tumour and burden; none where the lobes are not separated."""
    rows = []
    for name, lobe in (("Right lobe", score.lobes.right), ("Left lobe", score.lobes.left)):
        if lobe is not None:
            burden = "–" if lobe.fraction is None else f"{100 * lobe.fraction:.1f} %"
            rows.append([name, f"{lobe.liver_ml:.0f} ml", f"{number(lobe.tumour_ml)} ml", burden])
    return rows


def reference_rows(score: StudyScore) -> list[list[str]]:
    """Normal liver, spleen and blood pool: mean, SD and region, or why there is none."""
    ways = {"organ": "whole organ", "low_mode": "lower histogram peak", "reader": "placed by the reader"}
    rows = []
    for organ, found in score.references.items():
        name = {"liver": "Normal liver", "spleen": "Spleen", "blood_pool": "Blood pool (aorta)"}[organ]
        if found.method == "none":
            rows.append([name, "–", "–", found.reason or "not found"])
            continue
        way = ways.get(found.method, "")
        if found.diameter_mm is not None:
            way = f"{found.diameter_mm:g} mm sphere" + (f", {way}" if way else "")
        elif found.volume_ml is not None:
            way = f"{'along the aorta' if organ == 'blood_pool' else way}, {found.volume_ml:.0f} ml"
        rows.append([name, number(found.suv_mean, 2), number(found.suv_sd, 2), way])
    return rows


def lesion_table(score: StudyScore) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Headings and rows of the table of all lesions; a column for the reader's marks only where there are any."""
    intervals = any(_interval(lesion) for lesion in score.lesions)
    columns = _lesion_columns(score.uptake_unit, intervals=intervals)
    rows = [_lesion_row(lesion) for lesion in score.lesions]
    count = len(columns) if any(lesion.marks for lesion in score.lesions) else len(columns) - 1
    return tuple(columns[:count]), tuple(tuple(row[:count]) for row in rows)


def target_rows(score: StudyScore) -> tuple[tuple[str, ...], ...]:
    """Lesions with a diameter by whether they are proposed as RECIST targets, and why; the targets first."""
    proposed = proposed_targets(score)
    measured = {str(x.label): x for x in score.lesions if x.diameter_source not in {None, "pet"}}
    rest = [name for name in measured if name not in proposed.targets]
    return tuple(
        (name, _size(measured[name]), "yes" if name in proposed.targets else "no", proposed.reasons[name])
        for name in (*proposed.targets, *rest)
        if name in measured
    )


def _lesion_columns(uptake_unit: str, *, intervals: bool) -> list[str]:
    name = uptake_name(uptake_unit)[0].strip()
    return [
        "Lesion",
        "In liver",
        f"{name}max",
        f"{name}peak",
        f"{name}mean",
        f"{name}peak / liver",
        "Krenning",
        "Volume (ml)",
        f"Total ({name} × ml)",
        "Size (95 % interval)" if intervals else "Size",
        "To capsule (mm)",
        "Marked as",
    ]


def _lesion_row(lesion: Lesion) -> list[str]:
    return [
        str(lesion.label),
        {True: "yes", False: "no", None: "unknown"}[lesion.in_liver],
        number(lesion.suv_max),
        number(lesion.suv_peak),
        number(lesion.suv_mean),
        number(lesion.ratio_to_liver),
        lesion.krenning or "–",
        number(lesion.volume_ml),
        number(lesion.total_uptake, 0),
        _size(lesion),
        number(lesion.capsule_distance_mm, 0),
        _marks(lesion),
    ]


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
