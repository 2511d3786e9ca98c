"""How the PET's stored values become SUV, as a Real World Value Mapping (DICOM PS3.3 A.46).

A viewer that knows the object shows our SUV on the patient's own PET. Each slice has a slope of its own where the
PET's Rescale Slope (0028,1053), or the factor to SUV, differs between slices.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from dotaliver.dicom.files.elements import number, whole
from dotaliver.export.dicom.codes import UptakeCodes, uptake_codes
from dotaliver.export.dicom.derived import NewObject, instances, new_object
from dotaliver.export.dicom.source_headers import SegSources, usable_headers
from dotaliver.image.geometry import Geometry
from dotaliver.records.score import StudyScore

if TYPE_CHECKING:
    from highdicom.base import SOPClass
    from pydicom.dataset import Dataset

__all__ = ["suv_map"]

_MAP = NewObject("suv map", "1.2.840.10008.5.1.4.1.1.67", "RWV", 9004, "dotaliver SUV of the PET")


def suv_map(score: StudyScore, grid: Geometry, sources: SegSources) -> SOPClass | None:
    """The mapping from stored values of the PET to the SUV of a record.

    Parameters
    ----------
    score : StudyScore
        Its ``suv`` holds the factors.
    grid : Geometry
        The PET's grid.
    sources : SegSources
        Headers of the PET's slices, with their Rescale Slope and Intercept.

    Returns
    -------
    highdicom.base.SOPClass or None
        None where the record holds relative uptake, or the headers do not state how values are stored.
    """
    codes = None if score.suv is None else uptake_codes(score.suv.normalisation)
    headers = usable_headers(sources, "pet", grid)
    if score.suv is None or codes is None:
        return None
    lines = _lines(score.suv.voxel_factors, headers)
    if lines is None:
        return None
    dataset = new_object(score, _MAP, headers[0])
    dataset.ContentLabel, dataset.ContentDescription = "SUV", f"SUV by {score.suv.normalisation}"[:64]
    dataset.ContentCreatorName = "dotaliver^"
    # Empty: the body is not a paired part (PS3.3 C.7.3.1)
    dataset.Laterality = ""
    same_for_all = len(lines) == 1
    identity = score.study.pet
    bounds = _stored_range(headers[0])
    dataset.ReferencedImageRealWorldValueMappingSequence = [
        _mapping_item(
            line, bounds, codes, [_reference(headers[i], identity.sop_class_uid, same_for_all) for i in slices]
        )
        for line, slices in lines.items()
    ]
    dataset.ReferencedSeriesSequence = [_series(headers, score)]
    return dataset


def _lines(factors: tuple[float, ...], headers: list[Dataset]) -> dict[tuple[float, float], list[int]] | None:
    """Slices by the slope and intercept that make SUV of their stored values."""
    lines: dict[tuple[float, float], list[int]] = defaultdict(list)
    for index, header in enumerate(headers):
        slope, intercept = number(header, "RescaleSlope"), number(header, "RescaleIntercept")
        if slope is None:
            return None
        factor = factors[index if len(factors) > 1 else 0]
        lines[slope * factor, (intercept or 0.0) * factor].append(index)
    return lines


def _stored_range(header: Dataset) -> tuple[int, int]:
    bits, signed = whole(header, "BitsStored") or 16, whole(header, "PixelRepresentation") == 1
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)


def _mapping_item(
    line: tuple[float, float], bounds: tuple[int, int], codes: UptakeCodes, references: list[Dataset]
) -> Dataset:
    from highdicom.pm import RealWorldValueMapping
    from pydicom.datadict import tag_for_keyword
    from pydicom.dataset import Dataset

    mapping = RealWorldValueMapping(
        lut_label="SUV",
        lut_explanation=codes.name.meaning,
        unit=codes.unit,
        value_range=bounds,
        slope=line[0],
        intercept=line[1],
        quantity_definition=codes.name,
    )
    for keyword, bound in zip(("First", "Last"), bounds, strict=True):
        # Which of US and SS it is depends on pixels that this object has not got
        tag = tag_for_keyword(f"RealWorldValue{keyword}ValueMapped")
        mapping.add_new(tag, "SS" if bounds[0] < 0 else "US", bound)
    item = Dataset()
    item.RealWorldValueMappingSequence = [mapping]
    item.ReferencedImageSequence = references if references[0].get("ReferencedFrameNumber") else _once(references)
    return item


def _reference(header: Dataset, sop_class_uid: str | None, whole_object: bool) -> Dataset:
    from pydicom.dataset import Dataset

    item = Dataset()
    item.ReferencedSOPClassUID = sop_class_uid or header.SOPClassUID
    item.ReferencedSOPInstanceUID = header.SOPInstanceUID
    if (frame := whole(header, "ReferencedFrameNumber")) is not None and not whole_object:
        item.ReferencedFrameNumber = frame
    return item


def _once(references: list[Dataset]) -> list[Dataset]:
    return list({item.ReferencedSOPInstanceUID: item for item in references}.values())


def _series(headers: list[Dataset], score: StudyScore) -> Dataset:
    from pydicom.dataset import Dataset

    series = Dataset()
    series.SeriesInstanceUID = headers[0].SeriesInstanceUID
    series.ReferencedInstanceSequence = []
    for instance in instances(headers, score.study.pet):
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = instance.SOPClassUID, instance.SOPInstanceUID
        series.ReferencedInstanceSequence.append(item)
    return series
