"""The diagnostic CT or MR that a user names for diameters: another series, study or frame of reference than the PET."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from fnmatch import fnmatchcase

from dotaliver.config.scoring import ScoringConfig
from dotaliver.dicom.choice.fitness import named_series, unfit
from dotaliver.dicom.choice.mr import unfit_mr
from dotaliver.dicom.choice.patient import other_patient, stated
from dotaliver.dicom.choice.pet import SeriesChoice, set_aside_flags
from dotaliver.dicom.files.headers import CT_CLASS, SeriesHeaders, StudyIndex
from dotaliver.dicom.files.stack import stack_of
from dotaliver.dicom.pixels.lazy import ct_image_of, mr_image_of
from dotaliver.dicom.study import series_identity
from dotaliver.errors import StudyError
from dotaliver.records.flags import Flag, raise_flag
from dotaliver.records.study import StudyVolumes

__all__ = ["choose_recist_image", "with_recist_image"]

# Spacings are stored as rounded decimals: 5.5 must not count as over 5.5.
_ROUNDING_MM = 1e-3


def choose_recist_image(index: StudyIndex, choice: SeriesChoice, wanted: str) -> SeriesHeaders:
    """The CT or MR series that a user names by number, UID or description.

    A description may hold ``*`` and ``?``, and upper and lower case are one; the PET's own CT is not meant by it.

    Raises
    ------
    StudyError
        Where there is none, it is no volume that can be measured on, it is the PET's own CT, there is no such CT to
        bring lesions over from, or it is of another patient.
    """
    there = (*index.of_modality("CT"), *index.of_modality("MR"))
    series = _described(there, choice, wanted) or named_series(there, wanted, "CT or MR")
    name = series.name
    why = unfit_mr(series) if series.modality == "MR" else unfit(series, CT_CLASS)
    if why is not None:
        msg = f"{name} cannot be used for RECIST: {why}"
        raise StudyError(msg)
    if choice.ct is None and series.modality == "CT":
        msg = (
            f"--recist-image {wanted}: the PET has no CT of its own to bring its lesions over from; name one with --ct"
        )
        raise StudyError(msg)
    if choice.ct is not None and series.uid == choice.ct.uid:
        msg = f"--recist-image {wanted}: {name} is the PET's own CT, which is measured anyway; leave the option out"
        raise StudyError(msg)
    _require_one_patient(choice.pet, series, wanted)
    return series


def _described(there: tuple[SeriesHeaders, ...], choice: SeriesChoice, wanted: str) -> SeriesHeaders | None:
    """The series whose description matches, unless one has this number or UID; None where none matches."""
    if any(wanted in {series.uid, series.short_name} for series in there):
        return None
    own = None if choice.ct is None else choice.ct.uid
    pattern = wanted.casefold()
    found = [s for s in there if s.uid != own and fnmatchcase((s.description or "").casefold(), pattern)]
    if len(found) > 1:
        names = ", ".join(s.short_name for s in found)
        msg = (
            f"--recist-image {wanted}: the descriptions of {len(found)} series match ({names}); name one by its number "
            "or UID, or give a closer description"
        )
        raise StudyError(msg)
    return found[0] if found else None


def _require_one_patient(pet: SeriesHeaders, series: SeriesHeaders, wanted: str) -> None:
    """Refuse a series of which any slice names another patient than the PET does."""
    words = other_patient(pet, series)
    if words is not None:
        msg = (
            f"--recist-image {wanted}: {series.name} has another {words} than the PET; name a CT or MR of the same "
            "patient"
        )
        raise StudyError(msg)


def with_recist_image(
    volumes: StudyVolumes,
    series: SeriesHeaders,
    config: ScoringConfig,
    progress: Callable[[str], None],
    memory_bytes: int | None = None,
) -> StudyVolumes:
    """The study with the diagnostic CT (in HU) or MR (in units of signal) read, on its own grid."""
    stack = stack_of(series)
    progress(f"reading {series.name}: {len(stack.slices)} slices")
    read = mr_image_of if series.modality == "MR" else ct_image_of
    image = read(stack, memory_bytes, progress)
    found = series_identity(stack, image.sha256(), "named by the user for diameters")
    identity = volumes.identity.model_copy(update={"recist_image": found})
    flags = (*set_aside_flags([series]), *_new_flags(volumes, series, image.geometry.spacing_mm[0], config))
    return replace(volumes, recist_image=image, identity=identity, flags=(*volumes.flags, *flags))


def _new_flags(volumes: StudyVolumes, series: SeriesHeaders, slice_mm: float, config: ScoringConfig) -> Iterable[Flag]:
    """What this series adds to the caveats about slices and identity."""
    known = set(volumes.flags)
    limit = config.acquisition.slice_limit_mm
    if slice_mm > limit + _ROUNDING_MM:
        flag = raise_flag("SLICES_THICK", modality=series.modality, mm=slice_mm, limit=limit)
        if flag not in known:
            yield flag
    missing = raise_flag("PATIENT_IDENTITY_MISSING")
    if not stated(series, "PatientID") and missing not in known:
        yield missing
