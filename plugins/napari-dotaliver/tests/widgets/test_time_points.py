"""The way into the comparison of two scans: from the tab, from the command line, from the folders of two scores."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest
from fixtures.desk import put_away
from fixtures.visits import two_scans
from napari_dotaliver.reading import course_scans
from napari_dotaliver.reading.visit_session import VisitSession
from napari_dotaliver.widgets import start
from napari_dotaliver.widgets.time_points import TimePointsWidget
from napari_dotaliver.widgets.visits_window import VisitsGiven, VisitsWindow
from qtpy.QtWidgets import QApplication

from dotaliver.config.criteria import RecistConfig
from dotaliver.errors import ConfigError, CourseError
from dotaliver.longitudinal.edits import CourseEdits
from dotaliver.pipeline import StudyInput, read_record, save, score_study
from dotaliver.pipeline.visits import (
    Visit,
    Visits,
    open_visits,
    require_scans_of_one_patient,
    response_folder,
    save_visits,
    saved_decisions,
)
from dotaliver.records.edits import Reader

PATIENCE_MS = 90_000


@pytest.fixture(scope="session")
def scored_later(study, tmp_path_factory) -> Path:
    """The same patient, half a year later, scored."""
    folder = Path(shutil.copytree(study, tmp_path_factory.mktemp("later") / "study"))
    for path in folder.rglob("*.dcm"):
        dataset = pydicom.dcmread(path)
        dataset.StudyDate, dataset.StudyInstanceUID = "20990704", "1.2.826.0.1.3680043.8.498.77.2"
        dataset.save_as(path)
    out = folder.parent / "score"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dotaliver.export.outputs.report_html", lambda *_: "<html></html>")
        save(score_study(StudyInput(folder)), out)
    return out


@pytest.fixture(scope="session")
def opened(scored, scored_later) -> Visits:
    """Both scores read from their folders, with their images."""
    return open_visits((scored_later, scored), CourseEdits(), RecistConfig(), lambda _stage: None)


def test_two_folders_are_read_in_time_order_with_their_images(opened, session):
    assert opened.earlier.on < opened.later.on
    assert opened.earlier.volumes.pet.geometry.shape == opened.later.volumes.pet.geometry.shape
    # The same voxels on both days: every lesion is itself, surely.
    assert {row.state for row in opened.pair.rows} == {"same"}
    assert len(opened.pair.rows) == len(session.score.lesions)


def test_decisions_are_found_again_where_they_were_saved(opened, tmp_path, monkeypatch):
    monkeypatch.setattr("dotaliver.pipeline.followup.response_html", lambda *_: "<html></html>")
    folder = tmp_path / "response"
    assert saved_decisions(folder, opened) is None
    with pytest.raises(CourseError, match="not signed"):
        save_visits(opened.pair, CourseEdits(), folder, lambda _stage: None)
    edits = CourseEdits(reader=Reader(name="A. Reader"), targets=("L01",))
    save_visits(opened.pair, edits, folder, lambda _stage: None)
    assert saved_decisions(folder, opened) == edits
    others = replace(
        opened, later=replace(opened.later, score=opened.later.score.model_copy(update={"record_id": "0" * 64}))
    )
    with pytest.raises(CourseError, match="other records"):
        saved_decisions(folder, others)
    assert response_folder(Path("scans/week12")) == Path("scans/week12-response")


def test_one_study_twice_and_two_patients_are_refused_before_images_are_read(scored, scored_later, tmp_path, outcome):
    with pytest.raises(CourseError, match="same study"):
        require_scans_of_one_patient((scored, scored))
    require_scans_of_one_patient((scored, scored_later))
    pair = two_scans(outcome, tmp_path, patient="P2")
    images = (outcome.opened.volumes, outcome.opened.volumes)
    with pytest.raises(CourseError, match="two patients by their Patient IDs"):
        open_visits(pair, CourseEdits(), RecistConfig(), lambda _stage: None, images)


def test_the_tab_asks_for_a_saved_reading_and_opens_the_comparison_beside_it(qtbot, session, opened, monkeypatch):
    widget = TimePointsWidget(session)
    qtbot.addWidget(widget)
    session.sign("A Reader", "radiologist")
    session.mark_lesion(session.score.lesions[0].label, "treated")
    assert not widget.compare_button.isEnabled()
    assert widget.add(opened.later.folder)
    titles = [widget.scans.item(n).text() for n in range(widget.scans.count())]
    assert titles == [f"{opened.earlier.on} · this reading", f"{opened.later.on} · {opened.later.folder.name}"]
    widget.compare_button.click()
    assert "Save the reading" in widget.message.text() and widget.window_of_visits is None
    session.undo()
    session._saved = session.state
    widget.compare_button.click()
    window = widget.window_of_visits
    assert window.parent() is None and not window.isModal()
    qtbot.waitUntil(lambda: not window.work.busy, timeout=PATIENCE_MS)
    assert window.comparison.session.visits.later.folder == opened.later.folder
    # The reading goes on beside it, and the tab says that the comparison does not.
    session.mark_lesion(session.score.lesions[0].label, "treated")
    assert "as it was saved before" in widget.message.text()
    # What is decided there is asked about before the reading is left.
    decided = window.comparison.session
    decided.sign("A Reader", "radiologist")
    decided.answer(decided.rows[0].name, "unsure")
    monkeypatch.setattr("napari_dotaliver.widgets.visits_window.ask_about_unsaved", lambda *_: "cancel")
    assert not widget.may_leave(lambda: None)
    monkeypatch.setattr("napari_dotaliver.widgets.visits_window.ask_about_unsaved", lambda *_: "discard")
    assert widget.may_leave(lambda: None)
    widget.close_down()
    put_away(window)


def score_in(folder: Path, scored: Path, *, on: str, uid: str) -> Path:
    """The folder of a score as far as its record goes, of another study."""
    folder.mkdir(parents=True)
    record = read_record(scored)
    study = record.study.model_copy(update={"study_date": on, "study_instance_uid": uid})
    changed = record.model_copy(update={"study": study})
    (folder / "score.json").write_text(changed.with_record_id().to_json())
    return folder


@pytest.fixture
def patients(monkeypatch, outcome) -> dict[str, str]:
    """Whose the scores in folders are, by the folder's name; of this patient where it is not named."""
    known: dict[str, str] = {}
    own = outcome.opened.volumes.patient_id
    monkeypatch.setattr(course_scans, "patient_of", lambda folder, _score: known.get(folder.name, own))
    return known


def test_a_course_is_put_together_by_date_from_folders_or_the_folder_above(qtbot, session, scored, tmp_path, patients):
    for name, on in (("week24", "2101-03-01"), ("week12", "2100-11-01")):
        score_in(tmp_path / name, scored, on=on, uid=f"1.2.3.{on[:4]}")
    widget = TimePointsWidget(session)
    qtbot.addWidget(widget)
    assert widget.add(tmp_path), widget.message.text()
    assert [folder.name for folder in widget.folders] == ["week12", "week24"]
    assert widget.scans.item(0).text().endswith("this reading")
    assert not widget.add(tmp_path) and "in the list already" in widget.message.text()
    widget.scans.setCurrentRow(0)
    assert not widget.remove_button.isEnabled(), "the scan that is read stays"
    widget.scans.setCurrentRow(1)
    widget.remove_button.click()
    assert [folder.name for folder in widget.folders] == ["week24"]
    asked = []
    widget.compare = asked.append
    widget.compare_button.click()
    assert asked == [widget.folders]
    widget.close_down()


def test_what_cannot_join_the_course_is_refused_by_a_sentence(qtbot, session, scored, tmp_path, patients):
    own = session.score.study
    patients["other"] = "ANOTHER"
    refused = {
        "empty": (None, None, "no score is in this folder"),
        "other": ("2101-03-01", "1.2.3.4", "another patient by its Patient ID"),
        "same": ("2101-03-01", own.study_instance_uid, "same study as this reading"),
        "day": (own.study_date, "1.2.3.5", "which came first is not known"),
        "undated": (None, "1.2.3.6", "the study has no date"),
    }
    widget = TimePointsWidget(session)
    qtbot.addWidget(widget)
    for name, (on, uid, why) in refused.items():
        folder = tmp_path / name
        if uid is None:
            folder.mkdir()
        else:
            score_in(folder, scored, on=on, uid=uid)
        assert not widget.add(folder)
        assert why in widget.message.text() and name in widget.message.text().lower()
    assert widget.folders == () and not widget.compare_button.isEnabled()
    widget.close_down()


def test_the_command_line_opens_the_comparison(qapp, qtbot, monkeypatch, opened, scored, scored_later):
    asked = []
    monkeypatch.setattr("napari.run", lambda: asked.append("run"))
    monkeypatch.setattr(VisitsWindow, "open", lambda _self, given: asked.append(given))
    from dotaliver.config.scoring import ScoringConfig

    start.view(StudyInput(scored), ScoringConfig(), later=scored_later)
    given, ran = asked
    assert isinstance(given, VisitsGiven) and tuple(given.scans) == (scored, scored_later) and ran == "run"


def test_scans_that_cannot_be_registered_are_shown_unlinked_with_the_sentence(qapp, opened):
    why = "score: there is no liver outline to register"
    window = VisitsWindow()
    window.show()
    shown = window.show_visits(Visits(opened.earlier, opened.later, None, why))
    QApplication.processEvents()
    assert shown.link_line.text() == f"S{why[1:]}. The scans are shown, but not linked and not compared."
    before = tuple(shown.views.views[1].model.dims.point)
    shown.views.views[0].model.dims.set_current_step(0, 2)
    assert tuple(shown.views.views[1].model.dims.point) == before
    assert not shown.list.isVisible() and not shown.save_button.isEnabled()
    with pytest.raises(ConfigError, match="cannot be compared"):
        shown.session.answer("L01", "same")
    put_away(window)


def test_a_blinded_case_shows_its_code_alone(qapp, opened):
    window = VisitsWindow()
    window.show()
    shown = window.show_visits(opened, case="C07")
    QApplication.processEvents()
    from qtpy.QtWidgets import QLabel, QTextBrowser

    words = [each.text() for each in window.findChildren(QLabel)]
    words += [each.toPlainText() for each in window.findChildren(QTextBrowser)] + [window.windowTitle()]
    words += [shown.list.rows.horizontalHeaderItem(n).text() for n in range(shown.list.rows.columnCount())]
    assert "Case C07" in words
    hidden = (opened.earlier.volumes.patient_id, str(opened.earlier.on), str(opened.later.on), "days later")
    assert not [word for word in words for secret in hidden if secret in word]
    put_away(window)


def test_a_session_without_a_pair_has_nothing_to_decide(opened):
    session = VisitSession(Visits(opened.earlier, opened.later, None, "why"))
    assert session.rows == () and session.reading is None and not session.dirty
    with pytest.raises(ConfigError, match="no response to save"):
        session.saving(Path("anywhere"))


def test_an_oblique_scan_is_drawn_upright_and_read_on_its_own_grid(qapp, opened):
    from napari_dotaliver.view.scan_view import ScanView

    from dotaliver.image.geometry import Geometry

    def tilted(grid):
        c, s = np.cos(np.radians(10.0)), np.sin(np.radians(10.0))
        turn = np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
        affine = np.array(grid.affine)
        affine[:3] = turn @ affine[:3]
        return Geometry.from_affine(grid.shape, affine, grid.frame_of_reference_uid)

    visit = opened.earlier
    volumes = replace(visit.volumes, pet=visit.volumes.pet.placed(tilted(visit.volumes.pet.geometry)), ct=None)
    lesions = visit.lesions.placed(tilted(visit.lesions.geometry))
    view = ScanView(Visit(visit.folder, visit.score, visit.on, volumes, lesions, None), "tilted")
    assert np.allclose(view.pet.affine.rotate, np.eye(3))
    index = (5, 12, 9)
    place = volumes.pet.geometry.index_to_lps(index)
    assert view.words_at(place).startswith(f"SUV {float(volumes.pet.array[index]):.1f}")
    view.close_down()
    view.deleteLater()


def test_of_a_case_the_decisions_alone_are_written(opened, tmp_path):
    session = VisitSession(opened, "C07")
    session.sign("A Reader", "radiologist")
    session.answer("L01", "unsure")
    made = session.saving(tmp_path)(lambda _stage: None)
    session.saved(tmp_path, session.edits, made)
    assert [path.name for path in tmp_path.iterdir()] == ["course_edits.json"]
    assert saved_decisions(tmp_path, opened, checked=False) == session.edits
    assert not session.provisional


def test_a_case_is_compared_once_its_other_scan_is_read(qtbot, session):
    def case(*unread: int, scans: int = 2):
        return SimpleNamespace(folders=("a",) * scans, scan=0, unread=unread)

    for given, says in (
        (case(1), "Read and save scan 2 of"),
        (case(1, 2, scans=3), "Read and save scans 2 and 3 of"),
        (case(2, scans=3), "Read and save scan 3 of"),
    ):
        widget = TimePointsWidget(session, given)
        qtbot.addWidget(widget)
        assert widget.scans.isHidden(), "a case has its own scans"
        widget.compare_button.click()
        assert says in widget.message.text() and widget.window_of_visits is None


def test_a_case_of_three_scans_opens_as_a_course(qtbot, session, scored, monkeypatch, tmp_path):
    given = []
    monkeypatch.setattr(VisitsWindow, "open", lambda _self, what: given.append(what))
    folders = tuple(tmp_path / f"scan-{n}" for n in (1, 2, 3))
    for folder in folders:
        folder.mkdir()
    case = SimpleNamespace(
        folders=folders,
        scan=1,
        unread=(),
        case=SimpleNamespace(code="C07"),
        course_edits=tmp_path / "course_edits.json",
    )
    widget = TimePointsWidget(session, case)
    qtbot.addWidget(widget)
    assert "The 3 scans of the case as one course" in widget.message.text()
    assert widget.compare_button.text() == "Compare with the other scans"
    widget.compare_button.click()
    (opened,) = given
    assert [scan if isinstance(scan, Path) else scan.folder for scan in opened.scans] == [
        scored, folders[0], folders[2]
    ]  # fmt: skip
    assert len(opened.images) == 3
    assert opened.images[0] is session.volumes
    assert (opened.case, opened.folder) == ("C07", tmp_path)
    widget.close_down()


def test_a_case_of_one_scan_has_nothing_to_compare(qtbot, session):
    widget = TimePointsWidget(session, SimpleNamespace(folders=("a",), scan=0, unread=()))
    qtbot.addWidget(widget)
    assert "single scan" in widget.message.text()
    assert not widget.compare_button.isEnabled()
    widget.close_down()
