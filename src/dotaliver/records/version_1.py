"""Records of schema version 1: verified by the rules of their time, then converted to version 2.

What is here works on the JSON of a record, not on today's types, so that it stays true whatever these become. When
a field of version 2 gets a new name, form or meaning, `as_version_2` is where old records learn of it; `record_id_1`
never changes.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re

from dotaliver.system.parsing import Json, as_list, as_object

__all__ = ["as_version_2", "record_id_1"]

_HASHED = (
    "schema_version",
    "study",
    "acquisition",
    "uptake_unit",
    "suv",
    "references",
    "liver",
    "burden",
    "lobes",
    "lesions",
    "ct_foci",
    "criteria",
    "flags",
    "segmentation",
    "edits",
    "config",
)
_TIMES = {"made_at", "scored_at"}
_RENAMED_FLAGS = {"RECIST_CT_REGISTERED": "RECIST_IMAGE_REGISTERED"}
_UNSEEN = re.compile(r"lesion ([0-9]+) on CT")


def record_id_1(data: dict[str, Json]) -> str:
    """The ``record_id`` that version 1 gave this content.

    SHA-256 over the canonical JSON (sorted keys, no spaces, ASCII) of the fields in ``_HASHED``, without times and
    without the origin of the masks.

    Raises
    ------
    KeyError, TypeError, AttributeError
        Where the JSON is not that of a record.
    """
    hashed = copy.deepcopy({name: data[name] for name in _HASHED})
    for mask in as_list(as_object(hashed["segmentation"])["masks"]):
        as_object(mask).pop("origin")
    text = json.dumps(_without_times(hashed), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def as_version_2(data: dict[str, Json]) -> dict[str, Json]:
    """The JSON of a version 1 record in the form of version 2; ``record_id`` stays the name of the old record.

    Parameters
    ----------
    data : dict
        A verified version 1 record as parsed JSON; not changed.

    Returns
    -------
    dict
        To be validated as a `StudyScore`. Nothing is filled in that version 1 did not know.
    """
    now = copy.deepcopy(data)
    now["schema_version"] = "2"
    # The reason why CT shows no border of a lesion was stored with other reasons, under "lesion 3 on CT".
    segmentation = as_object(now["segmentation"])
    reasons = as_object(segmentation["reasons"])
    unseen = {name: found[1] for name in reasons if (found := _UNSEEN.fullmatch(name))}
    segmentation["unseen_on_ct"] = {label: reasons[name] for name, label in unseen.items()}
    segmentation["reasons"] = {name: why for name, why in reasons.items() if name not in unseen}
    # The image that diameters are measured on, which only a CT could be then.
    study = as_object(now["study"])
    study["recist_image"] = study.pop("recist_ct", None)
    for flag in map(as_object, (*as_list(now["flags"]), *as_list(segmentation["flags"]))):
        flag["code"] = _RENAMED_FLAGS.get(str(flag["code"]), flag["code"])
    # Borders on CT were found by another method, whose settings have no meaning now.
    as_object(now["config"]).pop("ct_lesions", None)
    # So were focal lesions on CT.
    as_object(now["config"]).pop("ct_foci", None)
    return now


def _without_times(value: Json) -> Json:
    if isinstance(value, dict):
        return {name: _without_times(inner) for name, inner in value.items() if name not in _TIMES}
    if isinstance(value, list):
        return [_without_times(inner) for inner in value]
    return value
