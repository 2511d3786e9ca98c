"""What uptake is measured against: body weight, lean body mass, ideal weight or body surface.

Every SUV is the share of the injected activity that a millilitre holds, times a size of the body. Two
normalisations of one image therefore differ by the ratio of two such sizes, and nothing else::

    SUV_b = SUV_a * size_b / size_a
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Literal

from pydantic import Field

from dotaliver.errors import SuvError
from dotaliver.frozen import FrozenModel

__all__ = [
    "Body",
    "Normalisation",
    "Sex",
    "body_size",
    "body_surface_m2",
    "ideal_weight_kg",
    "lean_mass_james_kg",
    "lean_mass_janmahasatian_kg",
    "lean_mass_morgan_kg",
    "size_formula",
]

Sex = Literal["M", "F", "O"]


class Normalisation(StrEnum):
    """What SUV is normalised to; the last is read from files and never made."""

    BODY_WEIGHT = "bw"
    LEAN_JANMAHASATIAN = "lbm_janmahasatian"
    LEAN_JAMES = "lbm_james"
    BODY_SURFACE = "bsa"
    IDEAL_WEIGHT = "ibw"
    LEAN_MORGAN = "lbm_morgan"

    @property
    def words(self) -> str:
        """The name for people."""
        return _TITLES[self]


_TITLES = {
    Normalisation.BODY_WEIGHT: "body weight",
    Normalisation.LEAN_JANMAHASATIAN: "lean body mass (Janmahasatian)",
    Normalisation.LEAN_JAMES: "lean body mass (James)",
    Normalisation.BODY_SURFACE: "body surface",
    Normalisation.IDEAL_WEIGHT: "ideal body weight",
    Normalisation.LEAN_MORGAN: "lean body mass (Morgan)",
}


class Body(FrozenModel):
    """The patient's size, as far as it is known."""

    weight_kg: float | None = Field(default=None, gt=0)
    height_m: float | None = Field(default=None, gt=0)
    sex: Sex | None = None


def _of_sex(sex: Sex, male: float, female: float) -> float:
    """The value of one sex; of "O" (other) the mean of both (IBSI SUV manual)."""
    return {"M": male, "F": female, "O": (male + female) / 2.0}[sex]


def lean_mass_janmahasatian_kg(weight_kg: float, height_m: float, sex: Sex) -> float:
    """Lean body mass after Janmahasatian 2005 (Clin Pharmacokinet 44:1051): 9270 W / (6680 + 216 BMI), in kg.

    For women 8780 and 244 in place of 6680 and 216.

    Examples
    --------
    >>> round(lean_mass_janmahasatian_kg(70, 1.75, "M"), 2)
    55.86
    """
    bmi = weight_kg / height_m**2
    return _of_sex(sex, 9270.0 * weight_kg / (6680.0 + 216.0 * bmi), 9270.0 * weight_kg / (8780.0 + 244.0 * bmi))


def _quadratic_kg(weight_kg: float, height_m: float, sex: Sex, male_square: float) -> float:
    square = (weight_kg / (100.0 * height_m)) ** 2
    return _of_sex(sex, 1.10 * weight_kg - male_square * square, 1.07 * weight_kg - 148.0 * square)


def lean_mass_james_kg(weight_kg: float, height_m: float, sex: Sex) -> float:
    """Lean body mass after James 1976: 1.10 W - 128 (W/H)² (women 1.07 and 148), H in cm; falls again above BMI 43.

    Examples
    --------
    1.10 x 70 - 128 x (70 / 175)² = 77 - 20.48:

    >>> round(lean_mass_james_kg(70, 1.75, "M"), 2)
    56.52
    """
    return _quadratic_kg(weight_kg, height_m, sex, 128.0)


def lean_mass_morgan_kg(weight_kg: float, height_m: float, sex: Sex) -> float:
    """Lean body mass after Morgan 1994, DICOM's SUV Type LBM: as James, with 120 for men.

    Examples
    --------
    >>> round(lean_mass_morgan_kg(70, 1.75, "M"), 2)
    57.8
    """
    return _quadratic_kg(weight_kg, height_m, sex, 120.0)


def body_surface_m2(weight_kg: float, height_m: float) -> float:
    """Body surface after Du Bois 1916: 0.007184 W^0.425 H^0.725, H in cm, in m².

    Examples
    --------
    >>> round(body_surface_m2(70, 1.75), 2)
    1.85
    """
    return float(0.007184 * weight_kg**0.425 * (100.0 * height_m) ** 0.725)


def ideal_weight_kg(height_m: float, sex: Sex) -> float:
    """Ideal body weight after Sugawara 1999: 48.0 + 1.06 (H - 152), women 45.5 + 0.91 (H - 152), H in cm, in kg.

    Examples
    --------
    48.0 + 1.06 x (175 - 152):

    >>> round(ideal_weight_kg(1.75, "M"), 2)
    72.38
    """
    above = 100.0 * height_m - 152.0
    return _of_sex(sex, 48.0 + 1.06 * above, 45.5 + 0.91 * above)


_LEAN: dict[Normalisation, Callable[[float, float, Sex], float]] = {
    Normalisation.LEAN_JANMAHASATIAN: lean_mass_janmahasatian_kg,
    Normalisation.LEAN_JAMES: lean_mass_james_kg,
    Normalisation.LEAN_MORGAN: lean_mass_morgan_kg,
}
_SQUARES = {Normalisation.LEAN_JAMES: 128, Normalisation.LEAN_MORGAN: 120}


def _needed(body: Body, normalisation: Normalisation) -> tuple[float, float, Sex]:
    """Weight, height and sex, with 1 or "O" for what the formula does not use."""
    needs_sex = normalisation not in {Normalisation.BODY_WEIGHT, Normalisation.BODY_SURFACE}
    absent = []
    if body.weight_kg is None and normalisation is not Normalisation.IDEAL_WEIGHT:
        absent.append("Patient's Weight (0010,1030) (or give --weight)")
    if body.height_m is None and normalisation is not Normalisation.BODY_WEIGHT:
        absent.append("Patient's Size (0010,1020) (or give --height)")
    if body.sex is None and needs_sex:
        absent.append("Patient's Sex (0010,0040)")
    if absent:
        msg = f"SUV by {normalisation.words} cannot be converted; missing: {', '.join(absent)}"
        raise SuvError(msg)
    return body.weight_kg or 1.0, body.height_m or 1.0, body.sex or "O"


def body_size(normalisation: Normalisation, body: Body) -> float:
    """Size of the body that SUV is multiplied by: in g, and for the body surface in cm².

    Raises
    ------
    SuvError
        Where weight, height or sex is needed and missing (named, with its tag), or the formula gives no
        positive mass for them.
    """
    weight_kg, height_m, sex = _needed(body, normalisation)
    if normalisation is Normalisation.BODY_WEIGHT:
        size = weight_kg * 1000.0
    elif normalisation is Normalisation.BODY_SURFACE:
        size = body_surface_m2(weight_kg, height_m) * 1e4
    elif normalisation is Normalisation.IDEAL_WEIGHT:
        size = ideal_weight_kg(height_m, sex) * 1000.0
    else:
        size = _LEAN[normalisation](weight_kg, height_m, sex) * 1000.0
    if size <= 0:
        msg = f"{normalisation.words} cannot be worked out for {weight_kg:g} kg and {height_m:g} m"
        raise SuvError(msg)
    return size


def size_formula(normalisation: Normalisation, body: Body) -> str:
    """The formula of `body_size` with its numbers, as a physicist would write it down."""
    weight_kg, height_m, sex = _needed(body, normalisation)
    cm = 100.0 * height_m
    if normalisation is Normalisation.BODY_WEIGHT:
        return f"{weight_kg:g} kg × 1000"
    if normalisation is Normalisation.BODY_SURFACE:
        return f"0.007184 × {weight_kg:g}^0.425 × {cm:g}^0.725 m² × 10000"
    if normalisation is Normalisation.IDEAL_WEIGHT:
        forms = (f"48.0 + 1.06 × ({cm:g} − 152)", f"45.5 + 0.91 × ({cm:g} − 152)")
    elif normalisation is Normalisation.LEAN_JANMAHASATIAN:
        bmi = f"{weight_kg:g} / {height_m:g}²"
        forms = (
            f"9270 × {weight_kg:g} / (6680 + 216 × {bmi})",
            f"9270 × {weight_kg:g} / (8780 + 244 × {bmi})",
        )
    else:
        square = f"({weight_kg:g} / {cm:g})²"
        forms = (
            f"1.10 × {weight_kg:g} − {_SQUARES[normalisation]} × {square}",
            f"1.07 × {weight_kg:g} − 148 × {square}",
        )
    male, female = forms
    return {"M": f"({male}) kg × 1000", "F": f"({female}) kg × 1000"}.get(
        sex, f"mean of ({male}) and ({female}) kg × 1000"
    )
