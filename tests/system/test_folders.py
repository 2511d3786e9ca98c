"""A folder stands under its name whole or not at all."""

import pytest

from dotaliver.system.folders import exchange, put_in_place, remove_left_over, temporary_beside
from dotaliver.system.temporary import discard, let_go


def made(target, text):
    folder = temporary_beside(target)
    (folder / "sub").mkdir()
    (folder / "sub" / "file").write_text(text)
    return folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_it_gets_its_name_with_all_that_is_in_it(tmp_path):
    put_in_place(made(tmp_path / "a", "one"), tmp_path / "a", replacing=False)
    assert (tmp_path / "a" / "sub" / "file").read_text() == "one"
    assert names(tmp_path) == ["a"]


def test_what_stands_there_stays_or_goes(tmp_path):
    put_in_place(made(tmp_path / "a", "one"), tmp_path / "a", replacing=False)
    with pytest.raises(OSError, match="not empty"):
        put_in_place(made(tmp_path / "a", "two"), tmp_path / "a", replacing=False)
    assert (tmp_path / "a" / "sub" / "file").read_text() == "one"
    put_in_place(made(tmp_path / "a", "three"), tmp_path / "a", replacing=True)
    assert (tmp_path / "a" / "sub" / "file").read_text() == "three"


def test_of_two_that_replace_at_once_the_slower_gives_way(tmp_path, monkeypatch):
    slower = made(tmp_path / "a", "slower")
    quicker = made(tmp_path / "a", "quicker")
    real = type(tmp_path).rename

    def rename(path, target):
        if path == slower:
            monkeypatch.undo()
            real(quicker, target)
        return real(path, target)

    monkeypatch.setattr(type(tmp_path), "rename", rename)
    put_in_place(slower, tmp_path / "a", replacing=True)
    assert (tmp_path / "a" / "sub" / "file").read_text() == "quicker"
    assert names(tmp_path) == ["a"]


def test_only_what_the_dead_left_is_removed(tmp_path):
    dead, living, others = (temporary_beside(tmp_path / name) for name in ("a1", "a2", "b"))
    (tmp_path / "kept").mkdir()
    for path in (dead, others):
        let_go(path)
    remove_left_over(tmp_path, "a[0-9]")
    assert names(tmp_path) == sorted([living.name, others.name, "kept"])
    remove_left_over(tmp_path / "nowhere", "a[0-9]")
    discard(living)


def test_two_folders_swap_their_names(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text("")
    exchange(tmp_path / "a", tmp_path / "b")
    assert (names(tmp_path / "a"), names(tmp_path / "b")) == (["b"], ["a"])
    with pytest.raises(OSError, match="No such file"):
        exchange(tmp_path / "a", tmp_path / "none")
    assert names(tmp_path / "a") == ["b"]
