"""What 'dotaliver doctor' finds out."""

from __future__ import annotations

import platform
import shutil
import tempfile
from pathlib import Path

from pydantic import Field

from dotaliver import __version__
from dotaliver.cli.settings import scoring_config
from dotaliver.errors import DotaliverError
from dotaliver.frozen import FrozenModel
from dotaliver.system.extras import origin
from dotaliver.system.installation import Extra, Package, extras, memory_bytes, plugins, required_packages
from dotaliver.system.processors import processors

__all__ = ["Diagnosis", "FolderState", "StudyState", "diagnose"]

_FROM_AN_INDEX = "a package index"


class FolderState(FrozenModel):
    """A folder that a run writes into."""

    purpose: str
    path: str
    writable: bool
    free_bytes: int | None


class StudyState(FrozenModel):
    """Whether a study would be scored."""

    would_score: bool
    sentence: str = Field(description="Which series would be scored, or why the study cannot be scored")
    flags: tuple[str, ...] = Field(default=(), description="Codes of the flags that its images raise")


class Diagnosis(FrozenModel):
    """The state of the installation, the machine and a study."""

    version: str
    python: str
    platform: str
    installed_from: str
    packages: tuple[Package, ...]
    extras: tuple[Extra, ...]
    segmenters: tuple[str, ...]
    viewers: tuple[str, ...]
    processors: int
    memory_bytes: int | None
    folders: tuple[FolderState, ...]
    study: StudyState | None

    @property
    def healthy(self) -> bool:
        """Whether every required package is there and the study, if one was named, would be scored."""
        packages = all(package.is_fit for package in self.packages)
        return packages and (self.study is None or self.study.would_score)


def diagnose(study: Path | None = None, config: Path | None = None, protocol: str | None = None) -> Diagnosis:
    """Look at the installation and the machine, and at a study's series and SUV calculation."""
    return Diagnosis(
        version=__version__,
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        installed_from=origin().where or _FROM_AN_INDEX,
        packages=required_packages(),
        extras=extras(),
        segmenters=plugins("dotaliver.segmenters"),
        viewers=plugins("dotaliver.viewers"),
        processors=processors(),
        memory_bytes=memory_bytes(),
        folders=(
            _folder("Results (current folder)", Path.cwd()),
            _folder("Temporary files", Path(tempfile.gettempdir())),
        ),
        study=None if study is None else _study(study, config, protocol),
    )


def _folder(purpose: str, path: Path) -> FolderState:
    try:
        with tempfile.TemporaryFile(dir=path):
            writable = True
    except OSError:
        writable = False
    try:
        free: int | None = shutil.disk_usage(path).free
    except OSError:
        free = None
    return FolderState(purpose=purpose, path=str(path), writable=writable, free_bytes=free)


def _study(study: Path, config: Path | None, protocol: str | None) -> StudyState:
    from dotaliver.pipeline.inspection import inspect_study

    try:
        found = inspect_study(study, config=scoring_config(config, protocol=protocol))
    except DotaliverError as error:
        return StudyState(would_score=False, sentence=f"The study cannot be scored: {error}")
    flags = tuple(dict.fromkeys(flag.code for flag in found.flags))
    if found.refused is not None:
        return StudyState(would_score=False, sentence=f"The study cannot be scored: {found.refused}", flags=flags)
    used = {line.used_as: f"series {line.number}, {line.slices} files" for line in found.series if line.used_as}
    ct = f"the CT ({used['ct']})" if "ct" in used else "no CT"
    return StudyState(
        would_score=True, sentence=f"The study would be scored on the PET ({used['pet']}) with {ct}.", flags=flags
    )
