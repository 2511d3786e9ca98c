"""Batches on this machine: good studies among bad ones, killed and resumed, stopped, started twice."""

import json
import os
import signal

import pandas as pd
import pytest

from dotaliver.batch.cluster import ClusterChoice
from dotaliver.batch.progress import Reporter
from dotaliver.batch.run import BatchInput, run_batch
from dotaliver.batch.workspace import Workspace
from dotaliver.errors import OutputError, StudyError
from fixtures.batches import (
    BEHAVE,
    PATIENCE_S,
    all_gone,
    batch_process,
    family,
    key,
    python_path,
    run_tiny,
    statuses,
    tiny,
    uid,
    until,
)


@pytest.fixture(autouse=True)
def scorers_can_be_imported(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", python_path())


class Watching(Reporter):
    """Remembers what it is told."""

    def __init__(self):
        super().__init__()
        self.stages, self.found = [], None

    def begin(self, total, kept):
        super().begin(total, kept)
        self.found = (total, kept)

    def stage(self, key, stage):
        super().stage(key, stage)
        self.stages.append((key, stage))


def test_good_studies_among_bad_ones_all_have_their_row(tmp_path):
    root, out = tmp_path / "root", tmp_path / "out"
    bad = {2: "hang", 4: "eat", 6: "segfault", 8: "refuse s8-0.dcm"}
    for number in range(1, 9):
        tiny(root / f"Zyxwvut-{number}", number, bad.get(number, "sleep 0.01"))
    tiny(root / "ct", 9, modality="CT")
    (root / "cut.zip").write_bytes(b"PK")
    given = BatchInput(root, out, ClusterChoice(2), scorer=BEHAVE, timeout_s=30.0, memory_bytes=600 << 20)
    watching = Watching()
    result = run_batch(given, watching)
    expected = dict.fromkeys(map(key, (1, 3, 5, 7)), "scored")
    expected |= {key(2): "timeout", key(4): "memory", key(6): "crashed", key(8): "refused", key(9): "skipped"}
    found = statuses(result)
    (archive,) = found.keys() - expected.keys()
    assert found == expected | {archive: "refused"}
    assert watching.found == (10, 0) and watching.tally.done == 10 and watching.tally.failed == 5
    assert (key(2), "hang") in watching.stages
    table = pd.read_parquet(out / "cohort.parquet").set_index("key")
    assert table.loc[key(2), "reason"].startswith("stopped: not done within 30 s")
    assert "SIGSEGV" in table.loc[key(6), "reason"]
    assert table["reason"].isna().sum() == 4
    assert set(pd.read_parquet(out / "lesions.parquet")["study_uid"]) == {uid(n) for n in (1, 3, 5, 7)}
    assert "Segmentation fault" in Workspace(out).log(key(6)).read_text()
    page = (out / "cohort.html").read_text()
    assert page.index("SIGSEGV") < page.index("Studies</h2>")
    shared = [path for path in out.rglob("*") if path.suffix in {".html", ".csv", ".log"} and path.name != "local.csv"]
    assert not any("Zyxwvut" in path.read_text() for path in shared) and len(shared) > 9
    assert "Zyxwvut-8" in (out / "local.csv").read_text()
    assert not any(out.rglob("run.json"))


def test_a_run_that_is_killed_goes_on_where_it_was_and_leaves_nothing_behind(tmp_path):
    root, out = tmp_path / "root", tmp_path / "out"
    for number in (1, 2, 3):
        tiny(root / str(number), number, None if number == 1 else "wait go")
    workspace = Workspace(out)
    with batch_process(root, out, workers=2) as first:
        until(lambda: workspace.record(key(1)), "the first study's record")
        until(lambda: any(root.rglob("waiting")), "another to begin")
        before = workspace.record(key(1))
        processes = family(first.pid)
        assert len(processes) >= 4
        # A second run while the first lives is refused, and changes nothing.
        with pytest.raises(OutputError, match=rf"another batch .* \(process {first.pid} on "):
            run_tiny(root, out)
        first.kill()
        first.communicate()
        until(lambda: all_gone(processes), "all its processes to end")
    workspace.study(key(2)).mkdir(exist_ok=True)
    (workspace.study(key(2)) / "result.txt").write_text("half")
    for number in (2, 3):
        (root / str(number) / "behaviour.txt").write_text("sleep 0")
    result = run_tiny(root, out, cluster=ClusterChoice(1))
    assert statuses(result) == dict.fromkeys(map(key, (1, 2, 3)), "scored")
    assert result.kept == 1 and workspace.record(key(1)) == before
    assert (workspace.study(key(2)) / "result.txt").read_text() == f"{key(2)} petct"
    assert run_tiny(root, out).kept == 3


def test_ctrl_c_stops_in_order_and_the_cohort_of_what_is_done_is_written(tmp_path):
    root, out = tmp_path / "root", tmp_path / "out"
    tiny(root / "1", 1)
    for number in (2, 3, 4):
        tiny(root / str(number), number, "wait go")
    with batch_process(root, out) as run:
        until(lambda: any(root.rglob("waiting")), "a study that takes long")
        processes = family(run.pid)
        # As a terminal does it: to everything that runs in the foreground.
        os.killpg(run.pid, signal.SIGINT)
        printed, told = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 130, told
    assert printed == "" and "Traceback" not in told and "distributed" not in told
    until(lambda: all_gone(processes), "all its processes to end")
    done = json.loads(pd.read_csv(out / "cohort.csv").to_json(orient="records"))
    assert {row["status"] for row in done} <= {"scored"} and len(done) <= 1
    assert not any(out.glob(f"{key(2)}/*"))


def test_an_input_that_changed_is_scored_again_alone(tmp_path):
    root, out = tmp_path / "root", tmp_path / "out"
    for number in (1, 2):
        tiny(root / str(number), number)
    first = run_tiny(root, out, cluster=ClusterChoice(1))
    tiny(root / "2", 2, RescaleSlope="3")
    second = run_tiny(root, out, cluster=ClusterChoice(1))
    assert (first.kept, second.kept) == (0, 1)
    runs = {record.key: record.run_id for record in second.records}
    assert runs[key(1)] == first.records[0].run_id != runs[key(2)]


def test_a_score_outlives_an_input_that_can_no_longer_be_scored(tmp_path):
    root, out = tmp_path / "root", tmp_path / "out"
    tiny(root / "1", 1)
    tiny(root / "2", 2)
    run_tiny(root, out, cluster=ClusterChoice(1))
    (root / "1" / "s1-1.dcm").unlink()
    (root / "1" / "behaviour.txt").write_text("raise no more")
    (root / "2" / "s2-0.dcm").unlink()
    (root / "2" / "s2-1.dcm").unlink()
    result = run_tiny(root, out, cluster=ClusterChoice(1))
    assert statuses(result) == {key(1): "fault"} and result.others == 1
    assert not (out / key(1)).exists()
    assert (out / ".batch" / "earlier" / key(1) / "result.txt").read_text().startswith(key(1))
    assert (out / key(2) / "result.txt").exists()


def test_where_there_is_nothing_to_score_nothing_is_left_behind(tmp_path):
    (tmp_path / "root").mkdir()
    with pytest.raises(StudyError):
        run_tiny(tmp_path / "root", tmp_path / "out")
    assert not (tmp_path / "out").exists()
