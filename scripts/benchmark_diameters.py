"""Measures diameters beside pyradiomics' Maximum2DDiameterSlice, and outlines on CT against a phantom's truth.

    python scripts/benchmark_diameters.py                  # speed and agreement on the same masks
    python scripts/benchmark_diameters.py --phantoms 11 16  # CT outlines on phantoms of these seeds

pyradiomics builds only as 3.0.1 on Python 3.11: pip install versioneer setuptools wheel cython, then
pip install --no-build-isolation pyradiomics==3.0.1. Without it the first part says so and shows ours alone.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from dotaliver.config.scoring import ScoringConfig
from dotaliver.image.geometry import Geometry
from dotaliver.image.itk import resample_labels, to_itk
from dotaliver.image.volume import LabelMap, Quantity, Volume, used_box
from dotaliver.measurement.diameters import longest_diameter

AXIAL = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))


def ellipsoid(radii: tuple[float, float, float], spacing: tuple[float, float, float]) -> LabelMap:
    """Radii along slices, rows and columns, turned by 30° in the plane."""
    shape = tuple(int(2 * max(radii[1:]) / s) + 9 if a else int(2 * radii[0] / s) + 5 for a, s in enumerate(spacing))
    grid = Geometry(shape, (0.0, 0.0, 0.0), spacing, AXIAL)
    k, j, i = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in shape), indexing="ij")
    z, y, x = k * spacing[0], j * spacing[1], i * spacing[2]
    u, v = x * np.cos(0.52) + y * np.sin(0.52), y * np.cos(0.52) - x * np.sin(0.52)
    return LabelMap(((z / radii[0]) ** 2 + (v / radii[1]) ** 2 + (u / radii[2]) ** 2 <= 1).astype(np.uint8), grid)


def cases() -> dict[str, tuple[LabelMap, float | None]]:
    """Masks, with the longest in-plane diameter where it is known."""
    found: dict[str, tuple[LabelMap, float | None]] = {}
    for radii in ((6.0, 4.0, 5.0), (12.0, 9.0, 14.0), (25.0, 18.0, 30.0), (43.0, 28.0, 47.0)):
        mask = ellipsoid(radii, (2.0, 0.8, 0.8))
        found[f"ellipsoid, {np.count_nonzero(mask.array)} voxels"] = (mask, 2 * radii[2])
    rng = np.random.default_rng(0)
    rough = ellipsoid((25.0, 18.0, 30.0), (2.0, 0.8, 0.8))
    noise = LabelMap((rough.mask & (rng.random(rough.array.shape) > 0.2)).astype(np.uint8), rough.geometry)
    found[f"ellipsoid with holes, {np.count_nonzero(noise.array)} voxels"] = (noise, None)
    return found


def timed(run: Callable[[], float], rounds: int = 5) -> tuple[float, float]:
    """The result, and the median time in ms."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        value = run()
        times.append(1000 * (time.perf_counter() - start))
    return value, float(np.median(times))


def ours(mask: LabelMap) -> float:
    found = longest_diameter(mask, "ct")
    assert found is not None
    return found.diameter.longest_mm


def radiomics_runner() -> Callable[[LabelMap], float] | None:
    try:
        import logging

        import radiomics
        from radiomics.shape import RadiomicsShape
    except ImportError:
        return None
    logging.getLogger("radiomics").setLevel(logging.ERROR)
    print(f"pyradiomics {radiomics.__version__}")

    def run(mask: LabelMap) -> float:
        image = to_itk(Volume(mask.array.astype(np.float32), mask.geometry, Quantity.HU))
        features = RadiomicsShape(image, to_itk(mask), label=1)
        return float(features.getMaximum2DDiameterSliceFeatureValue())

    return run


def beside_radiomics() -> None:
    peer = radiomics_runner()
    if peer is None:
        print("pyradiomics is not installed, so ours stands alone; see the head of this script")
    print(f"{'mask':42} {'truth mm':>9} {'ours mm':>9} {'ms':>8} {'pyradiomics mm':>15} {'ms':>9} {'ours/theirs':>12}")
    for name, (mask, truth) in cases().items():
        size, ms = timed(lambda m=mask: ours(m))
        known = "–" if truth is None else f"{truth:.2f}"
        row = f"{name:42} {known:>9} {size:9.2f} {ms:8.2f}"
        if peer is not None:
            other, other_ms = timed(lambda m=mask: peer(m))
            row += f" {other:15.2f} {other_ms:9.2f} {ms / other_ms:12.3f}"
        print(row)


def on_phantoms(first: int, last: int, presets: tuple[str, ...] = ("moderate",)) -> None:
    """CT outlines on phantoms: how many lesions are outlined, and how far their diameters are from the truth."""
    errors, extents, seen, total = [], [], 0, 0
    for name in presets:
        for seed in range(first, last + 1):
            found = phantom_errors(name, seed)
            total += len(found)
            taken = [row for row in found if row[1] is not None]
            seen += len(taken)
            errors += [size - truth for truth, size, _ in taken]
            extents += [extent - truth for truth, _, extent in taken]
            print(f"{name} {seed}: {len(taken)} of {len(found)} lesions outlined on CT", flush=True)
    print(f"{seen} of {total} lesions outlined")
    for word, values in (("CT", np.array(errors)), ("PET extent of the same", np.array(extents))):
        if len(values):
            print(
                f"{word}: mean {values.mean():+.2f} mm, SD {values.std():.2f}, absolute: median "
                f"{np.median(np.abs(values)):.2f}, 90 % {np.quantile(np.abs(values), 0.9):.2f}, most "
                f"{np.abs(values).max():.2f}"
            )


def phantom_errors(name: str, seed: int) -> list[tuple[float, float | None, float]]:
    """For each lesion that was found on PET: true diameter of the lesion it lies on, diameter on CT, extent on PET."""
    from dotaliver.phantom.presets import preset
    from dotaliver.phantom.study import make_phantom, study_volumes
    from dotaliver.pipeline import segment_study

    phantom = make_phantom(preset(name, seed))
    volumes = study_volumes(phantom)
    assert volumes.ct is not None
    found = segment_study(volumes, ScoringConfig())
    assert found.lesions is not None
    pet, grid = found.lesions.labels, volumes.ct.geometry
    shift = np.zeros(3) if found.mismatch is None else np.asarray(found.mismatch.shift_lps_mm)
    placed = resample_labels(LabelMap(pet.array, pet.geometry.moved(-shift)), grid)
    rows = []
    for label in placed.labels:
        under = np.bincount(phantom.lesions.array[placed.where(label)], minlength=2)
        under[0] = 0
        if not under.any():
            continue
        truth = size_of(phantom.lesions.where(int(under.argmax())), grid)
        outline = None if found.ct_lesions is None else found.ct_lesions.labels.where(label)
        size = size_of(outline, grid) if outline is not None and outline.any() else None
        rows.append((truth, size, size_of(pet.where(label), pet.geometry)))
    return rows


def size_of(mask: np.ndarray, grid: Geometry) -> float:
    box = used_box(mask)
    assert box is not None
    return ours(LabelMap(mask[box].astype(np.uint8), grid.crop(box)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--phantoms", nargs=2, type=int, metavar=("FIRST", "LAST"), help="seeds of phantoms")
    chosen = parser.parse_args()
    if chosen.phantoms:
        on_phantoms(*chosen.phantoms)
    else:
        beside_radiomics()


if __name__ == "__main__":
    main()
