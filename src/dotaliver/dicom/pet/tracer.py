"""Which nuclide and which tracer a PET header names."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydicom.dataset import Dataset

from dotaliver.config.protocol import Range, Tracer
from dotaliver.dicom.files.elements import first_item, items, joined, number, private_element, spaced, text, texts
from dotaliver.dicom.files.series_headers import SeriesHeaders
from dotaliver.errors import SuvError

__all__ = ["NUCLIDES", "Nuclide", "TracerName", "is_fdg", "names_fdg", "nuclide_of", "radiopharmaceutical", "tracer_of"]


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


def radiopharmaceutical(dataset: Dataset) -> Dataset | None:
    """The item of the Radiopharmaceutical Information Sequence (0054,0016); `one_radiopharmaceutical` checks it."""
    return first_item(dataset, "RadiopharmaceuticalInformationSequence")


_ITEM_ELEMENTS = (
    "Radiopharmaceutical",
    "RadiopharmaceuticalStartDateTime",
    "RadiopharmaceuticalStartTime",
    "RadionuclideTotalDose",
    "RadionuclideHalfLife",
)
_ITEM_CODES = ("RadionuclideCodeSequence", "RadiopharmaceuticalCodeSequence")
_SEQUENCE = "Radiopharmaceutical Information Sequence (0054,0016)"
ItemContent = tuple[tuple[str, ...], ...]


def _content(item: Dataset) -> ItemContent:
    """What one item says of tracer, activity and time."""
    codes = (first_item(item, keyword) for keyword in _ITEM_CODES)
    return (
        *(texts(item, keyword) for keyword in _ITEM_ELEMENTS),
        *(() if code is None else (*texts(code, "CodeValue"), *texts(code, "CodeMeaning")) for code in codes),
    )


def one_radiopharmaceutical(series: SeriesHeaders, *, dose_matters: bool = True) -> None:
    """Refuse a PET of several tracers or injections: which activity and time its SUV rests on cannot be known.

    Parameters
    ----------
    dose_matters : bool
        Whether activity and time of the items enter. Where not (relative units, stored SUV, or both given by the
        user), several injections of one tracer pass.

    Raises
    ------
    SuvError
        Where the sequence holds items that differ, or differs between slices.
    """
    by_slice = {
        tuple(dict.fromkeys(_content(item) for item in items(part.dataset, "RadiopharmaceuticalInformationSequence")))
        for part in series.slices
    }
    tracers = {(content[0], *content[-2:]) for contents in by_slice for content in contents}
    if not dose_matters and len(tracers) <= 1:
        return
    most = max(by_slice, key=len)
    if len(most) > 1:
        names = ", ".join(" ".join((*content[0], *content[3])) or "unnamed" for content in most)
        msg = (
            f"{series.name}: {_SEQUENCE} holds {len(most)} items (name and dose: {names}), so the image shows several "
            "injections or tracers and one dose cannot give its SUV; give a PET of one injection"
        )
        msg += ", or the dose and time that hold by --dose and --injection" if len(tracers) == 1 else ""
        raise SuvError(msg)
    if len(by_slice) > 1:
        msg = f"{series.name}: {_SEQUENCE} differs between slices; export the series again"
        raise SuvError(msg)


def _spelled(value: str | None) -> str | None:
    if not value:
        return None
    value = spaced(value)
    match = _NUMBER_FIRST.search(value)
    mass, word = match.groups() if match else (None, None)
    if match is None:
        match = _NAME_FIRST.search(value)
        if match is None:
            return None
        word, mass = match.groups()
    symbol = _ELEMENTS.get(str(word).lower()) or _SYMBOLS[str(word).lower()]
    return f"{str(mass).lower()}{symbol}"


def _coded(item: Dataset) -> str | None:
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


def _ge_name(dataset: Dataset, offset: int) -> str | None:
    element = private_element(dataset, 0x0009, _GE, offset)
    return None if element is None else joined(dataset, element)


def nuclide_of(dataset: Dataset) -> tuple[str | None, str]:
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
    """What the header calls the tracer, and whether that is a somatostatin-receptor ligand (None: unknown)."""

    name: str | None
    is_sstr: bool | None


# Code values of tracers whose meaning may be blank: CID 4021 in SNOMED CT and UMLS, and the older SRT.
_CODED_TRACERS = {
    "724025002": "Dotatate Ga^68^",
    "C2713594": "Edotreotide Ga^68^",
    "35321007": "Fluorodeoxyglucose F^18^",
    "C-B1031": "Fluorodeoxyglucose F^18^",
    "C118961": "PSMA-11 Ga^68^",
    "126759": "PSMA-617 Ga^68^",
    "126758": "PSMA-1007 F^18^",
    "129501009": "Sodium fluoride F^18^",
    "126703": "Choline C^11^",
    "456992002": "Fluorocholine F^18^",
}
# Words of a tracer's name that leave open which tracer it is.
_GENERIC_WORDS = (
    "agent default imaging injection isotope labeled labelled ligand na none other peptide pet radiopharmaceutical "
    "radiotracer solution tracer unknown unspecified user"
)
_GENERIC = {*_GENERIC_WORDS.split(), *_ELEMENTS, *_SYMBOLS}
# Words before a tracer's name, or right after it, by which a description refers to another scan or to none.
_OTHER_SCAN = re.compile(
    r"\b(no|not|non|without|w/o|never|none|except|exclud\w*|prior|previous\w*|former\w*|old|earlier|last|since|after|"
    r"before|post|pre|versus|vs|compar\w*|correlat\w*|instead|than|rather|kein\w*|ohne|vor|nach|nicht|sans|sin)\b",
    re.IGNORECASE,
)
_DENIED_AFTER = re.compile(
    r"^\W*(was |is |were )?(negative|neg|prior|previous|not|excluded|comparison|correlation|ago|unavailable)\b", re.I
)
_CLAUSE = re.compile(r"[.,;:/()|+]")


def _names(dataset: Dataset) -> list[str]:
    """All names of the tracer in the radiopharmaceutical's item, the code first: free text never overrules it."""
    item = radiopharmaceutical(dataset)
    found: list[str | None] = []
    if item is not None:
        code = first_item(item, "RadiopharmaceuticalCodeSequence")
        if code is not None:
            found += [joined(code, "CodeMeaning"), _CODED_TRACERS.get(text(code, "CodeValue") or "")]
        found.append(joined(item, "Radiopharmaceutical"))
    found.append(_ge_name(dataset, _GE_TRACER))
    return [name for name in found if name]


_FDG = re.compile(r"fluorodeoxyglucose|fludeoxyglucose|(?<![a-z])fdg", re.IGNORECASE)
_FDG_NUCLIDE = "18F"


def names_fdg(dataset: Dataset) -> bool:
    """Whether the radiopharmaceutical's own names, its code first, say FDG labelled with 18F, and none says otherwise.

    A series description does not count: "compare with FDG" is no tracer.
    """
    names = _names(dataset)
    others = [name for name in names if not _FDG.search(spaced(name)) and not _is_generic(name)]
    nuclide, _ = nuclide_of(dataset)
    return bool(names) and not others and not all(map(_is_generic, names)) and nuclide in {None, _FDG_NUCLIDE}


def is_fdg(series: SeriesHeaders) -> bool:
    """Whether every slice of a PET names FDG as its tracer."""
    return all(names_fdg(part.dataset) for part in series.slices)


def _is_generic(name: str) -> bool:
    """Whether a name says no more than "Solution" or "68Ga"."""
    words = re.findall(r"[a-z]+", spaced(name).lower())
    return all(word in _GENERIC or len(word) == 1 for word in words)


def _fits(patterns: tuple[str, ...], name: str) -> bool:
    return any(re.search(pattern, spaced(name), re.IGNORECASE) for pattern in patterns)


def _affirms(patterns: tuple[str, ...], description: str) -> bool:
    """Whether a description says that this scan is of such a tracer: "no prior FDG" and "FDG negative" do not."""
    for clause in _CLAUSE.split(spaced(description)):
        for pattern in patterns:
            for match in re.finditer(pattern, clause, re.IGNORECASE):
                denied = _OTHER_SCAN.search(clause[: match.start()]) or _DENIED_AFTER.search(clause[match.end() :])
                if not denied:
                    return True
    return False


def tracer_of(dataset: Dataset, tracer: Tracer) -> TracerName:
    """Name the tracer and compare the name with the protocol's patterns; the first name that fits one decides.

    A series or study description counts only where the radiopharmaceutical's own names leave the tracer open
    (scanners write "Solution"), and only where it names one kind of tracer.
    """
    names = _names(dataset)
    for name in names:
        if _fits(tracer.name_patterns, name):
            return TracerName(name, True)
        if _fits(tracer.other_name_patterns, name):
            return TracerName(name, False)
    shown = names[0] if names else None
    if not all(_is_generic(name) for name in names):
        return TracerName(shown, None)
    hints = [d for d in (joined(dataset, "SeriesDescription"), joined(dataset, "StudyDescription")) if d]
    for hint in hints:
        is_sstr, is_other = _affirms(tracer.name_patterns, hint), _affirms(tracer.other_name_patterns, hint)
        if is_sstr != is_other:
            return TracerName(hint, is_sstr)
    return TracerName(shown, None)
