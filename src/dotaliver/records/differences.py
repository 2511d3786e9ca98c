"""Why two records of a study differ: which inputs, edits or constants changed, and each number and verdict with them.

Both records are compared field by field. What a record was made from comes first, what came out of it second; lesions
are matched by their labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from pydantic import Field

from dotaliver.frozen import FrozenModel
from dotaliver.records.score import StudyScore

__all__ = ["Change", "RecordDifference", "compare_records"]

Kind = Literal["image", "mask", "edit", "setting", "version", "result", "verdict", "flag"]
# What may differ between two runs of the same work.
_NOT_COMPARED = {"made_at", "scored_at", "record_id"}


class Change(FrozenModel):
    """One field with its value in both records."""

    kind: Kind
    field: str
    before: Any
    now: Any


class RecordDifference(FrozenModel):
    """Everything in which two records differ."""

    same_study: bool
    causes: tuple[Change, ...] = Field(description="What changed of the inputs, edits, settings and versions")
    effects: tuple[Change, ...] = Field(description="What changed of the numbers, verdicts and flags")
    reasons: dict[str, str] = Field(description="For each changed verdict its two reasons, as 'before → now'")


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
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


def _changes(kind: Kind, before: Any, now: Any, name: str) -> list[Change]:
    old, new = dict(_leaves(before, name)), dict(_leaves(now, name))
    fields = [*old, *(field for field in new if field not in old)]
    return [
        Change(kind=kind, field=field, before=old.get(field), now=new.get(field))
        for field in fields
        if old.get(field) != new.get(field)
    ]


def _without(data: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in names}


def _flags(before: Sequence[dict[str, Any]], now: Sequence[dict[str, Any]], where: str) -> list[Change]:
    old, new = [f["sentence"] for f in before], [f["sentence"] for f in now]
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
        *_changes("version", _versions(a), _versions(b), "versions"),
    ]
    effects: list[Change] = []
    for name in ("suv", "references", "liver", "burden"):
        effects += _changes("result", a[name], b[name], name)
    effects += _changes("result", _numbers(a["lesions"]), _numbers(b["lesions"]), "lesions")
    effects += _changes("verdict", _verdicts(a["criteria"]), _verdicts(b["criteria"]), "criteria")
    effects += _flags(a["flags"], b["flags"], "flags")
    reasons = {
        key: f"{a['criteria'][key]['reason']} → {b['criteria'][key]['reason']}"
        for key in a["criteria"]
        if key in b["criteria"] and a["criteria"][key]["verdict"] != b["criteria"][key]["verdict"]
    }
    same = before.study.study_instance_uid == now.study.study_instance_uid
    return RecordDifference(same_study=same, causes=tuple(causes), effects=tuple(effects), reasons=reasons)


def _versions(data: dict[str, Any]) -> dict[str, Any]:
    provenance = data["provenance"]
    return {"dotaliver": provenance["dotaliver_version"], **provenance["dependencies"]}


def _numbers(lesions: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lesions with the numbers that people compare; end points and flags follow from them."""
    return [_without(lesion, "flags", "diameter", "suv_peak_centre_lps_mm") for lesion in lesions]


def _verdicts(criteria: dict[str, Any]) -> dict[str, Any]:
    return {key: _without(value, "reason", "decision") for key, value in criteria.items()}
