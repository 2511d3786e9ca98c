#!/usr/bin/env python3
"""Time and peak memory of `dotaliver score`, per stage, beside the same steps written with plain libraries.

    .venv/bin/python scripts/benchmark_score.py [--rounds 3] [--study FOLDER ...] [--alone]

Ours and the plain one (`score_bench/plain.py`: SimpleITK, scipy, pydicom, matplotlib, highdicom) take turns, each run
in a process of its own. Without --study: the hybrid studies where the real data are there (DOTALIVER_DATA or
../shared/data), and a phantom on a clinical matrix (CT 512² × 200, PET 200² × 110). A stage's time is the median over
the rounds, by the processor and by the clock; its memory is the process's peak (resident set) by the stage's end. The
processor time of the second process, which makes the DICOM objects, is in the total alone, as is its part of the work
that both share: the search outside the liver, lesions' borders and, where these are few, receptor-negative lesions.
What the first process does of these, and what it makes ahead of time while it waits, is in "lesions on CT".
Compiled Python files are cached in a folder of their own, as in an installation: the first round, which compiles, is
preceded by one that does not count.
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

LIMIT_MB = 1200.0
# Of the plain script's time: on the hybrids' coarse matrix, and on the clinical one, which has a limit in seconds too.
RATIO, CLINICAL_RATIO, CLINICAL_S = 0.15, 0.25, 6.0
IMPORT_S, REPORT_S = 0.6, 1.0
CLINICAL = "clinical matrix"
STAGES = (
    "import",
    "headers",
    "reading",
    "CT to coarse grid",
    "liver",
    "lesions, reference",
    "other organs",
    "receptor-negative",
    "lesions on CT",
    "measuring",
    "audit",
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
        self.stage, self.since, self.spent = stage, since, 0.0
        self.seconds: dict[str, float] = {}
        self.processor: dict[str, float] = {}
        self.memory: dict[str, float] = {}

    def enter(self, stage: str) -> str:
        """Another stage begins; returns the one that ran."""
        now, spent = time.monotonic(), time.process_time()
        self.seconds[self.stage] = self.seconds.get(self.stage, 0.0) + now - self.since
        self.processor[self.stage] = self.processor.get(self.stage, 0.0) + spent - self.spent
        self.memory[self.stage] = peak_mb()
        before, self.stage, self.since, self.spent = self.stage, stage, now, spent
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
        from dotaliver.pipeline import score_labels
        from dotaliver.segmentation import organs_and_ct_foci, petct
        from dotaliver.system.second_process import Pending

        clock.around(petct, "coarse_of", "CT to coarse grid")
        clock.around(organs_and_ct_foci, "find_ct_foci", "receptor-negative")
        clock.around(score_labels, "audit_liver", "audit")
        clock.around(outputs, "report_html", "report")
        # Of the second process's work only the waiting for it is seen here.
        clock.around(Pending, "result", "DICOM", but="lesions on CT")
        clock.enter("headers")
        outcome = pipeline.score_study(pipeline.StudyInput(study), helper=helper, progress=clock.told)
        pipeline.save(outcome, out, helper=helper, progress=clock.told)
        clock.enter("end")
        second = 0.0 if helper.process_id is None else peak_mb(str(helper.process_id))
    clock.memory["second process"] = second
    print(json.dumps({"seconds": clock.seconds, "processor": clock.processor, "memory": clock.memory}))
    end_at_once()


def measured(script: Path, study: Path, cache: Path, *first: str) -> dict[str, dict[str, float]]:
    """One round in a fresh process; the total is from its start to its end, with the processes that it starts."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(cache)
    with tempfile.TemporaryDirectory() as out:
        started, before = time.monotonic(), os.times()
        command = [sys.executable, "-W", "ignore", str(script), *first, str(study), out, repr(started)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        total, after = time.monotonic() - started, os.times()
    if done.returncode != 0:
        sys.exit(done.stderr.strip().splitlines()[-1] if done.stderr else f"{study}: the run failed")
    result: dict[str, dict[str, float]] = json.loads(done.stdout)
    result["seconds"]["total"] = total
    spent = (after.children_user - before.children_user) + (after.children_system - before.children_system)
    result["processor"]["total"] = spent
    second = result["memory"].pop("second process", 0.0)
    result["memory"]["total"] = max(result["memory"].values())
    result["memory"]["with the second process"] = result["memory"]["total"] + second
    return result


Rounds = list[dict[str, dict[str, float]]]


def median_of(rounds: Rounds, what: str, stage: str) -> float:
    """Of one stage over the rounds."""
    return statistics.median(r[what].get(stage, 0.0) for r in rounds)


def ratio_of(ours: Rounds, plain: Rounds, what: str, stage: str) -> str:
    """Our median, the plain one, and ours over it, as columns; blank where the plain script has no such stage."""
    own = median_of(ours, what, stage)
    other = median_of(plain, what, stage) if plain else 0.0
    return f"{own:8.2f} {other:8.2f} {own / other:6.2f}" if other > 0 else f"{own:8.2f} {'':8} {'':6}"


def table(name: str, ours: Rounds, plain: Rounds) -> str:
    """Medians over the rounds, one line per stage."""
    lines = [
        f"{name} ({len(ours)} rounds)",
        f"  {'':20} {'processor s':>24} {'elapsed s':>24}",
        f"  {'stage':20} {'ours':>8} {'plain':>8} {'ratio':>6}  {'ours':>8} {'plain':>8} {'ratio':>6} {'peak MB':>9}",
    ]
    for stage in (*STAGES, "total"):
        spent, elapsed = (ratio_of(ours, plain, what, stage) for what in ("processor", "seconds"))
        lines.append(f"  {stage:20} {spent}  {elapsed} {median_of(ours, 'memory', stage):9.0f}")
    memory = median_of(ours, "memory", "with the second process")
    lines.append(
        f"  with the second process {memory:.0f} MB"
        + (f", plain: {median_of(plain, 'memory', 'total'):.0f} MB" if plain else "")
    )
    lines.extend(
        f"  {words}: {'reached' if own <= limit else 'not reached'} ({own:.2f} of {limit:g})"
        for words, own, limit in limits(name, ours, plain)
    )
    return "\n".join(lines)


def limits(name: str, ours: Rounds, plain: Rounds) -> list[tuple[str, float, float]]:
    """What is to be reached: in words, what came, and the limit."""
    clinical = name == CLINICAL
    total = median_of(ours, "seconds", "total")
    found = [("memory with the second process, MB", median_of(ours, "memory", "with the second process"), LIMIT_MB)]
    found += [
        (f"{stage}, elapsed s", median_of(ours, "seconds", stage), limit)
        for stage, limit in (("import", IMPORT_S), ("report", REPORT_S))
    ]
    if clinical:
        found.append(("total, elapsed s", total, CLINICAL_S))
    if plain:
        found.append(
            ("total over plain", total / median_of(plain, "seconds", "total"), CLINICAL_RATIO if clinical else RATIO)
        )
    return found


def studies(folder: Path) -> list[tuple[str, Path]]:
    """The hybrid studies where they are, and a phantom on a clinical matrix, written into a folder."""
    root = Path(__file__).resolve().parents[1]
    data = Path(os.environ.get("DOTALIVER_DATA", root.parent / "shared" / "data"))
    found = [(name, data / name / "study") for name in ("hybrid_moderate", "hybrid_massive")]
    found = [(name, path) for name, path in found if path.is_dir()]
    if not found:
        print("The real data are not there: only the phantom is measured.", file=sys.stderr)
    from dotaliver.phantom.presets import preset
    from dotaliver.phantom.study import make_phantom
    from dotaliver.phantom.writer import write_study

    spec = preset("moderate", 1)
    height_mm = spec.scanner.ct_top_mm - spec.scanner.ct_bottom_mm
    slices = {"ct_slice_mm": height_mm / 200, "pet_slice_mm": height_mm / 110}
    scanner = spec.scanner.model_copy(update={**slices, "ct_matrix": 512, "pet_matrix": 200})
    write_study(make_phantom(spec.model_copy(update={"scanner": scanner})), folder / "clinical")
    return [*found, (CLINICAL, folder / "clinical" / "study")]


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["--run"]:
        study, out, started = sys.argv[2:5]
        run_once(Path(study), Path(out), float(started))
        return
    parser = argparse.ArgumentParser(description="Time and peak memory of 'dotaliver score', per stage.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--study", type=Path, nargs="+", help="folders to score instead")
    parser.add_argument("--alone", action="store_true", help="without the plain script for comparison")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        named = [(path.name, path) for path in options.study] if options.study else studies(Path(folder))
        for name, path in named:
            ours: Rounds = []
            plain: Rounds = []
            cache = Path(folder) / "compiled"
            if not cache.exists():
                measured(Path(__file__), path, cache, "--run")
            for _ in range(options.rounds):
                ours.append(measured(Path(__file__), path, cache, "--run"))
                if not options.alone:
                    plain.append(measured(PLAIN, path, cache))
            print(table(name, ours, plain), flush=True)


if __name__ == "__main__":
    main()
