"""Which series of a folder are scored, and why not the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from dotaliver.dicom.choice.ct import choose_ct
from dotaliver.dicom.choice.fitness import named_series, pet_rank, unfit
from dotaliver.dicom.choice.mr import mr_note
from dotaliver.dicom.files.elements import text
from dotaliver.dicom.files.headers import CT_CLASS, PET_CLASS, SeriesHeaders, StudyIndex
from dotaliver.dicom.files.moments import parse_date
from dotaliver.dicom.files.stack import stack_of
from dotaliver.dicom.pet.acquisition import attenuation_corrected
from dotaliver.dicom.pet.tracer import is_fdg
from dotaliver.errors import DotaliverError, StudyError
from dotaliver.records.flags import Flag, raise_flag

__all__ = ["SeriesChoice", "SeriesReport", "choose_series", "report_series", "set_aside_flags"]

_FDG_NOTE = "an FDG PET is not scored where the folder holds another PET; --fdg compares it"


@dataclass(frozen=True)
class SeriesReport:
    """One series of the folder, whether it is scored, and why or why not."""

    series: SeriesHeaders
    role: Literal["pet", "ct"] | None
    reason: str


@dataclass(frozen=True)
class SeriesChoice:
    """The PET and the CT that are scored, why every other series was not, and caveats."""

    pet: SeriesHeaders
    ct: SeriesHeaders | None
    reports: tuple[SeriesReport, ...]
    flags: tuple[Flag, ...]

    def reason(self, series: SeriesHeaders) -> str:
        """Why a series was taken or not."""
        return next(r.reason for r in self.reports if r.series.uid == series.uid)


def _extent_mm(series: SeriesHeaders) -> float:
    """Length of a series along its normal, 0 where it forms no volume."""
    try:
        return stack_of(series).geometry.size_mm[0]
    except DotaliverError:
        return 0.0


def _refuse_several_patients(index: StudyIndex) -> None:
    images = (*index.of_modality("PT"), *index.of_modality("CT"))
    patients = {v for s in images for v in s.distinct("PatientID")} - {()}
    if len(patients) > 1:
        msg = (
            f"the folder holds CT and PET images of {len(patients)} different Patient IDs; "
            "give a folder that holds one patient, or name one study with --study-uid"
        )
        raise StudyError(msg)


def _choose_pet(index: StudyIndex, wanted: str | None, notes: dict[str, str]) -> SeriesHeaders:
    """The PET to score; the reasons against the others go into `notes` by series UID."""
    series = index.of_modality("PT")
    if not series:
        there = ", ".join(sorted({s.modality for s in index.series}))
        msg = f"the folder holds no PET series (there are: {there}); give the folder of a PET or PET/CT study"
        raise StudyError(msg)
    if wanted is not None:
        chosen = named_series(series, wanted, "PT")
        notes[chosen.uid] = "named by the user"
    against = {s.uid: why for s in series if (why := unfit(s, PET_CLASS)) is not None}
    notes |= {uid: why for uid, why in against.items() if uid not in notes}
    if wanted is not None:
        if chosen.uid in against:
            msg = f"{chosen.name} cannot be scored: {against[chosen.uid]}"
            raise StudyError(msg)
        notes |= {s.uid: "the user named another PET" for s in series if s.uid not in notes}
        return chosen
    fit = [s for s in series if s.uid not in against]
    receptor = [s for s in fit if not is_fdg(s)]
    if receptor and len(receptor) < len(fit):
        notes |= {s.uid: _FDG_NOTE for s in fit if s not in receptor}
        fit = receptor
    if not fit:
        why = "; ".join(f"{s.name}: {against[s.uid]}" for s in series[:5])
        msg = f"no PET series of the folder can be scored ({why}); give a static PET volume in Bq/ml"
        raise StudyError(msg)
    return _best_pet(fit, notes)


def _best_pet(fit: list[SeriesHeaders], notes: dict[str, str]) -> SeriesHeaders:
    ranks = {s.uid: pet_rank(s) for s in fit}
    best = min(rank for rank, _ in ranks.values())
    equal = [s for s in fit if ranks[s.uid][0] == best]
    _refuse_several_studies(equal)
    extents = {s.uid: _extent_mm(s) for s in equal}
    # Longest first (to a tenth of a millimetre), then the most voxels, then the lowest number.
    equal.sort(key=lambda s: (-round(extents[s.uid], 1), -_voxels(s), *s.order))
    chosen = equal[0]
    for s in fit:
        if ranks[s.uid][0] > best:
            notes[s.uid] = ranks[s.uid][1]
        elif s is not chosen:
            notes[s.uid] = f"{chosen.name} was preferred: it is as well corrected and longer, finer or earlier"
    notes[chosen.uid] = _why_chosen(chosen, ranks[chosen.uid], [s for s in fit if s is not chosen], ranks)
    return chosen


def _why_chosen(
    chosen: SeriesHeaders,
    rank: tuple[int, str],
    others: list[SeriesHeaders],
    ranks: dict[str, tuple[int, str]],
) -> str:
    if rank[0] == 0:
        known = attenuation_corrected(chosen)
        corrected = "corrected for attenuation" if known else "attenuation correction not stated"
        what = f"in Bq/ml, {corrected}, {len(chosen.slices)} slices"
    else:
        what = rank[1]
    if not others:
        return f"the only PET volume: {what}"
    worse = [
        f"{s.name} ({s.description or 'no description'}): {ranks[s.uid][1]}"
        for s in others
        if ranks[s.uid][0] > rank[0]
    ]
    equal = [s for s in others if ranks[s.uid][0] == rank[0]]
    parts = [what]
    if worse:
        parts.append("not " + "; ".join(worse[:3]))
    if equal:
        parts.append(f"the longest or finest of {len(equal) + 1} such series")
    return "; ".join(parts)


def _refuse_several_studies(series: list[SeriesHeaders]) -> None:
    """PETs of equal worth from two studies: which one is meant is the user's to say."""
    studies = {s.study_uid: s for s in series}
    if len(studies) < 2:
        return
    names = "; ".join(
        f"{s.name} of {parse_date(text(s.first, 'StudyDate')) or 'an unknown date'}, UID {s.uid}"
        for s in list(studies.values())[:4]
    )
    msg = f"the folder holds PETs of {len(studies)} studies ({names}); name one with --pet"
    raise StudyError(msg)


def _voxels(series: SeriesHeaders) -> int:
    rows, columns = text(series.first, "Rows"), text(series.first, "Columns")
    return len(series.slices) * int(float(rows or 0)) * int(float(columns or 0))


def set_aside_flags(series: Iterable[SeriesHeaders]) -> list[Flag]:
    """Say which images of some series are no slices of their volumes."""
    return [
        raise_flag("INSTANCES_SET_ASIDE", series=s.name, what=s.set_aside_text)
        for s in series
        if s.set_aside_text is not None
    ]


def _identity_flags(index: StudyIndex, pet: SeriesHeaders, ct: SeriesHeaders | None) -> list[Flag]:
    flags = []
    if index.other_files:
        # The record is shared, and file names may hold a patient's name
        flags.append(raise_flag("FILES_LEFT_OUT", count=len(index.other_files)))
    if index.links_left_out:
        flags.append(raise_flag("LINKS_LEFT_OUT", count=len(index.links_left_out)))
    used = [pet, *([ct] if ct is not None else [])]
    flags.extend(set_aside_flags(used))
    if any(() in s.distinct("PatientID") for s in used):
        flags.append(raise_flag("PATIENT_IDENTITY_MISSING"))
    return flags


def choose_series(index: StudyIndex, *, pet: str | None = None, ct: str | None = None) -> SeriesChoice:
    """Choose what to score: one PET, and its CT, if there is one.

    Parameters
    ----------
    pet, ct : str, optional
        Series Instance UID or Series Number that the user insists on.

    Raises
    ------
    StudyError
        Where there is no PET that could be scored, images of several patients, or PETs of several studies among
        which only the user can choose.
    SeriesError
        Where the chosen series forms no volume.

    Notes
    -----
    Of several PETs the one is taken whose values suit SUV best (Bq/ml and corrected for attenuation; then units that
    can be converted; then uncorrected; then other units, which are refused later by name), then the longest, then
    the one with most voxels, then the lowest series number. If PETs of equal worth come from several studies, none
    is taken. An FDG PET is taken only where there is no other PET.
    """
    _refuse_several_patients(index)
    notes: dict[str, str] = {}
    chosen_pet = _choose_pet(index, pet, notes)
    chosen_ct, flags = choose_ct(index, chosen_pet, ct, notes)
    flags.extend(_identity_flags(index, chosen_pet, chosen_ct))

    def role(series: SeriesHeaders) -> Literal["pet", "ct"] | None:
        if series is chosen_pet:
            return "pet"
        return "ct" if chosen_ct is not None and series.uid == chosen_ct.uid and series.modality == "CT" else None

    reports = tuple(SeriesReport(s, role(s), _note(s, notes)) for s in index.series)
    return SeriesChoice(chosen_pet, chosen_ct, reports, tuple(flags))


def _note(series: SeriesHeaders, notes: dict[str, str]) -> str:
    if series.modality == "MR":
        return mr_note(series)
    if series.uid in notes and series.modality in {"PT", "CT"}:
        return notes[series.uid]
    return "the user named another CT" if series.modality == "CT" else f"{series.modality} objects are not scored"


def report_series(index: StudyIndex) -> tuple[SeriesReport, ...]:
    """Why each series cannot be scored, by its own headers, where none can be chosen."""

    def note(series: SeriesHeaders) -> str:
        check: dict[str, Callable[[], str | None]] = {
            "PT": lambda: unfit(series, PET_CLASS) or pet_rank(series)[1],
            "CT": lambda: unfit(series, CT_CLASS) or "a CT volume",
            "MR": lambda: mr_note(series),
        }
        found = check.get(series.modality, lambda: None)()
        return found or f"{series.modality} objects are not scored"

    return tuple(SeriesReport(s, None, note(s)) for s in index.series)
