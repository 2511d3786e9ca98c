"""A structured report beside a score: the same thing is compared, and nothing in a label is taken for markup."""

from __future__ import annotations

import json

import pydicom
import pytest

from dotaliver.dicom.sr import read_report
from dotaliver.errors import StudyError
from dotaliver.pipeline.sr_comparison import compare
from fixtures.command_line import run_cli


def other_readers_report(scored, path):
    """The score's own report, as if another reader had measured one lesion larger; and a lesion that we lack."""
    dataset = pydicom.dcmread(scored / "measurements.dcm")
    measured = next(
        item
        for item in dataset.ContentSequence
        if item.ConceptNameCodeSequence[0].CodeMeaning == "Imaging Measurements"
    )
    groups = measured.ContentSequence
    volume = next(i for i in groups[0].ContentSequence if i.ConceptNameCodeSequence[0].CodeMeaning == "Volume")
    value = volume.MeasuredValueSequence[0]
    value.FloatingPointValue = value.FloatingPointValue * 1.25
    for item in groups[-2].ContentSequence:
        if item.ValueType == "UIDREF":
            item.UID = "1.2.3.4"
        if item.ValueType == "TEXT" and item.ConceptNameCodeSequence[0].CodeValue == "112039":
            item.TextValue = "[red]mine[/red] \x1b[31m"
    dataset.save_as(path)
    return path


def test_the_same_lesion_is_compared_number_by_number(scored, tmp_path) -> None:
    report = read_report(other_readers_report(scored, tmp_path / "other.dcm"))
    found = compare(report, scored)
    assert found.same_study
    assert found.record_id == json.loads((scored / "score.json").read_text())["record_id"]
    changed = [value for value in found.values if value.report != value.score]
    assert [(value.name, value.report / value.score) for value in changed] == [("Volume", pytest.approx(1.25))]
    assert len(found.values) > 20
    assert "1.2.3.4" not in {value.tracking_uid for value in found.values}


def test_a_scores_own_report_says_what_its_record_says(scored) -> None:
    score = json.loads((scored / "score.json").read_text())
    groups = {}
    for group in read_report(scored / "measurements.dcm").groups:
        # A lesion's axes have a group of their own, whose identifier names the viewers' tool before the lesion.
        lesion = "dotaliver:lesion:" + group.tracking_id.rpartition("dotaliver:lesion:")[2]
        groups.setdefault(lesion, []).extend(group.values)
    for lesion in score["lesions"]:
        values = {
            (v.name.meaning, v.derivation and v.derivation.meaning): v.value
            for v in groups[f"dotaliver:lesion:{lesion['label']}"]
        }
        told = {
            ("SUVbw", "Maximum"): "suv_max",
            ("SUVbw", "Mean"): "suv_mean",
            ("SUVbw", "Peak Value Within ROI"): "suv_peak",
            ("Volume", None): "volume_ml",
            ("Total lesion uptake (mean × volume)", None): "total_uptake",
            ("Lesion to Background SUV Ratio", "Peak Value Within ROI"): "ratio_to_liver",
            ("Long Axis", None): "longest_diameter_mm",
            ("Short Axis", None): "short_axis_mm",
        }
        assert {key: values.get(key) for key in told} == {key: lesion[field] for key, field in told.items()}
    assert len(score["lesions"]) > 1


def test_the_command_shows_and_compares(scored, tmp_path) -> None:
    path = other_readers_report(scored, tmp_path / "other.dcm")
    alone = run_cli("measurements", path)
    assert alone.status == 0
    assert "dotaliver:lesion:1" in alone.out
    assert "Score" not in alone.out
    both = run_cli("measurements", path, "--score", scored)
    assert "+25.00 %" in both.out
    assert "equal" in both.out
    told = json.loads(run_cli("measurements", path, "--score", scored, "--json").out)
    assert told["same_study"] is True
    assert json.loads(run_cli("measurements", path, "--json").out) == told["report"]
    assert "\x1b" not in alone.out


def test_what_is_no_score_or_no_report_is_refused(scored, tmp_path) -> None:
    with pytest.raises(StudyError, match=r"there is no readable score.json"):
        compare(read_report(scored / "measurements.dcm"), tmp_path)
    done = run_cli("measurements", scored / "segmentation.dcm")
    assert (done.status, done.err.count("\n")) == (3, 1)
    assert "not a DICOM structured report" in done.err
