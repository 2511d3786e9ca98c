"""The FDG PET/CT of the same patient: which series it is, and whether it can be compared with the receptor scan."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import NoReturn

from dotaliver.config.scoring import AssumedValues, ScoringConfig
from dotaliver.dicom.choice.patient import other_patient, stated
from dotaliver.dicom.choice.pet import SeriesChoice, choose_series
from dotaliver.dicom.files.elements import text
from dotaliver.dicom.files.headers import SeriesHeaders, StudyIndex, index_folder
from dotaliver.dicom.files.moments import parse_date
from dotaliver.dicom.pet.tracer import is_fdg, nuclide_of, one_radiopharmaceutical, tracer_of
from dotaliver.dicom.study import load_chosen
from dotaliver.errors import DotaliverError, StudyError, SuvError
from dotaliver.records.flags import Flag, raise_flag
from dotaliver.records.study import StudyVolumes
from dotaliver.records.tracer_name import tracer_name

__all__ = ["FdgPet", "choose_fdg", "days_between", "describe_fdg_pets", "with_fdg"]

_OPTION = "--fdg"


@dataclass(frozen=True)
class FdgPet:
    """One FDG PET of a folder, and whether it can be compared with the PET that is scored.

    ``days`` counts from the PET that is scored to this one; None where either date is unknown or no PET was chosen.
    """

    series: SeriesHeaders
    study_date: date | None
    days: int | None
    usable: bool
    reason: str


def choose_fdg(folder: Path, scored: SeriesChoice, config: ScoringConfig) -> SeriesChoice:
    """The PET and CT of the FDG scan in a folder, which may hold other studies of the patient too.

    Parameters
    ----------
    folder : Path
        DICOM files in any order and nesting.
    scored : SeriesChoice
        The study that is scored.
    config : ScoringConfig
        Which tracers are somatostatin-receptor ligands.

    Raises
    ------
    StudyError
        Where there is no FDG PET with a CT, it is of another patient or the scored scan itself, or several studies
        hold one.
    """
    with _of_the_option():
        index = index_folder(folder)
    pets = index.of_modality("PT")
    if not pets:
        there = ", ".join(sorted({s.modality for s in index.series})) or "nothing"
        _refuse(f"the folder holds no PET (there is: {there}); give the folder of an FDG PET/CT")
    others = [s for s in pets if s.uid != scored.pet.uid]
    if not others:
        _refuse(f"{scored.pet.name} is the PET that is scored; give the FDG PET/CT of the same patient")
    fdg = [s for s in others if is_fdg(s)]
    if not fdg:
        _refuse(f"{others[0].name} is not FDG ({_tracer_in_words(others[0], config)}); give an FDG PET/CT")
    studies = {s.study_uid for s in fdg}
    if len(studies) > 1:
        _refuse(f"the folder holds FDG PETs of {len(studies)} studies; give the folder of one")
    with _of_the_option():
        choice = _choice_among(fdg, index)
    _require_usable(choice, scored)
    return choice


def _choice_among(fdg: Sequence[SeriesHeaders], index: StudyIndex) -> SeriesChoice:
    """The PET and CT of one study whose FDG PETs are given."""
    study = fdg[0].study_uid
    series = tuple(s for s in index.series if s.study_uid == study and (s.modality != "PT" or s in fdg))
    return choose_series(replace(index, series=series))


def describe_fdg_pets(index: StudyIndex, scored: SeriesChoice | None, config: ScoringConfig) -> tuple[FdgPet, ...]:
    """Every FDG PET of a folder, with its distance in days and whether it can be compared with the PET that is scored.

    Parameters
    ----------
    index : StudyIndex
        The folder, which may hold the study that is scored too.
    scored : SeriesChoice or None
        The study that is scored; None where none could be chosen.
    config : ScoringConfig
        From how many days on no NETPET grade is proposed.
    """
    fdg = [s for s in index.of_modality("PT") if is_fdg(s)]
    others = [s for s in fdg if scored is None or s.uid != scored.pet.uid]
    return tuple(_described(s, others, index, scored, config) for s in fdg)


def _described(
    series: SeriesHeaders,
    others: Sequence[SeriesHeaders],
    index: StudyIndex,
    scored: SeriesChoice | None,
    config: ScoringConfig,
) -> FdgPet:
    day = _study_day(series)
    if scored is None:
        why = "no PET was chosen to compare it with; name the receptor PET with --pet"
        return FdgPet(series, day, None, usable=False, reason=why)
    if series.uid == scored.pet.uid:
        why = "it is the PET that is scored; score the receptor PET, and give this folder with --fdg"
        return FdgPet(series, day, None, usable=False, reason=why)
    days = _days(scored.pet, series)
    try:
        choice = _choice_among([s for s in others if s.study_uid == series.study_uid], index)
        if choice.pet.uid != series.uid:
            return FdgPet(series, day, days, usable=False, reason=choice.reason(series))
        _require_usable(choice, scored)
    except DotaliverError as error:
        return FdgPet(series, day, days, usable=False, reason=str(error).removeprefix(f"{_OPTION}: "))
    assert choice.ct is not None
    return FdgPet(series, day, days, usable=True, reason=_why_usable(choice.ct, days, config.netpet.most_days))


def days_between(scored: SeriesChoice, fdg: SeriesChoice) -> int | None:
    """Days from the PET that is scored to the FDG PET; None where either date is unknown."""
    return _days(scored.pet, fdg.pet)


def _days(first: SeriesHeaders, second: SeriesHeaders) -> int | None:
    one, other = _study_day(first), _study_day(second)
    return None if one is None or other is None else (other - one).days


def _study_day(series: SeriesHeaders) -> date | None:
    """StudyDate, as the record keeps it."""
    return parse_date(text(series.first, "StudyDate"))


def _why_usable(ct: SeriesHeaders, days: int | None, most: int) -> str:
    """What a comparison rests on, and where no grade is proposed."""
    reason = f"can be compared with --fdg, aligned by {ct.name}"
    if days is None:
        return f"{reason}; no NETPET grade, since the days between both scans are unknown"
    if abs(days) > most:
        return f"{reason}; no NETPET grade, since the scans are more than {most} days apart"
    return reason


def _refuse(why: str) -> NoReturn:
    msg = f"{_OPTION}: {why}"
    raise StudyError(msg)


class _of_the_option:  # noqa: N801  reads as a sentence where it is used
    """Names the option in errors about the second folder, which would else read as about the first."""

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Raise the same error with the option's name."""
        if isinstance(error, DotaliverError):
            raise type(error)(f"{_OPTION}: {error}") from error


def _tracer_in_words(series: SeriesHeaders, config: ScoringConfig) -> str:
    name = tracer_of(series.first, config.protocol.tracer).name
    nuclide, _ = nuclide_of(series.first)
    if name is None:
        return "its header names no tracer" + ("" if nuclide is None else f", nuclide {nuclide}")
    return f"tracer {tracer_name(name)}" + ("" if nuclide is None else f", nuclide {nuclide}")


def _require_usable(choice: SeriesChoice, scored: SeriesChoice) -> None:
    words = other_patient(scored.pet, choice.pet)
    if words is not None:
        _refuse(f"{choice.pet.name} has another {words} than the PET that is scored; give the scan of the same patient")
    if choice.ct is None or scored.ct is None:
        what = "the FDG PET" if choice.ct is None else "the PET that is scored"
        _refuse(f"{what} has no CT, and the scans are aligned by their CTs; give a PET/CT")
    one_radiopharmaceutical(choice.pet, dose_matters=False)


def with_fdg(
    volumes: StudyVolumes,
    chosen: SeriesChoice,
    config: ScoringConfig,
    progress: Callable[[str], None],
    memory_bytes: int | None = None,
) -> StudyVolumes:
    """The study with the FDG scan read: in SUV, or in relative units where its header gives none, since ratios do.

    What the user states in place of the scored study's headers is not said of the FDG scan.

    Raises
    ------
    StudyError
        Where its images are those that are scored.
    """
    own = config.model_copy(update={"assume": AssumedValues()})
    with _of_the_option():
        try:
            fdg, flags = load_chosen(chosen, own, progress=progress, memory_bytes=memory_bytes), []
        except SuvError as error:
            relative = own.model_copy(update={"assume": AssumedValues(relative=True)})
            fdg = load_chosen(chosen, relative, progress=progress, memory_bytes=memory_bytes)
            flags = [raise_flag("FDG_SUV_UNKNOWN", why=str(error))]
    if fdg.identity.pet.pixel_sha256 == volumes.identity.pet.pixel_sha256:
        _refuse(f"{chosen.pet.name} holds the voxels of the PET that is scored; give the FDG PET/CT")
    new = (*_about_both(volumes, fdg, config), *_about_the_patient(volumes, chosen), *flags)
    return replace(volumes, fdg=fdg, flags=tuple(dict.fromkeys((*volumes.flags, *new))))


def _about_the_patient(volumes: StudyVolumes, chosen: SeriesChoice) -> Iterator[Flag]:
    if not stated(chosen.pet, "PatientID") or not volumes.patient_id:
        yield raise_flag("PATIENT_IDENTITY_MISSING")


def _about_both(volumes: StudyVolumes, fdg: StudyVolumes, config: ScoringConfig) -> Iterator[Flag]:
    """Another day, another position."""
    first, second = volumes.identity.study_date, fdg.identity.study_date
    if first is None or second is None:
        yield raise_flag("FDG_DAYS_UNKNOWN")
    else:
        days = (date.fromisoformat(second) - date.fromisoformat(first)).days
        if days == 0:
            yield raise_flag("FDG_SAME_DAY")
        elif abs(days) > config.netpet.most_days:
            side = "after" if days > 0 else "before"
            yield raise_flag("FDG_DAYS_APART_MANY", days=abs(days), side=side, most=config.netpet.most_days)
        else:
            yield raise_flag("FDG_DAYS_APART", days=abs(days), side="after" if days > 0 else "before")
    positions = volumes.acquisition.patient_position, fdg.acquisition.patient_position
    if None not in positions and positions[0] != positions[1]:
        yield raise_flag("FDG_OTHER_POSITION", fdg=positions[1] or "", scored=positions[0] or "")
