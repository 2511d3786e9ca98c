"""What `dotaliver inspect` found, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dotaliver.pipeline.inspection import InspectedFdg, Inspection, SeriesLine, UptakeStatistics

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

__all__ = ["inspection_tables"]

_YES_NO = {True: "yes", False: "no", None: ""}


def _cell(value: object) -> Text:
    """A cell of plain text: headers may hold what rich would take for markup."""
    from rich.text import Text

    return Text("" if value is None else str(value))


def _table(title: str, columns: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    return table


def _series_row(line: SeriesLine) -> tuple[object, ...]:
    matrix = f"{line.rows} × {line.columns}" if line.rows and line.columns else ""
    spacing = "" if line.spacing_mm is None else " × ".join(f"{mm:.2f}" for mm in line.spacing_mm)
    used = {"pet": "as PET", "ct": "as CT", None: "no"}[line.used_as]
    corrected = _YES_NO[line.attenuation_corrected]
    return (
        line.number,
        line.modality,
        line.description,
        line.slices,
        matrix,
        spacing,
        line.units,
        corrected,
        used,
        line.reason,
    )


def _fdg_row(pet: InspectedFdg) -> tuple[object, ...]:
    days = "unknown" if pet.days is None else f"{pet.days:+d}" if pet.days else "0"
    return (pet.number, pet.description, pet.study_date, days, _YES_NO[pet.usable], pet.reason)


def _statistics_row(name: str, s: UptakeStatistics) -> tuple[object, ...]:
    return (name, f"{s.min:.2f}", f"{s.median:.2f}", f"{s.mean:.2f}", f"{s.max:.2f}", s.voxels)


def inspection_tables(inspection: Inspection) -> Group:
    """The inspection as rich tables, to be printed on a terminal."""
    from rich.console import Group

    columns = (
        "No.",
        "Modality",
        "Description",
        "Slices",
        "Matrix",
        "Spacing (mm)",
        "Units",
        "Att. corr.",
        "Chosen",
        "Reason",
    )
    parts: list[Table | Text] = [_table("Series", columns, [_series_row(line) for line in inspection.series])]
    if inspection.fdg:
        headings = ("No.", "Description", "Date", "Days", "Usable", "Reason")
        parts.append(_table("FDG PET", headings, [_fdg_row(pet) for pet in inspection.fdg]))
    if inspection.refused is not None:
        parts.append(_cell(f"Cannot be scored: {inspection.refused}"))
    if inspection.suv is not None:
        suv = inspection.suv
        if suv.arithmetic is not None:
            steps = [(s.quantity, s.value, s.source) for s in suv.arithmetic.steps]
            parts.append(_table("SUV calculation", ("Quantity", "Value", "Source"), steps))
        title = "relative units" if suv.arithmetic is None else f"SUV ({suv.arithmetic.normalisation})"
        rows = [_statistics_row("whole image", suv.image)]
        if suv.within_mask is not None:
            rows.append(_statistics_row(f"within the mask ({suv.mask})", suv.within_mask))
        parts.append(
            _table(title[:1].upper() + title[1:], ("", "Minimum", "Median", "Mean", "Maximum", "Voxels"), rows)
        )
    if inspection.flags:
        parts.append(_table("Caveats", ("Caveat", "Code"), [(f.sentence, f.code) for f in inspection.flags]))
    return Group(*parts)
