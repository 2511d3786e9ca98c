"""The identity of a series: what sentences call it."""

from __future__ import annotations

import pytest

from dotaliver.records.study import SeriesIdentity


@pytest.mark.parametrize(("number", "name"), [(3, "CT series 3"), (0, "CT series 0"), (None, "CT series 1.2.3")])
def test_a_series_is_called_by_its_number_and_by_its_uid_where_it_has_none(number: int | None, name: str) -> None:
    series = SeriesIdentity(
        modality="CT",
        series_instance_uid="1.2.3",
        series_number=number,
        shape=(1, 1, 1),
        spacing_mm=(1.0, 1.0, 1.0),
        sop_instance_uids=("1",),
        pixel_sha256="0",
        chosen_because="the only one",
    )
    assert series.name == name
    assert f"CT series {series.short_name}" == name
