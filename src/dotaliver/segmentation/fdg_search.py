"""The search for uptake on an FDG scan of the same patient, with the liver of the scored study brought to it.

The FDG scan is searched as the scored one is: lesions in the liver above its normal liver, and candidates elsewhere
once brain, myocardium, marrow, urinary tract and the other organs are delimited. What it finds is numbered from the
hottest; which of it has no receptor uptake is measured later (`dotaliver.measurement.netpet`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dotaliver.config.scoring import ScoringConfig
from dotaliver.errors import StudyError
from dotaliver.image.geometry import Box
from dotaliver.image.itk import resample_labels, resample_through
from dotaliver.image.volume import BoolArray, LabelMap
from dotaliver.records.body import BodyFocus
from dotaliver.records.fdg import FdgFocus, FdgOrgan, FdgSearch
from dotaliver.records.masks import MaskLayer, Segmentations
from dotaliver.records.positions import in_position_of
from dotaliver.records.study import StudyVolumes
from dotaliver.segmentation.body.search import with_body_searched
from dotaliver.segmentation.coarse import coarse_of
from dotaliver.segmentation.fdg_alignment import align_fdg
from dotaliver.segmentation.lesions_and_reference import add_lesions_and_reference
from dotaliver.segmentation.organs.surroundings import survey
from dotaliver.system.progress import Progress, silent

__all__ = ["with_fdg_searched"]

_NAME = "fdg"
_OTHER_TRACER = "The tracer is not a somatostatin-receptor ligand"


def with_fdg_searched(
    volumes: StudyVolumes, found: Segmentations, config: ScoringConfig, progress: Progress = silent
) -> Segmentations:
    """Add what the FDG scan shows, where there is one and it was not searched yet.

    Parameters
    ----------
    volumes : StudyVolumes
        With ``fdg``; its images are searched in their own position.
    found : Segmentations
        With the liver of the scored study.
    config : ScoringConfig
        All settings.
    progress : callable
        Called with the stage in words.

    Raises
    ------
    StudyError
        Where there is no liver or no CT to align the scans by, or they cannot be aligned.
    """
    fdg = volumes.fdg
    if fdg is None or found.fdg is not None:
        return found
    if found.liver is None or volumes.ct is None or fdg.ct is None:
        what = "has no liver outline" if found.liver is None else "has no CT"
        msg = f"--fdg: the study {what}, and the scans are aligned by the CT at the liver; leave the FDG scan out"
        raise StudyError(msg)
    progress("aligning the FDG scan")
    images, own_images = coarse_of(volumes, config.liver.coarse_mm), coarse_of(fdg, config.liver.coarse_mm)
    around = survey(images)
    liver = resample_labels(in_position_of("ct", found.liver, found.mismatch), images.geometry)
    alignment = align_fdg(own_images, images, liver.mask, around.body | around.lungs, config.netpet)
    there = resample_through(
        LabelMap(liver.mask.astype(np.uint8), liver.geometry), own_images.geometry, alignment.liver.transform()
    )
    layer = MaskLayer(there, "ct", _NAME, config.liver.border_uncertainty_imported_mm)
    progress("searching the FDG scan")
    own = add_lesions_and_reference(fdg, Segmentations(segmenter=_NAME, liver=layer, lesions=None), config)
    if own.liver is None:
        msg = "--fdg: the liver lies outside the FDG PET; give an FDG PET/CT that shows the whole liver"
        raise StudyError(msg)
    own = with_body_searched(fdg, own, config)
    foci, mask = _numbered(fdg, own)
    return replace(found, fdg=FdgSearch(foci, mask, alignment, own))


def _numbered(fdg: StudyVolumes, own: Segmentations) -> tuple[tuple[FdgFocus, ...], LabelMap]:
    """All foci of liver and body in one mask on the FDG PET's grid, from the hottest."""
    pet = fdg.pet
    parts: list[tuple[float, Box, BoolArray, FdgFocus]] = []

    def add(labels: LabelMap, foci: dict[int, BodyFocus] | None) -> None:
        for label, box in labels.boxes():
            inside = labels.array[box] == label
            highest = float(pet.crop(box).array[inside].max())
            parts.append((highest, box, inside, _focus(None if foci is None else foci[label])))

    if own.lesions is not None:
        add(own.lesions.labels, None)
    if own.body is not None:
        add(own.body.mask.labels, {focus.label: focus for focus in own.body.foci})
    parts.sort(key=lambda one: -one[0])
    array = np.zeros(pet.geometry.shape, dtype=np.uint16)
    found: list[FdgFocus] = []
    for _, box, inside, focus in parts:
        free = inside & (array[box] == 0)
        if free.any():
            array[box][free] = len(found) + 1
            found.append(replace(focus, label=len(found) + 1))
    return tuple(found), LabelMap(array, pet.geometry)


def _focus(focus: BodyFocus | None) -> FdgFocus:
    if focus is None:
        return FdgFocus(0, "liver", "liver")
    organ: FdgOrgan = focus.organ
    # What body searches say of another tracer goes without saying here.
    why = None if focus.why_physiological is None else focus.why_physiological.split(_OTHER_TRACER)[0].strip()
    return FdgFocus(0, focus.region, organ, why or None)
