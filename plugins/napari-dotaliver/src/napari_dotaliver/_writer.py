"""napari's *Save*: the masks of a reading as DICOM segmentations, any mask in patient coordinates as NIfTI.

Only what was measured is written as DICOM, so that numbers and masks never part: the record that names the
objects is the reading's. Signing and saving a whole reading is the desk's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dotaliver.errors import DotaliverError, MaskError
from dotaliver.export.dicom.seg import segmentation_files
from dotaliver.image.geometry import Geometry
from dotaliver.image.itk import to_itk
from dotaliver.image.volume import LabelMap
from dotaliver.system.files import write_atomically
from napari_dotaliver.reading.session import ReadingSession
from napari_dotaliver.view.layers import LESIONS, LIVER, READING, LayerData, labels_of_layer, world_to_lps

__all__ = ["write_nifti", "write_seg"]


def write_seg(path: str, layers: list[LayerData]) -> list[str]:
    """Write a reading's masks as DICOM segmentations, one file for each image that masks were drawn on.

    Parameters
    ----------
    path : str
        Of the masks on the PET; those on the CT get ``_ct`` and ``_ct_lesions`` behind the name.
    layers : list of LayerData
        Layers of one reading that was opened at the desk.

    Returns
    -------
    list of str
        The files that were written.

    Raises
    ------
    MaskError
        Where a layer belongs to no reading, was moved, or was painted on since it was measured.
    """
    session = _reading_of(layers)
    for layer in layers:
        _require_measured(layer, session)
    opened = session.outcome.opened
    files = segmentation_files(session.score, session.volumes, session.segmentations, opened.sources)
    target = Path(path)
    written = []
    for name, content in files.items():
        place = target.with_name(target.stem + Path(name).stem.removeprefix("segmentation") + ".dcm")
        write_atomically(place, content)
        written.append(str(place))
    return written


def write_nifti(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write one mask as NIfTI where it lies in the patient.

    Raises
    ------
    MaskError
        Where the layer has no place in millimetres, or holds no labels.
    """
    import SimpleITK as sitk  # noqa: N813

    layer = _as_layer((data, meta, "labels"))
    if np.ndim(layer.data) != 3 or any(str(unit) not in {"mm", "millimeter"} for unit in layer.units):
        msg = f"layer {layer.name!r} has no place in the patient (three axes in mm) and cannot be saved as NIfTI"
        raise MaskError(msg)
    labels = LabelMap(np.asarray(layer.data).astype(np.uint16), _grid_of(layer))
    sitk.WriteImage(to_itk(labels), path, useCompression=path.endswith(".gz"))
    return [path]


def _reading_of(layers: list[LayerData]) -> ReadingSession:
    for _, meta, _ in layers:
        session = meta.get("metadata", {}).get(READING)
        if isinstance(session, ReadingSession):
            return session
    msg = "these layers belong to no reading: open and score a study at the desk, and save its masks"
    raise MaskError(msg)


def _require_measured(layer: LayerData, session: ReadingSession) -> None:
    shown = _as_layer(layer)
    measured = {
        LESIONS: None if session.segmentations.lesions is None else session.segmentations.lesions.labels,
        LIVER: None if session.segmentations.liver is None else session.segmentations.liver.labels,
    }
    role = layer[1].get("metadata", {}).get("mask")
    if role not in measured:
        msg = f"layer {shown.name!r} is no mask of this reading; choose its liver or lesions"
        raise MaskError(msg)
    stands = measured[role]
    painted = None if stands is None else labels_of_layer(shown, stands.geometry)
    if stands is None or painted is None or session.stale or not np.array_equal(painted.array, stands.array):
        msg = f"layer {shown.name!r} was changed since it was measured; measure again, then save"
        raise MaskError(msg)


def _as_layer(layer: LayerData) -> Any:
    from napari.layers import Layer

    data, meta, kind = layer
    try:
        return Layer.create(data, dict(meta), kind)
    except (TypeError, ValueError) as error:
        msg = f"layer {meta.get('name')!r} holds no labels and cannot be saved as a mask"
        raise MaskError(msg) from error


def _grid_of(layer: Any) -> Geometry:
    """The grid of a layer's voxels in patient coordinates."""
    corner = np.array(layer.data_to_world((0, 0, 0)))
    affine = np.eye(4)
    affine[:3, 3] = world_to_lps(corner)
    for axis, step in enumerate(np.eye(3)):
        affine[:3, axis] = world_to_lps(np.array(layer.data_to_world(step)) - corner)
    try:
        return Geometry.from_affine(layer.data.shape, affine)
    except DotaliverError as error:
        msg = f"layer {layer.name!r} was sheared and cannot be saved as a mask; put it back"
        raise MaskError(msg) from error
