"""All files of one score, written together: everything is made first, the record is put in place last."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dotaliver.errors import OutputError
from dotaliver.export.deidentify.objects import deidentified, pseudonyms_for
from dotaliver.export.dicom.documents import encapsulated_pdf, secondary_captures
from dotaliver.export.dicom.files import DicomJob, encoded_files
from dotaliver.export.dicom.source_headers import SegSources, usable_headers
from dotaliver.export.report.html import report_context, report_html
from dotaliver.export.report.pdf import report_pdf
from dotaliver.export.tables import lesions_csv
from dotaliver.image.itk import resample_labels, to_itk
from dotaliver.image.volume import LabelMap
from dotaliver.records.masks import MaskLayer, Segmentations
from dotaliver.records.score import StudyScore
from dotaliver.records.study import StudyVolumes
from dotaliver.system.files import output_folder, write_atomically
from dotaliver.system.second_process import SecondProcess

__all__ = ["OutputOptions", "ScoreFiles", "write_score"]

_RECORD = "score.json"
# A folder of images is named after the patient more often than not.
_NO_PATHS = '{"deidentified": true}\n'
# What an earlier score may have left in the folder and this one may not write again.
_OPTIONAL = (
    "segmentation.dcm",
    "segmentation_ct.dcm",
    "segmentation_ct_lesions.dcm",
    "suv_map.dcm",
    "report.dcm",
    "liver.nii.gz",
    "lesions.nii.gz",
)
_OPTIONAL_PATTERN = "picture-*.dcm"


@dataclass(frozen=True)
class OutputOptions:
    """What is written beside the record, the report and the DICOM objects that are always made."""

    nifti: bool = False
    labelmap: bool = False
    pdf: bool = False
    pictures: bool = False
    # What pseudonyms are made with; None: the outputs belong to the patient
    pseudonym_key: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, eq=False)
class ScoreFiles:
    """What the files of a score are made of."""

    score: StudyScore
    volumes: StudyVolumes
    segmentations: Segmentations
    sources: SegSources


def write_score(
    files: ScoreFiles, folder: Path, local_json: str, options: OutputOptions, helper: SecondProcess | None = None
) -> None:
    """Write record, table, report and masks into a folder.

    Everything is made in memory and written to a folder beside the target first; only then the files take their
    places, the record last, so that a folder with a record is a folder with everything.

    Parameters
    ----------
    files : ScoreFiles
        Record, images, masks and source headers.
    folder : Path
        Made if need be; files of an earlier score are replaced.
    local_json : str
        The paths that `rescore` may use; stays on this machine.
    options : OutputOptions
        What is written beside: the masks as NIfTI on the CT's grid (the PET's without a CT), and so on.
    helper : SecondProcess, optional
        Makes the DICOM objects while the report is drawn here.

    Raises
    ------
    OutputError
        Where the folder cannot be written or is full; what stood there before stays.
    """
    with output_folder(folder):
        if options.pseudonym_key is not None:
            files, local_json = _without_patient(files, options.pseudonym_key), _NO_PATHS
        _put_in_place(folder, _contents(files, local_json, options, helper or SecondProcess()))


def _without_patient(files: ScoreFiles, key: bytes) -> ScoreFiles:
    pseudonyms = pseudonyms_for(key, files.sources)
    return ScoreFiles(*deidentified(files.score, files.volumes, files.segmentations, files.sources, pseudonyms))


def _contents(
    files: ScoreFiles, local_json: str, options: OutputOptions, helper: SecondProcess
) -> dict[str, bytes | str]:
    """What each file holds, by name; the record is the last."""
    deidentified = options.pseudonym_key is not None
    job = DicomJob(
        files.score, files.volumes, files.segmentations, files.sources, options.labelmap, deidentified=deidentified
    )
    dicom = helper.begin(job)
    contents: dict[str, bytes | str] = {
        "lesions.csv": lesions_csv(files.score),
        "report.html": report_html(files.score, files.volumes, files.segmentations),
        "local.json": local_json,
    }
    if options.pdf or options.pictures:
        contents |= encoded_files(_documents(files, options), deidentified=deidentified)
    if options.nifti:
        contents |= _nifti_files(files)
    contents |= dicom.result()
    contents[_RECORD] = files.score.to_json()
    return contents


def _documents(files: ScoreFiles, options: OutputOptions) -> dict[str, Any]:
    """The report as a document and its key pictures as images of the patient's study, for viewers that show these."""
    shown = report_context(files.score, files.volumes, files.segmentations)
    header = usable_headers(files.sources, "pet", files.volumes.pet.geometry)[0]
    found: dict[str, Any] = {}
    if options.pdf:
        found["report.dcm"] = encapsulated_pdf(files.score, report_pdf(shown), header)
    if options.pictures:
        found |= secondary_captures(files.score, shown, header)
    return found


def _put_in_place(folder: Path, contents: dict[str, bytes | str]) -> None:
    staging = _staging_folder(folder)
    try:
        for name, content in contents.items():
            write_atomically(staging / name, content, shown_as=folder / name)
        (folder / _RECORD).unlink(missing_ok=True)
        for name in {*_OPTIONAL, *(path.name for path in folder.glob(_OPTIONAL_PATTERN))} - contents.keys():
            (folder / name).unlink(missing_ok=True)
        for name in contents:
            (staging / name).replace(folder / name)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        msg = f"{folder}: cannot be written ({error.strerror or error}); choose another output folder"
        raise OutputError(msg) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _staging_folder(folder: Path) -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix=".writing-", dir=folder))
    except OSError as error:
        msg = f"{folder}: cannot be written ({error.strerror or error}); choose another output folder"
        raise OutputError(msg) from error


def _nifti_files(files: ScoreFiles) -> dict[str, bytes]:
    """Liver and lesions on one grid for viewing; lesions stay where the PET shows them."""
    image = files.volumes.ct or files.volumes.pet
    layers: dict[str, MaskLayer | None] = {
        "liver.nii.gz": files.segmentations.liver,
        "lesions.nii.gz": files.segmentations.lesions,
    }
    result = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, layer in layers.items():
            if layer is not None:
                path = Path(folder) / name
                _write_nifti(resample_labels(layer.labels, image.geometry), path)
                result[name] = path.read_bytes()
    return result


def _write_nifti(labels: LabelMap, path: Path) -> None:
    import SimpleITK as sitk  # noqa: N813

    sitk.WriteImage(to_itk(labels), str(path), useCompression=True)
