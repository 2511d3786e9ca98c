"""The bar that is seen while work goes on."""

from napari_dotaliver.widgets.busy_bar import BusyBar


def test_the_bar_moves_by_itself_while_it_is_seen_and_not_all_the_time(qtbot):
    bar = BusyBar()
    qtbot.addWidget(bar)
    assert not bar._timer.isActive()
    bar.show()
    assert bar.minimum() < bar.maximum(), "without a range Qt moves it all the time"
    assert bar._timer.interval() >= 1000
    with qtbot.waitSignal(bar.valueChanged, timeout=300_000):
        pass
    seen = set()
    for _ in range(2 * bar.maximum()):
        bar._timer.timeout.emit()
        seen.add(bar.value())
    assert seen == set(range(1, bar.maximum() + 1)), "it begins again where it was full"
    bar.hide()
    assert not bar._timer.isActive()
