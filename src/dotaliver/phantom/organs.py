"""The organs of the upper abdomen, fitted into the trunk and around one another."""

from __future__ import annotations

import numpy as np

from dotaliver.phantom.shapes import Field, Space, ellipsoid, smooth_max, smooth_min, stream, tube
from dotaliver.phantom.spec import LiverSpec, NeighbourSpec
from dotaliver.phantom.torso import Torso

_LOOP_STARTS = (
    (40, -40, -60),
    (-10, -45, -120),
    (40, -20, -150),
    (-40, -40, -170),
    (60, -45, -120),
    (70, -10, -90),
    (-50, -20, -150),
    (10, -55, -180),
    (70, -30, -180),
)

__all__ = ["hollow_organs", "kidneys", "left_tongue", "liver", "small_glands", "spleen"]


def kidneys(space: Space, neighbours: NeighbourSpec) -> dict[str, Field]:
    """Kidneys with cortex, medulla and a fatty sinus; a horseshoe kidney is joined in front of the spine."""
    rng = stream(space.seed, "kidneys")
    whole, inner, sinus = space.empty(), space.empty(), space.empty()
    for side, height in ((-1, -58.0), (1, -42.0)):
        shift = neighbours.right_kidney_shift_mm if side < 0 else (0.0, 0.0, 0.0)
        centre = (
            side * (60 + rng.normal(0, 3)) + shift[0],
            44 + rng.normal(0, 3) + shift[1],
            height + rng.normal(0, 7) + shift[2],
        )
        grow = 1 + rng.normal(0, 0.05)
        turn = (-12.0, side * -14.0, side * 30.0)
        outer = ellipsoid(space, centre, (25 * grow, 30 * grow, 54 * grow), turn)
        notch = ellipsoid(space, (centre[0] - side * 24, centre[1] - 10, centre[2]), (17, 11, 22))
        outer = smooth_max(outer, -notch, 6)
        np.minimum(whole, outer, out=whole)
        np.minimum(inner, outer + 8, out=inner)
        hollow = ellipsoid(space, (centre[0] - side * 8, centre[1] - 4, centre[2]), (11, 10, 30), turn)
        np.minimum(sinus, hollow + 2.5 * space.noise("sinus", 12), out=sinus)
    if neighbours.horseshoe_kidney:
        bridge = tube(space, [[-50, 34, -100], [-20, 8, -112], [20, 8, -112], [50, 34, -95]], [18, 13, 13, 18])
        whole = smooth_min(whole, bridge, 14)
    rough = 1.6 * space.noise("kidney surface", 18)
    columns = 3.0 * space.noise("kidney columns", 11)
    return {"kidney": whole + rough, "medulla": np.maximum(inner + columns, 2 - sinus), "sinus": sinus}


def spleen(space: Space, torso: Torso, neighbours: NeighbourSpec) -> Field:
    """The spleen under the left dome, behind; its inner side hollowed by stomach and kidney."""
    rng = stream(space.seed, "spleen")
    size = neighbours.spleen_scale * (1 + rng.normal(0, 0.06))
    centre = (102.0, 34 + rng.normal(0, 4), 30 + rng.normal(0, 6))
    body = ellipsoid(space, centre, (36 * size, 52 * size, 58 * size), (22, 0, -28))
    stomach_bed = ellipsoid(space, (62, -4, 38), (40, 44, 62))
    field = smooth_max(body, -stomach_bed, 10) + 2.2 * space.noise("spleen", 24)
    field = smooth_max(field, torso.cavity + 0.8, 3)
    return smooth_max(field, torso.diaphragm + 2, 3)


def hollow_organs(space: Space, torso: Torso) -> dict[str, Field]:
    """Stomach, duodenum, colon and small bowel: outer surfaces."""
    rng = stream(space.seed, "gut")
    full = 1 + rng.normal(0, 0.12)
    stomach_path = np.array(
        [[58.0, 8, 56], [66, -16, 32], [60, -46, 2], [28, -62, -26], [-8, -54, -30], [-24, -44, -24]]
    )
    stomach_path[1:5] += rng.normal(0, 5, (4, 3))
    stomach = tube(space, stomach_path, np.array([34, 36, 30, 23, 17, 11]) * full)
    stomach += 3.0 * space.noise("stomach", 26) + 1.2 * space.noise("rugae", 9)
    duodenum = tube(
        space, [[-24, -44, -24], [-42, -28, -34], [-44, -4, -70], [-22, 6, -100], [16, 4, -96], [34, -12, -70]], 11.5
    )
    duodenum += 1.2 * space.noise("duodenum", 12)
    colon = _colon(space, rng)
    small = _small_bowel(space, rng)
    inside = {}
    for name, field in (("stomach", stomach), ("duodenum", duodenum), ("colon", colon), ("small_bowel", small)):
        within = smooth_max(field, torso.cavity + 2, 3)
        inside[name] = smooth_max(within, torso.diaphragm + 3, 3)
    return inside


def _colon(space: Space, rng: np.random.Generator) -> Field:
    path = np.array(
        [
            [-98, 26, -220],
            [-104, 18, -140],
            [-98, 4, -104],
            [-72, -34, -92],
            [-36, -62, -88],
            [8, -70, -104],
            [52, -62, -78],
            [90, -30, -22],
            [108, 4, -8],
            [112, 30, -60],
            [110, 34, -220],
        ],
        dtype=np.float64,
    )
    path[2:9] += rng.normal(0, 6, (7, 3))
    count = 90
    along = np.linspace(0, len(path) - 1, count)
    nodes = np.stack([np.interp(along, np.arange(len(path)), path[:, k]) for k in range(3)], axis=1)
    nodes += np.cumsum(rng.normal(0, 0.5, nodes.shape), axis=0) * 0.3
    width = np.interp(along, [0, 4, 8, 10], [25, 21, 18, 13]) * (1 + 0.16 * np.sin(along * 14 + rng.uniform(0, 6)))
    return tube(space, nodes, width, spacing_mm=8) + 1.5 * space.noise("colon", 14)


def _small_bowel(space: Space, rng: np.random.Generator) -> Field:
    """Loops that wander through the middle of the abdomen."""
    field = space.empty()
    for start in _LOOP_STARTS:
        place, heading = np.array(start, dtype=np.float64), rng.normal(0, 1, 3)
        nodes = [place]
        for _ in range(14):
            heading = heading + rng.normal(0, 0.9, 3)
            pull = (np.array([15.0, -36.0, -130.0]) - place) / np.array([75.0, 34.0, 75.0])
            heading = heading + 0.7 * pull
            place = place + 18 * heading / np.linalg.norm(heading)
            nodes.append(place)
        width = 11.5 + 2.0 * np.sin(np.linspace(0, 20, len(nodes)) + rng.uniform(0, 6))
        np.minimum(field, tube(space, nodes, width, spacing_mm=8), out=field)
    return field + 1.0 * space.noise("small bowel", 10)


def small_glands(space: Space) -> dict[str, Field]:
    """Pancreas, adrenals and gallbladder."""
    rng = stream(space.seed, "glands")
    pancreas = tube(
        space,
        [[-26, -22, -52], [-20, -26, -36], [6, -26, -22], [40, -8, -10], [76, 18, 4]],
        np.array([13, 14, 10, 10, 8]) * (1 + rng.normal(0, 0.08)),
    )
    pancreas += 2.0 * space.noise("pancreas", 10)
    adrenals = space.empty()
    for side, height in ((-1, 6.0), (1, 4.0)):
        top = np.array([side * 33.0, 26.0, height + rng.normal(0, 4)])
        for limb in ([side * 10, 18, -22], [side * 1, 20, -22]):
            np.minimum(adrenals, tube(space, [top, top + np.array(limb)], [3.2, 2.6]), out=adrenals)
    centre = (-50 + rng.normal(0, 4), -50 + rng.normal(0, 4), -42 + rng.normal(0, 5))
    gallbladder = ellipsoid(space, centre, (14, 18, 33), (-28, 12, 0)) + 1.5 * space.noise("gallbladder", 20)
    return {"pancreas": pancreas, "adrenal": adrenals, "gallbladder": gallbladder}


def _lobes(space: Space, shape: LiverSpec) -> Field:
    rng = stream(space.seed, "liver")
    field = space.empty()
    if shape.right_scale > 0:
        grow = np.cbrt(shape.right_scale) * (1 + rng.normal(0, 0.03))
        right = ellipsoid(space, (-74, 0, 15), (76 * grow, 82 * grow, 92 * grow), (0, -8 + rng.normal(0, 4), 0))
        field = np.minimum(field, right)
    missing = max(1 - shape.right_scale, 0.0)  # what is left grows into the gap on the right
    reach = 74 * shape.left_length * (1 + rng.normal(0, 0.06))
    left = ellipsoid(
        space,
        (-36 + reach * 0.72 - 42 * missing, -42 + 12 * missing, 44 + rng.normal(0, 4)),
        (reach, 42 * shape.left_scale, 40 * shape.left_scale),
        (14 + rng.normal(0, 5), -10 + rng.normal(0, 6), 12 + rng.normal(0, 5)),
    )
    field = smooth_min(field, left, 22)
    field = smooth_min(field, ellipsoid(space, (-14, 4, 36), (18, 17, 28)), 9)
    field = smooth_min(field, left_tongue(space, shape), 16)
    if shape.riedel_mm > 0:
        course = np.array([[-112, 4, -40], [-116, 0, -85], [-114, -4, -85 - shape.riedel_mm]])
        tongue = tube(space, course, [34, 27, 14])
        field = smooth_min(field, tongue, 20)
    return field


def left_tongue(space: Space, shape: LiverSpec) -> Field:
    """The part of a long left lobe that lies over stomach and spleen, which give way to it; nowhere otherwise."""
    if shape.left_length <= 1.4:
        return space.empty()
    end = 70 + 40 * (shape.left_length - 1.0)
    course = np.array([[10, -52, 50], [0.6 * end, -52, 56], [end, -26, 54], [end + 12, 6, 46]])
    return tube(space, course, np.array([26, 24, 20, 11]) * np.cbrt(shape.left_scale))


def _fissure(space: Space) -> Field:
    """The cleft of the round ligament, filled with fat: a wedge from the lower front edge upwards."""
    across = np.abs(space.x + 4 + 0.10 * (space.y + 40) + 3 * space.noise("fissure", 40))
    return np.maximum(np.maximum(across - 2.6 + 0.06 * (space.z - 10), space.y + 34), space.z - 46).astype(np.float32)


def liver(space: Space, torso: Torso, shape: LiverSpec, obstacles: list[tuple[Field, float]]) -> Field:
    """The liver with its tumours: under the right dome, hollowed from below, cleft, and off its `obstacles`.

    Parameters
    ----------
    space, torso, shape
        Working grid, trunk, and what the specification says of the liver.
    obstacles : list of (Field, float)
        Neighbours, each with the gap in mm that the liver keeps from it.
    """
    field = _lobes(space, shape)
    pressed = 1 - 0.25 * max(1 - shape.right_scale, 0.0)
    bowels = ellipsoid(space, (32, 8, -66), (100 * pressed, 66 * pressed, 100 * pressed), (0, -14, 0))
    renal_bed = ellipsoid(space, (-50, 56, -62), (40, 40, 66))
    field = smooth_max(field, -bowels, 22)
    field = smooth_max(field, -renal_bed, 14)
    field = field + shape.surface_noise_mm * space.noise("liver", 35) + 0.8 * space.noise("liver fine", 13)
    if shape.nodularity_mm > 0:
        field += shape.nodularity_mm * space.noise("nodules", 10)
    field = smooth_max(field, torso.cavity + 0.6, 3)
    field = smooth_max(field, torso.diaphragm + 1.8, 3)
    field = smooth_max(field, -_fissure(space), 4)
    for other, gap_mm in obstacles:
        field = smooth_max(field, np.float32(gap_mm) - other, 2.5)
    return field
