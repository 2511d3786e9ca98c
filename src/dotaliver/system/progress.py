"""How a long task tells what it is doing."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Progress", "silent"]

Progress = Callable[[str], None]
"""Is told each stage in words."""


def silent(_stage: str) -> None:
    """Tell nobody."""
