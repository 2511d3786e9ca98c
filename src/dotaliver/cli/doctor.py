"""The command that checks the installation, the machine and, if named, a study."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dotaliver.cli.options import AsJson, ConfigFile, Protocol
from dotaliver.cli.output import NOT_SCORED, console

if TYPE_CHECKING:
    from dotaliver.cli.diagnosis import Diagnosis

__all__ = ["doctor"]


def doctor(
    study: Annotated[
        Path | None,
        typer.Argument(metavar="STUDY", help="Study to check as well.", show_default=False),
    ] = None,
    protocol: Protocol = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Check the installation and this machine, and whether a study would be scored.

    Exit status 3: a required package is missing, or the study cannot be scored.
    """
    from dotaliver.cli.diagnosis import diagnose

    found = diagnose(study, config, protocol)
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        _show(found)
    if not found.healthy:
        raise typer.Exit(NOT_SCORED)


def _show(found: Diagnosis) -> None:
    from rich.table import Table
    from rich.text import Text

    screen = console()
    screen.print(
        f"dotaliver {found.version}, Python {found.python}, {found.platform}. Installed from: {found.installed_from}",
        soft_wrap=True,
        markup=False,
    )

    def table(title: str, *columns: str) -> Table:
        made = Table(title=title, title_justify="left", expand=False)
        for column in columns:
            made.add_column(column, overflow="fold")
        return made

    bad = [package for package in found.packages if not package.is_fit]
    if bad:
        missing = table("Required packages", "Package", "Installed", "Needed")
        for package in bad:
            missing.add_row(package.name, package.version or "missing", package.needed or "any version")
        screen.print(missing)
    versions = ", ".join(f"{package.name} {package.version}" for package in found.packages if package.is_fit)
    screen.print(f"Packages: {versions}", markup=False)
    extras = table("Optional features", "Extra", "For", "State")
    for extra in found.extras:
        state = f"missing: {', '.join(extra.missing)}" if extra.missing else "installed"
        extras.add_row(extra.name, Text(extra.purpose), Text(state, style="yellow" if extra.missing else "green"))
    screen.print(extras)
    for extra in found.extras:
        if extra.install is not None:
            screen.print(f"To install '{extra.name}': {extra.install}", soft_wrap=True, markup=False, highlight=False)
    screen.print(f"Segmenters: {', '.join(found.segmenters)}", markup=False)
    machine = table("Machine", "", "")
    machine.show_header = False
    machine.add_row("Processors", str(found.processors))
    machine.add_row("Memory", _size(found.memory_bytes))
    for folder in found.folders:
        state = f"{_size(folder.free_bytes)} free" if folder.writable else "not writable"
        machine.add_row(folder.purpose, Text(f"{folder.path}: {state}", style="" if folder.writable else "red"))
    screen.print(machine)
    if found.study is not None:
        style = "green" if found.study.would_score else "red"
        screen.print(Text(found.study.sentence, style=style), soft_wrap=True)


def _size(count: int | None) -> str:
    return "unknown" if count is None else f"{count / 2**30:.1f} GiB"
