"""The whole story: a folder of DICOM in, a record and its files out."""

from dotaliver.pipeline.run import (
    LocalPaths,
    OpenStudy,
    Outcome,
    OutputOptions,
    StudyInput,
    StudyPart,
    default_folder,
    images_of_score,
    load_edits,
    open_study,
    read_record,
    rescore,
    save,
    score_study,
    segment_study,
)

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
