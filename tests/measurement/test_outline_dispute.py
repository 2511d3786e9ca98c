"""The burden where two outlines of the liver disagree: the interval includes both answers, and never shrinks."""

import numpy as np
import pytest

from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import LabelMap, Quantity, Volume
from dotaliver.measurement.outline_dispute import lesions_in_dispute, normal_in_dispute, with_second_outline
from dotaliver.records.masks import MaskLayer, Segmentations
from dotaliver.records.measurements import Burden, Reference
from dotaliver.segmentation.audit.comparison import compare_outlines
from fixtures.scores import lesion

AXES = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
GRID = Geometry((40, 40, 40), (0.0, 0.0, 0.0), (4.0, 4.0, 4.0), AXES)
LATERAL_MM = np.arange(40) * 4.0 - 80.0
NORMAL = Reference(
    organ="liver", method="sphere", suv_mean=5.0, suv_sd=0.5, suv_max=7.0, peak_sd=0.4, peak_limit=6.6
)  # fmt: skip


def box(slices, rows, columns):
    mask = np.zeros(GRID.shape, dtype=bool)
    mask[slices, rows, columns] = True
    return mask


LIVER = box(slice(5, 35), slice(5, 35), slice(5, 35))
TUMOUR = box(slice(5, 20), slice(5, 35), slice(5, 35))


def study(outlined, second, tumour, uptake=5.0):
    pet = Volume(np.where(tumour, 15.0, uptake).astype(np.float32), GRID, Quantity.SUVBW)
    labels = LabelMap((tumour & outlined).astype(np.uint8), GRID)
    found = Segmentations(
        segmenter="test",
        liver=MaskLayer(LabelMap(outlined, GRID), "ct", "test", 2.0),
        lesions=MaskLayer(labels, "pet", "test", 2.0),
    )
    liver_ml, tumour_ml = outlined.sum() * 0.064, (tumour & outlined).sum() * 0.064
    share = tumour_ml / liver_ml
    burden = Burden(fraction=share, low=share - 0.01, high=share + 0.01, tumour_ml=tumour_ml, liver_ml=liver_ml)
    comparison = compare_outlines(outlined, second, GRID, LATERAL_MM)
    lesions = (lesion(1, (80.0, 80.0, 60.0)),)
    return with_second_outline(burden, pet, found, lesions, NORMAL, comparison), burden, found, comparison


def test_without_a_dispute_nothing_changes() -> None:
    changed, before, found, comparison = study(LIVER, LIVER, TUMOUR)
    assert changed == before
    assert lesions_in_dispute(found, comparison) == frozenset()


def test_tumour_that_is_left_out_raises_the_upper_end() -> None:
    part = box(slice(5, 20), slice(5, 35), slice(5, 15))
    changed, before, _, _ = study(LIVER & ~part, LIVER, TUMOUR)
    # 15 of 30 slices are tumour: half of the whole liver, and two fifths of what the outline leaves.
    assert before.fraction == pytest.approx(0.4)
    assert changed.low == before.low
    assert changed.high == pytest.approx(0.5 + 0.01 * LIVER[..., 15:].sum() / LIVER.sum(), abs=0.02)
    assert changed.fraction == before.fraction


def test_normal_liver_that_is_left_out_lowers_the_lower_end() -> None:
    part = box(slice(20, 35), slice(5, 35), slice(5, 15))
    changed, before, _, _ = study(LIVER & ~part, LIVER, TUMOUR)
    assert before.fraction == pytest.approx(0.6)
    assert changed.low == pytest.approx(0.5, abs=0.015)
    assert changed.high == before.high


def test_necrosis_that_is_left_out_raises_the_upper_end_alone() -> None:
    part = box(slice(20, 35), slice(5, 35), slice(5, 15))
    uptake = np.where(part, 0.5, 5.0)
    changed, before, _, _ = study(LIVER & ~part, LIVER, TUMOUR, uptake)
    # 0.6 of 5/6 is tumour, and the last sixth may be necrosis of it or no liver; normal liver it is not.
    assert before.fraction == pytest.approx(0.6)
    assert changed.high == pytest.approx(0.6 * 5 / 6 + 1 / 6, abs=0.02)
    assert changed.low == pytest.approx(0.5, abs=0.015)


def test_a_hot_neighbour_that_is_included_lowers_the_lower_end() -> None:
    kidney = box(slice(5, 20), slice(5, 35), slice(25, 35))
    second = LIVER & ~kidney
    changed, before, _, _ = study(LIVER, second, kidney)
    assert before.fraction == pytest.approx(1 / 6)
    assert changed.low == 0.0
    assert changed.high == before.high


def test_a_lesion_is_in_dispute_where_only_the_outline_sees_liver() -> None:
    kidney = box(slice(5, 20), slice(5, 35), slice(25, 35))
    _, _, found, comparison = study(LIVER, LIVER & ~kidney, kidney)
    assert lesions_in_dispute(found, comparison) == {1}
    _, _, found, comparison = study(LIVER, LIVER & ~kidney, box(slice(22, 30), slice(10, 20), slice(10, 20)))
    assert lesions_in_dispute(found, comparison) == frozenset()


def test_uptake_decides_nothing_where_normal_liver_is_unknown() -> None:
    part = box(slice(20, 35), slice(5, 35), slice(5, 15))
    outlined = LIVER & ~part
    _, before, found, comparison = study(outlined, LIVER, TUMOUR)
    pet = Volume(np.full(GRID.shape, 5.0, dtype=np.float32), GRID, Quantity.SUVBW)
    unknown = NORMAL.model_copy(update={"suv_mean": None, "peak_limit": None})
    changed = with_second_outline(before, pet, found, (lesion(1, (80.0, 80.0, 60.0)),), unknown, comparison)
    # What is left out may be tumour: 0.6 of 5/6 and all of the last sixth.
    assert changed.high == pytest.approx(0.6 * 5 / 6 + 1 / 6, abs=0.02)


@pytest.mark.parametrize(
    ("method", "column", "in_dispute"),
    [("sphere", 30, True), ("small_sphere", 30, True), ("reader", 30, False), ("sphere", 15, False)],
)
def test_normal_liver_is_in_dispute_where_only_the_outline_sees_liver(method, column, in_dispute) -> None:
    """Bowel that the outline includes may be the calmest place of all; where a reader put the sphere, that counts."""
    bowel = box(slice(5, 20), slice(5, 35), slice(25, 35))
    _, _, found, comparison = study(LIVER, LIVER & ~bowel, TUMOUR)
    place = (4.0 * column, 80.0, 48.0)
    normal = NORMAL.model_copy(update={"method": method, "centre_lps_mm": place, "diameter_mm": 30.0})
    assert normal_in_dispute(normal, found, comparison) is in_dispute
    assert not normal_in_dispute(normal, found, None)
