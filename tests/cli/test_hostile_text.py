"""Files of strangers end in one sentence, and nothing that stands in them steers a terminal or a spreadsheet."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from dotaliver.cli import output
from dotaliver.config.criteria import RecistConfig
from dotaliver.config.files import load_config, read_edits
from dotaliver.config.protocol import load_protocol
from dotaliver.errors import ConfigError, DotaliverError, FileFormatError
from dotaliver.export.sdtm.datasets import Dataset, Variable, sdtm_csv
from dotaliver.longitudinal.edits import CourseEdits
from dotaliver.records.edits import ReaderEdits
from fixtures.command_line import run_cli
from fixtures.courses import scan, sized

ESCAPE = "\x1b]0;owned\x07\x1b[2J\u009b31m\u202egnp\r"
DEEP = 100_000


def is_plain(text: str) -> bool:
    return all(character.isprintable() or character == "\n" for character in text)


HOSTILE = {
    ".toml": [
        "a = " + "[" * DEEP + "]" * DEEP,
        "[" + ".".join("a" * 1 for _ in range(5000)) + "]",
        "lesions = " + "9" * 5000,
        "schema = 0x" + "f" * 4000,
        "[burden]\nx = " + "1" * 400,
        "a = 1\na = 2",
        '"\\u001b[2J" = 1',
        b"\xff\xfe",
        "x" * (17 << 20),
    ],
    ".json": [
        "[" * DEEP + "]" * DEEP,
        '{"a":' * DEEP + "1" + "}" * DEEP,
        '{"lesions": ' + "9" * 5000 + "}",
        '{"burden": {"x": ' + "1" * 400 + "}}",
        '{"a": 1, "a": 2}',
        '{"relative": NaN}',
        '{"\\u001b[2J": 1}',
        b"\xff\xfe",
        "[]",
    ],
}
READERS = {
    ".toml": [load_config, load_protocol],
    ".json": [load_config, lambda path: read_edits(path, ReaderEdits), lambda path: read_edits(path, CourseEdits)],
}


@pytest.mark.parametrize(
    ("ending", "content", "read"),
    [(ending, content, read) for ending in HOSTILE for content in HOSTILE[ending] for read in READERS[ending]],
)
def test_settings_protocols_and_edits_are_refused_in_one_sentence(tmp_path, ending, content, read) -> None:
    path = tmp_path / f"given{ending}"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError) as caught:
        read(path)
    text = str(caught.value)
    assert text.startswith(f"given{ending}: ")
    assert is_plain(text)
    assert "\n" not in text
    assert len(text) < 400


def test_what_windows_editors_write_is_read(tmp_path) -> None:
    path = tmp_path / "given.json"
    path.write_bytes(b"\xef\xbb\xbf" + b'{"reader": {"name": "A"}}')
    assert read_edits(path, ReaderEdits).reader is not None


def test_settings_of_recist_are_refused_by_the_same_rule(tmp_path) -> None:
    (tmp_path / "rules.toml").write_text("inc6_needs_mm = 7\n")
    done = run_cli("recist", tmp_path, "--out", tmp_path / "out", "--config", tmp_path / "rules.toml")
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert "rules.toml: inc6_needs_mm: " in done.err
    assert "inc6_needs_mm" in RecistConfig.model_fields


def test_errors_show_no_control_characters() -> None:
    for error in (DotaliverError(f"x{ESCAPE}y"), FileFormatError(f"x{ESCAPE}\ny")):
        assert str(error).isprintable()
        assert "\\x1b]0;owned" in str(error)


def test_diff_shows_what_stands_in_records_and_obeys_none_of_it(tmp_path, monkeypatch) -> None:
    first, second = scan(0, sized(1, 20.0)), scan(0, sized(1, 21.0))
    study = first.study.model_copy(update={"study_description": f"a {ESCAPE} b"})
    verdict = first.criteria["INC4"].model_copy(update={"verdict": "met", "reason": f"because {ESCAPE}"})
    other = second.model_copy(update={"study": study, "criteria": second.criteria | {"INC4": verdict}})
    for name, record in (("a", first), ("b", other)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "score.json").write_text(record.with_record_id().to_json())
    done = run_cli("diff", tmp_path / "a", tmp_path / "b")
    assert done.status == 0
    assert is_plain(done.out)
    assert "\\x1b" in done.out
    told = run_cli("diff", tmp_path / "a", tmp_path / "b", "--json").out
    assert is_plain(told)
    assert json.loads(told)["reasons"]["INC4"].endswith(ESCAPE)


def test_tables_on_a_terminal_keep_their_colours_and_lose_the_files_escapes() -> None:
    from rich.table import Table
    from rich.text import Text

    stream = io.StringIO()
    console = output._safe_console(file=stream, force_terminal=True, width=200, color_system="standard")
    table = Table()
    table.add_column("What")
    table.add_row(Text(f"x{ESCAPE}", style="red"))
    console.print(table)
    console.print(f"y{ESCAPE}", markup=False)
    shown = stream.getvalue()
    assert "\x1b[31m" in shown
    assert "\x1b]0;" not in shown
    assert "\x1b[2J" not in shown
    assert not {"\x07", "\u009b", "\u202e", "\r"} & set(shown)


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("=1+1", "'=1+1"), ("@SUM(A1)", "'@SUM(A1)"), ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"), ("-2+3", "'-2+3"),
        ("-30", "-30"), ("+12.5", "+12.5"), ("LIVER", "LIVER"), ("", ""),
    ],
)  # fmt: skip
def test_no_cell_of_an_sdtm_table_is_a_formula(text, stored) -> None:
    dataset = Dataset("TU", "Tumor", (Variable("TULOC", "Location"),), ({"TULOC": text},))
    assert sdtm_csv(dataset) == f"TULOC\r\n{stored or chr(34) * 2}\r\n"


def test_the_shipped_protocols_are_within_the_bounds(tmp_path) -> None:
    import dotaliver.config.protocol as module

    for file in (Path(module.__file__).parent / "protocols").glob("*.toml"):
        assert load_protocol(file).criteria
