"""Which series of a folder are scored, and why not the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

import numpy as np

from dotaliver.dicom.acquisition import attenuation_corrected
from dotaliver.dicom.elements import parse_date, text, texts
from dotaliver.dicom.headers import SeriesHeaders, StudyIndex
from dotaliver.dicom.stack import Stack, stack_of
from dotaliver.errors import DotaliverError, SeriesError, StudyError
from dotaliver.flags import Flag, raise_flag
from dotaliver.geometry import Geometry

__all__ = ["SeriesChoice", "SeriesReport", "choose_series", "report_series"]

_PET_CLASS = "1.2.840.10008.5.1.4.1.1.128"
_CT_CLASS = "1.2.840.10008.5.1.4.1.1.2"
_NOT_YET = {
    "1.2.840.10008.5.1.4.1.1.130": "an enhanced multi-frame PET, which is not read yet",
    "1.2.840.10008.5.1.4.1.1.128.1": "a legacy converted enhanced PET, which is not read yet",
    "1.2.840.10008.5.1.4.1.1.2.1": "an enhanced multi-frame CT, which is not read yet",
    "1.2.840.10008.5.1.4.1.1.2.2": "a legacy converted enhanced CT, which is not read yet",
}
# A liver of 15 cm in the thickest slices that are read; a scout has one to three.
_FEWEST_SLICES = 4
_NOT_VOLUMES = {"MIP", "LOCALIZER", "SCOUT", "TOPOGRAM", "PROJECTION IMAGE", "MAX_IP", "SCREEN SAVE"}
_TIME_SERIES = {"DYNAMIC", "GATED"}
_CONVERTIBLE = {"CNTS", "GML", "CM2ML"}
# A CT that shows less of the PET than this is no partner of it; one that shows less than the second is flagged.
_LEAST_COVERAGE = 0.05
_FULL_COVERAGE = 0.90
# Coverages within this step count as equal, so that the slice spacing may decide.
_COVERAGE_STEP = 0.05


@dataclass(frozen=True)
class SeriesReport:
    """One series of the folder, whether it is scored, and why or why not."""

    series: SeriesHeaders
    role: Literal["pet", "ct"] | None
    reason: str


@dataclass(frozen=True)
class SeriesChoice:
    """The PET and the CT that are scored, a word on every series of the folder, and doubts."""

    pet: SeriesHeaders
    ct: SeriesHeaders | None
    reports: tuple[SeriesReport, ...]
    flags: tuple[Flag, ...]

    def reason(self, series: SeriesHeaders) -> str:
        """Why a series was taken or not."""
        return next(r.reason for r in self.reports if r.series.uid == series.uid)


def _unfit(series: SeriesHeaders, classic: str) -> str | None:
    """Why a series is no volume of its modality that could be read, by its header alone; None where it may be."""
    sop_class = series.sop_class_uid
    if sop_class not in {None, classic}:
        return _NOT_YET.get(str(sop_class), "not a CT or PET image object (a secondary capture or another kind)")
    kinds = {v.upper() for v in texts(series.first, "ImageType")[2:]} & _NOT_VOLUMES
    if kinds:
        return f"a {kinds.pop()} image, not a volume"
    types = [v.upper() for v in texts(series.first, "SeriesType")]
    if types and types[0] in _TIME_SERIES:
        return f"a {types[0].lower()} series; give one static volume"
    if "REPROJECTION" in types[1:]:
        return "a projection of a volume"
    few = len(series.slices) < _FEWEST_SLICES and text(series.first, "NumberOfFrames") in {None, "1"}
    return f"only {len(series.slices)} slice(s)" if few else None


def _pet_rank(series: SeriesHeaders) -> tuple[int, str]:
    """How well a PET's values suit SUV (0 is best), in words."""
    units = text(series.first, "Units")
    corrected = attenuation_corrected(series) is not False
    if units == "BQML" and corrected:
        return 0, "in Bq/ml"
    if units in _CONVERTIBLE and corrected:
        return 1, f"Units (0054,1001) is {units}"
    if units == "BQML":
        return 2, "not corrected for attenuation"
    word = "missing" if units is None else units
    more = "" if corrected else "; not corrected for attenuation"
    return 3, f"Units (0054,1001) is {word}, which holds no activity concentration{more}"


def _extent_mm(series: SeriesHeaders) -> float:
    """Length of a series along its normal, 0 where it forms no volume."""
    try:
        return stack_of(series).geometry.size_mm[0]
    except DotaliverError:
        return 0.0


def _named(candidates: tuple[SeriesHeaders, ...], wanted: str, modality: str) -> SeriesHeaders:
    """The series that the user names by UID or number."""
    found = [s for s in candidates if wanted == s.uid or (s.number is not None and wanted == str(s.number))]
    if len(found) == 1:
        return found[0]
    option = "--pet" if modality == "PT" else "--ct"
    there = ", ".join(str(s.number if s.number is not None else s.uid) for s in candidates) or "none"
    if found:
        uids = ", ".join(s.uid for s in found)
        msg = f"{option} {wanted}: {len(found)} {modality} series have this number; name one by its UID: {uids}"
    else:
        msg = f"{option} {wanted}: there is no such {modality} series in the folder (there are: {there})"
    raise StudyError(msg)


def _refuse_several_patients(index: StudyIndex) -> None:
    images = (*index.of_modality("PT"), *index.of_modality("CT"))
    patients = {v for s in images for v in s.distinct("PatientID")} - {()}
    if len(patients) > 1:
        msg = (
            f"the folder holds CT and PET images of {len(patients)} different Patient IDs; "
            "give a folder that holds one patient"
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
        chosen = _named(series, wanted, "PT")
        notes[chosen.uid] = "named by the user"
    unfit = {s.uid: why for s in series if (why := _unfit(s, _PET_CLASS)) is not None}
    notes |= {uid: why for uid, why in unfit.items() if uid not in notes}
    if wanted is not None:
        if chosen.uid in unfit:
            msg = f"{chosen.name} cannot be scored: {unfit[chosen.uid]}"
            raise StudyError(msg)
        notes |= {s.uid: "the user named another PET" for s in series if s.uid not in notes}
        return chosen
    fit = [s for s in series if s.uid not in unfit]
    if not fit:
        why = "; ".join(f"{s.name}: {unfit[s.uid]}" for s in series[:5])
        msg = f"no PET series of the folder can be scored ({why}); give a static PET volume in Bq/ml"
        raise StudyError(msg)
    return _best_pet(fit, notes)


def _best_pet(fit: list[SeriesHeaders], notes: dict[str, str]) -> SeriesHeaders:
    ranks = {s.uid: _pet_rank(s) for s in fit}
    best = min(rank for rank, _ in ranks.values())
    equal = [s for s in fit if ranks[s.uid][0] == best]
    _refuse_several_studies(equal)
    extents = {s.uid: _extent_mm(s) for s in equal}
    # Longest first (to a tenth of a millimetre), then the most voxels, then the lowest number.
    equal.sort(key=lambda s: (-round(extents[s.uid], 1), -_voxels(s), _order(s), s.uid))
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
        corrected = "corrected for attenuation" if known else "with no word on attenuation correction"
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


def _order(series: SeriesHeaders) -> float:
    return float("inf") if series.number is None else float(series.number)


# --- CT ----------------------------------------------------------------------------------------------------------


def coverage(ct: Geometry, pet: Geometry) -> float:
    """Share of the PET's length (along its slices) that the CT shows; 0 where the two do not meet at all."""
    if ct.overlap_fraction(pet) <= 0:
        return 0.0
    normal = np.asarray(pet.directions[0])
    theirs, mine = ct.corners_lps_mm() @ normal, pet.corners_lps_mm() @ normal
    shared = min(theirs.max(), mine.max()) - max(theirs.min(), mine.min())
    return float(np.clip(shared / (mine.max() - mine.min()), 0.0, 1.0))


@dataclass(frozen=True)
class _Candidate:
    stack: Stack
    coverage: float

    @property
    def key(self) -> tuple[float, float, float, str]:
        series = self.stack.series
        steps = round(self.coverage / _COVERAGE_STEP)
        return (-steps, round(self.stack.geometry.spacing_mm[0], 2), _order(series), series.uid)


def _choose_ct(
    index: StudyIndex, pet: SeriesHeaders, wanted: str | None, notes: dict[str, str]
) -> tuple[SeriesHeaders | None, list[Flag]]:
    """The CT to score with, and the flags that go with it.

    Preferred is the CT that covers most of the PET's length (the burden needs the whole liver; 5 % apart counts as
    equal), then the one with the thinnest slices (INC4 needs 5 mm), then the lowest series number.
    """
    series = index.of_modality("CT")
    if wanted is not None:
        return _wanted_ct(_named(series, wanted, "CT"), pet, notes)
    grid = stack_of(pet).geometry
    flags: list[Flag] = []
    good: list[_Candidate] = []
    broken: list[SeriesError] = []
    for ct in series:
        why = _unfit(ct, _CT_CLASS) or _unrelated(ct, pet)
        if why is None:
            try:
                stack = stack_of(ct)
            except SeriesError as error:
                broken.append(error)
                notes[ct.uid] = str(error)
                continue
            share = coverage(stack.geometry, grid)
            if share >= _LEAST_COVERAGE:
                good.append(_Candidate(stack, share))
                continue
            why = "it does not cover the PET"
        elif why == _OTHER_FRAME:
            flags.append(raise_flag("CT_IN_ANOTHER_FRAME", series=_label(ct)))
        notes[ct.uid] = why
    if not good and broken:
        raise broken[0]
    if not good:
        return None, [*flags, raise_flag("NO_CT")]
    return _best_ct(good, notes), [*_coverage_flags(min(good, key=lambda c: c.key)), *_only_if_alone(flags, good)]


def _only_if_alone(flags: list[Flag], good: list[_Candidate]) -> list[Flag]:
    """A CT in another frame is no doubt about the score while another CT lies in the PET's own."""
    return [] if good else flags


def _best_ct(good: list[_Candidate], notes: dict[str, str]) -> SeriesHeaders:
    best = min(good, key=lambda c: c.key)
    chosen = best.stack.series
    for candidate in good:
        name = candidate.stack.series
        notes[name.uid] = f"{chosen.name} was preferred: it covers more of the PET, or has thinner slices"
    shows = f"covers {100 * best.coverage:.0f} % of the PET's length in slices of "
    shows += f"{best.stack.geometry.spacing_mm[0]:.2f} mm"
    alone = "the only CT in the PET's frame of reference" if len(good) == 1 else f"the best of {len(good)} CTs"
    notes[chosen.uid] = f"{alone}: {shows}"
    return chosen


def _coverage_flags(candidate: _Candidate) -> list[Flag]:
    if candidate.coverage >= _FULL_COVERAGE:
        return []
    return [raise_flag("CT_COVERS_PET_PARTLY", percent=100 * candidate.coverage)]


_OTHER_FRAME = "in another frame of reference than the PET"


def _label(series: SeriesHeaders) -> str:
    return series.uid if series.number is None else str(series.number)


def _unrelated(ct: SeriesHeaders, pet: SeriesHeaders) -> str | None:
    if ct.frame_of_reference_uid != pet.frame_of_reference_uid or ct.frame_of_reference_uid is None:
        return _OTHER_FRAME
    return None


def _wanted_ct(ct: SeriesHeaders, pet: SeriesHeaders, notes: dict[str, str]) -> tuple[SeriesHeaders, list[Flag]]:
    unfit = _unfit(ct, _CT_CLASS)
    if unfit is not None:
        msg = f"{ct.name} cannot be used: {unfit}"
        raise StudyError(msg)
    share = coverage(stack_of(ct).geometry, stack_of(pet).geometry)
    if share <= 0:
        msg = f"{ct.name} does not meet {pet.name} anywhere; name another CT, or score without one"
        raise StudyError(msg)
    notes[ct.uid] = "named by the user"
    flags = [raise_flag("CT_FRAME_ASSUMED", series=_label(ct))] if _unrelated(ct, pet) else []
    if share < _FULL_COVERAGE:
        flags.append(raise_flag("CT_COVERS_PET_PARTLY", percent=100 * share))
    return ct, flags


# --- both --------------------------------------------------------------------------------------------------------


def _identity_flags(index: StudyIndex, pet: SeriesHeaders, ct: SeriesHeaders | None) -> list[Flag]:
    flags = []
    if index.other_files:
        # The record goes abroad and file names may hold a patient's name: the ending is enough.
        ending = PurePosixPath(index.other_files[0]).suffix
        example = f"one ending in {ending}" if ending else "one without an ending"
        flags.append(raise_flag("FILES_LEFT_OUT", count=len(index.other_files), example=example))
    used = [pet, *([ct] if ct is not None else [])]
    if any(() in s.distinct("PatientID") for s in used):
        flags.append(raise_flag("PATIENT_IDENTITY_MISSING"))
    return flags


def choose_series(index: StudyIndex, *, pet: str | None = None, ct: str | None = None) -> SeriesChoice:
    """Choose what to score: one PET, and the CT that goes with it, if there is one.

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
    is taken.
    """
    _refuse_several_patients(index)
    notes: dict[str, str] = {}
    chosen_pet = _choose_pet(index, pet, notes)
    chosen_ct, flags = _choose_ct(index, chosen_pet, ct, notes)
    flags.extend(_identity_flags(index, chosen_pet, chosen_ct))

    def role(series: SeriesHeaders) -> Literal["pet", "ct"] | None:
        if series is chosen_pet:
            return "pet"
        return "ct" if chosen_ct is not None and series.uid == chosen_ct.uid and series.modality == "CT" else None

    reports = tuple(SeriesReport(s, role(s), _note(s, notes)) for s in index.series)
    return SeriesChoice(chosen_pet, chosen_ct, reports, tuple(flags))


def _note(series: SeriesHeaders, notes: dict[str, str]) -> str:
    if series.uid in notes and series.modality in {"PT", "CT"}:
        return notes[series.uid]
    return "the user named another CT" if series.modality == "CT" else f"{series.modality} objects are not scored"


def report_series(index: StudyIndex) -> tuple[SeriesReport, ...]:
    """A word on every series where none can be chosen: what speaks against each by its own header."""

    def note(series: SeriesHeaders) -> str:
        check: dict[str, Callable[[], str | None]] = {
            "PT": lambda: _unfit(series, _PET_CLASS) or _pet_rank(series)[1],
            "CT": lambda: _unfit(series, _CT_CLASS) or "a CT volume",
        }
        found = check.get(series.modality, lambda: None)()
        return found or f"{series.modality} objects are not scored"

    return tuple(SeriesReport(s, None, note(s)) for s in index.series)
