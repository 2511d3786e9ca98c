"""Evidence under the names that people read, with units."""

from __future__ import annotations

import re

import pytest

from dotaliver.export.report.evidence import evidence_words
from dotaliver.records.verdicts import Evidence


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("suv_peak", 35.987, ("SUVpeak", "36.0")),
        ("tumour_ml", 77.57, ("Tumour volume", "77.6 ml")),
        ("fraction", 0.05889, ("Tumour burden", "5.9 %")),
        ("limit", 0.8, ("Limit", "80 %")),
        ("threshold_mm", 10.0, ("Threshold", "10 mm")),
        ("size_mm", 44.15, ("Diameter", "44.1 mm")),
        ("ratio_to_liver", 6.777, ("SUVpeak / liver mean", "6.78 ×")),
        ("diameter_source", "ct", ("Measured on", "CT")),
        ("liver_method", "low_mode", ("Normal liver from", "lower histogram peak")),
        ("lesion_label", 5, ("Lesion", "5")),
        ("krenning", None, ("Modified Krenning score", "–")),
        ("literal_peak_above_liver_max", True, ("A lesion's SUVpeak > liver SUVmax", "yes")),
        ("visible_contrast_hu", 16.7, ("Detectable contrast below liver", "16.7 HU")),
        # Keys that a later version may add
        ("largest_ct_gap_mm", 3.0, ("Largest CT gap", "3.0 mm")),
        ("pet_seen", False, ("PET seen", "no")),
    ],
)
def test_each_piece_has_a_name_and_a_unit(key: str, value: Evidence, words: tuple[str, str]) -> None:
    assert evidence_words(key, value) == words


@pytest.mark.parametrize("key", ["outside_tumour_ml", "noise_hu", "hottest_place_suv", "searched_spheres"])
def test_no_key_is_shown_as_it_is_stored(key: str) -> None:
    name, value = evidence_words(key, 1.5)
    assert not re.search(r"_| (ml|hu|suv|mm)$", name)
    assert name[0].isupper() or name.startswith("1 ml")
    assert re.fullmatch(r"1\.5( ml| HU)?", value)
