"""How well the audit of the liver outline tells bad outlines from good ones.

    python scripts/benchmark_outline_audit.py [--quick] [--families NAME ...] [--per-family 3] [--hard 4]

Phantoms of families that nothing was trained on (`dotaliver.phantom.families.HELD_OUT` by default), ``--hard`` of each
with two more difficulties (`liver_audit.outlines.DIFFICULTIES`). Each gives the outline that the program finds, the
true one, and true outlines spoilt in the ways in which outlines fail. The truth sorts them into three classes:

* bad: Dice under 0.93; should be flagged
* good: Dice of 0.93 or more, and at most 20 ml lie further than 8 mm from the true border; should not be flagged
* part wrong: Dice of 0.93 or more, but a kidney is in it, say, or a part of the back is missing

``--calibrate`` measures the families that are kept for choosing the limits, and prints the limit that flags 95 % of the
bad outlines there. With ``--score`` the natural outlines are scored as a whole, and the interval of the burden is
compared with the truth.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from liver_audit.outlines import OutlineCase, cropped, outline_case, spoilt, study_spec
from liver_audit.scenes import CALIBRATION

from dotaliver.config.scoring import ScoringConfig
from dotaliver.image.distance import distance_to_mm
from dotaliver.image.geometry import Geometry
from dotaliver.image.morphology import box_around
from dotaliver.phantom.families import HELD_OUT
from dotaliver.segmentation.audit.comparison import measure_difference
from dotaliver.segmentation.audit.second_liver import second_outline

BAD_DICE, GROSS_ML, BORDER_MM = 0.93, 20.0, 8.0
CLASSES = ("bad", "good", "part wrong")
_REACH, _MARGIN_MM = 40, 24.0
Row = dict[str, Any]


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Overlap of two masks."""
    total = int(a.sum()) + int(b.sum())
    return 2.0 * int((a & b).sum()) / total if total else 1.0


def gross_ml(outline: np.ndarray, truth: np.ndarray, grid: Geometry) -> float:
    """Volume in only one of two outlines, further from the other than a border."""
    voxels = 0
    for one, other in ((outline, truth), (truth, outline)):
        away = distance_to_mm(other, grid.spacing_mm, within_mm=2 * BORDER_MM)[one & ~other]
        voxels += int(np.count_nonzero(away > BORDER_MM))
    return voxels * grid.voxel_volume_ml


def rows_of(case: OutlineCase) -> list[Row]:
    """Every outline of one study, as the audit sees it."""
    rows = []
    used = np.flatnonzero((case.truth | case.natural).any(axis=(1, 2)))
    middle = (int(used[0]) + int(used[-1]) + 1) // 2
    part = slice(max(min(int(used[0]), middle - _REACH), 0), max(int(used[-1]) + 1, middle + _REACH))
    start = time.process_time()
    found = second_outline(case.hu[part], case.uptake[part])
    second, likely = np.zeros_like(case.truth), np.zeros(case.truth.shape, dtype=np.float32)
    second[part], likely[part] = found.liver, found.likely
    seconds = time.process_time() - start
    box = box_around(case.truth | case.natural | case.kidney | second, case.geometry, _MARGIN_MM)
    case, second, likely = cropped(case, box), second[box], likely[box]
    for kind, outline in [("natural", case.natural), *spoilt(case)]:
        overlap = dice(outline, case.truth)
        whole = gross_ml(outline, case.truth, case.geometry) <= GROSS_ML
        difference = measure_difference(outline, second, case.geometry, likely)
        rows.append(
            {
                "name": case.name,
                "family": case.family,
                "kind": kind,
                "class": "bad" if overlap < BAD_DICE else "good" if whole else "part wrong",
                "dice": overlap,
                "second": dice(second, case.truth),
                "agreement": difference.agreement,
                "beyond_ml": difference.beyond_ml,
                "shortfall": difference.shortfall,
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
    lines = [f"| {key} | {' | '.join(f'{name}, flagged' for name in CLASSES)} |", "| --- " * 4 + "|"]
    for name, some in [*groups.items(), ("all", rows)]:
        cells = []
        for kind in CLASSES:
            of_kind = [row["flagged"] for row in some if row["class"] == kind]
            cells.append(f"{sum(of_kind)} of {len(of_kind)}" if of_kind else "")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def scored(family: str, number: int, *, hard: bool) -> Row:
    """A whole score: whether the interval holds the true burden."""
    from dotaliver.phantom.study import make_phantom, study_volumes
    from dotaliver.pipeline import segment_study
    from dotaliver.pipeline.score_labels import score_labels
    from dotaliver.records.edits import ReaderEdits

    study = make_phantom(study_spec(family, number, hard=hard))
    volumes, config = study_volumes(study), ScoringConfig()
    score = score_labels(volumes, segment_study(volumes, config), ReaderEdits(), config)
    burden = score.burden
    audit = score.liver.audit
    return {
        "family": family,
        "hard": hard,
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
    parser.add_argument("--per-family", type=int, default=3)
    parser.add_argument("--hard", type=int, default=4, help="studies of each family with two more difficulties")
    parser.add_argument(
        "--calibrate", action="store_true", help="on the families that are kept for choosing the limits"
    )
    parser.add_argument("--rows", type=Path, help="keep every outline's figures in a JSON file")
    parser.add_argument("--quick", action="store_true", help="one study of each of four families")
    parser.add_argument("--cache", type=Path, help="keeps phantoms and outlines, which do not depend on the audit")
    parser.add_argument("--prepare", action="store_true", help="fill the cache only")
    parser.add_argument("--score", action="store_true", help="score whole studies and check the burden's interval")
    options = parser.parse_args()
    families = sorted(CALIBRATION) if options.calibrate else options.families
    families = families[:4] if options.quick else families
    plain, hard = (1, 0) if options.quick else (options.per_family, options.hard)
    studies = [(family, n, False) for n in range(plain) for family in families]
    studies += [(family, n, True) for n in range(hard) for family in families]
    if options.score:
        show_intervals([scored(family, n, hard=is_hard) for family, n, is_hard in studies])
        return
    rows: list[Row] = []
    for family, n, is_hard in studies:
        case = outline_case(family, n, options.cache, hard=is_hard)
        if not options.prepare:
            rows += rows_of(case)
    if options.rows:
        options.rows.write_text(json.dumps(rows, indent=1))
    if not options.prepare:
        show_outlines(rows, calibrate=options.calibrate)


def show_intervals(results: list[Row]) -> None:
    """How often the interval holds the true burden, and how wide it is."""
    for row in results:
        print(row)
    held = sum(row["held"] for row in results)
    widths = [100 * (row["high"] - row["low"]) for row in results if row["low"] is not None and row["high"] is not None]
    print(f"the interval holds the true burden in {held} of {len(results)}, median width {np.median(widths):.1f}")
    for family in sorted({row["family"] for row in results}):
        own = [row["held"] for row in results if row["family"] == family]
        print(f"| {family} | {sum(own)} of {len(own)} |")


def show_outlines(rows: list[Row], *, calibrate: bool) -> None:
    """Tables by family and kind, and how good the second outline is."""
    natural = [row for row in rows if row["kind"] == "natural"]
    print("\n".join(["", "Outlines that the program found", "", *table(natural, "family")]))
    print("\n".join(["", "All outlines by kind", "", *table(rows, "kind")]))
    print("\n".join(["", "All outlines by family", "", *table(rows, "family")]))
    seconds = np.median([row["seconds"] for row in natural])
    second = [row["second"] for row in natural]
    print(
        f"\nsecond outline: Dice median {np.median(second):.3f}, worst {min(second):.3f}; {seconds:.2f} s of processor"
    )
    if calibrate:
        falls = np.sort([row["shortfall"] for row in rows if row["class"] == "bad"])
        print(f"shortfall that 95 % of the bad outlines exceed: {falls[int(0.05 * len(falls))]:.4f}")


if __name__ == "__main__":
    main()
