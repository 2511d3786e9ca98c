"""MR of a phantom: its anatomy with the contrast of an MR sequence, in a pose and a breath-hold of its own.

The signal follows from the tissues that the CT shows, never from its HU. How a place of the MR maps to a place of the
CT is known exactly, so the error of a registration can be measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import ndimage

from dotaliver.frozen import FrozenModel
from dotaliver.image.geometry import FloatArray, Geometry, Vector, as_vector
from dotaliver.image.volume import LabelMap, Quantity, Volume
from dotaliver.phantom.clock import phantom_uid
from dotaliver.phantom.shapes import stream
from dotaliver.phantom.study import PhantomStudy
from dotaliver.phantom.tissues import Tissue

__all__ = ["MR_SEQUENCES", "MrSequence", "MrSpec", "PhantomMr", "draw_mr_spec", "make_mr"]

MrSequence = Literal["t1_hepatobiliary", "t2", "dwi"]
MR_SEQUENCES: tuple[MrSequence, ...] = ("t1_hepatobiliary", "t2", "dwi")

# Relative signal by tissue: fat-suppressed T1 gradient echo 20 min after gadoxetate (liver bright, vessels and lesions
# dark), fat-suppressed T2 spin echo (fluid bright, flowing blood dark), and diffusion at b 800 s/mm². Ratios follow
# the usual appearance of abdominal MR; they decide contrast, not any measurement.
_SIGNAL: dict[Tissue, tuple[float, float, float]] = {
    Tissue.LIVER: (1000, 250, 120),
    Tissue.PORTAL_BRANCH: (420, 180, 15),
    Tissue.HEPATIC_VEIN: (420, 180, 15),
    Tissue.LIVER_LESION: (380, 520, 420),
    Tissue.SPLEEN: (480, 500, 520),
    Tissue.KIDNEY_CORTEX: (900, 600, 380),
    Tissue.KIDNEY_MEDULLA: (800, 700, 420),
    Tissue.RENAL_SINUS: (500, 800, 60),
    Tissue.ADRENAL: (450, 320, 200),
    Tissue.STOMACH_WALL: (500, 350, 150),
    Tissue.STOMACH_CONTENT: (250, 900, 60),
    Tissue.BOWEL_WALL: (550, 330, 150),
    Tissue.BOWEL_CONTENT: (350, 700, 70),
    Tissue.HOT_BOWEL: (550, 330, 150),
    Tissue.PANCREAS: (520, 350, 180),
    Tissue.GALLBLADDER: (600, 1500, 90),
    Tissue.AORTA: (420, 60, 15),
    Tissue.VENA_CAVA: (420, 100, 15),
    Tissue.PORTAL_VEIN: (420, 150, 15),
    Tissue.SMALL_VESSEL: (420, 150, 15),
    Tissue.HEART_WALL: (450, 250, 40),
    Tissue.HEART_BLOOD: (420, 100, 10),
    Tissue.LUNG: (60, 30, 5),
    Tissue.FLUID: (150, 1600, 40),
    Tissue.MUSCLE: (380, 150, 90),
    Tissue.BONE: (40, 20, 5),
    Tissue.MARROW: (520, 220, 90),
    Tissue.DISC: (300, 400, 60),
    Tissue.CARTILAGE: (300, 250, 60),
    Tissue.CORD: (380, 300, 400),
    Tissue.FAT: (180, 160, 20),
}
_SIGNAL_SD = 0.08
_NOISE_OF_LIVER = {"t1_hepatobiliary": 0.04, "t2": 0.08, "dwi": 0.15}
# Receive coils: signal falls by about this much (natural logarithm) between the strongest and the middle place.
_BIAS = 0.25
_BREATHING_WIDTH_MM = 110.0


class MrSpec(FrozenModel):
    """One MR series of a phantom: sequence, grid, and where the patient lay and breathed."""

    sequence: MrSequence = "t1_hepatobiliary"
    seed: int = Field(default=0, ge=0, description="Of noise, coil sensitivity and signal variation")
    pixel_mm: float = Field(default=1.6, gt=0)
    slice_mm: float = Field(default=4.0, gt=0)
    size_mm: Vector = Field(default=(240.0, 300.0, 380.0), description="Along slices, rows and columns")
    centre_lps_mm: Vector = Field(default=(0.0, 0.0, 0.0), description="Of the field of view, in the CT's position")
    shift_lps_mm: Vector = Field(default=(0.0, 0.0, 0.0), description="From the CT's position to the MR's")
    rotation_deg: Vector = Field(default=(0.0, 0.0, 0.0), description="Of the patient about x, y and z")
    tilt_deg: float = Field(default=0.0, ge=-45, le=45, description="Of the slices about the x axis: an oblique series")
    breathing_mm: float = Field(default=0.0, ge=-40, le=40, description="How far the liver lies towards the feet")


@dataclass(frozen=True, eq=False)
class PhantomMr:
    """An MR of a phantom, with liver and lesions where it shows them; lesions have the labels of the study."""

    spec: MrSpec
    image: Volume
    liver: LabelMap
    lesions: LabelMap
    _pivot_lps_mm: Vector

    def to_ct(self, points_lps_mm: npt.ArrayLike) -> FloatArray:
        """Places of the CT for places of the MR, shape (..., 3), in mm."""
        return _to_ct(self.spec, np.asarray(self._pivot_lps_mm), np.asarray(points_lps_mm, dtype=np.float64))

    @cached_property
    def liver_points_lps_mm(self) -> FloatArray:
        """Voxel centres of the liver on the MR, shape (n, 3), in mm."""
        return self.image.geometry.index_to_lps(np.argwhere(self.liver.mask))


def _rotation(degrees: Vector) -> FloatArray:
    x, y, z = np.radians(degrees)
    about_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_z = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x)


def _to_ct(spec: MrSpec, pivot: FloatArray, points: FloatArray) -> FloatArray:
    """Undo the patient's pose, then the breath: the liver moves most, what lies far from it less."""
    still = (points - np.asarray(spec.shift_lps_mm) - pivot) @ _rotation(spec.rotation_deg) + pivot
    near = np.exp(-(((still - pivot) / _BREATHING_WIDTH_MM) ** 2).sum(axis=-1, keepdims=True))
    # The liver tips a little to the front when it goes down.
    return np.asarray(still + near * spec.breathing_mm * np.array([0.0, 0.25, 1.0]))


def draw_mr_spec(study: PhantomStudy, sequence: MrSequence, seed: int) -> MrSpec:
    """An MR as a later examination would give it: another couch, slight rotation and another breath-hold."""
    rng = stream(study.spec.seed, f"mr pose {seed}")
    shift = rng.normal(0, (15, 10, 60))
    turn = rng.normal(0, (2.0, 1.5, 2.5))
    tilt, breathing = float(rng.uniform(-8, 8)), float(rng.uniform(-15, 15))
    rng = stream(study.spec.seed, f"mr breath {seed} {sequence}")
    grid = {"t1_hepatobiliary": (1.6, 3.0), "t2": (1.4, 5.0), "dwi": (2.4, 6.0)}[sequence]
    if study.spec.matrix == "small":
        grid = (grid[0] * 2, grid[1] * 1.2)
    return MrSpec(
        sequence=sequence,
        seed=seed,
        pixel_mm=grid[0],
        slice_mm=grid[1],
        centre_lps_mm=(0.0, 0.0, float(study.ct.geometry.index_to_lps(np.argwhere(study.liver.mask).mean(axis=0))[2])),
        shift_lps_mm=as_vector(shift),
        rotation_deg=as_vector(turn),
        tilt_deg=tilt if sequence != "dwi" else 0.0,
        breathing_mm=float(np.clip(breathing + rng.normal(0, 3), -25, 25)),
    )


def make_mr(study: PhantomStudy, spec: MrSpec) -> PhantomMr:
    """Make one MR series of a phantom; the same specification always gives the same voxels."""
    pivot = study.ct.geometry.index_to_lps(np.argwhere(study.liver.mask).mean(axis=0))
    grid = _grid(study, spec, pivot)
    signal = _signal(study, spec)
    # A slice of the MR averages over its thickness.
    sigma = spec.slice_mm / 2.355 / study.ct.geometry.spacing_mm[0]
    signal = ndimage.gaussian_filter1d(signal, sigma, axis=0)
    image, liver = np.empty(grid.shape, np.float32), np.zeros(grid.shape, np.uint8)
    lesions = np.zeros(grid.shape, np.uint16)
    mask = study.liver.mask.astype(np.float32)
    for k in range(grid.shape[0]):
        index = np.argwhere(np.ones(grid.shape[1:], dtype=bool))
        places = grid.index_to_lps(np.column_stack([np.full(len(index), k), index]))
        at = study.ct.geometry.lps_to_index(_to_ct(spec, pivot, places)).T
        image[k] = ndimage.map_coordinates(signal, at, order=1, cval=0.0).reshape(grid.shape[1:])
        liver[k] = (ndimage.map_coordinates(mask, at, order=1, cval=0.0) >= 0.5).reshape(grid.shape[1:])
        lesions[k] = ndimage.map_coordinates(study.lesions.array, at, order=0, cval=0).reshape(grid.shape[1:])
    received = image * _sensitivity(grid, spec)
    rng = stream(study.spec.seed, f"mr noise {spec.seed} {spec.sequence}")
    level = _NOISE_OF_LIVER[spec.sequence] * _SIGNAL[Tissue.LIVER][MR_SEQUENCES.index(spec.sequence)]
    real, imaginary = rng.normal(0, level, (2, *grid.shape)).astype(np.float32)
    # The magnitude of a complex signal with noise in both parts: Rician
    magnitude = np.rint(np.hypot(received + real, imaginary)).astype(np.float32)
    shown = Volume(magnitude, grid, Quantity.MR_SIGNAL)
    return PhantomMr(spec, shown, LabelMap(liver, grid), LabelMap(lesions, grid), as_vector(pivot))


def _grid(study: PhantomStudy, spec: MrSpec, pivot: FloatArray) -> Geometry:
    tilt = _rotation((spec.tilt_deg, 0.0, 0.0))
    axes = [tilt @ axis for axis in np.eye(3)[::-1]]
    spacing = (spec.slice_mm, spec.pixel_mm, spec.pixel_mm)
    n, rows, columns = (max(round(mm / step), 1) for mm, step in zip(spec.size_mm, spacing, strict=True))
    shape = (n, rows, columns)
    turned = _rotation(spec.rotation_deg)
    centre = turned @ (np.asarray(spec.centre_lps_mm) - pivot) + pivot + np.asarray(spec.shift_lps_mm)
    half = sum(0.5 * (n - 1) * step * axis for n, step, axis in zip(shape, spacing, axes, strict=True))
    return Geometry(
        shape,
        as_vector(centre - half),
        spacing,
        (as_vector(axes[0]), as_vector(axes[1]), as_vector(axes[2])),
        phantom_uid(study.spec, "mr frame of reference", spec.seed),
    )


def _signal(study: PhantomStudy, spec: MrSpec) -> npt.NDArray[np.float32]:
    """Signal on the CT's grid, with a patient's own variation."""
    which = MR_SEQUENCES.index(spec.sequence)
    rng = stream(study.spec.seed, f"mr signal {spec.sequence}")
    table = np.zeros(len(Tissue), dtype=np.float32)
    for tissue in Tissue:
        table[tissue] = _SIGNAL.get(tissue, (0.0, 0.0, 0.0))[which] * np.exp(rng.normal(0, _SIGNAL_SD))
    signal = table[study.organs.array]
    signal[study.lesions.mask] = table[Tissue.LIVER_LESION]
    return np.asarray(signal)


def _sensitivity(grid: Geometry, spec: MrSpec) -> npt.NDArray[np.float32]:
    """Smooth sensitivity of the coils over the field of view, 1 in the middle."""
    rng = np.random.default_rng([spec.seed, 77])
    linear, square = rng.normal(0, _BIAS / 2, 3), rng.uniform(0, _BIAS, 3)
    axes = [np.linspace(-1, 1, n) for n in grid.shape]
    k, j, i = np.meshgrid(*axes, indexing="ij", sparse=True)
    steps = zip(linear, square, (k, j, i), strict=True)
    return np.asarray(np.exp(sum(a * axis + b * axis**2 for a, b, axis in steps)), dtype=np.float32)
