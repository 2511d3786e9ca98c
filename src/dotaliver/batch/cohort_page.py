"""The cohort's page: what failed and why, how verdicts and numbers are distributed, and a table to sort."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from dotaliver.batch.cohort_courses import read_courses
from dotaliver.batch.records import FAILURES, Row
from dotaliver.batch.workspace import Workspace
from dotaliver.export.plots.page import cohort_plots
from dotaliver.export.report.figures import Picture
from dotaliver.export.report.template import page_template
from dotaliver.export.report.thumbnails import figure_of, png_of
from dotaliver.records.score_folder import REPORT

__all__ = ["cohort_html"]

_VERDICTS = ("met", "not_met", "indeterminate", "not_evaluable")
_WORDS = {
    "refused": "refused: the files do not allow a score",
    "fault": "internal error, or the machine failed",
    "timeout": "exceeded the time limit",
    "memory": "exceeded the memory limit",
    "crashed": "the process crashed",
    "worker_lost": "the worker was lost",
    "missing": "in the manifest, not found",
}
_BAR, _EDGE = "#4C78A8", "white"

# Sorts by the clicked column; numbers by value, empty cells last either way.
SCRIPT = """
document.querySelectorAll("table.sortable").forEach(function (table) {
  table.querySelectorAll("th button").forEach(function (button) {
    button.addEventListener("click", function () {
      var head = button.parentElement, column = head.cellIndex, body = table.tBodies[0];
      var down = head.getAttribute("aria-sort") === "ascending";
      table.querySelectorAll("th").forEach(function (other) { other.removeAttribute("aria-sort"); });
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      var rows = Array.from(body.rows).map(function (row) {
        var cell = row.cells[column], text = cell.dataset.value !== undefined ? cell.dataset.value : cell.textContent;
        return { row: row, text: text.trim(), number: Number(text) };
      });
      rows.sort(function (a, b) {
        if (a.text === "" || b.text === "") { return (a.text === "") - (b.text === ""); }
        var order = isNaN(a.number) || isNaN(b.number) ? a.text.localeCompare(b.text) : a.number - b.number;
        return down ? -order : order;
      });
      rows.forEach(function (entry) { body.appendChild(entry.row); });
    });
  });
});
var box = document.getElementById("filter");
if (box) {
  box.addEventListener("input", function () {
    var wanted = box.value.toLowerCase();
    document.querySelectorAll("table.studies tbody tr").forEach(function (row) {
      row.hidden = wanted !== "" && row.textContent.toLowerCase().indexOf(wanted) < 0;
    });
  });
}
"""


@dataclass(frozen=True)
class _Cell:
    """One cell: what is shown, and what it is sorted by."""

    text: str
    value: float | str
    style: str = ""


@dataclass(frozen=True)
class _Line:
    """One study of the table."""

    key: str
    href: str | None
    picture: str | None
    cells: tuple[_Cell, ...]


def cohort_html(rows: Sequence[Row], workspace: Workspace) -> str:
    """The page, self-contained: pictures, style and script are embedded."""
    scored = [row for row in rows if row["status"] == "scored"]
    failures = [row for row in rows if row["status"] in FAILURES]
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    labelled = any(row.get("subject_id") for row in rows)
    criteria = _criteria(scored)
    courses, course_problems = read_courses(workspace.folder)
    return page_template("cohort.html.j2").render(
        script=SCRIPT,
        script_sha256=digest,
        total=len(rows),
        scored=len(scored),
        skipped=[row for row in rows if row["status"] == "skipped"],
        failures=failures,
        failure_kinds=[(_WORDS[kind], n) for kind, n in Counter(_text(r, "status") for r in failures).most_common()],
        words=_WORDS,
        labelled=labelled,
        verdicts=_verdict_counts(scored),
        verdict_names=[name.replace("_", " ") for name in _VERDICTS],
        figures=_figures(scored),
        plots=cohort_plots(courses),
        course_problems=course_problems,
        columns=_columns(labelled, criteria),
        lines=[_line(row, workspace, criteria, labelled=labelled) for row in scored],
        protocol=_only(scored, "protocol"),
        amendment=_only(scored, "amendment"),
        version=_only(scored, "dotaliver_version"),
    )


def _text(row: Row, name: str) -> str:
    """A value as text; nothing where there is none."""
    return str(row.get(name) or "")


def _number(row: Row, name: str) -> float | None:
    """A value as a number; None where there is none."""
    value = row.get(name)
    return value if isinstance(value, int | float) else None


def _only(rows: Sequence[Row], name: str) -> str:
    """The one value of a column, or all of them."""
    return ", ".join(sorted({str(row[name]) for row in rows if row.get(name) is not None}))


def _verdict_counts(rows: Sequence[Row]) -> list[tuple[str, list[tuple[int, str]]]]:
    """Per criterion, how often each verdict was given and its share as a CSS width."""
    found = []
    for criterion in _criteria(rows):
        counts = Counter(row.get(f"{criterion}_verdict") for row in rows)
        total = max(1, sum(counts[name] for name in _VERDICTS))
        if any(counts[name] for name in _VERDICTS):
            shares = [(counts[name], f"{100 * counts[name] / total:.1f}%") for name in _VERDICTS]
            found.append((criterion, shares))
    return found


def _criteria(rows: Sequence[Row]) -> list[str]:
    """The criteria of the cohort's protocols, in the order in which the rows give them."""
    end = "_verdict"
    return list(dict.fromkeys(name.removesuffix(end) for row in rows for name in row if name.endswith(end)))


def _figures(rows: Sequence[Row]) -> list[tuple[str, Picture]]:
    """Histograms of burden and uptake, each only where there are values."""
    wanted = (
        ("burden_fraction", "Tumour burden of the liver (%)", 100.0),
        ("highest_suv_peak", "Highest SUVpeak of a lesion", 1.0),
        ("liver_suv_mean", "Normal liver, SUVmean", 1.0),
        ("highest_ratio_to_liver", "Highest SUVpeak / normal liver", 1.0),
    )
    found = []
    for name, title, scale in wanted:
        values = [scale * value for row in rows if (value := _number(row, name)) is not None]
        if values:
            found.append((title, _histogram(values, title)))
    return found


def _histogram(values: Sequence[float], title: str) -> Picture:
    from matplotlib.ticker import MaxNLocator

    figure = figure_of(3.6, 2.1)
    axes = figure.add_axes((0.14, 0.24, 0.83, 0.72))
    axes.hist(values, bins=min(24, max(6, round(len(values) ** 0.5) * 2)), color=_BAR, edgecolor=_EDGE)
    axes.set_xlabel(title, fontsize=8)
    axes.set_ylabel("Studies", fontsize=8)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    return png_of(figure, f"Histogram of {len(values)} studies: {title}")


# --- the table ---------------------------------------------------------------------------------------------------

_NUMBERS: tuple[tuple[str, str, float, int], ...] = (
    ("burden_fraction", "Burden (%)", 100.0, 1),
    ("tumour_ml", "Tumour (ml)", 1.0, 0),
    ("liver_ml", "Liver (ml)", 1.0, 0),
    ("lesions", "Lesions", 1.0, 0),
    ("highest_suv_peak", "Highest SUVpeak", 1.0, 1),
    ("highest_ratio_to_liver", "SUVpeak / liver", 1.0, 1),
    ("liver_suv_mean", "Liver SUVmean", 1.0, 1),
)


def _columns(labelled: bool, criteria: Sequence[str]) -> list[tuple[str, str]]:
    """Headings, and the style of their cells."""
    labels = ["Subject", "Visit"] if labelled else []
    words = ["Study", *labels, "Date", *criteria]
    numbers = [heading for _, heading, _, _ in _NUMBERS]
    return [*((name, "") for name in words), *((name, "n") for name in (*numbers, "Caveats"))]


def _line(row: Row, workspace: Workspace, criteria: Sequence[str], *, labelled: bool) -> _Line:
    key = _text(row, "key")
    cells = [_Cell(_text(row, n), _text(row, n)) for n in ("subject_id", "visit") if labelled]
    cells.append(_Cell(_text(row, "study_date"), _text(row, "study_date"), "k"))
    for criterion in criteria:
        verdict, effect = _text(row, f"{criterion}_verdict"), _text(row, f"{criterion}_effect")
        cells.append(_Cell(verdict.replace("_", " "), verdict, effect))
    for name, _, scale, digits in _NUMBERS:
        value = _number(row, name)
        cells.append(_Cell("", "", "n") if value is None else _Cell(f"{scale * value:.{digits}f}", value, "n"))
    flags = [flag for flag in _text(row, "flags").split("; ") if flag]
    cells.append(_Cell(str(len(flags)), len(flags), "n"))
    report = workspace.study(key) / REPORT
    return _Line(key, f"{key}/{REPORT}" if report.exists() else None, _picture(workspace, key), tuple(cells))


def _picture(workspace: Workspace, key: str) -> str | None:
    try:
        data = workspace.thumbnail(key).read_bytes()
    except OSError:
        return None
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"
