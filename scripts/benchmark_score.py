#!/usr/bin/env python3
"""Time and peak memory of `dotaliver score`, per stage, each run in a process of its own.

    .venv/bin/python scripts/benchmark_score.py [--rounds 3] [--study FOLDER ...]

Without --study: the hybrid studies where the real data are there (DOTALIVER_DATA or ../shared/data), and the sample's
full matrix. A stage's time is the median over the rounds; its memory is the process's peak (resident set) by the
stage's end. Compiled Python files are cached between the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMIT_S, LIMIT_MB = 15.0, 1500.0
STAGES = (
    "import",
    "headers",
    "reading",
    "liver",
    "lesions, reference",
    "lesions on CT",
    "measuring",
    "report",
    "SEG",
    "writing",
)
# What the pipeline says it is doing, by its first words.
SAID = {
    "reading headers": "headers",
    "reading": "reading",
    "PT series": "reading",
    "CT series": "reading",
    "finding the liver": "liver",
    "finding lesions": "lesions, reference",
    "looking for": "lesions on CT",
    "measuring": "measuring",
    "drawing": "writing",
}


def peak_mb() -> float:
    """Largest resident set of this process so far, in MB (of 1024² bytes)."""
    status = Path("/proc/self/status")
    if status.exists():  # elsewhere the peak of the parent process, which is inherited, may hide ours
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return float(line.split()[1]) / 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024**2 if sys.platform == "darwin" else 1024)


class Clock:
    """Charges the time since the last call to the stage that ran."""

    def __init__(self, stage: str, since: float) -> None:
        self.stage, self.since = stage, since
        self.seconds: dict[str, float] = {}
        self.memory: dict[str, float] = {}

    def enter(self, stage: str) -> str:
        """Another stage begins; returns the one that ran."""
        now = time.monotonic()
        self.seconds[self.stage] = self.seconds.get(self.stage, 0.0) + now - self.since
        self.memory[self.stage] = peak_mb()
        before, self.stage, self.since = self.stage, stage, now
        return before

    def told(self, words: str) -> None:
        """What the pipeline's progress says."""
        self.enter(next(stage for start, stage in SAID.items() if words.startswith(start)))

    def around(self, module: object, name: str, stage: str) -> None:
        """Charge a function's time to a stage of its own."""
        function = getattr(module, name)

        def timed(*arguments: object, **options: object) -> object:
            before = self.enter(stage)
            try:
                return function(*arguments, **options)
            finally:
                self.enter(before)

        setattr(module, name, timed)


def run_once(study: Path, out: Path, started: float) -> None:
    """One score in this process; prints seconds and peak memory per stage as JSON."""
    clock = Clock("import", started)
    from dotaliver import pipeline
    from dotaliver.export import outputs

    clock.around(outputs, "report_html", "report")
    clock.around(outputs, "segmentation_datasets", "SEG")
    clock.around(outputs, "measurement_report", "SR")
    clock.enter("headers")
    outcome = pipeline.score_study(pipeline.StudyInput(study), progress=clock.told)
    pipeline.save(outcome, out, progress=clock.told)
    clock.enter("end")
    print(json.dumps({"seconds": clock.seconds, "memory": clock.memory}))


def measured(study: Path) -> dict[str, dict[str, float]]:
    """One round in a fresh process; the total is from its start to its end."""
    with tempfile.TemporaryDirectory() as out:
        started = time.monotonic()
        command = [sys.executable, __file__, "--run", str(study), out, repr(started)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        total = time.monotonic() - started
    if done.returncode != 0:
        sys.exit(done.stderr.strip().splitlines()[-1] if done.stderr else f"{study}: the run failed")
    result: dict[str, dict[str, float]] = json.loads(done.stdout)
    result["seconds"]["total"] = total
    result["memory"]["total"] = max(result["memory"].values())
    return result


def table(name: str, rounds: list[dict[str, dict[str, float]]]) -> str:
    """Medians over the rounds, one line per stage."""
    lines = [f"{name} ({len(rounds)} rounds)", f"  {'stage':20} {'time s':>8} {'peak MB':>9}"]
    for stage in (*STAGES, "total"):
        seconds = statistics.median(r["seconds"].get(stage, 0.0) for r in rounds)
        memory = statistics.median(r["memory"].get(stage, 0.0) for r in rounds)
        over = stage == "total" and (seconds > LIMIT_S or memory > LIMIT_MB)
        lines.append(f"  {stage:20} {seconds:8.2f} {memory:9.0f}{'  over the limit' if over else ''}")
    return "\n".join(lines)


def studies(folder: Path) -> list[tuple[str, Path]]:
    """The hybrid studies where they are, and the sample, written into a folder."""
    root = Path(__file__).resolve().parents[1]
    data = Path(os.environ.get("DOTALIVER_DATA", root.parent / "shared" / "data"))
    found = [(name, data / name / "study") for name in ("hybrid_moderate", "hybrid_massive")]
    found = [(name, path) for name, path in found if path.is_dir()]
    if not found:
        print("The real data are not there: only the sample is measured.", file=sys.stderr)
    from dotaliver.phantom.presets import preset
    from dotaliver.phantom.study import make_phantom
    from dotaliver.phantom.writer import write_study

    write_study(make_phantom(preset("moderate", 1)), folder / "sample")
    return [*found, ("sample (moderate, seed 1)", folder / "sample" / "study")]


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["--run"]:
        study, out, started = sys.argv[2:5]
        run_once(Path(study), Path(out), float(started))
        return
    parser = argparse.ArgumentParser(description="Time and peak memory of 'dotaliver score', per stage.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--study", type=Path, nargs="+", help="folders to score instead")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        named = [(path.name, path) for path in options.study] if options.study else studies(Path(folder))
        for name, path in named:
            print(table(name, [measured(path) for _ in range(options.rounds)]), flush=True)


if __name__ == "__main__":
    main()
