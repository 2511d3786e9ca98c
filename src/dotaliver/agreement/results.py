"""Readings of one case held against each other."""

from __future__ import annotations

from dataclasses import dataclass

from dotaliver.agreement.disagreements import Disagreement
from dotaliver.agreement.log import LoggedEvent

__all__ = ["Comparison"]


@dataclass(frozen=True)
class Comparison:
    """Two or more readings of one case, and where they differ.

    Parameters
    ----------
    differences : tuple of (str, str, Disagreement)
        First reader, second reader, and the point.
    closed : LoggedEvent or None
        How the final reading was found.
    """

    code: str
    readings: dict[str, LoggedEvent]
    differences: tuple[tuple[str, str, Disagreement], ...]
    closed: LoggedEvent | None
