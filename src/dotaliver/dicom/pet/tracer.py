"""Which nuclide and which tracer a PET header names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from dotaliver.config.protocol import Range, Tracer
from dotaliver.dicom.files.elements import first_item, joined, number, private_element, text

__all__ = ["NUCLIDES", "Nuclide", "TracerName", "nuclide_of", "radiopharmaceutical", "tracer_of"]


@dataclass(frozen=True)
class Nuclide:
    """One nuclide: its half-life, and the administered activities that are plausible."""

    name: str
    half_life_s: float
    activity_mbq: Range
    codes: tuple[str, ...] = ()


# Half-lives: DDEP/LNHB tables of recommended data. Codes: DICOM CID 4020 and CID 18 (SNOMED CT and the older SRT).
# Activities: what is given to adults for imaging (for 177Lu and 90Y: therapy), wide on purpose.
NUCLIDES: dict[str, Nuclide] = {
    n.name: n
    for n in (
        Nuclide("68Ga", 4062.6, Range(low=40, high=400), ("35337001", "C-131A3")),
        Nuclide("18F", 6586.2, Range(low=40, high=1000), ("77004003", "C-111A1")),
        Nuclide("64Cu", 45724.0, Range(low=40, high=1000), ("3932008", "C-127A2")),
        Nuclide("177Lu", 574300.0, Range(low=2000, high=10000), ("444155006",)),
        Nuclide("99mTc", 21624.0, Range(low=40, high=2000), ("72454002",)),
        Nuclide("111In", 242330.0, Range(low=40, high=400), ("27833000",)),
        Nuclide("89Zr", 282280.0, Range(low=10, high=400), ("63360001", "C-168A4")),
        Nuclide("11C", 1221.8, Range(low=40, high=2000), ("40565003", "C-105A1")),
        Nuclide("13N", 597.9, Range(low=40, high=2000), ("21576001", "C-107A1")),
        Nuclide("15O", 122.24, Range(low=40, high=4000), ("129504001", "C-B1038")),
        Nuclide("44Sc", 14292.0, Range(low=20, high=400), ("126600",)),
        Nuclide("82Rb", 76.4, Range(low=100, high=4000), ("79197006", "C-159A2")),
        Nuclide("86Y", 53064.0, Range(low=20, high=400), ("10738001", "C-162A3")),
        Nuclide("90Y", 230550.0, Range(low=500, high=20000), ("14691008", "C-162A7")),
        Nuclide("124I", 360800.0, Range(low=10, high=2000), ("40937006", "C-114A5")),
    )
}
_ELEMENTS = {
    "gallium": "Ga",
    "fluorine": "F",
    "fluor": "F",
    "copper": "Cu",
    "lutetium": "Lu",
    "technetium": "Tc",
    "indium": "In",
    "zirconium": "Zr",
    "carbon": "C",
    "nitrogen": "N",
    "oxygen": "O",
    "scandium": "Sc",
    "rubidium": "Rb",
    "yttrium": "Y",
    "iodine": "I",
}
_SYMBOLS = {symbol.lower(): symbol for symbol in _ELEMENTS.values()}
_WORD = "|".join(sorted((*_ELEMENTS, *_SYMBOLS), key=len, reverse=True))
# "^68^Gallium", "68Ga", "177 Lutetium" and "99mTc"; "Ga-68", "Ga68" and "F^18^"
_NUMBER_FIRST = re.compile(rf"(?<!\d)\^?(\d{{2,3}}m?)[\s^\-]*({_WORD})(?![a-z])", re.IGNORECASE)
_NAME_FIRST = re.compile(rf"(?<![a-z])({_WORD})[\s^\-\[(]*(\d{{2,3}}m?)(?!\d)", re.IGNORECASE)
# A header's half-life names the nuclide within 1 %: scanners write 4057 s to 4080 s for 68Ga.
_HALF_LIFE_SHARE = 0.01
# GE's private tracer and nuclide names (creator GEMS_PETD_01).
_GE, _GE_TRACER, _GE_NUCLIDE = "GEMS_PETD_01", 0x36, 0x3E


def radiopharmaceutical(dataset: Any) -> Any | None:
    """The first item of the Radiopharmaceutical Information Sequence (0054,0016)."""
    return first_item(dataset, "RadiopharmaceuticalInformationSequence")


def _spelled(value: str | None) -> str | None:
    if not value:
        return None
    match = _NUMBER_FIRST.search(value)
    mass, word = match.groups() if match else (None, None)
    if match is None:
        match = _NAME_FIRST.search(value)
        if match is None:
            return None
        word, mass = match.groups()
    symbol = _ELEMENTS.get(str(word).lower()) or _SYMBOLS[str(word).lower()]
    return f"{str(mass).lower()}{symbol}"


def _coded(item: Any) -> str | None:
    code = first_item(item, "RadionuclideCodeSequence")
    if code is None:
        return None
    spelled = _spelled(joined(code, "CodeMeaning"))
    if spelled is not None:
        return spelled
    value = text(code, "CodeValue")
    return next((n.name for n in NUCLIDES.values() if value in n.codes), None)


def _by_half_life(half_life_s: float | None) -> str | None:
    if half_life_s is None:
        return None
    for nuclide in NUCLIDES.values():
        if abs(half_life_s / nuclide.half_life_s - 1) <= _HALF_LIFE_SHARE:
            return nuclide.name
    return None


def _ge_name(dataset: Any, offset: int) -> str | None:
    element = private_element(dataset, 0x0009, _GE, offset)
    return None if element is None else joined(dataset, element)


def nuclide_of(dataset: Any) -> tuple[str | None, str]:
    """The nuclide, such as "68Ga", and the element that named it.

    The code counts most (its meaning before its value, which scanners are known to mix up), then the half-life,
    then a nuclide spelt in the tracer's name.
    """
    item = radiopharmaceutical(dataset)
    if item is not None:
        coded = _coded(item)
        if coded is not None:
            return coded, "Radionuclide Code Sequence (0054,0300)"
        timed = _by_half_life(number(item, "RadionuclideHalfLife"))
        if timed is not None:
            return timed, "Radionuclide Half Life (0018,1075)"
        named = _spelled(joined(item, "Radiopharmaceutical"))
        if named is not None:
            return named, "Radiopharmaceutical (0018,0031)"
    for offset, name in ((_GE_NUCLIDE, "(0009,103E)"), (_GE_TRACER, "(0009,1036)")):
        named = _spelled(_ge_name(dataset, offset))
        if named is not None:
            return named, name
    return None, ""


@dataclass(frozen=True)
class TracerName:
    """What the header calls the tracer, and whether that is a somatostatin-receptor ligand (None: cannot tell)."""

    name: str | None
    is_sstr: bool | None


def _names(dataset: Any) -> list[str]:
    """All names of the tracer, the most trustworthy first; the series' description comes last, as a hint."""
    item = radiopharmaceutical(dataset)
    found: list[str | None] = []
    if item is not None:
        found.append(joined(item, "Radiopharmaceutical"))
        code = first_item(item, "RadiopharmaceuticalCodeSequence")
        found.append(None if code is None else joined(code, "CodeMeaning"))
    found.append(_ge_name(dataset, _GE_TRACER))
    return [name for name in found if name]


def tracer_of(dataset: Any, tracer: Tracer) -> TracerName:
    """Name the tracer and hold the name to the protocol's patterns; the first name that fits one decides.

    A series or study description only ever adds to the names of the radiopharmaceutical: it decides where none of
    these fits (scanners write "Solution" there), and is not shown as the tracer's name unless it fits.
    """
    names = _names(dataset)
    hints = [d for d in (joined(dataset, "SeriesDescription"), joined(dataset, "StudyDescription")) if d]
    for name in (*names, *hints):
        if any(re.search(p, name, re.IGNORECASE) for p in tracer.name_patterns):
            return TracerName(name, True)
        if any(re.search(p, name, re.IGNORECASE) for p in tracer.other_name_patterns):
            return TracerName(name, False)
    return TracerName(names[0] if names else None, None)
