"""JSON and TOML from strangers: text that is damaged, nested without end or full of huge numbers is refused."""

from __future__ import annotations

import json
import tomllib
from datetime import date, time
from pathlib import Path
from typing import NoReturn, TypeAlias

__all__ = [
    "MAX_DEPTH",
    "Json",
    "ParseError",
    "Toml",
    "as_list",
    "as_object",
    "parse_json",
    "parse_toml",
    "read_bounded",
]

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
"""What JSON holds"""
Toml: TypeAlias = "dict[str, Toml] | list[Toml] | str | int | float | bool | date | time"
"""What TOML holds; a date with a time is a `datetime`"""

# Our deepest file, a record, nests nine levels.
MAX_DEPTH = 64
# Settings, protocols and edits have some kilobytes.
_MAX_BYTES = 16 * 2**20
# JSON and TOML bound no integer; numbers of the settings are stored with 64 bits.
_MAX_INTEGER = 2**63


class ParseError(ValueError):
    """Text that is not what it should be; says what is wrong as the end of a sentence."""


def parse_json(text: str | bytes) -> Json:
    """Parse JSON as RFC 8259 has it: no NaN, no key twice in one object, at most `MAX_DEPTH` levels.

    Raises
    ------
    ParseError
        Where the text is anything else; integers beyond 64 bits too.
    """
    try:
        # Not by `json.loads`, which lets broken UTF-8 through; Windows' editors put a mark before the text.
        decoded = text.decode("utf-8-sig") if isinstance(text, bytes) else text.removeprefix("\ufeff")
        value: Json = json.loads(decoded, object_pairs_hook=_object, parse_constant=_constant)
    except RecursionError:
        raise ParseError(_too_deep()) from None
    except (ValueError, UnicodeDecodeError) as error:
        raise ParseError(_why("JSON", error)) from error
    _check_bounds(value)
    return value


def read_bounded(path: Path, most_bytes: int = _MAX_BYTES) -> bytes:
    """The bytes of a file that a person wrote.

    Raises
    ------
    ParseError
        Where it is larger than such a file can be.
    OSError
        Where it cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        msg = f"larger than {most_bytes >> 20} MiB"
        raise ParseError(msg)
    return content


def parse_toml(text: str | bytes) -> dict[str, Toml]:
    """Parse TOML of at most `MAX_DEPTH` levels.

    Raises
    ------
    ParseError
        Where the text is anything else; integers beyond 64 bits too.
    """
    try:
        value: dict[str, Toml] = tomllib.loads(
            text.decode("utf-8-sig") if isinstance(text, bytes) else text.removeprefix("\ufeff")
        )
    except RecursionError:
        raise ParseError(_too_deep()) from None
    except ValueError as error:
        raise ParseError(_why("TOML", error)) from error
    _check_bounds(value)
    return value


def as_object(value: Json) -> dict[str, Json]:
    """An object of JSON; `TypeError` for anything else."""
    if not isinstance(value, dict):
        msg = "no object"
        raise TypeError(msg)
    return value


def as_list(value: Json) -> list[Json]:
    """A list of JSON; `TypeError` for anything else."""
    if not isinstance(value, list):
        msg = "no list"
        raise TypeError(msg)
    return value


def _why(name: str, error: ValueError) -> str:
    if isinstance(error, ParseError):
        return str(error)
    if isinstance(error, json.JSONDecodeError | tomllib.TOMLDecodeError):
        return f"not valid {name} ({error})"
    if isinstance(error, UnicodeDecodeError):
        return f"not valid {name} (it is not UTF-8 text)"
    # What `int` says of too many digits is of no use to a reader of the file.
    return f"not valid {name} (a number in it is too long)"


def _too_deep() -> str:
    return f"nested more than {MAX_DEPTH} levels deep"


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        msg = f"not valid JSON (the key {twice[:40]!r} is given twice in one object)"
        raise ParseError(msg)
    return found


def _constant(name: str) -> NoReturn:
    msg = f"not valid JSON ({name} is not a number in JSON)"
    raise ParseError(msg)


def _check_bounds(value: Json | Toml) -> None:
    """Level by level and not by recursion, which is what too deep a text would break."""
    level: list[Json | Toml] = [value]
    for _ in range(MAX_DEPTH):
        if any(isinstance(each, int) and abs(each) >= _MAX_INTEGER for each in level):
            msg = "a number in it is too long"
            raise ParseError(msg)
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return
    raise ParseError(_too_deep())
