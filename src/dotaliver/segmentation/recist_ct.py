"""Where a diagnostic CT lies in the position of the PET's CT, and whether both show one person.

Every step that brings masks to the diagnostic CT asks here, so that all of them refuse the same CT by the same
sentence, and a CT is registered once for each liver.
"""

from __future__ import annotations

import numpy as np

from dotaliver.errors import StudyError
from dotaliver.image.registration import Pose, register_cts
from dotaliver.image.spine import spine_similarity
from dotaliver.image.volume import LabelMap, Volume
from dotaliver.records.study import StudyVolumes
from dotaliver.system.recent import content_of

__all__ = ["pose_of_recist_ct"]

# Two CTs of one patient correlate above this near the liver, in whatever phase.
_LEAST_SIMILARITY = 0.6
# Those of two people may too (0.66 at most among three real CTs); below 0.85 their vertebrae are compared. Those of two
# people (real CTs) came to 0.63 at most, of one person in another breath-hold and posture (simulated) to 0.83.
_ALIKE, _LEAST_WITHOUT_SPINE, _LEAST_SPINE = 0.85, 0.75, 0.72
# Lung is less dense. A liver with its surroundings fills more than this volume; every so many voxels are looked at.
_TISSUE_HU, _LEAST_TISSUE_ML, _STRIDES = -200.0, 500.0, (2, 4, 4)
_MEND = "name a CT of the same patient that shows the whole liver with --recist-image"


def pose_of_recist_ct(volumes: StudyVolumes, liver: LabelMap) -> Pose:
    """Register the diagnostic CT to the PET's CT near the liver, and refuse one that is not of the same person.

    Parameters
    ----------
    volumes : StudyVolumes
        With both CTs.
    liver : LabelMap
        On the grid of the PET's CT.

    Returns
    -------
    Pose
        From places on the diagnostic CT to places on the PET's.

    Raises
    ------
    StudyError
        Where it shows no tissue, does not show that liver, or shows another spine.
    """
    box = liver.used
    key = ("pose of the diagnostic CT", liver.geometry, str(box), None if box is None else content_of(liver.mask[box]))
    return volumes.recent.of(key, lambda: _checked(volumes, liver))


def _checked(volumes: StudyVolumes, liver: LabelMap) -> Pose:
    assert volumes.ct is not None
    assert volumes.recist_image is not None
    series = volumes.identity.recist_image
    name = "the diagnostic CT" if series is None else f"the diagnostic CT (series {series.short_name})"
    _require_tissue(volumes.recist_image, name)
    pose = register_cts(volumes.recist_image, volumes.ct, liver.mask)
    if pose.similarity < _LEAST_SIMILARITY:
        why = f"similarity {pose.similarity:.2f}" if pose.similarity > -1 else "it shows too little of the liver"
        msg = (
            f"{name} cannot be registered to the PET's CT near the liver ({why}), so it may show another part of the "
            f"body or another person; {_MEND}"
        )
        raise StudyError(msg)
    if pose.similarity < _ALIKE:
        spine = spine_similarity(volumes.recist_image, volumes.ct, liver.mask, pose)
        _require_one_spine(spine, pose.similarity, name)
    return pose


def _require_tissue(ct: Volume, name: str) -> None:
    """Refuse a CT of air, before it is compared with anything."""
    part = ct.loaded().array[tuple(slice(None, None, step) for step in _STRIDES)]
    voxels = float(np.count_nonzero(part > _TISSUE_HU)) * ct.geometry.voxel_volume_ml * float(np.prod(_STRIDES))
    if voxels < _LEAST_TISSUE_ML:
        msg = f"{name} shows no part of a body: hardly a voxel of it is denser than {_TISSUE_HU:.0f} HU; {_MEND}"
        raise StudyError(msg)


def _require_one_spine(spine: float | None, similarity: float, name: str) -> None:
    """Refuse a CT whose vertebrae are another person's, or that shows none and is not alike enough without."""
    if spine is None and similarity < _LEAST_WITHOUT_SPINE:
        msg = (
            f"{name} resembles the PET's CT too little near the liver (similarity {similarity:.2f}) and shows too "
            f"little of the spine to prove that it is of the same person; {_MEND}"
        )
        raise StudyError(msg)
    if spine is not None and spine < _LEAST_SPINE:
        msg = (
            f"{name} shows another spine than the PET's CT (similarity of the vertebrae {spine:.2f}), so it may be of "
            f"another person; {_MEND}"
        )
        raise StudyError(msg)
