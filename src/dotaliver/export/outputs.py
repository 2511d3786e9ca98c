"""All files of one score, made and written together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dotaliver.errors import OutputError
from dotaliver.export.body_table import body_csv
from dotaliver.export.deidentify.objects import deidentified, pseudonyms_for
from dotaliver.export.dicom.files import DicomJob, encoded_files, made_or_left_out
from dotaliver.export.dicom.source_headers import SegSources, usable_headers
from dotaliver.export.netpet_table import netpet_csv
from dotaliver.export.report.compose import report_content
from dotaliver.export.report.html import report_html
from dotaliver.export.tables import lesions_csv
from dotaliver.image.itk import resample_labels, to_itk
from dotaliver.image.volume import LabelMap
from dotaliver.records.masks import MaskLayer, Segmentations
from dotaliver.records.score import StudyScore
from dotaliver.records.score_folder import (
    BODY_TABLE,
    DOSIMETRY,
    DOSIMETRY_STRUCTURES,
    LESION_TABLE,
    LESIONS_NIFTI,
    LIVER_NIFTI,
    LOCAL_PATHS,
    NETPET_TABLE,
    RECORD,
    REPORT,
    REPORT_DICOM,
    STRUCTURES,
    dosimetry_mask,
    is_score_file,
)
from dotaliver.records.study import StudyVolumes
from dotaliver.system.files import output_folder
from dotaliver.system.results import write_result
from dotaliver.system.second_process import SecondProcess
from dotaliver.system.temporary import scratch

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from dotaliver.export.dosimetry import Dosimetry

__all__ = ["OutputOptions", "ScoreFiles", "write_score"]

# A folder of images is named after the patient more often than not.
_NO_PATHS = '{"deidentified": true}\n'


@dataclass(frozen=True)
class OutputOptions:
    """What is written in addition to the record and the DICOM objects."""

    nifti: bool = False
    labelmap: bool = False
    pdf: bool = False
    pictures: bool = False
    # What pseudonyms are made with; None: the outputs belong to the patient
    pseudonym_key: bytes | None = field(default=None, repr=False)
    rtstruct: bool = False
    dosimetry: bool = False
    # The page for readers; a study whose numbers alone are wanted is done sooner without it.
    report: bool = True


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

    Everything is made in memory and written to a temporary folder first, which then takes the target's
    place as a whole (`dotaliver.system.results`), so that there is an earlier score or the new one, never a
    mixture.

    Parameters
    ----------
    files : ScoreFiles
        Record, images, masks and source headers.
    folder : Path
        Made if need be; files of an earlier score are replaced.
    local_json : str
        The paths that `rescore` may use; stays on this machine.
    options : OutputOptions
        Optional outputs: the masks as NIfTI on the CT's grid (the PET's without a CT), and so on.
    helper : SecondProcess, optional
        Makes the DICOM objects while the report is drawn here.

    Raises
    ------
    OutputError
        Where the folder cannot be written or is full; earlier content is kept.
    """
    with output_folder(folder):
        if options.pseudonym_key is not None:
            files, local_json = _without_patient(files, options.pseudonym_key), _NO_PATHS
        write_result(folder, _contents(files, local_json, options, helper or SecondProcess()), is_score_file)


def _without_patient(files: ScoreFiles, key: bytes) -> ScoreFiles:
    pseudonyms = pseudonyms_for(key, files.sources)
    return ScoreFiles(*deidentified(files.score, files.volumes, files.segmentations, files.sources, pseudonyms))


def _contents(
    files: ScoreFiles, local_json: str, options: OutputOptions, helper: SecondProcess
) -> dict[str, bytes | str]:
    """What each file holds, by name; the record is the last."""
    deidentified = options.pseudonym_key is not None
    # No DICOM object is made of the FDG scan, so it is not sent to another process.
    volumes, masks = replace(files.volumes, fdg=None), replace(files.segmentations, fdg=None)
    job = DicomJob(files.score, volumes, masks, files.sources, options.labelmap, deidentified=deidentified)
    dicom = helper.begin(job)
    report = _report(files) if options.report else None
    contents: dict[str, bytes | str] = {
        LESION_TABLE: lesions_csv(files.score),
        **_body_table(files.score),
        **_netpet_table(files.score),
        **({} if report is None else {REPORT: report}),
        LOCAL_PATHS: local_json,
    }
    if options.pdf or options.pictures:
        none_made: dict[str, Dataset] = {}
        documents = made_or_left_out("the report as DICOM", lambda: _documents(files, options), none_made)
        contents |= encoded_files(documents, deidentified=deidentified)
    if options.rtstruct:
        contents |= encoded_files(_structures(files), deidentified=deidentified)
    if options.dosimetry:
        nothing: dict[str, bytes | str] = {}
        contents |= made_or_left_out(
            "the masks for dosimetry", lambda: _dosimetry(files, deidentified=deidentified), nothing
        )
    if options.nifti:
        contents |= _nifti_files(files)
    no_objects: dict[str, bytes] = {}
    contents |= made_or_left_out("the DICOM objects", dicom.result, no_objects)
    contents[RECORD] = files.score.to_json()
    return contents


def _body_table(score: StudyScore) -> dict[str, bytes | str]:
    """The table of what lies outside the liver, where there is something."""
    return {BODY_TABLE: body_csv(score)} if score.body is not None and score.body.lesions else {}


def _netpet_table(score: StudyScore) -> dict[str, bytes | str]:
    """The table of lesions on two tracers, where there is an FDG scan."""
    return {} if score.netpet is None else {NETPET_TABLE: netpet_csv(score)}


def _report(files: ScoreFiles) -> str | None:
    return made_or_left_out(REPORT, lambda: report_html(files.score, files.volumes, files.segmentations), None)


def _documents(files: ScoreFiles, options: OutputOptions) -> dict[str, Dataset]:
    """The report as a document and its key pictures as images of the patient's study, for viewers that show these."""
    from dotaliver.export.dicom.documents import encapsulated_pdf, secondary_captures
    from dotaliver.export.report.pdf import report_pdf

    report = report_content(files.score, files.volumes, files.segmentations)
    header = usable_headers(files.sources, "pet", files.volumes.pet.geometry)[0]
    found: dict[str, Dataset] = {}
    if options.pdf:
        found[REPORT_DICOM] = encapsulated_pdf(files.score, report_pdf(report), header)
    if options.pictures:
        found |= secondary_captures(files.score, report, header)
    return found


def _structures(files: ScoreFiles) -> dict[str, Dataset]:
    """Liver and lesions as an RT Structure Set; none where there is neither, or where it cannot be made."""
    from dotaliver.export.dicom.rtstruct import structure_set

    def make() -> Dataset | None:
        return structure_set(files.score, files.volumes, files.segmentations, files.sources)

    made = made_or_left_out(STRUCTURES, make, None)
    return {} if made is None else {STRUCTURES: made}


def _dosimetry(files: ScoreFiles, *, deidentified: bool) -> dict[str, bytes | str]:
    """Liver, lobes, tumours and non-tumoural liver as an RT Structure Set, as NIfTI, and described in JSON."""
    from dotaliver.export.dosimetry import dosimetry_json, dosimetry_of, dosimetry_structure_set

    found = dosimetry_of(files.score, files.volumes, files.segmentations)
    contents: dict[str, bytes | str] = {DOSIMETRY: dosimetry_json(found, files.score, files.segmentations)}
    structures = dosimetry_structure_set(found, files.score, files.volumes, files.sources)
    if structures is not None:
        contents |= encoded_files({DOSIMETRY_STRUCTURES: structures}, deidentified=deidentified)
    return contents | _as_nifti(_dosimetry_masks(found))


def _dosimetry_masks(found: Dosimetry) -> Iterator[tuple[str, LabelMap]]:
    """Each mask on the whole grid, one at a time: that of a large CT has 200 MB."""
    if (lesions := found.labels()) is not None:
        yield dosimetry_mask("Lesions"), lesions
    grid = found.outlines.grid
    for each in found.structures:
        if each.label is None:
            array = np.zeros(grid.shape, dtype=np.uint8)
            array[each.structure.voxels.box] = each.structure.voxels.mask
            yield dosimetry_mask(each.structure.name), LabelMap(array, grid)


def _nifti_files(files: ScoreFiles) -> dict[str, bytes]:
    """Liver and lesions on one grid for viewing; lesions stay where the PET shows them."""
    image = files.volumes.ct or files.volumes.pet
    layers: dict[str, MaskLayer | None] = {
        LIVER_NIFTI: files.segmentations.liver,
        LESIONS_NIFTI: files.segmentations.lesions,
    }
    return _as_nifti(
        (name, resample_labels(layer.labels, image.geometry)) for name, layer in layers.items() if layer is not None
    )


def _as_nifti(masks: Iterable[tuple[str, LabelMap]]) -> dict[str, bytes]:
    """Label maps as the bytes of NIfTI files, by name.

    Raises
    ------
    OutputError
        Where the folder for temporary files is full: the library that writes them does not say so.
    """
    with scratch("masks") as folder:
        return {name: _nifti(labels, folder / name) for name, labels in masks}


def _nifti(labels: LabelMap, path: Path) -> bytes:
    """The bytes of a NIfTI file, once the library that wrote it has read the same voxels from it."""
    import SimpleITK as sitk  # noqa: N813

    try:
        sitk.WriteImage(to_itk(labels), str(path), useCompression=True)
        stored = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
        if np.array_equal(stored, labels.array):
            return path.read_bytes()
    except (RuntimeError, OSError):
        pass
    msg = (
        f"{path.name}: could not be written whole to the folder for temporary files ({path.parent.parent}); free some "
        "space there or set TMPDIR to another folder"
    )
    raise OutputError(msg)
