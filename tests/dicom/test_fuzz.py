"""Damaged and hostile files: always one of our errors or a volume, quickly, and in little memory."""

import os

import pydicom
import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.dicom.study import load_study
from dotaliver.errors import DotaliverError
from fixtures.damage import DAMAGES
from fixtures.dicom_series import write_series
from fixtures.fuzzing import LONGEST_S, REAL, REWRITERS, fuzzed

SEED = 20260302
# A few always; with the slow tests 10 000 in all, in parts that two workers share. The variable multiplies them.
FEW_SERIES, FEW_ZIPS = 400, 40
PARTS, SERIES_EACH, ZIPS = 6, 1600, 400
TIMES = int(os.environ.get("DOTALIVER_FUZZ_TIMES", "1"))


@pytest.mark.parametrize(
    ("seed", "mutants"),
    [
        (SEED + PARTS, FEW_SERIES),
        *(pytest.param(SEED + part, SERIES_EACH, marks=pytest.mark.slow) for part in range(PARTS)),
    ],
)
def test_mutants_are_refused_or_read_quickly_and_in_little_memory(tmp_path, seed, mutants):
    count = mutants * TIMES
    found = fuzzed(tmp_path, seed, count, "series")
    assert found["bases"] == len(REWRITERS) + 1 + len(REAL)
    assert sum(found["outcomes"].values()) == count
    assert found["slowest_s"] < LONGEST_S
    # Some damage does no harm; and what does is found by several checks
    assert {"read", "FileFormatError", "SeriesError"} <= set(found["outcomes"])


@pytest.mark.parametrize("archives", [FEW_ZIPS, pytest.param(ZIPS, marks=pytest.mark.slow)])
def test_damaged_archives_are_refused_or_read_and_nothing_leaves_them(tmp_path, archives):
    found = fuzzed(tmp_path, SEED, archives * TIMES, "zips")
    assert set(found["outcomes"]) >= {"read", "FileFormatError"}


def test_there_is_a_mutant_of_every_kind_for_every_series():
    kinds = (len(REWRITERS) + 1 + len(REAL)) * len(DAMAGES)
    assert SERIES_EACH // kinds >= 8
    assert FEW_SERIES // kinds >= 2


def outcome(folder):
    """Load a study; only our errors may come of it."""
    try:
        return load_study(folder, ScoringConfig()).pet.array.shape
    except DotaliverError as error:
        assert str(error)
        return type(error).__name__


@pytest.mark.parametrize("depth", [1000, 20000])
def test_a_tracer_nested_deep_is_refused_or_read(tmp_path, depth):
    # in an element that is read, not only passed over
    paths = write_series(tmp_path)
    head = b"\x54\x00\x16\x00SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    content = paths[0].read_bytes()
    place = content.find(b"\x54\x00\x16\x00SQ")
    assert place > 0
    paths[0].write_bytes(content[:place] + head * depth)
    assert isinstance(outcome(tmp_path), str)


@pytest.mark.parametrize("frames", ["65535", "0", "-3", "x"])
def test_numbers_of_frames_that_cannot_be(tmp_path, frames):
    for path in write_series(tmp_path):
        ds = pydicom.dcmread(path)
        ds.add_new(0x00280008, "LO", frames)
        ds.save_as(path)
    assert isinstance(outcome(tmp_path), str)
