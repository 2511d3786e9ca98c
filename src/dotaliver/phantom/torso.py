"""The trunk: skin, fat, muscle, skeleton, the cavity within, the diaphragm, lungs and heart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dotaliver.phantom.shapes import Field, Space, ellipsoid, smooth_max, smooth_min, stream, tube
from dotaliver.phantom.spec import PhantomSpec

__all__ = ["Torso", "make_torso"]

_RIB_COUNT = 9


@dataclass(frozen=True, eq=False)
class Torso:
    """Shapes of the trunk; organs are fitted into `cavity`, under `diaphragm`."""

    body: Field
    wall: Field
    cavity: Field
    diaphragm: Field  # negative below (abdomen), positive above (chest)
    parts: dict[str, Field]


def _cavity(space: Space) -> Field:
    """The inner surface of the trunk: an oval, flat behind, into which spine and back muscles bulge."""
    narrow = np.clip((space.z - 60) / 120, 0, 1) * 10 + np.clip((-space.z - 60) / 110, 0, 1) * 14
    half_width = 138 - narrow
    half_depth = 93 - 0.6 * narrow
    u, v = np.abs(space.x) / half_width, np.abs(space.y + 4) / half_depth
    norm = np.maximum((u**2.5 + v**2.5) ** 0.4, 1e-3)
    # Distance along the ray from the middle: keeps its millimetres far outside, where thick fat ends
    oval = np.asarray(np.hypot(space.x, space.y + 4) * (1 - 1 / norm), dtype=np.float32)
    back = ellipsoid(space, (0, 104, 0), (66, 54, 400))
    field = smooth_max(oval, -back, 14)
    return np.asarray(field + 2.0 * space.noise("cavity", 45), dtype=np.float32)


def _diaphragm(space: Space) -> Field:
    """Height above the diaphragm: two domes, steep towards the ribs, lowest behind."""
    rng = stream(space.seed, "diaphragm")
    right_peak, left_peak = 92 + rng.normal(0, 4), 75 + rng.normal(0, 5)
    right = ((space.x + 66) / 76) ** 2 + ((space.y + 12) / 86) ** 2
    left = ((space.x - 68) / 74) ** 2 + ((space.y + 8) / 86) ** 2
    dome_right = right_peak - 62 * right ** np.float32(1.2)
    dome_left = left_peak - 62 * left ** np.float32(1.2)
    height = -smooth_min(-dome_right.astype(np.float32), -dome_left.astype(np.float32), 24)
    height = np.maximum(height, -30 - 0.25 * space.y)
    field = space.z - height - 2.5 * space.noise("diaphragm", (40, 40, 300))
    return np.asarray(field, dtype=np.float32)


def _lungs(space: Space, cavity: Field, diaphragm: Field, heart: Field) -> Field:
    """Both lungs: the cavity above the diaphragm without heart and mediastinum."""
    middle = ellipsoid(space, (6, 30, 150), (30, 52, 200))
    chest = smooth_max(cavity + 1.5, 2.5 - diaphragm, 6)
    chest = smooth_max(chest, 5 - heart, 6)
    return smooth_max(chest, -middle, 8)


def _spine(space: Space) -> dict[str, Field]:
    """Vertebral bodies with discs, the canal, arches and processes."""
    level = (space.z + 200) / 34.0
    phase = level - np.floor(level)
    waist = 1.5 * np.cos(2 * np.pi * phase)
    column = np.sqrt((space.x / 23) ** 2 + ((space.y - 46) / 18) ** 2) * 20 - 20 - waist
    disc = np.maximum(column + 1, np.abs(phase - 0.5) * 34 - 4.0)
    arch = np.sqrt((space.x / 20) ** 2 + ((space.y - 71) / 15) ** 2) * 17 - 17
    canal = np.sqrt(space.x**2 + (space.y - 71) ** 2) - 9
    process = np.maximum(np.abs(space.x) - 4, np.abs(space.y - 92) - 14)
    process = np.maximum(process, 12 - np.abs(phase - 0.5) * 34 - 4)
    sideways = np.maximum(np.abs(space.y - 70) - 5, np.abs(space.x) - 38)
    sideways = np.maximum(sideways, 9 - np.abs(phase - 0.5) * 34)
    bone = np.minimum(np.minimum(column, arch), np.minimum(process, sideways)).astype(np.float32)
    bone += 0.8 * space.noise("spine", 12)
    return {"bone": bone, "disc": disc.astype(np.float32), "cord": canal.astype(np.float32)}


def _ribs(space: Space) -> tuple[Field, Field]:
    """Ribs that slope down from the spine to the side and front, and the cartilage at their front ends."""
    bone, cartilage = space.empty(), space.empty()
    rng = stream(space.seed, "ribs")
    for number in range(_RIB_COUNT):
        head = 190 - 27.0 * number + rng.normal(0, 1.5)
        reach = 175.0 if number < 6 else 140.0 - 34.0 * (number - 6)
        angle = np.radians(np.linspace(14, reach, 9))
        slope = np.linspace(0, 1, 9) * reach / 175 * 72
        for side in (-1, 1):
            points = np.stack(
                [side * 142.5 * np.sin(angle) * (1 - 0.05 * np.cos(angle)), 98 * np.cos(angle) - 4, head - slope],
                axis=1,
            )
            narrow = np.clip((points[:, 2] - 60) / 120, 0, 1) * 10
            points[:, 0] -= side * narrow * np.abs(np.sin(angle))
            np.minimum(bone, tube(space, points, 5.0, spacing_mm=11), out=bone)
            if number < 6:
                end = points[-1]
                front = [end, end + np.array([-side * 2, -2, 8]), [side * 10, -99, max(end[2] + 38, 80)]]
                np.minimum(cartilage, tube(space, front, 5.0, spacing_mm=11), out=cartilage)
    return bone, cartilage


def _muscles(space: Space) -> Field:
    """Psoas, back muscles and the crura of the diaphragm."""
    rng = stream(space.seed, "muscles")
    field = space.empty()
    for side in (-1, 1):
        size = 19 + rng.normal(0, 1.5)
        psoas = tube(space, [[side * 26, 46, -10], [side * 36, 46, -90], [side * 50, 40, -220]], [7, size, size + 4])
        back = ellipsoid(space, (side * 36, 86, 0), (34, 22, 330))
        quadratus = ellipsoid(space, (side * 62, 72, -110), (20, 9, 80), (0, 0, side * 20))
        crus = tube(space, [[side * 10, 22, 68], [side * 17, 24, 30], [side * 14, 27, -30]], [5.5, 5, 3])
        for part in (psoas, back, quadratus, crus):
            np.minimum(field, part, out=field)
    return field + 1.2 * space.noise("muscles", 20)


def make_torso(space: Space, spec: PhantomSpec) -> Torso:
    """Shapes of the trunk of one patient."""
    cavity = _cavity(space)
    diaphragm = _diaphragm(space)
    rng = stream(space.seed, "heart")
    peak = 96 + rng.normal(0, 3)
    heart = ellipsoid(space, (24 + rng.normal(0, 4), -34, peak + 24), (62, 50, 42), (12, 18, -28))
    # The liver keeps 1.8 mm below the diaphragm's middle; the heart what is left of the gap above it
    above = np.float32(spec.neighbours.heart_gap_mm - 1.8)
    heart = smooth_max(heart + 2.5 * space.noise("heart", 30), above - diaphragm, 5)
    heart = smooth_max(heart, cavity + 4, 5)
    patient = spec.patient
    # The patient's scale bends the anatomy; skin and muscle keep their own thickness
    girth = (
        patient.subcutaneous_fat_mm
        * (1 + 0.25 * np.tanh((space.y - 10) / 50) + 0.18 * np.clip(space.noise("fat", 70), -2, 2))
        + np.clip(-space.z / 170, 0, 1) * 0.35 * patient.subcutaneous_fat_mm
    )
    muscle = patient.muscle_mm * (1 + 0.15 * space.noise("wall", 50))
    trunk = smooth_min(cavity, ellipsoid(space, (0, 60, 0), (88, 46, 420)), 20)
    wall = trunk - muscle.astype(np.float32)
    body = wall - np.maximum(girth, 3).astype(np.float32)
    bone, cartilage = _ribs(space)
    spine = _spine(space)
    marrow = np.minimum(spine["bone"], space.empty()) + 2.5
    parts = {
        "muscle": np.minimum(_muscles(space), np.maximum(wall, -(trunk))),
        "heart": heart,
        "lung": _lungs(space, cavity, diaphragm, heart),
        "bone": np.minimum(np.minimum(bone, spine["bone"]), _pelvis(space)),
        "marrow": np.minimum(marrow, bone + 2.2),
        "disc": spine["disc"],
        "cord": spine["cord"],
        "cartilage": cartilage,
        "couch": _couch(space, body),
    }
    return Torso(body, wall, cavity, diaphragm, parts)


def _couch(space: Space, body: Field) -> Field:
    """The scanner's couch under the back: a trough of light foam."""
    rows = np.flatnonzero((body < 0).any(axis=(0, 2)))
    top_mm = space.axis_mm(1)[rows[-1]] if rows.size else 120.0
    x, y = space.axis_mm(2)[None, None, :], space.axis_mm(1)[None, :, None]
    depth = y - (top_mm + 10 - 22 * (x / 200) ** 2)
    plate = np.maximum(np.abs(depth) - 7, np.abs(x) - 190)
    return np.asarray(np.broadcast_to(plate, space.shape), dtype=np.float32)


def _pelvis(space: Space) -> Field:
    """The tops of the iliac wings."""
    field = space.empty()
    for side in (-1, 1):
        wing = ellipsoid(space, (side * 96, 34, -215), (16, 62, 58), (0, side * 14, side * 24))
        np.minimum(field, np.maximum(wing, -wing - 9), out=field)
    return field
