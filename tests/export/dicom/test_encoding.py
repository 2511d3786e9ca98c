"""Our objects are encoded as pydicom encodes them, to the last byte."""

from __future__ import annotations

import io
import warnings
from copy import deepcopy

import pytest
from pydicom import dcmread
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGBaseline8Bit

from dotaliver.export.dicom.encoding import encoded


def as_pydicom_does(dataset: Dataset) -> bytes:
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def with_meta(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> Dataset:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


def small(**elements: object) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.88.34", "1.2.3.44"
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return with_meta(dataset)


def item(**elements: object) -> Dataset:
    made = Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


def test_the_objects_of_a_score(scored, monkeypatch):
    paths = sorted(scored.glob("*.dcm"))
    assert len(paths) >= 4
    for path in paths:
        # Built anew, as when it was made: what was read from a file is written as it was
        dataset = with_meta(Dataset.from_json(dcmread(path).to_json()))
        expected = as_pydicom_does(dataset)
        with monkeypatch.context() as patch:
            patch.setattr(Dataset, "save_as", only_heads(Dataset.save_as))
            assert encoded(dataset) == expected, path.name


def only_heads(save):
    """pydicom's way to write a file, for the head of one alone."""

    def head(dataset, *arguments, **options):
        assert len(dataset) == 0, "left to pydicom"
        return save(dataset, *arguments, **options)

    return head


private = Dataset()
private.add(DataElement(0x00110010, "LO", "SOMEBODY"))
private.add(DataElement(0x00111001, "UN", b"\x01\x02\x03\x04"))
undefined = item(CodeValue="1")
undefined.is_undefined_length_sequence_item = True
unknown_length = small(ContentSequence=[item(CodeValue="1")])
unknown_length["ContentSequence"].is_undefined_length = True
lengths = small(PatientID="A")
lengths.add(DataElement(0x00100000, "UL", 12))
copied = Dataset()
copied.ReferencedSeriesSequence = Sequence([item(SeriesInstanceUID="1.2.3", StudyID="odd")])


@pytest.mark.parametrize(
    "dataset",
    [
        small(),
        small(PatientName="Ü^Ö=山田^太郎", SpecificCharacterSet="ISO_IR 192", PatientComments="Größe", PatientID="Ä1"),
        small(PatientName="Buc^Jérôme", SpecificCharacterSet="ISO_IR 100", OtherPatientNames=["A^B", "C^D", ""]),
        small(SpecificCharacterSet=["", "ISO 2022 IR 87"], PatientName="Yamada^Tarou=山田^太郎", InstitutionName="X"),
        small(SpecificCharacterSet="ISO_IR 13", InstitutionName="a~b", PatientID="x"),
        small(PatientName="", PatientID=None, ContentSequence=[], StudyDescription="", ImageType=[]),
        small(ImageType=["DERIVED", "PRIMARY", "A"], SoftwareVersions=["0.1", "02"], PatientAge="063Y"),
        small(ContentDate="20260302", ContentTime="101112.345", AcquisitionDateTime="20260302101112+0100"),
        small(ImagePositionPatient=[1.5, -2.25, "3.0"], InstanceNumber="007", SliceThickness=""),
        small(DimensionIndexValues=[1, 2, 3], FrameIncrementPointer=[0x00181063, 0x00181065], Rows=12, Columns=7),
        small(
            RealWorldValueSlope=1.25,
            EncapsulatedDocument=b"%PDF-",
            TextValue="t" * 70001,
            PixelData=b"abc",
            BitsAllocated=8,
        ),
        small(ImageType=["ABCDEFGHIJKLMNOP"] * 5000),
        small(SmallestImagePixelValue=3, PixelRepresentation=1, ContentSequence=[item(LargestImagePixelValue=5)]),
        small(ContentSequence=[item(SpecificCharacterSet="ISO_IR 100", CodeMeaning="é"), item(CodeMeaning="plain")]),
        small(ContentSequence=[item(ContentSequence=[item(ContentSequence=[item(CodeMeaning="deep"), item()])])]),
        small(ContentSequence=[private, undefined]),
        small(ContentSequence=[dcmread(io.BytesIO(as_pydicom_does(small(PatientName="A^B", StudyID="1"))))]),
        unknown_length,
        lengths,
        with_meta(small(PatientName="A^B"), ImplicitVRLittleEndian),
        with_meta(small(PixelData=b"\xfe\xff\x00\xe0\x00\x00\x00\x00", PatientID="1"), JPEGBaseline8Bit),
        dcmread(io.BytesIO(as_pydicom_does(small(PatientName="A^B", ContentSequence=[item(CodeValue="77")])))),
    ],
)
def test_any_object(dataset):
    assert encoded(deepcopy(dataset)) == as_pydicom_does(dataset)


@pytest.mark.parametrize("bits", [1, 16])
def test_the_kind_of_pixels_is_settled_without_leaving_all_to_pydicom(bits, monkeypatch):
    made = {"BitsAllocated": bits, "Rows": 2, "Columns": 2, "PixelRepresentation": 0, "SamplesPerPixel": 1}
    dataset = small(**made, PixelData=b"\x01\x02\x03\x04\x05\x06\x07\x08")
    assert dataset["PixelData"].VR == "OB or OW"
    expected = as_pydicom_does(deepcopy(dataset))
    monkeypatch.setattr(Dataset, "save_as", only_heads(Dataset.save_as))
    assert encoded(dataset) == expected


def test_what_pydicom_refuses_is_refused():
    dataset = small()
    dataset.add(DataElement(0x00020016, "AE", "HERE"))
    with pytest.raises(ValueError, match="Meta Information"):
        encoded(dataset)
