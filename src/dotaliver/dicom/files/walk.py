"""Every file below a study's folder, with symbolic links that neither lead out of it nor go round in circles."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from dotaliver.errors import FileFormatError, StudyError
from dotaliver.records.score_folder import OWN_OUTPUT
from dotaliver.system.temporary import is_temporary

__all__ = ["CACHE_MARK", "UNFINISHED", "files_below"]

# Marks a folder of decoded series (`plane_cache`), which is no part of the study that it may lie in.
CACHE_MARK = ".dotaliver-cache"
# Marks a folder into which a study is still coming from a PACS.
UNFINISHED = ".dotaliver-unfinished.json"


def files_below(folder: Path, links_left_out: list[str] | None = None) -> Iterator[tuple[Path, str]]:
    """Every file under a folder, in order, with its name relative to the folder; pipes and devices are not opened.

    Folders of our own output and of decoded series are skipped. A link to a folder inside the study adds nothing:
    its target is read where it lies. A link to a folder outside the study is not followed, since it may lead to
    another patient or to a whole disk. A link to a file is read as that file.

    Parameters
    ----------
    folder : Path
    links_left_out : list of str, optional
        Receives the names of links that lead out of the folder or nowhere.

    Raises
    ------
    FileFormatError
        Where a folder cannot be read.
    StudyError
        Where a folder holds a study that has not arrived completely from a PACS.
    """

    def unreadable(error: OSError) -> NoReturn:
        name = Path(error.filename).relative_to(folder).as_posix()
        msg = f"{name}: the folder cannot be read ({error.strerror}); make it readable or take it out of the study"
        raise FileFormatError(msg) from error

    left_out: list[str] = [] if links_left_out is None else links_left_out
    root = folder.resolve()
    for parent, folders, names in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not is_temporary(name))
        if UNFINISHED in names:
            msg = f"{Path(parent).name}: the study has not arrived completely from the PACS; run 'dotaliver pull' again"
            raise StudyError(msg)
        # Output of dotaliver may be inside the study's folder and is not part of the study.
        if OWN_OUTPUT.issubset(names) or CACHE_MARK in names:
            folders.clear()
            continue
        within = Path(parent).relative_to(folder).as_posix()
        prefix = "" if within == "." else f"{within}/"
        # os.walk does not descend into links; what is left to do is to say which of them matter
        left_out.extend(prefix + name for name in folders if _leads_out(Path(parent, name), root))
        for name in sorted(name for name in names if not is_temporary(name)):
            # Paths as text, for there are thousands
            place = os.path.join(parent, name)  # noqa: PTH118
            if os.path.isfile(place):  # noqa: PTH113
                yield Path(place), prefix + name
            elif os.path.islink(place) and not os.path.exists(place):  # noqa: PTH114, PTH110
                left_out.append(prefix + name)


def _leads_out(path: Path, root: Path) -> bool:
    """Whether a folder is a link to a place outside the study."""
    if not path.is_symlink():
        return False
    target = path.resolve()
    return target != root and root not in target.parents
