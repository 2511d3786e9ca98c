"""What stands under a name is whole: the old file or the new one."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from dotaliver.errors import OutputError
from dotaliver.system.files import prepare_output_folder, write_atomically


def refuse(number: int):
    def write(*_: object, **__: object) -> int:
        raise OSError(number, os.strerror(number))

    return write


def test_bytes_and_text_are_written_as_they_are(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a.bin", b"\x00\xff")
    write_atomically(tmp_path / "b.txt", "ä\r\nb\n")
    assert (tmp_path / "a.bin").read_bytes() == b"\x00\xff"
    assert (tmp_path / "b.txt").read_bytes() == b"\xc3\xa4\r\nb\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.bin", "b.txt"]


def test_results_are_as_readable_as_other_files(tmp_path: Path) -> None:
    write_atomically(tmp_path / "ours", "x")
    (tmp_path / "plain").write_text("x")
    assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_crash_on_the_way_leaves_the_old_file_and_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "score.json"
    path.write_text("old")
    monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), refuse(errno.ENOSPC))
    with pytest.raises(OutputError, match="no room left"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["score.json"]


def test_an_interrupt_leaves_no_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a", "x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.EACCES, "permissions"), (errno.EROFS, "permissions"), (errno.EDQUOT, "no room"), (errno.EIO, "cannot be")],
)
def test_each_refusal_has_one_sentence_that_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    monkeypatch.setattr(os, "fsync", refuse(number))
    with pytest.raises(OutputError, match=words) as caught:
        write_atomically(tmp_path / "a.txt", "x")
    assert str(tmp_path / "a.txt") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_places_that_are_no_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="a file is in the place of the folder"):
        write_atomically(tmp_path / "file" / "a", "x")
    with pytest.raises(OutputError, match="does not exist"):
        write_atomically(tmp_path / "missing" / "a", "x")
    with pytest.raises(OutputError, match="a folder is in the place of the file"):
        write_atomically(tmp_path / "folder", "x")
    with pytest.raises(OutputError, match="a file is in the place of the folder"):
        prepare_output_folder(tmp_path / "file")
    with pytest.raises(OutputError, match="a file is in the place of the folder"):
        prepare_output_folder(tmp_path / "file" / "below")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_a_folder_is_made_with_its_parents_and_left_empty(tmp_path: Path) -> None:
    prepare_output_folder(tmp_path / "a" / "b")
    prepare_output_folder(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_full_or_read_only_folder_is_refused_beforehand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "write_bytes", refuse(errno.ENOSPC))
    with pytest.raises(OutputError, match="no room left"):
        prepare_output_folder(tmp_path)
    monkeypatch.setattr(Path, "write_bytes", refuse(errno.EACCES))
    with pytest.raises(OutputError, match="permissions"):
        prepare_output_folder(tmp_path)
