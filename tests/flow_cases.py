"""Running the command line in this process, and a patient who can be told from anything else."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

import pydicom

from dotaliver.cli import main

# Words that stand nowhere in the program: wherever they turn up, they came from the patient's headers.
SECRETS = {
    "PatientName": "Zyxwvut^Quirinus",
    "PatientID": "QQ-98765-KLM",
    "OtherPatientIDs": "RR-43210",
    "PatientBirthDate": "19310203",
    "PatientAddress": "Nebelgasse 77",
    "AccessionNumber": "ACC555777",
    "ReferringPhysicianName": "Vorrangig^Hedwig",
    "InstitutionName": "Krankenhaus Sperling",
    "PatientComments": "Lives with Zyxwvut senior",
}
TELLTALES = ("Zyxwvut", "Quirinus", "QQ-98765", "RR-43210", "19310203", "Nebelgasse", "ACC555777", "Vorrangig")


@dataclass(frozen=True)
class Run:
    """One call of the command line: exit status and what it wrote."""

    status: int
    out: str
    err: str


def run_cli(*arguments: object) -> Run:
    """Run the command line in this process, as its entry point would."""
    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["dotaliver", *map(str, arguments)]
    status = 0
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
    except SystemExit as stopped:
        status = stopped.code if isinstance(stopped.code, int) else 1
    finally:
        sys.argv = before
    return Run(status, out.getvalue(), err.getvalue())


def change(paths, **elements) -> None:
    """Set elements in DICOM files; None takes one away."""
    for path in paths:
        dataset = pydicom.dcmread(path)
        for keyword, value in elements.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)
        dataset.save_as(path)
