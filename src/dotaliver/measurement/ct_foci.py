"""Focal lesions on CT, measured: size and density on CT, uptake where they lie on the PET."""

from __future__ import annotations

import numpy as np

from dotaliver.config.scoring import ScoringConfig
from dotaliver.image.distance import distance_to_mm
from dotaliver.image.geometry import Vector
from dotaliver.image.itk import resample_labels
from dotaliver.image.spheres import sphere_radius_mm
from dotaliver.image.volume import BoolArray, LabelMap, Volume, mean_index
from dotaliver.measurement.diameters import longest_diameter
from dotaliver.measurement.placement import Placement
from dotaliver.records.edits import ReaderEdits
from dotaliver.records.masks import CtSearch, FocusFinding, MaskLayer, Segmentations
from dotaliver.records.measurements import Burden, CtFocus, Reference
from dotaliver.records.positions import Share, in_position_of, share_on, shift_between
from dotaliver.records.study import StudyVolumes

__all__ = ["measure_ct_foci", "with_ct_foci"]

# Of a focus, the part that has to lie apart from other lesions for its mean to be read there alone.
_LEAST_KEPT = 0.25


def measure_ct_foci(
    volumes: StudyVolumes,
    segmentations: Segmentations,
    edits: ReaderEdits,
    placement: Placement,
    liver: Reference,
    config: ScoringConfig,
) -> tuple[CtFocus, ...]:
    """Measure each focus, in the order of the labels.

    Its place on the PET is known to within a few millimetres: its mean is taken there and moved by
    ``config.ct_foci.mismatch_mm`` along each axis both ways, and the highest of them is compared with the upper
    limit of normal liver (U), so that an avid lesion is not called receptor-negative because it lies a little off.
    Of a moved place, what lies in or next to an outlined lesion does not count, unless nearly all of the focus lies so
    near to that lesion that it may be the lesion itself: a receptor-negative lesion next to an avid one is not hidden
    by it. This holds for suspicious foci; others are mostly fat of a fissure or vessels that the lesion displaces.
    """
    layer, ct, pet = segmentations.ct_foci, volumes.ct, volumes.pet
    if layer is None:
        return ()
    lesions = segmentations.lesions
    avid = None if lesions is None else in_position_of("pet", lesions, segmentations.mismatch)
    foci = []
    for label, box in layer.labels.boxes():
        mask = np.asarray(layer.labels.array[box] == label)
        own = LabelMap(mask.astype(np.uint8), layer.labels.geometry.crop(box))
        hu = None
        if ct is not None and ct.geometry.is_close(layer.labels.geometry):
            hu = float(np.median(ct.crop(box).array[mask]))
        search = segmentations.ct_search
        finding = None if search is None else search.foci.get(label)
        on_pet = shift_between(layer.drawn_on, "pet", segmentations.mismatch)
        clear = finding is not None and finding.suspicion >= config.ct_foci.beside_avid_suspicion
        mean = _highest_mean(own, pet, on_pet, avid if clear else None, config)
        outlined = longest_diameter(own, "ct")
        x, y, z = (float(c) for c in own.geometry.index_to_lps(mean_index(mask)))
        foci.append(
            CtFocus(
                label=label,
                in_liver=_in_liver(own, layer, segmentations, placement, config),
                volume_ml=own.volume_ml(),
                longest_diameter_mm=None if outlined is None else outlined.diameter.longest_mm,
                short_axis_mm=None if outlined is None else outlined.diameter.short_mm,
                hu=hu,
                below_liver_hu=_below_liver(hu, search, finding),
                suv_mean=mean,
                ratio_to_liver=None if mean is None or not liver.suv_mean else mean / liver.suv_mean,
                above_liver=None if mean is None or liver.peak_limit is None else mean > liver.peak_limit,
                centroid_lps_mm=(x, y, z),
                suspicion=None if finding is None else finding.suspicion,
                may_be=() if finding is None else finding.may_be,
                images=("ct",) if finding is None else finding.images,
                marks=edits.lesion(label).marks,
            )
        )
    return tuple(foci)


def with_ct_foci(burden: Burden, foci: tuple[CtFocus, ...], uncertainty_mm: float) -> Burden:
    """The burden with the focal lesions that only CT shows.

    A candidate that nobody has judged enters the upper bound alone; one that a reader called tumour enters the
    fraction too. Each focus is taken as a ball of its volume whose border moves by its uncertainty
    (inwards for the lower bound, outwards for the upper one), over the volume of the liver.
    """
    if burden.fraction is None or burden.low is None or burden.high is None or not burden.liver_ml:
        return burden
    accepted = [x.volume_ml for x in foci if x.tumour and x.in_liver]
    candidates = [x.volume_ml for x in foci if x.candidate and not x.tumour]
    low = sum(_ball_ml(v, -uncertainty_mm) for v in accepted) / burden.liver_ml
    known = sum(accepted) / burden.liver_ml
    high = sum(_ball_ml(v, uncertainty_mm) for v in (*accepted, *candidates)) / burden.liver_ml
    tumour_ml = min((burden.tumour_ml or 0.0) + sum(accepted), burden.liver_ml)
    update = {
        "fraction": min(burden.fraction + known, 1.0),
        "low": min(burden.low + low, 1.0),
        "high": min(burden.high + high, 1.0),
        "tumour_ml": tumour_ml,
    }
    return burden.model_copy(update=update) if accepted or candidates else burden


def _ball_ml(volume_ml: float, move_mm: float) -> float:
    """Volume of a ball whose surface moves outwards by a distance."""
    radius = sphere_radius_mm(volume_ml)
    return volume_ml * max(1.0 + move_mm / radius, 0.0) ** 3


def _below_liver(hu: float | None, search: CtSearch | None, finding: FocusFinding | None) -> float | None:
    """How far a focus lies below liver on the CT that shows it best."""
    if finding is not None and search is not None and (search.image != "ct" or "ct" not in finding.images):
        return -finding.contrast_hu
    return None if hu is None or search is None or search.liver_hu is None else search.liver_hu - hu


def _highest_mean(
    own: LabelMap, pet: Volume, shift: Vector, avid: LabelMap | None, config: ScoringConfig
) -> float | None:
    """Highest weighted mean over a focus, at its place on the PET and moved along each axis; None off the PET.

    Its own place is read as a whole. A moved place of which too little lies apart from the lesions is left out.
    """
    reach = config.ct_foci.mismatch_mm
    wide = share_on(own, pet.geometry, shift, reach + config.inc7.resolution_mm)
    if wide is None or not wide.part.any():
        return None
    others = _beside_others(wide, avid, config)
    means, places = [], [(0.0, 0.0, 0.0), *(_along(axis, sign * reach) for axis in range(3) for sign in (-1.0, 1.0))]
    for place in places:
        x, y, z = (float(c) for c in np.add(shift, place))
        share = share_on(own, pet.geometry, (x, y, z), 0.0)
        if share is None or not share.part.any():
            continue
        weights = share.part.astype(np.float64)
        kept = weights
        if any(place):
            there = tuple(slice(s.start - w.start, s.stop - w.start) for s, w in zip(share.box, wide.box, strict=True))
            kept = np.where(others[there], 0.0, weights)
        if kept.sum() >= _LEAST_KEPT * weights.sum():
            means.append(float((pet.crop(share.box).array * kept).sum() / kept.sum()))
    return max(means, default=None)


def _along(axis: int, move_mm: float) -> Vector:
    x, y, z = (move_mm if axis == n else 0.0 for n in range(3))
    return x, y, z


def _beside_others(wide: Share, avid: LabelMap | None, config: ScoringConfig) -> BoolArray:
    """Voxels in an outlined lesion that is not the focus itself, or within the PET's resolution of it."""
    others = np.zeros(wide.geometry.shape, dtype=bool)
    if avid is None:
        return others
    lesions = resample_labels(avid, wide.geometry).array
    weights = wide.part.astype(np.float64)
    for label in np.unique(lesions[lesions != 0]):
        away = distance_to_mm(lesions == label, wide.geometry.spacing_mm)
        near = float((weights * (away <= config.ct_foci.mismatch_mm)).sum() / weights.sum())
        if near < config.ct_foci.displaced_share:
            others |= away <= config.inc7.resolution_mm
    return others


def _in_liver(
    own: LabelMap, layer: MaskLayer, segmentations: Segmentations, placement: Placement, config: ScoringConfig
) -> bool | None:
    if placement.liver is None:
        return None
    share = share_on(own, placement.geometry, shift_between(layer.drawn_on, "pet", segmentations.mismatch), 0.0)
    if share is None or not share.part.any():
        return None
    inside = np.zeros(placement.geometry.shape, dtype=bool)
    inside[placement.liver.box] = placement.liver.inside
    weights = share.part.astype(np.float64)
    held = float((weights * inside[share.box]).sum() / weights.sum())
    return held >= config.lesions.in_liver_share
