"""The base of every record that is stored or passed on: frozen, closed, finite."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError

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
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or whole
    # Sentences of our own validators, which pydantic introduces so.
    what = first["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return f"{where}: {what}"
