"""Options that commands of a central reading share, and what is made of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dotaliver.cli.options import option

if TYPE_CHECKING:
    from dotaliver.agreement.central import CentralReading
    from dotaliver.records.edits import Reader

__all__ = [
    "PLAN",
    "WHAT",
    "WHO",
    "CaseCode",
    "CourseEditsFile",
    "Folder",
    "Manifest",
    "Name",
    "Out",
    "ReaderName",
    "Reason",
    "Role",
    "Scores",
    "not_empty",
    "opened",
    "signer",
]

PLAN, WHO, WHAT = "Plan", "Who signs", "What"
"""Titles in the help"""

Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help="Folder that 'dotaliver reading init' made.", show_default=False)
]
ReaderName = Annotated[str, option("--reader", group=WHO, metavar="NAME", help="Short name in the plan, such as A.")]
CaseCode = Annotated[str, option("--case", group=WHAT, metavar="CODE", help="Case, such as C001.")]
Name = Annotated[str, option("--name", group=WHO, metavar="NAME", help="Your name, as it is signed.")]
Role = Annotated[str, option("--role", group=WHO, metavar="ROLE", help="Your role.", default="radiologist")]
Reason = Annotated[str, option("--reason", group=WHAT, metavar="TEXT", help="Reason (recorded).")]
Scores = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="SCORE...",
        help="Your score of each scan; without them your last revisions in the working folders.",
        show_default=False,
    ),
]
CourseEditsFile = Annotated[
    Path | None,
    option("--edits", group=WHAT, metavar="FILE", help="Your decisions on the course (JSON), as for 'recist'."),
]
Out = Annotated[
    Path | None, option("--out", "-o", group="Output", metavar="FOLDER", help="Where to write.", default="DIR/results")
]
Manifest = Annotated[
    Path, option("--manifest", group=PLAN, metavar="FILE", help="CSV with subjects and visits of the trial.")
]


def opened(folder: Path) -> CentralReading:
    """The central reading in a folder; `StudyError` where there is none."""
    from dotaliver.agreement.central import CentralReading
    from dotaliver.errors import StudyError

    found = CentralReading(folder)
    if not found.is_there:
        msg = f"{folder}: no central reading is in it; give the folder that 'dotaliver reading init' made"
        raise StudyError(msg)
    return found


def signer(name: str, role: str) -> Reader:
    """Who signs; `ConfigError` without a name or role."""
    from dotaliver.errors import ConfigError
    from dotaliver.records.edits import Reader

    if not name.strip() or not role.strip():
        msg = "a signature needs a name and a role; give --name and --role"
        raise ConfigError(msg)
    return Reader(name=name.strip(), role=role.strip())


def not_empty(reason: str) -> str:
    """The reason of a decision; `ConfigError` without one."""
    from dotaliver.errors import ConfigError

    if not reason.strip():
        msg = "a decision is recorded with its reason; give --reason"
        raise ConfigError(msg)
    return reason.strip()
