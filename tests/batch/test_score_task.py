"""What a batch makes of one score."""

from types import SimpleNamespace

import numpy as np
import pytest

from dotaliver.batch.records import Place, RunSettings, StudyTask
from dotaliver.batch.score_task import _thumbnail, score_task
from dotaliver.config.protocol import protocol_named
from dotaliver.config.scoring import ScoringConfig
from dotaliver.errors import StudyError
from dotaliver.image.lazy import lazy_planes
from dotaliver.image.volume import Quantity, Volume
from fixtures.arrays import grid


def test_the_picture_of_a_pet_that_is_read_in_parts_is_that_of_the_pet():
    uptake = np.random.default_rng(1).gamma(2.0, 1.5, (40, 24, 20)).astype(np.float32)
    whole = Volume(uptake, grid(uptake.shape), Quantity.SUVBW)
    parts = lazy_planes(uptake.__getitem__, np.float32, whole.geometry, Quantity.SUVBW)

    def picture(pet):
        opened = SimpleNamespace(volumes=SimpleNamespace(pet=pet))
        return _thumbnail(SimpleNamespace(opened=opened, score=SimpleNamespace(references={})))

    assert picture(whole).startswith(b"\x89PNG")
    assert picture(parts) == picture(whole)


def test_a_stored_score_keeps_its_settings_and_gets_the_protocol_of_the_batch(monkeypatch, tmp_path):
    asked = {}

    def rescore(folder, **given):
        asked.update(given, folder=folder)
        raise StudyError("enough")

    monkeypatch.setattr("dotaliver.pipeline.rescore", rescore)
    other = protocol_named("prrt-screening")
    task = StudyTask(key="k", study_uid=None, place=Place(folder=str(tmp_path)))
    run = RunSettings.model_validate_json(RunSettings(run_id="r", rescore=True, protocol=other).model_dump_json())
    with pytest.raises(StudyError, match="enough"):
        score_task(task, tmp_path / "out", run, lambda _stage: None)
    assert (asked["folder"], asked["config"], asked["protocol"]) == (tmp_path, None, other)


@pytest.mark.parametrize("again", [False, True])
def test_every_study_of_a_batch_is_measured_on_the_series_that_the_batch_names(again, monkeypatch, tmp_path):
    asked = []

    def score(source, *_, study=None, **__):
        asked.append((study or source).recist_image)
        raise StudyError("enough")

    monkeypatch.setattr("dotaliver.pipeline.rescore" if again else "dotaliver.pipeline.score_study", score)
    task = StudyTask(key="k", study_uid=None, place=Place(folder=str(tmp_path)))
    named = RunSettings(run_id="r", rescore=again, recist_image="*portal*")
    run = RunSettings.model_validate_json(named.model_dump_json())
    with pytest.raises(StudyError, match="enough"):
        score_task(task, tmp_path / "out", run, lambda _stage: None)
    assert asked == ["*portal*"]
    # Scores on another image are not those of this batch.
    assert run.answer_sha256() != RunSettings(run_id="r", rescore=again).answer_sha256()


def test_another_protocol_takes_no_other_setting_with_it():
    own = ScoringConfig(segmenter="of the site")
    other = protocol_named("prrt-screening")
    assert own.with_protocol(None) is own
    changed = own.with_protocol(other)
    assert (changed.protocol, changed.segmenter) == (other, "of the site")
