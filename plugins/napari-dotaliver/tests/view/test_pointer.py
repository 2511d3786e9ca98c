"""What is under the mouse is read from the voxels, whichever layer is active, visible or turned."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari_dotaliver.view.layers import lps_to_world
from napari_dotaliver.view.pointer import pointer_words, value_at
from napari_dotaliver.view.study_layers import StudyLayers


@pytest.fixture
def shown(session) -> StudyLayers:
    layers = StudyLayers(ViewerModel(), session.volumes)
    layers.show(session)
    return layers


def test_uptake_density_and_lesion_at_a_lesion(shown, session):
    lesion = max(session.score.lesions, key=lambda one: one.suv_max)
    grid, labels = session.lesions.geometry, session.lesions.array
    index = tuple(np.argwhere(labels == lesion.label)[0])
    place = lps_to_world(grid.index_to_lps(index))
    suv = session.volumes.pet.array[index]
    ct = session.volumes.ct
    density = ct.array[tuple(np.rint(ct.geometry.lps_to_index(grid.index_to_lps(index))).astype(int))]
    words = f"SUV {suv:.1f} · {density:.0f} HU · lesion {lesion.label}"
    assert pointer_words(shown, place) == words
    for layer in shown.all:
        layer.visible = False
    assert pointer_words(shown, place) == words


def test_nothing_outside_the_images(shown):
    assert pointer_words(shown, (1e5, 0.0, 0.0)) == ""
    assert value_at(None, (0.0, 0.0, 0.0)) is None
    assert value_at(shown.pet, (0.0, 0.0)) is None
