"""The liver by TotalSegmentator, through dotaliver's entry point for segmenters.

TotalSegmentator is asked for one multi-label image of its fast (3 mm) total model on the CPU. It never reaches for
the network here: weights that are missing are a reason told at once, and its usage statistics are off, since it
reads its settings from a folder of this call that says so.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from dotaliver.config.scoring import ScoringConfig
from dotaliver.errors import SegmenterError
from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import LabelMap, Volume
from dotaliver.records.flags import raise_flag
from dotaliver.records.masks import MaskLayer, Segmentations
from dotaliver.records.study import StudyVolumes
from dotaliver.system.extras import pip_install

__all__ = ["segment"]

_NAME = "totalsegmentator"
# Labels of its task "total" (class map of version 2), and the folder of that task's fast model.
_LIVER, _SPLEEN, _KIDNEYS = 5, 1, (2, 3)
_WEIGHTS = "Dataset297_TotalSegmentator_total_3mm_1559subj"
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def segment(volumes: StudyVolumes, config: ScoringConfig) -> Segmentations:
    """Outline liver, spleen and kidneys on the CT.

    Parameters
    ----------
    volumes : StudyVolumes
        With a CT; the PET is not used.
    config : ScoringConfig
        For the uncertainty of a liver that another program drew, and its plausible volumes.

    Returns
    -------
    Segmentations
        The liver or the reason why there is none; the spleen and the kidneys as neighbours.

    Raises
    ------
    SegmenterError
        Where the package or its weights are not there, or it fails.
    """
    if volumes.ct is None:
        return _not_found("TotalSegmentator outlines the liver on CT, and there is none")
    weights = _weights_folder()
    labels = _run(_entry(), volumes.ct, weights)
    grid = volumes.ct.geometry
    liver = labels == _LIVER
    volume_ml = float(liver.sum()) * grid.voxel_volume_ml
    if not config.liver.minimum_ml <= volume_ml <= config.liver.maximum_ml:
        return _not_found(f"what TotalSegmentator outlined measures {volume_ml:.0f} ml, which no liver does")
    neighbours = {}
    for name, mask in (("spleen", labels == _SPLEEN), ("kidneys", np.isin(labels, _KIDNEYS))):
        if mask.any():
            neighbours[name] = _layer(mask, grid, config)
    return Segmentations(
        segmenter=_NAME,
        liver=_layer(liver, grid, config),
        lesions=None,
        neighbours=neighbours,
        flags=(raise_flag("LIVER_FROM_CT_ALONE"),),
    )


def _not_found(reason: str) -> Segmentations:
    flag = raise_flag("LIVER_NOT_FOUND", reason=reason)
    return Segmentations(segmenter=_NAME, liver=None, lesions=None, reasons={"liver": reason}, flags=(flag,))


def _layer(mask: np.ndarray, grid: Geometry, config: ScoringConfig) -> MaskLayer:
    return MaskLayer(LabelMap(mask, grid), "ct", _NAME, config.liver.border_uncertainty_imported_mm)


def _weights_folder() -> Path:
    """Where TotalSegmentator keeps its weights, by its own rules; refused where the fast model is not in it."""
    named = os.environ.get("TOTALSEG_WEIGHTS_PATH")
    home = os.environ.get("TOTALSEG_HOME_DIR")
    folder = (
        Path(named) if named else (Path(home) if home else Path.home() / ".totalsegmentator") / "nnunet" / "results"
    )
    model = folder / _WEIGHTS
    if not any(model.rglob("checkpoint_final.pth")):
        msg = (
            f"TotalSegmentator's weights are not in {folder} ({_WEIGHTS} is missing); fetch them once with "
            "'totalseg_download_weights -t total_fast', or name their folder in TOTALSEG_WEIGHTS_PATH"
        )
        raise SegmenterError(msg)
    return folder


def _entry() -> Callable[..., Any]:
    try:
        from totalsegmentator.python_api import totalsegmentator
    except ImportError as error:
        msg = f"TotalSegmentator cannot be imported ({error}); install it with: {pip_install('TotalSegmentator')}"
        raise SegmenterError(msg) from error
    entry: Callable[..., Any] = totalsegmentator
    return entry


@contextmanager
def _quiet_settings(weights: Path) -> Iterator[None]:
    """A settings folder of this call's own, in which usage statistics are off; the environment is put back."""
    with tempfile.TemporaryDirectory(prefix="dotaliver-") as folder:
        settings = {
            "totalseg_id": "",
            "send_usage_stats": False,
            "prediction_counter": 0,
            "statistics_disclaimer_shown": True,
        }
        (Path(folder) / "config.json").write_text(json.dumps(settings), encoding="utf-8")
        names = {"TOTALSEG_HOME_DIR": folder, "TOTALSEG_WEIGHTS_PATH": str(weights)}
        before = {name: os.environ.get(name) for name in names}
        os.environ.update(names)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def _run(entry: Callable[..., Any], ct: Volume, weights: Path) -> np.ndarray:
    """Its labels on the CT's grid, [slice, row, column]."""
    # NIfTI counts [column, row, slice], and its world points towards right and front where DICOM's points away.
    affine = _LPS_TO_RAS @ ct.geometry.affine[:, [2, 1, 0, 3]]
    image = nibabel.Nifti1Image(np.ascontiguousarray(np.transpose(ct.loaded().array).astype(np.float32)), affine)
    with _quiet_settings(weights):
        try:
            result = entry(image, None, ml=True, task="total", fast=True, device="cpu", quiet=True)
        except (Exception, SystemExit) as error:
            msg = f"TotalSegmentator failed ({type(error).__name__}: {error}); try --segmenter petct"
            raise SegmenterError(msg) from error
    labels = np.transpose(np.asarray(result.dataobj))
    if labels.shape != ct.geometry.shape or not np.allclose(result.affine, affine, atol=1e-2):
        msg = "TotalSegmentator's labels do not lie on the CT's grid; try --segmenter petct"
        raise SegmenterError(msg)
    return labels
