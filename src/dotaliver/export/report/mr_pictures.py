"""Pictures of lesions on the MR that diameters are measured on."""

from __future__ import annotations

import numpy as np

from dotaliver.export.report import pictures
from dotaliver.export.report.figures import Picture
from dotaliver.export.report.thumbnails import ThumbnailView, thumbnail
from dotaliver.image.geometry import Geometry, as_vector
from dotaliver.image.volume import Volume
from dotaliver.records.masks import ImageRegistration, MaskLayer, Segmentations
from dotaliver.records.measurements import Lesion
from dotaliver.records.positions import in_position_of, own_labels
from dotaliver.records.study import SeriesIdentity

__all__ = ["mr_picture"]


def mr_picture(lesion: Lesion, mr: Volume, series: SeriesIdentity, segmentations: Segmentations) -> Picture | None:
    """The MR with the lesion's diameter, or where the registration puts the lesion; None where neither is known.

    The outline is that which was found on the MR, or else that of the PET.
    """
    registration, layer, diameter = segmentations.recist_registration, segmentations.lesions, lesion.diameter
    drawn = None
    if diameter is not None and diameter.series_instance_uid == series.series_instance_uid:
        drawn = diameter
    outlines, on_mr = None, segmentations.ct_lesions
    own = drawn is not None and _shows(on_mr, lesion.label, mr)
    if own and on_mr is not None:
        outlines = on_mr.labels
    elif registration is not None and layer is not None:
        there = in_position_of(registration.onto, layer, segmentations.mismatch)
        outlines = there.placed(_on_image(there.geometry, registration))
    if drawn is not None:
        x, y, z = (0.5 * (a + b) for a, b in zip(*drawn.long_axis_lps_mm, strict=True))
        place = (x, y, z)
    elif outlines is not None and (middle := own_labels(outlines, lesion.label)) is not None:
        place = as_vector(middle.geometry.index_to_lps(np.argwhere(middle.array).mean(axis=0)))
    else:
        return None
    name = pictures.slice_name("MR", mr.geometry, place)
    alt, caption = f"Lesion {lesion.label} on {name}", f"{name}, {'not measured' if drawn is None else 'diameters'}"
    if own:
        alt += " with its outline, longest diameter and short axis"
    elif drawn is not None:
        alt += " with its diameters"
    if outlines is not None and not own:
        alt += "; the outline is that of the PET, by registration"
        caption += "; outline of the PET"
    view = ThumbnailView(mr, place, outlines, (lesion.label,), drawn, 1.0)
    return thumbnail(view, alt, caption)


def _shows(layer: MaskLayer | None, label: int, mr: Volume) -> bool:
    """Whether outlines were found on this MR, that of the lesion among them."""
    return layer is not None and layer.labels.geometry.is_close(mr.geometry) and label in layer.labels.labels


def _on_image(grid: Geometry, registration: ImageRegistration) -> Geometry:
    """Where a grid in the position of the reference lies on the registered image."""
    affine = np.array(grid.affine)
    turn = np.asarray(registration.rotation)
    affine[:3, :3] = turn.T @ affine[:3, :3]
    affine[:3, 3] = registration.places_on_image(grid.origin_lps_mm)
    return Geometry.from_affine(grid.shape, affine)
