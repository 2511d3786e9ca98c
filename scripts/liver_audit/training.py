"""Fit the networks with numpy and store their weights as whole numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from dotaliver.segmentation.audit.features import Blocks, blocks_of, image_features, liver_features
from dotaliver.segmentation.audit.network import FEATURE_LIMIT, WEIGHT_STEPS, probabilities
from dotaliver.segmentation.audit.second_liver import in_places, near_answer

Array = npt.NDArray[np.float32]
Network = dict[str, npt.NDArray[np.float64]]

# Hidden layers of each network
_HIDDEN = ((64, 32), (96, 48))
_BATCH = 1024
_LEARNING_RATE = 3e-3
_DECAY = 1e-4
# Places within this many blocks of the liver are all trained on, others by this share; of those that a first answer
# puts near the liver, more.
_NEAR, _FAR_SHARE, _WRONG_SHARE = 3, 0.15, 0.6
# SD by which the body's middle is misplaced, in blocks.
_MISPLACED = 3.0


def train_networks(folder: Path, epochs: int, out: Path) -> None:
    """Train one stage after the other on all renderings in a folder and write them."""
    rng = np.random.default_rng(1)
    scenes = [_scene(path, rng) for path in sorted(folder.glob("[0-9]*[0-9].npz"))]
    networks: list[Network] = []
    for hidden in _HIDDEN:
        rows, targets = [], []
        for scene in scenes:
            features = scene.features
            if scene.answer is not None:
                features = np.concatenate([features, liver_features(scene.blocks, scene.answer)], axis=1)
            chosen = _chosen(scene, rng)
            rows.append(features[chosen])
            targets.append(scene.target[scene.blocks.candidates][chosen])
        network = _fit(np.concatenate(rows), np.concatenate(targets), hidden, epochs, rng)
        networks.append(network)
        _store(networks, out)
        if len(networks) < len(_HIDDEN):
            scenes = [_answered(scene, network) for scene in scenes]


@dataclass(frozen=True)
class _Scene:
    """The candidates of a rendering with their features, the truth, and the last network's answer."""

    blocks: Blocks
    features: Array
    target: Array
    answer: Array | None


def _answered(scene: _Scene, network: Network) -> _Scene:
    features = scene.features
    if scene.answer is not None:
        features = np.concatenate([features, liver_features(scene.blocks, scene.answer)], axis=1)
    answer = in_places(scene.blocks, probabilities(features, network))
    near = near_answer(scene.blocks, answer)
    return _Scene(near, scene.features[near.candidates[scene.blocks.candidates]], scene.target, answer)


def _scene(path: Path, rng: np.random.Generator) -> _Scene:
    with np.load(path) as stored:
        hu, uptake, liver = stored["hu"].astype(np.float32), stored["uptake"].astype(np.float32), stored["liver"]
    blocks = blocks_of(hu, uptake)
    # Otherwise a place in the body counts for more than what is seen there.
    back, left = (float(m + rng.normal(0, _MISPLACED)) for m in blocks.middle)
    blocks = replace(blocks, middle=(back, left))
    whole = liver[blocks.box]
    padded = np.pad(whole, [(0, -n % 2) for n in whole.shape])
    k, j, i = (n // 2 for n in padded.shape)
    target = padded.reshape(k, 2, j, 2, i, 2).transpose(0, 2, 4, 1, 3, 5).reshape(k, j, i, 8)
    return _Scene(blocks, image_features(blocks), target.astype(np.float32), None)


def _chosen(scene: _Scene, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    near = ndimage.binary_dilation(scene.target.any(axis=-1), iterations=_NEAR)[scene.blocks.candidates]
    return np.asarray(near | (rng.random(len(near)) < (_FAR_SHARE if scene.answer is None else _WRONG_SHARE)))


def _fit(rows: Array, targets: Array, hidden: tuple[int, ...], epochs: int, rng: np.random.Generator) -> Network:
    """Adam on cross-entropy, with a learning rate that falls to nothing."""
    mean, scale = rows.mean(axis=0, dtype=np.float64), rows.std(axis=0, dtype=np.float64) + 1e-3
    rows = np.clip((rows - mean) / scale, -FEATURE_LIMIT, FEATURE_LIMIT).astype(np.float32)
    sizes = (rows.shape[1], *hidden, targets.shape[1])
    weights = [rng.normal(0, np.sqrt(2 / a), (a, b)).astype(np.float32) for a, b in pairwise(sizes)]
    values = [*weights, *(np.zeros(b, dtype=np.float32) for b in sizes[1:])]
    first, second = [np.zeros_like(v) for v in values], [np.zeros_like(v) for v in values]
    layers, step, total = len(weights), 0, epochs * (len(rows) // _BATCH)
    for epoch in range(epochs):
        order, losses = rng.permutation(len(rows)), []
        for start in range(0, len(rows) - _BATCH + 1, _BATCH):
            some = order[start : start + _BATCH]
            loss, slopes = _slopes(rows[some], targets[some], values, layers)
            losses.append(loss)
            step += 1
            rate = _LEARNING_RATE * min(step / 100, 0.5 * (1 + np.cos(np.pi * step / total)))
            for n, slope in enumerate(slopes):
                first[n] += 0.1 * (slope - first[n])
                second[n] += 0.001 * (slope * slope - second[n])
                move = first[n] / (1 - 0.9**step) / (np.sqrt(second[n] / (1 - 0.999**step)) + 1e-8)
                values[n] -= np.float32(rate) * (move + np.float32(_DECAY) * values[n])
        print(f"epoch {epoch + 1} of {epochs}: loss {np.mean(losses):.4f}, {len(rows)} places", flush=True)
    network: Network = {"mean": mean, "scale": scale}
    for n in range(layers):
        network[f"weight_{n + 1}"] = np.rint(values[n].astype(np.float64) * WEIGHT_STEPS)
        network[f"bias_{n + 1}"] = np.rint(values[layers + n].astype(np.float64) * WEIGHT_STEPS)
    return network


def _slopes(rows: Array, targets: Array, values: list[Array], layers: int) -> tuple[float, list[Array]]:
    """Cross-entropy of a batch and its derivatives by every weight and bias."""
    activations = [rows]
    for n in range(layers):
        result = activations[-1] @ values[n] + values[layers + n]
        activations.append(np.maximum(result, 0) if n < layers - 1 else result)
    logits = activations[-1]
    loss = float(np.mean(np.maximum(logits, 0) - logits * targets + np.log1p(np.exp(-np.abs(logits)))))
    slope = (1 / (1 + np.exp(-logits)) - targets) / np.float32(len(rows))
    by_weight: list[Array] = [np.empty(0, np.float32)] * (2 * layers)
    for n in reversed(range(layers)):
        by_weight[n] = activations[n].T @ slope
        by_weight[layers + n] = slope.sum(axis=0)
        if n:
            slope = (slope @ values[n].T) * (activations[n] > 0)
    return loss, by_weight


def _store(networks: list[Network], out: Path) -> None:
    stored = {}
    for number, network in enumerate(networks, start=1):
        for name, array in network.items():
            whole = name not in {"mean", "scale"}
            kind = np.float32 if not whole else np.int16 if np.abs(array).max() < 2**15 else np.int32
            stored[f"{number}/{name}"] = array.astype(kind)
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(out, **stored)
