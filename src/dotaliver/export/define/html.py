"""The definition as one page in the order of CDISC's style sheet: datasets, variables, values, code lists."""

from __future__ import annotations

from dataclasses import dataclass

from dotaliver import __version__
from dotaliver.export.define.codelists import CodeList
from dotaliver.export.define.model import Definition, ItemDefinition, TableDefinition, VariableDefinition
from dotaliver.export.report.template import page_template

__all__ = ["define_html"]


@dataclass(frozen=True)
class _Variable:
    """One variable, in words."""

    name: str
    label: str
    key: int | None
    data_type: str
    core: str
    code_list: CodeList | None
    origin: str
    rule: str | None
    has_values: bool


@dataclass(frozen=True)
class _Value:
    """What a variable holds where another has a certain value."""

    where: str
    label: str
    data_type: str
    code_list: CodeList | None
    units: str


@dataclass(frozen=True)
class _ByValue:
    """A variable whose content depends on another."""

    name: str
    rows: tuple[_Value, ...]


@dataclass(frozen=True)
class _Table:
    """One dataset, in words."""

    name: str
    label: str
    klass: str
    structure: str
    comment: str | None
    file: str
    records: int
    key_names: str
    variables: tuple[_Variable, ...]
    by_value: tuple[_ByValue, ...]


def define_html(definition: Definition) -> str:
    """A page that a reviewer reads in a browser; every text is escaped."""
    return page_template("define.html.j2").render(
        definition=definition,
        version=__version__,
        tables=[_table(table) for table in definition.tables],
        lists=definition.code_lists,
    )


def _table(table: TableDefinition) -> _Table:
    keys = sorted((each.key, each.variable.name) for each in table.variables if each.key is not None)
    return _Table(
        name=table.name,
        label=table.label,
        klass=table.klass.capitalize() + (", sponsor's domain" if table.is_custom else ""),
        structure=table.structure,
        comment=table.comment,
        file=table.file,
        records=table.records,
        key_names=", ".join(name for _, name in keys),
        variables=tuple(_variable(each) for each in table.variables),
        by_value=tuple(_values(each) for each in table.variables if each.values),
    )


def _variable(each: VariableDefinition) -> _Variable:
    source = f" ({each.origin.source.lower()})" if each.origin.source else ""
    return _Variable(
        name=each.variable.name,
        label=each.variable.label,
        key=each.key,
        data_type=_type(each.item, is_date=each.variable.is_date),
        core={"Req": "required", "Exp": "expected", "Perm": ""}[each.variable.core],
        code_list=each.item.code_list,
        origin=f"{each.origin.kind}{source}",
        rule=each.origin.rule,
        has_values=bool(each.values),
    )


def _type(item: ItemDefinition, *, is_date: bool = False) -> str:
    if is_date:
        return "date (DATE9.)"
    size = "" if item.length is None else f", {item.length}"
    digits = f".{item.digits}" if item.data_type == "float" and item.digits else ""
    return f"{item.data_type}{size}{digits}"


def _values(each: VariableDefinition) -> _ByValue:
    return _ByValue(
        name=each.variable.name,
        rows=tuple(
            _Value(
                where=f"{value.where} = {value.equals}",
                label=value.label,
                data_type=_type(value.item),
                code_list=value.item.code_list,
                units=", ".join(value.item.units),
            )
            for value in each.values
        ),
    )
