"""Lesions on both tracers in the viewer, and the FDG scan's candidates answered by keys."""

import weakref
from dataclasses import replace

import pytest
from fixtures.desk import PATIENCE_MS, close, show_score
from napari_dotaliver.reading.session import ReadingSession
from napari_dotaliver.widgets.fdg_list import FdgList
from napari_dotaliver.widgets.start import desk_of
from qtpy.QtCore import Qt

from dotaliver.errors import StudyError
from dotaliver.pipeline import StudyInput, fdg_comparison


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


def test_scans_too_many_days_apart_are_refused(outcome, two_tracers):
    netpet = outcome.score.config.netpet.model_copy(update={"most_days": -1})
    config = outcome.score.config.model_copy(update={"netpet": netpet})
    given = replace(outcome, score=outcome.score.model_copy(update={"config": config}))
    with pytest.raises(StudyError, match=r"was acquired \d+ days (after|before) the PET that is scored"):
        fdg_comparison.compare_with_fdg(given, two_tracers.fdg)


def test_a_row_leads_to_its_place(listed, qtbot):
    with qtbot.waitSignal(listed.place_chosen) as chosen:
        listed.rows.setCurrentCell(1, 0)
    assert chosen.args[0] == listed.lesions[1].centroid_lps_mm


def test_an_fdg_scan_is_named_on_its_tab_and_shown_over_the_ct(
    make_napari_viewer, outcome, two_tracers, qtbot, monkeypatch
):
    # The search is looked at elsewhere; here it gives what it gave.
    monkeypatch.setattr(
        fdg_comparison,
        "with_fdg_searched",
        lambda _volumes, found, *_: replace(found, fdg=two_tracers.segmentations.fdg),
    )
    viewer = make_napari_viewer(show=True)
    desk = weakref.proxy(desk_of(viewer))
    show_score(desk, StudyInput(outcome.folder), outcome)
    tab = desk.fdg
    assert desk.tabs.tabText(desk.tabs.indexOf(tab)) == "FDG"
    with qtbot.waitSignal(desk.comparing.failed, timeout=PATIENCE_MS):
        tab.choose(outcome.folder)
    assert "is the PET that is scored; give the FDG PET/CT" in tab.message.text()
    assert "--fdg" not in tab.message.text() and desk.fdg is tab
    desk.session.sign("A Reader", "radiologist")
    desk.session.mark_lesion(desk.session.score.lesions[0].label, "treated")
    tab.choose(two_tracers.fdg)
    assert "Save the reading" in tab.message.text() and not desk.comparing.busy
    desk.session.undo()
    desk.session._saved = desk.session.state
    with qtbot.waitSignal(desk.comparing.done, timeout=PATIENCE_MS):
        tab.choose(two_tracers.fdg)
    assert desk.session.score.netpet == two_tracers.score.netpet
    assert (desk.session.reader.name, desk.session.signed) == ("A Reader", True)
    assert desk.session.revision(desk.session.score).fdg == two_tracers.fdg
    assert desk.tabs.currentWidget() is desk.fdg and isinstance(desk.fdg, FdgList)
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
