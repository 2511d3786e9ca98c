"""What a reader states about the candidates of the FDG scan, checked where it enters."""

from __future__ import annotations

from collections.abc import Iterator

from dotaliver.errors import ConfigError
from dotaliver.records.edits import ReaderEdits, RestOfBody
from dotaliver.records.netpet import NetpetRecord

__all__ = ["require_fdg_signed", "require_fdg_supported"]


def require_fdg_signed(edits: ReaderEdits) -> None:
    """Refuse answers to candidates of the FDG scan that nobody signs: `ConfigError`."""
    if edits.fdg is not None and edits.fdg.answers and edits.reader is None:
        msg = "the edits answer candidates of the FDG scan without saying who reads; give 'reader' with name and role"
        raise ConfigError(msg)


def require_fdg_supported(edits: ReaderEdits, netpet: NetpetRecord | None) -> None:
    """Refuse answers to what is no candidate, and statements on the body that an answer contradicts.

    Raises
    ------
    ConfigError
        With the first such statement and what mends it.
    """
    for problem in _problems(edits, netpet):
        raise ConfigError(problem)


def _problems(edits: ReaderEdits, netpet: NetpetRecord | None) -> Iterator[str]:
    reading, rest = edits.fdg, edits.rest_of_body
    if reading is None or not reading.answers:
        return
    if netpet is None:
        yield "the edits answer candidates of an FDG scan, and there is none; name it with --fdg"
        return
    offered = {lesion.name: lesion for lesion in netpet.lesions if lesion.is_fdg_focus and lesion.sstr != "positive"}
    for answer in reading.answers:
        name = f"F{answer.label}"
        found = offered.get(name)
        if found is None:
            there = ", ".join(offered) or "none"
            yield f"the edits answer candidate {name}, which the FDG scan does not offer (candidates there: {there})"
            continue
        stated = None if found.in_liver or rest is None else _denied(rest)
        if answer.answer == "accepted" and stated is not None:
            yield f"rest_of_body states {stated} elsewhere, and candidate {name} is accepted; keep one"


def _denied(rest: RestOfBody) -> str | None:
    """What a reader denies of the body outside the liver that a lesion there would be."""
    if rest.lesions is False:
        return "no lesions"
    return "no receptor-negative lesions" if rest.receptor_negative is False else None
