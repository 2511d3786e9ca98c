"""What each segmentation file holds: the masks of a study as segments, by the image whose grid they have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dotaliver.errors import MaskError
from dotaliver.export.dicom.source_headers import ImageName
from dotaliver.image.geometry import Geometry
from dotaliver.image.itk import resample_labels
from dotaliver.image.spheres import sphere_mask
from dotaliver.image.volume import LabelMap, as_mask
from dotaliver.records.masks import DrawnOn, MaskLayer, ReferenceRegion, Segmentations
from dotaliver.records.positions import VoxelSet
from dotaliver.records.score import StudyScore
from dotaliver.records.score_folder import MaskFile
from dotaliver.records.study import StudyVolumes

_ORGAN_NAMES = {"liver": "liver", "spleen": "spleen", "blood_pool": "blood pool"}


@dataclass(frozen=True, eq=False)
class Segment:
    """One mask to be stored."""

    label: str
    tracking_id: str
    kind: str
    organ: str
    voxels: VoxelSet
    origin: str
    by_hand: bool = False
    # The organ that contains the lesion or the reference region
    within: str = ""


def tracking_id(kind: str, name: str | int) -> str:
    """Tracking identifier of a mask, unchanged by editing and storing: ``dotaliver:lesion:3``."""
    return f"dotaliver:{kind}:{name}"


def _used_voxels(labels: LabelMap) -> VoxelSet | None:
    """All labels as one mask in its bounding box; None where the mask is empty."""
    return None if labels.used is None else VoxelSet(labels.used, as_mask(labels.array[labels.used]))


def _stored_on(labels: LabelMap, drawn_on: DrawnOn, volumes: StudyVolumes, what: str) -> DrawnOn:
    """The file that a mask belongs to, by the image whose grid it has."""
    grids: dict[DrawnOn, Geometry] = {"pet": volumes.pet.geometry}
    if volumes.ct is not None:
        grids["ct"] = volumes.ct.geometry
    fitting: list[DrawnOn] = [name for name, grid in grids.items() if labels.geometry.is_close(grid)]
    if not fitting:
        msg = f"the {what} mask lies neither on the grid of the PET nor on that of the CT; resample it onto one of them"
        raise MaskError(msg)
    return drawn_on if drawn_on in fitting else fitting[0]


def _lesion_segments(score: StudyScore, layer: MaskLayer) -> Iterator[Segment]:
    present = set(layer.labels.labels)
    for lesion in score.lesions:
        if lesion.label not in present:
            msg = f"lesion {lesion.label} has no voxels in the lesion mask; remove it or draw it"
            raise MaskError(msg)
    yield from _lesion_outlines(score, layer)


def _lesion_outlines(score: StudyScore, layer: MaskLayer) -> Iterator[Segment]:
    inside = {lesion.label for lesion in score.lesions if lesion.in_liver}
    for label, box in layer.labels.boxes():
        voxels = VoxelSet(box, np.asarray(layer.labels.array[box] == label))
        within = "liver" if label in inside else ""
        identity = tracking_id("lesion", label)
        yield Segment(f"Lesion {label}", identity, "lesion", "", voxels, layer.origin, within=within)


def _region_segment(region: ReferenceRegion, grid: Geometry, origin: str) -> Segment | None:
    name = _ORGAN_NAMES[region.organ]
    if region.region is not None:
        voxels = _used_voxels(resample_labels(region.region, grid))
    elif region.centre_lps_mm is not None and region.diameter_mm is not None:
        voxels = _used_voxels(LabelMap(sphere_mask(grid, region.centre_lps_mm, region.diameter_mm), grid))
    else:
        return None
    if voxels is None:
        msg = f"the reference region of the {name} has no voxels on the PET; place it inside the image"
        raise MaskError(msg)
    identity = tracking_id("reference", region.organ)
    by_hand = region.method == "reader"
    return Segment(f"Reference {name}", identity, "reference", region.organ, voxels, origin, by_hand, region.organ)


def segments_by_file(
    score: StudyScore, volumes: StudyVolumes, segmentations: Segmentations
) -> Iterator[tuple[MaskFile, ImageName, list[Segment]]]:
    """What each file holds, and the image whose grid it has; nothing overlaps within a file."""
    on: dict[DrawnOn, list[Segment]] = {"pet": [], "ct": []}
    if (lesions := segmentations.lesions) is not None:
        on[_stored_on(lesions.labels, lesions.drawn_on, volumes, "lesion")] += _lesion_segments(score, lesions)
    for region in segmentations.references:
        if (segment := _region_segment(region, volumes.pet.geometry, segmentations.segmenter)) is not None:
            on["pet"].append(segment)
    if (liver := segmentations.liver) is not None:
        target = _stored_on(liver.labels, liver.drawn_on, volumes, "liver")
        segment = _liver_segment(liver)
        if target == "ct" and not on["ct"]:
            on["ct"].append(segment)
        else:
            yield "liver", target, [segment]
    yield "pet", "pet", on["pet"]
    yield "ct", "ct", on["ct"]
    if (foci := segmentations.ct_foci) is not None:
        target = _stored_on(foci.labels, foci.drawn_on, volumes, "CT candidate")
        yield "ct_candidates", target, list(_candidate_segments(foci))
    if (body := segmentations.body) is not None:
        yield "body", "pet", list(_body_segments(score, body.mask))
    if (body_on_ct := segmentations.body_on_ct) is not None:
        yield "ct_body", "ct", list(_body_segments(score, body_on_ct))
    if (on_ct := segmentations.ct_lesions) is not None:
        # The same lesions as on the PET, so under the same tracking identifiers
        measured_image: ImageName = "ct" if volumes.recist_image is None else "recist_image"
        yield "ct_lesions", measured_image, list(_lesion_outlines(score, on_ct))


def _body_segments(score: StudyScore, mask: MaskLayer) -> Iterator[Segment]:
    """Candidates and lesions outside the liver under the names that people are shown, coloured by their state."""
    known = {lesion.label: lesion for lesion in (() if score.body is None else score.body.lesions)}
    for label, box in mask.labels.boxes():
        lesion = known.get(label)
        if lesion is None:
            continue
        voxels = VoxelSet(box, np.asarray(mask.labels.array[box] == label))
        kind = (
            "body_lesion" if lesion.confirmed else "body_rejected" if lesion.state == "rejected" else "body_candidate"
        )
        title = f"{lesion.name} {lesion.state}: {lesion.region}"[:64]
        identity = tracking_id("body_lesion", label)
        yield Segment(title, identity, kind, "", voxels, mask.origin, by_hand=lesion.source == "reader_by_size")


def _candidate_segments(foci: MaskLayer) -> Iterator[Segment]:
    for label, box in foci.labels.boxes():
        voxels = VoxelSet(box, np.asarray(foci.labels.array[box] == label))
        yield Segment(f"CT candidate {label}", tracking_id("ct_focus", label), "ct_focus", "", voxels, foci.origin)


def _liver_segment(liver: MaskLayer) -> Segment:
    whole = _used_voxels(liver.labels)
    if whole is None:
        msg = "the liver mask has no voxels; draw the liver or leave the mask out"
        raise MaskError(msg)
    return Segment("Liver", tracking_id("organ", "liver"), "liver", "liver", whole, liver.origin)
