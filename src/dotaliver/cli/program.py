"""The commands about the program itself: sample studies and the schema of its record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dotaliver.cli.options import Quiet, option
from dotaliver.cli.output import stages

__all__ = ["sample", "schema"]

_PRESETS = ("moderate", "massive", "clean", "cold", "borderline", "faint", "truncated", "noisy")


def sample(  # noqa: PLR0913, PLR0917  one parameter per option
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="New folder to write into.", show_default=False)],
    preset: Annotated[
        str,
        option(
            "--preset",
            metavar="NAME",
            help=f"{', '.join(_PRESETS[:-1])} or {_PRESETS[-1]}.",
            default="moderate",
            autocompletion=lambda: list(_PRESETS),
        ),
    ] = "moderate",
    seed: Annotated[
        int,
        option(
            "--seed", metavar="N", min=0, help="Seed of the phantom; another seed gives another patient.", default="1"
        ),
    ] = 1,
    small: Annotated[bool, option("--small", help="A coarse matrix, quick to make and to score.")] = False,
    mr: Annotated[
        bool, option("--mr", help="Add MR series of the liver: T1 hepatobiliary phase, T2 and diffusion-weighted.")
    ] = False,
    fdg: Annotated[
        bool, option("--fdg", help="Add an FDG PET/CT of the same patient in FOLDER/fdg, for 'score --fdg'.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Write a phantom PET/CT study as DICOM, with its ground truth."""
    from dotaliver.phantom.mr import MR_SEQUENCES, draw_mr_spec, make_mr
    from dotaliver.phantom.presets import preset as phantom_of
    from dotaliver.phantom.study import make_phantom
    from dotaliver.phantom.writer import write_study

    with stages(quiet) as progress:
        progress("making the phantom")
        study = make_phantom(phantom_of(preset, seed, "small" if small else "clinical"))
        mrs = [make_mr(study, draw_mr_spec(study, sequence, seed)) for sequence in MR_SEQUENCES] if mr else []
        progress("writing DICOM")
        write_study(study, folder, mrs)
        if fdg:
            from dotaliver.phantom.two_tracers import fdg_lesions, fdg_study, write_fdg_images

            progress("making the FDG scan")
            write_fdg_images(fdg_study(study.spec, fdg_lesions(study.spec)), study.spec, folder / "fdg")
    if not quiet:
        typer.echo(f"Phantom '{preset}' (seed {seed}): study in {folder / 'study'}, truth in {folder / 'truth.json'}")


def schema() -> None:
    """Print the JSON schema of score.json."""
    import json

    from dotaliver.records.score import StudyScore

    typer.echo(json.dumps(StudyScore.model_json_schema(), indent=2))
