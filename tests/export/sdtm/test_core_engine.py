"""The CDISC CORE engine runs our conformance rules on the SDTM datasets and finds no error.

The engine's release on PyPI needs an older Python, lacks CDISC's own rules (they come from its library by network), and
is run in an interpreter of its own; `core/rules.yml` says what is checked.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from dotaliver.export.sdtm.datasets import Dataset
from dotaliver.export.sdtm.rows import sdtm_datasets
from dotaliver.longitudinal.edits import LesionCourseEdit
from dotaliver.longitudinal.records import Evaluator
from fixtures.courses import TRIAL, TRIAL_DATA, course_of, edits, on, simple_reading

HERE = Path(__file__).parent / "core"
CHECKOUT = Path(__file__).parents[3]
PYTHON = Path(os.environ.get("DOTALIVER_CORE_PYTHON", CHECKOUT / ".core" / "bin" / "python"))
INSTALL = (
    "uv venv --python 3.10 .core && uv pip install --python .core/bin/python --only-binary :all: "
    "--override tests/export/sdtm/core/overrides.txt -r tests/export/sdtm/core/requirements.txt"
)
pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason=f"no CDISC CORE engine; to run it: {INSTALL}")


def datasets() -> tuple[Dataset, ...]:
    """Two evaluators, a target that once was not evaluated, a size too small, and every kind of qualifier."""
    said = edits(LesionCourseEdit(lesion="L02", on=(on(1, state="not_evaluated"), on(3, state="too_small"))))
    readings = [
        simple_reading(
            ((30.0, 20.0), (24.0, 18.0), (20.0, 10.0), (25.0, 15.0)), edits=said, accepted=n == 1
        ).model_copy(update={"evaluator": Evaluator(role="INDEPENDENT ASSESSOR", identifier=f"RADIOLOGIST {n}")})
        for n in (1, 2)
    ]
    return sdtm_datasets(course_of(*readings), TRIAL_DATA)


def as_data(dataset: Dataset):
    return {
        "name": dataset.domain,
        "filename": f"{dataset.domain.lower()}.xpt",
        "label": dataset.label,
        "variables": [{"name": v.name, "label": v.label, "type": v.kind} for v in dataset.variables],
        "records": {
            v.name: ["" if row[v.name] is None and v.kind == "Char" else row[v.name] for row in dataset.rows]
            for v in dataset.variables
        },
    }


def checked(tables, tmp_path):
    start = TRIAL_DATA.dm.reference_start.isoformat()
    records = {"STUDYID": [TRIAL.study_id], "DOMAIN": ["DM"], "USUBJID": [TRIAL.unique_subject_id], "RFSTDTC": [start]}
    dm = {"name": "DM", "filename": "dm.xpt", "label": "Demographics", "variables": [], "records": records}
    path = tmp_path / "datasets.json"
    path.write_text(json.dumps([*map(as_data, tables), dm]))
    done = subprocess.run(
        [PYTHON, HERE / "run_core.py", HERE / "rules.yml", path], capture_output=True, text=True, check=False,
        timeout=900, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [line.removeprefix("RESULT ") for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    return [json.loads(line) for line in lines]


def test_no_rule_finds_an_error_and_every_rule_ran(tmp_path):
    found = checked(datasets(), tmp_path)
    assert [result for result in found if result["errors"]] == []
    assert {result["status"] for result in found} == {"success", "not applicable"}
    ran = {result["rule"] for result in found if result["status"] == "success"}
    # DL-001 holds where a variable is missing, so it ran too.
    assert ran == {f"DL-{number:03d}" for number in range(1, 25)}


SPOILED = [
    ("DL-004", "TR", {"TRORRES": None}),
    ("DL-006", "TR", {"TRDY": 0}),
    ("DL-012", "TR", {"TRTEST": "Diameter"}),
    ("DL-013", "TR", {"TRSEQ": 2}),
    ("DL-016", "TU", {"TUDTC": "10.01.2024"}),
    ("DL-018", "SUPPTR", {"USUBJID": "SOMEBODY"}),
    ("DL-019", "XU", {"XUDY": 7}),
    ("DL-023", "SUPPTR", {"IDVARVAL": "2"}),
    ("DL-024", "RELREC", {"RELTYPE": "SOME"}),
]


def test_the_engine_finds_what_is_wrong(tmp_path):
    tables = []
    for dataset in datasets():
        rows = list(dataset.rows)
        for _, domain, changes in SPOILED:
            if domain == dataset.domain:
                rows[0] = {**rows[0], **changes}
        tables.append(replace(dataset, rows=tuple(rows)))
    found = {(result["rule"], result["dataset"]) for result in checked(tables, tmp_path) if result["errors"]}
    assert {(rule, domain) for rule, domain, _ in SPOILED} - {("DL-023", "SUPPTR")} <= found
