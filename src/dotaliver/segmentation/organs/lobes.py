"""Right and left lobe: the plane from the gallbladder's fossa to the vena cava (Cantlie's line).

The gallbladder is found on CT as water density that abuts the lower side of the liver, right of the spine and in front
of it. The vena cava is not traced: its position in front of the spine's right edge varies by less than a centimetre,
which changes the lobes' volumes by a few percent; the record says so in the plane's landmark. Without a gallbladder
there is no plane.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dotaliver.config.organs import LobeConfig
from dotaliver.image.distance import distance_inside_mm, distance_to_mm
from dotaliver.image.filters import box_mean
from dotaliver.image.geometry import as_vector
from dotaliver.image.morphology import eroded
from dotaliver.image.volume import BoolArray
from dotaliver.records.masks import LobePlane
from dotaliver.segmentation.coarse import CoarseImages
from dotaliver.segmentation.organs.surroundings import Surroundings

__all__ = ["find_lobe_plane"]

Point = npt.NDArray[np.float64]


def find_lobe_plane(
    images: CoarseImages, around: Surroundings, liver: BoolArray, config: LobeConfig
) -> LobePlane | str:
    """The plane between the lobes in the CT's position, or the reason why there is none.

    Parameters
    ----------
    images, around
        Both images on the coarse grid, and the spine's place there.
    liver : ndarray of bool
        The liver on that grid, in the CT's position.
    config : LobeConfig
        Densities, places and sizes.
    """
    if images.hu is None:
        return "there is no CT to find the gallbladder on"
    if not liver.any():
        return "the liver lies outside the CT"
    column = float(np.interp(config.cava_lateral_mm, around.lateral_mm, np.arange(len(around.lateral_mm))))
    row = float(np.interp(config.cava_posterior_mm, around.posterior_mm, np.arange(len(around.posterior_mm))))
    middle = float(np.argwhere(liver.any(axis=(1, 2))).mean())
    cava = images.geometry.index_to_lps((middle, row, column))
    fossa = _gallbladder(images, around, liver, cava, config)
    if fossa is None:
        return "no gallbladder was found at the liver (as after cholecystectomy)"
    line = (fossa - cava)[:2]
    length_mm = float(np.linalg.norm(line))
    # The plane is parallel to the body's axis; its normal points to the patient's left.
    normal = np.array([line[1], -line[0], 0.0]) / length_mm
    normal = normal if normal[0] > 0 else -normal
    return LobePlane(
        point_lps_mm=as_vector(fossa),
        normal_lps=as_vector(normal),
        landmark="gallbladder on CT to the expected position of the vena cava in front of the spine",
    )


def _gallbladder(
    images: CoarseImages, around: Surroundings, liver: BoolArray, cava: Point, config: LobeConfig
) -> Point | None:
    """Centre (LPS mm) of the water-dense part with the broadest contact to the liver's lower side, if any."""
    import cc3d

    if images.hu is None:
        return None
    low, high = config.gallbladder_hu
    mean = box_mean(images.hu)
    # Partial volume of fat and soft tissue also averages to water, but is not homogeneous.
    uneven = np.sqrt(np.maximum(box_mean(images.hu.astype(np.float64) ** 2) - mean.astype(np.float64) ** 2, 0.0))
    lateral, posterior = around.lateral_mm[None, None, :], around.posterior_mm[None, :, None]
    place = (lateral > config.lateral_mm[0]) & (lateral < config.lateral_mm[1]) & (posterior < -config.front_mm)
    spacing = (images.spacing_mm,) * 3
    to_liver = distance_to_mm(liver, spacing)
    near = to_liver < config.reach_mm
    water = around.soft & ~liver & (mean > low) & (mean < high) & (uneven < config.uneven_hu) & near & place
    heights = np.flatnonzero(liver.any(axis=(1, 2)))
    water[int(heights[0] + config.upper_share * (heights[-1] - heights[0])) :] = False
    parts = cc3d.connected_components(water, connectivity=6)
    best: Point | None = None
    best_contact = 0.0
    for part in range(1, int(parts.max()) + 1):
        mask = parts == part
        volume_ml = float(mask.sum()) * images.voxel_ml
        if not config.volume_ml[0] <= volume_ml <= config.volume_ml[1]:
            continue
        if float(distance_inside_mm(mask, spacing).max()) < config.depth_mm:
            continue
        surface = mask & ~eroded(mask)
        contact = float((to_liver[surface] < config.contact_mm).sum())
        middle: Point = images.geometry.index_to_lps(np.argwhere(mask).mean(axis=0))
        right, forward = cava[0] - middle[0], cava[1] - middle[1]
        angle = float(np.degrees(np.arctan2(right, forward)))
        if not config.angle_degrees[0] <= angle <= config.angle_degrees[1] or forward < config.shortest_mm:
            continue
        if contact > best_contact and contact >= config.contact_share * float(surface.sum()):
            best, best_contact = middle, contact
    return best
