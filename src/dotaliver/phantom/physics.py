"""Image formation: CT numbers with texture and noise, and PET with blur and count noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from dotaliver.image.geometry import Geometry, Vector
from dotaliver.image.volume import Quantity, Volume
from dotaliver.phantom.shapes import interpolate, stream
from dotaliver.phantom.spec import PhantomSpec
from dotaliver.phantom.tissues import Tissue

_STORED_MAXIMUM = 32767

__all__ = ["PetPhysics", "add_ct_noise", "displaced", "fwhm_to_sigma", "pet_slopes", "simulate_pet"]


def fwhm_to_sigma(fwhm: float) -> float:
    """Standard deviation of a Gaussian from its full width at half maximum."""
    return float(fwhm / np.sqrt(8 * np.log(2)))


# Texture of each tissue: SD of slow variation, in HU
_TEXTURE_HU: dict[Tissue, float] = {
    Tissue.FAT: 9,
    Tissue.BOWEL_CONTENT: 22,
    Tissue.STOMACH_CONTENT: 14,
    Tissue.LUNG: 45,
    Tissue.MUSCLE: 8,
    Tissue.MARROW: 60,
    Tissue.LIVER: 4,
    Tissue.PANCREAS: 12,
    Tissue.SPLEEN: 4,
}


def add_ct_noise(
    hu: npt.NDArray[np.float32], tissue: npt.NDArray[np.uint8], geometry: Geometry, spec: PhantomSpec
) -> npt.NDArray[np.int16]:
    """A reconstructed CT from noiseless CT numbers: texture, resolution, correlated noise, streaks; int16 HU."""
    rng = stream(spec.seed, "ct noise")
    scanner = spec.scanner
    table = np.zeros(len(Tissue), dtype=np.float32)
    for kind, sd in _TEXTURE_HU.items():
        table[kind] = sd
    _, dy, dx = geometry.spacing_mm
    image = hu
    for scale_mm in (10.0, 3.0):
        image = image + table[tissue] * _coarse_noise(rng, geometry, (scale_mm,) * 3) * np.float32(0.7)
    sigma = fwhm_to_sigma(scanner.ct_resolution_mm)
    image = ndimage.gaussian_filter(image, (0, sigma / dy, sigma / dx))
    grain = rng.standard_normal(geometry.shape, dtype=np.float32)
    # Filtered back projection: grains of about 1.5 mm, whatever the pixel
    size = (0.0, 0.65 / dy, 0.65 / dx)
    grain = ndimage.gaussian_filter(grain, size)
    grain *= np.float32(scanner.ct_noise_hu) / grain.std()
    if scanner.ct_streaks_hu > 0:
        grain += np.float32(scanner.ct_streaks_hu) * _coarse_noise(
            rng, geometry, (220.0, 4.0, max(geometry.spacing_mm[0], 4))
        )
    image += np.where(tissue == Tissue.AIR, np.float32(0.4), np.float32(1)) * grain
    return np.asarray(np.clip(np.rint(image), -1024, 3071), dtype=np.int16)


def _coarse_noise(rng: np.random.Generator, geometry: Geometry, scale_mm: Vector) -> npt.NDArray[np.float32]:
    """Smooth noise of unit SD on a grid, of correlation lengths (x, y, z)."""
    steps = [max(scale_mm[2 - a] / 2, geometry.spacing_mm[a]) for a in range(3)]
    counts = [int(np.ceil(geometry.size_mm[a] / steps[a])) + 2 for a in range(3)]
    lattice = ndimage.gaussian_filter(rng.standard_normal(counts, dtype=np.float32), 0.8)
    lattice /= lattice.std()
    return interpolate(
        lattice,
        [np.arange(geometry.shape[a], dtype=np.float64) * (geometry.spacing_mm[a] / steps[a]) for a in range(3)],
    )


# --- PET -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PetPhysics:
    """How a PET scanner sees activity.

    Parameters
    ----------
    resolution_mm : float
        FWHM of the image of a point, averaging over the voxel included.
    cov : float
        Standard deviation over mean of voxels in a large region of `reference_bqml`.
    reference_bqml : float
        Activity concentration at which `cov` holds; that of normal liver.
    noise_correlation_mm : float
        FWHM of the kernel that correlates the noise between voxels.
    """

    resolution_mm: float = 6.0
    cov: float = 0.12
    reference_bqml: float = 1.0
    noise_correlation_mm: float = 5.0


def displaced(volume: Volume, shift_lps_mm: Vector) -> Volume:
    """The same image, moved as a whole by a vector in mm (its grid moves; no voxel is interpolated)."""
    return Volume(volume.array, volume.geometry.moved(shift_lps_mm), volume.quantity)


def simulate_pet(activity: Volume, onto: Geometry, physics: PetPhysics, rng: np.random.Generator) -> Volume:
    """The PET image of an activity concentration: blurred, sampled and noisy.

    Parameters
    ----------
    activity : Volume
        True activity concentration in Bq/ml on any grid whose axes run along those of `onto`, such as painted on
        the labels of a real CT. Outside its grid there is none.
    onto : Geometry
        The PET's grid.
    physics : PetPhysics
        Resolution and noise.
    rng : numpy.random.Generator
        Source of the noise.

    Returns
    -------
    Volume
        Bq/ml, float32, on `onto`. Noise keeps the mean of every voxel, stays positive and grows with the square
        root of activity (so that relative noise falls with counts), log-normal as in iterative reconstructions
        (Barrett et al., Phys Med Biol 1994;39:833), correlated between voxels.
    """
    activity.require(Quantity.BQML)
    image = _blurred(activity, onto, physics.resolution_mm)
    if physics.cov > 0:
        image = _with_count_noise(image, onto, physics, rng)
    return Volume(image.astype(np.float32), onto, Quantity.BQML)


def _reduced(activity: Volume, step_mm: float) -> Volume:
    """Block means, so that voxels are not finer than about `step_mm`."""
    array, grid = np.asarray(activity.array, dtype=np.float32), activity.geometry
    factors = [max(int(step_mm / s + 0.25), 1) for s in grid.spacing_mm]
    if max(factors) == 1:
        return activity.with_array(array)
    for axis, factor in enumerate(factors):
        pad = -array.shape[axis] % factor
        if pad:
            width = [(0, 0)] * 3
            width[axis] = (0, pad)
            array = np.pad(array, width)
        shape = (*array.shape[:axis], array.shape[axis] // factor, factor, *array.shape[axis + 1 :])
        array = array.reshape(shape).mean(axis=axis + 1)
    origin = grid.index_to_lps((np.array(factors) - 1) / 2)
    spacing = tuple(s * f for s, f in zip(grid.spacing_mm, factors, strict=True))
    coarse = Geometry(array.shape, tuple(origin), spacing, grid.directions, grid.frame_of_reference_uid)  # type: ignore[arg-type]
    return Volume(array, coarse, activity.quantity)


def _blurred(activity: Volume, onto: Geometry, resolution_mm: float) -> npt.NDArray[np.float32]:
    from dotaliver.image.itk import resample

    source = _reduced(activity, min(onto.spacing_mm) / 2)
    wanted = fwhm_to_sigma(resolution_mm) ** 2
    # Linear interpolation between samples h apart blurs by a triangle of variance h²/6, on top of block means and
    # of the PET voxel's own averaging; what is left to the Gaussian makes the whole as wide as asked for
    fine = onto.with_spacing(tuple(s / 2 for s in onto.spacing_mm))  # type: ignore[arg-type]
    sampled = resample(source, fine).array
    sigmas = []
    for axis in range(3):
        own = source.geometry.spacing_mm[axis]
        spent = own**2 / 6 + own**2 / 12 * (own > activity.geometry.spacing_mm[axis] * 1.01)
        spent += onto.spacing_mm[axis] ** 2 / 4 / 4
        sigmas.append(np.sqrt(max(wanted - spent, 0.0)) / fine.spacing_mm[axis])
    smooth = ndimage.gaussian_filter(sampled, sigmas, truncate=3.5, mode="nearest")
    n = onto.shape
    return np.asarray(smooth.reshape(n[0], 2, n[1], 2, n[2], 2).mean(axis=(1, 3, 5), dtype=np.float32))


def _with_count_noise(
    image: npt.NDArray[np.float32], grid: Geometry, physics: PetPhysics, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    sigma = [fwhm_to_sigma(physics.noise_correlation_mm) / s for s in grid.spacing_mm]
    grain = ndimage.gaussian_filter(rng.standard_normal(grid.shape, dtype=np.float32), sigma, mode="wrap")
    grain /= grain.std()
    # Activity around a voxel, not in it alone, feeds its noise: lines of response cross its neighbours
    around = ndimage.gaussian_filter(image, [8.0 / s for s in grid.spacing_mm])
    floor = np.float32(physics.reference_bqml * 1e-3)
    local = np.maximum(np.maximum(image, 0.5 * around), floor)
    relative = physics.cov * np.sqrt(np.float32(physics.reference_bqml) / local)
    spread = np.sqrt(np.log1p(np.minimum(relative, 1.2) ** 2))
    return np.asarray(image * np.exp(spread * grain - spread * spread / 2), dtype=np.float32)


def pet_slopes(array: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Rescale slope of each slice, as the decimal text of at most 16 characters that DICOM stores.

    Six digits are kept, so that slopes found again from the rounded voxels are the same.
    """
    highest = array.max(axis=(1, 2)).astype(np.float64)
    return np.array([float(f"{h / _STORED_MAXIMUM:.5e}") if h > 0 else 1.0 for h in highest])
