"""The command that opens a study in the reading workspace, which is another package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dotaliver.cli.options import (
    AnyTracer,
    ConfigFile,
    CtSeries,
    Dose,
    PetSeries,
    Protocol,
    Relative,
    Weight,
    option,
)
from dotaliver.errors import ConfigError, StudyError

if TYPE_CHECKING:
    from dotaliver.config.scoring import ScoringConfig
    from dotaliver.pipeline import StudyInput

__all__ = ["GROUP", "view", "viewer"]

GROUP = "dotaliver.viewers"
"""Entry points of packages that show a study: callables ``(StudyInput, ScoringConfig) -> None``."""

_CENTRAL = "Central reading"
Viewer = Callable[["StudyInput", "ScoringConfig"], None]

StudyOrScore = Annotated[
    Path,
    typer.Argument(
        metavar="FOLDER", help="Folder of DICOM files, or one that 'dotaliver score' wrote.", show_default=False
    ),
]


def view(  # noqa: PLR0913, PLR0917  one parameter per option
    study: StudyOrScore,
    pet: PetSeries = None,
    ct: CtSeries = None,
    protocol: Protocol = None,
    config: ConfigFile = None,
    weight: Weight = None,
    dose: Dose = None,
    relative: Relative = False,
    any_tracer: AnyTracer = False,
    reader: Annotated[
        str | None,
        option(
            "--reader",
            group=_CENTRAL,
            metavar="NAME",
            help="With the folder of a central reading: open this reader's next case.",
        ),
    ] = None,
    case: Annotated[
        str | None,
        option("--case", group=_CENTRAL, metavar="CODE", help="Open this case of the central reading instead."),
    ] = None,
) -> None:
    """Open a study, a score or a reader's next case of a central reading in napari, to read, correct and sign it."""
    from dotaliver.cli.settings import scoring_config, stated_values
    from dotaliver.pipeline import StudyInput

    stated = stated_values(weight, dose, None, (None, None), None)
    chosen = scoring_config(config, stated, protocol=protocol, relative=relative, any_tracer=any_tracer)
    show = viewer()
    if reader is not None:
        show(_next_scan(study, reader, case), chosen)
        return
    if not study.exists():
        msg = f"{study}: there is no such folder; give one of DICOM files, or one that 'dotaliver score' wrote"
        raise StudyError(msg)
    show(StudyInput(study, pet, ct), chosen)


def _next_scan(folder: Path, reader: str, code: str | None) -> StudyInput:
    """The first scan of a reader's case that is not read yet; the images alone while the first answers are open."""
    from dotaliver.agreement.central import CentralReading
    from dotaliver.pipeline import StudyInput, read_record
    from dotaliver.pipeline.reading_signatures import open_case
    from dotaliver.pipeline.stored_score import relocated
    from dotaliver.records.score_folder import ScoreFolder

    reading = CentralReading(folder)
    if not reading.is_there:
        msg = f"{folder}: no central reading is in it; leave --reader out, or give the folder of one"
        raise StudyError(msg)
    case, folders = open_case(reading, reader, code)
    latest = [ScoreFolder(path).latest().path for path in folders]
    unread = [path for path in latest if read_record(path).edits.reader is None]
    chosen = unread[0] if unread else latest[0]
    number = latest.index(chosen) + 1
    typer.echo(f"Case {case.code}, scan {number} of {len(latest)}", err=True)
    state = reading.state()
    if state.plan.blind_to_automatic and reader in state.plan.readers and not state.answered(case.code, reader):
        typer.echo(
            "The images alone are shown: lock your first answers with 'dotaliver reading answer', then open the case "
            "again.",
            err=True,
        )
        return relocated(folders[number - 1], None, read_record(folders[number - 1]))
    return StudyInput(chosen)


def viewer() -> Viewer:
    """The viewer that is installed.

    Raises
    ------
    ConfigError
        Where there is none, or what it needs cannot be imported.
    """
    from importlib.metadata import entry_points

    from dotaliver.system.extras import extra_missing

    found = sorted(entry_points(group=GROUP), key=lambda entry: entry.name)
    if not found:
        raise ConfigError(extra_missing("'dotaliver view'", "napari", "napari-dotaliver"))
    try:
        loaded: Viewer = found[0].load()
    except ImportError as error:
        raise ConfigError(extra_missing(f"the viewer {found[0].value}", "napari", error.name)) from error
    return loaded
