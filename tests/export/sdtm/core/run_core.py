"""Runs the rules on datasets with the CDISC CORE engine (cdisc-rules-engine 0.9.2), in an interpreter of its own.

    python run_core.py RULES.yml DATASETS.json

prints one JSON object per rule and dataset of its scope: the rule, the dataset, how the run ended ("not applicable"
where the dataset lacks a variable of the rule), and the errors. The wheel of 0.9.2 lacks the package that reads
define.xml; no rule here reads one, so an empty package stands in for it.
"""

import json
import logging
import sys
import types
from pathlib import Path

import yaml

for name in ("define_xml", "define_xml.define_xml_reader_factory"):
    stand_in = types.ModuleType(f"cdisc_rules_engine.services.{name}")
    stand_in.DefineXMLReaderFactory = object
    sys.modules[stand_in.__name__] = stand_in

from cdisc_rules_engine.dummy_models.dummy_dataset import DummyDataset  # noqa: E402
from cdisc_rules_engine.models.library_metadata_container import LibraryMetadataContainer  # noqa: E402
from cdisc_rules_engine.models.rule import Rule  # noqa: E402
from cdisc_rules_engine.models.rule_conditions import ConditionCompositeFactory  # noqa: E402
from cdisc_rules_engine.rules_engine import RulesEngine  # noqa: E402

# The engine gets classes of datasets from CDISC's library, which needs a network; these are those of the datasets here.
# The engine writes its own log to the same stream.
PREFIX = "RESULT "
CLASSES = {"TU": "FINDINGS", "TR": "FINDINGS", "RS": "FINDINGS", "XU": "FINDINGS", "DM": "SPECIAL PURPOSE"}


def in_scope(rule, name):
    scope = rule["Scope"]
    if "Domains" in scope:
        return name in scope["Domains"]["Include"]
    return CLASSES.get(name) in scope["Classes"]["Include"]


def has_variables(rule, dataset):
    wanted = (check["name"] for check in rule["Check"]["all"] if check["operator"] != "not_exists")
    return all(name.replace("--", dataset.name) in dataset.data.columns for name in wanted)


def executable(rule):
    whole = {
        "Core": {**rule["Core"], "Status": "Published", "Version": "1"},
        "Authorities": [],
        "Sensitivity": "Record",
        "Executability": "Fully Executable",
        "Description": rule["Description"],
        "Scope": {},
        "Rule_Type": "Record Data",
        "Check": rule["Check"],
        "Outcome": {"Message": rule["Description"]},
    }
    whole |= {"Operations": rule["Operations"]} if "Operations" in rule else {}
    made = Rule.from_cdisc_metadata(whole)
    made["conditions"] = ConditionCompositeFactory.get_condition_composite(made["conditions"])
    return made


def say(rule, dataset, status, errors):
    answer = {"rule": rule["Core"]["Id"], "dataset": dataset.name, "status": status, "errors": errors}
    sys.stdout.write(f"{PREFIX}{json.dumps(answer, default=str)}\n")


def main(rules_path, datasets_path):
    logging.disable(logging.CRITICAL)
    rules = yaml.safe_load(Path(rules_path).read_text(encoding="utf-8"))
    datasets = [DummyDataset(data) for data in json.loads(Path(datasets_path).read_text(encoding="utf-8"))]
    engine = RulesEngine(standard="sdtmig", standard_version="3.4", library_metadata=LibraryMetadataContainer())
    for rule in rules:
        for dataset in datasets:
            if not in_scope(rule, dataset.name):
                continue
            if not has_variables(rule, dataset):
                say(rule, dataset, "not applicable", [])
                continue
            (result,) = engine.test_validation(executable(rule), dataset.filename, datasets, dataset)
            say(rule, dataset, result["executionStatus"], result["errors"])


if __name__ == "__main__":
    main(*sys.argv[1:])
