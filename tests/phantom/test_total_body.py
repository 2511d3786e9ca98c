"""The trunk continued to head and foot: the same study whenever a slice is read, and no slice of another body."""

import numpy as np
import pytest

from dotaliver.phantom.spec import PhantomSpec
from dotaliver.phantom.total_body import TotalBody, total_body

SMALL = TotalBody(-600.0, 500.0, 20.0, 64, 500.0, 20.0, 50, 660.0)


@pytest.fixture
def bodies(moderate, cold, monkeypatch):
    """Two bodies, of which only the trunks are made whole."""
    trunks = iter([moderate, cold])
    monkeypatch.setattr("dotaliver.phantom.total_body.make_phantom", lambda _: next(trunks))
    return [total_body(trunk.spec, SMALL) for trunk in (moderate, cold)]


def test_it_reaches_from_head_to_foot_and_is_read_slice_by_slice(bodies):
    for image in (bodies[0].ct, bodies[0].pet):
        assert not image.in_memory
        assert image.geometry.size_mm[0] == pytest.approx(1100.0)
    middle = bodies[0].ct.geometry.shape[0] // 2
    density = bodies[0].ct.crop((slice(middle, middle + 1), slice(0, 64), slice(0, 64))).array
    assert density.min() < -900
    assert density.max() > 0


def test_bodies_read_in_turn_do_not_share_slices(bodies):
    one, other = bodies
    count, rows, columns = one.ct.geometry.shape
    planes = [(slice(k, k + 1), slice(0, rows), slice(0, columns)) for k in range(0, count, 11)]
    in_turn = [(one.ct.crop(box).array, other.ct.crop(box).array) for box in planes]
    for number, body in enumerate((one, other)):
        for box, read in zip(planes, in_turn, strict=True):
            np.testing.assert_array_equal(body.ct.crop(box).array, read[number])
    assert isinstance(one.spec, PhantomSpec)
    assert any((first != second).any() for first, second in in_turn)
