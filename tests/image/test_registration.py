from dataclasses import replace

import numpy as np
import pytest

from dotaliver.errors import StudyError
from dotaliver.image.geometry import Geometry
from dotaliver.image.lazy import lazy_planes
from dotaliver.image.registration import register_cts, register_livers
from dotaliver.image.volume import LabelMap, Quantity, Volume
from fixtures.arrays import AXIAL

GRID = Geometry((40, 70, 80), (0.0, 0.0, 0.0), (4.0, 3.0, 3.0), AXIAL, "1.2.3")


def livery(geometry=GRID, stretch=1.0):
    """A lopsided body: a large ball, a flat lobe on one side, a notch."""
    index = np.stack(np.meshgrid(*(np.arange(n) for n in geometry.shape), indexing="ij"), axis=-1)
    x, y, z = np.moveaxis(GRID.index_to_lps(index), -1, 0)
    right = ((x - 90) / 60) ** 2 + ((y - 110) / 55) ** 2 + ((z - 80) / (55 * stretch)) ** 2 <= 1
    left = ((x - 160) / 55) ** 2 + ((y - 80) / 30) ** 2 + ((z - 95) / (25 * stretch)) ** 2 <= 1
    notch = (x - 110) ** 2 + (y - 160) ** 2 + (z - 60) ** 2 <= 25**2
    return (right | left) & ~notch


def turned(geometry, degrees, shift):
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1.0]])
    axes = tuple(tuple(float(c) for c in turn @ np.array(d)) for d in geometry.directions)
    return replace(geometry, directions=axes, origin_lps_mm=shift)


@pytest.mark.parametrize(("degrees", "shift"), [(0.0, (40.0, -30.0, 210.0)), (10.0, (5.0, 0.0, -60.0))])
def test_a_moved_and_turned_liver_is_found_within_a_few_millimetres(degrees, shift):
    mask, there = livery(), turned(GRID, degrees, shift)
    found = register_livers(LabelMap(mask, GRID), LabelMap(mask, there))
    index = np.argwhere(mask)[::911]
    gaps = np.linalg.norm(found.bent.places(GRID.index_to_lps(index)) - there.index_to_lps(index), axis=1)
    assert gaps.max() < 4.0
    assert found.bent.similarity > 0.95


def test_bending_brings_a_grown_liver_nearer():
    one, other = LabelMap(livery(), GRID), LabelMap(livery(stretch=1.3), GRID)
    found = register_livers(one, other)
    assert found.bent.similarity > found.rigid.similarity
    assert found.bent.similarity > 0.95


def test_registering_twice_gives_the_same_places():
    one, other = LabelMap(livery(), GRID), LabelMap(livery(stretch=1.2), turned(GRID, 5.0, (9.0, 4.0, 20.0)))
    points = [(80.0, 100.0, 80.0), (150.0, 80.0, 95.0)]
    first, again = (register_livers(one, other).bent.places(points) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_an_empty_liver_is_refused():
    with pytest.raises(StudyError, match="empty"):
        register_livers(LabelMap(np.zeros(GRID.shape, dtype=np.uint8), GRID), LabelMap(livery(), GRID))


def ct(mask, geometry, offset=0.0, seed=0):
    rng = np.random.default_rng(seed)
    body = np.full(geometry.shape, -900.0)
    body[:, 4:-4, 4:-4] = 40.0
    body[mask] = 110.0 + offset
    for k in range(0, geometry.shape[0], 7):  # spine-like blocks, so that height can be told
        body[k : k + 3, 52:60, 36:44] = 300.0
    return Volume((body + 12 * rng.standard_normal(geometry.shape)).astype(np.float32), geometry, Quantity.HU)


def test_a_ct_in_another_frame_and_phase_is_laid_on_the_pets_ct():
    mask = livery()
    there = replace(turned(GRID, 0.0, (12.0, -8.0, 150.0)), frame_of_reference_uid="9.9.9")
    pose = register_cts(ct(mask, there, offset=-50.0, seed=1), ct(mask, GRID), mask)
    index = np.argwhere(mask)[::911]
    gaps = np.linalg.norm(pose.places(there.index_to_lps(index)) - GRID.index_to_lps(index), axis=1)
    assert gaps.max() < 4.0
    assert pose.similarity > 0.65


def test_cts_that_are_read_in_parts_are_registered_the_same():
    mask = livery()
    there = replace(turned(GRID, 0.0, (12.0, -8.0, 150.0)), frame_of_reference_uid="9.9.9")
    first, second = ct(mask, there, offset=-50.0, seed=1), ct(mask, GRID)
    whole = register_cts(first, second, mask)
    parts = [
        lazy_planes(image.array.__getitem__, image.dtype, image.geometry, Quantity.HU) for image in (first, second)
    ]
    found = register_cts(*parts, mask)
    assert found.similarity == whole.similarity
    np.testing.assert_array_equal(found.places([(80.0, 100.0, 80.0)]), whole.places([(80.0, 100.0, 80.0)]))


def test_another_body_is_not_alike():
    noise = Volume(
        np.random.default_rng(3).normal(0, 80, GRID.shape).astype(np.float32),
        replace(GRID, frame_of_reference_uid="7"),
        Quantity.HU,
    )  # fmt: skip
    assert register_cts(noise, ct(livery(), GRID), livery()).similarity < 0.5
