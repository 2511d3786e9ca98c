"""Measures diameters beside pyradiomics' Maximum2DDiameterSlice, and outlines on CT against known lesions.

    python scripts/benchmark_diameters.py                            # speed and agreement on the same masks
    python scripts/benchmark_diameters.py --scenes 2 --data FOLDER   # CT outlines on CTs with lesions put in

The scenes are phantoms and real CTs with plain, lobulated and spiculated lesions of -40 to +40 HU against liver, with
cores, texture and calcium, at the capsule, touching each other or inside, as kernel and slices blur them. The truth is
the longest distance between corners of the true voxels in one slice. The peer is a textbook threshold midway between
lesion and liver, within 5 mm of the uptake; the last column is the ratio of the median errors. What was held out and
what the settings were chosen on is listed apart.

pyradiomics builds only as 3.0.1 on Python 3.11: pip install versioneer setuptools wheel cython, then
pip install --no-build-isolation pyradiomics==3.0.1. Without it the first part says so and shows ours alone.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dotaliver.image.geometry import Geometry
from dotaliver.image.itk import to_itk
from dotaliver.image.volume import LabelMap, Quantity, Volume
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


def on_scenes(seeds: int, data: Path | None) -> None:
    """CT outlines on CTs with known lesions put in: phantoms, and real CTs where the data are given."""
    from diameter_bench.bases import REAL, TUNING, bases
    from diameter_bench.insertion import insert
    from diameter_bench.table import Row, report, rows_of

    rows: list[Row] = []
    for base in bases(data):
        for seed in range(seeds):
            scene = insert(base, seed, 14, extra_noise=base.name not in REAL)
            found = rows_of(scene, base.name, base.phase)
            rows += found
            seen = sum(row.ours_mm is not None for row in found)
            print(f"{base.name} {seed}: {seen} of {len(found)} lesions measured", flush=True)
    print("held out")
    report([row for row in rows if row.base not in TUNING])
    if any(row.base in TUNING for row in rows):
        print("tuned on")
        report([row for row in rows if row.base in TUNING])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, metavar="N", help="scenes of each CT")
    parser.add_argument("--data", type=Path, help="folder of the real CTs")
    chosen = parser.parse_args()
    if chosen.scenes:
        on_scenes(chosen.scenes, chosen.data)
    else:
        beside_radiomics()


if __name__ == "__main__":
    main()
