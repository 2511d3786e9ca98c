"""One phantom study: from a specification to CT, PET and everything that is known about them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from dotaliver.geometry import Geometry, Vector
from dotaliver.itkimage import resample_labels
from dotaliver.phantom.anatomy import Anatomy, Painting, Tissue, field_on, largest_piece, paint, shape_anatomy
from dotaliver.phantom.breathing import breathe
from dotaliver.phantom.lesions import LesionMasks, draw_lesions, place_lesions
from dotaliver.phantom.physics import PetPhysics, add_ct_noise, draw_hu, draw_suv, simulate_pet
from dotaliver.phantom.shapes import stream
from dotaliver.phantom.spec import PhantomSpec
from dotaliver.phantom.truth import LesionTruth, PhantomTruth, expected_exc4, expected_inc7
from dotaliver.records import Acquisition, SeriesIdentity, StudyIdentity, StudyVolumes
from dotaliver.suv import DecayCorrection, FrameTiming, SuvInputs, decay_factor, frame_decay_reference, suvbw_arithmetic
from dotaliver.volume import LabelMap, Quantity, Volume, array_sha256

__all__ = ["HALF_LIFE_68GA_S", "PhantomStudy", "Timing", "make_phantom", "phantom_uid", "study_volumes", "timing"]

HALF_LIFE_68GA_S = 4062.6  # 67.71 min (Nuclear Data Sheets, A = 68)
FRAME_DURATION_S = 180.0
CT_SOP_CLASS = "1.2.840.10008.5.1.4.1.1.2"
PET_SOP_CLASS = "1.2.840.10008.5.1.4.1.1.128"

_LIVER_TISSUES = (Tissue.LIVER, Tissue.PORTAL_BRANCH, Tissue.HEPATIC_VEIN)
_CORE_HU, _CORE_CONTRAST = 24.0, 0.15
_WORKING_STEP_MM = {"clinical": 2.5, "small": 4.0}
_STORED_MAXIMUM = 32767


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


@dataclass(frozen=True)
class Timing:
    """Dose and clock of the PET."""

    injected_activity_bq: float
    injection: datetime
    scan: datetime

    @property
    def suv_to_bqml(self) -> float:
        """Bq/ml per SUV, times kilograms of body weight."""
        left = decay_factor((self.scan - self.injection).total_seconds(), HALF_LIFE_68GA_S)
        return self.injected_activity_bq * left / 1000.0


def timing(spec: PhantomSpec) -> Timing:
    """Dose and clock, drawn from the specification's ranges; whole MBq tenths and seconds."""
    rng = stream(spec.seed, "timing")
    dose_bq = round(float(rng.uniform(*spec.scanner.injected_activity_mbq)), 1) * 1e6
    minutes = float(rng.uniform(*spec.scanner.uptake_time_min))
    injection = datetime(2024, 3, 4, 9, 0, 0) + timedelta(
        days=int(rng.integers(0, 300)), seconds=int(rng.integers(0, 14400))
    )
    return Timing(dose_bq, injection, injection + timedelta(seconds=round(minutes * 60)))


def phantom_uid(spec: PhantomSpec, *parts: str | int) -> str:
    """A DICOM UID that the specification and the named part give, always the same."""
    from pydicom.uid import generate_uid

    return str(
        generate_uid(prefix="1.2.826.0.1.3680043.8.498.", entropy_srcs=[spec.model_dump_json(), *map(str, parts)])
    )


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
    """The grid that is painted (CT voxels, over the fields of CT and PET and the whole liver), the CT's part, the PET's."""
    s = spec.scanner
    uid = phantom_uid(spec, "frame of reference")
    ct_count = max(round((s.ct_top_mm - s.ct_bottom_mm) / s.ct_slice_mm), 1)
    below = max(int(np.ceil((s.ct_bottom_mm - min(s.pet_bottom_mm - 20, -170)) / s.ct_slice_mm)), 0)
    reached = s.ct_bottom_mm + ct_count * s.ct_slice_mm
    above = max(int(np.ceil((max(s.pet_top_mm + 20, 125) - reached) / s.ct_slice_mm)), 0)
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
        _paint_lesions(scene, masks, hu[Tissue.LIVER], spec)
    uptake = _uptake(anatomy, scene, masks, suv, spec)
    shift: Vector = (0.0, 0.0, -spec.scanner.breathing_shift_mm)
    pet = _pet(anatomy, Volume(uptake, painted, Quantity.SUVBW), liver, pet_grid, spec)
    box = (ct_part, slice(None), slice(None))
    ct_grid = painted.crop((ct_part, slice(0, painted.shape[1]), slice(0, painted.shape[2])))
    tissue = scene.tissue[box]
    ct = add_ct_noise(scene.hu[box], tissue, ct_grid, spec)
    on_pet = resample_labels(LabelMap(lesions, painted.moved(shift)), pet_grid)
    truth = _truth(spec, painted, ct_part, (liver, lesions, masks), (hu, suv))
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
    """The liver in one piece; crumbs that neighbours cut off become fat."""
    mask = (scene.tissue >= Tissue.LIVER) & (scene.tissue <= Tissue.HEPATIC_VEIN)
    if not mask.any():
        return mask
    liver = largest_piece(mask)
    scene.tissue[mask & ~liver] = Tissue.FAT
    return liver


def _paint_lesions(scene: Painting, masks: LesionMasks, liver_hu: float, spec: PhantomSpec) -> None:
    """Lay the lesions' CT numbers into the painting, with soft borders, and mark their voxels."""
    rng = stream(spec.seed, "lesion hu")
    kinds = [blob.spec for blob in masks.blobs]
    hu = np.array([0.0, *(kind.hu_difference for kind in kinds)], dtype=np.float32) + np.float32(liver_hu)
    speckle = np.array([0.0, *(kind.speckle_hu for kind in kinds)], dtype=np.float32)
    inside = masks.labels > 0
    wide = ndimage.grey_dilation(masks.labels, size=(3, 3, 3))
    label = np.where(inside, masks.labels, wide)
    voxel = max(float(np.mean(scene.geometry.spacing_mm)), 1.0)
    share = np.clip(0.5 - masks.border_mm / np.float32(voxel), 0, 1)
    tissue, image = scene.tissue[masks.box], scene.hu[masks.box]
    parenchyma = (tissue >= Tissue.LIVER) & (tissue <= Tissue.HEPATIC_VEIN)
    share *= parenchyma & (label > 0)
    value = hu[label]
    if speckle.any():
        grain = ndimage.gaussian_filter(rng.standard_normal(value.shape, dtype=np.float32), 1.0)
        value = value + speckle[label] * np.abs(grain) / grain.std()
    value = np.where(masks.core, np.float32(min(_CORE_HU, liver_hu - 15)), value)
    image += share * (value - image)
    tissue[inside] = Tissue.LIVER_LESION


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
    slopes = pet_slopes(pet.array)
    stored = np.rint(pet.array / slopes[:, None, None])
    return pet.with_array((stored * slopes[:, None, None]).astype(np.float32))


def pet_slopes(array: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Rescale slope of each slice, as the decimal text of at most 16 characters that DICOM stores.

    Six digits are kept, so that slopes found again from the rounded voxels are the same.
    """
    highest = array.max(axis=(1, 2)).astype(np.float64)
    return np.array([float(f"{h / _STORED_MAXIMUM:.5e}") if h > 0 else 1.0 for h in highest])


def _truth(
    spec: PhantomSpec,
    painted: Geometry,
    ct_part: slice,
    found: tuple[npt.NDArray[np.bool_], npt.NDArray[np.uint16], LesionMasks | None],
    drawn: tuple[dict[Tissue, float], dict[Tissue, float]],
) -> PhantomTruth:
    liver, lesions, masks = found
    hu, suv = drawn
    clock = timing(spec)
    voxel_ml = painted.voxel_volume_ml
    in_ct = liver[ct_part]
    liver_ml, whole_ml = float(in_ct.sum()) * voxel_ml, float(liver.sum()) * voxel_ml
    tumour_ml = float(np.count_nonzero(lesions[ct_part])) * voxel_ml
    burden = tumour_ml / liver_ml if liver_ml else 0.0
    listed = (
        () if masks is None else _lesion_truths(spec, painted, ct_part, masks, (hu[Tissue.LIVER], suv[Tissue.LIVER]))
    )
    return PhantomTruth(
        preset=spec.name,
        seed=spec.seed,
        matrix=spec.matrix,
        liver_ml=liver_ml,
        liver_ml_whole=whole_ml,
        liver_in_ct_field=liver_ml / whole_ml if whole_ml else 0.0,
        tumour_ml=tumour_ml,
        burden=burden,
        liver_suv=suv[Tissue.LIVER],
        liver_hu=hu[Tissue.LIVER],
        lesions=listed,
        pet_shift_lps_mm=(0.0, 0.0, -spec.scanner.breathing_shift_mm),
        organ_suv={tissue.name.lower(): value for tissue, value in suv.items() if tissue is not Tissue.LIVER_LESION},
        injected_activity_mbq=clock.injected_activity_bq / 1e6,
        uptake_time_min=(clock.scan - clock.injection).total_seconds() / 60,
        weight_kg=spec.patient.weight_kg,
        height_m=spec.patient.height_m,
        expected={"INC7": expected_inc7(listed), "EXC4": expected_exc4(burden)},
    )


def _lesion_truths(
    spec: PhantomSpec, painted: Geometry, ct_part: slice, masks: LesionMasks, liver_values: tuple[float, float]
) -> tuple[LesionTruth, ...]:
    liver_hu, liver_suv = liver_values
    start = np.array([part.start for part in masks.box])
    shift = np.array([0.0, 0.0, -spec.scanner.breathing_shift_mm])
    result = []
    for label, box in enumerate(ndimage.find_objects(masks.labels.astype(np.int32)), start=1):
        own = masks.labels[box] == label
        index = np.argwhere(own) + [part.start for part in box] + start
        centre = painted.index_to_lps(index.mean(axis=0))
        kind = masks.blobs[label - 1].spec
        volume_ml = len(index) * painted.voxel_volume_ml
        core_ml = float(np.count_nonzero(masks.core[box] & own)) * painted.voxel_volume_ml
        slices = index[:, 0]
        result.append(
            LesionTruth(
                label=label,
                diameter_mm=float(np.cbrt(6000 * volume_ml / np.pi)),
                volume_ml=volume_ml,
                suv=kind.contrast * liver_suv,
                contrast=kind.contrast,
                centre_lps_mm=tuple(centre.tolist()),
                centre_on_pet_lps_mm=tuple((centre + shift).tolist()),
                hu=liver_hu + kind.hu_difference,
                cold=kind.cold,
                necrotic_core=core_ml > 0,
                necrotic_core_ml=core_ml,
                in_ct_field=bool(((slices >= ct_part.start) & (slices < ct_part.stop)).all()),
            )
        )
    return tuple(result)


# --- the study as the pipeline takes it --------------------------------------------------------------------------


def study_volumes(study: PhantomStudy) -> StudyVolumes:
    """The study as loading its DICOM files would give it, without files: PET in SUVbw, float32."""
    spec, clock = study.spec, timing(study.spec)
    frame = FrameTiming(acquisition=clock.scan, duration_s=FRAME_DURATION_S, reference_s=0.0)
    back_s = (frame_decay_reference(frame, HALF_LIFE_68GA_S) - clock.scan).total_seconds()
    frame = frame.model_copy(update={"reference_s": back_s})
    inputs = SuvInputs(
        decay_correction=DecayCorrection.START,
        weight_kg=spec.patient.weight_kg,
        dose_bq=clock.injected_activity_bq,
        half_life_s=HALF_LIFE_68GA_S,
        injection=clock.injection,
        series=clock.scan,
        frames=(frame,) * study.pet.geometry.shape[0],
        sources={name: "phantom" for name in ("weight_kg", "dose_bq", "half_life_s", "injection", "series")},
    )
    arithmetic = suvbw_arithmetic(inputs)
    slope = arithmetic.slope_per_bqml or 0.0
    pet = study.pet.with_array((study.pet.array * np.float32(slope)).astype(np.float32), Quantity.SUVBW)
    identity = StudyIdentity(
        study_instance_uid=phantom_uid(spec, "study"),
        study_date=clock.scan.date().isoformat(),
        study_description="Phantom 68Ga-DOTATATE PET/CT",
        pet=_identity(spec, study.pet, "PT"),
        ct=_identity(spec, study.ct, "CT"),
    )
    return StudyVolumes(pet, study.ct, identity, _acquisition(spec, clock), arithmetic)


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
