"""The frame of a body phantom: skin, muscle, skeleton and airways of head, neck, chest, pelvis, thighs and arms.

The trunk between the diaphragm and the iliac crests is the liver phantom's (`dotaliver.phantom.torso`); what lies
above and below is simpler: ellipsoids and tubes with the densities and uptakes of a patient.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from dotaliver.image.geometry import Vector
from dotaliver.phantom.body_spec import BodySpec
from dotaliver.phantom.shapes import Field, Space, ellipsoid, interpolate, smooth_max, smooth_min, stream, tube
from dotaliver.phantom.torso import Torso, make_torso

__all__ = ["BodyFrame", "BodySpace", "fine_part", "make_body_frame", "make_body_space"]

_BEND_SCALE_MM, _BEND_REACH_MM = 110.0, 20.0
# Heights in atlas coordinates (mm, head up): where the trunk ends above and below.
_TRUNK_TOP_MM, _TRUNK_BOTTOM_MM = 225.0, -345.0
_SPINE_MM = (-215.0, 250.0)


class BodySpace(Space):
    """A working grid from thigh to head: its random fields reach as far as the body does."""

    def noise(self, name: str, scale_mm: float | Vector) -> Field:
        """Smooth random field of unit SD; ``scale_mm`` is about its correlation length along x, y and z."""
        scales = (scale_mm,) * 3 if isinstance(scale_mm, float | int) else scale_mm
        # Never finer than the grid: what is finer would only be sampled at random.
        steps = [max(scales[2 - axis] / 2, self.step_mm) for axis in range(3)]
        counts = [int(np.ceil(self.shape[axis] * self.step_mm / steps[axis])) + 2 for axis in range(3)]
        lattice = stream(self.seed, name).standard_normal(counts, dtype=np.float32)
        lattice = ndimage.gaussian_filter(lattice, 1.0, mode="wrap")
        lattice /= lattice.std()
        places = [np.arange(self.shape[axis], dtype=np.float64) * (self.step_mm / steps[axis]) for axis in range(3)]
        return interpolate(lattice, places)


def fine_part(space: Space, low_mm: Vector, high_mm: Vector, step_mm: float = 2.0) -> BodySpace:
    """A finer grid over the part of a space between two corners in atlas coordinates, for what the space would miss."""
    corners = np.array([[x, y, z] for x in (low_mm[0], high_mm[0]) for y in (low_mm[1], high_mm[1])
                        for z in (low_mm[2], high_mm[2])])  # fmt: skip
    places = space.to_patient(corners)
    first, last = places.min(axis=0) - 8, places.max(axis=0) + 8
    size = [int(np.ceil((last[2 - axis] - first[2 - axis]) / step_mm)) + 1 for axis in range(3)]
    where = [(first[2 - axis] + step_mm * np.arange(size[axis]) - space.origin_mm[2 - axis]) / space.step_mm
             for axis in range(3)]  # fmt: skip
    x, y, z = (interpolate(field, where) for field in (space.x, space.y, space.z))
    origin: Vector = (float(first[0]), float(first[1]), float(first[2]))
    return BodySpace(space.seed, origin, step_mm, x, y, z, space.scale)


def make_body_space(spec: BodySpec, step_mm: float) -> BodySpace:
    """The bent working grid of one patient, with room for the arms."""
    patient = spec.trunk.patient
    scale: Vector = (patient.width_scale, patient.depth_scale, patient.height_scale)
    fat = 2.0 * patient.subcutaneous_fat_mm
    half_x = (265.0 if spec.arms == "down" else 215.0) * scale[0] + 0.5 * fat
    half_y = 125.0 * scale[1] + fat
    low = np.array([-half_x, -half_y, spec.bottom_mm * scale[2] - 15])
    high = np.array([half_x, half_y, spec.top_mm * scale[2] + 15])
    nx, ny, nz = (int(n) for n in np.ceil((high - low) / step_mm) + 1)
    flat = np.zeros((nz, ny, nx), dtype=np.float32)
    start: Vector = (float(low[0]), float(low[1]), float(low[2]))
    straight = BodySpace(spec.seed, start, step_mm, flat, flat, flat, scale)
    bent = []
    for axis, name in ((2, "x"), (1, "y"), (0, "z")):
        shape = [1, 1, 1]
        shape[axis] = -1
        line = (straight.axis_mm(axis) / scale[2 - axis]).astype(np.float32).reshape(shape)
        push = straight.noise(f"bend {name}", _BEND_SCALE_MM) * np.float32(patient.irregularity_mm)
        bent.append(np.clip(push, -_BEND_REACH_MM, _BEND_REACH_MM) + line)
    return BodySpace(spec.seed, start, step_mm, bent[0], bent[1], bent[2], scale)


@dataclass(frozen=True, eq=False)
class BodyFrame:
    """Shapes of the frame; ``torso`` holds the trunk's, cut where head and legs begin."""

    torso: Torso
    skin: Field
    muscle: Field
    lung: Field
    bone: Field
    marrow: Field
    airway: Field
    brain: Field
    heart: Field


def _union(fields: list[Field]) -> Field:
    result = fields[0].copy()
    for field in fields[1:]:
        np.minimum(result, field, out=result)
    return result


def _between(space: Space, field: Field, low_mm: float, high_mm: float) -> Field:
    """A field cut at two heights."""
    return smooth_max(smooth_max(field, space.z - np.float32(high_mm), 8), np.float32(low_mm) - space.z, 8)


def make_body_frame(space: Space, spec: BodySpec) -> BodyFrame:
    """All of the frame's shapes."""
    torso = make_torso(space, spec.trunk)
    fat = 0.5 * spec.trunk.patient.subcutaneous_fat_mm
    limbs = _limbs(space, spec)
    trunk_muscle = _between(space, torso.wall, _TRUNK_BOTTOM_MM, _TRUNK_TOP_MM)
    lean = smooth_min(smooth_min(trunk_muscle, _union(limbs), 12), _head_and_neck(space), 8)
    skin = smooth_min(_between(space, torso.body, _TRUNK_BOTTOM_MM, _TRUNK_TOP_MM), lean - np.float32(fat), 10)
    head = ellipsoid(space, (0, -5, 478), (76, 96, 112))
    lung = smooth_max(_lungs(space, torso), lean + 12, 8)
    bone = _bones(space, torso, spec, head)
    pelvis_cavity = _between(space, torso.cavity + 12, -330, _TRUNK_TOP_MM)
    # Muscle is what lies between the cavity and the fat, and all of limbs, shoulders and neck.
    abdomen = _between(space, torso.cavity, -300, _TRUNK_TOP_MM)
    muscle = np.minimum(np.maximum(lean, -abdomen), np.maximum(torso.parts["muscle"], pelvis_cavity))
    airway = tube(space, [[0, 12, 190], [0, -2, 300], [0, -8, 360], [0, -30, 420]], [9, 9, 9, 8])
    heart = _between(space, torso.parts["heart"], -400, 200)
    return BodyFrame(torso, skin, muscle, lung, bone, bone + 2.5, airway, head + 11, heart)


def _limbs(space: Space, spec: BodySpec) -> list[Field]:
    thighs = [
        tube(space, [[s * 72, 18, -290], [s * 84, 18, -420], [s * 88, 12, -620]], [86, 84, 66], spacing_mm=30)
        for s in (-1, 1)
    ]
    hips = ellipsoid(space, (0, 15, -300), (158, 100, 80))
    shoulders = ellipsoid(space, (0, 12, 232), (178, 88, 76))
    if spec.arms == "down":
        courses = [[[s * 172, 22, 245], [s * 212, 28, 90], [s * 218, 15, -60], [s * 205, -10, -250]] for s in (-1, 1)]
    else:
        courses = [[[s * 168, 22, 250], [s * 178, 15, 370], [s * 150, -5, 500], [s * 95, -10, 640]] for s in (-1, 1)]
    arms = [tube(space, course, [44, 38, 33, 26], spacing_mm=25) for course in courses]
    return [*thighs, hips, shoulders, *arms]


def _head_and_neck(space: Space) -> Field:
    neck = tube(space, [[0, 22, 250], [0, 12, 330], [0, 8, 410]], [62, 55, 56], spacing_mm=20)
    head = ellipsoid(space, (0, -5, 478), (78, 98, 115))
    jaw = ellipsoid(space, (0, -50, 405), (52, 50, 38))
    return smooth_min(smooth_min(neck, head, 15), jaw, 12)


def _lungs(space: Space, torso: Torso) -> Field:
    sides = [ellipsoid(space, (s * 68, 4, 125), (72, 95, 172), (0, s * 4.0, 0)) for s in (-1, 1)]
    chest = _union(sides)
    middle = ellipsoid(space, (6, 20, 215), (30, 60, 100))
    field = smooth_max(chest, -middle, 8)
    field = smooth_max(field, torso.cavity + 1.5, 6)
    field = smooth_max(field, 2.5 - torso.diaphragm, 6)
    return smooth_max(field, 5 - torso.parts["heart"], 6)


def _bones(space: Space, torso: Torso, spec: BodySpec, head: Field) -> Field:
    """Spine, ribs and iliac wings of the trunk, and the bones above and below."""
    trunk = _between(space, torso.parts["bone"], -290, 232)
    parts = [trunk, np.maximum(np.maximum(head, -head - 9), 425 - space.z - 0.25 * (space.y + 5))]
    parts.append(tube(space, [[0, 46, 235], [0, 36, 310], [0, 30, 385]], [15, 14, 14]))
    parts.append(tube(space, [[-48, -20, 400], [-28, -82, 388], [28, -82, 388], [48, -20, 400]], 7.0))
    sacrum = ellipsoid(space, (0, 74, -255), (48, 22, 58), (-15, 0, 0))
    sternum = ellipsoid(space, (0, -95, 165), (17, 7, 75))
    parts += [sacrum, sternum, *_girdles(space)]
    for number, (height, reach) in enumerate(((214, 136), (236, 130), (258, 118))):
        angle = np.radians(np.linspace(14, 160, 8))
        slope = np.linspace(0, 1, 8) * (55 - 8 * number)
        for s in (-1, 1):
            ring = [s * reach * np.sin(angle), 0.74 * reach * np.cos(angle) + 12, height - slope]
            parts.append(tube(space, np.stack(ring, axis=1), 5.0, spacing_mm=12))
    arm = [[172, 20, 238], [212, 26, 90], [216, 14, -60]] if spec.arms == "down" else [[160, 20, 245], [176, 14, 370]]
    for s in (-1, 1):
        course = [[s * p[0], p[1], p[2]] for p in arm]
        parts.append(tube(space, course, [20, *[11.0] * (len(course) - 1)], spacing_mm=12))
    return _union(parts) + 0.6 * space.noise("bones", 14)


def _girdles(space: Space) -> list[Field]:
    parts = []
    for s in (-1, 1):
        parts += [
            ellipsoid(space, (s * 104, 82, 190), (46, 8, 66), (12, 0, s * 25)),
            tube(space, [[s * 14, -78, 240], [s * 80, -58, 268], [s * 150, 8, 268]], 7.0),
            ellipsoid(space, (s * 92, 48, -252), (14, 40, 50), (0, s * 14, s * 24)),
            ellipsoid(space, (s * 94, 10, -318), (34, 34, 34)),
            ellipsoid(space, (s * 66, 30, -375), (17, 22, 40)),
            tube(space, [[s * 80, -18, -322], [s * 34, -50, -345], [s * 4, -55, -352]], 9.0),
            tube(space, [[s * 94, 10, -318], [s * 132, 12, -358], [s * 118, 10, -440], [s * 100, 6, -620]],
                 [23, 20, 15, 14]),
        ]  # fmt: skip
    return parts
