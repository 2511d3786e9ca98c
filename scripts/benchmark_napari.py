#!/usr/bin/env python3
"""The desk on a clinical matrix: memory, first picture, pauses, and frame times beside napari without the desk.

    xvfb-run -a -s "-screen 0 1920x1200x24" python scripts/benchmark_napari.py [--study FOLDER] [--no-score] [--edits]

Without --study a phantom with a CT of 512 x 512 x 350 and a PET of 200 x 200 x 350 is made. The folder of a score is
opened as a reading. With --edits only what an edit costs is measured: marks, undo, deletion and painting in processor
time of the window's thread, which a busy machine does not change, and the measurement that follows in that of all.
Needs napari-dotaliver (plugins/napari-dotaliver) installed, and a screen; Xvfb draws with Mesa's software renderer. A
frame is counted when the main canvas was drawn; the same images and masks in a plain napari window are the peer, in the
same run.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

MEMORY_LIMIT_GB, FIRST_PICTURE_LIMIT_S = 2.5, 3.0
FRAMES = 60
MAKE = """
import sys
from pathlib import Path
from dotaliver.phantom.presets import preset
from dotaliver.phantom.study import make_phantom
from dotaliver.phantom.writer import write_study
full = {"ct_slice_mm": 2.0, "pet_slice_mm": 2.0, "ct_bottom_mm": -400.0, "ct_top_mm": 300.0}
full |= {"pet_bottom_mm": -400.0, "pet_top_mm": 300.0}
spec = preset("moderate", 1, "clinical")
spec = spec.model_copy(update={"scanner": spec.scanner.model_copy(update=full)})
write_study(make_phantom(spec), Path(sys.argv[1]))
"""


def peak_gb() -> float:
    """The most memory that this process has had, in GB (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


@contextmanager
def longest_pause() -> Iterator[list[float]]:
    """How long the window did not answer, at the longest, in s."""
    from qtpy.QtCore import QTimer

    found, last = [0.0], [time.perf_counter()]

    def tick() -> None:
        now = time.perf_counter()
        found[0] = max(found[0], now - last[0])
        last[0] = now

    timer = QTimer()
    timer.timeout.connect(tick)
    timer.start(5)
    yield found
    timer.stop()


def wait_while(busy: Callable[[], bool]) -> float:
    """Run the window until something is over; returns how long that took, in s."""
    from qtpy.QtWidgets import QApplication

    start = time.perf_counter()
    while busy():
        QApplication.processEvents()
        time.sleep(0.001)
    return time.perf_counter() - start


class Frames:
    """Times from a change until the main canvas was drawn."""

    def __init__(self, viewer: Any) -> None:
        self._drawn = 0
        self.moments: list[float] = []
        self.viewer = viewer
        canvas = viewer.window._qt_viewer.canvas
        canvas._scene_canvas.events.draw.connect(self._on_draw)

    def _on_draw(self, _event: object) -> None:
        self._drawn += 1
        self.moments.append(time.perf_counter())

    def after(self, change: Callable[[], None]) -> float:
        """Seconds from a change until a frame with it was drawn and everything else was done."""
        from qtpy.QtWidgets import QApplication

        before, start = self._drawn, time.perf_counter()
        change()
        while self._drawn == before and time.perf_counter() - start < 5:
            QApplication.processEvents()
        QApplication.processEvents()
        return time.perf_counter() - start

    def scroll(self, axis: int) -> list[float]:
        """Frame times of scrolling through the middle of an axis."""
        dims = self.viewer.dims
        middle, step = sum(dims.range[axis][:2]) / 2, dims.range[axis].step
        return [self.after(lambda n=n: dims.set_point(axis, middle + (n - FRAMES / 2) * step)) for n in range(FRAMES)]

    def paint(self, labels: Any) -> list[float]:
        """Frame times of a brush of ten voxels that is drawn over the middle slice."""
        centre = [int(n) for n in labels.world_to_data(self.viewer.dims.point)]
        labels.brush_size, labels.selected_label = 10, 1
        labels.mode = "paint"
        return [
            self.after(lambda n=n: labels.paint((centre[0], centre[1], centre[2] + n - 30), 1)) for n in range(FRAMES)
        ]


def show(name: str, ours: list[float], plain: list[float]) -> None:
    """A line of the table: median and 95th percentile of both, and their ratio."""
    figures = []
    for times in (ours, plain):
        figures += [1000 * statistics.median(times), 1000 * sorted(times)[int(0.95 * len(times))]]
    ratio = figures[0] / figures[2]
    print(f"{name:34s} {figures[0]:7.0f} {figures[1]:7.0f} {figures[2]:9.0f} {figures[3]:7.0f} {ratio:8.2f}")


def plain_window(layers: list[Any]) -> Any:
    """The same images and masks in napari without the desk."""
    import napari
    from napari.layers import Layer

    viewer = napari.Viewer(show=True)
    viewer.window.resize(1680, 1000)
    for layer in layers:
        data, meta, kind = layer.as_layer_data_tuple()
        viewer.layers.append(Layer.create(data, {**meta, "metadata": {}}, kind))
    return viewer


def frame_times(desk: Any) -> None:
    """Scrolling and painting at the desk, and in napari alone."""
    from napari_dotaliver.view.orientation import show_plane

    masks = [layer for layer in (desk.layers.liver, desk.layers.lesions) if layer is not None]
    shown = [layer for layer in (desk.layers.ct, desk.layers.pet, *masks) if layer is not None]
    ours, rows = Frames(desk.viewer), {}
    for name, axis in (("axial", 0), ("coronal", 1), ("sagittal", 2)):
        desk.show_plane(name)
        rows[f"scroll, {name}, with the planes"] = (ours.scroll(axis), axis)
    desk.view.toggle_planes()
    for name, axis in (("axial", 0), ("coronal", 1)):
        desk.show_plane(name)
        rows[f"scroll, {name}, planes hidden"] = (ours.scroll(axis), axis)
    desk.view.toggle_planes()
    desk.show_plane("axial")
    painted = ours.paint(desk.layers.lesions) if desk.layers.lesions is not None else []
    alone = Frames(plain_window(shown))
    print(f"{'milliseconds per frame':34s} {'desk':>7s} {'p95':>7s} {'napari':>9s} {'p95':>7s} {'ratio':>8s}")
    for name, (times, axis) in rows.items():
        show_plane(alone.viewer, ("axial", "coronal", "sagittal")[axis])
        show(name, times, alone.scroll(axis))
    if painted:
        show_plane(alone.viewer, "axial")
        show("paint lesions, axial", painted, alone.paint(alone.viewer.layers["Lesions"]))
    alone.viewer.close()


EDIT_LIMIT_S, LESION_LIMIT_S, LIVER_LIMIT_S = 0.1, 1.0, 3.0


def settle() -> None:
    """Let the window do all that waits to be done."""
    from qtpy.QtWidgets import QApplication

    for _ in range(20):
        QApplication.processEvents()


class Drawing:
    """Processor time that the canvases draw: with a software renderer, which draws in the window's own thread."""

    def __init__(self) -> None:
        from vispy.app.backends._qt import CanvasBackendDesktop

        self.seconds = 0.0
        draw = CanvasBackendDesktop.paintGL

        def timed(canvas: Any) -> None:
            start = time.thread_time()
            draw(canvas)
            self.seconds += time.thread_time() - start

        CanvasBackendDesktop.paintGL = timed


def _spent(act: Callable[[], object], drawing: Drawing) -> tuple[float, float, float]:
    """Processor time in s of an act on the window's thread, of all that the window then does, and of its drawing."""
    start, drawn = time.thread_time(), drawing.seconds
    act()
    acted = time.thread_time() - start
    settle()
    drawn = drawing.seconds - drawn
    return acted, time.thread_time() - start - drawn, drawn


def _measured(desk: Any) -> tuple[float, float]:
    """Processor time from an edit until it is measured: of the whole process, and of the window's thread alone."""
    start, own = time.process_time(), time.thread_time()
    if desk.session.stale and not desk.tools.remeasuring.work.busy:
        desk.tools.remeasure()
    wait_while(lambda: desk.session.stale or desk.tools.remeasuring.work.busy)
    return time.process_time() - start, time.thread_time() - own


def edit_times(desk: Any) -> None:
    """What edits cost on the window's thread, and until they are measured."""
    session, tools = desk.session, desk.tools
    ranked = sorted((n for n in session.score.lesions), key=lambda n: -n.volume_ml)
    middle, small = ranked[len(ranked) // 2].label, ranked[-1].label

    def place(layer: Any, label: int) -> tuple[int, ...]:
        where = np.argwhere(np.asarray(layer.data) == label)
        return tuple(int(n) for n in where[int(np.argmax(where @ np.array([0, 1, 1])))])

    def paint(layer: Any, label: int, where: tuple[int, ...]) -> None:
        layer.selected_label, layer.brush_size = label, 6
        layer.paint(where, label)
        tools.painting.take_painted()

    at_lesion, at_liver = place(desk.layers.lesions, middle), place(desk.layers.liver, 1)
    drawing = Drawing()
    print(
        f"{'seconds of the processor':28s} {'act':>6s} {'window':>7s} {'+ drawn':>8s} {'measured':>9s} {'window':>7s}"
    )
    for name, act in (
        ("mark", lambda: tools.lesion.toggle_mark("treated")),
        ("undo", tools.undo),
        ("delete", tools.lesion.delete),
        ("undo of it", tools.undo),
        ("paint a lesion", lambda: paint(desk.layers.lesions, middle, at_lesion)),
        ("paint the liver", lambda: paint(desk.layers.liver, 1, at_liver)),
        ("undo of the liver", tools.undo),
        ("paint the liver again", lambda: paint(desk.layers.liver, 1, at_liver)),
    ):
        desk.table.choose([small if "delete" in name else middle])
        # The way to the lesion is drawn before the edit begins.
        settle()
        acted, window, drawn = _spent(act, drawing)
        whole, own = _measured(desk)
        print(f"{name:28s} {acted:6.2f} {window:7.2f} {drawn:8.2f} {whole:9.2f} {own:7.2f}")
    print(f"limits: window {EDIT_LIMIT_S:g} s, a lesion measured {LESION_LIMIT_S:g} s, a liver {LIVER_LIMIT_S:g} s")


def _when_read() -> list[float]:
    """Gets the moment at which the files were read, before anything of them is shown."""
    from napari_dotaliver.widgets import desk

    moments: list[float] = []
    read = desk.open_folder

    def timed(*given: Any) -> Any:
        result = read(*given)
        moments.append(time.perf_counter())
        return result

    desk.open_folder = timed
    return moments


def run(study: Path, *, score: bool, only_edits: bool = False) -> None:
    """Open, score and look, and print what it cost."""
    import napari
    from napari_dotaliver.widgets.start import desk_of

    from dotaliver.pipeline import StudyInput

    viewer = napari.Viewer(show=True)
    viewer.window.resize(1680, 1000)
    desk = desk_of(viewer)
    wait_while(lambda: False)
    print(f"an empty window: {peak_gb():.2f} GB")
    arrived = _when_read()
    frames, placed = Frames(viewer), []
    desk.opened_study.connect(lambda: placed.append(time.perf_counter()))
    with longest_pause() as pause:
        begun, own = time.process_time(), time.thread_time()

        def spent() -> str:
            window = time.thread_time() - own
            return f"{time.process_time() - begun:.2f} s of the processor, {window:.2f} s of it in the window's thread"

        desk.open(StudyInput(study))
        wait_while(lambda: not placed)
        wait_while(lambda: not frames.moments or frames.moments[-1] < placed[0])
        print(f"first picture after {spent()}")
        took = wait_while(lambda: desk.reading.busy or desk.masks.busy)
        print(f"all read and shown after {spent()}")
    drawn = next(moment for moment in frames.moments if moment > placed[0]) - arrived[0]
    shapes = ", ".join(f"{layer.name} {layer.data.shape}" for layer in (desk.layers.ct, desk.layers.pet) if layer)
    print(f"{shapes}: read in {took:.1f} s, at most {pause[0]:.2f} s without an answer, {peak_gb():.2f} GB")
    print(f"first picture {drawn:.2f} s after the study was read (limit {FIRST_PICTURE_LIMIT_S:g} s)")
    if score and desk.session is None:
        with longest_pause() as pause:
            desk.score()
            took = wait_while(lambda: desk.scoring.busy)
        print(f"scored and shown in {took:.1f} s, at most {pause[0]:.2f} s without an answer")
    if desk.session is not None:
        edit_times(desk)
    if not only_edits:
        print(f"peak memory of the desk {peak_gb():.2f} GB (limit {MEMORY_LIMIT_GB:g} GB)")
        frame_times(desk)
        print(f"peak memory with both windows {peak_gb():.2f} GB")
    close(desk)


def close(desk: Any) -> None:
    """Close the window; the edits of a benchmark are not asked about."""
    if desk.session is not None:
        desk.banner.discard_reading()
        desk.may_leave = lambda _leave: True
    desk.viewer.close()


def main() -> None:
    """Make the study where none is named, and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", type=Path, help="a folder of DICOM files; a phantom where it is left out")
    parser.add_argument("--no-score", action="store_true", help="only look")
    parser.add_argument("--edits", action="store_true", help="only what an edit costs")
    chosen = parser.parse_args()
    if chosen.study is not None:
        run(chosen.study, score=not chosen.no_score, only_edits=chosen.edits)
        return
    with tempfile.TemporaryDirectory() as folder:
        # In a process of its own: what the phantom takes is not the desk's.
        subprocess.run([sys.executable, "-c", MAKE, folder + "/made"], check=True)
        run(Path(folder) / "made" / "study", score=not chosen.no_score, only_edits=chosen.edits)


if __name__ == "__main__":
    main()
