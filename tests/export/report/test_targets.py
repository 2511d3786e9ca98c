"""Proposed RECIST targets as the report of one study lists them."""

from dotaliver.export.report.tables import target_rows, target_sum_words
from dotaliver.records.flags import raise_flag
from fixtures.courses import scan, sized


def test_measured_lesions_are_listed_with_why_each_is_a_target_or_not_and_the_targets_first():
    dense = sized(1, 60.0, flags=(raise_flag("LESION_DENSE_ON_CT", share=40.0),))
    rows = target_rows(scan(0, dense, sized(2, 20.0), sized(3, 30.0), sized(4, 40.0, source="pet")))
    # An extent on PET is not a RECIST diameter, so lesion 4 is not among the measured ones.
    assert [(row[0], row[2]) for row in rows] == [("3", "yes"), ("2", "yes"), ("1", "no")]
    assert "among the largest measurable lesions" in rows[0][3]
    assert "lipiodol" in rows[2][3]


def test_a_study_without_lesions_proposes_none():
    assert target_rows(scan(0)) == ()
    assert target_sum_words(scan(0)) is None


def test_the_sum_adds_longest_diameters_and_short_axes_of_nodes():
    node = sized(3, 31.0, short=16.0, in_liver=False, marks=("node",))
    said = target_sum_words(scan(0, sized(1, 20.0), sized(2, 30.0), node))
    assert said == "Sum of diameters 66.0 mm = 30.0 + 20.0 + 16.0 (short axis of nodes)."
