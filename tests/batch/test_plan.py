"""What is done stands as long as nothing that it rests on has changed, and nothing of it is missing."""

import os
import shutil

import pytest

from dotaliver.batch.plan import planned
from dotaliver.batch.records import MACHINE_FAILURES, StudyRecord
from dotaliver.batch.stamps import content_of, stamp_of
from fixtures.batches import key, settings, task_of, tiny, uid


@pytest.fixture
def study(tmp_path):
    return tiny(tmp_path / "study", 1)


def done(workspace, study, *, status="scored", **changes):
    """A study that was scored: its files and its record."""
    task = task_of(study, 1)
    workspace.study(key(1)).mkdir()
    (workspace.study(key(1)) / "score.json").write_text("{}")
    record = StudyRecord(
        key=key(1),
        study_uid=uid(1),
        status=status,
        place=task.place,
        stamp=task.stamp,
        content_sha256=content_of(task),
        answer_sha256=settings().answer_sha256(),
        run_id="earlier",
        files=workspace.hashes(key(1)),
    )
    workspace.write_record(record.model_copy(update=changes))
    return task


def kept(workspace, task, *, fresh=False, **changes) -> bool:
    plan = planned(workspace, [task], settings(**changes), fresh=fresh)
    assert plan.total == 1 and not plan.refused
    return bool(plan.kept)


def test_a_finished_study_is_not_done_again(workspace, study):
    assert kept(workspace, done(workspace, study))


@pytest.mark.parametrize(
    "change",
    [
        {"config": {"segmenter": "another"}},
        {"version": "0.0.0"},
        {"rescore": True},
        {"outputs": {"pdf": True}},
        {"scorer": "other:function"},
        {"fresh": True},
    ],
    ids=lambda change: next(iter(change)),
)
def test_other_settings_or_another_program_do_it_again(workspace, study, change):
    assert not kept(workspace, done(workspace, study), **change)


def test_other_limits_do_not(workspace, study):
    assert kept(workspace, done(workspace, study), timeout_s=1.0, memory_bytes=1000)


def test_one_changed_byte_is_noticed_even_where_size_and_time_are_put_back(workspace, study):
    task = done(workspace, study)
    path = study / "s1-0.dcm"
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size and path.stat().st_mtime_ns == before.st_mtime_ns
    assert not kept(workspace, task)


@pytest.mark.parametrize("change", ["more", "less", "renamed"])
def test_other_files_are_noticed(workspace, study, change):
    task = done(workspace, study)
    if change == "more":
        (study / "note.txt").write_text("a word")
    elif change == "less":
        (study / "s1-1.dcm").unlink()
    else:
        (study / "s1-1.dcm").rename(study / "other.dcm")
    # A new name alone changes no byte, and nothing has to be done again.
    assert kept(workspace, task) is (change == "renamed")


def test_new_times_without_new_bytes_keep_it_and_are_noted(workspace, study):
    task = done(workspace, study)
    for path in study.iterdir():
        shutil.copy(path, path.with_suffix(".new"))
        path.with_suffix(".new").replace(path)
    assert stamp_of(task) != task.stamp
    assert kept(workspace, task)
    assert workspace.record(key(1)).stamp == stamp_of(task)


@pytest.mark.parametrize("harm", ["gone", "changed", "no record", "half a record"])
def test_a_score_that_is_not_whole_is_done_again(workspace, study, harm):
    task = done(workspace, study)
    record = workspace.record_file(key(1))
    if harm == "gone":
        (workspace.study(key(1)) / "score.json").unlink()
    elif harm == "changed":
        (workspace.study(key(1)) / "score.json").write_text("[]")
    elif harm == "no record":
        record.unlink()
    else:
        record.write_bytes(record.read_bytes()[:100])
    assert not kept(workspace, task)


@pytest.mark.parametrize("status", sorted(MACHINE_FAILURES))
def test_a_failure_that_another_try_may_survive_is_tried_again(workspace, study, status):
    assert not kept(workspace, done(workspace, study, status=status, files={}))


def test_a_refusal_stands_while_its_files_are_the_same(workspace, study):
    task = done(workspace, study, status="refused", files={}, reason="no dose")
    assert kept(workspace, task)
    tiny(study, 1, RescaleSlope="2")
    assert not kept(workspace, task)


def test_what_is_refused_at_once_has_its_row_without_a_worker(workspace, study):
    task = task_of(study, 1).model_copy(update={"refusal": "study/s1-0.dcm: damaged"})
    plan = planned(workspace, [task], settings(), fresh=False)
    assert not plan.kept and not plan.to_do
    assert plan.refused[0].status == "refused"
    assert (plan.refused[0].reason, plan.refused[0].local_reason) == ("[a file]/[a file]: damaged", task.refusal)


def test_a_study_whose_files_are_gone_is_refused(workspace, study):
    task = task_of(study, 1).model_copy(
        update={"place": task_of(study, 1).place.model_copy(update={"files": ("gone.dcm",)})}
    )
    assert "gone" in planned(workspace, [task], settings(), fresh=False).refused[0].reason
