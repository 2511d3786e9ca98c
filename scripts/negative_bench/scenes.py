"""The livers that lesions are put into: phantoms of several anatomies, phases, slices and kernels, and real CTs.

Nothing may be tuned on the families of `HELD_OUT`, nor on the real CTs.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from diameter_bench.bases import hybrid_base, labelled_base
from diameter_bench.insertion import Base
from scipy import ndimage

from dotaliver.image.distance import distance_inside_mm, signed_distance_mm
from dotaliver.image.geometry import Geometry
from dotaliver.image.morphology import box_around
from dotaliver.image.volume import BoolArray, Quantity, Volume
from dotaliver.phantom.families import family_spec
from dotaliver.phantom.presets import match_enhancement
from dotaliver.phantom.study import make_phantom
from dotaliver.phantom.tissues import Tissue

_MARGIN_MM = 12.0
# Share of avid lesions whose middle the PET's outline leaves out.
_CORELESS = 0.25
# Less of an avid lesion than this would leave a lesion that is known to nobody.
_LEAST_OUTLINED = 0.4
_FIELD_MM = 403.2
# Pixels smaller than this are averaged where time counts.
_FINE_MM = 0.8
Clutter = Literal["fissure", "sparing", "deposit", "perfusion", "streaks"]


@dataclass(frozen=True)
class Family:
    """One kind of scan."""

    name: str
    anatomy: str
    phase: str
    slice_mm: float
    kernel: Literal["soft", "medium", "sharp"]
    clutter: tuple[Clutter, ...] = ()
    avid: bool = False
    """Whether the lesions of the anatomy's family are left in."""
    pixel_mm: float = 0.9
    outline_mm: float = 1.2
    """SD of the error of the liver's outline."""

    @property
    def enhanced(self) -> bool:
        """Whether contrast agent was given."""
        return self.phase != "native"


TUNING = (
    Family("portal", "burden_0", "portal", 2.5, "soft", ("fissure",)),
    Family("arterial small", "patient_small", "arterial", 3.0, "medium"),
    Family("plain", "gut_touching", "native", 4.0, "soft", ("fissure",)),
    Family("fatty portal", "fatty", "portal", 5.0, "medium", ("sparing",)),
    Family("thin sharp", "riedel", "portal", 1.5, "sharp", ("perfusion",)),
)
HELD_OUT = (
    Family("portal 2 mm", "left_over_spleen", "portal", 2.0, "medium", ("fissure", "perfusion")),
    Family("arterial 3 mm", "hepatomegaly", "arterial", 3.0, "soft", ("fissure",)),
    Family("late 5 mm", "horseshoe", "late", 5.0, "soft", ("deposit",)),
    Family("portal 1 mm sharp", "effusion", "portal", 1.0, "sharp", ("streaks",)),
    Family("fatty portal 4 mm", "hepatomegaly", "portal", 4.0, "medium", ("sparing", "fissure")),
    Family("plain 4 mm", "left_over_spleen", "native", 4.0, "soft", ("sparing",)),
)


@dataclass(frozen=True, eq=False)
class Liver:
    """A CT around a liver. A phantom's is free of noise until `with_noise`; a real one has its own."""

    name: str
    enhanced: bool
    hu: npt.NDArray[np.float32]
    grid: Geometry
    liver: BoolArray
    """As a segmenter draws it."""
    avid: npt.NDArray[np.integer]
    """Numbered, as the PET outlines them."""
    organs: npt.NDArray[np.uint8] | None
    kernel: str
    streaks: bool = False

    def with_noise(self, noise_hu: float, seed: int, hu: npt.NDArray[np.float32] | None = None) -> Volume:
        """The CT as scanned; `hu` in place of its own numbers."""
        image = self.hu if hu is None else hu
        if noise_hu > 0:
            image = image + noise_hu * _grain(self.grid, self.kernel, np.random.default_rng([seed, 31]))
            if self.streaks:
                image = image + 0.3 * noise_hu * _streaks(self.grid, np.random.default_rng([seed, 32]))
        return Volume(np.clip(np.rint(image), -1024, 3071).astype(np.int16), self.grid, Quantity.HU)


def _grain(grid: Geometry, kernel: str, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Noise of unit SD with the spectrum of filtered back projection: |f| exp(-(f/f0)²), a little over slices too.

    The ramp times the apodisation is the textbook's shape (Kijewski and Judy, Phys Med Biol 1987;32:565); iterative
    reconstruction ("soft") keeps more of the low frequencies.
    """
    cut, floor = {"soft": (0.22, 0.35), "medium": (0.38, 0.15), "sharp": (0.6, 0.05)}[kernel]
    fy = np.fft.fftfreq(grid.shape[1], grid.spacing_mm[1])[:, None]
    fx = np.fft.rfftfreq(grid.shape[2], grid.spacing_mm[2])[None, :]
    f = np.hypot(fy, fx) / cut
    gain = np.sqrt((f + floor) * np.exp(-(f**2)))
    white = rng.standard_normal(grid.shape, dtype=np.float32)
    white = ndimage.gaussian_filter1d(white, 0.6 / max(grid.spacing_mm[0], 1.0), axis=0)
    shaped = np.stack([np.fft.irfft2(np.fft.rfft2(plane) * gain, s=plane.shape) for plane in white]).astype(np.float32)
    return np.asarray(shaped / shaped.std(), dtype=np.float32)


def _streaks(grid: Geometry, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    rows = rng.standard_normal((grid.shape[0], grid.shape[1], 1)).astype(np.float32)
    rows = ndimage.gaussian_filter1d(rows, 2.0 / grid.spacing_mm[1], axis=1)
    return np.broadcast_to(rows / rows.std(), grid.shape)


def phantom_liver(family: Family, seed: int = 0) -> Liver:
    """A phantom without lesions and noise, with fissures, spared fat and the like painted in."""
    number = zlib.crc32(family.name.encode()) % 10_000 + seed
    spec = family_spec(family.anatomy, number, "medium")
    changed = {
        "contrast_phase": family.phase,
        "ct_slice_mm": family.slice_mm,
        "ct_noise_hu": 0.0,
        "ct_streaks_hu": 0.0,
        "ct_matrix": round(_FIELD_MM / family.pixel_mm),
        "ct_pixel_mm": family.pixel_mm,
        "ct_resolution_mm": {"soft": 1.5, "medium": 1.1, "sharp": 0.8}[family.kernel],
        "breathing_shift_mm": 0.0,
    }
    lesions = tuple(x for x in spec.lesions if not x.cold) if family.avid else ()
    spec = spec.model_copy(
        update={"lesions": lesions, "burden": None, "scanner": spec.scanner.model_copy(update=changed)}
    )
    study = make_phantom(match_enhancement(spec))
    box = box_around(study.liver.mask, study.ct.geometry, _MARGIN_MM)
    grid = study.ct.geometry.crop(box)
    hu = np.array(study.ct.array[box], dtype=np.float32)
    organs = np.array(study.organs.array[box])
    rng = np.random.default_rng([number, 5])
    true = study.liver.mask[box]
    for kind in family.clutter:
        _paint(kind, hu, organs, true, grid, rng)
    drawn = _redrawn(true, grid, rng, family.outline_mm)
    avid = study.lesions.array[box]
    if avid.any():
        avid = _outlined(avid, grid, rng)
    streaks = "streaks" in family.clutter
    return Liver(family.name, family.enhanced, hu, grid, drawn, avid, organs, family.kernel, streaks)


def _paint(
    kind: Clutter,
    hu: npt.NDArray[np.float32],
    organs: npt.NDArray[np.uint8],
    liver: BoolArray,
    grid: Geometry,
    rng: np.random.Generator,
) -> None:
    places = np.argwhere(liver)
    low, high = (places[:, a].min() for a in range(3)), (places[:, a].max() for a in range(3))
    low, high = np.array(list(low)), np.array(list(high))
    k, j, i = np.meshgrid(
        *(np.arange(n, dtype=np.float32) * s for n, s in zip(grid.shape, grid.spacing_mm, strict=True)),
        indexing="ij",
        sparse=True,
    )
    depth = distance_inside_mm(liver, grid.spacing_mm)
    soft = [1.0 / s for s in grid.spacing_mm]
    if kind == "fissure":
        # The falciform ligament's: a wedge of fat from the front, a little oblique, that ends in a rounded tip.
        x0 = (low[2] + rng.uniform(0.55, 0.75) * (high[2] - low[2])) * grid.spacing_mm[2]
        z0 = (low[0] + rng.uniform(0.3, 0.6) * (high[0] - low[0])) * grid.spacing_mm[0]
        tilt, half = rng.uniform(-0.3, 0.3), rng.uniform(1.5, 3.0)
        share = (np.abs(i - x0 - tilt * (k - z0)) < half) & (np.abs(k - z0) < rng.uniform(25, 45)) & liver
        share &= depth < rng.uniform(18, 35)
        blurred = ndimage.gaussian_filter(share.astype(np.float32), [0.3, *soft[1:]])
        hu += blurred * (-95.0 - hu)
        organs[share] = Tissue.FAT
    elif kind in {"sparing", "deposit"}:
        # A geographic area beside the gallbladder or at the front: flat against the border, without a round outline.
        x0 = (low[2] + rng.uniform(0.45, 0.7) * (high[2] - low[2])) * grid.spacing_mm[2]
        z0 = (low[0] + rng.uniform(0.3, 0.6) * (high[0] - low[0])) * grid.spacing_mm[0]
        front = np.argwhere(liver[int(z0 / grid.spacing_mm[0]), :, int(x0 / grid.spacing_mm[2])])
        y0 = float(front.min() if front.size else low[1]) * grid.spacing_mm[1]
        r = ((i - x0) / rng.uniform(14, 24)) ** 2 + ((j - y0) / rng.uniform(8, 14)) ** 2 + ((k - z0) / 16) ** 2
        change = rng.uniform(12, 25) * (1.0 if kind == "sparing" else -1.0)
        hu += (change / (1 + np.exp((np.sqrt(r) - 1) * 6)) * liver).astype(np.float32)
    elif kind == "perfusion":
        x0 = (low[2] + 0.6 * (high[2] - low[2])) * grid.spacing_mm[2]
        hu += (rng.uniform(4, 8) / (1 + np.exp(-(i - x0 + 0.3 * (j - j.mean())) / 6)) * liver).astype(np.float32)


def _redrawn(liver: BoolArray, grid: Geometry, rng: np.random.Generator, sd_mm: float) -> BoolArray:
    """The liver's outline as a segmenter draws it: off by a millimetre or more here and there."""
    counts = [max(int(n * s / 8), 2) for n, s in zip(grid.shape, grid.spacing_mm, strict=True)]
    waves = ndimage.gaussian_filter(rng.standard_normal(counts), 1.0)
    at = [np.linspace(0, m - 1, n) for n, m in zip(grid.shape, counts, strict=True)]
    field = ndimage.map_coordinates(waves / waves.std(), np.meshgrid(*at, indexing="ij"), order=1)
    return np.asarray(signed_distance_mm(liver, grid.spacing_mm) > sd_mm * field)


def _outlined(avid: npt.NDArray[np.uint16], grid: Geometry, rng: np.random.Generator) -> npt.NDArray[np.uint16]:
    """Avid lesions as the PET outlines them: each up to 2 mm larger or smaller, a little off, some without its core."""
    made = np.zeros_like(avid)
    for label, place in enumerate(ndimage.find_objects(avid), start=1):
        if place is None:
            continue
        reach = [int(np.ceil(6.0 / s)) for s in grid.spacing_mm]
        box = tuple(
            slice(max(p.start - r, 0), min(p.stop + r, n)) for p, r, n in zip(place, reach, grid.shape, strict=True)
        )
        away = signed_distance_mm(avid[box] == label, grid.spacing_mm)
        away = ndimage.shift(away, rng.normal(0, 1.2, 3) / grid.spacing_mm, order=1, mode="nearest")
        own = away > rng.uniform(-2.0, 2.0)
        if rng.random() < _CORELESS:
            own &= away < rng.uniform(0.4, 0.7) * away.max()
        true = avid[box] == label
        if np.count_nonzero(own) < _LEAST_OUTLINED * np.count_nonzero(true):
            own = true
        part = made[box]
        part[own & (part == 0)] = label
    return made


def _real(base: Base, name: str, *, enhanced: bool) -> Liver:
    grid = base.ct.geometry
    return Liver(
        name, enhanced, base.ct.array.astype(np.float32), grid, base.liver.mask, base.lesions.array, None, "medium"
    )


def real_livers(data: Path) -> Iterator[Liver]:
    """Real CTs; lesions that they have are taken for avid ones."""
    for name in ("hybrid_moderate", "hybrid_real_tumours"):
        yield _real(hybrid_base(name, data), name, enhanced=True)
    yield _real(labelled_base(data), "labelled", enhanced=False)


def coarser(base: Liver) -> Liver:
    """A CT of fine pixels with every two by two averaged: the search looks at 2 mm."""
    grid = base.grid
    if grid.spacing_mm[1] > _FINE_MM:
        return base
    slices, rows, columns = grid.shape[0], grid.shape[1] // 2, grid.shape[2] // 2
    part = (slice(None), slice(0, 2 * rows), slice(0, 2 * columns))
    hu = base.hu[part].reshape(slices, rows, 2, columns, 2).mean(axis=(2, 4)).astype(np.float32)
    x, y, z = (float(v) for v in grid.index_to_lps((0, 0.5, 0.5)))
    between, down, across = grid.spacing_mm
    wide = replace(grid, shape=hu.shape, origin_lps_mm=(x, y, z), spacing_mm=(between, 2 * down, 2 * across))
    return replace(base, hu=hu, grid=wide, liver=base.liver[part][:, ::2, ::2], avid=base.avid[part][:, ::2, ::2])
