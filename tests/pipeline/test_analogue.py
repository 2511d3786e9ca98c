"""A somatostatin analogue before the scan: recorded, flagged, and a doubt about uptake near normal liver's limit."""

from dataclasses import replace
from datetime import date

import pytest
from pydantic import ValidationError

from dotaliver.cli.settings import scoring_config, stated_values
from dotaliver.config.scoring import AssumedValues, ScoringConfig
from dotaliver.errors import ConfigError
from dotaliver.pipeline.score_labels import score_labels
from dotaliver.records.edits import ReaderEdits
from fixtures.arrays import Case
from fixtures.body import BodyCase
from fixtures.scores import suv


def scored(uptake=20.0, **assume):
    case = Case(((96.0, 15.0, uptake),))
    config = ScoringConfig(assume=AssumedValues(**assume))
    volumes = case.volumes()
    identity = volumes.identity.model_copy(update={"study_date": "2024-03-01"})
    return score_labels(replace(volumes, identity=identity), case.segmentations(), ReaderEdits(), config)


def sentences(score):
    return {flag.code: flag.sentence for flag in score.flags if "ANALOGUE" in flag.code}


def test_without_a_word_nothing_is_flagged():
    assert not sentences(scored())
    assert not sentences(scored(analogue="none"))


def test_an_analogue_is_recorded_with_its_date_and_flagged():
    score = scored(analogue="long-acting", analogue_date=date(2024, 2, 1))
    assert score.config.assume.analogue_date == date(2024, 2, 1)
    assert "Cherk 2018" in sentences(score)["ANALOGUE_LONG_ACTING"]
    assert "on 2024-02-01, 29 days before the scan" in sentences(score)["ANALOGUE_LONG_ACTING"]
    assert "paused" in sentences(scored(analogue="short-acting"))["ANALOGUE_SHORT_ACTING"]


@pytest.mark.parametrize(("over_limit", "weakened"), [(1.15, True), (1.6, False)])
def test_it_weakens_inclusion_7_only_near_its_limit(over_limit, weakened):
    """10.3 / 8.0 = 1.29: what a long-acting analogue alone makes of a ratio to liver."""
    limit = scored().references["liver"].peak_limit
    score = scored(over_limit * limit, analogue="long-acting")
    assert ("ANALOGUE_NEAR_LIMIT" in score.criteria["INC7"].weakened_by) == weakened
    assert "ANALOGUE_NEAR_LIMIT" not in scored(over_limit * limit).criteria["INC7"].weakened_by


def test_a_date_needs_an_analogue_and_lies_before_the_scan():
    with pytest.raises(ValidationError, match="state long-acting or short-acting"):
        AssumedValues(analogue_date=date(2024, 1, 1))
    with pytest.raises(ConfigError, match=r"--analogue-date: .*state long-acting or short-acting"):
        scoring_config(None, stated_values(None, None, None, (None, None), None, (None, "2024-01-01")))
    with pytest.raises(ConfigError, match="--analogue: "):
        scoring_config(None, stated_values(None, None, None, (None, None), None, ("weekly", None)))
    with pytest.raises(ConfigError, match="after the scan"):
        scored(analogue="long-acting", analogue_date=date(2024, 3, 2))


def test_a_share_of_the_tracer_in_tumour_is_flagged_as_a_sink():
    case = BodyCase(((9.0, 15.0),), lesions=((96.0, 20.0, 60.0),))
    # 33.5 ml at SUV 60 hold 2 kg·SUV: 40 % of the activity in a body of 5 kg.
    volumes = replace(case.volumes(), suv=suv().model_copy(update={"weight_kg": 5.0}))
    score = score_labels(volumes, case.segmentations(), ReaderEdits(), ScoringConfig())
    assert score.body.sums.activity_in_tumour == pytest.approx(0.4, rel=0.05)
    assert "TUMOUR_SINK" in {flag.code for flag in score.flags}
