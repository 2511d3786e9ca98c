import json

from dotaliver.config.criteria import Inc4Config
from dotaliver.records.differences import compare_records
from dotaliver.records.edits import LesionEdit, ReaderEdits
from fixtures.command_line import run_cli
from fixtures.courses import scan, sized


def fields(changes):
    return {change.field: (change.before, change.now) for change in changes}


def test_equal_records_do_not_differ():
    record = scan(0, sized(1, 20.0))
    found = compare_records(record, record)
    assert found.same_study
    assert found.causes == found.effects == ()


def test_times_and_names_of_records_are_no_difference():
    record = scan(0, sized(1, 20.0))
    other = record.model_copy(update={"record_id": "f" * 64})
    assert compare_records(record, other).causes == ()


def test_an_edit_and_what_came_of_it_stand_apart():
    before = scan(0, sized(1, 20.0))
    edits = ReaderEdits(lesions=(LesionEdit(label=1, marks=("treated",)),))
    now = before.model_copy(update={"edits": edits, "lesions": (sized(1, 20.0, marks=("treated",)),)})
    verdict = now.criteria["INC4"].model_copy(update={"verdict": "met", "reason": "Because of the mark."})
    now = now.model_copy(update={"criteria": now.criteria | {"INC4": verdict}})
    found = compare_records(before, now)
    assert {change.kind for change in found.causes} == {"edit"}
    assert "edits.lesions[1].marks[0]" in fields(found.causes)
    assert fields(found.effects)["criteria.INC4.verdict"] == (before.criteria["INC4"].verdict, "met")
    assert found.reasons["INC4"].endswith("Because of the mark.")


def test_a_constant_that_changed_is_named_with_both_values():
    before = scan(0, sized(1, 20.0))
    config = before.config.model_copy(update={"inc4": Inc4Config(reader_variation=0.1)})
    found = compare_records(before, before.model_copy(update={"config": config}))
    assert fields(found.causes) == {"config.inc4.reader_variation": (0.22, 0.1)}


def test_lesions_are_told_by_label_and_not_by_place_in_the_list():
    before = scan(0, sized(1, 20.0), sized(4, 12.0))
    now = before.model_copy(update={"lesions": (sized(4, 13.0),)})
    found = fields(compare_records(before, now).effects)
    assert found["lesions[4].longest_diameter_mm"] == (12.0, 13.0)
    assert found["lesions[1].longest_diameter_mm"] == (20.0, None)


def test_another_study_is_told():
    found = compare_records(scan(0), scan(1))
    assert not found.same_study
    assert "study.study_date" in fields(found.causes)


def test_the_command_prints_causes_and_effects(tmp_path):
    for name, size in (("a", 20.0), ("b", 21.5)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "score.json").write_text(scan(0, sized(1, size)).with_record_id().to_json())
    done = run_cli("diff", tmp_path / "a", tmp_path / "b" / "score.json")
    assert done.status == 0
    assert "lesions[1].longest_diameter_mm" in done.out
    assert "21.5" in done.out
    data = json.loads(run_cli("diff", tmp_path / "a", tmp_path / "b", "--json").out)
    assert data["same_study"] is True
    assert "do not differ" in run_cli("diff", tmp_path / "a", tmp_path / "a").out
    assert run_cli("diff", tmp_path / "a", tmp_path / "none").status == 3
