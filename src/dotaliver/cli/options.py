"""The arguments and options that several commands share, each declared once, under the titles of the help."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypedDict, Unpack

import typer
from typer.models import OptionInfo

__all__ = [
    "AnalogueDate",
    "AnalogueGiven",
    "AnyTracer",
    "AsJson",
    "BatchProtocol",
    "Cache",
    "ConfigFile",
    "Correction",
    "CtSeries",
    "Deidentify",
    "Dose",
    "EditsFile",
    "FdgScan",
    "Height",
    "Injection",
    "LabelMap",
    "LesionAt",
    "LesionMask",
    "LesionsComplete",
    "LiverMask",
    "Memory",
    "NewProtocol",
    "Nifti",
    "NoReport",
    "Pdf",
    "PetSeries",
    "Pictures",
    "Protocol",
    "PseudonymKey",
    "Quiet",
    "RecistImage",
    "ReferenceTime",
    "Relative",
    "Segmenter",
    "Study",
    "StudyUid",
    "Weight",
    "option",
]

_IMAGES = "Images"
_MASKS = "Masks and corrections"
_RULES = "Rules"
_HEADER = "Values that override the DICOM header (recorded as assumptions)"
_PATIENT = "Patient"
_OUTPUT = "Output"
_PRIVACY = "De-identification"
_RESOURCES = "Resources"


class _Shown(TypedDict, total=False):
    """How an option's value is shown, and its bounds, in typer's words."""

    metavar: str
    min: int
    max: int
    autocompletion: Callable[[], list[str]]


def option(
    *names: str, help: str, group: str | None = None, default: str | None = None, **settings: Unpack[_Shown]
) -> OptionInfo:
    """An option of a command, listed in the help under ``group``; without one under the general options.

    ``default`` is how the help words what happens without the option.
    """
    words = help if default is None else f"{help} [default: {default}]"
    made: OptionInfo = typer.Option(*names, help=words, rich_help_panel=group, show_default=False, **settings)
    return made


def _decay_corrections() -> list[str]:
    return ["START", "ADMIN", "NONE"]


def _protocols() -> list[str]:
    from dotaliver.config.protocol import shipped_protocols

    return list(shipped_protocols())


def _segmenters() -> list[str]:
    from importlib.metadata import entry_points

    return sorted(entry.name for entry in entry_points(group="dotaliver.segmenters"))


Study = Annotated[
    Path,
    typer.Argument(
        metavar="STUDY",
        help="Folder or zip file of DICOM files in any order and nesting, or a folder from 'dotaliver zarr'.",
        show_default=False,
    ),
]

StudyUid = Annotated[
    str | None,
    option(
        "--study-uid",
        group=_IMAGES,
        metavar="UID",
        help="Study Instance UID, if the folder holds several studies.",
    ),
]
PetSeries = Annotated[
    str | None, option("--pet", group=_IMAGES, metavar="SERIES", help="PET series to use, by number or UID.")
]
CtSeries = Annotated[
    str | None, option("--ct", group=_IMAGES, metavar="SERIES", help="CT series to use, by number or UID.")
]
RecistImage = Annotated[
    str | None,
    option(
        "--recist-image",
        "--recist-ct",
        group=_IMAGES,
        metavar="SERIES",
        help="Diagnostic CT or MR series on which diameters are measured, by number, UID or description (with * and "
        "?).",
    ),
]

FdgScan = Annotated[
    Path | None,
    option(
        "--fdg",
        group=_IMAGES,
        metavar="FOLDER",
        help="FDG PET/CT of the same patient: lesions on both tracers, and the NETPET grade as a proposal.",
    ),
]

LiverMask = Annotated[
    Path | None,
    option(
        "--liver",
        group=_MASKS,
        metavar="FILE[#ROI]",
        help="Liver mask: DICOM SEG, RTSTRUCT, NIfTI, NRRD or OME-Zarr. FILE#ROI names one outline of a file.",
    ),
]
LesionMask = Annotated[
    list[Path] | None,
    option(
        "--lesions",
        group=_MASKS,
        metavar="FILE[#ROI]",
        help="Lesion mask in one of these formats; may be repeated. FILE#ROI#ROI names outlines of a file.",
    ),
]
LesionsComplete = Annotated[
    bool,
    option(
        "--lesions-complete",
        group=_MASKS,
        help="The lesion mask holds every lesion of the liver that the PET shows (recorded).",
    ),
]
LesionAt = Annotated[
    list[str] | None,
    option(
        "--lesion-at",
        group=_MASKS,
        metavar="X,Y,Z",
        help="Place inside a lesion on the image that diameters are measured on (LPS, mm), from which its border is "
        "found there; may be repeated.",
    ),
]
EditsFile = Annotated[
    Path | None,
    option("--edits", group=_MASKS, metavar="FILE", help="Reader's corrections and answers (JSON)."),
]
Segmenter = Annotated[
    str | None,
    option(
        "--segmenter",
        group=_MASKS,
        metavar="NAME",
        help="Segmenter that outlines the liver and its lesions.",
        default="petct",
        autocompletion=_segmenters,
    ),
]


def _protocol_option(what: str, default: str) -> OptionInfo:
    words = f"{what}: nct04544098, prrt-screening, or a TOML file."
    return option(
        "--protocol", group=_RULES, metavar="NAME|FILE", help=words, default=default, autocompletion=_protocols
    )


Protocol = Annotated[str | None, _protocol_option("Trial protocol", "nct04544098")]
NewProtocol = Annotated[str | None, _protocol_option("Another trial protocol", "that of the record")]
BatchProtocol = Annotated[
    str | None, _protocol_option("Trial protocol", "nct04544098; with --rescore that of each record")
]
ConfigFile = Annotated[
    Path | None, option("--config", group=_RULES, metavar="FILE", help="Settings to change (TOML or JSON).")
]
Relative = Annotated[
    bool,
    option("--relative", group=_RULES, help="Score without dose, weight and times: ratios and burden, but no SUV."),
]
AnyTracer = Annotated[
    bool,
    option(
        "--judge-any-tracer",
        group=_RULES,
        help="Answer the receptor criteria for another tracer or nuclide (recorded).",
    ),
]

Weight = Annotated[float | None, option("--weight", group=_HEADER, metavar="KG", help="Body weight.")]
Dose = Annotated[float | None, option("--dose", group=_HEADER, metavar="MBQ", help="Injected activity.")]
Height = Annotated[float | None, option("--height", group=_HEADER, metavar="M", help="Body height.")]
Injection = Annotated[
    str | None,
    option("--injection", group=_HEADER, metavar="DATETIME", help="Time of injection, as YYYY-MM-DDTHH:MM:SS."),
]
ReferenceTime = Annotated[
    str | None,
    option(
        "--reference-time",
        group=_HEADER,
        metavar="DATETIME",
        help="Time to which the PET is decay corrected, as YYYY-MM-DDTHH:MM:SS.",
    ),
]
Correction = Annotated[
    str | None,
    option(
        "--decay-correction",
        group=_HEADER,
        metavar="MODE",
        help="Decay correction of the PET: START, ADMIN or NONE.",
        autocompletion=_decay_corrections,
    ),
]


def _analogues() -> list[str]:
    return ["long-acting", "short-acting", "none"]


AnalogueGiven = Annotated[
    str | None,
    option(
        "--analogue",
        group=_PATIENT,
        metavar="KIND",
        help="Somatostatin analogue given before the scan: long-acting, short-acting or none (recorded).",
        autocompletion=_analogues,
    ),
]
AnalogueDate = Annotated[
    str | None,
    option("--analogue-date", group=_PATIENT, metavar="DATE", help="When it was last given, as YYYY-MM-DD."),
]

Nifti = Annotated[bool, option("--nifti", group=_OUTPUT, help="Also write the masks as NIfTI.")]
LabelMap = Annotated[
    bool,
    option("--labelmap", group=_OUTPUT, help="Write masks that do not overlap as DICOM label map SEG, not binary SEG."),
]
Pdf = Annotated[bool, option("--pdf", group=_OUTPUT, help="Also write the report as DICOM Encapsulated PDF.")]
Pictures = Annotated[
    bool, option("--pictures", group=_OUTPUT, help="Also write key pictures as DICOM Secondary Capture.")
]
RtStruct = Annotated[
    bool, option("--rtstruct", group=_OUTPUT, help="Also write liver and lesions as DICOM RT Structure Set on the CT.")
]
Dosimetry = Annotated[
    bool,
    option(
        "--dosimetry",
        group=_OUTPUT,
        help="Also write liver, lobes, tumours and non-tumoural liver as named masks for dosimetry (RTSTRUCT, NIfTI).",
    ),
]
NoReport = Annotated[
    bool, option("--no-report", group=_OUTPUT, help="Write no report.html: numbers, masks and DICOM objects alone.")
]
AsJson = Annotated[bool, option("--json", group=_OUTPUT, help="Print the result as JSON.")]

Deidentify = Annotated[
    bool,
    option(
        "--deidentify",
        group=_PRIVACY,
        help="Write all results with a keyed pseudonym, new UIDs and shifted dates.",
    ),
]
PseudonymKey = Annotated[
    Path | None,
    option(
        "--pseudonym-key",
        group=_PRIVACY,
        metavar="FILE",
        help="File with the key, readable only by you.",
        default="variable DOTALIVER_PSEUDONYM_KEY",
    ),
]

Memory = Annotated[
    str | None,
    option(
        "--memory",
        group=_RESOURCES,
        metavar="SIZE",
        help="Memory limit of the run, such as 1GiB or 800MiB; large images are read in parts.",
    ),
]
Cache = Annotated[
    Path | None,
    option(
        "--cache",
        group=_RESOURCES,
        metavar="FOLDER",
        help="Keep decoded compressed images here for the next run (OME-Zarr; patient images).",
    ),
]

Quiet = Annotated[bool, option("--quiet", "-q", help="No progress; print only where the results are.")]
