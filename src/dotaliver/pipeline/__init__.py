"""The whole story: a folder of DICOM in, a record and its files out.

A part is loaded when it is first asked for: a command that reads records loads nothing that makes them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dotaliver.pipeline.opening import OpenStudy, StudyInput, open_study
    from dotaliver.pipeline.rescoring import StoredScore, open_score, outcome_as_stored, rescore
    from dotaliver.pipeline.run import (
        Outcome,
        OutputOptions,
        StudyPart,
        default_folder,
        save,
        score_study,
        segment_study,
    )
    from dotaliver.pipeline.stored_score import LocalPaths, images_of_score, load_edits, read_record

__all__ = [
    "LocalPaths",
    "OpenStudy",
    "Outcome",
    "OutputOptions",
    "StoredScore",
    "StudyInput",
    "StudyPart",
    "default_folder",
    "images_of_score",
    "load_edits",
    "open_score",
    "open_study",
    "outcome_as_stored",
    "read_record",
    "rescore",
    "save",
    "score_study",
    "segment_study",
]

_PARTS = {
    "opening": ("OpenStudy", "StudyInput", "open_study"),
    "rescoring": ("StoredScore", "open_score", "outcome_as_stored", "rescore"),
    "run": ("Outcome", "OutputOptions", "StudyPart", "default_folder", "save", "score_study", "segment_study"),
    "stored_score": ("LocalPaths", "images_of_score", "load_edits", "read_record"),
}
_PART_OF = {name: part for part, names in _PARTS.items() for name in names}


def __getattr__(name: str) -> object:
    """What the package offers, from the part that it is in."""
    if name not in _PART_OF:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    found: object = getattr(import_module(f"{__name__}.{_PART_OF[name]}"), name)
    return found
