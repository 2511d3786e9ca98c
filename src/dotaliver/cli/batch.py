"""The command that scores many studies."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dotaliver.cli.options import Cache, ConfigFile, LabelMap, Nifti, Pdf, Pictures, Quiet
from dotaliver.errors import ConfigError

if TYPE_CHECKING:
    from dotaliver.batch.progress import Reporter
    from dotaliver.batch.run import BatchResult

__all__ = ["register"]

_UNITS = {"": 1, "B": 1, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "KB": 10**3, "MB": 10**6, "GB": 10**9}
_SPANS = {"": 1.0, "S": 1.0, "MIN": 60.0, "M": 60.0, "H": 3600.0}
_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)")

Root = Annotated[
    Path,
    typer.Argument(help="Folder (or zip) that the studies lie below, in any order and nesting.", show_default=False),
]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder to write into.", show_default=False)]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="Studies scored at a time on this machine [one per core].")
]
Scheduler = Annotated[
    str | None, typer.Option("--scheduler", help="A dask cluster's scheduler, such as tcp://host:8786.")
]
Fresh = Annotated[
    bool, typer.Option("--fresh/--resume", help="Score all anew, or only what is not done or has changed [--resume].")
]
Again = Annotated[
    bool, typer.Option("--rescore", help="ROOT holds scores: measure and judge them again with their stored masks.")
]
Manifest = Annotated[Path | None, typer.Option("--manifest", help="CSV that labels the rows with subject and visit.")]
Memory = Annotated[
    str | None, typer.Option("--memory", help="Of one study's process, such as 4GiB [the machine's over the workers].")
]
Limit = Annotated[str, typer.Option("--timeout", help="For one study, such as 90s, 20min or 2h; 'none' for no limit.")]
AsJson = Annotated[bool, typer.Option("--json", help="Progress and results as lines of JSON.")]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""

    @app.command()
    def batch(  # noqa: PLR0913, PLR0917  one parameter per option
        root: Root,
        out: Out,
        workers: Workers = None,
        scheduler: Scheduler = None,
        fresh: Fresh = False,
        again: Again = False,
        manifest: Manifest = None,
        config: ConfigFile = None,
        memory: Memory = None,
        cache: Cache = None,
        timeout: Limit = "30min",
        nifti: Nifti = False,
        labelmap: LabelMap = False,
        pdf: Pdf = False,
        pictures: Pictures = False,
        quiet: Quiet = False,
        as_json: AsJson = False,
    ) -> None:
        """Score every study below a folder: one row each, tables, and a page of the cohort."""
        if workers is not None and scheduler is not None:
            msg = "--workers and --scheduler: give one, a cluster has its workers"
            raise ConfigError(msg)
        try:
            from dotaliver.batch.cluster import ClusterChoice
            from dotaliver.batch.records import Outputs
            from dotaliver.batch.run import BatchInput, run_batch
        except ImportError as error:
            msg = f"batches need the extra: pip install 'dotaliver[batch]' ({error.name} is missing)"
            raise ConfigError(msg) from error
        from dotaliver.config.files import load_config

        if cache is not None:
            # Told before the work, and not by every study
            from dotaliver.omezarr.writing import require_zarr

            require_zarr()
        given = BatchInput(
            root,
            out,
            ClusterChoice(workers, scheduler),
            config=None if config is None else load_config(config),
            manifest=manifest,
            rescore=again,
            fresh=fresh,
            outputs=Outputs(nifti=nifti, labelmap=labelmap, pdf=pdf, pictures=pictures),
            timeout_s=_seconds(timeout),
            memory_bytes=None if memory is None else _bytes(memory),
            cache=cache,
        )
        reporter = _reporter(quiet=quiet, as_json=as_json)
        try:
            result = run_batch(given, reporter)
        finally:
            reporter.close()
        _print_result(result, out, quiet=quiet, as_json=as_json)
        if result.stopped:
            raise typer.Exit(130)
        if not any(record.status == "scored" for record in result.records):
            typer.echo("dotaliver: no study could be scored; cohort.html says why", err=True)
            raise typer.Exit(3)


def _bytes(text: str) -> int:
    """An amount of memory, such as ``4GiB``."""
    match = _AMOUNT.fullmatch(text.strip())
    unit = None if match is None else _UNITS.get(match[2].upper())
    if match is None or unit is None or float(match[1]) <= 0:
        msg = f"--memory {text}: not an amount of memory; give one such as 4GiB or 1500MB"
        raise ConfigError(msg)
    return int(float(match[1]) * unit)


def _seconds(text: str) -> float | None:
    """A span of time, such as ``20min``; None for none."""
    if text.strip().lower() == "none":
        return None
    match = _AMOUNT.fullmatch(text.strip())
    unit = None if match is None else _SPANS.get(match[2].upper())
    if match is None or unit is None or float(match[1]) <= 0:
        msg = f"--timeout {text}: not a span of time; give one such as 90s, 20min or 2h, or 'none'"
        raise ConfigError(msg)
    return float(match[1]) * unit


def _reporter(*, quiet: bool, as_json: bool) -> Reporter:
    from dotaliver.batch.progress import JsonLines, PlainLines, Reporter, Screen

    if as_json:
        return JsonLines()
    if quiet:
        return Reporter()
    return Screen() if sys.stderr.isatty() else PlainLines()


def _print_result(result: BatchResult, out: Path, *, quiet: bool, as_json: bool) -> None:
    counts = result.cohort.counts
    if as_json:
        event: dict[str, Any] = {
            "event": "end",
            "stopped": result.stopped,
            "kept": result.kept,
            "others": result.others,
        }
        typer.echo(json.dumps({**event, "counts": counts, "files": [str(path) for path in result.cohort.files]}))
        return
    if quiet:
        typer.echo(str(out))
        return
    told = (
        ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in sorted(counts.items())) or "nothing done"
    )
    typer.echo(f"{told}{f'; {result.kept} done before' if result.kept else ''}")
    if result.others:
        typer.echo(
            f"Not in the cohort: {result.others} earlier scores in the folder, of studies that were not found now"
        )
    if result.stopped:
        typer.echo("Stopped; the same command goes on from here.")
    typer.echo(f"Cohort: {out / 'cohort.html'}")
