"""From rows to tables: medians with bootstrap intervals, curves over size and contrast, error rates with bounds."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segmentation_bench import calibration
from segmentation_bench.cohort import KINDS, held_out

Row = dict[str, Any]
BASELINE_NAMES = ("fixed_suv10", "percent41", "percent50", "liver_2sd", "percist")
SIZES_MM = ((0, 8), (8, 10), (10, 15), (15, 25), (25, 500))
CRITERIA = ("exc4", "inc7", "inc4", "exc6")
DEFINITE = ("met", "not_met")
CONTRASTS = ((1.0, 1.25), (1.25, 1.5), (1.5, 2.0), (2.0, 4.0), (4.0, 100.0))


def bootstrap(values: Sequence[float], statistic: Callable[[Any], float] = np.median) -> tuple[float, float, float]:
    """A statistic with its 95 % bootstrap interval (percentiles of 1000 resamples)."""
    data = np.asarray(values, dtype=float)
    if data.size == 0:
        return (float("nan"),) * 3
    rng = np.random.default_rng(7)
    draws = [statistic(data[rng.integers(data.size, size=data.size)]) for _ in range(1000)]
    return float(statistic(data)), float(np.percentile(draws, 2.5)), float(np.percentile(draws, 97.5))


def upper_bound(errors: int, trials: int) -> float:
    """95 % upper confidence bound on an error rate (Clopper and Pearson, one-sided)."""
    from scipy.stats import beta

    return 1.0 if trials == 0 or errors >= trials else float(beta.ppf(0.95, errors + 1, trials - errors))


def summary(rows: list[Row]) -> list[str]:
    """The tables of a cohort as Markdown: real CTs, phantoms and combinations kept back apart, then per family."""
    lines: list[str] = []
    for kind in KINDS:
        some = [row for row in rows if row["kind"] == kind]
        if some:
            lines += [f"## {kind}: {len(some)} studies", "", *_overall(some), "", *_curves(some), ""]
            lines += [*_baselines(some), ""]
    lines += ["## Definite answers", "", *_definite(rows), ""]
    lines += ["## The burden's interval", "", *calibration.summary(rows), ""]
    lines += ["## Flags", "", *_flags(rows), ""]
    lines += ["## Per family (median, worst)", "", *_families(rows)]
    return lines


def _line(name: str, values: Iterable[float], worst: float | None, asked: str) -> str:
    middle, low, high = bootstrap(list(values))
    shown = "" if worst is None else f"{worst:.3f}"
    return f"| {name} | {middle:.3f} ({low:.3f} to {high:.3f}) | {shown} | {asked} |"


def _overall(rows: list[Row]) -> list[str]:
    lines = ["| | median (95 % interval) | worst | asked |", "| --- | --- | --- | --- |"]
    dice = [row["liver_dice"] for row in rows]
    lines.append(_line("liver Dice", dice, min(dice), ">= 0.955, worst 0.90"))
    volume = [abs(row["liver_error"]) for row in rows]
    lines.append(_line("liver volume error", volume, max(volume), "<= 0.03, worst 0.10"))
    spheres = [abs(r["reference_error"]) for r in rows if r["reference"] in {"sphere", "small_sphere"}]
    if spheres:
        lines.append(_line("normal-liver error, sphere", spheres, max(spheres), "<= 0.02, worst 0.06"))
    low_mode = [abs(r["reference_error"]) for r in rows if r["reference"] == "low_mode"]
    if low_mode:
        lines.append(_line(f"normal-liver error, low mode ({len(low_mode)})", low_mode, max(low_mode), "tabulated"))
    burden = [abs(r["burden"] - r["burden_true"]) * 100 for r in rows if r["burden"] is not None]
    lines.append(_line("burden error, points", burden, max(burden), "<= 1.5, worst 5"))
    width = [100 * (r["high"] - r["low"]) for r in rows if r["burden"] is not None]
    lines.append(_line("EXC4 interval width, points", width, max(width), "<= 8"))
    errors = [abs(v["error"]) for r in rows for v in r["volumes"]]
    if errors:
        lines.append(_line(f"lesion volume error ({len(errors)})", errors, max(errors), "<= 0.10"))
    overlap = [r["lesion_dice"] for r in rows if r["lesion_dice"] is not None and r["known"]]
    if overlap:
        lines.append(_line("lesion Dice", overlap, min(overlap), ""))
    lines.append(_line("seconds", [r["seconds"] for r in rows], max(r["seconds"] for r in rows), "<= 10"))
    return [*lines, "", *_rates(rows)]


def _rates(rows: list[Row]) -> list[str]:
    lines = ["| | share | asked |", "| --- | --- | --- |"]
    for low, high, asked in ((15, 1e3, ">= 0.95 / 0.95"), (10, 15, ">= 0.85 / 0.90")):
        known = [x for r in rows for x in r["known"] if low <= x["diameter_mm"] < high and x["contrast"] >= 2]
        outlines = [x for r in rows for x in r["outlines"] if low <= x["diameter_mm"] < high and x["contrast"] >= 2]
        found, true = sum(x["found"] for x in known), sum(x["true"] for x in outlines)
        name = f"lesions from {low:g} mm" + (f" to {high:g} mm" if high < 1e3 else "") + " at 2 x liver: sens. / PPV"
        lines.append(f"| {name} | {_share(found, len(known))} / {_share(true, len(outlines))} | {asked} |")
    clean = [r for r in rows if not any(x["contrast"] > 1 for x in r["known"])]
    if clean:
        free = sum(r["false_lesions"] == 0 for r in clean)
        lines.append(f"| no false lesion without lesions | {_share(free, len(clean))} | >= 0.95 |")
    lines.append(f"| studies with a false lesion | {_share(sum(r['false_lesions'] > 0 for r in rows), len(rows))} | |")
    cut = sum(r["lesions_in_several_labels"] for r in rows)
    lines.append(f"| true lesions in several labels | {_share(cut, sum(len(r['known']) for r in rows))} | |")
    merged = sum(r["labels_of_several_lesions"] for r in rows)
    lines.append(f"| labels of several true lesions | {_share(merged, sum(len(r['outlines']) for r in rows))} | |")
    held = [r for r in rows if r["burden"] is not None]
    inside = sum(r["low"] - 1e-9 <= r["burden_true"] <= r["high"] + 1e-9 for r in held)
    lines.append(f"| EXC4 interval holds the truth | {_share(inside, len(held))} | >= 0.95 |")
    for key in ("exc4", "inc7"):
        judged = [r for r in rows if r[f"{key}_true"] in {"met", "not_met"} and r[key] in {"met", "not_met"}]
        wrong = [r["name"] for r in judged if r[key] != r[f"{key}_true"]]
        bound = upper_bound(len(wrong), len(judged))
        names = ": " + ", ".join(wrong) if wrong else ""
        lines.append(
            f"| {key.upper()} definite and wrong | {len(wrong)} of {len(judged)} (bound {bound:.3f}){names} | 0 |"
        )
    clear = [r for r in rows if abs(r["burden_true_whole"] - 0.8) > 0.05]
    definite = sum(r["exc4"] in {"met", "not_met"} for r in clear)
    lines.append(f"| EXC4 definite, truth over 5 points from 0.80 | {_share(definite, len(clear))} | >= 0.90 |")
    strong = [r for r in rows if r["best_contrast"] >= 1.5]
    definite = sum(r["inc7"] in {"met", "not_met"} for r in strong)
    lines.append(f"| INC7 definite, best lesion >= 15 mm and 1.5 x liver | {_share(definite, len(strong))} | >= 0.95 |")
    open_ones = [r for r in rows if r["inc7_true"] == "indeterminate"]
    answers = {word: sum(r["inc7"] == word for r in open_ones) for word in ("met", "not_met", "indeterminate")}
    lines.append(f"| INC7 where no PET can decide ({len(open_ones)}) | {answers} | tabulated |")
    return lines


def _definite(rows: list[Row]) -> list[str]:
    """Definite answers about the liver against the truth, and every wrong one with its reason."""
    lines = ["| criterion | truth known | definite | wrong (upper bound) | open |", "| --- " * 5 + "|"]
    wrong = []
    for key in CRITERIA:
        known = [row for row in rows if row.get(f"{key}_true") is not None]
        definite = [row for row in known if row[key] in DEFINITE]
        bad = [row for row in definite if row[f"{key}_true"] in DEFINITE and row[key] != row[f"{key}_true"]]
        bound = upper_bound(len(bad), len(definite))
        lines.append(
            f"| {key.upper()} | {len(known)} | {len(definite)} | {len(bad)} ({bound:.3f}) "
            f"| {len(known) - len(definite)} |"
        )
        wrong += [(key, row) for row in bad]
    if wrong:
        lines += ["", "| wrong | answer | truth | true burden, % | interval, % | reason |", "| --- " * 6 + "|"]
    for key, row in wrong:
        interval = "" if row["low"] is None else f"{100 * row['low']:.1f} to {100 * row['high']:.1f}"
        lines.append(
            f"| {row['name']} | {key.upper()} {row[key]} | {row[f'{key}_true']} "
            f"| {100 * row['burden_true_whole']:.2f} | {interval} | {row.get(f'{key}_reason', '')} |"
        )
    return lines


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.3f} ({part} of {whole})" if whole else "none"


def _curves(rows: list[Row]) -> list[str]:
    heads = [f"{a:g} to {b:g} x" for a, b in CONTRASTS]
    lines = ["Sensitivity over size and contrast:", "", "| mm | " + " | ".join(heads) + " |"]
    lines.append("| --- " * (len(heads) + 1) + "|")
    for low, high in SIZES_MM:
        cells = []
        for least, most in CONTRASTS:
            some = [
                x for r in rows for x in r["known"] if low <= x["diameter_mm"] < high and least < x["contrast"] <= most
            ]
            cells.append(f"{sum(x['found'] for x in some) / len(some):.2f} ({len(some)})" if some else "")
        lines.append(f"| {low} to {high} | " + " | ".join(cells) + " |")
    return lines


def _baselines(rows: list[Row]) -> list[str]:
    some = [r for r in rows if "baselines" in r and r["known"] and r["burden"] is not None]
    if not some:
        return []
    lines = [
        "Textbook rules inside the same liver:",
        "",
        "| rule | median lesion Dice | mean | median burden error, points | worst |",
    ]
    lines.append("| --- | --- | --- | --- | --- |")

    def line(name: str, overlap: list[float], errors: list[float]) -> str:
        points = 100 * np.abs(errors)
        middle, mean = np.median(overlap), np.mean(overlap)
        return f"| {name} | {middle:.3f} | {mean:.3f} | {np.median(points):.2f} | {points.max():.1f} |"

    own = [r["lesion_dice"] or 0.0 for r in some]
    lines.append(line("**edge (default)**", own, [r["burden"] - r["burden_true"] for r in some]))
    for name in BASELINE_NAMES:
        theirs = [r["baselines"][name] for r in some]
        errors = [t["burden_error"] for t in theirs if t["burden_error"] is not None]
        lines.append(line(name, [t["lesion_dice"] or 0.0 for t in theirs], errors))
    return lines


def _flags(rows: list[Row]) -> list[str]:
    """How often each flag whose matter is known was right, and how often it was missing."""
    truths: dict[str, Callable[[Row], bool | None]] = {
        "LIVER_CUT_BY_FIELD_OF_VIEW": lambda r: r["doubts"]["cut"],
        "PET_CT_MISMATCH": lambda r: None if r["doubts"]["shift_mm"] is None else abs(r["doubts"]["shift_mm"]) > 10,
        "NORMAL_LIVER_UNSURE": lambda r: None if r["reference_error"] is None else abs(r["reference_error"]) > 0.06,
        "LIVER_NOT_FOUND": lambda r: r["liver_dice"] < 0.5,
        "LIVER_OUTLINE_DISPUTED": lambda r: r["liver_dice"] < 0.93,
        "LIVER_VOLUME_UNUSUAL": lambda r: not 700 <= r["liver_ml"] <= 4000,
    }
    lines = ["| flag | raised | right | of those that it should mark, missed |", "| --- | --- | --- | --- |"]
    for code, truth in truths.items():
        known = [(code in r["flags"], truth(r)) for r in rows if truth(r) is not None]
        raised, due = [t for f, t in known if f], [f for f, t in known if t]
        lines.append(f"| {code} | {len(raised)} | {sum(map(bool, raised))} | {len(due) - sum(due)} of {len(due)} |")
    for code in sorted({code for r in rows for code in r["flags"]} - set(truths)):
        lines.append(f"| {code} | {sum(code in r['flags'] for r in rows)} | | |")
    shifts = [
        abs(r["doubts"]["found_shift_mm"] - r["doubts"]["shift_mm"])
        for r in rows
        if r["doubts"]["shift_mm"] is not None and r["doubts"]["found_shift_mm"] is not None
    ]
    if shifts:
        lines += [
            "",
            f"Mismatch of PET and CT: error {np.median(shifts):.1f} mm (median), {max(shifts):.1f} mm (worst).",
        ]
    return lines


def _families(rows: list[Row]) -> list[str]:
    lines = [
        "| family | n | liver Dice | volume error | burden error | held | lesion Dice | false | cut / merged "
        "| EXC4 | INC7 |",
        "| --- " * 11 + "|",
    ]
    names = dict.fromkeys((row["kind"], row["family"]) for row in rows)
    for kind, family in names:
        some = [r for r in rows if (r["kind"], r["family"]) == (kind, family)]
        dice = [r["liver_dice"] for r in some]
        volume = [r["liver_error"] for r in some]
        burden = [100 * (r["burden"] - r["burden_true"]) for r in some if r["burden"] is not None]
        holds = [r["low"] - 1e-9 <= r["burden_true"] <= r["high"] + 1e-9 for r in some if r["burden"] is not None]
        overlap = [r["lesion_dice"] for r in some if r["lesion_dice"] is not None]
        mark = " (held out)" if held_out(family) else ""
        largest = max(burden, key=abs, default=float("nan"))
        lines.append(
            f"| {family}{mark} | {len(some)} | {np.median(dice):.3f}, {min(dice):.3f} "
            f"| {100 * np.median(volume):+.1f} %, {100 * max(volume, key=abs):+.1f} % "
            f"| {np.median(burden) if burden else float('nan'):+.1f}, {largest:+.1f} | {sum(holds)}/{len(holds)} "
            f"| {np.median(overlap) if overlap else float('nan'):.3f} | {sum(r['false_lesions'] for r in some)} "
            f"| {sum(r['lesions_in_several_labels'] for r in some)} / "
            f"{sum(r['labels_of_several_lesions'] for r in some)} "
            f"| {_words(some, 'exc4')} | {_words(some, 'inc7')} |"
        )
    return lines


def _words(rows: list[Row], key: str) -> str:
    right = sum(r[key] == r[f"{key}_true"] for r in rows)
    wrong = sum(
        r[key] in {"met", "not_met"} and r[f"{key}_true"] in {"met", "not_met"} and r[key] != r[f"{key}_true"]
        for r in rows
    )
    return f"{right} right, {wrong} wrong, {len(rows) - right - wrong} open"


def write_csv(rows: list[Row], path: Path) -> None:
    """One line per study."""
    columns = [
        "name", "family", "kind", "seconds", "liver_found", "liver_dice", "liver_error", "liver_ml", "reference",
        "reference_error", "burden_true", "burden_true_whole", "burden", "low", "high", "exc4", "exc4_true", "inc7",
        "inc7_true", "lesion_dice", "false_lesions", "flags",
    ]  # fmt: skip
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows({**row, "flags": " ".join(row["flags"])} for row in rows)
