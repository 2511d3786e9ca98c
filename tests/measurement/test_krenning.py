import pytest

from dotaliver.config.criteria import KrenningConfig
from dotaliver.measurement.krenning import krenning_grade
from dotaliver.records.measurements import Reference


def references(spleen=None, blood=None, liver=5.0):
    limit = None if liver is None else 1.3 * liver
    return {
        "liver": Reference(organ="liver", method="sphere", suv_mean=liver, peak_limit=limit),
        "spleen": Reference(organ="spleen", method="organ", suv_mean=spleen),
        "blood_pool": Reference(organ="blood_pool", method="organ", suv_mean=blood),
    }


@pytest.mark.parametrize(
    ("peak", "spleen", "blood", "grade"),
    [
        (1.5, None, None, "0"),
        (1.6, None, None, "1"),
        (1.6, None, 1.7, "0"),
        (1.8, None, 1.7, "1"),
        (3.6, None, None, "1"),
        (3.7, None, None, "2"),
        (6.5, 17.0, None, "2"),
        (6.6, 17.0, None, "3"),
        (17.0, 17.0, None, "3"),
        (17.1, 17.0, None, "4"),
        (40.0, None, None, "≥3"),
        # A spleen no hotter than liver does not lift a lesion that is not above liver.
        (6.0, 4.0, None, "2"),
    ],
)
def test_grades(peak, spleen, blood, grade):
    assert krenning_grade(peak, references(spleen, blood), KrenningConfig()) == grade


def test_no_grade_without_uptake_or_normal_liver():
    assert krenning_grade(None, references(), KrenningConfig()) is None
    assert krenning_grade(9.0, references(liver=None), KrenningConfig()) is None
