"""Damaged and hostile files: always one of our errors or a volume, quickly, and in little memory."""

import os
import time
import tracemalloc

import numpy as np
import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from dicom.factory import ramp, rewritten, write_series
from dotaliver.config import ScoringConfig
from dotaliver.dicom.study import load_study
from dotaliver.errors import DotaliverError

SEED = 20260302
# Each mutant is loaded with its whole series under a memory tracer; set the variable for a long run.
MUTANTS = int(os.environ.get("DOTALIVER_FUZZ_MUTANTS", "120"))
LONGEST_S = 5.0
MOST_BYTES = 64 * 2**20


def mutated(content, rng):
    """One of several kinds of damage to a file."""
    damaged = bytearray(content)
    kind = rng.integers(6)
    if kind == 0:  # single bytes
        for place in rng.integers(0, len(damaged), rng.integers(1, 12)):
            damaged[place] = rng.integers(256)
    elif kind == 1:  # cut short
        del damaged[rng.integers(1, len(damaged)) :]
    elif kind == 2:  # a length, or what looks like one
        place = int(rng.integers(132, len(damaged) - 4))
        damaged[place : place + 4] = rng.choice(
            [b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0", b"\xff\xff\0\0"]
        )
    elif kind == 3:  # a piece twice
        start, end = sorted(int(n) for n in rng.integers(132, len(damaged), 2))
        damaged[start:start] = damaged[start:end]
    elif kind == 4:  # a piece missing
        start = int(rng.integers(132, len(damaged) - 8))
        del damaged[start : start + int(rng.integers(1, 64))]
    else:  # a size of the image
        for tag in (b"\x28\x00\x10\x00US\x02\x00", b"\x28\x00\x11\x00US\x02\x00"):
            place = damaged.find(tag)
            damaged[place + 8 : place + 10] = int(rng.choice([0, 1, 255, 32768, 65535])).to_bytes(2, "little")
    return bytes(damaged)


def outcome(folder):
    """Load a study; only our errors may come of it."""
    try:
        return load_study(folder, ScoringConfig()).pet.array.shape
    except DotaliverError as error:
        assert str(error)
        return type(error).__name__


@pytest.mark.parametrize("syntax", [None, RLELossless, JPEG2000Lossless, DeflatedExplicitVRLittleEndian])
def test_mutants_are_refused_or_read_quickly_and_in_little_memory(tmp_path, syntax):
    paths = write_series(tmp_path, stored=ramp((6, 40, 36)))
    for path in paths if syntax is not None else []:
        rewritten(path, syntax)
    contents = [path.read_bytes() for path in paths]
    rng = np.random.default_rng(SEED)
    outcome(tmp_path)
    found, slowest = set(), 0.0
    tracemalloc.start()
    try:
        for _ in range(MUTANTS if syntax is None else MUTANTS // 3):
            k = int(rng.integers(len(paths)))
            paths[k].write_bytes(mutated(contents[k], rng))
            tracemalloc.reset_peak()
            started = time.perf_counter()
            found.add(outcome(tmp_path))
            slowest = max(slowest, time.perf_counter() - started)
            assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
            paths[k].write_bytes(contents[k])
    finally:
        tracemalloc.stop()
    assert slowest < LONGEST_S
    assert len(found) > 1


def test_sequences_a_thousand_deep_are_refused_or_read(tmp_path):
    paths = write_series(tmp_path)
    ds = pydicom.dcmread(paths[0])
    head = b"\x54\x00\x16\x00SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    content = paths[0].read_bytes()
    place = content.find(b"\x54\x00\x16\x00SQ")
    assert place > 0
    assert ds.Modality == "PT"
    paths[0].write_bytes(content[:place] + head * 1000)
    assert isinstance(outcome(tmp_path), str)


@pytest.mark.parametrize("frames", ["65535", "0", "-3", "x"])
def test_numbers_of_frames_that_cannot_be(tmp_path, frames):
    for path in write_series(tmp_path):
        ds = pydicom.dcmread(path)
        ds.add_new(0x00280008, "LO", frames)
        ds.save_as(path)
    assert isinstance(outcome(tmp_path), str)
