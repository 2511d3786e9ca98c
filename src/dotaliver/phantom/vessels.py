"""Vessels: aorta, vena cava, portal and hepatic veins with their branches in the liver."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dotaliver.phantom.shapes import Field, Space, stream, tube

__all__ = ["great_vessels", "liver_veins"]

Points = list[list[float]]

_PORTAL: list[Points] = [
    [[-36, -12, 14], [-58, -8, 20], [-80, -30, 34], [-96, -48, 46]],
    [[-58, -8, 20], [-84, 14, 12], [-104, 34, 0]],
    [[-84, 14, 12], [-100, 12, -26], [-108, 6, -52]],
    [[-58, -8, 20], [-78, -38, -4], [-88, -52, -26]],
    [[-36, -12, 14], [-14, -24, 32], [4, -44, 36], [8, -56, 24]],
    [[4, -44, 36], [32, -46, 44], [56, -48, 46]],
]
_HEPATIC: list[Points] = [
    [[-24, 10, 72], [-54, 20, 62], [-92, 26, 42], [-116, 20, 20]],
    [[-24, 8, 72], [-40, -24, 60], [-62, -52, 34], [-70, -66, 10]],
    [[-22, 6, 72], [-2, -22, 66], [20, -44, 56], [40, -52, 50]],
    [[-54, 20, 62], [-78, 44, 40], [-90, 52, 16]],
]


def great_vessels(space: Space) -> dict[str, Field]:
    """Aorta with its upper branches, vena cava, and the portal vein outside the liver."""
    rng = stream(space.seed, "great vessels")
    sway = rng.normal(0, 2.5)
    course = np.array([[18 + sway, 18, 195], [14 + sway, 18, 90], [8, 16, 0], [6, 14, -130]])
    aorta = tube(space, course, [12.5, 12, 10.5, 9])
    legs = [tube(space, [[6, 14, -130], [side * 20, 18, -175], [side * 42, 14, -230]], 6.0) for side in (-1, 1)]
    coeliac = tube(space, [[10, 8, -2], [8, -8, -4], [-16, -14, -4]], [4, 3.5, 3])
    mesenteric = tube(space, [[8, 6, -22], [8, -12, -44], [4, -22, -120]], [4.2, 4, 3])
    renal = [tube(space, [[8, 14, -44], [side * 42, 34, -50]], 3.0) for side in (-1, 1)]
    for part in (*legs, coeliac, mesenteric, *renal):
        np.minimum(aorta, part, out=aorta)
    cava = tube(
        space,
        [[-20, -8, 118], [-24, 8, 74], [-26, 14, 20], [-22, 16, -40], [-20, 16, -140], [-26, 22, -230]],
        np.array([12, 13, 12, 11.5, 10.5, 8]) * (1 + rng.normal(0, 0.08)),
    )
    renal_veins = [
        tube(space, [[-20, 12, -46], [44, 26, -46]], 4.5),
        tube(space, [[-20, 14, -56], [-46, 34, -58]], 4.5),
    ]
    for part in renal_veins:
        np.minimum(cava, part, out=cava)
    portal = tube(space, [[2, -14, -34], [-10, -14, -14], [-36, -12, 14]], [8, 7.5, 7.5])
    splenic = tube(space, [[2, -14, -34], [34, 2, -12], [84, 24, 12]], [5.5, 4.5, 4])
    superior = tube(space, [[2, -14, -34], [-4, -16, -70], [-2, -26, -140]], [6, 5.5, 4])
    for part in (splenic, superior):
        np.minimum(portal, part, out=portal)
    wobble = 0.8 * space.noise("vessels", 14)
    return {"aorta": aorta + 0.5 * wobble, "cava": cava + wobble, "portal": portal + wobble}


def _branches(rng: np.random.Generator, trunk: npt.NDArray[np.float64]) -> list[npt.NDArray[np.float64]]:
    """Side branches that leave a vein at random places and directions, shorter towards its end."""
    found = []
    for _ in range(5):
        place = rng.uniform(0.25, 1.0) * (len(trunk) - 1)
        low = min(int(place), len(trunk) - 2)
        start = trunk[low] + (place - low) * (trunk[low + 1] - trunk[low])
        onward = trunk[low + 1] - trunk[low]
        heading = onward / np.linalg.norm(onward) + rng.normal(0, 0.8, 3)
        heading /= np.linalg.norm(heading)
        length = rng.uniform(18, 42)
        bend = rng.normal(0, 5, 3)
        found.append(np.stack([start, start + 0.5 * length * heading + bend, start + length * heading]))
    return found


def liver_veins(space: Space, liver: Field) -> dict[str, Field]:
    """Portal and hepatic veins within the liver, with side branches down to 1 to 2 mm radius."""
    result = {}
    for name, trunks, radius in (("portal_branches", _PORTAL, 5.8), ("hepatic_veins", _HEPATIC, 5.4)):
        rng = stream(space.seed, name)
        field = space.empty()
        for trunk in trunks:
            nodes = np.array(trunk, dtype=np.float64)
            nodes[1:] += rng.normal(0, 5, nodes[1:].shape)
            widths = np.linspace(radius, 2.2, len(nodes))
            np.minimum(field, tube(space, nodes, widths), out=field)
            for branch in _branches(rng, nodes):
                np.minimum(field, tube(space, branch, [2.4, 1.8, 1.2]), out=field)
        result[name] = np.maximum(field, liver + 3)
    return result
