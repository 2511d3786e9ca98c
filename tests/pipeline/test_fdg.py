"""A study scored with the FDG scan of the same patient, from DICOM files to the report, and scored again."""

import csv
import json
import shutil
from dataclasses import replace

import pydicom
import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.errors import StudyError
from dotaliver.export.report.compose import report_content
from dotaliver.phantom.presets import preset
from dotaliver.phantom.two_tracers import fdg_lesions, fdg_study, write_fdg_images
from dotaliver.pipeline import OutputOptions, StudyInput, read_record, rescore, save, score_study
from dotaliver.pipeline.opening import open_study
from dotaliver.segmentation.fdg_search import with_fdg_searched
from fixtures.command_line import SECRETS, change
from fixtures.sharing import made_once


@pytest.fixture(scope="module")
def fdg(tmp_path_factory):
    """The FDG scan of the phantom; not to be changed."""

    def make(folder):
        spec = preset("moderate", 3, "small")
        write_fdg_images(fdg_study(spec, fdg_lesions(spec)), spec, folder / "fdg")
        change(sorted((folder / "fdg").rglob("*.dcm")), **SECRETS)

    return made_once(tmp_path_factory, "fdg scan", make) / "fdg"


@pytest.fixture(scope="module")
def outcome(study, fdg):
    return score_study(StudyInput(study, fdg=fdg))


@pytest.fixture(scope="module")
def folder(outcome, tmp_path_factory):
    out = tmp_path_factory.mktemp("two tracers") / "score"
    save(outcome, out, OutputOptions(pdf=True))
    return out


def test_lesions_are_found_on_both_scans_and_truth_says_which_are_avid(outcome):
    netpet = outcome.score.netpet
    assert netpet.days == 20
    assert netpet.alignment.liver.similarity > 0.9
    # The table lies where it lay, so the alignment is none.
    assert netpet.alignment.liver.offset_lps_mm == pytest.approx((0.0, 0.0, 0.0), abs=1.0)
    assert 1.3 < netpet.liver.suv_mean < 3.0
    counts = [lesion.pattern for lesion in netpet.lesions if lesion.state == "counted"]
    assert counts.count("SSTR+/FDG+") >= 3
    assert counts.count("SSTR+/FDG-") >= 3
    assert netpet.lowest in {"P2", "P3"}
    assert {flag.code for flag in outcome.score.flags} >= {"FDG_DAYS_APART"}


def test_the_receptor_scan_s_own_figures_do_not_change(outcome, scored):
    alone = read_record(scored)
    assert outcome.score.lesions == alone.lesions
    assert outcome.score.burden == alone.burden
    assert outcome.score.references == alone.references


def test_every_file_holds_the_comparison_and_it_is_read_back(outcome, folder):
    rows = list(csv.DictReader((folder / "netpet.csv").read_text(encoding="utf-8-sig").splitlines()))
    assert len(rows) == len(outcome.score.netpet.lesions)
    assert {row["NETPET grade, proposed"] for row in rows} == {outcome.score.netpet.words}
    page = (folder / "report.html").read_text()
    assert "FDG and receptor scan" in page
    assert f"NETPET grade, proposed: {outcome.score.netpet.words}" in page
    assert (folder / "report.dcm").is_file()
    assert read_record(folder) == outcome.score
    again = rescore(folder)
    assert again.score.netpet == outcome.score.netpet
    assert again.score.record_id == outcome.score.record_id


def test_discordant_lesions_are_pictured_on_both_scans(outcome):
    """Made so here: the phantom has none."""
    score = outcome.score
    first = score.netpet.lesions[0].model_copy(update={"sstr": "negative", "fdg": "positive", "grade": "P5"})
    changed = score.model_copy(update={"netpet": score.netpet.model_copy(update={"lesions": (first,)})})
    section = report_content(changed, outcome.opened.volumes, outcome.segmentations).netpet
    assert [picture.caption for picture in section.pictures] == ["1, FDG", "1, receptor"]


def test_another_fdg_folder_or_none_is_told(folder, tmp_path, study):
    local = json.loads((folder / "local.json").read_text())
    lost = tmp_path / "score"
    shutil.copytree(folder, lost)
    (lost / "local.json").write_text(json.dumps(local | {"fdg": str(tmp_path / "gone")}))
    with pytest.raises(StudyError, match="name its folder with --fdg"):
        rescore(lost)


def test_a_deidentified_record_holds_no_uid_or_date_of_the_fdg_scan(outcome, tmp_path):
    save(outcome, tmp_path / "out", OutputOptions(pseudonym_key=b"0123456789abcdef", report=True))
    text = (tmp_path / "out" / "score.json").read_text() + (tmp_path / "out" / "report.html").read_text()
    scan = outcome.score.netpet.scan.study
    for secret in (scan.study_instance_uid, scan.pet.series_instance_uid, scan.ct.series_instance_uid, scan.study_date):
        assert secret not in text
    assert scan.pet.sop_instance_uids[0] not in text


def test_without_suv_the_fdg_scan_is_compared_by_ratios(study, fdg, tmp_path):
    copy = shutil.copytree(fdg, tmp_path / "fdg")
    for path in sorted((copy / "pet").iterdir()):
        ds = pydicom.dcmread(path)
        ds.PatientWeight = None
        ds.save_as(path)
    volumes = open_study(StudyInput(study, fdg=copy), ScoringConfig()).volumes
    assert volumes.fdg.suv is None
    assert "FDG_SUV_UNKNOWN" in {flag.code for flag in volumes.flags}
    assert volumes.suv is not None


def test_a_ct_of_another_body_is_not_aligned(outcome, study):
    """The densities near the liver decide, whatever the headers say."""
    volumes = outcome.opened.volumes
    ct = volumes.fdg.ct
    upside_down = replace(volumes.fdg, ct=ct.with_array(ct.array[::-1, ::-1, :].copy()))
    found = replace(outcome.segmentations, fdg=None)
    with pytest.raises(StudyError, match="cannot be laid on that of the scored study"):
        with_fdg_searched(replace(volumes, fdg=upside_down), found, ScoringConfig())
