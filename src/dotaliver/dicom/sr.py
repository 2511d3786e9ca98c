"""Structured reports of others: the measurements of a TID 1500 report, for comparison.

Measurement groups (TID 1410, 1411, 1501) are read with their tracking names, findings and sites, and in them
every number with its unit, derivation and method; qualitative evaluations (TID 1500, row 12) with what is below them.
References inside a report are not followed, so a report that refers to itself in circles does no harm.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydicom.dataset import Dataset

from dotaliver.dicom.files.elements import first_item, number, quiet, text, texts
from dotaliver.dicom.files.objects import plain_text, read_object, walk_items
from dotaliver.errors import FileFormatError
from dotaliver.frozen import FrozenModel
from dotaliver.image.geometry import Vector

__all__ = ["CodedName", "MeasuredGroup", "MeasuredValue", "MeasurementReport", "read_report"]

_SR_CLASSES = "1.2.840.10008.5.1.4.1.1.88."
_GROUP, _EVALUATIONS = ("125007", "DCM"), ("C0034375", "UMLS")
_MOST_ITEMS, _DEEPEST, _MOST_POINTS = 200_000, 24, 10_000
# Codes of what a group says of itself; SRT codes are those of older reports.
_TRACKING_ID, _TRACKING_UID = {"112039"}, {"112040"}
_FINDING, _SITE = {"121071"}, {"363698007", "G-C0E3"}
_DERIVATION, _METHOD = {"121401"}, {"370129005", "G-C036"}


class CodedName(FrozenModel):
    """A code with its meaning in words."""

    value: str
    scheme: str
    meaning: str


class MeasuredValue(FrozenModel):
    """One number of a report."""

    name: CodedName
    value: float
    unit: str = Field(description="Code of the unit, UCUM in most reports")
    derivation: CodedName | None = None
    method: CodedName | None = None
    points_lps_mm: tuple[Vector, ...] | None = Field(default=None, description="Where it was drawn, from SCOORD3D")
    points_px: tuple[tuple[float, float], ...] | None = Field(
        default=None,
        description="Where it was drawn on an image, from SCOORD: column and row, the middle of the first pixel "
        "at (0.5, 0.5)",
    )
    image_sop_instance_uid: str | None = Field(default=None, description="The image of `points_px`")


class MeasuredGroup(FrozenModel):
    """One thing that was measured."""

    tracking_id: str | None = None
    tracking_uid: str | None = None
    finding: CodedName | None = None
    sites: tuple[CodedName, ...] = ()
    values: tuple[MeasuredValue, ...] = ()
    answers: tuple[tuple[CodedName, CodedName], ...] = Field(default=(), description="Questions answered by a code")
    texts: tuple[tuple[CodedName, str], ...] = Field(default=(), description="What is said in words")


class MeasurementReport(FrozenModel):
    """The measurements of one structured report; no patient name."""

    title: str
    study_instance_uid: str | None
    sop_instance_uid: str | None
    made_by: str | None = Field(description="Manufacturer (0008,0070)")
    complete: bool
    verified: bool
    groups: tuple[MeasuredGroup, ...]


def read_report(path: Path) -> MeasurementReport:
    """Read the measurements of a structured report.

    Raises
    ------
    FileFormatError
        Where the file is not a structured report, is damaged, or is built to exhaust the reader.
    """
    try:
        with quiet():
            dataset = read_object(path)
            if not (text(dataset, "SOPClassUID") or "").startswith(_SR_CLASSES):
                msg = f"{path.name}: the file is not a DICOM structured report; give one with measurements (TID 1500)"
                raise FileFormatError(msg)
            return _report(dataset)
    except FileFormatError:
        raise
    except OSError as error:
        msg = f"{path.name}: the report cannot be read ({error.strerror or error}); give a readable file"
        raise FileFormatError(msg) from error
    except ValueError as error:
        msg = f"{path.name}: the report cannot be read: {plain_text(error, 120)}; export it again"
        raise FileFormatError(msg) from error
    except Exception as error:
        # A damaged object fails in as many ways as there are elements in it
        msg = f"{path.name}: the report is damaged and cannot be read ({type(error).__name__}); export it again"
        raise FileFormatError(msg) from error


def _report(dataset: Dataset) -> MeasurementReport:
    members: dict[int, list[Dataset]] = {}
    for item, parent, _ in walk_items(dataset, "ContentSequence", most=_MOST_ITEMS, deepest=_DEEPEST):
        if _is_container(item, _GROUP):
            members[id(item)] = []
        elif _is_container(parent, _EVALUATIONS):
            # A code or text that is the answer itself, with its grounds below
            members[id(item)] = [item]
        elif id(parent) in members:
            members[id(parent)].append(item)
    name = _code(first_item(dataset, "ConceptNameCodeSequence"))
    made_by = text(dataset, "Manufacturer")
    return MeasurementReport(
        title="" if name is None else name.meaning,
        study_instance_uid=text(dataset, "StudyInstanceUID"),
        sop_instance_uid=text(dataset, "SOPInstanceUID"),
        made_by=None if made_by is None else plain_text(made_by, 64),
        complete=text(dataset, "CompletionFlag") == "COMPLETE",
        verified=text(dataset, "VerificationFlag") == "VERIFIED",
        groups=tuple(_group(items) for items in members.values()),
    )


def _is_container(item: Dataset, code: tuple[str, str]) -> bool:
    name = _code(first_item(item, "ConceptNameCodeSequence"))
    return text(item, "ValueType") == "CONTAINER" and name is not None and (name.value, name.scheme) == code


def _code(item: Dataset | None) -> CodedName | None:
    if item is None:
        return None
    value = text(item, "CodeValue") or text(item, "LongCodeValue") or text(item, "URNCodeValue") or ""
    scheme = text(item, "CodingSchemeDesignator") or ""
    return CodedName(
        value=plain_text(value, 64),
        scheme=plain_text(scheme, 16),
        meaning=plain_text(" ".join(texts(item, "CodeMeaning")), 128),
    )


def _group(items: list[Dataset]) -> MeasuredGroup:
    tracking_id = tracking_uid = None
    finding: CodedName | None = None
    sites: list[CodedName] = []
    values: list[MeasuredValue] = []
    answers: list[tuple[CodedName, CodedName]] = []
    said: list[tuple[CodedName, str]] = []
    for item in items:
        name = _code(first_item(item, "ConceptNameCodeSequence"))
        kind = text(item, "ValueType")
        if name is None:
            continue
        coded = _code(first_item(item, "ConceptCodeSequence"))
        if name.value in _TRACKING_ID:
            tracking_id = plain_text(item.get("TextValue") or "", 128)
        elif name.value in _TRACKING_UID:
            tracking_uid = text(item, "UID")
        elif name.value in _FINDING and coded is not None:
            finding = coded
        elif name.value in _SITE and coded is not None:
            sites.append(coded)
        elif kind == "NUM" and (value := _value(name, item)) is not None:
            values.append(value)
        elif kind == "CODE" and coded is not None:
            answers.append((name, coded))
        elif kind == "TEXT":
            said.append((name, plain_text(item.get("TextValue") or "", 4096)))
    return MeasuredGroup(
        tracking_id=tracking_id or None,
        tracking_uid=tracking_uid,
        finding=finding,
        sites=tuple(sites),
        values=tuple(values),
        answers=tuple(answers),
        texts=tuple(said),
    )


def _value(name: CodedName, item: Dataset) -> MeasuredValue | None:
    """One number; None where the report says why there is none."""
    measured = first_item(item, "MeasuredValueSequence")
    if measured is None:
        return None
    exact = number(measured, "FloatingPointValue")
    value = number(measured, "NumericValue") if exact is None else exact
    if value is None:
        return None
    unit = _code(first_item(measured, "MeasurementUnitsCodeSequence"))
    derivation = method = points = pixels = image = None
    for child in item.get("ContentSequence") or ():
        concept = _code(first_item(child, "ConceptNameCodeSequence"))
        coded = _code(first_item(child, "ConceptCodeSequence"))
        if concept is not None and concept.value in _DERIVATION:
            derivation = coded
        elif concept is not None and concept.value in _METHOD:
            method = coded
        elif text(child, "ValueType") == "SCOORD3D":
            points = _points(child)
        elif text(child, "ValueType") == "SCOORD":
            pixels, image = _pixels(child), _image_of(child)
    return MeasuredValue(
        name=name,
        value=value,
        unit="" if unit is None else unit.value,
        derivation=derivation,
        method=method,
        points_lps_mm=points,
        points_px=pixels,
        image_sop_instance_uid=image,
    )


def _coordinates(item: Dataset, dimensions: int) -> list[tuple[float, ...]] | None:
    """The points of a graphic; None where there are none, too many, or half a one."""
    data = item.get("GraphicData")
    flat = [float(v) for v in ([] if data is None else data)]
    if not flat or len(flat) % dimensions or len(flat) > dimensions * _MOST_POINTS:
        return None
    return [tuple(flat[i : i + dimensions]) for i in range(0, len(flat), dimensions)]


def _points(item: Dataset) -> tuple[Vector, ...] | None:
    found = _coordinates(item, 3)
    return None if found is None else tuple((x, y, z) for x, y, z in found)


def _pixels(item: Dataset) -> tuple[tuple[float, float], ...] | None:
    found = _coordinates(item, 2)
    return None if found is None else tuple((column, row) for column, row in found)


def _image_of(item: Dataset) -> str | None:
    """The image that a graphic lies on (``SELECTED FROM``)."""
    for child in item.get("ContentSequence") or ():
        if (reference := first_item(child, "ReferencedSOPSequence")) is not None:
            return text(reference, "ReferencedSOPInstanceUID")
    return None
