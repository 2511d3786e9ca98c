"""The commands that exchange DICOM with others: pull, push, measurements, zarr."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dotaliver.cli.options import AsJson, Quiet, Study, option
from dotaliver.cli.output import console, counting, stages

if TYPE_CHECKING:
    from dotaliver.pacs.archive import Archive

__all__ = ["measurements", "pull", "push", "zarr"]

_PACS, _TLS, _WHAT = "PACS", "Encryption", "Study"

Url = Annotated[
    str,
    option(
        "--url",
        group=_PACS,
        metavar="URL",
        help="https://host/dicom-web (DICOMweb) or dicoms://host:port/AE_TITLE (DIMSE over TLS).",
    ),
]
CredentialsFile = Annotated[
    Path | None,
    option(
        "--credentials",
        group=_PACS,
        metavar="FILE",
        help="JSON with 'user' and 'password', or 'token', readable only by you.",
        default="variables DOTALIVER_PACS_USER and DOTALIVER_PACS_PASSWORD, or DOTALIVER_PACS_TOKEN",
    ),
]
CaFile = Annotated[
    Path | None, option("--ca-file", group=_TLS, metavar="FILE", help="CA certificate of the PACS (PEM).")
]
ClientCert = Annotated[
    Path | None,
    option("--client-cert", group=_TLS, metavar="FILE", help="Client certificate (PEM), if the PACS asks for one."),
]
ClientKey = Annotated[
    Path | None, option("--client-key", group=_TLS, metavar="FILE", help="Key of the client certificate (PEM).")
]
OwnAet = Annotated[
    str,
    option("--aet", group=_PACS, metavar="TITLE", help="AE title of this program, for DIMSE.", default="DOTALIVER"),
]


def pull(  # noqa: PLR0913, PLR0917  one parameter per option
    url: Url,
    study: Annotated[str, option("--study", group=_WHAT, metavar="UID", help="Study Instance UID.")],
    out: Annotated[
        Path | None,
        option(
            "--out",
            "-o",
            group=_WHAT,
            metavar="FOLDER",
            help="Where to write the study.",
            default="dotaliver-in/HASH",
        ),
    ] = None,
    modality: Annotated[
        list[str] | None,
        option(
            "--modality",
            group=_WHAT,
            metavar="CODE",
            help="Fetch only this modality, such as CT or PT; may be repeated.",
        ),
    ] = None,
    workers: Annotated[
        int,
        option("--workers", group=_PACS, metavar="N", min=1, max=16, help="Transfers at the same time.", default="4"),
    ] = 4,
    move_port: Annotated[
        int | None,
        option(
            "--move-port",
            group=_PACS,
            metavar="PORT",
            min=1,
            max=65535,
            help="DIMSE: fetch by C-MOVE, received on this port.",
        ),
    ] = None,
    credentials: CredentialsFile = None,
    ca_file: CaFile = None,
    client_cert: ClientCert = None,
    client_key: ClientKey = None,
    aet: OwnAet = "DOTALIVER",
    quiet: Quiet = False,
) -> None:
    """Fetch a study from a PACS; the same command resumes an interrupted transfer."""
    from dotaliver.pacs.transfer import pull_study

    archive = _archive(url, credentials, (ca_file, client_cert, client_key), aet, workers, move_port)
    folder = out or Path("dotaliver-in") / hashlib.sha256(study.encode()).hexdigest()[:12]
    with counting(quiet, "Fetching") as progress:
        done = pull_study(archive, study, folder, modalities=frozenset(modality or ()), progress=progress)
    kept = f" ({done.already_there} of them from an earlier run)" if done.already_there else ""
    typer.echo(str(done.folder) if quiet else f"{done.objects} objects{kept} in {done.folder}")


def push(  # noqa: PLR0913, PLR0917  one parameter per option
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="DICOM files, or folders whose *.dcm files are sent, such as a score.",
            show_default=False,
        ),
    ],
    url: Url,
    credentials: CredentialsFile = None,
    ca_file: CaFile = None,
    client_cert: ClientCert = None,
    client_key: ClientKey = None,
    aet: OwnAet = "DOTALIVER",
    quiet: Quiet = False,
) -> None:
    """Send DICOM objects to a PACS and check that it lists them; objects it already has are skipped."""
    from dotaliver.pacs.transfer import push_files

    archive = _archive(url, credentials, (ca_file, client_cert, client_key), aet, 1, None)
    with counting(quiet, "Sending") as progress:
        done = push_files(archive, files, progress=progress)
    if not quiet:
        already = f"; {len(done.already_there)} were there already" if done.already_there else ""
        typer.echo(f"The PACS received {len(done.sent)} objects and lists them{already}")


def measurements(
    report: Annotated[Path, typer.Argument(metavar="REPORT", help="DICOM structured report.", show_default=False)],
    score: Annotated[Path | None, option("--score", metavar="FOLDER", help="Score to compare with.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the measurements of a DICOM structured report (TID 1500) of this or another program."""
    from dotaliver.dicom.sr import read_report
    from dotaliver.pipeline.sr_comparison import compare, report_tables

    found = read_report(report)
    compared = None if score is None else compare(found, score)
    if as_json:
        typer.echo((found if compared is None else compared).model_dump_json(indent=2))
        return
    console().print(report_tables(found, compared))


def zarr(
    study: Study,
    out: Annotated[Path, typer.Argument(metavar="FOLDER", help="New folder to write into.", show_default=False)],
    quiet: Quiet = False,
) -> None:
    """Convert a study to OME-Zarr with its DICOM headers, which can be scored like the files.

    The headers are copied whole, with the patient's name and data. De-identify the files before the result is shared;
    'dotaliver score --deidentify' removes the patient from a score.
    """
    from dotaliver.export.zarr_study import write_zarr_study

    with stages(quiet) as progress:
        done = write_zarr_study(study, out, progress)
    if quiet:
        typer.echo(str(done.folder))
        return
    copied = f"; {done.copied} files that form no CT or PET volume were copied unchanged" if done.copied else ""
    typer.echo(f"{len(done.images)} series as OME-Zarr in {done.folder}{copied}")
    typer.echo("The headers hold the patient's data, as the DICOM files do")


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
