"""From a folder to a record: the same study gives the same record, however its files lie, and nothing is touched."""

import hashlib
import json
import random
import re
import shutil
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from dotaliver.config.scoring import ExecutionConfig, ScoringConfig
from dotaliver.dicom.masks.reading import read_mask
from dotaliver.errors import ConfigError, MaskError, SegmenterError, StudyError
from dotaliver.export.outputs import OutputOptions
from dotaliver.image.backends import SLAB_SLICES, SlabCache
from dotaliver.pipeline import (
    StudyInput,
    default_folder,
    load_edits,
    open_study,
    rescore,
    save,
    score_study,
    segment_study,
)
from dotaliver.pipeline.score_labels import score_labels
from dotaliver.records.edits import ReaderEdits
from dotaliver.records.score import StudyScore
from fixtures.command_line import TELLTALES


def hashes(folder: Path) -> dict[str, str]:
    files = (p for p in sorted(folder.rglob("*")) if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def outcome(study):
    before = hashes(study)
    made = score_study(StudyInput(study))
    assert hashes(study) == before
    return made


@pytest.fixture(scope="module")
def record(scored) -> StudyScore:
    return StudyScore.model_validate_json((scored / "score.json").read_text())


def test_repeated_run_gives_the_same_record(outcome, record):
    assert outcome.score.record_id == record.record_id
    assert outcome.score.provenance.scored_at != record.provenance.scored_at


def test_files_in_any_order_and_nesting_give_the_same_record(study, tmp_path, record, outlined_once):
    files = sorted(study.rglob("*.dcm"))
    random.Random(1).shuffle(files)
    for n, path in enumerate(files):
        place = tmp_path / "disc" / f"a{n % 3}" / f"b{n % 2}"
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place / f"IM{n:05d}")
    again = score_study(StudyInput(tmp_path / "disc")).score
    assert again.record_id == record.record_id
    assert again.study == record.study


def test_record_holds_what_the_phantom_is(record, phantom):
    truth = json.loads((phantom / "truth.json").read_text())
    assert record.criteria["INC7"].verdict == truth["expected"]["INC7"]
    assert record.criteria["EXC4"].verdict == truth["expected"]["EXC4"]
    assert record.criteria["INC4"].verdict == "met"
    assert {record.criteria[name].verdict for name in ("INC6", "DOM")} == {"not_evaluable"}
    assert record.criteria["EXC6"].verdict != "met"
    assert record.references["spleen"].suv_mean == pytest.approx(truth["organ_suv"]["spleen"], rel=0.1)
    assert record.references["liver"].suv_mean == pytest.approx(truth["liver_suv"], rel=0.1)
    assert record.acquisition.patient_weight_kg == truth["weight_kg"]
    assert record.acquisition.injected_activity_mbq == pytest.approx(truth["injected_activity_mbq"], rel=1e-6)


def test_both_halves_are_pure(outcome):
    config = ScoringConfig()
    volumes = outcome.opened.volumes
    pixels = (volumes.pet.sha256(), volumes.ct.sha256())
    found = segment_study(volumes, config)
    first = score_labels(volumes, found, ReaderEdits(), config)
    assert first.record_id == outcome.score.record_id
    assert (volumes.pet.sha256(), volumes.ct.sha256()) == pixels


def test_config_enters_the_record_id_and_execution_does_not(outcome):
    volumes, found = outcome.opened.volumes, outcome.segmentations
    config = ScoringConfig()
    other = config.model_copy(update={"peak": config.peak.model_copy(update={"sphere_ml": 0.9})})
    assert score_labels(volumes, found, ReaderEdits(), other).record_id != outcome.score.record_id
    busy = ExecutionConfig(threads=1, memory_bytes=2**30)
    again = score_labels(volumes, found, ReaderEdits(), config, execution=busy)
    assert again.record_id == outcome.score.record_id
    assert again.provenance.execution.threads == 1


# With two slabs kept, one reading each: hash, coarse grid, outline, mismatch, lesions, spleen, blood pool, references,
# measuring, and one or two for each of the phantom's lesions. A step that reads slice by slice is far above it.
MOST_READS = 16


def slabs_made(monkeypatch):
    """How often each slab of each image that is read in parts is read from its files, by backend and slab."""
    made = defaultdict(Counter)
    start = SlabCache.__init__

    def counted(cache, make, *options):
        def noted(slices):
            made[cache].update([slices.start])
            return make(slices)

        start(cache, noted, *options)

    monkeypatch.setattr(SlabCache, "__init__", counted)
    return made


@pytest.mark.parametrize("memory_bytes", [48 << 20, pytest.param(64 << 20, marks=pytest.mark.slow)])
def test_record_and_masks_are_the_same_within_a_bound_on_the_memory(
    study, outcome, scored, tmp_path, monkeypatch, masks_only, memory_bytes
):
    # The study is small: its images are read in parts only if nothing is held, and the program itself must not count.
    monkeypatch.setattr("dotaliver.dicom.pixels.lazy._HELD_PART", 1 << 40)
    monkeypatch.setattr("dotaliver.pipeline.opening._OWN_BYTES", 0)
    made = slabs_made(monkeypatch)
    execution = ExecutionConfig(memory_bytes=memory_bytes)
    bounded = score_study(StudyInput(study), execution=execution)
    for image in (bounded.opened.volumes.pet, bounded.opened.volumes.ct):
        times = made[image.voxels]
        assert len(times) == -(-image.geometry.shape[0] // SLAB_SLICES)
        assert max(times.values()) <= MOST_READS, image.quantity
    assert not bounded.opened.volumes.pet.in_memory
    assert not bounded.opened.volumes.ct.in_memory
    assert bounded.score.record_id == outcome.score.record_id
    assert bounded.score.provenance.execution == execution
    assert bounded.score.provenance.config_sha256 == outcome.score.provenance.config_sha256
    save(bounded, tmp_path / "out", OutputOptions(nifti=True))
    masks = sorted(path.name for path in scored.glob("segmentation*.dcm"))
    assert "segmentation_ct.dcm" in masks
    for name in (*masks, "liver.nii.gz", "lesions.nii.gz"):
        assert (tmp_path / "out" / name).read_bytes() == (scored / name).read_bytes()
    again = rescore(tmp_path / "out", execution=execution)
    assert not again.opened.volumes.ct.in_memory
    assert again.score.record_id == rescore(scored).score.record_id


def test_a_bound_that_is_too_small_is_refused_with_what_is_needed(study):
    with pytest.raises(ConfigError, match=r"--memory: 100 MiB is too little .* give (\d+)MiB or more") as refused:
        score_study(StudyInput(study), execution=ExecutionConfig(memory_bytes=100 << 20))
    needed = int(re.search(r"give (\d+)MiB", str(refused.value)).group(1))
    assert open_study(StudyInput(study), ScoringConfig(), execution=ExecutionConfig(memory_bytes=needed << 20))


def test_masks_are_read_back_bit_for_bit(outcome, scored):
    volumes, found = outcome.opened.volumes, outcome.segmentations
    for name, layer in (("liver", found.liver), ("lesions", found.lesions)):
        path = scored / ("segmentation_ct.dcm" if layer.drawn_on == "ct" else "segmentation.dcm")
        back = read_mask(path, volumes, name)
        assert back.drawn_on == layer.drawn_on
        assert back.labels.geometry.is_close(layer.labels.geometry)
        assert np.array_equal(back.labels.array, layer.labels.array)


def test_nifti_masks_lie_on_the_ct(outcome, scored):
    ct = outcome.opened.volumes.ct
    liver = sitk.ReadImage(str(scored / "liver.nii.gz"))
    assert liver.GetSize() == tuple(reversed(ct.geometry.shape))
    assert np.array_equal(sitk.GetArrayFromImage(liver) > 0, outcome.segmentations.liver.labels.mask)
    lesions = sitk.GetArrayFromImage(sitk.ReadImage(str(scored / "lesions.nii.gz")))
    assert set(np.unique(lesions)) - {0} <= set(outcome.segmentations.lesions.labels.labels)


def test_own_liver_and_lesions_are_taken_as_drawn(phantom, study):
    truth = json.loads((phantom / "truth.json").read_text())
    given = StudyInput(study, liver=phantom / "truth_liver.nii.gz", lesions=phantom / "truth_lesions_on_pet.nii.gz")
    score = score_study(given).score
    assert score.liver.volume_ml == pytest.approx(truth["liver_ml"], rel=1e-3)
    assert score.burden.low < truth["burden"] < score.burden.high
    given_masks = [m for m in score.segmentation.masks if m.name not in {"ct_foci", "ct_lesions", "body"}]
    assert {m.origin for m in given_masks} == {"NIfTI"}
    assert [m.border_uncertainty_mm for m in given_masks] == [
        ScoringConfig().liver.border_uncertainty_imported_mm,
        ScoringConfig().lesions.border_uncertainty_imported_mm,
    ]
    labels = [lesion.label for lesion in score.lesions]
    assert set(labels) <= {lesion["label"] for lesion in truth["lesions"]}
    assert score.criteria["INC7"].verdict == "met"


def test_no_patient_name_in_any_written_text(scored):
    for name in ("score.json", "report.html", "lesions.csv"):
        text = (scored / name).read_text()
        assert not [word for word in TELLTALES if word in text], name


def test_paths_stand_only_in_local_json(scored, study):
    assert json.loads((scored / "local.json").read_text())["study"] == str(study.resolve())
    for name in ("score.json", "report.html", "lesions.csv"):
        assert str(study.parent) not in (scored / name).read_text()
    assert str(study.parent).encode() not in (scored / "segmentation.dcm").read_bytes()


def test_default_folder_is_a_hash_of_the_study(record):
    assert default_folder(record) == hashlib.sha256(record.study.study_instance_uid.encode()).hexdigest()[:12]


def test_saving_again_leaves_one_set_of_files(outcome, tmp_path, no_pictures):
    save(outcome, tmp_path / "out", OutputOptions(nifti=True, pdf=True, pictures=True, dosimetry=True))
    written = {p.name for p in (tmp_path / "out").iterdir()}
    assert {"liver.nii.gz", "lesions.nii.gz", "report.dcm", "picture-01.dcm", "picture-02.dcm"} <= written
    assert {"dosimetry.json", "dosimetry.dcm", "dosimetry-Liver.nii.gz"} <= written
    save(outcome, tmp_path / "out")
    candidates = {"segmentation_ct_candidates.dcm"} if outcome.score.ct_foci else set()
    assert {p.name for p in (tmp_path / "out").iterdir()} == candidates | {
        "score.json",
        "lesions.csv",
        "report.html",
        "local.json",
        "segmentation.dcm",
        "segmentation_ct.dcm",
        "segmentation_ct_lesions.dcm",
        "measurements.dcm",
        "suv_map.dcm",
    }


def test_progress_tells_each_stage(study, outcome, tmp_path, outlined_once):
    told = []
    score_study(StudyInput(study), progress=told.append)
    words = " ".join(told)
    for stage in ("headers", "PT series", "CT series", "liver", "lesions", "measuring"):
        assert stage in words
    assert not [word for word in TELLTALES if word in words]


def test_unknown_segmenter_is_named_with_those_there(outcome):
    config = ScoringConfig(segmenter="nobody")
    with pytest.raises(SegmenterError, match=r"'nobody'.*petct"):
        segment_study(outcome.opened.volumes, config)


def test_mask_of_another_place_is_refused(study, phantom, tmp_path):
    mask = sitk.ReadImage(str(phantom / "truth_liver.nii.gz"))
    mask.SetOrigin([v + 3000 for v in mask.GetOrigin()])
    sitk.WriteImage(mask, str(tmp_path / "far.nii.gz"))
    with pytest.raises(MaskError, match=r"far\.nii\.gz"):
        score_study(StudyInput(study, liver=tmp_path / "far.nii.gz"))


def test_broken_edits_name_file_and_field(tmp_path):
    path = tmp_path / "edits.json"
    for text, word in (("{", "edits.json"), ('{"lesions": [{"label": 0}]}', "lesions.0.label"), ('{"x": 1}', "x")):
        path.write_text(text)
        with pytest.raises(ConfigError, match=word):
            load_edits(path)
    with pytest.raises(ConfigError, match=r"gone\.json"):
        load_edits(tmp_path / "gone.json")


def test_rescore_refuses_other_images(scored, copy):
    path = sorted((copy / "pet").iterdir())[0]
    dataset = pydicom.dcmread(path)
    pixels = dataset.pixel_array.copy()
    pixels[0, 0] += 1
    dataset.PixelData = pixels.tobytes()
    dataset.save_as(path)
    with pytest.raises(StudyError, match=r"PT series 3 is not the one that was scored"):
        rescore(scored, study=StudyInput(copy))


def test_rescore_refuses_a_ct_that_was_not_there(study, tmp_path, masks_only):
    pet_only = Path(shutil.copytree(study / "pet", tmp_path / "pet"))
    first = score_study(StudyInput(pet_only))
    assert "NO_CT" in {flag.code for flag in first.score.flags}
    save(first, tmp_path / "score")
    again = rescore(tmp_path / "score")
    assert again.score.record_id == first.score.record_id
    with pytest.raises(StudyError, match="holds a CT, and the record was made without one"):
        rescore(tmp_path / "score", study=StudyInput(study))


def test_open_study_keeps_headers_in_stack_order(study):
    opened = open_study(StudyInput(study), ScoringConfig())
    uids = [str(h.SOPInstanceUID) for h in opened.sources.pet_headers]
    assert tuple(uids) == opened.volumes.identity.pet.sop_instance_uids


def test_outcome_is_the_record_that_is_stored(outcome, tmp_path, masks_only):
    save(replace(outcome, folder=tmp_path), tmp_path / "out")
    stored = StudyScore.model_validate_json((tmp_path / "out" / "score.json").read_text())
    assert stored == outcome.score
    assert stored.with_record_id().record_id == stored.record_id


def test_a_score_stored_as_label_maps_is_rescored_to_the_same_masks(outcome, tmp_path, masks_only):
    save(outcome, tmp_path / "out", OutputOptions(labelmap=True))
    assert pydicom.dcmread(tmp_path / "out" / "segmentation.dcm").SegmentationType == "LABELMAP"
    again = rescore(tmp_path / "out").score
    assert {m.name: m.sha256 for m in again.segmentation.masks} == {
        m.name: m.sha256 for m in outcome.score.segmentation.masks
    }
    assert again.lesions == outcome.score.lesions
