"""Liver lesions on the PET's own grid: foci of uptake above normal parenchyma, and their extent.

A focus is a basin of the lightly smoothed uptake above the noise of this liver; basins with a high saddle between them,
or with a valley that noise explains, belong to one lesion. A lesion extends to half the step between its plateau and
the parenchyma around it, the true position of a blurred edge (each lesion thus has its own threshold). In what is left,
faint lesions are looked for by filters of their own size, and small ones as spots that exceed their surroundings.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dotaliver.config.segmentation import LesionConfig
from dotaliver.image.distance import distance_inside_mm
from dotaliver.image.filters import FWHM_PER_SIGMA, gaussian
from dotaliver.image.geometry import Geometry
from dotaliver.image.morphology import box_around
from dotaliver.image.volume import BoolArray, Volume
from dotaliver.segmentation.coarse import Float32Array
from dotaliver.segmentation.lesions.basins import Basins, LabelArray, basin_boxes, basins_of, merged, peaks_in_liver
from dotaliver.segmentation.lesions.extents import edge_extent, textbook_extent, with_cores
from dotaliver.segmentation.lesions.faint_lesions import faint_lesions
from dotaliver.segmentation.lesions.small_lesions import small_lesions
from dotaliver.segmentation.lesions.whole_lesions import without_islands
from dotaliver.segmentation.liver.parenchyma import Parenchyma, measure_parenchyma

__all__ = [
    "find_foci",
    "find_lesions",
]

# SD of normal liver where none lies on the PET, over its uptake.
_USUAL_SD_RATIO = 0.1

Placed = tuple[tuple[slice, slice, slice], BoolArray]


def find_lesions(
    pet: Volume, occupancy: Float32Array, expected_uptake: float, config: LesionConfig
) -> tuple[npt.NDArray[np.uint16], Parenchyma]:
    """Outline the lesions of a liver.

    Parameters
    ----------
    pet : Volume
        Uptake.
    occupancy : ndarray
        Share of each PET voxel inside the liver, at the PET's position.
    expected_uptake : float
        Roughly that of normal liver, from the liver's core.
    config : LesionConfig
        Thresholds.

    Returns
    -------
    labels : ndarray of uint16
        On the PET's grid, 1 for the largest lesion, then by falling volume.
    parenchyma : Parenchyma
        What normal liver looks like here.
    """
    labels = np.zeros(pet.array.shape, dtype=np.uint16)
    if not (occupancy >= 0.5).any():
        return labels, Parenchyma(expected_uptake, _USUAL_SD_RATIO * expected_uptake)
    box = box_around(occupancy >= 0.5, pet.geometry, config.halo_mm)
    grid, share = pet.geometry.crop(box), occupancy[box]
    uptake = pet.array[box].astype(np.float32)
    smooth = gaussian(uptake, config.smooth_fwhm_mm / FWHM_PER_SIGMA, grid)
    inside = share >= 0.5
    deep = distance_inside_mm(inside, grid.spacing_mm) > config.parenchyma_depth_mm
    parenchyma = measure_parenchyma(smooth, deep, expected_uptake)
    hot = _rises(smooth, parenchyma, config.detect_sd, config.detect_share) | _rises_faintly(
        uptake, deep, parenchyma, config, grid
    )
    own = distance_inside_mm(inside, grid.spacing_mm) > config.capsule_mm

    def one_each(basins: Basins) -> Basins:
        base, noise_sd = parenchyma.uptake, parenchyma.sd
        return merged(basins, smooth, base, own, inside, config.saddle_share, noise_sd=noise_sd)

    basins = one_each(basins_of(smooth, hot))
    in_liver = peaks_in_liver(basins, smooth, share, parenchyma.uptake, config, grid)
    if config.method == "edge":
        sharp = gaussian(uptake, config.edge_fwhm_mm / FWHM_PER_SIGMA, grid)
        owners, tumour = edge_extent(basins, in_liver, sharp, share, parenchyma, config, grid)
    else:
        owners, tumour = textbook_extent(basins, in_liver, parenchyma, config.method, smooth)
    tumour &= share > config.voxel_in_liver_share
    # Basins meet in what was too faint to be detected and is tumour still.
    outlined = one_each(Basins(np.where(tumour, owners, 0).astype(np.int32), basins.peaks))
    owned = with_cores(outlined.labels, smooth, inside, parenchyma, config, grid)
    owned = without_islands(owned, config.minimum_ml, grid)
    # What peaks outside the liver is not searched either: its edge in the liver is spill-in.
    others = (basins.labels > 0) & ~in_liver[basins.labels]

    def taken() -> LabelArray:
        return np.where((owned == 0) & others, 1, owned).astype(np.int32)

    owned = _with_more(owned, faint_lesions(uptake, inside, taken(), config, grid))
    owned = _with_more(owned, small_lesions(uptake, smooth, inside, taken(), config, grid))
    labels[box] = _numbered(_kept(owned, config.minimum_ml, grid), uptake.shape)
    return labels, parenchyma


def _with_more(owners: LabelArray, found: LabelArray) -> LabelArray:
    """Further lesions, numbered after those that are there."""
    return np.where(found > 0, found + int(owners.max()), owners).astype(np.int32)


def _rises(smooth: Float32Array, parenchyma: Parenchyma, sds: float, share: float) -> BoolArray:
    """Where uptake exceeds parenchyma by more than its noise and by more than a fraction of it."""
    return np.asarray(smooth > parenchyma.uptake + max(sds * parenchyma.sd, share * parenchyma.uptake))


def _rises_faintly(
    uptake: Float32Array, deep: BoolArray, parenchyma: Parenchyma, config: LesionConfig, grid: Geometry
) -> BoolArray:
    """Faint but broad foci, found after more smoothing, as by a matched filter."""
    broad = gaussian(uptake, config.broad_fwhm_mm / FWHM_PER_SIGMA, grid)
    broad_parenchyma = measure_parenchyma(broad, deep, parenchyma.uptake)
    return _rises(broad, broad_parenchyma, config.detect_broad_sd, config.detect_broad_share)


def find_foci(pet: Volume, level: float, config: LesionConfig) -> npt.NDArray[np.uint16]:
    """Hot foci anywhere, without a liver to bound them: candidates for a reader, which include organs.

    A focus rises above `level`; it reaches to half its peak.
    """
    smooth = gaussian(pet.array, config.smooth_fwhm_mm / FWHM_PER_SIGMA, pet.geometry)
    basins = basins_of(smooth, smooth > level)
    everywhere = np.ones(smooth.shape, dtype=bool)
    basins = merged(basins, smooth, 0.0, everywhere, everywhere, config.saddle_share)
    voxel_ml = pet.geometry.voxel_volume_ml
    masks = []
    for label, part in basin_boxes(basins.labels):
        mask = (basins.labels[part] == label) & (smooth[part] > max(0.5 * basins.peaks[label], level))
        if mask.sum() * voxel_ml >= config.minimum_ml:
            masks.append((part, mask))
    return _numbered(masks, smooth.shape)


def _kept(owners: LabelArray, minimum_ml: float, grid: Geometry) -> list[Placed]:
    """Each lesion's mask, without those that are too small to be more than noise."""
    found: list[Placed] = []
    for label, part in basin_boxes(owners):
        mask = owners[part] == label
        if mask.sum() * grid.voxel_volume_ml >= minimum_ml:
            found.append((part, mask))
    return found


def _numbered(masks: list[Placed], shape: tuple[int, ...]) -> npt.NDArray[np.uint16]:
    """Labels by falling volume; where two masks meet, the larger lesion keeps the voxel."""
    labels = np.zeros(shape, dtype=np.uint16)
    order = sorted(range(len(masks)), key=lambda n: (-int(masks[n][1].sum()), n))
    for number, n in enumerate(order, start=1):
        part, mask = masks[n]
        view = labels[part]
        view[mask & (view == 0)] = number
    return labels
