"""Pictures of lesions on the MR that diameters are measured on."""

from __future__ import annotations

import numpy as np

from dotaliver.export.report import pictures
from dotaliver.export.report.figures import Picture
from dotaliver.export.report.thumbnails import ThumbnailView, thumbnail
from dotaliver.image.geometry import Geometry, as_vector
from dotaliver.image.volume import Volume
from dotaliver.records.masks import ImageRegistration, Segmentations
from dotaliver.records.measurements import Lesion
from dotaliver.records.positions import in_position_of, own_labels
from dotaliver.records.study import SeriesIdentity

__all__ = ["mr_picture"]


def mr_picture(lesion: Lesion, mr: Volume, series: SeriesIdentity, segmentations: Segmentations) -> Picture | None:
    """The MR with the lesion's diameter, or where the registration puts the lesion; None where neither is known."""
    registration, layer, diameter = segmentations.recist_registration, segmentations.lesions, lesion.diameter
    drawn = None
    if diameter is not None and diameter.series_instance_uid == series.series_instance_uid:
        drawn = diameter
    outlines = None
    if registration is not None and layer is not None:
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
    what = "diameters" if drawn is not None else "not measured"
    alt = f"Lesion {lesion.label} on {name}" + (" with its diameters" if drawn is not None else "")
    alt += "; the outline is that of the PET, by registration" if outlines is not None else ""
    view = ThumbnailView(mr, place, outlines, (lesion.label,), drawn, 1.0)
    return thumbnail(view, alt, f"{name}, {what}" + ("; outline of the PET" if outlines is not None else ""))


def _on_image(grid: Geometry, registration: ImageRegistration) -> Geometry:
    """Where a grid in the position of the reference lies on the registered image."""
    affine = np.array(grid.affine)
    turn = np.asarray(registration.rotation)
    affine[:3, :3] = turn.T @ affine[:3, :3]
    affine[:3, 3] = registration.places_on_image(grid.origin_lps_mm)
    return Geometry.from_affine(grid.shape, affine)
