"""Where the fonts are that come with matplotlib: they have the characters that reports use (≥, ±, ×)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

__all__ = ["font_file"]


def font_file(name: str) -> Path:
    """The TrueType file of a font, such as DejaVuSans-Bold.

    Found without loading matplotlib, which takes longer than drawing a report.
    """
    inside = Path("mpl-data", "fonts", "ttf", f"{name}.ttf")
    spec = find_spec("matplotlib")
    if spec is not None and spec.origin is not None and (found := Path(spec.origin).parent / inside).is_file():
        return found
    # Some distributions keep matplotlib's data elsewhere.
    import matplotlib

    return Path(matplotlib.get_data_path(), *inside.parts[1:])
