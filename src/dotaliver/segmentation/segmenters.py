"""Segmenters by name: all, including our own, are found as entry points of Python packages."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points

from dotaliver.config.scoring import ScoringConfig
from dotaliver.errors import SegmenterError
from dotaliver.records.masks import Segmentations
from dotaliver.records.study import StudyVolumes

__all__ = ["GROUP", "Segmenter", "segmenter", "segmenter_names"]

GROUP = "dotaliver.segmenters"

Segmenter = Callable[[StudyVolumes, ScoringConfig], Segmentations]
"""Outlines the liver, and lesions and neighbours if it can; the common steps add what it leaves out."""


def segmenter_names() -> tuple[str, ...]:
    """Names of the segmenters that are installed, without loading them."""
    return tuple(sorted({entry.name for entry in entry_points(group=GROUP)}))


def segmenter(name: str) -> Segmenter:
    """Load one segmenter.

    Raises
    ------
    SegmenterError
        Where no such segmenter is installed, or its package cannot be imported.
    """
    found = [entry for entry in entry_points(group=GROUP) if entry.name == name]
    if not found:
        msg = f"there is no segmenter {name!r}; installed: {', '.join(segmenter_names()) or 'none'}"
        raise SegmenterError(msg)
    try:
        loaded: Segmenter = found[0].load()
    except ImportError as error:
        msg = f"the segmenter {name!r} ({found[0].value}) cannot be imported: {error}"
        raise SegmenterError(msg) from error
    return loaded
