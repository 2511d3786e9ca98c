"""The record of one study: everything that was measured, answered and doubted, and from what.

`StudyScore` is what ``score.json`` holds. Its ``record_id`` names inputs, settings, masks, edits and results,
and leaves out times, versions and paths, so the same work gives the same name.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Literal

from pydantic import Field

from dotaliver.config.scoring import ExecutionConfig, ScoringConfig
from dotaliver.frozen import FrozenModel
from dotaliver.image.geometry import Vector
from dotaliver.records.body_record import BodyRecord, SearchRecord
from dotaliver.records.edits import ReaderEdits
from dotaliver.records.flags import Flag
from dotaliver.records.liver_audit import LiverAudit
from dotaliver.records.masks import (
    BorderEvidence,
    ClickedLesion,
    Completeness,
    CtSearch,
    DrawnOn,
    ImageRegistration,
    LobePlane,
    Mismatch,
)
from dotaliver.records.measurements import Burden, CtFocus, Lesion, Lobes, Reference
from dotaliver.records.netpet import NetpetRecord
from dotaliver.records.study import Acquisition, StudyIdentity
from dotaliver.records.verdicts import Verdict
from dotaliver.suv.arithmetic import SuvArithmetic
from dotaliver.system.parsing import Json, as_list, as_object

__all__ = [
    "LiverRecord",
    "MaskName",
    "MaskRecord",
    "Provenance",
    "ReferenceSource",
    "SegmentationRecord",
    "StudyScore",
    "folder_name",
    "record_id_of",
    "record_id_of_json",
]


MaskName = Literal["liver", "lesions", "ct_foci", "ct_lesions", "body", "body_on_ct"]


class MaskRecord(FrozenModel):
    """One mask that the score is based on; its voxels are in the DICOM SEG of the score."""

    name: MaskName
    origin: str
    drawn_on: DrawnOn
    border_uncertainty_mm: float
    labels: tuple[int, ...]
    shape: tuple[int, int, int]
    origin_lps_mm: Vector
    spacing_mm: Vector
    sha256: str
    completeness: Completeness | None = Field(
        default=None, description="Of a lesion mask: whether it holds every lesion, and who says so"
    )
    borders: dict[int, BorderEvidence] = Field(
        default_factory=dict, description="By label, how well the image shows the outline's border, where it was judged"
    )


class ReferenceSource(FrozenModel):
    """Where the first half of the pipeline placed a reference, whatever a reader did to it later."""

    method: Literal["sphere", "small_sphere", "low_mode", "organ", "reader", "none"]
    centre_lps_mm: Vector | None = None
    diameter_mm: float | None = None
    reason: str | None = None


class SegmentationRecord(FrozenModel):
    """How the masks were made."""

    segmenter: str
    masks: tuple[MaskRecord, ...]
    mismatch: Mismatch | None
    references: dict[str, ReferenceSource]
    reasons: dict[str, str]
    flags: tuple[Flag, ...]
    ct_search: CtSearch | None = Field(default=None, description="What a search for focal lesions on CT could see")
    lobes: LobePlane | None = Field(default=None, description="The plane between right and left lobe")
    lesions_complete: bool | None = Field(
        default=None,
        description="Whether the lesion mask is taken to hold every lesion of the liver: it was searched by program, "
        "or somebody states it; null where there is no lesion mask, or in a record of version 1",
    )
    unseen_on_ct: dict[int, str] = Field(
        default_factory=dict, description="By lesion label, why the CT that diameters are measured on shows no border"
    )
    clicked: dict[int, ClickedLesion] = Field(
        default_factory=dict, description="By lesion label, the place from which a reader let its border be found"
    )
    recist_registration: ImageRegistration | None = Field(
        default=None, description="Where the diagnostic CT or MR that diameters are measured on lies"
    )
    body: SearchRecord | None = Field(
        default=None, description="The search outside the liver; null where there was none"
    )


class LiverRecord(FrozenModel):
    """The whole liver, its tumours included."""

    volume_ml: float | None
    drawn_on: DrawnOn | None
    reason: str | None = None
    audit: LiverAudit | None = Field(
        default=None, description="The outline, compared with a second one; null without a CT, or in older records"
    )


class Provenance(FrozenModel):
    """Where the record comes from."""

    dotaliver_version: str
    python_version: str
    platform: str
    dependencies: dict[str, str]
    scored_at: datetime
    execution: ExecutionConfig
    config_sha256: str
    revises: str | None = Field(default=None, description="record_id of the record that this one revises")
    deidentified: bool = Field(default=False, description="Whether names, UIDs and dates are pseudonyms")


class StudyScore(FrozenModel):
    """One study, scored."""

    schema_version: Literal["2"] = "2"
    record_id: str = ""
    study: StudyIdentity
    acquisition: Acquisition
    uptake_unit: str = Field(description="UCUM unit of every uptake in this record")
    suv: SuvArithmetic | None
    references: dict[str, Reference]
    liver: LiverRecord
    burden: Burden
    lobes: Lobes = Field(default=Lobes(), description="Right and left lobe, with volume and burden")
    lesions: tuple[Lesion, ...]
    ct_foci: tuple[CtFocus, ...] = Field(default=(), description="Focal lesions on CT that the PET does not outline")
    body: BodyRecord | None = Field(
        default=None, description="The body outside the liver; null where it was not searched"
    )
    netpet: NetpetRecord | None = Field(
        default=None, description="The lesions on an FDG scan of the same patient; null where there is none"
    )
    criteria: dict[str, Verdict]
    flags: tuple[Flag, ...]
    segmentation: SegmentationRecord
    edits: ReaderEdits
    config: ScoringConfig
    provenance: Provenance

    def to_json(self) -> str:
        """The record as indented JSON."""
        return self.model_dump_json(indent=2) + "\n"

    def with_record_id(self) -> StudyScore:
        """The same record under its own name."""
        return self.model_copy(update={"record_id": record_id_of(self)})


def folder_name(study_uid: str) -> str:
    """Folder name of a study: a short hash of its Study Instance UID, which reveals nothing about the patient."""
    return hashlib.sha256(study_uid.encode()).hexdigest()[:12]


_NAMED_BY_ID = (
    "schema_version",
    "study",
    "acquisition",
    "uptake_unit",
    "suv",
    "references",
    "liver",
    "burden",
    "lobes",
    "lesions",
    "ct_foci",
    "body",
    "netpet",
    "criteria",
    "flags",
    "segmentation",
    "edits",
    "config",
)


def _without_times(value: Json) -> Json:
    if isinstance(value, dict):
        return {k: _without_times(v) for k, v in value.items() if k not in {"made_at", "scored_at"}}
    if isinstance(value, list):
        return [_without_times(v) for v in value]
    return value


def record_id_of(score: StudyScore) -> str:
    """SHA-256 over inputs, settings, masks, edits and results, without times, versions, paths and file formats.

    The fields are those of ``_NAMED_BY_ID``, as canonical JSON (sorted keys, shortest round-trip numbers).
    """
    return record_id_of_json(score.model_dump(mode="json", include=set(_NAMED_BY_ID)))


def record_id_of_json(data: dict[str, Json]) -> str:
    """The same of a record that was read as JSON, whatever today's types would make of it.

    Raises
    ------
    KeyError, TypeError, AttributeError
        Where the JSON is not that of a record.
    """
    # Records of this version from before the body outside the liver was searched, or two tracers compared, lack them.
    names = [name for name in _NAMED_BY_ID if name in data or name not in {"body", "netpet"}]
    named = {name: _without_times(data[name]) for name in names}
    for mask in as_list(as_object(named["segmentation"])["masks"]):
        # One mask is one input, whether it came as NIfTI or as NRRD.
        del as_object(mask)["origin"]
    text = json.dumps(named, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
