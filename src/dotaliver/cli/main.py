"""Where the program starts, which commands it has, and how it ends.

Results go to standard output, progress to standard error. Exit status: 0 done, 2 bad usage, 3 the study cannot be
scored (with the reason), 1 an internal error.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import Annotated, NoReturn

import typer

from dotaliver.cli.batch import batch
from dotaliver.cli.dicom import measurements, pull, push, zarr
from dotaliver.cli.doctor import doctor
from dotaliver.cli.endings import Stopped, machine_failure, stop_on_signals
from dotaliver.cli.followup import diff, recist
from dotaliver.cli.grouped_help import CONTEXT, GroupedCommand, GroupedCommands
from dotaliver.cli.manual import manual
from dotaliver.cli.output import BAD_USAGE, INTERNAL_ERROR, INTERRUPTED, NOT_SCORED
from dotaliver.cli.program import sample, schema
from dotaliver.cli.reading import reading_app
from dotaliver.cli.score import inspect, rescore, score
from dotaliver.cli.streams import check_streams, flush_output
from dotaliver.cli.view import view
from dotaliver.errors import ConfigError, DotaliverError, SegmenterError
from dotaliver.system.allocation import is_out_of_memory
from dotaliver.system.shown import printable

__all__ = ["app", "main"]

_SEVERAL = "Many studies, several readers, one patient over time"
_COMMANDS: dict[str, tuple[Callable[..., None], ...]] = {
    "Score": (score, rescore, inspect, view),
    _SEVERAL: (batch, recist, diff),
    "PACS and other formats": (pull, push, measurements, zarr),
    "About the program": (manual, doctor, sample, schema),
}

app = typer.Typer(
    name="dotaliver",
    cls=GroupedCommands,
    help="Score the liver on 68Ga-DOTATATE PET/CT: lesions, tumour burden and trial criteria, from DICOM to "
    "verdict.\n\nResearch use; not a medical device.",
    context_settings=CONTEXT,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for _title, _functions in _COMMANDS.items():
    for _function in _functions:
        app.command(cls=GroupedCommand, context_settings=CONTEXT, rich_help_panel=_title)(_function)
app.add_typer(reading_app, name="reading", rich_help_panel=_SEVERAL)


def _show_version(wanted: bool) -> None:
    if wanted:
        from dotaliver import __version__

        typer.echo(f"dotaliver {__version__}")
        raise typer.Exit


@app.callback()
def _before_every_command(
    version: Annotated[  # noqa: ARG001  its callback prints it
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    import logging

    # Warnings of libraries would appear between our lines, and some quote headers.
    logging.captureWarnings(True)
    logging.getLogger().addHandler(logging.NullHandler())


def main() -> None:
    """Run the command line; a study that cannot be scored ends with one sentence and status 3."""
    check_streams()
    stop_on_signals()
    try:
        _run()
    except Stopped as error:
        _end(error, 128 + error.number)
    except (ConfigError, SegmenterError) as error:
        _end(error, BAD_USAGE)
    except DotaliverError as error:
        # What ran out of memory may have been taken for a damaged file
        _end(machine_failure(error) or error if is_out_of_memory(error) else error, NOT_SCORED)
    except KeyboardInterrupt:
        _end("stopped", INTERRUPTED)
    except Exception as error:
        sentence = machine_failure(error)
        if sentence is not None:
            _end(sentence, NOT_SCORED)
        import logging

        logging.getLogger(__name__).debug("internal error", exc_info=True)
        kind = type(error).__name__
        _end(f"internal error: {kind}: {error}; please report it with the command that you ran", INTERNAL_ERROR)
    finally:
        if "numpy" in sys.modules:
            from dotaliver.system.allocation import end_at_once

            end_at_once()


def _run() -> None:
    """Run a command; what it printed is written before it ends, so that a failure of that is heard too."""
    try:
        app(standalone_mode=True)
    except SystemExit as ended:
        if not isinstance(ended, Stopped):
            flush_output()
        raise


def _end(sentence: str | BaseException, status: int) -> NoReturn:
    # Standard error may be full or closed as well
    with contextlib.suppress(OSError):
        typer.echo(f"dotaliver: {printable(str(sentence))}", err=True)
    sys.exit(status)
