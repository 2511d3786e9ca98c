"""MR images that are not slices of an anatomical volume: parametric maps, subtractions, phase images, localizers."""

from __future__ import annotations

import re
from collections.abc import Collection

__all__ = ["DIFFUSION_WORDS", "own_kind"]

# Image Type (0008,0008) from value 3 on, or Frame Type of an enhanced object (PS3.3 C.8.13.3.1.1), in capitals.
_BY_IMAGE_TYPE = {
    "ADC": "ADC map",
    "ADC_UNSPECIFIED": "ADC map",
    "EADC": "exponential ADC map",
    "FA": "anisotropy map",
    "FRACT_ANISO": "anisotropy map",
    "FA_UNSPECIFIED": "anisotropy map",
    "T1 MAP": "T1 map",
    "T1_MAP": "T1 map",
    "T2 MAP": "T2 map",
    "T2_MAP": "T2 map",
    "T2_STAR MAP": "T2* map",
    "R2 MAP": "R2 map",
    "R2_STAR MAP": "R2* map",
    "R2_STAR": "R2* map",
    "PROTON_DENSITY MAP": "proton-density map",
    "FAT_FRACTION": "fat-fraction map",
    "FATFRACTION": "fat-fraction map",
    "PDFF": "fat-fraction map",
    "SUB": "subtraction",
    "SUBTRACT": "subtraction",
    "SUBTRACTION": "subtraction",
    "P": "phase image",
    "PHASE": "phase image",
    "PHASE MAP": "phase image",
    "R": "real-part image",
    "REAL": "real-part image",
    "I": "imaginary-part image",
    "IMAGINARY": "imaginary-part image",
    "VELOCITY": "velocity map",
    "VELOCITY MAP": "velocity map",
    "MAXIMUM": "maximum-intensity projection",
    "DIVISION": "ratio image",
    "STD_DEVIATION": "standard-deviation image",
    "TTP": "perfusion map",
    "MTT": "perfusion map",
    "STIFFNESS": "stiffness map",
    "ELASTOGRAM": "stiffness map",
}
# Scanners and archives are known to leave a map's Image Type at ORIGINAL\PRIMARY; its description names it.
_BY_DESCRIPTION = (
    (re.compile(r"\be?adc\b|apparent diffusion"), "ADC map"),
    (re.compile(r"\b(t1|t2|t2\*|r2|r2\*|pdff|fat ?fraction|ff|stiffness) ?map(s|ping)?\b|\bpdff\b"), "parametric map"),
    (re.compile(r"\bsubtract(ion|ed)?\b|\bsub\b"), "subtraction"),
    (re.compile(r"\bmip\b|maximum intensity"), "maximum-intensity projection"),
    (re.compile(r"\blocali[sz]er\b|\bscout\b|\bsurvey\b|\bloc\b"), "localizer"),
)
DIFFUSION_WORDS = re.compile(r"\bdwi\b|\bdiff(usion)?\b|\bep2d\b|\bb ?=? ?[1-9][0-9]{1,3}\b|\btracew?\b")
"""Words with which descriptions name diffusion-weighted images."""


def own_kind(image_type: Collection[str], description: str | None) -> str | None:
    """What an image is, where it is no slice of an anatomical volume; None where nothing says so.

    Parameters
    ----------
    image_type : collection of str
        Values of Image Type (0008,0008) from the third on.
    description : str or None
        Series Description (0008,103E).
    """
    for value in image_type:
        if (kind := _BY_IMAGE_TYPE.get(value.upper())) is not None:
            return kind
    words = (description or "").replace("_", " ").casefold()
    return next((kind for pattern, kind in _BY_DESCRIPTION if pattern.search(words)), None)
