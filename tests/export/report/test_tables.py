"""Rows of the report: what was measured on what, and how certain it is."""

from __future__ import annotations

from dotaliver.export.report.tables import lesion_summary, lesion_table
from dotaliver.records.measurements import Diameter
from fixtures.lesions import lesion
from fixtures.scores import small_case

AXIS = ((0.0, 0.0, 0.0), (21.0, 0.0, 0.0))


def on_ct():
    measured = Diameter(longest_mm=21.0, short_mm=15.0, source="ct", long_axis_lps_mm=AXIS, interval_mm=(18.5, 23.6))
    return lesion(1, size=21.0, source="ct").model_copy(update={"diameter": measured})


def test_a_card_says_what_the_size_was_measured_on_and_its_interval():
    rows = dict(lesion_summary(on_ct(), "g/ml"))
    assert (rows["Size on CT"], rows["95 % interval"]) == ("21 × 15 mm", "18 to 24 mm")
    assert dict(lesion_summary(lesion(size=30.0), "g/ml"))["Size on PET"] == "30 × 15 mm"
    extent = lesion(size=None, source=None).model_copy(update={"pet_extent_mm": 30.4})
    assert dict(lesion_summary(extent, "g/ml"))["Size on PET"] == "30 mm"
    assert dict(lesion_summary(lesion(size=None, source=None), "g/ml"))["Size"] == "–"


def test_the_table_names_the_interval_only_where_there_is_one():
    score = small_case().score
    columns, rows = lesion_table(score.model_copy(update={"lesions": (on_ct(), lesion(2, size=30.0))}))
    place = columns.index("Size (95 % interval)")
    assert [row[place] for row in rows] == ["21 × 15 mm (CT, 18 to 24)", "30 × 15 mm (PET)"]
    columns, _ = lesion_table(score.model_copy(update={"lesions": (lesion(2),)}))
    assert "Size" in columns
