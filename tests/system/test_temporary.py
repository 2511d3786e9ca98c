"""Temporary folders: a living run's are left alone, a dead one's are removed by the next."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time

import pytest

from dotaliver.system.temporary import (
    discard,
    is_unused,
    let_go,
    locked_folder,
    new_name,
    part_pattern,
    remove_dead,
    remove_dead_scratch,
    scratch_folder,
)

ANY = re.compile(r".*")


def test_names_are_new_and_known_again() -> None:
    names = {new_name("score.json") for _ in range(100)}
    assert len(names) == 100
    assert all(part_pattern().fullmatch(name) and part_pattern(r"score\.json").fullmatch(name) for name in names)
    assert not any(part_pattern("other").fullmatch(name) for name in names)
    for kept in ("score.json", ".part", "score.json.part", ".score.json.part", ".score.json.123.part"):
        assert not part_pattern().fullmatch(kept)


def test_the_living_are_left_alone(tmp_path) -> None:
    made = locked_folder(tmp_path, lambda: "one")
    remove_dead(tmp_path, ANY)
    assert made.is_dir()
    let_go(made)
    remove_dead(tmp_path, ANY)
    assert not made.exists()


def test_only_names_of_ours_go_and_never_through_a_link(tmp_path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("")
    place = tmp_path / "place"
    place.mkdir()
    (place / ".a.0123456789ab.part").symlink_to(outside)
    (place / ".b.0123456789ab.part").write_text("")
    (place / "b").write_text("")
    remove_dead(place, part_pattern())
    assert {path.name for path in place.iterdir()} == {".a.0123456789ab.part", "b"}
    assert (outside / "kept").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
def test_what_a_killed_process_left_is_dead_at_once(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    program = (
        "from dotaliver.system.temporary import scratch_folder\nimport time\n"
        "made = scratch_folder('zip')\n(made / 'header').write_text('a patient')\n"
        "print(made, flush=True)\ntime.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        remove_dead_scratch()
        assert len(list(tmp_path.iterdir())) == 1
        process.kill()
    (tmp_path / "dotaliver-results-20261128").mkdir()
    (tmp_path / "other").mkdir()
    remove_dead_scratch()
    assert {path.name for path in tmp_path.iterdir()} == {"other", "dotaliver-results-20261128"}


def test_scratch_is_private_and_goes(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    made = scratch_folder("zip")
    assert made.stat().st_mode & 0o777 == 0o700
    discard(made)
    assert not any(tmp_path.iterdir())


def test_a_folder_is_unused_while_it_is_empty_and_nobody_has_it(tmp_path) -> None:
    made = locked_folder(tmp_path, lambda: "revised-1")
    assert not is_unused(made)
    let_go(made)
    assert is_unused(made)
    (made / "file").write_text("")
    assert not is_unused(made)
    assert not is_unused(tmp_path / "none")


def test_without_locks_age_decides(tmp_path, monkeypatch) -> None:
    if sys.platform == "win32":
        pytest.skip("there are none")
    import fcntl

    def none(*_):
        raise OSError(95, "not supported")

    monkeypatch.setattr(fcntl, "flock", none)
    young, old = (locked_folder(tmp_path, lambda n=name: n) for name in ("young", "old"))
    long_ago = time.time() - 2 * 24 * 3600
    os.utime(old, (long_ago, long_ago))
    remove_dead(tmp_path, ANY)
    assert young.exists()
    assert not old.exists()
    discard(young)
