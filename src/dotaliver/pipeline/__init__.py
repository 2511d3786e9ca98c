"""The whole story: a folder of DICOM in, a record and its files out."""

from dotaliver.pipeline.opening import OpenStudy, StudyInput, open_study
from dotaliver.pipeline.rescoring import rescore
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
    "StudyInput",
    "StudyPart",
    "default_folder",
    "images_of_score",
    "load_edits",
    "open_study",
    "read_record",
    "rescore",
    "save",
    "score_study",
    "segment_study",
]
