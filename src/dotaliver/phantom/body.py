"""A PET/CT from head to mid-thigh with the truth of its lesions and organs: arrays in memory, in a few seconds.

The grids are coarse (CT 3 mm in plane and slices of 4.5 mm, PET 4 mm), for the search of the whole body; diameters need
a finer CT, which takes longer to paint.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from dotaliver.image.geometry import Box, Geometry, Vector
from dotaliver.image.itk import resample, resample_labels
from dotaliver.image.volume import LabelMap, Quantity, Volume
from dotaliver.phantom.body_frame import BodySpace, make_body_frame, make_body_space
from dotaliver.phantom.body_lesions import PlacedLesion, paint_body_lesions, place_body_lesions
from dotaliver.phantom.body_organs import BodyLayer, body_layers
from dotaliver.phantom.body_spec import BodySpec
from dotaliver.phantom.clock import phantom_uid, timing
from dotaliver.phantom.physics import fwhm_to_sigma
from dotaliver.phantom.shapes import Space, interpolate, stream
from dotaliver.phantom.study import as_loaded
from dotaliver.phantom.tissues import Tissue, draw_suv
from dotaliver.records.study import StudyVolumes

__all__ = ["BodyPhantom", "make_body"]

_CT_MM, _CT_SLICE_MM, _PET_MM = 3.0, 4.5, 4.0
_STEP_MM = 5.0
# Width over which a border passes from one tissue to the next.
_EDGE_MM = 4.0
_AIR_HU = -1000.0
# Relative noise of the faintest tissues after the smoothing of usual reconstructions.
_LARGEST_SPREAD = 0.45


@dataclass(frozen=True, eq=False)
class BodyPhantom:
    """Images with their truth.

    ``organs`` numbers the organs by their place in ``organ_names`` (0: outside the body) on the CT's grid, ``liver``
    with its tumours on the CT's grid, and ``lesions`` all lesions on the PET's grid by `PlacedLesion.label`.
    """

    spec: BodySpec
    volumes: StudyVolumes
    organs: LabelMap
    organ_names: tuple[str, ...]
    liver: LabelMap
    lesions: LabelMap
    placed: tuple[PlacedLesion, ...]

    def organ_at(self, place_lps_mm: Vector) -> str:
        """Name of the organ at a place; "air" outside the body."""
        index = np.rint(self.organs.geometry.lps_to_index(place_lps_mm)).astype(int)
        index = np.clip(index, 0, np.array(self.organs.geometry.shape) - 1)
        return self.organ_names[int(self.organs.array[tuple(index)])]


def make_body(spec: BodySpec, ct_mm: tuple[float, float] = (_CT_SLICE_MM, _CT_MM)) -> BodyPhantom:
    """Make the images that a specification describes.

    Parameters
    ----------
    spec : BodySpec
        The patient.
    ct_mm : tuple of float
        Slice spacing and pixel size of the CT, in mm.
    """
    space = make_body_space(spec, _STEP_MM)
    frame = make_body_frame(space, spec)
    layers = body_layers(space, frame, spec)
    uid = phantom_uid(spec.trunk, "frame of reference")
    scale = spec.trunk.patient.height_scale
    ends = (spec.bottom_mm * scale, spec.top_mm * scale)
    grid = _grid(space, ends, ct_mm, uid)
    organs, hu, suv = _painted(space, layers, grid)
    names = tuple(dict.fromkeys(("air", *(layer.name for layer in layers))))
    placed = place_body_lesions((organs, suv), names, grid, spec)
    lesions = paint_body_lesions(placed, grid, hu, suv)
    liver = np.isin(organs, [names.index("liver")]) | np.isin(lesions, [p.label for p in placed if p.site == "liver"])
    pet_grid = _grid(space, ends, (_PET_MM, _PET_MM), uid)
    pet = _pet(Volume(suv, grid, Quantity.SUVBW), pet_grid, spec)
    ct = _with_ct_noise(hu, organs, spec)
    volumes = as_loaded(spec.trunk, _as_activity(pet, spec), Volume(ct, grid, Quantity.HU) if spec.with_ct else None)
    return BodyPhantom(
        spec,
        volumes,
        LabelMap(organs, grid),
        names,
        LabelMap(liver, grid),
        _on_pet(LabelMap(lesions, grid), pet_grid, spec),
        placed,
    )


def _grid(space: BodySpace, ends_mm: tuple[float, float], sizes_mm: tuple[float, float], uid: str) -> Geometry:
    slice_mm, pixel_mm = sizes_mm
    halves = [abs(space.origin_mm[axis]) for axis in range(2)]
    columns, rows = (2 * int(half / pixel_mm) for half in halves)
    return Geometry(
        (max(int((ends_mm[1] - ends_mm[0]) / slice_mm), 1), rows, columns),
        (-(columns - 1) / 2 * pixel_mm, -(rows - 1) / 2 * pixel_mm, ends_mm[0] + slice_mm / 2),
        (slice_mm, pixel_mm, pixel_mm),
        ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)),
        uid,
    )


def _painted(
    space: BodySpace, layers: list[BodyLayer], grid: Geometry
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Organ of each voxel, noiseless density and true uptake."""
    organs = np.zeros(grid.shape, dtype=np.uint8)
    hu, suv = np.full(grid.shape, _AIR_HU, dtype=np.float32), np.zeros(grid.shape, dtype=np.float32)
    names = list(dict.fromkeys(("air", *(layer.name for layer in layers))))
    for layer in layers:
        found = _within(layer, layer.space or space, grid)
        if found is None:
            continue
        box, share = found
        organs[box][share > 0.5] = names.index(layer.name)
        hu[box] += share * (np.float32(layer.hu) - hu[box])
        suv[box] += share * (np.float32(layer.suv) - suv[box])
    return organs, hu, suv


def _within(layer: BodyLayer, space: Space, grid: Geometry) -> tuple[Box, npt.NDArray[np.float32]] | None:
    """The box of the grid that an organ touches, and its share of each voxel there."""
    inside = layer.field < _CT_SLICE_MM
    if not inside.any():
        return None
    (source,) = ndimage.find_objects(inside.astype(np.uint8))
    parts, places = [], []
    for axis in range(3):
        line = grid.origin_lps_mm[2 - axis] + grid.spacing_mm[axis] * np.arange(grid.shape[axis], dtype=np.float64)
        index = np.asarray((line - space.origin_mm[2 - axis]) / space.step_mm, dtype=np.float64)
        last = min(source[axis].stop, space.shape[axis] - 1)
        held = np.flatnonzero((index >= max(source[axis].start - 1, 0)) & (index <= last))
        if not held.size:
            return None
        parts.append(slice(int(held[0]), int(held[-1]) + 1))
        places.append(index[parts[-1]])
    share = np.clip(0.5 - interpolate(layer.field, places) / np.float32(_EDGE_MM), 0.0, 1.0)
    return (parts[0], parts[1], parts[2]), share


def _pet(uptake: Volume, grid: Geometry, spec: BodySpec) -> Volume:
    """The PET: moved by breathing around the liver, blurred and noisy."""
    scanner = spec.trunk.scanner
    # Linear interpolation between samples h apart, and the voxel itself, blur by about h²/6 and h²/12.
    wanted = fwhm_to_sigma(scanner.pet_resolution_mm) ** 2
    sigma = [np.sqrt(max(wanted - s**2 / 6, 1.0)) / s for s in uptake.geometry.spacing_mm]
    smooth = uptake.with_array(ndimage.gaussian_filter(uptake.array, sigma, truncate=3.0))
    shift = scanner.breathing_shift_mm
    still, moved = (resample(smooth, g).array for g in (grid, grid.moved((0.0, 0.0, shift))))
    weight = _breathing(grid)
    image = still * (1 - weight) + moved * weight
    rng = stream(spec.seed, f"pet noise{spec.scan}")
    grain = rng.standard_normal(grid.shape, dtype=np.float32)
    grain = ndimage.gaussian_filter(grain, fwhm_to_sigma(scanner.pet_noise_correlation_mm) / _PET_MM, mode="wrap")
    grain /= grain.std()
    liver = draw_suv(spec.trunk)[Tissue.LIVER]
    around = ndimage.gaussian_filter(image, 2.0)
    local = np.maximum(np.maximum(image, 0.5 * around), 0.02 * liver)
    spread = np.minimum(scanner.pet_liver_cov * np.sqrt(liver / local), _LARGEST_SPREAD)
    noisy = image * np.exp(spread * grain - spread * spread / 2)
    return Volume(noisy.astype(np.float32), grid, Quantity.SUVBW)


def _breathing(grid: Geometry) -> npt.NDArray[np.float32]:
    """How far each slice follows the diaphragm, 0 to 1."""
    heights = grid.origin_lps_mm[2] + grid.spacing_mm[0] * np.arange(grid.shape[0])
    return np.asarray(np.exp(-(((heights - 20.0) / 150.0) ** 4)), dtype=np.float32)[:, None, None]


def _on_pet(lesions: LabelMap, grid: Geometry, spec: BodySpec) -> LabelMap:
    """Lesions where the PET shows them: moved in the slices that follow the diaphragm rather than not."""
    down = (0.0, 0.0, -spec.trunk.scanner.breathing_shift_mm)
    still = resample_labels(lesions, grid).array
    moved = resample_labels(lesions.placed(lesions.geometry.moved(down)), grid).array
    return LabelMap(np.where(_breathing(grid) > 0.5, moved, still), grid)


def _as_activity(pet: Volume, spec: BodySpec) -> Volume:
    per_suv = timing(spec.trunk).suv_to_bqml / spec.trunk.patient.weight_kg
    return pet.with_array(pet.array * np.float32(per_suv), Quantity.BQML)


def _with_ct_noise(hu: npt.NDArray[np.float32], organs: npt.NDArray[np.uint8], spec: BodySpec) -> npt.NDArray[np.int16]:
    rng = stream(spec.seed, f"ct noise{spec.scan}")
    grain = ndimage.gaussian_filter(rng.standard_normal(hu.shape, dtype=np.float32), (0, 0.5, 0.5))
    grain *= np.float32(spec.trunk.scanner.ct_noise_hu * 0.6) / grain.std()
    image = hu + np.where(organs == 0, np.float32(0.3), np.float32(1)) * grain
    return np.asarray(np.clip(np.rint(image), -1024, 3071), dtype=np.int16)
