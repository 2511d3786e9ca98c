"""A tracer's name as people write it."""

from __future__ import annotations

import re

# How DICOM's codes write it (CID 4021): the mass between carets
_CODED_TRACER = re.compile(r"(?P<name>.+?)\s+(?P<element>[A-Z][a-z]?)\^(?P<mass>\d{1,3}m?)\^")


def tracer_name(tracer: str) -> str:
    """A tracer as radiologists write it; other words stay as the header has them.

    Examples
    --------
    >>> tracer_name("Dotatate Ga^68^")
    '68Ga-DOTATATE'
    >>> tracer_name("Fluorodeoxyglucose F^18^")
    '18F-FDG'
    """
    if (found := _CODED_TRACER.fullmatch(tracer.strip())) is None:
        return tracer
    return f"{found['mass']}{found['element']}-{_compound(found['name'].strip())}"


def _compound(name: str) -> str:
    if name.lower() == "fluorodeoxyglucose":
        return "FDG"
    return name.upper() if name.lower().startswith("dota") else name
