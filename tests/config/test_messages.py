"""What is said of settings, edits and options that do not validate: plain words, no library's."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import pytest
from pydantic import Field, ValidationError, field_validator

from dotaliver.frozen import FrozenModel, first_problem


class Inner(FrozenModel):
    name: str


class Settings(FrozenModel):
    share: float = Field(default=0.5, gt=0, le=1)
    count: int = 1
    on: bool = True
    mode: Literal["a", "b"] = "a"
    when: datetime | None = None
    inner: Inner | None = None
    several: tuple[int, ...] = ()

    @field_validator("count")
    @classmethod
    def _odd(cls, count: int) -> int:
        if count % 2 == 0:
            msg = "must be odd"
            raise ValueError(msg)
        return count


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"shore": 1}, "shore: unknown entry"),
        ({"share": 0}, "share: must be greater than 0.0"),
        ({"share": 2}, "share: must be at most 1.0"),
        ({"share": "much"}, "share: must be a number"),
        ({"share": float("inf")}, "share: must be a finite number"),
        ({"count": 1.5}, "count: must be a whole number"),
        ({"count": 2}, "count: must be odd"),
        ({"on": "perhaps"}, "on: must be true or false"),
        ({"mode": "c"}, "mode: must be 'a' or 'b'"),
        ({"when": "yesterday"}, "when: must be a date and time, such as 2024-03-05T10:30:00"),
        ({"when": []}, "when: must be a date and time, such as 2024-03-05T10:30:00"),
        ({"inner": 3}, "inner: must be an object with named entries"),
        ({"inner": {}}, "inner.name: is missing"),
        ({"inner": {"name": 3}}, "inner.name: must be text"),
        ({"several": 3}, "several: must be a list"),
    ],
)
def test_a_mistake_is_named_in_plain_words(data, sentence):
    with pytest.raises(ValidationError) as raised:
        Settings.model_validate(data)
    assert first_problem(raised.value) == sentence
