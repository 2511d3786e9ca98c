"""Where each variable comes from, and by which rule it is derived."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["COMMENTS", "Origin", "origin_of"]

_KIND = {"A": "Assigned", "D": "Derived", "C": "Collected", "P": "Predecessor", "R": "Protocol"}


@dataclass(frozen=True)
class Origin:
    """The origin of a variable: its type in Define-XML, its source, the rule of a derivation."""

    kind: str
    source: str | None
    rule: str | None = None


COMMENTS: dict[str, str] = {
    "XU": "Domain of the sponsor: what PET measures has a unit and a method of its own and does not qualify a diameter "
    "on CT.",
    "TR": "dotaliver is the system that collects the assessment; it supplies the sum of diameters and its changes with "
    "the diameters (SDTMIG 3.4, TR, assumption 3). ACBSD is a term of the sponsor.",
    "ADTTE": "Censoring by the convention of the FDA (Clinical Trial Endpoints for the Approval of Cancer Drugs and "
    "Biologics, 2018). The rule on missed assessments is not applied, because no table holds the imaging schedule; "
    "GAPDAYS lets it be applied.",
}
"""Comments on datasets"""

_SDTM: dict[str, tuple[str, str | None]] = {
    "STUDYID": ("R", None),
    "DOMAIN": ("A", None),
    "RDOMAIN": ("A", None),
    "USUBJID": ("D", "USUBJID of DM; without DM, study, site and subject of the manifest, joined by hyphens."),
    "SEQ": ("D", "Number of the record within the subject."),
    "GRPID": ("A", None),
    "REFID": ("A", None),
    "LNKID": ("A", None),
    "LNKGRP": ("D", "The letter A and the number of the scan in order of date, after the evaluator's prefix."),
    "TESTCD": ("A", None),
    "TEST": ("A", None),
    "CAT": ("A", None),
    "LOC": ("A", None),
    "METHOD": ("A", None),
    "EVAL": ("A", None),
    "EVALID": ("A", None),
    "ACPTFL": ("A", None),
    "STAT": ("A", None),
    "REASND": ("A", None),
    "LOBXFL": ("D", "Y on every result of the last scan up to the first treatment; empty where that is not known."),
    "VISITNUM": ("A", None),
    "VISIT": ("A", None),
    "VISITDY": ("R", None),
    "EPOCH": (
        "D",
        "EPOCH of the element of SE that holds the date; without SE that of the visit in SV; without both, SCREENING "
        "before RFXSTDTC and TREATMENT after it up to RFXENDTC.",
    ),
    "DTC": ("C", None),
    "DY": ("D", "DTC - RFSTDTC, plus 1 from RFSTDTC on; there is no day 0."),
    "ORRES": ("C", None),
    "ORRESU": ("A", None),
    "STRESC": ("D", "ORRES in standard units; 5 for TOO SMALL TO MEASURE."),
    "STRESN": ("D", "STRESC as a number."),
    "STRESU": ("A", None),
    "IDVAR": ("A", None),
    "IDVARVAL": ("D", "SEQ of the record that is qualified."),
    "QNAM": ("A", None),
    "QLABEL": ("A", None),
    "QVAL": ("D", "As QNAM says; a text of more than 200 characters continues under the next number of QNAM."),
    "QORIG": ("A", None),
    "QEVAL": ("A", None),
    "RELTYPE": ("A", None),
    "RELID": ("A", None),
}
_ADAM: dict[str, tuple[str, str | None]] = {
    "STUDYID": ("P", "TR.STUDYID"),
    "USUBJID": ("P", "TR.USUBJID"),
    "SUBJID": ("A", None),
    "SITEID": ("A", None),
    "TRTSDT": ("D", "RFXSTDTC of DM, else the first EXSTDTC of EX, else the first treatment of the manifest."),
    "ASEQ": ("D", "Number of the record within the subject."),
    "PARCAT1": ("A", None),
    "PARCAT2": ("A", None),
    "PARCAT3": ("A", None),
    "PARAMCD": ("A", None),
    "PARAM": ("A", None),
    "AVISIT": ("D", "BASELINE for the last scan up to the first treatment, else VISIT."),
    "AVISITN": ("D", "0 for the baseline, else VISITNUM."),
    "ADT": ("D", "Date of the scan; of an event or of censoring in ADTTE."),
    "ADY": ("D", "ADT - TRTSDT, plus 1 from TRTSDT on."),
    "AVAL": ("D", "By parameter."),
    "AVALC": ("D", "By parameter."),
    "AVALU": ("A", None),
    "ABLFL": ("D", "Y for the baseline."),
    "BASE": ("D", "AVAL of the baseline."),
    "CHG": ("D", "AVAL - BASE."),
    "PCHG": ("D", "100 x CHG / BASE; empty where BASE is 0."),
    "NADIR": ("D", "Smallest earlier sum of diameters, the baseline's included."),
    "CHGNAD": ("D", "AVAL - NADIR."),
    "PCHGNAD": ("D", "100 x CHGNAD / NADIR; empty where NADIR is 0."),
    "ANL01FL": ("D", "ADTR: Y where AVAL is not missing. ADRS: Y for records up to the first progression."),
    "PDFL": ("D", "Y for sums of a visit whose overall response is PD."),
    "STARTDT": ("D", "TRTSDT."),
    "CNSR": ("D", "0 for an event, else the reason of censoring."),
    "EVNTDESC": ("D", "The event, or why there is none."),
    "CNSDTDSC": ("D", "What the date of censoring is."),
    "GAPDAYS": ("D", "Days from the last evaluable assessment before an event to the event."),
    "SRCDOM": ("A", None),
    "SRCVAR": ("A", None),
    "SRCSEQ": ("A", None),
}


def origin_of(dataset: str, variable: str) -> Origin:
    """The origin of a variable of a dataset.

    Raises
    ------
    KeyError
        Where a variable has no origin here: every new one needs one.
    """
    table = _ADAM if dataset.startswith("AD") else _SDTM
    suffix = variable.removeprefix(dataset)
    kind, rule = table[suffix if suffix in table else variable]
    return Origin(_KIND[kind], None if kind in {"P", "R"} else "Vendor" if kind == "C" else "Sponsor", rule)
