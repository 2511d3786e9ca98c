"""ADTR: diameters of targets, their sum, and PET measurements, with change from baseline and nadir.

Derivations:

* SDIAM is SUMDIAM of TR; it is missing where a target was not measured. LDIAMn is the longest diameter of target n,
  NLDIAMn the short axis of a target node. UPPEAKHI, TOTTLU, TUMVOL and BURDEN are those of XU.
* ABLFL marks the baseline, the last scan up to the first treatment. BASE is its value; CHG is AVAL - BASE, PCHG
  100 x CHG / BASE, empty where BASE is 0.
* NADIR is the smallest earlier sum, baseline included, only of SDIAM; CHGNAD and PCHGNAD are the changes from it.
* ANL01FL marks what is not missing; PDFL marks sums of a visit whose overall response is PD.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dotaliver.export.adam.variables import IDENTIFIERS, TIMING, TRACE, Subject, bds
from dotaliver.export.sdtm.datasets import Dataset, Row, Variable
from dotaliver.longitudinal.records import Reading, TrialKeys

__all__ = ["adtr"]

_VARIABLES = (
    *IDENTIFIERS,
    *TIMING,
    Variable("AVAL", "Analysis Value", "Num"),
    Variable("AVALU", "Analysis Value Unit"),
    Variable("ABLFL", "Baseline Record Flag"),
    Variable("BASE", "Baseline Value", "Num"),
    Variable("CHG", "Change from Baseline", "Num"),
    Variable("PCHG", "Percent Change from Baseline", "Num"),
    Variable("NADIR", "Nadir", "Num"),
    Variable("CHGNAD", "Change from Nadir", "Num"),
    Variable("PCHGNAD", "Percent Change from Nadir", "Num"),
    Variable("ANL01FL", "Analysis Flag 01"),
    Variable("PDFL", "Progressive Disease Flag"),
    *TRACE,
)
_PATIENT = {
    "UPPEAKHI": "Highest Uptake Peak of 1 mL",
    "TOTTLU": "Total Uptake of All Lesions",
    "TUMVOL": "Tumor Volume of All Lesions",
    "BURDEN": "Tumor Burden of the Liver",
}


@dataclass(frozen=True)
class _Parameter:
    """One parameter and the SDTM records that it is made of."""

    code: str
    name: str
    category: str
    unit: str | None
    records: tuple[Row, ...]
    domain: str
    has_nadir: bool = False


def adtr(trial: TrialKeys, readings: Sequence[Reading], tables: dict[str, Dataset]) -> Dataset:
    """ADTR of all evaluators, from TR and XU.

    Parameters
    ----------
    trial : TrialKeys
        The subject.
    readings : sequence of Reading
        One per evaluator.
    tables : dict
        TR and, where there is one, XU.
    """
    rows = [row for reading in readings for row in _reading_rows(trial, reading, tables)]
    return bds("ADTR", "Tumor Results Analysis Dataset", _VARIABLES, rows)


def _reading_rows(trial: TrialKeys, reading: Reading, tables: dict[str, Dataset]) -> Iterator[Row]:
    subject = Subject(trial, reading.evaluator)
    for parameter in (*_diameters(reading, tables["TR"]), *_patient(reading, tables.get("XU"))):
        yield from _parameter_rows(subject, reading, parameter)


def _own(reading: Reading, domain: str, dataset: Dataset, **wanted: str | None) -> tuple[Row, ...]:
    """An evaluator's records of a dataset."""
    evaluator = reading.evaluator
    return tuple(
        row
        for row in dataset.rows
        if (row.get(f"{domain}EVAL"), row.get(f"{domain}EVALID")) == (evaluator.role, evaluator.identifier)
        and all(row.get(name) == value for name, value in wanted.items())
    )


def _diameters(reading: Reading, dataset: Dataset) -> Iterator[_Parameter]:
    sums = _own(reading, "TR", dataset, TRTESTCD="SUMDIAM")
    name = "Sum of Diameters of Target Lesions (mm)"
    yield _Parameter("SDIAM", name, "Target Lesion(s)", "mm", sums, "TR", has_nadir=True)
    for number, lesion in enumerate(reading.role("target"), start=1):
        test, stem, word = ("LPERP", "NLDIAM", "Short Axis") if lesion.node else ("LDIAM", "LDIAM", "Longest Diameter")
        found = _own(reading, "TR", dataset, TRTESTCD=test, TRREFID=lesion.lesion)
        # Parts of a lesion that has split stand under links of their own and are in the sum alone.
        whole = tuple(row for row in found if "." not in str(row["TRLNKID"]))
        yield _Parameter(
            f"{stem}{number}", f"Target Lesion {number} {word} (mm)", "Target Lesion(s)", "mm", whole, "TR"
        )


def _patient(reading: Reading, dataset: Dataset | None) -> Iterator[_Parameter]:
    for code, name in _PATIENT.items():
        found = () if dataset is None else _own(reading, "XU", dataset, XUTESTCD=code)
        if found:
            unit = str(found[0]["XUSTRESU"])
            yield _Parameter(code, f"{name} ({unit})", "PET", unit, found, "XU")


def _parameter_rows(subject: Subject, reading: Reading, parameter: _Parameter) -> Iterator[Row]:
    scans = {key.visit_number: n for n, key in enumerate(reading.scans)}
    progressed = {p.scan for p in reading.time_points if p.overall is not None and p.overall.response == "PD"}
    domain, values = parameter.domain, list[float]()
    base: float | None = None
    for record in parameter.records:
        scan = scans[_number(record["VISITNUM"])]
        is_baseline, value = scan == reading.baseline, _number(record[f"{domain}STRESN"])
        base = value if is_baseline else base
        nadir = min(values) if parameter.has_nadir and values and not is_baseline else None
        yield subject.record(
            parameter.code, parameter.name, parameter.category,
            **subject.visit(reading.scans[scan], is_baseline=is_baseline),
            AVAL=value, AVALU=parameter.unit, ABLFL="Y" if is_baseline else None, BASE=base,
            **_change("CHG", "PCHG", value, None if is_baseline else base),
            NADIR=nadir, **_change("CHGNAD", "PCHGNAD", value, nadir),
            ANL01FL=None if value is None else "Y",
            PDFL="Y" if parameter.has_nadir and scan in progressed else None,
            SRCDOM=domain, SRCVAR=f"{domain}STRESN", SRCSEQ=record[f"{domain}SEQ"],
        )  # fmt: skip
        if value is not None:
            values.append(value)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _change(absolute: str, percent: str, value: float | None, against: float | None) -> Row:
    """Change of a value in its unit and in percent; percent of 0 is empty."""
    if value is None or against is None:
        return {absolute: None, percent: None}
    change = round(value - against, 6)
    return {absolute: change, percent: round(100.0 * change / against, 6) if against else None}
