"""What the commands print: results on standard output, progress on standard error, and how they stop."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Literal, NoReturn, TypedDict, Unpack

import typer

from dotaliver.system.shown import printable

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

__all__ = ["BAD_USAGE", "INTERNAL_ERROR", "INTERRUPTED", "NOT_SCORED", "console", "counting", "stages", "stop"]

INTERNAL_ERROR, BAD_USAGE, NOT_SCORED, INTERRUPTED = 1, 2, 3, 130
"""Exit statuses other than 0; 3 is a study that cannot be scored."""

# Wide enough that no table is folded
_WIDTH_WITHOUT_TERMINAL = 140


class _Options(TypedDict, total=False):
    """How a console differs from rich's usual one, in rich's words."""

    file: IO[str]
    stderr: bool
    width: int
    no_color: bool
    highlight: bool
    force_terminal: bool
    color_system: Literal["auto", "standard", "256", "truecolor", "windows"]


def console() -> Console:
    """Where tables go: the terminal, or a file without colour whose lines are not folded to a terminal's width."""
    if sys.stdout.isatty():
        return _safe_console()
    return _safe_console(width=_WIDTH_WITHOUT_TERMINAL, no_color=True, highlight=False)


def _safe_console(**options: Unpack[_Options]) -> Console:
    """A console that shows what stands in files and never lets it steer the terminal."""
    from rich.console import Console
    from rich.segment import Segment

    class SafeConsole(Console):
        def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
            for segment in super().render(renderable, options):
                text = segment.text if segment.control else printable(segment.text, keep="\n\t")
                yield segment if text == segment.text else Segment(text, segment.style)

    return SafeConsole(**options)


def stop(sentence: str, status: int) -> NoReturn:
    """End with one sentence on standard error."""
    typer.echo(f"dotaliver: {sentence}", err=True)
    raise typer.Exit(status)


@contextlib.contextmanager
def stages(quiet: bool) -> Iterator[Callable[[str], None]]:
    """Stages of the work in one changing line on standard error; silent with ``quiet`` or without a terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda _stage: None
        return
    from rich.text import Text

    # As text and not as markup, for a stage may name a series
    with _safe_console(stderr=True).status("starting") as status:
        yield lambda stage: status.update(Text(printable(stage[:1].upper() + stage[1:] + " …")))


@contextlib.contextmanager
def counting(quiet: bool, what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error; none with ``quiet`` or without a terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda _done, _all: None
        return
    from rich.progress import Progress

    with Progress(console=_safe_console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, every: bar.update(task, completed=done, total=every)
