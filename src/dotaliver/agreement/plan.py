"""The plan of a central reading: cases, readers, orders, blinding and rules, fixed before anybody reads."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Self

from pydantic import Field, model_validator

from dotaliver.config.reading import DisagreementRules
from dotaliver.errors import ConfigError
from dotaliver.frozen import FrozenModel

__all__ = ["PlannedCase", "PlannedScan", "ReadingPlan", "make_plan"]

_READER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,19}")


class PlannedScan(FrozenModel):
    """One scan of a case, with what identifies its images and its automatic record."""

    study_instance_uid: str
    on: str | None = Field(description="Date of the study, YYYY-MM-DD")
    record_id: str = Field(description="Of the automatic record that readers start from")
    pixel_sha256: dict[str, str] = Field(description="Of the series that were scored, by Series Instance UID")


class PlannedCase(FrozenModel):
    """One patient's scans as one unit of reading."""

    code: str = Field(description="What readers see of it")
    scans: tuple[PlannedScan, ...] = Field(min_length=1, description="In time order")
    repeat_of: str | None = Field(default=None, description="The case that is read again, unknown to the reader")


class ReadingPlan(FrozenModel):
    """Everything that is fixed at the beginning of a central reading."""

    schema_version: Literal["1"] = "1"
    dotaliver_version: str
    made_at: datetime
    seed: int = Field(description="From which codes and orders are drawn")
    readers: tuple[str, ...] = Field(min_length=2)
    adjudicator: str | None
    blind_to_automatic: bool = Field(
        description="Whether the automatic answers are shown only after the reader's own first answer is locked"
    )
    rules: DisagreementRules
    cases: tuple[PlannedCase, ...] = Field(min_length=1)
    order: dict[str, tuple[str, ...]] = Field(description="Codes in the order of each reader")

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        codes = {case.code for case in self.cases}
        if len(codes) != len(self.cases):
            msg = "two cases have one code"
            raise ValueError(msg)
        if any(sorted(order) != sorted(codes) for order in self.order.values()) or set(self.order) != {*self.readers}:
            msg = "the orders are not those of the readers and cases"
            raise ValueError(msg)
        if any(case.repeat_of is not None and case.repeat_of not in codes for case in self.cases):
            msg = "a case repeats one that is not there"
            raise ValueError(msg)
        return self

    def case(self, code: str) -> PlannedCase:
        """One case.

        Raises
        ------
        ConfigError
            Where there is none of this code.
        """
        found = next((case for case in self.cases if case.code == code), None)
        if found is None:
            msg = f"there is no case {code}; 'dotaliver reading status' lists them"
            raise ConfigError(msg)
        return found

    def require_reader(self, reader: str, *, or_adjudicator: bool = False) -> None:
        """Refuse somebody who is not in the plan.

        Raises
        ------
        ConfigError
            Names the readers of the plan.
        """
        known = (*self.readers, *((self.adjudicator,) if or_adjudicator and self.adjudicator else ()))
        if reader not in known:
            msg = f"{reader} is no reader of this plan; its readers are {', '.join(known)}"
            raise ConfigError(msg)

    @property
    def originals(self) -> tuple[PlannedCase, ...]:
        """The cases without those that are read a second time."""
        return tuple(case for case in self.cases if case.repeat_of is None)


def make_plan(  # noqa: PLR0913  each is fixed at the beginning and named in the plan
    scans: Sequence[tuple[PlannedScan, ...]],
    *,
    readers: Sequence[str],
    adjudicator: str | None,
    seed: int,
    rules: DisagreementRules,
    blind: bool,
    repeats: int,
    made_at: datetime,
    version: str,
) -> ReadingPlan:
    """Draw codes, repeats and each reader's order from a seed.

    Parameters
    ----------
    scans : sequence of tuple of PlannedScan
        The scans of each case.
    readers : sequence of str
        Two or more, by short names such as ``A``.
    adjudicator : str or None
        Who decides where they differ.
    seed : int
        The same seed and cases give the same plan.
    rules : DisagreementRules
        When they differ.
    blind : bool
        Whether the automatic answers stay hidden at first.
    repeats : int
        How many cases are read twice by each reader, for the agreement of a reader with himself.
    made_at : datetime
        When, with its time zone.
    version : str
        Of the program.

    Raises
    ------
    ConfigError
        Where names are not usable or there are more repeats than cases.
    """
    _check_names(readers, adjudicator)
    if not 0 <= repeats <= len(scans):
        msg = f"{repeats} repeats of {len(scans)} cases are asked for; give a number from 0 to {len(scans)}"
        raise ConfigError(msg)
    originals = sorted(scans, key=lambda case: _draw(seed, "code", case[0].study_instance_uid))
    chosen = sorted(originals, key=lambda case: _draw(seed, "repeat", case[0].study_instance_uid))[:repeats]
    drawn = [(case, False) for case in originals] + [(case, True) for case in chosen]
    drawn.sort(key=lambda item: _draw(seed, "place", item[0][0].study_instance_uid, str(item[1])))
    width = max(3, len(str(len(drawn))))
    codes = [f"C{number:0{width}d}" for number in range(1, len(drawn) + 1)]
    first = {case[0].study_instance_uid: code for code, (case, again) in zip(codes, drawn, strict=True) if not again}
    cases = tuple(
        PlannedCase(code=code, scans=case, repeat_of=first[case[0].study_instance_uid] if again else None)
        for code, (case, again) in zip(codes, drawn, strict=True)
    )
    return ReadingPlan(
        dotaliver_version=version,
        made_at=made_at,
        seed=seed,
        readers=tuple(readers),
        adjudicator=adjudicator,
        blind_to_automatic=blind,
        rules=rules,
        cases=cases,
        order={reader: _order(cases, reader, seed) for reader in readers},
    )


def _check_names(readers: Sequence[str], adjudicator: str | None) -> None:
    names = (*readers, *(() if adjudicator is None else (adjudicator,)))
    wrong = next((name for name in names if _READER.fullmatch(name) is None), None)
    if wrong is not None:
        msg = f"{wrong!r} cannot be a reader's short name; give up to 20 letters, digits, '-' or '_', such as A"
        raise ConfigError(msg)
    if len({name.lower() for name in names}) != len(names):
        msg = "a reader is named twice; give each reader and the adjudicator a name of their own"
        raise ConfigError(msg)
    if len(readers) < 2:
        msg = "a central reading needs two readers at least; give --readers A,B"
        raise ConfigError(msg)


def _order(cases: Sequence[PlannedCase], reader: str, seed: int) -> tuple[str, ...]:
    """A reader's order: by lot, but a repeat comes in the second half and after its first reading."""
    codes = [case.code for case in cases if case.repeat_of is None]
    codes.sort(key=lambda code: _draw(seed, "order", reader, code))
    again = sorted(
        (case for case in cases if case.repeat_of is not None), key=lambda case: _draw(seed, "again", reader, case.code)
    )
    for case in again:
        earliest = max(codes.index(case.repeat_of or "") + 1, len(codes) // 2)
        places = len(codes) + 1 - earliest
        codes.insert(earliest + _draw(seed, "at", reader, case.code) % places, case.code)
    return tuple(codes)


def _draw(seed: int, *about: str) -> int:
    """A number drawn for something, the same on every machine and in every version."""
    text = "\0".join((str(seed), *about))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
