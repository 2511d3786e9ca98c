"""The command that opens a study at a reader's desk; the desk itself is another package."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dotaliver.cli.options import AnyTracer, ConfigFile, CtSeries, Dose, PetSeries, Relative, Weight
from dotaliver.errors import ConfigError, StudyError

if TYPE_CHECKING:
    from dotaliver.config.scoring import ScoringConfig
    from dotaliver.pipeline import StudyInput

__all__ = ["GROUP", "register", "viewer"]

GROUP = "dotaliver.viewers"
"""Entry points of packages that show a study: callables ``(StudyInput, ScoringConfig) -> None``."""

SettingsOf = Callable[..., "ScoringConfig"]
Viewer = Callable[["StudyInput", "ScoringConfig"], None]

StudyOrScore = Annotated[
    Path, typer.Argument(help="Folder of DICOM files, or one that 'dotaliver score' wrote.", show_default=False)
]


def register(app: typer.Typer, settings: SettingsOf) -> None:
    """Add the command to the application; `settings` makes the configuration of a file and of what is stated."""

    @app.command()
    def view(  # noqa: PLR0913, PLR0917  one parameter per option
        study: StudyOrScore,
        pet: PetSeries = None,
        ct: CtSeries = None,
        config: ConfigFile = None,
        weight: Weight = None,
        dose: Dose = None,
        relative: Relative = False,
        any_tracer: AnyTracer = False,
    ) -> None:
        """Open a study, or a score, in napari: look, correct, sign."""
        from dotaliver.pipeline import StudyInput

        given = {"weight_kg": weight, "dose_mbq": dose}
        stated = {name: value for name, value in given.items() if value is not None}
        chosen = settings(config, stated, relative=relative, any_tracer=any_tracer)
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
    found = sorted(entry_points(group=GROUP), key=lambda entry: entry.name)
    if not found:
        msg = (
            "the viewer is not installed: install the package napari-dotaliver (plugins/napari-dotaliver) and the "
            "extra 'napari' beside this one"
        )
        raise ConfigError(msg)
    try:
        loaded: Viewer = found[0].load()
    except ImportError as error:
        msg = f"the viewer ({found[0].value}) cannot be started: {error}; install the extra 'napari'"
        raise ConfigError(msg) from error
    return loaded
