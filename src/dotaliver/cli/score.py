"""The command line.

Results go to standard output, progress to standard error; exit status 0 means done, 2 bad usage, 3 that the study
cannot be scored (with the reason), 1 a fault of ours. Heavy imports wait until a command runs.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from dotaliver.cli import dicom as cli_dicom
from dotaliver.cli.batch import register as register_batch
from dotaliver.cli.followup import register as register_followup
from dotaliver.cli.options import (
    AnyTracer,
    AsJson,
    Cache,
    ConfigFile,
    Correction,
    CtSeries,
    Deidentify,
    Dose,
    EditsFile,
    Height,
    Injection,
    LabelMap,
    LesionMask,
    LesionsComplete,
    LiverMask,
    Memory,
    Nifti,
    Pdf,
    PetSeries,
    Pictures,
    PseudonymKey,
    Quiet,
    RecistCt,
    ReferenceTime,
    Relative,
    Study,
    StudyUid,
    Weight,
)
from dotaliver.cli.progress import stages
from dotaliver.cli.second_process import begin
from dotaliver.cli.view import register as register_view
from dotaliver.errors import ConfigError

if TYPE_CHECKING:
    from dotaliver.config.scoring import ExecutionConfig, ScoringConfig
    from dotaliver.pipeline import Outcome, OutputOptions
    from dotaliver.records.edits import ReaderEdits

__all__ = ["app"]

_BAD_USAGE = 2
_NOT_SCORED = 3

app = typer.Typer(
    name="dotaliver",
    help="Scores the liver on 68Ga-DOTATATE PET/CT: lesions, tumour burden and trial criteria, from DICOM to verdict. "
    "Research use; not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.command()
def score(  # noqa: PLR0913, PLR0917  one parameter per option
    study: Study,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder to write into [dotaliver-out/HASH].")] = None,
    study_uid: StudyUid = None,
    pet: PetSeries = None,
    ct: CtSeries = None,
    recist_ct: RecistCt = None,
    liver: LiverMask = None,
    lesions: LesionMask = None,
    lesions_complete: LesionsComplete = False,
    edits: EditsFile = None,
    segmenter: Annotated[str | None, typer.Option("--segmenter", help="Who outlines the liver [petct].")] = None,
    config: ConfigFile = None,
    weight: Weight = None,
    dose: Dose = None,
    height: Height = None,
    injection: Injection = None,
    reference_time: ReferenceTime = None,
    decay_correction: Correction = None,
    relative: Relative = False,
    any_tracer: AnyTracer = False,
    nifti: Nifti = False,
    labelmap: LabelMap = False,
    pdf: Pdf = False,
    pictures: Pictures = False,
    deidentify: Deidentify = False,
    pseudonym_key: PseudonymKey = None,
    memory: Memory = None,
    cache: Cache = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Score a study: liver, lesions, burden, verdicts, report."""
    if lesions_complete and not lesions:
        _stop("--lesions-complete needs the lesion mask that it speaks of: give it with --lesions", _BAD_USAGE)
    with begin(bounded=memory is not None) as helper:
        from dotaliver import pipeline
        from dotaliver.system.files import output_folder

        stated = _stated(weight, dose, height, (injection, reference_time), decay_correction)
        settings = _settings(config, stated, relative=relative, any_tracer=any_tracer, segmenter=segmenter)
        readers_edits = _edits(edits)
        options = _outputs(nifti, labelmap, (pdf, pictures), deidentify=deidentify, key=pseudonym_key)
        execution = _execution(memory, cache)
        # A folder that cannot be written is told before the work, not after it.
        with output_folder(out) if out is not None else contextlib.nullcontext(), stages(quiet) as progress:
            part = pipeline.StudyPart(study_uid)
            masks = (liver, tuple(lesions or ()), lesions_complete)
            source = pipeline.StudyInput(study, pet, ct, recist_ct, *masks, part)
            outcome = pipeline.score_study(
                source, settings, edits=readers_edits, execution=execution, helper=helper, progress=progress
            )
            folder = out or Path("dotaliver-out") / pipeline.default_folder(outcome.score)
            pipeline.save(outcome, folder, options, helper=helper, progress=progress)
    _print_outcome(outcome, folder, quiet=quiet, as_json=as_json)


@app.command()
def rescore(  # noqa: PLR0913, PLR0917  one parameter per option
    folder: Annotated[Path, typer.Argument(help="Folder that 'dotaliver score' wrote.", show_default=False)],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder to write into [FOLDER/revised-N].")] = None,
    study: Annotated[Path | None, typer.Option("--study", help="Where the images lie now.")] = None,
    liver: LiverMask = None,
    lesions: LesionMask = None,
    lesions_complete: LesionsComplete = False,
    edits: EditsFile = None,
    config: ConfigFile = None,
    nifti: Nifti = False,
    labelmap: LabelMap = False,
    pdf: Pdf = False,
    pictures: Pictures = False,
    deidentify: Deidentify = False,
    pseudonym_key: PseudonymKey = None,
    memory: Memory = None,
    cache: Cache = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Measure and judge again with other masks, edits or settings."""
    with begin(bounded=memory is not None) as helper:
        from dotaliver import pipeline
        from dotaliver.config.files import load_config
        from dotaliver.system.files import output_folder

        target, execution = out or _next_revision(folder), _execution(memory, cache)
        options = _outputs(nifti, labelmap, (pdf, pictures), deidentify=deidentify, key=pseudonym_key)
        with output_folder(target) if folder.is_dir() else contextlib.nullcontext(), stages(quiet) as progress:
            outcome = pipeline.rescore(
                folder,
                study=pipeline.StudyInput(
                    study or folder, liver=liver, lesions=tuple(lesions or ()), lesions_complete=lesions_complete
                ),
                edits=_edits(edits),
                config=None if config is None else load_config(config),
                execution=execution,
                helper=helper,
                progress=progress,
            )
            pipeline.save(outcome, target, options, helper=helper, progress=progress)
    _print_outcome(outcome, target, quiet=quiet, as_json=as_json)


@app.command()
def inspect(  # noqa: PLR0913, PLR0917  one parameter per option
    study: Study,
    mask: Annotated[Path | None, typer.Option("--mask", help="Mask inside which SUV statistics are taken.")] = None,
    pet: PetSeries = None,
    ct: CtSeries = None,
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
    """Show what is in a folder, which series would be scored and why, and how SUV comes about."""
    from dotaliver.pipeline.inspection import inspect_study, inspection_tables

    stated = _stated(weight, dose, height, (injection, reference_time), decay_correction)
    settings = _settings(config, stated, relative=relative)
    found = inspect_study(study, mask=mask, pet=pet, ct=ct, config=settings)
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        _console().print(inspection_tables(found))
    if found.refused is not None:
        _stop(found.refused, _NOT_SCORED)


@app.command()
def sample(
    folder: Annotated[Path, typer.Argument(help="Folder to write into.", show_default=False)],
    preset: Annotated[
        str, typer.Option("--preset", help="moderate, massive, clean, cold, borderline, faint, truncated or noisy.")
    ] = "moderate",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another seed is another patient.")] = 1,
    small: Annotated[
        bool, typer.Option("--small", help="A coarse matrix, quick to make, for trying things out.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Write a phantom PET/CT study as DICOM, with its truth."""
    from dotaliver.phantom.presets import preset as phantom_of
    from dotaliver.phantom.study import make_phantom
    from dotaliver.phantom.writer import write_study

    with stages(quiet) as progress:
        progress("making the phantom")
        study = make_phantom(phantom_of(preset, seed, "small" if small else "clinical"))
        progress("writing DICOM")
        write_study(study, folder)
    if not quiet:
        typer.echo(f"Phantom '{preset}' (seed {seed}): study in {folder / 'study'}, truth in {folder / 'truth.json'}")


@app.command()
def schema() -> None:
    """Print the JSON schema of score.json."""
    import json

    from dotaliver.records.score import StudyScore

    typer.echo(json.dumps(StudyScore.model_json_schema(), indent=2))


app.command()(cli_dicom.pull)
app.command()(cli_dicom.push)
app.command()(cli_dicom.measurements)
app.command()(cli_dicom.zarr)


# --- settings ----------------------------------------------------------------------------------------------------


def _stated(
    weight: float | None,
    dose: float | None,
    height: float | None,
    times: tuple[str | None, str | None],
    decay_correction: str | None,
) -> dict[str, object]:
    """What the user states in place of the files, by the names of `AssumedValues`."""
    injection, reference_time = times
    stated: dict[str, object | None] = {
        "weight_kg": weight,
        "dose_mbq": dose,
        "height_m": height,
        "injection": injection,
        "reference_time": reference_time,
        "decay_correction": decay_correction,
    }
    return {name: value for name, value in stated.items() if value is not None}


def _settings(
    path: Path | None,
    stated: dict[str, object],
    *,
    relative: bool = False,
    any_tracer: bool = False,
    segmenter: str | None = None,
) -> ScoringConfig:
    from pydantic import ValidationError

    from dotaliver.config.files import load_config
    from dotaliver.config.scoring import ScoringConfig

    config = ScoringConfig() if path is None else load_config(path)
    chosen = {"relative": relative, "judge_other_tracer": any_tracer}
    assume = config.assume.model_dump() | stated | {name: True for name, is_on in chosen.items() if is_on}
    data = config.model_dump() | {"assume": assume} | ({} if segmenter is None else {"segmenter": segmenter})
    try:
        return ScoringConfig.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][-1])
        # weight_kg is --weight, and reference_time --reference-time
        option = field.removesuffix("_kg").removesuffix("_m").removesuffix("_mbq").replace("_", "-")
        msg = f"--{option}: {first['msg']}"
        raise ConfigError(msg) from error


def _execution(memory: str | None, cache: Path | None) -> ExecutionConfig:
    from pydantic import ByteSize, TypeAdapter, ValidationError

    from dotaliver.config.scoring import ExecutionConfig

    if memory is None:
        return ExecutionConfig(cache=cache)
    try:
        # pydantic's own type knows the units
        return ExecutionConfig(memory_bytes=int(TypeAdapter(ByteSize).validate_python(memory)), cache=cache)
    except ValidationError as error:
        msg = f"--memory {memory}: not an amount of memory; give one such as 1GiB, 800MiB or 2GB"
        raise ConfigError(msg) from error


def _outputs(
    nifti: bool, labelmap: bool, documents: tuple[bool, bool], *, deidentify: bool, key: Path | None
) -> OutputOptions:
    from dotaliver.export.deidentify.pseudonyms import pseudonym_key
    from dotaliver.pipeline import OutputOptions

    pdf, pictures = documents
    secret = pseudonym_key(key) if deidentify else None
    return OutputOptions(nifti, labelmap, pdf, pictures, secret)


def _edits(path: Path | None) -> ReaderEdits | None:
    from dotaliver.pipeline import load_edits

    return None if path is None else load_edits(path)


def _next_revision(folder: Path) -> Path:
    number = 1
    while (folder / f"revised-{number}").exists():
        number += 1
    return folder / f"revised-{number}"


# --- what people see ---------------------------------------------------------------------------------------------


def _console() -> Any:
    from rich.console import Console

    # Without a terminal there is no width to fit: tables must not be folded to 80 columns in a file.
    return Console() if sys.stdout.isatty() else Console(width=140, no_color=True, highlight=False)


def _print_outcome(outcome: Outcome, folder: Path, *, quiet: bool, as_json: bool) -> None:
    if as_json:
        typer.echo(outcome.score.to_json(), nl=False)
        return
    if quiet:
        typer.echo(str(folder))
        return
    from dotaliver.export.report.terminal import score_summary

    console = _console()
    console.print(score_summary(outcome.score))
    console.print(f"Report: {folder / 'report.html'}", soft_wrap=True)
    console.print(f"Record: {folder / 'score.json'}", soft_wrap=True)


register_batch(app)
register_followup(app, stages, _console)
register_view(app, _settings)


def _stop(sentence: str, status: int) -> NoReturn:
    typer.echo(f"dotaliver: {sentence}", err=True)
    raise typer.Exit(status)
