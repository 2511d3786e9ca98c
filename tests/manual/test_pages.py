"""The manual holds together: pages, links, pictures, commands and examples are what they say, and they run."""

from __future__ import annotations

import doctest
import json
import re
import shlex
import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.main import get_command

from dotaliver.cli.main import app
from dotaliver.config.protocol import TrialProtocol
from dotaliver.config.scoring import ScoringConfig
from dotaliver.longitudinal.edits import CourseEdits
from dotaliver.longitudinal.manifest import read_manifest
from dotaliver.manual.html import page_html, slug, whole_manual_html, write_manual
from dotaliver.manual.pages import PAGES, page, picture
from dotaliver.records.edits import ReaderEdits
from fixtures.command_line import TELLTALES, run_cli

FENCE = re.compile(r"^```(\w+)(?: +(\S+))?\n(.*?)^```$", re.M | re.S)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)]+)\)")
SCRIPTS = Path(__file__).parents[2] / "scripts"
PICTURE = re.compile(r"!\[([^\]]*)\]\(pictures/([^)]+)\)")
COMMANDS = get_command(app).commands  # type: ignore[attr-defined]
# A command may be a group of commands, such as 'reading'.
LEAVES = [leaf for command in COMMANDS.values() for leaf in getattr(command, "commands", {"": command}).values()]


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the file that it is to be saved as, its text."""

    page: str
    language: str
    file: str | None
    text: str


BLOCKS = tuple(
    Block(name, language, file or None, text)
    for name in PAGES
    for language, file, text in FENCE.findall(page(name).text)
)


def commands(block: Block) -> list[list[str]]:
    """The dotaliver commands of a block: all lines of a shell block, those after ``$`` of a console block."""
    lines = block.text.splitlines()
    if block.language == "console":
        lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    found = [shlex.split(line, comments=True) for line in lines]
    return [words[1:] for words in found if words and words[0] == "dotaliver"]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_one_title_and_its_links_and_pictures_exist(name):
    text = FENCE.sub("", page(name).text)
    assert len(re.findall(r"^# ", text, re.M)) == 1
    for target in LINK.findall(text):
        to, _, anchor = target.partition("#")
        assert to.endswith(".md") and to.removesuffix(".md") in PAGES, target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", page(to.removesuffix(".md")).text, re.M)
            assert anchor in map(slug, headings)
    for words, file in PICTURE.findall(text):
        assert len(words.split()) >= 4, "a picture says in words what it shows"
        data = picture(file)
        assert data.startswith(b"\x89PNG")
        assert len(data) < 300_000


def test_every_page_is_reached_from_the_index():
    linked = set(re.findall(r"\(([a-z-]+)\.md", page("index").text))
    assert linked == set(PAGES) - {"index"}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_as_html_needs_nothing_else(name):
    text = page_html(name)
    assert "default-src 'none'" in text
    assert not re.search(r"<script|src=\"(?!data:)|url\(|@import", text)
    for target in re.findall(r'href="([^"]+)"', text):
        file, _, anchor = target.partition("#")
        assert file.removesuffix(".html") in PAGES
        assert not anchor or f'id="{anchor}"' in page_html(file.removesuffix(".html"))
    assert "<table>" in text or "|" not in page(name).text


def test_the_manual_in_one_document_links_within_itself():
    text = whole_manual_html()
    targets = re.findall(r'href="([^"]+)"', text)
    assert targets
    for target in targets:
        assert target.startswith("#")
        assert text.count(f'id="{target[1:]}"') == 1, target


def test_the_manual_is_written_as_files_or_as_one(tmp_path):
    assert write_manual(tmp_path / "pages") == tmp_path / "pages" / "index.html"
    assert {path.name for path in (tmp_path / "pages").iterdir()} == {f"{name}.html" for name in PAGES}
    assert write_manual(tmp_path / "new" / "m.html").read_text() == whole_manual_html()
    assert write_manual(tmp_path / "p.html", "suv").read_text() == page_html("suv")


def test_the_command_lists_shows_writes_and_refuses(tmp_path, monkeypatch):
    listed = run_cli("manual")
    assert listed.status == 0
    assert all(name in listed.out for name in PAGES)
    shown = run_cli("manual", "verdicts")
    assert "upper limit of normal liver" in " ".join(shown.out.split())
    assert max(map(len, shown.out.splitlines())) <= 100
    assert "pictures/" not in run_cli("manual", "reading").out
    assert run_cli("manual", "suv", "--out", tmp_path / "suv.html").out.strip() == str(tmp_path / "suv.html")
    refused = run_cli("manual", "no-such-page")
    assert refused.status == 2
    assert "verdicts" in refused.err
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert run_cli("manual", "suv", "--browser").status == 0
    assert opened[0].startswith("file://") and opened[0].endswith("/suv.html")


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language in {"console", "sh"}], ids=lambda b: b.page)
def test_commands_and_their_options_exist(block):
    for words in commands(block):
        assert words[0] in COMMANDS, words
        command = COMMANDS[words[0]]
        if hasattr(command, "commands"):
            assert words[1] in command.commands, words
            command = command.commands[words[1]]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words[1:] if word.startswith("-")} <= known | {"--help"}, words


def test_options_named_in_the_text_exist():
    known = {option for command in LEAVES for parameter in command.params for option in parameter.opts}
    known |= {"--version", "--help"}
    for script in SCRIPTS.glob("*.py"):
        known |= set(re.findall(r'add_argument\(\s*"(--[a-z-]+)"', script.read_text()))
    for name in PAGES:
        named = set(re.findall(r"`(--[a-z][a-z0-9-]*)", FENCE.sub("", page(name).text)))
        assert named <= known, (name, named - known)


def test_files_of_the_examples_are_accepted(tmp_path):
    models = {
        "edits.json": ReaderEdits,
        "mr_edits.json": ReaderEdits,
        "body_edits.json": ReaderEdits,
        "fdg_edits.json": ReaderEdits,
        "decisions.json": CourseEdits,
    }
    for block in BLOCKS:
        if block.language == "json":
            models[str(block.file)].model_validate(json.loads(block.text))
        elif block.language == "csv":
            (tmp_path / str(block.file)).write_text(block.text)
            read_manifest(tmp_path / str(block.file))
        elif block.language == "toml":
            data = tomllib.loads(block.text)
            if "criteria" in data:
                TrialProtocol.model_validate(data)
            elif "project" not in data:
                ScoringConfig.model_validate(data)


# What the session's fixtures have made already, with fewer lesions
SHARED = {"sample phantom --small --seed 3": "phantom", "score phantom/study --out score": "score"}


def test_every_command_and_example_of_the_manual_runs(tmp_path, monkeypatch, masks_only, phantom, scored):
    monkeypatch.chdir(tmp_path)
    made = {"phantom": phantom, "score": scored}
    globs: dict[str, object] = {}
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for block in BLOCKS:
        if block.file is not None:
            Path(block.file).write_text(block.text)
        if block.language == "console":
            for words in commands(block):
                if (name := SHARED.get(" ".join(words))) is not None:
                    shutil.copytree(made.pop(name), tmp_path / name)
                    continue
                done = run_cli(*words)
                assert done.status == 0, (block.page, words, done.err)
                assert not [word for word in TELLTALES if word in done.out]
        elif block.language == "pycon":
            test = doctest.DocTestParser().get_doctest(block.text, globs, block.page, None, 0)
            runner.run(test, clear_globs=False)
            globs = test.globs
    assert runner.summarize(verbose=False).failed == 0
    assert not made, "the manual no longer makes these as the fixtures do"
