"""The options that several commands share, declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "AnyTracer",
    "AsJson",
    "Cache",
    "ConfigFile",
    "Correction",
    "CtSeries",
    "Deidentify",
    "Dose",
    "EditsFile",
    "Height",
    "Injection",
    "LabelMap",
    "LesionMask",
    "LesionsComplete",
    "LiverMask",
    "Memory",
    "Nifti",
    "Pdf",
    "PetSeries",
    "Pictures",
    "PseudonymKey",
    "Quiet",
    "RecistCt",
    "ReferenceTime",
    "Relative",
    "Study",
    "StudyUid",
    "Weight",
]

Study = Annotated[
    Path,
    typer.Argument(
        help="Folder of DICOM files, in any order and nesting, or one that 'dotaliver zarr' made.", show_default=False
    ),
]
StudyUid = Annotated[
    str | None, typer.Option("--study-uid", help="Study Instance UID, where the folder holds several studies.")
]
PetSeries = Annotated[str | None, typer.Option("--pet", help="PET series to use, by number or UID.")]
CtSeries = Annotated[str | None, typer.Option("--ct", help="CT series to use, by number or UID.")]
RecistCt = Annotated[
    str | None,
    typer.Option(
        "--recist-ct", help="Diagnostic CT series in the folder that diameters are measured on, by number or UID."
    ),
]
LiverMask = Annotated[
    Path | None, typer.Option("--liver", help="Liver mask: DICOM SEG, RTSTRUCT, NIfTI, NRRD or OME-Zarr.")
]
LesionMask = Annotated[
    list[Path] | None, typer.Option("--lesions", help="Lesion mask, in the same formats; may be given several times.")
]
LesionsComplete = Annotated[
    bool,
    typer.Option(
        "--lesions-complete", help="State that the lesion mask holds every lesion of the liver that the PET shows."
    ),
]
EditsFile = Annotated[Path | None, typer.Option("--edits", help="A reader's edits (JSON).")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="Settings to change (TOML or JSON).")]
Weight = Annotated[float | None, typer.Option("--weight", help="Body weight in kg, in place of the files' (recorded).")]
Dose = Annotated[float | None, typer.Option("--dose", help="Injected activity in MBq, likewise.")]
Height = Annotated[float | None, typer.Option("--height", help="Body height in m, likewise.")]
Injection = Annotated[
    str | None, typer.Option("--injection", help="Time of injection as YYYY-MM-DDTHH:MM:SS, likewise.")
]
ReferenceTime = Annotated[
    str | None, typer.Option("--reference-time", help="Instant that the PET is decay corrected to, likewise.")
]
Correction = Annotated[
    str | None, typer.Option("--decay-correction", help="START, ADMIN or NONE, in place of the files' (recorded).")
]
Relative = Annotated[
    bool, typer.Option("--relative", help="Score in relative units, without dose, weight or clock; no SUVs.")
]
AnyTracer = Annotated[
    bool,
    typer.Option("--judge-any-tracer", help="Answer the receptor criteria for another tracer or nuclide (recorded)."),
]
Nifti = Annotated[bool, typer.Option("--nifti", help="Write the masks as NIfTI too.")]
LabelMap = Annotated[
    bool, typer.Option("--labelmap", help="Masks as DICOM label map SEG where they do not overlap, not as binary SEG.")
]
Pdf = Annotated[bool, typer.Option("--pdf", help="The report also as a PDF in DICOM (Encapsulated PDF).")]
Pictures = Annotated[bool, typer.Option("--pictures", help="Key pictures also as DICOM images (Secondary Capture).")]
Deidentify = Annotated[
    bool, typer.Option("--deidentify", help="Write everything with a keyed pseudonym, new UIDs and shifted dates.")
]
PseudonymKey = Annotated[
    Path | None,
    typer.Option("--pseudonym-key", help="File with its key that only you can read [DOTALIVER_PSEUDONYM_KEY]."),
]
Memory = Annotated[
    str | None,
    typer.Option("--memory", help="Bound of the whole run, such as 1GiB or 800MiB: large images are read in parts."),
]
Cache = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        help="Folder that keeps decoded compressed series (as OME-Zarr) for the next run; of patients' images.",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, and of the results only the folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Results as JSON.")]
