"""Metastases of a body phantom: placed at random within their site, off one another, and painted as ellipsoids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from dotaliver.image.geometry import Box, Geometry, Vector, as_vector
from dotaliver.phantom.body_spec import BodyLesionSpec, BodySpec
from dotaliver.phantom.shapes import stream

__all__ = ["PlacedLesion", "paint_body_lesions", "place_body_lesions"]

_GAP_MM = 8.0
_SHELL_MM = (5.0, 14.0)
# Density of each kind of lesion, in HU; bone metastases of neuroendocrine tumours are mostly sclerotic.
_LESION_HU = {"bone": 520.0, "lung": 30.0}
_SOFT_HU = 50.0

# Boxes in atlas coordinates (x positive to the left, y to the back, z to the head), and the organs that may hold the
# lesion's centre. Symmetric boxes hold both sides.
_Limits = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
_SITES: dict[str, tuple[_Limits, tuple[str, ...], bool]] = {
    "node_mediastinal": (((-24, 30), (-30, 26), (150, 250)), ("fat", "muscle"), False),
    "node_supraclavicular": (((28, 62), (-25, 20), (268, 305)), ("fat", "muscle"), True),
    "node_retroperitoneal": (((-32, 32), (2, 30), (-175, -20)), ("fat", "muscle", "vessel"), False),
    "node_mesenteric": (((-45, 60), (-65, -15), (-190, -70)), ("fat",), False),
    "node_pelvic": (((40, 78), (-5, 40), (-315, -215)), ("fat", "muscle"), True),
    "bone_vertebra": (((-18, 18), (32, 62), (-230, 245)), ("bone", "marrow"), False),
    "bone_rib": (((80, 150), (-90, 90), (20, 225)), ("bone", "marrow"), True),
    "bone_pelvis": (((40, 130), (-60, 90), (-400, -170)), ("bone", "marrow"), True),
    "bone_femur": (((80, 140), (-20, 40), (-505, -335)), ("bone", "marrow"), True),
    "peritoneum": (((-125, 125), (-85, 40), (-290, 30)), ("fat",), False),
    "lung": (((-140, 140), (-90, 90), (20, 285)), ("lung",), False),
    "pancreas": (((-30, 80), (-35, 20), (-55, 10)), ("pancreas",), False),
    "liver": (((-150, 60), (-90, 80), (-90, 90)), ("liver",), False),
}


@dataclass(frozen=True)
class PlacedLesion:
    """A lesion where it lies on CT; ``contrast`` is its true uptake over that of what surrounds it."""

    label: int
    site: str
    centre_lps_mm: Vector
    axes_mm: Vector
    turn_deg: Vector
    diameter_mm: float
    suv: float
    contrast: float


def place_body_lesions(
    painted: tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]],
    names: tuple[str, ...],
    grid: Geometry,
    spec: BodySpec,
) -> tuple[PlacedLesion, ...]:
    """Give each lesion a place; one that finds none is left out."""
    organs, suv = painted
    rng = stream(spec.seed, "body lesions")
    patient = spec.trunk.patient
    scale = np.array([patient.width_scale, patient.depth_scale, patient.height_scale])
    placed: list[PlacedLesion] = []
    for wanted in spec.lesions:
        place = _place(wanted, (organs, names, grid), scale, placed, rng)
        if place is None:
            continue
        radius = wanted.diameter_mm / 2
        shape = np.exp(rng.normal(0, 0.1, 3))
        axes = radius * shape / np.cbrt(np.prod(shape))
        turn = rng.uniform(0, 90, 3)
        around = max(_local_uptake(suv, grid, place, radius), 0.05)
        uptake = around if wanted.suv is None else wanted.suv
        kind, size = wanted.site, wanted.diameter_mm
        lesion = PlacedLesion(
            len(placed) + 1, kind, as_vector(place), as_vector(axes), as_vector(turn), size, uptake, uptake / around
        )
        placed.append(lesion)
    return tuple(placed)


def _place(
    wanted: BodyLesionSpec,
    painted: tuple[npt.NDArray[np.uint8], tuple[str, ...], Geometry],
    scale: npt.NDArray[np.float64],
    placed: list[PlacedLesion],
    rng: np.random.Generator,
) -> npt.NDArray[np.float64] | None:
    organs, names, grid = painted
    limits, hosts, mirrored = _SITES[wanted.site]
    numbers = [names.index(host) for host in hosts if host in names]
    low, high = (np.array([limit[k] for limit in limits]) * scale for k in (0, 1))
    for _ in range(400):
        place = rng.uniform(low, high)
        if mirrored and rng.random() < 0.5:
            place[0] = -place[0]
        index = np.rint(grid.lps_to_index(place)).astype(int)
        if (index < 2).any() or (index >= np.array(grid.shape) - 2).any():
            continue
        if organs[tuple(index)] not in numbers or not _deep_enough(wanted, organs, names, grid, index):
            continue
        gaps = [
            float(np.linalg.norm(place - p.centre_lps_mm)) - (p.diameter_mm + wanted.diameter_mm) / 2 for p in placed
        ]
        if not gaps or min(gaps) > _GAP_MM:
            return place
    return None


def _deep_enough(
    wanted: BodyLesionSpec,
    organs: npt.NDArray[np.uint8],
    names: tuple[str, ...],
    grid: Geometry,
    index: npt.NDArray[np.intp],
) -> bool:
    """Whether the lesion lies in what may hold it: within lung or liver, off hot organs and inside the skin."""
    box, inside = _ball(grid, grid.index_to_lps(index), wanted.diameter_mm / 2)
    around = organs[box][inside]
    if wanted.site in {"lung", "liver"}:
        return bool((around == names.index(wanted.site)).mean() > 0.85)
    avoid = [names.index(n) for n in ("air", "kidney", "spleen", "liver", "bladder", "adrenal", "ureter") if n in names]
    allowed = 0.1 if wanted.site.startswith("bone") else 0.04
    return bool(np.isin(around, avoid).mean() <= allowed)


def _ball(grid: Geometry, centre: npt.ArrayLike, radius_mm: float) -> tuple[Box, npt.NDArray[np.bool_]]:
    index = np.rint(grid.lps_to_index(np.asarray(centre))).astype(int)
    parts, offsets = [], []
    for axis in range(3):
        reach = int(np.ceil(radius_mm / grid.spacing_mm[axis])) + 1
        parts.append(slice(max(index[axis] - reach, 0), min(index[axis] + reach + 1, grid.shape[axis])))
        line = grid.origin_lps_mm[2 - axis] + grid.spacing_mm[axis] * np.arange(parts[-1].start, parts[-1].stop)
        offsets.append(line - np.asarray(centre)[2 - axis])
    z, y, x = np.meshgrid(*offsets, indexing="ij", sparse=True)
    return (parts[0], parts[1], parts[2]), np.asarray(x**2 + y**2 + z**2 <= radius_mm**2)


def _local_uptake(
    suv: npt.NDArray[np.float32], grid: Geometry, place: npt.NDArray[np.float64], radius_mm: float
) -> float:
    """Mean true uptake in a shell around the lesion, before it is painted."""
    box, outer = _ball(grid, place, radius_mm + _SHELL_MM[1])
    inner_box, inner = _ball(grid, place, radius_mm + _SHELL_MM[0])
    shell = np.zeros(grid.shape, dtype=bool)
    shell[box] = outer
    shell[inner_box] &= ~inner
    return float(suv[box][shell[box]].mean())


def paint_body_lesions(
    placed: tuple[PlacedLesion, ...],
    grid: Geometry,
    hu: npt.NDArray[np.float32],
    suv: npt.NDArray[np.float32],
) -> npt.NDArray[np.uint16]:
    """Paint the lesions into density and uptake, in place; returns their labels."""
    labels = np.zeros(grid.shape, dtype=np.uint16)
    for lesion in placed:
        box, _ = _ball(grid, lesion.centre_lps_mm, max(lesion.axes_mm) + 6)
        k, j, i = np.meshgrid(*(np.arange(p.start, p.stop) for p in box), indexing="ij")
        offset = grid.index_to_lps(np.stack([k, j, i], axis=-1)) - np.asarray(lesion.centre_lps_mm)
        turned = offset @ Rotation.from_euler("xyz", lesion.turn_deg, degrees=True).as_matrix()
        norm = np.sqrt(((turned / np.asarray(lesion.axes_mm)) ** 2).sum(axis=-1))
        share = np.clip(0.5 - (norm - 1) * min(lesion.axes_mm) / 3.5, 0, 1).astype(np.float32)
        labels[box][share > 0.5] = lesion.label
        density = _LESION_HU.get(lesion.site.split("_")[0], _SOFT_HU)
        if lesion.site != "liver":
            hu[box] += share * (np.float32(density) - hu[box])
        suv[box] += share * (np.float32(lesion.suv) - suv[box])
    return labels
