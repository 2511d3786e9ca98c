"""Help as plain text with options and commands under titles, at any width and without colour."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    # typer brings click of its own
    from typer._click.core import Command, Context, Parameter
    from typer._click.formatting import HelpFormatter

__all__ = ["CONTEXT", "GroupedCommand", "GroupedCommands"]

CONTEXT: dict[str, list[str] | int] = {"help_option_names": ["-h", "--help"], "max_content_width": 110}
"""Settings of every command."""

_RESOURCES, _GENERAL = "Resources", "General"
# So few options need no titles
_FEW = 5
# What typer adds for an integer's range
_AT_LEAST = re.compile(r"\s*\[x>=\d+\]$")
_BETWEEN = re.compile(r"\[(\d+)<=x<=(\d+)\]$")
_REQUIRED = re.compile(r"\s*\[required\]$")


Record = tuple[str, str]
"""A name in the help, and its words"""


def _titled(rows: Iterable[tuple[str, Record]]) -> dict[str, list[Record]]:
    groups: dict[str, list[Record]] = {}
    for title, row in rows:
        groups.setdefault(title, []).append(row)
    return groups


def _usage_name(argument: Parameter) -> str:
    name = getattr(argument, "metavar", None) or str(argument.name).upper()
    return name if argument.required else f"[{name}]"


def _write_options(command: Command, context: Context, formatter: HelpFormatter) -> None:
    """Arguments, then options under the titles that they name, general ones last."""
    arguments, options = [], []
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is None:
            continue
        if parameter.param_type_name == "argument":
            arguments.append((_usage_name(parameter), _REQUIRED.sub("", record[1])))
        else:
            words = _BETWEEN.sub(r"[\1 to \2]", _AT_LEAST.sub("", record[1]))
            options.append((getattr(parameter, "rich_help_panel", None) or _GENERAL, (record[0], words)))
    groups = _titled(options)
    if len(options) <= _FEW:
        groups = {"Options": [record for _, record in options]}
    for last in (_RESOURCES, _GENERAL):
        if last in groups:
            groups[last] = groups.pop(last)
    if arguments:
        groups = {"Arguments": arguments, **groups}
    for title, records in groups.items():
        with formatter.section(title):
            formatter.write_dl(records)


class GroupedCommand(TyperCommand):
    """A command whose help lists its options under titles (``rich_help_panel``)."""

    def collect_usage_pieces(self, ctx: Context) -> list[str]:
        """Options, then the arguments by the names that the help uses."""
        arguments = (p for p in self.get_params(ctx) if p.param_type_name == "argument")
        return [self.options_metavar or "", *map(_usage_name, arguments)]

    def format_options(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write arguments and options."""
        _write_options(self, ctx, formatter)


class GroupedCommands(TyperGroup):
    """The program: its commands under titles, then its options."""

    def format_options(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write commands and options."""
        self.format_commands(ctx, formatter)
        _write_options(self, ctx, formatter)

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write each command with the first sentence of its help."""
        found = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        commands = {name: command for name, command in found.items() if command is not None}
        width = max(map(len, commands), default=0)
        rows = [
            (getattr(command, "rich_help_panel", None) or "Commands", (name.ljust(width), _first_sentence(command)))
            for name, command in commands.items()
            if not command.hidden
        ]
        for title, records in _titled(rows).items():
            with formatter.section(title):
                formatter.write_dl(records)


def _first_sentence(command: Command) -> str:
    return " ".join((command.help or "").split("\n\n")[0].split())
