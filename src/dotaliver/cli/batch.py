"""The command that scores many studies."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dotaliver.cli.options import (
    AsJson,
    BatchProtocol,
    Cache,
    ConfigFile,
    Dosimetry,
    LabelMap,
    Nifti,
    NoReport,
    Pdf,
    Pictures,
    Quiet,
    RtStruct,
    option,
)
from dotaliver.cli.output import INTERRUPTED, NOT_SCORED, stop
from dotaliver.errors import ConfigError

if TYPE_CHECKING:
    from dotaliver.batch.progress import Reporter
    from dotaliver.batch.run import BatchResult

__all__ = ["batch"]

_SPANS = {"": 1.0, "S": 1.0, "MIN": 60.0, "M": 60.0, "H": 3600.0}
_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)")
_STUDIES, _RESOURCES = "Studies", "Resources"

Root = Annotated[
    Path,
    typer.Argument(
        metavar="ROOT",
        help="Folder or zip file with studies in any order and nesting; with --rescore, a folder of scores.",
        show_default=False,
    ),
]
Out = Annotated[Path, option("--out", "-o", group="Output", metavar="FOLDER", help="Where to write the results.")]
Workers = Annotated[
    int | None,
    option(
        "--workers",
        group=_RESOURCES,
        metavar="N",
        min=1,
        help="Studies scored at the same time on this machine.",
        default="one per processor",
    ),
]
Scheduler = Annotated[
    str | None,
    option(
        "--scheduler", group=_RESOURCES, metavar="ADDRESS", help="Scheduler of a dask cluster, such as tcp://host:8786."
    ),
]
Fresh = Annotated[
    bool,
    option(
        "--fresh/--resume",
        group=_STUDIES,
        help="Score every study anew, or only those that are new, changed or not finished.",
        default="resume",
    ),
]
Again = Annotated[
    bool,
    option("--rescore", group=_STUDIES, help="Measure and judge the scores below ROOT again, with their stored masks."),
]
BatchRecistImage = Annotated[
    str | None,
    option(
        "--recist-image",
        group=_STUDIES,
        metavar="SERIES",
        help="Diagnostic CT or MR series on which diameters are measured in every study, by number or description "
        "(with * and ?), such as '*portal*'; a study without it is not scored.",
    ),
]
Manifest = Annotated[
    Path | None,
    option("--manifest", group=_STUDIES, metavar="FILE", help="CSV that gives each study its subject and visit."),
]
Memory = Annotated[
    str | None,
    option(
        "--memory",
        group=_RESOURCES,
        metavar="SIZE",
        help="Memory limit of one study's process, such as 4GiB.",
        default="the machine's, shared among the workers",
    ),
]
Limit = Annotated[
    str,
    option(
        "--timeout",
        group=_RESOURCES,
        metavar="TIME",
        help="Time limit of one study, such as 90s, 20min or 2h, or 'none'.",
        default="30min",
    ),
]


def batch(  # noqa: PLR0913, PLR0917  one parameter per option
    root: Root,
    out: Out,
    workers: Workers = None,
    scheduler: Scheduler = None,
    fresh: Fresh = False,
    again: Again = False,
    manifest: Manifest = None,
    recist_image: BatchRecistImage = None,
    protocol: BatchProtocol = None,
    config: ConfigFile = None,
    memory: Memory = None,
    cache: Cache = None,
    timeout: Limit = "30min",
    nifti: Nifti = False,
    labelmap: LabelMap = False,
    pdf: Pdf = False,
    pictures: Pictures = False,
    rtstruct: RtStruct = False,
    dosimetry: Dosimetry = False,
    no_report: NoReport = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Score every study below a folder into one cohort: a row per study, tables and a page.

    Run the same command again to resume after an interruption.
    """
    if workers is not None and scheduler is not None:
        msg = "--workers and --scheduler exclude each other, since a cluster has its own workers; give one of them"
        raise ConfigError(msg)
    try:
        from dotaliver.batch.cluster import ClusterChoice
        from dotaliver.batch.records import Outputs
        from dotaliver.batch.run import BatchInput, run_batch
    except ImportError as error:
        from dotaliver.system.extras import extra_missing

        raise ConfigError(extra_missing("'dotaliver batch'", "batch", error.name)) from error
    from dotaliver.cli.settings import memory_bytes, scoring_config
    from dotaliver.config.protocol import protocol_named

    if cache is not None:
        # Refused once, before the work, and not by every study
        from dotaliver.omezarr.writing import require_zarr

        require_zarr()
    given = BatchInput(
        root,
        out,
        ClusterChoice(workers, scheduler),
        config=None if config is None else scoring_config(config),
        protocol=None if protocol is None else protocol_named(protocol),
        manifest=manifest,
        rescore=again,
        recist_image=recist_image,
        fresh=fresh,
        outputs=Outputs(
            nifti=nifti,
            labelmap=labelmap,
            pdf=pdf,
            pictures=pictures,
            rtstruct=rtstruct,
            dosimetry=dosimetry,
            report=not no_report,
        ),
        timeout_s=_seconds(timeout),
        memory_bytes=None if memory is None else memory_bytes(memory),
        cache=cache,
    )
    reporter = _reporter(quiet=quiet, as_json=as_json)
    try:
        result = run_batch(given, reporter)
    finally:
        reporter.close()
    _print_result(result, out, quiet=quiet, as_json=as_json)
    if result.stopped:
        raise typer.Exit(INTERRUPTED)
    if not any(record.status == "scored" for record in result.records):
        stop("no study could be scored; cohort.html gives the reasons", NOT_SCORED)


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
        event = {
            "event": "end",
            "stopped": result.stopped,
            "kept": result.kept,
            "others": result.others,
            "counts": counts,
            "files": [str(path) for path in result.cohort.files],
        }
        typer.echo(json.dumps(event))
        return
    if quiet:
        typer.echo(str(out))
        return
    statuses = ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in sorted(counts.items()))
    typer.echo(f"{statuses or 'No study'}{f'; {result.kept} from earlier runs' if result.kept else ''}")
    if result.others:
        typer.echo(
            f"Left out of the cohort: {result.others} scores of earlier runs whose studies were not found this time"
        )
    if result.stopped:
        typer.echo("Stopped. Run the same command again to resume.")
    typer.echo(f"Cohort: {out / 'cohort.html'}")
