"""Work in a thread leaves Qt's objects to the window's thread."""

from __future__ import annotations

import gc
import threading

import pint
from napari_dotaliver.widgets.background import Background, load_units
from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QApplication

MANY = 20_000


class Knot(QObject):
    """A Qt object that only the garbage collector can end."""

    def __init__(self, ended_in: list[int]) -> None:
        super().__init__()
        self.itself = self
        self.ended_in = ended_in

    def __del__(self) -> None:
        self.ended_in.append(threading.get_ident())


def test_garbage_of_qt_is_collected_in_the_window_s_thread(qtbot):
    ended_in: list[int] = []
    allocated = threading.Event()

    def allocate(_progress) -> int:
        # As many containers as would make Python collect many times over in this thread.
        kept = [[number] for number in range(MANY)]
        allocated.set()
        qtbot_waits.wait(5)
        return len(kept)

    qtbot_waits = threading.Event()
    background = Background()
    for _ in range(50):
        Knot(ended_in)
    with qtbot.waitSignal(background.done) as done:
        background.run(allocate)
        qtbot.waitUntil(allocated.is_set)
        qtbot.waitUntil(lambda: len(ended_in) == 50, timeout=300_000)
        qtbot_waits.set()
    assert done.args == [MANY]
    assert set(ended_in) == {threading.get_ident()}


def test_python_collects_by_itself_again_when_the_work_is_over(qtbot):
    background = Background()
    for failing in (False, True):
        with qtbot.waitSignal(background.failed if failing else background.done):
            background.run(lambda _progress, failing=failing: 1 / (0 if failing else 1))
        qtbot.waitUntil(gc.isenabled)


def test_work_called_off_goes_on_without_collecting_until_it_ends(qtbot):
    background, go_on = Background(), threading.Event()
    background.run(lambda _progress: go_on.wait(5))
    background.cancel()
    assert not gc.isenabled()
    go_on.set()
    qtbot.waitUntil(gc.isenabled)


def test_whoever_asked_may_be_destroyed_while_the_work_ends(qtbot):
    for _ in range(100):
        parent, started, go_on = QObject(), threading.Event(), threading.Event()
        background = Background(parent)

        def work(tell, started=started, go_on=go_on) -> int:
            started.set()
            go_on.wait(5)
            for number in range(50):
                tell(f"step {number}")
            return 1

        background.run(work)
        assert started.wait(5)
        go_on.set()
        parent.deleteLater()
        QApplication.sendPostedEvents(parent, QEvent.Type.DeferredDelete.value)
    qtbot.waitUntil(gc.isenabled)


def test_units_are_loaded_before_the_first_layer_needs_them():
    load_units()
    # A registry that is not loaded yet is of another class, which loads the table when a unit is asked for.
    assert type(pint.get_application_registry().get()) is pint.UnitRegistry
