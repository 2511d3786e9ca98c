"""What the records of a search outside the liver promise."""

import pytest

from dotaliver.records.body import BODY_PARTS, BodyCoverage
from dotaliver.records.masks import Segmentations


def test_nobody_has_searched_the_body_unless_said():
    assert Segmentations(segmenter="x", liver=None, lesions=None).body is None


@pytest.mark.parametrize(
    ("parts", "standard"),
    [
        (BODY_PARTS, True),
        (("neck", "chest", "abdomen", "pelvis"), True),
        (("chest", "abdomen", "pelvis"), False),
        (("abdomen",), False),
        ((), False),
    ],
)
def test_the_standard_range_reaches_from_neck_to_pelvis(parts, standard):
    assert BodyCoverage(parts).is_standard is standard
