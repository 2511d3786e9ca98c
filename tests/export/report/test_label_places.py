"""Labels keep apart."""

from __future__ import annotations

import numpy as np

from dotaliver.export.report.label_places import spread_apart


def test_numbers_are_pushed_apart_within_the_picture() -> None:
    places = spread_apart(np.array([[50.0, 50.0], [51.0, 50.0], [50.0, 52.0]]), np.empty((0, 2)), 10.0, (100, 100))
    gaps = [np.linalg.norm(places[a] - places[b]) for a, b in ((0, 1), (0, 2), (1, 2))]
    assert min(gaps) > 9.0
    assert ((places >= 5) & (places <= 95)).all()
