"""A trial as data: its criteria, thresholds and tracers.

Another trial is another file, not a fork. The default, NCT04544098, is shipped as
``protocols/nct04544098.toml`` and gives the source of each of its numbers.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from dotaliver.errors import ConfigError
from dotaliver.frozen import FrozenModel

__all__ = [
    "CRITERIA",
    "Criterion",
    "CriterionId",
    "Range",
    "Tracer",
    "TrialProtocol",
    "default_protocol",
    "load_protocol",
]

CriterionId = Literal["INC4", "INC6", "INC7", "EXC4", "EXC6", "DOM"]
CRITERIA: tuple[CriterionId, ...] = ("INC7", "EXC4", "INC4", "INC6", "EXC6", "DOM")
"""The image criteria that are answered, in the order in which they are shown."""


class Range(FrozenModel):
    """A closed interval."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether the value lies in the interval, ends included."""
        return self.low <= value <= self.high


class Criterion(FrozenModel):
    """One criterion of the protocol, in its own words."""

    id: CriterionId
    kind: Literal["inclusion", "exclusion", "description"]
    name: str = Field(description="What people are shown, such as 'Inclusion 7'")
    topic: str = Field(description="What it asks about, in a few words")
    wording: str = Field(description="The protocol's text")
    scope: Literal["liver", "body"]
    needs_pretherapy_sstr_pet: bool = Field(description="Whether another tracer or nuclide makes it not evaluable")


class Tracer(FrozenModel):
    """What the eligibility verdicts may be read from."""

    nuclides: tuple[str, ...] = Field(description="Nuclides such as '68Ga'")
    name_patterns: tuple[str, ...] = Field(
        description="Regular expressions for names of somatostatin-receptor ligands, case ignored"
    )
    other_name_patterns: tuple[str, ...] = Field(
        description="Regular expressions for names that are certainly another tracer"
    )


class TrialProtocol(FrozenModel):
    """Criteria, thresholds and tracers of one trial and amendment."""

    id: str
    title: str
    amendment: str
    tracer: Tracer
    criteria: tuple[Criterion, ...]
    liver_involvement_limit: Annotated[float, Field(gt=0, lt=1)]
    measurable_longest_diameter_mm: Annotated[float, Field(gt=0)]
    measurable_node_short_axis_mm: Annotated[float, Field(gt=0)]
    thick_slice_mm: Annotated[float, Field(gt=0)]
    thick_slice_multiple: Annotated[float, Field(gt=0)]
    progression_window_months: Annotated[float, Field(gt=0)]
    uptake_time_min: Range
    injected_activity_mbq: Range
    checklist: tuple[str, ...] = Field(description="Image criteria that nothing computes, for the reader")

    def criterion(self, criterion_id: CriterionId) -> Criterion:
        """One criterion by its id."""
        for criterion in self.criteria:
            if criterion.id == criterion_id:
                return criterion
        msg = f"protocol {self.id} has no criterion {criterion_id}"
        raise ConfigError(msg)


def load_protocol(path: Path) -> TrialProtocol:
    """Read a protocol from a TOML file; `ConfigError` names the file and the setting that is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path.name}: the protocol cannot be read ({error}); give a readable TOML file"
        raise ConfigError(msg) from error
    return _parse(text, path.name)


def _parse(text: str, name: str) -> TrialProtocol:
    try:
        return TrialProtocol.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        msg = f"{name}: not valid TOML ({error})"
        raise ConfigError(msg) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        msg = f"{name}: {where}: {first['msg']}"
        raise ConfigError(msg) from error


@cache
def default_protocol() -> TrialProtocol:
    """NCT04544098, as shipped."""
    name = "nct04544098.toml"
    return _parse(files("dotaliver").joinpath("config", "protocols", name).read_text(encoding="utf-8"), name)
