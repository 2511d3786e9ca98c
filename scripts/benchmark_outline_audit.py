"""How well the audit of the liver outline tells bad outlines from good ones.

    python scripts/benchmark_outline_audit.py [--quick] [--families NAME ...] [--per-family 6] [--cache FOLDER]

Phantoms of families that nothing was trained on (`dotaliver.phantom.families.HELD_OUT` by default). Each gives the
outline that the program finds and true outlines spoilt in the ways in which outlines fail. An outline of Dice under
0.93 should be flagged, any other should not. With ``--score`` the natural ones are scored as a whole, and the interval
of the burden is compared with the truth.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from liver_audit.outlines import OutlineCase, cropped, outline_case, seed_of, spoilt

from dotaliver.config.scoring import ScoringConfig
from dotaliver.image.morphology import box_around
from dotaliver.phantom.families import HELD_OUT, family_spec
from dotaliver.segmentation.audit.comparison import measure_difference
from dotaliver.segmentation.audit.second_liver import second_outline

BAD_DICE = 0.93
_REACH, _MARGIN_MM = 40, 24.0
Row = dict[str, Any]


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Overlap of two masks."""
    total = int(a.sum()) + int(b.sum())
    return 2.0 * int((a & b).sum()) / total if total else 1.0


def rows_of(case: OutlineCase) -> list[Row]:
    """Every outline of one study, as the audit sees it."""
    rows = []
    used = np.flatnonzero((case.truth | case.natural).any(axis=(1, 2)))
    middle = (int(used[0]) + int(used[-1]) + 1) // 2
    part = slice(max(min(int(used[0]), middle - _REACH), 0), max(int(used[-1]) + 1, middle + _REACH))
    start = time.process_time()
    second = np.zeros_like(case.truth)
    second[part] = second_outline(case.hu[part], case.uptake[part]).liver
    seconds = time.process_time() - start
    box = box_around(case.truth | case.natural | case.kidney | second, case.geometry, _MARGIN_MM)
    case, second = cropped(case, box), second[box]
    for kind, outline in [("natural", case.natural), *spoilt(case)]:
        difference = measure_difference(outline, second, case.geometry)
        rows.append(
            {
                "name": case.name,
                "family": case.family,
                "kind": kind,
                "dice": dice(outline, case.truth),
                "second": dice(second, case.truth),
                "agreement": difference.agreement,
                "beyond_ml": difference.beyond_ml,
                "far_ml": difference.far_ml,
                "flagged": difference.disputed,
                "seconds": seconds,
            }
        )
    return rows


def table(rows: list[Row], key: str) -> list[str]:
    """Flagged outlines among bad and good ones, by kind or family."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row[key]].append(row)
    lines = [f"| {key} | n | Dice < {BAD_DICE} | flagged of these | false alarms on the rest |", "| --- " * 5 + "|"]
    for name, some in [*groups.items(), ("all", rows)]:
        bad = [row for row in some if row["dice"] < BAD_DICE]
        good = [row for row in some if row["dice"] >= BAD_DICE]
        hit, false = (sum(row["flagged"] for row in part) for part in (bad, good))
        lines.append(f"| {name} | {len(some)} | {len(bad)} | {hit} | {false} of {len(good)} |")
    return lines


def scored(family: str, number: int) -> Row:
    """A whole score: whether the interval holds the true burden."""
    from dotaliver.phantom.study import make_phantom, study_volumes
    from dotaliver.pipeline import segment_study
    from dotaliver.pipeline.score_labels import score_labels
    from dotaliver.records.edits import ReaderEdits

    study = make_phantom(family_spec(family, seed_of(family, number), "small"))
    volumes, config = study_volumes(study), ScoringConfig()
    score = score_labels(volumes, segment_study(volumes, config), ReaderEdits(), config)
    burden = score.burden
    audit = score.liver.audit
    return {
        "family": family,
        "truth": study.truth.burden,
        "low": burden.low,
        "high": burden.high,
        "held": burden.low is not None and burden.high is not None and burden.low <= study.truth.burden <= burden.high,
        "disputed": audit is not None and audit.disputed,
    }


def main() -> None:
    """Read the command line, run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", nargs="*", default=sorted(HELD_OUT))
    parser.add_argument("--per-family", type=int, default=6)
    parser.add_argument("--quick", action="store_true", help="one study of each of four families")
    parser.add_argument("--cache", type=Path, help="keeps phantoms and outlines, which do not depend on the audit")
    parser.add_argument("--prepare", action="store_true", help="fill the cache only")
    parser.add_argument("--score", action="store_true", help="score whole studies and check the burden's interval")
    options = parser.parse_args()
    families = options.families[:4] if options.quick else options.families
    numbers = range(1 if options.quick else options.per_family)
    if options.score:
        results = [scored(family, number) for number in numbers for family in families]
        held = sum(row["held"] for row in results)
        widths = [100 * (row["high"] - row["low"]) for row in results if row["low"] is not None]
        print(f"the interval holds the true burden in {held} of {len(results)}, median width {np.median(widths):.1f}")
        for row in results:
            print(row)
        return
    rows: list[Row] = []
    for number in numbers:
        for family in families:
            case = outline_case(family, number, options.cache)
            if not options.prepare:
                rows += rows_of(case)
    if options.prepare:
        return
    natural = [row for row in rows if row["kind"] == "natural"]
    print("\n".join(["", "Natural outlines", "", *table(natural, "family")]))
    print("\n".join(["", "Spoilt outlines", "", *table([r for r in rows if r["kind"] != "natural"], "kind")]))
    seconds = np.median([row["seconds"] for row in natural])
    second = [row["second"] for row in natural]
    print(
        f"\nsecond outline: Dice median {np.median(second):.3f}, worst {min(second):.3f}; {seconds:.2f} s of processor"
    )


if __name__ == "__main__":
    main()
