"""define.xml, version 2.1, with value-level metadata and code lists (CDISC Define-XML 2.1, ODM 1.3.2)."""

from __future__ import annotations

from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from dotaliver import __version__
from dotaliver.export.define.codelists import CodeList
from dotaliver.export.define.model import (
    Definition,
    ItemDefinition,
    TableDefinition,
    ValueDefinition,
    VariableDefinition,
)

__all__ = ["define_xml"]

_ODM, _DEF, _XLINK = (
    "http://www.cdisc.org/ns/odm/v1.3",
    "http://www.cdisc.org/ns/def/v2.1",
    "http://www.w3.org/1999/xlink",
)
_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_STANDARDS = {"SDTM": ("SDTMIG", "3.4"), "ADaM": ("ADaMIG", "1.3")}
# The terminology that the tables were written against (`dotaliver.export.sdtm.datasets.TERMINOLOGY`).
_TERMINOLOGY = "2025-09-26"


def define_xml(definition: Definition, made: datetime | None = None) -> bytes:
    """A definition as XML in UTF-8.

    Parameters
    ----------
    definition : Definition
        What is described.
    made : datetime, optional
        Written as the time of creation; None: now.
    """
    for prefix, namespace in (("", _ODM), ("def", _DEF), ("xlink", _XLINK)):
        ET.register_namespace(prefix, namespace)
    now = (made or datetime.now(UTC)).isoformat(timespec="seconds")
    study, standard = definition.study, definition.standard
    root = ET.Element(
        _odm("ODM"),
        {
            "FileType": "Snapshot",
            "FileOID": f"DEFINE.{standard}.{study}",
            "ODMVersion": "1.3.2",
            "CreationDateTime": now,
            "SourceSystem": "dotaliver",
            "SourceSystemVersion": __version__,
            _def("Context"): "Other",
        },
    )
    about = ET.SubElement(root, _odm("Study"), {"OID": f"STUDY.{study}"})
    names = ET.SubElement(about, _odm("GlobalVariables"))
    for tag in ("StudyName", "StudyDescription", "ProtocolName"):
        ET.SubElement(names, _odm(tag)).text = study
    version = ET.SubElement(
        about,
        _odm("MetaDataVersion"),
        {
            "OID": f"MDV.{standard}.{study}",
            "Name": f"{standard} of {study}",
            "Description": f"{standard} datasets of imaging by dotaliver {__version__}",
            _def("DefineVersion"): "2.1.0",
        },
    )
    _standards(version, standard)
    _value_lists(version, definition)
    for table in definition.tables:
        _item_group(version, table)
    for table in definition.tables:
        for variable in table.variables:
            _item_definition(version, table, variable)
            for value in variable.values:
                _value_definition(version, table, variable, value)
    for each in definition.code_lists:
        _code_list(version, each)
    _methods(version, definition)
    _comments(version, definition)
    ET.indent(root)
    text: str = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()


def _odm(name: str) -> str:
    return f"{{{_ODM}}}{name}"


def _def(name: str) -> str:
    return f"{{{_DEF}}}{name}"


def _described(parent: ET.Element, text: str) -> None:
    holder = ET.SubElement(parent, _odm("Description"))
    ET.SubElement(holder, _odm("TranslatedText"), {_LANG: "en"}).text = text


def _standards(version: ET.Element, standard: str) -> None:
    name, number = _STANDARDS[standard]
    holder = ET.SubElement(version, _def("Standards"))
    ET.SubElement(
        holder,
        _def("Standard"),
        {"OID": "STD.IG", "Name": name, "Type": "IG", "Version": number, "Status": "Final"},
    )
    ET.SubElement(
        holder,
        _def("Standard"),
        {
            "OID": "STD.CT", "Name": "CDISC/NCI", "Type": "CT", "PublishingSet": "SDTM", "Version": _TERMINOLOGY,
            "Status": "Final",
        },
    )  # fmt: skip


def _value_lists(version: ET.Element, definition: Definition) -> None:
    """The value lists, then the conditions that they name."""
    conditions: dict[str, tuple[TableDefinition, ValueDefinition]] = {}
    for table in definition.tables:
        for variable in table.variables:
            if not variable.values:
                continue
            holder = ET.SubElement(version, _def("ValueListDef"), {"OID": _value_list(table, variable)})
            for number, value in enumerate(variable.values, start=1):
                reference = ET.SubElement(
                    holder,
                    _odm("ItemRef"),
                    {"ItemOID": _value_oid(table, variable, value), "OrderNumber": str(number), "Mandatory": "No"},
                )
                where = f"WC.{table.name}.{value.where}.{value.equals}"
                conditions[where] = (table, value)
                ET.SubElement(reference, _def("WhereClauseRef"), {"WhereClauseOID": where})
    for oid, (table, value) in conditions.items():
        holder = ET.SubElement(version, _def("WhereClauseDef"), {"OID": oid})
        check = ET.SubElement(
            holder,
            _odm("RangeCheck"),
            {"Comparator": "EQ", "SoftHard": "Soft", _def("ItemOID"): f"IT.{table.name}.{value.where}"},
        )
        ET.SubElement(check, _odm("CheckValue")).text = value.equals


def _value_list(table: TableDefinition, variable: VariableDefinition) -> str:
    return f"VL.{table.name}.{variable.variable.name}"


def _value_oid(table: TableDefinition, variable: VariableDefinition, value: ValueDefinition) -> str:
    return f"IT.{table.name}.{variable.variable.name}.{value.equals}"


def _item_group(version: ET.Element, table: TableDefinition) -> None:
    attributes = {
        "OID": f"IG.{table.name}",
        "Name": table.name,
        "Repeating": "Yes",
        "IsReferenceData": "No",
        "SASDatasetName": table.name,
        "Purpose": "Analysis" if table.klass == "BASIC DATA STRUCTURE" else "Tabulation",
        _def("Structure"): table.structure,
        _def("ArchiveLocationID"): f"LF.{table.name}",
    }
    if table.klass != "BASIC DATA STRUCTURE":
        attributes["Domain"] = table.name.removeprefix("SUPP") if table.name.startswith("SUPP") else table.name
    attributes |= {_def("IsNonStandard"): "Yes"} if table.is_custom else {_def("StandardOID"): "STD.IG"}
    if table.comment is not None:
        attributes[_def("CommentOID")] = f"COM.{table.name}"
    group = ET.SubElement(version, _odm("ItemGroupDef"), attributes)
    _described(group, table.label)
    for number, each in enumerate(table.variables, start=1):
        name = each.variable.name
        reference = {
            "ItemOID": f"IT.{table.name}.{name}",
            "OrderNumber": str(number),
            "Mandatory": "Yes" if each.variable.core == "Req" else "No",
        }
        if each.key is not None:
            reference["KeySequence"] = str(each.key)
        if each.origin.kind == "Derived" and each.origin.rule is not None:
            reference["MethodOID"] = f"MT.{table.name}.{name}"
        ET.SubElement(group, _odm("ItemRef"), reference)
    names = {"Name": table.klass}
    klass = ET.SubElement(group, _def("Class"), names)
    if table.name == "ADTTE":
        ET.SubElement(klass, _def("SubClass"), {"Name": "TIME-TO-EVENT"})
    leaf = ET.SubElement(group, _def("leaf"), {"ID": f"LF.{table.name}", f"{{{_XLINK}}}href": table.file})
    ET.SubElement(leaf, _def("title")).text = table.file


def _item(version: ET.Element, oid: str, name: str, item: ItemDefinition) -> ET.Element:
    attributes = {"OID": oid, "Name": name, "DataType": item.data_type}
    if item.length is not None:
        attributes["Length"] = str(item.length)
    if item.data_type == "float":
        attributes["SignificantDigits"] = str(item.digits or 0)
    return ET.SubElement(version, _odm("ItemDef"), attributes)


def _listed(element: ET.Element, item: ItemDefinition) -> None:
    if item.code_list is not None:
        ET.SubElement(element, _odm("CodeListRef"), {"CodeListOID": item.code_list.oid})


def _item_definition(version: ET.Element, table: TableDefinition, each: VariableDefinition) -> None:
    name = each.variable.name
    element = _item(version, f"IT.{table.name}.{name}", name, each.item)
    element.set("SASFieldName", name)
    if each.variable.is_date:
        element.set(_def("DisplayFormat"), "DATE9.")
    _described(element, each.variable.label)
    _listed(element, each.item)
    origin = {"Type": each.origin.kind} | ({} if each.origin.source is None else {"Source": each.origin.source})
    holder = ET.SubElement(element, _def("Origin"), origin)
    if each.origin.kind == "Predecessor" and each.origin.rule is not None:
        _described(holder, each.origin.rule)
    if each.values:
        ET.SubElement(element, _def("ValueListRef"), {"ValueListOID": _value_list(table, each)})


def _value_definition(
    version: ET.Element, table: TableDefinition, each: VariableDefinition, value: ValueDefinition
) -> None:
    element = _item(version, _value_oid(table, each, value), f"{each.variable.name}.{value.equals}", value.item)
    unit = f" ({', '.join(value.item.units)})" if value.item.units else ""
    _described(element, f"{value.label}{unit}")
    _listed(element, value.item)
    source = {} if each.origin.source is None else {"Source": each.origin.source}
    ET.SubElement(element, _def("Origin"), {"Type": each.origin.kind} | source)


def _code_list(version: ET.Element, each: CodeList) -> None:
    is_number = each.oid == "CL.CNSR"
    attributes = {"OID": each.oid, "Name": each.name, "DataType": "integer" if is_number else "text"}
    attributes |= {_def("IsNonStandard"): "Yes"} if each.nci is None else {_def("StandardOID"): "STD.CT"}
    element = ET.SubElement(version, _odm("CodeList"), attributes)
    decoded = all(term.decode is not None for term in each.terms)
    for term in each.terms:
        value = {"CodedValue": term.value} | ({_def("ExtendedValue"): "Yes"} if term.is_extended else {})
        if decoded:
            item = ET.SubElement(element, _odm("CodeListItem"), value)
            holder = ET.SubElement(item, _odm("Decode"))
            ET.SubElement(holder, _odm("TranslatedText"), {_LANG: "en"}).text = term.decode
        else:
            ET.SubElement(element, _odm("EnumeratedItem"), value)
    if each.nci is not None:
        ET.SubElement(element, _odm("Alias"), {"Context": "nci:ExtCodeID", "Name": each.nci})


def _methods(version: ET.Element, definition: Definition) -> None:
    for table in definition.tables:
        for each in table.variables:
            if each.origin.kind == "Derived" and each.origin.rule is not None:
                name = each.variable.name
                element = ET.SubElement(
                    version,
                    _odm("MethodDef"),
                    {"OID": f"MT.{table.name}.{name}", "Name": f"{table.name}.{name}", "Type": "Computation"},
                )
                _described(element, each.origin.rule)


def _comments(version: ET.Element, definition: Definition) -> None:
    for table in definition.tables:
        if table.comment is not None:
            element = ET.SubElement(version, _def("CommentDef"), {"OID": f"COM.{table.name}"})
            _described(element, table.comment)
