"""The page of SUV rules is the table in the code, and the table names what exists."""

import re
from pathlib import Path

from dotaliver.dicom.pet.rules import RULES, rules_page
from dotaliver.records.flags import FLAGS

ROOT = Path(__file__).resolve().parents[3]


def test_the_page_is_the_table():
    page = ROOT / "src" / "dotaliver" / "dicom" / "pet" / "suv_rules.md"
    assert page.read_text(encoding="utf-8") == rules_page(), "write it anew: rules_page() -> suv_rules.md"


def test_every_flag_named_exists_and_every_option_too():
    from typer.main import get_command

    from dotaliver.cli.main import app

    assert {code for rule in RULES for code in rule.flags} <= set(FLAGS)
    options = {name for p in get_command(app).commands["score"].params for name in p.opts}
    for rule in RULES:
        assert set(re.findall(r"--[a-z-]+", rule.mended_by)) <= options
