"""The command that opens a study in the reading workspace, which is another package."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dotaliver.cli.options import (
    AnyTracer,
    ConfigFile,
    CtSeries,
    Dose,
    FdgScan,
    PetSeries,
    Protocol,
    Relative,
    Weight,
    option,
)
from dotaliver.errors import ConfigError, StudyError

if TYPE_CHECKING:
    from dotaliver.pipeline.reading_desk import DeskCase

__all__ = ["GROUP", "view", "viewer"]

GROUP = "dotaliver.viewers"
"""Entry points of packages that show a study: callables ``(StudyInput, ScoringConfig) -> None``, which take a
``DeskCase`` as third argument where the study is a case of a central reading, and the folder of another score of the
patient as ``later`` where the two are compared, a sequence of folders where there are more."""

_CENTRAL = "Central reading"
Viewer = Callable[..., None]

StudyOrScore = Annotated[
    Path,
    typer.Argument(
        metavar="FOLDER", help="Folder of DICOM files, or one that 'dotaliver score' wrote.", show_default=False
    ),
]
Later = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="LATER...",
        help="Other scores of the patient: two are shown side by side, and the lesions of all compared.",
        show_default=False,
    ),
]


def view(  # noqa: PLR0913, PLR0917  one parameter per option
    study: StudyOrScore,
    later: Later = None,
    pet: PetSeries = None,
    ct: CtSeries = None,
    fdg: FdgScan = None,
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
    """Open a study, a score, several scores of a patient, or a reader's next case of a central reading in napari."""
    from dotaliver.system.processors import multiply_in_one_thread

    multiply_in_one_thread()
    from dotaliver.cli.settings import scoring_config, stated_values
    from dotaliver.pipeline import StudyInput

    stated = stated_values(weight, dose, None, (None, None), None)
    chosen = scoring_config(config, stated, protocol=protocol, relative=relative, any_tracer=any_tracer)
    if fdg is not None:
        _require_images(study, fdg, later, reader)
    show = viewer()
    if later:
        if reader is not None:
            msg = "scans are compared by their folders, a case is opened by its reader; give LATER or --reader"
            raise ConfigError(msg)
        _require_scores((study, *later))
        show(StudyInput(study), chosen, later=later[0] if len(later) == 1 else tuple(later))
        return
    if reader is not None:
        opened = _open_case(study, reader, case)
        show(opened.study, chosen, opened)
        return
    if not study.exists():
        msg = f"{study}: there is no such folder; give one of DICOM files, or one that 'dotaliver score' wrote"
        raise StudyError(msg)
    show(StudyInput(study, pet, ct, fdg=fdg), chosen)


def _require_images(study: Path, fdg: Path, later: Sequence[Path] | None, reader: str | None) -> None:
    """Refuse, before a window opens, an FDG scan that is not there or goes with a score, which holds its comparison."""
    from dotaliver.records.score_folder import ScoreFolder

    if not fdg.exists():
        msg = f"--fdg: {fdg}: there is no such folder; give the folder of an FDG PET/CT"
        raise StudyError(msg)
    if later or reader is not None or ScoreFolder(study).is_there:
        msg = "--fdg goes with a folder of DICOM files; a score is compared anew with 'dotaliver rescore --fdg'"
        raise ConfigError(msg)


def _require_scores(folders: Sequence[Path]) -> None:
    """Refuse, before a window opens, what cannot be scans of one patient."""
    from dotaliver.pipeline.visits import require_scans_of_one_patient
    from dotaliver.records.score_folder import ScoreFolder

    for folder in folders:
        if not ScoreFolder(folder).is_there:
            msg = f"{folder}: no score is in it; time points are compared from folders that 'dotaliver score' wrote"
            raise StudyError(msg)
    require_scans_of_one_patient(folders)


def _open_case(folder: Path, reader: str, code: str | None) -> DeskCase:
    """A reader's case, at its first scan that is not read yet."""
    from dotaliver.agreement.central import CentralReading
    from dotaliver.pipeline.reading_desk import DeskCase

    reading = CentralReading(folder)
    if not reading.is_there:
        msg = f"{folder}: no central reading is in it; leave --reader out, or give the folder of one"
        raise StudyError(msg)
    case = DeskCase.opened(reading, reader, code)
    typer.echo(case.title, err=True)
    if case.images_alone:
        typer.echo("The images alone are shown until your first answers are locked.", err=True)
    return case


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
