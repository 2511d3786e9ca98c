"""The real studies give the same record whether their images are in memory or read in parts."""

import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.dicom.choice.pet import choose_series
from dotaliver.dicom.files.headers import index_folder
from dotaliver.dicom.study import load_chosen
from dotaliver.image.blocks import memory_bound
from dotaliver.pipeline import segment_study
from dotaliver.pipeline.score_labels import score_labels
from dotaliver.records.edits import ReaderEdits


def record(folder, memory_bytes):
    config = ScoringConfig()
    with memory_bound(memory_bytes):
        volumes = load_chosen(choose_series(index_folder(folder)), config, memory_bytes=memory_bytes)
        found = segment_study(volumes, config)
        return volumes, score_labels(volumes, found, ReaderEdits(), config).record_id


@pytest.mark.parametrize("name", ["hybrid_moderate", "hybrid_massive"])
@pytest.mark.slow
def test_the_record_is_the_same_for_every_bound(data, name):
    folder = data / name / "study"
    if not folder.is_dir():
        pytest.skip(f"{name} is not among the real data")
    free, expected = record(folder, None)
    assert free.ct.in_memory
    for memory_bytes in (1, 64 << 20):
        bounded, found = record(folder, memory_bytes)
        assert not bounded.ct.in_memory
        assert found == expected
