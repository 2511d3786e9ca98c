#!/usr/bin/env python3
"""What a batch costs beside the scoring itself: throughput, scheduling, memory over many studies, bookkeeping.

    .venv/bin/python scripts/benchmark_batch.py [--part throughput memory dummies] [--studies 24] [--many 200]
                                                [--dummies 10000] [--work FOLDER]

throughput  the same studies by one worker and by two (each at one thread), and the time between studies
memory      many studies by two workers; resident memory of each process after each study, as a slope
dummies     many studies of one slice that are not scored at all: finding, scheduling, records, tables, page; and again

The studies are copies of one small phantom under new Study Instance UIDs. Figures mean something on a quiet machine
alone. Exit status 1 where a limit is missed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pydicom

from dotaliver.batch.cluster import ClusterChoice
from dotaliver.batch.progress import Reporter
from dotaliver.batch.records import StudyRecord
from dotaliver.batch.run import BatchInput, run_batch
from dotaliver.batch.score_task import Scored

LEAST_SPEED_UP, MOST_OVERHEAD, MOST_DUMMY_S, MOST_SLOPE_MB = 1.7, 0.02, 60.0, 0.1
DIGITS = 12


def nothing(task, folder, settings, progress):  # noqa: ARG001 -- a scorer's arguments
    """The scorer of dummy studies."""
    return Scored()


def copies(count: int, work: Path) -> Path:
    """So many copies of one small phantom; those of an earlier run are used again."""
    # Every worker of a cluster of our own imports this script anew, and needs none of these
    from dotaliver.phantom.presets import preset
    from dotaliver.phantom.study import make_phantom
    from dotaliver.phantom.writer import write_study

    original = work / "phantom"
    if not (original / "truth.json").exists():
        shutil.rmtree(original, ignore_errors=True)
        write_study(make_phantom(preset("moderate", 1, "small")), original)
    files = sorted((original / "study").rglob("*.dcm"))
    uid = pydicom.dcmread(files[0], stop_before_pixels=True).StudyInstanceUID.encode()
    root = work / f"studies-{count}"
    for number in range(count):
        folder = root / f"{number:04d}"
        if (folder / "done").exists():
            continue
        # Of the same length, so that the files stay what they are
        other = uid[:-DIGITS] + f"9{number:0{DIGITS - 1}d}".encode()
        for path in files:
            target = folder / path.relative_to(original / "study")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes().replace(uid, other))
        (folder / "done").touch()
    return root


class Following(Reporter):
    """Follows a run and notes when each study ended."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[float] = []
        self.records: list[StudyRecord] = []

    def ended(self, record: StudyRecord) -> None:
        super().ended(record)
        self.ends.append(time.monotonic())
        self.records.append(record)
        if sys.stderr.isatty():
            print(f"\r{self.tally.line()}        ", end="", file=sys.stderr, flush=True)


def run(root: Path, out: Path, workers: int, **options):
    """One batch; seconds of the whole, and what was followed."""
    clock = Following()
    started = time.monotonic()
    result = run_batch(BatchInput(root, out, ClusterChoice(workers), **options), clock)
    return time.monotonic() - started, clock, result


def check(what: str, value: float, limit: float, *, at_least: bool = False) -> bool:
    """Print a figure beside its limit."""
    good = value >= limit if at_least else value <= limit
    print(f"{'ok  ' if good else 'MISS'}  {what}: {value:.4g} ({'at least' if at_least else 'at most'} {limit:g})")
    return good


def throughput(studies: int, work: Path) -> bool:
    """One worker, then two; by the steady state, from the first study that each worker has done."""
    root, rates, good = copies(studies, work), {}, True
    for workers in (1, 2):
        out = work / f"out-throughput-{workers}"
        shutil.rmtree(out, ignore_errors=True)
        seconds, clock, result = run(root, out, workers)
        bad = [record.reason for record in result.records if record.status != "scored"]
        if bad:
            sys.exit(f"a study failed: {bad[0]}")
        steady = clock.ends[-1] - clock.ends[workers - 1]
        rates[workers] = (studies - workers) / steady
        work_s = [record.seconds for record in clock.records]
        ends = clock.ends[-1] - clock.ends[0]
        print(
            f"{workers} worker(s): {studies} studies in {seconds:.1f} s, of it {seconds - ends:.1f} s "
            f"until the first was done and after the last; {60 * rates[workers]:.2f} studies a minute; "
            f"{np.median(work_s):.2f} s of work per study (median)"
        )
        if workers == 1:
            between = steady - sum(work_s[1:])
            print(f"between studies: {1000 * between / (studies - 1):.1f} ms each")
            good &= check("scheduling over work", between / sum(work_s[1:]), MOST_OVERHEAD)
    return check("throughput of two workers over one", rates[2] / rates[1], LEAST_SPEED_UP, at_least=True) and good


def memory(studies: int, work: Path) -> bool:
    """Resident memory after each study, by process, from the tenth on: caches fill at first."""
    root, out = copies(studies, work), work / "out-memory"
    shutil.rmtree(out, ignore_errors=True)
    seconds, clock, _ = run(root, out, 2)
    done = len(clock.records)
    print(f"{done} studies by two workers in {seconds:.0f} s ({60 * done / seconds:.1f} a minute)")
    slopes = []
    by_process: dict[int, list[float]] = {}
    for record in clock.records:
        by_process.setdefault(record.process_id, []).append(record.idle_memory_bytes / 2**20)
    for number, held in enumerate(by_process.values()):
        settled = np.array(held[10:])
        slope = np.polyfit(np.arange(len(settled)), settled, 1)[0] if len(settled) > 2 else float("nan")
        slopes.append(slope)
        peak = max(r.peak_memory_bytes for r in clock.records) / 2**20
        print(
            f"process {number + 1}: {len(held)} studies, {held[0]:.0f} MiB after the first, "
            f"{held[-1]:.0f} after the last, {slope:+.3f} MiB per study; highest while scoring {peak:.0f}"
        )
    print(f"processes: {len(by_process)} (two, where none was replaced)")
    return check("memory per study (MiB)", float(np.nanmax(slopes)), MOST_SLOPE_MB)


def dummies(studies: int, work: Path) -> bool:
    """Studies of one slice that nobody scores."""
    root, out = work / f"dummies-{studies}", work / "out-dummies"
    shutil.rmtree(out, ignore_errors=True)
    source = sorted((copies(1, work) / "0000").rglob("pet/*.dcm"))[0]
    dataset = pydicom.dcmread(source)
    uid = dataset.StudyInstanceUID.encode()
    dataset.Rows = dataset.Columns = 2
    dataset.PixelData = b"\0" * 8
    if len(list(root.glob("*"))) != studies:
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        dataset.save_as(root / "0.dcm")
        content = (root / "0.dcm").read_bytes()
        (root / "0.dcm").unlink()
        for number in range(studies):
            other = uid[:-DIGITS] + f"9{number:0{DIGITS - 1}d}".encode()
            folder = root / f"{number:05d}"
            folder.mkdir()
            (folder / "slice.dcm").write_bytes(content.replace(uid, other))
    os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parent)
    first, _, result = run(root, out, 2, scorer="benchmark_batch:nothing")
    ended = {record.status for record in result.records}
    again, _, result = run(root, out, 2, scorer="benchmark_batch:nothing")
    print(f"{studies} dummy studies ({', '.join(ended)}): {first:.1f} s; run again, {result.kept} kept: {again:.1f} s")
    good = check(f"bookkeeping of {studies} studies (s)", first, MOST_DUMMY_S)
    return check("the same, all kept (s)", again, MOST_DUMMY_S) and good


def main() -> int:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = {"throughput": throughput, "memory": memory, "dummies": dummies}
    parser.add_argument("--part", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--studies", type=int, default=24)
    parser.add_argument("--many", type=int, default=200)
    parser.add_argument("--dummies", type=int, default=10_000)
    parser.add_argument(
        "--work", type=Path, help="Folder for studies and results; kept, so that a later run starts sooner"
    )
    given = parser.parse_args()
    counts = {"throughput": given.studies, "memory": given.many, "dummies": given.dummies}
    with tempfile.TemporaryDirectory() as temporary:
        work = given.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        good = [parts[name](counts[name], work) for name in given.part]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
