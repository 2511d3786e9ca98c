#!/usr/bin/env python3
"""How well liver, lesions, burden and verdicts hold on a seeded cohort with known truth.

    .venv/bin/python scripts/benchmark_segmentation.py --out FOLDER [--quick] [--workers 2]

Every phantom family (`dotaliver.phantom.families`) several times, one of the seeds drawn at run time and printed (with
``--fresh``, all of them); combinations of families, which nothing is tuned on; and, where the real data are
(DOTALIVER_DATA or ../shared/data), real CTs with a simulated PET. With ``--kind mixture``: difficulties on which a
definite answer is easily wrong. Each study is one step: its row is appended to FOLDER/rows.jsonl as soon as it is done,
and a run that was stopped goes on from there. Then FOLDER holds table.md, studies.csv, calibration.png (whether the
burden's interval is as sure as it says) and contact sheets of the worst cases (truth green, ours red).
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import secrets
import sys
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, as_completed
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from segmentation_bench import calibration, cohort, metrics, sheets, table

QUICK = 24
SHEETS = {"liver": 8, "burden": 8, "lesions": 8, "verdicts": 8}


def main() -> None:
    """Run what is missing, then write tables and pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help=f"a subset of {QUICK} studies")
    parser.add_argument("--per-family", type=int, default=5)
    parser.add_argument("--only", nargs="*", help="families to run")
    parser.add_argument("--kind", choices=cohort.KINDS)
    parser.add_argument("--seed", type=int, help="instead of the one drawn at run time")
    parser.add_argument("--fresh", action="store_true", help="every phantom from that seed, none from the usual ones")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--no-baselines", action="store_true")
    parser.add_argument("--cache", type=Path, help="keep the made studies here (about 10 MB each), to run them again")
    parser.add_argument("--so-far", action="store_true", help="run nothing; tables of the studies that are done")
    parser.add_argument("--no-sheets", action="store_true", help="no contact sheets, which score the worst cases again")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    data = Path(os.environ.get("DOTALIVER_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    wanted = chosen(options, data if data.is_dir() else None)
    rows = stored(options.out / "rows.jsonl")
    missing = [entry for entry in wanted if entry.name not in rows]
    print(f"{len(wanted)} studies, {len(missing)} to do", file=sys.stderr)
    failed = {} if options.so_far else run(missing, rows, options, data)
    mine = [rows[entry.name] for entry in wanted if entry.name in rows]
    if mine:
        text = "\n".join(table.summary(mine)) + "\n"
        (options.out / "table.md").write_text(text, encoding="utf-8")
        table.write_csv(mine, options.out / "studies.csv")
        calibration.draw(mine, options.out / "calibration.png")
        print(text)
    if mine and not options.no_sheets:
        draw_worst(mine, {entry.name: entry for entry in wanted}, options, data)
    if failed:
        sys.exit("\n".join(f"{name} failed: {why}" for name, why in failed.items()))


def stored(path: Path) -> dict[str, metrics.Row]:
    """Rows of an earlier run by name; a line that was cut off while it was written is left out."""
    rows = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        rows[row["name"]] = row
    return rows


def run(
    missing: list[cohort.Entry], rows: dict[str, metrics.Row], options: argparse.Namespace, data: Path
) -> dict[str, str]:
    """Add a row for each missing study, and write it at once; why studies failed, by name."""
    failed: dict[str, str] = {}
    path = options.out / "rows.jsonl"
    cut_off = path.exists() and not path.read_bytes().endswith(b"\n") and path.stat().st_size > 0
    with path.open("a", encoding="utf-8") as file, ProcessPoolExecutor(options.workers) as pool:
        file.write("\n" if cut_off else "")
        jobs = {pool.submit(one, entry, data, options.cache, not options.no_baselines): entry.name for entry in missing}
        for done, job in enumerate(as_completed(jobs), start=1):
            name = jobs[job]
            try:
                row = job.result()
            except (BrokenExecutor, KeyboardInterrupt):
                pool.shutdown(cancel_futures=True)
                print(f"stopped at {name}; what is done is kept", file=sys.stderr)
                raise
            except Exception as error:  # one study must not stop hundreds
                failed[name] = f"{type(error).__name__}: {error}"
                print(f"{done}/{len(missing)} {name} failed: {failed[name]}", file=sys.stderr)
                continue
            rows[name] = row
            file.write(json.dumps(row) + "\n")
            file.flush()
            print(f"{done}/{len(missing)} {name}: liver {row['liver_dice']:.3f}", file=sys.stderr)
    return failed


def chosen(options: argparse.Namespace, data: Path | None) -> list[cohort.Entry]:
    """The cohort, the quick subset of it, or some families."""
    seed_file = options.out / "seed.txt"
    if options.seed is None:
        # A run that goes on keeps the seed it drew
        options.seed = int(seed_file.read_text()) if seed_file.exists() else secrets.randbelow(100_000)
    seed_file.write_text(str(options.seed))
    print(f"seed drawn at run time: {options.seed}", file=sys.stderr)
    found = cohort.entries(options.per_family, options.seed, data, fresh=options.fresh)
    if options.only:
        found = [entry for entry in found if entry.family in options.only]
    elif options.kind is None:
        found = [entry for entry in found if entry.kind != "mixture"]
    if options.kind:
        found = [entry for entry in found if entry.kind == options.kind]
    if options.quick:
        step = max(len(found) / QUICK, 1.0)
        found = [found[int(n * step)] for n in range(min(QUICK, len(found)))]
    return found


def made(entry: cohort.Entry, data: Path, cache: Path | None) -> cohort.Case:
    """A case, from the cache where it lies there."""
    path = None if cache is None else cache / f"{entry.name}.pickle"
    if path is not None and path.exists():
        case: cohort.Case = pickle.loads(path.read_bytes())
        return case
    case = entry.make(data)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}")
        part.write_bytes(pickle.dumps(case, protocol=5))
        part.rename(path)
    return case


def one(entry: cohort.Entry, data: Path, cache: Path | None, baselines: bool) -> metrics.Row:
    """One study, in a worker."""
    import SimpleITK as sitk  # noqa: N813

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    return metrics.run(made(entry, data, cache), baselines=baselines)[0]


def draw_worst(
    rows: list[metrics.Row], entries: dict[str, cohort.Entry], options: argparse.Namespace, data: Path
) -> None:
    """Contact sheets of the worst cases by liver, burden, lesions and verdicts."""
    scored = [row for row in rows if row["burden"] is not None]
    worst = {
        "liver": sorted(rows, key=lambda r: r["liver_dice"]),
        "burden": sorted(scored, key=lambda r: -abs(r["burden"] - r["burden_true"])),
        "lesions": sorted(scored, key=lambda r: (-r["false_lesions"], r["lesion_dice"] or 1.0)),
        "verdicts": [r for r in scored if any(is_wrong(r, key) for key in ("exc4", "inc7"))],
    }
    for name, some in worst.items():
        pictures = []
        for row in some[: SHEETS[name]]:
            case = made(entries[row["name"]], data, options.cache)
            found = metrics.run(case, baselines=False)[1]
            pictures.append(sheets.picture(case, found, caption(row)))
        sheets.write_sheet(pictures, options.out / f"worst_{name}.png")


def is_wrong(row: metrics.Row, key: str) -> bool:
    """Whether a definite answer contradicts the truth."""
    words = {"met", "not_met"}
    return row[key] in words and row[f"{key}_true"] in words and row[key] != row[f"{key}_true"]


def caption(row: metrics.Row) -> str:
    """What went how wrong, in one line."""
    burden = "none" if row["burden"] is None else f"{100 * row['burden']:.1f}"
    return (
        f"{row['name']}: liver Dice {row['liver_dice']:.3f}, volume {100 * row['liver_error']:+.1f} %, burden {burden} "
        f"(true {100 * row['burden_true']:.1f}), lesion Dice {row['lesion_dice'] or 0:.3f}, "
        f"false {row['false_lesions']}, EXC4 {row['exc4']} ({row['exc4_true']}), "
        f"INC7 {row['inc7']} ({row['inc7_true']})"
    )


if __name__ == "__main__":
    main()
