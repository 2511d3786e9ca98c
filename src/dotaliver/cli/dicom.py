"""The commands that speak DICOM with others: pull, push, measurements, zarr."""

from __future__ import annotations

import contextlib
import hashlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dotaliver.cli.progress import stages

if TYPE_CHECKING:
    from dotaliver.pacs.archive import Archive

__all__ = ["measurements", "pull", "push", "zarr"]

Url = Annotated[
    str,
    typer.Option("--url", help="https://host/dicom-web (DICOMweb) or dicoms://host:port/AE_TITLE (DIMSE over TLS)."),
]
CredentialsFile = Annotated[
    Path | None,
    typer.Option(
        "--credentials",
        help="JSON with user and password, or token, that only you can read [variables DOTALIVER_PACS_USER and "
        "DOTALIVER_PACS_PASSWORD, or DOTALIVER_PACS_TOKEN].",
    ),
]
CaFile = Annotated[Path | None, typer.Option("--ca-file", help="Authority that vouches for the PACS (PEM).")]
ClientCert = Annotated[Path | None, typer.Option("--client-cert", help="Our certificate (PEM), where it is asked for.")]
ClientKey = Annotated[Path | None, typer.Option("--client-key", help="Its key (PEM).")]
OwnAet = Annotated[str, typer.Option("--aet", help="Our AE title, for DIMSE.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]


def pull(  # noqa: PLR0913, PLR0917  one parameter per option
    url: Url,
    study: Annotated[str, typer.Option("--study", help="Study Instance UID.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder to make [dotaliver-in/HASH].")] = None,
    modality: Annotated[list[str] | None, typer.Option("--modality", help="Only these, such as CT and PT.")] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, max=16, help="Transfers at once.")] = 4,
    move_port: Annotated[
        int | None, typer.Option("--move-port", min=1, max=65535, help="DIMSE: fetch by C-MOVE to this port of ours.")
    ] = None,
    credentials: CredentialsFile = None,
    ca_file: CaFile = None,
    client_cert: ClientCert = None,
    client_key: ClientKey = None,
    aet: OwnAet = "DOTALIVER",
    quiet: Quiet = False,
) -> None:
    """Fetch a study from a PACS; run again, it goes on where it broke off."""
    from dotaliver.pacs.transfer import pull_study

    archive = _archive(url, credentials, (ca_file, client_cert, client_key), aet, workers, move_port)
    folder = out or Path("dotaliver-in") / hashlib.sha256(study.encode()).hexdigest()[:12]
    with _counting(quiet, "Fetching") as progress:
        done = pull_study(archive, study, folder, modalities=frozenset(modality or ()), progress=progress)
    kept = f" ({done.already_there} of them from an earlier run)" if done.already_there else ""
    typer.echo(str(done.folder) if quiet else f"{done.objects} objects{kept} in {done.folder}")


def push(  # noqa: PLR0913, PLR0917  one parameter per option
    files: Annotated[
        list[Path], typer.Argument(help="DICOM files, or folders whose *.dcm are sent, such as a score's.")
    ],
    url: Url,
    credentials: CredentialsFile = None,
    ca_file: CaFile = None,
    client_cert: ClientCert = None,
    client_key: ClientKey = None,
    aet: OwnAet = "DOTALIVER",
    quiet: Quiet = False,
) -> None:
    """Send DICOM objects to a PACS, and check that it lists them; what it has already is not sent again."""
    from dotaliver.pacs.transfer import push_files

    archive = _archive(url, credentials, (ca_file, client_cert, client_key), aet, 1, None)
    with _counting(quiet, "Sending") as progress:
        done = push_files(archive, files, progress=progress)
    if not quiet:
        already = f"; it had {len(done.already_there)} already" if done.already_there else ""
        typer.echo(f"The PACS took {len(done.sent)} objects and lists them{already}")


def measurements(
    report: Annotated[Path, typer.Argument(help="DICOM structured report.", show_default=False)],
    score: Annotated[Path | None, typer.Option("--score", help="Folder of a score to compare with.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show the measurements of a structured report (TID 1500), ours or another program's."""
    from dotaliver.dicom.sr import read_report
    from dotaliver.pipeline.sr_comparison import compare, report_tables

    found = read_report(report)
    compared = None if score is None else compare(found, score)
    if as_json:
        typer.echo((found if compared is None else compared).model_dump_json(indent=2))
        return
    from rich.console import Console

    console = Console() if sys.stdout.isatty() else Console(width=140, no_color=True, highlight=False)
    console.print(report_tables(found, compared))


def zarr(
    study: Annotated[Path, typer.Argument(help="Folder (or zip) of DICOM files.", show_default=False)],
    out: Annotated[Path, typer.Argument(help="New folder to write into.", show_default=False)],
    quiet: Quiet = False,
) -> None:
    """Write a study as OME-Zarr images with their DICOM headers beside them, to be scored like the files.

    The headers are copied whole: they hold the patient's name and data as the DICOM files do. For others, de-identify
    the files first; 'dotaliver score --deidentify' takes the patient out of a score.
    """
    from dotaliver.export.zarr_study import write_zarr_study

    with stages(quiet) as progress:
        done = write_zarr_study(study, out, progress)
    if quiet:
        typer.echo(str(done.folder))
        return
    copied = f"; {done.copied} files that form no CT or PET volume are copied as they are" if done.copied else ""
    typer.echo(f"{len(done.images)} series as OME-Zarr in {done.folder}{copied}")
    typer.echo("The headers beside them hold the patient's data, as the DICOM files do")


def _archive(
    url: str,
    credentials: Path | None,
    tls: tuple[Path | None, Path | None, Path | None],
    aet: str,
    workers: int,
    move_port: int | None,
) -> Archive:
    from dotaliver.pacs.archive import open_archive
    from dotaliver.pacs.endpoint import Settings, Tls, credentials_from, endpoint_of

    given = credentials_from(credentials)
    return open_archive(Settings(endpoint_of(url), given, Tls(*tls), aet, move_port, workers))


@contextlib.contextmanager
def _counting(quiet: bool, what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error; none when asked to be quiet or when nobody watches."""
    if quiet or not sys.stderr.isatty():
        yield lambda _done, _all: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task: Any = bar.add_task(what, total=None)
        yield lambda done, every: bar.update(task, completed=done, total=every)
