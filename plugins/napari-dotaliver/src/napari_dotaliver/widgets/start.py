"""Finding the desk of a viewer, and starting napari with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dotaliver.config.scoring import ScoringConfig
from dotaliver.pipeline import StudyInput

if TYPE_CHECKING:
    from napari import Viewer

    from dotaliver.pipeline.reading_desk import DeskCase
    from napari_dotaliver.widgets.desk import Desk
    from napari_dotaliver.widgets.visits_window import VisitsWindow

__all__ = ["desk_of", "view", "view_visits", "windowed_viewer"]

_PLUGIN, _WIDGET = "napari-dotaliver", "Liver reading"


def windowed_viewer() -> Viewer | None:
    """The viewer that is in use, where it has a window."""
    from napari import current_viewer

    viewer = current_viewer()
    return viewer if viewer is not None and getattr(viewer, "window", None) is not None else None


def desk_of(viewer: Viewer) -> Desk:
    """The desk of a viewer's window, which is added where there is none yet."""
    from napari_dotaliver.widgets.desk import Desk

    for widget in viewer.window.dock_widgets.values():
        if isinstance(widget, Desk):
            return widget
    _, widget = viewer.window.add_plugin_dock_widget(_PLUGIN, _WIDGET)
    return widget


def view(
    study: StudyInput,
    config: ScoringConfig,
    case: DeskCase | None = None,
    *,
    later: Path | Sequence[Path] | None = None,
) -> None:
    """Start napari with a study, or the folder of a score, open at the desk; returns when its window closes.

    With other scores of the patient, two of them are opened side by side instead.

    Parameters
    ----------
    study : StudyInput
        A folder (or zip) of DICOM files, and which of its series; or the folder that ``dotaliver score`` wrote.
    config : ScoringConfig
        Everything that changes the answer.
    case : DeskCase, optional
        The case of a central reading that the study is a scan of.
    later : Path or sequence of Path, optional
        The folders of other scores of the patient.
    """
    import napari

    if later is not None:
        window = view_visits(study.folder, *((later,) if isinstance(later, Path) else later))
        napari.run()
        del window
        return
    viewer = napari.Viewer(title="dotaliver")
    desk = desk_of(viewer)
    desk.config = config
    if case is None:
        desk.open(study)
    else:
        desk.open_case(case)
    napari.run()


def view_visits(*folders: Path) -> VisitsWindow:
    """Open the scores of a patient, two of them side by side; the window lives as long as somebody holds it."""
    from napari.qt import get_qapp

    from napari_dotaliver.widgets.visits_window import VisitsGiven, VisitsWindow

    get_qapp()
    window = VisitsWindow()
    window.open(VisitsGiven(folders))
    window.show()
    return window
