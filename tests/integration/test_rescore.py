"""A score, a reader's correction, the revised record: only what was corrected changes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from dotaliver.config.scoring import AssumedValues, ScoringConfig
from dotaliver.config.segmentation import LiverConfig
from dotaliver.errors import ConfigError, StudyError
from dotaliver.image.itk import to_itk
from dotaliver.image.spheres import sphere_mask
from dotaliver.image.volume import LabelMap
from dotaliver.phantom.presets import preset
from dotaliver.phantom.spec import LesionSpec
from dotaliver.phantom.study import make_phantom
from dotaliver.phantom.writer import write_study
from dotaliver.pipeline import StudyInput, load_edits, open_study, rescore, save, score_study
from dotaliver.records.edits import (
    DiameterEdit,
    LesionEdit,
    Reader,
    ReaderEdits,
    ReferenceEdit,
    RestOfBody,
    VerdictEdit,
)
from dotaliver.records.score import StudyScore
from fixtures.command_line import run_cli

pytestmark = pytest.mark.usefixtures("outlined_once")
READER = Reader(name="A Reader", role="nuclear-medicine physician")


@pytest.fixture(scope="module")
def record(scored) -> StudyScore:
    return StudyScore.model_validate_json((scored / "score.json").read_text())


def revised(scored, **edits) -> StudyScore:
    return rescore(scored, edits=ReaderEdits(reader=READER, **edits)).score


def diameter(record, label, length_mm) -> DiameterEdit:
    x, y, z = next(lesion.centroid_lps_mm for lesion in record.lesions if lesion.label == label)
    half = length_mm / 2
    return DiameterEdit(long_axis_lps_mm=((x - half, y, z), (x + half, y, z)))


def every_lesion(record, **values):
    return tuple(LesionEdit(label=lesion.label, **values) for lesion in record.lesions)


def test_nothing_changed_gives_the_same_record_linked_to_the_first(scored, record):
    again = rescore(scored).score
    assert again.record_id == record.record_id
    assert again.provenance.revises == record.record_id
    assert again.model_copy(update={"provenance": record.provenance}) == record


def test_a_click_gives_what_the_search_measured_and_comes_back_from_the_stored_record(
    scored, record, tmp_path, masks_only
):
    before = next(lesion for lesion in record.lesions if lesion.diameter_source == "ct")
    (x0, y0, z0), (x1, y1, z1) = before.diameter.long_axis_lps_mm
    place = f"{(x0 + x1) / 2},{(y0 + y1) / 2},{(z0 + z1) / 2}"
    first = run_cli("rescore", scored, "--lesion-at", place, "--out", tmp_path / "clicked", "--json", "-q")
    assert (first.status, first.err) == (0, "")
    clicked = StudyScore.model_validate_json(first.out)
    after = next(lesion for lesion in clicked.lesions if lesion.label == before.label)
    assert (before.diameter_source, after.diameter_source) == ("ct", "click")
    assert after.longest_diameter_mm == before.longest_diameter_mm
    assert after.short_axis_mm == before.short_axis_mm
    assert after.diameter.interval_mm == before.diameter.interval_mm
    # The click is followed anew from the record, and leaves nothing behind without it.
    assert rescore(tmp_path / "clicked").score.record_id == clicked.record_id
    assert rescore(tmp_path / "clicked", edits=ReaderEdits()).score.record_id == record.record_id


def test_the_command_writes_beside_the_score_and_chains(scored, record, tmp_path, masks_only):
    folder = Path(shutil.copytree(scored, tmp_path / "score"))
    edits = ReaderEdits(reader=READER, lesions=(LesionEdit(label=record.lesions[0].label, marks=("treated",)),))
    (tmp_path / "edits.json").write_text(edits.model_dump_json())
    assert load_edits(tmp_path / "edits.json") == edits
    before = (folder / "score.json").read_bytes()
    first = run_cli("rescore", folder, "--edits", tmp_path / "edits.json", "--json")
    assert (first.status, first.err) == (0, "")
    told = json.loads(first.out)
    assert told["provenance"]["revises"] == record.record_id
    assert told["record_id"] != record.record_id
    assert json.loads((folder / "revised-1" / "score.json").read_text()) == told
    second = run_cli("rescore", folder / "revised-1", "--out", tmp_path / "third", "--json")
    assert json.loads(second.out)["record_id"] == told["record_id"]
    assert json.loads(second.out)["provenance"]["revises"] == told["record_id"]
    assert json.loads(second.out)["edits"] == told["edits"]
    assert (folder / "score.json").read_bytes() == before


def test_moved_reference_sphere(scored, record):
    x, y, z = record.references["liver"].centre_lps_mm
    score = revised(scored, references=(ReferenceEdit(centre_lps_mm=(x + 4, y, z), diameter_mm=20),))
    moved = score.references["liver"]
    assert moved.centre_lps_mm == pytest.approx((x + 4, y, z))
    assert moved.volume_ml == pytest.approx(np.pi / 6 * 2.0**3, rel=0.15)
    assert moved.method == "reader"
    assert "REFERENCE_BY_READER" in {flag.code for flag in score.flags}
    for before, after in zip(record.lesions, score.lesions, strict=True):
        assert after.suv_peak == before.suv_peak
        assert after.ratio_to_liver == pytest.approx(after.suv_peak / moved.suv_mean)


def others_treated(record, label):
    """Edits under which no lesion but one can be measurable, whatever the CT shows of the others."""
    return tuple(edit for edit in every_lesion(record, marks=("treated",)) if edit.label != label)


def test_redrawn_diameter_makes_inc4_definite(scored, record):
    label = record.lesions[0].label
    others = others_treated(record, label)
    every = (*others, LesionEdit(label=label, marks=("treated",)))
    assert revised(scored, lesions=every).criteria["INC4"].verdict == "indeterminate"
    score = revised(scored, lesions=(*others, LesionEdit(label=label, diameter=diameter(record, label, 23.0))))
    lesion = next(x for x in score.lesions if x.label == label)
    assert (lesion.diameter_source, lesion.longest_diameter_mm) == ("reader", pytest.approx(23.0))
    assert score.criteria["INC4"].verdict == "met"
    assert score.criteria["INC4"].effect == "supports"


def test_treated_lesion_is_not_measurable(scored, record):
    label = record.lesions[0].label
    drawn, others = diameter(record, label, 23.0), others_treated(record, label)
    score = revised(scored, lesions=(*others, LesionEdit(label=label, diameter=drawn, marks=("treated",))))
    assert score.criteria["INC4"].verdict == "indeterminate"
    progressed = ("treated", "progressed_since_treatment")
    score = revised(scored, lesions=(*others, LesionEdit(label=label, diameter=drawn, marks=progressed)))
    assert score.criteria["INC4"].verdict == "met"


def test_lesion_called_none_leaves_burden_and_verdicts(scored, record):
    largest = max((x for x in record.lesions if x.in_liver), key=lambda x: x.volume_ml)
    score = revised(scored, lesions=(LesionEdit(label=largest.label, marks=("not_a_lesion",)),))
    assert score.burden.tumour_ml < record.burden.tumour_ml
    assert score.burden.liver_ml == pytest.approx(record.burden.liver_ml)
    assert score.criteria["INC7"].evidence["lesions"] == record.criteria["INC7"].evidence["lesions"] - 1
    everything = revised(scored, lesions=every_lesion(record, marks=("not_a_lesion",)))
    assert everything.burden.fraction == 0
    assert everything.criteria["INC7"].verdict != "met"


def test_statement_on_the_rest_of_the_body_decides_inc4(scored, record):
    small = tuple(LesionEdit(label=x.label, diameter=diameter(record, x.label, 6.0)) for x in record.lesions)
    # Lesions were looked for on the PET alone: the CT may show others, so the liver cannot be denied by them.
    none = revised(scored, lesions=small, rest_of_body=RestOfBody(lesions=False))
    assert none.criteria["INC4"].liver_finding == "indeterminate"
    assert (none.criteria["INC4"].verdict, none.criteria["INC4"].effect) == ("indeterminate", "undecided")
    some = revised(scored, lesions=small, rest_of_body=RestOfBody(lesions=True, measurable=True))
    assert some.criteria["INC4"].verdict == "met"


def test_statement_on_the_rest_of_the_body_decides_inc7(scored, record):
    """A sphere in the hottest lesion is no normal liver, which the scatter of the others shows: nothing is denied."""
    hottest = max(record.lesions, key=lambda x: x.suv_peak)
    sphere = ReferenceEdit(centre_lps_mm=hottest.suv_peak_centre_lps_mm, diameter_mm=8)
    unstated = revised(scored, references=(sphere,), lesions=every_lesion(record, marks=("not_a_lesion",)))
    assert unstated.criteria["INC7"].liver_finding == "indeterminate"
    assert "NORMAL_LIVER_SCATTER_IMPLAUSIBLE" in {flag.code for flag in unstated.flags}
    assert unstated.criteria["INC7"].verdict == "indeterminate"
    edits = {"references": (sphere,), "lesions": every_lesion(record, marks=("not_a_lesion",))}
    none = revised(scored, **edits, rest_of_body=RestOfBody(lesions=False))
    assert (none.criteria["INC7"].verdict, none.criteria["INC7"].effect) == ("indeterminate", "undecided")
    some = revised(scored, **edits, rest_of_body=RestOfBody(lesions=True, uptake_above_liver=True))
    assert some.criteria["INC7"].verdict == "met"


def test_verdict_overruled_needs_reader_and_reason(scored, record):
    edit = VerdictEdit(criterion="EXC4", verdict="met", reason="Diffuse disease that the PET does not resolve")
    score = revised(scored, verdicts=(edit,))
    verdict = score.criteria["EXC4"]
    assert (verdict.verdict, verdict.effect, verdict.status) == ("met", "excludes", "overruled")
    assert (verdict.decision.reader, verdict.decision.proposed) == ("A Reader", "not_met")
    assert verdict.reason == record.criteria["EXC4"].reason
    with pytest.raises(ConfigError, match=r"EXC4.*reason"):
        revised(scored, verdicts=(edit.model_copy(update={"reason": None}),))
    with pytest.raises(ConfigError, match="who reads"):
        rescore(scored, edits=ReaderEdits(verdicts=(edit,)))


def test_verdict_confirmed(scored):
    score = revised(scored, verdicts=(VerdictEdit(criterion="INC7", verdict="met"),))
    assert score.criteria["INC7"].status == "confirmed"


def test_edit_of_a_lesion_that_is_not_there(scored):
    with pytest.raises(ConfigError, match="lesion 999"):
        revised(scored, lesions=(LesionEdit(label=999, marks=("treated",)),))


def test_other_lesion_mask(scored, phantom, record, tmp_path):
    path = phantom / "truth_lesions_on_pet.nii.gz"
    score = rescore(scored, study=StudyInput(scored, lesions=path)).score
    labels = set(np.unique(sitk.GetArrayFromImage(sitk.ReadImage(str(path))))) - {0}
    assert {lesion.label for lesion in score.lesions} == labels
    masks = {m.name: m for m in score.segmentation.masks}
    before = {m.name: m for m in record.segmentation.masks}
    assert masks["liver"] == before["liver"]
    assert masks["lesions"].origin == "NIfTI"
    truth = json.loads((phantom / "truth.json").read_text())
    assert score.burden.low < truth["burden"] < score.burden.high


def test_other_settings(scored, record):
    wider = record.config.peak.model_copy(update={"sphere_ml": 2.0})
    score = rescore(scored, config=record.config.model_copy(update={"peak": wider})).score
    assert score.provenance.config_sha256 != record.provenance.config_sha256
    for before, after in zip(record.lesions, score.lesions, strict=True):
        assert after.suv_peak <= before.suv_peak


def test_images_that_moved_are_named_anew(scored, study, record, tmp_path):
    folder = Path(shutil.copytree(scored, tmp_path / "score"))
    (folder / "local.json").write_text('{"study": "/nowhere/at/all", "pet": "1"}')
    with pytest.raises(StudyError, match="--study"):
        rescore(folder)
    (folder / "local.json").unlink()
    with pytest.raises(StudyError, match="--study"):
        rescore(folder)
    assert rescore(folder, study=StudyInput(study)).score.record_id == record.record_id


def test_folder_without_a_record(tmp_path):
    for folder in (tmp_path / "gone", tmp_path):
        done = run_cli("rescore", folder)
        assert done.status == 3
        assert "score.json" in done.err
    assert not list(tmp_path.iterdir())
    (tmp_path / "score.json").write_text('{"schema_version": "1"}')
    done = run_cli("rescore", tmp_path)
    assert done.status == 3
    assert "score the study again" in done.err
    assert [p.name for p in tmp_path.iterdir()] == ["score.json"]


def test_missing_masks_are_told(scored, tmp_path):
    folder = Path(shutil.copytree(scored, tmp_path / "score"))
    (folder / "segmentation_ct.dcm").unlink()
    done = run_cli("rescore", folder)
    assert done.status == 3
    assert "segmentation_ct.dcm" in done.err


def test_candidates_of_a_study_without_liver_are_no_lesions_of_a_liver_given_later(
    study, phantom, tmp_path, masks_only
):
    hidden = ScoringConfig(liver=LiverConfig(minimum_ml=7999.0))
    first = score_study(StudyInput(study), hidden)
    assert {lesion.in_liver for lesion in first.score.lesions} == {None}
    save(first, tmp_path / "score")
    given = StudyInput(study, liver=phantom / "truth_liver.nii.gz")
    again = rescore(tmp_path / "score", study=given).score
    assert {lesion.in_liver for lesion in again.lesions} == {True}
    assert not {"LIVER_NOT_FOUND", "LESIONS_NOT_BOUND_BY_LIVER"} & {flag.code for flag in again.flags}
    # As if the liver had been given at once.
    assert again.lesions == score_study(given, hidden).score.lesions


def test_the_reference_is_placed_anew_where_a_lesion_is_drawn_over_it(scored, record, tmp_path):
    centre = record.references["liver"].centre_lps_mm
    path = phantom_mask_over(scored, centre, tmp_path / "drawn.nrrd")
    score = rescore(scored, study=StudyInput(scored, lesions=path)).score
    moved = np.linalg.norm(np.subtract(score.references["liver"].centre_lps_mm, centre))
    assert moved > 15.0 + 15.0


def phantom_mask_over(scored, centre, path):
    """A lesion of 30 mm where the reference was, on the PET's grid."""
    pet = open_study(StudyInput(Path(json.loads((scored / "local.json").read_text())["study"])), ScoringConfig())
    grid = pet.volumes.pet.geometry
    mask = sphere_mask(grid, centre, 30.0)
    sitk.WriteImage(to_itk(LabelMap(mask, grid)), str(path))
    return path


def test_a_weight_that_was_stated_stands_under_other_settings(study, tmp_path, masks_only):
    first = score_study(StudyInput(study), ScoringConfig(assume=AssumedValues(weight_kg=120.0)))
    save(first, tmp_path / "score")
    again = rescore(tmp_path / "score", config=ScoringConfig(liver=LiverConfig(mismatch_limit_mm=11.0))).score
    assert again.config.assume.weight_kg == 120.0
    assert again.references == first.score.references
    assert "WEIGHT_ASSUMED" in {flag.code for flag in again.flags}


def test_a_stored_ct_candidate_is_read_back_marked_and_counted(tmp_path):
    """A cold ball on a small phantom: found, stored under its number, kept by rescoring, met by the reader's mark."""
    spec = preset("clean", 2, "small")
    scanner = spec.scanner.model_copy(
        update={
            "contrast_phase": "portal",
            "ct_noise_hu": 8.0,
            "ct_slice_mm": 4.0,
            "ct_matrix": 160,
            "ct_pixel_mm": 2.8,
        }
    )
    cold = LesionSpec(diameter_mm=34.0, contrast=0.3, hu_difference=-40.0, elongation=1.0, roughness=0.0)
    write_study(make_phantom(spec.model_copy(update={"scanner": scanner, "lesions": (cold,)})), tmp_path / "made")
    outcome = score_study(StudyInput(tmp_path / "made" / "study"))
    first = outcome.score
    assert first.criteria["EXC6"].verdict == "indeterminate"
    assert [focus.label for focus in first.ct_foci] == [901]
    assert first.burden.fraction == 0.0
    assert first.burden.high >= first.ct_foci[0].volume_ml / first.liver.volume_ml
    save(outcome, tmp_path / "score")
    page = (tmp_path / "score" / "report.html").read_text()
    assert "CT candidate 901 on CT" in page
    again = rescore(tmp_path / "score").score
    assert again.record_id == first.record_id
    edits = ReaderEdits(reader=READER, lesions=(LesionEdit(label=901, marks=("receptor_negative",)),))
    accepted = rescore(tmp_path / "score", edits=edits)
    assert accepted.score.criteria["EXC6"].verdict == "met"
    assert accepted.score.criteria["EXC6"].liver_finding == "met"
    assert accepted.score.burden.tumour_ml == pytest.approx(first.ct_foci[0].volume_ml)
    save(accepted, tmp_path / "revised")
    liver = StudyInput(tmp_path / "revised", liver=tmp_path / "made" / "truth_liver.nii.gz")
    with pytest.raises(ConfigError, match="candidate 901 cannot be carried over"):
        rescore(tmp_path / "revised", study=liver)
