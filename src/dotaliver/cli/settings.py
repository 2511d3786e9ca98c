"""From the options of a command to the settings, edits and limits that the pipeline takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dotaliver.errors import ConfigError

if TYPE_CHECKING:
    from dotaliver.config.scoring import ExecutionConfig, ScoringConfig
    from dotaliver.pipeline import OutputOptions
    from dotaliver.records.edits import ReaderEdits

__all__ = [
    "edits_of",
    "execution_of",
    "memory_bytes",
    "output_options",
    "scoring_config",
    "stated_values",
    "with_stated",
]


_COORDINATES = 3


def stated_values(
    weight: float | None,
    dose: float | None,
    height: float | None,
    times: tuple[str | None, str | None],
    decay_correction: str | None,
    analogue: tuple[str | None, str | None] = (None, None),
) -> dict[str, object]:
    """The values that the user states in place of the header, by the names of `AssumedValues`."""
    injection, reference_time = times
    stated: dict[str, object | None] = {
        "weight_kg": weight,
        "dose_mbq": dose,
        "height_m": height,
        "injection": injection,
        "reference_time": reference_time,
        "decay_correction": decay_correction,
        "analogue": analogue[0],
        "analogue_date": analogue[1],
    }
    return {name: value for name, value in stated.items() if value is not None}


def scoring_config(
    path: Path | None,
    stated: dict[str, object] | None = None,
    *,
    protocol: str | None = None,
    relative: bool = False,
    any_tracer: bool = False,
    segmenter: str | None = None,
) -> ScoringConfig:
    """The settings of a file, with what the options of the command line change in them."""
    from dotaliver.config.files import load_config
    from dotaliver.config.protocol import protocol_named
    from dotaliver.config.scoring import ScoringConfig

    config = ScoringConfig() if path is None else load_config(path)
    chosen = {"relative": relative, "judge_other_tracer": any_tracer}
    assume = config.assume.model_dump() | (stated or {}) | {name: True for name, is_on in chosen.items() if is_on}
    changes: dict[str, object] = {} if segmenter is None else {"segmenter": segmenter}
    if protocol is not None:
        changes["protocol"] = protocol_named(protocol)
    return with_stated(config, assume, changes)


def with_stated(
    config: ScoringConfig, assume: dict[str, object], changes: dict[str, object] | None = None
) -> ScoringConfig:
    """Settings with what the user states in place of the header; `ConfigError` names the option that is wrong."""
    from pydantic import ValidationError

    from dotaliver.config.scoring import ScoringConfig
    from dotaliver.frozen import first_problem

    try:
        return ScoringConfig.model_validate(config.model_dump() | {"assume": assume} | (changes or {}))
    except ValidationError as error:
        field, _, problem = first_problem(error).partition(": ")
        # assume.weight_kg is --weight, and assume.reference_time --reference-time
        # What is wrong with several together is wrong with the analogue's date.
        option = (
            "analogue-date"
            if field == "assume"
            else field.rsplit(".", 1)[-1].removesuffix("_kg").removesuffix("_m").removesuffix("_mbq").replace("_", "-")
        )
        msg = f"--{option}: {problem}"
        raise ConfigError(msg) from error


def memory_bytes(text: str) -> int:
    """An amount of memory such as ``1GiB``, in bytes."""
    from pydantic import ByteSize, TypeAdapter, ValidationError

    try:
        amount = int(TypeAdapter(ByteSize).validate_python(text))
    except ValidationError:
        amount = 0
    if amount < 1:
        msg = f"--memory {text}: not an amount of memory; give one such as 1GiB, 800MiB or 2GB"
        raise ConfigError(msg)
    return amount


def execution_of(memory: str | None, cache: Path | None) -> ExecutionConfig:
    """Limits of the run."""
    from dotaliver.config.scoring import ExecutionConfig

    return ExecutionConfig(memory_bytes=None if memory is None else memory_bytes(memory), cache=cache)


def output_options(
    nifti: bool,
    labelmap: bool,
    documents: tuple[bool, bool, bool, bool],
    *,
    report: bool,
    deidentify: bool,
    key: Path | None,
) -> OutputOptions:
    """What to write beside the record, with the key of the pseudonyms where the results are de-identified."""
    from dotaliver.export.deidentify.pseudonyms import pseudonym_key
    from dotaliver.pipeline import OutputOptions

    pdf, pictures, rtstruct, dosimetry = documents
    secret = pseudonym_key(key) if deidentify else None
    return OutputOptions(nifti, labelmap, pdf, pictures, secret, rtstruct, dosimetry, report)


def edits_of(path: Path | None, lesions_at: Sequence[str] = (), known: ReaderEdits | None = None) -> ReaderEdits | None:
    """A reader's edits from a file, with the places of ``--lesion-at``; None where neither is given.

    Without a file, the places are added to the edits that are ``known``.
    """
    from dotaliver.pipeline import load_edits
    from dotaliver.records.edits import LesionClick, ReaderEdits

    edits = None if path is None else load_edits(path)
    if not lesions_at:
        return edits
    edits = edits or known or ReaderEdits()
    clicks = tuple(LesionClick(place_lps_mm=_place(text)) for text in lesions_at)
    return edits.model_copy(update={"clicks": (*edits.clicks, *clicks)})


def _place(text: str) -> tuple[float, float, float]:
    """Three numbers with commas between them."""
    parts = text.split(",")
    try:
        values = [float(part) for part in parts]
    except ValueError:
        values = []
    if len(parts) != _COORDINATES or len(values) != _COORDINATES or not all(map(math.isfinite, values)):
        msg = (
            f"--lesion-at {text}: not a place; give three numbers in mm with commas between them, such as -62,10.5,310"
        )
        raise ConfigError(msg)
    return (values[0], values[1], values[2])
