"""Where the liver is, answered a second time in another way than the random walk's.

A small network looks at each place, its surroundings and what lies further off, and then once more with its first
answer in view. It was trained on renderings of the phantom with random densities and uptake
(``scripts/train_liver_audit.py``), so that it goes by shape and surroundings. It sees no outline of the random walk,
none of its seeds and no estimate of normal liver or of breathing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from dotaliver.image.morphology import largest_component
from dotaliver.image.volume import BoolArray
from dotaliver.segmentation.audit.features import Blocks, blocks_of, image_features, liver_features, to_voxels
from dotaliver.segmentation.audit.network import Weights, probabilities
from dotaliver.segmentation.coarse import Float32Array

__all__ = ["GRID_MM", "SecondOutline", "answer_in_blocks", "second_outline", "stored_networks"]

# The network is trained on this grid.
GRID_MM = 4.0


@dataclass(frozen=True, eq=False)
class SecondOutline:
    """The liver on the coarse grid, where the CT shows it, and the column of the body's middle."""

    liver: BoolArray
    middle_column: float


def second_outline(hu: Float32Array, uptake: Float32Array) -> SecondOutline:
    """Outline the liver.

    Parameters
    ----------
    hu, uptake : ndarray, shape (slices, rows, columns)
        CT in HU and PET in any unit on a grid of `GRID_MM` with canonical axes (feet to head, front to back, right to
        left), each in its own position.
    """
    blocks = blocks_of(hu, uptake)
    answer = answer_in_blocks(blocks, stored_networks())
    liver = np.zeros(hu.shape, dtype=bool)
    size = tuple(slice(0, part.stop - part.start) for part in blocks.box)
    liver[blocks.box] = largest_component(to_voxels(answer)[size] > 0.5)
    return SecondOutline(liver, 2.0 * blocks.middle[1] + blocks.box[2].start)


def answer_in_blocks(blocks: Blocks, networks: tuple[Weights, ...]) -> Float32Array:
    """Probability of liver in each voxel of each block; each network sees the answer of the one before."""
    images = image_features(blocks)
    answer = np.zeros((*blocks.candidates.shape, blocks.density.shape[-1]), dtype=np.float32)
    for number, weights in enumerate(networks):
        features = images if number == 0 else np.concatenate([images, liver_features(blocks, answer)], axis=1)
        answer = np.zeros_like(answer)
        answer[blocks.candidates] = probabilities(features, weights)
    return answer


@cache
def stored_networks() -> tuple[Weights, ...]:
    """The networks that come with the package."""
    with (files("dotaliver.segmentation.audit") / "liver_network.npz").open("rb") as file, np.load(file) as stored:
        arrays: dict[str, npt.NDArray[np.float64]] = {name: stored[name].astype(np.float64) for name in stored.files}
    stages = sorted({name.split("/")[0] for name in arrays})
    return tuple(
        {name.split("/")[1]: array for name, array in arrays.items() if name.startswith(f"{stage}/")}
        for stage in stages
    )
