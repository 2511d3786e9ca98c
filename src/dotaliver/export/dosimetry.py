r"""Masks for dosimetry of a liver therapy: whole liver, lobes, tumours and non-tumoural liver, by name.

Names are those that PyTheranostics takes as they stand (``Liver``, ``TotalTumorBurden``, and ``Lesion_N`` by its
pattern ``^Lesion_(\d+)$``), and for what it has no name, the term of the EANM procedure for dosimetry in liver
radioembolisation (Chiesa et al., EJNMMI Physics 2021;8:77): non-tumoural liver. Parts of the liver end in ``_Right``
and ``_Left``, as PyTheranostics names paired organs.

Which part was perfused follows from the catheter's position, which is on none of these images: both lobes are given.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dotaliver.export.dicom.derived import NewObject
from dotaliver.export.dicom.rtstruct import LESION_RGB, LIVER_RGB, Structure, generation, structure_set_of
from dotaliver.export.dicom.source_headers import SegSources
from dotaliver.export.regions import Outlines, outlines_on_image, united
from dotaliver.image.geometry import Box, box_within
from dotaliver.image.itk import resample_labels
from dotaliver.image.volume import BoolArray, LabelMap, used_box
from dotaliver.measurement.burden import core_labels, counts_for_burden
from dotaliver.measurement.lobes import heights_to_the_left
from dotaliver.measurement.placement import place
from dotaliver.records.masks import Segmentations
from dotaliver.records.positions import VoxelSet, shift_between
from dotaliver.records.score import StudyScore
from dotaliver.records.score_folder import dosimetry_mask
from dotaliver.records.study import StudyVolumes

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["Dosimetry", "DosimetryStructure", "dosimetry_json", "dosimetry_of", "dosimetry_structure_set"]

_STRUCTURES = NewObject(
    "dosimetry", "1.2.840.10008.5.1.4.1.1.481.3", "RTSTRUCT", 9011, "dotaliver structures for dosimetry"
)
_VERSION = "1"
_NORMAL_RGB, _TUMOUR_RGB = (0, 158, 115), (230, 159, 0)
_LIVER, _NORMAL, _TUMOUR = "Liver", "NonTumouralLiver", "TotalTumorBurden"
_MEANING = {
    _LIVER: "whole liver with its tumours",
    f"{_LIVER}_Right": "right lobe with its tumours",
    f"{_LIVER}_Left": "left lobe with its tumours",
    _NORMAL: "whole non-tumoural liver: the liver without its tumours, their necrosis and cysts",
    f"{_NORMAL}_Right": "non-tumoural liver of the right lobe",
    f"{_NORMAL}_Left": "non-tumoural liver of the left lobe",
    _TUMOUR: "all tumours together, in the liver and outside it, with the necrosis that they enclose",
}


@dataclass(frozen=True, eq=False)
class DosimetryStructure:
    """One named mask on the image's grid."""

    structure: Structure
    volume_ml: float
    label: int | None = None
    """The lesion's number; None for a part of the liver and for all tumours together."""


@dataclass(frozen=True, eq=False)
class Dosimetry:
    """The masks, the grid that they have, and what has to be known of them."""

    outlines: Outlines
    structures: tuple[DosimetryStructure, ...]
    missing: dict[str, str]
    """Why a structure could not be given, by its name."""
    caveats: tuple[str, ...]

    def labels(self) -> LabelMap | None:
        """All tumours with their numbers; None without any."""
        array = np.zeros(self.outlines.grid.shape, dtype=np.uint16)
        for each in self.structures:
            if each.label is not None:
                voxels = each.structure.voxels
                array[voxels.box][voxels.mask] = each.label
        return LabelMap(array, self.outlines.grid) if array.any() else None


def dosimetry_of(score: StudyScore, volumes: StudyVolumes, segmentations: Segmentations) -> Dosimetry:
    """Whole liver, lobes, tumours and non-tumoural liver on the grid of the CT (the PET's without a CT).

    Parameters
    ----------
    score : StudyScore
        Says which lesions are tumour.
    volumes : StudyVolumes
        The images: their grids, and the PET's uptake, which tells necrosis from enclosed liver.
    segmentations : Segmentations
        The masks and the plane between the lobes.

    Returns
    -------
    Dosimetry
        Volumes are those of the masks as given, in ml; they may differ from the record's, which are measured where a
        lesion was drawn.
    """
    outlines = outlines_on_image(score, volumes, segmentations)
    tumours = _tumours(score, outlines)
    cores = _cores(score, volumes, segmentations, outlines)
    found = list(_tumour_structures(score, outlines, tumours, cores))
    missing: dict[str, str] = {}
    if outlines.lesions == {} and segmentations.lesions is None:
        missing[_TUMOUR] = segmentations.reasons.get("lesions", "lesions were not looked for")
    if outlines.liver is None:
        missing[_LIVER] = score.liver.reason or "no liver was found"
    else:
        taken = [*tumours.values(), *cores, *_cysts(score, outlines)]
        found = [*_liver_structures(score, segmentations, outlines, taken), *found]
        if segmentations.lobes is None:
            missing |= dict.fromkeys(
                (f"{_LIVER}_Right", f"{_LIVER}_Left"), score.lobes.reason or "the lobes were not looked for"
            )
        if segmentations.lesions is None:
            missing[_NORMAL] = missing[_TUMOUR]
    return Dosimetry(outlines, tuple(found), missing, tuple(_caveats(score, segmentations)))


def _tumours(score: StudyScore, outlines: Outlines) -> dict[int, VoxelSet]:
    """Lesions that no reader called something else, and CT candidates that a reader called tumour."""
    called = {lesion.label for lesion in score.lesions if lesion.tumour}
    accepted = {focus.label for focus in score.ct_foci if focus.tumour}
    found = {label: each.voxels for label, each in outlines.lesions.items() if label in called}
    return found | {label: each.voxels for label, each in outlines.candidates.items() if label in accepted}


def _cysts(score: StudyScore, outlines: Outlines) -> Iterator[VoxelSet]:
    """Simple cysts: neither tumour nor liver tissue."""
    for found, drawn in ((score.lesions, outlines.lesions), (score.ct_foci, outlines.candidates)):
        for each in found:
            if "simple_cyst" in each.marks and each.label in drawn:
                yield drawn[each.label].voxels


def _cores(
    score: StudyScore, volumes: StudyVolumes, segmentations: Segmentations, outlines: Outlines
) -> list[VoxelSet]:
    """Necrosis that the liver's tumours enclose, as the burden counts it."""
    labels = tuple(lesion.label for lesion in score.lesions if counts_for_burden(lesion))
    placement = place(segmentations, volumes.pet.geometry)
    if placement.liver is None or not labels:
        return []
    reference = score.references.get("liver")
    cores = core_labels(volumes.pet, placement, labels, None if reference is None else reference.suv_mean)
    if not cores.mask.any():
        return []
    shift = shift_between("pet", outlines.image, segmentations.mismatch)
    on_image = resample_labels(cores.placed(cores.geometry.moved(shift)), outlines.grid)
    return [] if on_image.used is None else [VoxelSet(on_image.used, on_image.array[on_image.used] != 0)]


def _tumour_structures(
    score: StudyScore, outlines: Outlines, tumours: dict[int, VoxelSet], cores: list[VoxelSet]
) -> Iterator[DosimetryStructure]:
    drawn = outlines.lesions | outlines.candidates
    for label, voxels in sorted(tumours.items()):
        made, origin = generation(score, drawn[label]), drawn[label].origin(outlines.image)
        yield _measured(outlines, Structure(f"Lesion_{label}", origin, "GTV", LESION_RGB, made, voxels), label)
    every = [*tumours.values(), *cores]
    if every:
        low = [min(each.box[axis].start for each in every) for axis in range(3)]
        high = [max(each.box[axis].stop for each in every) for axis in range(3)]
        box = (slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2]))
        together = VoxelSet(box, united(every, box))
        semi = any(generation(score, drawn[label]) != "AUTOMATIC" for label in tumours)
        made = "SEMIAUTOMATIC" if semi else "AUTOMATIC"
        yield _measured(outlines, Structure(_TUMOUR, _MEANING[_TUMOUR], "GTV", _TUMOUR_RGB, made, together))


def _liver_structures(
    score: StudyScore, segmentations: Segmentations, outlines: Outlines, taken: list[VoxelSet]
) -> Iterator[DosimetryStructure]:
    """The liver, its lobes, and the same without tumours; what would be empty is left out."""
    assert outlines.liver is not None
    box, liver = outlines.liver.voxels.box, outlines.liver.voxels.mask
    made = generation(score, outlines.liver)
    parts: dict[str, BoolArray] = {"": liver}
    if (plane := segmentations.lobes) is not None:
        shift = shift_between("ct", outlines.image, segmentations.mismatch)
        (k, j, i), level = heights_to_the_left(plane, shift, outlines.grid.crop(box))
        left = k[:, None, None] + j[:, None] + i > level
        parts |= {"_Right": liver & ~left, "_Left": liver & left}
    normal = None if segmentations.lesions is None else ~united(taken, box)
    for name, rgb, mask in ((_LIVER, LIVER_RGB, None), (_NORMAL, _NORMAL_RGB, normal)):
        if name == _NORMAL and normal is None:
            continue
        for side, part in parts.items():
            voxels = part if mask is None else part & mask
            if voxels.any():
                cropped = _cropped(box, voxels)
                full = f"{name}{side}"
                yield _measured(outlines, Structure(full, _MEANING[full], "ORGAN", rgb, made, cropped))


def _cropped(box: Box, mask: BoolArray) -> VoxelSet:
    inner = used_box(mask)
    assert inner is not None
    return VoxelSet(box_within(box, inner), np.ascontiguousarray(mask[inner]))


def _measured(outlines: Outlines, structure: Structure, label: int | None = None) -> DosimetryStructure:
    voxels = int(np.count_nonzero(structure.voxels.mask))
    return DosimetryStructure(structure, voxels * outlines.grid.voxel_volume_ml, label)


def _caveats(score: StudyScore, segmentations: Segmentations) -> Iterator[str]:
    """What a dosimetrist has to know of the masks."""
    layer = segmentations.lesions
    if layer is not None and layer.completeness == "not_stated":
        yield (
            f"The lesion mask is not stated to hold every lesion, so {_NORMAL} may contain tumour and {_TUMOUR} may "
            "lack some."
        )
    open_foci = [focus.label for focus in score.ct_foci if focus.candidate]
    if open_foci:
        numbers = ", ".join(map(str, open_foci))
        yield f"CT candidates that no reader has decided ({numbers}) are part of {_NORMAL}."
    if score.study.ct is not None and segmentations.mismatch is None:
        yield "Where the liver lies on the PET, compared with the CT, is unknown: outlines from the PET are not moved."
    for flag in score.flags:
        if flag.code in _FLAGS:
            yield flag.sentence


_FLAGS = {"LIVER_CUT_BY_FIELD_OF_VIEW", "PET_CT_MISMATCH", "NO_CT"}


def dosimetry_structure_set(
    found: Dosimetry, score: StudyScore, volumes: StudyVolumes, sources: SegSources
) -> Dataset | None:
    """The masks as an RT Structure Set; None where there is none."""
    structures = [each.structure for each in found.structures]
    return structure_set_of(structures, _STRUCTURES, score, volumes, sources) if structures else None


def dosimetry_json(found: Dosimetry, score: StudyScore, segmentations: Segmentations) -> str:
    """What the masks are: names, files, volumes, the grid and the series that they were drawn on."""
    grid, image = found.outlines.grid, found.outlines.image
    pet, ct = score.study.pet, score.study.ct
    source = ct if image == "ct" and ct is not None else pet
    shift = None if segmentations.mismatch is None else list(segmentations.mismatch.shift_lps_mm)
    content: dict[str, Any] = {
        "schema_version": _VERSION,
        "record_id": score.record_id,
        "study_instance_uid": score.study.study_instance_uid,
        "units": {"volume_ml": "ml", "spacing_mm": "mm", "shift_lps_mm": "mm, to the patient's left, back and head"},
        "grid": {
            "image": image,
            "modality": source.modality,
            "series_instance_uid": source.series_instance_uid,
            "frame_of_reference_uid": source.frame_of_reference_uid,
            "shape": list(grid.shape),
            "spacing_mm": list(grid.spacing_mm),
        },
        "series": {
            "pet": pet.series_instance_uid,
            "ct": None if ct is None else ct.series_instance_uid,
        },
        "shift_lps_mm": shift,
        "perfused": None,
        "perfused_reason": "which part was perfused follows from the catheter's position, which no image here shows",
        "structures": [_described(number, each) for number, each in enumerate(found.structures, start=1)],
        "missing": found.missing,
        "caveats": list(found.caveats),
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _described(number: int, each: DosimetryStructure) -> dict[str, Any]:
    structure = each.structure
    file = dosimetry_mask("Lesions" if each.label is not None else structure.name)
    return {
        "name": structure.name,
        "meaning": f"lesion {each.label}" if each.label is not None else structure.description,
        "volume_ml": each.volume_ml,
        "roi_number": number,
        "file": file,
        "value": 1 if each.label is None else each.label,
        "outline": structure.description if each.label is not None else None,
        "generation": structure.made,
    }
