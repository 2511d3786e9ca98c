"""The folder of a score: which files it holds, and its record read back and verified."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, ValidationError

from dotaliver.errors import StudyError
from dotaliver.frozen import FrozenModel, first_problem
from dotaliver.records.score import StudyScore, record_id_of_json
from dotaliver.records.version_1 import as_version_2, record_id_1
from dotaliver.system.parsing import Json, ParseError, as_object, parse_json
from dotaliver.system.results import whole_result
from dotaliver.system.temporary import is_unused

__all__ = [
    "BODY_TABLE",
    "DOSIMETRY",
    "DOSIMETRY_STRUCTURES",
    "LESIONS_NIFTI",
    "LESION_TABLE",
    "LIVER_NIFTI",
    "LOCAL_PATHS",
    "MASKS",
    "MEASUREMENTS",
    "NETPET_TABLE",
    "OWN_OUTPUT",
    "RECORD",
    "REPORT",
    "REPORT_DICOM",
    "STRUCTURES",
    "SUV_MAP",
    "LocalPaths",
    "MaskFile",
    "ScoreFolder",
    "dosimetry_mask",
    "is_score_file",
    "picture_name",
    "record_from_json",
]

RECORD = "score.json"
LOCAL_PATHS = "local.json"
OWN_OUTPUT = {RECORD, LOCAL_PATHS}
"""What every score has, and no folder of images."""
LESION_TABLE = "lesions.csv"
BODY_TABLE = "body.csv"
NETPET_TABLE = "netpet.csv"
REPORT = "report.html"
REPORT_DICOM = "report.dcm"
SUV_MAP = "suv_map.dcm"
STRUCTURES = "structures.dcm"
MEASUREMENTS = "measurements.dcm"
DOSIMETRY, DOSIMETRY_STRUCTURES = "dosimetry.json", "dosimetry.dcm"
LIVER_NIFTI, LESIONS_NIFTI = "liver.nii.gz", "lesions.nii.gz"

MaskFile = Literal["pet", "ct", "ct_lesions", "ct_candidates", "liver", "body", "ct_body"]
MASKS: dict[MaskFile, str] = {
    "pet": "segmentation.dcm",
    "ct": "segmentation_ct.dcm",
    "ct_lesions": "segmentation_ct_lesions.dcm",
    "ct_candidates": "segmentation_ct_candidates.dcm",
    "liver": "segmentation_liver.dcm",
    "body": "segmentation_body.dcm",
    "ct_body": "segmentation_ct_body.dcm",
}
"""DICOM SEG objects: on the grid of the PET, of its CT, lesions on the CT that diameters are measured on, candidates on
CT, the liver where it would share a file with lesions, candidates and lesions outside the liver on the PET, and those
that a reader confirmed as the CT shows them."""

_ONE_EACH = {
    RECORD,
    LOCAL_PATHS,
    LESION_TABLE,
    BODY_TABLE,
    NETPET_TABLE,
    REPORT,
    REPORT_DICOM,
    SUV_MAP,
    STRUCTURES,
    MEASUREMENTS,
    LIVER_NIFTI,
    LESIONS_NIFTI,
    DOSIMETRY,
    DOSIMETRY_STRUCTURES,
    *MASKS.values(),
}
_PICTURE = re.compile(r"picture-[0-9]{2,}\.dcm")
_DOSIMETRY_MASK = re.compile(r"dosimetry-[A-Za-z]+(_[A-Za-z0-9]+)?\.nii\.gz")
_REVISION = re.compile(r"revised-([0-9]{1,9})")
# A record of 10 000 lesions has about 15 MB.
_MAX_RECORD_BYTES = 256 * 2**20


def picture_name(number: int) -> str:
    """The file of one key picture as a DICOM image."""
    return f"picture-{number:02d}.dcm"


def dosimetry_mask(name: str) -> str:
    """The file of one mask for dosimetry, by the name of its structure."""
    return f"dosimetry-{name}.nii.gz"


def is_score_file(name: str) -> bool:
    """Whether a score's folder may have a file of this name that `score` wrote."""
    return name in _ONE_EACH or any(several.fullmatch(name) for several in (_PICTURE, _DOSIMETRY_MASK))


class LocalPaths(FrozenModel):
    """What ``local.json`` holds: the only place where paths are stored, never exported."""

    study: str = Field(description="Folder that the images were read from")
    pet: str
    ct: str | None = None
    # Its name before any release with MR was recist_ct.
    recist_image: str | None = Field(default=None, validation_alias=AliasChoices("recist_image", "recist_ct"))
    fdg: str | None = Field(default=None, description="Folder of the FDG scan that was compared")
    study_uid: str | None = Field(default=None, description="Named where the folder holds several studies")
    files: tuple[str, ...] | None = Field(default=None, description="The study's files, by name from the folder on")


@dataclass(frozen=True)
class ScoreFolder:
    """A folder that ``dotaliver score`` wrote."""

    path: Path

    def file(self, name: str) -> Path:
        """Where a file of the score lies, also where a killed run had yet to move it to its place."""
        return whole_result(self.path) / name

    def mask_file(self, which: MaskFile) -> Path:
        """Where the masks on the grid of one image lie."""
        return self.file(MASKS[which])

    def file_of_mask(self, name: str, drawn_on: Literal["ct", "pet"]) -> Path:
        """Where one mask of the record lies: in a file of its own, or else in that of the image it was drawn on."""
        own: dict[str, MaskFile] = {
            "liver": "liver",
            "ct_foci": "ct_candidates",
            "ct_lesions": "ct_lesions",
            "body": "body",
            "body_on_ct": "ct_body",
        }
        if name in own and (path := self.mask_file(own[name])).is_file():
            return path
        return self.mask_file(drawn_on)

    @property
    def is_there(self) -> bool:
        """Whether the folder holds a score, without reading it."""
        return self.file(RECORD).is_file()

    def record(self) -> StudyScore:
        """Read the record and verify it against its ``record_id``.

        Raises
        ------
        StudyError
            Where there is no record, it is damaged, of another version, or was changed after it was written.
        """
        return record_from_json(self._text(), str(self.path / RECORD))

    def study_uid(self) -> str:
        """The Study Instance UID as the record gives it, quickly and unverified: for a list of many scores.

        Raises
        ------
        StudyError
            Where it cannot be read.
        """
        try:
            return str(as_object(as_object(parse_json(self._text()))["study"])["study_instance_uid"])
        except (ParseError, KeyError, TypeError) as error:
            msg = f"{self.path / RECORD}: not a record; score the study again"
            raise StudyError(msg) from error

    def _text(self) -> bytes:
        try:
            file = self.file(RECORD)
            if file.stat().st_size > _MAX_RECORD_BYTES:
                msg = f"{self.path / RECORD}: too large for a record; give the folder that 'dotaliver score' wrote"
                raise StudyError(msg)
            return file.read_bytes()
        except OSError as error:
            msg = f"{self.path}: there is no readable {RECORD} in it; give the folder that 'dotaliver score' wrote"
            raise StudyError(msg) from error

    def local_paths(self) -> LocalPaths | None:
        """Where the images lay; None where ``local.json`` does not say so."""
        try:
            return LocalPaths.model_validate(parse_json(self.file(LOCAL_PATHS).read_bytes()))
        except (OSError, ParseError, ValidationError):
            return None

    def latest(self) -> ScoreFolder:
        """The revision with the highest number, which is a reader's last word; the folder itself without one."""
        found = [(int(m[1]), path) for path in self.path.iterdir() if (m := _REVISION.fullmatch(path.name))]
        whole = [(number, path) for number, path in found if ScoreFolder(path).is_there]
        return ScoreFolder(max(whole)[1]) if whole else self

    def next_revision(self) -> Path:
        """Where the next revision of the score goes; what a killed run left empty is taken again."""
        number = 1
        while (made := self.path / f"revised-{number}").exists() and not is_unused(made):
            number += 1
        return made


def record_from_json(content: bytes | str, name: str = RECORD) -> StudyScore:
    """A record from its JSON, verified against its ``record_id``; version 1 by the rules of version 1.

    Parameters
    ----------
    content : bytes or str
        What the file holds.
    name : str
        How errors call the file.

    Raises
    ------
    StudyError
        Where it is not the JSON of a record, of another version, or was changed after it was written.
    """
    try:
        data = parse_json(content)
    except ParseError as error:
        msg = f"{name}: {error}; score the study again"
        raise StudyError(msg) from error
    version = data.get("schema_version") if isinstance(data, dict) else None
    if not isinstance(data, dict) or version not in ("1", "2"):  # a tuple: what is not text may not be hashable
        said = f"schema version {version[:20]!r}" if isinstance(version, str) else "no schema version"
        msg = f"{name}: {said}, and this program reads 1 and 2; update dotaliver or score the study again"
        raise StudyError(msg)
    _require_unchanged(data, name)
    try:
        return StudyScore.model_validate(as_version_2(data) if version == "1" else data)
    except ValidationError as error:
        msg = f"{name}: not a record of this version ({first_problem(error)}); score the study again"
        raise StudyError(msg) from error


def _require_unchanged(data: dict[str, Json], name: str) -> None:
    """Refuse a record whose content does not give its ``record_id``, by the rules of its own version."""
    rule = record_id_1 if data["schema_version"] == "1" else record_id_of_json
    try:
        unchanged = rule(data) == data["record_id"]
    except (KeyError, TypeError, AttributeError) as error:
        msg = f"{name}: not a whole record; score the study again"
        raise StudyError(msg) from error
    if not unchanged:
        msg = (
            f"{name}: the record was changed after it was written (its content does not match its record_id); restore "
            "the file, or score the study again"
        )
        raise StudyError(msg)
