"""The verdicts are read in the light theme and in the dark one."""

import re

import numpy as np
from napari_dotaliver.reading.verdicts_html import verdicts_html

# Behind the text: napari's light theme and its dark one.
BACKGROUNDS = ("#FFFFFF", "#121212")
# Between WCAG 2.1's limits for large and bold text (3) and for other text (4.5), which no colour meets on both.
LEAST_CONTRAST = 3.9


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2.1."""
    parts = np.array([int(colour[n : n + 2], 16) for n in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_headings_and_links_stand_out_from_the_background_of_both_themes(outcome):
    verdicts = outcome.score.criteria.values()
    effects = ("supports", "excludes", "undecided")
    shown = [
        outcome.score.model_copy(
            update={"criteria": {v.criterion: v.model_copy(update={"effect": effect}) for v in verdicts}}
        )
        for effect in effects
    ]
    colours = {colour for score in shown for colour in re.findall(r"color:\s*(#\w{6})", verdicts_html(score))}
    assert len(colours) >= len(effects)
    for colour in colours:
        for background in BACKGROUNDS:
            low, high = sorted((luminance(colour), luminance(background)))
            assert (high + 0.05) / (low + 0.05) >= LEAST_CONTRAST, (colour, background)
