#!/usr/bin/env python3
"""Peak memory and time of `dotaliver score` on large studies, with and without a bound, each run in a fresh process.

    .venv/bin/python scripts/benchmark_memory.py [--memory 1GiB] [--rounds 3] [--study FOLDER]
    .venv/bin/python scripts/benchmark_memory.py --linear [--memory 1GiB] [--rounds 1]
    .venv/bin/python scripts/benchmark_memory.py --ten-times [--memory 1GiB]

Without options: a generated total-body study (CT 512² x 2000, PET 400² x 800) scored within the bound and without one,
in turns, and the sample's usual matrix without one. ``--linear`` scores fields of view of 1, 2, 4 and 8 times 320 mm
(images 512² in slices of 1 mm, once each unless told otherwise: about ten minutes with making them), and says what
each doubling costs. ``--ten-times`` scores a CT of 1024² x 5120, ten times the bound (10 GiB on disk, made in seven
minutes). Peaks are those of the process (resident set), and of its second process where it starts one; ``cpu`` is the
time of both on a processor, which other programs disturb less than the time on the clock. Every run of a study must
give the same ``record_id``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmark_score import peak_mb

LIMIT_MIB, LIMIT_RATIO, NORMAL_LIMIT_MB = 1.2 * 1024, 1.5, 1200.0
FIELD_MM = 320.0


def run_once(study: Path, out: Path, memory: str) -> None:
    """One score in this process, as the command line does it; prints what it took as JSON."""
    from pydantic import ByteSize, TypeAdapter

    from dotaliver import pipeline
    from dotaliver.cli.second_process import begin
    from dotaliver.config.scoring import ExecutionConfig

    bound = None if memory == "none" else int(TypeAdapter(ByteSize).validate_python(memory))
    execution = ExecutionConfig(memory_bytes=bound)
    with begin(bounded=bound is not None) as helper:
        outcome = pipeline.score_study(pipeline.StudyInput(study), execution=execution, helper=helper)
        pipeline.save(outcome, out, helper=helper)
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    score = outcome.score
    told = {"record_id": score.record_id, "liver_ml": score.liver.volume_ml, "lesions": len(score.lesions)}
    print(json.dumps({**told, "peak_mb": peak_mb(), "second_mb": children}))


def measured(study: Path, memory: str) -> dict[str, float | str]:
    """One run in a fresh process, with its time."""
    with tempfile.TemporaryDirectory() as out:
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        command = [sys.executable, __file__, "--run", str(study), out, memory]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(done.stderr.strip().splitlines()[-1] if done.stderr else f"{study}: the run failed")
    result: dict[str, float | str] = json.loads(done.stdout)
    cpu = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    return {**result, "seconds": seconds, "cpu": cpu}


def compared(study: Path, bounds: tuple[str, ...], rounds: int) -> dict[str, dict[str, float]]:
    """Medians for each bound, taken in turns; refuses results that differ."""
    runs: dict[str, list[dict[str, float | str]]] = {bound: [] for bound in bounds}
    for _ in range(rounds):
        for bound in bounds:
            runs[bound].append(measured(study, bound))
            last = runs[bound][-1]
            print(
                f"  memory {bound:>7}: {last['seconds']:7.1f} s {last['cpu']:7.1f} s cpu "
                f"{last['peak_mb']:7.0f} MiB peak (second process {last['second_mb']:.0f})  "
                f"liver {last['liver_ml']:.0f} ml, {last['lesions']} lesions, record {str(last['record_id'])[:12]}",
                flush=True,
            )
    ids = {run["record_id"] for each in runs.values() for run in each}
    if len(ids) != 1:
        sys.exit(f"the results differ: {sorted(map(str, ids))}")
    names = ("seconds", "cpu", "peak_mb", "second_mb")
    return {b: {n: statistics.median(float(run[n]) for run in each) for n in names} for b, each in runs.items()}


def written(folder: Path, **size: float) -> Path:
    """A generated total-body study of some size; made in a process of its own."""
    if not folder.exists():
        print(f"  generating {folder.name} ...", flush=True)
        command = [sys.executable, __file__, "--generate", str(folder), json.dumps(size)]
        subprocess.run(command, check=True)
    return folder


def generate(folder: Path, size: dict[str, float]) -> None:
    """Write one in this process."""
    from dotaliver.phantom.presets import preset
    from dotaliver.phantom.total_body import TotalBody, total_body
    from dotaliver.phantom.writer import write_images

    write_images(total_body(preset("moderate", 1), TotalBody(**size)), folder)  # type: ignore[arg-type]
    print(f"  generated within {peak_mb():.0f} MiB", flush=True)


def usual(folder: Path, options: argparse.Namespace) -> None:
    """The total-body study within the bound and without, and a study of the usual size without."""
    study = options.study or written(folder / "total-body")
    found = compared(study, (options.memory, "none"), options.rounds or 3)
    bounded, free = found[options.memory], found["none"]
    ratio, cpu = bounded["seconds"] / free["seconds"], bounded["cpu"] / free["cpu"]
    print(f"total body: peak {bounded['peak_mb']:.0f} MiB within {options.memory} (to reach: {LIMIT_MIB:.0f})")
    print(f"total body: {ratio:.2f} times the unbounded run's time, {cpu:.2f} times its cpu (to reach: {LIMIT_RATIO})")
    if options.study is None:
        sample = folder / "usual"
        written(sample, bottom_mm=-170, top_mm=150, ct_slice_mm=4.0, pet_slice_mm=3.0, pet_matrix=200)
        normal = compared(sample, ("none", options.memory), options.rounds or 3)["none"]
        print(f"usual study: peak {normal['peak_mb']:.0f} MiB without a bound (to reach: {NORMAL_LIMIT_MB:.0f} MB)")


def linear(folder: Path, options: argparse.Namespace) -> None:
    """Fields of view of 1, 2, 4 and 8 times the trunk's."""
    rows: list[tuple[int, dict[str, dict[str, float]]]] = []
    for times in (1, 2, 4, 8):
        above = min(1.2 * FIELD_MM, (times - 1) * FIELD_MM / 2)
        bottom = 150.0 + above - times * FIELD_MM
        study = written(folder / f"field-{times}", bottom_mm=bottom, top_mm=150.0 + above)
        rows.append((times, compared(study, (options.memory, "none"), options.rounds or 1)))
    for bound, name in ((options.memory, f"within {options.memory}"), ("none", "without a bound")):
        print(f"{name}:\n{'volume':>7} {'s':>7} {'s cpu':>7} {'x before':>9} {'MiB peak':>9}")
        before: float | None = None
        for times, found in rows:
            one = found[bound]
            growth = "" if before is None else f"{one['cpu'] / before:.2f}"
            print(f"{times:>6}x {one['seconds']:>7.1f} {one['cpu']:>7.1f} {growth:>9} {one['peak_mb']:>9.0f}")
            before = one["cpu"]
    print("(cost is linear in the volume, or less, where a doubling costs no more than 2 times the one before)")


def ten_times(folder: Path, options: argparse.Namespace) -> None:
    """A CT of ten times the bound."""
    study = written(folder / "ten-times", bottom_mm=-1280, top_mm=768, ct_slice_mm=0.4, ct_matrix=1024)
    size = sum(path.stat().st_size for path in (study / "ct").iterdir()) / 2**30
    found = compared(study, (options.memory,), 1)[options.memory]
    print(f"CT of {size:.1f} GiB within {options.memory}: {found['seconds']:.0f} s, peak {found['peak_mb']:.0f} MiB")


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["--run"]:
        run_once(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
        return
    if sys.argv[1:2] == ["--generate"]:
        generate(Path(sys.argv[2]), json.loads(sys.argv[3]))
        return
    parser = argparse.ArgumentParser(description="Peak memory and time of 'dotaliver score' on large studies.")
    parser.add_argument("--memory", default="1GiB")
    parser.add_argument("--rounds", type=int, help="runs of each; 3, and 1 with --linear")
    parser.add_argument("--study", type=Path, help="folder to score instead of a generated one")
    parser.add_argument("--keep", type=Path, help="where generated studies are put and found again")
    parser.add_argument("--linear", action="store_true")
    parser.add_argument("--ten-times", action="store_true")
    options = parser.parse_args()
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    with tempfile.TemporaryDirectory() as made:
        folder = options.keep or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        (linear if options.linear else ten_times if options.ten_times else usual)(folder, options)


if __name__ == "__main__":
    main()
