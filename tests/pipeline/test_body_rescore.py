"""The search outside the liver and a reader's answers, stored and read back."""

import json
import shutil
from dataclasses import replace

import pytest

from dotaliver.errors import MaskError
from dotaliver.pipeline import rescore, save
from dotaliver.pipeline.score_labels import score_labels
from dotaliver.records.body import BodyCoverage
from dotaliver.records.edits import ReaderEdits
from dotaliver.records.score import record_id_of_json
from fixtures.body import search_on


@pytest.fixture(scope="module")
def with_candidates(scored, tmp_path_factory):
    """The folder of a score with two hand-made candidates in opposite corners of the PET."""
    made = rescore(scored)
    grid = made.opened.volumes.pet.geometry
    low, high = (grid.index_to_lps([share * (n - 1) for n in grid.shape]) for share in (0.1, 0.9))
    places = ((tuple(low), 10.0), (tuple(high), 10.0))
    masks = replace(made.segmentations, body=search_on(grid, places, coverage=BodyCoverage(("abdomen",), "Only this.")))
    score = score_labels(made.opened.volumes, masks, ReaderEdits(), made.score.config)
    folder = tmp_path_factory.mktemp("body") / "score"
    save(replace(made, score=score, segmentations=masks), folder)
    return folder, score


def test_a_mask_that_lost_a_candidate_is_refused(with_candidates, tmp_path):
    """Else the lost candidate would count as read."""
    folder, _ = with_candidates
    changed = tmp_path / "score"
    shutil.copytree(folder, changed)
    record = json.loads((changed / "score.json").read_text())
    search = record["segmentation"]["body"]
    search["foci"].append(search["foci"][1] | {"label": 3})
    record["record_id"] = record_id_of_json(record)
    (changed / "score.json").write_text(json.dumps(record))
    with pytest.raises(MaskError, match=r"segmentation_body\.dcm: it lacks B3"):
        rescore(changed)


def test_the_search_is_read_back_and_the_record_keeps_its_name(with_candidates):
    folder, score = with_candidates
    assert {"segmentation_body.dcm", "body.csv"} <= {path.name for path in folder.iterdir()}
    again = rescore(folder)
    assert again.score.body == score.body
    assert again.score.record_id == score.record_id


def test_answers_survive_a_second_revision_and_an_added_lesion_is_outlined_once(with_candidates, tmp_path):
    folder, score = with_candidates
    grid_middle = score.body.lesions[0].centroid_lps_mm
    beside = [grid_middle[0], grid_middle[1], score.body.lesions[1].centroid_lps_mm[2]]
    edits = ReaderEdits.model_validate(
        {
            "reader": {"name": "A. Reader"},
            "body": {
                "answers": [{"label": "B1", "answer": "accepted"}],
                "added": [{"place_lps_mm": beside, "size_mm": 16.0, "organ": "bone"}],
            },
        }
    )
    first = rescore(folder, edits=edits)
    save(first, tmp_path / "out")
    second = rescore(tmp_path / "out")
    assert [lesion.state for lesion in second.score.body.lesions] == ["accepted", "unanswered", "added"]
    assert second.score.body == first.score.body
