"""The base of every record that is stored or passed on: frozen, closed, finite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = ["FrozenModel", "first_problem"]


class FrozenModel(BaseModel):
    """A pydantic model that cannot be changed after it was made.

    Unknown fields are refused (a misspelt setting must not be ignored), and so are infinities and NaN (JSON
    has none, and no number of ours may be one).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, ser_json_inf_nan="null")


def first_problem(error: ValidationError, whole: str = "the file") -> str:
    """The first thing that a `ValidationError` complains of, as ``field.path: what is wrong``.

    Parameters
    ----------
    error : ValidationError
        What validation raised.
    whole : str
        What to name where the complaint is about everything.
    """
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or whole
    return f"{where}: {_what_is_wrong(first)}"


# By the type that pydantic gives an error, which it names before the first underscore or as a whole
_WORDS = {
    "extra_forbidden": "unknown entry",
    "missing": "is missing",
    "too_long": "must have at most {max_length} entries",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "string_pattern_mismatch": "must match {pattern}",
    "finite_number": "must be a finite number",
    "model": "must be an object with named entries",
    "dict": "must be an object with named entries",
    "list": "must be a list",
    "tuple": "must be a list",
    "string_type": "must be text",
    "float": "must be a number",
    "int": "must be a whole number",
    "bool": "must be true or false",
    "datetime": "must be a date and time, such as 2024-03-05T10:30:00",
    "date": "must be a date, such as 2024-03-05",
}


def _what_is_wrong(problem: ErrorDetails) -> str:
    kind = problem["type"]
    words = _WORDS.get(kind) or (_WORDS.get(kind.partition("_")[0]) if kind.endswith(_OF_THE_TYPE) else None)
    if words is not None:
        return words.format(**problem.get("ctx", {}))
    # Sentences of our own validators, which pydantic introduces so.
    return problem["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")


_OF_THE_TYPE = ("_type", "_parsing", "_from_date_parsing", "_from_float")
