"""A reader's first answers, locked before the automatic ones are shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import get_args

from dotaliver.errors import ConfigError
from dotaliver.records.verdicts import VerdictWord

__all__ = ["first_answers"]


def first_answers(verdicts: Sequence[str], burden_percent: float | None) -> dict[str, str]:
    """Answers as the log holds them, from ``ID=WORD`` and a tumour share.

    Raises
    ------
    ConfigError
        Where a verdict is no such pair, is given twice or has an unknown word, or the share is none.

    Examples
    --------
    >>> first_answers(["EXC4=not_met", "INC7=met"], 20)
    {'EXC4': 'not_met', 'INC7': 'met', 'burden': '20 %'}
    """
    found: dict[str, str] = {}
    for text in verdicts:
        criterion, sign, word = (part.strip() for part in text.partition("="))
        if not sign or not criterion or word not in get_args(VerdictWord):
            msg = f"--verdict {text!r}: give a criterion and one of {', '.join(get_args(VerdictWord))}, as EXC4=not_met"
            raise ConfigError(msg)
        if criterion in found:
            msg = f"--verdict: {criterion} is answered twice; give each criterion once"
            raise ConfigError(msg)
        found[criterion] = word
    if burden_percent is not None:
        if not math.isfinite(burden_percent) or not 0 <= burden_percent <= 100:
            msg = "--burden is a share from 0 to 100 percent"
            raise ConfigError(msg)
        found["burden"] = f"{burden_percent:g} %"
    return found
