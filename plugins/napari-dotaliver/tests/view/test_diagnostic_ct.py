"""A diagnostic CT in the viewer: shown at the liver, read and measured in its own coordinates."""

import numpy as np
import pytest
from fixtures.diagnostic import AWAY_MM, SERIES_UID, with_diagnostic_ct
from napari.components import ViewerModel
from napari_dotaliver.reading.provisional import provisional
from napari_dotaliver.reading.session import ReadingSession
from napari_dotaliver.view.layers import lps_to_world
from napari_dotaliver.view.measured_image import DIAGNOSTIC_CT
from napari_dotaliver.view.pointer import pointer_words
from napari_dotaliver.view.shown_images import choices, next_of, show_images, shown_words, windows_shown
from napari_dotaliver.view.sign_layers import line_of_shape
from napari_dotaliver.view.study_layers import StudyLayers

from dotaliver.measurement.caliper import Caliper


@pytest.fixture
def reading(outcome) -> ReadingSession:
    return ReadingSession(with_diagnostic_ct(outcome), None)


@pytest.fixture
def shown(reading) -> StudyLayers:
    layers = StudyLayers(ViewerModel(), reading.volumes)
    layers.show(reading)
    return layers


def largest(session):
    return max((n for n in session.score.lesions if n.diameter_source == "ct"), key=lambda n: n.longest_diameter_mm)


def test_it_lies_on_the_liver_and_its_diameters_on_the_lesions(shown, reading, session):
    # The same voxels as the PET's CT, moved back by the registration: they lie where that CT lies.
    np.testing.assert_allclose(shown.measured.affine.affine_matrix, shown.ct.affine.affine_matrix, atol=1e-6)
    assert shown.measured.name == DIAGNOSTIC_CT
    lines = dict(zip(shown.diameters.features["lesion"], shown.diameters.data, strict=True))
    label = largest(reading).label
    there = np.array(line_of_shape(lines[label], shown.diameters))
    np.testing.assert_allclose(there, largest(session).diameter.long_axis_lps_mm, atol=1e-6)
    np.testing.assert_allclose(np.array(reading.diameter_of(label)) - there, [AWAY_MM] * 2, atol=1e-6)


def test_it_is_chosen_as_the_image_below_with_its_own_values(shown, reading):
    assert choices(shown) == ("fused", "PET", "CT", "measured", "fused on measured")
    assert next_of(shown, "fused on measured") == "fused"
    place = lps_to_world(np.mean(largest(reading).diameter.long_axis_lps_mm, axis=0) - AWAY_MM)
    show_images(shown, "measured", 55)
    assert (shown.ct.visible, shown.pet.visible, shown.measured.visible) == (False, False, True)
    assert "HU on the diagnostic CT" in pointer_words(shown, place)
    assert [shown_words(shown, one) for one in choices(shown)] == ["Fused", "PET", "CT", "Diag. CT", "On diag. CT"]
    assert windows_shown(shown, "measured") == ["CT W 400 L 40 HU"]
    show_images(shown, "fused on measured", 30)
    assert (shown.ct.visible, shown.pet.visible, shown.measured.visible) == (False, True, True)
    assert shown.pet.opacity == pytest.approx(0.3)
    assert len(windows_shown(shown, "fused on measured")) == 2
    show_images(shown, "fused", 30)
    assert (shown.ct.visible, shown.measured.visible) == (True, False)
    assert "diagnostic" not in pointer_words(shown, place)


def test_a_drawn_diameter_names_it_and_is_judged_on_it(shown, reading):
    lesion = largest(reading)
    first, second = lesion.diameter.long_axis_lps_mm
    reading.draw_caliper(lesion.name, Caliper((first, tuple(0.95 * np.subtract(second, first) + first))))
    edit = reading.edits.lesion(lesion.label).diameter
    assert edit.series_instance_uid == SERIES_UID
    layers = shown
    layers.show(reading)
    lines = dict(zip(layers.diameters.features["lesion"], layers.diameters.data, strict=True))
    there = np.array(line_of_shape(lines[lesion.label], layers.diameters))
    np.testing.assert_allclose(there + AWAY_MM, edit.long_axis_lps_mm, atol=1e-3)
    row = next(n for n in provisional(reading).score.lesions if n.label == lesion.label)
    assert (row.diameter.modality, row.diameter.series_instance_uid) == ("CT", SERIES_UID)
    reading.remeasure()
    now = next(n for n in reading.score.lesions if n.label == lesion.label)
    assert (now.diameter_source, now.longest_diameter_mm) == (
        "reader",
        pytest.approx(0.95 * lesion.longest_diameter_mm),
    )


def test_a_click_measures_on_it(shown, reading, session):
    lesion = largest(session)
    place = np.mean(lesion.diameter.long_axis_lps_mm, axis=0)
    found = reading.point_at(tuple(float(v) for v in shown.measured_display.to_image(place)))
    assert found.label == lesion.label
    assert found.diameter.longest_mm == pytest.approx(lesion.longest_diameter_mm, rel=0.25)
    np.testing.assert_allclose(np.mean(found.diameter.long_axis_lps_mm, axis=0) - AWAY_MM, place, atol=6.0)


def test_without_a_registration_it_is_not_shown(outcome):
    reading = ReadingSession(with_diagnostic_ct(outcome, registered=False), None)
    layers = StudyLayers(ViewerModel(), reading.volumes)
    layers.show(reading)
    assert layers.measured is None
    assert choices(layers) == ("fused", "PET", "CT")
    assert len(layers.diameters.data) == 0
