"""A patient with two tracers: the FDG PET/CT of a phantom whose 68Ga-DOTATATE PET/CT there is.

The anatomy is the same, voxel for voxel; uptake, noise, breathing, day and position on the table are those of a second
examination.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

from dotaliver.image.geometry import Geometry, Vector
from dotaliver.image.volume import LabelMap, Volume, array_sha256
from dotaliver.phantom.body import BodyPhantom, make_body
from dotaliver.phantom.body_spec import BodySpec, BodyUptake
from dotaliver.phantom.clock import FRAME_DURATION_S, HALF_LIFE_68GA_S, phantom_uid, timing
from dotaliver.phantom.spec import LesionSpec, PhantomSpec, UptakeSpec
from dotaliver.phantom.study import PhantomStudy, make_phantom
from dotaliver.phantom.writer import write_images
from dotaliver.records.study import SeriesIdentity, StudyVolumes
from dotaliver.suv.arithmetic import FrameTiming, decay_factor, frame_decay_reference

__all__ = [
    "FDG_BODY",
    "FDG_UPTAKE",
    "HALF_LIFE_18F_S",
    "TABLE_MM",
    "fdg_body",
    "fdg_lesions",
    "fdg_study",
    "write_fdg_images",
]

HALF_LIFE_18F_S = 6586.2  # 109.77 min (Nuclear Data Sheets, A = 18)
TABLE_MM: Vector = (9.0, -6.0, 31.0)
"""How far the patient lies from the place of the first examination."""
_FDG_BREATHING_MM = 2.0
# FDG uptake over normal liver of lesions without receptors, and of the avid ones with receptors.
_COLD_AVIDITY, _AVIDITY = 4.0, 2.0
_FDG_NAME = "Fluorodeoxyglucose F^18^"

FDG_UPTAKE = UptakeSpec(
    liver=(1.9, 2.6),
    spleen=(1.5, 2.0),
    kidney_cortex=(2.0, 3.0),
    kidney_medulla=(2.0, 3.0),
    adrenal=(1.2, 1.8),
    stomach_wall=(1.4, 2.4),
    bowel_wall=(1.0, 2.0),
    hot_bowel=(1.8, 3.2),
    bowel_content=(0.5, 1.0),
    pancreas=(1.2, 1.8),
    gallbladder=(0.6, 1.2),
    blood=(1.4, 1.9),
    heart=(2.0, 9.0),
    muscle=(0.5, 0.8),
    marrow=(0.9, 1.4),
    bone=(0.5, 0.8),
    lung=(0.3, 0.5),
    fat=(0.2, 0.35),
    fluid=(0.4, 0.8),
)
"""SUVmean of fasting adults. Liver: within the 1.3 to 3.0 that the EANM expects of an FDG scan; the others are usual
values relative to it (blood pool below, marrow and spleen below, myocardium anything)."""
FDG_BODY = BodyUptake(
    pituitary=(2.0, 3.5),
    salivary=(1.4, 2.4),
    thyroid=(1.0, 1.6),
    urine=(6.0, 40.0),
    prostate=(1.2, 2.0),
    uterus=(1.2, 2.2),
    uncinate=(1.2, 1.8),
    degenerative=(1.2, 2.0),
    injection=(8.0, 40.0),
    brain=(7.0, 11.0),
    brown_fat=(4.0, 12.0),
)
"""The same outside the upper abdomen; of the glands, brain and urine alone are hotter than liver, and active brown fat
as hot as tumour."""


def fdg_body(spec: BodySpec, *, days: int = 20, table_mm: Vector = TABLE_MM) -> BodyPhantom:
    """The FDG scan of a body phantom, ``days`` after the other one.

    Each lesion takes up its `BodyLesionSpec.fdg_suv`. The truth lies where this scan shows it.

    Parameters
    ----------
    spec : BodySpec
        Of the 68Ga-DOTATATE scan.
    days : int
        Until the FDG scan; negative: it came first.
    table_mm : tuple of float
        How far the patient lies from where the first scan shows him, LPS in mm.
    """
    scanner = spec.trunk.scanner.model_copy(update={"breathing_shift_mm": _FDG_BREATHING_MM})
    name = f"{spec.trunk.name} FDG"
    trunk = spec.trunk.model_copy(update={"uptake": FDG_UPTAKE, "scanner": scanner, "name": name})
    lesions = tuple(n.model_copy(update={"suv": n.fdg_suv}) for n in spec.lesions)
    made = make_body(spec.model_copy(update={"trunk": trunk, "uptake": FDG_BODY, "lesions": lesions, "scan": "FDG"}))
    return replace(
        made,
        volumes=_as_fdg(made.volumes, trunk, days, table_mm),
        organs=_placed(made.organs, trunk, table_mm),
        liver=_placed(made.liver, trunk, table_mm),
        lesions=_placed(made.lesions, trunk, table_mm),
        placed=tuple(replace(p, centre_lps_mm=_moved(p.centre_lps_mm, table_mm)) for p in made.placed),
    )


def _moved(place: Vector, shift: Vector) -> Vector:
    return (place[0] + shift[0], place[1] + shift[1], place[2] + shift[2])


def _frame(trunk: PhantomSpec) -> str:
    return phantom_uid(trunk, "FDG frame of reference")


def _grid(geometry: Geometry, trunk: PhantomSpec, table_mm: Vector) -> Geometry:
    return replace(geometry.moved(table_mm), frame_of_reference_uid=_frame(trunk))


def _placed(labels: LabelMap, trunk: PhantomSpec, table_mm: Vector) -> LabelMap:
    return LabelMap(labels.array, _grid(labels.geometry, trunk, table_mm))


def _as_fdg(volumes: StudyVolumes, trunk: PhantomSpec, days: int, table_mm: Vector) -> StudyVolumes:
    """Images as they would be loaded from an FDG study: tracer, day, frame of reference."""

    def image(volume: Volume) -> Volume:
        return volume.placed(_grid(volume.geometry, trunk, table_mm))

    def series(found: SeriesIdentity) -> SeriesIdentity:
        return found.model_copy(update={"frame_of_reference_uid": _frame(trunk)})

    identity, acquisition = volumes.identity, volumes.acquisition
    day = date.fromisoformat(identity.study_date or "2024-03-04") + timedelta(days=days)
    pet = image(volumes.pet)
    changes = {
        "study_instance_uid": phantom_uid(trunk, "FDG study"),
        "study_date": day.isoformat(),
        "study_description": "Phantom 18F-FDG PET/CT",
        "pet": series(identity.pet).model_copy(update={"pixel_sha256": array_sha256(pet.array)}),
        "ct": None if identity.ct is None else series(identity.ct),
    }
    return replace(
        volumes,
        pet=pet,
        ct=None if volumes.ct is None else image(volumes.ct),
        identity=identity.model_copy(update=changes),
        acquisition=acquisition.model_copy(
            update={"tracer": _FDG_NAME, "tracer_is_sstr": False, "nuclide": "18F", "scan_start": None}
        ),
    )


# --- the liver phantom, as DICOM -------------------------------------------------------------------------------------


def fdg_lesions(spec: PhantomSpec) -> tuple[LesionSpec, ...]:
    """The lesions of a liver phantom as FDG shows them: those without receptors avid, and of the others every third.

    FDG-avid lesions without receptors take up four times as much as liver, those with receptors twice.
    """
    return tuple(
        n.model_copy(update={"contrast": _COLD_AVIDITY if n.cold else _AVIDITY if k % 3 == 0 else 1.0})
        for k, n in enumerate(spec.lesions)
    )


def fdg_study(spec: PhantomSpec, lesions: tuple[LesionSpec, ...]) -> PhantomStudy:
    """The FDG scan of a liver phantom; ``lesions`` are those of the specification with their contrast on FDG."""
    scanner = spec.scanner.model_copy(update={"breathing_shift_mm": _FDG_BREATHING_MM})
    changes = {"uptake": FDG_UPTAKE, "lesions": lesions, "scanner": scanner, "name": f"{spec.name} FDG"}
    return make_phantom(spec.model_copy(update=changes))


def write_fdg_images(study: PhantomStudy, of: PhantomSpec, folder: Path, *, days: int = 20) -> None:
    """Write an FDG study as DICOM, as `dotaliver.phantom.writer.write_images`, of the same patient as another phantom.

    Parameters
    ----------
    study : PhantomStudy
        From `fdg_study`.
    of : PhantomSpec
        The phantom of the 68Ga-DOTATATE study.
    folder : pathlib.Path
        Where ``ct`` and ``pet`` are made.
    days : int
        How long after the other scan.
    """
    import pydicom

    write_images(study, folder)
    for path in sorted(folder.glob("*/*.dcm")):
        ds = pydicom.dcmread(path)
        ds.PatientID = f"PHANTOM-{of.name}-{of.seed}"
        ds.StudyDescription = "Phantom 18F-FDG PET/CT"
        for keyword in ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"):
            day = timing(study.spec).scan.date() + timedelta(days=days)
            setattr(ds, keyword, day.strftime("%Y%m%d"))
        if ds.Modality == "PT":
            _name_fdg(ds, study.spec, days)
        ds.save_as(path, enforce_file_format=True)


def _name_fdg(ds: object, spec: PhantomSpec, days: int) -> None:
    """Tracer, nuclide, dose and clock of 18F, with which the stored Bq/ml keep their SUV."""
    from pydicom.dataset import Dataset

    assert isinstance(ds, Dataset)
    clock = timing(spec)
    waited = (clock.scan - clock.injection).total_seconds()
    dose_bq = (
        clock.injected_activity_bq * decay_factor(waited, HALF_LIFE_68GA_S) / decay_factor(waited, HALF_LIFE_18F_S)
    )
    (item,) = ds.RadiopharmaceuticalInformationSequence
    item.Radiopharmaceutical = "FDG -- fluorodeoxyglucose"
    item.RadiopharmaceuticalStartDateTime = (clock.injection + timedelta(days=days)).strftime("%Y%m%d%H%M%S")
    item.RadionuclideTotalDose = f"{dose_bq:.9g}"
    item.RadionuclideHalfLife = f"{HALF_LIFE_18F_S:.9g}"
    item.RadionuclidePositronFraction = "0.967"
    (nuclide,) = item.RadionuclideCodeSequence
    nuclide.CodeValue, nuclide.CodingSchemeDesignator, nuclide.CodeMeaning = "77004003", "SCT", "^18^Fluorine"
    (tracer,) = item.RadiopharmaceuticalCodeSequence
    tracer.CodeValue, tracer.CodingSchemeDesignator, tracer.CodeMeaning = "35321007", "SCT", _FDG_NAME
    frame = FrameTiming(acquisition=clock.scan, duration_s=FRAME_DURATION_S, reference_s=0.0)
    reference_s = (frame_decay_reference(frame, HALF_LIFE_18F_S) - clock.scan).total_seconds()
    ds.FrameReferenceTime = f"{1000 * reference_s:.9g}"
