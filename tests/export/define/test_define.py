"""define.xml is valid by CDISC's schema and describes exactly what is in the tables; the page says the same."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest

from dotaliver.export.adam.package import adam_datasets
from dotaliver.export.define.codelists import CODE_LISTS
from dotaliver.export.define.html import define_html
from dotaliver.export.define.model import definition_of
from dotaliver.export.define.origins import origin_of
from dotaliver.export.define.xml import define_xml
from dotaliver.export.sdtm.datasets import DOMAINS, RELATED_RECORDS, SUPPLEMENTAL
from dotaliver.export.sdtm.rows import sdtm_datasets
from dotaliver.longitudinal.edits import LesionCourseEdit
from fixtures.courses import TRIAL_DATA, course_of, edits, on, simple_reading

ODM, DEF = "{http://www.cdisc.org/ns/odm/v1.3}", "{http://www.cdisc.org/ns/def/v2.1}"
XLINK = "{http://www.w3.org/1999/xlink}"
SIZES = ((30.0, 20.0), (24.0, 18.0), (20.0, 10.0), (25.0, 15.0))


@pytest.fixture(scope="module")
def tables():
    small = edits(LesionCourseEdit(lesion="L02", on=(on(1, state="too_small"), on(3, state="not_evaluated"))))
    course = course_of(simple_reading(SIZES, edits=small))
    sdtm = sdtm_datasets(course, TRIAL_DATA)
    return {"SDTM": sdtm, "ADaM": adam_datasets(course, sdtm)}


@pytest.fixture(scope="module", params=["SDTM", "ADaM"])
def made(request, tables):
    definition = definition_of("NCT04544098", request.param, tables[request.param], "xpt", ["A <note> & more."])
    return tables[request.param], definition, define_xml(definition, datetime(2026, 1, 1, tzinfo=UTC))


def test_it_is_valid_by_the_schema_of_define_xml_2_1(made):
    schema_manager = pytest.importorskip("odmlib.schema_manager")
    xmlschema = pytest.importorskip("xmlschema")
    schema = xmlschema.XMLSchema(schema_manager.get_schema_path("define", "2.1"))
    assert [error.reason for error in schema.iter_errors(made[2].decode())] == []


def test_odmlib_reads_it(made, tmp_path):
    loader = pytest.importorskip("odmlib.define_loader")
    documents = pytest.importorskip("odmlib.loader")
    path = tmp_path / "define.xml"
    path.write_bytes(made[2])
    reader = documents.ODMLoader(loader.XMLDefineLoader(model_package="define_2_1", ns_uri=DEF.strip("{}")))
    reader.open_odm_document(str(path))
    version = reader.MetaDataVersion()
    assert {group.Name for group in version.ItemGroupDef} == {dataset.domain for dataset in made[0]}


def test_every_oid_that_is_referred_to_is_defined_once(made):
    root = ET.fromstring(made[2])
    defined = [element.get("OID") for element in root.iter() if element.get("OID")]
    assert len(set(defined)) == len(defined)
    names = {"ItemOID", "CodeListOID", "MethodOID", "ValueListOID", "WhereClauseOID"}
    names |= {f"{DEF}{name}" for name in ("ItemOID", "CommentOID", "StandardOID")}
    referred = {value for element in root.iter() for name, value in element.attrib.items() if name in names}
    assert referred <= set(defined)
    assert {element.get("OID") for element in root.iter(f"{ODM}CodeList")} <= referred


def test_datasets_variables_and_files_are_those_of_the_tables(made):
    root = ET.fromstring(made[2])
    items = {element.get("OID"): element for element in root.iter(f"{ODM}ItemDef")}
    groups = {group.get("Name"): group for group in root.iter(f"{ODM}ItemGroupDef")}
    assert list(groups) == [dataset.domain for dataset in made[0]]
    for dataset in made[0]:
        group = groups[dataset.domain]
        found = [items[reference.get("ItemOID")] for reference in group.iter(f"{ODM}ItemRef")]
        assert [item.get("Name") for item in found] == [variable.name for variable in dataset.variables]
        assert group.find(f"{DEF}leaf").get(f"{XLINK}href") == f"{dataset.domain.lower()}.xpt"
        for item, variable in zip(found, dataset.variables, strict=True):
            assert (item.get("DataType") in {"integer", "float"}) == (variable.kind == "Num")
            values = [row[variable.name] for row in dataset.rows if row[variable.name] is not None]
            if item.get("DataType") == "text":
                assert int(item.get("Length")) == max((len(str(value)) for value in values), default=1)
            if item.get("DataType") == "integer":
                assert all(float(value) == int(value) for value in values)


def test_coded_values_are_terms_of_the_lists_that_are_named(made):
    for dataset, table in zip(made[0], made[1].tables, strict=True):
        for each in table.variables:
            if each.item.code_list is not None:
                terms = {term.value for term in each.item.code_list.terms}
                values = {row[each.variable.name] for row in dataset.rows} - {None}
                assert {str(value) for value in values} <= terms, (dataset.domain, each.variable.name)


def test_results_are_defined_test_by_test(tables):
    definition = definition_of("S", "SDTM", tables["SDTM"], "xpt", [])
    (tr,) = (table for table in definition.tables if table.name == "TR")
    (number,) = (each for each in tr.variables if each.variable.name == "TRSTRESN")
    by_test = {value.equals: value for value in number.values}
    assert by_test["PCBSD"].item.units == ("%",)
    assert by_test["SUMDIAM"].item.units == ("mm",)
    assert "TUMSTATE" not in by_test
    (text,) = (each for each in tr.variables if each.variable.name == "TRORRES")
    # TOO SMALL TO MEASURE is text among the numbers.
    assert {v.equals: v.item.data_type for v in text.values}["LDIAM"] == "text"


@pytest.mark.parametrize("domain", [*DOMAINS, "SUPP", "RELREC"])
def test_every_variable_that_sdtm_may_have_has_an_origin(domain):
    variables = {"SUPP": SUPPLEMENTAL, "RELREC": RELATED_RECORDS}.get(domain) or DOMAINS[domain][1]
    for variable in variables:
        assert origin_of(domain, variable.name).kind


def test_terms_of_the_sponsor_are_marked_in_lists_of_cdisc(made):
    root = ET.fromstring(made[2])
    extended = {item.get("CodedValue") for item in root.iter() if item.get(f"{DEF}ExtendedValue") == "Yes"}
    assert extended == ({"ACBSD", "Absolute Change Baseline in Sum of Diam"} if made[1].standard == "SDTM" else set())
    for element in root.iter(f"{ODM}CodeList"):
        alias = element.find(f"{ODM}Alias")
        assert (None if alias is None else alias.get("Name")) == CODE_LISTS[element.get("OID")].nci


def test_the_page_names_every_variable_once_and_escapes_notes(made):
    page = define_html(made[1])
    for table in made[1].tables:
        for each in table.variables:
            assert page.count(f'id="{table.name}.{each.variable.name}"') == 1
    assert "A &lt;note&gt; &amp; more." in page
    assert "built-in" not in page
    assert ("STUDYID, USUBJID, TREVAL, TRLNKID, TRTESTCD, VISITNUM" in page) == (made[1].standard == "SDTM")
    targets = set(re.findall(r'href="#([^"]+)"', page))
    assert all(f'id="{target}"' in page for target in targets)
