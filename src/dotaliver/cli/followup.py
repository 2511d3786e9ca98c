"""The commands about several records: one patient over time, and two records of one study."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dotaliver.cli.options import AsJson, Quiet, option
from dotaliver.cli.output import console, stages

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from dotaliver.config.criteria import RecistConfig
    from dotaliver.longitudinal.records import PatientCourse, Reading
    from dotaliver.records.differences import Change, Value

__all__ = ["diff", "recist"]

_TRIAL, _RULES = "Trial and reader", "Rules"

Folders = Annotated[
    list[Path],
    typer.Argument(
        metavar="SCORE...", help="Folders that 'dotaliver score' wrote, of one patient.", show_default=False
    ),
]
Out = Annotated[Path, option("--out", "-o", group="Output", metavar="FOLDER", help="Where to write the results.")]
Manifest = Annotated[
    Path | None,
    option(
        "--manifest",
        group=_TRIAL,
        metavar="FILE",
        help="CSV with subject, visits and dates of the trial; needed for SDTM and for progression before entry.",
    ),
]
TrialDataFolder = Annotated[
    Path | None,
    option(
        "--trial-data",
        group=_TRIAL,
        metavar="FOLDER",
        help="The trial's DM and, where it has them, EX, SE, SV and TV (XPT or CSV); needed for study days and epochs.",
    ),
]
Edits = Annotated[
    list[Path] | None,
    option("--edits", group=_TRIAL, metavar="FILE", help="Reader's decisions (JSON); repeat for several evaluators."),
]
Config = Annotated[
    Path | None, option("--config", group=_RULES, metavar="FILE", help="RECIST settings to change (TOML or JSON).")
]
FiveMm = Annotated[
    bool, option("--inc6-5mm", group=_RULES, help="Progression before entry also requires an increase of 5 mm.")
]
Confirmed = Annotated[bool, option("--confirm", group=_RULES, help="Export the confirmed best overall response.")]


def recist(  # noqa: PLR0913, PLR0917  one parameter per option
    folders: Folders,
    out: Out,
    manifest: Manifest = None,
    trial_data: TrialDataFolder = None,
    edits: Edits = None,
    config: Config = None,
    five_mm: FiveMm = False,
    confirm: Confirmed = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Follow one patient over time: response by RECIST 1.1, tables, SDTM, ADaM and report."""
    from dotaliver.pipeline.followup import FollowUpInput, follow_patient, save_course

    rules = _rules(config, five_mm=five_mm, confirm=confirm)
    given = FollowUpInput(tuple(folders), manifest, trial_data, tuple(edits or ()))
    with stages(quiet) as say:
        made = follow_patient(given, rules, say)
        files = save_course(made, out, say)
    if as_json:
        typer.echo(made.course.to_json(), nl=False)
    elif quiet:
        typer.echo(str(out))
    else:
        screen = console()
        _show_course(screen, made.course)
        screen.print(f"Report: {out / 'response.html'}", soft_wrap=True)
        screen.print(f"Files: {', '.join(files)}", soft_wrap=True)
        for note in () if made.trial_data is None else made.trial_data.notes:
            screen.print(f"Note: {note}", soft_wrap=True, markup=False)
        _say_what_is_missing(made.course, has_trial_data=made.trial_data is not None)


def diff(
    before: Annotated[
        Path, typer.Argument(metavar="BEFORE", help="Folder of a score, or its score.json.", show_default=False)
    ],
    now: Annotated[Path, typer.Argument(metavar="NOW", help="Another score of the same study.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Show what changed between two records, and which numbers and verdicts changed with it."""
    from dotaliver.records.differences import compare_records
    from dotaliver.records.score_folder import ScoreFolder

    found = compare_records(*(ScoreFolder(_folder(path)).record() for path in (before, now)))
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
        return
    screen = console()
    if not found.same_study:
        screen.print("The records are of two different studies.")
    if not found.causes and not found.effects:
        screen.print("The records do not differ.")
        return
    screen.print(_change_table("What changed", found.causes))
    screen.print(_change_table("What followed", found.effects))
    for criterion, reasons in found.reasons.items():
        screen.print(f"{criterion}: {reasons}", soft_wrap=True, markup=False)


def _folder(path: Path) -> Path:
    from dotaliver.records.score_folder import RECORD

    return path.parent if path.name == RECORD else path


def _rules(path: Path | None, *, five_mm: bool, confirm: bool) -> RecistConfig:
    from dotaliver.config.criteria import RecistConfig
    from dotaliver.config.files import read_settings, validated

    data = {} if path is None else read_settings(path)
    chosen = {"inc6_needs_mm": five_mm, "confirm_responses": confirm}
    data |= {name: True for name, is_on in chosen.items() if is_on}
    return validated(RecistConfig, data, "--config" if path is None else path.name)


def _say_what_is_missing(course: PatientCourse, *, has_trial_data: bool) -> None:
    from dotaliver.export.sdtm.xpt import xpt_is_available

    if course.trial is None:
        typer.echo("Without --manifest no SDTM is written, and progression before entry is not evaluable.", err=True)
        return
    if not has_trial_data:
        typer.echo("Without --trial-data there are no study days (--DY), no epochs and no planned days.", err=True)
    if not xpt_is_available():
        from dotaliver.system.extras import extra_missing

        typer.echo(f"{extra_missing('dotaliver: writing SAS transport files', 'sdtm')}.", err=True)


def _show_course(screen: Console, course: PatientCourse) -> None:
    for reading in course.readings:
        screen.print(_course_table(reading))
        screen.print(f"Best overall response: {_best(reading)}", soft_wrap=True, markup=False)
        answer = reading.progression_before_entry
        verdict = answer.verdict.replace("_", " ")
        screen.print(f"Progression before entry: {verdict}. {answer.reason}", soft_wrap=True, markup=False)
        for question in reading.questions:
            screen.print(f"Open question: {question.sentence}", soft_wrap=True, markup=False)
        for warning in reading.warnings:
            screen.print(f"Note: {warning}", soft_wrap=True, markup=False)


def _best(reading: Reading) -> str:
    confirmed = reading.best_confirmed.response or "none"
    return f"{reading.best.response or 'none'} (confirmed: {confirmed}). {reading.best.reason}"


def _course_table(reading: Reading) -> Table:
    from rich.table import Table
    from rich.text import Text

    who = " ".join(part for part in (reading.evaluator.role, reading.evaluator.identifier) if part)
    table = Table(title=f"Response by RECIST 1.1, {who}", title_justify="left", show_lines=True, expand=False)
    for name in ("Scan", "Sum (mm)", "Targets", "Non-targets", "New", "Overall"):
        table.add_column(name, no_wrap=True)
    table.add_column("Reason", overflow="fold")
    for point in reading.time_points:
        key = reading.scans[point.scan]
        total = point.targets.sum_mm
        overall = point.overall
        flag = " (within reader variation)" if point.targets.within_noise else ""
        table.add_row(
            Text(f"{key.on} {key.visit or ''}".strip()),
            "–" if total is None else f"{total:.1f}",
            Text((point.targets.response or "–") + flag),
            point.non_targets.response or "–",
            "–" if overall is None else point.new_lesion,
            "baseline" if overall is None else overall.response,
            Text(point.targets.reason if overall is None else f"{overall.reason} {point.targets.reason}"),
        )
    return table


def _change_table(title: str, changes: tuple[Change, ...]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", expand=False)
    for name in ("Kind", "Field", "Before", "Now"):
        table.add_column(name, overflow="fold")
    for change in changes:
        table.add_row(change.kind, Text(change.field), Text(_short(change.before)), Text(_short(change.now)))
    return table


def _short(value: Value) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = "–" if value is None else value if isinstance(value, str) else json.dumps(value)
    with contextlib.suppress(ValueError):
        if len(text) == 64 and int(text, 16) >= 0:
            return text[:12] + "…"
    return text
