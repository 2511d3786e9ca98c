"""The definition of a set of tables: datasets, variables, values by test, code lists, methods, comments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dotaliver.export.define.codelists import CODE_LISTS, CodeList, code_list_of
from dotaliver.export.define.origins import COMMENTS, Origin, origin_of
from dotaliver.export.sdtm.datasets import Dataset, Value, Variable

__all__ = ["Definition", "ItemDefinition", "TableDefinition", "ValueDefinition", "VariableDefinition", "definition_of"]

_NUMBERED = ("SEQ", "DY", "VISITDY", "GAPDAYS", "CNSR", "SRCSEQ")
_CLASSES = {
    "ADTR": "BASIC DATA STRUCTURE", "ADRS": "BASIC DATA STRUCTURE", "ADTTE": "BASIC DATA STRUCTURE",
    "RELREC": "RELATIONSHIP",
}  # fmt: skip
_STRUCTURES = {
    "TU": "One record per identified tumor per subject per assessor",
    "TR": "One record per tumor measurement/assessment per visit per subject per assessor",
    "RS": "One record per response assessment per time point per visit per subject per assessor",
    "XU": "One record per PET measurement per lesion or subject per visit per assessor",
    "RELREC": "One record per related record, group of records or dataset",
    "ADTR": "One record per subject per assessor per parameter per analysis visit",
    "ADRS": "One record per subject per assessor per parameter per analysis visit",
    "ADTTE": "One record per subject per assessor per parameter",
}
_KEYS = {
    "RELREC": ("STUDYID", "RDOMAIN", "USUBJID", "IDVAR", "IDVARVAL", "RELID"),
    "ADTR": ("STUDYID", "USUBJID", "PARCAT2", "PARAMCD", "AVISITN"),
    "ADRS": ("STUDYID", "USUBJID", "PARCAT2", "PARAMCD", "AVISITN", "ADT"),
    "ADTTE": ("STUDYID", "USUBJID", "PARCAT2", "PARAMCD"),
}
_SUPPLEMENTAL_KEYS = ("STUDYID", "RDOMAIN", "USUBJID", "IDVAR", "IDVARVAL", "QNAM")
# The variable whose values differ from test to test, and the one that names the test.
_BY_TEST = {
    "TR": ("TRTESTCD", ("TRORRES", "TRORRESU", "TRSTRESC", "TRSTRESN", "TRSTRESU")),
    "XU": ("XUTESTCD", ("XUORRES", "XUORRESU", "XUSTRESC", "XUSTRESN", "XUSTRESU")),
    "RS": ("RSTESTCD", ("RSSTRESC",)),
    "ADTR": ("PARAMCD", ("AVAL",)),
    "ADRS": ("PARAMCD", ("AVALC", "AVAL")),
    "ADTTE": ("PARAMCD", ("AVAL",)),
}


@dataclass(frozen=True)
class ItemDefinition:
    """What a column or a part of it holds: its type, its length and its terms."""

    data_type: str
    length: int | None
    digits: int | None
    code_list: CodeList | None
    units: tuple[str, ...] = ()


@dataclass(frozen=True)
class ValueDefinition:
    """What a variable holds for one test or qualifier."""

    where: str
    """The variable that names the test"""
    equals: str
    label: str
    item: ItemDefinition


@dataclass(frozen=True)
class VariableDefinition:
    """A variable with its origin."""

    variable: Variable
    item: ItemDefinition
    origin: Origin
    key: int | None
    values: tuple[ValueDefinition, ...]


@dataclass(frozen=True)
class TableDefinition:
    """A dataset."""

    name: str
    label: str
    structure: str
    klass: str
    is_custom: bool
    comment: str | None
    file: str
    records: int
    variables: tuple[VariableDefinition, ...]


@dataclass(frozen=True)
class Definition:
    """Everything that a define.xml says of one study's SDTM or ADaM."""

    study: str
    standard: str
    """SDTM or ADaM"""
    tables: tuple[TableDefinition, ...]
    notes: tuple[str, ...]

    @property
    def code_lists(self) -> tuple[CodeList, ...]:
        """The code lists that are referred to, in order of their names."""
        used = {
            item.code_list.oid
            for table in self.tables
            for variable in table.variables
            for item in (variable.item, *(value.item for value in variable.values))
            if item.code_list is not None
        }
        return tuple(CODE_LISTS[oid] for oid in sorted(used))


def definition_of(
    study: str, standard: str, datasets: Sequence[Dataset], ending: str, notes: Sequence[str]
) -> Definition:
    """Describe datasets as they are: lengths are those of the values.

    Parameters
    ----------
    study : str
        STUDYID.
    standard : {"SDTM", "ADaM"}
        Which of them the datasets are.
    datasets : sequence of Dataset
        The datasets of one submission.
    ending : {"xpt", "csv"}
        Kind of the files that hold them.
    notes : sequence of str
        What the tables lack.
    """
    return Definition(study, standard, tuple(_table(each, ending) for each in datasets), tuple(notes))


def _table(dataset: Dataset, ending: str) -> TableDefinition:
    name = dataset.domain
    keys = _keys(dataset)
    variables = []
    for variable in dataset.variables:
        key = keys.index(variable.name) + 1 if variable.name in keys else None
        values = tuple(_values(dataset, variable))
        item = _item(dataset, variable, [row[variable.name] for row in dataset.rows])
        variables.append(VariableDefinition(variable, item, origin_of(_domain(name), variable.name), key, values))
    return TableDefinition(
        name=name,
        label=dataset.label,
        structure=_STRUCTURES.get(name, "One record per IDVAR, IDVARVAL and QNAM value per subject"),
        klass=_CLASSES.get(name, "RELATIONSHIP" if name.startswith("SUPP") else "FINDINGS"),
        is_custom=name == "XU",
        comment=COMMENTS.get(name),
        file=f"{name.lower()}.{ending}",
        records=len(dataset.rows),
        variables=tuple(variables),
    )


def _domain(name: str) -> str:
    return name if not name.startswith("SUPP") else "SUPP"


def _keys(dataset: Dataset) -> tuple[str, ...]:
    """The variables that identify a record, as far as they are there."""
    name = dataset.domain
    standard = ("STUDYID", "USUBJID", f"{name}EVAL", f"{name}EVALID", f"{name}LNKID", f"{name}TESTCD", "VISITNUM")
    keys = _KEYS.get(name) or (_SUPPLEMENTAL_KEYS if name.startswith("SUPP") else standard)
    there = {variable.name for variable in dataset.variables}
    return tuple(key for key in keys if key in there)


def _item(dataset: Dataset, variable: Variable, values: Sequence[Value], *, is_value: bool = False) -> ItemDefinition:
    """The type of a column's values; text has the length of the longest."""
    listed = code_list_of(dataset.domain, variable.name)
    known = [value for value in values if value is not None]
    if variable.kind == "Char":
        length = max((len(str(value)) for value in known), default=1)
        if variable.name.endswith("DTC"):
            return ItemDefinition("date", None, None, None)
        if listed is None and is_value and known and all(_is_decimal(str(value)) for value in known):
            return ItemDefinition("float", length, _digits(known), None)
        if is_value and listed is None and variable.name.endswith("STRESC"):
            return ItemDefinition("text", length, None, CODE_LISTS["CL.TRPROPRS"])
        return ItemDefinition("text", length, None, listed)
    whole = variable.is_date or variable.name.endswith(_NUMBERED) or all(float(v) == int(v) for v in map(_float, known))
    if whole and not variable.name.endswith(("AVAL", "STRESN", "BASE", "CHG", "NADIR", "CHGNAD")):
        return ItemDefinition("integer", 8, None, listed)
    return ItemDefinition("float", 8, _digits(known), listed)


def _float(value: Value) -> float:
    return float(value or 0)


def _is_decimal(text: str) -> bool:
    return text.lstrip("-").replace(".", "", 1).isdigit()


def _digits(values: Sequence[Value]) -> int:
    """Digits after the decimal point, as many as any value has."""
    texts = [value if isinstance(value, str) else f"{_float(value):.6f}".rstrip("0") for value in values]
    return max((len(text.partition(".")[2]) for text in texts), default=0)


def _values(dataset: Dataset, variable: Variable) -> Iterator[ValueDefinition]:
    """The value-level metadata of a variable: one definition per test or qualifier that occurs."""
    by, names = _BY_TEST.get(dataset.domain, ("QNAM", ("QVAL",)))
    if variable.name not in names or by not in {each.name for each in dataset.variables}:
        return
    labels = {"TRTESTCD": "TRTEST", "XUTESTCD": "XUTEST", "RSTESTCD": "RSTEST", "PARAMCD": "PARAM", "QNAM": "QLABEL"}
    for code in dict.fromkeys(str(row[by]) for row in dataset.rows):
        rows = [row for row in dataset.rows if row[by] == code and row[variable.name] is not None]
        if not rows:
            continue
        item = _item(dataset, variable, [row[variable.name] for row in rows], is_value=True)
        units: tuple[str, ...] = ()
        if variable.name.endswith("STRESN"):
            found = [row[f"{dataset.domain}STRESU"] for row in rows]
            units = tuple(dict.fromkeys(str(unit) for unit in found if unit is not None))
        item = ItemDefinition(item.data_type, item.length, item.digits, item.code_list, units)
        yield ValueDefinition(by, code, str(rows[0][labels[by]]), item)
