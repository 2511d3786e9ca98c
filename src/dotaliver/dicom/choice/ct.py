"""Which CT of a folder belongs to the PET, and why not the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dotaliver.dicom.choice.fitness import named_series, unfit
from dotaliver.dicom.files.headers import CT_CLASS, SeriesHeaders, StudyIndex
from dotaliver.dicom.files.stack import Stack, stack_of
from dotaliver.errors import SeriesError, StudyError
from dotaliver.image.geometry import Geometry
from dotaliver.records.flags import Flag, raise_flag

__all__ = ["choose_ct", "coverage"]

_OTHER_FRAME = "in another frame of reference than the PET"
# A CT that covers less of the PET than this is not used; one that covers less than the second value is flagged.
_LEAST_COVERAGE = 0.05
_FULL_COVERAGE = 0.90
# Coverages within this step count as equal, so that the slice spacing may decide.
_COVERAGE_STEP = 0.05


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
        return (-steps, round(self.stack.geometry.spacing_mm[0], 2), *series.order)


def choose_ct(
    index: StudyIndex, pet: SeriesHeaders, wanted: str | None, notes: dict[str, str]
) -> tuple[SeriesHeaders | None, list[Flag]]:
    """The CT to score with, and the flags that go with it.

    Preferred is the CT that covers most of the PET's length (the burden needs the whole liver; 5 % apart counts as
    equal), then the one with the thinnest slices (INC4 needs 5 mm), then the lowest series number.
    """
    series = index.of_modality("CT")
    if wanted is not None:
        return _wanted_ct(named_series(series, wanted, "CT"), pet, notes)
    grid = stack_of(pet).geometry
    flags: list[Flag] = []
    good: list[_Candidate] = []
    broken: list[SeriesError] = []
    for ct in series:
        why = unfit(ct, CT_CLASS) or _unrelated(ct, pet)
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
            flags.append(raise_flag("CT_IN_ANOTHER_FRAME", series=ct.short_name))
        notes[ct.uid] = why
    if not good and broken:
        raise broken[0]
    if not good:
        return None, [*flags, raise_flag("NO_CT")]
    return _best_ct(good, notes), [*_coverage_flags(min(good, key=lambda c: c.key)), *_only_if_alone(flags, good)]


def _only_if_alone(flags: list[Flag], good: list[_Candidate]) -> list[Flag]:
    """A CT in another frame needs no flag while another CT is in the PET's frame."""
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


def _unrelated(ct: SeriesHeaders, pet: SeriesHeaders) -> str | None:
    if ct.frame_of_reference_uid != pet.frame_of_reference_uid or ct.frame_of_reference_uid is None:
        return _OTHER_FRAME
    return None


def _wanted_ct(ct: SeriesHeaders, pet: SeriesHeaders, notes: dict[str, str]) -> tuple[SeriesHeaders, list[Flag]]:
    why = unfit(ct, CT_CLASS)
    if why is not None:
        msg = f"{ct.name} cannot be used: {why}"
        raise StudyError(msg)
    share = coverage(stack_of(ct).geometry, stack_of(pet).geometry)
    if share <= 0:
        msg = f"{ct.name} does not overlap {pet.name}; name another CT, or score without one"
        raise StudyError(msg)
    notes[ct.uid] = "named by the user"
    flags = [raise_flag("CT_FRAME_ASSUMED", series=ct.short_name)] if _unrelated(ct, pet) else []
    if share < _FULL_COVERAGE:
        flags.append(raise_flag("CT_COVERS_PET_PARTLY", percent=100 * share))
    return ct, flags
