"""napari's *Open folder* and drag and drop: a folder of DICOM, a zip of it, a DICOM file, or the folder of a score.

In a window the desk reads beside it and adds the layers itself, since napari would wait for a reader; without one
(a viewer model in a script) the layers are returned.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from dotaliver.config.scoring import ScoringConfig
from dotaliver.pipeline import StoredScore, StudyInput, outcome_as_stored
from dotaliver.records.score_folder import ScoreFolder
from napari_dotaliver.view.layers import LayerData, ct_layer, lesions_layer, liver_layer, pet_layer
from napari_dotaliver.widgets.background import open_folder
from napari_dotaliver.widgets.start import desk_of, windowed_viewer

__all__ = ["get_reader", "read_layers"]

# A folder of anything else is told after so many files: a study's images lie together.
_FILES_LOOKED_AT = 200
_NO_LAYERS: list[Any] = [(None,)]


def get_reader(path: str | Sequence[str]) -> Callable[[str], list[Any]] | None:
    """The reader of this path, or None where it is none of ours."""
    first = Path(path if isinstance(path, str) else path[0])
    several = not isinstance(path, str) and len(path) > 1
    return None if several or not _is_study(first) else _read


def _read(path: str | Sequence[str]) -> list[Any]:
    folder = Path(path if isinstance(path, str) else path[0])
    viewer = windowed_viewer()
    if viewer is None:
        return read_layers(folder)
    desk_of(viewer).open(StudyInput(folder))
    return _NO_LAYERS


def read_layers(folder: Path) -> list[LayerData]:
    """The images of a study as layers, and of a score its masks too.

    Raises
    ------
    DotaliverError
        Where the study cannot be read.
    """
    read = open_folder(StudyInput(folder), ScoringConfig(), lambda _stage: None)
    opened = read.opened if isinstance(read, StoredScore) else read
    volumes = opened.volumes
    layers = [] if volumes.ct is None else [ct_layer(volumes.ct)]
    layers.append(pet_layer(volumes.pet, volumes.acquisition, over_ct=volumes.ct is not None))
    if isinstance(read, StoredScore):
        masks = outcome_as_stored(read).segmentations
        layers += [] if masks.liver is None else [liver_layer(masks.liver.labels)]
        layers += [] if masks.lesions is None else [lesions_layer(masks.lesions.labels)]
    return layers


def _is_study(path: Path) -> bool:
    if path.is_dir():
        return ScoreFolder(path).is_there or any(_is_dicom(file) for file in islice(_files(path), _FILES_LOOKED_AT))
    return path.suffix.lower() == ".zip" or _is_dicom(path)


def _files(folder: Path) -> Any:
    for root, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            yield Path(root) / name


def _is_dicom(path: Path) -> bool:
    """Whether a file says that it is DICOM (PS3.10: "DICM" after 128 bytes)."""
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False
