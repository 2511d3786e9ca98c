"""The command that shows the manual."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from dotaliver.cli.options import option
from dotaliver.cli.output import console

__all__ = ["manual"]

# Longer lines are hard to read
_LINE_WIDTH = 100


def _pages() -> list[str]:
    from dotaliver.manual.pages import PAGES

    return list(PAGES)


def manual(
    page: Annotated[
        str | None,
        typer.Argument(
            metavar="PAGE",
            help="Page to show; without one, the pages are listed.",
            show_default=False,
            autocompletion=_pages,
        ),
    ] = None,
    browser: Annotated[bool, option("--browser", "-b", help="Open it in the web browser, as HTML.")] = False,
    out: Annotated[
        Path | None,
        option(
            "--out",
            "-o",
            metavar="FILE|FOLDER",
            help="Write it as HTML: to FILE.html, or as one file per page into a folder.",
        ),
    ] = None,
) -> None:
    """Show the manual, or list its pages. Needs no network."""
    from dotaliver.manual.pages import PAGES
    from dotaliver.manual.pages import page as page_of

    if page is not None:
        page_of(page)  # refuses a name that is none
    if out is not None:
        from dotaliver.manual.html import write_manual

        typer.echo(str(write_manual(out, page)))
    if browser:
        _open(page)
    if browser or out is not None:
        return
    if page is None:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, show_header=False, pad_edge=False)
        for name in PAGES:
            table.add_row(Text(name, style="bold"), Text(page_of(name).title))
        screen = console()
        screen.print(table)
        screen.print("\nRead one: dotaliver manual PAGE. All of it in the browser: dotaliver manual --browser.")
        return
    from rich.markdown import Markdown

    screen = console()
    screen.print(Markdown(_for_a_terminal(page_of(page).text)), width=min(screen.width, _LINE_WIDTH))


def _for_a_terminal(text: str) -> str:
    """A page without what a terminal cannot show: pictures, comments, and links that nobody can follow."""
    text = re.sub(r"<!--.*?-->|!\[[^\]]*\]\([^)]*\)", "", text, flags=re.DOTALL)
    return re.sub(r"\[([^\]]+)\]\(([a-z-]+)\.md(?:#[^)]*)?\)", r"\1 (page *\2*)", text)


def _open(page: str | None) -> None:
    """Write the manual into a folder of its own and open it; say where it is."""
    import tempfile
    import webbrowser

    from dotaliver.manual.html import write_manual

    file = write_manual(Path(tempfile.mkdtemp(prefix="dotaliver-manual-")), page)
    typer.echo(str(file))
    webbrowser.open(file.as_uri())
