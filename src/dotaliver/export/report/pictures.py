"""From a study to the report's pictures: which slices, which crop, what lies over what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from dotaliver.export.report.figures import (
    CT_WINDOW_HU,
    Drawing,
    Inside,
    Picture,
    Rgb,
    axial_picture,
    fused_rgb,
    grey,
)
from dotaliver.export.report.histogram import UptakeSamples, histogram_picture
from dotaliver.export.report.projection_figure import Shadow, mip_picture
from dotaliver.export.report.scene import ReportScene
from dotaliver.export.report.views import View, axial_plane, outlines_on, project, sample, shadow_of
from dotaliver.export.report.words import counted
from dotaliver.image.geometry import Box, Geometry, Vector, as_vector
from dotaliver.image.volume import LabelMap, Volume, used_box
from dotaliver.records.body_record import LesionState
from dotaliver.records.liver_audit import LiverAudit
from dotaliver.records.masks import DrawnOn
from dotaliver.records.positions import shift_between
from dotaliver.records.score import StudyScore

__all__ = [
    "ct_focus_pictures",
    "dispute_pictures",
    "highest_total_uptake",
    "histogram",
    "lesion_picture",
    "level_pictures",
    "mip",
    "slice_name",
]

_LESION_FIELD_MM = 120.0
_LESION_MARGIN_MM = 30.0
_LEVELS = 6
_BODY_HU = -300.0
_AIR_HU = -1000.0
# Window width at which a focus of 10 to 40 HU below liver is conspicuous.
_NARROW_HU = 160.0


def _shadow(scene: ReportScene, view: View, title: str, sides: tuple[str, str]) -> Shadow:
    grid = scene.pet.geometry
    whole = project(scene.pet, view)
    hot = np.flatnonzero((whole.array > 0.04 * scene.upper).any(axis=0))
    margin = int(np.ceil(15.0 / whole.column_mm))
    low, high = (hot[0], hot[-1] + 1) if hot.size else (0, whole.array.shape[1])
    columns = slice(max(low - margin, 0), high + margin)
    cut = replace(whole, array=whole.array[:, columns])
    liver = scene.liver_on_pet
    box_of_liver = None if liver is None else used_box(liver)
    shadows = {}
    if scene.lesions_on_pet is not None:
        for label, box in scene.lesions_on_pet.boxes():
            mask = scene.lesions_on_pet.array[box] == label
            shadows[label] = shadow_of(mask, box, grid, view)[:, columns]
    return Shadow(
        title=title,
        array=cut.array,
        extent_mm=cut.extent_mm,
        liver=None
        if liver is None or box_of_liver is None
        else shadow_of(liver[box_of_liver], box_of_liver, grid, view)[:, columns],
        lesions=shadows,
        sides=sides,
        body=_body_shadows(scene, view, columns),
    )


def _body_shadows(scene: ReportScene, view: View, columns: slice) -> dict[str, tuple[Inside, LesionState]]:
    """The shadows of what lies outside the liver, by the names that people are shown."""
    labels = scene.body_on_pet
    if labels is None:
        return {}
    shadows: dict[str, tuple[Inside, LesionState]] = {}
    for label, box in labels.boxes():
        if (state := scene.body_states.get(label)) is not None:
            shadow = shadow_of(labels.array[box] == label, box, scene.pet.geometry, view)[:, columns]
            shadows[f"B{label}"] = shadow, state
    return shadows


def mip(scene: ReportScene) -> Picture:
    """Coronal and sagittal maximum-intensity projections of the whole PET, with the outlines' shadows."""
    shadows = [
        _shadow(scene, "coronal", "Anterior", ("R", "L")),
        _shadow(scene, "sagittal", "Left lateral", ("A", "P")),
    ]
    alt = "Maximum-intensity projections of the PET, anterior and left lateral, with liver and lesions outlined"
    if scene.body_states:
        alt += ", lesions outside the liver by what the reader says of them"
    return mip_picture(shadows, scene.upper, scene.unit, alt, "")


def slice_name(name: str, grid: Geometry, point_lps_mm: Vector) -> str:
    """What a picture shows, such as "CT slice 12 of 80"; its height where slices do not run axially.

    The grid is that of the image as read, so that numbers are those of its files' order.
    """
    if grid.axis_towards((0.0, 0.0, 1.0))[0] != 0:
        return f"{name}, axial plane at {point_lps_mm[2]:.0f} mm"
    return f"{name} slice {round(float(grid.lps_to_index(point_lps_mm)[0])) + 1} of {grid.shape[0]}"


def _slice_name(scene: ReportScene, base: DrawnOn, point_lps_mm: Vector) -> str:
    volume = scene.volumes.ct if base == "ct" and scene.volumes.ct is not None else scene.volumes.pet
    return slice_name(base.upper(), volume.geometry, point_lps_mm)


def _picture(
    scene: ReportScene, base: DrawnOn, slice_index: int, centre: Vector, size_mm: tuple[float, float]
) -> tuple[Rgb, Rgb, Drawing]:
    """The plain and the fused picture of a slice, with the outlines that cross it."""
    volume = scene.ct if base == "ct" and scene.ct is not None else scene.pet
    plane = axial_plane(volume.geometry, slice_index, centre, size_mm)
    uptake = sample(scene.pet, plane, shift_between(base, "pet", scene.mismatch), outside=0.0)
    if base == "ct":
        hu = sample(volume, plane, (0.0, 0.0, 0.0), outside=_AIR_HU)
        plain, fused = grey(hu, *CT_WINDOW_HU), fused_rgb(hu, uptake, scene.upper)
    else:
        plain = fused = grey(uptake, 0.0, scene.upper, inverted=True)
    lesions, liver = {}, None
    if scene.lesions is not None:
        lesions = outlines_on(scene.lesions.labels, plane, shift_between(base, scene.lesions.drawn_on, scene.mismatch))
    if scene.liver is not None:
        offset = shift_between(base, scene.liver.drawn_on, scene.mismatch)
        liver = outlines_on(scene.liver.labels, plane, offset).get(1)
    return plain, fused, Drawing(lesions, liver, plane.pixel_mm, 50.0)


def _body_box(scene: ReportScene, slice_index: int) -> tuple[Vector, tuple[float, float]]:
    """Middle, height and width of the body on a slice, in mm: the largest piece of tissue, without the table."""
    from scipy.ndimage import find_objects
    from scipy.ndimage import label as pieces_of

    base, volume = scene.base()
    spacing = np.asarray(volume.geometry.spacing_mm[1:])
    step = np.maximum(np.round(3.0 / spacing), 1).astype(int)
    _, rows, columns = volume.geometry.shape
    plane = volume.crop((slice(slice_index, slice_index + 1), slice(0, rows), slice(0, columns))).array[0]
    values = plane[:: step[0], :: step[1]]
    pieces, _ = pieces_of(values > (_BODY_HU if base == "ct" else 0.05 * scene.upper))
    sizes = np.bincount(pieces.ravel())[1:]
    box = find_objects(pieces)[int(sizes.argmax())] if sizes.size else (slice(0, values.shape[0]), slice(0, None))
    low = np.array([part.start for part in box]) * step
    high = np.array([part.indices(n)[1] for part, n in zip(box, values.shape, strict=True)]) * step
    row, column = (low + high - 1) / 2.0
    x, y, z = volume.geometry.index_to_lps((slice_index, row, column))
    height, width = (high - low) * spacing + 16.0
    return (float(x), float(y), float(z)), (float(height), float(width))


def _level_slices(scene: ReportScene) -> list[int]:
    """Slices of the base image spread evenly over the liver, the highest first."""
    assert scene.liver is not None
    base, volume = scene.base()
    labels = scene.liver.labels
    if labels.used is None:
        return []
    heights = (labels.used[0].start, labels.used[0].stop - 1)
    middle = (np.asarray(labels.geometry.shape) - 1) / 2.0
    ends = []
    for height in heights:
        point = labels.geometry.index_to_lps((height, middle[1], middle[2]))
        point = point + np.asarray(shift_between(scene.liver.drawn_on, base, scene.mismatch))
        ends.append(float(volume.geometry.lps_to_index(point)[0]))
    places = ends[0] + (np.arange(_LEVELS) + 0.5) / _LEVELS * (ends[1] - ends[0])
    found = {int(n) for n in np.clip(np.round(places), 0, volume.geometry.shape[0] - 1)}
    return sorted(found, reverse=True)


def level_pictures(scene: ReportScene) -> list[Picture]:
    """The liver's outline and the lesions' on slices spread over the liver; none without a liver."""
    if scene.liver is None:
        return []
    base, volume = scene.base()
    slices = _level_slices(scene)
    if not slices:
        return []
    centre, size = _body_box(scene, slices[len(slices) // 2])
    pictures = []
    for index in slices:
        plain, _, drawing = _picture(scene, base, index, centre, size)
        point = volume.geometry.index_to_lps((index, *volume.geometry.lps_to_index(centre)[1:]))
        name = _slice_name(scene, base, as_vector(point))
        alt = f"{name} with the outlines of the liver and {counted(len(drawing.lesions), 'lesion')}"
        pictures.append(axial_picture(plain, drawing, alt, name))
    return pictures


def dispute_pictures(scene: ReportScene, audit: LiverAudit | None) -> list[Picture]:
    """Both outlines of the liver on the CT slice through each disputed place."""
    if scene.ct is None or scene.second_liver is None or audit is None:
        return []
    pictures = []
    for place in audit.places:
        grid = scene.ct.geometry
        index = int(np.clip(round(float(grid.lps_to_index(place.centre_lps_mm)[0])), 0, grid.shape[0] - 1))
        centre, size = _body_box(scene, index)
        plain, _, drawing = _picture(scene, "ct", index, centre, size)
        plane = axial_plane(grid, index, centre, size)
        second = outlines_on(scene.second_liver, plane, (0.0, 0.0, 0.0)).get(1)
        name = _slice_name(scene, "ct", place.centre_lps_mm)
        what = f"{place.volume_ml:.0f} ml {place.kind.replace('_', ' ')} {place.place}"
        drawing = replace(drawing, lesions={}, second_liver=second)
        pictures.append(axial_picture(plain, drawing, f"Both outlines of the liver on {name}", f"{what}, {name}"))
    return pictures


def _largest_section(labels: LabelMap, label: int) -> tuple[Vector, float]:
    """Middle of a lesion's largest axial section, and the section's longer side in mm."""
    box = dict(labels.boxes())[label]
    where = labels.array[box] == label
    areas = where.sum(axis=(1, 2))
    height = int(areas.argmax())
    rows, columns = np.nonzero(where[height])
    corner = np.array([box[1].start, box[2].start])
    low = corner + np.array([rows.min(), columns.min()])
    high = corner + np.array([rows.max(), columns.max()])
    height += box[0].start
    size = float(((high - low + 1) * np.asarray(labels.geometry.spacing_mm[1:])).max())
    middle = labels.geometry.index_to_lps((height, *((low + high) / 2.0)))
    return as_vector(middle), size


def lesion_picture(scene: ReportScene, label: int) -> Picture | None:
    """A lesion's largest axial section, PET over CT, about 12 cm wide; None where it has no voxels.

    Where the CT does not reach the lesion, or is missing, the PET alone is shown.
    """
    if scene.lesions is None or label not in scene.lesions.labels.labels:
        return None
    place, size = _largest_section(scene.lesions.labels, label)
    base, volume = scene.base()
    point = np.asarray(place) + np.asarray(shift_between(scene.lesions.drawn_on, base, scene.mismatch))
    if not volume.geometry.contains(point):
        base, volume = "pet", scene.pet
        point = np.asarray(place) + np.asarray(shift_between(scene.lesions.drawn_on, base, scene.mismatch))
    centre: Vector = as_vector(point)
    index = int(np.clip(round(float(volume.geometry.lps_to_index(point)[0])), 0, volume.geometry.shape[0] - 1))
    field = max(_LESION_FIELD_MM, size + 2 * _LESION_MARGIN_MM)
    _, fused, drawing = _picture(scene, base, index, centre, (field, field))
    name = _slice_name(scene, base, centre)
    kind = "PET over CT" if base == "ct" else "PET"
    drawing = replace(drawing, scale_mm=20.0, emphasised=label)
    return axial_picture(
        fused, drawing, f"Lesion {label} on {kind}, {name}", f"{kind}, {name}" if base == "ct" else name
    )


def ct_focus_pictures(scene: ReportScene, label: int) -> tuple[Picture, Picture] | None:
    """A CT candidate's largest axial section: the CT in a narrow window, and the PET over it; None without voxels."""
    if scene.ct is None or scene.ct_foci is None or label not in scene.ct_foci.labels.labels:
        return None
    seen = replace(scene, lesions=scene.ct_foci)
    place, size = _largest_section(scene.ct_foci.labels, label)
    index = int(np.clip(round(float(scene.ct.geometry.lps_to_index(place)[0])), 0, scene.ct.geometry.shape[0] - 1))
    field = max(_LESION_FIELD_MM, size + 2 * _LESION_MARGIN_MM)
    _, fused, drawing = _picture(seen, "ct", index, place, (field, field))
    plane = axial_plane(scene.ct.geometry, index, place, (field, field))
    hu = sample(scene.ct, plane, (0.0, 0.0, 0.0), outside=_AIR_HU)
    middle = 80.0 if scene.liver_hu is None else scene.liver_hu
    plain = grey(hu, middle - _NARROW_HU / 2, middle + _NARROW_HU / 2)
    name = _slice_name(scene, "ct", place)
    drawing = replace(drawing, scale_mm=20.0, emphasised=label)
    return (
        axial_picture(plain, drawing, f"CT candidate {label} on CT, {name}", f"{name}, window width {_NARROW_HU:g} HU"),
        axial_picture(fused, drawing, f"CT candidate {label} on PET over CT, {name}", "PET over CT"),
    )


def _uptake_in(
    pet: Volume,
    mask: npt.NDArray[np.generic] | None,
    box: Box | None,
    *,
    without: npt.NDArray[np.generic] | None = None,
) -> npt.NDArray[np.floating]:
    """The uptake of the voxels of a mask, whose box is known; of those of another mask none."""
    if mask is None or box is None:
        return np.zeros(0, dtype=np.float32)
    inside = mask[box] != 0
    if without is not None:
        inside &= without[box] == 0
    return np.asarray(pet.crop(box).array[inside])


def histogram(scene: ReportScene, score: StudyScore) -> Picture | None:
    """How uptake is distributed in liver and lesions; None without either."""
    lesions, liver = scene.lesions_on_pet, scene.liver_on_pet
    tumour = None if lesions is None else lesions.array
    in_lesions = _uptake_in(scene.pet, tumour, None if lesions is None else lesions.used)
    in_liver = _uptake_in(scene.pet, liver, None if liver is None else used_box(liver), without=tumour)
    if not in_lesions.size and not in_liver.size:
        return None
    reference = score.references.get("liver")
    samples = UptakeSamples(
        liver=in_liver,
        lesions=in_lesions,
        mean=reference.suv_mean if reference else None,
        limit=reference.peak_limit if reference else None,
        unit=scene.unit,
    )
    return histogram_picture(samples, "Distribution of uptake in the lesion-free liver and in the lesions", "")


def highest_total_uptake(score: StudyScore, count: int) -> Sequence[int]:
    """Labels of the lesions with the highest total uptake (volume times mean), in order of label."""
    ranked = sorted(score.lesions, key=lambda n: (-(n.total_uptake or 0.0), -n.volume_ml, n.label))
    return sorted(n.label for n in ranked[:count])
