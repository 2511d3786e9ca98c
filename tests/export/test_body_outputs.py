"""The body outside the liver in what is written: masks that come back, table, report and structured report."""

import csv
import io
from dataclasses import replace

import pydicom
import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.dicom.masks.reading import read_mask
from dotaliver.export.body_table import body_csv
from dotaliver.export.deidentify.objects import deidentified, pseudonyms_for
from dotaliver.export.dicom.seg import segmentation_files
from dotaliver.export.dicom.sr import measurement_report
from dotaliver.export.report.html import report_html
from dotaliver.export.report.terminal import score_summary
from dotaliver.export.report.words import likely_words
from dotaliver.pipeline.run import clicked_in
from dotaliver.pipeline.score_labels import score_labels
from dotaliver.records.edits import ReaderEdits
from dotaliver.records.masks import Segmentations
from fixtures.body import focus, search_on
from fixtures.derived_dicom import sources
from fixtures.scores import FRAME, Case, small_case

EDITS = ReaderEdits.model_validate(
    {
        "reader": {"name": "A. Reader"},
        "body": {"answers": [{"label": 1, "answer": "accepted"}, {"label": "B2", "answer": "rejected"}]},
    }
)
# Outside the liver of the small case, in its body.
PLACES = (((45.0, 10.0, 10.0), 9.0), ((45.0, -20.0, -20.0), 8.0), ((20.0, 45.0, 0.0), 7.0))


@pytest.fixture(scope="module")
def case() -> Case:
    made = small_case()
    foci = (focus(1), focus(2, "unsure", why_physiological="It lies where the ureter runs"), focus(3, "physiological"))
    search = search_on(made.volumes.pet.geometry, PLACES, foci)
    pet = made.volumes.pet.array.copy()
    pet[search.mask.labels.mask] = 14.0
    volumes = replace(made.volumes, pet=made.volumes.pet.with_array(pet))
    masks = replace(made.segmentations, body=search)
    masks = clicked_in(volumes, masks, EDITS, ScoringConfig())
    return Case(volumes, masks, score_labels(volumes, masks, EDITS, ScoringConfig()))


def test_the_masks_come_back_under_their_labels(case, tmp_path):
    stored = segmentation_files(case.score, case.volumes, case.segmentations, sources(case))
    path = tmp_path / "segmentation_body.dcm"
    path.write_bytes(stored[path.name])
    read = read_mask(path, case.volumes, "body")
    assert case.segmentations.body is not None
    assert read.labels.labels == (1, 2, 3)
    assert (read.labels.array == case.segmentations.body.mask.labels.array).all()


def test_there_is_no_file_without_candidates(case):
    assert isinstance(case.segmentations, Segmentations)
    stored = segmentation_files(case.score, case.volumes, case.segmentations, sources(case))
    dataset = pydicom.dcmread(io.BytesIO(stored["segmentation_body.dcm"]))
    labels = [item.SegmentLabel for item in dataset.SegmentSequence]
    assert labels[0] == "B1 accepted: skeleton, thoracic spine"
    plain = small_case()
    assert "segmentation_body.dcm" not in segmentation_files(
        plain.score, plain.volumes, plain.segmentations, sources(plain)
    )


def test_the_table_has_a_row_each(case):
    rows = list(csv.DictReader(io.StringIO(body_csv(case.score))))
    assert [(row["Lesion"], row["State"], row["Counted"]) for row in rows] == [
        ("B1", "accepted", "yes"), ("B2", "rejected", "no"), ("B3", "unanswered", "no"),
    ]  # fmt: skip
    assert rows[0]["SSTR-RADS, proposed"] == "4"
    assert rows[1]["Why it may be physiological"] == "It lies where the ureter runs"


def test_the_report_lists_candidates_and_sums(case):
    page = report_html(case.score, case.volumes, case.segmentations)
    for words in (
        "Outside the liver", "1 candidate not yet answered", "skeleton, thoracic spine",
        "metastasis (lesion 90 %)",
        "SSTR tumour volume", "Skeleton", "outside the liver, accepted",
        "B2: It lies where the ureter runs.",
    ):  # fmt: skip
        assert words in page, words
    plain = small_case()
    assert "Outside the liver" not in report_html(plain.score, plain.volumes, plain.segmentations)


def test_the_terminal_lists_candidates(case):
    from rich.console import Console

    screen = Console(width=140, record=True, file=io.StringIO())
    screen.print(score_summary(case.score))
    text = screen.export_text()
    assert "outside the liver 1 accepted, 1 unanswered, 1 rejected (not yet read)" in text
    assert "skeleton, thoracic spine" in text
    assert "(lesion 90 %)" in text


def test_without_the_patient_masks_stay_and_free_text_goes(case):
    said = {"place_lps_mm": [45.0, 10.0, -25.0], "organ": "bone", "region": "Mr Smith's rib", "size_mm": 10.0,
            "comment": "as Dr Who said"}  # fmt: skip
    edits = ReaderEdits.model_validate({"reader": {"name": "A. Reader"}, "body": {"added": [said]}})
    masks = clicked_in(case.volumes, case.segmentations, edits, ScoringConfig())
    score = score_labels(case.volumes, masks, edits, ScoringConfig())
    pseudonyms = pseudonyms_for(b"a key of more than thirty-two bytes", sources(case))
    clean, _, clean_masks, _ = deidentified(score, case.volumes, masks, sources(case), pseudonyms)
    assert "Smith" not in clean.to_json()
    assert "Dr Who" not in clean.to_json()
    assert clean_masks.body.foci[3].region == "bone"
    assert (clean_masks.body.mask.labels.array == masks.body.mask.labels.array).all()
    assert clean_masks.body.mask.labels.geometry.frame_of_reference_uid != FRAME


@pytest.mark.parametrize("name", ["Lesender, Karl", "lesender"])
def test_without_the_patient_no_reason_names_the_reader(case, name):
    said = {"reader": {"name": name}, "rest_of_body": {"lesions": True}}
    liver = case.score.references["liver"]
    said["references"] = [{"organ": "liver", "centre_lps_mm": liver.centre_lps_mm, "diameter_mm": liver.diameter_mm}]
    said["mask_edits"] = [{"tool": "merge", "labels": [1, 2], "reader": {"name": name}}]
    edits = ReaderEdits.model_validate(said)
    score = score_labels(case.volumes, case.segmentations, edits, ScoringConfig())
    assert score.to_json().lower().count("lesender") > 2
    pseudonyms = pseudonyms_for(b"a key of more than thirty-two bytes", sources(case))
    clean, *_ = deidentified(score, case.volumes, case.segmentations, sources(case), pseudonyms)
    assert "lesender" not in clean.to_json().lower()
    assert f"{pseudonyms.reader(name)} (" in clean.criteria["DOM"].reason


def test_the_structured_report_has_a_group_each(case):
    report = measurement_report(case.score, case.volumes, case.segmentations, sources(case), [], None)
    text = report.to_json()
    for words in ("dotaliver:body_lesion:1", "dotaliver:body_lesion:3", "SSTR tumour volume", "pancreas, uncinate"):
        assert words in text, words


@pytest.mark.parametrize(
    ("confidence", "words"),
    [(1.0, "over 99"), (0.996, "over 99"), (0.5, "50"), (0.001, "under 1"), (0.0, "under 1")],
)
def test_no_candidate_is_certain(case, confidence, words):
    candidate = case.score.body.lesions[0].model_copy(update={"confidence": confidence})
    assert f"(lesion {words} %)" in likely_words(candidate)
    body = case.score.body.model_copy(update={"lesions": (candidate, *case.score.body.lesions[1:])})
    score = case.score.model_copy(update={"body": body})
    row = next(csv.DictReader(io.StringIO(body_csv(score))))
    assert 1.0 <= float(row["Confidence (%)"]) <= 99.0
    text = measurement_report(score, case.volumes, case.segmentations, sources(case), [], None).to_json()
    assert f"{words} %" in text
