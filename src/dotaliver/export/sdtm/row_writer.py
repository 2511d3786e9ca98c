"""What all rows of one evaluator's SDTM tables share: identifiers, timing, link identifiers, methods."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from dotaliver.config.criteria import RecistConfig
from dotaliver.export.sdtm.datasets import DOMAINS, Row, Value
from dotaliver.longitudinal.records import (
    Appearance,
    LesionRole,
    LesionUptake,
    Reading,
    TrackedLesion,
    TrialKeys,
)
from dotaliver.longitudinal.trial_data import TrialData
from dotaliver.measurement.measurability import ON_MEASURED_IMAGE

__all__ = [
    "GROUPS",
    "TESTS",
    "RowWriter",
    "codes_of",
    "measuring_method",
    "method_of",
    "plain_number",
    "study_day",
    "uptake_on",
]

TESTS = {
    "TUMIDENT": "Tumor Identification",
    "TUSPLIT": "Tumor Split",
    "TUMERGE": "Tumor Merged",
    "LDIAM": "Longest Diameter",
    "LPERP": "Longest Perpendicular",
    "SUMDIAM": "Sum of Diameter",
    "ACBSD": "Absolute Change Baseline in Sum of Diam",
    "PCBSD": "Percent Change Baseline in Sum of Diam",
    "ACNSD": "Absolute Change Nadir in Sum of Diam",
    "PCNSD": "Percent Change Nadir in Sum of Diam",
    "TUMSTATE": "Tumor State",
    "TRGRESP": "Target Response",
    "NTRGRESP": "Non-target Response",
    "NEWLPROG": "New Lesion Progression",
    "OVRLRESP": "Overall Response",
    "BESTRESP": "Best Response",
    "UPPEAK": "Uptake Peak of 1 mL",
    "UPPEAKHI": "Highest Uptake Peak of 1 mL",
    "LESVOL": "Volume of the Lesion",
    "TUMVOL": "Tumor Volume of All Lesions",
    "LESTLU": "Total Uptake of the Lesion",
    "TOTTLU": "Total Uptake of All Lesions",
    "PETEXT": "Longest Extent on PET",
    "NLESIONS": "Number of Lesions",
    "BURDEN": "Tumor Burden of the Liver",
}
"""--TEST by --TESTCD. ACBSD is the sponsor's own term: the code list of CDISC has the other three changes."""
GROUPS: dict[LesionRole, str] = {"target": "TARGET", "non_target": "NON-TARGET", "new": "NEW"}
_STEMS: dict[LesionRole, str] = {"target": "T", "non_target": "NT", "new": "NEW"}
# Codelist C85492
_PET_METHOD = "PET/CT SCAN"
_METHODS = {"CT": "CT SCAN", "MR": "MRI"}


def study_day(on: date, reference: date | None) -> int | None:
    """SDTM study day: the reference date is day 1, the day before it day -1; there is no day 0."""
    if reference is None:
        return None
    days = (on - reference).days
    return days + 1 if days >= 0 else days


@dataclass(frozen=True)
class RowWriter:
    """What all rows of one reading share."""

    trial: TrialKeys
    reading: Reading
    prefix: str
    config: RecistConfig
    data: TrialData | None = None

    @property
    def names(self) -> dict[str, str]:
        """Link identifiers by lesion: T01 …, NT01 …, NEW01 … in the order of the lesions."""
        found = {}
        for role, stem in _STEMS.items():
            for number, lesion in enumerate(self.reading.role(role), start=1):
                found[lesion.lesion] = f"{self.prefix}{stem}{number:02d}"
        return found

    def group(self, scan: int) -> str:
        """What links the results of a scan to its response: ``A`` and the scan's number in order of date."""
        return f"{self.prefix}A{scan + 1}"

    def row(self, domain: str, scan: int, **values: Value) -> Row:
        """A row with identifiers, evaluator and timing; values are named without the domain's prefix."""
        key = self.reading.scans[scan]
        evaluator = self.reading.evaluator
        row: Row = {variable.name: None for variable in DOMAINS[domain][1]}
        row |= {"STUDYID": self.trial.study_id, "DOMAIN": domain, "USUBJID": self.trial.unique_subject_id}
        row |= {f"{domain}{name}": value for name, value in values.items()}
        row |= {
            f"{domain}EVAL": evaluator.role,
            f"{domain}EVALID": evaluator.identifier,
            f"{domain}ACPTFL": "Y" if key.accepted else None,
            "VISITNUM": key.visit_number,
            "VISIT": key.visit,
            "VISITDY": None if self.data is None else self.data.planned_day(key.visit_number),
            "EPOCH": None if self.data is None else self.data.epoch(key.on, key.visit_number),
            f"{domain}DTC": key.on.isoformat(),
            # Study days count from RFSTDTC, which is in DM alone.
            f"{domain}DY": None if self.data is None else study_day(key.on, self.data.dm.reference_start),
        }
        return row

    def last_before_treatment(self, scan: int) -> str | None:
        """Y on the baseline scan of a patient whose first treatment is known."""
        return "Y" if scan == self.reading.baseline and self.trial.first_treatment is not None else None

    def result(self, scan: int, values: dict[str, Value], **result: Value) -> Row:
        """A row of TR with a result; the one at baseline is the last before treatment."""
        return self.row("TR", scan, **values, **result, LOBXFL=self.last_before_treatment(scan))

    def not_done(self, scan: int, values: dict[str, Value], reason: str) -> Row:
        """A row of TR without a result: no method and no flag of a last observation (SDTMIG 3.4, 4.1.5.1.2)."""
        reason = reason.upper()[:200]
        return self.row("TR", scan, **{**values, "METHOD": None}, STAT="NOT DONE", REASND=reason)

    def is_sure(self, appearance: Appearance) -> bool:
        """Whether the identity of a lesion on a scan is beyond question."""
        return appearance.by == "reader" or appearance.confidence >= self.config.sure


def plain_number(value: float) -> str:
    """A number to a thousandth, without trailing zeros and without a minus before 0."""
    text = f"{value:.3f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def uptake_on(lesion: TrackedLesion, scan: int) -> LesionUptake | None:
    """What is measured of a lesion on a scan."""
    return next((found for found in lesion.uptake if found.scan == scan), None)


def method_of(writer: RowWriter, lesion: TrackedLesion, scan: int) -> str:
    """The modality that a lesion was seen on: the measured CT or MR where it shows there, else PET/CT."""
    found = uptake_on(lesion, scan)
    if found is None or found.source not in ON_MEASURED_IMAGE:
        return _PET_METHOD
    return _METHODS.get(found.modality or writer.reading.scans[scan].measured_on or "CT", _PET_METHOD)


def measuring_method(writer: RowWriter, scan: int) -> str:
    """The modality that diameters are measured on, where there is one."""
    return _METHODS.get(writer.reading.scans[scan].measured_on or "", _PET_METHOD)


def codes_of(code: str) -> dict[str, Value]:
    """--TESTCD with its --TEST."""
    return {"TESTCD": code, "TEST": TESTS[code]}
