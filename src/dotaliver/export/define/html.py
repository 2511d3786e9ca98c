"""The definition as one page in the order of CDISC's style sheet: datasets, variables, values, code lists."""

from __future__ import annotations

from typing import Any

from dotaliver import __version__
from dotaliver.export.define.model import Definition, ItemDefinition, TableDefinition, VariableDefinition
from dotaliver.export.report.template import page_template

__all__ = ["define_html"]


def define_html(definition: Definition) -> str:
    """A page that a reviewer reads in a browser; every text is escaped."""
    return page_template("define.html.j2").render(
        definition=definition,
        version=__version__,
        tables=[_table(table) for table in definition.tables],
        lists=[
            {"oid": each.oid, "name": each.name, "nci": each.nci, "terms": each.terms} for each in definition.code_lists
        ],
    )


def _table(table: TableDefinition) -> dict[str, Any]:
    keys = sorted((each.key, each.variable.name) for each in table.variables if each.key is not None)
    return {
        "name": table.name,
        "label": table.label,
        "klass": table.klass.capitalize() + (", sponsor's domain" if table.is_custom else ""),
        "structure": table.structure,
        "comment": table.comment,
        "file": table.file,
        "records": table.records,
        "key_names": ", ".join(name for _, name in keys),
        "variables": [_variable(each) for each in table.variables],
        "by_value": [_values(each) for each in table.variables if each.values],
    }


def _variable(each: VariableDefinition) -> dict[str, Any]:
    source = f" ({each.origin.source.lower()})" if each.origin.source else ""
    return {
        "name": each.variable.name,
        "label": each.variable.label,
        "key": each.key,
        "type": _type(each.item, is_date=each.variable.is_date),
        "core": {"Req": "required", "Exp": "expected", "Perm": ""}[each.variable.core],
        "list": each.item.code_list,
        "origin": f"{each.origin.kind}{source}",
        "rule": each.origin.rule,
        "has_values": bool(each.values),
    }


def _type(item: ItemDefinition, *, is_date: bool = False) -> str:
    if is_date:
        return "date (DATE9.)"
    size = "" if item.length is None else f", {item.length}"
    digits = f".{item.digits}" if item.data_type == "float" and item.digits else ""
    return f"{item.data_type}{size}{digits}"


def _values(each: VariableDefinition) -> dict[str, Any]:
    return {
        "name": each.variable.name,
        "rows": [
            {
                "where": f"{value.where} = {value.equals}",
                "label": value.label,
                "type": _type(value.item),
                "list": value.item.code_list,
                "units": ", ".join(value.item.units),
            }
            for value in each.values
        ],
    }
