"""What an MR series shows: weighting, contrast phase, echo, b-value, in or out of phase, or which map it is.

Every slice of the series is asked, never the first alone. Numbers of the acquisition outrank words of a description;
what neither says stays unknown.
"""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field

from dotaliver.dicom.files.elements import number, numbers, private_element, spaced, text, texts
from dotaliver.dicom.files.moments import parse_time
from dotaliver.dicom.files.series_headers import SeriesHeaders, SliceHeader
from dotaliver.dicom.mr.kinds import DIFFUSION_WORDS, own_kind
from dotaliver.errors import AcquisitionError
from dotaliver.frozen import FrozenModel

__all__ = ["MrDescription", "describe_mr", "kinds_of"]

Weighting = Literal["T1", "T2", "T2*", "PD", "DWI"]
ContrastPhase = Literal["before_contrast", "arterial", "portal_venous", "transitional", "hepatobiliary"]
ChemicalShift = Literal["in_phase", "out_of_phase", "water", "fat"]
Orientation = Literal["axial", "coronal", "sagittal", "oblique"]

# Fat and water differ by 3.5 ppm: 149 Hz per tesla (42.577 MHz/T times 3.5e-6).
_FAT_WATER_HZ_PER_T = 149.0
# How far from a whole (in phase) or half cycle (out of phase) an echo may lie, in cycles.
_CYCLE_TOLERANCE = 0.15
# Longest echo time of the dual-echo T1 sequences that are read in and out of phase.
_LONGEST_PHASED_TE_MS = 8.0
# Conventional limits: T2 from an echo time of 60 ms; T1 below 30 ms with a short repetition or flip-angle contrast.
_LEAST_T2_TE_MS, _MOST_T1_TE_MS, _MOST_T1_TR_MS = 60.0, 30.0, 1200.0
_LEAST_T2_STAR_TE_MS = 12.0
# A slice normal within 20 degrees of an axis of the body counts as that plane.
_PLANE_COSINE = 0.94
# Minutes after gadoxetate from which the liver's cells take it up (hepatobiliary phase; usual imaging at 20 min).
_HEPATOBILIARY_MIN = 10.0

_HEPATOCYTE_AGENT = re.compile(r"gadoxet|primovist|eovist|gd-?eob")
_GADOBENATE = re.compile(r"gadobenat|multihance")
_PHASE_WORDS: tuple[tuple[ContrastPhase, re.Pattern[str]], ...] = (
    ("hepatobiliary", re.compile(r"\bhbp\b|hepatobil|hepatocyte|\b(1[05]|20|25|30) ?min\b")),
    ("arterial", re.compile(r"\bart(erial)?\b|\bhap\b")),
    ("portal_venous", re.compile(r"\bpvp?\b|\bportal\b|\bpor(to)?ven(ous)?\b|\bven(ous)?\b")),
    ("transitional", re.compile(r"\bdelay(ed)?\b|\blate\b|\btransition(al)?\b|\bequilibrium\b|\b[2-9] ?min\b")),
    ("before_contrast", re.compile(r"\bpre\b|\bnative\b|\bunenhanced\b|\bnon ?contrast\b|\bw/?o\b|\bplain\b")),
)
_SHIFT_BY_TYPE: dict[str, ChemicalShift] = {
    "IN_PHASE": "in_phase",
    "IP": "in_phase",
    "OUT_PHASE": "out_of_phase",
    "OPP_PHASE": "out_of_phase",
    "OP": "out_of_phase",
    "WATER": "water",
    "W": "water",
    "FAT": "fat",
    "F": "fat",
}
_SHIFT_WORDS: tuple[tuple[ChemicalShift, re.Pattern[str]], ...] = (
    ("out_of_phase", re.compile(r"\bout ?(of)? ?phase\b|\bopp(osed)?( ?phase)?\b|\bopposed\b|\bop\b")),
    ("in_phase", re.compile(r"\bin ?phase\b|\binphase\b|\bip\b")),
    ("water", re.compile(r"\bwater\b|\bw\b$")),
    ("fat", re.compile(r"\bfat only\b|: ?fat\b|\bdixon fat\b|\bf\b$")),
)
_WEIGHTING_WORDS: tuple[tuple[Weighting, re.Pattern[str]], ...] = (
    ("T2*", re.compile(r"\bt2 ?(\*|star)")),
    ("T2", re.compile(r"\bt2w?\b|\bhaste\b|\bssfse\b|\bss ?tse\b|\bstir\b|\bmrcp\b")),
    ("T1", re.compile(r"\bt1w?\b|\bvibe\b|\blava\b|\bthrive\b|\bflash\b|\bspgr\b|\btigre\b|\bquick ?3d\b")),
    ("PD", re.compile(r"\bpdw?\b|\bproton density\b")),
)
# Balanced steady-state sequences have the times of T1 sequences and show a mixture of T2 and T1.
_BALANCED = re.compile(r"\btrufi(sp)?\b|\bfiesta\b|\bb-?ffe\b|\bbssfp\b|\bbalanced\b|\btrue ?fisp\b")
_FAT_SUPPRESSED = re.compile(r"\bfs\b|\bfat ?sat\b|\bfatsat\b|\bspair\b|\bspir\b|\bstir\b|\bchess\b|\bfat ?sup\w*")
_PHASE_TEXT: dict[ContrastPhase, str] = {
    "before_contrast": "before contrast",
    "arterial": "arterial phase",
    "portal_venous": "portal venous phase",
    "transitional": "transitional phase",
    "hepatobiliary": "hepatobiliary phase",
}


class MrDescription(FrozenModel):
    """What an MR series shows, by the headers of all its slices; None where they do not say."""

    kind: str | None = Field(description="Which map, subtraction or localizer it is; None for an anatomical volume")
    weighting: Weighting | None
    technique: str | None = Field(description="Such as spin echo or gradient echo")
    contrast_phase: ContrastPhase | None
    chemical_shift: ChemicalShift | None
    fat_suppressed: bool
    echo_times_ms: tuple[float, ...] = Field(description="Every echo time of the series, ascending")
    repetition_time_ms: float | None
    b_values_s_per_mm2: tuple[float, ...] = Field(description="Every b-value of the series, ascending")
    orientation: Orientation | None

    @property
    def words(self) -> str:
        """The series in the words of a radiologist, as in "T1 gradient echo, hepatobiliary phase, TE 1.2 ms"."""
        parts = [self.kind] if self.kind else []
        main = " ".join(part for part in (self.weighting, self.technique) if part)
        parts.append(main or ("" if self.kind else "sequence not stated"))
        if self.contrast_phase:
            parts.append(_PHASE_TEXT[self.contrast_phase])
        if self.chemical_shift:
            parts.append(self.chemical_shift.replace("_", " "))
        if self.fat_suppressed:
            parts.append("fat-suppressed")
        if self.b_values_s_per_mm2:
            parts.append(f"b {_listed(self.b_values_s_per_mm2)} s/mm²")
        if self.echo_times_ms:
            parts.append(f"TE {_listed(self.echo_times_ms)} ms")
        if self.orientation:
            parts.append(self.orientation)
        return ", ".join(part for part in parts if part)


def _listed(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)


def describe_mr(series: SeriesHeaders) -> MrDescription:
    """What an MR series shows; damaged elements count as absent."""
    words = _words(series)
    echoes = _distinct_numbers(series, "EchoTime")
    b_values = tuple(sorted({b for part in series.slices if (b := _b_value(part)) is not None}))
    technique = _technique(series)
    kinds = kinds_of(series)
    weighting = _weighting(series, words, echoes, b_values, technique)
    return MrDescription(
        kind=" and ".join(sorted(kinds)) or None,
        weighting=weighting,
        technique=technique,
        contrast_phase=_contrast_phase(series, words) if weighting in {"T1", None} else None,
        chemical_shift=_chemical_shift(series, words, echoes, weighting),
        fat_suppressed=bool(_FAT_SUPPRESSED.search(words)) or "FS" in _values(series, "ScanOptions"),
        echo_times_ms=echoes,
        repetition_time_ms=next(iter(_distinct_numbers(series, "RepetitionTime")), None),
        b_values_s_per_mm2=b_values if weighting == "DWI" or any(b > 0 for b in b_values) else (),
        orientation=_orientation(series),
    )


def kinds_of(series: SeriesHeaders) -> set[str]:
    """Which maps, subtractions or localizers the slices of a series say that they are."""
    described = series.description
    found = {own_kind(_texts(part, "ImageType")[2:], described) for part in series.slices}
    return {kind for kind in found if kind is not None}


# --- elements ------------------------------------------------------------------------------------------------------


def _texts(part: SliceHeader, keyword: str) -> tuple[str, ...]:
    try:
        return texts(part.dataset, keyword)
    except AcquisitionError:
        return ()


def _values(series: SeriesHeaders, keyword: str) -> set[str]:
    return {value.upper() for part in series.slices for value in _texts(part, keyword)}


def _distinct_numbers(series: SeriesHeaders, keyword: str) -> tuple[float, ...]:
    found = set()
    for part in series.slices:
        try:
            value = number(part.dataset, keyword)
        except AcquisitionError:
            continue
        if value is not None:
            # Scanners write the same echo of each slice with other last digits
            found.add(round(value, 2))
    return tuple(sorted(found))


def _words(series: SeriesHeaders) -> str:
    named = ("SeriesDescription", "ProtocolName", "SequenceName", "PulseSequenceName")
    found = [word for keyword in named for word in sorted({" ".join(v) for v in _distinct(series, keyword)})]
    return spaced(" ".join(found)).casefold()


def _distinct(series: SeriesHeaders, keyword: str) -> set[tuple[str, ...]]:
    return {_texts(part, keyword) for part in series.slices} - {()}


def _b_value(part: SliceHeader) -> float | None:
    """Diffusion b-value (0018,9087), or the private element of Siemens, GE or Philips, in s/mm²."""
    data = part.dataset
    try:
        standard = number(data, "DiffusionBValue")
        if standard is not None:
            return standard
        for group, creator, offset in (
            (0x0019, "SIEMENS MR HEADER", 0x0C),
            (0x0043, "GEMS_PARM_01", 0x39),
            (0x2001, "Philips Imaging DD 001", 0x03),
        ):
            element = private_element(data, group, creator, offset)
            values = None if element is None or element not in data else numbers(data, element)
            if values:
                # GE adds 1e9 to mark that the value was combined from directions
                return round(values[0] % 1e9, 1)
    except AcquisitionError:
        return None
    return None


# --- what it shows ---------------------------------------------------------------------------------------------------


def _technique(series: SeriesHeaders) -> str | None:
    codes = _values(series, "ScanningSequence") | _values(series, "EchoPulseSequence")
    if "EP" in codes or "EPI" in codes:
        return "echo planar"
    if "IR" in codes:
        return "inversion recovery"
    if (codes & {"GR", "GRADIENT"} and codes & {"SE", "SPIN"}) or "BOTH" in codes:
        return "gradient and spin echo"
    if codes & {"GR", "GRADIENT"}:
        return "gradient echo"
    return "spin echo" if codes & {"SE", "SPIN"} else None


def _weighting(
    series: SeriesHeaders,
    words: str,
    echoes: tuple[float, ...],
    b_values: tuple[float, ...],
    technique: str | None,
) -> Weighting | None:
    types = _values(series, "ImageType") | _values(series, "AcquisitionContrast")
    if "DIFFUSION" in types or any(b > 0 for b in b_values) or DIFFUSION_WORDS.search(words):
        return "DWI"
    stated: dict[str, Weighting] = {"T1": "T1", "T2": "T2", "T2_STAR": "T2*", "PROTON_DENSITY": "PD"}
    found = {stated[value] for value in types if value in stated}
    if len(found) == 1:
        return found.pop()
    if _BALANCED.search(words):
        return None
    measured = _weighting_by_times(series, echoes, technique)
    named = next((weighting for weighting, pattern in _WEIGHTING_WORDS if pattern.search(words)), None)
    if measured is not None and named is not None and measured != named:
        # A name that the times contradict is no evidence for either.
        return None
    return measured or named


def _weighting_by_times(series: SeriesHeaders, echoes: tuple[float, ...], technique: str | None) -> Weighting | None:
    repetition = next(iter(_distinct_numbers(series, "RepetitionTime")), None)
    if not echoes or technique is None:
        return None
    if technique == "gradient echo":
        if max(echoes) < _LEAST_T2_STAR_TE_MS and repetition is not None and repetition < _MOST_T1_TR_MS:
            return "T1"
        return "T2*" if min(echoes) >= _LEAST_T2_STAR_TE_MS else None
    if min(echoes) >= _LEAST_T2_TE_MS:
        return "T2"
    short = max(echoes) < _MOST_T1_TE_MS and repetition is not None and repetition < _MOST_T1_TR_MS
    return "T1" if short and technique == "spin echo" else None


def _contrast_phase(series: SeriesHeaders, words: str) -> ContrastPhase | None:
    """By the description and the time since the contrast agent; None where they contradict each other."""
    agent = " ".join(sorted(_values(series, "ContrastBolusAgent"))).casefold()
    named = next((phase for phase, pattern in _PHASE_WORDS if pattern.search(words)), None)
    minutes = _minutes_after_contrast(series)
    hepatocyte = bool(_HEPATOCYTE_AGENT.search(agent))
    if minutes is not None and minutes >= _HEPATOBILIARY_MIN and hepatocyte:
        return "hepatobiliary" if named in {"hepatobiliary", None} else None
    if named == "hepatobiliary":
        other_agent = bool(agent) and not hepatocyte and not _GADOBENATE.search(agent)
        too_early = minutes is not None and minutes < _HEPATOBILIARY_MIN
        return None if other_agent or too_early else named
    if named == "before_contrast":
        return None if agent and minutes is not None and minutes > 0 else named
    if named is None and not agent and not minutes:
        return None
    return named


def _minutes_after_contrast(series: SeriesHeaders) -> float | None:
    """From the start of the bolus to the first acquisition of the series; None where a time is not stated."""
    starts, shots = [], []
    for part in series.slices:
        try:
            start = parse_time(text(part.dataset, "ContrastBolusStartTime"))
            shot = parse_time(text(part.dataset, "AcquisitionTime"))
        except AcquisitionError:
            continue
        if start is not None and shot is not None:
            starts.append(start.hour * 60 + start.minute + start.second / 60)
            shots.append(shot.hour * 60 + shot.minute + shot.second / 60)
    return min(shots) - max(starts) if shots else None


def _chemical_shift(
    series: SeriesHeaders, words: str, echoes: tuple[float, ...], weighting: Weighting | None
) -> ChemicalShift | None:
    types = {value.upper() for part in series.slices for value in _texts(part, "ImageType")[2:]}
    found = {_SHIFT_BY_TYPE[value] for value in types if value in _SHIFT_BY_TYPE}
    if len(found) == 1:
        return found.pop()
    named = next((shift for shift, pattern in _SHIFT_WORDS if pattern.search(words)), None)
    if named is not None or weighting != "T1" or len(echoes) != 1:
        return named
    tesla = next(iter(_distinct_numbers(series, "MagneticFieldStrength")), None)
    technique = _technique(series)
    if tesla is None or technique != "gradient echo" or echoes[0] > _LONGEST_PHASED_TE_MS:
        return None
    cycles = echoes[0] / 1000.0 * _FAT_WATER_HZ_PER_T * tesla % 1.0
    if min(cycles, 1.0 - cycles) <= _CYCLE_TOLERANCE:
        return "in_phase"
    return "out_of_phase" if abs(cycles - 0.5) <= _CYCLE_TOLERANCE else None


def _orientation(series: SeriesHeaders) -> Orientation | None:
    planes = {_plane(part) for part in series.slices}
    return planes.pop() if len(planes) == 1 else None


def _plane(part: SliceHeader) -> Orientation | None:
    try:
        cosines = numbers(part.dataset, "ImageOrientationPatient")
    except AcquisitionError:
        return None
    if cosines is None or len(cosines) != 6:
        return None
    (a, b, c), (d, e, f) = cosines[:3], cosines[3:]
    normal = (abs(b * f - c * e), abs(c * d - a * f), abs(a * e - b * d))
    names: tuple[Orientation, ...] = ("sagittal", "coronal", "axial")
    best = max(range(3), key=lambda axis: normal[axis])
    return names[best] if normal[best] >= _PLANE_COSINE else "oblique"
