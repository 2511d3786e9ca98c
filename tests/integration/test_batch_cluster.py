"""The same batch on a cluster that is there: a scheduler and two workers as processes of their own, on loopback."""

import re
import subprocess
import sys
import threading

import psutil
import pytest

from dotaliver.batch.cluster import ClusterChoice
from dotaliver.batch.workspace import Workspace
from dotaliver.errors import ClusterError
from fixtures.batches import PATIENCE_S, all_gone, environment, key, python_path, run_tiny, statuses, tiny, until


@pytest.fixture(autouse=True)
def scorers_can_be_imported(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", python_path())


# Otherwise a fixed port is tried first
_NO_PAGE = ("--no-dashboard", "--dashboard-address", "127.0.0.1:0")


class Cluster:
    """A scheduler and its workers, without nannies that would start them again."""

    def __init__(self, folder, workers=2):
        self._folder, self.processes = folder, []
        scheduler = self._start("scheduler", "--port", "0", "--host", "127.0.0.1", *_NO_PAGE, "--no-show")
        self.address = self._said(scheduler, r"Scheduler at:\s+(tcp://\S+)")
        self.workers = [self.add_worker() for _ in range(workers)]

    def add_worker(self):
        return self._start("worker", self.address, "--no-nanny", "--nthreads", "1", *_NO_PAGE)

    def _start(self, kind, *options):
        log = self._folder / f"{kind}-{len(self.processes)}.log"
        with log.open("w") as stream:
            command = [sys.executable, "-m", "distributed.cli.dask_" + kind, *map(str, options)]
            process = subprocess.Popen(
                command, cwd=self._folder, env=environment(), stdout=stream, stderr=subprocess.STDOUT
            )
        process.log = log
        self.processes.append(process)
        return process

    @staticmethod
    def _said(process, pattern):
        def found():
            assert process.poll() is None, process.log.read_text()
            return re.search(pattern, process.log.read_text())

        return until(found, pattern)[1]

    def end(self):
        # Not terminated: a worker that closes while its scheduler does waits for it for minutes.
        for process in reversed(self.processes):
            process.kill()
            process.wait(PATIENCE_S)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    yield made
    made.end()


def test_a_study_whose_worker_is_killed_is_one_row_and_never_tried_elsewhere(cluster, tmp_path):
    root, out = tmp_path / "root", tmp_path / "out"
    for number in (1, 2, 3, 4):
        tiny(root / str(number), number, "wait go" if number == 2 else "sleep 0.01")
    results = []
    run = threading.Thread(
        target=lambda: results.append(run_tiny(root, out, cluster=ClusterChoice(scheduler=cluster.address)))
    )
    run.start()
    waiting = root / "2" / "waiting"
    until(waiting.exists, "the study to begin")
    workers = {worker.pid: worker for worker in cluster.workers}
    (note,) = (Workspace(out).state / "attempts").glob(f"*/{key(2)}")
    victim = workers[int(note.read_text())]
    its_own = psutil.Process(victim.pid).children(recursive=True)
    waiting.unlink()
    victim.kill()
    run.join(PATIENCE_S)
    assert not run.is_alive()
    (result,) = results
    expected = dict.fromkeys(map(key, (1, 3, 4)), "scored") | {key(2): "worker_lost"}
    assert statuses(result) == expected
    assert not waiting.exists() and not (out / key(2)).exists()
    lost = next(record for record in result.records if record.key == key(2))
    assert "the study was not started again" in lost.reason
    assert "the study was not started again" in Workspace(out).log(key(2)).read_text()
    until(lambda: all_gone(its_own), "the killed worker's scoring process to end")
    # Run again, it is tried again, on what the cluster has left.
    (root / "2" / "behaviour.txt").write_text("sleep 0")
    again = run_tiny(root, out, cluster=ClusterChoice(scheduler=cluster.address))
    assert again.kept == 3 and statuses(again)[key(2)] == "scored"
    others = [p for w in cluster.workers if w is not victim for p in psutil.Process(w.pid).children(recursive=True)]
    assert all_gone(others)


def test_where_the_scheduler_is_lost_the_run_ends_and_what_is_done_stands(tmp_path, monkeypatch):
    # How long a lost scheduler is looked for
    monkeypatch.setattr("dotaliver.batch.cluster._CONNECT_S", 5)
    root, out = tmp_path / "root", tmp_path / "out"
    tiny(root / "1", 1)
    tiny(root / "2", 2, "wait go")
    ends = []

    def batch():
        try:
            run_tiny(root, out, cluster=ClusterChoice(scheduler=cluster.address))
        except ClusterError as error:
            ends.append(str(error))

    cluster = Cluster(tmp_path, workers=2)
    try:
        run = threading.Thread(target=batch)
        run.start()
        until((root / "2" / "waiting").exists, "the study to begin")
        until(lambda: Workspace(out).record(key(1)), "the other's record")
        cluster.processes[0].kill()
        run.join(PATIENCE_S)
    finally:
        cluster.end()
    assert not run.is_alive() and "the same command resumes" in ends[0]
    assert not Workspace(out).settings_file.exists()
    (root / "2" / "behaviour.txt").write_text("sleep 0")
    assert run_tiny(root, out, cluster=ClusterChoice(1)).kept == 1


def test_where_no_scheduler_is_the_run_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("dotaliver.batch.cluster._CONNECT_S", 1)
    tiny(tmp_path / "root", 1)
    with pytest.raises(ClusterError, match="no dask scheduler answers"):
        run_tiny(tmp_path / "root", tmp_path / "out", cluster=ClusterChoice(scheduler="tcp://127.0.0.1:9"))
