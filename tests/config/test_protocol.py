"""A trial protocol is data: another file asks other questions, under other names, with other thresholds."""

from importlib.resources import files

import pytest

from dotaliver.batch.cohort_page import cohort_html
from dotaliver.batch.summary import study_row
from dotaliver.batch.workspace import Workspace
from dotaliver.config.files import load_config
from dotaliver.config.protocol import default_protocol, load_protocol, protocol_named, shipped_protocols
from dotaliver.config.scoring import ScoringConfig
from dotaliver.errors import ConfigError
from dotaliver.export.report.html import report_html
from dotaliver.pipeline.score_labels import score_labels
from dotaliver.records.edits import ReaderEdits
from dotaliver.records.score import StudyScore
from fixtures.scores import small_case

PRRT = ("UPTAKE", "BURDEN", "MEASURABLE", "SSTRNEG")


def text_of(name: str) -> str:
    return files("dotaliver").joinpath("config", "protocols", f"{name}.toml").read_text(encoding="utf-8")


@pytest.fixture
def scored():
    case = small_case()

    def score(protocol: str = "prrt-screening", edits: ReaderEdits | None = None) -> StudyScore:
        config = ScoringConfig(protocol=protocol_named(protocol))
        return score_labels(case.volumes, case.segmentations, edits or ReaderEdits(), config)

    return score


def test_the_shipped_protocols_are_found_by_name_in_any_case():
    assert shipped_protocols() == ("nct04544098", "prrt-screening")
    assert protocol_named("NCT04544098") == default_protocol()
    assert protocol_named("prrt-screening").ids == PRRT


def test_the_second_protocol_answers_its_own_criteria_with_the_same_numbers(scored):
    trial, screening = scored("nct04544098"), scored()
    assert tuple(screening.criteria) == PRRT
    for name, rule in zip(PRRT, ("INC7", "EXC4", "INC4", "EXC6"), strict=True):
        assert screening.criteria[name].criterion == name
        assert screening.criteria[name].verdict == trial.criteria[rule].verdict
    assert screening.criteria["BURDEN"].evidence["limit"] == 0.5
    assert trial.criteria["EXC4"].evidence["limit"] == 0.8
    assert screening.criteria["BURDEN"].effect == "undecided"  # for information: it neither supports nor excludes
    assert screening.record_id != trial.record_id


def test_flags_name_the_protocols_criteria_and_none_that_it_does_not_ask(scored):
    trial, screening = scored("nct04544098"), scored()
    assert [flag.code for flag in screening.flags] == [flag.code for flag in trial.flags]
    everywhere = [*screening.flags, *(flag for lesion in screening.lesions for flag in lesion.flags)]
    assert any(flag.weakens for flag in everywhere)
    assert {name for flag in everywhere for name in flag.weakens} <= set(PRRT)
    for flag, before in zip(screening.flags, trial.flags, strict=True):
        assert ("UPTAKE" in flag.weakens) == ("INC7" in before.weakens)


def test_the_record_with_other_criteria_is_read_again(scored):
    score = scored()
    assert StudyScore.model_validate_json(score.to_json()) == score


def test_report_and_cohort_show_the_protocols_criteria(scored, tmp_path):
    case, score = small_case(), scored()
    page = report_html(score, case.volumes, case.segmentations)
    assert "Receptor uptake" in page
    assert "PRRT-SCREENING" in page
    assert "Exclusion 4" not in page
    assert "Inclusion 7" not in page
    row = {"key": "a" * 12, "status": "scored", "reason": None, **study_row(score)}
    assert "SSTRNEG" in (cohort := cohort_html([row], Workspace(tmp_path)))
    assert "EXC6" not in cohort


def test_a_reader_answers_by_the_protocols_ids(scored):
    reader = {"name": "A. Reader", "role": "radiologist"}
    answer = {"criterion": "UPTAKE", "verdict": "not_met", "reason": "physiological"}
    score = scored(edits=ReaderEdits.model_validate({"reader": reader, "verdicts": [answer]}))
    assert (score.criteria["UPTAKE"].status, score.criteria["UPTAKE"].effect) == ("overruled", "excludes")
    other = ReaderEdits.model_validate({"reader": reader, "verdicts": [{**answer, "criterion": "INC7"}]})
    with pytest.raises(ConfigError, match=r"INC7, which is not a criterion of PRRT-SCREENING \(those: UPTAKE, BURDEN"):
        scored(edits=other)


def test_settings_name_a_shipped_protocol_or_a_file_beside_them(tmp_path):
    (tmp_path / "settings.toml").write_text('protocol = "prrt-screening"\n')
    assert load_config(tmp_path / "settings.toml").protocol.ids == PRRT
    mine = text_of("prrt-screening").replace("liver_involvement_limit = 0.50", "liver_involvement_limit = 0.75")
    (tmp_path / "mine.toml").write_text(mine)
    (tmp_path / "settings.toml").write_text('protocol = "mine.toml"\n')
    assert load_config(tmp_path / "settings.toml").protocol.liver_involvement_limit == 0.75
    (tmp_path / "settings.toml").write_text('protocol = "netter-9"\n')
    with pytest.raises(ConfigError, match="netter-9: neither a protocol file nor the name of a shipped protocol"):
        load_config(tmp_path / "settings.toml")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('rule = "EXC4"', 'rule = "EXC9"', "criteria.1.rule"),
        ('rule = "EXC4"', 'rule = "INC7"', "two criteria have the rule INC7"),
        ('rule = "EXC4"\n', "", "criteria.1.rule"),  # BURDEN names no rule of its own
        ('id = "BURDEN"', 'id = "UPTAKE"', "two criteria have the id UPTAKE"),
        ('id = "BURDEN"', 'id = "a b"', "criteria.1.id"),
        ("liver_involvement_limit = 0.50", "liver_involvement_limit = 50", "liver_involvement_limit"),
        ('"netspot"', '"(netspot"', "not a regular expression"),
        ('nuclides = ["68Ga"]', "nuclides = []", "tracer.nuclides"),
    ],
)
def test_a_protocol_that_cannot_be_used_is_refused_by_file_and_setting(tmp_path, old, new, words):
    text = text_of("prrt-screening")
    assert old in text
    (tmp_path / "mine.toml").write_text(text.replace(old, new))
    with pytest.raises(ConfigError, match=words) as refused:
        load_protocol(tmp_path / "mine.toml")
    assert str(refused.value).startswith("mine.toml: ")
