"""A central reading of a course of three scans: planned, read in turn, signed, compared, exported, verified."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from dotaliver.agreement.central import CentralReading
from dotaliver.pipeline.reading_desk import DeskCase
from dotaliver.pipeline.reading_results import agreement_figures, compare_cases
from dotaliver.records.edits import Reader
from fixtures.central_reading import (
    DAYS,
    make_patient,
    read_masks_once,
    rewrite,
    signed_by,
    study_uid,
    with_sizes,
    write_manifest,
)
from fixtures.command_line import run_cli

NAMES = {"A": "Anna Abel", "B": "Bert Brand"}
# Sums of 40, 24 and 24 or 36 mm: -40 % is PR; from the nadir of 24 mm, 36 mm is +50 % and +12 mm, which is PD.
SIZES = {
    "A": ((25.0, 15.0), (15.0, 9.0), (15.0, 9.0)),
    "B": ((25.0, 15.0), (15.0, 9.0), (22.5, 13.5)),
}


@pytest.fixture(scope="module", autouse=True)
def _masks_read_once():
    with pytest.MonkeyPatch.context() as patch:
        read_masks_once(patch)
        yield


@pytest.fixture(scope="module")
def scores(scored, tmp_path_factory) -> Path:
    """Scores of one patient, whose folders are not in the order of the scans."""
    root = tmp_path_factory.mktemp("scores")
    make_patient(scored, root, 1, 3, 1, 2)
    return root


def init(scores, manifest, out, *options):
    return run_cli(
        "reading", "init", scores, "--readers", "A,B", "--adjudicator", "C", "--manifest", manifest, "--out", out, "-q",
        *options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def signed(scores, tmp_path_factory) -> CentralReading:
    """Both readers have read the three scans, one after the other, and signed."""
    folder = tmp_path_factory.mktemp("central")
    done = init(scores, write_manifest(folder / "manifest.csv", 1, scans=3), folder / "reading", "--blind")
    assert done.status == 0, done.err
    reading = CentralReading(folder / "reading")
    for reader, name in NAMES.items():
        person = Reader(name=name, role="radiologist")
        case = DeskCase.opened(reading, reader)
        assert case.images_alone
        assert case.title == f"Case {case.case.code}, scan 1 of 3"
        case = case.lock_first_answers({"EXC4": "not_met"}, None, person)
        for scan, sizes in enumerate(SIZES[reader]):
            assert DeskCase.opened(reading, reader).scan == scan, "the next scan that is not read is opened"
            target = Path(shutil.copytree(case.folders[scan], case.folders[scan] / "revised-1"))
            rewrite(rewrite(target, with_sizes(sizes)), signed_by(name))
        assert len(case.sign(person).event.records) == 3
    return reading


def test_a_case_holds_all_scans_of_a_subject_by_date(signed):
    (case,) = signed.plan().cases
    assert [scan.on for scan in case.scans] == list(DAYS)
    assert [scan.study_instance_uid for scan in case.scans] == [study_uid(1, n) for n in (1, 2, 3)]


def test_readers_are_compared_on_every_scan_of_the_course(signed):
    (case,) = compare_cases(signed)
    assert case.closed is None, "an adjudicator decides"
    found = {(point.topic, point.scan, point.first, point.second) for _, _, point in case.differences}
    last = study_uid(1, 3)
    assert found == {
        ("response", last, "PR", "PD"),
        ("date_of_progression", None, "no progression", DAYS[2]),
        # PR on both later scans confirms it; followed by PD it does not count, and the interval suffices for SD.
        ("best_response", None, "PR", "SD"),
    }


def test_agreement_counts_each_response_of_the_course(signed):
    (figures,) = agreement_figures(signed)
    (response,) = [one for one in figures.nominal if one.question == "overall response"]
    # PR by both on the second scan, PR and PD on the third
    assert response.observed.value == pytest.approx(0.5)
    (sums,) = [one for one in figures.numbers if one.question == "sum of target diameters"]
    assert [values[1:] for values in sums.values] == [(40.0, 40.0), (24.0, 24.0), (24.0, 36.0)]


def test_the_signed_course_is_exported_and_verified(signed, tmp_path):
    copy = Path(shutil.copytree(signed.path, tmp_path / "reading"))
    code = signed.plan().cases[0].code
    taken = run_cli("reading", "adjudicate", copy, "--case", code, "--accept", "B", "--name", "Carla Conrad",
                    "--reason", "lesion 1 grew", "-q")  # fmt: skip
    assert taken.status == 0, taken.err
    made = run_cli("reading", "export", copy, "--manifest", signed.path.parent / "manifest.csv",
                   "--out", tmp_path / "final", "-q")  # fmt: skip
    assert made.status == 0, made.err
    with (tmp_path / "final" / "NCT1-01-001" / "rs.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["RSTESTCD"] == "OVRLRESP"]
    said = [(row["RSEVALID"], row["VISIT"], row["RSSTRESC"], row["RSACPTFL"]) for row in rows]
    assert sorted(said) == [
        ("RADIOLOGIST 1", "CYCLE 2", "PR", ""),
        ("RADIOLOGIST 1", "CYCLE 4", "PR", ""),
        ("RADIOLOGIST 2", "CYCLE 2", "PR", "Y"),
        ("RADIOLOGIST 2", "CYCLE 4", "PD", "Y"),
    ]
    assert run_cli("reading", "verify", copy).status == 0
    next(copy.glob("readings/*/scan-3/score.json")).unlink()
    damaged = run_cli("reading", "verify", copy)
    assert (damaged.status, "the signed file is missing" in damaged.err) == (3, True)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (("CYCLE 4,3", "CYCLE 4,0.5"), f"puts the scan of {DAYS[2]} before that of {DAYS[0]}"),
        ((study_uid(1, 3), study_uid(1, 4)), "has no row for the study"),
    ],
)
def test_a_manifest_that_disagrees_with_the_scans_is_refused(scores, tmp_path, changed, sentence):
    manifest = write_manifest(tmp_path / "manifest.csv", 1, scans=3)
    text = manifest.read_text()
    assert changed[0] in text
    manifest.write_text(text.replace(*changed))
    done = init(scores, manifest, tmp_path / "reading")
    assert (done.status, sentence in done.err) == (3, True), done.err
    assert not (tmp_path / "reading").exists()


def test_a_course_of_which_a_scan_is_not_scored_is_refused(scores, tmp_path):
    fewer = Path(shutil.copytree(scores, tmp_path / "scores"))
    shutil.rmtree(fewer / "patient-1-scan-2")
    done = init(fewer, write_manifest(tmp_path / "manifest.csv", 1, scans=3), tmp_path / "reading")
    assert (done.status, "no score of it is given" in done.err) == (3, True), done.err


@pytest.mark.parametrize(("on", "sentence"), [(DAYS[0], "two scans are of"), (None, "has no date")])
def test_scans_without_an_order_are_refused(scores, tmp_path, on, sentence):
    copy = Path(shutil.copytree(scores, tmp_path / "scores"))
    rewrite(copy / "patient-1-scan-2", lambda record: record["study"].update(study_date=on))
    done = init(copy, write_manifest(tmp_path / "manifest.csv", 1, scans=3), tmp_path / "reading")
    assert (done.status, sentence in done.err) == (3, True), done.err
