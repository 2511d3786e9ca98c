"""Sizes of the body against values worked out by hand, and against each other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotaliver.errors import SuvError
from dotaliver.suv.body_size import (
    Body,
    Normalisation,
    body_size,
    body_surface_m2,
    ideal_weight_kg,
    lean_mass_james_kg,
    lean_mass_janmahasatian_kg,
    lean_mass_morgan_kg,
    size_formula,
)

ADULT = Body(weight_kg=70, height_m=1.75, sex="M")


# 70 kg, 175 cm: (70/175)^2 = 0.16 kg²/cm², BMI 22.857
@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (lean_mass_james_kg(70, 1.75, "M"), 77 - 128 * 0.16),
        (lean_mass_james_kg(70, 1.75, "F"), 74.9 - 148 * 0.16),
        (lean_mass_morgan_kg(70, 1.75, "M"), 77 - 120 * 0.16),
        (lean_mass_morgan_kg(70, 1.75, "F"), 74.9 - 148 * 0.16),
        (lean_mass_janmahasatian_kg(70, 1.75, "M"), 648900 / (6680 + 216 * 22.857142857)),
        (lean_mass_janmahasatian_kg(70, 1.75, "F"), 648900 / (8780 + 244 * 22.857142857)),
        (ideal_weight_kg(1.75, "M"), 72.38),
        (ideal_weight_kg(1.75, "F"), 66.43),
        (ideal_weight_kg(1.75, "O"), (72.38 + 66.43) / 2),
        # Du Bois' own nomogram gives 1.85 m² for 70 kg and 175 cm
        (round(body_surface_m2(70, 1.75), 2), 1.85),
    ],
)
def test_formulas(found, expected):
    assert found == pytest.approx(expected, rel=1e-9)


@given(st.floats(18, 50), st.floats(1.4, 2.1), st.sampled_from(["M", "F", "O"]))
def test_lean_mass_is_less_than_weight(bmi, height_m, sex):
    weight_kg = bmi * height_m**2
    assert 0 < lean_mass_janmahasatian_kg(weight_kg, height_m, sex) < weight_kg


@given(st.floats(45, 120), st.floats(1.5, 2.0))
def test_other_sex_lies_in_the_middle(weight_kg, height_m):
    sizes = {
        sex: body_size(Normalisation.LEAN_JANMAHASATIAN, Body(weight_kg=weight_kg, height_m=height_m, sex=sex))
        for sex in ("M", "F", "O")
    }
    assert sizes["O"] == pytest.approx((sizes["M"] + sizes["F"]) / 2)


@pytest.mark.parametrize("normalisation", list(Normalisation))
@pytest.mark.parametrize("sex", ["M", "F", "O"])
def test_the_formula_shown_is_the_one_worked_out(normalisation, sex):
    body = ADULT.model_copy(update={"sex": sex})
    shown = size_formula(normalisation, body)
    text = shown.replace("×", "*").replace("−", "-").replace("²", "**2").replace("^", "**")
    text = text.replace(" kg", "").replace(" m**2", "").replace("mean of ", "0.5*(").replace(" and ", "+")
    if "0.5*(" in text:
        text = text.replace(" * 1000", ") * 1000") if normalisation is not Normalisation.BODY_WEIGHT else text
    assert eval(text) == pytest.approx(body_size(normalisation, body), rel=1e-9)


@pytest.mark.parametrize(
    ("normalisation", "body", "named"),
    [
        (Normalisation.BODY_WEIGHT, Body(), r"\(0010,1030\)"),
        (Normalisation.LEAN_JAMES, Body(weight_kg=70, sex="M"), r"Patient's Size \(0010,1020\) \(or give --height\)"),
        (Normalisation.LEAN_JAMES, Body(weight_kg=70, height_m=1.75), r"Patient's Sex \(0010,0040\)"),
        (Normalisation.BODY_SURFACE, Body(weight_kg=70), r"\(0010,1020\)"),
        (Normalisation.LEAN_JAMES, Body(weight_kg=390, height_m=1.5, sex="M"), "cannot be worked out"),
    ],
)
def test_what_is_missing_is_named(normalisation, body, named):
    with pytest.raises(SuvError, match=named):
        body_size(normalisation, body)
