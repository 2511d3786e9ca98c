"""One phantom study: from a specification to CT, PET and their truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from dotaliver.image.geometry import Geometry, Vector
from dotaliver.image.itk import resample_labels
from dotaliver.image.volume import LabelMap, Quantity, Volume, array_sha256
from dotaliver.phantom.anatomy import Anatomy, Painting, field_on, largest_piece, paint, shape_anatomy
from dotaliver.phantom.breathing import breathe
from dotaliver.phantom.clock import (
    CT_SOP_CLASS,
    HALF_LIFE_68GA_S,
    PET_SOP_CLASS,
    Timing,
    frame_timing,
    phantom_uid,
    timing,
)
from dotaliver.phantom.lesions import LesionMasks, draw_lesions, paint_lesions, place_lesions
from dotaliver.phantom.physics import PetPhysics, add_ct_noise, pet_slopes, simulate_pet
from dotaliver.phantom.shapes import stream
from dotaliver.phantom.spec import PhantomSpec
from dotaliver.phantom.tissues import Tissue, draw_hu, draw_suv
from dotaliver.phantom.truth import PhantomTruth, known_truth
from dotaliver.records.study import Acquisition, SeriesIdentity, StudyIdentity, StudyVolumes
from dotaliver.suv.arithmetic import DecayCorrection, SuvInputs, suvbw_arithmetic

__all__ = ["PhantomStudy", "as_loaded", "make_phantom", "study_volumes"]

_CORE_CONTRAST = 0.15
_WORKING_STEP_MM = {"clinical": 2.5, "medium": 3.5, "small": 5.0}


@dataclass(frozen=True, eq=False)
class PhantomStudy:
    """CT and PET of a phantom with its truth.

    ``liver`` and ``lesions`` lie where the CT shows them, ``lesions_on_pet`` where the PET does, on its grid.
    ``organs`` holds `Tissue` labels; the liver with its vessels and tumours is 1 to 4.
    """

    spec: PhantomSpec
    ct: Volume
    pet: Volume
    organs: LabelMap
    liver: LabelMap
    lesions: LabelMap
    lesions_on_pet: LabelMap
    truth: PhantomTruth


def _axial(pixels: int, pixel_mm: float, slice_mm: float, field_mm: tuple[float, float], uid: str) -> Geometry:
    bottom, top = field_mm
    count = max(round((top - bottom) / slice_mm), 1)
    corner = -(pixels - 1) / 2 * pixel_mm
    return Geometry(
        (count, pixels, pixels),
        (corner, corner, bottom + slice_mm / 2),
        (slice_mm, pixel_mm, pixel_mm),
        ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)),
        uid,
    )


def _grids(spec: PhantomSpec) -> tuple[Geometry, slice, Geometry]:
    """The painted grid (CT voxels over both fields of view and the whole liver), the CT's part of it, the PET's."""
    s = spec.scanner
    uid = phantom_uid(spec, "frame of reference")
    ct_count = max(round((s.ct_top_mm - s.ct_bottom_mm) / s.ct_slice_mm), 1)
    tall = spec.patient.height_scale
    lowest = -(125 + spec.liver.riedel_mm) * tall
    below = max(int(np.ceil((s.ct_bottom_mm - min(s.pet_bottom_mm - 20, lowest)) / s.ct_slice_mm)), 0)
    reached = s.ct_bottom_mm + ct_count * s.ct_slice_mm
    above = max(int(np.ceil((max(s.pet_top_mm + 20, 125 * tall) - reached) / s.ct_slice_mm)), 0)
    field = (s.ct_bottom_mm - below * s.ct_slice_mm, reached + above * s.ct_slice_mm)
    painted = _axial(s.ct_matrix, s.ct_pixel_mm, s.ct_slice_mm, field, uid)
    pet = _axial(s.pet_matrix, s.pet_pixel_mm, s.pet_slice_mm, (s.pet_bottom_mm, s.pet_top_mm), uid)
    return painted, slice(below, below + ct_count), pet


def make_phantom(spec: PhantomSpec) -> PhantomStudy:
    """Make the study that a specification describes; the same specification always gives the same voxels."""
    painted, ct_part, pet_grid = _grids(spec)
    hu, suv = draw_hu(spec), draw_suv(spec)
    anatomy = shape_anatomy(spec, _WORKING_STEP_MM[spec.matrix])
    scene = paint(anatomy, painted, hu)
    liver = _tidy_liver(scene)
    blobs = place_lesions(anatomy, spec)
    masks = draw_lesions(blobs, liver, painted, spec)
    lesions = np.zeros(painted.shape, dtype=np.uint16)
    if masks is not None:
        lesions[masks.box] = masks.labels
        paint_lesions(scene, masks, hu[Tissue.LIVER], spec)
    uptake = _uptake(anatomy, scene, masks, suv, spec)
    shift: Vector = (0.0, 0.0, -spec.scanner.breathing_shift_mm)
    pet = _pet(anatomy, Volume(uptake, painted, Quantity.SUVBW), liver, pet_grid, spec)
    box = (ct_part, slice(None), slice(None))
    ct_grid = painted.crop((ct_part, slice(0, painted.shape[1]), slice(0, painted.shape[2])))
    tissue = scene.tissue[box]
    ct = add_ct_noise(scene.hu[box], tissue, ct_grid, spec)
    on_pet = resample_labels(LabelMap(lesions, painted.moved(shift)), pet_grid)
    truth = known_truth(spec, painted, ct_part, (liver, lesions, masks), (hu, suv))
    return PhantomStudy(
        spec,
        Volume(ct, ct_grid, Quantity.HU),
        pet,
        LabelMap(tissue, ct_grid),
        LabelMap(liver[box].astype(np.uint8), ct_grid),
        LabelMap(lesions[box], ct_grid),
        on_pet,
        truth,
    )


def _tidy_liver(scene: Painting) -> npt.NDArray[np.bool_]:
    """The liver in one piece; fragments cut off by neighbours become fat."""
    mask = (scene.tissue >= Tissue.LIVER) & (scene.tissue <= Tissue.HEPATIC_VEIN)
    if not mask.any():
        return mask
    liver = largest_piece(mask)
    scene.tissue[mask & ~liver] = Tissue.FAT
    return liver


def _uptake(
    anatomy: Anatomy, scene: Painting, masks: LesionMasks | None, suv: dict[Tissue, float], spec: PhantomSpec
) -> npt.NDArray[np.float32]:
    """True uptake per voxel of the painted grid, where the CT shows it."""
    table = np.array([suv[tissue] for tissue in Tissue], dtype=np.float32)
    uptake = table[scene.tissue]
    found = ndimage.find_objects((scene.tissue == Tissue.LIVER).astype(np.uint8))
    if found and spec.liver.uptake_texture > 0:
        box = found[0]
        normal = scene.tissue[box] == Tissue.LIVER
        pattern = field_on(anatomy.space, anatomy.space.noise("liver uptake", 40), scene.geometry, box)
        pattern = pattern - pattern[normal].mean()
        uptake[box] *= np.where(normal, 1 + np.float32(spec.liver.uptake_texture) * pattern, 1).astype(np.float32)
    if masks is not None:
        values = np.array([0.0, *(blob.spec.contrast for blob in masks.blobs)], dtype=np.float32) * suv[Tissue.LIVER]
        part = uptake[masks.box]
        inside = masks.labels > 0
        part[inside] = values[masks.labels[inside]]
        part[masks.core] = _CORE_CONTRAST * suv[Tissue.LIVER]
    return uptake


def _pet(anatomy: Anatomy, uptake: Volume, liver: npt.NDArray[np.bool_], grid: Geometry, spec: PhantomSpec) -> Volume:
    """The PET as it would be stored: moved by breathing, blurred, noisy, rounded to the stored whole numbers."""
    scanner = spec.scanner
    per_suv = timing(spec).suv_to_bqml / spec.patient.weight_kg
    moved = breathe(anatomy, uptake, liver, scanner.breathing_shift_mm)
    activity = moved.with_array(moved.array * np.float32(per_suv), Quantity.BQML)
    reference = draw_suv(spec)[Tissue.LIVER] * per_suv
    physics = PetPhysics(scanner.pet_resolution_mm, scanner.pet_liver_cov, reference, scanner.pet_noise_correlation_mm)
    pet = simulate_pet(activity, grid, physics, stream(spec.seed, "pet noise"))
    slopes = pet_slopes(pet.array.astype(np.float32, copy=False))
    stored = np.rint(pet.array / slopes[:, None, None])
    return pet.with_array((stored * slopes[:, None, None]).astype(np.float32))


# --- the study as the pipeline takes it --------------------------------------------------------------------------


def study_volumes(study: PhantomStudy) -> StudyVolumes:
    """The study as it would be loaded from its DICOM files: PET in SUVbw, float32."""
    return as_loaded(study.spec, study.pet, study.ct)


def as_loaded(spec: PhantomSpec, activity: Volume, ct: Volume | None) -> StudyVolumes:
    """A PET in Bq/ml and its CT as they would be loaded from DICOM files: the PET in SUVbw, float32."""
    clock = timing(spec)
    inputs = SuvInputs(
        decay_correction=DecayCorrection.START,
        weight_kg=spec.patient.weight_kg,
        dose_bq=clock.injected_activity_bq,
        half_life_s=HALF_LIFE_68GA_S,
        injection=clock.injection,
        series=clock.scan,
        frames=(frame_timing(spec),) * activity.geometry.shape[0],
        sources={name: "phantom" for name in ("weight_kg", "dose_bq", "half_life_s", "injection", "series")},
    )
    arithmetic = suvbw_arithmetic(inputs)
    (slope,) = arithmetic.voxel_factors
    pet = activity.with_array((activity.array * np.float32(slope)).astype(np.float32), Quantity.SUVBW)
    identity = StudyIdentity(
        study_instance_uid=phantom_uid(spec, "study"),
        study_date=clock.scan.date().isoformat(),
        study_description="Phantom 68Ga-DOTATATE PET/CT",
        pet=_identity(spec, activity, "PT"),
        ct=None if ct is None else _identity(spec, ct, "CT"),
    )
    return StudyVolumes(pet, ct, identity, _acquisition(spec, clock), arithmetic)


def _identity(spec: PhantomSpec, volume: Volume, modality: str) -> SeriesIdentity:
    name = "ct" if modality == "CT" else "pet"
    return SeriesIdentity(
        modality="CT" if modality == "CT" else "PT",
        series_instance_uid=phantom_uid(spec, name),
        series_number=2 if modality == "CT" else 3,
        description="CT abdomen" if modality == "CT" else "PET AC abdomen",
        sop_class_uid=CT_SOP_CLASS if modality == "CT" else PET_SOP_CLASS,
        frame_of_reference_uid=volume.geometry.frame_of_reference_uid,
        shape=volume.geometry.shape,
        spacing_mm=volume.geometry.spacing_mm,
        slice_thickness_mm=volume.geometry.spacing_mm[0],
        sop_instance_uids=tuple(phantom_uid(spec, name, k) for k in range(volume.geometry.shape[0])),
        pixel_sha256=array_sha256(volume.array),
        chosen_because="the only series of its modality",
    )


def _acquisition(spec: PhantomSpec, clock: Timing) -> Acquisition:
    return Acquisition(
        manufacturer="dotaliver",
        model="phantom",
        tracer="DOTATATE",
        tracer_is_sstr=True,
        nuclide="68Ga",
        injected_activity_mbq=clock.injected_activity_bq / 1e6,
        injection=clock.injection,
        scan_start=clock.scan,
        uptake_time_min=(clock.scan - clock.injection).total_seconds() / 60,
        units="BQML",
        decay_correction="START",
        attenuation_corrected=True,
        scatter_corrected=True,
        corrections=("DECY", "ATTN", "SCAT", "DTIM", "RAN", "NORM"),
        reconstruction="OSEM",
        patient_weight_kg=spec.patient.weight_kg,
        patient_height_m=spec.patient.height_m,
        patient_sex=spec.patient.sex,
        patient_position="HFS",
        ct_contrast_agent=None if spec.scanner.contrast_phase == "native" else "Iodinated contrast",
        ct_kvp=120.0,
    )
