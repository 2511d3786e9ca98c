"""The step after every segmenter that registers an MR to the liver, so that a reader's diameters can be checked.

No outline, candidate or density rule of the CT is applied to the MR: what it shows is for the reader to measure.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813

from dotaliver.config.scoring import ScoringConfig
from dotaliver.errors import StudyError
from dotaliver.image.geometry import Geometry, as_vector
from dotaliver.image.itk import resample_labels
from dotaliver.image.mr_registration import MrPose, register_mr
from dotaliver.image.volume import LabelMap, Quantity
from dotaliver.records.flags import Flag, raise_flag
from dotaliver.records.masks import DrawnOn, ImageRegistration, Segmentations
from dotaliver.records.positions import in_position_of
from dotaliver.records.study import SeriesIdentity, StudyVolumes
from dotaliver.system.progress import Progress, silent

__all__ = ["MR_FLAGS", "measures_on_mr", "registration_of", "shift_in_words", "with_mr_registered"]

MR_FLAGS = frozenset({"DIAMETERS_ON_MR", "RECIST_MR_REGISTERED", "RECIST_MR_NOT_REGISTERED"})


def measures_on_mr(volumes: StudyVolumes) -> bool:
    """Whether diameters are measured on an MR, so that no rule of CT densities may look at that image."""
    return volumes.recist_image is not None and volumes.recist_image.quantity is Quantity.MR_SIGNAL


def with_mr_registered(
    volumes: StudyVolumes, found: Segmentations, config: ScoringConfig, progress: Progress = silent
) -> Segmentations:
    """Add where the MR lies in the position of the PET's CT (of the PET, where there is no CT), and say how sure.

    Raises
    ------
    StudyError
        Where the MR does not show the liver that the PET shows: another part of the body, or too little of it.
    """
    series, flags = volumes.identity.recist_image, tuple(flag for flag in found.flags if flag.code not in MR_FLAGS)
    if not measures_on_mr(volumes) or series is None:
        return found if flags == found.flags else replace(found, flags=flags)
    if found.liver is None or found.liver.labels.used is None:
        own: list[Flag] = [raise_flag("RECIST_MR_NOT_REGISTERED", series=series.short_name)]
        registration = None
    else:
        known = found.recist_registration
        if known is None or known.series_instance_uid != series.series_instance_uid:
            progress("registering the MR")
            known = _registered(volumes, found, series, config)
        registration = known
        own = [_registered_flag(volumes, found, registration, series)]
    flags = (*flags, raise_flag("DIAMETERS_ON_MR", series=series.short_name), *own)
    return replace(found, recist_registration=registration, flags=flags)


def _registered_flag(
    volumes: StudyVolumes, found: Segmentations, registration: ImageRegistration, series: SeriesIdentity
) -> Flag:
    mr, reference = volumes.recist_image, volumes.ct or volumes.pet
    assert mr is not None
    assert found.liver is not None
    liver = in_position_of(registration.onto, found.liver, found.mismatch)
    matrix, offset = np.asarray(registration.rotation), registration.offset_lps_mm
    transform = sitk.AffineTransform(matrix.ravel().tolist(), list(offset))
    found_at = shift_in_words(transform, liver, mr.geometry, reference.geometry)
    error = registration.error_mm or 0.0
    return raise_flag("RECIST_MR_REGISTERED", series=series.short_name, error=error, found_at=found_at)


def shift_in_words(transform: Any, liver: LabelMap, image: Geometry, reference: Geometry) -> str:
    """How far an image's liver lies from where the image's own coordinates place the reference's, and in which frame.

    Parameters
    ----------
    transform : SimpleITK.Transform
        From points of the image to points of the reference.
    liver : LabelMap
        In the position of the reference.
    image, reference : Geometry
        Their grids, with their frames of reference.
    """
    places = np.argwhere(liver.mask)
    centre = liver.geometry.index_to_lps(places.mean(axis=0))
    there = transform.GetInverse().TransformPoint(tuple(map(float, centre)))
    shift_mm = float(np.linalg.norm(np.asarray(there) - centre))
    frames = {image.frame_of_reference_uid, reference.frame_of_reference_uid}
    other = "" if len(frames) == 1 and None not in frames else " in another frame of reference"
    return f"{shift_mm:.0f} mm from the place that its coordinates state{other}"


def _registered(
    volumes: StudyVolumes, found: Segmentations, series: SeriesIdentity, config: ScoringConfig
) -> ImageRegistration:
    mr, reference = volumes.recist_image, volumes.ct or volumes.pet
    onto: DrawnOn = "pet" if volumes.ct is None else "ct"
    assert mr is not None
    assert found.liver is not None
    liver = resample_labels(in_position_of(onto, found.liver, found.mismatch), reference.geometry).mask
    pose = register_mr(mr, reference, liver)
    _require_liver(pose, series, config)
    assert pose is not None
    error_mm = config.recist_mr.error_on_ct_mm if onto == "ct" else config.recist_mr.error_on_pet_mm
    return registration_of(pose.pose.transform, series, onto).model_copy(
        update={
            "measure": "mutual_information",
            "similarity": pose.pose.similarity,
            "liver_share": pose.liver_share,
            "spread_mm": pose.spread_mm,
            "error_mm": error_mm,
        }
    )


def _require_liver(pose: MrPose | None, series: SeriesIdentity, config: ScoringConfig) -> None:
    limits, name = config.recist_mr, series.name
    mend = "name an MR of the same patient that shows the whole liver with --recist-image"
    if pose is None:
        msg = f"{name} is too small to hold the liver that the PET shows; {mend}"
        raise StudyError(msg)
    unsure = pose.spread_mm > limits.most_spread_mm
    if not unsure and pose.liver_share < limits.least_liver_share:
        msg = f"{name} shows only {100 * pose.liver_share:.0f} % of the liver; {mend}"
        raise StudyError(msg)
    if unsure or pose.pose.similarity < limits.least_similarity or pose.liver_share < limits.least_liver_share:
        msg = (
            f"{name} does not show the liver that the PET shows, or shows another part of the body (similarity "
            f"{pose.pose.similarity:.2f}, spread of the registration {pose.spread_mm:.0f} mm); {mend}"
        )
        raise StudyError(msg)


def registration_of(transform: Any, series: SeriesIdentity, onto: DrawnOn) -> ImageRegistration:
    """A rigid SimpleITK transform from the image to the reference, as it is recorded."""
    matrix = np.array(transform.GetMatrix()).reshape(3, 3)
    centre, translation = np.array(transform.GetCenter()), np.array(transform.GetTranslation())
    return ImageRegistration(
        series_instance_uid=series.series_instance_uid,
        onto=onto,
        rotation=(as_vector(matrix[0]), as_vector(matrix[1]), as_vector(matrix[2])),
        offset_lps_mm=as_vector(centre + translation - matrix @ centre),
        measure="correlation",
        similarity=0.0,
    )
