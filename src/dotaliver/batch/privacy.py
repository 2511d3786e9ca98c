"""What is said of a study where others may read it: nothing that a patient may be named in."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from dotaliver.batch.records import StudyTask
from dotaliver.batch.stamps import files_of
from dotaliver.errors import DotaliverError

__all__ = ["without_names"]

_NAME = "[a file]"
# A file that is called "3" or "study" is meant only where a sentence begins with it, as ours on files do.
_PLAIN = re.compile(r"\d+|[a-z]+")


def without_names(sentence: str, task: StudyTask) -> str:
    """A sentence without the names of files and folders, since these are named after patients more often than not."""
    place = Path(task.place.folder)
    names = {str(place), *place.parts[1:]}
    with contextlib.suppress(DotaliverError):
        for path, name in files_of(task):
            names |= {str(path), name, *Path(name).parts}
    for name in sorted((name for name in names if name in sentence), key=len, reverse=True):
        after = r"(?=[:/]| frame)" if _PLAIN.fullmatch(name) else r"(?![\w-])"
        sentence = re.sub(rf"(?<![\w.-]){re.escape(name)}{after}", _NAME, sentence)
    return sentence
