"""What is there is never lost to a failure, and what is half there never counts."""

import json

import pytest

from dotaliver.batch.records import StudyRecord
from dotaliver.batch.workspace import is_intact
from dotaliver.system.files import sha256_of
from fixtures.batches import key, settings, task_of, tiny


@pytest.fixture
def record(workspace, tmp_path):
    """A study that was scored, with a reader's revision."""
    task = task_of(tiny(tmp_path / "study", 1), 1)
    folder = workspace.study(key(1))
    (folder / "revised-1").mkdir(parents=True)
    for name in ("score.json", "lesions.csv", "revised-1/score.json"):
        (folder / name).write_text(name)
    made = StudyRecord(
        key=key(1), study_uid=task.study_uid, status="scored", place=task.place, stamp=task.stamp,
        answer_sha256=settings().answer_sha256(), run_id="earlier", files=workspace.hashes(key(1)),
    )  # fmt: skip
    workspace.write_record(made)
    return made


def names(folder):
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def test_a_record_is_read_back_as_it_was_and_is_intact(workspace, record):
    assert workspace.record(key(1)) == record and is_intact(workspace, record)
    assert record.files.keys() == {"score.json", "lesions.csv"}
    assert workspace.keys() == {key(1)}


def test_a_whole_score_is_kept_until_there_is_a_new_one_and_a_readers_revision_stays(workspace, record):
    workspace.retire(key(1))
    assert names(workspace.study(key(1))) == {"revised-1"} and workspace.record(key(1)) is None
    assert names(workspace.earlier(key(1))) == {"score.json", "lesions.csv"}
    # Another attempt leaves half of its files behind: they go, and what was kept stays.
    (workspace.study(key(1)) / "score.json").write_text("half")
    (workspace.study(key(1)) / ".writing-0123456789ab").mkdir()
    workspace.retire(key(1))
    assert names(workspace.study(key(1))) == {"revised-1"}
    assert (workspace.earlier(key(1)) / "score.json").read_text() == "score.json"
    workspace.forget_earlier(key(1))
    assert not workspace.earlier(key(1)).exists()


def test_a_score_that_is_not_whole_is_not_kept(workspace, record):
    (workspace.study(key(1)) / "lesions.csv").unlink()
    workspace.retire(key(1))
    assert not workspace.earlier(key(1)).exists() and names(workspace.study(key(1))) == {"revised-1"}


def test_a_study_is_started_once_in_a_run_and_again_in_the_next(workspace):
    assert workspace.start_attempt("abc123", key(1))
    assert not workspace.start_attempt("abc123", key(1))
    workspace.prepare("next")
    workspace.forget_attempts("next")
    assert workspace.start_attempt("next", key(1))
    assert names(workspace.state / "attempts") == {"next"}


def test_a_run_has_the_folder_until_it_ends_or_another_has_it(workspace):
    workspace.write_settings(settings(run_id="one"))
    assert workspace.is_running("one") and workspace.settings() == settings(run_id="one")
    workspace.write_settings(settings(run_id="two"))
    assert not workspace.is_running("one") and workspace.is_running("two")
    workspace.end()
    assert not workspace.is_running("two") and workspace.settings() is None


@pytest.mark.parametrize("name", ["../../mine", "/etc/mine", "..", ".", "", "a/b", "a\0b"])
def test_a_record_that_names_files_elsewhere_moves_none(workspace, record, name, tmp_path):
    (tmp_path / "mine").write_text("mine")
    changed = record.model_dump(mode="json")
    changed["files"] = {name: sha256_of(tmp_path / "mine")}
    workspace.record_file(key(1)).write_text(json.dumps(changed))
    assert workspace.record(key(1)) is None
    workspace.retire(key(1))
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_record_of_another_study_is_none(workspace, record):
    for other in (key(2), "../" + key(1)):
        changed = record.model_dump(mode="json") | {"key": other}
        workspace.record_file(key(1)).write_text(json.dumps(changed))
        assert workspace.record(key(1)) is None
