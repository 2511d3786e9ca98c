"""Marking tools on a scored phantom: what enters the reading, what undo takes back, and what the record says."""

from __future__ import annotations

import time

import numpy as np
import pytest
from napari_dotaliver.reading.label_tools import stroke_voxels
from napari_dotaliver.reading.provisional import provisional
from napari_dotaliver.reading.session import ReadingSession

from dotaliver.errors import MaskError
from dotaliver.image.geometry import as_vector


def largest(session: ReadingSession):
    return max(session.score.lesions, key=lambda lesion: lesion.volume_ml)


def places_of(session: ReadingSession, mask, count=3):
    """Places in the middle slice of a mask, along a row."""
    index = np.argwhere(mask)
    level = index[len(index) // 2][0]
    index = index[index[:, 0] == level]
    row = index[len(index) // 2][1]
    index = index[index[:, 1] == row][:count]
    return [as_vector(place) for place in session.lesions.geometry.index_to_lps(index)]


def half_of(session: ReadingSession, label: int) -> np.ndarray:
    own = session.lesions.array == label
    half = own.copy()
    half[:, :, int(np.argwhere(own)[:, 2].mean()) :] = False
    return half


def test_a_stroke_is_bound_by_the_liver_where_the_lesion_lies_in_it(session, monkeypatch):
    bounds = []

    def keeping(_pet, mask, *_, organ, **__):
        bounds.append((mask, organ))
        return mask

    monkeypatch.setattr("napari_dotaliver.reading.marking.corrected_lesion", keeping)
    label = largest(session).label
    own = session.lesions.array == label
    session.scribble(label, places_of(session, own), "more")
    mask, organ = bounds.pop()
    assert organ[mask].mean() > 0.9
    # All of a liver of another place leaves the lesion outside, and the stroke unbound.
    elsewhere = np.zeros(session.liver_grid.shape, dtype=np.uint8)
    elsewhere[:2, :3, :3] = 1
    session.set_liver(elsewhere)
    session.scribble(label, places_of(session, own), "more")
    assert bounds.pop()[1] is None


def test_a_stroke_gives_a_lesion_its_missing_half_back_and_is_one_step(session):
    label = largest(session).label
    own = session.lesions.array == label
    half = half_of(session, label)
    array = session.lesions.array.copy()
    array[own & ~half] = 0
    session.set_lesions(array)
    points = places_of(session, own & ~half)
    session.scribble(label, points, "more")
    now = session.lesions.array == label
    assert 2 * (now & own).sum() / (now.sum() + own.sum()) > 0.9
    start = time.process_time()
    session.undo()
    session.redo()
    assert time.process_time() - start < 0.5
    noted = session.edits.mask_edits[-1]
    assert (noted.tool, noted.labels, noted.reader) == ("scribble_more", (label,), None)
    np.testing.assert_allclose(noted.places_lps_mm, points, atol=0.06)
    session.undo()
    assert not session.edits.mask_edits
    np.testing.assert_array_equal(session.lesions.array, array)


def test_a_stroke_less_removes_and_a_later_brush_is_not_overruled(session):
    label = largest(session).label
    own = session.lesions.array == label
    rim = places_of(session, own, 1)
    session.scribble(label, rim, "less")
    drawn = stroke_voxels(session.lesions.geometry, rim)
    assert not (session.lesions.array[drawn] == label).any()
    array = session.lesions.array.copy()
    array[drawn] = label
    session.set_lesions(array)
    session.scribble(label, places_of(session, own & ~drawn, 1), "more")
    assert (session.lesions.array[drawn] == label).all(), "painted again by hand after the stroke"


def test_a_stroke_on_the_liver_is_one_step_and_quick(session):
    session.sign("A Reader", "radiologist")
    mask = session.liver.mask
    level = int(mask.sum(axis=(1, 2)).argmax())
    index = np.argwhere(mask[level])
    row = int(np.median(index[:, 0]))
    columns = index[index[:, 0] == row][:, 1]
    places = [as_vector(session.liver_grid.index_to_lps((level, row, columns.max() - n))) for n in (0, 1, 2)]
    start = time.process_time()
    session.scribble_liver(places, "less")
    assert time.process_time() - start < 1.0
    assert not session.liver.mask[level, row, columns.max()]
    assert session.edits.mask_edits[-1].mask == "liver"
    assert session.edits.mask_edits[-1].reader.name == "A Reader"
    session.undo()
    np.testing.assert_array_equal(session.liver.mask, mask)


def test_seeds_and_lines_split_and_the_table_has_a_row_at_once(session):
    label = largest(session).label
    own = session.lesions.array == label
    index = np.argwhere(own)
    level = int(np.median(index[:, 0]))
    flat = index[index[:, 0] == level]
    ends = [
        as_vector(session.lesions.geometry.index_to_lps(flat[n])) for n in (flat[:, 2].argmin(), flat[:, 2].argmax())
    ]
    names = session.split_at_seeds(label, ends)
    assert {lesion.label for lesion in provisional(session).score.lesions} >= set(names)
    assert session.edits.mask_edits[-1].labels == names
    session.undo()
    x, y, z = session.lesions.geometry.index_to_lps(index.mean(axis=0))
    line = ((x, y - 80.0, z), (x, y + 80.0, z))
    names = session.cut_lesion(label, line, (0.0, 0.0, 1.0))
    assert len(names) == 2
    assert ((session.lesions.array == names[0]) | (session.lesions.array == names[1])).sum() == own.sum()
    session.merge_lesions(names)
    assert session.edits.mask_edits[-1].tool == "merge"
    assert names[1] not in {lesion.label for lesion in provisional(session).score.lesions}
    np.testing.assert_array_equal(session.lesions.array == label, own)
    with pytest.raises(MaskError, match="once in each part"):
        session.split_at_seeds(label, ends[:1])


def test_a_click_on_the_pet_previews_and_nothing_enters_before_it_is_taken(session):
    lesion = largest(session)
    own = session.lesions.array == lesion.label
    session.delete_lesion(lesion.label)
    before = session.state
    preview = session.preview_outline(lesion.suv_peak_centre_lps_mm)
    assert preview.is_new
    assert preview.words.endswith("% of maximum (edge rule)")
    wider, narrower = preview.turned(-4), preview.turned(4)
    assert wider.mask.sum() > preview.mask.sum() > narrower.mask.sum()
    assert "edge rule" not in wider.words
    assert session.state is before
    session.take_outline(preview)
    now = session.lesions.array == preview.label
    assert 2 * (now & own).sum() / (now.sum() + own.sum()) > 0.8
    noted = session.edits.mask_edits[-1]
    assert f"{noted.percent_of_maximum:.0f} %" in preview.words
    again = session.preview_outline(lesion.suv_peak_centre_lps_mm)
    assert (again.label, again.is_new) == (preview.label, False)
    with pytest.raises(MaskError, match="outside the PET"):
        session.preview_outline((0.0, 0.0, 9e4))


def test_what_was_drawn_stands_in_the_record(session):
    label = largest(session).label
    session.scribble(label, places_of(session, session.lesions.array == label, 1), "less")
    session.remeasure()
    assert session.score.edits.mask_edits == session.edits.mask_edits
    assert session.score.edits.mask_edits[0].tool == "scribble_less"


def test_a_stroke_crosses_every_voxel_between_its_points(session):
    grid = session.lesions.geometry
    ends = [as_vector(grid.index_to_lps(index)) for index in ((5, 5, 5), (5, 5, 25))]
    np.testing.assert_array_equal(np.argwhere(stroke_voxels(grid, ends))[:, 2], np.arange(5, 26))
    assert not stroke_voxels(grid, [(0.0, 0.0, 9e4)]).any()
