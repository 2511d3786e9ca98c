"""What the command line says of itself: help, version, completion, and how quickly."""

import os
import re
import subprocess
import sys

import pytest
from typer.main import get_command

from dotaliver import __version__
from dotaliver.cli.main import app
from fixtures.command_line import run_cli

GROUPS = {
    name: getattr(command, "commands", {"": command})
    for name, command in get_command(app).commands.items()  # type: ignore[attr-defined]
}
COMMANDS = tuple(f"{name} {inner}".strip() for name, group in GROUPS.items() for inner in group)
HEAVY = (
    *("numpy", "scipy", "skimage", "pydicom", "SimpleITK", "pydantic", "rich", "matplotlib", "highdicom", "PIL"),
    "importlib.metadata",
)


def test_the_help_lists_every_command_under_a_title():
    done = run_cli("--help")
    assert done.status == 0
    for name in ("score", "rescore", "inspect", "view", "batch", "recist", "diff", "pull", "push", "sample", "schema"):
        assert re.search(rf"^  {name} +[A-Z]", done.out, re.M), name
    for title in ("Score:", "Many studies, several readers, one patient over time:", "PACS and other formats:"):
        assert f"\n{title}\n" in done.out


@pytest.mark.parametrize("flag", ["--help", "-h"])
@pytest.mark.parametrize("command", ["", "score", "batch"])
def test_help_by_either_flag(command, flag):
    done = run_cli(*([command] if command else []), flag)
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("Usage: ")


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_reads_well(command, columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    done = run_cli(*command.split(), "--help")
    assert done.status == 0
    assert all(len(line) <= columns for line in done.out.splitlines())
    assert not re.search(r"<\w+|list\[|\bPath\b|\bNone\b|\{|x>=|Optional", done.out), done.out
    name, _, inner = command.partition(" ")
    for parameter in GROUPS[name][inner].params:
        if not getattr(parameter, "is_flag", True):
            assert parameter.metavar and parameter.metavar == parameter.metavar.upper(), parameter.name
        assert parameter.help or parameter.param_type_name == "argument", parameter.name


def test_options_of_score_stand_under_titles_and_general_ones_last():
    titles = re.findall(r"^([A-Z][^:\n]*):$", run_cli("score", "--help").out, re.M)
    assert titles == [
        "Arguments",
        "Output",
        "Images",
        "Masks and corrections",
        "Rules",
        "Values that override the DICOM header (recorded as assumptions)",
        "Patient",
        "De-identification",
        "Resources",
        "General",
    ]


def test_version():
    done = run_cli("--version")
    assert (done.status, done.out) == (0, f"dotaliver {__version__}\n")


def test_completion_offers_commands_and_presets():
    program = "import sys; sys.argv[0] = 'dotaliver'; from dotaliver.cli import main; main()"
    offered = {"dotaliver re": {"rescore", "recist", "reading"}, "dotaliver sample x --preset ma": {"massive"}}
    for words, expected in offered.items():
        environment = os.environ | {
            "_DOTALIVER_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split()) - 1),
        }
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=600, check=False
        )
        assert set(done.stdout.split()) == expected, done.stderr


def test_help_loads_nothing_heavy():
    code = (
        "import sys; sys.argv = ['dotaliver', '--help']\n"
        "from dotaliver.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=True)
    assert done.stderr.strip() == "[]"


def test_a_protocol_by_name_scores_with_its_criteria(study, tmp_path, masks_only):
    done = run_cli("score", study, "--out", tmp_path / "out", "--protocol", "prrt-screening")
    assert done.status == 0, done.err
    for words in ("Criteria of PRRT-SCREENING", "Receptor uptake fulfilled", "High liver burden not present"):
        assert words in done.out
    assert "INC7" not in done.out
    revised = run_cli("rescore", tmp_path / "out", "--protocol", "nct04544098", "--no-report")
    assert revised.status == 0, revised.err
    assert "Inclusion 7 fulfilled" in revised.out
    assert "Report:" in done.out and "Report:" not in revised.out
    assert (tmp_path / "out" / "report.html").is_file()
    (again,) = tmp_path.glob("out/revised-*")
    assert (again / "score.json").is_file() and not (again / "report.html").exists()


def test_a_protocol_that_is_not_there_is_bad_usage(study, tmp_path):
    done = run_cli("score", study, "--out", tmp_path / "out", "--protocol", "no-such")
    assert done.status == 2
    assert "nct04544098, prrt-screening" in done.err
    assert not (tmp_path / "out").exists()


def test_python_runs_the_package_as_the_program_does():
    command = [sys.executable, "-m", "dotaliver", "score", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: python -m dotaliver score ")
    assert "Score one study" in done.stdout
