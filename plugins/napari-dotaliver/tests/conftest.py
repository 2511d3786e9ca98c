"""A small phantom, scored once for all tests, and fresh readings of it."""

from __future__ import annotations

import gc
import os
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

# The machine's cores are shared by the test runners.
os.environ.setdefault("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "1")

import numpy as np
import pytest
from hypothesis import settings
from napari_dotaliver.reading.session import ReadingSession

from dotaliver.image.volume import LabelMap
from dotaliver.phantom.presets import preset
from dotaliver.phantom.study import make_phantom
from dotaliver.phantom.two_tracers import fdg_lesions, fdg_study, write_fdg_images
from dotaliver.phantom.writer import write_study
from dotaliver.pipeline import Outcome, StudyInput, open_study, save, score_study
from dotaliver.pipeline.score_labels import score_labels
from dotaliver.records.body import BODY_PARTS, BodyCoverage, BodyFocus, BodySearch
from dotaliver.records.edits import ReaderEdits
from dotaliver.records.masks import MaskLayer
from dotaliver.segmentation.fdg_search import with_fdg_searched
from fixtures.sharing import made_once

if TYPE_CHECKING:
    from fixtures.kept_desk import KeptDesk


# How long an example takes says more of the machine than of the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


# Objects that are made before the next look for garbage. Python's own 700 make a tenth of a score's time.
_OBJECTS_BETWEEN_COLLECTIONS = 20_000


def pytest_configure() -> None:
    """Look for no garbage while modules are loaded and tests collected: nearly all of it stays to the end."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Spare the collector of garbage the objects of modules and tests: napari calls it for every window and layer."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, 20, 20)
    gc.enable()


@pytest.fixture(autouse=True)
def _windows_of_other_tests(request):
    """Let napari's fixture count its own windows alone: those of a file before may wait for the collector of garbage.

    Each is closed, and looked for, by the test or the fixture that opened it.
    """
    if "make_napari_viewer" in request.fixturenames:
        from napari.qt import QtViewer

        gc.collect()
        QtViewer._instances.clear()


@pytest.fixture(autouse=True, scope="session")
def _own_folders(tmp_path_factory):
    """What is kept for a user (unsaved edits, the reader's name) stays in a folder of the tests."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
            patch.setenv(name, str(home / name.lower()))
        yield


@pytest.fixture(scope="session")
def study(tmp_path_factory) -> Path:
    """Folder of a small phantom's DICOM files; not to be changed."""

    def make(folder: Path) -> None:
        write_study(make_phantom(preset("moderate", 3, "small")), folder / "made")

    return made_once(tmp_path_factory, "phantom", make) / "made" / "study"


@pytest.fixture(scope="session")
def outcome(study, tmp_path_factory) -> Outcome:
    """The phantom, scored."""

    def make(folder: Path) -> None:
        (folder / "outcome").write_bytes(pickle.dumps(score_study(StudyInput(study))))

    return pickle.loads((made_once(tmp_path_factory, "outcome", make) / "outcome").read_bytes())


@pytest.fixture(scope="session")
def scored(outcome, tmp_path_factory) -> Path:
    """Folder of its score; not to be changed."""

    def make(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("dotaliver.export.outputs.report_html", lambda *_: "<html></html>")
            patch.setattr("dotaliver.export.dicom.sr.measurement_report", lambda *_: None)
            save(outcome, folder / "score")

    return made_once(tmp_path_factory, "scored", make) / "score"


@pytest.fixture(scope="module")
def kept(scored, outcome) -> Iterator[KeptDesk]:
    """A desk with the score open, for the tests of a file; what reading its folder would give is given to it."""
    from fixtures.kept_desk import KeptDesk

    kept = KeptDesk(StudyInput(scored), outcome)
    yield kept
    kept.close()


@pytest.fixture
def session(outcome, scored) -> ReadingSession:
    """A fresh reading of the phantom."""
    return ReadingSession(outcome, scored)


@pytest.fixture
def no_pictures(monkeypatch) -> None:
    """Leave the report empty: it takes longest, and is drawn in other tests."""
    monkeypatch.setattr("dotaliver.export.outputs.report_html", lambda *_: "<html></html>")


@pytest.fixture
def masks_only(no_pictures, monkeypatch) -> None:
    """Leave out the measurements as DICOM too: for tests of the record and its masks."""
    monkeypatch.setattr("dotaliver.export.dicom.sr.measurement_report", lambda *_: None)


@pytest.fixture(scope="session")
def body(outcome) -> Outcome:
    """A reading with two hand-made candidates outside the liver."""
    pet = outcome.opened.volumes.pet
    labels = np.zeros(pet.geometry.shape, np.uint16)
    labels[2:5, 2:5, 2:5], labels[-5:-2, -5:-2, -5:-2] = 1, 2
    foci = (
        BodyFocus(1, "skeleton, left femur", "bone", "metastasis", 0.9),
        BodyFocus(2, "ureter, right", "other", "physiological", 0.1, "It lies where the ureter runs."),
    )
    mask = MaskLayer(LabelMap(labels, pet.geometry), "pet", "body search", 1.5)
    search = BodySearch(foci, mask, (), BodyCoverage(BODY_PARTS), True)
    masks = replace(outcome.segmentations, body=search)
    score = score_labels(outcome.opened.volumes, masks, ReaderEdits(), outcome.score.config)
    return replace(outcome, score=score, segmentations=masks)


@pytest.fixture(scope="session")
def two_tracers(outcome, study, tmp_path_factory) -> Outcome:
    """The phantom compared with an FDG scan of the same patient; its masks are those of `outcome`."""

    def make(folder: Path) -> None:
        spec = preset("moderate", 3, "small")
        write_fdg_images(fdg_study(spec, fdg_lesions(spec)), spec, folder / "fdg")
        config = outcome.score.config
        opened = open_study(StudyInput(study, fdg=folder / "fdg"), config)
        masks = with_fdg_searched(opened.volumes, outcome.segmentations, config)
        score = score_labels(opened.volumes, masks, ReaderEdits(), config)
        made = replace(outcome, score=score, opened=opened, segmentations=masks, fdg=folder / "fdg")
        (folder / "outcome").write_bytes(pickle.dumps(made))

    return pickle.loads((made_once(tmp_path_factory, "two tracers", make) / "outcome").read_bytes())
