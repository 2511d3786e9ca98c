"""The table of lesions says which are proposed as targets, and why."""

import pytest
from napari_dotaliver.widgets.lesion_table import LesionTable


@pytest.fixture
def table(outcome, qtbot) -> LesionTable:
    """The phantom's lesions."""
    widget = LesionTable()
    qtbot.addWidget(widget)
    widget.show_score(outcome.score)
    return widget


def column_of(table: LesionTable, heading: str) -> int:
    names = [table.table.horizontalHeaderItem(n).text() for n in range(table.table.columnCount())]
    return names.index(heading)


def test_the_two_largest_measured_lesions_of_the_liver_are_targets_with_the_reason(table, outcome):
    measured = [lesion for lesion in outcome.score.lesions if lesion.diameter_source == "ct" and lesion.in_liver]
    clear = [lesion for lesion in measured if not lesion.flags]
    largest = max(clear or measured, key=lambda lesion: lesion.longest_diameter_mm)
    said = {
        int(table.table.item(row, 0).text()): table.table.item(row, column_of(table, "Target")).text()
        for row in range(table.table.rowCount())
        if table.table.item(row, 0).text().isdigit()
    }
    assert sum(word == "yes" for word in said.values()) == min(2, len(measured))
    assert said[largest.label] == "yes"
    assert all(said[lesion.label] == "–" for lesion in outcome.score.lesions if lesion.diameter_source == "pet")
    table.choose([largest.label])
    assert "Proposed target: among the largest measurable lesions of the liver" in table.details.text()
