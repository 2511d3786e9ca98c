"""The codes that our DICOM objects speak in: SNOMED CT, DICOM and UCUM where they have the word, else our own."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

__all__ = ["ANATOMY", "OWN_SCHEME", "UptakeCodes", "own", "uptake_codes"]

OWN_SCHEME = "99DOTALIVER"
# Long String, and Short String for the value (PS3.5 6.2).
_LONGEST_MEANING, _LONGEST_VALUE = 64, 16

ANATOMY: dict[str, Code] = {"liver": codes.SCT.Liver, "spleen": codes.SCT.Spleen}


@dataclass(frozen=True)
class UptakeCodes:
    """How uptake is called: its name, its unit, how it was worked out, and the unit of uptake times volume."""

    name: Code
    unit: Code
    method: Code | None
    total_unit: Code


def own(value: str, meaning: str) -> Code:
    """A code of our own; what is too long for DICOM is cut."""
    return Code(_cut(value, _LONGEST_VALUE), OWN_SCHEME, _cut(meaning, _LONGEST_MEANING))


def _cut(text: str, longest: int) -> str:
    """The text's beginning; DICOM limits characters, and readers count the bytes of UTF-8, so both are kept to."""
    return text.encode()[:longest].decode(errors="ignore")


_GRAM = Code("g", "UCUM", "gram")
_SQUARE_CENTIMETRE = Code("cm2", "UCUM", "square centimeter")
_BODY_WEIGHT = UptakeCodes(
    codes.DCM.Suvbw,
    codes.UCUM.StandardizedUptakeValueBodyWeight,
    codes.DCM.SUVBodyWeightCalculationMethod,
    _GRAM,
)
_BY_NORMALISATION = {
    "body weight": _BODY_WEIGHT,
    "lean body mass (James)": UptakeCodes(
        codes.DCM.Suvlbm,
        codes.UCUM.StandardizedUptakeValueLeanBodyMassJames,
        codes.DCM.SUVLeanBodyMassCalculationMethod,
        _GRAM,
    ),
    "lean body mass (Janmahasatian)": UptakeCodes(
        codes.DCM.SuvlbmJanma,
        codes.UCUM.StandardizedUptakeValueLeanBodyMassJanma,
        codes.DCM.SUVLeanBodyMassCalculationJanmahasatianMethod,
        _GRAM,
    ),
    "body surface": UptakeCodes(
        codes.DCM.Suvbsa,
        codes.UCUM.StandardizedUptakeValueBodySurfaceArea,
        codes.DCM.SUVBodySurfaceAreaCalculationMethod,
        _SQUARE_CENTIMETRE,
    ),
    "ideal body weight": UptakeCodes(
        codes.DCM.Suvibw,
        codes.UCUM.StandardizedUptakeValueIdealBodyWeight,
        codes.DCM.SUVIdealBodyWeightCalculationMethod,
        _GRAM,
    ),
}


def uptake_codes(normalisation: str) -> UptakeCodes | None:
    """The codes of an SUV by what it is normalised to, in the record's words; None where there are none."""
    return _BY_NORMALISATION.get(normalisation)
