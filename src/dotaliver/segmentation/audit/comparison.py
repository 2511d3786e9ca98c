"""Where two outlines of the liver differ by more than their borders, and how a reader would name the place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dotaliver.image.distance import distance_to_mm
from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import BoolArray
from dotaliver.records.liver_audit import DisputedPlace, DisputeKind, LiverAudit, LiverComparison
from dotaliver.segmentation.coarse import Float32Array

__all__ = ["Difference", "compare_outlines", "measure_difference"]

# Two outlines of one border differ by this much: what lies further outside the other is no matter of the border.
_BORDER_MM = 8.0
_FAR_MM = 14.0
# A disputed place reaches from there back to the other outline.
_LEAST_PLACE_ML = 8.0
_MOST_PLACES = 4
# The limits of a dispute, chosen on the phantom families that scripts/liver_audit keeps for that (CALIBRATION);
# scripts/benchmark_outline_audit.py shows what they flag on others.
_LARGEST_SHORTFALL = 0.066
# A kidney
_LARGEST_BEYOND_ML = 100.0
# Places in words: thirds of the liver's extent, counted by volume.
_LOW_THIRD, _HIGH_THIRD = 1.0 / 3.0, 2.0 / 3.0
_LEFT_LOBE_MM = 15.0


@dataclass(frozen=True)
class Difference:
    """How far two outlines differ, in figures."""

    agreement: float
    """Dice coefficient of the two."""
    shortfall: float
    """By how much the outline's expected overlap with the liver is less than the second one's."""
    beyond_ml: float
    """What lies further from the other outline than a border, as far as the second one is sure of it."""

    @property
    def disputed(self) -> bool:
        """Whether they differ by more than their borders."""
        return self.shortfall > _LARGEST_SHORTFALL or self.beyond_ml > _LARGEST_BEYOND_ML


def measure_difference(
    outlined: BoolArray, second: BoolArray, geometry: Geometry, likely: Float32Array | None = None
) -> Difference:
    """Compare two outlines on one grid.

    Parameters
    ----------
    outlined, second : ndarray of bool, shape (slices, rows, columns)
        The outlines.
    geometry : Geometry
        Their grid.
    likely : ndarray, shape (slices, rows, columns), optional
        The second one's probability of liver. Without it, the second one is sure.

    Notes
    -----
    With the probability p of liver, an outline M is expected to overlap the liver by the Dice coefficient
    2 sum(p in M) / (voxels of M + sum(p)). The second outline's own value is what its uncertainty leaves: borders that
    are blurred, ends of the image. What the outline falls short of it is what the two differ by beyond that.
    """
    sure = second.astype(np.float32) if likely is None else likely
    within = _FAR_MM + 2 * geometry.spacing_mm[0]
    from_second = distance_to_mm(second, geometry.spacing_mm, within_mm=within)
    from_outline = distance_to_mm(outlined, geometry.spacing_mm, within_mm=within)
    counted = np.where(from_second <= _BORDER_MM, sure, np.float32(0.0))
    mass = float(counted.sum(dtype=np.float64))
    expected = [
        2.0 * float(counted[m].sum(dtype=np.float64)) / max(int(np.count_nonzero(m)) + mass, 1.0)
        for m in (second, outlined)
    ]
    included = outlined & (from_second > _BORDER_MM)
    left_out = second & (from_outline > _BORDER_MM)
    beyond = np.maximum(1.0 - 2.0 * sure[included], 0.0).sum(dtype=np.float64)
    beyond += np.maximum(2.0 * sure[left_out] - 1.0, 0.0).sum(dtype=np.float64)
    both, one, other = (int(np.count_nonzero(m)) for m in (outlined & second, outlined, second))
    agreement = 2.0 * both / (one + other) if one + other else 1.0
    return Difference(agreement, expected[0] - expected[1], float(beyond) * geometry.voxel_volume_ml)


def compare_outlines(
    outlined: BoolArray,
    second: BoolArray,
    geometry: Geometry,
    lateral_mm: npt.NDArray[np.floating],
    likely: Float32Array | None = None,
) -> LiverComparison:
    """Compare two outlines and name the places where they differ.

    Parameters
    ----------
    outlined, second : ndarray of bool, shape (slices, rows, columns)
        On a grid with canonical axes (feet to head, front to back, right to left).
    geometry : Geometry
        That grid.
    lateral_mm : ndarray, shape (columns,)
        Distance of each column to the left of the body's middle.
    likely : ndarray, shape (slices, rows, columns), optional
        The second one's probability of liver.
    """
    difference = measure_difference(outlined, second, geometry, likely)
    regions, places = np.zeros(outlined.shape, dtype=np.int32), []
    if difference.disputed:
        found = _regions(outlined, second, geometry)
        whole = outlined | second
        for number, (kind, region) in enumerate(found, start=1):
            regions[region] = number
            places.append(_place(kind, region, whole, geometry, lateral_mm))
    audit = LiverAudit(
        agreement=round(difference.agreement, 4),
        second_ml=int(np.count_nonzero(second)) * geometry.voxel_volume_ml,
        disputed=difference.disputed,
        places=tuple(places),
    )
    return LiverComparison(geometry, outlined, second, regions, audit)


def _regions(outlined: BoolArray, second: BoolArray, geometry: Geometry) -> list[tuple[DisputeKind, BoolArray]]:
    """The largest connected differences; those that only follow the border where there is no other."""
    import cc3d

    spacing, voxel_ml = geometry.spacing_mm, geometry.voxel_volume_ml
    found: list[tuple[int, DisputeKind, BoolArray]] = []
    sides: tuple[tuple[DisputeKind, BoolArray, BoolArray], ...] = (
        ("included", outlined, second),
        ("left_out", second, outlined),
    )
    for kind, first, rest in sides:
        distance = distance_to_mm(rest, spacing, within_mm=_FAR_MM + 2 * spacing[0])
        parts = cc3d.connected_components(first & ~rest, connectivity=6)
        for part in np.unique(parts[(distance > _BORDER_MM) & (parts > 0)]):
            # Joined along a thin rim only: what lies within reach of the far part belongs to the place.
            own = parts == part
            core = own & (distance > _BORDER_MM)
            near = own & (distance_to_mm(core, spacing, within_mm=_FAR_MM) <= _FAR_MM)
            found.append((int(np.count_nonzero(near)), kind, near))
    if not found:
        for kind, first, rest in sides:
            differing = first & ~rest
            if differing.any():
                parts = cc3d.connected_components(differing, connectivity=6)
                largest = int(np.bincount(parts.ravel())[1:].argmax()) + 1
                found.append((int(np.count_nonzero(parts == largest)), kind, parts == largest))
    found.sort(key=lambda x: -x[0])
    large = [x for x in found if x[0] * voxel_ml >= _LEAST_PLACE_ML] or found[:1]
    kept = large[:_MOST_PLACES]
    # A kind has consequences of its own, so the largest of each is named, however many of the other are larger.
    for kind, *_ in sides:
        kept += [x for x in large if x[1] == kind][:1] if all(x[1] != kind for x in kept) else []
    return [(kind, region) for _, kind, region in kept]


def _place(
    kind: DisputeKind, region: BoolArray, whole: BoolArray, geometry: Geometry, lateral_mm: npt.NDArray[np.floating]
) -> DisputedPlace:
    index = np.argwhere(region)
    middle = index.mean(axis=0)
    nearest = index[int(((index - middle) ** 2).sum(axis=1).argmin())]
    x, y, z = (float(c) for c in geometry.index_to_lps(nearest))
    return DisputedPlace(
        kind=kind,
        volume_ml=round(len(index) * geometry.voxel_volume_ml, 1),
        place=_in_words(index, whole, lateral_mm),
        centre_lps_mm=(x, y, z),
    )


def _in_words(index: npt.NDArray[np.intp], whole: BoolArray, lateral_mm: npt.NDArray[np.floating]) -> str:
    """Lobe, and the end or side of it that the region lies nearest to."""
    left = lateral_mm > _LEFT_LOBE_MM
    is_left = float(np.mean(left[index[:, 2]])) > 0.5
    lobe = np.argwhere(whole & (left if is_left else ~left)[None, None, :])
    name = "the left lobe" if is_left else "the right lobe"
    if not len(lobe):
        return f"in {name}"
    middle = index.mean(axis=0)
    # Where the region's middle lies among the lobe's voxels along each axis, 0 to 1
    height, depth = (float(np.mean(lobe[:, axis] < middle[axis])) for axis in (0, 1))
    sides = [
        (height - _HIGH_THIRD, f"at the top of {name}"),
        (_LOW_THIRD - height, f"at the lower end of {name}"),
        (depth - _HIGH_THIRD, f"at the back of {name}"),
        (_LOW_THIRD - depth, f"at the front of {name}"),
    ]
    most, words = max(sides)
    return words if most > 0 else f"in the middle of {name}"
