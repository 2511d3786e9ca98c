"""The FDG PET in the viewer: laid where the alignment puts it, and read from its own voxels."""

from dataclasses import replace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari_dotaliver.view.fdg import FDG, fdg_display
from napari_dotaliver.view.layers import lps_to_world
from napari_dotaliver.view.pointer import pointer_words
from napari_dotaliver.view.study_layers import StudyLayers

from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import LabelMap, Quantity, Volume
from dotaliver.records.fdg import AlignedPart, FdgAlignment, FdgSearch
from dotaliver.records.masks import Mismatch, Segmentations

AXIAL = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
GRID = Geometry((30, 16, 16), (-30.0, -30.0, 0.0), (4.0, 4.0, 4.0), AXIAL, "1.2.1")
# The patient lay a whole number of voxels off for the FDG scan, so the laid picture has its very voxels.
OFFSET = np.array([8.0, -4.0, 40.0])


def part(low_mm, high_mm, offset=OFFSET, **changes):
    made = AlignedPart(
        low_mm=low_mm,
        high_mm=high_mm,
        rotation=((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
        offset_lps_mm=tuple(-float(n) for n in offset),
        similarity=0.9,
    )
    return made.model_copy(update=changes)


def laid(liver, parts, shift=None, fdg_shift=None, voxels=None):
    array = np.random.default_rng(1).uniform(0, 9, GRID.shape).astype(np.float32) if voxels is None else voxels
    there = GRID.moved(tuple(OFFSET))
    move = [None if s is None else Mismatch(shift_lps_mm=s, method="test") for s in (shift, fdg_shift)]
    empty = LabelMap(np.zeros(GRID.shape, np.uint8), there)
    own = Segmentations(segmenter="fdg", liver=None, lesions=None, mismatch=move[1])
    search = FdgSearch((), empty, FdgAlignment(liver=liver, parts=parts), own)
    found = Segmentations(segmenter="test", liver=None, lesions=None, mismatch=move[0], fdg=search)
    return array, there, found


@pytest.fixture
def volumes(outcome):
    return outcome.opened.volumes


def shown(volumes, case):
    array, there, found = case
    fdg = replace(volumes, pet=Volume(array, there, Quantity.SUVBW))
    return fdg_display(replace(volumes, fdg=fdg), found)


def test_picture_and_pointer_show_the_voxels_that_the_alignment_names(volumes):
    display = shown(volumes, laid(part(40.0, 80.0), (part(-1e4, 1e4),)))
    np.testing.assert_allclose(display.on(GRID).array[:, 1:-1, 1:-1], display.study.pet.array[:, 1:-1, 1:-1], atol=1e-4)
    index = (12, 5, 9)
    assert display.words_at(GRID.index_to_lps(index)) == f"FDG SUV {display.study.pet.array[index]:.1f}"
    assert display.words_at(GRID.index_to_lps((200, 5, 9))) is None


def test_at_the_liver_s_height_both_breathing_states_count_and_elsewhere_none(volumes):
    # The receptor PET shows the liver 8 mm higher than its CT, the FDG PET 4 mm lower.
    case = laid(part(40.0, 80.0), (part(-1e4, 1e4),), (0.0, 0.0, 8.0), (0.0, 0.0, -4.0))
    display = shown(volumes, case)
    array, picture = display.study.pet.array, display.on(GRID).array
    # z = 60 mm: three slices lower on the FDG PET. z = 8 mm is below the liver.
    np.testing.assert_allclose(picture[15, 2:-2, 2:-2], array[12, 2:-2, 2:-2], atol=1e-4)
    np.testing.assert_allclose(picture[2, 2:-2, 2:-2], array[2, 2:-2, 2:-2], atol=1e-4)
    assert display.words_at(GRID.index_to_lps((15, 5, 5))) == f"FDG SUV {array[12, 5, 5]:.1f}"


def test_a_part_that_is_not_aligned_says_so(volumes):
    display = shown(volumes, laid(part(40.0, 80.0), (part(-1e4, 40.0, aligned=False), part(40.0, 1e4))))
    assert display.words_at(GRID.index_to_lps((2, 5, 5))) == "FDG not aligned here"
    assert "FDG SUV" in display.words_at(GRID.index_to_lps((25, 5, 5)))


def test_the_layer_comes_with_the_alignment_and_stays(two_tracers):
    layers = StudyLayers(ViewerModel(), two_tracers.opened.volumes)
    assert layers.fdg is None
    from napari_dotaliver.reading.session import ReadingSession

    session = ReadingSession(two_tracers, None)
    layers.show(session)
    layer = layers.fdg
    assert (layer.name, layer.visible) == (FDG, False)
    layers.show(session)
    assert layers.fdg is layer
    lesion = next(x for x in session.score.netpet.lesions if x.fdg_suv_peak is not None)
    words = pointer_words(layers, lps_to_world(lesion.centroid_lps_mm))
    assert words.startswith("SUV ")
    assert "FDG SUV " in words
    assert pointer_words(layers, (1.0, 2.0)) == "", "as a viewer whose layers go asks"
