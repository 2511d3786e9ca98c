"""The base of every record that is stored or passed on: frozen, closed, finite."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["FrozenModel"]


class FrozenModel(BaseModel):
    """A pydantic model that cannot be changed after it was made.

    Unknown fields are refused (a misspelt setting must not be ignored), and so are infinities and NaN (JSON
    has none, and no number of ours may be one).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, ser_json_inf_nan="null")
