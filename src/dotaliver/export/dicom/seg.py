"""Masks as DICOM segmentations (DICOM PS3.3 A.51), one file per grid that masks were drawn on.

``segmentation.dcm`` lies on the PET: lesions and reference regions; ``segmentation_ct.dcm`` on the CT: the liver;
``segmentation_ct_candidates.dcm`` on the CT: focal lesions that the PET does not outline;
``segmentation_ct_lesions.dcm`` on the CT that diameters are measured on: lesions whose border it shows. A mask has the
grid of its image, so nothing is resampled. The liver has ``segmentation_liver.dcm`` where it would share a file with
lesions: OHIF 3.13 loses segments of a file in which segments overlap. Every name in the files (UIDs too) follows from
the record, so that scoring twice gives equal bytes.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from dotaliver.export.dicom.codes import ANATOMY
from dotaliver.export.dicom.derived import equipment, make_repeatable, refer_to_multiframe
from dotaliver.export.dicom.encoding import encoded
from dotaliver.export.dicom.segments import Segment, segments_by_file
from dotaliver.export.dicom.source_headers import ImageName, SegSources, uid_from, usable_headers
from dotaliver.image.geometry import Geometry
from dotaliver.image.sparse import sparse_zeros
from dotaliver.records.masks import Segmentations
from dotaliver.records.score import StudyScore
from dotaliver.records.score_folder import MASKS, MaskFile
from dotaliver.records.study import StudyVolumes

if TYPE_CHECKING:
    from highdicom.seg import Segmentation, SegmentDescription
    from pydicom.dataset import Dataset

SegKind = Literal["BINARY", "LABELMAP"]
# 9003 to 9006 are those of the measurements, the map to SUV and the documents; 9008 and 9011 those of contours.
_SERIES_NUMBERS: dict[MaskFile, int] = {
    "pet": 9001,
    "ct": 9002,
    "ct_lesions": 9007,
    "ct_candidates": 9009,
    "liver": 9010,
    "body": 9012,
    "ct_body": 9013,
}
_FILE_WORDS: dict[MaskFile, str] = {
    "pet": "masks on PET",
    "ct": "masks on CT",
    "ct_lesions": "masks on CT, lesions as it shows them",
    "ct_candidates": "masks on CT, candidates",
    "liver": "mask of the liver",
    "body": "masks on PET, outside the liver",
    "ct_body": "masks on CT, outside the liver",
}
# CIELab of Okabe and Ito's colours, which colour-blind readers can distinguish.
_COLOURS = {
    "liver": (60.0, -10.0, -40.0),
    "lesion": (55.0, 53.0, 66.0),
    "reference": (57.0, -42.0, 12.0),
    "ct_focus": (75.0, 12.0, 72.0),
    "body_lesion": (55.0, 53.0, 66.0),
    "body_candidate": (91.0, -9.0, 71.0),
    "body_rejected": (64.0, 0.0, 0.0),
}
# Elements by which headers of slices differ.
_OF_ONE_SLICE = ("SOPClassUID", "SOPInstanceUID", "InstanceNumber", "ImagePositionPatient", "ReferencedFrameNumber")


@dataclass(frozen=True, eq=False)
class _Stored:
    """Content of one file: segments of one image, as pixels of its slices."""

    file: MaskFile
    image: ImageName
    kind: SegKind
    slices: slice
    grid: Geometry
    pixels: npt.NDArray[np.uint8 | np.uint16]
    segments: Sequence[Segment]


def segmentation_datasets(
    score: StudyScore,
    volumes: StudyVolumes,
    segmentations: Segmentations,
    sources: SegSources,
    *,
    labelmap: bool = False,
) -> dict[str, Segmentation]:
    """The masks as DICOM objects, by file name; empty files are left out.

    Parameters
    ----------
    score : StudyScore
        The record; its ``record_id`` names the objects.
    volumes : StudyVolumes
        The images, for their grids.
    segmentations : Segmentations
        The masks; each must have the grid of the PET or of the CT.
    sources : SegSources
        Headers of the images' slices, for patient, study and references.
    labelmap : bool
        Store label maps (PS3.3 A.51.3, of 2024) instead of binary frames; a file whose segments overlap (a reference
        region that a reader laid on a lesion) stays binary, since a label map holds one segment per voxel.

    Returns
    -------
    dict of str to highdicom.seg.Segmentation
        Those of the module's description that hold something.

    Raises
    ------
    MaskError
        Where a lesion of the record or a region has no voxels, or a mask lies on neither grid.
    """
    result = {}
    for file, image, segments in segments_by_file(score, volumes, segmentations):
        if not segments:
            continue
        volume = {"pet": volumes.pet, "ct": volumes.ct, "recist_image": volumes.recist_image}[image] or volumes.pet
        headers = usable_headers(sources, image, volume.geometry)
        slices = _slices_of(segments)
        _, rows, columns = volume.geometry.shape
        grid = volume.geometry.crop((slices, slice(0, rows), slice(0, columns)))
        pixels = _pixels(segments, slices, grid)
        kind: SegKind = "LABELMAP" if labelmap and pixels.ndim == 3 else "BINARY"
        result[MASKS[file]] = _dataset(score, _Stored(file, image, kind, slices, grid, pixels, segments), headers)
    return result


def segmentation_files(
    score: StudyScore, volumes: StudyVolumes, segmentations: Segmentations, sources: SegSources
) -> dict[str, bytes]:
    """The masks as the bytes of DICOM files, by file name: `segmentation_datasets`, encoded."""
    datasets = segmentation_datasets(score, volumes, segmentations, sources)
    return {name: encoded(dataset) for name, dataset in datasets.items()}


def _slices_of(segments: Sequence[Segment]) -> slice:
    """The slices that segments lie on, from the first to the last."""
    boxes = [segment.voxels.box[0] for segment in segments]
    return slice(min(box.start for box in boxes), max(box.stop for box in boxes))


def _pixels(segments: Sequence[Segment], slices: slice, grid: Geometry) -> npt.NDArray[np.uint8 | np.uint16]:
    """Segments as highdicom takes them: one label map where they do not overlap (small), else a stack."""
    few = len(segments) < 256
    labels: npt.NDArray[np.uint8 | np.uint16] = (
        sparse_zeros(grid.shape, np.uint8) if few else sparse_zeros(grid.shape, np.uint16)
    )
    for number, segment in enumerate(segments, start=1):
        k, j, i = segment.voxels.box
        part = labels[k.start - slices.start : k.stop - slices.start, j, i]
        if part[segment.voxels.mask].any():
            whole = (slices, slice(0, grid.shape[1]), slice(0, grid.shape[2]))
            return np.stack([s.voxels.within(whole) for s in segments], axis=-1)
        part[segment.voxels.mask] = number
    return labels


def _of_slices(headers: list[Dataset], slices: slice) -> list[Dataset]:
    """Headers of some slices; patient, study and series are taken from the first header of the stack."""
    from pydicom.dataset import Dataset

    chosen = headers[slices]
    if slices.start > 0:
        first = Dataset()
        first.update(headers[0])
        for keyword in _OF_ONE_SLICE:
            if keyword in chosen[0]:
                first[keyword] = chosen[0][keyword]
        chosen[0] = first
    return chosen


def _dataset(score: StudyScore, stored: _Stored, headers: list[Dataset]) -> Segmentation:
    import highdicom
    from highdicom.seg import Segmentation

    file, segments, pixels = stored.file, stored.segments, stored.pixels
    channels = {"SegmentNumber": list(range(1, len(segments) + 1))} if pixels.ndim == 4 else None
    headers = _of_slices(headers, stored.slices)
    first = headers[0]
    volume = highdicom.Volume(
        pixels,
        np.array(stored.grid.affine),
        "PATIENT",
        frame_of_reference_uid=first.FrameOfReferenceUID,
        channels=channels,
    )
    # A binary object and a label map of one record need different UIDs.
    names = (score.record_id, file, *(() if stored.kind == "BINARY" else (stored.kind,)))
    with warnings.catch_warnings():
        # Values copied from the patient's headers are not corrected here, and warnings would quote them.
        warnings.simplefilter("ignore")
        dataset = Segmentation(
            source_images=headers,
            pixel_array=volume,
            segmentation_type=stored.kind,
            segment_descriptions=[_description(n, s, score) for n, s in enumerate(segments, start=1)],
            series_instance_uid=uid_from(*names, "series"),
            series_number=_SERIES_NUMBERS[file],
            sop_instance_uid=uid_from(*names, "instance"),
            instance_number=1,
            content_label="DOTALIVER",
            content_description="Masks that a liver score rests on",
            series_description=f"dotaliver {_FILE_WORDS[file]}",
            **equipment(score),
        )
    make_repeatable(dataset, first, *names)
    study = score.study
    identity = {"pet": study.pet, "ct": study.ct, "recist_image": study.recist_image}[stored.image]
    if identity is not None and identity.sop_class_uid not in {None, first.SOPClassUID}:
        refer_to_multiframe(dataset, identity)
    return dataset


def _description(number: int, segment: Segment, score: StudyScore) -> SegmentDescription:
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.color import CIELabColor
    from highdicom.seg import SegmentDescription
    from pydicom.sr.codedict import codes

    if segment.kind in {"lesion", "body_lesion"}:
        category, kind = codes.SCT.MorphologicallyAbnormalStructure, codes.SCT.Neoplasm
    elif segment.kind in {"ct_focus", "body_candidate", "body_rejected"}:
        category, kind = codes.SCT.MorphologicallyAbnormalStructure, codes.SCT.Lesion
    elif segment.organ == "blood_pool":
        category, kind = codes.SCT.BodySubstance, codes.SCT.Blood
    else:
        category, kind = codes.SCT.AnatomicalStructure, ANATOMY[segment.organ]
    algorithm = None
    if not segment.by_hand:
        algorithm = AlgorithmIdentificationSequence(
            name=f"dotaliver: {segment.origin}"[:64],
            family=codes.DCM.MorphologicalOperations,
            version=score.provenance.dotaliver_version,
        )
    automatic = segment.origin == score.segmentation.segmenter
    return SegmentDescription(
        segment_number=number,
        segment_label=segment.label,
        segmented_property_category=category,
        segmented_property_type=kind,
        algorithm_type="MANUAL" if segment.by_hand else "AUTOMATIC" if automatic else "SEMIAUTOMATIC",
        algorithm_identification=algorithm,
        # From the study, not the record: a revised record describes the same lesion.
        tracking_uid=uid_from(score.study.study_instance_uid, segment.tracking_id),
        tracking_id=segment.tracking_id,
        anatomic_regions=[ANATOMY[segment.within]] if segment.within in ANATOMY else None,
        display_color=CIELabColor(*_COLOURS[segment.kind]),
    )
