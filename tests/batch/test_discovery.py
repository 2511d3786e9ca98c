"""Every study below a folder is found once, whatever the folders; what cannot be read is a refusal of its own."""

import os
import shutil
import zipfile
from pathlib import Path

import pytest

from dotaliver.batch import file_index
from dotaliver.batch.discovery import find_studies
from dotaliver.batch.file_index import open_index
from dotaliver.batch.stamps import stamp_of
from dotaliver.dicom.files.headers import UNFINISHED, index_folder
from dotaliver.errors import FileFormatError, StudyError
from dotaliver.export.zarr_study import write_zarr_study
from fixtures.batches import key, tiny, uid


@pytest.fixture
def root(tmp_path):
    made = tmp_path / "root"
    made.mkdir()
    return made


def found(root, out=None):
    """Tasks by key."""
    state = root.parent / "files.sqlite"
    with open_index(state) as index:
        tasks = find_studies(root, out or root.parent / "out", index, lambda _: None)
    assert len({task.key for task in tasks}) == len(tasks)
    return {task.key: task for task in tasks}


def zipped(folder: Path, archive: Path) -> None:
    with zipfile.ZipFile(archive, "w") as opened:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                opened.write(path, path.relative_to(folder))


def test_a_study_alone_in_its_folders_is_that_folder_however_nested(root):
    tiny(root / "a" / "deep" / "pet", 1)
    tiny(root / "a" / "deep" / "ct", 1, modality="CT")
    tiny(root / "b", 2)
    tasks = found(root)
    assert tasks.keys() == {key(1), key(2)}
    assert tasks[key(1)].place.folder == str(root / "a" / "deep") and tasks[key(1)].place.files is None
    assert tasks[key(1)].place.study_uid is None and tasks[key(1)].study_uid == uid(1)


def test_studies_mixed_in_one_folder_are_told_apart_file_by_file(root):
    tiny(root / "all", 1)
    tiny(root / "all", 2)
    tiny(root / "more", 1, modality="CT")
    tasks = found(root)
    assert tasks[key(1)].place.folder == str(root)
    assert set(tasks[key(1)].place.files) == {"all/s1-0.dcm", "all/s1-1.dcm", "more/s1-0.dcm", "more/s1-1.dcm"}
    assert tasks[key(2)].place.files == ("s2-0.dcm", "s2-1.dcm") and tasks[key(2)].place.study_uid == uid(2)


def test_a_study_beside_the_parent_of_another_is_not_taken_for_the_whole_folder(root):
    tiny(root, 1)
    tiny(root / "inner", 2)
    tasks = found(root)
    assert tasks[key(1)].place.files == ("s1-0.dcm", "s1-1.dcm")
    assert tasks[key(2)].place.folder == str(root / "inner") and tasks[key(2)].place.files is None


def test_archives_hold_one_study_or_several(root, tmp_path):
    zipped(tiny(tmp_path / "x", 1), root / "one.zip")
    tiny(tmp_path / "y", 2)
    zipped(tiny(tmp_path / "y", 3), root / "two.ZIP")
    tasks = found(root)
    assert tasks.keys() == {key(1), key(2), key(3)}
    assert tasks[key(1)].place.study_uid is None
    assert tasks[key(3)].place.study_uid == uid(3) and tasks[key(3)].place.folder.endswith("two.ZIP")
    assert not any(task.refusal for task in tasks.values())
    assert found(root / "one.zip").keys() == {key(1)}


def test_a_study_in_an_archive_and_in_a_folder_is_refused_not_guessed(root):
    zipped(tiny(root / "a", 1), root / "a.zip")
    assert "several archives, or in an archive and in a folder" in found(root)[key(1)].refusal


def test_a_damaged_file_refuses_the_study_around_it_alone(root):
    tiny(root / "a", 1)
    tiny(root / "b", 2)
    (root / "a" / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 40)
    tasks = found(root)
    # Its folder is scored as a whole, and scoring refuses it by the damaged file's name.
    assert tasks.keys() == {key(1), key(2)} and tasks[key(1)].place.files is None


def test_a_damaged_file_among_several_studies_is_a_row_of_its_own(root):
    tiny(root / "all", 1)
    tiny(root / "all", 2)
    (root / "all" / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 40)
    (root / "cut.zip").write_bytes(b"PK\x03\x04 and no more")
    tasks = found(root)
    refused = [task for task in tasks.values() if task.refusal]
    assert len(tasks) == 4 and len(refused) == 2
    assert {Path(t.place.folder, *t.place.files).name for t in refused} == {"broken.dcm", "cut.zip"}


def test_a_study_that_is_still_coming_from_a_pacs_is_refused(root):
    tiny(root / "a", 1)
    tiny(root / "b", 2)
    (root / "b" / UNFINISHED).write_text("{}")
    tasks = found(root)
    assert len(tasks) == 2 and key(1) in tasks
    assert "completely" in next(task.refusal for task in tasks.values() if task.refusal)


def test_a_study_without_pet_is_skipped_and_says_what_there_is(root):
    tiny(root / "a", 1)
    tiny(root / "b", 2, modality="CT")
    task = found(root)[key(2)]
    assert task.skipped and "no PET (there are: CT)" in task.refusal


def test_files_without_a_study_uid_are_one_row_per_folder(root):
    for number, name in ((1, "a"), (2, "b")):
        tiny(root / name, number, StudyInstanceUID=None)
    tasks = found(root)
    assert len(tasks) == 2 and all(task.study_uid is None for task in tasks.values())


def test_what_a_score_or_this_batch_wrote_is_no_study(root):
    tiny(root / "a", 1)
    tiny(root / "a" / "scored", 2)
    for name in ("score.json", "local.json"):
        (root / "a" / "scored" / name).write_text("{}")
    out = root / "a" / "out"
    tiny(out / "x", 3)
    tasks = found(root, out)
    assert tasks.keys() == {key(1)}
    # The output lies inside the study's folder: its files are named, so that the output is never taken for them.
    assert tasks[key(1)].place.files == ("s1-0.dcm", "s1-1.dcm")


def test_a_name_that_is_no_text_is_refused(root):
    tiny(root / "a", 1)
    (root / "b").mkdir()
    for name in (b"/\xff.dcm", b"/\xfe.dcm"):
        shutil.copy(root / "a" / "s1-0.dcm", bytes(root / "b") + name)
    Path(os.fsdecode(bytes(root) + b"/\xfd")).mkdir()
    shutil.copy(root / "a" / "s1-0.dcm", bytes(root) + b"/\xfd/x.dcm")
    tasks = found(root)
    refused = [task for task in tasks.values() if task.refusal]
    assert key(1) in tasks and {task.place.folder for task in refused} == {str(root), str(root / "b")}
    assert all("UTF-8" in task.refusal for task in refused)


def test_a_folder_without_studies_and_no_folder_are_refused(root):
    (root / "notes.txt").write_text("nothing")
    with pytest.raises(StudyError, match="no DICOM file"):
        found(root)
    with pytest.raises(StudyError, match="no such folder"):
        found(root / "none")


def test_a_file_that_did_not_change_is_not_opened_again(root, monkeypatch):
    tiny(root / "a", 1)
    first = found(root)
    opened = []
    real = file_index.study_of_file
    monkeypatch.setattr(file_index, "study_of_file", lambda path, name: opened.append(name) or real(path, name))
    assert found(root) == first and opened == []
    tiny(root / "b", 2)
    tiny(root / "a", 3)
    assert found(root).keys() == {key(1), key(2), key(3)}
    assert sorted(opened) == ["a/s3-0.dcm", "a/s3-1.dcm", "b/s2-0.dcm", "b/s2-1.dcm"]


def test_a_damaged_index_of_files_is_made_anew(root):
    tiny(root / "a", 1)
    (root.parent / "files.sqlite").write_bytes(b"no database " * 1000)
    assert found(root).keys() == {key(1)}


def test_a_file_that_could_not_be_read_is_looked_at_again(root, monkeypatch):
    tiny(root / "a", 1)
    tiny(root / "b", 2)

    def broken(path, name):
        if name == "b/s2-0.dcm":
            raise FileFormatError("the file cannot be read")
        return real(path, name)

    real = file_index.study_of_file
    monkeypatch.setattr(file_index, "study_of_file", broken)
    # It stands in the folder of one study, which is then scored, and refused, with it
    assert found(root)[key(2)].place.files is None
    opened = []
    monkeypatch.setattr(file_index, "study_of_file", lambda path, name: opened.append(name) or real(path, name))
    assert found(root).keys() == {key(1), key(2)} and opened == ["b/s2-0.dcm"]


def test_a_link_to_a_folder_is_told_and_not_followed(root, tmp_path):
    tiny(root / "a", 1)
    tiny(tmp_path / "elsewhere", 2)
    (root / "link").symlink_to(tmp_path / "elsewhere")
    (root / "loop").symlink_to(root)
    refusals = [task.refusal for task in found(root).values() if task.refusal]
    assert len(refusals) == 2 and all("link to a folder" in refusal for refusal in refusals)


def test_studies_as_ome_zarr_are_found_with_their_images(root):
    """Whether a study is alone or beside others, its stamp tells of a change of its voxels and of no other's."""
    write_zarr_study(tiny(root.parent / "one", 1), root / "alone")
    assert found(root)[key(1)].place.folder in {str(root / "alone"), str(next((root / "alone").iterdir()))}
    tiny(tiny(root.parent / "both", 2), 3)
    write_zarr_study(root.parent / "both", root / "mixed")
    tasks = found(root)
    assert tasks.keys() == {key(1), key(2), key(3)}
    before = {name: stamp_of(task) for name, task in tasks.items()}
    for number in (1, 2, 3):
        (series,) = index_folder(tasks[key(number)].place.path, tasks[key(number)].place.part).series
        (shard,) = (series.slices[0].image / "0" / "c" / "0" / "0").iterdir()
        shard.write_bytes(shard.read_bytes()[:-1])
        changed = {name for name, task in tasks.items() if stamp_of(task) != before[name]}
        assert changed == {key(n) for n in range(1, number + 1)}


def test_studies_as_ome_zarr_in_one_series_folder_each_name_their_files(root):
    """Two studies whose folders hold one another: the images are stamped though only headers are named."""
    write_zarr_study(tiny(root.parent / "one", 1), root / "all")
    write_zarr_study(tiny(root.parent / "two", 2), root / "all" / "within")
    tiny(root, 1, modality="CT")
    tiny(root, 2, modality="CT")
    tasks = found(root)
    task = tasks[key(1)]
    assert task.place.files is not None
    assert not [name for name in task.place.files if "image.ome.zarr" in name]
    before = stamp_of(task)
    (shard,) = (path for path in (root / "all").glob("pt-*/image.ome.zarr/0/c/0/0/0"))
    shard.write_bytes(shard.read_bytes()[:-1])
    assert stamp_of(task) != before
