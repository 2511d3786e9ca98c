"""Where two outlines of the liver differ by more than their borders, and how a reader would name the place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dotaliver.image.distance import distance_to_mm
from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import BoolArray
from dotaliver.records.liver_audit import DisputedPlace, DisputeKind, LiverAudit, LiverComparison

__all__ = ["Difference", "compare_outlines", "measure_difference"]

# Two outlines of one border differ by this much: what lies further outside the other is no matter of the border.
_BORDER_MM = 8.0
_FAR_MM = 14.0
# A disputed place reaches from there back to the other outline.
_LEAST_PLACE_ML = 8.0
_MOST_PLACES = 4
# The limits of a dispute; scripts/benchmark_outline_audit.py shows what they flag.
_LEAST_AGREEMENT = 0.915
_LARGEST_BEYOND_ML = 80.0
# Places in words: thirds of the liver's extent, counted by volume.
_LOW_THIRD, _HIGH_THIRD = 1.0 / 3.0, 2.0 / 3.0
_LEFT_LOBE_MM = 15.0


@dataclass(frozen=True)
class Difference:
    """How far two outlines differ, in figures."""

    agreement: float
    beyond_ml: float
    far_ml: float
    excess: float
    """Volume of the first over that of the second, less 1."""

    @property
    def disputed(self) -> bool:
        """Whether they differ by more than their borders."""
        return self.agreement < _LEAST_AGREEMENT or self.beyond_ml > _LARGEST_BEYOND_ML


def measure_difference(outlined: BoolArray, second: BoolArray, geometry: Geometry) -> Difference:
    """Compare two outlines on one grid."""
    spacing, voxel_ml = geometry.spacing_mm, geometry.voxel_volume_ml
    both, one, other = (int(np.count_nonzero(m)) for m in (outlined & second, outlined, second))
    beyond = far = 0
    for first, rest in ((outlined, second), (second, outlined)):
        outside = distance_to_mm(rest, spacing, within_mm=_FAR_MM + 2 * spacing[0])[first & ~rest]
        beyond += int(np.count_nonzero(outside > _BORDER_MM))
        far += int(np.count_nonzero(outside > _FAR_MM))
    agreement = 2.0 * both / (one + other) if one + other else 1.0
    return Difference(agreement, beyond * voxel_ml, far * voxel_ml, one / max(other, 1) - 1.0)


def compare_outlines(
    outlined: BoolArray, second: BoolArray, geometry: Geometry, lateral_mm: npt.NDArray[np.floating]
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
    """
    difference = measure_difference(outlined, second, geometry)
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
