"""A reason is told without the names of files and folders, and stays a sentence."""

import pytest

from dotaliver.batch.child import without_names
from fixtures.batches import task_of, tiny


@pytest.fixture
def task(tmp_path):
    folder = tiny(tmp_path / "MUSTER_Erika" / "study", 1)
    for name in ("7", "pet", "Muster Erika.dcm"):
        (folder / name).write_text("")
    return task_of(folder, 1)


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        ("Muster Erika.dcm: the file is damaged", "[a file]: the file is damaged"),
        ("s1-0.dcm frame 3: no position", "[a file] frame 3: no position"),
        ("the mask Muster Erika.dcm is of another patient", "the mask [a file] is of another patient"),
        ("MUSTER_Erika: cannot be read", "[a file]: cannot be read"),
        # Words and numbers that happen to be names are left where no file is meant.
        ("pet: the file is damaged", "[a file]: the file is damaged"),
        ("7: the file is damaged", "[a file]: the file is damaged"),
        (
            "PT series 7 holds no dose; the study has 7 pet slices",
            "PT series 7 holds no dose; the study has 7 pet slices",
        ),
        ("s1-0.dcmx is another", "s1-0.dcmx is another"),
    ],
)
def test_names_are_left_out_and_words_stay(task, sentence, told):
    assert without_names(sentence, task) == told


def test_a_whole_path_is_one_name(task):
    assert without_names(f"{task.place.folder}/s1-1.dcm: cut short", task) == "[a file]: cut short"
