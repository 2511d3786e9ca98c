"""The commands about one study: score, rescore, inspect. Heavy imports wait until a command runs."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dotaliver.cli.options import (
    AnalogueDate,
    AnalogueGiven,
    AnyTracer,
    AsJson,
    Cache,
    ConfigFile,
    Correction,
    CtSeries,
    Deidentify,
    Dose,
    Dosimetry,
    EditsFile,
    FdgScan,
    Height,
    Injection,
    LabelMap,
    LesionAt,
    LesionMask,
    LesionsComplete,
    LiverMask,
    Memory,
    NewProtocol,
    Nifti,
    NoReport,
    Pdf,
    PetSeries,
    Pictures,
    Protocol,
    PseudonymKey,
    Quiet,
    RecistImage,
    ReferenceTime,
    Relative,
    RtStruct,
    Segmenter,
    Study,
    StudyUid,
    Weight,
    option,
)
from dotaliver.cli.output import BAD_USAGE, NOT_SCORED, console, stages, stop
from dotaliver.cli.settings import edits_of, execution_of, output_options, scoring_config, stated_values, with_stated

if TYPE_CHECKING:
    from dotaliver.config.scoring import ScoringConfig
    from dotaliver.pipeline import Outcome

__all__ = ["inspect", "rescore", "score"]


def score(  # noqa: PLR0913, PLR0917  one parameter per option
    study: Study,
    out: Annotated[
        Path | None,
        option(
            "--out",
            "-o",
            group="Output",
            metavar="FOLDER",
            help="Where to write the results.",
            default="dotaliver-out/HASH",
        ),
    ] = None,
    study_uid: StudyUid = None,
    pet: PetSeries = None,
    ct: CtSeries = None,
    recist_image: RecistImage = None,
    fdg: FdgScan = None,
    liver: LiverMask = None,
    lesions: LesionMask = None,
    lesions_complete: LesionsComplete = False,
    lesion_at: LesionAt = None,
    edits: EditsFile = None,
    segmenter: Segmenter = None,
    protocol: Protocol = None,
    config: ConfigFile = None,
    weight: Weight = None,
    dose: Dose = None,
    height: Height = None,
    injection: Injection = None,
    reference_time: ReferenceTime = None,
    decay_correction: Correction = None,
    analogue: AnalogueGiven = None,
    analogue_date: AnalogueDate = None,
    relative: Relative = False,
    any_tracer: AnyTracer = False,
    nifti: Nifti = False,
    labelmap: LabelMap = False,
    pdf: Pdf = False,
    pictures: Pictures = False,
    rtstruct: RtStruct = False,
    dosimetry: Dosimetry = False,
    no_report: NoReport = False,
    deidentify: Deidentify = False,
    pseudonym_key: PseudonymKey = None,
    memory: Memory = None,
    cache: Cache = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Score one study: liver, lesions, tumour burden, verdicts and report."""
    if lesions_complete and not lesions:
        stop("--lesions-complete is about a lesion mask: give the mask with --lesions", BAD_USAGE)
    from dotaliver.cli.second_process import begin

    with begin(bounded=memory is not None) as helper:
        from dotaliver import pipeline
        from dotaliver.system.files import output_folder

        given = (analogue, analogue_date)
        stated = stated_values(weight, dose, height, (injection, reference_time), decay_correction, given)
        settings = scoring_config(
            config, stated, protocol=protocol, relative=relative, any_tracer=any_tracer, segmenter=segmenter
        )
        readers_edits = edits_of(edits, lesion_at or ())
        options = output_options(
            nifti,
            labelmap,
            (pdf, pictures, rtstruct, dosimetry),
            report=not no_report,
            deidentify=deidentify,
            key=pseudonym_key,
        )
        execution = execution_of(memory, cache)
        # Refuse a folder that cannot be written before the work, not after it.
        with output_folder(out) if out is not None else contextlib.nullcontext(), stages(quiet) as progress:
            part = pipeline.StudyPart(study_uid)
            masks = (liver, tuple(lesions or ()), lesions_complete)
            source = pipeline.StudyInput(study, pet, ct, recist_image, *masks, part, fdg)
            outcome = pipeline.score_study(
                source, settings, edits=readers_edits, execution=execution, helper=helper, progress=progress
            )
            folder = out or Path("dotaliver-out") / pipeline.default_folder(outcome.score)
            pipeline.save(outcome, folder, options, helper=helper, progress=progress)
    _print_outcome(outcome, folder, quiet=quiet, as_json=as_json)


def rescore(  # noqa: PLR0913, PLR0917  one parameter per option
    folder: Annotated[
        Path, typer.Argument(metavar="SCORE", help="Folder that 'dotaliver score' wrote.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        option(
            "--out",
            "-o",
            group="Output",
            metavar="FOLDER",
            help="Where to write the results.",
            default="SCORE/revised-N",
        ),
    ] = None,
    study: Annotated[
        Path | None,
        option("--study", group="Images", metavar="FOLDER", help="Where the images are now, if they were moved."),
    ] = None,
    recist_image: RecistImage = None,
    fdg: FdgScan = None,
    liver: LiverMask = None,
    lesions: LesionMask = None,
    lesions_complete: LesionsComplete = False,
    lesion_at: LesionAt = None,
    edits: EditsFile = None,
    protocol: NewProtocol = None,
    config: ConfigFile = None,
    analogue: AnalogueGiven = None,
    analogue_date: AnalogueDate = None,
    nifti: Nifti = False,
    labelmap: LabelMap = False,
    pdf: Pdf = False,
    pictures: Pictures = False,
    rtstruct: RtStruct = False,
    dosimetry: Dosimetry = False,
    no_report: NoReport = False,
    deidentify: Deidentify = False,
    pseudonym_key: PseudonymKey = None,
    memory: Memory = None,
    cache: Cache = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Measure and judge a scored study again, with other masks, corrections or settings.

    The new record names the one that it revises.
    """
    from dotaliver.cli.second_process import begin

    with begin(bounded=memory is not None) as helper:
        from dotaliver import pipeline
        from dotaliver.config.protocol import protocol_named
        from dotaliver.records.score_folder import ScoreFolder
        from dotaliver.system.files import output_folder

        target, execution = out or ScoreFolder(folder).next_revision(), execution_of(memory, cache)
        options = output_options(
            nifti,
            labelmap,
            (pdf, pictures, rtstruct, dosimetry),
            report=not no_report,
            deidentify=deidentify,
            key=pseudonym_key,
        )
        with output_folder(target) if folder.is_dir() else contextlib.nullcontext(), stages(quiet) as progress:
            outcome = pipeline.rescore(
                folder,
                study=pipeline.StudyInput(
                    study or folder,
                    recist_image=recist_image,
                    liver=liver,
                    lesions=tuple(lesions or ()),
                    lesions_complete=lesions_complete,
                    fdg=fdg,
                ),
                edits=edits_of(edits, lesion_at or (), pipeline.read_record(folder).edits if lesion_at else None),
                config=_revised_config(folder, config, (analogue, analogue_date)),
                protocol=None if protocol is None else protocol_named(protocol),
                execution=execution,
                helper=helper,
                progress=progress,
            )
            pipeline.save(outcome, target, options, helper=helper, progress=progress)
    _print_outcome(outcome, target, quiet=quiet, as_json=as_json)


def _revised_config(folder: Path, config: Path | None, analogue: tuple[str | None, str | None]) -> ScoringConfig | None:
    """The settings of a revision: a file's, or the record's with a newly stated analogue; None for no change."""
    if analogue == (None, None):
        return None if config is None else scoring_config(config)
    from dotaliver import pipeline

    stated = {name: value for name, value in zip(("analogue", "analogue_date"), analogue, strict=True) if value}
    known = pipeline.read_record(folder).config
    assume = known.assume.model_dump(exclude_none=True) | stated
    if config is not None:
        return scoring_config(config, assume)
    return with_stated(known, assume)


def inspect(  # noqa: PLR0913, PLR0917  one parameter per option
    study: Study,
    mask: Annotated[
        Path | None,
        option(
            "--mask",
            group="Images",
            metavar="FILE",
            help="Mask in which SUV statistics are taken, in the formats of --liver.",
        ),
    ] = None,
    pet: PetSeries = None,
    ct: CtSeries = None,
    fdg: Annotated[
        Path | None,
        option(
            "--fdg",
            group="Images",
            metavar="FOLDER",
            help="Folder in which FDG PETs of the patient are looked for, instead of STUDY.",
        ),
    ] = None,
    protocol: Protocol = None,
    config: ConfigFile = None,
    weight: Weight = None,
    dose: Dose = None,
    height: Height = None,
    injection: Injection = None,
    reference_time: ReferenceTime = None,
    decay_correction: Correction = None,
    relative: Relative = False,
    as_json: AsJson = False,
) -> None:
    """Show the series of a study, which of them would be scored and why, and the SUV calculation."""
    from dotaliver.cli.inspection_tables import inspection_tables
    from dotaliver.pipeline.inspection import inspect_study

    stated = stated_values(weight, dose, height, (injection, reference_time), decay_correction)
    settings = scoring_config(config, stated, protocol=protocol, relative=relative)
    found = inspect_study(study, mask=mask, pet=pet, ct=ct, fdg=fdg, config=settings)
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        console().print(inspection_tables(found))
    if found.refused is not None:
        stop(found.refused, NOT_SCORED)


def _print_outcome(outcome: Outcome, folder: Path, *, quiet: bool, as_json: bool) -> None:
    if as_json:
        typer.echo(outcome.score.to_json(), nl=False)
        return
    if quiet:
        typer.echo(str(folder))
        return
    from dotaliver.export.report.terminal import score_summary
    from dotaliver.records.score_folder import RECORD, REPORT

    screen = console()
    screen.print(score_summary(outcome.score))
    if (folder / REPORT).is_file():
        screen.print(f"Report: {folder / REPORT}", soft_wrap=True)
    screen.print(f"Record: {folder / RECORD}", soft_wrap=True)
