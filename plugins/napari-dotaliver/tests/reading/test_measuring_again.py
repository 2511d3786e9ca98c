"""What is measured again after an edit is to the bit what measuring everything gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from napari_dotaliver.reading.session import ReadingSession

from dotaliver.config.scoring import ScoringConfig
from dotaliver.pipeline import Outcome, StudyInput, open_study


def _ball(shape: tuple[int, ...], spacing_mm: tuple[float, ...], middle: np.ndarray, radius_mm: float) -> np.ndarray:
    axes = np.ogrid[tuple(slice(0, n) for n in shape)]
    squares = sum(((axis - m) * s) ** 2 for axis, m, s in zip(axes, middle, spacing_mm, strict=True))
    return np.asarray(squares <= radius_mm**2)


def _stroke(session: ReadingSession, what: str, where: int, radius_mm: float, adds: bool) -> None:
    """Paint or rub out a ball on the border of the liver or of a lesion."""
    if what == "mark":
        label = session.lesions.labels[where % len(session.lesions.labels)]
        session.mark_lesion(label, "treated", on=adds)
        return
    labels = session.liver if what == "liver" else session.lesions
    label = 1 if what == "liver" else labels.labels[where % len(labels.labels)]
    places = np.argwhere(labels.array == label)
    middle = places[where * 7919 % len(places)]
    array = labels.array.copy()
    ball = _ball(array.shape, labels.geometry.spacing_mm, middle, radius_mm)
    if what == "liver":
        array[ball] = adds
        session.set_liver(array)
        return
    array[ball & (array == (0 if adds else label))] = label if adds else 0
    session.set_lesions(array)


EDITS = st.tuples(
    st.sampled_from(["lesion", "liver", "mark", "undo"]),
    st.integers(0, 1000),
    st.floats(3.0, 12.0),
    st.booleans(),
)


@pytest.fixture(scope="module")
def afresh(study, outcome):
    """The same masks on images of which nothing is remembered."""

    def make() -> Outcome:
        opened = open_study(StudyInput(study), ScoringConfig())
        return Outcome(outcome.score, opened, outcome.segmentations, outcome.folder)

    return make


@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(EDITS, min_size=2, max_size=3))
def test_an_edit_measured_in_steps_gives_the_record_of_measuring_everything(afresh, edits):
    # As a stored score is opened: its outlines are known from their file.
    session = ReadingSession(afresh())
    for what, where, radius_mm, adds in edits:
        if what == "undo":
            session.undo()
        else:
            _stroke(session, what, where, radius_mm, adds)
        session.remeasure()
    whole = ReadingSession(afresh())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("napari_dotaliver.reading.measuring.with_known_outlines", lambda given, *_: given)
        patch.setattr("napari_dotaliver.reading.measuring._remember_outlines", lambda _: None)
        whole.resume(session.state)
        whole.remeasure()
    assert whole.score.record_id == session.score.record_id
