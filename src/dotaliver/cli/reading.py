"""The commands of a central reading: several readers, an adjudicator, agreement, and a trail that can be verified."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from dotaliver.cli.grouped_help import CONTEXT, GroupedCommand, GroupedCommands
from dotaliver.cli.options import AsJson, Quiet, option
from dotaliver.cli.output import console, stages, stop
from dotaliver.cli.reading_options import (
    PLAN,
    WHAT,
    CaseCode,
    CourseEditsFile,
    Folder,
    Manifest,
    Name,
    Out,
    ReaderName,
    Reason,
    Role,
    Scores,
    not_empty,
    opened,
    signer,
)

if TYPE_CHECKING:
    from dotaliver.agreement.results import Comparison
    from dotaliver.agreement.state import ReadingState

__all__ = ["reading_app"]

_DAMAGED = 3

Command = TypeVar("Command", bound=Callable[..., None])

reading_app = typer.Typer(
    cls=GroupedCommands,
    help="Run a central reading: readers, adjudicator, agreement, audit trail.",
    context_settings=CONTEXT,
    no_args_is_help=True,
    rich_markup_mode=None,
)


def _command(function: Command) -> Command:
    name = function.__name__.removesuffix("_command").rstrip("_")
    return reading_app.command(name, cls=GroupedCommand, context_settings=CONTEXT)(function)


@_command
def init(  # noqa: PLR0913, PLR0917  one parameter per option
    root: Annotated[
        Path, typer.Argument(metavar="ROOT", help="Folder of scores, such as that of a batch.", show_default=False)
    ],
    readers: Annotated[
        str, option("--readers", group=PLAN, metavar="NAMES", help="Short names, separated by commas, such as A,B.")
    ],
    out: Annotated[Path, option("--out", "-o", group="Output", metavar="DIR", help="New folder of the reading.")],
    adjudicator: Annotated[
        str | None,
        option("--adjudicator", group=PLAN, metavar="NAME", help="Reader who decides where the others differ."),
    ] = None,
    manifest: Annotated[
        Path | None,
        option(
            "--manifest",
            group=PLAN,
            metavar="FILE",
            help="CSV that assigns scans to subjects.",
            default="each scan is a case",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        option("--seed", group=PLAN, metavar="N", help="Seed of the codes and orders.", default="random"),
    ] = None,
    blind: Annotated[
        bool,
        option("--blind", group=PLAN, help="Ask for each reader's own answers before the automatic ones are shown."),
    ] = False,
    repeats: Annotated[
        int,
        option("--repeats", group=PLAN, metavar="N", min=0, help="Cases that each reader reads twice.", default="0"),
    ] = 0,
    rules: Annotated[
        Path | None,
        option("--rules", group=PLAN, metavar="FILE", help="Rules for what counts as a disagreement (TOML or JSON)."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Plan a central reading: cases with codes, an order for each reader, and rules, fixed before reading starts."""
    from dotaliver.config.files import read_settings, validated
    from dotaliver.config.reading import DisagreementRules
    from dotaliver.pipeline.reading_plan import PlanOptions, plan_reading

    chosen = validated(DisagreementRules, {} if rules is None else read_settings(rules), "--rules")
    names = tuple(name.strip() for name in readers.split(","))
    options = PlanOptions(names, adjudicator, manifest, seed, blind, repeats, chosen)
    with stages(quiet) as say:
        made = plan_reading(root, out, options, say)
    plan = made.plan()
    typer.echo(f"{len(plan.originals)} cases for {' and '.join(plan.readers)} (seed {plan.seed}): {out}")


@_command
def status(folder: Folder, as_json: AsJson = False) -> None:
    """Show the state of every case, without any answers."""
    state = opened(folder).state()
    if as_json:
        import json

        cases = {case.code: state.case(case.code).word for case in state.plan.originals}
        left = {reader: _left(state, reader) for reader in state.plan.readers}
        typer.echo(json.dumps({"cases": cases, "left": left}, indent=2))
        return
    from rich.table import Table

    table = Table(title="Central reading", title_justify="left", expand=False)
    for name in ("Case", "State", *state.plan.readers):
        table.add_column(name)
    for case in state.plan.originals:
        found = state.case(case.code)
        signed = ["signed" if reader in found.signed else "–" for reader in state.plan.readers]
        table.add_row(case.code, found.word, *signed)
    screen = console()
    screen.print(table)
    for reader in state.plan.readers:
        screen.print(f"Reader {reader}: {_left(state, reader)} of {len(state.plan.cases)} to read", markup=False)


def _left(state: ReadingState, reader: str) -> int:
    return sum(state.locked(code, reader) is None for code in state.plan.order[reader])


@_command
def next_(
    folder: Folder,
    reader: ReaderName,
    case: Annotated[
        str | None, option("--case", group=WHAT, metavar="CODE", help="Another case than the next one.")
    ] = None,
) -> None:
    """Open a reader's next case: print its code and the folders to read in ('dotaliver view' opens each)."""
    from dotaliver.pipeline.reading_signatures import open_case

    found, folders = open_case(opened(folder), reader, case)
    typer.echo(found.code)
    for path in folders:
        typer.echo(str(path))


@_command
def answer(  # noqa: PLR0913, PLR0917  one parameter per option
    folder: Folder,
    reader: ReaderName,
    case: CaseCode,
    verdict: Annotated[
        list[str],
        option("--verdict", group=WHAT, metavar="ID=WORD", help="Such as EXC4=not_met; once for each criterion."),
    ],
    name: Name,
    burden: Annotated[
        float | None,
        option("--burden", group=WHAT, metavar="PERCENT", help="Visual estimate of the tumour share of the liver."),
    ] = None,
    role: Role = "radiologist",
) -> None:
    """Lock a reader's first answers, given without the automatic ones (for a reading planned with --blind)."""
    from dotaliver.agreement.first_answers import first_answers

    reading = opened(folder)
    reading.plan().require_reader(reader)
    reading.note(
        "answered", case=case, reader=reader, person=signer(name, role), answers=first_answers(verdict, burden)
    )
    typer.echo(f"Case {case}: first answers of {reader} are locked.")


@_command
def sign(  # noqa: PLR0913, PLR0917  one parameter per option
    folder: Folder,
    reader: ReaderName,
    case: CaseCode,
    name: Name,
    scores: Scores = None,
    edits: CourseEditsFile = None,
    role: Role = "radiologist",
    quiet: Quiet = False,
) -> None:
    """Sign and lock a reading."""
    from dotaliver.config.criteria import RecistConfig
    from dotaliver.pipeline.reading_signatures import Signature, sign_case

    signature = Signature(case, reader, signer(name, role), tuple(scores or ()), edits)
    with stages(quiet) as say:
        logged = sign_case(opened(folder), signature, RecistConfig(), say)
    typer.echo(f"Case {case}: signed by {name} ({role}) and locked, event {logged.event.number}.")


@_command
def unlock(
    folder: Folder, reader: ReaderName, case: CaseCode, name: Name, reason: Reason, role: Role = "radiologist"
) -> None:
    """Unlock a signed reading so that it can be signed again; the signed files are kept, and this is recorded."""
    reading = opened(folder)
    reading.plan().require_reader(reader, or_adjudicator=True)
    reading.note("unlocked", case=case, reader=reader, person=signer(name, role), reason=not_empty(reason))
    typer.echo(f"Case {case}: the reading of {reader} is unlocked.")


@_command
def compare(folder: Folder, out: Out = None, quiet: Quiet = False) -> None:
    """Compare the readers, close cases without a disagreement, and show the others with both pictures."""
    from dotaliver.pipeline.reading_files import write_comparison

    target = out or folder / "results"
    with stages(quiet) as say:
        cases = write_comparison(opened(folder), target, say)
    for case in cases:
        typer.echo(f"{case.code}: {_comparison_words(case)}")
    if not cases:
        typer.echo("No case is signed by every reader yet.")
    typer.echo(f"Page: {target / 'comparison.html'}")


def _comparison_words(case: Comparison) -> str:
    topics = ", ".join(dict.fromkeys(point.topic.replace("_", " ") for _, _, point in case.differences))
    if case.closed is None:
        return f"to adjudicate ({topics})"
    how = "readers agree" if case.closed.event.kind == "agreed" else f"adjudicated ({topics})"
    return f"closed, {how}; final reading: {case.closed.event.accepted}"


@_command
def adjudicate(  # noqa: PLR0913, PLR0917  one parameter per option
    folder: Folder,
    case: CaseCode,
    name: Name,
    reason: Reason,
    scores: Scores = None,
    accept_reader: Annotated[
        str | None,
        option("--accept", group=WHAT, metavar="NAME", help="Take this reader's reading; else SCORE is your own."),
    ] = None,
    edits: CourseEditsFile = None,
    role: Role = "adjudicator",
    quiet: Quiet = False,
) -> None:
    """Decide a case on which the readers differ: accept one reading, or sign your own."""
    from dotaliver.config.criteria import RecistConfig
    from dotaliver.errors import ConfigError
    from dotaliver.pipeline.reading_signatures import Signature, accept, adjudicate_anew

    reading = opened(folder)
    person = signer(name, role)
    if accept_reader is not None:
        if scores or edits is not None:
            msg = "--accept takes a reader's reading as it is; leave SCORE and --edits out, or leave --accept out"
            raise ConfigError(msg)
        logged = accept(reading, case, accept_reader, person, not_empty(reason))
    else:
        who = reading.plan().adjudicator or ""
        signature = Signature(case, who, person, tuple(scores or ()), edits)
        with stages(quiet) as say:
            logged = adjudicate_anew(reading, signature, not_empty(reason), RecistConfig(), say)
    typer.echo(f"Case {case}: the final reading is that of {logged.event.accepted}.")


@_command
def agreement(folder: Folder, out: Out = None) -> None:
    """Compute kappa, AC1, ICC and limits of agreement with intervals, as a page and CSV."""
    from dotaliver.pipeline.reading_files import write_agreement

    target = out or folder / "results"
    write_agreement(opened(folder), target)
    typer.echo(f"Page: {target / 'agreement.html'}")


@_command
def audit(folder: Folder, out: Out = None) -> None:
    """Write the audit trail as CSV: who, what, when, from which value to which, why."""
    from dotaliver.pipeline.reading_files import write_audit
    from dotaliver.system.files import output_folder

    target = out or folder / "results"
    with output_folder(target):
        rows = write_audit(opened(folder), target / "audit.csv")
    typer.echo(f"{rows} rows: {target / 'audit.csv'}")


@_command
def export(folder: Folder, manifest: Manifest, out: Out = None, quiet: Quiet = False) -> None:
    """Write course, tables and SDTM of every closed case with several scans: each reader, and which is accepted."""
    from dotaliver.config.criteria import RecistConfig
    from dotaliver.pipeline.reading_files import write_final_courses

    target = out or folder / "results"
    with stages(quiet) as say:
        written = write_final_courses(opened(folder), manifest, target, RecistConfig(), say)
    for path in written:
        typer.echo(str(path))
    if not written:
        typer.echo("No case with several scans is closed yet.")


@_command
def verify(
    folder: Folder,
    head: Annotated[
        str | None,
        option("--head", metavar="HASH", help="Hash of an event that you noted: is it still in the log?"),
    ] = None,
) -> None:
    """Check log, plan and every signed file against their hashes."""
    reading = opened(folder)
    events = reading.log().read()
    problems = list(reading.damage())
    if not problems:
        for logged in events:
            if logged.event.files:
                reading.records_of(logged)
    if head is not None and head not in {logged.sha256 for logged in events}:
        problems.append(
            f"{folder}: no event has the hash {head[:12]}…; events were taken off the log, or it is another"
        )
    for path in reading.unsigned_leftovers():
        typer.echo(f"Note: {path.name} was never signed (an interrupted program left it) and does not count.")
    if problems:
        for sentence in problems[1:]:
            typer.echo(f"dotaliver: {sentence}", err=True)
        stop(problems[0], _DAMAGED)
    signed = sum(bool(logged.event.files) for logged in events)
    typer.echo(f"{len(events)} events and the files of {signed} signed readings are as they were written.")
    typer.echo(f"Last event: {events[-1].sha256}")
