"""What is shown of edited lesions before they are measured: rows come and go at once, numbers agree with the images."""

from __future__ import annotations

import numpy as np
import pytest
from napari_dotaliver.reading.provisional import provisional


def rows(session):
    now = provisional(session)
    return {lesion.label: lesion for lesion in now.score.lesions}, now.unmeasured


def test_what_is_measured_is_shown_as_it_is(session):
    now = provisional(session)
    assert now.score is session.score
    assert not now.unmeasured


def test_a_deleted_lesion_leaves_at_once_and_a_new_one_has_a_row_at_once(session):
    gone, new = session.lesions.labels[0], session.next_label()
    array = session.lesions.array.copy()
    array[array == gone] = 0
    free = np.argwhere(array == 0)[1000]
    array[tuple(free)] = new
    session.set_lesions(array)
    lesions, unmeasured = rows(session)
    assert gone not in lesions
    assert unmeasured == {new}
    pet = session.volumes.pet
    assert lesions[new].volume_ml == pytest.approx(pet.geometry.voxel_volume_ml)
    assert lesions[new].suv_max == pytest.approx(float(pet.array[tuple(free)]))
    assert lesions[new].suv_peak is None
    assert lesions[new].longest_diameter_mm is None


def test_provisional_volume_and_uptake_are_those_that_are_measured_then(session):
    first, second = session.lesions.labels[:2]
    session.merge_lesions([first, second])
    quick, unmeasured = rows(session)
    assert unmeasured == {first}
    session.remeasure()
    measured = next(lesion for lesion in session.score.lesions if lesion.label == first)
    for name in ("volume_ml", "suv_max", "suv_mean"):
        assert getattr(quick[first], name) == pytest.approx(getattr(measured, name), rel=1e-6)


def test_a_mark_shows_at_once_and_is_provisional(session):
    label = session.lesions.labels[0]
    session.mark_lesion(label, "treated")
    lesions, unmeasured = rows(session)
    assert lesions[label].marks == ("treated",)
    assert unmeasured == {label}
    assert session.score.lesions[0].marks == (), "nothing of it enters the record before it is measured"
