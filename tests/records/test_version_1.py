"""Records of schema version 1 are read by the rules of version 1, and refused where they were changed."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotaliver.errors import StudyError
from dotaliver.records.score_folder import ScoreFolder, record_from_json
from dotaliver.records.version_1 import as_version_2, record_id_1
from fixtures.command_line import run_cli

GOLDEN = Path(__file__).parent / "golden" / "version_1"
PLAIN = json.loads((GOLDEN / "score.json").read_text())
MARKED = json.loads((GOLDEN / "revised-1" / "score.json").read_text())


def leaves(value, path=()):
    """The path of every number, text and truth value in a record."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if inner is None:
        yield path
    else:
        for key, each in inner:
            yield from leaves(each, (*path, key))


def another(value):
    """A value that differs from a leaf's."""
    if isinstance(value, bool):
        return not value
    return value * 0.1 + 1 if isinstance(value, int | float) else f"{value}x"


def changed(data, path):
    data = copy.deepcopy(data)
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = another(place[path[-1]])
    return data


@pytest.mark.parametrize("data", [PLAIN, MARKED], ids=["plain", "marked"])
def test_the_name_that_version_1_gave_is_confirmed(data) -> None:
    assert record_id_1(data) == data["record_id"]


def test_a_record_is_read_with_its_numbers_under_its_old_name() -> None:
    score = ScoreFolder(GOLDEN).record()
    assert score.schema_version == "2"
    assert score.record_id == PLAIN["record_id"]
    assert [lesion.suv_peak for lesion in score.lesions] == [lesion["suv_peak"] for lesion in PLAIN["lesions"]]
    assert score.burden.fraction == PLAIN["burden"]["fraction"]
    assert {name: v.verdict for name, v in score.criteria.items()} == {
        name: v["verdict"] for name, v in PLAIN["criteria"].items()
    }


def test_why_a_lesion_is_unseen_on_ct_is_found_under_its_label() -> None:
    record = ScoreFolder(GOLDEN).record().segmentation
    assert set(record.unseen_on_ct) == {1, 2, 3, 4}
    assert record.unseen_on_ct[3] == PLAIN["segmentation"]["reasons"]["lesion 3 on CT"]
    assert set(record.reasons) == {"lobes"}


def test_marks_of_the_time_can_be_read() -> None:
    score = ScoreFolder(GOLDEN / "revised-1").record()
    assert score.provenance.revises == PLAIN["record_id"]
    assert score.edits.lesion(1).marks == score.lesions[0].marks == ("cystic",)
    assert set(score.edits.lesion(2).marks) == {"treated", "progressed_since_treatment"}


def test_conversion_leaves_its_input_alone() -> None:
    before = copy.deepcopy(MARKED)
    as_version_2(MARKED)
    assert before == MARKED


UNNAMED = {"provenance", "record_id"}
HASHED = [
    path
    for path in leaves(PLAIN)
    if path[0] not in UNNAMED and path[-1] not in {"made_at", "origin"} and path != ("schema_version",)
]


@given(st.sampled_from(HASHED))
def test_any_number_or_word_that_was_changed_is_noticed(path) -> None:
    with pytest.raises(StudyError, match="was changed after it was written"):
        record_from_json(json.dumps(changed(PLAIN, path)))


def test_version_1_content_under_a_2_is_not_taken_for_version_2() -> None:
    with pytest.raises(StudyError, match="was changed after it was written"):
        record_from_json(json.dumps(PLAIN | {"schema_version": "2"}))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[]", "no schema version"),
        ("{}", "no schema version"),
        ('{"schema_version": "3"}', "schema version '3'"),
        ('{"schema_version": ["1"]}', "no schema version"),
        ('{"schema_version": 2}', "no schema version"),
        ('{"schema_version": "1"}', "not a whole record"),
        ('{"schema_version": "2", "record_id": 1}', "not a whole record"),
        ('{"schema_version": "1", "schema_version": "2"}', "given twice"),
        ("[" * 100_000, "nested"),
        ('{"schema_version": ' + "9" * 10_000 + "}", "too long"),
        ('{"schema_version": NaN}', "NaN"),
        (b"\xed\xb3\xbf", "UTF-8"),
    ],
)
def test_anything_else_is_refused_in_one_sentence(text, why) -> None:
    with pytest.raises(StudyError, match=why) as caught:
        record_from_json(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_every_command_that_reads_a_record_refuses_a_changed_one(tmp_path) -> None:
    lesion = dict(PLAIN["lesions"][0], suv_peak=2.6)
    for name, data in (("whole", PLAIN), ("edited", PLAIN | {"lesions": [lesion, *PLAIN["lesions"][1:]]})):
        (tmp_path / name).mkdir()
        (tmp_path / name / "score.json").write_text(json.dumps(data))
    edited, whole = tmp_path / "edited", tmp_path / "whole"
    out = tmp_path / "out"
    commands = [
        ("rescore", edited, "--out", out),
        ("diff", whole, edited),
        ("diff", edited, whole),
        ("recist", edited, whole, "--out", out),
    ]
    for command in commands:
        done = run_cli(*command)
        assert (done.status, done.err.count("\n")) == (3, 1), (command, done.err)
        assert "was changed after it was written" in done.err
    assert not out.exists()
    assert run_cli("diff", whole, whole).status == 0
