"""Training scenes: anatomies of the phantom on the coarse grid, rendered anew with random densities and uptake.

Shape is what the network is to learn. So every rendering combines several families in one patient, draws the density
and the uptake of each tissue over wider ranges than patients have, grows tumours of any extent in the liver, bends and
turns the anatomy, ends the field of view at any place and displaces the PET from the CT. Two groups of families are
never used: `dotaliver.phantom.families.HELD_OUT`, on which the audit is measured, and `CALIBRATION`, on which the
limits of a dispute are chosen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from dotaliver.image.geometry import Geometry
from dotaliver.phantom.anatomy import largest_piece, paint, shape_anatomy
from dotaliver.phantom.families import FAMILIES, HELD_OUT
from dotaliver.phantom.physics import fwhm_to_sigma
from dotaliver.phantom.presets import base_spec
from dotaliver.phantom.shapes import stream
from dotaliver.phantom.spec import PhantomSpec
from dotaliver.phantom.tissues import LIVER_TISSUES, Tissue, draw_hu, draw_suv
from dotaliver.segmentation.audit.second_liver import GRID_MM

Array = npt.NDArray[np.float32]
FIRST_SEED = 5_000_000
# The limits of a dispute are chosen on these; neither the networks nor the benchmark use them.
CALIBRATION = frozenset(
    {
        "patient_small",
        "fatty",
        "kidney_low_dose",
        "gut_touching",
        "burden_60_80",
        "capsule",
        "giant",
        "breathing",
    }
)
_FAMILIES_AT_ONCE = 3
_FIELD_MM = 464.0
# Room for bending and for arms
_MARGIN_MM = 40.0
_HEIGHTS_MM = (-200.0, 168.0)
_AXES = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
_PHASES = ("native", "arterial", "portal", "late")
# Tissues whose density and uptake no two patients share: organs, blood and what the gut holds.
_ORGANS = tuple(t for t in Tissue if Tissue.LIVER <= t <= Tissue.HEART_BLOOD and t is not Tissue.GUT_GAS)
_CONTENTS = (Tissue.STOMACH_CONTENT, Tissue.BOWEL_CONTENT)
# How often a scan has what follows
_ARMS_SHARE, _STREAKS_SHARE, _THICK_SLICES_SHARE = 0.1, 0.2, 0.3
_CUT_BELOW_SHARE, _CUT_ABOVE_SHARE, _PET_ENDS_LOWER_SHARE = 0.15, 0.35, 0.06
_HOT_CONTENTS_SHARE, _MOVING_SHARE, _CALCIFIED_SHARE = 0.3, 0.3, 0.15


@dataclass(frozen=True)
class Rendering:
    """CT, PET and the true liver on the coarse grid."""

    hu: Array
    uptake: Array
    liver: npt.NDArray[np.bool_]


def training_families() -> list[str]:
    """Families that may be trained on."""
    return [name for name in FAMILIES if name not in HELD_OUT | CALIBRATION]


def training_spec(number: int) -> PhantomSpec:
    """One patient with what several families bring, without lesions: those are painted later."""
    seed = FIRST_SEED + number
    spec = base_spec("liver audit", seed, "small")
    families = stream(seed, "families").choice(training_families(), _FAMILIES_AT_ONCE, replace=False)
    for name in map(str, families):
        spec = FAMILIES[name](spec, stream(seed, f"family {name}"))
    return spec.model_copy(update={"lesions": (), "burden": None})


def anatomy_labels(spec: PhantomSpec) -> npt.NDArray[np.uint8]:
    """Tissue of each voxel of the coarse grid."""
    n = int(_FIELD_MM / GRID_MM)
    corner = -(n - 1) / 2 * GRID_MM
    slices = int((_HEIGHTS_MM[1] - _HEIGHTS_MM[0]) / GRID_MM)
    grid = Geometry((slices, n, n), (corner, corner, _HEIGHTS_MM[0]), (GRID_MM,) * 3, _AXES)
    tissue = paint(shape_anatomy(spec, 5.0), grid, draw_hu(spec)).tissue
    liver = np.isin(tissue, LIVER_TISSUES)
    if liver.any():
        tissue[liver & ~largest_piece(liver)] = Tissue.FAT
    return tissue


def render(tissue: npt.NDArray[np.uint8], spec: PhantomSpec, rng: np.random.Generator) -> Rendering:
    """One random patient of this anatomy."""
    tissue = _bent(_around_body(tissue, _MARGIN_MM), rng)
    tissue = _with_arms(tissue, rng) if rng.random() < _ARMS_SHARE else _around_body(tissue, 2 * GRID_MM)
    liver = np.isin(tissue, LIVER_TISSUES)
    tumour = _tumours(liver, rng)
    hu = _density(tissue, liver, tumour, spec, rng)
    uptake = _uptake(tissue, liver, tumour, spec, rng)
    kept = _field_of_view(liver, rng)
    uptake = uptake[kept]
    if rng.random() < _PET_ENDS_LOWER_SHARE:
        uptake[len(uptake) - int(rng.integers(3, 15)) :] = 0.0
    return Rendering(hu[kept], uptake, liver[kept])


def _bent(tissue: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """The anatomy turned, scaled and bent by a smooth displacement, by nearest neighbour."""
    shape = np.array(tissue.shape)
    angles = np.radians(rng.normal(0, [3, 3, 5]))
    turn = np.eye(3)
    for (a, b), angle in zip(((0, 1), (0, 2), (1, 2)), angles, strict=True):
        one = np.eye(3)
        one[a, a] = one[b, b] = np.cos(angle)
        one[a, b], one[b, a] = -np.sin(angle), np.sin(angle)
        turn = turn @ one
    turn = turn / rng.uniform(0.85, 1.2, 3)
    places = np.indices(tissue.shape, dtype=np.float32).reshape(3, -1)
    middle = (shape - 1)[:, None] / 2
    source = turn.astype(np.float32) @ (places - middle.astype(np.float32)) + middle.astype(np.float32)
    sd_voxels = rng.uniform(3, 12) / GRID_MM
    for axis in range(3):
        source[axis] += sd_voxels * _smooth_noise(tissue.shape, 60.0, rng).ravel()
    index = np.clip(np.rint(source), 0, (shape - 1)[:, None]).astype(np.intp)
    return np.asarray(tissue[index[0], index[1], index[2]].reshape(tissue.shape))


def _smooth_noise(shape: tuple[int, ...], scale_mm: float, rng: np.random.Generator) -> Array:
    """Noise of unit SD that varies over a distance."""
    step = max(scale_mm / 2 / GRID_MM, 1.0)
    lattice = rng.standard_normal([int(np.ceil(n / step)) + 3 for n in shape]).astype(np.float32)
    lattice = ndimage.gaussian_filter(lattice, 0.8)
    lattice /= lattice.std()
    for axis, n in enumerate(shape):
        # Linear between the points of the lattice
        place = np.arange(n) / step
        index = place.astype(np.intp)
        share = (place - index).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        lattice = lattice.take(index, axis) * (1 - share) + lattice.take(index + 1, axis) * share
    return lattice


def _around_body(tissue: npt.NDArray[np.uint8], margin_mm: float) -> npt.NDArray[np.uint8]:
    """The rows and columns that the body takes up, with a margin."""
    margin = round(margin_mm / GRID_MM)
    body = ~np.isin(tissue, (Tissue.AIR, Tissue.COUCH))
    box = [slice(None)]
    for axis in (1, 2):
        used = np.flatnonzero(body.any(axis=(0, 3 - axis)))
        box.append(slice(max(int(used[0]) - margin, 0), int(used[-1]) + margin + 1))
    return tissue[tuple(box)]


def _with_arms(tissue: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """One or both arms at the sides, as far as the field of view shows them."""
    columns = np.flatnonzero((tissue == Tissue.MUSCLE).any(axis=(0, 1)))
    rows = np.flatnonzero((tissue == Tissue.MUSCLE).any(axis=(0, 2)))
    row = np.arange(tissue.shape[1])[:, None]
    column = np.arange(tissue.shape[2])[None, :]
    out = tissue.copy()
    for side in rng.permutation(2)[: int(rng.integers(1, 3))]:
        radius = float(rng.uniform(35, 50)) / GRID_MM
        away = radius + float(rng.uniform(2, 8))
        middle = columns[0] - away if side == 0 else columns[-1] + away
        distance = np.hypot(row - rng.uniform(rows[0] + radius, rows[-1] - radius), column - middle)
        for kind, share in ((Tissue.FAT, 1.0), (Tissue.MUSCLE, 0.85), (Tissue.BONE, 0.28)):
            inside = distance < share * radius
            # The body stays as it is.
            out[:, inside] = np.where((tissue == Tissue.AIR)[:, inside], kind, tissue[:, inside])
    return out


def _field_of_view(liver: npt.NDArray[np.bool_], rng: np.random.Generator) -> slice:
    """The slices that the images show: some end within the liver, most of these little below its dome."""
    levels = np.flatnonzero(liver.any(axis=(1, 2)))
    low, high, count = int(levels[0]), int(levels[-1]), len(liver)
    extent = high - low
    first = int(rng.integers(0, max(low - 3, 1)))
    if rng.random() < _CUT_BELOW_SHARE:
        first = int(rng.integers(low, low + extent // 2))
    last = int(rng.integers(min(high + 2, count - 1), count))
    if rng.random() < _CUT_ABOVE_SHARE:
        last = high - int(0.45 * extent * rng.random() ** 2)
    return slice(first, last + 1)


def _tumours(liver: npt.NDArray[np.bool_], rng: np.random.Generator) -> npt.NDArray[np.int32]:
    """Tumours by number: none, some, or most of the liver, round or confluent."""
    labels = np.zeros(liver.shape, dtype=np.int32)
    if rng.random() < 0.15 or not liver.any():
        return labels
    burden = float(rng.choice([rng.uniform(0.01, 0.2), rng.uniform(0.2, 0.7), rng.uniform(0.7, 0.97)]))
    scale = float(np.exp(rng.uniform(np.log(14), np.log(70))))
    field = _smooth_noise(liver.shape, scale, rng)
    side = rng.standard_normal(3) * rng.choice([0.0, 0.02])
    for axis, slope in enumerate(side):
        field += np.float32(slope) * np.arange(liver.shape[axis], dtype=np.float32).reshape(
            [-1 if a == axis else 1 for a in range(3)]
        )
    tumour = liver & (field > np.quantile(field[liver], 1 - burden))
    labels[:] = tumour
    if rng.random() < 0.5:
        # Confluent lesions of different uptake and density
        labels[tumour] = 1 + (_smooth_noise(liver.shape, scale, rng)[tumour] > 0.4)
    return labels


def _density(
    tissue: npt.NDArray[np.uint8],
    liver: npt.NDArray[np.bool_],
    tumour: npt.NDArray[np.int32],
    spec: PhantomSpec,
    rng: np.random.Generator,
) -> Array:
    phase = _PHASES[int(rng.choice(4, p=[0.35, 0.15, 0.35, 0.15]))]
    scanner = spec.scanner.model_copy(update={"contrast_phase": phase})
    drawn = draw_hu(spec.model_copy(update={"scanner": scanner, "seed": int(rng.integers(2**31))}))
    table = np.array([drawn[t] for t in Tissue], dtype=np.float32)
    spread = rng.choice([4.0, 12.0, 30.0], p=[0.4, 0.4, 0.2])
    for kind in _ORGANS:
        table[kind] += np.float32(rng.normal(0, spread))
    if rng.random() < 0.2:
        table[Tissue.LIVER] -= np.float32(rng.uniform(10, 50))
    for kind in _CONTENTS:
        table[kind] = rng.choice(
            [rng.uniform(-40, 60), rng.uniform(-900, -100), rng.uniform(60, 350)], p=[0.7, 0.1, 0.2]
        )
    if rng.random() < 0.3:
        table[Tissue.LIVER : Tissue.HEPATIC_VEIN + 1] = table[Tissue.LIVER]
    hu = table[tissue]
    difference = np.array([0.0, rng.uniform(-55, 20), rng.uniform(-55, 40)], dtype=np.float32)
    if phase == "native":
        difference *= np.float32(0.5)
    if rng.random() < _CALCIFIED_SHARE:
        difference[1:] = rng.uniform(-20, 60, 2)
        specks = np.float32(rng.uniform(60, 400)) * np.abs(_smooth_noise(liver.shape, 2 * GRID_MM, rng))
        hu = hu + np.where(tumour > 0, specks, np.float32(0.0))
    hu = np.where(liver, hu + difference[tumour], hu)
    texture = np.where(np.isin(tissue, (Tissue.FAT, *_CONTENTS)), 14, 5).astype(np.float32)
    hu += texture * _smooth_noise(tissue.shape, 12.0, rng)
    blur = rng.uniform(0.3, 0.6)
    along = rng.uniform(0.5, 0.9) if rng.random() < _THICK_SLICES_SHARE else blur
    hu = ndimage.gaussian_filter(hu, (along, blur, blur))
    hu += np.float32(rng.choice([rng.uniform(2, 8), rng.uniform(8, 16)], p=[0.75, 0.25])) * ndimage.gaussian_filter(
        rng.standard_normal(hu.shape, dtype=np.float32), 0.3
    )
    if rng.random() < _STREAKS_SHARE:
        lines = ndimage.gaussian_filter(rng.standard_normal((*hu.shape[:2], 1), dtype=np.float32), (0.5, 0.8, 0))
        hu += np.float32(rng.uniform(5, 18) / lines.std()) * lines * (hu > -200)
    return np.asarray(hu, dtype=np.float32)


def _uptake(
    tissue: npt.NDArray[np.uint8],
    liver: npt.NDArray[np.bool_],
    tumour: npt.NDArray[np.int32],
    spec: PhantomSpec,
    rng: np.random.Generator,
) -> Array:
    drawn = draw_suv(spec.model_copy(update={"seed": int(rng.integers(2**31))}))
    table = np.array([drawn[t] for t in Tissue], dtype=np.float32)
    spread = rng.choice([0.05, 0.2, 0.4], p=[0.4, 0.4, 0.2])
    for kind in Tissue:
        table[kind] *= np.float32(np.exp(rng.normal(0, spread if kind in _ORGANS else 0.15)))
    table[Tissue.PORTAL_BRANCH] = table[Tissue.HEPATIC_VEIN] = table[Tissue.VENA_CAVA]
    if rng.random() < _HOT_CONTENTS_SHARE:
        # Bowel that is filled with what it has taken up or secreted
        table[Tissue.BOWEL_CONTENT] = table[Tissue.BOWEL_WALL]
    ratios = np.array([1.0, *np.exp(rng.uniform(np.log(1.1), np.log(7.5), 2))], dtype=np.float32)
    if rng.random() < 0.15:
        ratios[2] = rng.uniform(0.1, 0.8)
    uptake = table[tissue]
    if liver.any():
        texture = 1 + np.float32(rng.uniform(0.02, 0.08)) * _smooth_noise(liver.shape, 40.0, rng)
        uptake = np.where(liver & (tissue == Tissue.LIVER), uptake * texture, uptake)
        uptake = np.where(tumour > 0, table[Tissue.LIVER] * ratios[tumour], uptake)
    shift = float(np.clip(rng.normal(5, 5), -4, 16)) / GRID_MM
    sigma = fwhm_to_sigma(rng.uniform(5.5, 9.0)) / GRID_MM
    along = sigma * rng.uniform(1.2, 2.2) if rng.random() < _MOVING_SHARE else sigma
    uptake = ndimage.gaussian_filter(uptake, (along, sigma, sigma))
    uptake = ndimage.shift(uptake, (-shift, 0, 0), order=1, mode="nearest")
    grain = ndimage.gaussian_filter(rng.standard_normal(uptake.shape, dtype=np.float32), 0.5)
    grain /= grain.std()
    level = np.maximum(uptake, 0.3)
    relative = rng.uniform(0.04, 0.14) * np.sqrt(table[Tissue.LIVER] / level)
    return np.asarray(uptake * np.exp(np.minimum(relative, 0.8) * grain), dtype=np.float32)
