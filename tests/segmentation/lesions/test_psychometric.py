"""From which contrast a share of lesions is found: simulated searches whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from dotaliver.segmentation.lesions.psychometric import contrast_for_share

CONTRASTS_HU = (8.0, 10.0, 12.0, 14.0, 16.0, 18.0, 20.0, 23.0, 26.0, 30.0, 40.0, 50.0, 60.0)
LOOKS = 45


def estimates(median_hu: float, spread: float, lapses: float, searches: int = 40) -> list[float | None]:
    """Of several searches in which a lesion is found from a contrast that is drawn from a log-normal distribution."""
    found = []
    for seed in range(searches):
        rng = np.random.default_rng(seed)
        needed = median_hu * np.exp(spread * rng.standard_normal(LOOKS))
        needed[rng.random(LOOKS) < lapses] = np.inf
        found.append(contrast_for_share(lambda look, hu, n=needed: bool(n[look] <= hu), LOOKS, CONTRASTS_HU, 0.9))
    return found


@pytest.mark.parametrize("median_hu", [10.0, 16.0, 28.0])
@pytest.mark.parametrize("spread", [0.2, 0.4])
def test_the_contrast_is_that_at_which_nine_in_ten_are_found(median_hu: float, spread: float) -> None:
    truth = median_hu * np.exp(1.2816 * spread)
    errors = np.log(np.array([x for x in estimates(median_hu, spread, 0.0) if x is not None]) / truth)
    assert len(errors) >= 38
    assert abs(float(errors.mean())) < 0.1
    # An order statistic of 20 thresholds has an SD of 1.71 / sqrt(20) of their spread.
    assert float(errors.std()) < 1.71 / np.sqrt(20) * spread + 0.03


def test_a_few_lesions_beside_vessels_do_not_decide() -> None:
    """With 4 % that are never found, 20 places would have said 'at no contrast' or twice the truth time and again."""
    found = np.array([np.inf if x is None else x for x in estimates(14.0, 0.25, 0.04)])
    assert float(np.median(found)) == pytest.approx(14.0 * np.exp(1.53 * 0.25), rel=0.1)
    assert float(found.max()) < 35.0


def test_what_is_missed_at_any_contrast_is_not_detectable() -> None:
    assert contrast_for_share(lambda *_: False, LOOKS, CONTRASTS_HU, 0.9) is None
    assert contrast_for_share(lambda *_: True, 0, CONTRASTS_HU, 0.9) is None
    assert contrast_for_share(lambda *_: True, LOOKS, (), 0.9) is None
    # Lesions that two in five miss are no lesions that the CT shows from 20 HU.
    assert all(x is None or x > 25.0 for x in estimates(12.0, 0.2, 0.4))


def test_what_is_always_found_is_detectable_from_the_lowest_contrast_tried() -> None:
    looked: list[tuple[int, float]] = []

    def is_found(look: int, hu: float) -> bool:
        looked.append((look, hu))
        return True

    assert contrast_for_share(is_found, LOOKS, CONTRASTS_HU, 0.9) == CONTRASTS_HU[0]
    assert [look for look, _ in looked] == list(range(LOOKS))
    assert {hu for _, hu in looked} <= set(CONTRASTS_HU)


def test_a_greater_share_needs_more_contrast() -> None:
    needed = np.linspace(10.0, 24.0, LOOKS)[np.random.default_rng(3).permutation(LOOKS)]
    half, most = (
        contrast_for_share(lambda look, hu: bool(needed[look] <= hu), LOOKS, CONTRASTS_HU, share)
        for share in (0.5, 0.9)
    )
    assert half is not None
    assert most is not None
    assert half < most
