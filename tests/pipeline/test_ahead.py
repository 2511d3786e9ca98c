"""What is made while another process is waited for is what would be made later, and no more than there is time for."""

from dataclasses import dataclass

import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.pipeline import StudyInput, open_study, segment_study
from dotaliver.pipeline.ahead import work_ahead
from dotaliver.pipeline.score_labels import score_labels
from dotaliver.records.edits import ReaderEdits


@dataclass
class IsUnderWay:
    """A job that is found to be under way some times, and then done."""

    times: int
    asked: int = 0

    @property
    def is_under_way(self) -> bool:
        self.asked += 1
        return self.asked <= self.times


@pytest.fixture(scope="module")
def masks(study, scored):
    """Of the session's study; `scored` has its record."""
    return segment_study(open_study(StudyInput(study), ScoringConfig()).volumes, ScoringConfig())


@pytest.mark.parametrize("times", [0, 2, 100])
def test_the_record_does_not_depend_on_what_was_made_ahead(study, masks, scored, times):
    config = ScoringConfig()
    volumes = open_study(StudyInput(study), config).volumes
    pending = IsUnderWay(times)
    work_ahead(pending, volumes, masks, config)
    assert pending.asked == min(times + 1, 4)
    assert score_labels(volumes, masks, ReaderEdits(), config).record_id in (scored / "score.json").read_text()


def test_outlines_are_compared_ahead(study, masks, monkeypatch):
    config = ScoringConfig()
    volumes = open_study(StudyInput(study), config).volumes
    work_ahead(IsUnderWay(1), volumes, masks, config)
    asked = []
    monkeypatch.setattr("dotaliver.segmentation.audit.audit.second_outline", lambda *_: asked.append("again"))
    score_labels(volumes, masks, ReaderEdits(), config)
    assert not asked
