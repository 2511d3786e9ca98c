"""Real studies give the same record from their files, from OME-Zarr, and from a cache."""

import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.dicom.choice.pet import choose_series
from dotaliver.dicom.files.headers import index_folder
from dotaliver.dicom.pixels.cache import plane_cache
from dotaliver.dicom.study import load_chosen
from dotaliver.export.zarr_study import write_zarr_study
from dotaliver.image.blocks import memory_bound
from dotaliver.pipeline import segment_study
from dotaliver.pipeline.score_labels import score_labels
from dotaliver.records.edits import ReaderEdits


def record(folder, memory_bytes=None, cache=None):
    config = ScoringConfig()
    with memory_bound(memory_bytes), plane_cache(cache, pytest.fail):
        volumes = load_chosen(choose_series(index_folder(folder)), config, memory_bytes=memory_bytes)
        found = segment_study(volumes, config)
        return score_labels(volumes, found, ReaderEdits(), config).record_id


@pytest.mark.parametrize("name", ["hybrid_moderate/study", "petct_fdg_ge"])
@pytest.mark.slow
def test_the_record_is_the_same_from_ome_zarr(data, tmp_path, name):
    folder = data / name
    if not folder.is_dir():
        pytest.skip(f"{name} is not among the real data")
    expected = record(folder)
    out = write_zarr_study(folder, tmp_path / "out").folder
    assert record(out) == expected
    assert record(out, 1) == expected
    for _ in range(2):
        assert record(folder, cache=tmp_path / "cache") == expected
