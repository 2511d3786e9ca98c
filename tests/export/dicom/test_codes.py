"""Every SUV that can be asked for has a name and a unit of its own, those of the record."""

from __future__ import annotations

import pytest

from dotaliver.export.dicom.codes import OWN_SCHEME, own, uptake_codes
from dotaliver.suv.body_size import Normalisation

WANTED = [n for n in Normalisation if n is not Normalisation.LEAN_MORGAN]


@pytest.mark.parametrize(
    ("normalisation", "name", "unit"),
    [
        (Normalisation.BODY_WEIGHT, "SUVbw", "g/ml{SUVbw}"),
        (Normalisation.LEAN_JAMES, "SUVlbm", "g/ml{SUVlbm}"),
        (Normalisation.LEAN_JANMAHASATIAN, "SUVlbm(Janma)", "g/ml{SUVlbm(Janma)}"),
        (Normalisation.BODY_SURFACE, "SUVbsa", "cm2/ml{SUVbsa}"),
        (Normalisation.IDEAL_WEIGHT, "SUVibw", "g/ml{SUVibw}"),
    ],
)
def test_names_and_units_are_those_of_the_standard(normalisation, name: str, unit: str) -> None:
    codes = uptake_codes(normalisation.words)
    assert codes is not None
    assert (codes.name.meaning, codes.name.scheme_designator, codes.unit.value) == (name, "DCM", unit)
    assert codes.total_unit.value == unit.split("/", maxsplit=1)[0]


def test_no_two_share_a_name() -> None:
    found = [uptake_codes(n.words) for n in WANTED]
    assert len({c.name.value for c in found if c}) == len(WANTED) == 5


def test_own_codes_fit_into_dicom() -> None:
    code = own("x" * 40, "y" * 100)
    assert (len(code.value), len(code.meaning), code.scheme_designator) == (16, 64, OWN_SCHEME)


def test_own_codes_fit_into_dicom_counted_in_bytes_too() -> None:
    meaning = own("TOTAL", "y" * 63 + "×").meaning
    assert (meaning, len(own("TOTAL", "y" * 62 + "×").meaning.encode())) == ("y" * 63, 64)
