#!/usr/bin/env python3
"""Time and peak memory of `dotaliver score`, per stage, beside the same steps written with plain libraries.

    .venv/bin/python scripts/benchmark_score.py [--rounds 3] [--study FOLDER ...] [--alone]

Ours and the plain one (`score_bench/plain.py`: SimpleITK, scipy, pydicom, matplotlib, highdicom) take turns, each run
in a process of its own. Without --study: the hybrid studies where the real data are there (DOTALIVER_DATA or
../shared/data), and the sample's full matrix. A stage's time is the median over the rounds; its memory is the process's
peak (resident set) by the stage's end; the second process, which has made the DICOM objects by the time that the
report is drawn, is listed below. Compiled Python files are cached between the rounds.
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

TARGET_S, LIMIT_MB = 5.0, 1200.0
STAGES = (
    "import",
    "headers",
    "reading",
    "liver",
    "lesions, reference",
    "other organs",
    "lesions on CT",
    "measuring",
    "report",
    "DICOM",
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
    "looking for other": "other organs",
    "looking for": "lesions on CT",
    "measuring": "measuring",
    "drawing": "writing",
    "making": "writing",
}
PLAIN = Path(__file__).resolve().parent / "score_bench" / "plain.py"


def peak_mb(process: str = "self") -> float:
    """Largest resident set of a process so far, in MB (of 1024² bytes)."""
    status = Path(f"/proc/{process}/status")
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

    def around(self, owner: object, name: str, stage: str, but: str | None = None) -> None:
        """Charge a function's time to a stage of its own, where it does not run in the stage that is left alone."""
        function = getattr(owner, name)

        def timed(*arguments: object, **options: object) -> object:
            before = self.enter(self.stage if self.stage == but else stage)
            try:
                return function(*arguments, **options)
            finally:
                self.enter(before)

        setattr(owner, name, timed)


def run_once(study: Path, out: Path, started: float) -> None:
    """One score in this process, as the command line does it; prints seconds and peak memory per stage as JSON."""
    clock = Clock("import", started)
    from dotaliver.cli.second_process import begin
    from dotaliver.system.allocation import end_at_once

    with begin() as helper:
        from dotaliver import pipeline
        from dotaliver.export import outputs
        from dotaliver.system.second_process import Pending

        clock.around(outputs, "report_html", "report")
        # Of the second process's work only the waiting for it is seen here.
        clock.around(Pending, "result", "DICOM", but="lesions on CT")
        clock.enter("headers")
        outcome = pipeline.score_study(pipeline.StudyInput(study), helper=helper, progress=clock.told)
        pipeline.save(outcome, out, helper=helper, progress=clock.told)
        clock.enter("end")
        second = 0.0 if helper.process_id is None else peak_mb(str(helper.process_id))
    clock.memory["second process"] = second
    print(json.dumps({"seconds": clock.seconds, "memory": clock.memory}))
    end_at_once()


def measured(script: Path, study: Path, *first: str) -> dict[str, dict[str, float]]:
    """One round in a fresh process; the total is from its start to its end."""
    with tempfile.TemporaryDirectory() as out:
        started = time.monotonic()
        command = [sys.executable, "-W", "ignore", str(script), *first, str(study), out, repr(started)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        total = time.monotonic() - started
    if done.returncode != 0:
        sys.exit(done.stderr.strip().splitlines()[-1] if done.stderr else f"{study}: the run failed")
    result: dict[str, dict[str, float]] = json.loads(done.stdout)
    result["seconds"]["total"] = total
    second = result["memory"].pop("second process", 0.0)
    result["memory"]["total"] = max(result["memory"].values())
    result["memory"]["with the second process"] = result["memory"]["total"] + second
    return result


Rounds = list[dict[str, dict[str, float]]]


def median_of(rounds: Rounds, what: str, stage: str) -> float:
    """Of one stage over the rounds."""
    return statistics.median(r[what].get(stage, 0.0) for r in rounds)


def table(name: str, ours: Rounds, plain: Rounds) -> str:
    """Medians over the rounds, one line per stage."""
    lines = [f"{name} ({len(ours)} rounds)", f"  {'stage':20} {'time s':>8} {'plain s':>8} {'ratio':>6} {'peak MB':>9}"]
    for stage in (*STAGES, "total"):
        seconds, memory = median_of(ours, "seconds", stage), median_of(ours, "memory", stage)
        beside = f"{'':8} {'':6}"
        if plain and (other := median_of(plain, "seconds", stage)) > 0:
            beside = f"{other:8.2f} {seconds / other:6.2f}"
        lines.append(f"  {stage:20} {seconds:8.2f} {beside} {memory:9.0f}")
    seconds, memory = median_of(ours, "seconds", "total"), median_of(ours, "memory", "with the second process")
    lines.append(f"  with the second process {memory:.0f} MB; targets {TARGET_S:g} s and {LIMIT_MB:g} MB")
    if plain:
        lines.append(f"  plain: {median_of(plain, 'memory', 'total'):.0f} MB")
    missed = [what for what, over in (("time", seconds > TARGET_S), ("memory", memory > LIMIT_MB)) if over]
    lines.append(f"  {'not reached: ' + ', '.join(missed) if missed else 'reached'}")
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
    parser.add_argument("--alone", action="store_true", help="without the plain one beside it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        named = [(path.name, path) for path in options.study] if options.study else studies(Path(folder))
        for name, path in named:
            ours: Rounds = []
            plain: Rounds = []
            for _ in range(options.rounds):
                ours.append(measured(Path(__file__), path, "--run"))
                if not options.alone:
                    plain.append(measured(PLAIN, path))
            print(table(name, ours, plain), flush=True)


if __name__ == "__main__":
    main()
