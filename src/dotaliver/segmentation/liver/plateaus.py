"""Plateaus of uptake in and around the liver, and which of them is normal liver.

In a healthy or moderately diseased liver, the plateau that fills most of it is normal. Confluent tumour may be the
largest plateau, even with the same uptake everywhere; normal liver is then a lower one. The usual uptake of livers, and
the place and density of the lower plateau, tell the two apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dotaliver.config.segmentation import LiverConfig
from dotaliver.image.volume import BoolArray
from dotaliver.segmentation.coarse import Float32Array

__all__ = ["PLATEAU_LOG", "HigherPlateau", "LevelTissue", "NormalPlateau", "normal_plateau"]

# Window in which uptakes count as one plateau: noise of 5 to 7 % on the smoothed coarse grid, two SDs either way.
PLATEAU_LOG = 0.15
_BIN_LOG = 0.05
# Between two plateaus, less tissue than this share of the smaller one has an uptake in between. One and a half SDs of
# noise to either side are counted there, so that tumour of 1.5 times normal liver is a plateau of its own.
_VALLEY_SHARE, _VALLEY_LOG = 0.8, 0.1
# A plateau under this share of a higher one is small, and may be bowel that touches the liver.
_SMALL_PLATEAU_SHARE = 0.2
# It is normal liver if tissue that is hotter by this ratio fills this share of the surroundings (28 mm wide) ...
_HOTTER_RATIO, _HOTTER_SHARE, _SURROUNDINGS_MM = 1.35, 0.3, 28.0
# ... or if the uptake of the higher plateau is the less usual one of a liver: over soft tissue, normal livers take up
# 5.3 (median SUVmean 4.8 of 81 patients, over 0.9 of soft tissue), and as a logarithm as far above as below. It is
# then of at least this volume, takes up less by more than texture does (as a logarithm), and is no less dense than the
# higher one: bowel is, tumour rarely.
_USUAL_RATIO = 5.3
_LEAST_RESIDUE_ML, _LEAST_STEP_LOG, _LESS_DENSE_HU = 5.0, 0.15, 5.0
# What is left of the liver is sure from this volume on; less may be a core or a touching organ, below a normal liver.
_SURE_RESIDUE_ML = 20.0
# Keeps a division or a logarithm finite where uptake is 0.
_TINY = 1e-6


@dataclass(frozen=True)
class LevelTissue:
    """Where uptake is level, on the coarse grid: uptake, density (None without a CT), and soft tissue's median."""

    uptake: Float32Array
    hu: Float32Array | None
    level: BoolArray
    spacing_mm: float
    background: float

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel."""
        return self.spacing_mm**3 / 1000.0

    def at(self, uptake: float) -> BoolArray:
        """The level voxels of one plateau."""
        return self.level & (np.abs(np.log(np.maximum(self.uptake, _TINY) / uptake)) <= PLATEAU_LOG)


@dataclass(frozen=True)
class HigherPlateau:
    """A plateau taken as tumour that may be normal liver by its uptake: how much higher it is, and its volume."""

    ratio: float
    volume_ml: float


@dataclass(frozen=True)
class NormalPlateau:
    """The plateau that was taken as normal liver, and the one that may be in its place."""

    uptake: float
    volume_ml: float
    higher: HigherPlateau | None = None


def normal_plateau(tissue: LevelTissue, config: LiverConfig) -> NormalPlateau | None:
    """The plateau of normal liver; None if no plateau has `plateau_min_ml`."""
    low, high = config.warm_ratios[-1] * tissue.background, config.uptake_limit_ratio * tissue.background
    values = tissue.uptake[tissue.level & (tissue.uptake > low)]
    if values.size * tissue.voxel_ml < config.plateau_min_ml:
        return None
    logs = np.log(values)
    centres = np.arange(logs.min(), logs.max() + _BIN_LOG, _BIN_LOG)
    held_ml = _held_ml(logs, centres, PLATEAU_LOG, tissue)
    near_ml = _held_ml(logs, centres, _VALLEY_LOG, tissue)
    peaks = [n for n in range(len(centres)) if held_ml[n] >= config.plateau_min_ml and _is_peak(near_ml, n)]
    largest = int(held_ml.argmax())
    if held_ml[largest] >= config.dominant_share * values.size * tissue.voxel_ml and np.exp(centres[largest]) < high:
        lower = [n for n in peaks if n < largest and _is_residue(tissue, centres, held_ml, n, largest)]
        chosen = lower[0] if lower else largest
    elif peaks:
        chosen = _lowest_in_liver(tissue, centres, held_ml, peaks, high)
    else:
        return None
    usual = [n for n in {*peaks, largest} if np.exp(centres[n]) < high]
    higher = _in_place_of(chosen, usual, centres, held_ml)

    def uptake(n: int) -> float:
        return float(np.median(values[np.abs(logs - centres[n]) <= PLATEAU_LOG]))

    in_doubt = None if higher is None else HigherPlateau(uptake(higher) / uptake(chosen), float(held_ml[higher]))
    return NormalPlateau(uptake(chosen), float(held_ml[chosen]), in_doubt)


def _in_place_of(
    chosen: int, usual: list[int], centres: npt.NDArray[np.float64], held_ml: npt.NDArray[np.float64]
) -> int | None:
    """The largest plateau above a small one, which normal liver may be instead; None where the choice is sure."""
    above = [n for n in usual if centres[n] - centres[chosen] >= _LEAST_STEP_LOG]
    largest = max(above, key=lambda n: (held_ml[n], -n), default=chosen)
    is_sure = held_ml[chosen] >= min(_SURE_RESIDUE_ML, _SMALL_PLATEAU_SHARE * held_ml[largest])
    return None if is_sure else largest


def _lowest_in_liver(
    tissue: LevelTissue,
    centres: npt.NDArray[np.float64],
    held_ml: npt.NDArray[np.float64],
    peaks: list[int],
    high: float,
) -> int:
    """The lowest plateau in the range of normal livers, unless it is small and lies outside the liver."""
    possible = [n for n in peaks if np.exp(centres[n]) < high]
    while len(possible) > 1:
        largest = max(possible[1:], key=lambda n: held_ml[n])
        if held_ml[possible[0]] >= _SMALL_PLATEAU_SHARE * held_ml[largest]:
            break
        if _lies_in_tumour(tissue, float(np.exp(centres[possible[0]]))):
            break
        if _is_residue(tissue, centres, held_ml, possible[0], largest):
            break
        del possible[0]
    return possible[0] if possible else peaks[0]


def _is_residue(
    tissue: LevelTissue,
    centres: npt.NDArray[np.float64],
    held_ml: npt.NDArray[np.float64],
    lower: int,
    higher: int,
) -> bool:
    """Whether a plateau is what is left of the liver, and a higher and larger one tumour."""
    if held_ml[lower] < _LEAST_RESIDUE_ML or centres[higher] - centres[lower] < _LEAST_STEP_LOG:
        return False
    usual = np.log(_USUAL_RATIO * tissue.background)
    if abs(centres[lower] - usual) > abs(centres[higher] - usual):
        return False
    if tissue.hu is None:
        return True
    densities = [float(np.median(tissue.hu[tissue.at(float(np.exp(centres[n])))])) for n in (lower, higher)]
    return densities[0] > densities[1] - _LESS_DENSE_HU


def _lies_in_tumour(tissue: LevelTissue, uptake: float) -> bool:
    """Whether hotter tissue surrounds the level voxels of an uptake, as tumour surrounds what is left of a liver."""
    from scipy.ndimage import uniform_filter

    size = 2 * round(0.5 * _SURROUNDINGS_MM / tissue.spacing_mm) + 1
    hotter = uniform_filter((tissue.uptake > _HOTTER_RATIO * uptake).astype(np.float32), size)
    return bool(np.median(hotter[tissue.at(uptake)]) > _HOTTER_SHARE)


def _held_ml(
    logs: npt.NDArray[np.floating], centres: npt.NDArray[np.float64], reach_log: float, tissue: LevelTissue
) -> npt.NDArray[np.float64]:
    """Volume of the level tissue near each uptake."""
    return np.array([np.count_nonzero(np.abs(logs - c) <= reach_log) for c in centres]) * tissue.voxel_ml


def _is_peak(near_ml: npt.NDArray[np.float64], n: int) -> bool:
    """Whether as much tissue as anywhere near has an uptake, and less of it up to where there is more."""
    reach = round(PLATEAU_LOG / _BIN_LOG)
    if near_ml[n] < near_ml[max(n - reach, 0) : n + reach + 1].max():
        return False
    for side in (near_ml[n + 1 :], near_ml[:n][::-1]):
        more = np.flatnonzero(side > near_ml[n])
        if more.size and side[: more[0]].min(initial=near_ml[n]) > _VALLEY_SHARE * near_ml[n]:
            return False
    return True
