"""Lesions as the CT shows them: each on its own box of the CT's grid, or the reason why it cannot be seen.

A lesion's border on CT is not that of its uptake, and RECIST 1.1 measures the first. The PET says where to look; the
outline is where density passes halfway between the lesion's and the liver's around it. An outline is taken only
where the two stand apart clearly, where it agrees with the PET's place and size, and where a step of density runs
along nearly all of its border. Everything else is refused with a reason: a diameter that was not seen is no diameter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dotaliver.config.segmentation import CtLesionConfig
from dotaliver.image.distance import Float32Array, distance_in_mask_mm, distance_inside_mm, distance_to_mm
from dotaliver.image.filters import FWHM_PER_SIGMA, gaussian
from dotaliver.image.geometry import Box, Geometry, grow_box
from dotaliver.image.morphology import filled_in_slices
from dotaliver.image.sparse import sparse_zeros
from dotaliver.image.volume import BoolArray, LabelMap, Quantity, Volume, used_box

__all__ = ["CtOutlines", "outline_lesions_on_ct", "with_surroundings"]

# Directions in which a slice's border is looked at, and pixels of a slice that make a border.
_SECTORS = 12
_LEAST_PIXELS = 12


@dataclass(frozen=True, eq=False)
class CtOutlines:
    """Outlines on the CT's grid under the lesions' labels, and for each other lesion why there is none."""

    labels: LabelMap
    unseen: dict[int, str]


class _NotSeen(Exception):  # noqa: N818 -- the reason why one lesion has no outline, caught in this module
    """Carries the reason."""


@dataclass(frozen=True, eq=False)
class _Site:
    """One lesion's surroundings on the CT's grid; distances in mm."""

    grid: Geometry
    hu: Float32Array
    placed: BoolArray
    """Where the PET's outline falls."""
    depth_mm: Float32Array
    outside_mm: Float32Array
    territory: BoolArray
    """Liver that lies nearer to this lesion than to another."""
    parenchyma: BoolArray
    """Liver around it, off every lesion."""

    @property
    def radius_mm(self) -> float:
        """Radius of the ball of the uptake's volume."""
        volume_mm3 = 1000 * np.count_nonzero(self.placed) * self.grid.voxel_volume_ml
        return float(np.cbrt(0.75 / np.pi * volume_mm3))


@dataclass(frozen=True)
class _Levels:
    """Densities that tell a lesion from the liver around it, in HU."""

    lesion: float
    liver: float
    noise: float

    @property
    def contrast(self) -> float:
        return self.lesion - self.liver

    def beyond(self, hu: Float32Array, share: float, overshoot_hu: float) -> BoolArray:
        """Where density has gone more than a share of the way from the liver's to the lesion's, and not far past it."""
        way = (hu - self.liver) / self.contrast
        return np.asarray((way > share) & (way < 1.0 + overshoot_hu / abs(self.contrast)))


def with_surroundings(box: Box, grid: Geometry, config: CtLesionConfig) -> Box:
    """A lesion's box with all around it that is looked at."""
    margin = np.ceil(config.surroundings_mm[1] / np.asarray(grid.spacing_mm)) + 1
    return grow_box(box, margin, grid.shape)


def outline_lesions_on_ct(
    ct: Volume, placed: LabelMap, liver: BoolArray, config: CtLesionConfig, only: frozenset[int] | None = None
) -> CtOutlines:
    """Outline each lesion on CT where the CT shows it.

    Parameters
    ----------
    ct : Volume
        In HU.
    placed : LabelMap
        The lesions' outlines from PET, brought to their place on the CT's grid.
    liver : ndarray of bool
        The liver with its tumours on the CT's grid.
    config : CtLesionConfig
        What counts as clearly seen.
    only : frozenset of int, optional
        Labels that are outlined, the others standing around them; None for all.

    Returns
    -------
    CtOutlines
        A label of ``placed`` (or of ``only``) is either in ``labels`` or in ``unseen``.
    """
    ct.require(Quantity.HU)
    labels = sparse_zeros(ct.geometry.shape, np.uint16)
    unseen: dict[int, str] = {}
    for label, box in placed.boxes():
        if only is not None and label not in only:
            continue
        try:
            part, mask = _outline_one(ct, placed, liver, (label, box), config)
        except _NotSeen as reason:
            unseen[label] = str(reason)
            continue
        view = labels[part]
        view[mask & (view == 0)] = label
    return CtOutlines(LabelMap(labels, ct.geometry), unseen)


def _outline_one(
    ct: Volume, placed: LabelMap, liver: BoolArray, which: tuple[int, Box], config: CtLesionConfig
) -> tuple[Box, BoolArray]:
    label, own = which
    box = with_surroundings(own, ct.geometry, config)
    site = _site(ct.crop(box), placed.array[box], liver[box], label, config)
    levels = _first_levels(site, config)
    mask = site.placed
    for _ in range(config.rounds):
        mask = _component(site, levels, 0.5, config)
        levels = _levels_of(site, mask, config)
        _require_contrast(levels, config)
    _require_agreement(site, mask, config)
    _require_steady(site, mask, levels, config)
    _require_step(site, mask, levels, config)
    return box, mask


def _site(ct: Volume, placed: npt.NDArray[np.integer], liver: BoolArray, label: int, config: CtLesionConfig) -> _Site:
    grid = ct.geometry
    own, others = placed == label, (placed != 0) & (placed != label)
    outside = distance_to_mm(own, grid.spacing_mm)
    other = distance_to_mm(others, grid.spacing_mm)
    near, far = config.surroundings_mm
    inside_liver = distance_inside_mm(liver, grid.spacing_mm) > config.capsule_mm if not liver.all() else liver
    around = inside_liver & (outside > near) & (outside <= far) & (other > near)
    hu = gaussian(np.clip(ct.array, -200, 400).astype(np.float32), config.smooth_fwhm_mm / FWHM_PER_SIGMA, grid)
    return _Site(
        grid, hu, own, distance_inside_mm(own, grid.spacing_mm), outside, liver & (outside <= other), np.asarray(around)
    )


def _first_levels(site: _Site, config: CtLesionConfig) -> _Levels:
    voxel_ml = site.grid.voxel_volume_ml
    if np.count_nonzero(site.parenchyma) * voxel_ml < config.least_parenchyma_ml:
        msg = "there is too little liver around it to compare it with"
        raise _NotSeen(msg)
    depth = site.depth_mm
    core = site.placed & (depth >= min(0.5 * float(depth.max()), config.core_depth_mm)) & site.territory
    if not core.any():
        msg = "it lies at the edge of the liver outline on CT"
        raise _NotSeen(msg)
    levels = _levels_between(site.hu[core], site.hu[site.parenchyma])
    _require_contrast(levels, config)
    return levels


def _levels_between(lesion: Float32Array, liver: Float32Array) -> _Levels:
    middle = float(np.median(liver))
    return _Levels(float(np.median(lesion)), middle, 1.4826 * float(np.median(np.abs(liver - middle))))


def _levels_of(site: _Site, mask: BoolArray, config: CtLesionConfig) -> _Levels:
    """Densities of an outline's inside and of the liver around it, both off the blurred border."""
    depth = distance_inside_mm(mask, site.grid.spacing_mm)
    inside = mask & (depth >= min(0.6 * float(depth.max()), config.core_depth_mm))
    around = site.parenchyma & ~mask
    if not around.any():
        msg = "there is too little liver around it to compare it with"
        raise _NotSeen(msg)
    return _levels_between(site.hu[inside], site.hu[around])


def _require_contrast(levels: _Levels, config: CtLesionConfig) -> None:
    limit = max(config.least_contrast_hu, config.least_contrast_sd * levels.noise)
    if abs(levels.contrast) < limit:
        msg = (
            f"its density ({levels.lesion:.0f} HU) does not stand out from the liver around it "
            f"({levels.liver:.0f} HU, SD {levels.noise:.0f})"
        )
        raise _NotSeen(msg)


def _component(site: _Site, levels: _Levels, share: float, config: CtLesionConfig) -> BoolArray:
    """The connected region beyond a level of density that holds most of the lesion's place, smoothed and filled."""
    import cc3d

    field = site.territory & (site.outside_mm <= config.reach_mm)
    wanted = levels.beyond(site.hu, share, config.overshoot_hu) & field
    narrowest, widest = config.opening_mm
    radius = float(np.clip(config.opening_share * site.radius_mm, narrowest, widest))
    wanted = _opened(wanted, site.grid, radius)
    parts = cc3d.connected_components(wanted, connectivity=6)
    counts = np.bincount(parts[site.placed], minlength=int(parts.max()) + 1)
    counts[0] = 0
    if not counts.any():
        msg = "no region of its own density lies where the PET shows it"
        raise _NotSeen(msg)
    mask = parts == counts.argmax()
    return filled_in_slices(mask)


def _opened(mask: BoolArray, grid: Geometry, radius_mm: float) -> BoolArray:
    """A mask without what is thinner than twice a radius in the slice: vessels and bridges of noise."""
    flat = (1e6, *grid.spacing_mm[1:])  # slices far apart: every slice on its own
    kept = distance_inside_mm(mask, flat) > radius_mm
    if not kept.any():
        return mask
    return np.asarray(mask & (distance_to_mm(kept, flat, within_mm=radius_mm + 1e-6) <= radius_mm + 1e-6))


def _require_agreement(site: _Site, mask: BoolArray, config: CtLesionConfig) -> None:
    """The outline must lie where the PET shows the lesion, be of a like size, and end by itself."""
    volume_ratio = np.count_nonzero(mask) / np.count_nonzero(site.placed)
    low, high = config.volume_ratio_range
    if not low <= volume_ratio <= high:
        msg = f"its outline on CT has {volume_ratio:.1f} times the volume of its uptake"
        raise _NotSeen(msg)
    centres = [site.grid.index_to_lps(np.argwhere(m).mean(axis=0)) for m in (mask, site.placed)]
    apart = float(np.linalg.norm(centres[0] - centres[1]))
    if apart > max(config.apart_mm, config.apart_share * site.radius_mm):
        msg = f"what the CT shows lies {apart:.0f} mm from the uptake"
        raise _NotSeen(msg)
    fullness = _fullness(mask)
    if fullness < config.least_fullness:
        msg = f"its outline on CT is ragged (it fills {100 * fullness:.0f} % of its convex hull)"
        raise _NotSeen(msg)
    rim = mask & (distance_inside_mm(mask, site.grid.spacing_mm) <= max(site.grid.spacing_mm[1:]) * 1.01)
    step = max(site.grid.spacing_mm[1:])
    leaking = rim & (site.outside_mm > config.reach_mm - step)
    share = np.count_nonzero(leaking) / np.count_nonzero(rim)
    if share > config.open_border_share:
        msg = f"{100 * share:.0f} % of its border on CT is open"
        raise _NotSeen(msg)


def _fullness(mask: BoolArray) -> float:
    """Share of their convex hulls that the three largest slices of a mask fill together, 0 to 1."""
    from skimage.morphology import convex_hull_image

    areas = mask.sum(axis=(1, 2))
    largest = np.argsort(-areas, kind="stable")[:3]
    hulls = [np.count_nonzero(convex_hull_image(mask[k])) for k in largest if areas[k]]
    return float(areas[largest].sum() / sum(hulls))


def _widest_mm(mask: BoolArray, grid: Geometry) -> float:
    """Greatest width of any slice of a mask over 16 directions, between voxel centres, in mm."""
    angles = np.arange(16) * np.pi / 16
    directions = np.stack([np.cos(angles), np.sin(angles)]) * np.asarray(grid.spacing_mm[1:])[:, None]
    widths = [np.ptp(np.argwhere(part) @ directions, axis=0).max() for part in mask if part.any()]
    return float(max(widths, default=0.0))


def _require_steady(site: _Site, mask: BoolArray, levels: _Levels, config: CtLesionConfig) -> None:
    """A border that is seen stays where it is when the level moves; one that is guessed runs off."""
    sizes = [_widest_mm(_component(site, levels, share, config), site.grid) for share in config.steady_shares]
    size = _widest_mm(mask, site.grid)
    change = max(abs(other - size) for other in sizes)
    if change > max(config.steady_mm, config.steady_share * size):
        msg = f"its size on CT is not sure: {min(*sizes, size):.0f} to {max(*sizes, size):.0f} mm"
        raise _NotSeen(msg)


def _require_step(site: _Site, mask: BoolArray, levels: _Levels, config: CtLesionConfig) -> None:
    """Density must step along nearly all of the border: to the liver's, or at the capsule to that of something else."""
    seen = total = 0
    used = used_box(mask)
    assert used is not None
    for k in range(used[0].start, used[0].stop):
        if np.count_nonzero(mask[k]) >= _LEAST_PIXELS:
            for step in _steps(site, mask[k], k, config.step_width_mm):
                # Towards liver the step has the contrast's sign; fat, muscle or air beyond the capsule may have either.
                size = step.hu / levels.contrast if step.faces_liver else abs(step.hu / levels.contrast)
                total += 1
                seen += size >= config.step_share
    if total < config.least_sectors:
        msg = "it is too small on CT for its border to be seen"
        raise _NotSeen(msg)
    if seen < config.seen_border_share * total:
        msg = f"only {100 * seen / total:.0f} % of its border shows as a step of density"
        raise _NotSeen(msg)


@dataclass(frozen=True)
class _Step:
    """Density just inside the border minus density just outside, in one direction."""

    faces_liver: bool
    hu: float


def _steps(site: _Site, mask: BoolArray, k: int, width_mm: float) -> Iterator[_Step]:
    """The step of density in twelve directions around an outline's middle in one slice."""
    spacing = site.grid.spacing_mm[1:]
    inner = distance_in_mask_mm(mask, spacing)
    outer = distance_in_mask_mm(~mask, spacing)
    rows, columns = np.nonzero(mask)
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]]
    angle = np.arctan2((y - rows.mean()) * spacing[0], (x - columns.mean()) * spacing[1])
    sector = np.floor((angle + np.pi) / (2 * np.pi) * _SECTORS).astype(int) % _SECTORS
    inside = (inner > 0) & (inner <= width_mm + 1.0)
    outside = (outer > 1.0) & (outer <= width_mm + 2.0)
    liver = outside & site.territory[k]
    for n in range(_SECTORS):
        here = sector == n
        within, around = inside & here, outside & here
        if not within.any() or not around.any():
            continue
        in_liver = liver & here
        faces = int(np.count_nonzero(in_liver)) > 0.5 * int(np.count_nonzero(around))
        beyond = site.hu[k][in_liver if faces else around]
        yield _Step(faces, float(site.hu[k][within].mean() - beyond.mean()))
