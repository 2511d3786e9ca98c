"""The sample of napari's menu: a small phantom of a 68Ga-DOTATATE PET/CT, made once and kept in the user's cache."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from dotaliver.phantom.presets import preset
from dotaliver.phantom.study import make_phantom
from dotaliver.phantom.writer import write_study
from dotaliver.pipeline import StudyInput
from napari_dotaliver._reader import read_layers
from napari_dotaliver.widgets.start import desk_of, windowed_viewer

__all__ = ["open_sample", "sample_study"]

# The phantom that the tests of the whole flow use: several lesions, of which some border on each other.
_PRESET, _SEED, _MATRIX = "moderate", 3, "small"


def open_sample() -> list[Any]:
    """Open the phantom at the desk, made beside the window; its layers where there is no window."""
    viewer = windowed_viewer()
    if viewer is None:
        return list(read_layers(sample_study(lambda _stage: None)))
    desk_of(viewer).open_made(lambda tell: StudyInput(sample_study(tell)))
    return []


def sample_study(progress: Callable[[str], None]) -> Path:
    """The folder of the phantom's DICOM files, made where it is not there yet."""
    from dotaliver import __version__

    folder = user_cache_path("dotaliver", appauthor=False) / f"phantom-{_PRESET}-{_SEED}-{_MATRIX}-{__version__}"
    if not (folder / "truth.json").is_file():
        progress("making the phantom, once")
        folder.parent.mkdir(parents=True, exist_ok=True)
        study = make_phantom(preset(_PRESET, _SEED, _MATRIX))
        progress("writing DICOM")
        with tempfile.TemporaryDirectory(dir=folder.parent) as made:
            write_study(study, Path(made) / "phantom")
            # Another window may have been quicker, and half a phantom must not be found.
            shutil.rmtree(folder, ignore_errors=True)
            (Path(made) / "phantom").replace(folder)
    return folder / "study"
