"""Why two records of a study differ: which inputs, edits or constants changed, and each number and verdict with them.

Both records are compared field by field. What a record was made from comes first, what came out of it second; lesions
are matched by their labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import Field

from dotaliver.frozen import FrozenModel
from dotaliver.records.flags import Flag
from dotaliver.records.score import StudyScore
from dotaliver.system.parsing import Json

__all__ = ["Change", "RecordDifference", "Value", "compare_records"]

Kind = Literal["image", "mask", "edit", "setting", "version", "result", "verdict", "flag"]
# What may differ between two runs of the same work.
_NOT_COMPARED = {"made_at", "scored_at", "record_id"}


Value = str | int | float | bool | None
"""A simple value of a record"""


class Change(FrozenModel):
    """One field with its value in both records."""

    kind: Kind
    field: str
    before: Value
    now: Value


class RecordDifference(FrozenModel):
    """Everything in which two records differ."""

    same_study: bool
    causes: tuple[Change, ...] = Field(description="What changed of the inputs, edits, settings and versions")
    effects: tuple[Change, ...] = Field(description="What changed of the numbers, verdicts and flags")
    reasons: dict[str, str] = Field(description="For each changed verdict its two reasons, as 'before → now'")


def _leaves(value: Json, path: str = "") -> Iterator[tuple[str, Value]]:
    """Every simple value of a nested structure under a path such as ``lesions[3].suv_max``."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in _NOT_COMPARED:
                yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for n, inner in enumerate(value):
            name = inner.get("label", inner.get("name", inner.get("organ", n))) if isinstance(inner, dict) else n
            yield from _leaves(inner, f"{path}[{name}]")
    else:
        yield path, value


def _changes(kind: Kind, before: Json, now: Json, name: str) -> list[Change]:
    old, new = dict(_leaves(before, name)), dict(_leaves(now, name))
    fields = [*old, *(field for field in new if field not in old)]
    return [
        Change(kind=kind, field=field, before=old.get(field), now=new.get(field))
        for field in fields
        if old.get(field) != new.get(field)
    ]


def _without(data: dict[str, Json], *names: str) -> dict[str, Json]:
    return {key: value for key, value in data.items() if key not in names}


def _flags(before: Sequence[Flag], now: Sequence[Flag], where: str) -> list[Change]:
    old, new = [flag.sentence for flag in before], [flag.sentence for flag in now]
    gone = [Change(kind="flag", field=where, before=s, now=None) for s in old if s not in new]
    return [*gone, *(Change(kind="flag", field=where, before=None, now=s) for s in new if s not in old)]


def compare_records(before: StudyScore, now: StudyScore) -> RecordDifference:
    """What differs between two records, causes separate from effects; times and paths are not compared."""
    a, b = (score.model_dump(mode="json") for score in (before, now))
    causes = [
        *_changes("image", a["study"], b["study"], "study"),
        *_changes("image", a["acquisition"], b["acquisition"], "acquisition"),
        *_changes("mask", a["segmentation"]["masks"], b["segmentation"]["masks"], "masks"),
        *_changes("mask", a["segmentation"]["references"], b["segmentation"]["references"], "reference regions"),
        *_changes("mask", a["segmentation"]["mismatch"], b["segmentation"]["mismatch"], "mismatch"),
        *_changes("edit", a["edits"], b["edits"], "edits"),
        *_changes("setting", a["config"], b["config"], "config"),
        *_changes("version", _versions(before), _versions(now), "versions"),
    ]
    effects: list[Change] = []
    for name in ("suv", "references", "liver", "burden"):
        effects += _changes("result", a[name], b[name], name)
    effects += _changes("result", _numbers(a["lesions"]), _numbers(b["lesions"]), "lesions")
    effects += _changes("verdict", _verdicts(a["criteria"]), _verdicts(b["criteria"]), "criteria")
    effects += _flags(before.flags, now.flags, "flags")
    reasons = {
        key: f"{verdict.reason} → {now.criteria[key].reason}"
        for key, verdict in before.criteria.items()
        if key in now.criteria and verdict.verdict != now.criteria[key].verdict
    }
    same = before.study.study_instance_uid == now.study.study_instance_uid
    return RecordDifference(same_study=same, causes=tuple(causes), effects=tuple(effects), reasons=reasons)


def _versions(score: StudyScore) -> dict[str, Json]:
    return {"dotaliver": score.provenance.dotaliver_version, **score.provenance.dependencies}


def _numbers(lesions: Sequence[dict[str, Json]]) -> list[Json]:
    """Lesions with the numbers that people compare; end points and flags follow from them."""
    return [_without(lesion, "flags", "diameter", "suv_peak_centre_lps_mm") for lesion in lesions]


def _verdicts(criteria: dict[str, dict[str, Json]]) -> dict[str, Json]:
    return {key: _without(value, "reason", "decision") for key, value in criteria.items()}
