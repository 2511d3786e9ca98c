"""Structured reports of others: their measurements with units and derivations, and what is no report."""

from __future__ import annotations

import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from dotaliver.dicom.sr import read_report
from dotaliver.errors import FileFormatError


def code(value, scheme="DCM", meaning="a meaning"):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def item(kind, name, *children, **elements):
    found = Dataset()
    found.ValueType, found.RelationshipType = kind, "CONTAINS"
    found.ConceptNameCodeSequence = [name]
    for keyword, value in elements.items():
        setattr(found, keyword, value)
    if children:
        found.ContentSequence = list(children)
    return found


def coded(name, value):
    return item("CODE", name, ConceptCodeSequence=[value])


def num(name, decimal, *children, exact=None, unit="mm"):
    measured = Dataset()
    measured.NumericValue = decimal
    if exact is not None:
        measured.FloatingPointValue = exact
    measured.MeasurementUnitsCodeSequence = [code(unit, "UCUM", unit)]
    return item("NUM", name, *children, MeasuredValueSequence=[measured])


def group(*children):
    return item("CONTAINER", code("125007", "DCM", "Measurement Group"), *children)


def write_report(path, *children, sop_class="1.2.840.10008.5.1.4.1.1.88.33"):
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID, ds.StudyInstanceUID = sop_class, "1.2.3.4", "1.2.3"
    ds.Manufacturer, ds.Modality, ds.ValueType = "Some\x07one", "SR", "CONTAINER"
    ds.CompletionFlag, ds.VerificationFlag = "COMPLETE", "VERIFIED"
    ds.ConceptNameCodeSequence = [code("126000", "DCM", "Imaging Measurement Report")]
    ds.ContentSequence = [item("CONTAINER", code("126010", "DCM", "Imaging Measurements"), *children)]
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.save_as(path, enforce_file_format=True)
    return path


TRACKING = item("TEXT", code("112039"), TextValue="my lesion")


def test_numbers_come_with_unit_derivation_and_method(tmp_path):
    mean = coded(code("121401"), code("373098007", "SCT", "Mean"))
    method = coded(code("370129005", "SCT"), code("126410", "DCM", "by weight"))
    path = write_report(
        tmp_path / "sr.dcm",
        group(
            TRACKING,
            item("UIDREF", code("112040"), UID="2.25.7"),
            coded(code("121071"), code("108369006", "SCT", "Neoplasm")),
            coded(code("363698007", "SCT"), code("10200004", "SCT", "Liver")),
            num(code("126401", "DCM", "SUVbw"), "6.01529", mean, method, unit="g/ml{SUVbw}"),
            num(code("103339001", "SCT", "Long axis"), "21.333333", exact=64 / 3),
            item("TEXT", code("121106", "DCM", "Comment"), TextValue="two\nlines <b>"),
        ),
        group(num(code("1"), "2")),
    )
    report = read_report(path)
    assert (report.title, report.complete, report.verified) == ("Imaging Measurement Report", True, True)
    assert (report.study_instance_uid, report.made_by) == ("1.2.3", "Some one")
    first, second = report.groups
    assert (first.tracking_id, first.tracking_uid) == ("my lesion", "2.25.7")
    assert first.finding.meaning == "Neoplasm"
    assert [s.meaning for s in first.sites] == ["Liver"]
    suv, axis = first.values
    assert (suv.value, suv.unit, suv.derivation.meaning, suv.method.meaning) == (
        6.01529, "g/ml{SUVbw}", "Mean", "by weight",
    )  # fmt: skip
    assert axis.value == 64 / 3
    assert first.texts[0][1] == "two lines <b>"
    assert [v.value for v in second.values] == [2.0]


def test_coordinates_come_with_their_measurement(tmp_path):
    line = item("SCOORD3D", code("121055"), GraphicType="POLYLINE", GraphicData=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    odd = item("SCOORD3D", code("121055"), GraphicType="POLYLINE", GraphicData=[1.0, 2.0])
    report = read_report(write_report(tmp_path / "sr.dcm", group(num(code("1"), "2", line), num(code("2"), "3", odd))))
    points = [v.points_lps_mm for v in report.groups[0].values]
    assert points == [((1.0, 2.0, 3.0), (4.0, 5.0, 6.0)), None]


def test_a_measurement_without_a_value_is_left_out(tmp_path):
    empty = num(code("1"), "2")
    empty.MeasuredValueSequence = []
    assert (
        read_report(write_report(tmp_path / "sr.dcm", group(empty, num(code("2"), "3")))).groups[0].values[0].value == 3
    )


def test_what_is_no_report_is_refused(tmp_path):
    with pytest.raises(FileFormatError, match=r"image.dcm: the file is not a DICOM structured report"):
        read_report(write_report(tmp_path / "image.dcm", sop_class="1.2.840.10008.5.1.4.1.1.2"))
    (tmp_path / "text.txt").write_text("no report")
    with pytest.raises(FileFormatError, match=r"text.txt: the report is damaged"):
        read_report(tmp_path / "text.txt")
    with pytest.raises(FileFormatError, match=r"nothing.dcm: the report cannot be read"):
        read_report(tmp_path / "nothing.dcm")


def test_numbers_that_are_none_are_refused_by_name(tmp_path):
    path = write_report(tmp_path / "sr.dcm", group(num(code("1"), "2.5")))
    data = path.read_bytes()
    assert data.count(b"2.5 ") == 1
    path.write_bytes(data.replace(b"2.5 ", b"nan "))
    with pytest.raises(FileFormatError, match=r"sr.dcm: the report"):
        read_report(path)


def nested(depth):
    inner = num(code("1"), "2")
    for _ in range(depth):
        inner = group(inner)
    return inner


def test_endless_nesting_is_refused(tmp_path):
    with pytest.raises(FileFormatError, match=r"sr.dcm: the report cannot be read: its items nest deeper than 24"):
        read_report(write_report(tmp_path / "sr.dcm", nested(40)))


def test_too_many_items_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("dotaliver.dicom.sr._MOST_ITEMS", 50)
    with pytest.raises(FileFormatError, match=r"sr.dcm: the report cannot be read: it holds more than 50 items"):
        read_report(write_report(tmp_path / "sr.dcm", group(*[num(code("1"), "2") for _ in range(60)])))


def test_a_report_that_refers_to_itself_is_read(tmp_path):
    circle = Dataset()
    circle.RelationshipType, circle.ReferencedContentItemIdentifier = "INFERRED FROM", [1, 1]
    report = read_report(write_report(tmp_path / "sr.dcm", group(TRACKING, num(code("1"), "2", circle), circle)))
    assert report.groups[0].values[0].value == 2.0


def test_a_report_cut_short_is_refused(tmp_path):
    path = write_report(tmp_path / "sr.dcm", group(TRACKING, num(code("1"), "2")))
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(FileFormatError, match=r"sr.dcm: the report cannot be read: it is cut short"):
        read_report(path)


def test_longest_texts_are_cut(tmp_path):
    long = item("TEXT", code("112039"), TextValue="x" * 5000)
    assert (
        len(read_report(write_report(tmp_path / "sr.dcm", group(long, num(code("1"), "2")))).groups[0].tracking_id)
        == 128
    )


def test_reading_does_not_change_the_file(tmp_path):
    path = write_report(tmp_path / "sr.dcm", group(TRACKING, num(code("1"), "2")))
    before = path.read_bytes()
    read_report(path)
    assert path.read_bytes() == before
    assert pydicom.dcmread(path).SOPInstanceUID == "1.2.3.4"
