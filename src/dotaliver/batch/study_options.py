"""What a batch's manifest says of single studies: analogue, measured series, FDG scan."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

from dotaliver.config.scoring import Analogue, AssumedValues, ScoringConfig
from dotaliver.errors import CourseError
from dotaliver.frozen import FrozenModel
from dotaliver.longitudinal.manifest import ManifestRow, numbered_rows

__all__ = ["NO_OPTIONS", "StudyOptions", "options_of_studies"]


class StudyOptions(FrozenModel):
    """What is said of one study, as its options of ``score`` would say it; None where nothing is."""

    analogue: Analogue | None = None
    analogue_date: date | None = None
    recist_image: str | None = None
    fdg: str | None = None
    """Folder of an FDG scan, seen under this path by all workers"""

    def settings(self, known: ScoringConfig) -> ScoringConfig:
        """Settings with the analogue that is stated; the same where none is."""
        if self.analogue is None:
            return known
        stated = {"analogue": self.analogue, "analogue_date": self.analogue_date}
        assume = AssumedValues.model_validate(known.assume.model_dump() | stated)
        return known.model_copy(update={"assume": assume})

    @property
    def fdg_folder(self) -> Path | None:
        """Where the FDG scan lies."""
        return None if self.fdg is None else Path(self.fdg)


NO_OPTIONS = StudyOptions()


def options_of_studies(manifest: Path) -> Mapping[str, StudyOptions]:
    """By Study Instance UID, what the manifest says of each study.

    A folder in the column ``fdg`` is named from the manifest's own on, or by its full path.

    Raises
    ------
    CourseError
        Where a row names a folder that is not there, or the rows of one study disagree; the text names file and row.
    """
    found: dict[str, tuple[int, StudyOptions]] = {}
    for number, row in numbered_rows(manifest):
        options = _options(manifest, number, row)
        first, before = found.setdefault(row.study_instance_uid, (number, options))
        if before != options:
            name = next(n for n in StudyOptions.model_fields if getattr(before, n) != getattr(options, n))
            msg = (
                f"{manifest.name}, rows {first} and {number}: two values of {name} for one study; correct the manifest"
            )
            raise CourseError(msg)
    return {uid: options for uid, (_, options) in found.items()}


def _options(manifest: Path, number: int, row: ManifestRow) -> StudyOptions:
    fdg = None
    if row.fdg is not None:
        folder = (manifest.parent / row.fdg).resolve()
        if not folder.exists():
            msg = (
                f"{manifest.name}, row {number}, column fdg: there is no such folder; name it as seen from the "
                "manifest, or by its full path"
            )
            raise CourseError(msg)
        fdg = str(folder)
    return StudyOptions(analogue=row.analogue, analogue_date=row.analogue_date, recist_image=row.recist_image, fdg=fdg)
