"""From shapes to voxels: tissue labels and noiseless CT numbers on a grid.

Each shape is painted over those before it. Its share of a voxel follows from its distance to the surface and the
voxel's size, so borders have the partial volume that a scanner would see, in thick slices too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from dotaliver.image.geometry import Box, Geometry
from dotaliver.phantom.organs import hollow_organs, kidneys, left_tongue, liver, small_glands, spleen
from dotaliver.phantom.shapes import Field, Space, interpolate, make_space, smooth_max
from dotaliver.phantom.spec import PhantomSpec
from dotaliver.phantom.tissues import Tissue
from dotaliver.phantom.torso import Torso, make_torso
from dotaliver.phantom.vessels import great_vessels, liver_veins

__all__ = ["Anatomy", "Painting", "field_on", "largest_piece", "paint", "shape_anatomy"]


Layer = tuple[Tissue, Field]


@dataclass(frozen=True, eq=False)
class Anatomy:
    """All shapes of one patient on the working grid, in the order in which they are painted."""

    space: Space
    layers: tuple[Layer, ...]
    liver: Field
    cavity: Field


@dataclass(frozen=True, eq=False)
class Painting:
    """Tissue of each voxel and its noiseless CT number."""

    geometry: Geometry
    tissue: npt.NDArray[np.uint8]
    hu: npt.NDArray[np.float32]


def shape_anatomy(spec: PhantomSpec, step_mm: float) -> Anatomy:
    """Make every shape of one patient on a working grid of `step_mm`."""
    patient, around = spec.patient, spec.neighbours
    scale = (patient.width_scale, patient.depth_scale, patient.height_scale)
    # Room for skin and fat, whose thickness varies by place, around the cavity's 138 x 93 mm
    outside = 31 + patient.muscle_mm + 2.0 * patient.subcutaneous_fat_mm
    half = (142 * scale[0] + outside, 97 * scale[1] + outside)
    space = make_space(spec.seed, step_mm, scale, (patient.irregularity_mm, half))
    torso = make_torso(space, spec)
    renal = kidneys(space, around)
    glands = small_glands(space)
    gut = hollow_organs(space, torso)
    vessels = great_vessels(space)
    obstacles = [
        (renal["kidney"], around.kidney_gap_mm),
        (gut["stomach"], around.stomach_gap_mm),
        (gut["colon"], around.colon_gap_mm),
        (gut["duodenum"], 1.0),
        (glands["adrenal"], around.adrenal_gap_mm),
        (glands["pancreas"], 2.0),
        (vessels["cava"], 0.5),
        (vessels["portal"], 4.0),
        (vessels["aorta"], 6.0),
        (torso.parts["muscle"], 0.4),
        (torso.parts["bone"], 1.0),
    ]
    spleen_field = spleen(space, torso, around)
    tongue = left_tongue(space, spec.liver)
    spleen_field, gut["stomach"] = (
        smooth_max(field, np.float32(1.5) - tongue, 4) for field in (spleen_field, gut["stomach"])
    )
    gut["colon"] = smooth_max(gut["colon"], np.float32(2) - tongue, 4)
    if around.spleen:
        obstacles.append((spleen_field, around.spleen_gap_mm))
    if around.gallbladder:
        obstacles.append((glands["gallbladder"], around.gallbladder_gap_mm))
    if around.ascites_mm > 0:
        obstacles.append((-torso.cavity, around.ascites_mm))
    liver_field = liver(space, torso, spec.liver, obstacles)
    layers = [
        *_trunk_layers(space, torso, spec),
        *_gut_layers(space, gut, around.hot_bowel_loops),
        *_solid_layers(renal, glands, spleen_field if around.spleen else space.empty(), vessels),
    ]
    if not around.gallbladder:
        layers = [layer for layer in layers if layer[0] is not Tissue.GALLBLADDER]
    if around.ascites_mm > 0:
        layers.append((Tissue.FLUID, _ascites(torso, liver_field, spleen_field, layers)))
    veins = liver_veins(space, liver_field)
    layers += [
        (Tissue.LIVER, liver_field),
        (Tissue.PORTAL_BRANCH, veins["portal_branches"]),
        (Tissue.HEPATIC_VEIN, veins["hepatic_veins"]),
    ]
    return Anatomy(space, tuple(layers), liver_field, torso.cavity)


def _trunk_layers(space: Space, torso: Torso, spec: PhantomSpec) -> list[Layer]:
    parts = torso.parts
    sheet = np.maximum(np.abs(torso.diaphragm) - 1.5, torso.cavity)
    layers = [
        (Tissue.COUCH, parts["couch"]),
        (Tissue.FAT, torso.body),
        (Tissue.MUSCLE, np.minimum(parts["muscle"], sheet)),
        (Tissue.LUNG, parts["lung"]),
        (Tissue.SMALL_VESSEL, _small_vessels(space, torso)),
        (Tissue.HEART_WALL, parts["heart"]),
        (Tissue.HEART_BLOOD, np.maximum(parts["heart"] + 9, 2 - np.abs(space.x - 26 + 0.6 * (space.y + 34)))),
        (Tissue.CARTILAGE, parts["cartilage"]),
        (Tissue.BONE, parts["bone"]),
        (Tissue.MARROW, parts["marrow"]),
        (Tissue.DISC, parts["disc"]),
        (Tissue.CORD, parts["cord"]),
    ]
    height_mm = spec.neighbours.effusion_mm
    if height_mm > 0:
        pool = np.maximum(np.maximum(parts["lung"], 84 - height_mm - space.y), space.x - 20)
        layers.insert(4, (Tissue.FLUID, pool.astype(np.float32)))
    return layers


def _small_vessels(space: Space, torso: Torso) -> Field:
    """Vessels of mesentery and lungs: winding threads where two smooth random fields vanish together."""
    first, second = space.noise("threads a", 26), space.noise("threads b", 26)
    width = 0.14 + 0.05 * space.noise("threads width", 60)
    threads = (np.sqrt(first * first + second * second) - width) * 13
    return np.asarray(np.maximum(threads, torso.cavity + 3), dtype=np.float32)


def _gut_layers(space: Space, gut: Mapping[str, Field], hot_loops: int) -> list[Layer]:
    """Walls, contents and gas: gas gathers in front (supine), stool is mixed with bubbles."""
    bowel = np.minimum(np.minimum(gut["small_bowel"], gut["colon"]), gut["duodenum"])
    lumen = np.minimum(np.minimum(gut["small_bowel"] + 2.5, gut["colon"] + 2.5), gut["duodenum"] + 3)
    front = space.y + 48 + 16 * space.noise("gas level", 60)
    bubbles = 5 * (1.4 - space.noise("bubbles", 12))
    gas = np.minimum(
        np.maximum(gut["colon"] + 3, np.minimum(front, bubbles)),
        np.maximum(gut["small_bowel"] + 4, 6 * (1.5 - space.noise("small gas", 20))),
    )
    stomach_gas = np.maximum(gut["stomach"] + 4.5, space.y + 34)
    layers = [
        (Tissue.BOWEL_WALL, bowel),
        (Tissue.BOWEL_CONTENT, lumen),
        (Tissue.GUT_GAS, gas),
        (Tissue.STOMACH_WALL, gut["stomach"]),
        (Tissue.STOMACH_CONTENT, gut["stomach"] + 4),
        (Tissue.GUT_GAS, stomach_gas),
    ]
    if hot_loops:
        # Focal uptake: patches of the wall, in the duodenum first, where physiological uptake is commonest
        level = np.float32(np.interp(hot_loops, [1, 12], [1.6, 0.2]))
        patch = 8 * (level - space.noise("hot bowel", 45))
        nearest = np.minimum(gut["duodenum"], np.maximum(bowel, patch))
        layers.insert(1, (Tissue.HOT_BOWEL, nearest))
    return [(tissue, field.astype(np.float32)) for tissue, field in layers]


def _solid_layers(
    renal: Mapping[str, Field], glands: Mapping[str, Field], spleen_field: Field, vessels: Mapping[str, Field]
) -> list[Layer]:
    return [
        (Tissue.PANCREAS, glands["pancreas"]),
        (Tissue.SPLEEN, spleen_field),
        (Tissue.KIDNEY_CORTEX, renal["kidney"]),
        (Tissue.KIDNEY_MEDULLA, renal["medulla"]),
        (Tissue.RENAL_SINUS, np.maximum(renal["sinus"], renal["kidney"] + 1)),
        (Tissue.ADRENAL, glands["adrenal"]),
        (Tissue.PORTAL_VEIN, vessels["portal"]),
        (Tissue.VENA_CAVA, vessels["cava"]),
        (Tissue.AORTA, vessels["aorta"]),
        (Tissue.GALLBLADDER, glands["gallbladder"]),
    ]


def _ascites(torso: Torso, liver_field: Field, spleen_field: Field, layers: list[Layer]) -> Field:
    """Fluid along the abdominal wall and around liver and spleen, not within other organs."""
    near = np.minimum(np.minimum(liver_field, spleen_field) - 25, -torso.cavity - 22)
    pool = smooth_max(smooth_max(near, torso.cavity + 1.5, 3), torso.diaphragm + 3, 3)
    for tissue, field in layers:
        if tissue not in {Tissue.COUCH, Tissue.FAT, Tissue.LUNG, Tissue.FLUID}:
            pool = np.maximum(pool, -field)
    return pool


def _painted_box(field: Field, margin_mm: float) -> Box | None:
    inside = field < margin_mm
    if not inside.any():
        return None
    parts = []
    for axis in range(3):
        others = tuple(k for k in range(3) if k != axis)
        where = np.flatnonzero(inside.any(axis=others))
        parts.append(slice(max(int(where[0]) - 2, 0), int(where[-1]) + 3))
    return (parts[0], parts[1], parts[2])


def _positions(space: Space, geometry: Geometry, box: Box) -> tuple[Box, list[npt.NDArray[np.float64]]]:
    """Grid box inside a box of the working grid, and its voxels' fractional indices in that box."""
    parts, places = [], []
    for axis in range(3):
        origin = geometry.origin_lps_mm[2 - axis]
        line = origin + geometry.spacing_mm[axis] * np.arange(geometry.shape[axis])
        index = (line - space.origin_mm[2 - axis]) / space.step_mm - box[axis].start
        size = min(box[axis].stop, space.shape[axis]) - box[axis].start
        inside = np.flatnonzero((index >= 0) & (index <= size - 1))
        start = int(inside[0]) if inside.size else 0
        stop = int(inside[-1]) + 1 if inside.size else 0
        parts.append(slice(start, stop))
        places.append(index[start:stop])
    return (parts[0], parts[1], parts[2]), places


def field_on(space: Space, field: Field, geometry: Geometry, box: Box) -> Field:
    """A field of the working grid, read at the voxels of a box of an axial grid; held constant beyond its ends."""
    places = []
    for axis in range(3):
        number = np.arange(box[axis].start, box[axis].stop, dtype=np.float64)
        line = geometry.origin_lps_mm[2 - axis] + geometry.spacing_mm[axis] * number
        places.append(np.clip((line - space.origin_mm[2 - axis]) / space.step_mm, 0, space.shape[axis] - 1))
    return interpolate(field, places)


def _voxels_from_surface(space: Space, field: Field, geometry: Geometry) -> Field:
    """Distance from the surface, in voxels along its normal: independent of how the shape is scaled."""
    slopes = np.gradient(field, space.step_mm)
    reach = np.full_like(field, 0.15)
    for slope, spacing in zip(slopes, geometry.spacing_mm, strict=True):
        # A shape ends abruptly far outside its surface; that step must not look like a border
        reach += np.minimum(np.abs(slope), 1.5) * np.float32(max(spacing, 0.9))
    return np.asarray(field / reach, dtype=np.float32)


def paint(anatomy: Anatomy, geometry: Geometry, hu: Mapping[Tissue, float]) -> Painting:
    """Paint all shapes on an axial grid, with `hu` as the CT number of each tissue."""
    tissue = np.zeros(geometry.shape, dtype=np.uint8)
    image = np.full(geometry.shape, hu[Tissue.AIR], dtype=np.float32)
    for kind, field in anatomy.layers:
        source = _painted_box(field, max(geometry.spacing_mm))
        if source is None:
            continue
        target, places = _positions(anatomy.space, geometry, source)
        if any(part.stop <= part.start for part in target):
            continue
        gap = interpolate(_voxels_from_surface(anatomy.space, field[source], geometry), places)
        tissue[target][gap < 0] = kind
        share = np.clip(0.5 - gap, 0.0, 1.0)
        share *= np.float32(hu[kind]) - image[target]
        image[target] += share
    return Painting(geometry, tissue, image)


def largest_piece(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The largest connected piece of a mask."""
    pieces, count = ndimage.label(mask)
    if count < 2:
        return mask
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return np.asarray(pieces == sizes.argmax())
