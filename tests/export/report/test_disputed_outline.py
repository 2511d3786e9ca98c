"""Where the audit disputes the liver outline, the report shows both outlines and names the place."""

from __future__ import annotations

import numpy as np
import pytest

from dotaliver.export.report import scene
from dotaliver.export.report.html import report_html
from dotaliver.image.itk import resample_labels
from dotaliver.records.liver_audit import DisputedPlace, LiverAudit, LiverComparison
from fixtures.scores import small_case

PLACE = DisputedPlace(
    kind="left_out", volume_ml=140.0, place="at the back of the right lobe", centre_lps_mm=(-20.0, 10.0, 0.0)
)


def report(monkeypatch, *, disputed: bool) -> str:
    case = small_case()
    audit = LiverAudit(agreement=0.88, second_ml=320.0, disputed=disputed, places=(PLACE,) if disputed else ())
    liver = case.score.liver.model_copy(update={"audit": audit})
    outlined = resample_labels(case.segmentations.liver.labels, case.volumes.ct.geometry).mask
    second = np.roll(outlined, 3, 1)
    regions = np.zeros(outlined.shape, dtype=np.int32)
    comparison = LiverComparison(case.volumes.ct.geometry, outlined, second, regions, audit)
    monkeypatch.setattr(scene, "audit_liver", lambda *_: comparison)
    return report_html(case.score.model_copy(update={"liver": liver}), case.volumes, case.segmentations)


def test_the_place_is_shown_with_both_outlines(monkeypatch) -> None:
    page = report(monkeypatch, disputed=True)
    assert "Disputed liver outline" in page
    assert "140 ml left out at the back of the right lobe, CT slice" in page
    assert page.count('alt="Both outlines of the liver on CT slice') == 1


def test_outlines_that_agree_are_not_mentioned(monkeypatch) -> None:
    assert "Disputed" not in report(monkeypatch, disputed=False)


@pytest.mark.parametrize(("kind", "verb"), [("left_out", "leaves out"), ("included", "includes")])
def test_a_place_in_words(kind, verb) -> None:
    assert PLACE.model_copy(update={"kind": kind}).words == f"it {verb} 140 ml at the back of the right lobe"
