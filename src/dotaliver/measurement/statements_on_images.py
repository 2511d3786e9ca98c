"""A reader's statements, checked against the images and the outlines that they speak of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from dotaliver.config.scoring import ScoringConfig
from dotaliver.errors import ConfigError
from dotaliver.image.geometry import FloatArray, Geometry
from dotaliver.image.spheres import sphere_on
from dotaliver.measurement.body_statements import require_body_supported
from dotaliver.measurement.measurability import decisive_mm, threshold_mm
from dotaliver.measurement.placement import Placement
from dotaliver.records.body_record import BodyLesion, BodyRecord
from dotaliver.records.edits import DiameterEdit, LesionEdit, ReaderEdits, ReferenceEdit, RestOfBody
from dotaliver.records.masks import MaskLayer, Segmentations
from dotaliver.records.measurements import Lesion, Reference
from dotaliver.records.positions import VoxelSet, shift_between
from dotaliver.records.study import StudyVolumes

__all__ = ["Measured", "require_supported"]

# A sphere of normal liver lies in the liver but for what an outline may be off, and touches no lesion.
_LEAST_IN_LIVER = 0.8
_MOST_IN_LESION = 0.1
# Spleen and blood pool lie outside the liver.
_MOST_IN_OTHER = 0.5
# How far from its lesion's outline a diameter may pass (breathing, outlines on PET), and its ends may lie (a lesion of
# which the PET outlines a part only).
_PASSES_MM = 15.0
_ENDS_MM = 100.0
# Ends of a diameter lie in one slice but for rounding.
_OUT_OF_PLANE_MM = 1.0
# A lesion with less of it in the liver than this is surely one of the rest of the body.
_PART_OF_LIVER = 0.1
_PROBES = 50


@dataclass(frozen=True)
class Measured:
    """What a reader's statements are compared with."""

    volumes: StudyVolumes
    segmentations: Segmentations
    placement: Placement
    liver: Reference
    lesions: tuple[Lesion, ...]
    body: BodyRecord | None = None


def require_supported(edits: ReaderEdits, measured: Measured, config: ScoringConfig) -> None:
    """Refuse statements that the images or the outlines contradict.

    Raises
    ------
    ConfigError
        With the first such statement and what mends it.
    """
    for problem in _problems(edits, measured, config):
        raise ConfigError(problem)
    require_body_supported(edits, measured.body, measured.lesions)


def _problems(edits: ReaderEdits, measured: Measured, config: ScoringConfig) -> Iterator[str]:
    for reference in edits.references:
        yield from _about_reference(reference, measured, config)
    by_label = {lesion.label: lesion for lesion in measured.lesions}
    for edit in edits.lesions:
        if edit.label in by_label:
            yield from _about_marks(edit, by_label[edit.label], measured.liver.peak_limit)
            if edit.diameter is not None:
                why = _about_diameter(edit.label, edit.diameter, measured)
                yield from (f"the diameter of lesion {edit.label} {problem}" for problem in why)
    yield from _about_body_diameters(edits, measured)
    if edits.rest_of_body is not None:
        yield from _about_the_rest(edits.rest_of_body, measured, config)


# --- reference spheres -----------------------------------------------------------------------------------------------


def _about_reference(edit: ReferenceEdit, measured: Measured, config: ScoringConfig) -> Iterator[str]:
    placement, organ = measured.placement, edit.organ.replace("_", " ")
    if placement.liver is None:
        return
    name = f"{organ} reference"
    sphere = sphere_on(
        placement.geometry, edit.centre_lps_mm, edit.diameter_mm / 2.0, config.peak.subsamples, name=name
    )
    whole = float(sphere.weights.sum())

    def share_of(voxels: VoxelSet) -> float:
        return float((sphere.weights * voxels.within(sphere.box)).sum()) / whole

    inside = share_of(VoxelSet(placement.liver.box, placement.liver.inside))
    if edit.organ != "liver":
        if inside > _MOST_IN_OTHER:
            yield f"the {organ} reference that the reader placed lies in the liver; move it"
        return
    if inside < _LEAST_IN_LIVER:
        yield (
            f"{100 * (1 - inside):.0f} % of the liver reference that the reader placed lies outside the liver; move it "
            "or make it smaller"
        )
    for lesion in measured.lesions:
        voxels = placement.lesions.get(lesion.label)
        if lesion.tumour and voxels is not None and share_of(voxels) > _MOST_IN_LESION:
            yield f"the liver reference that the reader placed lies on lesion {lesion.label}; move it"


# --- lesions ---------------------------------------------------------------------------------------------------------


def _about_marks(edit: LesionEdit, lesion: Lesion, limit: float | None) -> Iterator[str]:
    marks = set(edit.marks)
    hot = limit is not None and lesion.suv_mean is not None and lesion.suv_mean > limit
    if hot and "simple_cyst" in marks:
        yield (
            f"lesion {edit.label} is marked simple_cyst, and its mean uptake lies above normal liver; a simple cyst "
            "takes up no tracer: mark it cystic_metastasis or not_a_lesion"
        )
    if hot and "receptor_negative" in marks:
        yield (
            f"lesion {edit.label} is marked receptor_negative, and its mean uptake lies above normal liver; take the "
            "mark back, or outline the part without uptake as a lesion of its own"
        )
    if "blastic_bone" in marks and lesion.in_liver:
        yield f"lesion {edit.label} is marked blastic_bone and lies in the liver; take the mark back"


def _about_diameter(label: int, drawn: DiameterEdit, measured: Measured, name: str | None = None) -> Iterator[str]:
    name = name or f"lesion {label}"
    volumes = measured.volumes
    if (problem := _about_the_named_image(drawn, volumes)) is not None:
        yield problem
        return
    if _is_on_recist_image(drawn, volumes):
        yield from _about_diameter_on_recist_image(label, drawn, measured, name)
        return
    axes = (drawn.long_axis_lps_mm, *(() if drawn.short_axis_lps_mm is None else (drawn.short_axis_lps_mm,)))
    ends = np.asarray(axes, dtype=np.float64).reshape(-1, 3)
    images = [image.geometry for image in (volumes.recist_image, volumes.ct, volumes.pet) if image is not None]
    layer, on_ct = measured.segmentations.lesions, measured.segmentations.ct_lesions
    grids = [*images, *(mask.labels.geometry for mask in (layer, on_ct) if mask is not None)]
    if not any(_in_one_slice(ends, grid) for grid in grids):
        yield "runs through slices; draw it within one slice of the image that it is measured on"
        return
    places = [points for points in _places(label, measured) if points.size]
    recist = volumes.recist_image
    unknown_place = recist is not None and (on_ct is None or label not in on_ct.labels.labels)
    if unknown_place and recist is not None and bool(recist.geometry.contains(ends).all()):
        # Where the lesion lies on the diagnostic CT is not known.
        return
    if not any(_is_near(ends, points) for points in places):
        nearest = min((float(_distances(ends, points).min()) for points in places), default=float("inf"))
        yield f"lies {nearest:.0f} mm from the lesion; draw it on {name}, or name the lesion that it measures"


def _about_the_named_image(drawn: DiameterEdit, volumes: StudyVolumes) -> str | None:
    """Why the image that a diameter was drawn on is not known, or is none of the study; None where it is."""
    study = volumes.identity
    images = [image for image in (study.recist_image, study.ct, study.pet) if image is not None]
    named, recist = drawn.series_instance_uid, study.recist_image
    if named is None and recist is not None and recist.modality == "MR":
        # Coordinates of CT and MR look alike: which image they are of is never guessed.
        return (
            "does not say on which image it was drawn; add series_instance_uid, for the MR "
            f"{recist.series_instance_uid}"
        )
    if named is not None and named not in {image.series_instance_uid for image in images}:
        there = ", ".join(f"{image.modality} {image.series_instance_uid}" for image in images)
        return f"names a series that was not read; give one of the study's images ({there})"
    return None


def _is_on_recist_image(drawn: DiameterEdit, volumes: StudyVolumes) -> bool:
    recist = volumes.identity.recist_image
    return recist is not None and drawn.series_instance_uid == recist.series_instance_uid


def _about_diameter_on_recist_image(
    label: int, drawn: DiameterEdit, measured: Measured, lesion_name: str
) -> Iterator[str]:
    """What is wrong with a diameter that was drawn on the diagnostic CT or MR, by where that image was registered."""
    image, series = measured.volumes.recist_image, measured.volumes.identity.recist_image
    assert image is not None
    assert series is not None
    axes = (drawn.long_axis_lps_mm, *(() if drawn.short_axis_lps_mm is None else (drawn.short_axis_lps_mm,)))
    ends = np.asarray(axes, dtype=np.float64).reshape(-1, 3)
    name = series.name
    if not bool(image.geometry.contains(ends).all()):
        yield f"lies outside {name}; draw it on that image, or name the image that it was drawn on"
        return
    if not _in_one_slice(ends, image.geometry):
        yield f"runs through slices of {name}; draw it within one slice"
        return
    registration, layer = measured.segmentations.recist_registration, measured.segmentations.lesions
    if registration is None or layer is None:
        return
    shift = shift_between(layer.drawn_on, registration.onto, measured.segmentations.mismatch)
    places = _centres(layer, label) + np.asarray(shift)
    there = registration.places(ends)
    near_mm = _PASSES_MM + (registration.error_mm or 0.0)
    if places.size and not _is_near(there, places, near_mm):
        nearest = float(_distances(there, places).min())
        yield (
            f"lies {nearest:.0f} mm from the lesion, by the registration of {name} to the PET; draw it on "
            f"{lesion_name}, or name the lesion that it measures"
        )


def _in_one_slice(points: FloatArray, grid: Geometry) -> bool:
    normal = np.asarray(grid.directions[0])
    return float(np.ptp(points @ normal)) <= max(0.5 * grid.spacing_mm[0], _OUT_OF_PLANE_MM)


def _places(label: int, measured: Measured) -> Iterator[FloatArray]:
    """Voxel centres of a lesion in mm: as it was drawn, in the position of the other image, and as outlined on CT."""
    segmentations = measured.segmentations
    layer, on_ct = segmentations.lesions, segmentations.ct_lesions
    if layer is not None:
        own = _centres(layer, label)
        yield own
        other = "ct" if layer.drawn_on == "pet" else "pet"
        shift = shift_between(layer.drawn_on, other, segmentations.mismatch)  # type: ignore[arg-type]
        yield own + np.asarray(shift)
    if on_ct is not None:
        yield _centres(on_ct, label)


def _centres(layer: MaskLayer, label: int) -> FloatArray:
    box = dict(layer.labels.boxes()).get(label)
    if box is None:
        return np.zeros((0, 3))
    grid = layer.labels.geometry.crop(box)
    return np.asarray(grid.index_to_lps(np.argwhere(layer.labels.array[box] == label)), dtype=np.float64)


def _is_near(ends: FloatArray, places: FloatArray, passes_mm: float = _PASSES_MM) -> bool:
    """Whether a diameter passes by a lesion and does not end far from it."""
    along = ends[0] + np.linspace(0.0, 1.0, _PROBES)[:, None] * (ends[1] - ends[0])
    if float(_distances(ends, places).max()) > _ENDS_MM:
        return False
    return float(_distances(along, places).min()) <= passes_mm


def _distances(points: FloatArray, places: FloatArray) -> FloatArray:
    """From each point to the nearest place, in mm."""
    from scipy.spatial import cKDTree

    return np.asarray(cKDTree(places).query(points)[0], dtype=np.float64)


def _about_body_diameters(edits: ReaderEdits, measured: Measured) -> Iterator[str]:
    """Diameters of lesions outside the liver, against where these lie."""
    search = measured.segmentations.body
    if search is None or edits.body is None:
        return
    there = replace(measured, segmentations=replace(measured.segmentations, lesions=search.mask, ct_lesions=None))
    added = [focus.label for focus in search.foci if focus.source != "search"]
    drawn = [(answer.label, answer.diameter) for answer in edits.body.answers]
    drawn += zip(added, (point.diameter for point in edits.body.added), strict=True)
    for label, diameter in drawn:
        if diameter is not None:
            why = _about_diameter(label, diameter, there, f"B{label}")
            yield from (f"the diameter of B{label} {problem}" for problem in why)


# --- the rest of the body --------------------------------------------------------------------------------------------


def _about_the_rest(rest: RestOfBody, measured: Measured, config: ScoringConfig) -> Iterator[str]:
    """What outlined lesions outside the liver contradict."""
    outlined = [x for x in measured.lesions if x.in_liver is False and x.tumour]
    surely = [x for x in outlined if (x.liver_share or 0.0) < _PART_OF_LIVER]
    outside: list[Lesion | BodyLesion] = [*outlined, *(() if measured.body is None else measured.body.confirmed)]
    limit, ct = measured.liver.peak_limit, measured.volumes.identity.measured_image
    if rest.lesions is False and surely:
        yield (
            f"rest_of_body states no lesions elsewhere, and lesion {surely[0].label} is outlined outside the liver; "
            "mark it not_a_lesion, or set 'lesions' to true"
        )
    for waiting in () if measured.body is None else measured.body.candidates:
        above = limit is not None and waiting.suv_peak is not None and waiting.suv_peak > limit
        if rest.uptake_above_liver is False and waiting.likely == "metastasis" and above:
            yield (
                f"rest_of_body states uptake_above_liver: false, and candidate {waiting.name} ({waiting.region}) "
                "exceeds normal liver, is likely a metastasis and is unanswered; reject it in 'body', or leave the "
                "statement out"
            )
    for lesion in outside if rest.lesions is not False else ():
        hot = limit is not None and lesion.suv_peak is not None and lesion.suv_peak > limit
        size = decisive_mm(lesion)
        said_and_seen = (
            ("uptake_above_liver", hot, "uptake above liver"),
            ("measurable", size is not None and size >= threshold_mm(lesion, ct, config), "a measurable diameter"),
            ("receptor_negative", "receptor_negative" in lesion.marks, "the mark receptor_negative"),
        )
        for name, seen, what in said_and_seen:
            if getattr(rest, name) is False and seen:
                yield f"rest_of_body states {name}: false, and lesion {lesion.name} outside the liver has {what}"
