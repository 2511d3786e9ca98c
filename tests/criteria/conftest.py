from dataclasses import replace

import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.criteria.findings import Findings
from dotaliver.measurement.hotspots import HottestSphere
from dotaliver.records.measurements import Burden, Reference
from dotaliver.records.study import Acquisition


@pytest.fixture
def findings():
    """A healthy liver (L 5, U 6.5), looked at in full, without a lesion."""
    liver = Reference(
        organ="liver", method="sphere", suv_mean=5.0, suv_max=6.2, peak_sd=0.375, peak_limit=6.5, volume_ml=14.1
    )
    none = {organ: Reference(organ=organ, method="none", reason="not looked for") for organ in ("spleen", "blood_pool")}
    base = Findings(
        acquisition=Acquisition(tracer="68Ga-DOTATATE", tracer_is_sstr=True, nuclide="68Ga"),
        ct=None,
        absolute_suv=True,
        references={"liver": liver, **none},
        lesions=(),
        lesions_looked_for=True,
        liver_found=True,
        burden=Burden(fraction=0.0, low=0.0, high=0.0, tumour_ml=0.0, liver_ml=1500.0),
        hottest=HottestSphere(5.9, (0.0, 0.0, 0.0), 900),
        rest_of_body=None,
        config=ScoringConfig(),
    )
    return lambda **changes: replace(base, **changes)
