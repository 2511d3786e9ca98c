"""The lesion table: one row a lesion, units in the headings, safe in a spreadsheet."""

from __future__ import annotations

import csv
import io

import pytest

from dotaliver.export.tables import cell, lesions_csv, uptake_name
from dotaliver.records.flags import raise_flag
from dotaliver.records.measurements import Diameter, Lesion
from fixtures.scores import STUDY_UID, lesion, small_case


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_one_row_per_lesion_with_units_in_the_headings() -> None:
    case = small_case()
    text = lesions_csv(case.score)
    assert text.endswith("\r\n") and text.count("\r\n") == 3
    table = rows(text)
    assert [row["Lesion"] for row in table] == ["2", "5"]
    first = table[0]
    assert first["SUVmax (g/ml)"] == "20.5"
    assert first["SUVpeak of 1 ml (g/ml)"] == "17"
    assert float(first["Volume (ml)"]) == pytest.approx(case.score.lesions[0].volume_ml, rel=1e-5)
    assert first["Longest diameter (mm)"] == "21"
    assert first["Diameter from"] == "CT"
    assert first["Part in liver (%)"] == "95"
    assert first["Krenning grade (modified)"] == "3 or higher"
    assert first["Study Instance UID"] == STUDY_UID
    assert first["Record"] == case.score.record_id


def test_what_is_not_known_is_an_emptycell() -> None:
    case = small_case()
    unknown = lesion(7, (1.0, 2.0, -3.5), in_liver=None, liver_share=None, suv_max=None, krenning=None,
                     diameter_source=None, longest_diameter_mm=None)  # fmt: skip
    [row] = rows(lesions_csv(case.score.model_copy(update={"lesions": (unknown,)})))
    assert row["In liver"] == "unknown"
    assert (row["SUVmax (g/ml)"], row["Krenning grade (modified)"], row["Diameter from"]) == ("", "", "")
    assert row["Centre towards head (mm)"] == "-3.5"


def test_a_diameter_on_ct_has_its_interval_and_the_share_of_border_seen() -> None:
    case = small_case()
    measured = Diameter(
        longest_mm=21.0,
        short_mm=15.0,
        source="ct",
        long_axis_lps_mm=((0.0, 0.0, 0.0), (21.0, 0.0, 0.0)),
        interval_mm=(18.5, 23.5),
        seen_border_share=0.9,
    )
    found = lesion(1, (0, 0, 0), diameter=measured)
    [row] = rows(lesions_csv(case.score.model_copy(update={"lesions": (found,)})))
    assert (row["Diameter, 95 % from (mm)"], row["Diameter, 95 % to (mm)"]) == ("18.5", "23.5")
    assert row["Border seen on CT (%)"] == "90"


def test_marks_and_flags_stand_in_onecell() -> None:
    case = small_case()
    marked = lesion(1, (0, 0, 0), marks=("treated", "blastic_bone"), flags=(raise_flag("LESION_AT_LIVER_BORDER"),))
    [row] = rows(lesions_csv(case.score.model_copy(update={"lesions": (marked,)})))
    assert row["Reader's marks"] == "treated; blastic bone"
    assert row["Flags"] == "LESION_AT_LIVER_BORDER"


def test_each_lesion_is_proposed_as_a_target_or_says_why_not() -> None:
    """RECIST 1.1: the largest, at most two in the liver, none that was treated and has not progressed since."""

    def measured(label: int, size_mm: float, **more: object) -> Lesion:
        axis = ((0.0, 0.0, 0.0), (size_mm, 0.0, 0.0))
        found = Diameter(longest_mm=size_mm, short_mm=8.0, source="ct", long_axis_lps_mm=axis)
        return lesion(label, (0, 0, 0), longest_diameter_mm=size_mm, short_axis_mm=8.0, diameter=found, **more)

    lesions = (measured(1, 60.0, marks=("treated",)), measured(2, 20.0), measured(3, 40.0), measured(4, 30.0))
    table = rows(lesions_csv(small_case().score.model_copy(update={"lesions": (*lesions, measured(5, 7.0))})))
    assert [row["RECIST target, proposed"] for row in table] == ["no", "no", "yes", "yes", "no"]
    why = [row["Why a target or not"] for row in table]
    assert why[0] == "not measurable: treated before and not progressed since"
    assert why[1] == "measurable, but 2 targets of the liver are already chosen"
    assert why[2] == "among the largest measurable lesions of the liver (40.0 mm)"
    assert why[4] == "not measurable: its longest diameter of 7.0 mm is under 10 mm"


def test_relative_uptake_is_not_called_suv() -> None:
    text = lesions_csv(small_case(relative=True).score)
    assert "SUV" not in text
    assert "uptake max (relative units)" in text


def test_no_lesion_leaves_the_headings() -> None:
    assert lesions_csv(small_case(lesions=False).score).count("\r\n") == 1


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_text_is_never_a_formula(text: str) -> None:
    assert cell(text) == "'" + text


def test_numbers_stay_numbers() -> None:
    assert cell(-12.5) == "-12.5"
    assert cell(3) == 3
    assert cell("plain = text") == "plain = text"


def test_names_of_uptake() -> None:
    assert uptake_name("g/ml{SUVbw}") == ("SUV", "g/ml")
    assert uptake_name("g/ml{SUVlbm}") == ("SUL", "g/ml")
    assert uptake_name("1") == ("uptake ", "relative units")
