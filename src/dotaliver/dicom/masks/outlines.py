"""Which outlines of a file are meant: those that the user names, else by type, code and name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from dotaliver.errors import MaskError

__all__ = [
    "ANATOMY",
    "LIVER_CODES",
    "MaskKind",
    "Outlines",
    "coded_organ",
    "is_liver_name",
    "is_organ_name",
    "is_reference_name",
    "pick_outlines",
    "split_outlines",
]

MaskKind = Literal["liver", "lesions", "ct_foci", "body"]
_LIVER = re.compile(
    r"(whole|entire|total)?[\s_-]*(liver|hepar|leber|foie|higado)([\s_-]*(\(?whole\)?|organ|mask|seg))?", re.I
)
_REFERENCE = re.compile(r"reference|normal[\s_-]*liver|background|blood[\s_-]*pool", re.I)
# Organs and planning volumes as people and TG-263 call them, with a side or a number.
_ORGAN = re.compile(
    r"((left|right|l|r|lt|rt)[\s_.-]*)?"
    r"(spleen|milz|kidneys?|niere|lungs?|heart|stomach|bowel(bag)?|(small|large)[\s_-]*bowel|colon|duodenum|pancreas|"
    r"oesophagus|esophagus|(spinal[\s_-]*)?(cord|canal)|bladder|gall[\s_-]*bladder|aorta|vena[\s_-]*cava|"
    r"adrenals?([\s_-]*glands?)?|brain|thyroid|pituitary([\s_-]*gland)?|parotids?|body|external|skin|patient|couch|"
    r"(p|c|i)tv\w*)([\s_.-]*(left|right|l|r|lt|rt|\d+))*",
    re.I,
)
# Liver and other organs in SNOMED CT, the older SRT, and FMA (DICOM CID 4031, 7166).
LIVER_CODES = {"10200004", "T-62000", "7197"}
# Category of segments that are anatomy, and so not lesions: Anatomical Structure, in SNOMED CT and SRT.
ANATOMY = {"123037004", "T-D000A"}
_ORGAN_CODES = {
    *("78961009", "T-C3000", "7196"),  # spleen
    *("64033007", "T-71000", "7203", "18639004", "T-71020", "7205", "9846003", "T-71010", "7204"),  # kidneys
    *("23451007", "T-B3000", "9604", "38360005", "29392005"),  # adrenal glands
    *("15776009", "T-65000", "7198"),  # pancreas
    *("69695003", "T-57000", "7148"),  # stomach
    *("38848004", "T-58200", "7206", "30315005", "T-58000", "7200", "71854001", "T-59300", "14543"),  # bowel
    *("28231008", "T-63000", "7202"),  # gallbladder
    *("80891009", "T-32000", "7088"),  # heart
    *("39607008", "T-28000", "7195", "44029006", "T-28500", "7310", "3341006", "T-28100", "7309"),  # lungs
    *("15825003", "T-42000", "3734", "64131007", "T-48710", "10951", "32764006", "T-48810"),  # vessels
    *("89837001", "T-74000", "15900", "41216001", "T-92000", "9600"),  # bladder, prostate
    *("2748008", "T-A7010", "7647", "12738006", "T-A0100", "50801"),  # spinal cord, brain
    *("32849002", "T-56000", "7131", "69748006", "T-B6000", "9603", "56329008", "T-B1000", "13889"),
    *("39937001", "T-01000", "38266002"),  # skin, entire body
}


@dataclass(frozen=True)
class Outlines:
    """The outlines of one file by number: what they are called, and what is known of them.

    ``livers`` are the liver, ``others`` neither liver nor lesion, ``lesions`` certainly lesions (where the file marks
    some), and ``unsure`` outlines that may be organs: with them among the candidates, the user is asked.
    """

    names: Mapping[int, str]
    livers: frozenset[int] = frozenset()
    others: frozenset[int] = frozenset()
    lesions: frozenset[int] = frozenset()
    unsure: frozenset[int] = field(default_factory=frozenset)


def is_liver_name(name: str) -> bool:
    """Whether an outline's name is that of the whole liver ("Liver lesion 1" is not)."""
    return _LIVER.fullmatch(name.strip()) is not None


def is_reference_name(name: str) -> bool:
    """Whether an outline's name is that of a reference region."""
    return _REFERENCE.search(name) is not None


def is_organ_name(name: str) -> bool:
    """Whether an outline is called as another organ or a planning volume is, and nothing more."""
    return _ORGAN.fullmatch(name.strip()) is not None


def coded_organ(value: str | None) -> bool:
    """Whether a code is that of an organ other than the liver."""
    return value in _ORGAN_CODES


def split_outlines(path: Path) -> tuple[Path, tuple[str, ...]]:
    """A mask's path, and the outlines that the user names behind it: ``FILE#ROI`` or ``FILE#ROI#ROI``.

    A file whose name holds a ``#`` is itself meant, where it exists.
    """
    text = str(path)
    if path.exists() or "#" not in text:
        return path, ()
    for match in re.finditer("#", text):
        file = Path(text[: match.start()])
        if file.exists():
            return file, tuple(part.strip() for part in text[match.end() :].split("#") if part.strip())
    return path, ()


def pick_outlines(name: str, kind: MaskKind, found: Outlines, wanted: tuple[str, ...] = ()) -> list[int]:
    """The outlines that are meant, by number.

    Parameters
    ----------
    name : str
        Of the file.
    kind : str
        "liver" or "lesions".
    found : Outlines
    wanted : tuple of str
        Names or numbers that the user gives.

    Raises
    ------
    MaskError
        Where none or several could be meant; the text lists their names.
    """
    if wanted:
        return sorted({_named(name, found, one) for one in wanted})
    if kind == "lesions":
        return _lesions(name, found)
    if found.livers:
        return sorted(found.livers)
    if len(found.names) == 1 and not found.unsure and not found.others:
        return list(found.names)
    msg = (
        f"{name}: it is unclear which outline is the liver (there are: {_listed(found)}); name it 'Liver', or name it "
        f"after the file, as in {name}#NAME"
    )
    raise MaskError(msg)


def _lesions(name: str, found: Outlines) -> list[int]:
    if found.lesions:
        return sorted(found.lesions)
    left = [n for n in sorted(found.names) if n not in found.livers | found.others]
    unsure = [n for n in left if n in found.unsure]
    if unsure:
        shown = ", ".join(found.names[n] for n in unsure[:5])
        msg = (
            f"{name}: it is unclear which outlines are lesions, since {shown} may be something else (there are: "
            f"{_listed(found)}); name the lesions after the file, as in {name}#NAME#NAME"
        )
        raise MaskError(msg)
    if not left:
        msg = f"{name}: the mask holds no lesion (it holds: {_listed(found)})"
        if found.others:
            msg += f"; if some are lesions, name them after the file, as in {name}#NAME#NAME"
        raise MaskError(msg)
    return left


def _listed(found: Outlines) -> str:
    return ", ".join(found.names[n] for n in sorted(found.names)[:20]) or "nothing"


def _named(name: str, found: Outlines, wanted: str) -> int:
    """The one outline that is called so, else the one of that number."""
    matches = [n for n, called in found.names.items() if called.casefold() == wanted.casefold()]
    if not matches and wanted.isdecimal() and int(wanted) in found.names:
        matches = [int(wanted)]
    if len(matches) == 1:
        return matches[0]
    why = (
        f"{len(matches)} outlines are called {wanted!r}; give a number"
        if matches
        else f"no outline is called {wanted!r}"
    )
    msg = f"{name}: {why} (there are: {', '.join(f'{n} {found.names[n]}' for n in sorted(found.names)[:20])})"
    raise MaskError(msg)
