"""Lesions: rough, stretched balls placed in the liver by seed, grown to a burden where one is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial.transform import Rotation

from dotaliver.errors import ConfigError
from dotaliver.image.geometry import Box, Geometry, Vector
from dotaliver.phantom.anatomy import Anatomy, Painting
from dotaliver.phantom.shapes import Field, stream
from dotaliver.phantom.spec import LesionSpec, PhantomSpec
from dotaliver.phantom.tissues import Tissue

__all__ = ["Blob", "LesionMasks", "draw_lesions", "make_blob", "paint_lesions", "place_lesions"]

_LESION_GAP_MM = 4.0
_REACH_RADII = 2.2  # elongation and roughness carry a border at most this far
_CORE_HU = 24.0
_NOWHERE = np.float32(1e6)


@dataclass(frozen=True, eq=False)
class Blob:
    """A rough ellipsoid: where `radius` of a point is under 1, the point lies inside."""

    spec: LesionSpec
    centre_lps_mm: Vector
    stretch: npt.NDArray[np.float64]
    waves: npt.NDArray[np.float64]

    def radius(self, x: Field, y: Field, z: Field) -> Field:
        """Distance from the centre over the distance of the border in the same direction."""
        offset = np.stack(np.broadcast_arrays(*(a - c for a, c in zip((x, y, z), self.centre_lps_mm, strict=True))))
        place = np.tensordot(self.stretch.astype(np.float32), offset.astype(np.float32), axes=1)
        norm = np.sqrt((place * place).sum(axis=0)) + np.float32(1e-6)
        ripple = np.zeros_like(norm)
        for kx, ky, kz, phase in self.waves.astype(np.float32):
            ripple += np.cos((kx * place[0] + ky * place[1] + kz * place[2]) / norm + phase)
        # Six waves of SD 1/sqrt(2) each: divide by sqrt(3) for unit SD
        border = np.clip(1 + self.spec.roughness * ripple / np.float32(np.sqrt(3)), 0.55, 1.6)
        return np.asarray(norm / (border * np.float32(self.spec.diameter_mm / 2)), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class LesionMasks:
    """Lesions on a box of a grid: labels from 1 on, which specification each has, and its soft border.

    ``border_mm`` is the distance outside (+) or inside (-) of the nearest lesion's border; ``core`` marks necrosis.
    """

    box: Box
    labels: npt.NDArray[np.uint16]
    owner: npt.NDArray[np.int32]
    border_mm: Field
    core: npt.NDArray[np.bool_]
    blobs: tuple[Blob, ...]
    scale: float


def make_blob(spec: LesionSpec, centre_lps_mm: npt.ArrayLike, rng: np.random.Generator) -> Blob:
    """A blob of the specified size, of random orientation and roughness, at a place."""
    axes = np.array([spec.elongation ** (2 / 3), spec.elongation ** (-1 / 3), spec.elongation ** (-1 / 3)])
    turn = Rotation.random(rng=rng).as_matrix()
    waves = np.column_stack([rng.normal(0, 2.2, (6, 3)), rng.uniform(0, 2 * np.pi, 6)])
    x, y, z = (float(c) for c in np.asarray(centre_lps_mm))
    return Blob(spec, (x, y, z), turn @ np.diag(1 / axes) @ turn.T, waves)


def place_lesions(anatomy: Anatomy, spec: PhantomSpec) -> tuple[Blob, ...]:
    """Find a place in the liver for every lesion, the largest first, and give it a shape.

    Raises
    ------
    ConfigError
        Where there is no liver to place a lesion in.
    """
    from edt import edt

    inside = anatomy.liver < 0
    if not spec.lesions:
        return ()
    if not inside.any():
        msg = "the specified liver is empty, so no lesion can be placed: raise its right_scale or left_scale"
        raise ConfigError(msg)
    space = anatomy.space
    depth_mm = edt(inside, anisotropy=(space.step_mm,) * 3, black_border=True)[inside]
    index = np.argwhere(inside)
    points = np.stack([space.axis_mm(a)[index[:, a]] for a in (2, 1, 0)], axis=1)
    free_mm = np.full(len(points), np.inf)
    blobs: list[Blob] = []
    order = sorted(range(len(spec.lesions)), key=lambda n: -spec.lesions[n].diameter_mm)
    for number in order:
        lesion = spec.lesions[number]
        rng = stream(spec.seed, f"lesion {number}")
        choice = _choose(lesion, points, depth_mm, free_mm, rng)
        jitter = rng.uniform(-0.5, 0.5, 3) * space.step_mm
        blob = make_blob(lesion, points[choice] + jitter, rng)
        blobs.append(blob)
        gap = np.linalg.norm(points - np.asarray(blob.centre_lps_mm), axis=1) - lesion.diameter_mm / 2
        np.minimum(free_mm, gap, out=free_mm)
    return tuple(blobs)


def _choose(
    lesion: LesionSpec,
    points: npt.NDArray[np.float64],
    depth_mm: npt.NDArray[np.float32],
    free_mm: npt.NDArray[np.float64],
    rng: np.random.Generator,
) -> int:
    """A random position that meets the specification as closely as the liver allows."""
    radius = lesion.diameter_mm / 2
    # Elongation and roughness carry the border outwards
    reach = radius * lesion.elongation ** (2 / 3) * (1 + 2 * lesion.roughness)
    miss = np.maximum(radius + _LESION_GAP_MM - free_mm, 0) * 2
    if lesion.place == "inside":
        miss += np.maximum(reach + 2 - depth_mm, 0)
    elif lesion.place == "touching":
        miss = np.abs(np.where(np.isfinite(free_mm), free_mm, radius * 0.9) - radius * 0.9)
        miss += np.maximum(0.8 * radius - depth_mm, 0)
    elif lesion.place == "anywhere":
        miss = np.maximum(0.5 * radius - free_mm, 0) + np.maximum(0.3 * radius - depth_mm, 0)
    else:
        miss += np.abs(depth_mm - 0.5 * radius)
        if lesion.place == "dome":
            miss += np.maximum(np.quantile(points[:, 2], 0.92) - points[:, 2], 0)
        elif lesion.place == "renal_bed":
            # Right of the spine, low and at the back: where liver lies on the kidney
            miss += np.maximum(points[:, 2] - np.quantile(points[:, 2], 0.35), 0)
            miss += np.maximum(np.quantile(points[:, 1], 0.75) - points[:, 1], 0)
    good = np.flatnonzero(miss <= miss.min() + 1.0)
    return int(rng.choice(good))


def _coordinates(geometry: Geometry, box: Box) -> tuple[Field, Field, Field]:
    lines = [
        (geometry.origin_lps_mm[2 - a] + geometry.spacing_mm[a] * np.arange(box[a].start, box[a].stop)).astype(
            np.float32
        )
        for a in range(3)
    ]
    return lines[2][None, None, :], lines[1][None, :, None], lines[0][:, None, None]


def draw_lesions(
    blobs: Sequence[Blob], liver: npt.NDArray[np.bool_], geometry: Geometry, spec: PhantomSpec
) -> LesionMasks | None:
    """Draw lesions on a grid, within the liver's mask; None where there is none.

    Where a burden is asked for, all are grown by the one factor that gives it: the quantile of the distance from
    the nearest lesion, each measured in its own radius, over the liver's voxels.
    """
    found = ndimage.find_objects(liver.astype(np.uint8))
    if not blobs or not found:
        return None
    box: Box = found[0]
    inside = liver[box]
    at = _coordinates(geometry, box)
    if spec.burden is None:
        scale = 1.0
        nearest, owner = _nearest(blobs, at, _REACH_RADII)
    else:
        spared = _spared(spec, inside, at)
        thin = max(int(3.0 / geometry.spacing_mm[1]), 1)
        rough = (at[0][..., ::thin], at[1][:, ::thin], at[2])
        rough_inside = (inside & ~spared)[:, ::thin, ::thin]
        share = spec.burden * inside.sum() / max((inside & ~spared).sum(), 1)
        # How far lesions must grow, found on few voxels; a lesion is then evaluated no further than it can reach
        growth = float(np.quantile(_nearest(blobs, rough, 1e4)[0][rough_inside], min(share, 1.0)))
        nearest, owner = _nearest(blobs, at, _REACH_RADII * max(1.1 * growth, 0.1))
        nearest[spared] = _NOWHERE
        scale = float(np.quantile(nearest[inside], spec.burden))
    radii = np.array([blob.spec.diameter_mm / 2 for blob in blobs], dtype=np.float32)
    cores = np.array([blob.spec.core_fraction for blob in blobs], dtype=np.float32)
    tumour = inside & (nearest < scale)
    present = np.unique(owner[tumour])
    names = np.zeros(len(blobs), dtype=np.uint16)
    names[present] = np.arange(1, len(present) + 1)
    labels = np.where(tumour, names[owner], 0).astype(np.uint16)
    border = np.where(nearest < _NOWHERE, (nearest - scale) * radii[owner], 1e3).astype(np.float32)
    core = tumour & (nearest < scale * cores[owner])
    return LesionMasks(box, labels, owner, border, core, tuple(blobs[n] for n in present), scale)


def _nearest(
    blobs: Sequence[Blob], at: tuple[Field, Field, Field], reach_radii: float
) -> tuple[Field, npt.NDArray[np.int32]]:
    """Distance from the nearest lesion in that lesion's own radius, and which it is, at points of a grid."""
    x, y, z = at
    shape = (z.shape[0], y.shape[1], x.shape[2])
    nearest = np.full(shape, _NOWHERE, dtype=np.float32)
    owner = np.full(shape, -1, dtype=np.int32)
    for number, blob in enumerate(blobs):
        reach = blob.spec.diameter_mm / 2 * reach_radii + 4
        parts = []
        for line, middle in zip((z, y, x), reversed(blob.centre_lps_mm), strict=True):
            near = np.searchsorted(line.ravel(), (middle - reach, middle + reach))
            parts.append(slice(int(near[0]), int(near[1])))
        part = (parts[0], parts[1], parts[2])
        ratio = blob.radius(x[:, :, part[2]], y[:, part[1]], z[part[0]])
        closer = ratio < nearest[part]
        nearest[part][closer] = ratio[closer]
        owner[part][closer] = number
    return nearest, owner


def _spared(spec: PhantomSpec, inside: npt.NDArray[np.bool_], at: tuple[Field, Field, Field]) -> npt.NDArray[np.bool_]:
    """One rough ball of the liver without tumour."""
    if spec.spared_share <= 0:
        return np.zeros_like(inside)
    rng = stream(spec.seed, "spared")
    x, y, z = at
    index = rng.choice(np.argwhere(inside))
    centre = (float(x[0, 0, index[2]]), float(y[0, index[1], 0]), float(z[index[0], 0, 0]))
    blob = make_blob(LesionSpec(diameter_mm=60, roughness=0.2, elongation=1.5), centre, rng)
    ratio = blob.radius(x, y, z)
    return np.asarray(inside & (ratio < np.quantile(ratio[inside], spec.spared_share)))


def paint_lesions(scene: Painting, masks: LesionMasks, liver_hu: float, spec: PhantomSpec) -> None:
    """Lay the lesions' CT numbers into the painting, with soft borders, and mark their voxels."""
    rng = stream(spec.seed, "lesion hu")
    kinds = [blob.spec for blob in masks.blobs]
    hu = np.array([0.0, *(kind.hu_difference for kind in kinds)], dtype=np.float32) + np.float32(liver_hu)
    speckle = np.array([0.0, *(kind.speckle_hu for kind in kinds)], dtype=np.float32)
    inside = masks.labels > 0
    wide = ndimage.grey_dilation(masks.labels, size=(3, 3, 3))
    label = np.where(inside, masks.labels, wide)
    voxel = max(float(np.mean(scene.geometry.spacing_mm)), 1.0)
    share = np.clip(0.5 - masks.border_mm / np.float32(voxel), 0, 1)
    tissue, image = scene.tissue[masks.box], scene.hu[masks.box]
    parenchyma = (tissue >= Tissue.LIVER) & (tissue <= Tissue.HEPATIC_VEIN)
    share *= parenchyma & (label > 0)
    value = hu[label]
    if speckle.any():
        grain = ndimage.gaussian_filter(rng.standard_normal(value.shape, dtype=np.float32), 1.0)
        value = value + speckle[label] * np.abs(grain) / grain.std()
    value = np.where(masks.core, np.float32(min(_CORE_HU, liver_hu - 15)), value)
    image += share * (value - image)
    tissue[inside] = Tissue.LIVER_LESION
