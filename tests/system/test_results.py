"""A folder's result is the whole old one or the whole new one, whenever and however the writer ends."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dotaliver.errors import OutputError
from dotaliver.system import results
from dotaliver.system.results import tidy_result, whole_result, write_result

NAMES = ("a.csv", "b.dcm", "c.json", "optional.dcm")


def is_part(name) -> bool:
    return name in NAMES


def version(number, *, optional=True, size=1000):
    names = NAMES if optional else NAMES[:-1]
    return {name: f"{number}:{name}:" + "x" * size for name in names}


def shown(folder) -> dict[str, str]:
    return {name: (folder / name).read_text() for name in NAMES if (folder / name).exists()}


def everything(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture(params=["swap", "one by one", "no second names"])
def way(request, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EINVAL, "not here")

    if request.param != "swap":
        monkeypatch.setattr(results, "exchange", refuse)
    if request.param == "no second names":
        monkeypatch.setattr(os, "link", refuse)
    return request.param


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def test_the_new_result_replaces_the_old_one_and_nothing_else(folder, way) -> None:
    write_result(folder, version(1), is_part)
    (folder / "revised-1").mkdir()
    (folder / "revised-1" / "c.json").write_text("a reader's")
    (folder / "notes.txt").write_text("mine")
    folder.chmod(0o750)
    write_result(folder, version(2, optional=False), is_part)
    assert shown(folder) == version(2, optional=False)
    assert (folder / "revised-1" / "c.json").read_text() == "a reader's"
    assert everything(folder) == {*NAMES[:-1], "revised-1", "notes.txt"}
    assert everything(folder.parent) == {"out"}
    assert folder.stat().st_mode & 0o777 == 0o750


def test_the_working_folder_and_links_stay_what_they_are(folder, tmp_path, monkeypatch) -> None:
    link = tmp_path / "link"
    link.symlink_to(folder)
    write_result(link, version(1), is_part)
    assert link.is_symlink()
    assert shown(folder) == version(1)
    monkeypatch.chdir(folder)
    before = folder.stat().st_ino
    write_result(Path(), version(2), is_part)
    assert folder.stat().st_ino == before
    assert shown(Path()) == version(2)
    assert everything(folder) == set(NAMES)


def test_a_parent_that_may_not_be_written_is_no_obstacle(folder, monkeypatch) -> None:
    monkeypatch.setattr(results, "_may_swap", lambda _: False)
    write_result(folder, version(1), is_part)
    write_result(folder, version(2), is_part)
    assert shown(folder) == version(2)
    assert everything(folder) == set(NAMES)


def test_a_full_disk_leaves_the_old_result(folder, way, monkeypatch) -> None:
    write_result(folder, version(1), is_part)
    real = os.fsync

    def full(descriptor):
        if os.fstat(descriptor).st_size == len(version(2)["c.json"]):
            raise OSError(errno.ENOSPC, "full")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="no room left"):
        write_result(folder, version(2), is_part)
    assert shown(folder) == version(1)
    assert everything(folder) == set(NAMES)
    assert everything(folder.parent) == {"out"}


WRITER = """
import sys
from pathlib import Path
from dotaliver.system import results
folder, way = Path(sys.argv[1]), sys.argv[2]
def refuse(*_):
    raise OSError(22, "not here")
if way != "swap":
    results.exchange = refuse
names = ("a.csv", "b.dcm", "c.json", "optional.dcm")
number = int(sys.argv[3])
print("ready", flush=True)
while True:
    number += 1
    contents = {name: f"{number}:{name}:" + "x" * 200_000 for name in names[: 4 - number % 2]}
    results.write_result(folder, contents, lambda name: name in names)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
@pytest.mark.parametrize("way", ["swap", "one by one"])
def test_killed_at_any_moment_one_whole_result_is_there(folder, way) -> None:
    draw = random.Random(1)
    (folder / "revised-1").mkdir()
    (folder / "revised-1" / "c.json").write_text("a reader's")
    write_result(folder, version(0, size=200_000), is_part)
    number = 0
    for _ in range(12):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), way, str(number)], stdout=subprocess.PIPE, text=True
        )
        with writer:
            assert writer.stdout is not None and writer.stdout.readline() == "ready\n"
            time.sleep(draw.uniform(0.0, 0.08))
            writer.send_signal(signal.SIGKILL)
        found = shown(whole_result(folder))
        number = int(found["c.json"].split(":")[0])
        assert found == version(number, optional=number % 2 == 0, size=200_000)
        if way == "swap":
            assert whole_result(folder) == folder
        left = [path for path in (folder / "revised-1", *folder.parent.glob(".out.*/revised-1")) if path.exists()]
        assert [(path / "c.json").read_text() for path in left] == ["a reader's"]
    tidy_result(folder, is_part)
    assert shown(folder) == found
    assert everything(folder) == {*found, "revised-1"}
    assert everything(folder.parent) == {"out"}


def test_what_a_living_run_writes_is_left_alone(folder) -> None:
    staged = results._staging_folder(folder)
    (staged / "a.csv").write_text("half")
    inside = results.locked_folder(folder, lambda: ".writing-0123456789ab")
    tidy_result(folder, is_part)
    assert (staged / "a.csv").exists()
    assert inside.exists()
    for path in (staged, inside):
        results.let_go(path)
    tidy_result(folder, is_part)
    assert not staged.exists()
    assert not inside.exists()
