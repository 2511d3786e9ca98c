"""Signing, unlocking and closing follow their rules, and an interrupted signature does not count."""

import pytest

from dotaliver.agreement.central import ANSWERS, CentralReading
from dotaliver.agreement.files import SignedFiles
from dotaliver.errors import ConfigError, OutputError, StudyError
from dotaliver.records.edits import Reader
from fixtures.reading_plans import answers, plan

ANNA, BERT, CARLA = Reader(name="Anna Abel"), Reader(name="Bert Brand"), Reader(name="Carla Conrad")


@pytest.fixture
def reading(tmp_path) -> CentralReading:
    return CentralReading.begin(tmp_path / "reading", plan(), {})


def files(**said) -> SignedFiles:
    return SignedFiles((), (), {ANSWERS: answers(**said).model_dump_json()})


def sign(reading, reader, person, case="C001", **said):
    return reading.sign("signed", case=case, reader=reader, person=person, files=files(**said), seen={})


def test_a_signed_reading_is_read_back_and_locked(reading):
    logged = sign(reading, "A", ANNA, burden=0.3)
    assert reading.answers_of(logged) == answers(burden=0.3)
    with pytest.raises(ConfigError, match="is locked; unlock it first"):
        sign(reading, "A", ANNA)
    with pytest.raises(ConfigError, match="is locked; unlock it first"):
        reading.note("begun", case="C001", reader="A")


def test_unlocking_is_recorded_and_keeps_what_was_signed(reading):
    first = sign(reading, "A", ANNA, burden=0.3)
    reading.note("unlocked", case="C001", reader="A", person=CARLA, reason="wrong series")
    assert reading.state().case("C001").signed == {}
    second = sign(reading, "A", ANNA, burden=0.4)
    assert reading.answers_of(first).scans[0].burden == 0.3
    assert reading.state().locked("C001", "A") == second
    with pytest.raises(ConfigError, match="nothing to unlock"):
        reading.note("unlocked", case="C002", reader="A", person=CARLA, reason="?")


def test_a_part_belongs_to_one_person_and_a_person_has_one_part(reading):
    sign(reading, "A", ANNA)
    with pytest.raises(ConfigError, match="A is Anna Abel in this reading, and Bert Brand signs"):
        sign(reading, "A", BERT, "C002")
    with pytest.raises(ConfigError, match="Anna Abel reads as A already"):
        sign(reading, "B", Reader(name="  anna  ABEL "))
    sign(reading, "A", Reader(name="anna abel"), "C002")


def test_a_case_is_decided_only_where_everybody_has_read_it(reading):
    sign(reading, "A", ANNA)
    with pytest.raises(ConfigError, match="not signed by every reader"):
        reading.close("agreed", case="C001", accepted="A", reason="")
    sign(reading, "B", BERT)
    with pytest.raises(ConfigError, match="has no reading of D"):
        reading.close("agreed", case="C001", accepted="D", reason="")
    reading.close("agreed", case="C001", accepted="A", reason="")
    with pytest.raises(ConfigError, match=r"is closed \(agreed\)"):
        reading.close("adjudicated", case="C001", accepted="B", reader="C", person=CARLA, reason="")


def test_a_closure_does_not_outlive_the_readings_that_it_rests_on(reading):
    sign(reading, "A", ANNA)
    sign(reading, "B", BERT)
    reading.close("agreed", case="C001", accepted="A", reason="")
    reading.note("unlocked", case="C001", reader="B", person=CARLA, reason="late image")
    assert reading.state().case("C001").word == "open"
    sign(reading, "B", BERT, burden=0.9)
    assert reading.state().case("C001").word == "read"


def test_an_adjudication_can_be_unlocked_and_made_again(reading):
    sign(reading, "A", ANNA)
    sign(reading, "B", BERT)
    reading.sign("adjudicated", case="C001", reader="C", person=CARLA, files=files(), seen={}, reason="anew")
    assert reading.state().case("C001").word == "adjudicated"
    reading.note("unlocked", case="C001", reader="C", person=CARLA, reason="mistake")
    assert reading.state().case("C001").word == "read"


def test_a_blinded_reading_needs_first_answers_once(tmp_path):
    reading = CentralReading.begin(tmp_path / "reading", plan(blind=True), {})
    with pytest.raises(ConfigError, match="first answers of reader A are not locked"):
        sign(reading, "A", ANNA)
    reading.note("answered", case="C001", reader="A", person=ANNA, answers={"EXC4": "met"})
    with pytest.raises(ConfigError, match="locked already"):
        reading.note("answered", case="C001", reader="A", person=ANNA, answers={"EXC4": "not_met"})
    sign(reading, "A", ANNA)


@pytest.mark.parametrize("step", ["os.link", "os.fsync"])
def test_an_interrupted_signature_does_not_count_and_can_be_given_again(reading, step, monkeypatch):
    def broken(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(step, broken)
        with pytest.raises(KeyboardInterrupt):
            sign(reading, "A", ANNA)
    assert reading.state().locked("C001", "A") is None
    assert sign(reading, "A", ANNA).event.number == 2
    assert reading.damage() == ()


def test_what_a_killed_program_left_is_named_and_does_not_count(reading):
    left = reading.path / "readings" / "C001-A-1"
    left.mkdir()
    (left / ANSWERS).write_text("{}")
    assert reading.unsigned_leftovers() == (left,)
    logged = sign(reading, "A", ANNA)
    assert logged.event.folder == "readings/C001-A-2"


def test_a_folder_in_use_is_not_taken(reading):
    with pytest.raises(OutputError, match="not empty"):
        CentralReading.begin(reading.path, plan(), {})


def test_scores_that_are_gone_are_named(reading):
    with pytest.raises(StudyError, match="is not where it says"):
        reading.working_copies("A", reading.plan().case("C001"))
