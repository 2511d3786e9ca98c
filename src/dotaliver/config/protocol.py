"""A trial as data: its criteria, thresholds and tracers.

Another trial is another file, not a fork. Two are shipped in ``protocols/``, with the source of each number:
``nct04544098`` (the default) and ``prrt-screening``.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from dotaliver.errors import ConfigError
from dotaliver.frozen import FrozenModel, first_problem
from dotaliver.system.parsing import ParseError, parse_toml, read_bounded

__all__ = [
    "RULES",
    "Criterion",
    "CriterionId",
    "Range",
    "Rule",
    "Tracer",
    "TrialProtocol",
    "default_protocol",
    "load_protocol",
    "protocol_named",
    "shipped_protocols",
]

Rule = Literal["INC7", "EXC4", "INC4", "INC6", "EXC6", "DOM"]
BodyPart = Literal["head", "neck", "chest", "abdomen", "pelvis", "thighs"]

RULES: tuple[Rule, ...] = ("INC7", "EXC4", "INC4", "INC6", "EXC6", "DOM")
"""How a criterion is answered, named after the criteria of NCT04544098: uptake above normal liver, share of the liver
that is tumour, measurable disease, progression before entry, receptor-negative lesions, liver dominance."""

CriterionId = str
"""A criterion's id in its protocol; in NCT04544098 the same word as its rule."""


class Range(FrozenModel):
    """A closed interval."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether the value lies in the interval, ends included."""
        return self.low <= value <= self.high


class Criterion(FrozenModel):
    """One criterion of the protocol, in its own words."""

    id: CriterionId = Field(
        pattern=r"^[A-Za-z][A-Za-z0-9_]{0,15}$", description="The protocol's short name for it, such as EXC4"
    )
    rule: Rule = Field(description="Which of the built-in rules answers it; where absent, the one named like its id")
    kind: Literal["inclusion", "exclusion", "description", "information"] = Field(
        description="'information' is shown and neither supports nor excludes"
    )
    name: str = Field(min_length=1, description="What people are shown, such as 'Inclusion 7'")
    topic: str = Field(description="What it asks about, in a few words")
    wording: str = Field(description="The protocol's text")
    scope: Literal["liver", "body"]
    needs_pretherapy_sstr_pet: bool = Field(description="Whether another tracer or nuclide makes it not evaluable")

    @model_validator(mode="before")
    @classmethod
    def _rule_of_the_same_name(cls, data: object) -> object:
        if isinstance(data, dict) and "rule" not in data and data.get("id") in RULES:
            return {**data, "rule": data["id"]}
        return data


class Tracer(FrozenModel):
    """What the eligibility verdicts may be read from."""

    nuclides: tuple[str, ...] = Field(min_length=1, description="Nuclides such as '68Ga'")
    name_patterns: tuple[str, ...] = Field(
        description="Regular expressions for names of somatostatin-receptor ligands, case ignored"
    )
    other_name_patterns: tuple[str, ...] = Field(
        description="Regular expressions for names that are certainly another tracer"
    )

    @model_validator(mode="after")
    def _patterns_compile(self) -> Self:
        for pattern in (*self.name_patterns, *self.other_name_patterns):
            try:
                re.compile(pattern)
            except re.error as error:
                msg = f"{pattern!r} is not a regular expression ({error})"
                raise ValueError(msg) from error
        return self


class TrialProtocol(FrozenModel):
    """Criteria, thresholds and tracers of one trial and amendment."""

    id: str = Field(min_length=1)
    title: str
    amendment: str
    tracer: Tracer
    criteria: Annotated[tuple[Criterion, ...], Field(min_length=1)]
    liver_involvement_limit: Annotated[float, Field(gt=0, lt=1)]
    measurable_longest_diameter_mm: Annotated[float, Field(gt=0)]
    measurable_node_short_axis_mm: Annotated[float, Field(gt=0)]
    thick_slice_mm: Annotated[float, Field(gt=0)]
    thick_slice_multiple: Annotated[float, Field(gt=0)]
    progression_window_months: Annotated[float, Field(gt=0)]
    uptake_time_min: Range
    injected_activity_mbq: Range
    checklist: tuple[str, ...] = Field(description="Image criteria that nothing computes, for the reader")
    body_range: Annotated[tuple[BodyPart, ...], Field(min_length=1)] = Field(
        default=("neck", "chest", "abdomen", "pelvis"),
        description="Parts that a scan must show before the whole body counts as read; the default is what every "
        "standard scan, from the base of the skull to the thighs, shows whole",
    )
    liver_dominance_share: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=None, description="Share of tumour volume in the liver from which disease is liver-dominant, if any"
    )

    @model_validator(mode="after")
    def _one_criterion_a_rule(self) -> Self:
        for name, values in (("id", self.ids), ("rule", tuple(criterion.rule for criterion in self.criteria))):
            twice = next((value for value in values if values.count(value) > 1), None)
            if twice is not None:
                msg = f"two criteria have the {name} {twice}; each {name} may be used once"
                raise ValueError(msg)
        return self

    @property
    def ids(self) -> tuple[CriterionId, ...]:
        """Ids of the criteria, in the order in which they are shown."""
        return tuple(criterion.id for criterion in self.criteria)

    def criterion(self, criterion_id: CriterionId) -> Criterion:
        """One criterion by its id."""
        for criterion in self.criteria:
            if criterion.id == criterion_id:
                return criterion
        msg = f"protocol {self.id} has no criterion {criterion_id}"
        raise ConfigError(msg)

    def answered_by(self, rule: Rule) -> Criterion | None:
        """The criterion that a rule answers; None where the protocol does not ask."""
        return next((criterion for criterion in self.criteria if criterion.rule == rule), None)


def protocol_named(name: str, folder: Path | None = None) -> TrialProtocol:
    """A protocol by the name of a shipped one, or from a TOML file.

    Parameters
    ----------
    name : str
        Such as ``prrt-screening``, or the path of a file.
    folder : Path, optional
        What a relative path starts from; the current folder where absent.

    Raises
    ------
    ConfigError
        Where it is neither, or the file is not a protocol.

    Examples
    --------
    >>> protocol_named("prrt-screening").ids
    ('UPTAKE', 'BURDEN', 'MEASURABLE', 'SSTRNEG')
    """
    if name.lower() in shipped_protocols():
        return _shipped(name.lower())
    path = Path(name) if folder is None else folder / name
    if not path.is_file():
        msg = f"{name}: neither a protocol file nor the name of a shipped protocol ({', '.join(shipped_protocols())})"
        raise ConfigError(msg)
    return load_protocol(path)


def load_protocol(path: Path) -> TrialProtocol:
    """Read a protocol from a TOML file; `ConfigError` names the file and the setting that is wrong."""
    try:
        return _parse(read_bounded(path), path.name)
    except ParseError as error:
        msg = f"{path.name}: {error}; give the protocol as TOML"
        raise ConfigError(msg) from error
    except OSError as error:
        msg = f"{path.name}: the protocol cannot be read ({error.strerror}); give a readable TOML file"
        raise ConfigError(msg) from error


def _parse(content: bytes, name: str) -> TrialProtocol:
    try:
        return TrialProtocol.model_validate(parse_toml(content))
    except ValidationError as error:
        msg = f"{name}: {first_problem(error)}"
        raise ConfigError(msg) from error


@cache
def shipped_protocols() -> tuple[str, ...]:
    """Names of the protocols that come with the package."""
    folder = files("dotaliver").joinpath("config", "protocols")
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")))


@cache
def _shipped(name: str) -> TrialProtocol:
    text = files("dotaliver").joinpath("config", "protocols", f"{name}.toml").read_bytes()
    return _parse(text, f"{name}.toml")


def default_protocol() -> TrialProtocol:
    """NCT04544098, as shipped."""
    return _shipped("nct04544098")
