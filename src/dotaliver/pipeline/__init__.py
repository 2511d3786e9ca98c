"""The whole story: a folder of DICOM in, a record and its files out."""

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
