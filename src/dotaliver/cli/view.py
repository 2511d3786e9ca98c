"""The command that opens a study in the reading workspace, which is another package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dotaliver.cli.options import AnyTracer, ConfigFile, CtSeries, Dose, PetSeries, Protocol, Relative, Weight
from dotaliver.errors import ConfigError, StudyError

if TYPE_CHECKING:
    from dotaliver.config.scoring import ScoringConfig
    from dotaliver.pipeline import StudyInput

__all__ = ["GROUP", "view", "viewer"]

GROUP = "dotaliver.viewers"
"""Entry points of packages that show a study: callables ``(StudyInput, ScoringConfig) -> None``."""

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
) -> None:
    """Open a study or a score in napari, to read, correct and sign it."""
    from dotaliver.cli.settings import scoring_config, stated_values
    from dotaliver.pipeline import StudyInput

    stated = stated_values(weight, dose, None, (None, None), None)
    chosen = scoring_config(config, stated, protocol=protocol, relative=relative, any_tracer=any_tracer)
    show = viewer()
    if not study.exists():
        msg = f"{study}: there is no such folder; give one of DICOM files, or one that 'dotaliver score' wrote"
        raise StudyError(msg)
    show(StudyInput(study, pet, ct), chosen)


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
