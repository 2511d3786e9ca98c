"""Where the liver is, answered a second time in another way than the random walk's.

A small network looks at each place, its surroundings and what lies further off, and then once more with its first
answer in view. It was trained on renderings of the phantom with random densities and uptake
(``scripts/train_liver_audit.py``), so that it goes by shape and surroundings. It sees no outline of the random walk,
none of its seeds and no estimate of normal liver or of breathing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from dotaliver.image.morphology import dilated, largest_component
from dotaliver.image.volume import BoolArray
from dotaliver.segmentation.audit.features import Blocks, blocks_of, image_features, liver_features, to_voxels
from dotaliver.segmentation.audit.network import Weights, probabilities
from dotaliver.segmentation.coarse import Float32Array

__all__ = [
    "GRID_MM",
    "SecondOutline",
    "answer_in_blocks",
    "in_places",
    "near_answer",
    "second_outline",
    "stored_networks",
]

# The network is trained on this grid.
GRID_MM = 4.0
# A later network looks at what is not quite impossible, and this many blocks around it.
_POSSIBLE, _NEAR_BLOCKS = 0.1, 3


@dataclass(frozen=True, eq=False)
class SecondOutline:
    """The liver on the coarse grid, where the CT shows it, its probability, and the column of the body's middle."""

    liver: BoolArray
    likely: Float32Array
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
    likely = np.zeros(hu.shape, dtype=np.float32)
    size = tuple(slice(0, part.stop - part.start) for part in blocks.box)
    likely[blocks.box] = to_voxels(answer)[size]
    return SecondOutline(largest_component(likely > 0.5), likely, 2.0 * blocks.middle[1] + blocks.box[2].start)


def answer_in_blocks(blocks: Blocks, networks: tuple[Weights, ...]) -> Float32Array:
    """Probability of liver in each voxel of each block; each network sees the answer of the one before."""
    images = image_features(blocks)
    answer = in_places(blocks, probabilities(images, networks[0]))
    for weights in networks[1:]:
        near = near_answer(blocks, answer)
        images, blocks = images[near.candidates[blocks.candidates]], near
        features = np.concatenate([images, liver_features(blocks, answer)], axis=1)
        answer = in_places(blocks, probabilities(features, weights))
    return answer


def in_places(blocks: Blocks, values: Float32Array) -> Float32Array:
    """Probabilities of the candidates where they lie; 0 elsewhere."""
    answer = np.zeros((*blocks.candidates.shape, values.shape[-1]), dtype=np.float32)
    answer[blocks.candidates] = values
    return answer


def near_answer(blocks: Blocks, answer: Float32Array) -> Blocks:
    """The blocks with only those candidates that an answer puts in or near the liver."""
    near = answer.max(axis=-1) > _POSSIBLE
    for _ in range(_NEAR_BLOCKS):
        near = dilated(near)
    return replace(blocks, candidates=blocks.candidates & near)


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
