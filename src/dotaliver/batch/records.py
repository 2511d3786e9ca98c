"""What is passed between the run, its workers and the output folder: frozen records that round-trip to JSON."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from dotaliver import __version__
from dotaliver.batch.study_options import NO_OPTIONS, StudyOptions
from dotaliver.config.protocol import TrialProtocol
from dotaliver.config.scoring import ScoringConfig
from dotaliver.dicom.files.headers import StudyPart
from dotaliver.frozen import FrozenModel

__all__ = [
    "DEFAULT_SCORER",
    "FAILURES",
    "MACHINE_FAILURES",
    "SCRATCH",
    "Outputs",
    "Place",
    "Row",
    "RunSettings",
    "Status",
    "StudyRecord",
    "StudyTask",
]

DEFAULT_SCORER = "dotaliver.batch.score_task:score_task"

Status = Literal["scored", "refused", "skipped", "fault", "timeout", "memory", "crashed", "worker_lost", "missing"]
"""How a study ended. ``refused``: its files do not allow a score; ``skipped``: it is nothing to score; ``fault``: the
program or the machine failed; ``timeout`` and ``memory``: over its limit; ``crashed``: its process ended;
``worker_lost``: the worker that had it ended; ``missing``: the manifest names it and it was not found."""

# Outcomes that are tried again: they may depend on the machine, the limits or the version.
MACHINE_FAILURES: frozenset[Status] = frozenset({"fault", "timeout", "memory", "crashed", "worker_lost", "missing"})
FAILURES: frozenset[Status] = MACHINE_FAILURES | {"refused"}

# Environment variable of a scoring process: its folder for temporary files, removed when it ends.
SCRATCH = "DOTALIVER_BATCH_SCRATCH"


Row = dict[str, str | int | float | bool | None]
"""A row of one of the cohort's tables, by the names of the columns; None where a value is not known"""


class Place(FrozenModel):
    """Location of a study: a folder, an archive, or some files of a folder. Stays on this machine."""

    folder: str
    study_uid: str | None = Field(default=None, description="Named where the place holds several studies")
    files: tuple[str, ...] | None = None

    @property
    def part(self) -> StudyPart:
        """The study and files of the folder that are meant."""
        return StudyPart(self.study_uid, self.files)

    @property
    def path(self) -> Path:
        """Folder or archive."""
        return Path(self.folder)


class StudyTask(FrozenModel):
    """One study to score."""

    key: str = Field(description="Name of its output folder: a short hash of the StudyInstanceUID")
    study_uid: str | None
    place: Place
    images: Place | None = Field(default=None, description="Where a stored score's images lie, to score it again")
    stamp: str = Field(default="", description="Hash of its files' names, sizes and times; see `stamps`")
    refusal: str | None = Field(default=None, description="Why it cannot be scored, where that is known at once")
    skipped: bool = Field(default=False, description="It holds no PET, so there is nothing to score")
    options: StudyOptions = Field(default=NO_OPTIONS, description="What the manifest says of this study alone")


class Outputs(FrozenModel):
    """What is written in addition to record and DICOM objects."""

    nifti: bool = False
    labelmap: bool = False
    pdf: bool = False
    pictures: bool = False
    rtstruct: bool = False
    dosimetry: bool = False
    report: bool = True


class RunSettings(FrozenModel):
    """Settings shared by all studies of a run; stored in the output folder, where workers read them."""

    run_id: str
    config: ScoringConfig | None = Field(default=None, description="Without it a stored score keeps its own settings")
    protocol: TrialProtocol | None = Field(default=None, description="Takes the place of the one in the settings")
    rescore: bool = False
    recist_image: str | None = Field(default=None, description="Series that diameters are measured on in every study")
    outputs: Outputs = Outputs()
    scorer: str = Field(default=DEFAULT_SCORER, description="Function that scores one study, as module:name")
    timeout_s: float | None = Field(default=None, gt=0)
    memory_bytes: int | None = Field(default=None, gt=0, description="Of one study's process")
    bound_bytes: int | None = Field(default=None, gt=0, description="Memory that the score plans with")
    cache: str | None = Field(default=None, description="Folder of decoded series, seen under this path by all workers")
    version: str = __version__

    def answer_sha256(self, options: StudyOptions = NO_OPTIONS) -> str:
        """Hash of every setting that changes what is written for a study with these options; limits do not."""
        shown = self.model_dump_json(
            include={"config", "protocol", "rescore", "recist_image", "outputs", "scorer", "version"}
        )
        if options != NO_OPTIONS:
            shown += options.model_dump_json()
        return hashlib.sha256(shown.encode()).hexdigest()


def _require_plain_name(name: str) -> str:
    """A plain file name without a path: others may write to the folder of the records."""
    if name in {"", ".", ".."} or Path(name).name != name or "\0" in name:
        msg = f"{name[:40]!r} is not the name of a file in the study's folder"
        raise ValueError(msg)
    return name


PlainName = Annotated[str, AfterValidator(_require_plain_name)]


class StudyRecord(FrozenModel):
    """How one study ended; valid only while its files have the hashes that it lists."""

    schema_version: Literal["1"] = "1"
    key: PlainName
    study_uid: str | None
    status: Status
    reason: str | None = Field(default=None, description="One sentence, without names of files")
    local_reason: str | None = Field(default=None, description="The same with the names of files: stays here")
    place: Place
    stamp: str
    content_sha256: str | None = Field(default=None, description="Hash of the bytes of its files")
    answer_sha256: str
    run_id: str
    seconds: float = 0.0
    peak_memory_bytes: int | None = None
    idle_memory_bytes: int | None = Field(default=None, description="Of the process once the study was done")
    process_id: int | None = Field(default=None, description="Of the process that scored it")
    files: dict[PlainName, str] = Field(default_factory=dict, description="SHA-256 of what was written, by name")
    row: Row = Field(default_factory=dict, description="Its row of the cohort")
    lesions: tuple[Row, ...] = ()
