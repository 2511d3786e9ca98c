"""The MR that a reader points at: liver and lesions brought to it, and its signal as a contrast against the liver.

Signal of an MR has no unit. It is scaled so that the liver without its lesions has the middle and the spread that a CT
in HU usually has; what is fitted to a border then is the step of signal in SDs of the liver, as it is on CT. No rule of
CT densities (fat, calcium, lipiodol, water) is applied to it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from dotaliver.config.clicks import CtClickConfig
from dotaliver.config.ct import CtLesionConfig
from dotaliver.errors import ConfigError
from dotaliver.image.itk import resample_through
from dotaliver.image.registration import Pose
from dotaliver.image.volume import BoolArray, LabelMap, Quantity, Volume
from dotaliver.records.masks import DrawnOn, ImageRegistration, Segmentations
from dotaliver.records.positions import in_position_of
from dotaliver.records.study import StudyVolumes

__all__ = ["MrScene", "in_words_of_mr", "liver_contrast", "mr_scene", "pose_of", "without_densities"]

# Middle and SD that the liver's signal is scaled to: those of a portal-venous CT of usual noise.
_LIVER, _LIVER_SD = 100.0, 10.0
_SD_PER_MAD = 1.4826
# Scaled signal beyond these says no more than these: so many SDs are a clear step.
_RANGE = (-60.0, 260.0)
# Deeper than this below the liver, no tissue is fat for being dark.
_NEVER_HU = 1e6
_NEIGHBOUR = 2


@dataclass(frozen=True, eq=False)
class MrScene:
    """The MR, its contrast, and liver and lesions on its grid."""

    image: Volume
    contrast: Volume
    whole: LabelMap
    placed: LabelMap
    pose: Pose
    onto: DrawnOn


def mr_scene(volumes: StudyVolumes, found: Segmentations) -> MrScene:
    """Bring liver and lesions to the MR that diameters are measured on.

    Raises
    ------
    ConfigError
        Where the MR was not registered to a liver.
    """
    image, registration = volumes.recist_image, found.recist_registration
    if image is None or registration is None or found.liver is None or found.lesions is None:
        msg = "the MR was not registered to a liver, so nothing can be pointed at on it; draw the diameter instead"
        raise ConfigError(msg)
    pose = pose_of(registration)
    whole, placed = (
        resample_through(in_position_of(registration.onto, layer, found.mismatch), image.geometry, pose.transform)
        for layer in (found.liver, found.lesions)
    )
    whole = LabelMap(((whole.array != 0) | (placed.array != 0)).astype(np.uint8), image.geometry)
    contrast = liver_contrast(image, whole.mask & (placed.array == 0))
    return MrScene(image, contrast, whole, placed, pose, registration.onto)


def pose_of(registration: ImageRegistration) -> Pose:
    """A recorded registration as a transform of places."""
    import SimpleITK as sitk  # noqa: N813

    transform = sitk.AffineTransform(3)
    transform.SetMatrix([value for row in registration.rotation for value in row])
    transform.SetTranslation(registration.offset_lps_mm)
    return Pose(transform, registration.similarity)


def liver_contrast(mr: Volume, liver: BoolArray) -> Volume:
    """The signal scaled by liver: its median to 100, and the SD between neighbouring places to 10.

    Neighbours are two pixels apart in a slice, so that the fall of signal away from the coils does not count as spread.

    Raises
    ------
    ConfigError
        Where the liver has no signal, or no spread to compare with.
    """
    signal = mr.require(Quantity.MR_SIGNAL).array.astype(np.float32)
    if not liver.any():
        msg = "the MR shows no liver outside the lesions to compare with; draw the diameter instead"
        raise ConfigError(msg)
    middle = float(np.median(signal[liver]))
    both = liver[:, :, _NEIGHBOUR:] & liver[:, :, :-_NEIGHBOUR]
    steps = np.abs(signal[:, :, _NEIGHBOUR:] - signal[:, :, :-_NEIGHBOUR])[both]
    spread = _SD_PER_MAD * float(np.median(steps)) / np.sqrt(2) if steps.size else 0.0
    if spread <= 0:
        msg = (
            "the liver's signal on the MR does not vary, so no border can be told from noise; draw the diameter instead"
        )
        raise ConfigError(msg)
    scaled = np.clip(_LIVER + _LIVER_SD * (signal - middle) / spread, *_RANGE)
    return Volume(scaled.astype(np.float32), mr.geometry, Quantity.LIVER_CONTRAST)


def without_densities(click: CtClickConfig, fitting: CtLesionConfig) -> tuple[CtClickConfig, CtLesionConfig]:
    """Both settings without the rules that only densities of CT allow, and with the error that an MR adds."""
    error_share = float(np.hypot(click.reader_error_share, click.mr_error_share))
    wider = click.model_copy(update={"reader_error_share": error_share})
    return wider, fitting.model_copy(update={"fat_hu_below": _NEVER_HU})


def in_words_of_mr(reason: str) -> str:
    """A reason from the search on CT, as said of an MR."""
    plain = re.sub(r" \([^()]*HU[^()]*\)", "", reason)
    return plain.replace("density", "signal").replace("densities", "signals").replace(" on CT", " on the MR")
