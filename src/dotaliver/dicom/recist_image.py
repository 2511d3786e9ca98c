"""The diagnostic CT that a user names for diameters: another series, study or frame of reference than the PET's CT."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from dotaliver.config.scoring import ScoringConfig
from dotaliver.dicom.choice.fitness import named_series, unfit
from dotaliver.dicom.choice.pet import SeriesChoice, set_aside_flags
from dotaliver.dicom.files.elements import joined
from dotaliver.dicom.files.headers import CT_CLASS, SeriesHeaders, StudyIndex
from dotaliver.dicom.files.stack import stack_of
from dotaliver.dicom.pet.acquisition import grid_flags
from dotaliver.dicom.pixels.lazy import ct_image_of
from dotaliver.dicom.study import series_identity
from dotaliver.errors import StudyError
from dotaliver.records.study import StudyVolumes

__all__ = ["choose_recist_image", "with_recist_image"]


def choose_recist_image(index: StudyIndex, choice: SeriesChoice, wanted: str) -> SeriesHeaders:
    """The CT series that a user names by number or UID.

    Raises
    ------
    StudyError
        Where there is none, it is no volume, it is the PET's own CT, there is no such CT to bring lesions over
        from, or it is of another patient.
    """
    series = named_series(index.of_modality("CT"), wanted, "CT")
    name = series.name
    why = unfit(series, CT_CLASS)
    if why is not None:
        msg = f"{name} cannot be used for RECIST: {why}"
        raise StudyError(msg)
    if choice.ct is None:
        msg = (
            f"--recist-image {wanted}: the PET has no CT of its own to bring its lesions over from; name one with --ct"
        )
        raise StudyError(msg)
    if series.uid == choice.ct.uid:
        msg = f"--recist-image {wanted}: {name} is the PET's own CT, which is measured anyway; leave the option out"
        raise StudyError(msg)
    patients = {joined(s.first, "PatientID") for s in (choice.pet, series)} - {None}
    if len(patients) > 1:
        msg = f"--recist-image {wanted}: {name} has another Patient ID than the PET; name a CT of the same patient"
        raise StudyError(msg)
    return series


def with_recist_image(
    volumes: StudyVolumes,
    series: SeriesHeaders,
    config: ScoringConfig,
    progress: Callable[[str], None],
    memory_bytes: int | None = None,
) -> StudyVolumes:
    """The study with the diagnostic CT read, in HU on its own grid.

    Doubts about the slices of the PET's CT give way to those of the CT that is measured.
    """
    stack = stack_of(series)
    progress(f"reading {series.name}: {len(stack.slices)} slices")
    ct = ct_image_of(stack, memory_bytes, progress)
    identity = volumes.identity.model_copy(
        update={"recist_image": series_identity(stack, ct.sha256(), "named by the user for diameters")}
    )
    thick = tuple(
        f for f in grid_flags(volumes.pet.geometry, ct.geometry, config.acquisition) if f not in volumes.flags
    )
    return replace(
        volumes, recist_image=ct, identity=identity, flags=(*volumes.flags, *set_aside_flags([series]), *thick)
    )
