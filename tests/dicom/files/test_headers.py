"""What a folder holds: our own output and unreadable folders among the study's files."""

import os

import numpy as np
import pydicom
import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.dicom.files.headers import FileStudy, StudyPart, index_folder, study_of_file
from dotaliver.dicom.study import load_study
from dotaliver.errors import FileFormatError, StudyError
from fixtures.dicom_series import STUDY_UID, write_series, write_study


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


# --- headers as they really are ----------------------------------------------------------------------------------


def bare(path):
    """A data set alone: no preamble, no file meta information, as old archives keep them."""
    ds = pydicom.dcmread(path)
    bare = pydicom.Dataset(ds)
    pydicom.dcmwrite(path, bare, implicit_vr=True, little_endian=True, enforce_file_format=False)
    assert path.read_bytes()[128:132] != b"DICM"


def with_private_blocks(path):
    ds = pydicom.dcmread(path)
    for group, creator in ((0x0009, "ANY MAKER"), (0x0029, "ANOTHER"), (0x7053, "A THIRD")):
        block = ds.private_block(group, creator, create=True)
        block.add_new(0x00, "UN", b"\xff\x00\x01")
        block.add_new(0x0D, "OB", bytes(40))
    ds.save_as(path)


def with_wrong_representations(path):
    content = path.read_bytes()
    for tag, vr in ((b"\x08\x00\x70\x00LO", b"UI"), (b"\x08\x00\x3e\x10LO", b"SH"), (b"\x10\x00\x30\x10DS", b"LO")):
        assert content.count(tag) == 1
        content = content.replace(tag, tag[:4] + vr)
    path.write_bytes(content)


def with_character_sets(path):
    ds = pydicom.dcmread(path)
    ds.SpecificCharacterSet = ["", "ISO 2022 IR 87", "NO SUCH SET"]
    ds.SeriesDescription = "Leber"
    ds.save_as(path)
    content = path.read_bytes().replace(b"Leber ", b"\x1b$B@\xff ")
    path.write_bytes(content)


def with_blank_maker(path):
    ds = pydicom.dcmread(path)
    ds.Manufacturer, ds.SeriesDescription = "", None
    del ds.ImageType
    ds.save_as(path)


@pytest.mark.filterwarnings("ignore")  # pydicom's, on what is written here on purpose
@pytest.mark.parametrize(
    "change", [bare, with_private_blocks, with_wrong_representations, with_character_sets, with_blank_maker]
)
def test_odd_headers_read_as_the_same_study(tmp_path, change):
    write_study(tmp_path / "plain", pet={"uid": "1.2.3.4"})
    write_study(tmp_path / "odd", pet={"uid": "1.2.3.4"})
    for path in (tmp_path / "odd").rglob("*.dcm"):
        change(path)
    plain, odd = (load_study(tmp_path / name, ScoringConfig()) for name in ("plain", "odd"))
    np.testing.assert_array_equal(odd.pet.array, plain.pet.array)
    np.testing.assert_array_equal(odd.ct.array, plain.ct.array)
    assert odd.pet.geometry == plain.pet.geometry
    assert odd.flags == plain.flags


def test_one_study_of_a_folder_is_indexed_by_its_uid_or_by_its_files(tmp_path):
    write_series(tmp_path, name="a{n}.dcm")
    write_series(tmp_path, name="b{n}.dcm", elements={"StudyInstanceUID": "1.2.3", "PatientID": "OTHER"})
    (tmp_path / "notes.txt").write_text("of neither")
    assert {s.study_uid for s in index_folder(tmp_path).series} == {STUDY_UID, "1.2.3"}
    by_uid = index_folder(tmp_path, StudyPart("1.2.3"))
    assert [s.study_uid for s in by_uid.series] == ["1.2.3"] and by_uid.other_files == ()
    by_files = index_folder(tmp_path, StudyPart(files=("b0.dcm", "b2.dcm")))
    assert {part.name for part in by_files.series[0].slices} == {"b0.dcm", "b2.dcm"} and len(by_files.series) == 1
    with pytest.raises(StudyError, match=r"holds no study 9\.9"):
        index_folder(tmp_path, StudyPart("9.9"))


def test_a_file_tells_its_study_without_the_folder_around_it(tmp_path):
    (path, *_) = write_series(tmp_path, modality="CT")
    assert study_of_file(path, path.name) == FileStudy(STUDY_UID, "CT")
    (tmp_path / "notes.txt").write_text("words")
    assert study_of_file(tmp_path / "notes.txt", "notes.txt") is None
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(FileFormatError, match=r"000\.dcm"):
        study_of_file(path, "000.dcm")
