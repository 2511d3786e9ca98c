"""The code lists of the tables: CDISC's by their NCI code, and those of the sponsor.

Codes of lists are those of the NCI Thesaurus as the SDTM Implementation Guide 3.4 names them. Terms have no codes here:
those would have to be looked up in the terminology of the date that the standard names.
"""

from __future__ import annotations

from dataclasses import dataclass

from dotaliver.export.adam.adrs import RESPONSE_NUMBERS
from dotaliver.export.sdtm.row_writer import TESTS

__all__ = ["CODE_LISTS", "CodeList", "Term", "code_list_of"]


@dataclass(frozen=True)
class Term:
    """A coded value, what it means, and whether the sponsor added it to CDISC's list."""

    value: str
    decode: str | None = None
    is_extended: bool = False


@dataclass(frozen=True)
class CodeList:
    """A list of terms; without an NCI code it is the sponsor's."""

    oid: str
    name: str
    nci: str | None
    terms: tuple[Term, ...]


def _tests(*codes: str, extended: tuple[str, ...] = ()) -> tuple[Term, ...]:
    return tuple(Term(code, TESTS[code], code in extended) for code in codes)


def _names(*codes: str, extended: tuple[str, ...] = ()) -> tuple[Term, ...]:
    return tuple(Term(TESTS[code], is_extended=code in extended) for code in codes)


def _words(*values: str) -> tuple[Term, ...]:
    return tuple(Term(value) for value in values)


_TU = ("TUMIDENT", "TUSPLIT", "TUMERGE")
_TR = ("LDIAM", "LPERP", "SUMDIAM", "ACBSD", "PCBSD", "ACNSD", "PCNSD", "TUMSTATE")
_RS = ("TRGRESP", "NTRGRESP", "NEWLPROG", "OVRLRESP", "BESTRESP")
_XU = ("UPPEAK", "UPPEAKHI", "LESTLU", "TOTTLU", "LESVOL", "TUMVOL", "PETEXT", "NLESIONS", "BURDEN")
_RESPONSES = {
    "CR": "Complete response",
    "PR": "Partial response",
    "SD": "Stable disease",
    "PD": "Progressive disease",
    "NE": "Not evaluable",
    "NON-CR/NON-PD": "Neither complete response nor progressive disease",
    "NED": "No evidence of disease",
}
CODE_LISTS: dict[str, CodeList] = {
    each.oid: each
    for each in (
        CodeList("CL.TUTESTCD", "Tumor or Lesion Identification Test Code", "C96784", _tests(*_TU)),
        CodeList("CL.TUTEST", "Tumor or Lesion Identification Test Name", "C96783", _names(*_TU)),
        CodeList("CL.TRTESTCD", "Tumor or Lesion Properties Test Code", "C96779", _tests(*_TR, extended=("ACBSD",))),
        CodeList("CL.TRTEST", "Tumor or Lesion Properties Test Name", "C96778", _names(*_TR, extended=("ACBSD",))),
        CodeList("CL.RSTESTCD", "Oncology Response Assessment Test Code", "C96782", _tests(*_RS)),
        CodeList("CL.RSTEST", "Oncology Response Assessment Test Name", "C96781", _names(*_RS)),
        CodeList("CL.XUTESTCD", "Uptake on PET Test Code", None, _tests(*_XU)),
        CodeList("CL.XUTEST", "Uptake on PET Test Name", None, _names(*_XU)),
        CodeList("CL.TUIDRS", "Tumor Identification Results", "C123650", _words("TARGET", "NON-TARGET", "NEW")),
        CodeList(
            "CL.TRPROPRS", "Tumor or Lesion Properties Test Result", "C124309",
            _words("PRESENT", "ABSENT", "UNEQUIVOCAL PROGRESSION"),
        ),
        CodeList(
            "CL.ONCRSR", "Oncology Response Assessment Result", "C96785",
            (*(Term(word, decode) for word, decode in _RESPONSES.items()),
             Term("UNEQUIVOCAL", "Unequivocal"), Term("EQUIVOCAL", "Equivocal")),
        ),
        CodeList("CL.RSCAT", "Category of Oncology Response Assessment", None, _words("RECIST 1.1")),
        CodeList("CL.METHOD", "Method", "C85492", _words("CT SCAN", "MRI", "PET/CT SCAN")),
        CodeList("CL.NY", "No Yes Response", "C66742", (Term("Y", "Yes"), Term("N", "No"))),
        CodeList("CL.ND", "Not Done", "C66789", _words("NOT DONE")),
        CodeList("CL.UNIT", "Unit", "C71620", _words("mm", "%", "mL", "g/mL", "g", "cm2/mL", "cm2")),
        CodeList("CL.RELTYPE", "Relation to Reference Period of a Related Dataset", "C78737", _words("ONE", "MANY")),
        CodeList(
            "CL.AVALC", "Response in the Analysis", None,
            _words(*RESPONSE_NUMBERS, "NED", "Y", "N"),
        ),
        CodeList(
            "CL.CNSR", "Censoring", None,
            (
                Term("0", "Event"), Term("1", "No event at the last evaluable assessment"),
                Term("2", "Other anticancer therapy before progression"), Term("3", "Death without progression"),
                Term("4", "No evaluable assessment after baseline"),
            ),
        ),
    )
}  # fmt: skip
"""Every code list by its OID"""

_BY_SUFFIX = {
    "STAT": "CL.ND", "METHOD": "CL.METHOD", "LOBXFL": "CL.NY", "ACPTFL": "CL.NY", "ORRESU": "CL.UNIT",
    "STRESU": "CL.UNIT", "CAT": "CL.RSCAT",
}  # fmt: skip
_BY_NAME = {
    "TUTESTCD": "CL.TUTESTCD", "TUTEST": "CL.TUTEST", "TRTESTCD": "CL.TRTESTCD", "TRTEST": "CL.TRTEST",
    "RSTESTCD": "CL.RSTESTCD", "RSTEST": "CL.RSTEST", "XUTESTCD": "CL.XUTESTCD", "XUTEST": "CL.XUTEST",
    "TUORRES": "CL.TUIDRS", "TUSTRESC": "CL.TUIDRS", "RSORRES": "CL.ONCRSR", "RSSTRESC": "CL.ONCRSR",
    "RELTYPE": "CL.RELTYPE", "CNSR": "CL.CNSR", "AVALU": None, "XUCAT": None,
    "ABLFL": "CL.NY", "ANL01FL": "CL.NY", "PDFL": "CL.NY",
}  # fmt: skip


def code_list_of(dataset: str, variable: str) -> CodeList | None:
    """The code list of a variable; None where its values are free or differ by test."""
    if variable in _BY_NAME:
        oid = _BY_NAME[variable]
    elif dataset == "ADRS" and variable == "AVALC":
        oid = "CL.AVALC"
    else:
        oid = _BY_SUFFIX.get(variable.removeprefix(dataset)) if len(dataset) == 2 else None
    return None if oid is None else CODE_LISTS[oid]
