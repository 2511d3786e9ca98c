"""Lesions on both tracers in the viewer, and the FDG scan's candidates answered by keys."""

import weakref
from dataclasses import replace

import pytest
from fixtures.desk import close, show_score
from napari_dotaliver.reading.session import ReadingSession
from napari_dotaliver.widgets.fdg_list import FdgList
from napari_dotaliver.widgets.start import desk_of
from qtpy.QtCore import Qt

from dotaliver.pipeline import StudyInput


def with_candidate(outcome):
    """The comparison, with its first place shown as a focus that the FDG scan alone has; made so here."""
    netpet = outcome.score.netpet
    first = netpet.lesions[0].model_copy(
        update={"name": "F1", "sstr": "negative", "fdg": "positive", "grade": "P5", "state": "unanswered"}
    )
    lesions = (first, *netpet.lesions[1:])
    return replace(
        outcome, score=outcome.score.model_copy(update={"netpet": netpet.model_copy(update={"lesions": lesions})})
    )


@pytest.fixture
def listed(two_tracers, qtbot):
    session = ReadingSession(with_candidate(two_tracers), None)
    widget = FdgList(session, lambda: session.sign("A Reader", "radiologist"))
    qtbot.addWidget(widget)
    return widget


def test_grade_and_lesions_are_listed_with_both_uptakes(listed):
    assert listed.grade.text().startswith("NETPET grade, proposed: ")
    assert listed.rows.rowCount() == len(listed.lesions)
    second = listed.lesions[1]
    cells = [listed.rows.item(1, column).text() for column in range(listed.rows.columnCount())]
    assert cells[0] == second.name
    assert cells[3] == second.pattern
    assert cells[6] == f"{second.sstr_ratio_to_liver:.1f}"


def test_only_a_candidate_of_the_fdg_scan_is_answered_here(listed, qtbot):
    with qtbot.waitSignal(listed.changed):
        qtbot.keyClick(listed.rows, Qt.Key.Key_R)
    assert [(each.label, each.answer) for each in listed.session.edits.fdg.answers] == [(1, "rejected")]
    assert listed.rows.item(0, 1).text() == "rejected"
    listed.session.undo()
    listed.show_reading()
    assert listed.rows.item(0, 1).text() == "candidate"
    listed.rows.setCurrentCell(1, 0)
    assert not listed.accept_button.isEnabled()
    qtbot.keyClick(listed.rows, Qt.Key.Key_A)
    assert listed.session.edits.fdg is None


def test_a_row_leads_to_its_place(listed, qtbot):
    with qtbot.waitSignal(listed.place_chosen) as chosen:
        listed.rows.setCurrentCell(1, 0)
    assert chosen.args[0] == listed.lesions[1].centroid_lps_mm


def test_the_desk_shows_the_fdg_pet_over_the_ct_and_windows_it(make_napari_viewer, two_tracers, qtbot):
    viewer = make_napari_viewer(show=True)
    desk = weakref.proxy(desk_of(viewer))
    show_score(desk, StudyInput(two_tracers.folder, fdg=two_tracers.fdg), two_tracers)
    assert "FDG" in [desk.tabs.tabText(n) for n in range(desk.tabs.count())]
    view, layers = desk.view, desk.layers
    shown = []
    for _ in range(4):
        view.next_images()
        shown.append((view.images, layers.ct.visible, layers.pet.visible, layers.fdg.visible))
    assert shown == [
        ("PET", False, True, False),
        ("CT", True, False, False),
        ("FDG", True, False, True),
        ("fused", True, True, False),
    ]
    before = tuple(layers.pet.contrast_limits)
    for _ in range(3):
        view.next_images()
    view.show_window("pet_10")
    assert tuple(layers.fdg.contrast_limits) == (0.0, 10.0)
    assert tuple(layers.pet.contrast_limits) == before
    assert view.window_line.text().startswith("FDG SUV 0 to 10")
    close(viewer)
