"""What a folder holds: our own output and unreadable folders among the study's files."""

import os

import pytest

from dicom.factory import write_series
from dotaliver.dicom.headers import index_folder
from dotaliver.errors import FileFormatError


def test_folders_of_a_score_are_passed_over(tmp_path):
    write_series(tmp_path / "pet")
    own = tmp_path / "out" / "abc"
    own.mkdir(parents=True)
    for name in ("score.json", "local.json", "report.html"):
        (own / name).write_text("{}")
    (own / "revised-1").mkdir()
    (own / "revised-1" / "notes.txt").write_text("x")
    assert index_folder(tmp_path).other_files == ()
    (own / "local.json").unlink()
    assert len(index_folder(tmp_path).other_files) == 3


def test_folder_that_cannot_be_read_is_told(tmp_path, monkeypatch):
    write_series(tmp_path / "pet")
    (tmp_path / "locked").mkdir()
    scandir = os.scandir

    def locked(path):
        if os.fspath(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", locked)
    with pytest.raises(FileFormatError, match="locked: the folder cannot be read"):
        index_folder(tmp_path)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_image_cut_short_before_its_pixels_is_named(tmp_path, share):
    path = write_series(tmp_path)[2]
    data = path.read_bytes()
    end = data.index(b"\xe0\x7f\x10\x00")  # the tag of Pixel Data
    path.write_bytes(data[: int(end * share)])
    with pytest.raises(FileFormatError, match=path.name):
        index_folder(tmp_path)
