"""Where the program starts, and how it ends.

Results go to standard output, progress to standard error; exit status 0 means done, 2 bad usage, 3 that the study
cannot be scored (with the reason), 1 a fault of ours.
"""

from __future__ import annotations

import logging
import sys

import typer

from dotaliver.cli.score import app
from dotaliver.errors import ConfigError, DotaliverError, SegmenterError
from dotaliver.system.allocation import end_at_once

__all__ = ["main"]

_BAD_USAGE, _NOT_SCORED, _OUR_FAULT = 2, 3, 1


def main() -> None:
    """Run the command line; a study that cannot be scored ends with one sentence and status 3."""
    # Libraries' warnings would stand between our lines, and some quote headers.
    logging.captureWarnings(True)
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        app(standalone_mode=True)
    except (ConfigError, SegmenterError) as error:
        typer.echo(f"dotaliver: {error}", err=True)
        sys.exit(_BAD_USAGE)
    except DotaliverError as error:
        typer.echo(f"dotaliver: {error}", err=True)
        sys.exit(_NOT_SCORED)
    except KeyboardInterrupt:
        typer.echo("dotaliver: stopped", err=True)
        sys.exit(130)
    except Exception as error:
        logging.getLogger(__name__).debug("fault", exc_info=True)
        typer.echo(
            f"dotaliver: a fault of the program, not of your files: {type(error).__name__}: {error}; "
            "please report it with the command that you ran",
            err=True,
        )
        sys.exit(_OUR_FAULT)
    finally:
        end_at_once()
