"""Canvases that follow each other, and what one of them may do without the others following."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Leading"]


class Leading:
    """Whether a canvas leads the ones that are linked with it."""

    def __init__(self) -> None:
        self.leads = True

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let a canvas move without leading."""
        before, self.leads = self.leads, False
        try:
            yield
        finally:
            self.leads = before
