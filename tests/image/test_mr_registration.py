"""An MR finds its place on the liver whatever its frame, plane and contrast; another part of the body does not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from dotaliver.image.geometry import Geometry
from dotaliver.image.mr_registration import register_mr
from dotaliver.image.volume import Quantity, Volume
from fixtures.arrays import grid


def body(points: np.ndarray) -> dict[str, np.ndarray]:
    """Where an ellipsoid body, a liver with two lesions, a spine and a spleen lie, for places in mm."""
    x, y, z = points[..., 0], points[..., 1], points[..., 2]

    def ball(cx, cy, cz, rx, ry, rz):
        return ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 + ((z - cz) / rz) ** 2 <= 1

    liver = ball(-45, -8, 0, 62, 50, 58) | ball(20, -25, 10, 45, 30, 30)
    return {
        "trunk": ball(0, 0, 0, 150, 105, 400),
        "liver": liver,
        "lesion": ball(-60, 0, 15, 16, 14, 15) | ball(-20, -25, -20, 12, 12, 12),
        "vessel": ball(-10, 5, 0, 9, 9, 45),
        "spine": ball(0, 65, 0, 22, 20, 400),
        "spleen": ball(80, 20, 20, 30, 28, 36),
    }


def image(geometry: Geometry, values: dict[str, float], place, noise: float, quantity: Quantity) -> Volume:
    """An image of the body; ``place`` maps places of the image to places of the body."""
    index = np.indices(geometry.shape).reshape(3, -1).T
    parts = body(place(geometry.index_to_lps(index)))
    flat = np.full(len(index), values["air"])
    for name in ("trunk", "spine", "spleen", "liver", "vessel", "lesion"):
        flat[parts[name]] = values[name]
    smooth = ndimage.gaussian_filter(flat.reshape(geometry.shape), 0.5)
    noisy = smooth + np.random.default_rng(3).normal(0, noise, geometry.shape)
    return Volume(noisy.astype(np.float32), geometry, quantity)


HU = {"air": -900, "trunk": 50, "spine": 300, "spleen": 120, "liver": 105, "vessel": 160, "lesion": 70}
T1 = {"air": 5, "trunk": 350, "spine": 200, "spleen": 450, "liver": 1000, "vessel": 400, "lesion": 380}
T2 = {"air": 5, "trunk": 180, "spine": 60, "spleen": 500, "liver": 260, "vessel": 120, "lesion": 560}
CT_GRID = grid((44, 64, 76), (5.0, 4.0, 4.0), (-150.0, -126.0, -107.5))


@pytest.fixture(scope="module")
def ct() -> tuple[Volume, np.ndarray]:
    volume = image(CT_GRID, HU, lambda p: p, 12.0, Quantity.HU)
    index = np.indices(CT_GRID.shape).reshape(3, -1).T
    return volume, body(CT_GRID.index_to_lps(index))["liver"].reshape(CT_GRID.shape)


def turn_about_z(degrees: float) -> np.ndarray:
    a = np.radians(degrees)
    return np.array([[np.cos(a), -np.sin(a), 0.0], [np.sin(a), np.cos(a), 0.0], [0.0, 0.0, 1.0]])


def mr_grid(shift, tilt_deg: float, slices: int = 40) -> Geometry:
    a = np.radians(tilt_deg)
    tilt = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    axes = tuple(tuple(float(c) for c in tilt @ axis) for axis in np.eye(3)[::-1])
    shape, spacing = (slices, 60, 80), (5.0, 4.5, 4.5)
    half = sum(0.5 * (n - 1) * s * np.asarray(axis) for n, s, axis in zip(shape, spacing, axes, strict=True))
    origin = tuple(float(c) for c in np.asarray(shift) - half)
    return Geometry(shape, origin, spacing, axes, "1.2.55")


@pytest.mark.parametrize(
    ("values", "shift", "degrees", "tilt"),
    [
        (T1, (30.0, -20.0, 150.0), 4.0, 0.0),
        (T2, (-25.0, 15.0, -90.0), -5.0, 12.0),
    ],
)
def test_a_known_shift_and_turn_are_found(values, shift, degrees, tilt, ct):
    reference, liver = ct
    turn = turn_about_z(degrees)
    geometry = mr_grid(shift, tilt)
    mr = image(geometry, values, lambda p: (p - np.asarray(shift)) @ turn, 20.0, Quantity.MR_SIGNAL)
    found = register_mr(mr, reference, liver)
    places = CT_GRID.index_to_lps(np.argwhere(liver)[::40])
    on_mr = places @ turn.T + np.asarray(shift)
    error = np.linalg.norm(found.pose.places(on_mr) - places, axis=1)
    # Voxels of 4 to 5 mm: within one of them
    assert np.percentile(error, 95) < 5.0
    assert found.liver_share > 0.98
    assert found.spread_mm < 3.0


def test_noise_has_no_place_and_a_short_slab_holds_no_liver(ct):
    reference, liver = ct
    geometry = mr_grid((0.0, 0.0, 0.0), 0.0)
    values = np.random.default_rng(1).normal(100, 10, geometry.shape).astype(np.float32)
    found = register_mr(Volume(values, geometry, Quantity.MR_SIGNAL), reference, liver)
    assert found is None or found.pose.similarity < 0.05
    slab = mr_grid((0.0, 0.0, 0.0), 0.0, slices=8)
    short = image(slab, T1, lambda p: p, 20.0, Quantity.MR_SIGNAL)
    assert register_mr(short, reference, liver) is None
