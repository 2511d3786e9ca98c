#!/usr/bin/env python3
"""Time of reading the pixels of a series from its files, and from the cache that `--cache` keeps.

    .venv/bin/python scripts/benchmark_cache.py [--quick] [--rounds 5] [--only RLE]

Writes a CT of 300 slices of 512² in several transfer syntaxes into a temporary folder. Of each it reads all stored
values without a cache, into an empty cache (which is written) and from the full one, in turns within a round, in this
process and from the system's file cache; a row shows medians over the rounds, their ratio to reading the files, and
what the processors worked, which other programs on the machine change less.
What is read from files as quickly as from a cache is never cached by the program; here it is, to show why.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

import pydicom
from benchmark_loading import write_series
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from dotaliver.dicom.files.headers import index_folder
from dotaliver.dicom.files.stack import stack_of
from dotaliver.dicom.pixels import planes
from dotaliver.dicom.pixels.cache import plane_cache
from dotaliver.dicom.pixels.series import read_stored
from dotaliver.omezarr.writing import require_zarr

SYNTAXES = {
    "uncompressed (never cached)": None,
    "uncompressed, 15 of 16 bits (never cached)": None,
    "deflated": DeflatedExplicitVRLittleEndian,
    "RLE (never cached)": RLELossless,
    "JPEG 2000": JPEG2000Lossless,
}


def rewritten(path: Path, case: str) -> None:
    """What `write_series` cannot write."""
    ds = pydicom.dcmread(path)
    if "15" in case:
        ds.BitsStored, ds.HighBit = 15, 14
    elif case.startswith("deflated"):
        ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    ds.save_as(path)


def seconds_of(folder: Path, cache: Path | None) -> tuple[float, float]:
    """By the clock, and of processors."""
    stack = stack_of(index_folder(folder).series[0])
    started, worked = time.perf_counter(), time.process_time()
    with plane_cache(cache, print):
        read_stored(stack)
    return time.perf_counter() - started, time.process_time() - worked


def compare(case: str, folder: Path, cache: Path, rounds: int) -> None:
    times: dict[str, list[tuple[float, float]]] = {"files": [], "files, and writing the cache": [], "cache": []}
    for _ in range(rounds):
        shutil.rmtree(cache, ignore_errors=True)
        for what, place in zip(times, (None, cache, cache), strict=True):
            times[what].append(seconds_of(folder, place))
    files = statistics.median(seconds for seconds, _ in times["files"])
    size = {
        name: sum(p.stat().st_size for p in place.rglob("*") if p.is_file())
        for name, place in (("files", folder), ("cache", cache))
    }
    print(
        f"\n{case}: files of {size['files'] / 2**20:.0f} MiB, cache of {size['cache'] / 2**20:.0f} MiB in "
        f"{sum(p.is_file() for p in cache.rglob('*'))} files"
    )
    for what, found in times.items():
        seconds, worked = (statistics.median(values) for values in zip(*found, strict=True))
        print(f"  {what:<30} {seconds:7.3f} s   {seconds / files:6.2f} x files   {worked:7.3f} s of processor")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="40 slices of 256²")
    parser.add_argument("--only", default="", help="cases with this in their name")
    arguments = parser.parse_args()
    slices, size = (40, 256) if arguments.quick else (300, 512)
    require_zarr()
    with tempfile.TemporaryDirectory() as temporary, patch.object(planes, "_is_quick", lambda *_: False):
        for case, syntax in SYNTAXES.items():
            if arguments.only not in case:
                continue
            folder, cache = Path(temporary) / "series", Path(temporary) / "cache"
            encapsulated = syntax if syntax in {RLELossless, JPEG2000Lossless} else None
            write_series(folder, "CT", slices, size, encapsulated)
            if encapsulated is None and case != next(iter(SYNTAXES)):
                for path in folder.iterdir():
                    rewritten(path, case)
            compare(case, folder, cache, arguments.rounds)
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
