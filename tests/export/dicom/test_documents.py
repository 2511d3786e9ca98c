"""The report as PDF and pictures in the patient's study: readable, conformant, and without a name on the page."""

from __future__ import annotations

import io
import shutil
import subprocess

import numpy as np
import pydicom
import pytest
from PIL import Image

from dotaliver.export.dicom.documents import encapsulated_pdf, secondary_captures
from dotaliver.export.dicom.encoding import encoded
from dotaliver.export.dicom.source_headers import usable_headers
from dotaliver.export.report.compose import report_content
from dotaliver.export.report.pdf import picture_bytes, report_pdf
from fixtures.derived_dicom import dciodvfy_errors, needs_dciodvfy, sources, written
from fixtures.scores import small_case, verdicts

needs_poppler = pytest.mark.skipif(
    shutil.which("pdftotext") is None, reason="pdftotext (Debian package poppler-utils) is not installed"
)
MARKUP = 'a <b>bold</b> & "quoted" </para> reason'


@pytest.fixture(scope="module")
def case():
    return small_case(criteria=verdicts(INC7={"reason": MARKUP}))


@pytest.fixture(scope="module")
def shown(case):
    return report_content(case.score, case.volumes, case.segmentations)


@pytest.fixture(scope="module")
def pdf(shown) -> bytes:
    return report_pdf(shown)


def header(case):
    return usable_headers(sources(case), "pet", case.volumes.pet.geometry)[0]


def text_of(pdf: bytes) -> str:
    done = subprocess.run(["pdftotext", "-layout", "-", "-"], input=pdf, capture_output=True, check=True)
    return done.stdout.decode()


@needs_poppler
def test_the_pdf_says_what_the_page_says(case, pdf) -> None:
    text = " ".join(text_of(pdf).split())
    assert 'a <b>bold</b> & "quoted" </para>' in text
    for word in (
        "Inclusion 7 fulfilled",
        "Exclusion 4 does not apply",
        "≥3",
        "ml",
        "Liver outline",
        "Caveats",
        "SUV calculation",
        "Proposed RECIST 1.1 targets",
    ):
        assert word in text
    for lesion in case.score.lesions:
        assert f"Lesion {lesion.label}" in text
    assert "PET over CT, CT slice" in text
    assert case.score.record_id in text
    assert "Secret" not in text


@needs_poppler
def test_every_page_of_the_pdf_is_drawn(pdf, tmp_path) -> None:
    (tmp_path / "r.pdf").write_bytes(pdf)
    subprocess.run(["pdftoppm", "-r", "40", "-png", "r.pdf", "page"], cwd=tmp_path, check=True)
    pages = sorted(tmp_path.glob("page-*.png"))
    assert len(pages) >= 2
    for page in pages:
        with Image.open(page) as image:
            assert np.asarray(image.convert("L")).min() < 100


def test_equal_records_give_equal_pdfs(shown, pdf) -> None:
    assert pdf.startswith(b"%PDF")
    assert report_pdf(shown) == pdf


def test_a_study_without_lesions_has_a_pdf() -> None:
    bare = small_case(ct=False, liver=False, lesions=False, relative=True)
    assert report_pdf(report_content(bare.score, bare.volumes, bare.segmentations)).startswith(b"%PDF")


def test_the_document_belongs_to_the_patients_study(case, pdf, tmp_path) -> None:
    path = written(encapsulated_pdf(case.score, pdf, header(case)), tmp_path / "report.dcm")
    dataset = pydicom.dcmread(path)
    assert (dataset.PatientID, dataset.StudyInstanceUID) == ("P1", case.score.study.study_instance_uid)
    assert dataset.EncapsulatedDocument[: dataset.EncapsulatedDocumentLength] == pdf
    assert (dataset.Modality, dataset.MIMETypeOfEncapsulatedDocument) == ("DOC", "application/pdf")


def test_pictures_are_stored_as_they_are_drawn(case, shown) -> None:
    found = secondary_captures(case.score, shown, header(case))
    assert list(found) == ["picture-01.dcm", "picture-02.dcm", "picture-03.dcm"]
    drawn = [shown.mip, *(card.picture for card in shown.lesion_cards)]
    for dataset, picture in zip(found.values(), drawn, strict=True):
        with Image.open(io.BytesIO(picture_bytes(picture))) as image:
            np.testing.assert_array_equal(dataset.pixel_array, np.asarray(image.convert("RGB")))
            assert dataset.get("LossyImageCompression", "00") == ("01" if image.format == "JPEG" else "00")
    datasets = list(found.values())
    assert len({d.SOPInstanceUID for d in datasets}) == 3
    assert len({d.SeriesInstanceUID for d in datasets}) == 1
    assert [d.InstanceNumber for d in datasets] == [1, 2, 3]
    assert "Lesion 2" in datasets[1].ImageComments


def test_repeated_runs_give_equal_objects(case, shown, pdf) -> None:
    one, two = (
        {"report.dcm": encapsulated_pdf(case.score, pdf, header(case))}
        | secondary_captures(case.score, shown, header(case))
        for _ in range(2)
    )
    assert {name: encoded(d) for name, d in one.items()} == {name: encoded(d) for name, d in two.items()}
    dates = {e.value for d in one.values() for e in d.iterall() if e.VR == "DA" and e.keyword != "PatientBirthDate"}
    assert dates == {"20240301"}


@needs_dciodvfy
def test_dciodvfy_finds_no_errors(case, shown, pdf, tmp_path) -> None:
    objects = {"report.dcm": encapsulated_pdf(case.score, pdf, header(case))}
    objects |= secondary_captures(case.score, shown, header(case))
    for name, dataset in objects.items():
        assert dciodvfy_errors(written(dataset, tmp_path / name)) == []
