"""A course of three scans: the table, the choice of two, and decisions that stay when others are shown."""

import pytest
from fixtures.accidents import befall, changes, entered
from fixtures.desk import put_away
from fixtures.visits import moved_images, three_visits
from napari_dotaliver.reading.visit_session import VisitSession
from napari_dotaliver.widgets.visit_course import VisitCourse
from napari_dotaliver.widgets.visits_window import VisitsWindow
from qtpy.QtWidgets import QApplication

from dotaliver.longitudinal import pair_answers


@pytest.fixture(scope="module")
def visits(outcome, tmp_path_factory):
    return three_visits(outcome, tmp_path_factory.mktemp("course"))


@pytest.fixture
def session(visits) -> VisitSession:
    session = VisitSession(visits)
    session.sign("A. Reader", "radiologist")
    return session


@pytest.fixture
def course(session, qtbot):
    widget = VisitCourse(session)
    qtbot.addWidget(widget)
    yield widget
    widget.close_down()


def cells(course, heading):
    table = course.table
    row = next(n for n in range(table.rowCount()) if table.item(n, 0).text().split(" ")[0] == heading)
    return [table.item(row, n).text() for n in range(1, table.columnCount())]


def test_there_is_a_column_for_each_visit_and_a_row_for_each_lesion(course, session):
    assert course.table.columnCount() == 4
    headings = [course.table.horizontalHeaderItem(n).text() for n in range(1, 4)]
    assert "baseline" in headings[0]
    assert "current" in headings[2]
    reading = session.pair.reading
    first = [course.table.item(n, 0).text().split(" ")[0] for n in range(course.table.rowCount())]
    assert first[-len(reading.lesions) :] == [lesion.lesion for lesion in reading.lesions]
    assert cells(course, "Response")[0] == ""
    assert cells(course, "Response")[2] == reading.time_points[-1].overall.response


def test_two_scans_are_chosen_the_earlier_one_on_the_left(course, qtbot):
    course.left.setCurrentIndex(2)
    course.right.setCurrentIndex(1)
    course.show_button.click()
    assert "earlier one on the left" in course.refusal.text()
    course.left.setCurrentIndex(1)
    course.right.setCurrentIndex(2)
    with qtbot.waitSignal(course.wanted) as asked:
        course.show_button.click()
    assert asked.args == [1, 2]
    assert course.refusal.isHidden()


def test_an_answer_is_seen_in_the_table_at_once(course, session):
    gone = next(row for row in session.rows if row.state == "gone")
    assert cells(course, gone.name)[2] == "not found"
    session.answer(gone.name, "gone")
    assert cells(course, gone.name)[2] == "0"


def test_wheel_focus_and_stray_keys_choose_no_other_scans(course, session):
    course.show()
    decided, before = session.edits, entered([course])
    befall([course])
    assert session.edits == decided
    assert changes(before, entered([course])) == []


@pytest.fixture
def window(qapp):
    window = VisitsWindow()
    yield window
    put_away(window)


def test_decisions_stay_when_two_other_scans_are_shown(window, visits, outcome, qtbot, monkeypatch):
    monkeypatch.setattr("dotaliver.pipeline.visits.images_of_score", lambda *_: moved_images(outcome))
    shown = window.show_visits(visits)
    session = shown.session
    session.sign("A. Reader", "radiologist")
    gone = next(row for row in session.rows if row.state == "gone")
    session.answer(gone.name, "gone")
    with qtbot.waitSignal(window.choosing.done, timeout=120_000):
        window.show_others(0, 1)
    QApplication.processEvents()
    now = window.comparison
    assert now is not shown
    assert now.session is session
    assert session.pair.shown == (0, 1)
    assert "2024" in now.views.views[1].heading.text()
    assert session.edits.of(gone.name).on, "the answer on the third scan stays"
    assert pair_answers.answer_of(session.compared, gone.name) is None, "which says nothing of the second"
    assert session.can_undo
    session.undo()
    assert not session.edits.of(gone.name).on


def test_a_blinded_course_shows_numbers_of_scans_and_no_date(window, visits):
    window.show()
    shown = window.show_visits(visits, case="C07")
    QApplication.processEvents()
    from qtpy.QtWidgets import QLabel, QTableWidget, QTextBrowser

    words = [window.windowTitle(), *(each.text() for each in window.findChildren(QLabel))]
    words += [each.toPlainText() for each in window.findChildren(QTextBrowser)]
    for table in window.findChildren(QTableWidget):
        items = [table.item(row, column) for row in range(table.rowCount()) for column in range(table.columnCount())]
        words += [text for item in items if item is not None for text in (item.text(), item.toolTip())]
        words += [table.horizontalHeaderItem(n).text() for n in range(table.columnCount())]
    words += [row.why for row in shown.session.rows]
    assert "Case C07" in words
    assert "Earlier scan 1 · baseline" in words
    assert "Later scan 3 · current" in words
    assert any("first seen on scan 2" in word for word in words)
    days = [scan.on.isoformat() for scan in visits.pair.given]
    assert not [word for word in words for day in days if day in word]
